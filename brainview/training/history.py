"""Reading runs back for people: curves, where a run stands, its card, what it cost. Nothing here loads weights."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.files import read_json, write_json
from brainview.core.systems import SYSTEMS
from brainview.training.run import RunFolder

#: Columns that count, in the order in which one is taken as the x axis.
AXES = ("epoch", "step")
#: Columns that are neither a loss nor a score.
ASIDE = ("lr", "seconds", "generation", "n", "images", "train_images", "voxels", "n_scored", "time")
#: Points of one curve that leave the worker.
POINTS = 2000


def parts_of(run: Path) -> list[tuple[str, Path]]:
    """Return (name, folder) of every part of a run that is a run itself, in the order of their names."""
    out = []
    for above in ("subjects", "stages", "parts"):
        folder = run / above
        if folder.is_dir():
            out += [(p.name, p) for p in sorted(folder.iterdir()) if (p / "run.json").is_file()]
    return out


def curves(run: os.PathLike | str) -> dict[str, Any]:
    """Return the curves of a run and of its parts.

    Keys: ``run, system, parts`` (rows of ``name, x, axis, columns`` {name: values}, ``best`` (x of the best
    checkpoint or None)), ``table`` (rows of a history that counts subjects instead of steps).
    """
    folder = RunFolder.open(run)
    parts, table = [], []
    for name, place in [("", folder.path), *parts_of(folder.path)]:
        rows = RunFolder.open(place).history()
        axis = next((a for a in AXES if rows and isinstance(rows[0].get(a), (int, float))), None)
        if axis is None:
            table += rows if not name else []
        else:
            parts.append(_part(name, place, axis, rows))
    return {"run": str(folder.path), "system": folder.system, "parts": parts, "table": table}


def _part(name: str, place: Path, axis: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [r for r in rows if isinstance(r.get(axis), (int, float))]
    stride = max(1, math.ceil(len(rows) / POINTS))
    kept = rows[::-1][::stride][::-1]  # the last point always stays
    names = [k for k in (rows[0] if rows else {}) if k != axis
             and any(isinstance(r.get(k), (int, float)) for r in kept)]
    columns = {k: [_number(r.get(k)) for r in kept] for k in names}
    return {"name": name, "axis": axis, "x": [_number(r[axis]) for r in kept], "columns": columns,
            "best": _best(place, axis, rows)}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _best(place: Path, axis: str, rows: list[dict[str, Any]]) -> float | None:
    """Return where the best checkpoint stands: what its card says."""
    for folder in (place, place / "model"):  # where all subjects share a model, its checkpoints lie in a folder of it
        try:
            value = _number(RunFolder.open(folder).card("best").get(axis))
        except BrainViewError:
            continue
        if any(r[axis] == value for r in rows):
            return value
    return None


def standing(path: Path) -> dict[str, Any]:
    """Return where one run stands: plain types for the list of runs. Raises BrainViewError when it is no run."""
    folder = RunFolder.open(path)
    story, config = folder.story, folder.config
    card = _card_or_none(folder)
    subjects = list(config.get("subjects") or [])
    done = list((card or {}).get("finished") or [])
    return {"path": str(folder.path), "name": folder.path.name, "system": folder.system,
            "dataset": str(story.get("dataset", "")), "phantom": bool(story.get("phantom", False)),
            "finished": _complete(card, subjects, done), "subjects": subjects,
            "usable": card is not None or _shows_checkpoints(folder),
            "done": done, "progress": _progress(folder, config, done), "begun": str(story.get("begun", "")),
            "when": _when(folder.path), "metrics": dict((card or {}).get("metrics") or {}),
            "config": config, "data": str(story.get("data", "")), "cost": cost_of(folder.path)}


def _shows_checkpoints(folder: RunFolder) -> bool:
    """Tell whether a stopped training of this system can be looked at: encoding models show their best checkpoint."""
    entry = SYSTEMS.get(folder.system)
    return entry is not None and entry.dock == "encoding" and (folder.path / "model" / "pointer.json").is_file()


def _card_or_none(folder: RunFolder) -> dict[str, Any] | None:
    try:
        return folder.card("last")
    except BrainViewError:
        return None


def _complete(card: dict[str, Any] | None, subjects: list[str], done: list[str]) -> bool:
    if card is None:
        return False
    if "complete" in card:
        return bool(card["complete"])
    return set(subjects) <= set(done) if done else "epoch" not in card


def _when(path: Path) -> float:
    """Return when something was last written."""
    files = [path / "history.csv", path / "pointer.json", path / "run.json",
             *(p / "history.csv" for _, p in parts_of(path))]
    return max(f.stat().st_mtime for f in files if f.exists())


def _progress(folder: RunFolder, config: dict[str, Any], done: list[str]) -> str:
    """Return how far it is in words: the subject under way and its epoch."""
    words = []
    subjects = config.get("subjects") or []
    if len(subjects) > 1:
        words.append(f"{len(done)} of {len(subjects)} subjects")
    under_way = [(n, p) for n, p in parts_of(folder.path) if n not in done] or [("", folder.path)]
    for name, place in under_way[-1:]:
        rows = RunFolder.open(place).history()
        axis = next((a for a in AXES if rows and isinstance(rows[-1].get(a), (int, float))), None)
        if axis is not None:
            of = f" of {config['epochs']}" if axis == "epoch" and "epochs" in config else ""
            words.append(f"{name + ', ' if name else ''}{axis} {rows[-1][axis]:g}{of}")
    return ", ".join(words)


def list_runs(folder: os.PathLike | str, also: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return where every run of a folder and at the paths `also` stands, newest first; what is no run is left out."""
    place = Path(folder)
    out = []
    paths = [*(place.iterdir() if place.is_dir() else []), *map(Path, also)]
    for path in {p.resolve(): p for p in reversed(paths)}.values():  # the folder's own come last: they win
        if path.name.startswith(".") or not (path / "run.json").is_file():
            continue
        try:
            out.append(standing(path))
        except (BrainViewError, OSError):
            continue
    return sorted(out, key=lambda r: -r["when"])


