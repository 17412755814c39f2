"""What the window gets from a worker: plain types, pictures, maps that say whose they are."""

from __future__ import annotations

import copy
import pickle
import time
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import to_json
from brainview.datasets import jobs, registry
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import Space
from tests.datasets.layouts import make_algonauts, make_nsd


@pytest.fixture(scope="module")
def algonauts(tmp_path_factory):
    root = tmp_path_factory.mktemp("jobs") / "tree"
    return str(root), make_algonauts(root, subjects=2, train=40, test=8)


def test_an_opened_subject_is_plain_and_crosses_processes(algonauts):
    path, truth = algonauts
    got = copy.deepcopy(jobs.open_subject(path, "subj01"))
    assert len(pickle.dumps(got)) < 1_000_000  # what crosses to the window is small
    assert isinstance(got["space"], Space) and isinstance(got["ceiling"], BrainMap)
    assert got["trials"] == 48 and got["stimuli"].dtype == np.int64 and not got["phantom"]
    assert set(got["splits"]) == {"train", "test"} and got["layout"] == "algonauts2023"
    np.testing.assert_allclose(got["ceiling"].values, truth.ceiling["subj01"], rtol=1e-5)
    assert "test images (8)" in got["ceiling"].definition
    assert got["rois"]["streams"].sizes()["early"] == 20


def test_pages_of_stimuli_keep_their_place_where_a_picture_is_broken(algonauts):
    path, truth = algonauts
    ids = truth.ids["subj01"]["train"][:3]
    file = next(p for p in jobs._open(path).stimuli.files.items() if p[0] == ids[1])[1]
    good = file.read_bytes()
    file.write_bytes(good[:40])
    try:
        page = jobs.stimulus_page(path, [*ids.tolist(), 499_999], size=16)
    finally:
        file.write_bytes(good)
    assert [t.shape for t in page["thumbs"]] == [(16, 16, 3)] * 4
    assert page["problems"][0] is None and "not a readable picture" in page["problems"][1]
    assert "not in the data set" in page["problems"][3]
    one = jobs.stimulus(path, int(ids[0]))
    assert one["image"].shape == (25, 25, 3) and one["captions"] == []
    with pytest.raises(MissingError):
        jobs.stimulus(path, 499_999)


def test_response_maps_are_the_rows(algonauts):
    path, truth = algonauts
    key = int(truth.ids["subj02"]["train"][4])
    got = jobs.response_map(path, "subj02", key)
    np.testing.assert_array_equal(got.values, jobs._open(path).subject("subj02").responses.rows(np.array([4]))[0])
    assert got.provenance["subject"] == "subj02" and got.provenance["stimulus"] == key and got.kind == "diverging"


def test_ceilings_are_estimated_on_request(tmp_path):
    make_nsd(tmp_path)
    got = jobs.estimate_ceiling(str(tmp_path), "subj01", "single trials")
    assert got.provenance["ceiling"] == "single trials" and got.values.size == 1284
    with pytest.raises(MissingError):
        jobs.estimate_ceiling(str(tmp_path), "subj01", "thin air")
    assert "indexed" in jobs.prepare(str(tmp_path), "subj02")


def test_a_data_set_that_grew_is_opened_anew(tmp_path):
    make_algonauts(tmp_path, subjects=1, train=21, test=2)
    first = jobs._open(str(tmp_path))
    assert jobs._open(str(tmp_path)) is first
    time.sleep(0.02)
    make_algonauts(tmp_path / "new", subjects=1, train=21, test=2)
    (tmp_path / "new" / "subj01").rename(tmp_path / "subj02")
    assert jobs._open(str(tmp_path)).subjects == ["subj01", "subj02"]


def test_inspect_tells_all_and_goes_on_after_a_broken_subject(algonauts, tmp_path):
    path, _ = algonauts
    report = jobs.inspect(path)
    assert report["layout"] == "algonauts2023" and report["stimuli"]["count"] > 60
    first = report["subjects"][0]
    assert first["trials"] == 48 and first["rows_are"].startswith("averages")
    assert first["rois"]["floc-faces"]["aTL-faces"] == {"total": 0, "left": 0, "right": 0}
    assert first["rois"]["streams"]["early"] == {"total": 20, "left": 10, "right": 10}
    assert 10 < first["ceiling"]["median_percent"] < 90 and first["ceiling"]["images"] == 8
    assert "NaN" not in to_json(report) and report["problems"] == []
    make_algonauts(tmp_path, subjects=2, train=21, test=2)
    (tmp_path / "subj01" / "training_split" / "training_fmri" / "lh_training_fmri.npy").write_bytes(b"no")
    report = jobs.inspect(str(tmp_path))
    assert "error" in report["subjects"][0] and report["subjects"][1]["trials"] == 23
    assert any("subj01 cannot be opened" in p for p in report["problems"])


def test_inspect_names_sessions_and_versions_of_an_nsd_tree(tmp_path):
    make_nsd(tmp_path)
    first, second = jobs.inspect(str(tmp_path))["subjects"]
    assert first["variants"][0] == {"name": "fsaverage/betas_fithrf_GLMdenoise_RR", "sessions": 3,
                                    "missing_sessions": [], "format": "mgh"}
    assert first["repetitions"] == {"3": 24} and first["splits"] == {"train": 21, "test": 3}
    assert second["sessions"] == 2


def test_third_parties_add_a_layout_by_an_entry_point(tmp_path, monkeypatch):
    entry = EntryPoint("mine", f"{__name__}:MINE", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.GROUP else [])
    (tmp_path / "mine.txt").touch()
    assert registry.open_dataset(tmp_path) == "mine"
    (tmp_path / "part").mkdir()
    (tmp_path / "mine.txt").rename(tmp_path / "part" / "mine.txt")
    with pytest.raises(FormatError, match=rf"it holds part. Open {tmp_path / 'part'} instead"):
        registry.open_dataset(tmp_path)
    (tmp_path / "part" / "mine.txt").unlink()
    with pytest.raises(FormatError, match=r"it holds part. 'brainview inspect --help' lists"):
        registry.open_dataset(tmp_path)


class _Mine:
    layout, looks_for = "mine", "mine.txt"

    def recognises(self, path):
        return (path / "mine.txt").exists()

    def open(self, path):
        return "mine"


MINE = _Mine()
