"""Computed maps: the oldest that nothing names goes when the folder is full, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from brainview.core.paths import computed_dir, data_dir
from brainview.maps import kept
from brainview.maps.brainmap import BrainMap
from brainview.maps.jobs import keep_maps
from brainview.maps.space import surface_space

SPACE = surface_space("fsaverage5")


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path))


def old(count: int) -> list[str]:
    """Write maps, the first the oldest; all of them some weeks old."""
    maps = [BrainMap(np.full(SPACE.size, k, np.float32), SPACE, f"R² of {k}", units="z") for k in range(count)]
    files = keep_maps(maps)
    for k, file in enumerate(files):
        for part in computed_dir().glob("*" + kept.mark_of(file) + ".*"):
            os.utime(part, (time.time() - (40 - k) * 86400,) * 2)
    return files


def test_only_what_nothing_names_goes_the_oldest_first():
    copied, exported, journalled, projected, free, newest = files = old(6)
    kept.pin(f"brainview snapshot '{copied}' --out picture.png")
    kept.pin(json.dumps({"source": {"path": exported}}))  # the ² of the name is escaped there
    (data_dir() / "journal").mkdir()
    (data_dir() / "journal" / "session-1.json").write_text(json.dumps({"app": {"source": {"path": journalled}}}))
    (data_dir() / "mine.brainview").write_text(json.dumps({"view": {"layers": [{"path": projected}]}}))
    size = sum(f.stat().st_size for f in computed_dir().iterdir())
    assert kept.prune(limit=size) == []
    assert kept.prune(limit=size - 10) == [kept.mark_of(free)]
    assert kept.prune(limit=0, now=[kept.mark_of(newest)]) == []
    assert kept.prune(limit=0) == [kept.mark_of(newest)]
    assert [Path(f).is_file() for f in files] == [True] * 4 + [False] * 2
    left = {kept.mark_of(f) or f.stem for f in computed_dir().iterdir()}
    assert left == {kept.mark_of(f) for f in files[:4]}  # nothing that tells about a map outlives it


def test_young_maps_stay_and_a_kept_one_is_young_again(monkeypatch):
    first, second = old(2)
    monkeypatch.setattr(kept.prune, "__kwdefaults__", {**kept.prune.__kwdefaults__, "limit": 0})
    again = BrainMap(np.full(SPACE.size, 0, np.float32), SPACE, "R² of 0", units="z")
    assert keep_maps([again]) == [first]  # keeping prunes: the other is old and nothing names it
    assert Path(first).is_file() and not Path(second).is_file()
    assert kept.prune() == []


def test_foreign_files_in_the_folder_are_left_alone():
    computed_dir().mkdir(parents=True)
    (computed_dir() / "notes.txt").write_text("mine")
    assert kept.prune(limit=0, young=0) == [] and (computed_dir() / "notes.txt").is_file()


def test_what_is_read_back_is_the_map_that_was_kept_with_both_hemispheres(tmp_path):
    from brainview.pictures import load_map
    from brainview.state.project import gathered

    values = np.random.default_rng(1).normal(size=SPACE.size).astype(np.float32)
    values[7] = np.nan
    (file,) = keep_maps([BrainMap(values, SPACE, "subj01 minus subj02", kind="diverging", limits=(-2, 2))])
    again = load_map(file)
    assert again.space == SPACE and again.kind == "diverging" and again.limits == (-2, 2)
    np.testing.assert_array_equal(again.values, values)
    old(1)
    out = gathered({"source": {"path": file}}, tmp_path / "study.brainview")
    taken = {f.name for f in (tmp_path / "study-maps").iterdir()}
    assert Path(out["source"]["path"]).name in taken and {kept.mark_of(f) for f in taken} == {kept.mark_of(file)}
    np.testing.assert_array_equal(load_map(out["source"]["path"]).values, values)
