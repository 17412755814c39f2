"""The checker: accepts what we write, and says what is wrong with what is broken."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from brainview.cli.main import main
from brainview.core.errors import FormatError
from brainview.encoding.submission import check_submission, write_submission
from brainview.training.jobs import train
from tests.encoding import tiny


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("submission")
    data = tiny.write(folder / "data", train=40, test=6)
    train("ridge", str(data), str(folder / "run"), options={"components": 0, "bootstraps": 0, "permutations": 0,
                                                            "val": 0.15, "features": "gabor[grid=2]"})
    return folder


def test_what_is_written_is_accepted_and_has_the_layout(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = write_submission(place / "run", place / "good.zip")
    assert found["problems"] == [] and found["warnings"] == []
    with zipfile.ZipFile(place / "good.zip") as archive:
        assert sorted(archive.namelist()) == [f"subj0{s}/{h}_pred_test.npy" for s in (1, 2) for h in ("lh", "rh")]
        left = np.load(io.BytesIO(archive.read("subj02/lh_pred_test.npy")))
    assert left.dtype == np.float32 and left.shape == (6, tiny.LEFT - 1)
    assert main(["submit", "--check", str(place / "good.zip"), "--data", str(place / "data")]) == 0
    assert "in order" in capsys.readouterr().out


def test_the_same_files_stand_in_a_folder(place: Path, tmp_path: Path) -> None:
    found = write_submission(place / "run", tmp_path / "out")
    assert found["problems"] == [] and len(found["files"]) == 4
    left = np.load(tmp_path / "out" / "subj01" / "lh_pred_test.npy")
    assert left.dtype == np.float32 and left.shape == (6, tiny.LEFT)
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "nothing temporary is left"
    assert check_submission(tmp_path / "out", dataset=place / "data")["problems"] == []
    with pytest.raises(FormatError, match="not empty"):
        write_submission(place / "run", tmp_path / "out")
    np.save(tmp_path / "out" / "subj01" / "lh_pred_test.npy", left.astype(np.float64))
    (tmp_path / "out" / "subj02" / "rh_pred_test.npy").unlink()
    told = " ".join(check_submission(tmp_path / "out", dataset=place / "data")["problems"])
    assert "float64" in told and "subj02/rh_pred_test.npy: is not there" in told
    assert "at the top" in " ".join(check_submission(tmp_path, dataset=place / "data")["problems"])


def _arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = {"subj01/lh": tiny.LEFT, "subj01/rh": tiny.RIGHT, "subj02/lh": tiny.LEFT - 1, "subj02/rh": tiny.RIGHT}
    return {f"{k}_pred_test.npy": rng.standard_normal((6, n)).astype(np.float32) for k, n in sizes.items()}


BROKEN = {
    "a parent folder": (lambda a: {f"results/{k}": v for k, v in a.items()}, "at the top"),
    "float64": (lambda a: {k: v.astype(np.float64) for k, v in a.items()}, "float64"),
    "the union instead of the own mask": (
        lambda a: {**a, "subj02/lh_pred_test.npy": a["subj01/lh_pred_test.npy"]}, r"\(6, 49\) was expected"),
    "a missing hemisphere": (lambda a: {k: v for k, v in a.items() if k != "subj01/rh_pred_test.npy"}, "not there"),
    "NaN": (lambda a: {**a, "subj01/lh_pred_test.npy": a["subj01/lh_pred_test.npy"] * np.float32("nan")},
            "no numbers"),
    "a pickle": (lambda a: {**a, "subj01/lh_pred_test.npy": np.array([{"a": 1}], dtype=object)}, "no plain array"),
    "a stranger": (lambda a: {**a, "readme.txt": a["subj01/lh_pred_test.npy"]}, "belong into"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_told(place: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, words = BROKEN[case]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, array in change(_arrays()).items():
            block = io.BytesIO()
            np.save(block, array, allow_pickle=array.dtype == object)
            archive.writestr(name, block.getvalue())
    import re

    found = check_submission(tmp_path / "b.zip", dataset=place / "data")
    assert any(re.search(words, p) for p in found["problems"]), found["problems"]
    assert main(["submit", "--check", str(tmp_path / "b.zip"), "--data", str(place / "data")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_no_archive_at_all(tmp_path: Path) -> None:
    (tmp_path / "n.zip").write_bytes(b"nothing")
    assert "no readable ZIP" in check_submission(tmp_path / "n.zip")["problems"][0]
