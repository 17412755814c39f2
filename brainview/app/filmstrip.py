"""The film strip: thumbnails of the stimuli, read only where they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QSizePolicy,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from brainview.app.theme import GRID, color
from brainview.app.widgets.basics import is_chosen, label
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import plain, shown
from brainview.state.stimuli import Thumb, Thumbs

Index = QModelIndex | QPersistentModelIndex
ID = Qt.ItemDataRole.UserRole
THUMB = Qt.ItemDataRole.UserRole + 1
SCORE = Qt.ItemDataRole.UserRole + 2
HIDDEN = Qt.ItemDataRole.UserRole + 3
SIDE = 92
#: Thumbnails that are kept ready for painting; about 35 kB each.
KEPT = 3000
ROOT = QModelIndex()


class StripModel(QAbstractListModel):
    """Stimulus ids in the order shown; thumbnails come from `thumbs` when they are there."""

    needed = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[int] = []
        self._collect = QTimer(self)
        self._collect.setSingleShot(True)
        self._collect.setInterval(30)
        self._collect.timeout.connect(self._flush)
        self.ids: list[int] = []
        self.scores: dict[int, float] = {}
        self.thumbs: Thumbs | None = None
        self._pictures: dict[int, QPixmap] = {}
        self.hidden: int | None = None  # a stimulus that is not to be seen yet, nor what is in it

    def hide(self, stimulus: int | None) -> None:
        """Hide one stimulus (None = none): a placeholder is painted, and no caption is told."""
        if stimulus != self.hidden:
            self.hidden = stimulus
            if self.ids:
                self.dataChanged.emit(self.index(0), self.index(len(self.ids) - 1))

    def set_ids(self, ids: Sequence[int], scores: dict[int, float]) -> None:
        """Replace the ids and the R² written under them."""
        self.beginResetModel()
        self.ids, self.scores = [int(i) for i in ids], scores
        self.endResetModel()

    def set_thumbs(self, thumbs: Thumbs | None) -> None:
        """Take another data set's thumbnails."""
        self._pictures.clear()
        self.thumbs = thumbs
        if thumbs is not None:
            thumbs.arrived.connect(self._arrived)

    def _arrived(self, ids: tuple[int, ...]) -> None:
        if not self.ids:
            return
        self.dataChanged.emit(self.index(0), self.index(len(self.ids) - 1))

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self.ids)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.ids):
            return None
        stimulus = self.ids[index.row()]
        if role == ID:
            return stimulus
        if role == SCORE:
            return self.scores.get(stimulus)
        thumb = self.thumbs.get(stimulus) if self.thumbs else None
        if role == HIDDEN:
            return stimulus == self.hidden
        if stimulus == self.hidden and role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole,
                                                Qt.ItemDataRole.DisplayRole):
            return f"Stimulus {stimulus}: hidden until you click the picture on the page Words"
        if role == THUMB:
            return thumb
        if role == Qt.ItemDataRole.ToolTipRole:
            words = "<br>".join(plain(c) for c in (thumb.captions[:3] if thumb else ()))
            score = self.scores.get(stimulus)
            told = "" if score is None else f"<br>R² = {score:.3f} over locations: measured against predicted response"
            return f"<b>Stimulus {stimulus}</b><br>{words}{told}"
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            first = thumb.captions[0] if thumb and thumb.captions else ""
            return shown(f"Stimulus {stimulus}. {first}")
        return None

    def picture(self, thumb: Thumb) -> QPixmap:
        """Return the pixmap of a thumbnail."""
        known = self._pictures.get(thumb.stimulus)
        if known is None:
            image = np.ascontiguousarray(thumb.image)
            known = QPixmap.fromImage(QImage(image.data, image.shape[1], image.shape[0], image.strides[0],
                                             QImage.Format.Format_RGB888))
            if len(self._pictures) >= KEPT:
                self._pictures.pop(next(iter(self._pictures)))
            self._pictures[thumb.stimulus] = known
        return known

    def ask(self, stimulus: int) -> None:
        """Note that a thumbnail was looked for and not there; `needed(ids)` follows in a moment, once for all."""
        self._asked.append(stimulus)
        if not self._collect.isActive():
            self._collect.start()

    def _flush(self) -> None:
        asked, self._asked = list(dict.fromkeys(self._asked)), []
        self.needed.emit(asked)


