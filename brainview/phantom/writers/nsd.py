"""Write a phantom as a tree of the Natural Scenes Dataset (reference: whole-brain page, section 2).

Names, dtypes, axis order, 1-based indices and scale are the real ones; what is smaller says so in its header: trials
per session, number of images, and surface files of 10,242 vertices (fsaverage5) instead of 163,842.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from scipy.io import savemat

from brainview.core.files import atomic_path, atomic_write
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.space import mni_space
from brainview.maps.volumes import mni_mask
from brainview.phantom.anatomy import N_VERTICES, ROI_TABLES, mni_ribbon
from brainview.phantom.design import SLOTS, Design
from brainview.phantom.responses import CeilingEstimate, Recorder
from brainview.phantom.subjects import SubjectFields

BETAS, DATA = Path("nsddata_betas/ppdata"), Path("nsddata")
EXPERIMENT = DATA / "experiments" / "nsd"
BRICK = Path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
SURFACE_SET, VOLUME_SET = Path("fsaverage/betas_fithrf_GLMdenoise_RR"), Path("MNI/betas_fithrf")
#: Stored value of a volume = percent signal change x this.
SCALE = 300
_SIDES = (("lh", slice(0, N_VERTICES)), ("rh", slice(N_VERTICES, 2 * N_VERTICES)))
_BEHAVIOUR = ("SUBJECT", "SESSION", "RUN", "TRIAL", "73KID", "10KID", "TIME", "ISOLD", "ISCORRECT", "RT", "CHANGEMIND",
              "MEMORYRECENT", "MEMORYFIRST", "ISOLDCURRENT", "ISCORRECTCURRENT", "TOTAL1", "TOTAL2", "BUTTON",
              "MISSINGDATA")


def write_experiment(root: Path, design: Design) -> None:
    """Write ``nsd_expdesign.mat``, ``nsd_stim_info_merged.csv`` and every subject's ``responses.tsv``."""
    seen = np.zeros(design.test + design.train, int)
    counts = np.zeros((3, design.sessions), np.int64)
    pattern = np.zeros((design.sessions, design.runs.size, SLOTS), np.uint8)
    for session in range(design.sessions):
        np.add.at(seen, design.session(session), 1)
        counts[:, session] = [(seen >= n).sum() for n in (1, 2, 3)]
        for run, length in enumerate(design.runs.tolist()):
            pattern[session, run, np.linspace(3, SLOTS - 4, length).astype(int)] = 1
    with atomic_write(root / EXPERIMENT / "nsd_expdesign.mat") as file:
        savemat(file, {"masterordering": (design.ordering + 1).astype(np.float64)[None], "basiccnt": counts,
                       "sharedix": (design.shared + 1).astype(np.float64)[None],
                       "subjectim": (design.ids + 1).astype(np.float64), "stimpattern": pattern})
    _write_stim_info(root, design)
    for subject in range(design.subjects):
        _write_behaviour(root, design, subject)


def _write_stim_info(root: Path, design: Design) -> None:
    header = ["", "cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000"]
    header += [f"subject{k}" for k in range(1, 9)] + [f"subject{k}_rep{r}" for k in range(1, 9) for r in range(3)]
    shown = np.zeros((design.images, 8, 3), np.int64)
    for trial, (image, repeat) in enumerate(zip(design.ordering, design.repetition, strict=True)):
        if repeat < 3:
            for subject in range(design.subjects):
                shown[design.ids[subject, image], subject, repeat] = trial + 1
    seen = np.asarray((shown > 0).any(2))
    shared = np.asarray(np.isin(np.arange(design.images), design.shared))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    for row in range(design.images):
        table.writerow([row, row + 1, "train2017", "(0.0, 0.0, 0.0, 0.0)", 0.0, row, False, False, bool(shared[row]),
                        *seen[row].astype(int), *shown[row].reshape(-1)])
    with atomic_write(root / EXPERIMENT / "nsd_stim_info_merged.csv") as file:
        file.write(text.getvalue().encode())


