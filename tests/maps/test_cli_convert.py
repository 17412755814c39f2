"""``brainview convert`` from the outside: every format, other spaces, what it refuses and how."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from brainview.cli.main import main
from brainview.maps.brainmap import BrainMap
from brainview.maps.convert import convert
from brainview.maps.io import read_map, read_maps, write_map
from brainview.maps.jobs import export_map, open_maps, to_surface
from brainview.maps.space import get_space, mni_space, surface_space
from brainview.maps.volumes import mni_template


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "template.nii.gz"
    story = {"dataset": "test", "phantom": True}
    write_map(BrainMap(mni_template(2).ravel(), mni_space(2), name="template", units="share", provenance=story), path)
    return path


def test_volume_to_a_surface_table(template, tmp_path, capsys):
    out = tmp_path / "t.csv"
    assert main(["convert", str(template), "--to", "csv", "--space", "fsaverage5", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "fsaverage5" in told and "20,484" in told and "phantom" in told
    found = read_map(out)
    assert found.space == get_space("fsaverage5")
    expected = convert(BrainMap(mni_template(2).ravel(), mni_space(2)), get_space("fsaverage5"))
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.is_phantom


@pytest.mark.parametrize(("to", "ending", "space"), [
    ("gifti", ".func.gii", "fsaverage5"), ("cifti", ".dscalar.nii", "fsaverage5"), ("nifti", ".nii.gz", "mni152-1mm"),
    ("npy", ".npy", "fsaverage5"), ("tsv", ".tsv", "fsaverage5")])
def test_every_format_reads_back(to, ending, space, template, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    status = main(["convert", str(template), "--to", to, "--space", space, "--out", str(folder), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert status == 0 and told["phantom"] is True and told["to"]["name"].startswith(space)
    assert told["provenance"]["conversions"][0]["sampling"]["align"] == "affine"
    written = [p for p in folder.iterdir() if p.name.endswith(ending)]
    assert written, list(folder.iterdir())
    good = np.concatenate([np.asarray(m.values) for p in written for m in read_maps(p)])
    assert np.isfinite(good).sum() == told["with_data"]
    assert float(np.nanmax(good)) == pytest.approx(told["maximum"])


def test_align_switch_is_vol_to_surf(template, tmp_path, capsys):
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import vol_to_surf

    out = tmp_path / "t.npy"
    assert main(["convert", str(template), "--to", "npy", "--space", "fsaverage5", "--align", "nilearn",
                 "--out", str(out)]) == 0
    files = fetch_surf_fsaverage("fsaverage5")
    theirs = np.concatenate([vol_to_surf(str(template), files[f"pial_{s}"], inner_mesh=files[f"white_{s}"])
                             for s in ("left", "right")])
    np.testing.assert_allclose(np.load(out), theirs, atol=1e-5)


@pytest.mark.parametrize(("arguments", "words"), [
    (["--to", "nifti", "--space", "fsaverage5"], "Add for example --space mni152-2mm"),
    (["--to", "gifti"], "Add for example --space fsaverage5"),
    (["--to", "gifti", "--space", "fsaverage55"], "no space is called 'fsaverage55'"),
    (["--to", "csv", "--space", "fsaverage6"], "SUBJECTS_DIR"),
    (["--to", "csv", "--index", "3"], ""), (["--to", "csv", "--index", "-1"], "negative"),
    (["--to", "nifti", "--part", "voxels"], "only grayordinates have parts")])
def test_requests_that_cannot_be_met(arguments, words, template, tmp_path, capsys, monkeypatch):
    for variable in ("SUBJECTS_DIR", "FREESURFER_HOME", "NILEARN_DATA", "NILEARN_SHARED_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # nilearn's data folder of this machine must not matter
    assert main(["convert", str(template), *arguments, "--out", str(tmp_path / "x")]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("brainview: ") and words in error and "fault of BrainView" not in error
    assert not (tmp_path / "x").exists()


def test_files_that_are_none(tmp_path, capsys):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8b not gzip")
    for path in (broken, tmp_path / "absent.nii"):
        assert main(["convert", str(path), "--to", "csv", "--out", str(tmp_path / "x.csv")]) == 1
        assert "Traceback" not in capsys.readouterr().err


def test_a_volume_without_a_world_needs_one(tmp_path, capsys):
    path = tmp_path / "own.nii"
    affine = mni_space(2).affine.copy()
    affine[:3, 3] += 1
    image = nib.Nifti1Image(np.ones((91, 109, 91), np.float32), affine)
    image.header.set_sform(affine, code=1)
    nib.save(image, path)
    request = ["convert", str(path), "--to", "csv", "--space", "fsaverage5", "--out", str(tmp_path / "x.csv")]
    assert main(request) == 1
    assert "share no frame" in capsys.readouterr().err
    assert main([*request, "--world", "MNI152"]) == 0


def test_space_of_another_file(template, tmp_path, capsys):
    grid = tmp_path / "grid.nii"
    small = nib.Nifti1Image(np.zeros((40, 50, 40), np.float32), np.array(
        [[4.0, 0, 0, -80], [0, 4, 0, -110], [0, 0, 4, -70], [0, 0, 0, 1]]))
    small.header.set_sform(small.affine, code=4)
    nib.save(small, grid)
    out = tmp_path / "x.nii.gz"
    assert main(["convert", str(template), "--to", "nifti", "--space", str(grid), "--out", str(out)]) == 0
    image = nib.load(out)
    assert image.shape[:3] == (40, 50, 40)
    np.testing.assert_allclose(image.affine, small.affine)


def test_cifti_parts(real_files, tmp_path, capsys):
    source = real_files / "cifti2_conte69" / "ones.dscalar.nii"
    out = tmp_path / "voxels.nii.gz"
    assert main(["convert", str(source), "--to", "nifti", "--part", "voxels", "--space", "mni152-2mm",
                 "--out", str(out)]) == 0
    values = np.asarray(nib.load(out).dataobj)
    assert np.nansum(values == 1) == 31_870
    cortex = tmp_path / "cortex.npy"
    assert main(["convert", str(source), "--to", "npy", "--part", "cortex", "--out", str(cortex)]) == 0
    assert np.isfinite(np.load(cortex)).sum() == 59_412


def test_jobs_of_the_window(template, tmp_path):
    opened = open_maps(str(template))
    assert len(opened) == 1 and opened[0].space == mni_space(2)
    drawn = to_surface(opened[0])
    assert drawn.space == get_space("fsaverage5") and drawn.is_phantom
    path = export_map(opened[0], str(tmp_path / "e.csv"), "csv", "fsaverage5")
    np.testing.assert_array_equal(read_map(path).values, drawn.values)


def test_one_hemisphere_goes_to_that_hemisphere(real_files, tmp_path, capsys):
    out = tmp_path / "c.csv"
    source = real_files / "fsaverage_maps" / "lh.curv.fsaverage.mgz"
    assert main(["convert", str(source), "--to", "csv", "--space", "fsaverage5", "--out", str(out)]) == 0
    found = read_map(out)
    assert found.space == surface_space("fsaverage5", "left")
    np.testing.assert_allclose(found.values, np.asarray(nib.load(source).dataobj).ravel()[:10_242], atol=1e-6)
