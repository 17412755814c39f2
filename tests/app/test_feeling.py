"""Keyboard only, names for screen readers, contrast, letters in text fields, the first steps."""

from __future__ import annotations

import asyncio
import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTextEdit,
)

from brainview.app import theme
from brainview.app.guide import SEEN, STEPS, Guide
from brainview.core.paths import resources_dir
from brainview.scene.theme import BACKGROUNDS
from brainview.state.preferences import preference, preferences_path, remember

pytestmark = pytest.mark.gui
INTERACTIVE = (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QAbstractSlider, QAbstractItemView, QTabBar,
               QPlainTextEdit, QTextEdit)


@pytest.fixture
def layered(trained):
    trained.c.keep_layer()
    trained.settle()
    trained.window.activateWindow()
    QTest.qWaitForWindowActive(trained.window)
    return trained


def is_part_of_another(widget) -> bool:
    """Tell whether Qt made it inside a control that has its own name (the field of a spin box, a list's scroll bar)."""
    parent = widget.parentWidget()
    return isinstance(widget, QScrollBar) or widget.objectName().startswith("qt_") or isinstance(
        parent, (QComboBox, QAbstractSpinBox, QLineEdit, QAbstractItemView)) or (
        parent is not None and parent.metaObject().className() == "QComboBoxPrivateContainer")


def test_every_control_has_a_name_for_screen_readers(layered):
    nameless = []
    for kind in INTERACTIVE:
        for one in layered.window.findChildren(kind):
            if is_part_of_another(one):
                continue
            told = QAccessible.queryAccessibleInterface(one)
            if isinstance(one, QTabBar):
                if not all(one.tabText(k).strip() for k in range(one.count())):
                    nameless.append(repr(one))
            elif not (one.accessibleName() or (told is not None and told.text(QAccessible.Text.Name))):
                nameless.append(f"{type(one).__name__} in {type(one.parentWidget()).__name__}: {one.toolTip()!r}")
    assert not nameless, "\n".join(sorted(set(nameless)))


def test_the_keyboard_reaches_every_dock_and_comes_round(layered):
    window = layered.window
    for number, name in enumerate(("subjects", "encoding", "attribution", "decoding", "stimuli", "jobs", "peaks",
                                   "layers"), start=1):
        QTest.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), Qt.KeyboardModifier.ControlModifier)
        layered.settle()
        focus = QApplication.focusWidget()
        assert focus is not None and (window.docks[name] is focus or window.docks[name].isAncestorOf(focus)), name
        assert window.docks[name].isVisible()
    window.show_dock("encoding")
    window.show_dock("stimuli")
    start, seen, drawn = QApplication.focusWidget(), [], layered.app.source
    for _ in range(250):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget())
        if seen[-1] is start:
            break
    assert seen[-1] is start, "Tab comes back to where it began"
    assert layered.app.source == drawn and layered.app.stimulus < 0, "passing by chooses nothing"
    assert not any(window.docks["layers"].isAncestorOf(w) for w in seen), "nothing behind another dock has the focus"
    for part in (window.docks["subjects"], window.docks["encoding"], window.gallery, window.docks["stimuli"]):
        assert any(part.isAncestorOf(w) for w in seen), part.objectName()
    assert all(w.isVisible() for w in seen)
    window.viewer.colors.setFocus()
    QTest.keyClick(window.viewer.colors, Qt.Key.Key_Right)
    layered.settle()
    low, high = layered.view.rule.limits
    assert layered.view.rule.threshold == pytest.approx((high - low) / 100)


