"""Real cortex for simulated brains: fsaverage5, the seeds of its areas, labels as NSD names them, the MNI ribbon.

Reference: developers' page "phantom", section 1. World coordinates are MNI152 mm; fsaverage lies in MNI305 and is moved
with FreeSurfer's affine before anything is measured in millimetres of the template.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from brainview.core.errors import FormatError, MismatchError
from brainview.core.paths import resource
from brainview.maps.meshes import MNI305_TO_MNI152, load_mesh, load_scalar
from brainview.maps.volumes import mni_mask

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
#: Vertices of one hemisphere of fsaverage5.
N_VERTICES = 10_242
#: Paths along edges are longer than geodesics by this much on these meshes.
EDGE_FACTOR = 0.93
#: A seed farther than this from the cortex is a wrong coordinate, not anatomy (mm).
SEED_LIMIT = 8.0
#: How far an area's drive reaches beyond its label: width of the Gaussian in units of its radius, and its floor.
SOFT_WIDTH, SOFT_FLOOR = 0.65, 0.3
#: Voxels farther than this from the ribbon carry no cortical signal (mm).
RIBBON_MM = 3.0
#: Distance within which cortex round a visual seed belongs to ``nsdgeneral`` (mm on the surface).
GENERAL_MM = 12.0

#: Label tables in NSD's order; empty ROIs stay in the table, as in the real data.
ROI_TABLES: dict[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
    "nsdgeneral": ("nsdgeneral",),
    "phantom-visual": ("V3ab", "LO1", "LO2", "MT", "food", "pSTS", "IPS"),
    "phantom-semantic": ("angular-gyrus", "pMTG", "IFG", "ATL", "vATL", "precuneus-PCC", "dmPFC"),
}
#: Which stream the cortex round a seed belongs to.
_STREAM_SEEDS = {"ventral": ("FFA-1", "FFA-2", "PPA", "VWFA-1", "VWFA-2", "FBA-1", "FBA-2", "food", "hV4", "OFA",
                             "OWFA", "mTL-faces"),
                 "lateral": ("EBA", "MT", "LO1", "LO2", "pSTS"), "parietal": ("V3ab", "IPS", "OPA")}


@dataclass(frozen=True)
class Peak:
    """One row of ``resources/rois/peaks.tsv``: an area, its seeds (MNI152 mm) and target sizes (mm²)."""

    area: str
    roi_class: str
    label: str
    driver: str
    seed: dict[str, tuple[float, float, float]]
    size: dict[str, float]
    coordsys: str
    source: str


@lru_cache(maxsize=1)
def peaks() -> tuple[Peak, ...]:
    """Return the shipped table of areas, in file order; raises FormatError for a row in an unknown world."""
    out = []
    with open(resource("rois/peaks.tsv"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["coordsys"] != "MNI152":
                raise FormatError(f"has a seed in {row['coordsys']}, MNI152 was expected", where="rois/peaks.tsv")
            seeds = {s: tuple(float(row[f"{s}_{axis}"]) for axis in "xyz") for s in SIDES}
            sizes = {s: float(row[f"{s}_mm2"]) for s in SIDES}
            out.append(Peak(row["area"], row["roi_class"], row["label"], row["driver"], seeds, sizes,  # type: ignore[arg-type]
                            row["coordsys"], row["source"]))
    return tuple(out)


def area_names() -> list[str]:
    """Return the names of all areas: V1, V2, V3, then the rows of the table of peaks."""
    return ["V1", "V2", "V3", *(p.area for p in peaks())]


@dataclass(frozen=True, eq=False)
class Hemisphere:
    """One hemisphere of fsaverage5 in MNI152 millimetres.

    Parameters
    ----------
    side : "left" or "right"
    white, pial, mid : (n, 3) float64, mm MNI152
    sphere : (n, 3) float64, radius 100
    cortex : (n,) bool, False in the medial wall
    sulc : (n,) float32, positive in sulci
    faces : (m, 3) int32
    edges : (n, n) csr, length of the mid-surface's edges inside cortex (mm, corrected by EDGE_FACTOR)
    area : (n,) float64, mm² of mid-surface per vertex
    """

    side: str
    white: np.ndarray
    pial: np.ndarray
    mid: np.ndarray
    sphere: np.ndarray
    cortex: np.ndarray
    sulc: np.ndarray
    faces: np.ndarray
    edges: sparse.csr_matrix
    area: np.ndarray

    def nearest(self, point: np.ndarray | tuple[float, ...], limit: float | None = SEED_LIMIT) -> int:
        """Return the cortex vertex nearest to a point (mm MNI152); raises MismatchError beyond `limit` mm."""
        where = np.flatnonzero(self.cortex)
        distance = np.linalg.norm(self.mid[where] - np.asarray(point, float), axis=1)
        best = int(distance.argmin())
        if limit is not None and distance[best] > limit:
            raise MismatchError(f"lies {distance[best]:.1f} mm from the {self.side} cortex, the limit is {limit} mm",
                                where=f"seed {tuple(np.round(point, 1).tolist())}")
        return int(where[best])

    def geodesic(self, vertices: np.ndarray | list[int], limit: float = np.inf) -> np.ndarray:
        """Return (len(vertices), n) mm along the mid-surface from each vertex; inf beyond `limit`."""
        return dijkstra(self.edges, indices=np.atleast_1d(vertices), limit=limit)


@lru_cache(maxsize=2)
def hemisphere(side: Side) -> Hemisphere:
    """Return one hemisphere of fsaverage5, read once."""
    white_mesh = load_mesh("fsaverage5", side, "white")
    white = _to_mni152(white_mesh.vertices)
    pial = _to_mni152(load_mesh("fsaverage5", side, "pial").vertices)
    sphere = load_mesh("fsaverage5", side, "sphere").vertices.astype(np.float64)
    sphere *= 100.0 / np.linalg.norm(sphere, axis=1, keepdims=True)
    mid = 0.5 * (white + pial)
    cortex = np.asarray(load_scalar("fsaverage5", side, "thickness")) > 0
    faces = np.asarray(white_mesh.faces)
    edges, area = _edges(mid, faces, cortex)
    sulc = np.asarray(load_scalar("fsaverage5", side, "sulc"), np.float32)
    return Hemisphere(side, white, pial, mid, sphere, cortex, sulc, faces, edges, area)


def _to_mni152(points: np.ndarray) -> np.ndarray:
    affine = np.asarray(MNI305_TO_MNI152, float)
    return points.astype(np.float64) @ affine[:3, :3].T + affine[:3, 3]


def _edges(mid: np.ndarray, faces: np.ndarray, cortex: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    pairs = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    pairs = pairs[cortex[pairs].all(1)]
    length = EDGE_FACTOR * np.linalg.norm(mid[pairs[:, 0]] - mid[pairs[:, 1]], axis=1)
    n = len(mid)
    graph = sparse.coo_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    a, b, c = (mid[faces[:, i]] for i in range(3))
    triangle = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    area = np.zeros(n)
    for i in range(3):
        np.add.at(area, faces[:, i], triangle / 3)
    return (graph + graph.T).tocsr(), area


@dataclass(frozen=True, eq=False)
class Grown:
    """Areas grown from seeds on one hemisphere.

    Parameters
    ----------
    seeds : (areas,) int64 vertex of each seed, in the order of the table of peaks
    points : (areas, 3) the coordinates asked for (mm MNI152)
    distance : (areas, n) float32 geodesic mm from each seed
    nu : (areas, n) float32 distance in units of the area's radius sqrt(size / pi)
    """

    seeds: np.ndarray
    points: np.ndarray
    distance: np.ndarray
    nu: np.ndarray


def grow(side: Side, points: np.ndarray, sizes: np.ndarray, *, jittered: bool = False) -> Grown:
    """Grow all areas of one hemisphere from seed points.

    Parameters
    ----------
    points : (areas, 3) mm MNI152, in the order of :func:`peaks`
    sizes : (areas,) target mm² on the mid-surface
    jittered : bool
        A jittered seed may lie off the cortex and is snapped from any distance; a table's seed may not.

    Raises
    ------
    MismatchError
        A seed of the table lies more than 8 mm from the cortex.
    """
    hemi = hemisphere(side)
    seeds = np.array([hemi.nearest(p, None if jittered else SEED_LIMIT) for p in points])
    radius = np.sqrt(np.asarray(sizes, float) / np.pi)
    distance = hemi.geodesic(seeds).astype(np.float32)
    return Grown(seeds, np.asarray(points, float), distance, distance / radius[:, None].astype(np.float32))


def soft_weight(nu: np.ndarray) -> np.ndarray:
    """Return the driving weight of an area at a distance of `nu` radii: a Gaussian, 0 below 0.3."""
    weight = np.exp(-np.square(nu) / (2 * SOFT_WIDTH**2))
    return np.where(weight >= SOFT_FLOOR, weight, 0.0).astype(np.float32)


def label_classes(grown: Grown, early: np.ndarray, eccentricity: np.ndarray, angle: np.ndarray,
                  empty: set[str], cortex: np.ndarray, side: Side) -> dict[str, np.ndarray]:
    """Return the label vectors of one hemisphere, exclusive inside a class (reference 1.3).

    Parameters
    ----------
    early : (n,) int 0 none, 1 V1, 2 V2, 3 V3 of the band model
    eccentricity, angle : (n,) degrees (angle 0 = upper vertical meridian)
    empty : set of str
        ROI names that this subject lacks.

    Returns
    -------
    dict of class name to (n,) int32; ids as in ROI_TABLES, -1 outside cortex, 0 unlabelled.
    """
    names = [p.area for p in peaks()]
    cut = cut_early(early, eccentricity)
    out: dict[str, np.ndarray] = {}
    for name, table in ROI_TABLES.items():
        if name in ("streams", "nsdgeneral"):
            continue
        rows = [i for i, p in enumerate(peaks()) if p.roi_class == name]
        labels = np.zeros(early.size, np.int32)
        nu = grown.nu[rows]
        winner = nu.argmin(0)
        inside = (nu.min(0) <= 1.0) & _free(name, cut, eccentricity, nu.min(0))
        for k, row in enumerate(rows):
            label = peaks()[row].label
            if label not in empty:
                labels[inside & (winner == k)] = table.index(label) + 1
        out[name] = labels
    visual = out["prf-visualrois"]
    keep = (cut > 0) & (visual == 0)
    upper = angle <= 90
    visual[keep] = (2 * cut + np.where(upper, -1, 0))[keep]
    out["streams"], out["nsdgeneral"] = _streams(grown, cut, visual, names, side)
    for labels in out.values():
        labels[~cortex] = -1
    return out


def cut_early(early: np.ndarray, eccentricity: np.ndarray) -> np.ndarray:
    """Return the band model's areas cut where labels end: V1 at 45, V2 and V3 at 20 degrees."""
    cut = np.array(early, np.int32)
    cut[(cut == 1) & (eccentricity > 45)] = 0
    cut[(cut >= 2) & (eccentricity > 20)] = 0
    return cut


