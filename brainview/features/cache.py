"""Features on disk, found by the hash of weights, settings and stimuli; memory-mapped, resumable."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.files import load_npy, read_json, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import cache_dir
from brainview.datasets.types import Stimuli
from brainview.features.types import FeatureSpace

#: Pictures computed between two entries in the progress file.
STEP = 32
#: Pictures whose pixels are part of the fingerprint of the stimuli.
SAMPLED = 16


def fingerprint(stimuli: Stimuli, ids: np.ndarray) -> str:
    """Return a hash of which pictures these are: all ids, and the pixels of up to 16 of them spread over the set.

    Hashing every picture would mean to decode all of them each time; two data sets with the same ids and the same
    sampled pictures are taken to be the same.
    """
    digest = hashlib.sha256(np.ascontiguousarray(ids, np.int64).tobytes())
    for i in np.unique(np.linspace(0, len(ids) - 1, min(SAMPLED, len(ids))).astype(int)):
        image = stimuli.image(int(ids[i])).convert("RGB")
        digest.update(repr(image.size).encode() + image.tobytes())
    return digest.hexdigest()[:24]


def features_for(space: FeatureSpace, stimuli: Stimuli, ids: np.ndarray, *, context: JobContext = QUIET) -> np.ndarray:
    """Return (len(ids), tokens, width) features, memory-mapped; computed once and kept.

    Parameters
    ----------
    space : FeatureSpace
    stimuli : Stimuli
    ids : (n,) stimulus ids, rows of the result in this order

    A cancelled or killed computation goes on where it stopped, because rows are written before they are counted.
    """
    ids = np.asarray(ids, np.int64)
    folder = cache_dir() / "features" / space.key
    file = folder / f"{fingerprint(stimuli, ids)}.npy"
    if file.exists():
        try:
            found = load_npy(file)
            if found.shape[0] == ids.size:
                return found
        except FormatError:
            context.log(f"the cached features {file.name} are damaged and are computed again")
        file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "space.json").exists():
        write_json(folder / "space.json", {"label": space.label, **space.settings})
    with _Claim(file) as part:
        _compute(space, stimuli, ids, part, context)
        os.replace(part, file)
        part.with_suffix(".json").unlink(missing_ok=True)
    return load_npy(file)


def _compute(space: FeatureSpace, stimuli: Stimuli, ids: np.ndarray, part: Path, context: JobContext) -> None:
    """Fill `part` (a .npy under another name), going on from the rows that its side file counts."""
    ledger = part.with_suffix(".json")
    done = int(read_json(ledger).get("done", 0)) if ledger.exists() and part.exists() else 0
    out = np.lib.format.open_memmap(part, mode="r+") if done else None
    while done < ids.size or out is None:
        context.report(done, max(ids.size, 1), f"features: {space.label}")
        stop = min(done + STEP, ids.size)
        rows = space.extract((stimuli.image(int(i)) for i in ids[done:stop]), context=context)
        if not np.isfinite(rows).all():
            raise FormatError(f"gives NaN or infinite features for stimuli {ids[done]}..{ids[stop - 1]}",
                              where=space.name)
        if out is None:
            out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(ids.size, *rows.shape[1:]))
        out[done:stop] = rows
        out.flush()
        done = stop
        write_json(ledger, {"done": done})
    del out


class _Claim:
    """The right to write one file: held by one living process at a time; others write a private copy."""

    def __init__(self, file: Path) -> None:
        self._lock, self._part = file.with_suffix(".lock"), file.with_suffix(".part")
        self._own = False

    def __enter__(self) -> Path:
        for _ in range(2):
            try:
                with open(self._lock, "x") as lock:
                    lock.write(str(os.getpid()))
                self._own = True
                return self._part
            except FileExistsError:
                if self._alive():
                    break
                self._lock.unlink(missing_ok=True)
        return self._part.with_suffix(f".{os.getpid()}.part")

    def __exit__(self, *error: object) -> None:
        if self._own:
            self._lock.unlink(missing_ok=True)

    def _alive(self) -> bool:
        try:
            holder = int(self._lock.read_text() or 0)
            if holder in (0, os.getpid()):
                return holder == 0
            os.kill(holder, 0)
        except (ValueError, ProcessLookupError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True
