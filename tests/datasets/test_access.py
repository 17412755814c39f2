"""Data are fetched only from the user's own source, after their word; what is there is not fetched again."""

from __future__ import annotations

import pytest

from brainview.core.errors import BrainViewError, MissingError
from brainview.datasets.access import fetch, page, patterns
from brainview.datasets.registry import open_dataset
from tests.datasets.mindeye_layouts import make_mindeye


def test_page_says_what_is_needed() -> None:
    told = page("mindeye2", ["subj01", "subj08"])
    assert "agree" in " ".join(told["agreement"]) and "betas_all_subj08_fp32_renorm.hdf5" in told["patterns"]
    assert told["gigabytes"] > 22 and "--agreed" in told["command"]
    assert len(patterns("mindeye", ["subj01"])) == len(set(patterns("mindeye", ["subj01"])))


def test_refuses_without_source_and_agreement(tmp_path) -> None:
    with pytest.raises(BrainViewError, match="no source"):
        fetch("mindeye", "", tmp_path / "out", ["subj01"], agreed=True)
    with pytest.raises(BrainViewError, match="agreement"):
        fetch("mindeye", str(tmp_path), tmp_path / "out", ["subj01"])
    with pytest.raises(MissingError, match="holds none"):
        fetch("mindeye", str(tmp_path), tmp_path / "out", ["subj01"], agreed=True)
    with pytest.raises(MissingError, match="no layout"):
        fetch("mindeye3", str(tmp_path), tmp_path / "out", ["subj01"], agreed=True)


def test_fetches_one_subject_and_goes_on(tmp_path) -> None:
    make_mindeye(tmp_path / "source")
    first = fetch("mindeye", str(tmp_path / "source"), tmp_path / "out", ["subj02"], agreed=True)
    again = fetch("mindeye", str(tmp_path / "source"), tmp_path / "out", ["subj02"], agreed=True)
    assert first["files"] == 8 and again == {"files": 0, "kept": 8, "path": str(tmp_path / "out")}
    data = open_dataset(tmp_path / "out")
    assert data.subjects == ["subj02"] and data.subject("subj02").splits["train"].size == 12
