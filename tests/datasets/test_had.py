"""The HAD reader against its traps, the generic task reader, clips, windows and splits by person."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.paths import resource
from brainview.datasets.bids_task.clips import read_clip
from brainview.datasets.bids_task.events import files_of, run_of
from brainview.datasets.bids_task.mapping import read_mapping, shipped
from brainview.datasets.bids_task.people import PeopleSplit, load_people, split_people
from brainview.datasets.bids_task.windows import clean_run, window_index
from brainview.datasets.registry import open_dataset
from brainview.phantom.subjects import level_of
from brainview.phantom.writers.had import write_clip
from brainview.phantom.writers.had_brain import LEAD, design, film_subject, onsets, ridge_betas, slots


def test_layout_is_that_of_the_reference(tiny_film):
    func = tiny_film / "sub-01" / "ses-action01" / "func"
    text = (func / "sub-01_ses-action01_task-action_run-01_events.tsv").read_bytes()
    lines = text.decode().split("\n")
    assert b"\r" not in text and lines[0] == "onset\tduration\ttrial_type\tresponse\tresponse_time\tstim_file"
    assert len(lines) == 62 and all(r.split("\t")[2].endswith(".0") for r in lines[1:-1])
    assert (tiny_film / "participants.tsv").read_bytes().count(b"\r\n") == 3
    results = tiny_film / "derivatives" / "ciftify" / "sub-01" / "results"
    series = nib.load(results / "ses-action01_task-action_run-1_Atlas.dtseries.nii")
    assert series.shape[0] == 156 and series.header.get_axis(0).step == 2.0
    models = series.header.get_axis(1)
    assert set(models.nvertices.values()) == {32_492}
    betas = nib.load(results / "ses-action01_task-action_cycle-1_beta.dscalar.nii")
    assert betas.shape[0] == 180
    names = (results / "ses-action01_task-action_cycle-1_label.txt").read_text().split("\n")[:-1]
    assert list(betas.header.get_axis(0).name) == names
    raw = nib.load(func / "sub-01_ses-action01_task-action_run-01_bold.nii.gz")
    assert raw.shape == (10, 10, 8, 156) and np.allclose(np.abs(np.diag(raw.affine)[:3]), 2)
    assert slots().size == 60 and not (slots() % 6 == 5).any()
    assert onsets(0, 1)[-1] == pytest.approx(280, abs=0.6)


def test_every_trap_is_survived_and_told(trapped_film):
    data = open_dataset(trapped_film)
    assert data.layout == "had" and data.phantom
    report = data.inspect()
    text = "\n".join(report["problems"])
    assert "ses-action02" in text and "without events" in text and "clips are not here" in text
    assert "lacks run 3" in text  # the broken link of sub-02
    assert report["bids_version"] == "1.4.1"
    trials = data.trials("sub-02")
    assert np.isin(trials.response[np.isfinite(trials.response)], (-1, 1)).all()
    assert (np.diff(trials.run) >= 0).all() and trials.onset.min() >= LEAD
    subject = data.subject("sub-02", "grayordinates")
    assert len(subject.trials) == 120 and "runs 3 have events" in subject.problems[0]
    assert len(data.subject("sub-02", "betas").trials) == 180
    missing = next(i for i in data.stimuli.ids.tolist() if data.stimuli.path(i).is_symlink())
    with pytest.raises(MissingError, match="not fetched"):
        data.stimuli.image(missing)


def test_runs_sort_as_numbers(trapped_film):
    pattern = shipped("had").series[0].pattern
    runs = [run_of(p) for p in files_of(trapped_film, pattern, "sub-01", "action")]
    assert runs == [1, 2, 3, 10]


def test_betas_find_their_trials_by_clip_name(tiny_film):
    data = open_dataset(tiny_film)
    subject = data.subject("sub-01")
    told = data.trials("sub-01")
    assert [data.stimuli.names[i] for i in subject.trials.stimulus] == told.clip
    label = (data.results("sub-01") / "ses-action01_task-action_cycle-1_label.txt").read_text().split("\n")
    row = [c.rsplit("/", 1)[1] for c in told.clip].index(label[7])
    stored = nib.load(data.results("sub-01") / "ses-action01_task-action_cycle-1_beta.dscalar.nii").get_fdata()
    z = (stored - stored.mean(0)) / stored.std(0)
    assert np.allclose(subject.responses.rows(np.array([row]))[0], z[7], atol=1e-4)
    keys = [data.categories[c - 1] for c in subject.trials.extra["category"]]
    assert keys == [c.split("/")[0] for c in told.clip]


def test_windows_hold_the_planted_response_and_the_wrong_shift_does_not(tiny_film):
    data = open_dataset(tiny_film)
    series = data.mapping.series[0]
    files = data.series_files("sub-01", series)
    betas = data.subject("sub-01").responses.rows(slice(None))
    agreement = {}
    for first in (2, 8):
        windows = data.windowed("sub-01", series, files, first=first, count=2).responses
        assert windows.window_rows(np.arange(3)).shape == (3, 2, betas.shape[1])
        agreement[first] = np.corrcoef(windows.rows(slice(None)).ravel(), betas.ravel())[0, 1]
    assert agreement[2] > 0.4 > agreement[8] + 0.2


def test_clean_run_streams_what_numpy_does_at_once(tmp_path):
    rng = np.random.default_rng(0)
    data = (1000 + 50 * rng.standard_normal((4, 3, 2, 20)) + 3 * np.arange(20)).astype(np.int16)
    data[0, 0, 0] = 7
    path = tmp_path / "run.nii.gz"
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    out = np.zeros((20, 24), np.float32)
    clean_run(path, np.arange(24), 2, out)
    y = data.reshape(24, 20, order="F").T.astype(float)
    t = np.linspace(-1, 1, 20)
    basis = np.stack([np.ones(20), t, t**2], 1)
    residual = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    spread = residual.std(0)
    expected = np.where(spread > 1e-6, residual / np.where(spread > 1e-6, spread, 1), 0)
    assert np.allclose(out, expected, atol=1e-3) and not out[:, 0].any()


def test_a_long_run_is_cleaned_without_being_held(tmp_path):
    """180,000 voxels x 156 volumes: as float64, which the sums need, the run alone would take 225 MB."""
    import subprocess
    import sys

    from tests.memory import PEAK

    code = PEAK + f"""
