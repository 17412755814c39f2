"""Noise ceilings: from ncsnr, from single trials, from split halves, as shipped, or honestly none.

A ceiling here is the share of variance (of r² and R²) that a perfect model could explain in the mean of n trials, as
a fraction 0..1. Sources: NSD data manual and llm_vem.md 4.3 (ncsnr), Lage-Castellanos et al. 2019 (reliability as
ceiling), Nili et al. 2014 (dissimilarity matrices).
"""

from __future__ import annotations

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Ceiling, Subject


def ceiling_of_counts(ncsnr: np.ndarray, once: int, twice: int, thrice: int) -> np.ndarray:
    """Return the ceiling fraction for A images seen three times, B twice and C once.

    NC = ncsnr² / (ncsnr² + (A/3 + B/2 + C) / (A + B + C)) (challenge preparation script; NSD data manual).

    Parameters
    ----------
    ncsnr : (locations,) array, signal s.d. / noise s.d. of single trials
    once, twice, thrice : int
        Images **actually evaluated** with that many trials.
    """
    total = once + twice + thrice
    if min(once, twice, thrice) < 0 or total == 0:
        raise MismatchError(f"a ceiling needs at least one image, got {once}, {twice} and {thrice}")
    repeats = np.repeat([1, 2, 3], [once, twice, thrice])
    value = Ceiling("ncsnr", ncsnr=np.asarray(ncsnr)).for_repeats(repeats)
    assert value is not None
    return value


def evaluated_ceiling(subject: Subject, ids: np.ndarray) -> np.ndarray | None:
    """Return (locations,) the ceiling fraction for these images of this subject, with their own repeats; None = none.

    A ceiling that is only known as a finished fraction is returned as it is: the caller says so.
    """
    return subject.ceiling.for_repeats(subject.repeats(np.asarray(ids, np.int64)))


def shipped_ceiling(values: np.ndarray, *, where: object = None) -> Ceiling:
    """Return a ceiling from a published vector, telling percent (some value above 1.5) from fractions.

    Negative values are 0; NaN stays NaN (no data). Raises FormatError above 105 % or when nothing is finite.
    """
    values = np.array(values, np.float64)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise FormatError("the noise ceiling holds no number", where=where)
    top = float(finite.max())
    unit = "percent" if top > 1.5 else "fraction"
    if unit == "percent":
        values, top = values / 100, top / 100
    if top > 1.05:
        raise FormatError(f"the noise ceiling reaches {top:.0%}, at most 100 % is possible", where=where)
    values[~np.isfinite(values)] = np.nan
    fraction = np.clip(values, 0, 1).astype(np.float32)
    return Ceiling("shipped", fraction=fraction, note=f"As shipped with the data, stored as {unit}.")


def _session_statistics(subject: Subject, rows: np.ndarray, context: JobContext) -> dict[int, tuple]:
    """Return (mean, 1 / s.d.) per session over the trials in `rows`, population s.d., NaN ignored."""
    sessions = subject.trials.session[rows]
    step = _rows_per_block(subject)
    out = {}
    for number, session in enumerate(np.unique(sessions).tolist()):
        mine = rows[sessions == session]
        total = np.zeros(subject.space.size)
        square = np.zeros(subject.space.size)
        count = np.zeros(subject.space.size, np.int64)
        shift = np.zeros(subject.space.size)
        for start in range(0, mine.size, step):
            context.report(number + start / mine.size, np.unique(sessions).size, "session means")
            block = subject.responses.rows(mine[start:start + step]).astype(np.float64)
            good = np.isfinite(block)
            if start == 0:  # a first guess of the mean keeps the variance exact for data far from 0
                shift = np.where(good[0], block[0], 0)
            block = np.where(good, block - shift, 0)
            total += block.sum(0)
            square += np.square(block).sum(0)
            count += good.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            deviation = np.sqrt(np.maximum(square / count - mean**2, 0))
            out[session] = ((mean + shift).astype(np.float32), np.where(deviation > 0, 1 / deviation, np.nan)
                            .astype(np.float32))
    return out