def run_card(run: os.PathLike | str) -> dict[str, Any]:
    """Return everything that is written about a run, in sections of (name, value) rows."""
    folder = RunFolder.open(run)
    entry = standing(folder.path)
    card = _card_or_none(folder) or {}
    story = {k: v for k, v in folder.story.items() if k not in ("config", "format")}
    about = {"system": folder.system, **story, "phantom": entry["phantom"],
             "state": "finished" if entry["finished"] else f"unfinished ({entry['progress'] or 'nothing done yet'})",
             "feature_label": card.get("feature_label"), "folder": str(folder.path)}
    versions = {**dict(card.get("versions") or {})}
    split = card.get("split") if isinstance(card.get("split"), dict) else {"split": card.get("split")}
    sections = [("About", _rows(about)), ("Settings", _rows(folder.config)), ("Split", _rows(split or {})),
                ("Versions", _rows(versions)), ("Cost", _rows(entry["cost"]))]
    for name, place in parts_of(folder.path):
        own = _card_or_none(RunFolder.open(place)) or {}
        skip = ("system", "config", "files", "rois", "stimuli", "versions", "notes", "split", "metrics", "targets")
        sections.append((name, _rows({**{k: v for k, v in own.items() if k not in skip},
                                      **dict(entry["metrics"].get(name) or {})})))
    notes = [str(n) for n in card.get("notes") or []]
    return {"run": str(folder.path), "name": folder.path.name, "phantom": entry["phantom"], "notes": notes,
            "random_weights": bool(card.get("random_weights")), "sections": [s for s in sections if s[1]]}


def _rows(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(str(k), _words(v)) for k, v in values.items() if v is not None and v != ""]


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


# -- what a run costs --------------------------------------------------------------------------------------------


def cost_of(path: Path) -> dict[str, Any]:
    """Return ``seconds`` (over all its sittings) and ``peak_memory`` (bytes) of a run, {} when nobody measured."""
    try:
        found = read_json(path / "cost.json", limit=1 << 16)
    except (BrainViewError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def measured(run: os.PathLike | str) -> Iterator[None]:
    """Add the seconds of the block to the run's ``cost.json``, also when it is interrupted."""
    start = time.monotonic()
    try:
        yield
    finally:
        path = Path(run)
        if (path / "run.json").is_file():
            before = cost_of(path)
            write_json(path / "cost.json", {
                "seconds": round(float(before.get("seconds", 0.0)) + time.monotonic() - start, 1),
                "peak_memory": max(int(before.get("peak_memory", 0)), peak_memory()),
                "sittings": int(before.get("sittings", 0)) + 1})


def peak_memory() -> int:
    """Return the most memory that this process ever held, in bytes; 0 where the system does not tell."""
    try:
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak if sys.platform == "darwin" else peak * 1024)
    except ImportError:
        return 0


def size_on_disk(path: Path) -> int:
    """Return the bytes of the files below a folder; hard links count once."""
    seen: dict[tuple[int, int], int] = {}
    for base, _, names in os.walk(path):
        for name in names:
            facts = os.stat(os.path.join(base, name), follow_symlinks=False)
            seen[facts.st_dev, facts.st_ino] = facts.st_size
    return sum(seen.values())


def discard(run: os.PathLike | str) -> str:
    """Move a run folder beside the others into ``.discarded`` and return where it lies now; nothing is deleted."""
    folder = RunFolder.open(run)
    bin_ = folder.path.parent / ".discarded"
    bin_.mkdir(exist_ok=True)
    target, number = bin_ / folder.path.name, 2
    while target.exists():
        target, number = bin_ / f"{folder.path.name}-{number}", number + 1
    shutil.move(str(folder.path), str(target))
    return str(target)


def restore(discarded: os.PathLike | str) -> str:
    """Bring a discarded run back to where it was; raises MissingError when its place is taken."""
    folder = RunFolder.open(discarded)
    target = folder.path.parent.parent / folder.path.name
    if folder.path.parent.name != ".discarded" or target.exists():
        raise MissingError("cannot go back to where it was", where=folder.path, remedy="Move the folder by hand.")
    shutil.move(str(folder.path), str(target))
    return str(target)
