"""Files of the HAD layout: events, clips, raw and preprocessed volumes, CIFTI series and betas, surfaces.

Names and forms as counted in OpenNeuro ds004488 (tag 1.1.0 and later); see the developers' page "video_to_text", 1.1.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.files import atomic_path, atomic_write, write_json
from brainview.phantom.writers.had_brain import N_SURFACE, TR, VOLUMES, Sheet

SESSION, TASK = "ses-action01", "action"
#: Grid of the shrunken volumes, and its affine: 2 mm voxels, x from right to left as HAD's.
GRID = (10, 10, 8)
AFFINE = np.array([[-2.0, 0, 0, 9.0], [0, 2.0, 0, -9.0], [0, 0, 2.0, -7.0], [0, 0, 0, 1.0]])
_STRUCTURES = ("CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT")


def write_clip(path: Path, frames: np.ndarray, rate: int = 4) -> None:
    """Write (n, h, w, 3) uint8 frames as an H.264 mp4 through PyAV, atomically; sides must be even."""
    import av

    if frames.ndim != 4 or frames.shape[3] != 3 or frames.shape[1] % 2 or frames.shape[2] % 2:
        raise FormatError(f"frames of shape {frames.shape} cannot be written as a clip", where=path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, suffix=".mp4") as temporary, av.open(str(temporary), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def func_folder(root: Path, subject: str) -> Path:
    """Return the folder of a subject's raw runs."""
    return root / subject / SESSION / "func"


def results_folder(root: Path, subject: str) -> Path:
    """Return the folder of a subject's CIFTI files."""
    return root / "derivatives" / "ciftify" / subject / "results"


def write_root(root: Path, subjects: list[str], rng: np.random.Generator) -> None:
    """Write the files at the top: description, README, participants with CRLF line ends, sidecars."""
    write_json(root / "dataset_description.json", {
        "Name": "phantom (HAD layout)", "BIDSVersion": "1.4.1", "License": "CC0", "DatasetType": "raw",
        "Authors": ["BrainView phantom"], "HowToAcknowledge": "Simulated brains; no person was scanned."})
    _text(root / "README", "Simulated brains watching drawn clips, in the layout of ds004488. See phantom_truth/.\n")
    _text(root / "CHANGES", "1.1.1 2023-07-01\n  - layout\n")
    rows = ["participant_id\tage\tsex\thandedness_score"]
    rows += [f"{s}\t{int(rng.integers(18, 30))}\t{'MF'[int(rng.integers(2))]}\t{int(rng.integers(40, 101))}"
             for s in subjects]
    _text(root / "participants.tsv", "\r\n".join(rows) + "\r\n")
    write_json(root / "participants.json", {"age": {"Units": "years"}, "sex": {"Levels": {"M": "male", "F": "female"}}})
    write_json(root / f"task-{TASK}_bold.json", {"TaskName": TASK, "RepetitionTime": TR, "EchoTime": 0.034,
                                                 "FlipAngle": 90, "MultibandAccelerationFactor": 3,
                                                 "PhaseEncodingDirection": "j-", "MagneticFieldStrength": 3})
    write_json(root / f"task-{TASK}_events.json", {
        "onset": {"Units": "s", "Description": "from the first trial; the scan begins 12 s earlier"},
        "response": {"Levels": {"1": "sport", "-1": "not sport"}}})


def write_events(root: Path, subject: str, run: int, rows: dict[str, np.ndarray], *, response: bool = True) -> None:
    """Write one events file (LF line ends, float-formatted categories, ``n/a`` for missing answers).

    Parameters
    ----------
    rows : ``onset, duration`` (s), ``trial_type`` (1-based category), ``response`` (1, -1, NaN), ``response_time``
        (s, NaN), ``stim_file``
    response : bool
        False = as tag 1.0.0, which lacks the two columns of answers.
    """
    names = ["onset", "duration", "trial_type", *(("response", "response_time") if response else ()), "stim_file"]
    lines = ["\t".join(names)]
    for i in range(len(rows["onset"])):
        cells = []
        for name in names:
            value = rows[name][i]
            cells.append(str(value) if name == "stim_file" else "n/a" if np.isnan(value) else repr(float(value)))
        lines.append("\t".join(cells))
    stem = f"{subject}_{SESSION}_task-{TASK}_run-{run:02d}"
    _text(func_folder(root, subject) / f"{stem}_events.tsv", "\n".join(lines) + "\n")
    write_json(func_folder(root, subject) / f"{stem}_bold.json", {"RepetitionTime": TR, "TaskName": TASK})


