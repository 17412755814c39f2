"""How recordings of the Natural Scenes Dataset come to this machine: whose rights are needed, which files, from where.

BrainView ships no data and knows no address that would give them without the user's own doing: the user agrees with
the data's owners, names the source that was opened to them, and says that the agreement holds for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.files import atomic_path, walk
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown

#: What a reader of the page must know before anything is fetched.
AGREEMENT = (
    "The Natural Scenes Dataset (Allen et al. 2022) is given to people who agree to its terms and conditions and fill "
    "in its data access form; both are on the web site of the dataset. The pictures are from COCO, under COCO's terms.",
    "MindEye's tars and MindEye-2's files are derived from the same data: the same agreement is needed for them, "
    "whoever keeps the copy.",
    "BrainView fetches only from the source that you name, after you have said that the agreement holds for you. It "
    "sends nothing anywhere and stores no password; tools that need one (aws, the hub) keep their own.",
)


@dataclass(frozen=True)
class Wanted:
    """What a layout consists of.

    Parameters
    ----------
    patterns : tuple of str
        Names below the source, with ``{s}`` for the subject (``subj01``).
    gigabytes : float
        Of one subject, about; ``shared``: of what all subjects share.
    """

    patterns: tuple[str, ...]
    gigabytes: float
    shared: float
    note: str


_ROI = ("nsddata/ppdata/{s}/func1pt8mm/roi/*", "nsddata_betas/ppdata/{s}/func1pt8mm/betas_fithrf_GLMdenoise_RR/ncsnr*",
        "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
LAYOUTS = {
    "mindeye": Wanted(("webdataset_avg_split/*/*_{s}_*.tar", "webdataset_avg_split/metadata_{s}.json", *_ROI), 44, 0.1,
                      "Subjects 1, 2, 5 and 7 exist. The tars hold whole volumes too, which BrainView skips."),
    "mindeye2": Wanted(("betas_all_{s}_fp32_renorm.hdf5", "vox_include_{s}.npy", "wds/{s}/*/*.tar",
                        "coco_images_224_float16.hdf5", "COCO_73k_subj_indices.hdf5", "shared1000.npy", *_ROI), 1.9, 22,
                       "All eight subjects exist. The pictures alone take 22 GB."),
    "nsd": Wanted(("nsddata_betas/ppdata/{s}/*/betas_fithrf*/*", "nsddata/ppdata/{s}/*/roi/*",
                   "nsddata/ppdata/{s}/behav/*", "nsddata/experiments/nsd/*", "nsddata_stimuli/stimuli/nsd/*"), 60, 39,
                  "The tree as its owners keep it; choose a space of the betas to fetch less."),
}


def page(layout: str = "mindeye", subjects: Sequence[str] = ("subj01",)) -> dict[str, Any]:
    """Return what the page of a layout says, as plain types: agreement, patterns, sizes, how to start."""
    wanted = _wanted(layout)
    return {"layout": layout, "agreement": list(AGREEMENT), "note": wanted.note,
            "patterns": patterns(layout, subjects), "gigabytes": wanted.shared + wanted.gigabytes * len(subjects),
            "sources": ["a folder or mounted disk", "hf:OWNER/NAME (a data set of the hub, by your own login)",
                        "s3://BUCKET/PREFIX (by the aws command, with your own credentials)"],
            "command": f"brainview get-data {layout} --from SOURCE --out FOLDER "
                       f"--subjects {' '.join(subjects)} --agreed"}


def patterns(layout: str, subjects: Sequence[str]) -> list[str]:
    """Return the names below the source that are fetched."""
    wanted = _wanted(layout)
    return list(dict.fromkeys(p.replace("{s}", s) for p in wanted.patterns for s in subjects))


def _wanted(layout: str) -> Wanted:
    if layout not in LAYOUTS:
        raise MissingError(f"no layout is called {shown(layout)!r}", remedy="Known: " + ", ".join(LAYOUTS) + ".")
    return LAYOUTS[layout]


def fetch(layout: str, source: str, out: os.PathLike | str, subjects: Sequence[str], *, agreed: bool = False,
          context: JobContext = QUIET) -> dict[str, Any]:
    """Fetch a layout from the user's own source; what is there already in full is not fetched again.

    Returns
    -------
    dict
        ``files`` fetched, ``kept`` that were there (folders only), ``path``.

    Raises
    ------
    BrainViewError
        No source, no agreement, nothing found there. MissingError: the tool that a source needs is not installed.
    """
    names = patterns(layout, subjects)
    if not source:
        raise BrainViewError("names no source", where="get-data",
                             remedy="BrainView has none of its own: name yours with --from.")
    if not agreed:
        raise BrainViewError("needs your word that the data access agreement of the Natural Scenes Dataset holds for "
                             "you", where="get-data", remedy="Agree with its owners first, then add --agreed.")
    target = Path(out)
    if source.startswith("hf:"):
        return _from_hub(source[3:], target, names, context)
    if source.startswith("s3://"):
        return _from_s3(source, target, names, context)
    return _from_folder(Path(source).expanduser(), target, names, context)


def _from_folder(source: Path, target: Path, names: list[str], context: JobContext) -> dict[str, Any]:
    if not source.is_dir():
        raise MissingError("is no folder", where=source, remedy="Name a folder, hf:OWNER/NAME or s3://BUCKET/PREFIX.")
    found = [p for p in walk(source) if any(fnmatch(p.relative_to(source).as_posix(), n) for n in names)]
    if not found:
        raise MissingError(f"holds none of the files ({names[0]} ...)", where=source,
                           remedy="Name the folder that holds them.")
    total = sum(p.stat().st_size for p in found)
    free = shutil.disk_usage(_existing(target)).free
    if total > free:
        raise BrainViewError(f"has {free / 1e9:.1f} GB free, {total / 1e9:.1f} GB are needed", where=target)
    done = kept = fetched = 0
    for path in found:
        context.report(done, total, path.name)
        place = target / path.relative_to(source)
        if place.is_file() and place.stat().st_size == path.stat().st_size:
            kept += 1
        else:
            with atomic_path(place) as part:
                shutil.copyfile(path, part)
            fetched += 1
        done += path.stat().st_size
    return {"files": fetched, "kept": kept, "path": str(target)}


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _from_hub(name: str, target: Path, names: list[str], context: JobContext) -> dict[str, Any]:
    from huggingface_hub import snapshot_download

    context.report(0, 1, f"fetching from {name}")
    try:
        folder = snapshot_download(name, repo_type="dataset", local_dir=target, allow_patterns=names)
    except Exception as err:  # the hub raises many kinds for "no such data set", "not yours", "not reachable"
        raise MissingError(f"could not be fetched ({shown(str(err).splitlines()[0] if str(err) else err, limit=140)})",
                           where=name, remedy="Check the name, the line and your login.") from err
    return {"files": sum(1 for _ in walk(folder)), "kept": 0, "path": str(target)}


def _from_s3(source: str, target: Path, names: list[str], context: JobContext) -> dict[str, Any]:
    tool = shutil.which("aws")
    if tool is None:
        raise MissingError("the aws command is not installed, which fetches from s3://",
                           remedy="Install it and log in.")
    context.report(0, 1, f"fetching from {source}")
    command = [tool, "s3", "sync", source, str(target), "--exclude", "*"]
    for name in names:
        command += ["--include", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BrainViewError(f"could not be fetched: {shown(done.stderr.strip().splitlines()[-1:], limit=160)}",
                             where=source)
    return {"files": sum(1 for _ in walk(target)), "kept": 0, "path": str(target)}
