"""Write a phantom in MindEye's layouts: webdataset tars of samples, and the HDF5 files of MindEye-2.

Developers' page "vindex", 1.1 to 1.4. The betas lie on a grid of 1.8 mm in a scanner space of each subject's own:
turned and shifted against MNI152, with the real number of ``nsdgeneral`` voxels. As in the data that were released,
the last sessions are missing, so some pictures have fewer than three showings, and a few of the test set none.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
from PIL import Image
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from brainview.core.files import atomic_path, atomic_write, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.mindeye.facts import SHARD, VOXELS
from brainview.datasets.mindeye.place import TO_MNI
from brainview.datasets.nsd.transform import NOWHERE
from brainview.phantom import noise
from brainview.phantom.anatomy import N_VERTICES, RIBBON_MM, ROI_TABLES, SIDES, hemisphere
from brainview.phantom.design import Design, make_design
from brainview.phantom.responses import CeilingEstimate, Place, Recorder
from brainview.phantom.subjects import SubjectFields
from brainview.phantom.writers.nsd import write_experiment

LAYOUTS = ("mindeye", "mindeye2")
#: Share of the sessions that were not released when MindEye's tars were made (3 of 40).
WITHHELD = 3 / 40
#: Share of a subject's own pictures that validate (300 of 8,859; a little more here, because there are fewer).
VALIDATION = 0.05
#: Voxels along the axes of the subjects' grids (1.8 mm).
GRIDS = ((81, 104, 83), (82, 106, 84), (81, 106, 82), (85, 99, 80), (79, 97, 78), (85, 113, 83), (78, 95, 81),
         (80, 103, 78))
_EDGE, _CENTRE = 1.8, (0.0, -18.0, 10.0)
_MNI_SHAPE = (91, 109, 91)
_MNI = np.array([[2.0, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
_ROI = Path("nsddata/ppdata")
_NCSNR = Path("nsddata_betas/ppdata")
_SIDE = {"mindeye": 256, "mindeye2": 224}


@dataclass(frozen=True, eq=False)
class Native:
    """A subject's own grid and its ``nsdgeneral`` voxels.

    Parameters
    ----------
    shape, affine : of the grid; the affine leads to scanner coordinates
    rigid : (4, 4) scanner coordinates from MNI152
    index : (V,) ascending C-order positions of the mask
    vertex : (V,) cortical vertex whose signal a voxel carries; distance : (V,) mm to it
    near : (grid,) nearest vertex of every voxel within 3 mm of the cortex, -1 elsewhere
    place : Place
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    rigid: np.ndarray
    index: np.ndarray
    vertex: np.ndarray
    distance: np.ndarray
    near: np.ndarray
    place: Place


def native_grid(seed: int, fields: SubjectFields) -> Native:
    """Return the grid of a subject; its mask holds the voxels nearest to ``nsdgeneral``'s ribbon, as many as NSD's."""
    shape = GRIDS[fields.index]
    rng = noise.stream(seed, fields.index, noise.FIELDS, 1)
    rigid = np.eye(4)
    rigid[:3, :3] = Rotation.from_euler("xyz", rng.normal(0, 3, 3), degrees=True).as_matrix()
    rigid[:3, 3] = rng.normal(0, 5, 3)
    affine = np.diag([_EDGE, _EDGE, _EDGE, 1.0])
    affine[:3, 3] = (rigid @ np.array([*_CENTRE, 1.0]))[:3] - _EDGE * (np.array(shape) - 1) / 2
    grid = np.indices(shape).reshape(3, -1).T
    mni = (np.linalg.inv(rigid) @ affine @ np.c_[grid, np.ones(len(grid))].T)[:3].T
    tree, vertices = _ribbon()
    distance, nearest = tree.query(mni, distance_upper_bound=RIBBON_MM)
    hit = np.isfinite(distance)
    near = np.full(len(grid), -1, np.int32)
    near[hit] = vertices[nearest[hit]]
    visual = np.flatnonzero(hit & np.where(hit, fields.visual_mask[near], False))
    chosen = np.sort(visual[np.argsort(distance[visual], kind="stable")[:VOXELS[fields.index + 1]]])
    vertex, far = near[chosen], distance[chosen].astype(np.float32)
    box = np.clip(np.rint((mni[chosen] - (-90.0, -126.0, -72.0)) / 2).astype(int), 0, np.array(noise.BOX) - 1)
    place = Place(vertex, np.exp(-np.square(far / RIBBON_MM) / 2).astype(np.float32),
                  np.ravel_multi_index(tuple(box.T), noise.BOX))
    return Native(shape, affine, rigid, chosen, vertex, far, near, place)


