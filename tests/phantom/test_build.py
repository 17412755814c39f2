"""A phantom on disk: written in the real layouts, read back by the ordinary readers, resumable, refused when wrong."""

import json

import h5py
import nibabel as nib
import numpy as np
import pytest

from brainview.cli.main import main
from brainview.core.errors import BrainViewError, Cancelled, MissingError
from brainview.datasets.registry import open_dataset
from brainview.phantom.anatomy import ROI_TABLES, mni_ribbon
from brainview.phantom.build import build_phantom, is_complete
from brainview.phantom.truth import read_truth
from brainview.phantom.writers import nsd
from tests.phantom_fixture import TINY, build_tiny


class Stopping:
    """A context that cancels at the first word it knows."""

    def __init__(self, word: str) -> None:
        self.word, self.texts = word, []

    def report(self, done, total, text=""):
        self.texts.append(text)
        if self.word in text:
            raise Cancelled

    def check(self):
        pass

    def log(self, line):
        pass


def test_nsd_tree_reads_back(tiny_phantom):
    data = open_dataset(tiny_phantom)
    assert data.layout == "nsd" and data.phantom and data.subjects == ["subj01", "subj02"]
    subject = data.subject("subj02")
    assert subject.phantom and subject.space.name == "fsaverage5"
    recorder = read_truth(tiny_phantom).recorder("subj02")
    assert len(subject.trials) == recorder.design.ordering.size
    assert np.array_equal(subject.trials.stimulus, recorder.design.ids[1][recorder.design.ordering])
    assert np.array_equal(subject.trials.repetition, recorder.design.repetition)
    assert np.array_equal(np.sort(subject.splits["test"]), recorder.design.shared)
    row = recorder.design.per_session * 0 + 3
    # one row alone and a row of a session are the same numbers up to the rounding of another matrix product
    np.testing.assert_allclose(subject.responses.rows(np.array([row]))[0], recorder.surface(0, np.array([3]))[0],
                               atol=1e-5)
    assert subject.rois["prf-visualrois"].sizes()["V1v"] == (recorder.fields.labels["prf-visualrois"] == 1).sum()
    assert set(subject.rois) == set(ROI_TABLES)
    assert subject.ceiling.ncsnr is not None and subject.ceiling.ncsnr.shape == (20_484,)
    report = data.inspect()
    assert json.dumps(report, default=str) and not data.design_problems()


def test_nsd_files_are_the_real_ones(tiny_phantom):
    betas = nib.load(tiny_phantom / nsd.BETAS / "subj01" / nsd.SURFACE_SET / "lh.betas_session01.mgh")
    design = read_truth(tiny_phantom).recorder(0).design
    assert betas.shape == (10_242, 1, 1, design.per_session) and betas.get_data_dtype() == np.dtype(">f4")
    with h5py.File(tiny_phantom / nsd.BRICK) as file:
        assert file["imgBrick"].shape == (design.images, 425, 425, 3) and file["imgBrick"].dtype == np.uint8
        assert file["imgBrick"][design.images - 1].std() > 10
    table = (tiny_phantom / nsd.EXPERIMENT / "nsd_stim_info_merged.csv").read_text().splitlines()
    assert len(table) == design.images + 1 and table[0].count(",") == 40


def test_words_and_pictures_of_every_stimulus(tiny_phantom):
    stimuli = open_dataset(tiny_phantom).stimuli
    for stimulus in stimuli.ids[:6].tolist():
        captions, details = stimuli.captions(stimulus), stimuli.details(stimulus)
        assert len(captions) == 5 and all(5 <= len(c.split()) <= 16 for c in captions)
        assert details["description"] and len(details["questions"]) == 10
        assert {"question", "answer"} <= set(details["questions"][0])
        boxes = np.array([b["box"] for b in details["boxes"]])
        assert ((boxes >= 0) & (boxes <= 1)).all() and (boxes[:, 2:] > boxes[:, :2]).all()
        assert stimuli.image(stimulus).size == (425, 425)


