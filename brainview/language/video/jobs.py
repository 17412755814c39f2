"""Jobs of the film systems that the window and the command submit by name; they return plain types, maps and arrays."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.files import read_json, read_text, regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.registry import open_dataset
from brainview.training.run import RunFolder

#: Systems of this package.
SYSTEMS = ("sc-mbm", "video-text")
#: Volumes drawn beside a clip: from one before it begins to six after.
BEFORE, VOLUMES = 1, 8


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of a film run at once: its card and held-out people."""
    folder = _open(run)
    card = folder.card("last")
    return {"run": str(run), "card": card, "phantom": card["phantom"], "subjects": list(card["subjects"])}


def _open(run: str) -> RunFolder:
    folder = RunFolder.open(run)
    if folder.system not in SYSTEMS:
        raise MissingError(f"is a {folder.system} run, a film run was expected", where=run)
    return folder


def _texts(folder: RunFolder) -> list[dict[str, Any]]:
    file = folder.path / "texts.jsonl"
    if not file.is_file():
        raise MissingError("holds no texts of test brains", where=folder.path, remedy="Train it to the end.")
    return [json.loads(line) for line in read_text(file).splitlines() if line.strip()]


def film(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the film page shows of a run.

    Returns
    -------
    dict with ``evaluation`` (see ``outcome.evaluate_run``), ``trials`` (subject -> rows of texts in order), ``plane``
    (people, categories, part, and UMAP coordinates before and after adaptation), ``questions`` (key -> question),
    ``anchors``, ``departures``.
    """
    from safetensors import safe_open

    from brainview.language.video.config import DEPARTURES
    from brainview.language.video.evaluation import ANCHORS, anchor_means

    folder = _open(run)
    if folder.system != "video-text":
        raise MissingError("is masked pretraining alone, which says nothing yet", where=run,
                           remedy="Train video-text with --set mbm_weights=RUN.")
    evaluation = read_json(regular_file(folder.path / "evaluation.json"))
    trials: dict[str, list[dict[str, Any]]] = {}
    for row in _texts(folder):
        trials.setdefault(row["subject"], []).append(row)
    plane: dict[str, Any] = {}
    file = folder.path / "features.safetensors"
    if file.is_file():
        with safe_open(str(file), framework="numpy") as stored:
            plane = {k: stored.get_tensor(k) for k in ("subject", "category", "part", "umap.before", "umap.after")}
            plane["people"] = (stored.metadata() or {}).get("people", "").split(",")
        plane["categories"] = _labels(folder)
    anchors = {name: anchor_means(name) | {"note": str(table["note"])} for name, table in ANCHORS.items()}
    from brainview.language.video.teacher import read_questions

    asked = [k.strip() for k in str(folder.config.get("ask", "")).split(",") if k.strip()]
    questions = {k: v for k, v in read_questions(folder.config.get("questions") or None).items()
                 if not asked or k in asked}
    return {"run": str(run), "evaluation": evaluation, "questions": questions, "trials": trials, "plane": plane,
            "anchors": anchors, "departures": {k: list(v) for k, v in DEPARTURES.items()}, "card": folder.card("last")}


def _labels(folder: RunFolder) -> list[str]:
    dataset: Any = open_dataset(folder.story["data"])
    return [dataset.mapping.labels.get(k, k) for k in dataset.categories]


def film_trial(run: str, subject: str, row: int, size: int = 192, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the clip of one test trial and the brain's response round it.

    Parameters
    ----------
    row : int
        Row of the subject's trials, as in ``texts.jsonl``.
    size : int
        Longer side of the frames.

    Returns
    -------
    dict with ``frames`` ((n, h, w, 3) uint8 or None), ``rate`` (per second), ``problem`` (why there is no clip),
    ``maps`` (BrainMaps, z-scored), ``times`` (seconds from clip onset to the middle of each volume), ``tr``,
    ``duration`` (s), ``label``, ``stimulus``, ``kind`` (``volumes`` or ``beta``).
    """
    folder = _open(run)
    dataset: Any = open_dataset(folder.story["data"])
    person = dataset.subject(subject, folder.config.get("route", "betas"))
    if not 0 <= row < len(person.trials):
        raise MissingError(f"{subject} has no trial {row}", where=run)
    stimulus = int(person.trials.stimulus[row])
    frames, rate, problem = None, 8.0, ""
    try:
        frames, rate = dataset.stimuli.clip(stimulus, 0, size)
    except BrainViewError as err:
        problem = str(err)
    onset, duration = (float(person.trials.extra[k][row]) for k in ("onset", "duration"))
    maps, times, tr, kind = _responses(dataset, person, subject, row, onset, context)
    return {"frames": frames, "rate": float(rate), "problem": problem, "maps": maps, "times": times, "tr": tr,
            "duration": duration, "label": dataset.stimuli.label(stimulus), "stimulus": stimulus, "kind": kind}


def _responses(dataset: Any, person: Any, subject: str, row: int, onset: float,
               context: JobContext) -> tuple[list[Any], list[float], float, str]:
    """Return z-scored volumes round a trial, or its beta where no series is here."""
    run_number = int(person.trials.extra["run_number"][row])
    for series in dataset.mapping.series:
        files = dataset.series_files(subject, series)
        if run_number not in files or ("volume" in series.name) != (person.variant in ("volume", "raw")):
            continue
        tr = dataset.tr(files[run_number])
        one = {run_number: files[run_number]}
        windows = dataset.windowed(subject, series, one, first=-BEFORE, count=VOLUMES)
        windows.prepare(context=context)
        place = int(np.flatnonzero(windows.trials.stimulus == person.trials.stimulus[row])[0])
        values = windows.responses.window_rows(np.array([place]))[0]
        first = int(np.floor(onset / tr)) - BEFORE
        times = [(first + i + 0.5) * tr - onset for i in range(VOLUMES)]
        limit = float(np.percentile(np.abs(values), 99.5)) or 1.0
        maps = [windows.map(v, f"{subject}, {t:+.1f} s", units="z", kind="diverging", limits=(-limit, limit),
                            definition="One volume: drift taken out, z-scored within its run; seconds from the clip's "
                            "onset to the middle of the volume.") for v, t in zip(values, times, strict=True)]
        return maps, times, tr, "volumes"
    values = np.nan_to_num(person.responses.rows(np.array([row]))[0])
    limit = float(np.percentile(np.abs(values), 99.5)) or 1.0
    found = person.map(values, f"{subject}, single-trial beta", units="z", kind="diverging", limits=(-limit, limit),
                       definition="Single-trial GLM estimate, z-scored within its cycle.")
    return [found], [5.0], 0.0, "beta"


def film_ask(run: str, subject: str, row: int, questions: list[str] | None = None, *,
             context: JobContext = QUIET) -> dict[str, Any]:
    """Ask every question (or those named) about one brain; see :func:`describe` for the rows."""
    return describe(run, subject=subject, rows=[row], prompts=questions, support=True, context=context)


def describe(run: str, *, stimulus: int | None = None, subject: str | None = None, rows: list[int] | None = None,
             prompts: list[str] | None = None, limit: int = 10, support: bool = False,
             context: JobContext = QUIET) -> dict[str, Any]:
    """Return what brains say, in words, beside the teacher's answers.

    Parameters
    ----------
    stimulus : int, optional
        The clip; without it the first `limit` test trials of every held-out person (or of `subject`).
    rows : list of int, optional
        Rows of `subject`'s trials.
    prompts : list of str, optional
        Keys of known questions, or any question in words; default: all known ones for a single trial, the first one
        for several.
    support : bool
        Add for every piece of text the log likelihood ratio with this brain against with the mean brain.

    Returns
    -------
    dict with ``rows``: ``subject, row, stimulus, clip, category, question, text, reference`` ("" = nobody answered
    that), ``support``; and ``references``, ``phantom``, ``run``.
    """
    from brainview.language.video.speaking import Speaker

    folder = _open(run)
    speaker = _speaker(str(folder.path), str(folder.card("last").get("generation")))
    assert isinstance(speaker, Speaker)
    picked = speaker.pick(stimulus, subject, rows, limit)
    asked = speaker.questions(prompts, single=len(picked) == 1)
    out = []
    for number, (person, row) in enumerate(picked):
        for key, question in asked:
            context.report(number, len(picked), f"{person}: {question}")
            out.append(speaker.say(person, row, key, question, support=support))
    return {"run": str(run), "phantom": bool(folder.story.get("phantom")), "rows": out,
            "references": speaker.parts.lesson.answers.story()}


@lru_cache(maxsize=1)
def _speaker(run: str, generation: str) -> Any:
    from brainview.language.video.speaking import Speaker

    return Speaker.load(Path(run))
