"""Many pictures of a run or a data set in one go: every brain, figure and stimulus that is asked for.

A picture that cannot be drawn is told at the end and stops none of the others; a cancel keeps what was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError, LimitError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.training.run import RunFolder

#: The most pictures of one call.
MOST = 5000


def draw(path: str, out: str, brains: Sequence[str], metrics: Sequence[str] = (), kinds: Sequence[str] = (),
         stimuli: Sequence[int] = (), size: tuple[int, int] = (1600, 1200), dpi: float = 150.0, fdr: float = 0.0,
         background: str = "white", surface: str = "inflated", *, context: JobContext = QUIET) -> dict[str, Any]:
    """Draw every combination into a folder (a job of the window, and of ``brainview snapshot``).

    Parameters
    ----------
    path : run or data set
    brains : subjects, and ``group`` for metrics
    metrics : figures of the run; ``""`` = the noise ceiling of a data set
    kinds, stimuli : ``measured``, ``predicted``, ``difference`` of each of these stimuli, of every subject

    Returns
    -------
    dict with ``written`` (paths) and ``failed`` (sentences).

    Raises
    ------
    MissingError
        Nothing is asked for. LimitError: more than 5,000 pictures.
    """
    from brainview.core.graphics import load_compilers
    from brainview.scene.snapshot import snapshot

    load_compilers()  # this worker may train after it has drawn
    wanted = plan(brains, metrics, kinds, stimuli)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    loader = Loader(path, fdr)
    written, failed = [], []
    for number, item in enumerate(wanted):
        context.report(number, len(wanted), item["name"])
        try:
            brain_map = loader.map_of(item)
            file = snapshot(brain_map, folder / f"{item['name']}.png", size=size, dpi=dpi, background=background,
                            surface=surface, source=loader.source(item))
            written.append(str(file))
        except BrainViewError as err:
            failed.append(f"{item['name']}: {err}")
    context.report(len(wanted), len(wanted), "written")
    return {"written": written, "failed": failed}


def plan(brains: Sequence[str], metrics: Sequence[str], kinds: Sequence[str], stimuli: Sequence[int]
         ) -> list[dict[str, Any]]:
    """Return one entry per picture: ``brain, metric, kind, stimulus, name`` (of the file, unique)."""
    out: list[dict[str, Any]] = []
    for brain in brains:
        out += [{"brain": brain, "metric": m, "kind": "metric" if m else "ceiling", "stimulus": -1,
                 "name": _safe(f"{brain}-{m or 'ceiling'}")} for m in metrics]
        out += [{"brain": brain, "metric": "", "kind": k, "stimulus": int(s),
                 "name": _safe(f"{brain}-{k}-{int(s):05d}")} for s in stimuli for k in kinds if brain != "group"]
    if not out:
        raise MissingError("no picture was asked for", remedy="Name brains and metrics, or kinds and stimuli.")
    if len(out) > MOST:
        raise LimitError(f"{len(out):,} pictures were asked for", remedy=f"Ask for at most {MOST:,} at once.")
    return out


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:120] or "picture"


class Loader:
    """Maps of a run or data set, with the run's own maps read once."""

    def __init__(self, path: str, fdr: float = 0.0) -> None:
        self._path, self._fdr = path, fdr
        self._run: Any = None

    def source(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return what opens this picture again in the window."""
        is_run = (Path(self._path) / "run.json").is_file()
        data = str(RunFolder.open(self._path).story.get("data") or "") if is_run else self._path
        what = {k: item[k] for k in ("kind", "brain", "metric", "stimulus")}
        return {"dataset": data or None, "run": self._path if is_run else None,
                "subject": None if item["brain"] == "group" else item["brain"],
                "source": {**what, "fdr": self._fdr if item["kind"] == "metric" else 0.0}}

    def map_of(self, item: dict[str, Any]) -> BrainMap:
        """Return the map of one entry of the plan."""
        from brainview.pictures import load_map

        if item["kind"] == "metric" and not self._fdr and (Path(self._path) / "run.json").is_file():
            if self._run is None:
                from brainview.state.app import RunInfo
                from brainview.training.jobs import present

                self._run = RunInfo.from_job(self._path, present(self._path))
            return self._run.map_of(item["brain"], item["metric"])
        return load_map(self._path, brain=item["brain"], metric=item["metric"], kind=item["kind"],
                        stimulus=item["stimulus"], fdr=self._fdr if item["kind"] == "metric" else 0.0)
