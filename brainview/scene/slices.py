"""Volume maps as slices, composed in numpy: values over anatomy, letters for the sides of the body, a cross hair.

A volume is shown along its own axes, put into the nearest RAS order (nothing is resampled, so a voxel on screen is a
voxel of the file). World coordinates are told through the full affine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from brainview.core.errors import MismatchError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, Pick
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, VolumeSpace
from brainview.scene.colors import Paint, compose, paint_of
from brainview.scene.outlines import on_root
from brainview.scene.theme import BACKGROUNDS

#: orientation -> (axis of the slices, axis to the right of the screen, axis up)
PLANES = {"sagittal": (0, 1, 2), "coronal": (1, 0, 2), "axial": (2, 0, 1)}
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
#: Darkest and brightest anatomy.
_ANATOMY = (28, 205)


@dataclass(frozen=True)
class Tile:
    """One drawn slice.

    Parameters
    ----------
    image : (height, width, 3) uint8 array
    letters : dict
        ``left``, ``right``, ``top``, ``bottom`` to the side of the body; empty without a valid orientation.
    cross : (float, float) or None
        Cross hair in 0..1 from the upper left corner.
    label : str
        Where the slice is, for example ``z = 12 mm``.
    plane : str
    index : int
        Slice in the nearest-RAS array.
    """

    image: np.ndarray
    letters: dict[str, str]
    cross: tuple[float, float] | None
    label: str
    plane: str
    index: int


#: Share of voxels that are exactly 0 above which zeros count as empty: statistics are written so outside the brain.
ZEROS = 0.25


class SliceScene:
    """A volume map, ready to be cut.

    Parameters
    ----------
    brain_map : BrainMap
        On a VolumeSpace or a mask over one.
    rule : ColorRule
    underlay : callable, optional
        Takes (n, 3) world mm, returns (n,) anatomy in 0..1 (NaN outside): the MNI template or the subject's own T1.
    radiological : bool
        Draw the left of the body on the right.
    background : str
        Paper, of :data:`brainview.scene.theme.BACKGROUNDS`.
    """

    def __init__(self, brain_map: BrainMap, rule: ColorRule, *, background: str = "dark", radiological: bool = False,
                 underlay: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        root = brain_map.space.root
        if not isinstance(root, VolumeSpace):
            raise MismatchError(f"{brain_map.name!r} is on {root.name}, which is no volume")
        self.map, self.rule, self.space = brain_map, rule, root
        self.radiological, self.background = radiological, background
        self._order, self._signs = nearest_ras(root.affine)
        self.values = self._oriented(brain_map.expanded().values.reshape(root.shape))
        self.shape: tuple[int, int, int] = self.values.shape  # type: ignore[assignment]
        self.zooms = tuple(root.zooms[k] for k in self._order)
        self._affine = self._oriented_affine()
        self._underlay = underlay
        self._labels: list[np.ndarray] = []
        #: True when exact zeros are the file's way to say "nothing": anatomy is drawn and "no data" read there.
        self.zeros_are_nothing = empty_zeros(brain_map, self.values)
        self._shown = np.where(self.values == 0, np.nan, self.values) if self.zeros_are_nothing else self.values
        self._stack = [paint_of(Layer(brain_map, rule), self._shown)]

    def set_rule(self, rule: ColorRule) -> None:
        """Change limits, threshold, colour map; the map is shown alone."""
        self.rule = rule
        self._stack = [paint_of(Layer(self.map, rule), self._shown)]

    def set_layers(self, layers: Sequence[Layer]) -> None:
        """Show maps over each other, the lowest first; other grids of the same world are sampled at nearest voxels.

        Raises MismatchError for a map that has no place in this volume.
        """
        known: dict[int, np.ndarray] = {id(self.map): self._shown}

        def placed(brain_map: BrainMap) -> np.ndarray:
            if id(brain_map) not in known:
                known[id(brain_map)] = self._oriented(on_grid(brain_map, self.space).reshape(self.space.shape))
            return known[id(brain_map)]

        self._stack = [paint_of(one, placed(one.map), None if one.second is None else placed(one.second))
                       for one in layers]

    def set_outlines(self, classes: Mapping[str, RoiClass]) -> None:
        """Draw the borders of ROI classes; MismatchError when their labels do not fit."""
        self._labels = []
        for roi_class in classes.values():
            labels = on_root(roi_class.labels, self.map.space)
            labels = np.where(np.isin(labels, [k for k in roi_class.table if k > 0]), labels, 0)
            self._labels.append(self._oriented(labels.reshape(self.space.shape)))

    def best(self) -> tuple[float, float, float]:
        """Return the world place, mm, of the strongest value (the middle of the grid when there is none)."""
        strength = np.abs(np.nan_to_num(self.values, nan=0.0))
        if strength.max() > 0:
            return self.world(np.array(np.unravel_index(int(np.argmax(strength)), self.shape)))
        return self.world([n // 2 for n in self.shape])

    def world(self, voxel: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
        """Return the world place, mm, of a voxel of the nearest-RAS array."""
        x, y, z = self._affine[:3, :3] @ np.asarray(voxel, float) + self._affine[:3, 3]
        return float(x), float(y), float(z)

    def index_of(self, ras: tuple[float, float, float]) -> tuple[int, int, int]:
        """Return the nearest voxel (of the nearest-RAS array), clipped into the grid."""
        voxel = np.linalg.solve(self._affine[:3, :3], np.asarray(ras, float) - self._affine[:3, 3])
        i, j, k = np.clip(np.round(voxel), 0, np.array(self.shape) - 1).astype(int)
        return int(i), int(j), int(k)

    def extent(self, plane: str) -> tuple[float, float]:
        """Return width and height of a slice in mm."""
        _, across, up = PLANES[plane]
        return self.shape[across] * self.zooms[across], self.shape[up] * self.zooms[up]

    def tile(self, plane: str, index: int, height: int, cross: tuple[float, float, float] | None = None) -> Tile:
        """Draw one slice `height` pixels high; data by nearest voxel, anatomy sampled where the voxels are."""
        axis, across, up = PLANES[plane]
        wide, high = self.extent(plane)
        rows = max(1, int(height))
        columns = max(1, round(rows * wide / high))
        fine_x = (np.arange(columns) + 0.5) / columns * self.shape[across] - 0.5
        fine_y = ((np.arange(rows) + 0.5) / rows * self.shape[up] - 0.5)[::-1]
        mirrored = self.radiological and across == 0
        if mirrored:
            fine_x = fine_x[::-1]
        x = np.clip(np.round(fine_x), 0, self.shape[across] - 1).astype(int)
        y = np.clip(np.round(fine_y), 0, self.shape[up] - 1).astype(int)

        def cut(volume: np.ndarray) -> np.ndarray:  # (across, up): the axes keep their order
            return np.take(volume, index, axis)[x[None, :], y[:, None]].reshape(-1)

        paints = [Paint(p.layer, cut(p.values), None if p.second is None else cut(p.second), p.threshold)
                  for p in self._stack]
        image = compose(paints, self._anatomy(plane, index, fine_x, fine_y)).reshape(rows, columns, 3)
        self._draw_borders(image, axis, index, x, y)
        left, right = _LETTERS[across]
        if mirrored:
            left, right = right, left
        letters = {"left": left, "right": right, "bottom": _LETTERS[up][0], "top": _LETTERS[up][1]}
        place = self._affine[axis, :3] @ self._at(axis, index) + self._affine[axis, 3]
        where = None
        if cross is not None:
            voxel = self.index_of(cross)
            h = (voxel[across] + 0.5) / self.shape[across]
            where = (1 - h if mirrored else h, 1 - (voxel[up] + 0.5) / self.shape[up])
        known = self.space.world != "unknown"
        return Tile(image, letters if known else {}, where, f"{'xyz'[axis]} = {place:.0f} mm".replace("-", "−"), plane,
                    index)

    def ras(self, plane: str, index: int, x: float, y: float) -> tuple[float, float, float]:
        """Return the world place of the voxel under (x, y) in 0..1 from a slice's upper left corner."""
        axis, across, up = PLANES[plane]
        if self.radiological and across == 0:
            x = 1 - x
        voxel = np.zeros(3)
        voxel[axis] = index
        voxel[across] = np.clip(int(x * self.shape[across]), 0, self.shape[across] - 1)
        voxel[up] = np.clip(int((1 - y) * self.shape[up]), 0, self.shape[up] - 1)
        return self.world(voxel)

    def pick(self, ras: tuple[float, float, float]) -> Pick:
        """Return the record of the voxel nearest to a world place; voxel indices are those of the file."""
        voxel = self.index_of(ras)
        stored = [0, 0, 0]
        for k, (source, sign) in enumerate(zip(self._order, self._signs, strict=True)):
            stored[source] = voxel[k] if sign > 0 else self.shape[k] - 1 - voxel[k]
        i, j, k = stored
        root = int(np.ravel_multi_index((i, j, k), self.space.shape))
        index: int | None = root
        if isinstance(self.map.space, MaskedSpace):
            place = int(np.searchsorted(self.map.space.root_index, root))
            inside = place < self.map.space.size and self.map.space.root_index[place] == root
            index = place if inside else None
        x, y, z = (float(c) for c in self.space.affine[:3, :3] @ stored + self.space.affine[:3, 3])
        name = {"scanner": "scanner RAS", "unknown": "unknown space"}.get(self.space.world, self.space.world)
        return Pick("volume", -1, index, (x, y, z), name, float(self._shown[voxel]), (i, j, k), root)

    def steps(self, plane: str, count: int) -> list[int]:
        """Return `count` slices spread over the part of the volume that has data."""
        axis = PLANES[plane][0]
        other = tuple(a for a in range(3) if a != axis)
        good = np.flatnonzero((np.isfinite(self.values) & (self.values != 0)).any(axis=other))
        first, last = (int(good[0]), int(good[-1])) if good.size else (0, self.shape[axis] - 1)
        margin = (last - first) * 0.04
        return sorted({round(s) for s in np.linspace(first + margin, last - margin, min(count, last - first + 1))})

    def _oriented(self, volume: np.ndarray) -> np.ndarray:
        turned = np.transpose(volume, self._order)
        return turned[tuple(slice(None, None, s) for s in self._signs)]

    def _oriented_affine(self) -> np.ndarray:
        affine = np.eye(4)
        for k, (source, sign) in enumerate(zip(self._order, self._signs, strict=True)):
            affine[:3, k] = self.space.affine[:3, source] * sign
        last = [(self.space.shape[s] - 1) if sign < 0 else 0 for s, sign in zip(self._order, self._signs, strict=True)]
        start = np.zeros(3)
        for source, at in zip(self._order, last, strict=True):
            start[source] = at
        affine[:3, 3] = self.space.affine[:3, :3] @ start + self.space.affine[:3, 3]
        return affine

    def _at(self, axis: int, index: int) -> np.ndarray:
        voxel = (np.array(self.shape) - 1) / 2
        voxel[axis] = index
        return voxel

    def _anatomy(self, plane: str, index: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (rows * columns, 3) uint8 anatomy at fractional voxels."""
        axis, across, up = PLANES[plane]
        paper = np.array(BACKGROUNDS[self.background].paper, np.uint8)
        out = np.broadcast_to(paper, (len(y) * len(x), 3)).copy()
        if self._underlay is None:
            return out
        voxels = np.zeros((len(y), len(x), 3))
        voxels[..., axis] = index
        voxels[..., across] = x[None, :]
        voxels[..., up] = y[:, None]
        world = voxels.reshape(-1, 3) @ self._affine[:3, :3].T + self._affine[:3, 3]
        share = self._underlay(world)
        inside = np.isfinite(share) & (share > 0)
        dark, bright = _ANATOMY
        out[inside] = np.round(dark + (bright - dark) * np.clip(share[inside], 0, 1)).astype(np.uint8)[:, None]
        return out

    def _draw_borders(self, image: np.ndarray, axis: int, index: int, x: np.ndarray, y: np.ndarray) -> None:
        for labels in self._labels:
            cut = np.take(labels, index, axis)[x[None, :], y[:, None]]
            edge = np.zeros(cut.shape, bool)
            edge[:, 1:] |= cut[:, 1:] != cut[:, :-1]
            edge[1:, :] |= cut[1:, :] != cut[:-1, :]
            image[edge] = 255


def empty_zeros(brain_map: BrainMap, values: np.ndarray) -> bool:
    """Tell whether exact zeros are the file's way to say "nothing"."""
    return brain_map.kind != "label" and float((values == 0).mean()) > ZEROS


def on_grid(brain_map: BrainMap, grid: VolumeSpace) -> np.ndarray:
    """Return (grid.size,) values of a volume map at the voxels of a grid, the nearest voxel where the grids differ.

    Raises MismatchError for maps of a surface and for grids of another world.
    """
    own = brain_map.space.root
    if not isinstance(own, VolumeSpace) or (own != grid and (own.world != grid.world or own.world == "unknown")):
        raise MismatchError(f"{brain_map.name!r} is on {brain_map.space.name}, the slices are of {grid.name}",
                            remedy="Convert one of them first (Export map, another space).")
    values = brain_map.expanded().values
    if empty_zeros(brain_map, values):
        values = np.where(values == 0, np.nan, values)
    if own == grid:
        return values
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1).reshape(-1, 3)
    there = np.linalg.inv(own.affine) @ grid.affine
    voxels = np.round(places @ there[:3, :3].T + there[:3, 3]).astype(int)
    inside = np.all((voxels >= 0) & (voxels < np.array(own.shape)), axis=1)
    out = np.full(grid.size, np.nan, np.float32)
    out[inside] = values[np.ravel_multi_index(tuple(voxels[inside].T), own.shape)]
    return out


