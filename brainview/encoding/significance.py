"""Which locations a model predicts better than chance: permutation p values and the false discovery rate.

Under the null hypothesis a prediction has nothing to do with its image, so predictions are dealt to other test images;
p = (1 + number of shuffles whose r is at least the observed r) / (1 + number of shuffles) (Phipson & Smyth 2010, never
0). Shuffling leaves the sums of squares of both sides as they are, so R² and r have the same order over shuffles and
the same p. q values are Benjamini & Hochberg's (1995), over all locations that have a score.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.files import atomic_write, load_npy
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.paths import cache_dir
from brainview.datasets.cache import key_of
from brainview.encoding.predict import evaluated_ids, open_model, variant_of
from brainview.encoding.ridge.source import scratch
from brainview.encoding.scores import _standard
from brainview.maps.brainmap import BrainMap
from brainview.training.run import RunFolder

#: Shuffles unless told otherwise; the smallest p is then 1 / 1001.
PERMUTATIONS = 1000
CHUNK = 2048
#: What the two maps are.
P_WORDS = ("Chance of a correlation at least this high when predictions are dealt to the wrong test images "
           "(one-sided, {count:,} shuffles of {images:,} images; smallest possible {least:.2g}). "
           "The same for r and R².")
Q_WORDS = ("False discovery rate at which this location becomes significant (Benjamini & Hochberg over {n:,} "
           "locations, from permutation p values of {count:,} shuffles of {images:,} test images).")


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return q values (adjusted p) of any shape; NaN stays NaN and is no test.

    q(i) = min over k >= i of p(k) m / k with the p values in rising order (Benjamini & Hochberg 1995).
    """
    out = np.full(np.shape(p), np.nan)
    good = np.isfinite(p)
    values = np.asarray(p, np.float64)[good]
    order = np.argsort(values)
    ratio = values[order] * values.size / np.arange(1, values.size + 1)
    q = np.empty(values.size)
    q[order] = np.minimum(np.minimum.accumulate(ratio[::-1])[::-1], 1.0)
    out[good] = q
    return out


def permutation_p(measured: np.ndarray, predicted: np.ndarray, *, count: int = PERMUTATIONS, seed: int = 0,
                  context: JobContext = QUIET) -> np.ndarray:
    """Return (locations,) float64 p values of the correlation over images; NaN where either side is constant or has a
    gap.

    Parameters
    ----------
    measured, predicted : (images, locations) arrays
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(measured)) for _ in range(count)]
    out = np.full(measured.shape[1], np.nan)
    for a in range(0, measured.shape[1], CHUNK):
        context.report(a, measured.shape[1], "shuffling test images")
        y = np.ascontiguousarray(_standard(measured[:, a:a + CHUNK]))
        p = np.ascontiguousarray(_standard(predicted[:, a:a + CHUNK]))
        seen = np.einsum("ij,ij->j", y, p)
        good = np.isfinite(seen) & (y != 0).any(0) & (p != 0).any(0)
        at_least = np.zeros(seen.size, np.int64)
        for number, order in enumerate(orders):
            if number % 64 == 0:
                context.check()
            # rounding must not make a shuffle that changes nothing look smaller than what was observed
            at_least += np.einsum("ij,ij->j", y, p[order]) >= seen - 1e-6
        out[a:a + CHUNK] = np.where(good, (1 + at_least) / (1 + count), np.nan)
    return out


def _kept(*parts: object) -> Path:
    """Return where the p values of one subject of a run are kept."""
    folder = cache_dir() / "significance"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{key_of('significance 1', *parts)}.npy"


def significance(run: os.PathLike | str, subject: str, permutations: int = PERMUTATIONS, seed: int = 0, *,
                 context: JobContext = QUIET) -> dict[str, Any]:
    """Return p and q of every location of one subject of an encoding run; kept in the cache, so asked once.

    Returns
    -------
    dict
        ``p, q`` (BrainMap), ``permutations, images, part, tested`` (locations with a p), ``significant`` {level:
        number of locations with q <= level}, ``least`` (smallest possible p), ``note``.

    Raises
    ------
    MissingError
        The run is of no encoding system, or has no such subject.
    """
    folder = RunFolder.open(run)
    parts = folder.path / "subjects" / subject
    if subject not in folder.config.get("subjects", []) or not (parts / "run.json").is_file():
        raise MissingError(f"has no trained subject {subject!r}", where=run,
                           remedy="It has " + ", ".join(folder.config.get("subjects", [])) + ".")
    card = RunFolder.open(parts).card()
    kept = _kept(json.dumps(card["files"], sort_keys=True), subject, int(permutations), int(seed))
    model = open_model(run, context=context)
    person = model.dataset.subject(subject, variant_of(folder))
    if kept.is_file():
        p = load_npy(kept, mmap=False)
    else:
        ids = evaluated_ids(folder, model.dataset, subject, card["part"])
        with scratch((ids.size, person.space.size)) as measured:
            for start, block in person.iterate_means(ids, context=Stage(context, 0.0, 0.2)):
                measured[start:start + len(block)] = block
            predicted = model.predict_stimuli(ids, subject, context=Stage(context, 0.2, 0.4))
            p = permutation_p(measured, predicted, count=permutations, seed=seed, context=Stage(context, 0.4, 1.0))
        with atomic_write(kept) as file:
            np.save(file, p, allow_pickle=False)
    context.report(1, 1, "done")
    return _told(person, p, card, int(permutations), int(seed))


def _told(person: Any, p: np.ndarray, card: dict[str, Any], count: int, seed: int) -> dict[str, Any]:
    q = benjamini_hochberg(p)
    images, tested = int(card["metrics"]["images"]), int(np.isfinite(p).sum())
    words = {"count": count, "images": images, "least": 1 / (1 + count), "n": tested}
    story = {"system": str(card.get("system", "")).removesuffix("-subject"), "part": card["part"], "images": images,
             "permutations": count, "seed": seed, "statistic": "r, one-sided"}

    def drawn(values: np.ndarray, word: str, definition: str) -> BrainMap:
        return person.map(values, f"{word} · {person.id}", units=word.split()[0], limits=(0.0, 0.1),
                          definition=definition, provenance=story)

    found = {str(level): int((q <= level).sum()) for level in (0.05, 0.01, 0.001)}
    note = f"{found['0.05']:,} of {tested:,} locations at q ≤ 0.05, from {count:,} shuffles of {images:,} " \
           f"{card['part']} images."
    if tested and not found["0.001"]:
        note += f" The smallest q is {float(np.nanmin(q)):.2g}; more shuffles may lower it."
    return {"p": drawn(p, "p (permutation)", P_WORDS.format(**words)),
            "q": drawn(q, "q (FDR)", Q_WORDS.format(**words)),
            "permutations": count, "images": images, "part": card["part"], "tested": tested, "significant": found,
            "least": 1 / (1 + count), "note": note}
