"""The training form: made from the option table of ``state.training``; wrong values are told in the field at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import Section, button, label, restyle
from brainview.core.names import shown
from brainview.state import training
from brainview.state.training import Option


class TrainingForm(QWidget):
    """System, features, subjects, options; `train(dict)` is emitted with valid values only."""

    train = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.system = QComboBox()
        self.system.setAccessibleName("Model")
        for key, (title, _) in training.SYSTEMS.items():
            self.system.addItem(title, key)
        self.features = QComboBox()
        self.features.setEditable(True)
        self.features.setAccessibleName("Features")
        self.features.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.features.setMinimumContentsLength(10)
        for key, hint in training.FEATURES:
            self.features.addItem(key)
            self.features.setItemData(self.features.count() - 1, hint, Qt.ItemDataRole.ToolTipRole)
        self.feature_hint = label("", "caption", wrap=True)
        self.problem = label("", "bad", wrap=True)
        self.problem.hide()
        self.button = button("Train", self._send, role="primary", glyph="train",
                             tip="Train on the open data set; progress appears below the brain")
        self._boxes: dict[str, QCheckBox] = {}
        self._subjects = QWidget()
        self._subject_column = QVBoxLayout(self._subjects)
        self._subject_column.setContentsMargins(0, 0, 0, 0)
        self._subject_column.setSpacing(GRID // 2)
        self._fields: dict[str, QWidget] = {}
        self._options = QWidget()
        self._lay_out()
        self.system.currentIndexChanged.connect(lambda _: self._make_options())
        self.features.editTextChanged.connect(lambda _: self.check())
        self._make_options()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow(self._title("Model", self.system), self.system)
        form.addRow(self._title("Features", self.features), self.features)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, 0, GRID, 0)
        column.setSpacing(GRID)
        column.addLayout(form)
        column.addWidget(self.feature_hint)
        self._subject_section = Section("For subjects", self._subjects, open_=False)
        column.addWidget(self._subject_section)
        self._option_section = Section("Options", self._options, open_=False)
        column.addWidget(self._option_section)
        column.addWidget(self.problem)
        column.addWidget(self.button)

    @staticmethod
    def _title(words: str, buddy: QWidget) -> QLabel:
        out = label(words, "second")
        out.setBuddy(buddy)
        return out

    def _make_options(self) -> None:
        old = self._options.layout()
        if old is not None:
            QWidget().setLayout(old)  # the old fields go with their layout
        self._fields.clear()
        form = QFormLayout(self._options)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(GRID)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for option in training.SYSTEMS[self.chosen_system()][1]:
            field = self._field(option)
            field.setToolTip(option.hint)
            field.setAccessibleName(option.title)
            field.setAccessibleDescription(option.hint)
            self._fields[option.name] = field
            form.addRow(self._title(option.title, field), field)
        self.check()

    def _field(self, option: Option) -> QWidget:
        if option.kind == "choice":
            box = QComboBox()
            for value, words in option.choices:
                box.addItem(words, value)
            box.setCurrentIndex(box.findData(option.default))
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
            box.currentIndexChanged.connect(lambda _: self.check())
            return box
        if option.kind == "int":
            spin = QSpinBox()
            spin.setRange(int(option.low), int(min(option.high, 2**31 - 1)))
            spin.setValue(int(option.default))
            spin.valueChanged.connect(lambda _: self.check())
            return spin
        if option.kind == "bool":
            tick = QCheckBox()
            tick.setChecked(bool(option.default))
            return tick
        text = QLineEdit(str(option.default))
        text.textChanged.connect(lambda _: self.check())
        return text

    def chosen_system(self) -> str:
        """Return the key of the chosen system."""
        return str(self.system.currentData())

    def show_subjects(self, names: Sequence[str]) -> None:
        """Offer these subjects, all ticked."""
        for box in self._boxes.values():
            box.deleteLater()
        self._boxes = {}
        for name in names:
            box = QCheckBox(shown(name))
            box.setChecked(True)
            box.toggled.connect(lambda _: self.check())
            self._boxes[name] = box
            self._subject_column.addWidget(box)
        self.check()

    def chosen_subjects(self) -> list[str]:
        """Return the ticked subjects."""
        return [name for name, box in self._boxes.items() if box.isChecked()]

    def options(self) -> dict[str, Any]:
        """Return the options as the form has them."""
        out: dict[str, Any] = {}
        for option in training.SYSTEMS[self.chosen_system()][1]:
            field = self._fields[option.name]
            if isinstance(field, QComboBox):
                out[option.name] = field.currentData()
            elif isinstance(field, QSpinBox):
                out[option.name] = field.value()
            elif isinstance(field, QCheckBox):
                out[option.name] = field.isChecked()
            elif isinstance(field, QLineEdit):
                out[option.name] = _number_or_text(field.text(), option)
        return out

    def check(self) -> bool:
        """Mark what is wrong; True when the form can be sent."""
        name = self.features.currentText().strip()
        feature_problem = training.feature_problem(name)
        restyle(self.features, problem="true" if feature_problem else "false")
        self.feature_hint.setText(dict(training.FEATURES).get(name, "Any timm:MODEL or open_clip:MODEL:PRETRAINED."))
        wrong = training.problems(self.chosen_system(), self.options())
        for option, field in self._fields.items():
            restyle(field, problem="true" if option in wrong else "false")
        nobody = bool(self._boxes) and not self.chosen_subjects()
        lines = [f"Features {feature_problem}."] if feature_problem else []
        titles = {o.name: o.title for o in training.SYSTEMS[self.chosen_system()][1]}
        lines += [f"{titles[k]} {v}." for k, v in wrong.items()] + (["Tick at least one subject."] if nobody else [])
        self.problem.setText("\n".join(lines))
        self.problem.setVisible(bool(lines))
        ticked = self.chosen_subjects()
        self._subject_section.set_title("For all subjects" if len(ticked) == len(self._boxes) else
                                        f"For {len(ticked)} of {len(self._boxes)} subjects")
        self.button.setEnabled(not lines and bool(self._boxes))
        return not lines

    def _send(self) -> None:
        if self.check():
            self.train.emit({"system": self.chosen_system(), "features": self.features.currentText().strip(),
                             "subjects": self.chosen_subjects(), "options": self.options()})


def _number_or_text(text: str, option: Option) -> Any:
    if option.kind != "float":
        return text
    try:
        return float(text)
    except ValueError:
        return text