@lru_cache(maxsize=1)
def _ribbon() -> tuple[cKDTree, np.ndarray]:
    points, vertices = [], []
    for offset, side in enumerate(SIDES):
        hemi = hemisphere(side)
        where = np.flatnonzero(hemi.cortex)
        for f in (0.0, 0.25, 0.5, 0.75, 1.0):
            points.append((hemi.white + f * (hemi.pial - hemi.white))[where])
            vertices.append(where + offset * N_VERTICES)
    return cKDTree(np.concatenate(points)), np.concatenate(vertices)


def mindeye_design(seed: int, subjects: int, train: int, test: int) -> Design:
    """Return a design in which every picture is shown three times, in sessions of up to 100 trials."""
    trials = 3 * (train + test)
    return make_design(seed, subjects, train, test, train_repeats=3, session_trials=int(np.clip(trials // 8, 12, 100)))


def released(design: Design) -> int:
    """Return how many sessions the tars hold; the rest was withheld."""
    return design.sessions - max(1, round(WITHHELD * design.sessions)) if design.sessions > 3 else design.sessions


def pack_jpeg(pixels: np.ndarray, side: int = 256) -> bytes:
    """Return a picture as JPEG of side x side pixels."""
    out = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=95)
    return out.getvalue()


def pack_small(pixels: np.ndarray) -> bytes:
    """Return a picture of 224 x 224 pixels as PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels).resize((224, 224), Image.Resampling.BICUBIC).save(out, "PNG", compress_level=1)
    return out.getvalue()


#: How each layout keeps a picture until it is written.
PACK = {"mindeye": pack_jpeg, "mindeye2": pack_small}


def betas_of(recorder: Recorder, native: Native, sessions: int, *, context: JobContext = QUIET) -> np.ndarray:
    """Return (sessions x trials, V) float16 betas, z-scored per voxel within each session."""
    design = recorder.design
    out = np.empty((sessions * design.per_session, native.index.size), np.float16)
    for session in range(sessions):
        context.report(session, sessions, f"{recorder.fields.id} session {session + 1}")
        rows = np.concatenate([recorder.volume(session, pair, native.place)
                               for pair in range((design.per_session + 1) // 2)])[:design.per_session]
        spread = rows.std(0)
        out[session * design.per_session:(session + 1) * design.per_session] = \
            (rows - rows.mean(0)) / np.where(spread > 0, spread, 1)
    return out


def write_native(root: Path, folder: Path, recorder: Recorder, native: Native, betas: np.ndarray,
                 sessions: int) -> None:
    """Write mask, ROIs and ncsnr of a subject where an NSD tree has them, and where its voxels lie beside the truth."""
    subject, design = recorder.fields.id, recorder.design
    place = root / _ROI / subject / "func1pt8mm" / "roi"
    for name, labels in recorder.fields.labels.items():
        values = np.where(native.near >= 0, labels[native.near], -1).astype(np.int16)
        if name == "nsdgeneral":
            values[:] = 0
            values[native.index] = 1
        _save(place / f"{name}.nii.gz", values.reshape(native.shape), native.affine)
        text = "\n".join(f"{i} {label}" for i, label in enumerate(ROI_TABLES[name], 1)) + "\n"
        with atomic_write(root / "nsddata/freesurfer" / subject / "label" / f"{name}.mgz.ctab") as file:
            file.write(text.encode())
    _save(root / _ROI / subject / "transforms" / TO_MNI, to_mni(native), _MNI)
    shown = np.concatenate([design.session(s) for s in range(sessions)])
    images, counts = np.unique(shown, return_counts=True)
    often = images[(counts > 1) & (images < design.test)]
    if often.size:
        rank = np.full(design.test + design.train, design.test + design.train)
        rank[often] = np.arange(often.size)
        estimate = CeilingEstimate(often.size, native.index.size)
        for s in range(sessions):
            part = slice(s * design.per_session, (s + 1) * design.per_session)
            estimate.add(betas[part].astype(np.float32), rank[shown[part]])
        volume = np.full(native.near.size, np.nan, np.float32)
        volume[native.index] = estimate.ncsnr()
        _save(root / _NCSNR / subject / "func1pt8mm" / "betas_fithrf_GLMdenoise_RR" / "ncsnr.nii.gz",
              volume.reshape(native.shape), native.affine)
    with atomic_write(folder / f"{subject}_native.npz") as file:
        np.savez_compressed(file, shape=np.array(native.shape), affine=native.affine, rigid=native.rigid,
                            index=native.index, vertex=native.vertex, distance=native.distance)


def to_mni(native: Native) -> np.ndarray:
    """Return NSD's kind of transform, (91, 109, 91, 3) float32: the 1-based place of every MNI voxel of 2 mm.

    What lies outside the subject's grid has no source (9999).
    """
    grid = np.indices(_MNI_SHAPE).reshape(3, -1)
    places = (np.linalg.inv(native.affine) @ native.rigid @ _MNI @ np.vstack([grid, np.ones(grid.shape[1])]))[:3].T
    outside = ((places < -0.5) | (places > np.array(native.shape) - 0.5)).any(1)
    places[outside] = NOWHERE - 1
    return (places + 1).astype(np.float32).reshape(*_MNI_SHAPE, 3)


def _save(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(values, affine)  # type: ignore[attr-defined]
    image.header.set_xyzt_units("mm")
    with atomic_path(path, suffix=".nii.gz") as temporary:
        image.to_filename(temporary)


def padded(rows: np.ndarray) -> np.ndarray:
    """Return (3, V) of 1 to 3 showings: one is repeated, of two the mean is the third."""
    if len(rows) == 1:
        return np.repeat(rows, 3, 0)
    if len(rows) == 2:
        return np.concatenate([rows, rows.astype(np.float32).mean(0, keepdims=True).astype(rows.dtype)])
    return rows[:3]


def sample_members(betas: np.ndarray, picture: bytes | None, stimulus: int, trial: int,
                   repeats: int) -> dict[str, bytes]:
    """Return the members of one sample by extension: betas (3, V), picture, and the three index arrays."""
    members = {"coco73k.npy": _npy(np.array([stimulus])), "nsdgeneral.npy": _npy(betas),
               "num_uniques.npy": _npy(np.array([repeats])), "trial.npy": _npy(np.array([trial]))}
    return members if picture is None else {**members, "jpg": picture}


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def write_tar(path: Path, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> None:
    """Write an uncompressed tar of (key, members by extension), members in alphabetical order."""
    with atomic_path(path, suffix=".tar") as part:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for key, members in samples:
                for extension in sorted(members):
                    info = tarfile.TarInfo(f"{key}.{extension}")
                    info.size = len(members[extension])
                    tar.addfile(info, io.BytesIO(members[extension]))


def write_samples(root: Path, design: Design, subject: int, betas: np.ndarray, pictures: Mapping[int, bytes],
                  seed: int) -> dict[str, int]:
    """Write the shards of one subject (0-based) and its metadata file; return the samples of each part."""
    shown = design.ordering[:len(betas)]
    base, name = root / "webdataset_avg_split", f"subj{subject + 1:02d}"
    order = np.argsort(shown, kind="stable")
    images, first, counts = np.unique(shown[order], return_index=True, return_counts=True)
    rng = noise.stream(seed, subject, noise.SESSION, 0xFFFF_FFFE)
    # the test pictures are the same in the same order for everyone, their own ones are in any order
    test = noise.stream(seed, 0, noise.SESSION, 0xFFFF_FFFD).permutation(np.flatnonzero(images < design.test))
    own = rng.permutation(np.flatnonzero(images >= design.test))
    held = max(2, round(VALIDATION * own.size))
    totals, number = {}, 0
    for part, rows in (("val", own[:held]), ("train", own[held:]), ("test", test)):
        totals[part] = len(rows)
        for shard in range(-(-len(rows) // SHARD)):
            samples = []
            for row in rows[shard * SHARD:(shard + 1) * SHARD].tolist():
                trials = np.sort(order[first[row]:first[row] + counts[row]])
                stimulus = int(design.ids[subject, images[row]])
                members = sample_members(padded(betas[trials]), pictures[stimulus], stimulus, int(trials[0]),
                                         min(3, int(counts[row])))
                samples.append((f"sample{number:09d}", members))
                number += 1
            write_tar(base / part / f"{part}_{name}_{shard}.tar", samples)
    write_json(base / f"metadata_{name}.json", {"totals": totals})
    return totals


def write_mindeye2(root: Path, design: Design, subject: int, betas: np.ndarray, native: Native) -> None:
    """Write the betas of one subject (0-based), its mask and its behaviour in MindEye-2's layout."""
    name = f"subj{subject + 1:02d}"
    with atomic_path(root / f"betas_all_{name}_fp32_renorm.hdf5", suffix=".hdf5") as part, h5py.File(part, "w") as file:
        file.create_dataset("betas", data=betas.astype(np.float32))
    mask = np.zeros(native.near.size, bool)
    mask[native.index] = True
    with atomic_write(root / f"vox_include_{name}.npy") as out:
        np.save(out, mask, allow_pickle=False)
    stimulus = design.ids[subject][design.ordering]
    shared = np.isin(design.ordering, np.arange(design.test))
    base = root / "wds" / name
    for session in range(design.sessions):
        rows = np.arange(session * design.per_session, (session + 1) * design.per_session)
        write_tar(base / "train" / f"{session}.tar",
                  [_behaviour(design, subject, t, stimulus) for t in rows[~shared[rows]].tolist()])
    write_tar(base / "new_test" / "0.tar",
              [_behaviour(design, subject, t, stimulus) for t in np.flatnonzero(shared).tolist()])


def _behaviour(design: Design, subject: int, trial: int, stimulus: np.ndarray) -> tuple[str, dict[str, bytes]]:
    """Return the behaviour of a trial and of those around it: (1 | 15 | 15 | 3, 17) float64, -1 = missing."""

    def row(t: int) -> np.ndarray:
        out = np.full(17, -1.0)
        if 0 <= t < design.ordering.size:
            session, place = divmod(t, design.per_session)
            old = float(design.repetition[t] > 0)
            out[:9] = [stimulus[t], subject + 1, session + 1, 1, place + 1, t, 4.0 * t, old, 1]
            out[11:17] = [old, 1, 1, 1, 1 + old, float(design.ordering[t] < design.test)]
        return out

    earlier = np.flatnonzero(stimulus[:trial] == stimulus[trial]).tolist()[-3:]
    blocks: dict[str, Any] = {"behav": [trial], "past_behav": range(trial - 1, trial - 16, -1),
                              "future_behav": range(trial + 1, trial + 16), "olds_behav": (earlier + [-1] * 3)[:3]}
    return f"sample{trial:09d}", {f"{k}.npy": _npy(np.stack([row(t) for t in v])) for k, v in blocks.items()}


def write_coco_images(root: Path, design: Design, pictures: Mapping[int, bytes], *,
                      context: JobContext = QUIET) -> None:
    """Write ``coco_images_224_float16.hdf5``, ``COCO_73k_subj_indices.hdf5`` and ``shared1000.npy``."""
    path = root / "coco_images_224_float16.hdf5"
    if not path.is_file():
        with atomic_path(path, suffix=".hdf5") as part, h5py.File(part, "w") as file:
            store = file.create_dataset("images", (design.images, 3, 224, 224), np.float16, chunks=(1, 3, 224, 224),
                                        compression="gzip", compression_opts=1)
            for number, (stimulus, packed) in enumerate(sorted(pictures.items())):
                if number % 50 == 0:
                    context.report(number, design.images, "writing pictures")
                pixels = np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"), np.float32) / 255
                store[stimulus] = pixels.transpose(2, 0, 1).astype(np.float16)
    with atomic_path(root / "COCO_73k_subj_indices.hdf5", suffix=".hdf5") as part, h5py.File(part, "w") as file:
        for subject in range(design.subjects):
            file.create_dataset(f"subj{subject + 1:02d}", data=design.ids[subject][design.ordering])
    with atomic_write(root / "shared1000.npy") as out:
        np.save(out, np.isin(np.arange(design.images), design.shared), allow_pickle=False)


def write_subject(root: Path, folder: Path, layout: str, recorder: Recorder, pictures: Mapping[int, bytes], *,
                  context: JobContext = QUIET) -> None:
    """Write everything of one subject; `folder` is that of the truth."""
    design = recorder.design
    sessions = released(design) if layout == "mindeye" else design.sessions
    native = native_grid(recorder.seed, recorder.fields)
    betas = betas_of(recorder, native, sessions, context=context)
    write_native(root, folder, recorder, native, betas, sessions)
    if layout == "mindeye":
        write_samples(root, design, recorder.fields.index, betas, pictures, recorder.seed)
    else:
        write_mindeye2(root, design, recorder.fields.index, betas, native)


def write_rest(root: Path, layout: str, design: Design, pictures: Mapping[int, bytes], *,
               context: JobContext = QUIET) -> None:
    """Write what all subjects share: the experiment's tables, and MindEye-2's pictures."""
    write_experiment(root, design)
    if layout == "mindeye2":
        write_coco_images(root, design, pictures, context=context)
