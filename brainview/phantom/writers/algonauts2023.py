"""Write a phantom as an Algonauts 2023 tree (reference: LLM-VEM page, section 1), on fsaverage5.

Per subject: responses z-scored within session and averaged over repeats, PNG pictures named by index and 0-based
NSD id, masks and labels in fsaverage and challenge space, pickled 0-d mappings as the layout has them, and for the test
images responses and ceilings too (what only the organisers hold in the real challenge).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brainview.core.files import atomic_write
from brainview.core.jobs import QUIET, JobContext
from brainview.phantom.anatomy import N_VERTICES, ROI_TABLES
from brainview.phantom.design import Design
from brainview.phantom.responses import CeilingEstimate, Recorder
from brainview.phantom.subjects import SubjectFields

#: Classes of the layout; the phantom's own areas and the semantic set are not part of it.
CLASSES = ("prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams")
_SIDES = (("lh", slice(0, N_VERTICES)), ("rh", slice(N_VERTICES, 2 * N_VERTICES)))


def challenge_mask(people: list[SubjectFields]) -> np.ndarray:
    """Return (20,484,) bool: nsdgeneral of anyone, or RSC (the challenge added it by hand)."""
    places = 1 + ROI_TABLES["floc-places"].index("RSC")
    return np.any([f.visual_mask | (f.labels["floc-places"] == places) for f in people], axis=0)


def write_masks(root: Path, fields: SubjectFields, mask: np.ndarray) -> None:
    """Write the subject's ``roi_masks`` folder: int64 masks and labels, and the mappings."""
    folder = root / fields.id / "roi_masks"
    for side, where in _SIDES:
        inside = mask[where]
        _save(folder / f"{side}.all-vertices_fsaverage_space.npy", inside.astype(np.int64))
        for name in CLASSES:
            labels = np.where(inside, np.maximum(fields.labels[name][where], 0), 0).astype(np.int64)
            _save(folder / f"{side}.{name}_fsaverage_space.npy", labels)
            _save(folder / f"{side}.{name}_challenge_space.npy", labels[inside])
    for name in CLASSES:
        table = {0: "Unknown", **dict(enumerate(ROI_TABLES[name], 1))}
        with atomic_write(folder / f"mapping_{name}.npy") as file:
            np.save(file, np.array(table, dtype=object), allow_pickle=True)  # the layout's own form


def write_pictures(root: Path, design: Design, subject: int, picture: Callable[[int], bytes], *,
                   context: JobContext = QUIET) -> None:
    """Write the PNG files of one subject; `picture` gives the bytes of a 0-based stimulus id.

    A test picture of the first subject is linked, not copied, where the file system can.
    """
    for part, word, ids in _parts(design, subject):
        folder = root / f"subj{subject + 1:02d}" / f"{word}_split" / f"{word}_images"
        folder.mkdir(parents=True, exist_ok=True)
        for row, stimulus in enumerate(ids.tolist()):
            name = f"{part}-{row + 1:04d}_nsd-{stimulus:05d}.png"
            first = root / "subj01" / f"{word}_split" / f"{word}_images" / name
            if row % 20 == 0:
                context.report(row, ids.size, f"pictures of subj{subject + 1:02d}")
            if (folder / name).is_file():
                continue
            if subject > 0 and part == "test" and _linked(first, folder / name):
                continue
            with atomic_write(folder / name) as file:
                file.write(picture(stimulus))


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _parts(design: Design, subject: int) -> list[tuple[str, str, np.ndarray]]:
    ids = design.ids[subject]
    return [("train", "training", np.sort(ids[design.test:])), ("test", "test", np.sort(ids[:design.test]))]


def write_responses(root: Path, recorder: Recorder, mask: np.ndarray, *, context: JobContext = QUIET) -> None:
    """Write training and test responses (float32, C order, rows by ascending NSD id) and the test ceilings.

    Each vertex is z-scored within each session over all its trials (population s.d.), then the showings of an image
    are averaged; ceilings are fractions, float64, estimated from the same single trials for three showings.
    """
    design = recorder.design
    columns = np.flatnonzero(mask)
    total = np.zeros((design.test + design.train, columns.size), np.float32)
    count = np.zeros(len(total), np.int64)
    estimate = CeilingEstimate(design.test, columns.size)
    for session in range(design.sessions):
        context.report(session, design.sessions, f"{recorder.fields.id} session {session + 1}")
        images = design.session(session)
        z = estimate.add(recorder.surface(session)[:, columns], images)
        np.add.at(total, images, z)
        np.add.at(count, images, 1)
    mean = total / count[:, None]
    q2 = np.square(estimate.ncsnr().astype(np.float64))
    ceilings = q2 / (q2 + 1 / 3)
    left = int((columns < N_VERTICES).sum())
    ids = design.ids[recorder.fields.index]
    for part, word, wanted in _parts(design, recorder.fields.index):
        order = np.argsort(ids)[np.searchsorted(np.sort(ids), wanted)]
        for side, where in (("lh", slice(0, left)), ("rh", slice(left, None))):
            folder = root / recorder.fields.id / f"{word}_split"
            _save(folder / f"{word}_fmri" / f"{side}_{word}_fmri.npy", np.ascontiguousarray(mean[order][:, where]))
            if part == "test":
                _save(folder / "noise_ceiling" / f"{side}_noise_ceiling.npy", ceilings[where])


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_write(path) as file:
        np.save(file, array, allow_pickle=False)
