"""Miniature data sets in the real layouts, with planted truth: names, types and index bases as in the originals."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from PIL import Image
from scipy.io import savemat

from brainview.datasets.algonauts2023 import ROI_NAMES

N_LEFT, N_RIGHT = 300, 330


@dataclass
class AlgonautsTruth:
    ids: dict[str, dict[str, np.ndarray]]
    ceiling: dict[str, np.ndarray]  # of the test mean of three
    left: dict[str, int]


def _picture(path: Path, rng: np.random.Generator, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tile = rng.integers(0, 255, (5, 5, 3), dtype=np.uint8)
    Image.fromarray(tile).resize((size, size), Image.Resampling.NEAREST).save(path, compress_level=1)


def make_algonauts(root: Path, *, subjects: int = 3, train: int = 60, test: int = 12, vertices: int = 10_242,
                   size: int = 25, test_responses: bool = True, percent: bool = False, seed: int = 0) -> AlgonautsTruth:
    """Write subjects whose last one has 7 vertices fewer per hemisphere, ceilings known, at least one ROI empty."""
    rng = np.random.default_rng(seed)
    truth = AlgonautsTruth({}, {}, {})
    shared = np.sort(rng.choice(500, 20, replace=False))
    for number in range(1, subjects + 1):
        name = f"subj{number:02d}"
        folder = root / name
        own = 500 * number + rng.choice(500, train + test - 20, replace=False)
        ids = rng.permutation(np.concatenate([shared, own]))
        parts = {"train": np.sort(ids[:train]), "test": np.sort(ids[train:])}
        truth.ids[name] = parts
        less = 7 if number == subjects else 0
        widths = (N_LEFT - less, N_RIGHT - less)
        truth.left[name] = widths[0]
        _algonauts_rois(folder / "roi_masks", vertices, widths)
        signal_share = rng.uniform(0.1, 0.7, sum(widths))
        truth.ceiling[name] = signal_share / (signal_share + (1 - signal_share) / 3)
        weights = rng.standard_normal((8, sum(widths))) / np.sqrt(8)
        for part, word in (("train", "training"), ("test", "test")):
            latent = rng.standard_normal((parts[part].size, 8))
            noise = rng.standard_normal((parts[part].size, sum(widths))) / np.sqrt(3)
            data = (np.sqrt(signal_share) * (latent @ weights) + np.sqrt(1 - signal_share) * noise).astype(np.float32)
            for i, key in enumerate(parts[part], 1):
                _picture(folder / f"{word}_split" / f"{word}_images" / f"{part}-{i:04d}_nsd-{key:05d}.png", rng, size)
            if part == "train" or test_responses:
                out = folder / f"{word}_split" / f"{word}_fmri"
                out.mkdir(parents=True)
                np.save(out / f"lh_{word}_fmri.npy", data[:, :widths[0]].copy())
                np.save(out / f"rh_{word}_fmri.npy", data[:, widths[0]:].copy())
        if test_responses:
            out = folder / "test_split" / "noise_ceiling"
            out.mkdir()
            values = truth.ceiling[name] * (100 if percent else 1)
            np.save(out / "lh_noise_ceiling.npy", values[:widths[0]])
            np.save(out / "rh_noise_ceiling.npy", values[widths[0]:])
    return truth


def _algonauts_rois(folder: Path, vertices: int, widths: tuple[int, int]) -> None:
    folder.mkdir(parents=True)
    for side, width in zip(("lh", "rh"), widths, strict=True):
        mask = np.zeros(vertices, np.int64)
        inside = np.arange(width) * 3 + 50
        mask[inside] = 1
        mask[inside[:4]] = 2  # both of the added masks: still one vertex each
        np.save(folder / f"{side}.all-vertices_fsaverage_space.npy", mask)
        for name, labels in ROI_NAMES.items():
            whole = np.zeros(vertices, np.int64)
            for key in range(1, len(labels) + 1):
                if labels[key - 1] == "aTL-faces":
                    continue  # empty for everybody, as in the real data
                whole[inside[(key - 1) * 10:key * 10]] = key
            np.save(folder / f"{side}.{name}_fsaverage_space.npy", whole)
            np.save(folder / f"{side}.{name}_challenge_space.npy", whole[mask != 0])
    for name, labels in ROI_NAMES.items():
        np.save(folder / f"mapping_{name}.npy", np.array({0: "Unknown", **dict(enumerate(labels, 1))}, dtype=object))


@dataclass
class NsdTruth:
    stimuli: np.ndarray  # (subjects, planned trials) 0-based 73k ids
    func: dict[str, np.ndarray]  # (sessions, x, y, z, trials) int16
    surface: np.ndarray  # (sessions, 2, trials, vertices) float32 of subj01
    mni: np.ndarray | None
    brain: np.ndarray
    shared: np.ndarray


FUNC = (12, 14, 11)
N_MESH = 642


def make_nsd(root: Path, *, trials: int = 24, sessions: int = 3, images: int = 24, n_shared: int = 3, mni: bool = False,
             hdf5_session: int = 2, seed: int = 1) -> NsdTruth:
    """Write two subjects of NSD: subj02 lacks its last session, one session has an invalid rim, one ROI is empty."""
    rng = np.random.default_rng(seed)
    planned = trials * sessions
    ordering = np.concatenate([rng.permutation(images) for _ in range(-(-planned // images))])[:planned] + 1
    shared = np.sort(rng.choice(np.arange(2, 99, 7), n_shared, replace=False))
    subjectim = np.empty((8, images), np.int64)
    for s in range(8):
        own = 100 + 50 * s + rng.permutation(40)[:images - n_shared]
        subjectim[s] = np.concatenate([shared, own]) + 1
    truth = NsdTruth(np.stack([subjectim[s][ordering - 1] - 1 for s in range(8)]), {}, np.empty(0), None,
                     np.zeros(FUNC, bool), shared)
    truth.brain[2:10, 2:12, 2:9] = True
    _nsd_design(root, ordering, subjectim, shared, trials, sessions)
    for number, count in ((1, sessions), (2, sessions - 1)):
        _nsd_func(root, f"subj{number:02d}", trials, count, truth, rng, hdf5_session)
    _nsd_surface(root, trials, sessions, truth, rng)
    if mni:
        _nsd_mni(root, trials, truth, rng)
    return truth


def _nsd_design(root: Path, ordering: np.ndarray, subjectim: np.ndarray, shared: np.ndarray, trials: int,
                sessions: int) -> None:
    folder = root / "nsddata" / "experiments" / "nsd"
    folder.mkdir(parents=True)
    # a real session: 750 trials in 12 runs of 75 slots, 63 and 62 of them shown in turn
    shown = np.tile([63, 62], 6) if trials == 750 else np.full(4, trials // 4)
    pattern = np.zeros((sessions, shown.size, 75 if trials == 750 else 20), np.uint8)
    for run, count in enumerate(shown):
        pattern[:, run, :count] = 1
    savemat(folder / "nsd_expdesign.mat", {
        "masterordering": ordering[None].astype(float), "subjectim": subjectim.astype(float),
        "sharedix": shared[None] + 1.0, "stimpattern": pattern, "basiccnt": np.zeros((3, sessions))})
    head = ["", "cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000"]
    head += [f"subject{s}" for s in range(1, 9)] + [f"subject{s}_rep{r}" for s in range(1, 9) for r in range(3)]
    lines = [",".join(head)]
    for key in range(500):
        cells = [str(key), str(1000 + key), "val2017", '"(0, 0, 0.1, 0.1)"', "0.1", str(key), "False", "False",
                 str(bool(key in shared))]
        seen = [np.flatnonzero(subjectim[s][ordering - 1] - 1 == key) + 1 for s in range(8)]
        cells += [str(int(key + 1 in subjectim[s])) for s in range(8)]
        # subject 2 did not come to the last session: 0 = not shown
        seen[1] = seen[1][seen[1] <= trials * (sessions - 1)]
        cells += [str(p[r]) if r < len(p) else "0" for p in seen for r in range(3)]
        lines.append(",".join(cells))
    (folder / "nsd_stim_info_merged.csv").write_text("\n".join(lines) + "\n")
    brick = root / "nsddata_stimuli" / "stimuli" / "nsd"
    brick.mkdir(parents=True)
    with h5py.File(brick / "nsd_stimuli.hdf5", "w") as file:
        data = file.create_dataset("imgBrick", (500, 17, 17, 3), np.uint8)
        data[:] = (np.arange(500) % 251).astype(np.uint8)[:, None, None, None]


def nsd_affine(shape: tuple[int, ...], edge: float) -> np.ndarray:
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = [-((n + 1) / 2 - 1) * edge for n in shape]
    return affine


def _save(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


def _nsd_func(root: Path, name: str, trials: int, sessions: int, truth: NsdTruth, rng: np.random.Generator,
              hdf5_session: int) -> None:
    affine = nsd_affine(FUNC, 1.8)
    data = np.zeros((sessions, *FUNC, trials), np.int16)
    data[:, truth.brain] = rng.integers(-900, 900, (sessions, int(truth.brain.sum()), trials))
    truth.func[name] = data
    anatomy = root / "nsddata" / "ppdata" / name / "func1pt8mm"
    _save(anatomy / "brainmask.nii.gz", truth.brain.astype(np.uint8), affine)
    _save(anatomy / "mean.nii.gz", truth.brain.astype(np.float32), affine)
    betas = root / "nsddata_betas" / "ppdata" / name / "func1pt8mm" / "betas_fithrf_GLMdenoise_RR"
    betas.mkdir(parents=True)
    for s in range(sessions):
        valid = np.ones(FUNC, np.uint8)
        if s == 0:
            valid[2] = 0  # a rim slab that the head left in the first session
            data[s][valid == 0] = 0
        _save(anatomy / f"valid_session{s + 1:02d}.nii.gz", valid, affine)
        if s + 1 == hdf5_session:
            with h5py.File(betas / f"betas_session{s + 1:02d}.hdf5", "w") as file:
                file.create_dataset("betas", data=data[s].transpose(3, 2, 1, 0), chunks=(trials, 1, 1, 1))
        else:
            _save(betas / f"betas_session{s + 1:02d}.nii.gz", data[s], affine)
    _save(betas / "ncsnr.nii.gz", np.where(truth.brain, 0.5, np.nan).astype(np.float32), affine)
    labels = np.full(FUNC, -1, np.float32)
    labels[truth.brain] = 0
    labels[4, 4:6, 4] = 1
    labels[5, 4:6, 4] = 3
    right = np.full(FUNC, -1, np.float32)
    right[8, 4:6, 4] = 1
    _save(anatomy / "roi" / "lh.floc-places.nii.gz", labels, affine)
    _save(anatomy / "roi" / "rh.floc-places.nii.gz", right, affine)
    _save(anatomy / "roi" / "nsdgeneral.nii.gz", np.where(labels > 0, 1, labels), affine)
    tables = root / "nsddata" / "freesurfer" / name / "label"
    tables.mkdir(parents=True)
    (tables / "floc-places.mgz.ctab").write_text("0 Unknown\n1 OPA\n2 PPA\n3 RSC\n")


def _nsd_surface(root: Path, trials: int, sessions: int, truth: NsdTruth, rng: np.random.Generator) -> None:
    folder = root / "nsddata_betas" / "ppdata" / "subj01" / "fsaverage" / "betas_fithrf_GLMdenoise_RR"
    folder.mkdir(parents=True)
    truth.surface = rng.standard_normal((sessions, 2, trials, N_MESH)).astype(np.float32)
    truth.surface[1, 0, 1, 5] = np.nan
    for s in range(sessions):
        for h, side in enumerate(("lh", "rh")):
            image = nib.freesurfer.MGHImage(truth.surface[s, h].T.reshape(N_MESH, 1, 1, trials), np.eye(4))
            ending = "mgz" if (s, h) == (2, 1) else "mgh"
            image.to_filename(str(folder / f"{side}.betas_session{s + 1:02d}.{ending}"))
    for side in ("lh", "rh"):
        image = nib.freesurfer.MGHImage(np.full((N_MESH, 1, 1), 0.7, np.float32), np.eye(4))
        image.to_filename(str(folder / f"{side}.ncsnr.mgh"))
    labels = root / "nsddata" / "freesurfer" / "fsaverage" / "label"
    labels.mkdir(parents=True)
    streams = np.zeros((N_MESH, 1, 1), np.int32)
    streams[:9, 0, 0] = 5
    nib.freesurfer.MGHImage(streams, np.eye(4)).to_filename(str(labels / "lh.streams.mgz"))
    (labels / "streams.mgz.ctab").write_text("0 Unknown\n5 ventral\n")


def _nsd_mni(root: Path, trials: int, truth: NsdTruth, rng: np.random.Generator) -> None:
    folder = root / "nsddata_betas" / "ppdata" / "subj01" / "MNI" / "betas_fithrf"
    folder.mkdir(parents=True)
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-90, -126, -72)
    data = np.zeros((91, 109, 91, 2), np.int16)
    data[40:50, 40:50, 40:50] = rng.integers(1, 900, (10, 10, 10, 2))
    truth.mni = data
    with gzip.open(folder / "betas_session01.nii.gz", "wb", compresslevel=1) as file:
        file.write(nib.Nifti1Image(data, affine).to_bytes())
