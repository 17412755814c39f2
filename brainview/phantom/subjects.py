"""Simulated people: jittered anatomy, tuning of every vertex, reliability.

Reference: developers' page "phantom", 3.2 to 3.7 and 7. Everything is drawn from (seed, subject) and can be made again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from brainview.core.errors import MissingError
from brainview.phantom import anatomy, noise, retinotopy
from brainview.phantom.anatomy import N_VERTICES, SIDES, area_names, hemisphere, peaks
from brainview.phantom.category import DRIVES, ITEMS, TUNING

#: Ratio of each simulated subject's reliability to the mean: NSD's eight median ncsnr, the default four first.
FACTORS = (1.24, 1.12, 0.99, 0.80, 1.17, 0.90, 1.00, 0.74)
#: What drives a vertex.
NONE, EARLY, CATEGORY, SEMANTIC, RIM = range(5)
#: Planted s.d. of the signal over that of the noise, before subject, level and position. The semantic set has more than
#: the reference's .46: its soft weights are lower here, and the angular gyrus does not count for what text can be read.
Q_AREA = {EARLY: 0.62, CATEGORY: 0.56, SEMANTIC: 0.56, RIM: 0.30}
#: The angular gyrus is less reliable than its neighbours: only below q = .245 can the full code explain .2 to .5 of its
#: ceiling, as the reference's section 6 asks (its own trial had a ceiling of 9 % there; see its formula 0.3).
Q_OF = {"AG": 0.366}
#: S.d. of log q over the cortex. Ceilings that hardly differ cannot be told apart by 200 images shown three times.
Q_SPREAD = 0.40
#: Even the best vertex has noise: q saturates towards this (keeps the 95th percentile of the ceiling below 75 %).
Q_LIMIT = 1.35
#: Gain of the rim round the areas, where the response to pictures fades.
RIM_GAIN = 0.4
#: Median of the response amplitude in percent signal change, and s.d. of its log.
AMPLITUDE, AMPLITUDE_SD = 1.5, 0.4
#: Width of the caption code.
CODE = 48
#: How much a vertex departs from its area's tuning.
TUNING_SD = 0.35
#: Labels that a real subject may lack, for the draw of empty ROIs.
_MAY_LACK = ("mTL-faces", "FBA-1", "FBA-2", "VWFA-2", "FFA-2", "OWFA")
#: How much of hV4's and of LO's signal is Gabor energy; the rest is category drive. At the reference's .6 for hV4 Gabor
#: energies cannot win there by the .3 of its own section 6 (its trial kept hV4 purely Gabor).
GABOR_SHARE = {"hV4": 0.78, "LO1": 0.6, "LO2": 0.6}


@dataclass(frozen=True)
class Level:
    """Difficulty: everything that ``--level`` scales (reference, section 7).

    Parameters
    ----------
    q : factor of all planted reliabilities
    intrusion : lambda, share of the noise that is the pattern of an unrelated scene
    text_share : share of the caption code's variance that no picture statistic carries
    siblings : whether every test scene has a sibling
    jitter : mm s.d. per axis of a seed
    rotation : whether the caption code is rotated for every subject
    """

    name: str
    q: float
    intrusion: float
    text_share: float
    siblings: bool
    jitter: float
    rotation: bool = False


LEVELS = {"easy": Level("easy", 1.6, 0.0, 0.5, False, 2.0),
          "nsd": Level("nsd", 1.22, 0.2, 0.6, True, 4.0),
          "hard": Level("hard", 0.65, 0.35, 0.6, True, 6.0, True)}


def level_of(name: str) -> Level:
    """Return a level by name; raises MissingError with the list."""
    if name not in LEVELS:
        raise MissingError(f"no level of difficulty is called {name!r}", remedy="Known: " + ", ".join(LEVELS) + ".")
    return LEVELS[name]


@dataclass(frozen=True, eq=False)
class SubjectFields:
    """Everything planted in one subject's cortex; arrays over 20,484 vertices, left hemisphere first.

    Parameters
    ----------
    index : int, 0-based
    driver, area : (V,) uint8; area = 1 + position in :func:`anatomy.area_names`, 0 none
    area_weight : (V, areas) float32 soft weights
    prf_x, prf_y, prf_sigma, sf, ori : (V,) float32 degrees, cycles per degree, radians; NaN where no Gabor drive
    gabor_share : (V,) float32 weight of the Gabor drive against the category drive
    tuning : (V, 9) float32 to ``category.DRIVES``; items : (V, 52); phi : (V,)
    sem : (V, 48) float32 weights of the caption code
    amp, q, amplitude, noise_sd, drift_sd : (V,) float32
    visual_mask : (V,) bool (``nsdgeneral``)
    labels : class name -> (V,) int32
    seeds : (2, areas in the table, 3) float32 jittered seeds in mm MNI152
    empty : names of the ROIs this subject lacks
    rotation : (48, 48) or None
    """

    index: int
    driver: np.ndarray
    area: np.ndarray
    area_weight: np.ndarray
    prf_x: np.ndarray
    prf_y: np.ndarray
    prf_sigma: np.ndarray
    sf: np.ndarray
    ori: np.ndarray
    gabor_share: np.ndarray
    tuning: np.ndarray
    items: np.ndarray
    phi: np.ndarray
    sem: np.ndarray
    amp: np.ndarray
    q: np.ndarray
    amplitude: np.ndarray
    noise_sd: np.ndarray
    drift_sd: np.ndarray
    visual_mask: np.ndarray
    labels: dict[str, np.ndarray]
    seeds: np.ndarray
    empty: tuple[str, ...] = ()
    rotation: np.ndarray | None = field(default=None)

    @property
    def id(self) -> str:
        """``subj01`` ..."""
        return f"subj{self.index + 1:02d}"

    @property
    def driven(self) -> np.ndarray:
        """(D,) int64 vertices that carry signal."""
        return np.flatnonzero(self.q > 0)


@dataclass
class _Side:
    """What is known of one hemisphere while a subject is made."""

    labels: dict[str, np.ndarray]
    weight: np.ndarray
    driver: np.ndarray
    area: np.ndarray
    prf: np.ndarray
    mass: np.ndarray
    seeds: np.ndarray


def make_subject(seed: int, index: int, level: Level) -> SubjectFields:
    """Return one simulated subject.

    Parameters
    ----------
    seed : int
        Seed of the whole phantom. index : 0-based number of the subject (at most 7).

    Raises
    ------
    MissingError
        More than eight subjects were asked for.
    """
    if not 0 <= index < len(FACTORS):
        raise MissingError(f"the phantom has {len(FACTORS)} subjects, number {index + 1} was asked for")
    rng = noise.stream(seed, index, noise.FIELDS)
    empty = tuple(sorted(rng.choice(_MAY_LACK, size=int(rng.integers(1, 4)), replace=False).tolist()))
    sides = [_make_side(side, rng, level, set(empty)) for side in SIDES]
    driver, area, mass = (np.concatenate([getattr(s, name) for s in sides]) for name in ("driver", "area", "mass"))
    weight = np.concatenate([s.weight for s in sides])
    labels = {name: np.concatenate([s.labels[name] for s in sides]) for name in sides[0].labels}
    prf = np.concatenate([s.prf for s in sides], axis=1)
    visual = labels["nsdgeneral"] == 1
    amp = _amplitude_of_drive(driver, area, weight, mass)
    spread = noise.smooth_fields(rng, 1)[0]
    base = np.select([driver == d for d in Q_AREA], list(Q_AREA.values()), 0.0)
    for name, factor in Q_OF.items():
        base[area == area_names().index(name) + 1] *= factor
    q = base * FACTORS[index] * level.q * amp * np.exp(Q_SPREAD * spread)
    q = q / np.sqrt(1 + np.square(q / Q_LIMIT))
    gabor = (driver == EARLY) | np.isin(area, [area_names().index(a) + 1 for a in GABOR_SHARE]) | (driver == RIM)
    tuning, items, phi = _category_tuning(rng, area, weight, driver)
    amplitude = AMPLITUDE * np.exp(AMPLITUDE_SD * noise.smooth_fields(rng, 1, noise.LOCAL_STEPS)[0])
    rotation = np.linalg.qr(rng.standard_normal((CODE, CODE)))[0].astype(np.float32) if level.rotation else None
    x, y, sigma, frequency, orientation = (np.where(gabor, p, np.nan).astype(np.float32)
                                           for p in (*prf, *_gabor_tuning(rng, prf)))
    return SubjectFields(
        index, driver.astype(np.uint8), area.astype(np.uint8), weight.astype(np.float32),
        x, y, sigma, frequency, orientation,
        gabor_share=_gabor_share(driver, area), tuning=tuning, items=items, phi=phi, sem=_semantic_tuning(rng, weight),
        amp=amp.astype(np.float32), q=q.astype(np.float32), amplitude=amplitude.astype(np.float32),
        noise_sd=amplitude.astype(np.float32), drift_sd=(noise.DRIFT_SD * amplitude).astype(np.float32),
        visual_mask=visual, labels=labels, seeds=np.stack([s.seeds for s in sides]).astype(np.float32), empty=empty,
        rotation=rotation)


def _make_side(side: anatomy.Side, rng: np.random.Generator, level: Level, empty: set[str]) -> _Side:
    hemi, table = hemisphere(side), peaks()
    points = np.array([p.seed[side] for p in table]) + level.jitter * rng.standard_normal((len(table), 3))
    sizes = np.array([p.size[side] for p in table]) * np.exp(0.25 * rng.standard_normal(len(table)))
    f, p = (np.asarray(c) + 0.75 * level.jitter * rng.standard_normal(3) for c in retinotopy.LANDMARKS[side])
    width = np.exp(0.12 * rng.standard_normal(3))
    bands = retinotopy.Bands()
    bands = retinotopy.Bands(w1=bands.w1 * width[0], w2=bands.w2 * width[1], w3=bands.w3 * width[2])
    grown = anatomy.grow(side, points, sizes, jittered=True)
    map_ = retinotopy.retinotopy(side, f, p, bands)
    labels = anatomy.label_classes(grown, map_.area, map_.eccentricity, map_.angle, empty, hemi.cortex, side)
    prf = _fields(side, map_, grown, labels)
    mass = retinotopy.screen_mass(*prf)
    cut = anatomy.cut_early(map_.area, map_.eccentricity)
    weight = _weights(grown, cut, map_.eccentricity, empty)
    area = np.where(weight.max(1) > 0, weight.argmax(1) + 1, 0)
    codes = {"early": EARLY, "category": CATEGORY, "semantic": SEMANTIC}
    kinds = np.array([EARLY] * 3 + [codes[p.driver] for p in table])
    driver = np.where(area > 0, kinds[area - 1], NONE)
    driver[(driver == EARLY) & (mass == 0)] = NONE
    # nsdgeneral is what responds to the display: not the far periphery of early cortex
    labels["nsdgeneral"][(labels["nsdgeneral"] == 1) & (area >= 1) & (area <= 3) & (mass == 0)] = 0
    labels["streams"][(labels["streams"] > 0) & (labels["nsdgeneral"] == 0)] = 0
    driver[(labels["nsdgeneral"] == 1) & (driver == NONE)] = RIM
    driver[~hemi.cortex] = NONE
    return _Side(labels, weight, driver, np.where(driver == NONE, 0, area), prf, mass, points)


def _weights(grown: anatomy.Grown, cut: np.ndarray, eccentricity: np.ndarray, empty: set[str]) -> np.ndarray:
    """Return (n, areas) soft weights; early areas own what they label unless another class may take it."""
    table = peaks()
    weight = np.zeros((cut.size, 3 + len(table)), np.float32)
    for i in (1, 2, 3):
        weight[cut == i, i - 1] = 1.0
    for i, peak in enumerate(table):
        if peak.label in empty:
            continue
        soft = anatomy.soft_weight(grown.nu[i])
        allowed = anatomy._free(peak.roi_class, cut, eccentricity, grown.nu[i])
        weight[:, 3 + i] = np.where(allowed, soft, 0)
        taken = allowed & (soft > 0) & (cut > 0)
        weight[taken, :3] = 0
    return weight


def _fields(side: anatomy.Side, map_: retinotopy.Retinotopy, grown: anatomy.Grown,
            labels: dict[str, np.ndarray]) -> np.ndarray:
    """Return (3, n) x, y, sigma in degrees of every vertex that has a receptive field of its own."""
    sign = 1.0 if side == "left" else -1.0
    x, y = np.full(N_VERTICES, 3.0 * sign), np.zeros(N_VERTICES)
    sigma = np.full(N_VERTICES, 3.0)  # the rim sees its hemifield
    for i, name in enumerate(("V1", "V2", "V3"), 1):
        here = map_.area == i
        x[here], y[here] = map_.x[here], map_.y[here]
        sigma[here] = retinotopy.size_of(name, map_.eccentricity[here])
    names = [p.area for p in peaks()]
    border = np.flatnonzero(labels["prf-visualrois"] == 5)
    dorsal = np.flatnonzero(labels["prf-visualrois"] == 6)
    for area in ("hV4", "LO1", "LO2", "V3ab"):
        row = names.index(area)
        members = np.flatnonzero((anatomy.soft_weight(grown.nu[row]) > 0) & (map_.area == 0))
        start = border if area == "hV4" else dorsal
        if members.size == 0 or start.size == 0:
            continue
        rank = hemisphere(side).geodesic(start, limit=80).min(0)[members]
        x[members], y[members] = retinotopy.field_around(side, members, np.minimum(rank, 80), map_.fovea[members])
        sigma[members] = retinotopy.size_of("hV4" if area == "hV4" else "wide", np.hypot(x[members], y[members]))
    return np.stack([x, y, sigma])


def _amplitude_of_drive(driver: np.ndarray, area: np.ndarray, weight: np.ndarray, mass: np.ndarray) -> np.ndarray:
    soft = weight.max(1)
    early = (driver == EARLY) & (area <= 3)
    amp = np.where(early, np.sqrt(mass), soft)
    amp[driver == RIM] = RIM_GAIN
    return np.where(driver == NONE, 0.0, amp)


def _gabor_tuning(rng: np.random.Generator, prf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return preferred frequency (cycles per degree) and orientation (radians, smooth over some 7 mm)."""
    eccentricity = np.hypot(prf[0], prf[1])
    frequency = np.clip(3.2 / (1 + 0.45 * eccentricity), 0.5, 4.0)
    turn = noise.smooth_fields(rng, 2, noise.LOCAL_STEPS)
    return frequency, np.mod(0.5 * np.arctan2(turn[1], turn[0]), np.pi)