def _write_behaviour(root: Path, design: Design, subject: int) -> None:
    lines = ["\t".join(_BEHAVIOUR)]
    for session in range(design.sessions):
        trial = session * design.per_session
        for run, length in enumerate(design.runs.tolist()):
            for place in range(length):
                image, old = int(design.ordering[trial]), int(design.repetition[trial] > 0)
                row = [subject + 1, session + 1, run + 1, place + 1, design.ids[subject, image] + 1, image + 1,
                       trial * 4.0, old, 1, 900.0, 0, "NaN", "NaN", old, 1, 1, 1, 1 + old, 0]
                lines.append("\t".join(map(str, row)))
                trial += 1
    path = root / DATA / "ppdata" / f"subj{subject + 1:02d}" / "behav" / "responses.tsv"
    with atomic_write(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def pack_picture(pixels: np.ndarray) -> bytes:
    """Return one (425, 425, 3) uint8 picture as HDF5's shuffle-free deflate stores a chunk of it."""
    import zlib

    return zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)


def write_brick(root: Path, count: int, pictures: Iterable[tuple[int, bytes]], side: int) -> None:
    """Write ``nsd_stimuli.hdf5`` from (0-based stimulus id, packed picture) pairs, in any order.

    One compressed chunk per picture; `imgBrick` is (count, side, side, 3) uint8 RGB.
    """
    with atomic_path(root / BRICK, suffix=".hdf5") as temporary:
        with h5py.File(temporary, "w") as file:
            brick = file.create_dataset("imgBrick", (count, side, side, 3), np.uint8, chunks=(1, side, side, 3),
                                        compression="gzip", compression_opts=1)
            for stimulus, packed in pictures:
                brick.id.write_direct_chunk((stimulus, 0, 0, 0), packed)


def write_rois(root: Path, fields: SubjectFields, *, volume: bool) -> None:
    """Write the subject's labels: on the surface with colour tables, or (``volume``) in MNI as 2 mm volumes."""
    if volume:
        folder = root / DATA / "ppdata" / fields.id / "MNI" / "roi"
        ribbon, mask = mni_ribbon(), mni_mask(2)
        for name, labels in fields.labels.items():
            values = np.full(mask.shape, -1, np.int16)
            values[mask] = np.where(ribbon.inside, labels[ribbon.vertex], -1)
            _save_volume(folder / f"{name}.nii.gz", values)
        return
    folder = root / DATA / "freesurfer" / fields.id / "label"
    for name, labels in fields.labels.items():
        for side, where in _SIDES:
            save_mgh(folder / f"{side}.{name}.mgz", labels[where].astype(np.int32).reshape(-1, 1, 1))
        rows = ["0 Unknown 0 0 0 0"] + [f"{i} {label} {' '.join(map(str, _color(i)))} 0"
                                        for i, label in enumerate(ROI_TABLES[name], 1)]
        with atomic_write(folder / f"{name}.mgz.ctab") as file:
            file.write(("\n".join(rows) + "\n").encode())


def _color(number: int) -> tuple[int, int, int]:
    palette = ((230, 75, 53), (77, 187, 213), (0, 160, 135), (60, 84, 136), (243, 155, 127), (132, 145, 180),
               (145, 209, 194), (126, 97, 72))
    return palette[(number - 1) % len(palette)]


def save_mgh(path: Path, values: np.ndarray) -> None:
    """Write an MGH or MGZ file atomically; values keep their type (float32 or int32)."""
    image = nib.MGHImage(values, np.eye(4))  # type: ignore[attr-defined]
    with atomic_path(path, suffix=path.suffix) as temporary:
        image.to_filename(temporary)


def _save_volume(path: Path, values: np.ndarray) -> None:
    image = nib.Nifti1Image(values, mni_space(2).affine)  # type: ignore[attr-defined]
    image.header.set_xyzt_units("mm")
    image.set_sform(mni_space(2).affine, 4)
    image.set_qform(mni_space(2).affine, 4)
    with atomic_path(path, suffix=".nii.gz") as temporary:
        image.to_filename(temporary)


def write_surface(root: Path, recorder: Recorder, *, context: JobContext = QUIET) -> None:
    """Write the surface betas of one subject, session by session, with its estimated ncsnr and labels.

    ``?h.betas_sessionNN.mgh``: float32, percent signal change without a factor, (10242, 1, 1, trials).
    """
    folder = root / BETAS / recorder.fields.id / SURFACE_SET
    design = recorder.design
    estimate = CeilingEstimate(design.test, 2 * N_VERTICES)
    for session in range(design.sessions):
        context.report(session, design.sessions, f"{recorder.fields.id} surface session {session + 1}")
        betas = recorder.surface(session)
        estimate.add(betas, design.session(session))
        for side, where in _SIDES:
            save_mgh(folder / f"{side}.betas_session{session + 1:02d}.mgh", betas[:, where].T[:, None, None, :])
    ncsnr = estimate.ncsnr()
    for side, where in _SIDES:
        save_mgh(folder / f"{side}.ncsnr.mgh", ncsnr[where].reshape(-1, 1, 1))
    write_rois(root, recorder.fields, volume=False)


