"""One function decides colours; the rules of its docstring, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import BrainViewError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.display import ColorRule, rule_for, threshold_percentile, threshold_value
from brainview.maps.space import surface_space
from brainview.scene import colormaps
from brainview.scene.colors import FADE, anatomy, bar, colorize, nice_ticks

SPACE = surface_space("fsaverage3")
GREY = np.full(7, 160, np.uint8)


def drawn(values, rule, **more):
    values = np.asarray(values, np.float32)
    return colorize(values, rule, np.full(values.size, 160, np.uint8), **more)


def is_grey(color):
    return (np.asarray(color) == 160).all()


def test_nan_is_anatomy_and_zero_is_data():
    out = drawn([np.nan, 0.0, 1.0], ColorRule("viridis", (0, 1)))
    table = colormaps.lut("viridis")
    assert is_grey(out[0])
    assert (out[1] == table[0]).all()
    assert (out[2] == table[255]).all()


def test_the_tie_at_the_threshold_is_shown():
    out = drawn([0.499, 0.5, -0.5], ColorRule("RdBu", (-1, 1), 0.5, two_sided=True))
    assert is_grey(out[0])
    assert not is_grey(out[1])
    assert not is_grey(out[2])


def test_one_sided_threshold_hides_negative_values():
    assert is_grey(drawn([-0.9], ColorRule("RdBu", (-1, 1), 0.5))[0])


def test_below_a_one_sided_bar_is_anatomy_but_signed_bars_clamp():
    assert is_grey(drawn([-0.2], ColorRule("ember", (0, 1)))[0])
    signed = drawn([-9.0, 9.0], ColorRule("RdBu", (-1, 1), two_sided=True))
    table = colormaps.lut("RdBu")
    assert (signed == table[[0, 255]]).all()


def test_faded_values_lie_between_anatomy_and_color():
    hidden = drawn([0.25, 0.5], ColorRule("ember", (0, 1), 0.5))
    faded = drawn([0.25, 0.5], ColorRule("ember", (0, 1), 0.5, below="faded"))
    full = drawn([0.25], ColorRule("ember", (0, 1)))[0].astype(float)
    assert is_grey(hidden[0])
    assert (faded[1] == hidden[1]).all()
    weight = FADE * 0.25
    np.testing.assert_allclose(faded[0], 160 + weight * (full - 160), atol=1)


def test_percentile_counts_finite_values_of_the_whole_map():
    values = np.concatenate([np.linspace(-1, 1, 101), [np.nan] * 50]).astype(np.float32)
    rule = ColorRule("RdBu", (-1, 1), 80, "percentile", two_sided=True)
    assert threshold_value(rule, values) == pytest.approx(0.8, abs=0.02)
    by_value = rule.having(threshold=0.8, threshold_unit="value")
    assert threshold_percentile(by_value, values) == pytest.approx(80, abs=2)
    assert threshold_value(rule, np.full(4, np.nan, np.float32)) == 0


def test_reverse_turns_the_table_round():
    rule = ColorRule("viridis", (0, 1))
    assert (drawn([1.0], rule.having(reverse=True)) == drawn([0.0], rule)).all()


def test_labels_have_the_colors_of_their_table():
    table = {1: Label("a", (1, 0, 0, 1)), 7: Label("b", (0, 0, 1, 1))}
    brain_map = BrainMap(np.r_[1, 7, 3, 0, np.nan, np.zeros(SPACE.size - 5)], SPACE, kind="label", labels=table)
    out = drawn(brain_map.values[:5], rule_for(brain_map))
    assert out.tolist()[:2] == [[255, 0, 0], [0, 0, 255]]
    assert all(is_grey(c) for c in out[2:])
    assert [n for n, _ in bar(rule_for(brain_map), brain_map).labels] == ["a", "b"]


@pytest.mark.parametrize("name", colormaps.names())
def test_every_table_is_whole(name):
    table = colormaps.lut(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert len(np.unique(table, axis=0)) > 100


@pytest.mark.parametrize("name", ["ember", "orchid", "viridis", "cividis", "plasma", "magma"])
def test_sequential_tables_grow_lighter_all_the_way(name):
    lightness = colormaps.lut(name).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[::8]) > 0).all()


def test_diverging_default_is_told_apart_without_red_and_green():
    # deuteranopes see red and green alike: the two ends must differ in blue or in the sum of red and green
    low, high = colormaps.lut("RdBu")[[10, 245]].astype(float)
    assert abs(low[2] - high[2]) > 80


def test_the_bar_is_drawn_by_the_same_function():
    rule = ColorRule("ember", (0, 2), 0.5, below="faded")
    brain_map = BrainMap(np.linspace(0, 2, SPACE.size), SPACE, name="x", units="bits")
    drawn_bar = bar(rule, brain_map)
    grey = np.full(256, anatomy(None, 1)[0], np.uint8)
    assert (drawn_bar.colors == colorize(np.linspace(0, 2, 256), rule, grey, threshold=0.5)).all()
    assert drawn_bar.title == "x (bits)"
    assert drawn_bar.marks == (0.25,)
    assert "0.5" in drawn_bar.note
    assert "percentile" in drawn_bar.note


def test_rule_for_kinds():
    values = np.random.default_rng(0).normal(size=SPACE.size)
    signed = rule_for(BrainMap(values, SPACE, kind="diverging"))
    assert signed.limits[0] == -signed.limits[1]
    assert signed.two_sided
    plain = rule_for(BrainMap(np.abs(values), SPACE))
    assert plain.limits[0] == 0
    assert not plain.two_sided
    assert rule_for(BrainMap(np.full(SPACE.size, np.nan), SPACE)).limits == (0, 1)
    assert rule_for(BrainMap(values, SPACE, limits=(0.2, 0.4), colormap="viridis")).colormap == "viridis"


@pytest.mark.parametrize("wrong", [{"limits": (1, 1)}, {"limits": (0, float("nan"))}, {"threshold": -1},
                                   {"threshold": 101, "threshold_unit": "percentile"}, {"below": "gone"}])
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(BrainViewError):
        ColorRule(**wrong)


def test_rule_survives_json():
    import json

    rule = ColorRule("RdBu", (-2, 2), 95, "percentile", "faded", True, True, ((1, "a", (1, 2, 3)),))
    assert ColorRule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule
    with pytest.raises(BrainViewError):
        ColorRule.from_dict({"colour": "red"})


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2.2, 2.2), (0, 0.00012), (3, 4500), (0, 1e7), (-0.3, 0.9)])
def test_ticks_are_inside_rising_and_distinct(low, high):
    ticks = nice_ticks(low, high)
    places = [p for p, _ in ticks]
    assert 3 <= len(ticks) <= 7
    assert places == sorted(places)
    assert places[0] >= 0 and places[-1] <= 1 + 1e-9
    assert len({t for _, t in ticks}) == len(ticks)
