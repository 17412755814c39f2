"""Dock "Encoding": how well a model predicts the brain, as a map, as bars per region, as a scatter, per stimulus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QLineEdit,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from brainview.app.panels.attended import AttendedSection
from brainview.app.panels.figures import FiguresPage
from brainview.app.panels.in_silico import InSilicoPage
from brainview.app.panels.predictions import PredictionsSection
from brainview.app.panels.significance import SignificanceSection
from brainview.app.theme import GRID
from brainview.app.widgets.bars import BarList
from brainview.app.widgets.basics import (
    ElidedLabel,
    EmptyState,
    Section,
    Segments,
    button,
    column,
    label,
    row,
    scrolled,
    tool,
)
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.distributions import DensityPlot
from brainview.core.names import plain, shown
from brainview.state.app import GROUP, RoiKey, RunInfo
from brainview.state.roi_table import CEILING_KEYS, R2_KEYS, BarRow, bar_rows, key_among


def combo(name: str) -> QComboBox:
    """Return a chooser that may become narrow."""
    out = Chooser()
    out.setAccessibleName(name)
    out.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    out.setMinimumContentsLength(8)
    out.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return out


class RunCard(QFrame):
    """Which model this is."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.name = ElidedLabel("", "title")
        self.badge = label("PHANTOM", "badge")
        self.badge.setToolTip("Trained and scored on simulated brains with known truth.")
        self.facts = label("", "second", wrap=True)
        self.notes = label("", "caption", wrap=True)
        self.fold = Section("Notes", self.notes, open_=False)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, GRID + 2, 12, GRID + 2)
        box.setSpacing(GRID // 2)
        box.addWidget(row(self.name, self.badge, stretch=0))
        box.addWidget(self.facts)
        box.addWidget(self.fold)

    def show_run(self, run: RunInfo) -> None:
        """Show another run."""
        self.name.show_text(run.name)
        self.badge.setVisible(run.phantom)
        card = run.card
        features = card.get("feature_label") or card.get("features")
        if isinstance(features, dict):
            features = features.get("name")
        split = card.get("split")
        name = split.get("name") if isinstance(split, dict) else split
        facts = [card.get("system"), features, f"{len(run.subjects)} subject{'s' if len(run.subjects) != 1 else ''}",
                 f"split {name}" if name else None]
        self.facts.setText(" · ".join(shown(f).replace(" ", "\u00a0") for f in facts if f))  # breaks between facts
        self.notes.setText("\n".join(shown(n) for n in run.notes[:12]))
        self.fold.set_title(f"{len(run.notes)} note{'s' if len(run.notes) != 1 else ''}")
        self.fold.setVisible(bool(run.notes))


class MapChooser(QWidget):
    """Metric with its definition, and whose brain. `chosen(brain, metric)` tells what the user does."""

    chosen = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.metrics, self.brains = combo("Metric"), combo("Subject or group")
        self.definition = label("", "caption", wrap=True)
        self.metrics.activated.connect(lambda _: self._tell())
        self.brains.activated.connect(lambda _: self._tell())
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID // 2)
        box.addWidget(row(self.brains, self.metrics, stretch=1))
        self.brains.setMaximumWidth(104)
        box.addWidget(self.definition)

    def _tell(self) -> None:
        self.chosen.emit(str(self.brains.currentData()), str(self.metrics.currentData()))

    def show_run(self, run: RunInfo) -> None:
        """Fill both choosers."""
        self.metrics.clear()
        for key, story in run.metrics.items():
            self.metrics.addItem(shown(story.get("title", key)), key)
            self.metrics.setItemData(self.metrics.count() - 1, plain(story.get("definition", "")),
                                    Qt.ItemDataRole.ToolTipRole)
        self.brains.clear()
        for brain in run.brains:
            self.brains.addItem("Group" if brain == GROUP else shown(brain), brain)

    def mark(self, run: RunInfo, brain: str, metric: str) -> None:
        """Show what is drawn without telling anybody."""
        self.metrics.setCurrentIndex(self.metrics.findData(metric))
        self.brains.setCurrentIndex(self.brains.findData(brain))
        story = run.metrics.get(metric, {})
        units = story.get("units", "")
        self.definition.setText(shown(story.get("definition", ""), limit=1000) + (f" Unit: {shown(units)}." if units
                                                                                   else ""))


class BarsSection(QWidget):
    """Bars with their controls; `changed(field, value)` is what the user chose, `selected` the regions."""

    changed = Signal(str, str)
    selected = Signal(tuple)
    MOST = 12  # rows visible before it scrolls

    def __init__(self) -> None:
        super().__init__()
        self.list = BarList()
        self.list.selected.connect(self.selected)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter regions")
        self.search.setAccessibleName("Filter regions")
        self.search.setClearButtonEnabled(True)
        self.search.textEdited.connect(lambda words: self.changed.emit("roi_filter", words))
        self.sort = combo("Sort regions")
        for value, words in (("value", "Highest first"), ("name", "By name"), ("atlas", "As in the atlas")):
            self.sort.addItem(words, value)
        self.sort.activated.connect(lambda _: self.changed.emit("roi_sort", str(self.sort.currentData())))
        self.sides = Segments((("left", "Left"), ("both", "Both"), ("right", "Right")), "Hemisphere of the bars")
        self.sides.chosen.connect(lambda side: self.changed.emit("roi_hemisphere", side))
        self.empty = label("", "caption", wrap=True)
        self.none = tool("clear", "Select no region", lambda: self.selected.emit(()), tip="Select no region")
        self.both = label("Of two bars the upper one (blue) is the left hemisphere, the lower (orange) the right.",
                          "caption", wrap=True)
        self.legend = label("Median over locations; line = 95 % bootstrap interval.", "caption", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(row(self.search, self.sort, spacing=GRID, stretch=0))
        box.addWidget(row(self.sides, self.none, stretch=0))
        box.addWidget(self.list)
        box.addWidget(self.empty)
        box.addWidget(self.both)
        box.addWidget(self.legend)

    def show_bars(self, run: RunInfo, brain: str, metric: str, *, hemisphere: str, sort: str, words: str,
                  chosen: Sequence[RoiKey]) -> None:
        """Show the bars of one map."""
        rows = bar_rows(run, brain, metric, hemisphere=hemisphere, sort=sort, words=words)
        title = str(run.metrics.get(metric, {}).get("title", metric))
        self.show_rows(rows, title, chosen, hemisphere=hemisphere, sort=sort, words=words,
                       empty=f"The run holds no regional summary of {shown(title)}.")
        if brain == GROUP:
            self.legend.setText("Median over subjects of their medians; line = quartiles over subjects.")
        else:
            self.legend.setText("Median over locations; line = 95 % bootstrap interval.")

    def show_rows(self, rows: Sequence[BarRow], title: str, chosen: Sequence[RoiKey], *, hemisphere: str, sort: str,
                  words: str, empty: str) -> None:
        """Show rows made elsewhere; `empty` is said where there is none and no filter."""
        self.list.show_rows(rows, title, chosen)
        self.list.setVisible(bool(rows))
        each = 30 if rows and len(rows[0].bars) > 1 else 26
        self.list.setFixedHeight(min(self.MOST, max(1, len(rows))) * each + 4)
        self.empty.setVisible(not rows)
        self.legend.setVisible(bool(rows))
        self.both.setVisible(any(len(one.bars) > 1 for one in rows))
        self.empty.setText("No region fits the filter." if words else empty)
        self.sides.show_value(hemisphere)
        self.sort.setCurrentIndex(self.sort.findData(sort))
        if self.search.text() != words:
            self.search.setText(words)


class EncodingPanel(QStackedWidget):
    """The whole dock."""

    run_wanted = Signal()
    train_wanted = Signal()
    map_chosen = Signal(str, str)
    setting_changed = Signal(str, str)
    regions_selected = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.card, self.chooser, self.bars = RunCard(), MapChooser(), BarsSection()
        self.scatter, self.predictions = DensityPlot(), PredictionsSection()
        self.attended = AttendedSection()
        self.attended_section = Section("Where a region looks", self.attended)
        self.no_scatter = label("", "caption", wrap=True)
        self.significance = SignificanceSection()
        self.chooser.chosen.connect(self.map_chosen)
        self.bars.changed.connect(self.setting_changed)
        self.bars.selected.connect(self.regions_selected)
        open_ = tool("open", "Open run", self.run_wanted.emit, tip="Open another run")
        empty = EmptyState("encoding", "No model open",
                           "An encoding model predicts the response of every location from a stimulus. Train one in "
                           "Subjects & training, or open a run.",
                           [button("Go to training", self.train_wanted.emit, role="primary", glyph="train"),
                            button("Open run…", self.run_wanted.emit)])
        body = column(
            Section("Model", self.card, extra=open_),
            Section("Map", self.chooser),
            Section("Significance", self.significance),
            Section("Regions", self.bars),
            Section("R² against noise ceiling", column(self.scatter, self.no_scatter, margin=0)),
            Section("Best and worst predicted", self.predictions),
            self.attended_section,
            margin=12, spacing=GRID, stretch=True)
        self.in_silico = InSilicoPage()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Pages of the encoding model")
        self.figures = FiguresPage()
        self.pages: dict[str, QWidget] = {"model": scrolled(body), "figures": self.figures,
                                          "in_silico": self.in_silico}
        for page, words in zip(self.pages.values(), ("Model", "Figures", "In silico"), strict=True):
            self.tabs.addTab(page, words)
        self.addWidget(empty)
        self.addWidget(self.tabs)

    def show_page(self, name: str) -> None:
        """Bring a page to the front: ``model``, ``figures``, ``in_silico``."""
        self.tabs.setCurrentWidget(self.pages[name])

    def show_run(self, run: RunInfo | None) -> None:
        """Show another run, or the empty state."""
        self.setCurrentIndex(0 if run is None else 1)
        if run is not None:
            self.card.show_run(run)
            self.chooser.show_run(run)

    def show_scatter(self, run: RunInfo, brain: str, marked: np.ndarray | None) -> None:
        """Show R² against the ceiling of one brain, with the locations at `marked` (n,) bool pointed out."""
        ceiling, r2 = key_among(run, brain, CEILING_KEYS), key_among(run, brain, R2_KEYS)
        able = bool(ceiling and r2)
        self.scatter.setVisible(able)
        self.no_scatter.setVisible(not able)
        if not able:
            self.no_scatter.setText("These data have no noise ceiling, so there is nothing to compare R² with.")
            return
        x, y = run.map_of(brain, ceiling), run.map_of(brain, r2)
        if x.space != y.space:
            x, y = x.expanded(), y.expanded()
        if marked is not None and marked.size != x.values.size:
            marked = None
        self.scatter.show_values(x.values, y.values, ("Noise ceiling", "R²"),
                                 "a model that explains everything that can be explained", marked=marked)