def paint_waiting(painter: QPainter, path: QPainterPath) -> None:
    """Paint the place of a picture that is still on its way: a quiet tone between ground and text, a small frame in it.

    Nothing in it moves, so that a page of pictures that arrives at once replaces it without a flicker.
    """
    painter.save()
    painter.fillPath(path, color("hover"))
    box = path.boundingRect()
    middle, wide = box.center(), box.width() * 0.3
    frame = QRectF(middle.x() - wide / 2, middle.y() - 0.4 * wide, wide, 0.8 * wide)
    painter.setPen(QPen(color("border_strong"), 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(frame, 2, 2)
    hills = ((-0.38, 0.24), (-0.1, -0.06), (0.1, 0.14), (0.22, 0.02), (0.4, 0.24))
    painter.drawPolyline([middle + QPointF(x * wide, y * wide) for x, y in hills])
    painter.restore()


class StripDelegate(QStyledItemDelegate):
    """Paints one stimulus: rounded picture, id, R² when a model is open."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(SIDE + GRID, SIDE + 26)

    def score_words(self, score: float) -> str:
        """Return what is written under a picture."""
        return "R² " + f"{score:.2f}".replace("-0.00", "0.00").replace("-", "−")

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model: StripModel = index.model()  # type: ignore[assignment]
        stimulus, thumb, score = index.data(ID), index.data(THUMB), index.data(SCORE)
        state, rect = option.state, QRectF(option.rect)  # type: ignore[attr-defined]
        box = QRectF(rect.left() + GRID / 2, rect.top() + 3, SIDE, SIDE)
        path = QPainterPath()
        path.addRoundedRect(box, 6, 6)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if thumb is None:
            model.ask(stimulus)
        if thumb is None or index.data(HIDDEN):
            paint_waiting(painter, path)
        if index.data(HIDDEN):
            painter.setPen(color("text2"))
            painter.drawText(box.adjusted(8, 8, -8, -8), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                             "Hidden")
        elif thumb is not None:
            painter.setClipPath(path)
            painter.drawPixmap(box.toRect(), model.picture(thumb))
            painter.setClipping(False)
        on = bool(state & QStyle.StateFlag.State_Selected)
        if on or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(color("accent_text" if on else "border_strong"), 3 if on else 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(0.75, 0.75, -0.75, -0.75), 6, 6)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(color("text" if on else "text2"))
        words = QRectF(box.left() + 2, box.bottom() + 3, SIDE - 4, 16)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, str(stimulus))
        if score is not None:
            painter.setPen(color("text3"))
            told = self.score_words(score)
            painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, told)
        painter.restore()


class FilmStrip(QWidget):
    """Controls and strip. `chosen(id)`, `opened(id)` (double click or Enter), `split`, `order`, `words` tell what the
    user does; `needed(list of ids)` asks for thumbnails."""

    chosen = Signal(int)
    opened = Signal(int)
    split_chosen = Signal(str)
    order_chosen = Signal(str)
    words_typed = Signal(str)
    category_chosen = Signal(str)
    needed = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.model = StripModel()
        self.list = self._make_list()
        self.split = Chooser()
        self.split.setAccessibleName("Part of the stimuli")
        self.split.activated.connect(lambda _: self.split_chosen.emit(str(self.split.currentData())))
        self.order = Chooser()
        self.order.setAccessibleName("Order of the stimuli")
        for box in (self.split, self.order):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(7)
        for value, words in (("id", "By number"), ("best", "Best predicted first"), ("worst", "Worst predicted first")):
            self.order.addItem(words, value)
        self.order.activated.connect(lambda _: self.order_chosen.emit(str(self.order.currentData())))
        self.category = Chooser()
        self.category.setAccessibleName("Category of the stimuli")
        self.category.setToolTip("Only stimuli that show this; the number says how many do")
        self.category.setMinimumContentsLength(8)
        self.category.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.category.activated.connect(lambda _: self.category_chosen.emit(str(self.category.currentData())))
        self.search = QLineEdit()
        self.search.setToolTip("Only stimuli whose captions hold these words, or with these numbers")
        self.search.setAccessibleName("Filter stimuli")
        self.search.setClearButtonEnabled(True)
        self.search.textEdited.connect(self.words_typed.emit)
        self.count = label("", "caption")
        bar = QHBoxLayout()
        bar.setContentsMargins(0, 0, 0, 0)
        bar.setSpacing(GRID)
        self.search.setMinimumWidth(110)
        for box, most in ((self.split, 120), (self.category, 148), (self.order, 126)):
            box.setMaximumWidth(most)
        for widget, stretch in ((self.split, 0), (self.category, 0), (self.order, 0), (self.search, 1)):
            bar.addWidget(widget, stretch)
        bar.addWidget(self.count)
        self._pages = QStackedWidget()
        empty = QFrame()
        self.empty_words = label("Open a data set to see what its subjects saw.", "caption")
        self.empty_words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        QVBoxLayout(empty).addWidget(self.empty_words)
        self._pages.addWidget(empty)
        self._pages.addWidget(self.list)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID // 2)
        column.setSpacing(GRID // 2)
        column.addLayout(bar)
        column.addWidget(self._pages, 1)
        self.model.needed.connect(self.needed)
        self._silent = False

    def _make_list(self) -> QListView:
        view = QListView()
        view.setProperty("role", "strip")
        view.setModel(self.model)
        view.setItemDelegate(StripDelegate(view))
        view.setFlow(QListView.Flow.LeftToRight)
        view.setWrapping(False)
        view.setUniformItemSizes(True)
        view.setMouseTracking(True)
        view.setAccessibleName("Stimuli")
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setMinimumHeight(SIDE + 40)
        view.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        view.selectionModel().currentChanged.connect(self._tell)
        view.activated.connect(lambda index: self.opened.emit(int(index.data(ID))))
        return view

    def _tell(self, now: QModelIndex, _before: QModelIndex) -> None:
        if not self._silent and is_chosen(self.list, now):
            self.chosen.emit(int(now.data(ID)))

    def show_splits(self, splits: Sequence[str], chosen: str) -> None:
        """Fill the chooser of parts; "" stands for all."""
        self.split.clear()
        self.split.addItem("All stimuli", "")
        for name in splits:
            self.split.addItem(shown(name).capitalize(), name)
        self.split.setCurrentIndex(max(0, self.split.findData(chosen)))

    def show_stimuli(self, ids: Sequence[int], scores: dict[int, float], *, total: int, current: int) -> None:
        """Show these ids, in this order."""
        self._silent = True
        try:
            self.model.set_ids(ids, scores)
        finally:
            self._silent = False
        self._pages.setCurrentIndex(1 if ids else 0)
        self.empty_words.setText("No stimulus fits the filter." if total else
                                 "Open a data set to see what its subjects saw.")
        for widget in (self.split, self.order, self.search):
            widget.setVisible(total > 0)
        self.category.setVisible(total > 0 and self.category.count() > 1)
        self.count.setText(f"{len(ids):,} of {total:,}")
        self.count.setVisible(0 < total != len(ids))
        self.search.setPlaceholderText(f"Filter {total:,} stimuli")
        has_scores = bool(scores)
        self.order.setEnabled(has_scores)
        self.order.setToolTip("" if has_scores else "Open a trained model to order stimuli by how well they are "
                              "predicted.")
        self.mark(current)

    def mark(self, stimulus: int) -> None:
        """Select one stimulus without telling anybody."""
        self._silent = True
        try:
            if stimulus in self.model.ids:
                index = self.model.index(self.model.ids.index(stimulus))
                self.list.setCurrentIndex(index)
                self.list.scrollTo(index)
            else:
                self.list.clearSelection()
                self.list.setCurrentIndex(QModelIndex())
        finally:
            self._silent = False

    def show_categories(self, counts: Mapping[str, int], chosen: str) -> None:
        """Fill the chooser of categories, the commonest first; "" stands for all."""
        self.category.clear()
        self.category.addItem("All categories" if counts else "No categories", "")
        for name, count in counts.items():
            self.category.addItem(f"{shown(name, limit=40).capitalize()} ({count:,})", name)
        self.category.setCurrentIndex(max(0, self.category.findData(chosen)))

    def show_choices(self, order: str, words: str, category: str = "") -> None:
        """Mark order, filter and category without telling anybody."""
        self.category.setCurrentIndex(max(0, self.category.findData(category)))
        self.order.setCurrentIndex(max(0, self.order.findData(order)))
        if self.search.text() != words:
            self.search.setText(words)
