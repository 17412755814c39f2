"""Dock "Subjects & training": the open data set, its subjects, the training form, the runs made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGridLayout,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from brainview.app.panels.quality import QualityPage
from brainview.app.panels.training.live import LiveRun
from brainview.app.panels.training.runs import RunsSection
from brainview.app.panels.training_form import TrainingForm
from brainview.app.theme import GRID
from brainview.app.widgets.basics import (
    ElidedLabel,
    EmptyState,
    Section,
    button,
    column,
    label,
    row,
    scrolled,
    tool,
)
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import plain, shown
from brainview.state.app import DatasetInfo, SubjectInfo


class DatasetCard(QFrame):
    """Name, layout, badge and problems of the open data set."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.name = ElidedLabel("", "title")
        self.badge = label("PHANTOM", "badge")
        self.badge.setToolTip("Simulated brains with known truth, not recordings.")
        self.facts = label("", "second", wrap=True)
        self.path = ElidedLabel("", "caption")
        self.problems = label("", "bad", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, GRID + 2, 12, GRID + 2)
        box.setSpacing(GRID // 2)
        for widget in (self.name, row(self.facts, self.badge, stretch=0), self.path, self.problems):
            box.addWidget(widget)

    def show_dataset(self, info: DatasetInfo) -> None:
        """Show another data set."""
        self.name.show_text(info.name)
        self.badge.setVisible(info.phantom)
        self.facts.setText(f"{shown(info.layout)} layout · {len(info.subjects)} "
                           f"subject{'s' if len(info.subjects) != 1 else ''}")
        self.path.show_text(info.path)
        few = info.problems[:3]
        more = f"\n… and {len(info.problems) - 3} more (brainview inspect lists all)" if len(info.problems) > 3 else ""
        self.problems.setText("\n".join("• " + shown(p) for p in few) + more)
        self.problems.setVisible(bool(few))


class SubjectFacts(QWidget):
    """What is known about the chosen subject: two columns of names and figures."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(GRID, 0, GRID, 0)
        self._grid.setVerticalSpacing(GRID // 2)
        self._grid.setHorizontalSpacing(GRID)
        self._grid.setColumnStretch(1, 1)

    def show_subject(self, info: SubjectInfo | None) -> None:
        """Show another subject's figures."""
        while self._grid.count():
            item = self._grid.takeAt(0)
            old = item.widget() if item is not None else None
            if old is not None:
                old.deleteLater()
        for k, (name, words, tip) in enumerate([] if info is None else self.facts(info)):
            caption = label(name, "caption")
            caption.setToolTip(plain(tip, limit=1000))
            self._grid.addWidget(caption, k, 0, Qt.AlignmentFlag.AlignTop)
            value = ElidedLabel(words, "second", Qt.TextElideMode.ElideRight)
            value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self._grid.addWidget(value, k, 1)
            if tip:
                value.setToolTip(plain(tip, limit=1000))

    @staticmethod
    def facts(info: SubjectInfo) -> list[tuple[str, str, str]]:
        """Return (name, words, tooltip) of one subject."""
        ceiling = "none"
        if info.ceiling is not None:
            values = info.ceiling.values[np.isfinite(info.ceiling.values)]
            if values.size:
                ceiling = f"median {float(np.median(values)):.3g} {info.ceiling.units}".strip()
        regions = sum(len(r.table) for r in info.rois.values())
        return [("Space", f"{info.space.name} ({info.space.size:,})",
                 "Where the responses are, and at how many vertices or voxels"),
                ("Trials", f"{info.trials:,} of {info.stimuli.size:,} stimuli",
                 "Rows of the trial table, and how many different stimuli they show"),
                ("Splits", ", ".join(f"{k} {len(v):,}" for k, v in info.splits.items()) or "none",
                 "Parts of the stimuli that the layout itself defines, with their numbers of stimuli"),
                ("Ceiling", ceiling, info.ceiling.definition if info.ceiling is not None else
                 "The data hold no repetitions and no ceiling, so none is shown."),
                ("Regions", f"{regions} in {len(info.rois)} classes",
                 "Regions of the subject's own atlases: " + ", ".join(info.rois))]


class SubjectList(QListWidget):
    """The subjects; `chosen(id)` tells what the user does."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Subjects")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._silent = False
        self.currentItemChanged.connect(self._tell)

    def _tell(self, now: QListWidgetItem | None, _before: object) -> None:
        if now is not None and not self._silent:
            self.chosen.emit(str(now.data(Qt.ItemDataRole.UserRole)))

    def show_subjects(self, names: Sequence[str]) -> None:
        """Fill the list."""
        self._silent = True
        self.clear()
        for name in names:
            item = QListWidgetItem(shown(name))
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.addItem(item)
        self._silent = False
        fit_rows(self, len(names), most=8)

    def mark(self, name: str) -> None:
        """Select one without telling anybody."""
        self._silent = True
        for k in range(self.count()):
            if self.item(k).data(Qt.ItemDataRole.UserRole) == name:
                self.setCurrentRow(k)
        self._silent = False


def fit_rows(view: QListWidget, count: int, most: int) -> None:
    """Make a list as high as its rows, up to `most` of them."""
    height = view.sizeHintForRow(0) if count else 24
    view.setFixedHeight(min(most, max(1, count)) * max(20, height) + 8)


class SubjectsPanel(QStackedWidget):
    """The whole dock: an empty state, or two pages, the data and the training."""

    open_wanted = Signal()
    phantom_wanted = Signal()
    run_wanted = Signal()
    subject_chosen = Signal(str)
    variant_chosen = Signal(str)
    run_chosen = Signal(str)
    ceiling_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.card, self.subjects, self.facts = DatasetCard(), SubjectList(), SubjectFacts()
        self.form, self.live, self.runs = TrainingForm(), LiveRun(), RunsSection()
        self.subjects.chosen.connect(self.subject_chosen)
        for part in (self.runs, self.live):
            part.opened.connect(self.run_chosen)
        self.variants = Chooser()
        self.variants.setAccessibleName("Response set")
        self.variants.setToolTip("Which of the subject's response sets is shown and trained on")
        self.variants.activated.connect(lambda k: self.variant_chosen.emit(str(self.variants.itemData(k))))
        self.ceiling = button("Show noise ceiling", self.ceiling_wanted.emit, role="link",
                              tip="Draw the part of this subject's response variance that any model could explain")
        empty = EmptyState("brain", "No data set open",
                           "Open a folder in Algonauts 2023 or NSD layout, or your own data with a dataset.toml. "
                           "Or drop a folder or a map on the window.",
                           [button("Open data set…", self.open_wanted.emit, role="primary", glyph="open"),
                            button("Use the built-in phantom", self.phantom_wanted.emit)])
        open_ = tool("open", "Open data set", self.open_wanted.emit, tip="Open another data set")
        add = tool("open", "Open run", self.run_wanted.emit, tip="Open a run from another folder")
        data = column(
            Section("Data set", self.card, extra=open_),
            Section("Subjects", column(self.subjects, self.variants, self.facts, self.ceiling, margin=0)),
            button("Train a model…", lambda: self.show_page("training"), glyph="train",
                   tip="Presets, what it needs, live curves, earlier runs"),
            margin=12, spacing=GRID, stretch=True)
        self.live_section = Section("Training", self.live)
        self.live_section.hide()
        training = column(
            self.live_section,
            Section("Train a model", self.form),
            Section("Trained models", self.runs, extra=add),
            margin=12, spacing=GRID, stretch=True)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Data and training")
        self.quality = QualityPage()
        self._pages: dict[str, QWidget] = {"data": scrolled(data), "training": scrolled(training),
                                           "quality": self.quality}
        for (name, page), words in zip(self._pages.items(), ("Data", "Training", "Quality"), strict=True):
            self.tabs.addTab(page, words)
            page.setAccessibleName(f"{words} page")
            page.setObjectName(f"page-{name}")
        self.addWidget(empty)
        self.addWidget(self.tabs)

    def page(self, name: str) -> Any:
        """Return the ``data``, ``training`` or ``quality`` page."""
        return self._pages[name]

    def show_page(self, name: str) -> None:
        """Bring the ``data``, ``training`` or ``quality`` page to the front, seen from its top."""
        page = self._pages[name]
        self.tabs.setCurrentWidget(page)
        if isinstance(page, QScrollArea):
            page.verticalScrollBar().setValue(0)

    def show_dataset(self, info: DatasetInfo | None) -> None:
        """Show another data set, or the empty state."""
        self.setCurrentIndex(0 if info is None else 1)
        if info is not None:
            self.card.show_dataset(info)
            self.subjects.show_subjects(info.subjects)
            self.form.show_subjects(info.subjects)

    def show_subject(self, info: SubjectInfo | None) -> None:
        """Mark the chosen subject and show its figures."""
        self.facts.show_subject(info)
        self.ceiling.setVisible(info is not None and info.ceiling is not None)
        names = {} if info is None else info.variants
        self.variants.setVisible(len(names) > 1)
        self.variants.clear()
        for number, (name, words) in enumerate(names.items()):
            self.variants.addItem(shown(words), name if number else "")  # "" = the data set's first
        if info is not None:
            self.variants.setCurrentIndex(max(0, list(names).index(info.variant) if info.variant in names else 0))
            self.subjects.mark(info.id)
