"""The folder of maps that were computed in the window: which are still named somewhere, and which may go.

A file stays while it is young, while a journal or a project in the data folder names it, and for good once its name has
left the window: in a copied recipe or in the story of an exported picture. Nobody can find those again, so a pin is set
beside the file (``MARK.pin``) at the moment at which the name leaves.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from pathlib import Path

from brainview.core.paths import computed_dir, data_dir

log = logging.getLogger("brainview")
#: Bytes of maps that are kept without a pin.
LIMIT = 2 << 30
#: Days for which a map is kept whatever its size: the undo of an open window may name it.
YOUNG = 7
PIN = ".pin"
#: The name of a computed map ends in the hash of its content; the letters before it may be escaped in a text.
_HASH = re.compile(r"(?<=-)[0-9a-f]{24}(?=\.)")
#: Files that may name maps, and the most that is read of one.
_TELLING, _MOST = (".json", ".brainview", ".brainview~"), 64 << 20


def pin(text: str) -> None:
    """Keep for good the computed maps that a text names; to be called when the text leaves the window."""
    folder = computed_dir()
    if folder.name not in text or not folder.is_dir():
        return
    for mark in set(_HASH.findall(text)):
        if parts(mark):
            (folder / (mark + PIN)).touch()


def mark_of(file: Path | str) -> str:
    """Return the hash in the name of a computed map, "" for other files."""
    found = _HASH.search(Path(file).name)
    return found[0] if found else ""


def parts(mark: str) -> list[Path]:
    """Return the files of one computed map: of either hemisphere, and what tells about them."""
    return sorted(f for f in computed_dir().glob(f"*-{mark}.*") if f.is_file())


def named(folder: Path) -> set[str]:
    """Return the marks of computed maps that journals and projects in a folder, and one below, name."""
    out: set[str] = set()
    for file in [*folder.glob("*"), *folder.glob("*/*")]:
        if file.parent == computed_dir():
            continue  # what tells about a map names it, too
        if file.name.endswith(_TELLING) and file.is_file() and file.stat().st_size <= _MOST:
            out.update(_HASH.findall(file.read_text(encoding="utf-8", errors="replace")))
    return out


def prune(*, limit: int = LIMIT, young: float = YOUNG, now: Iterable[str] = ()) -> list[str]:
    """Remove the oldest computed maps that nothing names until the rest fits; returns their marks.

    Parameters
    ----------
    limit : int
        Bytes that may stay. Maps that are young, pinned or named count, but are never removed.
    young : float
        Days.
    now : iterable of str
        Marks that are in use at this moment.

    Notes
    -----
    A folder that cannot be read or a file that cannot be removed is left alone: nothing depends on it.
    """
    try:
        return _pruned(computed_dir(), limit, time.time() - young * 86400, set(now))
    except OSError as err:
        log.info("computed maps were not pruned: %s", err)
        return []


def _pruned(folder: Path, limit: int, before: float, keep: set[str]) -> list[str]:
    groups: dict[str, list[Path]] = {}
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.is_file() and mark_of(file):
            groups.setdefault(mark_of(file), []).append(file)
    total = sum(f.stat().st_size for files in groups.values() for f in files)
    if total <= limit:
        return []
    keep |= named(data_dir()) | {f.stem for f in folder.glob("*" + PIN)}
    newest = {mark: max(f.stat().st_mtime for f in files) for mark, files in groups.items()}
    gone = []
    for mark in sorted(groups, key=lambda m: newest[m]):
        if total <= limit or newest[mark] >= before:
            break
        if mark in keep:
            continue
        for file in groups[mark]:
            total -= file.stat().st_size
            file.unlink(missing_ok=True)
        gone.append(mark)
    if gone:
        log.info("removed %d computed maps that nothing names any more", len(gone))
    return gone
