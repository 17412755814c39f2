"""Recordings too large for memory: archives and series are indexed once, in portions; opening reads headers only."""

from __future__ import annotations

import zipfile

import h5py
import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

from brainview.core.errors import BrainViewError, FormatError, LimitError, MismatchError
from brainview.datasets import cache, raw_arrays, recordings
from brainview.datasets.cache import CachedResponses
from brainview.datasets.registry import open_dataset
from brainview.maps.io.cifti import describe

TRIALS, VERTICES = 6, 1284


def manifest(folder, responses: str, space: str = 'name = "fsaverage3"') -> np.ndarray:
    """Write the manifest of one subject with 6 trials and return its responses through the reader."""
    (folder / "trials.csv").write_text("stimulus\n" + "".join(f"{i}\n" for i in range(TRIALS)))
    (folder / "dataset.toml").write_text(
        f'format = "brainview-dataset 1"\nname = "x"\n[space]\n{space}\n[[subjects]]\nid = "s"\n'
        f'trials = "trials.csv"\nresponses = {responses}\n')
    return open_dataset(folder).subject("s").responses


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch) -> None:
    """A cache of one's own, which begins empty."""
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path / "home"))


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((TRIALS, VERTICES)).astype(np.float32)


@pytest.mark.parametrize("kind", ["npz", "npz-fortran", "npz-last", "hdf5", "hdf5-last", "mat", "npy-int16"])
def test_archives_are_indexed_in_blocks(tmp_path, monkeypatch, values, kind):
    monkeypatch.setattr(raw_arrays, "BLOCK", 10_000)  # a block is a few rows
    array, file = values.T if kind.endswith("last") else values, f"betas.{kind.split('-')[0]}"
    if kind.startswith("npz"):
        np.savez_compressed(tmp_path / file, betas=np.asfortranarray(array) if "fortran" in kind else array.copy())
    elif kind.startswith("hdf5"):
        with h5py.File(tmp_path / file, "w") as out:
            out.create_dataset("betas", data=array, compression="gzip")
    elif kind == "mat":
        savemat(tmp_path / file, {"betas": array})
    else:
        values = (values * 300).astype(np.int16)
        np.save(tmp_path / file, values)
    responses = manifest(tmp_path, f'{{ file = "{file}" }}')
    assert responses.shape == (TRIALS, VERTICES)
    assert isinstance(responses, CachedResponses) == (kind != "npy-int16") and cache.size() == 0
    np.testing.assert_array_equal(responses.rows(np.array([4, 0])), values[[4, 0]].astype(np.float32))
    assert (cache.size() > 0) == (kind != "npy-int16")


def test_an_archive_larger_than_memory_opens_and_a_matlab_5_file_does_not(tmp_path, monkeypatch, values):
    real = raw_arrays.check_allocation

    def tight(shape, dtype, *, where, available=None, limit=20_000):
        return real(shape, dtype, where=where, available=available, limit=limit)

    monkeypatch.setattr(raw_arrays, "check_allocation", tight)
    monkeypatch.setattr(raw_arrays, "BLOCK", 10_000)
    np.savez_compressed(tmp_path / "betas.npz", betas=values)
    np.testing.assert_array_equal(manifest(tmp_path, '"betas.npz"').rows(slice(None)), values)
    savemat(tmp_path / "betas.mat", {"betas": values})
    with pytest.raises(LimitError, match="the limit is"):
        manifest(tmp_path, '"betas.mat"').rows(slice(None))


def test_a_damaged_archive_leaves_no_cache(tmp_path, values):
    np.savez(tmp_path / "betas.npz", betas=values)
    content = bytearray((tmp_path / "betas.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "betas.npz").write_bytes(content)
    with pytest.raises(FormatError, match=r"betas\.npz"):
        manifest(tmp_path, '"betas.npz"').rows(slice(None))
    assert cache.size() == 0
    with zipfile.ZipFile(tmp_path / "liar.npz", "w") as archive, archive.open("betas.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False,
                                                    "shape": (TRIALS, VERTICES)})
        file.write(b"\0" * 100)
    with pytest.raises(FormatError, match="cut short"):
        manifest(tmp_path, '"liar.npz"')


def series(path, values: np.ndarray) -> None:
    """Write (maps, 1,284) values as a CIFTI-2 dense series on fsaverage3."""
    both = nib.cifti2.BrainModelAxis.from_surface(np.arange(642), 642, "CortexLeft")
    both += nib.cifti2.BrainModelAxis.from_surface(np.arange(642), 642, "CortexRight")
    axis = nib.cifti2.SeriesAxis(0, 0.8, len(values))
    nib.Cifti2Image(values, (axis, both)).to_filename(path)


def test_a_cifti_series_through_a_manifest_in_portions(tmp_path, monkeypatch, values):
    series(tmp_path / "run1.dtseries.nii", values[:4])
    series(tmp_path / "run2.dtseries.nii", values[4:])
    monkeypatch.setattr(recordings, "PORTION", 8 * VERTICES * 2)  # two maps at once
    responses = manifest(tmp_path, '["run1.dtseries.nii", "run2.dtseries.nii"]')
    assert cache.size() == 0
    np.testing.assert_array_equal(responses.rows(slice(None)), values)
    with pytest.raises(MismatchError, match="6 rows"):
        manifest(tmp_path, '["run1.dtseries.nii"]').rows(slice(None))
    (tmp_path / "cut.dtseries.nii").write_bytes((tmp_path / "run1.dtseries.nii").read_bytes()[:-4])
    with pytest.raises(BrainViewError, match="cut short"):
        manifest(tmp_path, '"cut.dtseries.nii"')


def test_a_series_longer_than_memory_opens_by_its_header(tmp_path):
    """A sparse file of 41 GB: space and count come from its header alone."""
    both = nib.cifti2.BrainModelAxis.from_surface(np.arange(642), 642, "CortexLeft")
    both += nib.cifti2.BrainModelAxis.from_surface(np.arange(642), 642, "CortexRight")
    count = 8_000_000
    xml = nib.cifti2.Cifti2Header.from_axes((nib.cifti2.SeriesAxis(0, 0.8, count), both)).to_xml()
    xml = xml.ljust(-(-(len(xml) + 8) // 16) * 16 - 8)
    header = nib.Nifti2Header()
    header.set_data_dtype(np.float32)
    header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")
    header["dim"] = [6, 1, 1, 1, 1, count, VERTICES, 1]
    header["vox_offset"] = 544 + 8 + len(xml)
    path = tmp_path / "long.dtseries.nii"
    with open(path, "wb") as file:
        file.write(header.binaryblock + b"\1\0\0\0" + np.array([len(xml) + 8, 32], "<i4").tobytes() + xml)
        file.truncate(552 + len(xml) + 4 * count * VERTICES)
    space, found = describe(path)
    assert (space.name, found) == ("fsaverage3", count)
