"""`brainview inspect`: the report, its strict JSON, one line and status 1 for what is no data set."""

from __future__ import annotations

import json

import pytest

from brainview.cli.main import main
from tests.datasets.layouts import make_algonauts, make_nsd


def test_the_report_names_counts_rois_and_problems(tmp_path, capsys):
    make_algonauts(tmp_path, subjects=2, train=30, test=5)
    (tmp_path / "subj02" / "roi_masks" / "mapping_streams.npy").unlink()
    assert main(["inspect", str(tmp_path), "--rois"]) == 0
    out = capsys.readouterr().out
    for words in ("Algonauts 2023", "fsaverage5", "630", "train 30, test 5", "FFA-1", "aTL-faces", "shipped",
                  "mapping_streams.npy is not there"):
        assert words in out


def test_json_is_strict_and_complete(tmp_path, capsys):
    make_nsd(tmp_path)
    assert main(["inspect", str(tmp_path), "--json"]) == 0

    def refuse(word: str) -> None:
        raise AssertionError(word)

    report = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert report["layout"] == "nsd" and [s["id"] for s in report["subjects"]] == ["subj01", "subj02"]


@pytest.mark.parametrize("name", ["nothing", "absent"])
def test_what_is_no_data_set_is_one_line_and_status_one(tmp_path, capsys, name):
    (tmp_path / "nothing").mkdir()
    assert main(["inspect", str(tmp_path / name)]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and told.err.startswith("brainview: ")
