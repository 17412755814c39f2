"""Attribution of many stimuli and subjects, resumable; kept as token scores, one file per subject and setting.

::

    OUT/ index.json                  run, checkpoint, settings and counts of every file
    OUT/subj01-1a2b3c4d.safetensors  ids (n,), scores (n, n_tokens) float32, bits, fit_open, fit_kept (n,)

Voxel maps are made from these by one product; 10,000 stimuli of 174 tokens are 7 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from brainview.attribution.session import LiveAttribution
from brainview.core.errors import BrainViewError, FormatError, MissingError
from brainview.core.files import atomic_path, read_json, regular_file, to_json, write_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.names import shown

INDEX = "index.json"
#: Stimuli between two saves.
SAVE_EVERY = 20
FIGURES = ("bits", "fit_open", "fit_kept")


def attribute_all(run: str | Path, out: str | Path, *, subjects: Sequence[str] | None = None,
                  stimuli: Sequence[int] | None = None, request: dict[str, Any] | None = None,
                  data: str = "", context: JobContext = QUIET) -> list[Path]:
    """Attribute every test stimulus (or `stimuli`) of subjects of a run; what a file holds is not computed again.

    Parameters
    ----------
    run, out : path
    subjects : list of str, optional
        Default: all that the run has.
    request : dict
        Arguments of ``LiveAttribution.attribute`` besides number and stimulus.
    data : str
        The data set, where the run's own place is not here; without it a shipped run has its saved brains only.

    Returns
    -------
    list of Path
        One file per subject.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    names = list(subjects or subjects_of(run))
    files = []
    for k, subject in enumerate(names):
        stage = Stage(context, k / len(names), (k + 1) / len(names), subject)
        files.append(_subject(run, folder, subject, stimuli, dict(request or {}), data, stage))
    return files


def subjects_of(run: str | Path) -> list[str]:
    """Return the trained subjects of a run."""
    home = Path(run) / "subjects"
    found = sorted(p.name for p in home.iterdir() if (p / "run.json").is_file()) if home.is_dir() else []
    if not found:
        raise MissingError("has no trained subject", where=run)
    return found


def _subject(run: str | Path, folder: Path, subject: str, stimuli: Sequence[int] | None, request: dict[str, Any],
             data: str, context: JobContext) -> Path:
    session = LiveAttribution(str(run), subject, data)
    wanted = [int(i) for i in (session.source.test_ids if stimuli is None else stimuli)]
    if not wanted:
        raise MissingError(f"has no saved stimuli of {shown(subject)}", where=run, remedy="Name some by id.")
    digest = hashlib.sha256(to_json([session.source.checkpoint, request]).encode()).hexdigest()[:8]
    file = folder / f"{subject}-{digest}.safetensors"
    done = read_scores(file) if file.is_file() else {}
    have = set(done["ids"].tolist()) if done else set()
    rows: list[dict[str, Any]] = []
    todo = [i for i in wanted if i not in have]
    try:
        for k, stimulus in enumerate(todo):
            context.report(len(wanted) - len(todo) + k, len(wanted), f"stimulus {stimulus}")
            rows.append(session.attribute(k + 1, stimulus, preview=False, context=context, **request))
            if len(rows) >= SAVE_EVERY:
                done, rows = _save(file, done, rows), []
    finally:
        if rows:
            done = _save(file, done, rows)
    story = {"run": str(run), "subject": subject, "checkpoint": session.source.checkpoint, "request": request,
             "phantom": bool(session.source.card.get("phantom", False)), "stimuli": len(done["ids"]),
             "tokens": int(done["scores"].shape[1]), "unit": "bits" if request.get("method", "ibba") == "ibba"
             else "score", "card": {k: session.source.card.get(k) for k in ("subject", "dataset", "metrics", "epoch")}}
    index = read_index(folder) if (folder / INDEX).is_file() else {}
    write_json(folder / INDEX, index | {file.name: story})
    context.report(1, 1, f"{len(done['ids'])} stimuli")
    return file


def _save(file: Path, done: dict[str, np.ndarray], rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    new = {"ids": np.array([r["stimulus"] for r in rows], np.int64), "scores": np.stack([r["scores"] for r in rows]),
           **{k: np.array([r.get(k, np.nan) for r in rows], np.float32) for k in FIGURES}}
    whole = {k: np.ascontiguousarray(np.concatenate([done[k], v]) if done else v) for k, v in new.items()}
    with atomic_path(file) as temporary:
        save_file(whole, temporary)
    return whole


def read_scores(file: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of one file; raises FormatError when it is damaged."""
    path = regular_file(Path(file))
    try:
        arrays = load_file(path)
        sound = {"ids", "scores", *FIGURES} <= set(arrays) and arrays["scores"].ndim == 2 \
            and len({len(v) for v in arrays.values()}) == 1
    except (SafetensorError, OSError) as err:
        raise FormatError(f"is not a sound safetensors file: {shown(err)}", where=file) from err
    if not sound:
        raise FormatError("holds no token scores of stimuli", where=file)
    return arrays


def read_index(folder: Path) -> dict[str, Any]:
    """Return file name -> story."""
    found = read_json(folder / INDEX)
    if not isinstance(found, dict):
        raise FormatError("is no index of token scores", where=folder / INDEX)
    return found


def story_of(file: str | Path) -> dict[str, Any]:
    """Return what the index says of a file."""
    path = Path(file)
    story = read_index(path.parent).get(path.name)
    if not isinstance(story, dict):
        raise BrainViewError("is not in the index beside it", where=path, remedy="Compute it again.")
    return story
