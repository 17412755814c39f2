"""Brains of the film phantom: tuning shared by people on a 32k surface, time series, and the published GLM.

Early and category areas respond as in the picture phantom (middle frame of the clip). Areas beyond vision, body and
motion areas also follow what is done in the clip; a share of that tuning is common to all people at the same place
of cortex, which is what makes reading a stranger's brain possible at all. Motion energy drives MT and pSTS. Time
series are
trials convolved with a double-gamma response, 12 s after the onset that the events file says; betas are then estimated
from them with the ridge GLM of HAD's own code (Blink621/HAD-fmri, validation/GLM.py: alpha 0.1, drift of order 0 to 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from brainview.maps.cache import digest, kept
from brainview.maps.meshes import load_mesh
from brainview.phantom import noise
from brainview.phantom.anatomy import N_VERTICES, SIDES, area_names, peaks
from brainview.phantom.category import standard
from brainview.phantom.responses import Bank, raw_signals
from brainview.phantom.subjects import (
    CATEGORY,
    CODE,
    EARLY,
    FACTORS,
    Q_LIMIT,
    SEMANTIC,
    Level,
    SubjectFields,
    make_subject,
)
from brainview.phantom.world import ACTIONS

#: Edges of the icosahedron are cut into this many parts: 10 x 57² + 2 = 32,492 vertices, as fsLR 32k has.
FREQUENCY, N_SURFACE = 57, 32_492
#: Scan: seconds per volume, volumes, seconds before the first trial, seconds of a slot; every sixth slot is blank.
TR, VOLUMES, LEAD, SLOT, SLOTS = 2.0, 156, 12.0, 4.0, 72
TRIALS = 60
#: Share of the tuning to actions that all people have in common, and its weight beside category tuning.
COMMON, ACTION_WEIGHT, MOTION_WEIGHT = 0.6, 1.2, 0.6
#: What is done weighs this much beside everything else that the caption code says; film drives cortex by so much more
#: than still pictures (both are choices, so that single trials of a stranger can be read above chance).
DEED_WEIGHT, FILM_GAIN = 1.0, 1.6
#: Category areas that follow actions too.
ACTION_AREAS = ("MT", "pSTS", "EBA", "IPS", "LO2", "FBA-1", "FBA-2")
#: Purposes of random streams that the picture phantom does not use.
GROUP, SERIES, TIMING = 11, 12, 13
_AR = 0.35


@dataclass(frozen=True, eq=False)
class Sheet:
    """A surface of 32,492 vertices a hemisphere over fsaverage5.

    Parameters
    ----------
    sphere, white, pial, inflated : (2, 32492, 3) float32; left first
    faces : (64980, 3) int32
    nearest : (2, 32492) int64 vertex of fsaverage5's hemisphere
    """

    sphere: np.ndarray
    white: np.ndarray
    pial: np.ndarray
    inflated: np.ndarray
    faces: np.ndarray
    nearest: np.ndarray


def geodesic_sphere(frequency: int = FREQUENCY) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices (10 f² + 2, 3) on the unit sphere and faces of an icosahedron with edges cut in `f` parts."""
    from scipy.spatial import ConvexHull

    golden = (1 + 5**0.5) / 2
    corners = np.array([(0, a, b * golden) for a in (1, -1) for b in (1, -1)], float)
    corners = np.concatenate([np.roll(corners, k, axis=1) for k in range(3)]) / np.hypot(1, golden)
    faces, points = ConvexHull(corners).simplices, []
    i, j = np.meshgrid(np.arange(frequency + 1), np.arange(frequency + 1), indexing="ij")
    inside = i + j <= frequency
    weights = np.stack([i[inside], j[inside], (frequency - i - j)[inside]], 1) / frequency
    for face in faces:
        points.append(weights @ corners[face])
    every = np.concatenate(points)
    every /= np.linalg.norm(every, axis=1, keepdims=True)
    _, first = np.unique(np.round(every, 7), axis=0, return_index=True)
    vertices = every[np.sort(first)]
    triangles = ConvexHull(vertices).simplices
    centre = vertices[triangles].mean(1)
    normal = np.cross(vertices[triangles[:, 1]] - vertices[triangles[:, 0]],
                      vertices[triangles[:, 2]] - vertices[triangles[:, 0]])
    turned = (centre * normal).sum(1) < 0
    triangles[turned] = triangles[turned][:, ::-1]
    return vertices, triangles.astype(np.int32)