def test_no_letter_does_anything_while_a_text_field_has_the_focus(layered, monkeypatch):
    done: list[str] = []
    monkeypatch.setattr(layered.c.commands, "run", lambda name: done.append(name))
    keys = [c.shortcut for c in layered.c.commands if c.plain_key]
    assert len(keys) >= 12
    fields = []
    for name in ("subjects", "encoding", "stimuli", "layers", "peaks"):
        layered.window.show_dock(name)
        layered.settle()
        fields += [w for w in layered.window.docks[name].findChildren(QLineEdit)
                   if w.isVisible() and w.isEnabled() and not w.isReadOnly() and w not in fields]
        for field in [w for w in fields if w.isVisible()]:
            field.setFocus()
            field.clear()
            before = layered.view.settings()
            for key in keys:
                shifted = key.startswith("Shift+")
                QTest.keyClick(field, key.removeprefix("Shift+"), Qt.KeyboardModifier.ShiftModifier if shifted
                               else Qt.KeyboardModifier.NoModifier)
            layered.loop.run_until_complete(asyncio.sleep(0))
            assert done == [] and layered.view.settings() == before, field.accessibleName()
    assert len(fields) >= 6


def blocks() -> list[tuple[str, dict[str, str]]]:
    """Return (selectors, properties) of the style sheet."""
    text = re.sub(r"/\*.*?\*/", "", (resources_dir() / "style.qss").read_text(encoding="utf-8"), flags=re.S)
    out = []
    for names, body in re.findall(r"([^{}]+)\{([^}]*)\}", text):
        pairs = (p.split(":", 1) for p in body.split(";") if ":" in p)
        out.append((names.strip(), {k.strip(): v.strip() for k, v in pairs}))
    return out


@pytest.mark.parametrize("name", ["dark", "light"])
def test_every_rule_of_the_style_sheet_has_a_contrast_of_4_5(name):
    tokens = theme.THEMES[name]
    weak = []
    for names, rule in blocks():
        ink, ground = rule.get("color", ""), rule.get("background", rule.get("background-color", ""))
        if not ink.startswith("$"):
            continue
        under = [ground[1:]] if ground.startswith("$") else ["window", "surface", "raised"]
        weak += [(names, ink, g) for g in under
                 if theme.contrast(getattr(tokens, ink[1:]), getattr(tokens, g)) < 4.5]
    assert not weak
    paper = {"dark": "dark", "light": "light"}[name]
    for look in (BACKGROUNDS[paper], BACKGROUNDS["white"], BACKGROUNDS["black"]):
        hexes = {k: "#{:02x}{:02x}{:02x}".format(*getattr(look, k)) for k in ("paper", "ink", "quiet")}
        assert theme.contrast(hexes["ink"], hexes["paper"]) >= 4.5 <= theme.contrast(hexes["quiet"], hexes["paper"])
    palette = theme.palette(tokens)
    for role, under in ((palette.ColorRole.Text, palette.ColorRole.Base),
                        (palette.ColorRole.ButtonText, palette.ColorRole.Button),
                        (palette.ColorRole.WindowText, palette.ColorRole.Window),
                        (palette.ColorRole.PlaceholderText, palette.ColorRole.Base)):
        for group in (palette.ColorGroup.Active, palette.ColorGroup.Disabled):
            ink, ground = palette.color(group, role).name(), palette.color(group, under).name()
            assert theme.contrast(ink, ground) >= 4.5, (name, role, group)
    assert theme.contrast("#281c00", "#ffc43d") >= 4.5  # the label of simulated data


def test_the_first_steps_are_gone_through_once_and_remembered(layered):
    preferences_path().unlink(missing_ok=True)
    assert not preference(SEEN)
    guide = layered.c.show_guide()
    assert isinstance(guide, Guide) and len(STEPS) == 5 and guide.next.hasFocus()
    for number in range(1, 6):
        assert guide.count.text() == f"{number} of 5" and guide.text.text() in guide.accessibleName()
        assert layered.window.rect().contains(guide.geometry())
        assert guide.text.height() >= guide.text.heightForWidth(guide.text.width())
        if number < 5:
            QTest.keyClick(guide.next, Qt.Key.Key_Space)
    guide.back.click()
    assert guide.at == 3
    QTest.keyClick(guide, Qt.Key.Key_Escape)
    assert preference(SEEN) is True and guide.isHidden()
    preferences_path().write_text("{broken")
    assert preference(SEEN, "none") == "none"
    remember(SEEN, True)
    assert preference(SEEN) is True
