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


def test_a_checkpoint_is_told_key_by_key(tmp_path, capsys):
    import torch

    from brainview.language.brain.checkpoints import save_checkpoint
    from brainview.language.brain.encoders import Sizes, build

    sizes = Sizes(4, 96, 8, 1, 1, 96, 2)
    model = build("brainx", {1: 20, 5: 12}, sizes)
    good = save_checkpoint(tmp_path / "last.pth", model, train_losses=[0.5, 0.25])
    assert main(["inspect", str(good)]) == 0
    out = capsys.readouterr().out
    for words in ("Class brainx: subject 1 (20 voxels), subject 5 (12 voxels)", "Every key fits", "lin2.fmri5.weight",
                  "96x12", "train_losses list of 2"):
        assert words in out, words
    state = model.state_dict()
    state["perceiver.ln_vision.weight"] = torch.full((5,), float("nan"))
    state["stranger"] = torch.zeros(3)
    del state["lin1.fmri5.bias"]
    torch.save({"model_state_dict": state}, tmp_path / "bad.pth")
    assert main(["inspect", str(tmp_path / "bad.pth")]) == 0
    out = capsys.readouterr().out
    for words in ("3 keys do not fit", "lin1.fmri5.bias: missing", "stranger: unexpected", "(5,), (96,) was expected",
                  "NaN or infinite values in 1 keys"):
        assert words in out, words
    torch.save({"w": torch.zeros(2)}, tmp_path / "other.pth")
    assert main(["inspect", str(tmp_path / "other.pth"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] is None and "is no brain encoder" in found["why"]
    (tmp_path / "junk.pth").write_bytes(b"junk")
    assert main(["inspect", str(tmp_path / "junk.pth")]) == 1


def test_a_map_file_is_told_with_space_orientation_and_values(tmp_path, capsys):
    import nibabel as nib
    import numpy as np

    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 3
    values[0, 0, 0] = np.nan
    nib.Nifti1Image(values, np.diag([-2.0, 2, 3, 1])).to_filename(tmp_path / "effect.nii.gz")
    assert main(["inspect", str(tmp_path / "effect.nii.gz")]) == 0
    out = capsys.readouterr().out
    for words in ("NIfTI", "1 map", "2 x 3 x 4 voxels of 2 x 2 x 3 mm", "axes RAS (in the file LAS)", "diverging", "23",
                  "-2", "20"):
        assert words in out, (words, out)
    assert main(["inspect", str(tmp_path / "effect.nii.gz"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stored_axes"] == "LAS" and told["maps"][0]["maximum"] == 20 and told["maps"][0]["zeros"] == 1


def test_a_surface_file_is_told_as_a_mesh_and_text_is_refused(tmp_path, capsys):
    import numpy as np
    from nibabel.freesurfer import write_geometry

    points = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30.5]])
    write_geometry(tmp_path / "lh.pial", points, np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]))
    assert main(["inspect", str(tmp_path / "lh.pial")]) == 0
    out = capsys.readouterr().out
    assert "4 vertices, 4 faces" in out and "0 to 30.5 mm" in out
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert main(["inspect", str(tmp_path / "notes.txt")]) == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "no map that can be read" in told.err
