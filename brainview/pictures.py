"""Maps and pictures in two calls: what "Copy as Python" writes, and what ``brainview snapshot`` does.

>>> from brainview.pictures import load_map, picture  # doctest: +SKIP
>>> picture(load_map("runs/one", brain="subj01", metric="r2_nc"), "map.png")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.rois import RoiClass

#: Kinds of maps that a run or a data set gives.
KINDS = ("metric", "ceiling", "measured", "predicted", "difference")


def load_map(path: os.PathLike | str, *, index: int = 0, brain: str = "", metric: str = "", kind: str = "",
             stimulus: int = -1, fdr: float = 0.0) -> BrainMap:
    """Return one map of a map file, a run or a data set.

    Parameters
    ----------
    path : path
        A map file; a run folder; or the folder of a data set.
    index : int
        Which map of a file, from 0.
    brain : str
        Subject, or ``group``; the first subject when not given.
    metric : str
        Of a run, for example ``R2``; its first one when not given.
    kind : str
        One of `KINDS`; ``metric`` for runs and ``ceiling`` for data sets when not given.
    stimulus : int
        Id, for ``measured`` (of a data set or run), ``predicted`` and ``difference`` (of a run).
    fdr : float
        Of a metric of a run: only locations at this false discovery rate, from 1,000 shuffles of the test images
        (of a group: where more than half of the subjects pass); 0 = all.

    Raises
    ------
    MissingError
        There is no such map; the message says which there are.
    """
    where = Path(path).expanduser()
    if kind and kind not in KINDS:
        raise MissingError(f"no kind of map is called {kind!r}", remedy="Known: " + ", ".join(KINDS) + ".")
    if where.is_file():
        from brainview.maps.io import read_maps

        maps = read_maps(where)
        if not 0 <= index < len(maps):
            raise MissingError(f"holds {len(maps)} map(s), there is no number {index}", where=where,
                               remedy=f"Use 0 to {len(maps) - 1}.")
        return maps[index]
    if not where.exists():
        raise MissingError("does not exist", where=where, remedy="Check the name.")
    if (where / "run.json").is_file():
        return _of_run(str(where), brain, metric, kind or "metric", stimulus, fdr)
    return _of_dataset(str(where), brain, kind or "ceiling", stimulus)


def _of_run(path: str, brain: str, metric: str, kind: str, stimulus: int, fdr: float = 0.0) -> BrainMap:
    from brainview.state.app import GROUP, Prediction, RunInfo
    from brainview.state.showing import prediction_maps
    from brainview.training.jobs import present

    run = RunInfo.from_job(path, present(path))
    brain = brain or run.subjects[0]
    if kind == "metric":
        whole = run.map_of(brain, metric or run.first_metric(brain))
        if not fdr:
            return whole
        from brainview.encoding.jobs import significance
        from brainview.maps.significant import significant_only

        names = run.subjects if brain == GROUP else (brain,)
        return significant_only(whole, [significance(path, name)["q"] for name in names], fdr)
    if kind == "ceiling" or stimulus < 0:
        raise MissingError("needs a stimulus to show a response", where=path, remedy="Name one with --stimulus.")
    from brainview.encoding.jobs import predict_stimulus

    prediction = Prediction.from_job(path, brain, stimulus, predict_stimulus(path, brain, stimulus))
    maps = prediction_maps(prediction)
    if kind not in maps:
        raise MissingError(f"{brain} never saw stimulus {stimulus}, so nothing was measured", where=path)
    return maps[kind]


def _of_dataset(path: str, brain: str, kind: str, stimulus: int) -> BrainMap:
    from brainview.datasets import jobs
    from brainview.state.showing import common_limit

    names = [str(s["id"]) if isinstance(s, dict) else str(s) for s in jobs.inspect(path)["subjects"]]
    brain = brain or names[0]
    if brain not in names:
        raise MissingError(f"has no subject {brain!r}", where=path, remedy="It has " + ", ".join(names) + ".")
    if kind == "ceiling":
        found = jobs.open_subject(path, brain)["ceiling"]
        if found is None:
            raise MissingError(f"{brain} has no noise ceiling", where=path)
        return found
    if kind != "measured" or stimulus < 0:
        raise MissingError("a data set gives ceilings and measured responses to a stimulus", where=path,
                           remedy="Name a stimulus, or a run for predictions.")
    response = jobs.response_map(path, brain, stimulus)
    limit = common_limit(response)
    return response.having(kind="diverging", limits=(-limit, limit))


def load_outlines(path: os.PathLike | str, brain: str, names: Iterable[str]) -> dict[str, RoiClass]:
    """Return classes of regions of a subject of a data set, by name; raises MissingError for an unknown one."""
    from brainview.datasets import jobs

    known = jobs.open_subject(str(path), brain)["rois"]
    missing = [n for n in names if n not in known]
    if missing:
        raise MissingError(f"{brain} has no regions {missing[0]!r}", where=path,
                           remedy="It has " + ", ".join(known) + ".")
    return {n: known[n] for n in names}


def picture(brain_map: BrainMap, out: os.PathLike | str, *, rule: dict[str, Any] | None = None,
            look: dict[str, Any] | None = None, outlines: Mapping[str, RoiClass] | None = None,
            size: tuple[int, int] = (1600, 1200), dpi: float = 150.0, mesh: str = "fsaverage5",
            on_surface: bool = False) -> Path:
    """Write a picture of a map as PNG; returns its path.

    Parameters
    ----------
    brain_map : BrainMap
    rule : dict
        Fields of :class:`brainview.maps.display.ColorRule` that differ from what the map asks for.
    look : dict
        Fields of :class:`brainview.scene.snapshot.Look`; ``cameras`` as the picture's story writes them.
    outlines : mapping of str to RoiClass
        Borders to draw, see :func:`load_outlines`.
    size : (int, int)
        Pixels. dpi : dots per inch, written into the file.
    mesh, on_surface
        A volume is drawn on this mesh instead of as slices when `on_surface` is true.
    """
    from brainview.maps.display import ColorRule, rule_for
    from brainview.maps.space import VolumeSpace
    from brainview.scene.snapshot import Look, look_from, snapshot

    if on_surface and isinstance(brain_map.space.root, VolumeSpace):
        from brainview.maps.jobs import to_surface

        brain_map = to_surface(brain_map, mesh)
    own = rule_for(brain_map).to_dict()
    return snapshot(brain_map, Path(out), size=size, dpi=dpi, rule=ColorRule.from_dict({**own, **(rule or {})}),
                    look=look_from(look) if look else Look(), outlines=outlines)
