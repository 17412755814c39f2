"""What a folder of the lab's own files seems to be: every file with its role, and a draft of its ``dataset.toml``.

Headers and first lines are read, never the data. What is guessed is said, and each problem comes with its remedy.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.files import atomic_write, walk
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.datasets.images import is_image
from brainview.datasets.inspect import describe
from brainview.datasets.manifest import FILE_NAME, FORMAT, Manifest
from brainview.datasets.tables import read_table

#: Roles that a file can have.
ROLES = ("responses", "trials", "mask", "roi", "ceiling", "anatomy", "stimuli", "stimulus table", "other")
#: The most files that are looked at.
LIMIT = 5000
_SUBJECT = re.compile(r"(sub-[A-Za-z0-9]+|subj?\d+|(?<![A-Za-z])[sS]\d{1,3})(?![A-Za-z0-9])")
_STIMULUS = ("trial_type", "stimulus", "label", "condition", "image", "stim_file", "stim")


@dataclass(frozen=True)
class Found:
    """One recognised file (or folder of pictures).

    Parameters
    ----------
    path : str
        Relative to the folder.
    role : str
        One of `ROLES`.
    subject : str
    words : str
        What was understood, orientation included.
    rows : int
        Volumes, trials or lines; 0 = not known.
    grid : tuple of int
        Voxels per axis of a volume, () for all others.
    tr : float
        Seconds per volume, 0 = none told.
    columns : tuple of str
        Of a table.
    key : str
        Array inside a container file.
    """

    path: str
    role: str
    subject: str
    words: str
    rows: int = 0
    grid: tuple[int, ...] = ()
    tr: float = 0.0
    columns: tuple[str, ...] = ()
    key: str = ""


def recognise(folder: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what is in a folder: ``files`` (dicts of :class:`Found`), ``toml`` (a draft), ``problems``.

    Raises
    ------
    MissingError
        There is no such folder, or nothing in it that BrainView knows.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise MissingError("is no folder", where=folder, remedy="Drop the folder that holds the data set's files.")
    found: list[Found] = []
    pictures: dict[Path, int] = defaultdict(int)
    for number, path in enumerate(walk(root, depth=6, count=LIMIT * 20)):
        if number > LIMIT or path.name in (FILE_NAME, f"{FILE_NAME}~"):
            continue
        context.report(number, 0, shown(path.name))
        if is_image(path):
            pictures[path.parent] += 1
            continue
        one = _look(path, root)
        if one is not None:
            found.append(one)
    found += [Found(str(p.relative_to(root)), "stimuli", "", f"{n:,} pictures", n) for p, n in pictures.items()
              if n >= 2]
    if not any(f.role in ("responses", "trials") for f in found):
        raise MissingError("holds neither brain responses nor trial tables that BrainView recognises", where=folder,
                           remedy="Known: NIfTI, CIFTI, GIFTI, npy, HDF5, MATLAB, and tables as tsv, csv or txt.")
    config, problems = draft(root, found)
    return {"folder": str(root), "files": [asdict(f) for f in found], "toml": to_toml(config), "problems": problems}


def _look(path: Path, root: Path) -> Found | None:
    name = path.name.lower()
    where = str(path.relative_to(root))
    hit = _SUBJECT.search(where)
    subject = hit[1] if hit else ""
    try:
        if name.endswith((".nii", ".nii.gz", ".mgz", ".mgh")):
            return _imaging(path, where, subject)
        if name.endswith(".npy"):
            return _npy(path, where, subject)
        if name.endswith((".hdf5", ".h5", ".mat", ".npz")):
            return _container(path, where, subject)
        if name.endswith((".func.gii", ".shape.gii")):
            return Found(where, "responses", subject, "GIFTI time series or maps of one hemisphere")
        if name.endswith((".tsv", ".csv", ".txt")):
            return _table(path, where, subject)
    except (BrainViewError, OSError, ValueError, nib.filebasedimages.ImageFileError) as err:
        return Found(where, "other", subject, f"cannot be read: {shown(err, limit=160)}")
    return None


def _imaging(path: Path, where: str, subject: str) -> Found:
    image: Any = nib.load(path)
    if isinstance(image, nib.Cifti2Image):
        rows, locations = image.shape[0], image.shape[-1]
        return Found(where, "responses", subject, f"CIFTI-2, {rows:,} rows x {locations:,} grayordinates", int(rows))
    shape, header = image.shape, image.header
    zooms = [float(z) for z in header.get_zooms()]
    axes = "".join(nib.aff2axcodes(image.affine))
    sure = not hasattr(header, "get_sform") or bool(int(header["sform_code"]) or int(header["qform_code"]))
    words = (f"{' x '.join(map(str, shape[:3]))} voxels of {' x '.join(f'{z:g}' for z in zooms[:3])} mm, stored {axes}"
             f"{'' if sure else ' (the header states no orientation)'}")
    if len(shape) == 4 and shape[3] > 1:
        unit = header.get_xyzt_units()[1] if hasattr(header, "get_xyzt_units") else "sec"
        tr = zooms[3] / {"msec": 1000.0, "usec": 1e6}.get(unit, 1.0) if len(zooms) > 3 else 0.0
        return Found(where, "responses", subject, f"{shape[3]:,} volumes of {words}"
                     + (f", one every {tr:g} s" if 0 < tr < 30 else ""), int(shape[3]), tuple(shape[:3]),
                     tr if 0 < tr < 30 else 0.0)
    low = path.name.lower()
    whole = np.issubdtype(header.get_data_dtype(), np.integer)
    role = ("mask" if "mask" in low else "ceiling" if "ncsnr" in low or "noise_ceiling" in low
            else "anatomy" if re.search(r"t1|anat|mprage", low) else "roi" if whole else "other")
    return Found(where, role, subject, f"one volume, {words}", 1, tuple(shape[:3]))


def _npy(path: Path, where: str, subject: str) -> Found:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    shape = " x ".join(f"{n:,}" for n in array.shape)
    if array.ndim == 2 and min(array.shape) > 1:
        return Found(where, "responses", subject, f"array {shape}, {array.dtype}: rows are taken as trials",
                     int(array.shape[0]))
    role = "roi" if array.ndim == 1 and array.dtype.kind in "biu" else "other"
    return Found(where, role, subject, f"array {shape}, {array.dtype}", int(array.shape[0]) if array.ndim else 0)


def _container(path: Path, where: str, subject: str) -> Found:
    keys: dict[str, tuple[int, ...]] = {}
    if path.suffix.lower() == ".npz":
        import zipfile

        with zipfile.ZipFile(path) as archive:
            keys = {n.removesuffix(".npy"): () for n in archive.namelist()}
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            keys = {k: tuple(v.shape) for k, v in file.items() if isinstance(v, h5py.Dataset)}
    best = next((k for k in ("betasmd", "betas", "responses", "data") if k in keys),
                max(keys, key=lambda k: int(np.prod(keys[k])), default=""))
    return Found(where, "responses" if best else "other", subject,
                 f"arrays {', '.join(list(keys)[:6]) or 'not listed'}" + (f"; {best} is taken" if best else ""), 0,
                 key=best)


def _table(path: Path, where: str, subject: str) -> Found | None:
    table = read_table(path)
    columns = tuple(table.columns)
    lower = [c.lower() for c in columns]
    if "id" in lower and any(c.startswith("caption") or c == "file" for c in lower):
        return Found(where, "stimulus table", "", f"{len(table):,} stimuli: {', '.join(columns)}", len(table),
                     columns=columns)
    trials = any(c in _STIMULUS for c in lower)
    headless = not trials and len(columns) == 2 and len(table) > 20 and not lower[0].isalpha()
    role = "trials" if trials or headless or _looks_like_labels(columns, len(table)) else "other"
    return Found(where, role, subject, f"{len(table):,} lines: {', '.join(columns)}", len(table), columns=columns)


def _looks_like_labels(columns: tuple[str, ...], lines: int) -> bool:
    """A table without a heading, as "rest 0": its first line was taken for names."""
    return len(columns) == 2 and lines > 20 and columns[1].strip().isdigit()


def draft(root: Path, found: list[Found]) -> tuple[dict[str, Any], list[str]]:
    """Return a manifest's config and the problems, each with its remedy."""
    problems: list[str] = []
    names = sorted({f.subject for f in found if f.role == "responses"}) or [""]
    config: dict[str, Any] = {"format": FORMAT, "name": root.name}
    masks = [f for f in found if f.role == "mask"]
    first = next((f for f in found if f.role == "responses"), None)
    if first is None:
        problems.append("No brain responses were recognised: name them under [[subjects]] responses.")
    if masks and first is not None:
        fits = [m for m in masks if m.grid == first.grid]
        if fits:
            config["space"] = {"mask": fits[0].path}
        else:
            problems.append(f"{masks[0].path} has another grid than {first.path}: a mask must have the grid of the "
                            "responses. It is left out.")
    config["trials"] = {}
    subjects = [_subject(name, found, config, problems) for name in names]
    config["subjects"] = [s for s in subjects if s]
    pictures = next((f for f in found if f.role == "stimuli"), None)
    listed = next((f for f in found if f.role == "stimulus table"), None)
    if pictures or listed:
        config["stimuli"] = {**({"folder": pictures.path} if pictures else {}),
                             **({"table": listed.path} if listed else {})}
    else:
        problems.append("No folder of pictures was found: the film strip will show names only. Put the pictures into "
                        "a folder and name it under [stimuli] folder.")
    if any("states no orientation" in f.words for f in found):
        problems.append("A header states no orientation: left and right cannot be known. Write [space] world only if "
                        "you are sure, or repair the header (fslorient, nibabel).")
    return config, problems


