"""The run folder: numbered generations of a model, a pointer renamed last, a history of whole lines.

::

    RUN/
      run.json                       system, configuration, when and with which versions it was begun
      generations/000001/model.safetensors   weights
      generations/000001/state.safetensors   optimiser, random state, queue ... (optional, for exact resume)
      generations/000001/card.json           what it is, its metrics, and the SHA-256 of the files beside it
      pointer.json                   {"last": 1, "best": 1}; renamed into place when a generation is complete
      history.csv                    one row per step or epoch; a cut last line is ignored
      model.safetensors, card.json   the best generation, reachable at the top
      last.safetensors, last_card.json   the last one

A generation is complete before the pointer names it, so a kill at any moment leaves the previous one in force.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from brainview import __version__
from brainview.core.errors import FormatError, MissingError
from brainview.core.files import atomic_path, atomic_write, read_json, read_text, regular_file, strict, write_json
from brainview.core.names import shown

FORMAT = 1
Tensors = dict[str, np.ndarray]


class RunFolder:
    """A run on disk; open one with :meth:`open`, begin one with :meth:`create`.

    Parameters
    ----------
    path : Path
        Folder of the run.
    story : dict
        Contents of ``run.json``.
    """

    def __init__(self, path: Path, story: dict[str, Any]) -> None:
        self.path = path
        self.story = story

    @classmethod
    def create(cls, path: os.PathLike | str, system: str, config: Mapping[str, Any], **story: Any) -> RunFolder:
        """Begin a run in a new or empty folder, or reopen one of the same system and configuration.

        Raises
        ------
        FormatError
            The folder holds something else, or a run with another configuration.
        """
        path = Path(path)
        _wait_for_the_first(path / "run.json")
        if (path / "run.json").exists():
            run = cls.open(path)
            if run.story.get("system") != system or run.story.get("config") != strict(dict(config)):
                changed = _changes(run.story.get("config", {}), strict(dict(config)))
                name = shown(run.story.get("system"))
                raise FormatError(f"already holds a {name} run with other settings ({changed})", where=path,
                                  remedy="Name another folder, or use the same settings to resume.")
            return run
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FormatError("is not empty and holds no run", where=path, remedy="Name a new folder.")
        path.mkdir(parents=True, exist_ok=True)
        record = {"format": FORMAT, "system": system, "config": dict(config),
                  "begun": time.strftime("%Y-%m-%dT%H:%M:%S"), "brainview": __version__, **story}
        write_json(path / "run.json", record)
        return cls(path, strict(record))

    @classmethod
    def open(cls, path: os.PathLike | str) -> RunFolder:
        """Open a run; raises MissingError when the folder holds none."""
        path = Path(path)
        if not (path / "run.json").is_file():
            raise MissingError("holds no BrainView run (no run.json)", where=path,
                               remedy="Name the folder that 'brainview train' wrote with --out.")
        story = read_json(path / "run.json", limit=16 << 20)
        if not isinstance(story, dict) or "system" not in story:
            raise FormatError("does not say which system it is of", where=path / "run.json")
        if story.get("format", 0) > FORMAT:
            raise FormatError("was written by a newer BrainView", where=path, remedy="Update BrainView.")
        return cls(path, story)

    @property
    def system(self) -> str:
        """Name of the system, for example ``ridge``."""
        return str(self.story["system"])

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the run."""
        return dict(self.story.get("config", {}))

    def write_generation(self, tensors: Mapping[str, np.ndarray], card: Mapping[str, Any], *, best: bool = True,
                         state: Mapping[str, np.ndarray] | None = None, keep: int = 1) -> int:
        """Write the next generation and move the pointer to it.

        Parameters
        ----------
        tensors : mapping of str to array
            Weights.
        card : mapping
            Plain JSON types: data set, subjects, split, seed, metrics ...
        best : bool
            Make it the best as well as the last.
        state : mapping of str to array, optional
            What an exact resume needs.
        keep : int
            Generations kept beside best and last.

        Returns
        -------
        int
            Number of the generation, from 1.
        """
        pointer = self._pointer()
        number = max([pointer.get("last", 0), *self._numbers()], default=0) + 1
        folder = self.path / "generations" / f"{number:06d}"
        folder.mkdir(parents=True)
        files = {"model.safetensors": tensors} | ({"state.safetensors": state} if state is not None else {})
        hashes = {}
        for name, content in files.items():
            with atomic_path(folder / name) as temporary:
                save_file({k: np.ascontiguousarray(v) for k, v in content.items()}, temporary)
            hashes[name] = file_hash(folder / name)
        record = {"system": self.system, "config": self.config, "generation": number, "files": hashes,
                  "written": time.strftime("%Y-%m-%dT%H:%M:%S"), "brainview": __version__, **card}
        write_json(folder / "card.json", record)
        new = {"last": number, "best": number if best else pointer.get("best", number)}
        write_json(self.path / "pointer.json", new)
        self._publish(new)
        self._prune(new, keep)
        return number

    def load(self, which: str | int = "best", *, verify: bool = False) -> tuple[Tensors, dict[str, Any]]:
        """Return (tensors, card) of a generation; `verify` recomputes the hash that the card names."""
        folder = self._folder(which)
        card = read_json(folder / "card.json")
        return self._tensors(folder / "model.safetensors", card if verify else None), card

    def load_state(self, which: str | int = "last") -> Tensors:
        """Return the resume state of a generation, {} when it has none."""
        file = self._folder(which) / "state.safetensors"
        return self._tensors(file, None) if file.exists() else {}

    def card(self, which: str | int = "best") -> dict[str, Any]:
        """Return the card of a generation without its weights."""
        return read_json(self._folder(which) / "card.json")

    @property
    def has_generation(self) -> bool:
        """True when at least one generation is complete."""
        return bool(self._pointer())

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Append one whole line to ``history.csv``; the first row decides the columns."""
        file = self.path / "history.csv"
        columns = self._columns() or list(row)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not file.exists():
            writer.writerow(columns)
        writer.writerow(["" if row.get(c) is None else row.get(c) for c in columns])
        with open(file, "a+b") as out:
            _drop_cut_line(out)
            out.write(text.getvalue().encode())
            out.flush()
            os.fsync(out.fileno())

    def history(self) -> list[dict[str, Any]]:
        """Return the rows of the history, numbers as numbers; a cut last line is left out."""
        file = self.path / "history.csv"
        if not file.exists():
            return []
        text = read_text(file)
        whole = text[: text.rfind("\n") + 1]
        rows = list(csv.reader(io.StringIO(whole)))
        whole_rows = [row for row in rows[1:] if len(row) == len(rows[0])]
        return [{k: _number(v) for k, v in zip(rows[0], row, strict=True)} for row in whole_rows]

    def cut_history(self, column: str, last: float) -> None:
        """Drop the rows whose `column` is beyond `last`: what a killed run wrote after its last generation."""
        rows = self.history()
        kept = [r for r in rows if isinstance(r.get(column), (int, float)) and r[column] <= last]
        if not (self.path / "history.csv").exists():
            return
        columns = self._columns()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for row in kept:
            writer.writerow(["" if row.get(c) is None else row.get(c) for c in columns])
        with atomic_write(self.path / "history.csv") as out:
            out.write(text.getvalue().encode())

    def _pointer(self) -> dict[str, int]:
        file = self.path / "pointer.json"
        if not file.exists():
            return {}
        pointer = read_json(file, limit=1 << 16)
        if not isinstance(pointer, dict) or not all(isinstance(v, int) for v in pointer.values()):
            raise FormatError("is damaged", where=file, remedy="Restore it, or train again into a new folder.")
        return pointer

    def _numbers(self) -> list[int]:
        folder = self.path / "generations"
        return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []

    def _folder(self, which: str | int) -> Path:
        pointer = self._pointer()
        number = pointer.get(which) if isinstance(which, str) else which
        if number is None:
            raise MissingError("holds no finished model yet", where=self.path,
                               remedy="Train it to the end, or resume it.")
        folder = self.path / "generations" / f"{number:06d}"
        if not (folder / "card.json").is_file():
            raise MissingError(f"has no generation {number}", where=self.path)
        return folder

    def _tensors(self, file: Path, card: dict[str, Any] | None) -> Tensors:
        regular_file(file)
        if card is not None and card.get("files", {}).get(file.name) != file_hash(file):
            raise FormatError("differs from the hash in its card: it is damaged or was exchanged", where=file)
        try:
            return load_file(file)
        except (SafetensorError, ValueError, OSError) as err:
            raise FormatError(f"is not a sound safetensors file: {shown(err)}", where=file) from err

    def _publish(self, pointer: dict[str, int]) -> None:
        tops = {"best": ("model.safetensors", "card.json"), "last": ("last.safetensors", "last_card.json")}
        for which, names in tops.items():
            folder = self.path / "generations" / f"{pointer[which]:06d}"
            for source, target in zip(("model.safetensors", "card.json"), names, strict=True):
                _link(folder / source, self.path / target)

    def _prune(self, pointer: dict[str, int], keep: int) -> None:
        spared = set(pointer.values()) | set(self._numbers()[-(keep + 1):])
        for number in self._numbers():
            if number not in spared:
                shutil.rmtree(self.path / "generations" / f"{number:06d}", ignore_errors=True)

    def _columns(self) -> list[str]:
        file = self.path / "history.csv"
        if not file.exists():
            return []
        with open(file, newline="", encoding="utf-8") as text:
            return next(csv.reader(text), [])


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wait_for_the_first(file: Path, seconds: float = 120.0) -> None:
    """Let the first of several processes of a training begin the run; the others (``RANK`` above 0) open it."""
    rank = os.environ.get("RANK", "0")
    if not rank.isdigit() or int(rank) == 0:
        return
    end = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.05)


def _drop_cut_line(file: Any) -> None:
    """Remove what a kill left behind the last whole line, so that the next row starts on its own."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - 65536)
    file.seek(start)
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source` (a hard link; a copy where the file system has none), atomically."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None if text == "" else text


def _changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    keys = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
    return ", ".join(f"{k}: {shown(old.get(k), limit=40)} → {shown(new.get(k), limit=40)}" for k in keys[:4]) or "-"