def test_algonauts_tree_reads_back(tiny_algonauts):
    data = open_dataset(tiny_algonauts)
    assert data.layout == "algonauts2023" and data.phantom
    subject = data.subject("subj01")
    assert not subject.problems
    assert subject.splits["train"].size == TINY["train"] and subject.splits["test"].size == TINY["test"]
    recorder = read_truth(tiny_algonauts).recorder(0)
    betas = np.concatenate([_z(recorder.surface(s)) for s in range(recorder.design.sessions)])[:, subject.space.index]
    shown = recorder.design.ids[0][recorder.design.ordering]
    for part in ("train", "test"):
        stimulus = subject.splits[part][1]
        expected = betas[shown == stimulus].mean(0)
        assert np.allclose(subject.mean_betas(np.array([stimulus]))[0], expected, atol=1e-5)
    assert subject.ceiling.source == "shipped" and 0 <= np.nanmax(subject.ceiling.fraction) < 1
    other = data.subject("subj02")
    assert np.array_equal(other.splits["test"], subject.splits["test"])
    assert not np.intersect1d(other.splits["train"], subject.splits["train"]).size
    assert any(size == 0 for roi in subject.rois.values() for size in roi.sizes().values())


def _z(values):
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 0, spread, 1)


def test_a_cancelled_build_goes_on_and_gives_the_same(tiny_phantom, tmp_path):
    out = tmp_path / "again"
    for word in ("drawing shown", "subj02 surface"):
        with pytest.raises(Cancelled):
            build_tiny(out, "nsd", context=Stopping(word))
        assert not is_complete(out)
        with pytest.raises(MissingError):
            read_truth(out)
    kept = (out / nsd.BETAS / "subj01" / nsd.SURFACE_SET / "lh.betas_session01.mgh").stat().st_mtime_ns
    build_tiny(out, "nsd")
    assert (out / nsd.BETAS / "subj01" / nsd.SURFACE_SET / "lh.betas_session01.mgh").stat().st_mtime_ns == kept
    for name in ("lh.betas_session01.mgh", "rh.ncsnr.mgh"):
        files = [root / nsd.BETAS / "subj02" / nsd.SURFACE_SET / name for root in (out, tiny_phantom)]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert not (out / ".build").exists()


def test_another_plan_or_a_full_folder_is_refused(tiny_phantom, tmp_path):
    with pytest.raises(BrainViewError, match="another train"):
        build_tiny(tiny_phantom, "nsd", train=26)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(BrainViewError, match="not an empty folder"):
        build_tiny(tmp_path, "nsd")
    for wrong in ({"layout": "bids"}, {"level": "mad"}, {"subjects": 9}, {"train": 1}):
        with pytest.raises(BrainViewError):
            build_phantom(tmp_path / "x", **{"volume": False, **TINY, **wrong})


def test_the_volumes_hold_what_was_planted(tmp_path):
    out = build_tiny(tmp_path / "mni", "nsd", subjects=1, train=4, test=2, volume=True)
    data = open_dataset(out)
    subject = data.subject("subj01", "MNI")
    assert subject.space.size == 235_375 and subject.phantom
    recorder = read_truth(out).recorder(0)
    image = nib.load(out / nsd.BETAS / "subj01" / nsd.VOLUME_SET / "betas_session01.nii.gz")
    assert image.shape == (91, 109, 91, 10) and image.get_data_dtype() == np.int16
    assert np.allclose(image.affine, [[2, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
    rows = subject.responses.rows(np.array([2, 3]))
    inside = mni_ribbon().inside
    assert np.isnan(rows[:, ~inside]).all()
    assert np.abs(rows[:, inside] - recorder.volume(0, 1)).max() <= 0.51 / 300
    assert subject.rois["nsdgeneral"].sizes()["nsdgeneral"] > 5000
    assert is_complete(out, volume=True)


def test_the_command(tmp_path, capsys):
    out = tmp_path / "cli"
    assert main(["phantom", "--layout", "nsd", "--out", str(out), "--subjects", "1", "--train", "4", "--test", "2",
                 "--surface-only", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["phantom"] is True and told["train"] == 4 and told["bytes"] > 1e6
    assert main(["phantom", "--layout", "nsd", "--out", str(out), "--subjects", "2", "--json"]) == 1
    assert "another subjects" in capsys.readouterr().err
