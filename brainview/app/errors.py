"""The one place where the window shows what went wrong, and the one way to start a coroutine from a button."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.icons import icon
from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label, restyle, tool
from brainview.core.errors import BrainViewError, Cancelled
from brainview.core.names import shown

log = logging.getLogger("brainview")
#: Milliseconds after which a notice that is no error goes by itself.
SHORT = 6000
#: The longest message, in letters, that is shown whole at once: about two lines, so that the brain stays in sight.
LONG = 150
GLYPH = {"error": ("error", "bad"), "warning": ("warning", "warn"), "info": ("info", "accent_text"),
         "done": ("done", "good")}


def brief(words: str) -> str:
    """Return a message as it is first shown: whole, or of a long one its beginning, up to the end of a sentence."""
    if len(words) <= LONG:
        return words
    end = max(words.rfind(". ", 40, LONG), words.rfind("; ", 40, LONG))
    return f"{words[:end + 1] if end > 0 else words[:LONG].rsplit(' ', 1)[0]}\u00a0…"


class Notice(QFrame):
    """One line over the canvas: what happened, and what can be done about it."""

    def __init__(self, level: str, text: str, actions: list[tuple[str, Callable[[], Any]]],
                 closed: Callable[[Notice], None], resized: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.level = level
        self.words = shown(text, limit=2000)
        self.setAccessibleName(f"{level}: {self.words}")
        first = brief(self.words)
        glyph, token = GLYPH[level]
        mark = QLabel()
        mark.setPixmap(icon(glyph, token).pixmap(QSize(18, 18)))
        body = label(first, wrap=True)
        body.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        body.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, GRID, GRID, GRID)
        row.setSpacing(GRID)
        row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(body, 1)
        if first != self.words:
            def whole() -> None:
                body.setText(self.words)
                more.hide()
                resized()

            more = button("More", whole, role="quiet", tip="Show the whole message")
            row.addWidget(more, 0, Qt.AlignmentFlag.AlignTop)
        for words, do in actions:
            row.addWidget(button(words, partial(self._act, closed, do)), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(tool("close", "Dismiss", lambda: closed(self)), 0, Qt.AlignmentFlag.AlignTop)
        restyle(self, level=level)

    def _act(self, closed: Callable[[Notice], None], do: Callable[[], Any]) -> None:
        closed(self)
        do()


class Notices(QWidget):
    """Notices in the upper middle of a host widget: the newest, and the earlier ones folded under it.

    They never take the focus and never block.

    Parameters
    ----------
    host : QWidget
        Over which they lie.
    below : callable, optional
        Returns the y of the host under which they must stay: what is labelled there may not be covered.
    """

    MOST = 5

    def __init__(self, host: QWidget, below: Callable[[], int] = lambda: 7 * GRID) -> None:
        super().__init__(host)
        self._host, self._below = host, below
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GRID)
        self.shown: list[Notice] = []
        self._open = False
        self.more = button("", self._unfold, tip="Show or hide the messages before this one")
        self._column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignHCenter)
        host.installEventFilter(self)
        self.hide()

    def show_notice(self, level: str, text: str, actions: list[tuple[str, Callable[[], Any]]] | None = None) -> Notice:
        """Show a line; errors and lines with buttons stay until dismissed."""
        same = next((n for n in self.shown if n.words == shown(text, limit=2000)), None)
        if same is not None:
            self.close_notice(same)
        while len(self.shown) >= self.MOST:
            self.close_notice(self.shown[0])
        notice = Notice(level, text, actions or [], self.close_notice, self._place)
        self.shown.append(notice)
        self._column.insertWidget(0, notice)
        self.show()
        self._place()
        QAccessible.updateAccessibility(QAccessibleEvent(notice, QAccessible.Event.Alert))
        if level in ("info", "done") and not actions:
            QTimer.singleShot(SHORT, notice, lambda: self.close_notice(notice))
        return notice

    def close_notice(self, notice: Notice) -> None:
        """Take a notice away."""
        if notice not in self.shown:
            return
        self.shown.remove(notice)
        self._column.removeWidget(notice)
        notice.hide()
        notice.deleteLater()
        self.setVisible(bool(self.shown))
        self._place()

    def _unfold(self) -> None:
        self._open = not self._open
        self._place()

    def close_about(self, title: str) -> None:
        """Take away what was said about a job, which is being tried again."""
        for notice in [n for n in self.shown if n.words.startswith(f"{shown(title)}:")]:
            self.close_notice(notice)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return False

    def _place(self) -> None:
        earlier = len(self.shown) - 1
        self._open &= earlier > 0
        self.more.setText("Hide the earlier ones" if self._open else f"{earlier} earlier")
        self.more.setVisible(earlier > 0)
        for notice in self.shown[:-1]:
            notice.setVisible(self._open)
        for notice in self.shown[-1:]:
            notice.show()  # it may have been folded under a newer one that is gone
        width = max(120, min(640, self._host.width() - 4 * GRID))
        self.setFixedWidth(width)
        self.adjustSize()
        seen = self.shown if self._open else self.shown[-1:]
        heights = [n.heightForWidth(width) if n.hasHeightForWidth() else n.sizeHint().height() for n in seen]
        heights += [self.more.sizeHint().height()] * (earlier > 0)
        self.setFixedHeight(sum(heights) + GRID * max(0, len(heights) - 1))
        self.move((self._host.width() - self.width()) // 2, self._below())
        self.raise_()


class Reporter:
    """Turns failures into notices and log lines.

    Parameters
    ----------
    notices : Notices
    """

    def __init__(self, notices: Notices) -> None:
        self.notices = notices
        self._tasks: set[asyncio.Task] = set()

    def error(self, err: BaseException, *, actions: list[tuple[str, Callable[[], Any]]] | None = None) -> None:
        """Show one failure; a cancel is no failure."""
        if isinstance(err, Cancelled):
            self.notices.show_notice("info", "Cancelled; what was finished is kept.")
            return
        if isinstance(err, BrainViewError):
            log.warning("%s", err)
            self.notices.show_notice("error", str(err), actions)
            return
        log.error("fault", exc_info=err)
        self.notices.show_notice("error", f"A fault of BrainView's own: {type(err).__name__}: {err}. It is in the log.")

    def tell(self, text: str, level: str = "info",
             actions: list[tuple[str, Callable[[], Any]]] | None = None) -> None:
        """Show a line that is no failure."""
        log.info("%s", text)
        self.notices.show_notice(level, text, actions)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task:
        """Run a coroutine on the window's loop; whatever it raises is shown."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        err = task.exception()
        if err is not None:
            self.error(err)

    def guarded(self, do: Callable[[], Any]) -> Any:
        """Call something now; awaitables are started, failures shown."""
        try:
            value = do()
        except Exception as err:  # noqa: BLE001 - the one place for what a command raises
            self.error(err)
            return None
        return self.start(value) if asyncio.iscoroutine(value) else value

    @property
    def busy(self) -> int:
        """Number of coroutines still under way."""
        return len(self._tasks)

    def cancel_all(self) -> None:
        """Drop what is under way (the window closes)."""
        for task in list(self._tasks):
            task.cancel()