@lru_cache(maxsize=1)
def sheet() -> Sheet:
    """Return the phantom's 32k surface, built once and kept in the cache.

    Its vertices are spread as fsLR 32k's are, but they are not in the order of the HCP's files.
    """
    def make() -> dict[str, np.ndarray]:
        unit, faces = geodesic_sphere()
        out: dict[str, list[np.ndarray]] = {k: [] for k in ("white", "pial", "inflated", "nearest")}
        for side in SIDES:
            sphere = load_mesh("fsaverage5", side, "sphere").vertices.astype(float)
            tree = cKDTree(sphere / np.linalg.norm(sphere, axis=1, keepdims=True))
            distance, index = tree.query(unit, k=3)
            weight = 1 / np.maximum(distance, 1e-6)
            weight /= weight.sum(1, keepdims=True)
            out["nearest"].append(index[:, 0])
            for part in ("white", "pial", "inflated"):
                points = load_mesh("fsaverage5", side, part).vertices.astype(float)
                out[part].append((points[index] * weight[..., None]).sum(1))
        stacked = {k: np.stack(v) for k, v in out.items()}
        return {"sphere": np.stack([100 * unit] * 2).astype(np.float32), "faces": faces,
                **{k: v.astype(np.int64 if k == "nearest" else np.float32) for k, v in stacked.items()}}

    arrays = kept("phantom", digest("film sheet", 2), make,
                  lambda a: a.get("nearest", np.empty(0)).shape == (2, N_SURFACE))
    return Sheet(**{k: arrays[k] for k in ("sphere", "white", "pial", "inflated", "faces", "nearest")})


