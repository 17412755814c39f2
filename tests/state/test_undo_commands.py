"""Undo of state fields, and the rules of command objects."""

import pytest

from brainview.state.app import UNDOABLE, AppState, RoiKey, Source
from brainview.state.commands import Command, Commands
from brainview.state.undo import UndoStack


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watched():
    clock, state = Clock(), AppState()
    stack = UndoStack(clock)
    stack.watch(state, UNDOABLE)
    return clock, state, stack


def test_undo_and_redo_put_values_back(watched):
    clock, state, stack = watched
    state.source = Source("metric", brain="subj01", metric="R2")
    clock.now += 5
    state.stimulus = 7
    assert stack.undo_title == "Choose stimulus"
    assert stack.undo() and state.stimulus == -1
    assert stack.undo() and state.source == Source()
    assert not stack.undo()
    assert stack.redo() and state.source.metric == "R2"
    state.stimulus = 9  # a new change ends the redo branch
    assert not stack.redo()


def test_a_burst_on_one_field_is_one_step(watched):
    clock, state, stack = watched
    for k in range(5):
        state.stimulus = k
        clock.now += 0.1
    assert stack.undo() and state.stimulus == -1


def test_together_is_one_step_and_paused_is_none(watched):
    _, state, stack = watched
    with stack.together("Pick"):
        state.stimulus = 3
        state.rois = (RoiKey("left", "streams", "early"),)
    with stack.paused():
        state.split = "test"
    assert stack.undo_title == "Pick"
    stack.undo()
    assert state.stimulus == -1 and state.rois == () and state.split == "test"


def test_equal_value_is_no_step(watched):
    _, state, stack = watched
    state.source = Source()
    assert not stack.undo()


def test_commands_refuse_a_shortcut_used_twice():
    commands = Commands()
    commands.add(Command("a", "A", lambda: 1, shortcut="L", menu="View"))
    with pytest.raises(ValueError, match="L is taken by 'a'"):
        commands.add(Command("b", "B", lambda: 2, shortcut="L"))
    with pytest.raises(ValueError, match="two commands"):
        commands.add(Command("a", "Again", lambda: 2))


def test_disabled_commands_do_nothing_and_sheet_lists_keys():
    done, commands = [], Commands()
    commands.add(Command("x", "X", lambda: done.append(1), enabled=lambda: False, menu="File", shortcut="Ctrl+X"),
                 Command("y", "Y", lambda: done.append(2), menu="File"))
    commands.run("x"), commands.run("y")
    assert done == [2]
    assert [(m, [c.id for c in cs]) for m, cs in commands.sheet()] == [("File", ["x"])]
    assert Command("p", "P", print, shortcut="L").plain_key
    assert not Command("q", "Q", print, shortcut="Ctrl+L").plain_key
