"""From stimuli to single trials: the page of formulas (reference "phantom", section 3) as arrays.

y_t(v) = g_s A(v) [ q(v) s(v, i_t) + n_t(v) + drift_t(v) ], s with mean 0 and variance 1 over the images, n with
variance 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.jobs import QUIET, JobContext
from brainview.phantom import gabor, noise
from brainview.phantom.anatomy import N_VERTICES, mni_ribbon
from brainview.phantom.category import Drives, category_signal, standard
from brainview.phantom.design import Design
from brainview.phantom.semantics import semantic_signal
from brainview.phantom.subjects import CATEGORY, EARLY, RIM, SEMANTIC, Level, SubjectFields

#: Share by which a picture's k-th showing is weaker, when repetition suppression is switched on.
SUPPRESSION = 0.08


@dataclass(frozen=True, eq=False)
class Bank:
    """What the model needs to know of n scenes.

    Parameters
    ----------
    energy : (n, 32, 26, 26) float16 Gabor energies of the written pictures
    drives : Drives of n scenes
    code : (n, 48) float32 caption code
    """

    energy: np.ndarray
    drives: Drives
    code: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    def rows(self, index: np.ndarray) -> Bank:
        """Return some scenes."""
        drive = Drives(self.drives.foveal[:, index], self.drives.peripheral[:, index], self.drives.items[index])
        return Bank(self.energy[index], drive, self.code[index])


def raw_signals(fields: SubjectFields, bank: Bank, *, context: JobContext = QUIET) -> np.ndarray:
    """Return (n, D) float32 noise-free signals of the driven vertices, before the final standardisation."""
    driven = fields.driven
    kind = fields.driver[driven]
    out = np.zeros((len(bank), driven.size), np.float32)
    share = fields.gabor_share[driven]
    context.check()
    seen = np.flatnonzero(share > 0)
    vertices = driven[seen]
    pool = gabor.pooling(fields.prf_x[vertices], fields.prf_y[vertices], fields.prf_sigma[vertices])
    tuned = gabor.channel_weights(fields.sf[vertices], fields.ori[vertices])
    out[:, seen] = share[seen] * standard(gabor.pooled_drive(bank.energy, pool, tuned))
    context.check()
    chosen = np.flatnonzero(np.isin(kind, (EARLY, CATEGORY, RIM)) & (share < 1))
    vertices = driven[chosen]
    category = category_signal(bank.drives, (vertices >= N_VERTICES).astype(int), fields.tuning[vertices],
                               fields.phi[vertices], fields.items[vertices])
    out[:, chosen] += (1 - share[chosen]) * standard(category)
    words = np.flatnonzero(kind == SEMANTIC)
    out[:, words] = semantic_signal(bank.code, fields.sem[driven[words]], fields.rotation)
    return out


@dataclass(frozen=True, eq=False)
class Signals:
    """Noise-free responses of one subject, mean 0 and variance 1 over each set of scenes.

    Parameters
    ----------
    driven : (D,) int64 vertices
    images : (n, D) float32, rows as the subject's images in the design
    reserve : (m, D) float32 of scenes that are never shown; intruders are drawn from them
    """

    driven: np.ndarray
    images: np.ndarray
    reserve: np.ndarray


def signals(fields: SubjectFields, shown: Bank, reserve: Bank, *, context: JobContext = QUIET) -> Signals:
    """Return the signals of a subject for the images shown and for the reserve.

    The two sets are standardised each by itself, so that signal and intruder have variance 1 exactly.
    """
    both = Bank(np.concatenate([shown.energy, reserve.energy]),
                Drives(np.concatenate([shown.drives.foveal, reserve.drives.foveal], 1),
                       np.concatenate([shown.drives.peripheral, reserve.drives.peripheral], 1),
                       np.concatenate([shown.drives.items, reserve.drives.items])),
                np.concatenate([shown.code, reserve.code]))
    raw = raw_signals(fields, both, context=context)
    n = len(shown)
    return Signals(fields.driven, standard(raw[:n]), standard(raw[n:]))


@dataclass(frozen=True, eq=False)
class Place:
    """Where voxels of a volume lie: the cortical vertex of each, its share of the signal, and its place in the noise.

    Parameters
    ----------
    vertex, gain : (voxels,) arrays
    where : (voxels,) int64 flat positions in ``noise.BOX``; None = those of the MNI152 ribbon
    """

    vertex: np.ndarray
    gain: np.ndarray
    where: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Recorder:
    """One subject in the scanner: makes any trial, alone or in blocks, in any order.

    Parameters
    ----------
    seed : int
    fields : SubjectFields
    signals : Signals
    design : Design
    level : Level
    suppression : bool
        Whether repeated showings respond less; off by default, because it blurs the ceiling.
    """

    seed: int
    fields: SubjectFields
    signals: Signals
    design: Design
    level: Level
    suppression: bool = False

    def surface(self, session: int, trials: np.ndarray | None = None) -> np.ndarray:
        """Return (n, 20,484) float32 betas (percent signal change) of trials of a 0-based session; 0 off cortex."""
        trials = np.arange(self.design.per_session) if trials is None else np.asarray(trials)
        y = noise.surface_noise(self.seed, self.fields.index, session, trials)
        driven, lam = self.signals.driven, np.float32(self.level.intrusion)
        y[:, driven] *= np.sqrt(1 - lam)
        y[:, driven] += np.sqrt(lam) * self._intruders(session, trials)
        y[:, driven] += self.fields.q[driven] * self._shown(session, trials)
        fields, course, gain = noise.session_drift(self.seed, self.fields.index, session, self.design.per_session)
        y += (noise.DRIFT_SD / np.sqrt(2)) * (course[:, trials].T @ fields)
        y *= np.float32(gain) * self.fields.amplitude
        y[:, ~cortex()] = 0
        return y

    def volume(self, session: int, pair: int, place: Place | None = None) -> np.ndarray:
        """Return (2, voxels) float32 betas of trials 2 pair and 2 pair + 1 of a session.

        Voxels are those of `place`, default ``mni_ribbon().inside`` in its order; their noise is their own, signal and
        intruder are those of the nearest vertex. The last pair of an odd session holds one trial more than the session.
        """
        trials = np.minimum(np.array([2 * pair, 2 * pair + 1]), self.design.per_session - 1)
        ribbon = mni_ribbon()
        place = place or Place(ribbon.vertex[ribbon.inside], ribbon.gain[ribbon.inside])
        vertex, gain = place.vertex, place.gain
        position = np.full(2 * N_VERTICES, -1)
        position[self.signals.driven] = np.arange(self.signals.driven.size)
        column = position[vertex]
        driven = np.flatnonzero(column >= 0)
        y = noise.volume_noise(self.seed, self.fields.index, session, pair, place.where)
        lam = np.float32(self.level.intrusion)
        inner, columns = y[:, driven], column[driven]
        inner *= np.sqrt(1 - lam)
        inner += np.sqrt(lam) * self._intruders(session, trials)[:, columns]
        inner += (self.fields.q[vertex[driven]] * gain[driven]) * self._shown(session, trials)[:, columns]
        y[:, driven] = inner
        fields, course, session_gain = noise.session_drift(self.seed, self.fields.index, session,
                                                           self.design.per_session)
        drift = (noise.DRIFT_SD / np.sqrt(2)) * (course[:, trials].T @ fields)
        y += drift[:, vertex]
        return y * (np.float32(session_gain) * self.fields.amplitude[vertex])

    def voxel_q(self) -> np.ndarray:
        """Return (ribbon voxels,) float32 planted s.d. of the signal over that of the noise, in the volume."""
        ribbon = mni_ribbon()
        return self.fields.q[ribbon.vertex[ribbon.inside]] * ribbon.gain[ribbon.inside]

    def _shown(self, session: int, trials: np.ndarray) -> np.ndarray:
        shown = self.signals.images[self.design.session(session)[trials]]
        if self.suppression:
            earlier = self.design.repetition[session * self.design.per_session + trials]
            shown = shown * (1 - SUPPRESSION * earlier[:, None].astype(np.float32))
        return shown

    def _intruders(self, session: int, trials: np.ndarray) -> np.ndarray:
        count = len(self.signals.reserve)
        which = [noise.intruder(self.seed, self.fields.index, session, int(t), count) for t in trials]
        return self.signals.reserve[which]


def cortex() -> np.ndarray:
    """Return (20,484,) bool, False in the medial wall."""
    from brainview.phantom.anatomy import SIDES, hemisphere

    return np.concatenate([hemisphere(side).cortex for side in SIDES])


def ceiling(q: np.ndarray, repeats: float, *, drift: bool = False) -> np.ndarray:
    """Return the exact noise ceiling of R² (fraction) of the mean of `repeats` trials: q² / (q² + 1 / n).

    With `drift` the variance of the session drift counts as noise, as it does when nothing removes it.
    """
    q2 = np.square(np.asarray(q, np.float64)) / (1 + noise.DRIFT_SD**2 if drift else 1)
    return q2 / (q2 + 1 / repeats)


class CeilingEstimate:
    """NSD's ncsnr from single trials, one session after the other, in one pass.

    z-score every location within the session; noise variance = mean over images shown three times of the variance
    (n - 1) over the showings; signal variance = max(0, 1 - noise variance).

    Parameters
    ----------
    images : int
        Images of the design; only those with number < `shared` are counted.
    locations : int
    """

    def __init__(self, shared: int, locations: int) -> None:
        self._sum = np.zeros((shared, locations), np.float32)
        self._square = np.zeros(locations, np.float64)
        self._count = np.zeros(shared, np.int64)

    def add(self, betas: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Take one session (trials, locations) with its image numbers; return its z-scores."""
        spread = betas.std(0)
        z = (betas - betas.mean(0)) / np.where(spread > 0, spread, 1)
        for row in np.flatnonzero(images < len(self._count)):
            self._sum[images[row]] += z[row]
            self._square += np.square(z[row], dtype=np.float64)
            self._count[images[row]] += 1
        return z

    def ncsnr(self) -> np.ndarray:
        """Return (locations,) float32 estimated ncsnr, NaN where nothing varies (the medial wall).

        Raises ValueError when no image was repeated.
        """
        if (self._count < 2).any():
            raise ValueError("an image of the shared set was shown less than twice")
        n = self._count[:, None]
        within = self._square - (np.square(self._sum, dtype=np.float64) / n).sum(0)
        variance = within / (self._count - 1).sum()
        signal = np.maximum(0, 1 - variance)
        ncsnr = np.sqrt(signal / np.maximum(variance, 1e-9))
        return np.where(variance > 1e-6, ncsnr, np.nan).astype(np.float32)
