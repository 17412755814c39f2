"""The stack of layers as state: order, undo, what a project keeps."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import FormatError, LimitError
from brainview.maps.brainmap import BrainMap
from brainview.maps.layers import MOST, Gate, Layer, layer_of
from brainview.maps.space import VolumeSpace
from brainview.state import layers
from brainview.state.undo import UndoStack
from brainview.state.view import ViewState

SPACE = VolumeSpace("line", (3, 1, 1), np.eye(4), "MNI152")


def a_map(name: str) -> BrainMap:
    return BrainMap(np.arange(3, dtype=np.float32), SPACE, name)


@pytest.fixture
def view():
    out = ViewState()
    out.show(a_map("main"))
    return out


def names(view) -> list[str]:
    return [one.map.name for one in layers.stack(view)]


def test_layers_move_around_the_map_on_screen(view):
    assert layers.is_single(view) and names(view) == ["main"]
    layers.add(view, layer_of(a_map("top"), where={"path": "t.nii"}))
    layers.add(view, layer_of(a_map("base"), where={"path": "b.nii"}), 0)
    assert names(view) == ["base", "main", "top"] and layers.main_index(view) == 1
    layers.move(view, 1, 2)
    assert names(view) == ["base", "top", "main"]
    layers.move(view, 0, 1)
    assert names(view) == ["top", "base", "main"]
    layers.move(view, 2, -5)
    assert names(view) == ["main", "top", "base"] and layers.main_index(view) == 0
    layers.remove(view, 2)
    assert names(view) == ["main", "top"]
    with pytest.raises(FormatError):
        layers.remove(view, 0)
    for _ in range(MOST - 2):
        layers.add(view, layer_of(a_map("more")))
    with pytest.raises(LimitError):
        layers.add(view, layer_of(a_map("too many")))


def test_changes_go_to_the_layer_or_to_the_view_and_are_undone(view):
    undo = UndoStack()
    undo.watch(view, {"layers": "Layers", "laid": "Layers", "rule": "Colours"})
    with undo.together("Add layer"):
        layers.add(view, layer_of(a_map("base")), 0)
    layers.change(view, 0, opacity=0.4)
    layers.change(view, 1, opacity=0.7, rule=view.rule.having(limits=(0.0, 9.0)))
    assert [one.opacity for one in layers.stack(view)] == [0.4, 0.7] and view.rule.limits == (0.0, 9.0)
    while undo.undo_title:
        undo.undo()
    assert layers.is_single(view) and view.rule.limits != (0.0, 9.0)
    with pytest.raises(FormatError):
        view.layers = ("no layer",)
    assert view.layers == ()


def test_a_project_keeps_what_has_a_name(view):
    layers.add(view, layer_of(a_map("base"), where={"path": "b.nii", "index": 1}, opacity=0.5), 0)
    layers.add(view, layer_of(a_map("computed here")))
    layers.change(view, 1, gate=Gate(2.0), second=a_map("t"), second_where={"path": "t.nii"}, visible=False)
    told = layers.LayerPart(view).settings()["stack"]
    assert [e.get("map") for e in told] == [{"path": "b.nii", "index": 1}, None]
    assert told[0]["opacity"] == 0.5 and told[1] == {"main": True, "visible": False, "second": {"path": "t.nii"},
                                                     "gate": Gate(2.0).to_dict()}
    assert layers.nameless(view) == ["computed here"]
    part = layers.LayerPart(view)
    part.apply({"stack": told})
    assert layers.is_single(view) and list(part.wanted) == told
    with pytest.raises(FormatError):
        part.apply({"stack": "x"})


def test_layers_follow_the_subject_where_they_belong_to_one():
    assert layers.following({"path": "r", "brain": "subj01", "metric": "R2"}, "subj01", "subj02") == {
        "path": "r", "brain": "subj02", "metric": "R2"}
    assert layers.following({"path": "a.nii"}, "subj01", "subj02") is None
    assert layers.following({"path": "r", "brain": "subj01", "stimulus": 7}, "subj01", "subj02") is None
    assert isinstance(layer_of(a_map("x")), Layer)
