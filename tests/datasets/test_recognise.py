"""The lab's own files are recognised, drafted into a manifest that opens, and every doubt is told."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import MissingError
from brainview.datasets.recognise import check, recognise, save, to_toml
from brainview.datasets.registry import open_dataset


@pytest.fixture
def lab(tmp_path):
    """Write two people's responses, one line per trial, with pictures, a mask of another grid and an odd file."""
    rng = np.random.default_rng(0)
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    root = tmp_path / "my lab"
    (root / "pictures").mkdir(parents=True)
    for name in ("a", "b", "c"):
        Image.new("RGB", (16, 16), tuple(rng.integers(0, 255, 3).tolist())).save(root / "pictures" / f"{name}.png")
    for person in ("sub-01", "sub-02"):
        (root / person).mkdir()
        nib.save(nib.Nifti1Image(rng.normal(size=(4, 5, 6, 12)).astype(np.float32), affine),
                 root / person / "betas.nii.gz")
        (root / person / "trials.tsv").write_text("stimulus\trun\n" + "".join(f"{'abc'[i % 3]}\t{i // 6}\n"
                                                                            for i in range(12)))
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), affine), root / "mask.nii.gz")
    (root / "broken.nii").write_bytes(b"not a nifti")
    return root


def test_a_lab_folder_becomes_a_data_set_that_opens(lab):
    found = recognise(str(lab))
    roles = {f["path"]: f["role"] for f in found["files"]}
    assert roles["sub-01/betas.nii.gz"] == "responses" and roles["sub-02/trials.tsv"] == "trials"
    assert roles["pictures"] == "stimuli" and roles["broken.nii"] == "other"
    words = next(f["words"] for f in found["files"] if f["path"] == "sub-01/betas.nii.gz")
    assert "12 volumes of 4 x 5 x 6 voxels of 2 x 2 x 2 mm, stored LAS" in words
    assert any("mask.nii.gz has another grid" in p for p in found["problems"])
    result = check(str(lab), found["toml"])
    assert [s["trials"] for s in result["facts"]["subjects"]] == [12, 12]
    assert not (lab / "dataset.toml").exists()  # looking writes nothing
    save(str(lab), found["toml"])
    dataset = open_dataset(lab)
    assert dataset.subjects == ["sub-01", "sub-02"] and len(dataset.subject("sub-02").trials.unique) == 3
    save(str(lab), found["toml"] + "# again\n")
    assert (lab / "dataset.toml~").read_text() == found["toml"]


def test_counts_that_do_not_agree_are_told(lab):
    with open(lab / "sub-01" / "trials.tsv", "a") as file:
        file.write("a\t1\n")
    assert any("13 lines" in p and "12 responses" in p for p in recognise(str(lab))["problems"])


def test_faults_of_the_text_are_one_line_each(lab):
    assert "no TOML" in check(str(lab), "name = ")["problems"][0]
    assert "names no [[subjects]]" in check(str(lab), 'format = "brainview-dataset 1"\n')["problems"][0]
    strange = recognise(str(lab))["toml"].replace("[trials]", "[trials]\ncolour = 1")
    assert any("unknown entry 'colour'" in p for p in check(str(lab), strange)["problems"])
    with pytest.raises(MissingError, match="neither brain responses"):
        recognise(str(lab / "pictures"))
    with pytest.raises(MissingError, match="no folder"):
        recognise(str(lab / "nowhere"))


def test_names_survive_toml():
    import tomllib

    config = {"format": "x", "name": 'quote " back \\ line\n', "subjects": [{"id": "a", "rois": {"left V1": "v.nii"}}]}
    assert tomllib.loads(to_toml(config)) == config


@pytest.mark.parametrize(("part", "rows"), [("one_slice_1452vol", "volumes"), ("openfmri_25mm", "events")])
def test_haxby_is_recognised_as_it_is(part, rows, real_files):
    folder = real_files / "haxby2001_excerpt" / part
    found = recognise(str(folder))
    assert f'rows = "{rows}"' in found["toml"]
    assert [s["trials"] for s in check(str(folder), found["toml"])["facts"]["subjects"]] == [96]
