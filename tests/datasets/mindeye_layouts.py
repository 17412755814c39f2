"""Miniature sets in MindEye's layouts with planted betas: member names, types and padding as in the originals."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from PIL import Image

GRID = (6, 7, 5)


def npy(array) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def jpeg(code: int, size: int = 64) -> bytes:
    out = io.BytesIO()
    tile = np.random.default_rng(code).integers(0, 255, (4, 4, 3), np.uint8)
    Image.fromarray(tile).resize((size, size), Image.Resampling.NEAREST).save(out, "JPEG", quality=95)
    return out.getvalue()


def sample(stimulus: int, voxels: int, repeats: int = 3) -> dict[str, bytes]:
    rng = np.random.default_rng(stimulus)
    rows = rng.standard_normal((repeats, voxels)).astype(np.float16)
    if repeats == 1:
        rows = np.repeat(rows, 3, 0)
    elif repeats == 2:
        rows = np.concatenate([rows, rows.astype(np.float32).mean(0, keepdims=True).astype(np.float16)])
    return {"coco73k.npy": npy(np.array([stimulus])), "jpg": jpeg(stimulus), "nsdgeneral.npy": npy(rows),
            "num_uniques.npy": npy(np.array([repeats])), "trial.npy": npy(np.array([stimulus * 2]))}


def tar(path: Path, samples, names=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as out:
        for number, members in enumerate(samples):
            key = names[number] if names else f"sample{number:09d}"
            for extension, data in sorted(members.items()):
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
    return path


def repeats_of(stimulus: int) -> int:
    return 1 if stimulus % 7 == 0 else 2 if stimulus % 5 == 0 else 3


def make_mindeye(root: Path, voxels: dict[int, int] | None = None, *, mask: bool = True) -> None:
    """Write train 2 x 6, val 3, test 2 x 4 samples a subject; the test pictures are the same in the same order."""
    for number, count in (voxels or {1: 60, 2: 48}).items():
        base, name = root / "webdataset_avg_split", f"subj{number:02d}"
        parts = {"train": [range(100 * number, 100 * number + 6), range(100 * number + 6, 100 * number + 12)],
                 "val": [range(100 * number + 20, 100 * number + 23)], "test": [[9, 3, 7, 1], [4, 8, 2, 30]]}
        for part, shards in parts.items():
            for shard, ids in enumerate(shards):
                tar(base / part / f"{part}_{name}_{shard}.tar", [sample(i, count, repeats_of(i)) for i in ids])
        (base / f"metadata_{name}.json").write_text(json.dumps({"totals": {"train": 12, "val": 3, "test": 8}}))
        if mask:
            inside = np.zeros(GRID, np.int16)
            inside.flat[np.sort(np.random.default_rng(number).choice(inside.size, count, replace=False))] = 1
            folder = root / "nsddata/ppdata" / name / "func1pt8mm" / "roi"
            folder.mkdir(parents=True)
            affine = np.diag([1.8, 1.8, 1.8, 1.0])
            affine[:3, 3] = (-10, -20, 5)
            nib.Nifti1Image(inside, affine).to_filename(folder / "nsdgeneral.nii.gz")
            nib.Nifti1Image((inside * (np.arange(inside.size).reshape(GRID) % 3)).astype(np.int16), affine).to_filename(
                folder / "prf-visualrois.nii.gz")


def stim_info(path: Path, count: int) -> None:
    """Write the columns of ``nsd_stim_info_merged.csv`` that are used; COCO id = 1000 - 73k id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["cocoId,cocoSplit,nsdId,shared1000"] + [f"{1000 - i},train2017,{i},False" for i in range(count)]
    path.write_text("\n".join(rows) + "\n")


def make_mindeye2(root: Path, voxels: int = 40, trials: int = 24, images: int = 12) -> np.ndarray:
    """Write one subject with two sessions, its wds tars and the pictures; return the image of each trial."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    stimulus = rng.permutation(np.repeat(np.arange(images), trials // images))
    shared = np.arange(images) < 4
    with h5py.File(root / "betas_all_subj01_fp32_renorm.hdf5", "w") as file:
        file["betas"] = rng.standard_normal((trials, voxels)).astype(np.float32)
    with h5py.File(root / "coco_images_224_float16.hdf5", "w") as file:
        file["images"] = (np.arange(images)[:, None, None, None] / 255 * np.ones((1, 3, 8, 8))).astype(np.float16)
    with h5py.File(root / "COCO_73k_subj_indices.hdf5", "w") as file:
        file["subj01"] = np.concatenate([stimulus, stimulus])  # more trials than were released
    np.save(root / "shared1000.npy", shared)
    np.save(root / "vox_include_subj01.npy", np.arange(100) < voxels)

    def behaviour(trial: int) -> dict[str, bytes]:
        row = np.full((1, 17), -1.0)
        row[0, [0, 1, 2, 5]] = [stimulus[trial], 1, 1 + trial // (trials // 2), trial]
        return {"behav.npy": npy(row), "past_behav.npy": npy(np.full((15, 17), -1.0))}

    half = trials // 2
    for session in range(2):
        rows = [t for t in range(session * half, (session + 1) * half) if not shared[stimulus[t]]]
        tar(root / "wds/subj01/train" / f"{session}.tar", [behaviour(t) for t in rows])
    tar(root / "wds/subj01/new_test/0.tar", [behaviour(t) for t in range(trials) if shared[stimulus[t]]])
    return stimulus
