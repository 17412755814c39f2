"""The main window: header, viewer in the middle, four docks, film strip and jobs below, status line. No logic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenuBar,
    QProgressBar,
    QStackedWidget,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from brainview.app.errors import Notices
from brainview.app.filmstrip import FilmStrip
from brainview.app.gallery import Gallery
from brainview.app.icons import app_icon
from brainview.app.jobs_view import JobsView
from brainview.app.panels.attribution.panel import AttributionPanel
from brainview.app.panels.decoding.panel import DecodingPanel
from brainview.app.panels.drivers import DriversPanel
from brainview.app.panels.encoding import EncodingPanel
from brainview.app.panels.layers import LayersPanel
from brainview.app.panels.peaks import PeaksPanel
from brainview.app.panels.subjects import SubjectsPanel
from brainview.app.status import StatusBar
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, EmptyState, Section, label, paint_button

Area = Qt.DockWidgetArea


class Header(QFrame):
    """Menus left, what is open in the middle, the most used tools right: one row."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self.menus = QMenuBar()
        self.menus.setNativeMenuBar(False)
        self.where = ElidedLabel("", "second", Qt.TextElideMode.ElideMiddle)
        self.where.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._mark = QLabel()
        self._tools = QHBoxLayout()
        self._tools.setSpacing(2)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, GRID, 4)
        row.setSpacing(GRID)
        row.addWidget(self._mark)
        row.addWidget(self.menus)
        row.addWidget(self.where, 1)
        row.addLayout(self._tools)
        self.setFixedHeight(40)
        self._mark.setPixmap(app_icon().pixmap(QSize(20, 20)))

    def add_tool(self, button: QToolButton) -> None:
        """Put a button at the right end."""
        self._tools.addWidget(button)


