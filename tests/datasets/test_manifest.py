"""The lab's own data through a manifest: the real Haxby excerpt, every kind of responses, every refusal."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from brainview.core.errors import FormatError, LimitError, MismatchError, MissingError
from brainview.datasets.decoding import decode
from brainview.datasets.registry import open_dataset
from brainview.datasets.splits import leave_out

HEAD = 'format = "brainview-dataset 1"\nname = "lab"\n'


def write(folder: Path, text: str, head: str = HEAD) -> Path:
    (folder / "dataset.toml").write_text(head + text)
    return folder


def haxby(folder: Path, source: Path, preprocessing: str) -> Path:
    return write(folder, f"""
[space]
mask = "{source}/mask.nii.gz"
[trials]
rows = "volumes"
columns = ["label", "run"]
stimulus = "label"
run = "run"
[preprocessing]
{preprocessing}
[stimuli]
names = ["face", "house", "cat", "bottle", "scissors", "shoe", "chair", "scrambledpix"]
[[subjects]]
id = "sub-01"
responses = "{source}/bold.nii.gz"
trials = "{source}/attributes_literal.txt"
""")


def test_haxby_leave_one_run_out_decoding_is_the_published_figure(tmp_path, real_files):
    source = real_files / "haxby2001_excerpt" / "one_slice_1452vol"
    data = open_dataset(haxby(tmp_path, source, 'detrend = "linear"\nzscore = "run"\naverage = "blocks"\n'
                                                'drop = ["rest"]'))
    subject = data.subject("sub-01")
    assert subject.space.size == 530 and subject.space.root.shape == (40, 20, 1)
    assert len(subject.trials) == 96 and set(subject.trials.extra["volumes"]) <= {8, 9}
    assert data.stimuli.captions(0) == ["face"] and data.stimuli.details(7) == {"category": "scrambledpix"}
    folds = list(leave_out(subject.trials))
    assert len(folds) == 12
    for _, train, test in folds:
        assert train.size == 88 and sorted(subject.trials.stimulus[test]) == list(range(8))
    responses = subject.responses.rows(slice(None))
    found = decode(responses, subject.trials.stimulus, subject.trials.run, permutations=3)
    print(f"accuracy {found.accuracy:.4f}, permuted {found.permuted.mean():.3f}")
    assert found.accuracy == pytest.approx(0.708, abs=0.01)
    assert 0.05 < found.permuted.mean() < 0.2 and found.p == pytest.approx(1 / 4)
    wrong = decode(responses, np.roll(subject.trials.stimulus, 3), subject.trials.run)
    assert wrong.accuracy < 0.35  # labels that do not belong to the rows are seen


def test_haxby_without_steps_is_the_recording_itself(tmp_path, real_files):
    source = real_files / "haxby2001_excerpt" / "one_slice_1452vol"
    subject = open_dataset(haxby(tmp_path, source, 'drop = ["rest"]')).subject("sub-01")
    bold = np.asarray(nib.load(source / "bold.nii.gz").dataobj)
    mask = np.asarray(nib.load(source / "mask.nii.gz").dataobj) > 0
    labels = [line.split()[0] for line in (source / "attributes_literal.txt").read_text().splitlines()]
    kept = np.flatnonzero(np.array(labels) != "rest")
    assert len(subject.trials) == kept.size == 864
    np.testing.assert_array_equal(subject.responses.rows(slice(0, 5)), bold[mask][:, kept[:5]].T)


def test_haxby_events_give_the_same_blocks_within_a_volume(tmp_path, real_files):
    """The OpenfMRI folder at 25 mm: one file and one events table per run, an ROI of a single voxel."""
    source = real_files / "haxby2001_excerpt" / "openfmri_25mm" / "sub001"
    runs = sorted((source / "BOLD").iterdir())
    files = ", ".join(f'"{r}/bold_25mm.nii.gz"' for r in runs)
    tables = ", ".join(f'"{r}/bold_events.tsv"' for r in runs)
    text = (runs[0] / "bold_events.tsv").read_text().splitlines()
    column = next(c for c in ("trial_type", "condition", "stim_type") if c in text[0].split("\t")) \
        if "\t" in text[0] and "onset" in text[0] else None
    if column is None:
        pytest.skip("the events of the excerpt have no header")
    write(tmp_path, f"""