def write_volume(root: Path, recorder: Recorder, *, context: JobContext = QUIET) -> None:
    """Write the MNI betas of one subject; sessions that are there already are kept (a build can be resumed).

    ``betas_sessionNN.nii.gz``: int16 x 300 on the 91 x 109 x 91 grid; voxels off the cortical ribbon are 0 in every
    trial, which is NSD's sign for invalid, and ``valid_sessionNN.nii.gz`` says so.
    """
    folder = root / BETAS / recorder.fields.id / VOLUME_SET
    design, ribbon, mask = recorder.design, mni_ribbon(), mni_mask(2)
    where = np.flatnonzero(mask.ravel(order="C"))[ribbon.inside]
    fortran = np.asarray(np.ravel_multi_index(np.unravel_index(where, mask.shape), mask.shape, order="F"))
    valid = np.zeros(mask.size, np.uint8)
    valid[where] = 1
    estimate = CeilingEstimate(design.test, where.size)
    for session in range(design.sessions):
        context.report(session, design.sessions, f"{recorder.fields.id} MNI session {session + 1}")
        path = folder / f"betas_session{session + 1:02d}.nii.gz"
        stored = _read_frames(path, design.per_session, fortran) if path.is_file() else None
        if stored is None:
            stored = _write_frames(path, recorder, session, fortran, context)
        estimate.add(stored.astype(np.float32), design.session(session))
        _save_volume(folder / f"valid_session{session + 1:02d}.nii.gz", valid.reshape(mask.shape))
    ncsnr = np.full(mask.size, np.nan, np.float32)
    ncsnr[where] = estimate.ncsnr()
    _save_volume(folder / "ncsnr.nii.gz", ncsnr.reshape(mask.shape))
    write_rois(root, recorder.fields, volume=True)


def _header(trials: int) -> bytes:
    space = mni_space(2)
    header = nib.Nifti1Header()  # type: ignore[attr-defined]
    header.set_data_dtype(np.int16)
    header.set_data_shape((*space.shape, trials))
    header.set_sform(space.affine, 4)
    header.set_qform(space.affine, 4)
    header.set_zooms((2, 2, 2, 1))
    header.set_xyzt_units("mm")
    header["vox_offset"], header["scl_slope"], header["scl_inter"] = 352, 1, 0
    header["magic"] = b"n+1"
    header["descrip"] = b"BrainView phantom: simulated betas, percent signal change x 300"
    return header.binaryblock + b"\0\0\0\0"


def _write_frames(path: Path, recorder: Recorder, session: int, fortran: np.ndarray, context: JobContext) -> np.ndarray:
    """Write one session; packing runs beside the drawing of the next pair. Returns (trials, ribbon) int16."""
    trials = recorder.design.per_session
    stored = np.empty((trials, fortran.size), np.int16)
    frame = np.zeros(int(np.prod(mni_space(2).shape)), np.int16)
    with atomic_path(path, suffix=".nii.gz") as temporary, ThreadPoolExecutor(1) as packer:
        with gzip.GzipFile(temporary, "wb", compresslevel=1, mtime=0) as file:
            file.write(_header(trials))
            pending = None
            for pair in range((trials + 1) // 2):
                context.check()
                betas = np.clip(np.rint(recorder.volume(session, pair) * SCALE), -32768, 32767).astype(np.int16)
                for row in range(min(2, trials - 2 * pair)):
                    stored[2 * pair + row] = betas[row]
                    if pending is not None:
                        pending.result()
                    frame[fortran] = betas[row]
                    pending = packer.submit(file.write, frame.tobytes())
            if pending is not None:
                pending.result()
    return stored


def _read_frames(path: Path, trials: int, fortran: np.ndarray) -> np.ndarray | None:
    """Return (trials, ribbon) int16 of a session written before, None when it has another number of trials."""
    image = nib.load(path)  # type: ignore[attr-defined]
    if image.shape != (*mni_space(2).shape, trials):  # type: ignore[attr-defined]
        return None
    with gzip.open(path, "rb") as file:
        file.read(352)
        size = int(np.prod(mni_space(2).shape)) * 2
        return np.stack([np.frombuffer(file.read(size), np.int16)[fortran] for _ in range(trials)])
