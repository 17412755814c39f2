"""Where values live: surfaces, volumes, masks over them, grayordinates, parcel sets.

Every space knows its size and gives its values one fixed order. Surfaces put the left hemisphere first; volumes
are C-ordered (x slowest) on a RAS-or-not grid whose affine says where it is; a mask keeps the order of its parent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError, MissingError

#: Vertices of one hemisphere of the standard meshes.
VERTICES = {"fsaverage3": 642, "fsaverage4": 2562, "fsaverage5": 10_242, "fsaverage6": 40_962,
            "fsaverage": 163_842, "fsLR32k": 32_492}
#: Other names under which people know them.
ALIASES = {"fsaverage7": "fsaverage", "fs_LR_32k": "fsLR32k", "fslr32k": "fsLR32k", "fsLR": "fsLR32k",
           "mni": "mni152-2mm", "MNI152": "mni152-2mm", "mni152": "mni152-2mm"}


class Space:
    """Base of all spaces; see :class:`SurfaceSpace`, :class:`VolumeSpace`, :class:`MaskedSpace`, ..."""

    name: str
    kind: str

    @property
    def size(self) -> int:
        """Number of values of a map on this space."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return what identifies the space as plain JSON types."""
        return {"name": self.name, "kind": self.kind, "size": self.size}

    def _identity(self) -> bytes:
        return repr((self.kind, self.name, self.size)).encode()

    @cached_property
    def key(self) -> str:
        """A hash of everything that decides where the values are; equal keys mean equal spaces."""
        return hashlib.sha256(self._identity()).hexdigest()[:20]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} ({self.size:,})>"

    @property
    def root(self) -> Space:
        """The space without masks."""
        return self

    def check(self, values: np.ndarray, *, where: object = None) -> None:
        """Refuse values whose last axis does not fit the space, naming both counts."""
        if values.shape[-1:] != (self.size,):
            got = values.shape[-1] if values.ndim else 1
            raise MismatchError(f"has {got:,} values; {self.name} has {self.size:,}", where=where,
                                remedy="Load the mesh or mask that these values belong to, or resample them.")


@dataclass(frozen=True, eq=False, repr=False)
class SurfaceSpace(Space):
    """Vertices of a pair of hemispheres, left first.

    Parameters
    ----------
    name : str
        Standard mesh (``fsaverage5``...) or ``native:subj01``.
    n_left, n_right : int
        Vertices per hemisphere; 0 = that hemisphere is absent.
    """

    name: str
    n_left: int
    n_right: int
    kind: str = field(default="surface", init=False)

    @property
    def size(self) -> int:
        return self.n_left + self.n_right

    @property
    def left(self) -> slice:
        """Where the left hemisphere's values are."""
        return slice(0, self.n_left)

    @property
    def right(self) -> slice:
        """Where the right hemisphere's values are."""
        return slice(self.n_left, self.size)

    def _identity(self) -> bytes:
        return repr((self.kind, self.name, self.n_left, self.n_right)).encode()


