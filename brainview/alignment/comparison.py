"""Systems and settings of alignment side by side: one row per cell, subject and direction, each beside its controls.

A cell is a system with settings; its run folder is a folder of `out`, so that an interrupted table goes on. Everything
is read back from the stored test embeddings: recall with a bootstrap interval over queries, chance, shuffled brains,
and the paired difference to a reference cell on the same queries (what is below it is said, not left to the eye).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.alignment.jobs import load_embeddings
from brainview.alignment.retrieval import DIRECTIONS, ranks, score_ranks, shuffled
from brainview.core.errors import MissingError
from brainview.core.files import atomic_write, read_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.systems import SYSTEMS, load
from brainview.training.run import RunFolder

#: Bootstrap draws of the paired difference.
DRAWS = 2000


@dataclass(frozen=True)
class Cell:
    """One line of a table: a system and what is set over its defaults."""

    name: str
    system: str
    options: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Name of the run folder below the table's."""
        return re.sub(r"[^\w.+-]+", "-", self.name).strip("-")


#: The compared methods with the settings that a phantom of some hundred images bears; the first is the reference.
METHODS = (Cell("ridge-clip", "ridge-clip", {"preset": "demo"}),
           Cell("ridge-clip pooled", "ridge-clip", {"preset": "pooled"}),
           Cell("whole-brain", "whole-brain", {"preset": "demo"}),
           Cell("mindeye", "mindeye", {"preset": "small"}), Cell("mindeye2", "mindeye2", {"preset": "small"}),
           Cell("tgbd", "tgbd", {"preset": "small"}), Cell("ridge-clip plain", "ridge-clip", {"preset": "plain"}),
           Cell("mindeye from scratch", "mindeye", {"preset": "scratch"}),
           Cell("mindeye2 from scratch", "mindeye2", {"preset": "scratch"}))
#: What is varied in the ablation table, one thing at a time; the first is the reference.
ABLATIONS: dict[str, dict[str, Any]] = {
    "image and text, whole brain": {}, "image only": {"targets": "image"}, "text only": {"targets": "text"},
    "visual cortex": {"region": "nsdgeneral"}, "captions of the set": {"captions": "captions"},
    "first caption": {"captions": "first"},
}


def methods(names: Sequence[str] | None = None) -> list[Cell]:
    """Return the cells of some systems (all by default), the reference first."""
    known = {cell.name: cell for cell in METHODS}
    for name in names or ():
        if name not in known:
            raise MissingError(f"no compared method is called {name!r}", remedy="Known: " + ", ".join(known) + ".")
    return [cell for cell in METHODS if names is None or cell.name in names]


def ablations(system: str, *, regions: Iterable[str] = (), captions: Iterable[str] = ()) -> list[Cell]:
    """Return the cells of the ablation table of one system, with further regions and sources of captions.

    Ridge fits each target by itself, so the rows of one modality would repeat those of both and are left out.
    """
    wanted = dict(ABLATIONS)
    wanted |= {f"region {r}": {"region": r} for r in regions} | {f"texts {c}": {"captions": c} for c in captions}
    own = next((dict(cell.options) for cell in METHODS if cell.system == system), {})
    return [Cell(f"{system}: {name}", system, {**own, **options}) for name, options in wanted.items()
            if not (system == "ridge-clip" and "targets" in options)]


def train_cells(path: str, out: Path, cells: Sequence[Cell], subjects: list[str] | None = None, *,
                options: Mapping[str, Any] | None = None, context: JobContext = QUIET) -> list[tuple[Cell, Path]]:
    """Train what is missing of every cell; return each with its run folder."""
    done = []
    for number, cell in enumerate(cells):
        context.log(f"{cell.name} ({number + 1} of {len(cells)})")
        entry = SYSTEMS[cell.system]
        own = dict(cell.options)
        preset = load(entry.presets).PRESETS[own.pop("preset")] if "preset" in own else {}
        stage = Stage(context, number / len(cells), (number + 1) / len(cells), cell.name)
        load(entry.module).train(path, out / cell.folder, subjects=subjects,
                                 options={**preset, **own, **(options or {})}, context=stage)
        done.append((cell, out / cell.folder))
    return done


def rows_of(cells: Sequence[tuple[Cell, Path]], *, seed: int = 0, draws: int = DRAWS) -> list[dict[str, Any]]:
    """Return one row per cell, subject and direction over the whole test gallery.

    ``R@1`` etc. with ``low``/``high`` (bootstrap 95 % over queries), ``chance``, ``shuffled``, and for all cells but
    the first ``minus reference`` with its paired interval (the same queries, where the test images are the same).
    """
    rows: list[dict[str, Any]] = []
    reference: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for number, (cell, path) in enumerate(cells):
        folder = RunFolder.open(path)
        for subject in folder.card("last")["finished"]:
            place = folder.path / "subjects" / subject
            story = read_json(place / "result.json")
            ids, held = load_embeddings(place)
            views = {"image": (held.to_image, held.image), "text": (held.to_text, held.text)}
            for direction, (source, _) in DIRECTIONS.items():
                kind = "image" if "image" in direction else "text"
                brain, other = views[kind]
                pair = (brain, other) if source == "brain" else (other, brain)
                mixed = shuffled(brain, seed=seed)
                control = (mixed, other) if source == "brain" else (other, mixed)
                found = ranks(*pair)
                score = score_ranks(found, len(ids), direction, "all", seed=seed).row()
                row = {"cell": cell.name, "system": cell.system, "subject": subject, "direction": direction,
                       "gallery": len(ids), "queries": len(found), "R@1": score["R@1"], "low": score["R@1 low"],
                       "high": score["R@1 high"], "R@5": score["R@5"], "R@10": score["R@10"],
                       "chance": score["R@1 chance"], "shuffled": float((ranks(*control) == 0).mean()),
                       "train images": story["metrics"]["train_images"], "voxels": story["metrics"]["voxels"],
                       "best epoch": story["story"].get("best_epoch"), "CPU s": story.get("cpu_seconds")}
                if number == 0:
                    reference[subject, direction] = ids, found
                rows.append(row | _difference(found, ids, reference.get((subject, direction)), number, seed, draws))
    return rows


