"""Page "Figures": the figures of an encoding model as they will be written, and writing them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QDialog, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.figures.sheet import Sheet
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Segments, button, column, label, row, scrolled
from brainview.core.names import shown

KINDS = (("maps", "Maps", "Fig. 2A: a map of every subject and the group, with outlined regions"),
         ("predictions", "Images", "Fig. 2B: image, measured and predicted response on one scale"),
         ("regions", "Regions", "Fig. 2C: boxes per region and hemisphere"))


class Preview(QWidget):
    """A sheet, scaled to the width."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Preview of the figure")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._image = QImage()

    def show_image(self, image: QImage) -> None:
        """Show another picture; a null one clears."""
        self._image = image
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return 0 if self._image.isNull() else round(width * self._image.height() / self._image.width())

    def sizeHint(self) -> QSize:
        return QSize(300, self.heightForWidth(300))

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image.isNull():
            return
        painter = QPainter(self)
        size = QSize(self.width(), self.heightForWidth(self.width())) * self.devicePixelRatio()
        ready = self._image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio,
                                   Qt.TransformationMode.SmoothTransformation)
        ready.setDevicePixelRatio(self.devicePixelRatio())
        painter.drawImage(0, 0, ready)
        painter.end()


class FiguresPage(QWidget):
    """The page. `kind_chosen(kind)`, `order_chosen(best|worst)`, `save_wanted()`, `shown()` when it comes to sight."""

    kind_chosen = Signal(str)
    order_chosen = Signal(str)
    save_wanted = Signal()
    large_wanted = Signal()
    came = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.kind = Segments([(k, w) for k, w, _ in KINDS], "Which figure", [t for _, _, t in KINDS])
        self.kind.show_value("maps")
        self.kind.chosen.connect(self.kind_chosen)
        self.order = Segments((("best", "Best"), ("worst", "Worst")), "Which images")
        self.order.show_value("best")
        self.order.chosen.connect(self.order_chosen)
        self.preview = Preview()
        self.words = label("", "caption", wrap=True)
        self.save = button("Save figure…", self.save_wanted.emit, role="primary",
                           tip="PNG at 300 dpi, SVG or PDF with real text, or the numbers as CSV")
        self.large = button("Enlarge", self.large_wanted.emit)
        body = column(self.kind, self.order, self.words, self.preview, row(self.save, self.large, QWidget(), stretch=2),
                      margin=12, spacing=GRID, stretch=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(body))
        self.show_sheet(None, "")

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self.came.emit()

    def show_sheet(self, sheet: Sheet | None, words: str) -> None:
        """Show a sheet, or say why there is none."""
        self.preview.show_image(QImage() if sheet is None else sheet.image(1.6))
        self.preview.setVisible(sheet is not None)
        self.words.setText(shown(words, limit=400))
        self.words.setVisible(bool(words))
        self.save.setEnabled(sheet is not None)
        self.large.setEnabled(sheet is not None)
        self.preview.setAccessibleDescription("" if sheet is None else sheet.title)


class LargeFigure(QDialog):
    """A sheet at reading size."""

    def __init__(self, parent: QWidget | None, sheet: Sheet) -> None:
        super().__init__(parent)
        self.setWindowTitle(shown(sheet.title))
        picture = QLabel()
        picture.setAccessibleName(sheet.title)
        ratio = self.devicePixelRatioF()
        image = sheet.image(1.6 * ratio)
        image.setDevicePixelRatio(ratio)
        picture.setPixmap(QPixmap.fromImage(image))
        area = QScrollArea()
        area.setWidget(picture)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(area)
        self.resize(min(1100, round(sheet.width * 1.6) + 24), min(760, round(sheet.height * 1.6) + 24))