def _free(name: str, cut: np.ndarray, eccentricity: np.ndarray, nu: np.ndarray) -> np.ndarray:
    """Return where a class may take vertices although the band model claims them."""
    free = cut == 0
    if name == "floc-places":
        free |= (cut == 1) & (eccentricity > 25)
    elif name == "prf-visualrois":
        free |= (cut == 3) & (eccentricity < 2.5)
    if name not in ("prf-visualrois", "floc-places"):
        free |= (cut == 3) & (nu < 0.8)
    return free


def _streams(grown: Grown, cut: np.ndarray, visual: np.ndarray, names: list[str],
             side: Side) -> tuple[np.ndarray, np.ndarray]:
    early = (visual > 0) & (visual < 7)
    seeds = [names.index(a) for group in _STREAM_SEEDS.values() for a in group] + [names.index("RSC")]
    general = early | (grown.distance[seeds].min(0) <= GENERAL_MM) | (visual == 7)
    groups = {g: grown.distance[[names.index(a) for a in areas]].min(0) for g, areas in _STREAM_SEEDS.items()}
    order = np.stack(list(groups.values())).argmin(0)
    ring = hemisphere(side).geodesic(np.flatnonzero(early), limit=10.0).min(0) <= 10.0
    streams = np.zeros(cut.size, np.int32)
    streams[general] = np.where(ring, 2, 5)[general] + order[general].astype(np.int32)
    streams[early] = 1
    return streams, general.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Ribbon:
    """Which voxel of the MNI152 2 mm brain mask sees which cortical vertex.

    Parameters
    ----------
    vertex : (mask voxels,) int32
        Vertex of fsaverage5 (left first, right + 10,242), -1 where the cortex is farther than 3 mm.
    distance : (mask voxels,) float32 mm to the nearest point of the ribbon
    """

    vertex: np.ndarray
    distance: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """(mask voxels,) bool of the voxels that carry cortical signal."""
        return self.vertex >= 0

    @property
    def gain(self) -> np.ndarray:
        """(mask voxels,) float32 share of the vertex's signal in the voxel: exp(-(d / 3)² / 2)."""
        return np.where(self.inside, np.exp(-np.square(self.distance / RIBBON_MM) / 2), 0).astype(np.float32)


@lru_cache(maxsize=1)
def mni_ribbon() -> Ribbon:
    """Return the cortical ribbon in the MNI152 2 mm mask (reference 1.4; 129,229 of 235,375 voxels)."""
    points, vertices = [], []
    for offset, side in enumerate(SIDES):
        hemi = hemisphere(side)
        where = np.flatnonzero(hemi.cortex)
        for f in (0.0, 0.25, 0.5, 0.75, 1.0):
            points.append((hemi.white + f * (hemi.pial - hemi.white))[where])
            vertices.append(where + offset * N_VERTICES)
    index = np.argwhere(np.asarray(mni_mask(2)))
    voxels = index * 2.0 + np.array([-90.0, -126.0, -72.0])
    distance, nearest = cKDTree(np.concatenate(points)).query(voxels, distance_upper_bound=RIBBON_MM)
    hit = np.isfinite(distance)
    vertex = np.full(len(voxels), -1, np.int32)
    vertex[hit] = np.concatenate(vertices)[nearest[hit]]
    return Ribbon(vertex, np.where(hit, distance, np.inf).astype(np.float32))