def _rows_per_block(subject: Subject, budget: int = 64 << 20) -> int:
    return int(np.clip(budget // max(1, 8 * subject.space.size), 1, 2048))


def trial_ceiling(subject: Subject, ids: np.ndarray | None = None, *, zscore: bool = True, method: str = "nsd",
                  context: JobContext = QUIET) -> Ceiling:
    """Estimate ncsnr from repeated single trials.

    Each location is z-scored within session first (all trials of the session), noise variance is the mean over
    images of the variance (n - 1) over repetitions; signal variance is ``1 - noise`` (method ``nsd``, the manual's)
    or the variance of the image means minus noise / repetitions (``means``); negative is 0.

    Parameters
    ----------
    subject : Subject
        Rows must be single trials.
    ids : (n,) int64, optional
        Stimuli that estimate the noise; default: all with the highest number of repetitions (at least 2).
    zscore : bool
        False when the responses are z-scored by session already; then ``means`` is the method to use unless their
        variance is 1.

    Raises
    ------
    MissingError
        No stimulus was shown twice.
    """
    if method not in ("nsd", "means"):
        raise MissingError(f"there is no method {method!r}", remedy="Use nsd or means.")
    groups = _repeated(subject, ids)
    subject.prepare(context=context)
    statistics = _session_statistics(subject, np.arange(len(subject.trials)), context) if zscore else {}
    size = subject.space.size
    noise, images = np.zeros(size), np.zeros(size, np.int64)
    means, squares, inverse = np.zeros(size), np.zeros(size), np.zeros(size)
    step = max(1, _rows_per_block(subject) // max(len(g) for g in groups))
    for start in range(0, len(groups), step):
        context.report(start, len(groups), "noise variance")
        for group, block in _blocks(subject, groups[start:start + step], statistics):
            good = np.isfinite(block)
            n = good.sum(0)
            mean = np.where(good, block, 0).sum(0) / np.maximum(n, 1)
            spread = np.square(np.where(good, block - mean, 0)).sum(0)
            use = (n >= 2) & (len(group) >= 2)
            noise[use] += spread[use] / (n[use] - 1)
            images += use
            means[use] += mean[use]
            squares[use] += mean[use] ** 2
            inverse[use] += 1 / n[use]
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = noise / images
        if method == "nsd":
            signal = 1 - variance
        else:
            signal = (squares / images - (means / images) ** 2) * images / (images - 1) - variance * inverse / images
        ncsnr = np.sqrt(np.maximum(signal, 0) / variance)
    note = f"From {len(groups)} images with {min(map(len, groups))} or more single trials, " \
           f"{'z-scored within session' if zscore else 'as stored'}, {method}."
    return Ceiling("single trials", ncsnr=ncsnr.astype(np.float32), note=note)


def _repeated(subject: Subject, ids: np.ndarray | None, least: int = 2) -> list[np.ndarray]:
    """Return the row numbers of each repeated stimulus; refuses averaged rows and data without repetitions."""
    if (subject.trials.averaged != 1).any():
        raise MissingError("rows are averages over an unknown number of trials, so they hold no noise ceiling",
                           where=f"{subject.dataset} {subject.id}".strip(),
                           remedy="Use a shipped ceiling, or single trials.")
    order = np.argsort(subject.trials.stimulus, kind="stable")
    unique, first, counts = np.unique(subject.trials.stimulus[order], return_index=True, return_counts=True)
    wanted = counts >= least
    if ids is None:
        wanted &= counts == counts.max(initial=0)
    else:
        wanted &= np.isin(unique, ids)
    groups = [order[f:f + c] for f, c in zip(first[wanted], counts[wanted], strict=True)]
    if len(groups) < 2:
        raise MissingError("fewer than two stimuli were shown twice or more, so there is no noise ceiling",
                           where=f"{subject.dataset} {subject.id}".strip())
    return groups


def _blocks(subject: Subject, groups: list[np.ndarray], statistics: dict[int, tuple]):
    rows = np.concatenate(groups)
    unique, inverse = np.unique(rows, return_inverse=True)
    data = subject.responses.rows(unique)
    for session in np.unique(subject.trials.session[unique]).tolist() if statistics else []:
        mean, scale = statistics[session]
        here = subject.trials.session[unique] == session
        data[here] = (data[here] - mean) * scale
    start = 0
    for group in groups:
        yield group, data[inverse[start:start + len(group)]].astype(np.float64)
        start += len(group)


def split_half_ceiling(subject: Subject, ids: np.ndarray | None = None, *, splits: int = 100, seed: int = 0,
                       context: JobContext = QUIET) -> Ceiling:
    """Estimate the ceiling from random split halves of the repetitions, Spearman-Brown corrected.

    In each split every image's trials are divided at random into two equal halves of m trials; r is the correlation
    of the half means over images and k r / (1 + (k - 1) r), with k = n / m, the reliability of the mean of all n (for
    halves of two, 2r / (1 + r)). Mean over splits, negative is 0. It is the ceiling of r², not of r.

    Parameters
    ----------
    splits : int
        Random divisions to average over; two-trial data have few distinct ones per image but many in all.
    """
    groups = _repeated(subject, ids)
    repeats = np.array([len(g) for g in groups])
    half = int(repeats.min()) // 2
    factor = 1 / np.mean(1 / repeats) / half
    subject.prepare(context=context)
    rng = np.random.default_rng(seed)
    draws = [[rng.permutation(g)[:2 * half] for g in groups] for _ in range(splits)]
    total = np.zeros(subject.space.size)
    for number, draw in enumerate(draws):
        context.report(number, splits, "split halves")
        r = _half_correlation(subject, np.stack(draw), half)
        with np.errstate(invalid="ignore", divide="ignore"):
            total += np.where(r > -1, factor * r / (1 + (factor - 1) * r), np.nan)
    fraction = np.clip(total / splits, 0, 1).astype(np.float32)
    return Ceiling("split halves", fraction=fraction,
                   note=f"{splits} random splits of {len(groups)} images, Spearman-Brown, reliability of the mean of "
                        f"{1 / np.mean(1 / repeats):.3g} trials.")


def _half_correlation(subject: Subject, rows: np.ndarray, half: int) -> np.ndarray:
    """Return (locations,) the correlation over images of two half means; rows is (images, 2 * half)."""
    sums = np.zeros((5, subject.space.size))
    step = max(1, _rows_per_block(subject) // (2 * half))
    shift = None
    for start in range(0, len(rows), step):
        block = rows[start:start + step]
        unique, inverse = np.unique(block, return_inverse=True)
        data = subject.responses.rows(unique).astype(np.float64)[inverse.reshape(block.shape)]
        if shift is None:
            shift = np.nan_to_num(data.mean((0, 1)))
        a, b = data[:, :half].mean(1) - shift, data[:, half:].mean(1) - shift
        sums += np.stack([a.sum(0), b.sum(0), (a * a).sum(0), (b * b).sum(0), (a * b).sum(0)])
    sa, sb, aa, bb, ab = sums / len(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (ab - sa * sb) / np.sqrt((aa - sa**2) * (bb - sb**2))


def rdm_ceiling(rdms: np.ndarray, *, squared: bool = True) -> tuple[float, float]:
    """Return the (lower, upper) Spearman noise ceiling of dissimilarity matrices of several subjects.

    Upper: mean over subjects of the (squared) rank correlation with the mean matrix of all; lower: with the subject
    left out of that mean. Raw matrices are averaged, not their ranks (this changes the figures). Squaring before
    averaging hides negative subjects, so ask for both.

    Parameters
    ----------
    rdms : (subjects, images, images) array
        Symmetric; the upper triangle without the diagonal is used.
    squared : bool
        True gives the convention of Net2Brain's published ceilings.
    """
    rdms = np.asarray(rdms, np.float64)
    if rdms.ndim != 3 or rdms.shape[1] != rdms.shape[2] or rdms.shape[0] < 2 or rdms.shape[1] < 3:
        raise MismatchError(f"has shape {rdms.shape}; (2 or more subjects, images, images) was expected")
    upper = np.triu_indices(rdms.shape[1], 1)
    flat = rdms[:, upper[0], upper[1]]
    if not np.isfinite(flat).all():
        raise FormatError("dissimilarity matrices hold values that are no numbers")
    power = 2 if squared else 1
    mean = flat.mean(0)
    high = [_spearman(row, mean) ** power for row in flat]
    low = [_spearman(flat[i], np.delete(flat, i, axis=0).mean(0)) ** power for i in range(len(flat))]
    return float(np.mean(low)), float(np.mean(high))


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import rankdata  # slow to import, and only this function needs it

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