def write_scans(root: Path, subject: str, runs: int) -> None:
    """Write the table of scans of a session."""
    lines = ["filename\tacq_time"]
    lines += [f"func/{subject}_{SESSION}_task-{TASK}_run-{r:02d}_bold.nii.gz\tn/a" for r in range(1, runs + 1)]
    _text(root / subject / SESSION / f"{subject}_{SESSION}_scans.tsv", "\n".join(lines) + "\n")
    write_json(root / subject / SESSION / f"{subject}_{SESSION}_scans.json", {"acq_time": {"Description": "n/a"}})


def write_confounds(root: Path, subject: str, run: int, rng: np.random.Generator) -> None:
    """Write a confounds table of 156 rows; derivatives begin with ``n/a``."""
    names = ["global_signal", "global_signal_derivative1", "csf", "white_matter", "dvars", "framewise_displacement",
             "trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "cosine00", "cosine01"]
    t = (np.arange(VOLUMES) + 0.5) / VOLUMES
    motion = np.cumsum(0.01 * rng.standard_normal((VOLUMES, 6)), 0)
    moved = np.abs(np.diff(motion, axis=0, prepend=motion[:1])).sum(1)
    fixed = 1e4 + rng.standard_normal((VOLUMES, 5)) * 20
    columns = [*fixed.T, moved, *motion.T, np.cos(np.pi * t), np.cos(2 * np.pi * t)]
    lines = ["\t".join(names)]
    for i in range(VOLUMES):
        lines.append("\t".join("n/a" if i == 0 and n in ("global_signal_derivative1", "dvars", "framewise_displacement")
                               else f"{c[i]:.8g}" for n, c in zip(names, columns, strict=True)))
    path = root / "derivatives" / "fmriprep" / subject
    _text(path / f"{subject}_task-{TASK}_run-{run}_desc-confounds_timeseries.tsv", "\n".join(lines) + "\n")


def brain_models(vertices: tuple[np.ndarray, np.ndarray]) -> Any:
    """Return the BrainModelAxis of some vertices of two surfaces declared with 32,492 vertices."""
    from nibabel import cifti2

    axes = [cifti2.BrainModelAxis.from_surface(v, N_SURFACE, n) for v, n in zip(vertices, _STRUCTURES, strict=True)]
    return axes[0] + axes[1]


def write_series(root: Path, subject: str, run: int, series: np.ndarray, models: Any) -> None:
    """Write the dtseries of one run, (156, locations)."""
    from nibabel import cifti2

    along = cifti2.SeriesAxis(0.0, TR, len(series), "SECOND")
    _cifti(results_folder(root, subject) / f"{SESSION}_task-{TASK}_run-{run}_Atlas.dtseries.nii", series,
           (along, models), "ConnDenseSeries")


def write_betas(root: Path, subject: str, cycle: int, betas: np.ndarray, names: list[str], models: Any) -> None:
    """Write the betas of one cycle (rows by category index) and the clip of every row in ``cycle-k_label.txt``."""
    from nibabel import cifti2

    stem = results_folder(root, subject) / f"{SESSION}_task-{TASK}_cycle-{cycle}"
    _text(Path(f"{stem}_label.txt"), "\n".join(names) + "\n")
    _cifti(Path(f"{stem}_beta.dscalar.nii"), betas, (cifti2.ScalarAxis(names), models), "ConnDenseScalar")


def _cifti(path: Path, values: np.ndarray, axes: tuple[Any, Any], intent: str) -> None:
    import nibabel as nib

    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Cifti2Image(np.asarray(values, np.float32), axes)
    image.nifti_header.set_intent(intent)
    image.update_headers()
    with atomic_path(path, suffix=".nii") as temporary:
        image.to_filename(temporary)


def voxels_of(surface: Sheet, vertices: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return (locations,) flat voxel of the shrunken grid for every listed vertex: its place, squeezed into 10x10x8."""
    points = np.concatenate([(surface.pial[i] + surface.white[i])[v] / 2 for i, v in enumerate(vertices)])
    both = np.concatenate([surface.pial[0], surface.pial[1]])
    low, high = both.min(0), both.max(0) + 1e-3
    cell = ((points - low) / (high - low) * np.array(GRID)).astype(int)
    cell[:, 0] = GRID[0] - 1 - cell[:, 0]
    return np.ravel_multi_index(tuple(cell.T), GRID)


def write_volumes(root: Path, subject: str, run: int, series: np.ndarray, voxel: np.ndarray,
                  rng: np.random.Generator) -> None:
    """Write the raw and the preprocessed volumes of a run: voxels hold the mean series of their vertices."""
    import nibabel as nib

    size = int(np.prod(GRID))
    count = np.bincount(voxel, minlength=size)
    total = np.zeros((size, len(series)), np.float32)
    np.add.at(total, voxel, series.T)
    inside = count > 0
    data = np.zeros((size, len(series)), np.float32)
    data[inside] = total[inside] / count[inside, None] / 10
    data += 8 * rng.standard_normal(data.shape, np.float32) * inside[:, None]
    data[~inside] = np.abs(20 * rng.standard_normal((int((~inside).sum()), len(series))))
    stored = np.clip(np.round(data), -32768, 32767).astype(np.int16).reshape(*GRID, -1)
    padded = func_folder(root, subject) / f"{subject}_{SESSION}_task-{TASK}_run-{run:02d}_bold.nii.gz"
    folder = root / "derivatives" / "fmriprep" / subject
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{subject}_task-{TASK}_run-{run}_desc-preproc_bold"
    for path in (padded, folder / f"{stem}.nii.gz"):
        image = nib.Nifti1Image(stored, AFFINE)
        image.header.set_zooms((2, 2, 2, TR))
        image.header.set_xyzt_units("mm", "sec")
        with atomic_path(path, suffix=".nii.gz") as temporary:
            image.to_filename(temporary)
    write_json(folder / f"{stem}.json", {"DelayTime": 0.1025, "RepetitionTime": TR, "SkullStripped": False,
                                         "TaskName": TASK})


def write_surfaces(root: Path, subject: str, surface: Sheet, first: Path | None = None) -> Path:
    """Write white, pial and inflated surfaces of a subject (links to those of `first`, its folder, when given)."""
    import nibabel as nib
    from nibabel.gifti import GiftiDataArray, GiftiImage

    folder = root / "derivatives" / "ciftify" / subject / "standard_fsLR_surface"
    folder.mkdir(parents=True, exist_ok=True)
    for i, side in enumerate("LR"):
        for part in ("white", "pial", "inflated"):
            path = folder / f"{subject}.{side}.{part}.32k_fs_LR.surf.gii"
            if path.exists():
                continue
            if first is not None:
                same = next(first.glob(f"*.{side}.{part}.32k_fs_LR.surf.gii"))
                try:
                    os.link(same, path)
                except OSError:
                    shutil.copyfile(same, path)
                continue
            points = GiftiDataArray(getattr(surface, part)[i], "NIFTI_INTENT_POINTSET", datatype="NIFTI_TYPE_FLOAT32")
            faces = GiftiDataArray(surface.faces, "NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32")
            with atomic_path(path, suffix=".surf.gii") as temporary:
                nib.save(GiftiImage(darrays=[points, faces]), temporary)
    return folder


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())
