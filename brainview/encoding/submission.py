"""The challenge's submission (Algonauts 2023): written from a run, and checked, ours and anyone's.

Layout: ``subjXX/lh_pred_test.npy`` and ``rh_pred_test.npy``, float32, (test images, vertices of the subject's own
mask), rows in the order of the test pictures; in the ZIP the subject folders are at the top; at most 300 MB. The same
files can stand in a folder, for people who look before they upload.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import atomic_path, regular_file, walk
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.datasets.algonauts2023 import Algonauts2023, read_space
from brainview.datasets.registry import open_dataset
from brainview.encoding.predict import open_model
from brainview.encoding.rois import hemispheres

#: Upload limit of the challenge, bytes.
LIMIT = 300_000_000
_MEMBER = re.compile(r"^(subj\d\d)/(lh|rh)_pred_test\.npy$")
_SIDES = (("lh", "left"), ("rh", "right"))


def expected(dataset: Algonauts2023) -> dict[str, tuple[int, int, int]]:
    """Return {subject: (test images, left vertices, right vertices)}; subjects without test pictures are left out."""
    out = {}
    for name, folder in dataset.folders.items():
        images = int(dataset.pictures(name, "test").ids.size)
        sides = hemispheres(read_space(folder / "roi_masks", name))
        if images:
            out[name] = images, int(sides["left"].sum()), int(sides["right"].sum())
    return out


def write_submission(run: os.PathLike | str, out: os.PathLike | str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Predict the test pictures of every subject of a run and write them; they are checked before they are kept.

    A name that ends in ``.zip`` becomes a ZIP, any other a new folder.

    Returns
    -------
    dict
        What :func:`check_submission` returns.

    Raises
    ------
    MissingError
        The run is of another layout, or the data set holds no test pictures. FormatError: the check failed, or the
        folder is not empty.
    """
    model = open_model(run, context=context)
    dataset = model.dataset
    if not isinstance(dataset, Algonauts2023):
        raise MissingError("was not trained on the Algonauts 2023 layout, so there is nothing to submit", where=run)
    wanted = expected(dataset)
    names = [n for n in model.subjects if n in wanted]
    if not names:
        raise MissingError("has no test pictures", where=dataset.path)
    with _place(Path(out)) as part:
        with _writer(part) as write:
            for member, block in _predicted(model, dataset, names, context):
                write(member, block)
        found = check_submission(part, dataset=dataset, subjects=names)
        if found["problems"]:
            raise FormatError(found["problems"][0], where=out)
    missing = sorted(set(wanted) - set(names))
    note = f"holds {len(names)} of {len(wanted)} subjects ({', '.join(missing)} missing): the challenge wants all" \
        if missing else ""
    return {**found, "file": str(out), "warnings": [*found["warnings"], *filter(None, [note])]}


def _predicted(model: Any, dataset: Algonauts2023, names: list[str],
               context: JobContext) -> Iterator[tuple[str, bytes]]:
    """Yield (member, bytes of the array) of every subject and side."""
    for number, name in enumerate(names):
        context.report(number, len(names), f"predicting {name}")
        ids = dataset.pictures(name, "test").ids
        rows = [model.predict_pictures([dataset.stimuli.image(int(i)) for i in ids[a:a + 64]], name, context=context)
                for a in range(0, ids.size, 64)]
        values = np.nan_to_num(np.concatenate(rows)).astype(np.float32)
        sides = hemispheres(read_space(dataset.folders[name] / "roi_masks", name))
        for short, side in _SIDES:
            block = io.BytesIO()
            np.save(block, np.ascontiguousarray(values[:, sides[side]]), allow_pickle=False)
            yield f"{name}/{short}_pred_test.npy", block.getvalue()


@contextmanager
def _place(out: Path) -> Iterator[Path]:
    """Give the path of a ZIP or of a folder that takes its place when the block ends well."""
    if out.suffix.lower() == ".zip":
        with atomic_path(out, suffix=".zip") as part:
            yield part
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FormatError("is not empty", where=out, remedy="Name a new folder, or a file that ends in .zip.")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield part
        part.chmod(0o755)
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _writer(part: Path) -> Iterator[Callable[[str, bytes], None]]:
    if part.is_dir():
        def write(member: str, block: bytes) -> None:
            (part / member).parent.mkdir(exist_ok=True)
            (part / member).write_bytes(block)

        yield write
        return
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        yield archive.writestr