class StartPage(QFrame):
    """What stands in the middle until there is a brain: what is being prepared, and how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("empty")
        self._mark = QLabel()
        self._mark.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._mark.setPixmap(app_icon().pixmap(QSize(72, 72)))
        self.heading = label("BrainView", "heading")
        self.heading.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.text = label("Starting…", "second", wrap=True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(280)
        self.bar.setAccessibleName("Progress")
        self.bar.hide()
        column = QVBoxLayout(self)
        column.setSpacing(GRID)
        column.addStretch(3)
        for widget in (self._mark, self.heading, self.text):
            column.addWidget(widget)
        column.addSpacing(GRID)
        column.addWidget(self.bar, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(4)

    def show_progress(self, text: str, share: float | None) -> None:
        """Say what is going on; None hides the bar."""
        self.text.setText(text)
        self.bar.setVisible(share is not None)
        if share is not None:
            self.bar.setValue(int(1000 * share))


def first_control(part: QWidget) -> QWidget:
    """Return the first thing in a part that Tab reaches, the part itself when there is none."""
    one: Any = part.nextInFocusChain()
    for _ in range(2000):
        if one is None or one is part:
            break
        if part.isAncestorOf(one) and one.isVisible() and one.isEnabled() \
                and one.focusPolicy() & Qt.FocusPolicy.TabFocus:
            return one
        one = one.nextInFocusChain()
    return part


class MainWindow(QMainWindow):
    """The frame of everything. `dropped(paths)`, `closing()`, `painted()` (first paint) are what it tells."""

    dropped = Signal(list)
    closing = Signal()
    painted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("BrainView")
        self.setWindowIcon(app_icon())
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(False)
        self.setDockOptions(QMainWindow.DockOption.AllowTabbedDocks | QMainWindow.DockOption.AnimatedDocks)
        self.header = Header()
        self.setMenuWidget(self.header)
        self.start_page = StartPage()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        self.pages.setMinimumSize(320, 240)
        self.setCentralWidget(self.pages)
        self.notices = Notices(self.pages, self._below_badge)
        self.viewer: Any = None
        self.gallery: Gallery | None = None
        self.subjects, self.encoding = SubjectsPanel(), EncodingPanel()
        self.attribution, self.decoding = AttributionPanel(), DecodingPanel()
        self.strip, self.jobs, self.peaks = FilmStrip(), JobsView(), PeaksPanel()
        self.layers = LayersPanel()
        self.drivers = DriversPanel()
        self.docks: dict[str, QDockWidget] = {}
        self._make_docks()
        self.status = StatusBar(lambda: self.show_dock("jobs"))
        self.setStatusBar(self.status)
        self._painted = False
        layout = self.layout()
        if layout is not None:
            layout.activate()  # else the least width stays that of all docks beside each other, before they were tabs
        self.resize(1440, 900)

    def _make_docks(self) -> None:
        self.setTabPosition(Area.AllDockWidgetAreas, self._north())
        for corner, area in ((Qt.Corner.BottomLeftCorner, Area.LeftDockWidgetArea),
                             (Qt.Corner.BottomRightCorner, Area.RightDockWidgetArea)):
            self.setCorner(corner, area)
        left, right, bottom = Area.LeftDockWidgetArea, Area.RightDockWidgetArea, Area.BottomDockWidgetArea
        self._dock("subjects", "Subjects && training", self.subjects, left, 284)
        self._dock("encoding", "Encoding", self.encoding, right, 312)
        self._dock("attribution", "Attribution", self.attribution, right, 312)
        self._dock("decoding", "Decoding", self.decoding, right, 312)
        self._dock("stimuli", "Stimuli", self.strip, bottom, 0)
        self._dock("jobs", "Jobs", self.jobs, bottom, 0)
        self._dock("peaks", "Peaks", self.peaks, bottom, 0)
        self._dock("drivers", "Drivers", self.drivers, bottom, 0)
        self._dock("layers", "Layers", self.layers, bottom, 0)
        self.tabifyDockWidget(self.docks["encoding"], self.docks["attribution"])
        self.tabifyDockWidget(self.docks["attribution"], self.docks["decoding"])
        self.tabifyDockWidget(self.docks["stimuli"], self.docks["jobs"])
        self.tabifyDockWidget(self.docks["jobs"], self.docks["peaks"])
        self.tabifyDockWidget(self.docks["peaks"], self.docks["layers"])
        self.tabifyDockWidget(self.docks["layers"], self.docks["drivers"])
        self.docks["encoding"].raise_()
        self.docks["stimuli"].raise_()
        self.resizeDocks([self.docks["subjects"], self.docks["encoding"]], [296, 352], Qt.Orientation.Horizontal)
        self.resizeDocks([self.docks["stimuli"]], [188], Qt.Orientation.Vertical)
        for bar in self.findChildren(QTabBar):
            bar.setElideMode(Qt.TextElideMode.ElideNone)
            bar.setExpanding(False)
            bar.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            if not bar.accessibleName():
                bar.setAccessibleName("Panels")

    @staticmethod
    def _north() -> Any:
        from PySide6.QtWidgets import QTabWidget

        return QTabWidget.TabPosition.North

    def _dock(self, name: str, title: str, content: QWidget, area: Area, width: int) -> None:
        dock = QDockWidget(title, self)
        dock.setObjectName(f"dock-{name}")
        dock.setAccessibleName(title.replace("&&", "and"))
        can = QDockWidget.DockWidgetFeature
        dock.setFeatures(can.DockWidgetClosable | can.DockWidgetMovable)
        if area == Area.LeftDockWidgetArea:
            head = QFrame()
            head.setProperty("role", "dock-title")
            row = QHBoxLayout(head)
            row.setContentsMargins(2 * GRID, 10, GRID, 9)
            row.addWidget(label(title.replace("&&", "&"), "title"))
            dock.setTitleBarWidget(head)
        else:
            dock.setTitleBarWidget(QWidget())  # the tab says the name; a title bar would say it twice
        if width:
            content.setMinimumWidth(width)
        dock.setWidget(content)
        self.addDockWidget(area, dock)
        self.docks[name] = dock

    def show_dock(self, name: str) -> None:
        """Bring a dock to the front and give it the focus."""
        self.docks[name].show()
        self.docks[name].raise_()
        first_control(self.docks[name].widget()).setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _below_badge(self) -> int:
        """Return the y under the label of simulated data, which no notice may cover."""
        bottom = getattr(getattr(self, "viewer", None), "badge_bottom", None)
        return (bottom(self.pages) if callable(bottom) else 6 * GRID) + GRID

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab passes by what lies in a dock behind another: nobody would see the focus there."""
        found = super().focusNextPrevChild(forward)
        for _ in range(1000):
            focus = QApplication.focusWidget()
            behind = [d for d in self.docks.values() if focus is not None and d.isAncestorOf(focus)
                      and d.visibleRegion().isEmpty()]
            if not found or not behind:
                break
            found = super().focusNextPrevChild(forward)
        return found

    def set_viewer(self, viewer: QWidget) -> None:
        """Take the viewer in; it shows when there is a map."""
        self.viewer, self.gallery = viewer, Gallery(viewer)
        self.pages.addWidget(self.gallery)
        self.notices.raise_()

    def show_viewer(self, on: bool) -> None:
        """Show the brain, or the start page."""
        if self.gallery is not None:
            self.pages.setCurrentWidget(self.gallery if on else self.start_page)
            self.notices.raise_()

    def retheme(self) -> None:
        """Draw icons again in the colours of the theme in force."""
        for part in self.findChildren(QAbstractButton):
            if part.property("glyph"):
                paint_button(part)
        for section in self.findChildren(Section):
            section.paint_icons()
        for empty in self.findChildren(EmptyState):
            empty.paint_icons()

    def add_menu(self, title: str, fill: Callable[[Any], None]) -> None:
        """Add a menu to the header."""
        fill(self.header.menus.addMenu(title))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            self.painted.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closing.emit()
        super().closeEvent(event)
