"""Design tokens, and what Qt needs of them: a Fusion palette and one style sheet, dark and light.

All distances are multiples of 4 px, blocks of 8. There is one accent colour. Every pair of text and ground in
:data:`PAIRS` has a contrast of at least 4.5:1 (a test holds it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from brainview.core.paths import resources_dir

GRID = 8
FONT_SIZE = 13  # px at 100 %


@dataclass(frozen=True)
class Tokens:
    """Colours of one theme, as ``#rrggbb``."""

    name: str
    canvas: str  # behind the brain
    window: str  # behind everything
    surface: str  # docks
    raised: str  # cards, buttons
    hover: str
    pressed: str
    sunken: str  # fields, lists
    border: str
    border_strong: str
    text: str
    text2: str  # secondary
    text3: str  # captions, units
    accent: str  # fills
    accent_hover: str
    on_accent: str
    accent_text: str  # accent as text or line on surface
    selection: str  # selected rows
    left: str  # bars of the left hemisphere
    right: str
    good: str
    warn: str
    warn_ground: str
    bad: str
    bad_ground: str


DARK = Tokens(
    name="dark", canvas="#101216", window="#15171c", surface="#1a1d23", raised="#252931", hover="#2d323c",
    pressed="#343a46", sunken="#121419", border="#2a2e37", border_strong="#3c424e", text="#e8eaee", text2="#b3b9c4",
    text3="#8f96a3", accent="#3366d6", accent_hover="#2f5fc9", on_accent="#ffffff", accent_text="#86b0ff",
    selection="#22365f", left="#6ea3ff", right="#f0a35e", good="#5fc48e", warn="#e8b75a", warn_ground="#33291a",
    bad="#ff8a80", bad_ground="#3a2020")
LIGHT = Tokens(
    name="light", canvas="#ffffff", window="#eef0f3", surface="#f8f9fb", raised="#ffffff", hover="#e9ecf1",
    pressed="#dde2ea", sunken="#ffffff", border="#dde1e7", border_strong="#c0c6d0", text="#1a1d24", text2="#474e5b",
    text3="#626a78", accent="#2b5fd0", accent_hover="#2452b8", on_accent="#ffffff", accent_text="#1f52bd",
    selection="#d8e4fd", left="#2f6fe0", right="#b8620f", good="#177245", warn="#7d5200", warn_ground="#fdf1d8",
    bad="#b3261e", bad_ground="#fde8e6")
THEMES = {"dark": DARK, "light": LIGHT}

#: (text, ground) that occur together.
PAIRS = [(t, g) for t in ("text", "text2", "text3", "accent_text")
         for g in ("window", "surface", "raised", "sunken")] + [
    ("text", "hover"), ("text", "selection"), ("text2", "selection"), ("text", "pressed"), ("on_accent", "accent"),
    ("on_accent", "accent_hover"), ("warn", "warn_ground"), ("bad", "bad_ground"), ("text", "bad_ground"),
    ("good", "surface"), ("bad", "surface"), ("warn", "surface"), ("text3", "canvas")]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two ``#rrggbb`` colours (WCAG 2.2, relative luminance), 1 to 21."""

    def luminance(color: str) -> float:
        parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@cache
def load_fonts() -> str:
    """Register the shipped typeface once; returns its family, "" when the files are missing."""
    family = ""
    for weight in ("Regular", "Medium", "SemiBold"):
        number = QFontDatabase.addApplicationFont(str(resources_dir() / "fonts" / f"Inter-{weight}.ttf"))
        if number >= 0 and not family:
            family = QFontDatabase.applicationFontFamilies(number)[0]
    return family


def palette(tokens: Tokens) -> QPalette:
    """Return the palette of a theme for Qt's Fusion style."""
    role = QPalette.ColorRole
    colors = {
        role.Window: tokens.surface, role.WindowText: tokens.text, role.Base: tokens.sunken,
        role.AlternateBase: tokens.raised, role.Text: tokens.text, role.Button: tokens.raised,
        role.ButtonText: tokens.text, role.BrightText: tokens.bad, role.ToolTipBase: tokens.raised,
        role.ToolTipText: tokens.text, role.PlaceholderText: tokens.text3, role.Highlight: tokens.accent,
        role.HighlightedText: tokens.on_accent, role.Link: tokens.accent_text, role.LinkVisited: tokens.accent_text,
        role.Light: tokens.raised, role.Midlight: tokens.raised, role.Mid: tokens.border,
        role.Dark: tokens.border_strong, role.Shadow: "#000000", role.Accent: tokens.accent,
    }
    out = QPalette()
    for r, color in colors.items():
        out.setColor(r, QColor(color))
    for r in (role.WindowText, role.Text, role.ButtonText):
        out.setColor(QPalette.ColorGroup.Disabled, r, QColor(tokens.text3))
    return out


def current() -> Tokens:
    """Return the tokens in force, for widgets that paint themselves."""
    app = QApplication.instance()
    return THEMES.get(str(app.property("brainview-theme")) if app else "dark", DARK)


def color(name: str, alpha: int = 255) -> QColor:
    """Return one token of the theme in force as a QColor."""
    out = QColor(getattr(current(), name))
    out.setAlpha(alpha)
    return out


def apply(app: QApplication, name: str) -> Tokens:
    """Give the whole program a theme; returns its tokens."""
    tokens = prepare(app, name)
    app.setStyleSheet(style_sheet(tokens))
    return tokens


def prepare(app: QApplication, name: str) -> Tokens:
    """Set everything of a theme but its style sheet, which costs less when the widgets are there already.

    With the sheet in force Qt matches its rules anew each time a widget changes its parent, several times per widget
    while a window is built.
    """
    tokens = THEMES.get(name, DARK)
    app.setProperty("brainview-theme", tokens.name)
    app.setStyle("Fusion")
    font = QFont(load_fonts() or app.font().family())
    font.setPixelSize(FONT_SIZE)
    font.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    app.setFont(font)
    app.setPalette(palette(tokens))
    return tokens


def style_sheet(tokens: Tokens) -> str:
    """Return the style sheet of a theme, with the tokens filled into ``resources/style.qss``."""
    text = (resources_dir() / "style.qss").read_text(encoding="utf-8")
    arrows = (resources_dir() / "icons").as_posix()
    return Template(text).substitute(asdict(tokens), icons=arrows)
