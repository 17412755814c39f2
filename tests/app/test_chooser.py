"""A chooser cuts what does not fit with an ellipsis and tells the whole of it on hover."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QToolTip

from brainview.app.widgets.chooser import Chooser


def test_long_texts_end_in_an_ellipsis_and_stand_whole_in_the_tooltip(qapp, qtbot):
    chooser = Chooser()
    qtbot.addWidget(chooser)
    chooser.addItems(["short", "a response set with a very long name from a file"])
    chooser.setFixedWidth(150)
    chooser.show()
    assert chooser.cut() == "short"
    whole = chooser.grab().toImage()
    chooser.setCurrentIndex(1)
    assert chooser.cut().endswith("…") and chooser.currentText().startswith(chooser.cut()[:-1])
    assert chooser.grab().toImage() != whole
    chooser.event(QHelpEvent(QEvent.Type.ToolTip, QPoint(5, 5), chooser.mapToGlobal(QPoint(5, 5))))
    assert QToolTip.text() == chooser.currentText()
    chooser.setFixedWidth(600)
    assert chooser.cut() == chooser.currentText()