[space]
mask = "{source}/masks/25mm/brain.nii.gz"
[trials]
rows = "events"
stimulus = "{column}"
tr = 2.5
[preprocessing]
detrend = "linear"
zscore = "run"
average = "events"
delay = 5.0
[[subjects]]
id = "sub001"
responses = [{files}]
trials = [{tables}]
rois = {{ vt = "{source}/masks/25mm/vt.nii.gz" }}
""")
    subject = open_dataset(tmp_path).subject("sub001")
    assert set(subject.trials.run) == set(range(12))
    rows = subject.responses.rows(slice(None))
    assert rows.shape == (len(subject.trials), subject.space.size) and np.isfinite(rows).all()
    assert subject.rois["vt"].sizes() == {"vt": 1}
    counts = np.unique(subject.trials.stimulus, return_counts=True)[1]
    assert counts.size == 8 and (counts == counts[0]).all()


SHAPE, N = (4, 5, 3), 6


@pytest.fixture
def volume(tmp_path):
    rng = np.random.default_rng(3)
    data = rng.standard_normal((*SHAPE, N)).astype(np.float32)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 1:4, :2] = 1
    mask[0, 0, 2] = 1
    affine = np.diag([2.0, 2, 2, 1])
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    (tmp_path / "trials.csv").write_text("stimulus,run\n" + "".join(f"{i % 3 + 10},{i // 3}\n" for i in range(N)))
    return tmp_path, data, mask > 0, affine


def rows_of(folder: Path, responses: str, space: str = 'mask = "mask.nii.gz"', more: str = "") -> np.ndarray:
    write(folder, f'[space]\n{space}\n[[subjects]]\nid = "s"\nresponses = {responses}\ntrials = "trials.csv"\n{more}')
    subject = open_dataset(folder).subject("s")
    np.testing.assert_array_equal(subject.trials.stimulus, [10, 11, 12, 10, 11, 12])
    np.testing.assert_array_equal(subject.trials.repetition, [0, 0, 0, 1, 1, 1])
    return subject.responses.rows(slice(None))


@pytest.mark.parametrize("kind", ["4d", "list", "scaled", "big-endian", "runs"])
def test_volumes_in_every_form_give_the_same_rows(volume, kind):
    folder, data, mask, affine = volume
    expected = data[mask].T
    if kind == "list":
        for i in range(N):
            nib.save(nib.Nifti1Image(data[..., i], affine), folder / f"beta{i}.nii.gz")
        responses = "[" + ", ".join(f'"beta{i}.nii.gz"' for i in range(N)) + "]"
    elif kind == "runs":
        for i in range(2):
            nib.save(nib.Nifti1Image(data[..., 3 * i:3 * i + 3], affine), folder / f"run{i}.nii")
        responses = '["run0.nii", "run1.nii"]'
    else:
        image = nib.Nifti1Image(data, affine, dtype=np.float32)
        if kind == "scaled":
            image.header.set_data_dtype(np.int16)
        if kind == "big-endian":
            image = nib.Nifti1Image(data, affine, header=nib.Nifti1Header(endianness=">"))
        nib.save(image, folder / "betas.nii.gz")
        responses = '"betas.nii.gz"'
    np.testing.assert_allclose(rows_of(folder, responses), expected, atol=1e-3 if kind == "scaled" else 1e-6)


@pytest.mark.parametrize("kind", ["npz", "hdf5", "mat5", "mat73", "npy", "npy-last", "voxel-list-F"])
def test_glmsingle_output_and_arrays(volume, kind):
    folder, data, mask, _ = volume
    expected, responses = data[mask].T, f'{{ file = "betas.{kind}" }}'
    if kind == "npz":
        np.savez(folder / "betas.npz", betasmd=data, R2=data[..., 0])
    elif kind == "hdf5":
        with h5py.File(folder / "betas.hdf5", "w") as file:
            file["betasmd"] = data
            file["noisepool"] = mask
    elif kind == "mat5":
        savemat(folder / "betas.mat", {"betasmd": data, "HRFindex": mask.astype(float)})
        responses = '{ file = "betas.mat" }'
    elif kind == "mat73":  # MATLAB's own HDF5: a text block in front, axes reversed
        with h5py.File(folder / "betas.mat", "w", userblock_size=512) as file:
            file["modelmd"] = data.transpose(3, 2, 1, 0)
        with open(folder / "betas.mat", "r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(128))
        responses = '{ file = "betas.mat", key = "modelmd" }'
    elif kind == "npy":
        np.save(folder / "betas.npy", expected)
    elif kind == "npy-last":
        np.save(folder / "betas.npy", expected.T)
        responses = '{ file = "betas.npy", trials_axis = "last" }'
    else:
        order = np.lexsort([np.flatnonzero(mask.reshape(-1)) * 0, *np.nonzero(mask)])  # z slowest, as in MATLAB
        np.savez(folder / "betas.npz", betasmd=data[mask][order][:, None, None, :])
        responses = '{ file = "betas.npz", order = "F" }'
    np.testing.assert_allclose(rows_of(folder, responses), expected, atol=1e-6)


def test_surface_arrays_gifti_and_ceilings(tmp_path):
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((N, 642)).astype(np.float32) for _ in range(2))
    (tmp_path / "trials.csv").write_text("stimulus\n" + "".join(f"{i % 3 + 10}\n" for i in range(N)))
    np.save(tmp_path / "lh.npy", left)
    np.save(tmp_path / "rh.npy", right)
    np.save(tmp_path / "nc.npy", np.linspace(0, 80, 1284))
    labels = np.zeros(1284, np.int16)
    labels[:7] = 2
    np.save(tmp_path / "roi.npy", labels)
    both = np.concatenate([left, right], axis=1)
    more = 'ceiling = { percent = "nc.npy" }\nrois = { areas = { file = "roi.npy", names = { 1 = "A", 2 = "B" } } }'
    got = rows_of(tmp_path, '{ left = "lh.npy", right = "rh.npy" }', 'name = "fsaverage3"', more)
    np.testing.assert_array_equal(got, both)
    subject = open_dataset(tmp_path).subject("s")
    np.testing.assert_allclose(subject.ceiling.for_repeats(2), np.linspace(0, 0.8, 1284), atol=1e-6)
    assert subject.rois["areas"].sizes() == {"A": 0, "B": 7}
    for side, values, name in (("L", left, "CortexLeft"), ("R", right, "CortexRight")):
        arrays = [nib.gifti.GiftiDataArray(v, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32")
                  for v in values]
        meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": name})
        nib.save(nib.gifti.GiftiImage(darrays=arrays, meta=meta), tmp_path / f"betas.{side}.func.gii")
    got = rows_of(tmp_path, '{ left = "betas.L.func.gii", right = "betas.R.func.gii" }', 'name = "fsaverage3"')
    np.testing.assert_array_equal(got, both)


def test_zscore_by_run_and_session_statistics(volume):
    folder, data, _, affine = volume
    nib.save(nib.Nifti1Image(data, affine), folder / "betas.nii.gz")
    got = rows_of(folder, '"betas.nii.gz"', more='[preprocessing]\nzscore = "run"')
    for run in (slice(0, 3), slice(3, 6)):
        np.testing.assert_allclose(got[run].mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(got[run].std(0), 1, atol=1e-4)


def test_pictures_are_found_by_name_and_table(volume):
    folder, data, _, affine = volume
    nib.save(nib.Nifti1Image(data, affine), folder / "betas.nii.gz")
    (folder / "pictures").mkdir()
    for i in (10, 11):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(folder / "pictures" / f"p{i}.png")
    (folder / "stimuli.csv").write_text('id,file,caption\n10,p10.png,"a red, dark square"\n11,p11.png,\n12,p12.png,x\n')
    rows_of(folder, '"betas.nii.gz"', more='[stimuli]\nfolder = "pictures"\ntable = "stimuli.csv"')
    stimuli = open_dataset(folder).stimuli
    np.testing.assert_array_equal(stimuli.ids, [10, 11, 12])
    assert stimuli.image(11).getpixel((0, 0)) == (11, 0, 0)
    assert stimuli.captions(10) == ["a red, dark square"] and stimuli.captions(11) == []
    with pytest.raises(MissingError, match="not here"):
        stimuli.image(12)


@pytest.mark.parametrize(("text", "error", "match"), [
    ("", FormatError, "names no"),
    ("[space", FormatError, "valid TOML"),
    ("colour = 1", FormatError, "unknown entry 'colour'"),
    ('[[subjects]]\nid = "s"', FormatError, "lacks 'responses'"),
    ('[preprocessing]\ndetrend = "cubic"\n[[subjects]]\nid = "s"\nresponses = "a.npy"\ntrials = "b"', MissingError,
     "cubic"),
])
def test_faulty_manifests_are_told_in_one_line(tmp_path, text, error, match):
    with pytest.raises(error, match=match):
        open_dataset(write(tmp_path, text))


def test_other_formats_and_paths_that_leave_the_folder_are_refused(tmp_path, volume):
    with pytest.raises(FormatError, match="brainview-dataset 1"):
        open_dataset(write(tmp_path, "", head='format = "x 9"\n'))
    with pytest.raises(FormatError, match="leaves the folder"):
        rows_of(tmp_path, '"../../etc/betas.nii.gz"')


def test_mismatches_and_pickles_are_refused(volume):
    folder, data, mask, affine = volume
    nib.save(nib.Nifti1Image(data[..., :4], affine), folder / "short.nii.gz")
    with pytest.raises(MismatchError, match="4 responses and 6 rows"):
        rows_of(folder, '"short.nii.gz"')
    moved = affine.copy()
    moved[0, 3] = 50
    for i, where in enumerate((affine, moved)):
        nib.save(nib.Nifti1Image(data[..., :3], where), folder / f"r{i}.nii.gz")
    with pytest.raises(MismatchError, match="lies elsewhere"):
        rows_of(folder, '["r0.nii.gz", "r1.nii.gz"]')
    np.save(folder / "TYPED.npy", np.array({"betasmd": data}, dtype=object))
    with pytest.raises(FormatError, match="pickled dictionary"):
        rows_of(folder, '"TYPED.npy"')
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), affine), folder / "mask.nii.gz")
    with pytest.raises(FormatError, match="empty mask"):
        rows_of(folder, '"short.nii.gz"')
    np.savez(folder / "x.npz", a=data, b=mask)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), folder / "mask.nii.gz")
    with pytest.raises(MissingError, match="none is called betasmd"):
        rows_of(folder, '"x.npz"')


def test_a_header_that_claims_a_giant_is_refused_before_allocating(volume):
    folder, *_ = volume
    (folder / "trials.csv").write_text("stimulus\n1\n2\n")
    with open(folder / "betas.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    with pytest.raises((FormatError, LimitError), match="cut short"):
        rows_of(folder, '"betas.npy"')


def test_the_shipped_example_opens(tmp_path, real_files):
    from brainview.core.paths import resource

    for name in ("bold.nii.gz", "mask.nii.gz", "attributes_literal.txt"):
        (tmp_path / name).write_bytes((real_files / "haxby2001_excerpt" / "one_slice_1452vol" / name).read_bytes())
    (tmp_path / "dataset.toml").write_text(resource("examples/dataset.toml").read_text())
    report = open_dataset(tmp_path).inspect()
    assert report["problems"] == [] and report["subjects"][0]["repetitions"] == {"12": 8}
