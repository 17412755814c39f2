"""Jobs over runs of any system; which code they call is named by the registry of systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.core.systems import load, system
from brainview.training import history, options
from brainview.training.estimate import estimate as work_out
from brainview.training.run import RunFolder


def train(system_name: str, path: str, run: str, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, *, context: JobContext = QUIET) -> str:
    """Train a system on a data set, or go on with an interrupted run; returns the run folder's path."""
    module = load(system(system_name).module)
    with history.measured(run):
        return module.train(path, run, subjects=subjects, options=options, context=context)


def resume(run: str, *, context: JobContext = QUIET) -> str:
    """Go on with an interrupted run from its last checkpoint, with the settings and data that it was begun with."""
    folder = RunFolder.open(run)
    settings = folder.config
    subjects = settings.pop("subjects", None)
    data = folder.story.get("data")
    if not data:
        raise MissingError("does not say which data it was begun with", where=run,
                           remedy="Go on with: brainview train SYSTEM PATH --out RUN and the same settings.")
    return train(folder.system, str(data), str(folder.path), subjects, settings, context=context)


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of a run: the ``present`` of its system."""
    return load(system(RunFolder.open(run).system).present)(run, context=context)


def describe(system_name: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the presets and settings of a system; see :func:`brainview.training.options.describe`."""
    return options.describe(system_name)


def estimate(system_name: str, path: str, subjects: list[str] | None, options: dict[str, Any],
             runs: str | None = None, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what a training will need; see :func:`brainview.training.estimate.estimate`."""
    return work_out(system_name, path, subjects=subjects, options=options, runs=runs, context=context)


def list_runs(folder: str, also: list[str] | None = None, *, context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return where the runs of a folder stand, and those at the paths `also`."""
    return history.list_runs(folder, also or ())


def curves(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the curves of a run; none of one that has written nothing yet."""
    if not (Path(run) / "run.json").is_file():
        return {"run": run, "system": "", "parts": [], "table": []}
    return history.curves(run)


def run_card(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return all that is written about a run."""
    return history.run_card(run)


def discard(run: str, *, context: JobContext = QUIET) -> str:
    """Put a run out of sight; nothing is deleted. Returns where it lies now."""
    return history.discard(run)


def restore(run: str, *, context: JobContext = QUIET) -> str:
    """Bring a discarded run back; returns its place."""
    return history.restore(run)