def _subject(name: str, found: list[Found], config: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    mine = [f for f in found if f.subject == name]
    recordings = sorted((f for f in mine if f.role == "responses"), key=lambda f: f.path)
    tables = sorted((f for f in mine if f.role == "trials"), key=lambda f: f.path) \
        or [f for f in found if f.role == "trials" and not f.subject]
    label = name or "sub-01"
    if not recordings:
        return {}
    if not tables:
        problems.append(f"{label} has no trial table: make one with a column stimulus (and run), one line per trial.")
        return {}
    entry: dict[str, Any] = {"id": label, "responses": _responses(recordings),
                             "trials": tables[0].path if len(tables) == 1 else [t.path for t in tables]}
    _rows(recordings, tables, config, problems, label)
    rois = {Path(f.path).name.split(".")[0]: f.path for f in mine if f.role == "roi"
            and (not f.grid or f.grid == recordings[0].grid)}
    if rois:
        entry["rois"] = rois
    ceiling = next((f for f in mine if f.role == "ceiling"), None)
    if ceiling is not None:
        entry["ceiling"] = {"ncsnr": ceiling.path}
    anatomy = next((f for f in mine if f.role == "anatomy"), None)
    if anatomy is not None:
        entry["anatomy"] = {"T1": anatomy.path}
    return entry


def _responses(recordings: list[Found]) -> Any:
    paths = [f.path for f in recordings]
    sides = {side: next((p for p in paths if re.search(mark, Path(p).name)), None)
             for side, mark in (("left", r"^lh\.|hemi-L|[._]L[._]|^lh_"), ("right", r"^rh\.|hemi-R|[._]R[._]|^rh_"))}
    if len(paths) == 2 and sides["left"] and sides["right"] and sides["left"] != sides["right"]:
        return sides
    if recordings[0].key and len(paths) == 1:
        return {"file": paths[0], "key": recordings[0].key}
    return paths[0] if len(paths) == 1 else paths


def _rows(recordings: list[Found], tables: list[Found], config: dict[str, Any], problems: list[str],
          label: str) -> None:
    """Decide what a line of the trial tables is, and tell when the counts do not fit."""
    trials = config["trials"]
    columns = [c.lower() for c in tables[0].columns]
    lines, volumes = sum(t.rows for t in tables), sum(r.rows for r in recordings)
    headless = _looks_like_labels(tables[0].columns, tables[0].rows)
    if headless:
        trials["columns"] = ["label", "run"]
        trials["stimulus"], trials["run"] = "label", "run"
        lines += len(tables)
    else:
        stimulus = next((c for c in _STIMULUS if c in columns), None)
        if stimulus:
            trials["stimulus"] = tables[0].columns[columns.index(stimulus)]
        for role in ("run", "session"):
            if role in columns:
                trials[role] = tables[0].columns[columns.index(role)]
    if "onset" in columns:
        trials["rows"] = "events"
        tr = recordings[0].tr
        trials["tr"] = tr or 2.0
        config.setdefault("preprocessing", {"detrend": "linear", "zscore": "run", "average": "events", "delay": 5.0})
        if not tr:
            problems.append("The responses do not say how long a volume takes: check [trials] tr (2.0 s is a guess).")
    elif recordings[0].tr and lines == volumes:
        trials["rows"] = "volumes"
        config.setdefault("preprocessing", {"detrend": "linear", "zscore": "run", "average": "blocks",
                                            "drop": ["rest"]})
    else:
        trials["rows"] = "trials"
        if volumes and lines != volumes:
            problems.append(f"{label}: {lines:,} lines in the trial tables, {volumes:,} responses. They must agree, "
                            "unless the lines are events with onset and duration in seconds.")


def to_toml(config: dict[str, Any]) -> str:
    """Return a manifest as text."""
    lines = [f"{key} = {_value(value)}" for key, value in config.items() if not isinstance(value, (dict, list))]
    for section in ("space", "trials", "preprocessing", "stimuli"):
        if config.get(section):
            lines += ["", f"[{section}]", *(f"{k} = {_value(v)}" for k, v in config[section].items())]
    for subject in config.get("subjects", []):
        lines += ["", "[[subjects]]", *(f"{k} = {_value(v)}" for k, v in subject.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def check(folder: str, text: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what BrainView would see of a folder with this manifest: ``problems``, and ``facts`` as ``inspect`` tells.

    Nothing is written; a fault of the text is the one problem that is returned.
    """
    context.check()
    try:
        config = tomllib.loads(text)
        facts = describe(Manifest(Path(folder) / FILE_NAME, config), context=context)
    except tomllib.TOMLDecodeError as err:
        return {"problems": [f"The text is no TOML: {err}"], "facts": {}}
    except BrainViewError as err:
        return {"problems": [str(err)], "facts": {}}
    return {"problems": list(facts["problems"]), "facts": facts}


def save(folder: str, text: str, *, context: JobContext = QUIET) -> str:
    """Write the manifest into its folder; an older one is kept beside it. Returns the folder."""
    path = Path(folder) / FILE_NAME
    context.check()
    if path.is_file():
        with atomic_write(path.with_name(f"{FILE_NAME}~")) as older:
            older.write(path.read_bytes())
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
    return str(folder)