def nearest_ras(affine: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return (order, signs): which stored axis is nearest to R, A, S, and whether it runs that way (nibabel's rule)."""
    from nibabel.orientations import io_orientation

    codes = io_orientation(affine)
    order, signs = [0, 0, 0], [1, 1, 1]
    for source, (target, flip) in enumerate(codes):
        order[int(target)], signs[int(target)] = source, int(flip)
    return (order[0], order[1], order[2]), (signs[0], signs[1], signs[2])


#: Anatomies of people that this process was given, by :func:`_person`, the newest last.
_OWN: dict[tuple[str, str, bytes], Callable[[np.ndarray], np.ndarray]] = {}


def _person(dataset: str, subject: str, grid: VolumeSpace) -> tuple[str, str, bytes]:
    return str(dataset), str(subject), repr((grid.shape, grid.affine.round(4).tolist(), grid.world)).encode()


def keep_anatomy(anatomy: BrainMap, dataset: str, subject: str, grid: VolumeSpace) -> None:
    """Draw this person's maps on `grid` over this anatomy from now on, on screen and in exports (the last eight)."""
    root = anatomy.space.root
    if not isinstance(root, VolumeSpace):
        raise MismatchError(f"{anatomy.name!r} is no volume")
    key = _person(dataset, subject, grid)
    _OWN.pop(key, None)
    _OWN[key] = volume_underlay(anatomy.expanded().values.reshape(root.shape), root.affine)
    while len(_OWN) > 8:
        _OWN.pop(next(iter(_OWN)))


def own_anatomy(brain_map: BrainMap) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the anatomy of the person that a map is of, None where none was given for its grid."""
    story, root = brain_map.provenance, brain_map.space.root
    if not isinstance(root, VolumeSpace):
        return None
    return _OWN.get(_person(story.get("dataset", ""), story.get("subject", ""), root))


def underlay_of(brain_map: BrainMap) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what lies under a map: the person's own T1, or the template of MNI spaces, or nothing."""
    root = brain_map.space.root
    return own_anatomy(brain_map) or (template_underlay(root) if isinstance(root, VolumeSpace) else None)


def template_underlay(space: VolumeSpace) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the MNI152 template as the underlay of MNI spaces, None for all others."""
    if space.world != "MNI152":
        return None
    return mni_underlay()


@cache
def mni_underlay() -> Callable[[np.ndarray], np.ndarray]:
    """Return the MNI152 template as an underlay; made once (call it in a thread before slices are wanted)."""
    nearest_ras(np.eye(4))  # imports nibabel
    from brainview.maps.space import mni_space
    from brainview.maps.volumes import mni_template

    return volume_underlay(mni_template(2), mni_space(2).affine)


def underlay_is_here() -> bool:
    """Return whether :func:`mni_underlay` answers at once."""
    return mni_underlay.cache_info().currsize > 0


def volume_underlay(volume: np.ndarray, affine: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that samples an anatomy (x, y, z) linearly at world mm; 0..1 = 2nd..99.5th centile."""
    from scipy.ndimage import map_coordinates

    data = np.nan_to_num(np.asarray(volume, np.float32))
    inside = data[data > 0]
    low, high = np.percentile(inside, [2, 99.5]) if inside.size else (0.0, 1.0)
    scaled = np.where(data > 0, np.clip((data - low) / max(high - low, 1e-9), 0.01, 1), 0).astype(np.float32)
    inverse = np.linalg.inv(affine)

    def sample(world: np.ndarray) -> np.ndarray:
        voxels = world @ inverse[:3, :3].T + inverse[:3, 3]
        return map_coordinates(scaled, voxels.T, order=1, cval=np.nan)

    return sample
