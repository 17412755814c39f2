"""Icons by what they mean, drawn in the colours of the theme in force."""

from __future__ import annotations

from PySide6.QtGui import QIcon

from brainview.app.theme import current
from brainview.core.paths import resources_dir

#: meaning -> glyph of the Material Design set that qtawesome ships.
GLYPHS = {
    "open": "mdi6.folder-open-outline", "map": "mdi6.file-image-outline", "run": "mdi6.chart-box-outline",
    "play": "mdi6.play", "pause": "mdi6.pause",
    "train": "mdi6.play", "save": "mdi6.content-save-outline", "export": "mdi6.export-variant",
    "picture": "mdi6.image-outline", "undo": "mdi6.undo", "redo": "mdi6.redo", "theme": "mdi6.brightness-6",
    "help": "mdi6.keyboard-outline", "close": "mdi6.close", "cancel": "mdi6.close-circle-outline",
    "retry": "mdi6.refresh", "log": "mdi6.text-box-outline", "down": "mdi6.chevron-down", "up": "mdi6.chevron-up",
    "right": "mdi6.chevron-right", "search": "mdi6.magnify", "error": "mdi6.alert-circle-outline",
    "warning": "mdi6.alert-outline", "info": "mdi6.information-outline", "done": "mdi6.check-circle-outline",
    "jobs": "mdi6.progress-clock", "brain": "mdi6.brain", "subjects": "mdi6.account-multiple-outline",
    "attribution": "mdi6.target", "decoding": "mdi6.message-text-outline", "encoding": "mdi6.chart-bar",
    "strip": "mdi6.filmstrip", "more": "mdi6.dots-horizontal", "phantom": "mdi6.ghost-outline",
    "waiting": "mdi6.timer-sand", "float": "mdi6.dock-window", "clear": "mdi6.filter-remove-outline",
}


_loaded = False


def load() -> None:
    """Load the icon fonts; until then :func:`icon` is blank, so that the first paint does not wait for them."""
    global _loaded
    import qtawesome  # noqa: F401 - half a second of imports

    _loaded = True


def icon(meaning: str, token: str = "text2", active: str = "text") -> QIcon:
    """Return the icon of a meaning; raises KeyError for an unknown one (a fault of ours)."""
    if not _loaded:
        return QIcon()
    import qtawesome

    tokens = current()
    return qtawesome.icon(GLYPHS[meaning], color=getattr(tokens, token), color_active=getattr(tokens, active),
                          color_disabled=tokens.text3)


def app_icon() -> QIcon:
    """Return the program's own icon."""
    return QIcon(str(resources_dir() / "icons" / "brainview.svg"))