@lru_cache(maxsize=4)
def group_tuning(seed: int) -> np.ndarray:
    """Return (20484, 48) float32 unit vectors of tuning to actions that everybody shares, smooth over cortex."""
    fields = noise.smooth_fields(noise.stream(seed, 0, GROUP), CODE, noise.LOCAL_STEPS + 2).T
    return (fields / np.maximum(np.linalg.norm(fields, axis=1, keepdims=True), 1e-6)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class FilmSubject:
    """One person of the film phantom.

    Parameters
    ----------
    index : int, 0-based
    fields : SubjectFields of the picture phantom, with shared tuning in `sem`
    acts : (20484,) bool, where the tuning to actions is added to category drive
    moves : (20484,) bool, MT and pSTS
    """

    index: int
    fields: SubjectFields
    acts: np.ndarray
    moves: np.ndarray


def film_subject(seed: int, index: int, level: Level) -> FilmSubject:
    """Return one person; the first eight are those of the picture phantom, later ones repeat their reliabilities."""
    fields = make_subject(seed + 1000 * (index // len(FACTORS)), index % len(FACTORS), level)
    names, table = area_names(), [p.area for p in peaks()]
    own = noise.smooth_fields(noise.stream(seed, index, GROUP), CODE, noise.LOCAL_STEPS).T
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
    sem = np.sqrt(COMMON) * group_tuning(seed) + np.sqrt(1 - COMMON) * own
    areas = [names.index(a) + 1 for a in ACTION_AREAS if a in table]
    acts = np.isin(fields.area, areas) & (fields.driver == CATEGORY)
    moves = np.isin(fields.area, [names.index(a) + 1 for a in ("MT", "pSTS")])
    q = FILM_GAIN * fields.q
    q = (q / np.sqrt(1 + np.square(q / Q_LIMIT))).astype(np.float32)
    return FilmSubject(index, replace(fields, index=index, sem=sem.astype(np.float32), q=q, rotation=None), acts, moves)


def deed_codes(actions: list[str]) -> np.ndarray:
    """Return (n, 48) float32 codes of what is done: one fixed random vector for every action."""
    table = {name: np.random.Generator(np.random.Philox(key=i + 77)).standard_normal(CODE)
             for i, name in enumerate(ACTIONS)}
    return DEED_WEIGHT * np.stack([table[a] for a in actions]).astype(np.float32)


def film_signals(person: FilmSubject, bank: Bank, motion: np.ndarray) -> np.ndarray:
    """Return (n, 20484) float32 noise-free signals of n clips, variance 1 where there is drive, else 0.

    Parameters
    ----------
    motion : (n,) log motion energy of the clips
    """
    driven = person.fields.driven
    raw = standard(raw_signals(person.fields, bank))
    extra = np.flatnonzero(person.acts[driven])
    raw[:, extra] += ACTION_WEIGHT * standard(bank.code @ person.fields.sem[driven[extra]].T)
    moved = np.flatnonzero(person.moves[driven])
    raw[:, moved] += MOTION_WEIGHT * standard(motion[:, None].astype(np.float32))
    out = np.zeros((len(bank), 2 * N_VERTICES), np.float32)
    out[:, driven] = standard(raw)
    return out


def film_vertices(people: list[FilmSubject]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices of the left and of the right sheet that the files list: driven in anyone, not only rim."""
    used = np.zeros(2 * N_VERTICES, bool)
    for person in people:
        used |= np.isin(person.fields.driver, (EARLY, CATEGORY, SEMANTIC)) & (person.fields.q > 0)
    near = sheet().nearest
    return np.flatnonzero(used[:N_VERTICES][near[0]]), np.flatnonzero(used[N_VERTICES:][near[1]])


def slots() -> np.ndarray:
    """Return (60,) slots of 4 s that hold a trial; slots 5, 11, ... 71 are blank."""
    every = np.arange(SLOTS)
    return every[every % 6 != 5]


def onsets(seed: int, run: int) -> np.ndarray:
    """Return (60,) onsets in seconds from the first trial, as the events file says them (12 s before the scan's)."""
    late = noise.stream(seed, 0, TIMING, run).exponential(0.02, TRIALS)
    return slots() * SLOT + np.minimum(late, 0.54)


def hrf(times: np.ndarray) -> np.ndarray:
    """Return the double-gamma response of SPM (peaks 6 and 16 s, ratio 1/6), 0 before 0; its maximum is 1."""
    from scipy.stats import gamma

    t = np.asarray(times, float)
    shape = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6
    fine = np.linspace(0, 30, 3001)
    return shape / (gamma.pdf(fine, 6) - gamma.pdf(fine, 16) / 6).max()


def design(onset: np.ndarray, duration: float = 2.0, volumes: int = VOLUMES, tr: float = TR,
           lead: float = LEAD) -> np.ndarray:
    """Return (volumes, trials) float64 responses at the middle of each volume to a clip of `duration` seconds."""
    t = (np.arange(volumes) + 0.5) * tr
    steps = np.linspace(0, duration, 9)
    whole = np.mean([hrf(t[:, None] - (onset[None] + lead + s)) for s in steps], axis=0)
    return whole


def ridge_betas(series: list[np.ndarray], designs: list[np.ndarray], alpha: float = 0.1) -> np.ndarray:
    """Return (trials of all runs, locations) float32 betas of concatenated runs: ridge without intercept.

    Every run has drift regressors of order 0 to 2, which are projected out first; `alpha` is on scaled regressors.
    """
    rows, blocks = [], []
    for y, x in zip(series, designs, strict=True):
        t = np.linspace(-1, 1, len(y))
        basis, _ = np.linalg.qr(np.stack([np.ones_like(t), t, t**2], 1))
        rows.append(y - basis @ (basis.T @ y))
        blocks.append(x - basis @ (basis.T @ x))
    wide = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
    r = c = 0
    for block in blocks:
        wide[r:r + len(block), c:c + block.shape[1]] = block
        r, c = r + len(block), c + block.shape[1]
    gram = wide.T @ wide + alpha * np.eye(wide.shape[1])
    return np.linalg.solve(gram, wide.T @ np.concatenate(rows).astype(np.float64)).astype(np.float32)


def beta_noise_gain(run_designs: list[np.ndarray], alpha: float = 0.1) -> float:
    """Return the s.d. of a beta's noise for white noise of s.d. 1 in the series (mean over trials)."""
    eye = [np.eye(len(x)) for x in run_designs]
    blocks = []
    for i, x in enumerate(run_designs):
        t = np.linspace(-1, 1, len(x))
        basis, _ = np.linalg.qr(np.stack([np.ones_like(t), t, t**2], 1))
        free = eye[i] - basis @ basis.T
        own = free @ x
        solved = np.linalg.solve(own.T @ own + alpha * np.eye(x.shape[1]), own.T)
        blocks.append(np.sqrt((solved**2).sum(1)).mean())
    return float(np.mean(blocks))


def run_series(person: FilmSubject, seed: int, run: int, signal: np.ndarray, x: np.ndarray, vertices: np.ndarray,
               level: Level, gain: float) -> np.ndarray:
    """Return (156, locations) float32 series of one run in units of 10,000 = mean.

    Parameters
    ----------
    signal : (60, 20484) noise-free signals of the run's trials
    x : (156, 60) design
    vertices : (locations,) vertex 0..20483 of fsaverage5 behind every location
    gain : float
        What :func:`beta_noise_gain` says, so that the planted q is that of single-trial betas.
    """
    fields, rng = person.fields, noise.stream(seed, person.index, SERIES, run)
    white = rng.standard_normal((2 * N_VERTICES, VOLUMES), np.float32)
    smooth = noise.smooth(white, noise.LOCAL_STEPS)[vertices].T
    own = rng.standard_normal(smooth.shape, np.float32)
    y = np.sqrt(np.float32(0.7)) * smooth + np.sqrt(np.float32(0.3)) * own
    for t in range(1, VOLUMES):
        y[t] = _AR * y[t - 1] + np.sqrt(1 - _AR**2) * y[t]
    drift = noise.smooth_fields(rng, 2)[:, vertices]
    y += 1.5 * (noise.session_course(VOLUMES).T @ drift)
    y *= np.float32(1 / gain)
    y += (x.astype(np.float32) @ signal[:, vertices]) * fields.q[vertices]
    y *= fields.amplitude[vertices] * 100
    return y + np.float32(10_000)
