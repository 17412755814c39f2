"""What is shown of a training that was stopped: its best checkpoint so far, on validation images, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.encoding.predict import open_model
from brainview.encoding.train_ridge import versions
from brainview.training.run import RunFolder

#: The part of the split that an unfinished training is scored on: the one that chooses its checkpoint.
PART = "val"


def evaluated(folder: RunFolder, *, context: JobContext = QUIET) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return (card of the run, subject -> what :func:`brainview.encoding.evaluate.evaluate` found and its card).

    Raises
    ------
    MissingError
        There is no checkpoint yet.
    """
    if not (folder.path / "model" / "pointer.json").is_file():
        raise MissingError("holds no finished model yet", where=folder.path,
                           remedy="Train it to the end, or resume it.")
    model = open_model(folder.path, context=context)
    best = RunFolder.open(folder.path / "model").card("best")
    epochs, reached = folder.config.get("epochs"), len(folder.history())
    words = (f"The training stopped after epoch {reached} of {epochs}. Shown is its best checkpoint so far (epoch "
             f"{best.get('epoch')}), scored on VALIDATION images, which chose it; test images wait for the end.")
    parts: dict[str, dict[str, Any]] = {}
    names = list(model.subjects)
    for number, name in enumerate(names):
        stage = Stage(context, number / len(names), (number + 1) / len(names), name)
        found = model.evaluate(name, PART, context=stage)
        parts[name] = {**found, "card": {
            "system": folder.system, "feature_label": model.label, "part": PART, "split": {"name": "validation"},
            "metrics": found["metrics"], "method": "best checkpoint of a stopped training", "versions": versions()}}
    trunk: Any = getattr(model, "trunk", None)
    card = {"system": folder.system, "config": folder.config, "dataset": model.dataset.name,
            "layout": model.dataset.layout, "data": folder.story.get("data"), "phantom": model.dataset.phantom,
            "variant": folder.config.get("variant", ""), "subjects": names, "finished": names, "complete": False,
            "split": {"name": "validation images of the stopped training"}, "seed": folder.config.get("seed"),
            "feature_label": model.label, "random_weights": bool(getattr(trunk, "is_random", False)),
            "metrics": {n: p["metrics"] for n, p in parts.items()}, "versions": versions(), "stopped": words}
    return card, parts


def read_parts(folder: RunFolder, *, context: JobContext = QUIET
               ) -> tuple[dict[str, Any], list[tuple[str, Callable[[], tuple[dict[str, Any], dict[str, Any]]]]]]:
    """Return (card, [(subject, what gives its maps and card)]) of a run: finished subjects, or a stopped training's."""
    if folder.has_generation:
        card = folder.card("last")

        def stored(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            tensors, own = RunFolder.open(folder.path / "subjects" / name).load()
            return {k[4:]: v for k, v in tensors.items() if k.startswith("map/")}, own

        return card, [(n, lambda n=n: stored(n)) for n in card["finished"]]  # type: ignore[misc]
    card, parts = evaluated(folder, context=context)
    return card, [(n, lambda p=p: (p["maps"], {**p["card"], "rois": p["rois"], "stimuli": p["stimuli"],  # type: ignore[misc]
                                                "notes": p["notes"]})) for n, p in parts.items()]
