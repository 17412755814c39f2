"""Phantoms in MindEye's two layouts: written, read back by the ordinary readers, and brought to MNI152."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from brainview.core.errors import MissingError
from brainview.datasets.mindeye.facts import VOXELS
from brainview.datasets.mindeye.place import find_transform, map_to_mni
from brainview.datasets.registry import open_dataset
from brainview.maps.space import VolumeSpace
from brainview.phantom.writers.mindeye import GRIDS
from tests.phantom_fixture import build_tiny


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("phantom") / "tars", "mindeye", subjects=1)


def test_tars_read_back_with_the_real_counts_of_voxels_and_repetitions(tars: Path) -> None:
    data = open_dataset(tars)
    assert data.layout == "mindeye" and data.phantom and data.subjects == ["subj01"]
    subject = data.subject("subj01")
    assert subject.space.size == VOXELS[1] and subject.space.root.shape == GRIDS[0]
    parts = {k: v.size for k, v in subject.splits.items()}
    assert parts["train"] > parts["test"] > 0 and parts["val"] > 0 and parts["train"] + parts["val"] <= 24
    assert not set(subject.splits["test"]) & (set(subject.splits["train"]) | set(subject.splits["val"]))
    repeats = subject.repeats(subject.splits["test"])
    assert repeats.min() >= 1 and repeats.max() == 3
    row = subject.responses.rows(np.arange(3))
    assert np.isfinite(row).all() and 0.3 < row.std() < 3
    assert subject.ceiling.ncsnr is not None and "V1v" in subject.rois["prf-visualrois"].sizes()
    ids = subject.splits["test"]
    assert data.stimuli.image(int(ids[0])).size == (256, 256) and data.stimuli.captions(int(ids[0]))
    assert data.stimuli.details(int(ids[0]))["boxes"]
    assert json.loads((tars / "webdataset_avg_split" / "metadata_subj01.json").read_text())["totals"]["test"] \
        == parts["test"]


def test_voxels_reach_mni_where_they_are(tars: Path) -> None:
    data = open_dataset(tars)
    subject = data.subject("subj01")
    with np.load(next(tars.glob("*truth*/subj01_native.npz"))) as native:
        rigid, affine = native["rigid"], native["affine"]
    places = np.stack(np.unravel_index(subject.space.root_index, subject.space.root.shape))
    mni = (np.linalg.inv(rigid) @ affine @ np.vstack([places, np.ones(places.shape[1])]))[:3]
    for axis in range(3):
        drawn = subject.map(mni[axis].astype(np.float32), "where")
        found = map_to_mni(drawn, data.homes, "subj01")
        assert isinstance(found.space, VolumeSpace) and found.space.world == "MNI152"
        inside = np.flatnonzero(np.isfinite(found.values))
        grid = np.vstack([np.stack(np.unravel_index(inside, found.space.shape)), np.ones(inside.size)])
        gap = np.abs((found.space.affine @ grid)[axis] - found.values[inside])
        assert inside.size > 5000 and gap.max() < 1.8, "no voxel moves by more than one of its edges"
    assert find_transform((tars,), "subj02") is None
    with pytest.raises(MissingError, match="func1pt8-to-MNI"):
        map_to_mni(replace(drawn), (tars / "nowhere",), "subj01")


def test_mindeye2_files_read_back(tmp_path: Path) -> None:
    root = build_tiny(tmp_path / "two", "mindeye2", subjects=1)
    data = open_dataset(root)
    assert data.layout == "mindeye2" and data.phantom and data.subjects == ["subj01"]
    subject = data.subject("subj01")
    row = subject.responses.rows(np.array([2]))[0]
    with h5py.File(next(root.glob("betas_all_subj01*.hdf5"))) as file:
        assert file["betas"].shape == (len(subject.trials), VOXELS[1])
        assert np.allclose(file["betas"][2], row, atol=1e-3)
    with h5py.File(root / "coco_images_224_float16.hdf5") as file:
        assert file["images"].dtype == np.float16 and 0 <= file["images"][0].min() <= file["images"][0].max() <= 1
    assert np.load(root / "shared1000.npy").sum() == subject.splits["test"].size == 8
    assert sorted(p.name for p in (root / "wds" / "subj01").iterdir()) == ["new_test", "train"]
    assert len(subject.trials) == 3 * (24 + 8), "all sessions are there, unlike in MindEye's tars"