def _difference(found: np.ndarray, ids: np.ndarray, reference: tuple[np.ndarray, np.ndarray] | None, number: int,
                seed: int, draws: int) -> dict[str, Any]:
    """Return R@1 minus the reference's with a paired bootstrap interval, Nones where there is nothing to compare."""
    empty = {"minus reference": None, "minus low": None, "minus high": None}
    if number == 0 or reference is None or not np.array_equal(reference[0], ids):
        return empty
    apart = (found == 0).astype(np.float32) - (reference[1] == 0)
    picks = np.random.default_rng(seed).integers(0, len(apart), (draws, len(apart)))
    low, high = np.percentile(apart[picks].mean(1), [2.5, 97.5])
    return {"minus reference": float(apart.mean()), "minus low": float(low), "minus high": float(high)}


def over_subjects(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return per cell the mean R@1 over subjects in every direction, the least subject, and the mean of the control."""
    out = []
    for cell in dict.fromkeys(r["cell"] for r in rows):
        own = [r for r in rows if r["cell"] == cell]
        entry: dict[str, Any] = {"cell": cell, "subjects": len({r["subject"] for r in own})}
        for direction in DIRECTIONS:
            values = [r["R@1"] for r in own if r["direction"] == direction]
            entry[direction] = float(np.mean(values))
            entry[f"{direction} least"] = float(np.min(values))
        out.append(entry | {"chance": own[0]["chance"], "shuffled": float(np.mean([r["shuffled"] for r in own]))})
    return out


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line per cell on where it is below or above the reference, as far as the paired interval says so."""
    lines = []
    reference = rows[0]["cell"] if rows else ""
    for cell in dict.fromkeys(r["cell"] for r in rows if r["minus reference"] is not None):
        own = [r for r in rows if r["cell"] == cell]
        below, above = ([f"{r['subject']} {r['direction']} ({r['minus reference']:+.3f})" for r in own if test(r)]
                        for test in (lambda r: r["minus high"] < 0, lambda r: r["minus low"] > 0))
        words = [f"BELOW {reference}: " + ", ".join(below)] if below else []
        words += [f"above {reference}: " + ", ".join(above)] if above else []
        lines.append(f"{cell}: " + ("; ".join(words) or f"no difference to {reference} that the interval shows"))
    return lines


def clip_alone(path: str, clip: str, sources: Sequence[str], *, val: float = 0.1, test: float = 0.1,
               context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return how well CLIP alone finds the text of a test picture and the other way, per source of captions (Fig. 11).

    No brain takes part: it bounds what any brain can reach through these targets.
    """
    from brainview.alignment.brains import mni_subject
    from brainview.alignment.targets import make_targets
    from brainview.datasets.registry import open_dataset
    from brainview.datasets.splits import make_split
    from brainview.features.clip_pair import load_clip

    dataset = open_dataset(path)
    names = list(dataset.subjects)
    split = make_split(dataset, names, val=val, test=test, seed=0)
    ids = split.of(mni_subject(dataset, names[0]), "test")
    model, rows = load_clip(clip), []
    for source in sources:
        held = make_targets(model, dataset.stimuli, ids, source=source, context=context)
        for way, a, b in (("image→text", held.image, held.text), ("text→image", held.text, held.image)):
            score = score_ranks(ranks(a, b), len(ids), way, "all").row()
            rows.append({"clip": clip, "texts": held.story["caption_source"], "direction": way, "gallery": len(ids),
                         "R@1": score["R@1"], "low": score["R@1 low"], "high": score["R@1 high"],
                         "R@5": score["R@5"], "R@10": score["R@10"], "chance": score["R@1 chance"],
                         "texts cut": held.story["texts_cut"]})
    return rows


def write_csv(rows: Sequence[Mapping[str, Any]], file: Path) -> Path:
    """Write rows with the columns of the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as out:
        out.write(text.getvalue().encode())
    return file


def recall_curves(runs: Mapping[str, str | Path], subject: str | None = None) -> dict[str, dict[str, np.ndarray]]:
    """Return name -> direction -> (gallery,) recall at k = 1 ..., of one subject or the mean over a run's subjects."""
    out: dict[str, dict[str, np.ndarray]] = {}
    for name, path in runs.items():
        folder = RunFolder.open(path)
        people = folder.card("last")["finished"]
        if subject is not None and subject not in people:
            raise MissingError(f"has no finished subject {subject!r}", where=path)
        curves: dict[str, list[np.ndarray]] = {}
        for person in [subject] if subject else people:
            ids, held = load_embeddings(folder.path / "subjects" / person)
            for direction, (source, _) in DIRECTIONS.items():
                brain, other = (held.to_image, held.image) if "image" in direction else (held.to_text, held.text)
                found = ranks(*((brain, other) if source == "brain" else (other, brain)))
                curves.setdefault(direction, []).append((found[:, None] < np.arange(1, len(ids) + 1)).mean(0))
        out[name] = {way: np.mean([c[:min(map(len, cs))] for c in cs], axis=0) for way, cs in curves.items()}
    return out