import numpy as np, nibabel as nib
from pathlib import Path
from brainview.datasets.bids_task.windows import clean_run
folder = Path({str(tmp_path)!r})
header = nib.Nifti1Image(np.zeros((2, 2, 2, 2), np.int16), np.eye(4)).header
header.set_data_shape((60, 60, 50, 156))
header["magic"], header["vox_offset"] = b"n+1", 352
with open(folder / "run.nii", "wb") as file:
    file.write(header.binaryblock + bytes(4))
    for k in range(156):
        file.write((np.arange(180_000) * (k + 3) % 997).astype("<i2").tobytes())
out = np.lib.format.open_memmap(folder / "out.npy", "w+", np.float16, (156, 180_000))
before = peak()
clean_run(folder / "run.nii", np.arange(180_000), 2, out)
print(peak() - before, float(np.asarray(out[:, 1:100], np.float32).std()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, spread = map(float, done.stdout.split())
    assert grown < 150 and spread == pytest.approx(1, abs=0.1)


def test_window_index_refuses_a_window_past_the_run():
    rows = window_index(np.array([12.0, 15.9]), np.array([1, 1]), {1: (0, 156)}, 2.0, 2, 2)
    assert rows.tolist() == [[8, 9], [9, 10]]  # k = floor(t / 2); k + 2 and k + 3
    with pytest.raises(MismatchError, match="needs volumes"):
        window_index(np.array([310.0]), np.array([1]), {1: (0, 156)}, 2.0, 2, 2)
    with pytest.raises(MissingError, match="run 2"):
        window_index(np.array([12.0]), np.array([2]), {1: (0, 156)}, 2.0, 2, 2)


def test_ridge_betas_recover_planted_amplitudes():
    rng = np.random.default_rng(1)
    x = [design(onsets(0, r)) for r in range(3)]
    true = [rng.standard_normal((60, 5)) for _ in x]
    series = [a @ b + 5 + 0.2 * np.linspace(-1, 1, 156)[:, None] for a, b in zip(x, true, strict=True)]
    found = ridge_betas(series, x, alpha=1e-6)
    assert np.allclose(found, np.concatenate(true), atol=1e-3)
    ridged = ridge_betas(series, x)  # the published alpha of 0.1 shrinks
    assert np.corrcoef(ridged.ravel(), np.concatenate(true).ravel())[0, 1] > 0.97


def test_people_share_tuning_to_actions_where_it_was_planted():
    one, two = (film_subject(3, i, level_of("easy")) for i in range(2))
    both = one.acts & two.acts
    r = (one.fields.sem[both] * two.fields.sem[both]).sum(1) / np.linalg.norm(
        one.fields.sem[both], axis=1) / np.linalg.norm(two.fields.sem[both], axis=1)
    assert 0.4 < r.mean() < 0.8


def test_clips_survive_the_round_trip_and_bad_ones_are_refused(tmp_path):
    frames = np.zeros((8, 32, 48, 3), np.uint8)
    frames[:, :, :24] = np.arange(8)[:, None, None, None] * 30
    write_clip(tmp_path / "a b.mp4", frames)
    back, rate = read_clip(tmp_path / "a b.mp4")
    assert back.shape == frames.shape and rate == pytest.approx(4)
    assert np.abs(back.astype(int) - frames).mean() < 4
    assert read_clip(tmp_path / "a b.mp4", frames=4, size=24)[0].shape == (4, 16, 24, 3)
    (tmp_path / "no.mp4").write_bytes(b"not a clip" * 50)
    with pytest.raises(FormatError, match="readable clip"):
        read_clip(tmp_path / "no.mp4")


def test_people_split_keeps_adaptation_and_test_runs_apart(tiny_film, tmp_path):
    data = open_dataset(tiny_film)
    split = split_people(data)
    assert split.train == ("sub-01",) and split.held == ("sub-02",)
    trials = data.subject("sub-02").trials
    adapt, test = split.rows(trials, "adapt"), split.rows(trials, "test")
    assert not np.intersect1d(adapt, test).size and adapt.size + test.size == len(trials)
    split.save(tmp_path / "people.json")
    assert load_people(tmp_path / "people.json") == split
    with pytest.raises(MismatchError, match="both trained on"):
        PeopleSplit(("a",), ("a",), (), (1,))
    with pytest.raises(MismatchError, match="both adapt"):
        PeopleSplit(("a",), ("b",), (1,), (1,))


def test_default_split_of_thirty_people_is_the_last_four():
    class Thirty:
        subjects = [f"sub-{i:02d}" for i in range(1, 31)]
        mapping = shipped("had")
        path = "x"

        def trials(self, _):
            return type("T", (), {"run": np.arange(1, 13)})

    split = split_people(Thirty())
    assert split.held == ("sub-27", "sub-28", "sub-29", "sub-30") and len(split.train) == 26
    assert split.adapt_runs == (1, 2, 3, 4, 5, 6) and split.test_runs == (7, 8, 9, 10, 11, 12)


def test_mapping_of_ones_own_data(tiny_film, tmp_path):
    root = tmp_path / "own"
    shutil.copytree(tiny_film, root, copy_function=lambda a, b: shutil.os.link(a, b))
    shutil.copy(resource("bids_task/had.toml"), root / "bids_task.toml")
    data = open_dataset(root)
    assert data.layout == "bids-task" and data.variants("sub-01")[0] == "grayordinates"
    with pytest.raises(FormatError, match="filled in"):
        read_mapping(resource("bids_task/urgen.toml"))
    assert read_mapping(resource("bids_task/bold_moments.toml")).captions["text"] == "caption"
    text = (root / "bids_task.toml").read_text()
    (root / "bids_task.toml").unlink()
    for bad in (text.replace("stimuli", "../../etc"), text.replace("{subject}", "sub-01"), "format = 3", "a = ["):
        (root / "bids_task.toml").write_text(bad)
        with pytest.raises(FormatError):
            read_mapping(root / "bids_task.toml")


def test_labels_are_corrected_and_keys_kept():
    labels = shipped("had").labels
    assert labels["Plataform diving"] == "Platform diving" and len(labels) == 5
