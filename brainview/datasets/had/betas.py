"""HAD's GLM betas: one CIFTI file a cycle of three runs, one row a clip, the clip named by a label file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import read_text
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.datasets.cache import fingerprint, key_of
from brainview.maps.space import Space

_CYCLE = re.compile(r"^ses-action01_task-[A-Za-z0-9]+_cycle-(\d+)_beta\.dscalar\.nii$")


def beta_files(folder: Path) -> dict[int, Path]:
    """Return cycle -> file, in numerical order; links whose content is not here are left out."""
    if not folder.is_dir():
        return {}
    found = {int(m[1]): p for p in folder.iterdir() if (m := _CYCLE.match(p.name)) and p.is_file()}
    return dict(sorted(found.items()))


def labels_of(path: Path, rows: int) -> list[str]:
    """Return the clip (file name without folder) of every row: from ``cycle-k_label.txt``, else the names of the maps.

    Raises FormatError when there are not as many as rows.
    """
    file = path.with_name(path.name.replace("_beta.dscalar.nii", "_label.txt"))
    if file.is_file():
        names = [Path(line.strip()).name for line in read_text(file, limit=4 << 20).splitlines() if line.strip()]
        where: Path = file
    else:
        import nibabel as nib

        axis = nib.load(path).header.get_axis(0)  # type: ignore[attr-defined]
        names, where = [Path(str(n)).name for n in axis.name], path
    if len(names) != rows:
        raise FormatError(f"names {len(names)} clips, the betas have {rows} rows", where=where)
    return names


@dataclass(frozen=True, eq=False)
class BetaFiles:
    """Betas of all cycles one below the other; a source for the trial cache.

    Parameters
    ----------
    files : tuple of Path
    space : Space
    """

    files: tuple[Path, ...]
    space: Space

    @cached_property
    def counts(self) -> list[int]:
        """Rows of each cycle."""
        import nibabel as nib

        return [int(nib.load(p).shape[0]) for p in self.files]  # type: ignore[attr-defined]

    @property
    def trials(self) -> int:
        return sum(self.counts)

    @property
    def locations(self) -> int:
        return self.space.size

    @property
    def stored(self) -> np.dtype:
        """float32, as the files."""
        return np.dtype(np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("had betas", [fingerprint(p) for p in self.files], self.space.key)

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """z-score every location within its cycle and write the rows.

        A cycle is a set of whole runs, so nothing crosses from adaptation to test cycles.
        """
        from brainview.maps.io import read_maps

        start = 0
        for number, (path, count) in enumerate(zip(self.files, self.counts, strict=True)):
            context.report(number, len(self.files), path.name)
            maps = read_maps(path)
            if maps[0].space.size != self.space.size:
                raise MismatchError(f"has {maps[0].space.size:,} locations, the first cycle {self.space.size:,}",
                                    where=path)
            data = np.stack([m.values for m in maps])
            spread = data.std(0)
            out[start:start + count] = np.where(spread > 0, (data - data.mean(0)) / np.where(spread > 0, spread, 1), 0)
            start += count


def match_rows(names: list[str], clips: list[str], where: object) -> np.ndarray:
    """Return for every beta row the trial that showed its clip.

    Raises FormatError for a clip that no events file of the subject names, or one named twice.
    """
    place: dict[str, int] = {}
    for i, clip in enumerate(clips):
        place.setdefault(Path(clip).name, i)
    lost = [n for n in names if n not in place]
    if lost:
        raise FormatError(f"{len(lost)} rows of betas name clips that no events file shows, the first is "
                          f"{shown(lost[0])!r}", where=where)
    rows = np.array([place[n] for n in names], np.int64)
    if np.unique(rows).size != rows.size:
        raise FormatError("names a clip twice", where=where)
    return rows
