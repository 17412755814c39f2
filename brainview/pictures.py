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
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.layers import Gate, Layer
from brainview.maps.rois import RoiClass

#: Kinds of maps that a run or a data set gives.
KINDS = ("metric", "ceiling", "measured", "predicted", "difference")


def load_map(path: os.PathLike | str, *, index: int = 0, brain: str = "", metric: str = "", kind: str = "",
             stimulus: int = -1, fdr: float = 0.0, variant: str = "") -> BrainMap:
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
        One of `KINDS`; ``metric`` for runs and ``ceiling`` for data sets when not given. The ceiling of a run is that
        of the images that it was evaluated on.
    stimulus : int
        Id, for ``measured`` (of a data set or run), ``predicted`` and ``difference`` (of a run).
    fdr : float
        Of a metric of a run: only locations at this false discovery rate, from 1,000 shuffles of the test images
        (of a group: where more than half of the subjects pass); 0 = all.
    variant : str
        Of a data set: which of its response sets; its first one when not given (a run was trained on one of them).

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
    return _of_dataset(str(where), brain, kind or "ceiling", stimulus, variant)


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
    if kind == "ceiling":
        return run.map_of(brain, "nc")
    if stimulus < 0:
        raise MissingError("needs a stimulus to show a response", where=path, remedy="Name one with --stimulus.")
    from brainview.encoding.jobs import predict_stimulus

    prediction = Prediction.from_job(path, brain, stimulus, predict_stimulus(path, brain, stimulus))
    maps = prediction_maps(prediction)
    if kind not in maps:
        raise MissingError(f"{brain} never saw stimulus {stimulus}, so nothing was measured", where=path)
    return maps[kind]


def _of_dataset(path: str, brain: str, kind: str, stimulus: int, variant: str) -> BrainMap:
    from brainview.datasets import jobs
    from brainview.state.showing import common_limit

    names = [str(s["id"]) if isinstance(s, dict) else str(s) for s in jobs.inspect(path)["subjects"]]
    brain = brain or names[0]
    if brain not in names:
        raise MissingError(f"has no subject {brain!r}", where=path, remedy="It has " + ", ".join(names) + ".")
    if kind == "ceiling":
        found = jobs.open_subject(path, brain, variant=variant or None)["ceiling"]
        if found is None:
            raise MissingError(f"{brain} has no noise ceiling", where=path)
        return found
    if kind != "measured" or stimulus < 0:
        raise MissingError("a data set gives ceilings and measured responses to a stimulus", where=path,
                           remedy="Name a stimulus, or a run for predictions.")
    response = jobs.response_map(path, brain, stimulus, variant=variant or None)
    limit = common_limit(response)
    return response.having(kind="diverging", limits=(-limit, limit))


def load_map_job(where: Mapping[str, Any], *, context: JobContext = QUIET) -> BrainMap:
    """Return the map that a layer or a project names: ``path`` and arguments of :func:`load_map`."""
    context.check()
    known = {k: v for k, v in where.items() if k in ("index", "brain", "metric", "kind", "stimulus", "fdr", "variant")}
    if not isinstance(where.get("path"), str):
        raise MissingError("a layer does not say where its map is", remedy="Give its path.")
    return load_map(where["path"], **known)


def load_layers(entries: Iterable[Mapping[str, Any]], brain_map: BrainMap, rule: ColorRule, *,
                mesh: str = "fsaverage5") -> list[Layer]:
    """Return maps over each other, the lowest first.

    Parameters
    ----------
    entries : iterable of mapping
        ``map`` (how it is found: ``path`` and arguments of :func:`load_map`), ``rule``, ``opacity``, ``visible``,
        ``second`` (found like a map) and ``gate`` (what it does, fields of :class:`brainview.maps.layers.Gate`). One
        entry has ``main`` instead of ``map`` and ``rule``: it is `brain_map` with `rule`; on top where none has.
    brain_map : BrainMap
        In the space in which it is drawn; the others are put there (volumes on the mesh, surfaces into MNI152).
    """
    out, found = [], False
    for entry in entries:
        main = bool(entry.get("main"))
        found = found or main
        own = brain_map if main else _drawn_with(load_map_job(entry.get("map") or {}), brain_map, mesh)
        changes: dict[str, Any] = {k: entry[k] for k in ("opacity", "visible") if k in entry}
        if entry.get("gate") is not None:
            changes |= {"gate": Gate.from_dict(entry["gate"]), "second_where": dict(entry.get("second") or {}),
                        "second": _drawn_with(load_map_job(entry.get("second") or {}), brain_map, mesh)}
        colors = rule if main else ColorRule.from_dict({**rule_for(own).to_dict(), **(entry.get("rule") or {})})
        out.append(Layer(own, colors, where={} if main else dict(entry.get("map") or {}), **changes))
    return out if found or not out else [*out, Layer(brain_map, rule)]


