"""Begin a run from another one's Stage I, so that Stage II alone is trained: settings of it compared, seed by seed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.bids_task.people import PeopleSplit, load_people
from brainview.language.video.config import INHERITED, FilmConfig
from brainview.training.run import RunFolder

#: Stages that are taken over; Stage I must be there and whole.
TAKEN = ("words", "video", "mbm", "stage1")


def inherit(config: FilmConfig, dataset: str) -> tuple[FilmConfig, PeopleSplit]:
    """Return the settings with those of the run that they begin from in their place, and who is held out there.

    Raises
    ------
    MissingError
        No film run is there, or its Stage I is not finished. MismatchError: it is of another data set.
    """
    first = _first(config.begin)
    if first.story.get("dataset") != dataset:
        raise MismatchError(f"was trained on {first.story.get('dataset')}, this is {dataset}", where=config.begin,
                            remedy="Begin from a run of this data set.")
    taken = FilmConfig.of({k: v for k, v in first.config.items() if k in INHERITED})
    config = config.having(**{k: getattr(taken, k) for k in INHERITED}, begin=str(Path(config.begin).resolve()))
    _finished(first, config)
    return config, load_people(first.path / "people.json")


def _first(path: os.PathLike | str) -> RunFolder:
    first = RunFolder.open(path)
    if first.system != "video-text":
        raise MismatchError(f"is a {first.system} run", where=path, remedy="Begin from a run of video-text.")
    return first


def _finished(first: RunFolder, config: FilmConfig) -> None:
    place = first.path / "stages" / "stage1"
    done = RunFolder.open(place).card("last").get("epoch", 0) if (place / "pointer.json").is_file() else 0
    if done != config.stage1_epochs:
        raise MissingError(f"has finished {done} of {config.stage1_epochs} epochs of stage I", where=first.path,
                           remedy="Train it to the end of stage I first.")


def take_over(config: FilmConfig, run: Path, context: JobContext = QUIET) -> None:
    """Copy people, tiny language model and finished stages into `run`, once; the run then stands alone."""
    first = _first(config.begin)
    for part in ("people.json", "llm", *(f"stages/{name}" for name in TAKEN)):
        source, target = first.path / part, run / part
        if not source.exists() or target.exists():
            continue
        context.check()
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.part")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(source, beside) if source.is_dir() else shutil.copyfile(source, beside)
        beside.rename(target)
    context.log(f"stages up to I, and their settings, are those of {first.path}")