def _gabor_share(driver: np.ndarray, area: np.ndarray) -> np.ndarray:
    share = np.where(driver == EARLY, 1.0, 0.0)
    for name, value in GABOR_SHARE.items():
        share[(area == area_names().index(name) + 1) & (driver != NONE)] = value
    share[driver == RIM] = 0.5
    return share.astype(np.float32)


def _category_tuning(rng: np.random.Generator, area: np.ndarray, weight: np.ndarray,
                     driver: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tuning (V, 9), weights of identities (V, 52) and phi (V,): rows of the areas, blended and jittered."""
    names = area_names()
    columns = [names.index(a) for a in TUNING]
    rows = np.array([TUNING[a][0] for a in TUNING], np.float32)
    foveal = np.array([TUNING[a][1] for a in TUNING], np.float32)
    share = np.square(weight[:, columns])
    share = share / np.maximum(share.sum(1, keepdims=True), 1e-6)
    tuning = share @ rows
    phi = share @ foveal
    rim = driver == RIM
    tuning[rim] = 0.3
    phi[rim] = 0.4
    tuning *= 1 + TUNING_SD * noise.smooth_fields(rng, len(DRIVES), noise.LOCAL_STEPS).T
    loose = np.abs(noise.smooth_fields(rng, len(DRIVES), noise.LOCAL_STEPS).T)
    tuning[rim] *= loose[rim]
    phi = np.clip(phi + 0.15 * noise.smooth_fields(rng, 1, noise.LOCAL_STEPS)[0], 0, 1)
    items = noise.smooth_fields(rng, len(ITEMS), noise.LOCAL_STEPS).T
    used = np.isin(driver, (EARLY, CATEGORY, RIM))
    return (np.where(used[:, None], tuning, 0).astype(np.float32), np.where(used[:, None], items, 0).astype(np.float32),
            np.where(used, phi, 0).astype(np.float32))


def _semantic_tuning(rng: np.random.Generator, weight: np.ndarray) -> np.ndarray:
    """Return (V, 48) weights .6 b_area + .8 m_v of the caption code, zero outside the semantic set."""
    names = area_names()
    rows = [names.index(p.area) for p in peaks() if p.driver == "semantic"]
    base = rng.standard_normal((len(rows), CODE))
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    share = weight[:, rows]
    inside = share.max(1) > 0
    own = noise.smooth_fields(rng, CODE, noise.LOCAL_STEPS).T
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
    out = 0.6 * base[share.argmax(1)] + 0.8 * own
    return np.where(inside[:, None], out, 0).astype(np.float32)