def _drawn_with(one: BrainMap, main: BrainMap, mesh: str) -> BrainMap:
    """Return a layer in a form that can be drawn with the main map, as the window does it."""
    from brainview.maps import jobs
    from brainview.maps.space import VolumeSpace

    volume = isinstance(main.space.root, VolumeSpace)
    if isinstance(one.space.root, VolumeSpace) == volume:
        return one
    return jobs.to_volume(one) if volume else jobs.to_surface(one, mesh)


def load_outlines(path: os.PathLike | str, brain: str, names: Iterable[str], variant: str = "") -> dict[str, RoiClass]:
    """Return classes of regions of a subject of a data set, by name; raises MissingError for an unknown one.

    `variant` is the response set whose locations the labels are on, the data set's first one when not given.
    """
    from brainview.datasets import jobs

    known = jobs.open_subject(str(path), brain, variant=variant or None)["rois"]
    missing = [n for n in names if n not in known]
    if missing:
        raise MissingError(f"{brain} has no regions {missing[0]!r}", where=path,
                           remedy="It has " + ", ".join(known) + ".")
    return {n: known[n] for n in names}


def picture(brain_map: BrainMap, out: os.PathLike | str, *, rule: dict[str, Any] | None = None,
            look: dict[str, Any] | None = None, outlines: Mapping[str, RoiClass] | None = None,
            size: tuple[int, int] = (1600, 1200), dpi: float = 150.0, mesh: str = "fsaverage5",
            on_surface: bool = False, layers: Iterable[Mapping[str, Any]] = ()) -> Path:
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
    layers : iterable of mapping
        Maps over each other, see :func:`load_layers`; empty draws the map alone.
    """
    from brainview.maps.space import VolumeSpace
    from brainview.scene.snapshot import Look, look_from, snapshot

    if on_surface and isinstance(brain_map.space.root, VolumeSpace):
        from brainview.maps.jobs import to_surface

        brain_map = to_surface(brain_map, mesh)
    own = rule_for(brain_map).to_dict()
    colors = ColorRule.from_dict({**own, **(rule or {})})
    return snapshot(brain_map, Path(out), size=size, dpi=dpi, rule=colors, look=look_from(look) if look else Look(),
                    outlines=outlines, layers=load_layers(layers, brain_map, colors, mesh=mesh))


def viewers(parts: Iterable[Mapping[str, Any]], out: os.PathLike | str, *, size: tuple[int, int] = (2400, 1800),
            dpi: float = 150.0, mesh: str = "fsaverage5") -> Path:
    """Write what several viewers show as one PNG, two in a row, each under its title; returns its path.

    Parameters
    ----------
    parts : iterable of mapping
        Each with ``map`` (``path`` and arguments of :func:`load_map`) and, where they differ from the standard,
        ``title``, ``rule`` and ``look`` (as for :func:`picture`), ``layers`` (as for :func:`load_layers`),
        ``outlines`` (data set, subject, classes...) with ``variant``, and ``on_surface``.
    size : (int, int)
        Pixels of the whole picture. dpi : dots per inch, written into the file.
    mesh : str
        What a volume is drawn on where ``on_surface`` is true.
    """
    from brainview.maps.space import VolumeSpace
    from brainview.scene.montage import Shot, montage
    from brainview.scene.snapshot import Look, look_from

    shots = []
    for part in parts:
        brain_map = load_map_job(part.get("map") or {})
        if part.get("on_surface") and isinstance(brain_map.space.root, VolumeSpace):
            from brainview.maps.jobs import to_surface

            brain_map = to_surface(brain_map, mesh)
        colors = ColorRule.from_dict({**rule_for(brain_map).to_dict(), **(part.get("rule") or {})})
        known = list(part.get("outlines") or ())
        outlines = load_outlines(known[0], known[1], known[2:], str(part.get("variant", ""))) if known else {}
        shots.append(Shot(str(part.get("title", "")), brain_map, colors,
                          look_from(part["look"]) if part.get("look") else Look(), outlines,
                          layers=load_layers(part.get("layers") or (), brain_map, colors, mesh=mesh)))
    return montage(shots, Path(out), size=size, dpi=dpi)