def check_submission(path: os.PathLike | str, *, dataset: Algonauts2023 | os.PathLike | str | None = None,
                     subjects: list[str] | None = None) -> dict[str, Any]:
    """Return ``problems`` (what the challenge would refuse), ``warnings``, ``files`` {member: shape}, ``bytes``.

    Parameters
    ----------
    path : ZIP file, or folder with the same files
    dataset : Algonauts2023 or path, optional
        Gives the expected counts; without it only layout, types and agreement of the sides are checked.
    subjects : list of str, optional
        Who must be in it; default: all of the data set.

    Notes
    -----
    Members are read by name, never unpacked, never unpickled; one that claims more than the limit is not read.
    """
    if dataset is not None and not isinstance(dataset, Algonauts2023):
        opened = open_dataset(dataset)
        if not isinstance(opened, Algonauts2023):
            raise MissingError("is not of the Algonauts 2023 layout", where=dataset)
        dataset = opened
    problems: list[str] = []
    shapes: dict[str, list[int]] = {}
    size = 0
    if Path(path).is_dir():
        for file in walk(path, depth=2, count=1000):
            size += file.stat().st_size
            _member(file.relative_to(path).as_posix(), file.stat().st_size, partial(open, file, "rb"), shapes, problems)
    else:
        file = regular_file(path)
        size = file.stat().st_size
        try:
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        _member(info.filename, info.file_size, partial(archive.open, info), shapes, problems)
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as err:
            problems.append(f"is no readable ZIP: {shown(err, limit=100)}")
    if size > LIMIT:
        problems.append(f"is {size / 1e6:.0f} MB, the limit is {LIMIT / 1e6:.0f} MB"
                        + (" for the ZIP of it" if Path(path).is_dir() else ""))
    warnings = _counts(shapes, problems, dataset, subjects)
    return {"file": str(path), "problems": problems, "warnings": warnings, "files": shapes, "bytes": size}


def _member(filename: str, size: int, opened: Callable[[], Any], shapes: dict[str, list[int]],
            problems: list[str]) -> None:
    name = shown(filename, limit=120)
    match = _MEMBER.match(filename)
    if not match:
        deeper = re.search(r"subj\d\d/(lh|rh)_pred_test\.npy$", filename)
        problems.append(f"{name}: subject folders must be at the top, not inside another folder" if deeper
                        else f"{name}: only subjXX/lh_pred_test.npy and subjXX/rh_pred_test.npy belong into it")
        return
    if filename in shapes:
        problems.append(f"{name}: is in the ZIP twice")
        return
    if size > 4 * LIMIT:
        problems.append(f"{name}: claims {size / 1e6:.0f} MB unpacked, which no subject has")
        return
    try:
        with opened() as member:
            array = np.load(io.BytesIO(member.read(4 * LIMIT)), allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, MemoryError) as err:
        problems.append(f"{name}: is no plain array of numbers ({shown(err, limit=80)})")
        return
    if array.dtype != np.float32:
        problems.append(f"{name}: is {array.dtype}, float32 was expected")
    if array.ndim != 2:
        problems.append(f"{name}: has shape {array.shape}, (images, vertices) was expected")
        return
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        problems.append(f"{name}: holds {int((~np.isfinite(array)).sum()):,} values that are no numbers")
    shapes[filename] = list(array.shape)


def _counts(shapes: dict[str, list[int]], problems: list[str], dataset: Algonauts2023 | None,
            subjects: list[str] | None) -> list[str]:
    """Add problems of counts; return warnings."""
    found = sorted({name.split("/")[0] for name in shapes})
    wanted = expected(dataset) if dataset is not None else {}
    for name in subjects or sorted(wanted) or found:
        pair = [shapes.get(f"{name}/{side}_pred_test.npy") for side, _ in _SIDES]
        for (side, _), shape in zip(_SIDES, pair, strict=True):
            if shape is None:
                problems.append(f"{name}/{side}_pred_test.npy: is not there")
        if pair[0] and pair[1] and pair[0][0] != pair[1][0]:
            problems.append(f"{name}: has {pair[0][0]} rows left and {pair[1][0]} right")
        for number, ((side, _), shape) in enumerate(zip(_SIDES, pair, strict=True), 1):
            right = (wanted[name][0], wanted[name][number]) if name in wanted else None
            if shape and right and tuple(shape) != right:
                problems.append(f"{name}/{side}_pred_test.npy: has shape {tuple(shape)}, {right} was expected")
    if not shapes and not problems:
        problems.append("holds no predictions")
    return [] if dataset is not None else ["Counts were not compared with a data set (give it with --data)."]
