"""Best and worst predicted stimuli, and one of them in full: picture, measured and predicted map on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QListView, QVBoxLayout, QWidget

from brainview.app.filmstrip import ID, SIDE, StripDelegate, StripModel
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Segments, is_chosen, label, row
from brainview.app.widgets.flat_picture import FlatPicture
from brainview.app.widgets.scale import ScaleBar
from brainview.core.errors import BrainViewError
from brainview.core.names import shown
from brainview.maps.display import rule_for
from brainview.state.app import Prediction
from brainview.state.showing import prediction_maps


class PredictionCard(QFrame):
    """One stimulus as in Fig. 2B of the LLM-VEM paper; `chosen(kind)` asks for one of its maps on the cortex."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.title = label("", "title", wrap=True)
        self.caption = label("", "caption", wrap=True)
        self.image = FlatPicture("The stimulus", 104)
        self.image.setFixedWidth(104)
        self.measured, self.predicted = FlatPicture("Measured response", 92), FlatPicture("Predicted response", 92)
        self.scale = ScaleBar()
        self.which = Segments((("measured", "Measured"), ("predicted", "Predicted"), ("difference", "Difference")),
                              "Map on the cortex", ("Draw the measured response on the brain",
                                                    "Draw the prediction, on the same scale",
                                                    "Draw measured minus predicted, on the same scale"))
        self.which.chosen.connect(self.chosen)
        words = QWidget()
        side = QVBoxLayout(words)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(GRID // 2)
        side.addWidget(self.title)
        side.addWidget(self.caption)
        side.addStretch()
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 12, 12, 12)
        box.setSpacing(GRID)
        box.addWidget(row(self.image, words, stretch=1))
        pair = QWidget()
        columns = QVBoxLayout(pair)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(2)
        for words_, picture in (("Measured", self.measured), ("Predicted", self.predicted)):
            columns.addWidget(label(words_, "caption"))
            columns.addWidget(picture)
        box.addWidget(pair)
        box.addWidget(self.scale)
        box.addWidget(self.which)

    def show_prediction(self, prediction: Prediction) -> None:
        """Show another stimulus."""
        score = f"R² = {prediction.R2:.2f}" if math.isfinite(prediction.R2) else "R² not defined"
        self.title.setText(f"{shown(prediction.brain)} · {prediction.stimulus}\n{score}\nr = {prediction.r:.2f}")
        self.title.setToolTip("R² and r over locations, for this one stimulus")
        self.caption.setText(shown(prediction.captions[0]) if prediction.captions else "")
        self.image.show_array(prediction.image)
        self.image.setVisible(prediction.image is not None)
        maps = prediction_maps(prediction)
        rule = rule_for(maps["predicted"])
        self.which.enable("measured", "measured" in maps)
        self.which.enable("difference", "difference" in maps)
        for picture, kind in ((self.measured, "measured"), (self.predicted, "predicted")):
            try:
                picture.show_map(maps.get(kind), rule)
                picture.setToolTip("" if kind in maps else "This subject never saw this stimulus.")
            except BrainViewError as err:  # a mesh without flat surface: the pair is still seen on the cortex
                picture.show_map(None)
                picture.setToolTip(str(err))
        self.scale.show_rule(rule, maps["predicted"])


class PredictionsSection(QWidget):
    """The list and the card. `order_chosen`, `stimulus_chosen(id)`, `kind_chosen(kind)` tell what the user does."""

    order_chosen = Signal(str)
    stimulus_chosen = Signal(int)
    kind_chosen = Signal(str)
    needed = Signal(list)
    COUNT = 24

    def __init__(self) -> None:
        super().__init__()
        self._silent = False
        self.order = Segments((("best", "Best"), ("worst", "Worst")), "Which stimuli")
        self.order.show_value("best")
        self.order.chosen.connect(self.order_chosen)
        self.model = StripModel()
        self.list = QListView()
        self.list.setProperty("role", "strip")
        self.list.setModel(self.model)
        self.list.setItemDelegate(StripDelegate(self.list))
        self.list.setFlow(QListView.Flow.LeftToRight)
        self.list.setWrapping(False)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setAccessibleName("Best or worst predicted stimuli")
        self.list.setFixedHeight(SIDE + 40)
        self.list.selectionModel().currentChanged.connect(
            lambda now, _: self.stimulus_chosen.emit(int(now.data(ID)))
            if is_chosen(self.list, now) and not self._silent else None)
        self.model.needed.connect(self.needed)
        self.card = PredictionCard()
        self.card.chosen.connect(self.kind_chosen)
        self.hint = label("Choose a stimulus to see its measured and predicted response on one scale.", "caption",
                          wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        for widget in (self.order, self.list, self.hint, self.card):
            box.addWidget(widget)
        self.card.hide()

    def show_ranking(self, ranking: Sequence[tuple[int, float, float]], current: int) -> None:
        """Show (stimulus, R², r) rows."""
        self._silent = True
        try:
            if [s for s, _, _ in ranking] != self.model.ids:
                self.model.set_ids([s for s, _, _ in ranking], {s: r2 for s, r2, _ in ranking})
            if current in self.model.ids:
                self.list.setCurrentIndex(self.model.index(self.model.ids.index(current)))
            else:
                self.list.selectionModel().clear()
        finally:
            self._silent = False
        self.list.setVisible(bool(ranking))

    def show_prediction(self, prediction: Prediction | None) -> None:
        """Show one stimulus in full, or the hint."""
        self.card.setVisible(prediction is not None)
        self.hint.setVisible(prediction is None)
        if prediction is not None:
            self.card.show_prediction(prediction)