@dataclass(frozen=True, eq=False, repr=False)
class VolumeSpace(Space):
    """All voxels of a grid, C order.

    Parameters
    ----------
    name : str
        ``mni152-2mm``, ``func1pt8mm:subj01``, ...
    shape : (int, int, int)
        Voxels per axis.
    affine : (4, 4) float array
        Voxel index (0-based) to world RAS+ mm.
    world : str
        What the world coordinates mean: ``MNI152``, ``scanner``, ``unknown`` ...
    """

    name: str
    shape: tuple[int, int, int]
    affine: np.ndarray
    world: str = "scanner"
    kind: str = field(default="volume", init=False)

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=float)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise MismatchError("has an affine that is not a finite, invertible 4 x 4 matrix", where=self.name)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm."""
        return tuple(float(z) for z in np.sqrt((self.affine[:3, :3] ** 2).sum(0)))  # type: ignore[return-value]

    def _identity(self) -> bytes:
        return repr((self.kind, self.shape, self.world)).encode() + np.round(self.affine, 5).tobytes()


@dataclass(frozen=True, eq=False, repr=False)
class MaskedSpace(Space):
    """Some locations of another space, in its order.

    Parameters
    ----------
    name : str
        What the mask is, for example ``challenge:subj01``.
    parent : Space
        Where the locations are.
    index : (n,) int64 array
        Ascending positions in the parent.
    """

    name: str
    parent: Space
    index: np.ndarray
    kind: str = field(default="mask", init=False)

    def __post_init__(self) -> None:
        index = np.array(self.index, dtype=np.int64).reshape(-1)
        if index.size and (index[0] < 0 or index[-1] >= self.parent.size or (np.diff(index) <= 0).any()):
            raise MismatchError(f"has a mask that is not ascending inside 0..{self.parent.size - 1}", where=self.name)
        index.setflags(write=False)
        object.__setattr__(self, "index", index)

    @property
    def size(self) -> int:
        return int(self.index.size)

    @property
    def root(self) -> Space:
        return self.parent.root

    @cached_property
    def root_index(self) -> np.ndarray:
        """(n,) positions in the root space."""
        return self.parent.root_index[self.index] if isinstance(self.parent, MaskedSpace) else self.index

    def expand(self, values: np.ndarray, fill: float = np.nan) -> np.ndarray:
        """Return (..., n) values as (..., parent.size), `fill` where the mask is not."""
        self.check(values, where=self.name)
        out = np.full((*values.shape[:-1], self.parent.size), fill, dtype=np.result_type(values.dtype, type(fill)))
        out[..., self.index] = values
        return out

    def _identity(self) -> bytes:
        return self.kind.encode() + self.parent.key.encode() + self.index.tobytes()


@dataclass(frozen=True)
class BrainStructure:
    """One brain model of a grayordinate space (CIFTI-2).

    Parameters
    ----------
    name : str
        CIFTI structure, for example ``CORTEX_LEFT`` or ``THALAMUS_RIGHT``.
    index : (n,) int64 array
        Vertices of the surface, or flat C-order voxels of the volume.
    n_vertices : int
        Vertices of the surface, 0 for a voxel structure.
    """

    name: str
    index: np.ndarray
    n_vertices: int = 0


@dataclass(frozen=True, eq=False, repr=False)
class GrayordinateSpace(Space):
    """Cortical vertices and subcortical voxels in one vector (CIFTI-2 brain models, in file order)."""

    name: str
    structures: tuple[BrainStructure, ...]
    volume: VolumeSpace | None = None
    kind: str = field(default="grayordinates", init=False)

    @property
    def size(self) -> int:
        return sum(len(s.index) for s in self.structures)

    def _identity(self) -> bytes:
        parts = [self.kind.encode(), self.volume.key.encode() if self.volume else b""]
        for s in self.structures:
            parts += [repr((s.name, s.n_vertices)).encode(), np.asarray(s.index, np.int64).tobytes()]
        return b"|".join(parts)


@dataclass(frozen=True, eq=False, repr=False)
class ParcelSpace(Space):
    """One value per parcel of an atlas on another space.

    Parameters
    ----------
    name : str
        Name of the atlas.
    names : tuple of str
        Parcel names, in value order.
    parent : Space, optional
        Where the parcels are; None when only the names are known.
    labels : (parent.size,) int array, optional
        Position of the parcel in `names` for every location, -1 = none.
    """

    name: str
    names: tuple[str, ...]
    parent: Space | None = None
    labels: np.ndarray | None = None
    kind: str = field(default="parcels", init=False)

    def __post_init__(self) -> None:
        if self.labels is not None:
            if self.parent is None:
                raise MismatchError("has labels but no parent space", where=self.name)
            labels = np.array(self.labels, dtype=np.int32)
            self.parent.check(labels, where=self.name)
            labels.setflags(write=False)
            object.__setattr__(self, "labels", labels)

    @property
    def size(self) -> int:
        return len(self.names)

    @property
    def root(self) -> Space:
        return self.parent.root if self.parent is not None else self

    def _identity(self) -> bytes:
        where = self.parent.key if self.parent else ""
        return repr((self.kind, self.names, where)).encode() + (b"" if self.labels is None else self.labels.tobytes())


def surface_space(name: str, hemispheres: str = "both") -> SurfaceSpace:
    """Return a standard surface; `hemispheres` is ``both``, ``left`` or ``right``."""
    name = ALIASES.get(name, name)
    if name not in VERTICES:
        raise MissingError(f"no standard mesh is called {name!r}", remedy="Known: " + ", ".join(VERTICES) + ".")
    n = VERTICES[name]
    return SurfaceSpace(name, 0 if hemispheres == "right" else n, 0 if hemispheres == "left" else n)


def mni_space(resolution: int = 2) -> VolumeSpace:
    """Return the MNI152 grid of 91 x 109 x 91 (2 mm) or 182 x 218 x 182 voxels (1 mm), RAS.

    2 mm: affine diag(2,2,2), translation (-90,-126,-72); 1 mm: NSD's grid, translation (-91,-126,-72)
    (reference: whole-brain encoder, sections 1.1 and 1.2).
    """
    if resolution == 2:
        shape, offset = (91, 109, 91), (-90, -126, -72)
    elif resolution == 1:
        shape, offset = (182, 218, 182), (-91, -126, -72)
    else:
        raise MissingError(f"no MNI152 grid of {resolution!r} mm is built in", remedy="Use 1 or 2.")
    affine = np.diag([resolution, resolution, resolution, 1.0]).astype(float)
    affine[:3, 3] = offset
    return VolumeSpace(f"mni152-{resolution}mm", shape, affine, world="MNI152")


def get_space(name: str) -> Space:
    """Return a built-in space by name.

    ``fsaverage5``, ``fsaverage6``, ``fsaverage`` (``fsaverage7``), ``fsLR32k``, ``mni152-2mm``, ``mni152-1mm``,
    ``grayordinates-59k``, ``grayordinates-91k``. Raises MissingError with the list for any other name.
    """
    name = ALIASES.get(name, name)
    if name in VERTICES:
        return surface_space(name)
    if name in ("mni152-2mm", "mni152-1mm"):
        return mni_space(int(name[7]))
    if name.startswith("grayordinates-"):
        from brainview.maps.grayordinates import standard_grayordinates  # heavy table, loaded when asked for

        return standard_grayordinates(name)
    known = [*VERTICES, "mni152-2mm", "mni152-1mm", "grayordinates-59k", "grayordinates-91k"]
    raise MissingError(f"no space is called {name!r}", remedy="Known: " + ", ".join(known) + ".")
