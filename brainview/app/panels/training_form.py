"""The training form: made from what the system says of itself; wrong values are told in the field at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from brainview.app.panels.training.needs import Needs
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Section, button, label, restyle
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import plain, shown
from brainview.core.systems import SYSTEMS
from brainview.state.training import Option, RunEntry, SystemForm
from brainview.state.training_words import FEATURES, FROM_START


def narrow(box: QComboBox, name: str) -> QComboBox:
    """Return a chooser that may become narrow."""
    box.setAccessibleName(name)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def form_layout(parent: QWidget | None = None) -> QFormLayout:
    """Return the layout of names and fields."""
    form = QFormLayout(parent) if parent is not None else QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setSpacing(GRID)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return form


class TrainingForm(QWidget):
    """System, preset, options, subjects; `train(dict)` is emitted with valid values only.

    `system_chosen(name)`, `preset_chosen(name)` and `edited(values)` tell what the user does.
    """

    train = Signal(dict)
    system_chosen = Signal(str)
    preset_chosen = Signal(str)
    edited = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self._form: SystemForm | None = None
        self._silent = False
        self._trouble = ""  # what the system itself says against the settings
        self._fields: dict[str, QWidget] = {}
        self._runs: dict[str, RunEntry] = {}  # those that the chooser of an earlier run offers
        self._boxes: dict[str, QCheckBox] = {}
        self.system, self.preset = narrow(Chooser(), "Model"), narrow(Chooser(), "Preset")
        for key, entry in SYSTEMS.items():
            self.system.addItem(entry.title, key)
        self.about, self.preset_words = label("", "caption", wrap=True), label("", "caption", wrap=True)
        self.needs = Needs()
        self.problem = label("", "bad", wrap=True)
        self.problem.hide()
        self.button = button("Train", self._send, role="primary", glyph="train",
                             tip="Train on the open data set; progress and curves appear above")
        self.reset = button("Back to the preset", lambda: self.preset_chosen.emit(self.chosen_preset()), role="link",
                            tip="Undo the changes of options since the preset was chosen")
        self._subjects, self._main, self._more = QWidget(), QWidget(), QWidget()
        self._lay_out()
        self.system.activated.connect(lambda _: self.system_chosen.emit(self.chosen_system()))
        self.preset.activated.connect(lambda _: self.preset_chosen.emit(self.chosen_preset()))
        self.check()

    def _lay_out(self) -> None:
        self._subject_column = QVBoxLayout(self._subjects)
        self._subject_column.setContentsMargins(0, 0, 0, 0)
        self._subject_column.setSpacing(GRID // 2)
        top, preset_form = form_layout(), form_layout()
        top.addRow(self._title("Model", self.system), self.system)
        preset_form.addRow(self._title("Preset", self.preset), self.preset)
        self._subject_section = Section("For subjects", self._subjects, open_=False)
        self._more_section = Section("More options", self._more, open_=False)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, 0, GRID, 0)
        column.setSpacing(GRID)
        for layout, words in ((top, self.about), (preset_form, self.preset_words)):
            column.addLayout(layout)
            column.addWidget(words)
        for widget in (self.reset, self._main, self._subject_section, self._more_section, self.needs, self.problem,
                       self.button):
            column.addWidget(widget)

    @staticmethod
    def _title(words: str, buddy: QWidget) -> QLabel:
        out = label(words, "second")
        out.setBuddy(buddy)
        return out

    # -- what is shown -------------------------------------------------------------------------------------------

    def show_form(self, form: SystemForm | None, system: str, preset: str, values: Mapping[str, Any]) -> None:
        """Show the form of a system (None = its settings are being read)."""
        self.system.setCurrentIndex(self.system.findData(system))
        self._trouble = ""
        if form is not self._form:
            self._form = form
            self._make_fields()
        self._silent = True
        try:
            if form is not None:
                self.about.setText(shown(form.about, limit=400))
                self.preset.setCurrentIndex(self.preset.findData(preset))
                for name, field in self._fields.items():
                    if name in values:
                        _write(field, values[name])
        finally:
            self._silent = False
        self.check()

    def _make_fields(self) -> None:
        for holder in (self._main, self._more):
            old = holder.layout()
            if old is not None:
                QWidget().setLayout(old)  # the old fields go with their layout
        self._fields.clear()
        self.preset.clear()
        self.about.setText("Reading its settings…" if self._form is None else "")
        main, more = form_layout(self._main), form_layout(self._more)
        for name in self._form.presets if self._form else ():
            self.preset.addItem(shown(name), name)
        for option in self._form.options if self._form else ():
            field = self._field(option)
            field.setToolTip(option.hint)
            field.setAccessibleName(option.title)
            field.setAccessibleDescription(option.hint)
            self._fields[option.name] = field
            (main if option.main else more).addRow(self._title(option.title, field), field)
        self._more_section.setVisible(more.rowCount() > 0)

    def _field(self, option: Option) -> QWidget:
        if option.kind == "run":
            return self._run_chooser(option)
        if option.kind in ("choice", "features"):
            box = narrow(Chooser(), option.title)
            box.setEditable(option.kind == "features")
            for value, words in option.choices or (FEATURES if option.kind == "features" else ()):
                box.addItem(value if option.kind == "features" else words, value)
                if option.kind == "features":
                    box.setItemData(box.count() - 1, words, Qt.ItemDataRole.ToolTipRole)
            if option.kind == "features":
                box.editTextChanged.connect(lambda _: self._edit())
            else:
                box.currentIndexChanged.connect(lambda _: self._edit())
            return box
        if option.kind == "int":
            spin = QSpinBox()
            spin.setRange(int(max(option.low, -(2**31))), int(min(option.high, 2**31 - 1)))
            spin.setGroupSeparatorShown(True)
            spin.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            for inner in spin.findChildren(QLineEdit):
                inner.setTextMargins(7, 0, 0, 0)  # the style sheet's padding does not reach it
            spin.valueChanged.connect(lambda _: self._edit())
            return spin
        if option.kind == "bool":
            tick = QCheckBox()
            tick.toggled.connect(lambda _: self._edit())
            return tick
        text = QLineEdit()
        text.textChanged.connect(lambda _: self._edit())
        return text

    def _run_chooser(self, option: Option) -> QComboBox:
        box = narrow(Chooser(), option.title)
        box.addItem("No earlier run", "")
        box.currentIndexChanged.connect(lambda _: self._edit())
        box.activated.connect(lambda _: self._take_subjects(str(box.currentData())))
        return box

    def show_starts(self, runs: Sequence[RunEntry]) -> None:
        """Offer the runs that a later stage can begin from; one that was chosen before stays, also when it is gone."""
        name = next((o.name for o in self._form.options if o.kind == "run"), "") if self._form else ""
        box = self._fields.get(name)
        if not isinstance(box, QComboBox):
            return
        self._runs = {r.path: r for r in runs}
        now, self._silent = str(box.currentData() or ""), True
        try:
            box.clear()
            box.addItem("No earlier run" if runs else "No finished run yet", "")
            for path, entry in self._runs.items():
                stage = entry.config.get("stage")
                box.addItem(shown(entry.name if stage is None else f"{entry.name} · stage {stage}"), path)
                box.setItemData(box.count() - 1, shown(f"{path}\n{', '.join(entry.subjects)}", limit=400).replace(
                    "\\n", "\n"), Qt.ItemDataRole.ToolTipRole)
            _write(box, now)
        finally:
            self._silent = False
        self.check()

    def _take_subjects(self, path: str) -> None:
        """Tick the subjects of the run that was chosen for stage 2, the others for stage 3."""
        entry, values = self._runs.get(path), self.options()
        stage = values.get("stage")
        if entry is None or not self._boxes or (stage not in (2, 3) and "begin" not in values):
            return
        mine = entry.config.get("subjects", entry.subjects)
        wanted = {n for n in self._boxes if (n in mine) == (stage != 3)}
        for name, tick in self._boxes.items():
            tick.setChecked(name in wanted)
        for name in self._taken(values):
            if name in self._fields and name in entry.config:
                _write(self._fields[name], entry.config[name])

    def _taken(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the options that a later stage takes from the run that it begins from."""
        stage = values.get("stage")
        names = FROM_START.get(self._form.name, ()) if self._form and (stage in (2, 3) or values.get("begin")) else ()
        return tuple(n for n in names if n != "limit") if stage == 3 else names

    @property
    def features(self) -> QComboBox | None:
        """The chooser of features, None when the system has none."""
        found = self._fields.get("features")
        return found if isinstance(found, QComboBox) else None

    def field(self, name: str) -> QWidget:
        """Return the field of an option; raises KeyError for an unknown one."""
        return self._fields[name]

    def show_subjects(self, names: Sequence[str]) -> None:
        """Offer these subjects, all ticked."""
        for box in self._boxes.values():
            box.deleteLater()
        self._boxes = {}
        for name in names:
            box = QCheckBox(shown(name))
            box.setChecked(True)
            box.toggled.connect(lambda _: self._edit())
            self._boxes[name] = box
            self._subject_column.addWidget(box)
        self.check()

    def show_estimate(self, estimate: Mapping[str, Any]) -> None:
        """Show what it will need, and what the system says against the settings."""
        self.needs.show_estimate(estimate)
        self._trouble = str(estimate.get("problem") or "")
        self.check()

    # -- what is chosen ------------------------------------------------------------------------------------------

    def chosen_system(self) -> str:
        """Return the key of the chosen system."""
        return str(self.system.currentData())

    def chosen_preset(self) -> str:
        """Return the name of the chosen preset."""
        return str(self.preset.currentData() or "")

    def chosen_subjects(self) -> list[str]:
        """Return the ticked subjects."""
        return [name for name, box in self._boxes.items() if box.isChecked()]

    def options(self) -> dict[str, Any]:
        """Return the options as the form has them."""
        if self._form is None:
            return {}
        return {o.name: _read(self._fields[o.name], o) for o in self._form.options}

    def _edit(self) -> None:
        if not self._silent:
            self._trouble = ""
            self.check()
            self.edited.emit(self.options())

    def check(self) -> bool:
        """Mark what is wrong; True when the form can be sent."""
        form = self._form
        values = self.options()
        wrong = form.problems(values) if form else {}
        taken = self._taken(values)
        for name, field in self._fields.items():
            restyle(field, problem="true" if name in wrong else "false")
            if field.isEnabled() == (name in taken):
                field.setEnabled(name not in taken)
                hint = form.option(name).hint if form else ""  # type: ignore[union-attr]
                field.setToolTip(f"{hint} Taken from the run that this stage begins from." if name in taken else hint)
        titles = {o.name: o.title for o in form.options} if form else {}
        lines = [f"{titles[k]} {v}." for k, v in wrong.items()]
        if self._boxes and not self.chosen_subjects():
            lines.append("Tick at least one subject.")
        if not lines and self._trouble:
            lines.append(self._trouble)
        self.problem.setText(shown("\n".join(lines), limit=600).replace("\\n", "\n"))
        self.problem.setVisible(bool(lines))
        self.needs.setVisible(not lines and form is not None)
        ticked = self.chosen_subjects()
        self._subject_section.set_title("For all subjects" if len(ticked) == len(self._boxes) else
                                        f"For {len(ticked)} of {len(self._boxes)} subjects")
        self._show_preset(values)
        self.button.setEnabled(not lines and bool(self._boxes) and form is not None)
        return not lines and form is not None

    def _show_preset(self, values: Mapping[str, Any]) -> None:
        form, preset = self._form, self.chosen_preset()
        changed = form.changes(preset, values) if form else []
        words = "" if form is None else f"Differs from the preset in {', '.join(changed).lower()}." if changed else \
            form.preset_words(preset)
        self.preset_words.setText(shown(words, limit=400))
        self.preset_words.setToolTip("" if form is None else plain(form.preset_settings(preset), limit=800))
        self.preset_words.setVisible(bool(words))
        self.reset.setVisible(bool(changed))

    def _send(self) -> None:
        if self.check():
            options = self.options()
            self.train.emit({"system": self.chosen_system(), "features": str(options.get("features", "")),
                             "subjects": self.chosen_subjects(), "options": options})


def _write(field: QWidget, value: Any) -> None:
    if isinstance(field, QComboBox):
        at = field.findData(value)
        if field.isEditable():
            field.setEditText(str(value))
        else:
            if at < 0 and value and field.itemData(0) == "":  # a chooser of runs: the folder is not in the list
                field.addItem(shown(str(value).rsplit("/", 1)[-1]), value)
                at = field.count() - 1
            if at >= 0:
                field.setCurrentIndex(at)
    elif isinstance(field, QSpinBox):
        field.setValue(int(value))
    elif isinstance(field, QCheckBox):
        field.setChecked(bool(value))
    elif isinstance(field, QLineEdit) and field.text() != _text(value):
        field.setText(_text(value))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read(field: QWidget, option: Option) -> Any:
    if isinstance(field, QComboBox):
        return field.currentText().strip() if field.isEditable() else field.currentData()
    if isinstance(field, QSpinBox):
        return field.value()
    if isinstance(field, QCheckBox):
        return field.isChecked()
    text = field.text().strip() if isinstance(field, QLineEdit) else ""
    if option.kind != "float":
        return text
    try:
        return float(text)
    except ValueError:
        return text
