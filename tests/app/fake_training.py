"""Answers of the fake engine for the training page: systems, estimates, runs with curves, kept in memory."""

from __future__ import annotations

import math
import time
from typing import Any

from brainview.core.errors import MissingError

RUNS = "/data/runs"


def describe(system_name: str) -> dict[str, Any]:
    """Return the settings of a system."""
    def row(name: str, default: Any, hint: str = "", choices: tuple[str, ...] = ()) -> dict[str, Any]:
        return {"name": name, "kind": type(default).__name__, "default": default, "hint": hint,
                "choices": list(choices), "low": None, "high": None}

    if system_name == "ridge":
        return {"name": "ridge", "title": "Ridge regression", "about": "x", "dock": "encoding", "preset_notes": {},
                "presets": {"demo": {"features": "gabor", "components": 500}, "paper": {"features": "timm:eva02"}},
                "options": [row("features", "gabor"), row("method", "gcv", "how", ("gcv", "kfold")), row("folds", 5),
                            row("components", 1000), row("val", 0.1), row("keep_model", True)]}
    return {"name": system_name, "title": system_name, "about": "A system.", "dock": "decoding", "preset_notes":
            {"tiny": "Small enough to try."}, "presets": {"tiny": {"epochs": 10}, "paper": {"epochs": 150}},
            "options": [row("clip", "phantom-clip"), row("epochs", 30), row("lr", 3e-4),
                        row("voxels", 15, "mindeye: x"), row("weighting", "reliability", "", ("reliability", "none"))]}


def estimate(system_name: str, path: str, subjects: Any, options: dict[str, Any], runs: str) -> dict[str, Any]:
    """Return what a training needs; the system refuses a learning rate of 7."""
    problem = "the system refuses lr = 7" if options.get("lr") == 7 else ""
    return {"seconds": 250.0, "memory": 900_000_000, "disk": 42_000_000, "free": 5_000_000_000, "notes": [],
            "basis": "From 2 earlier runs.", "problem": problem}


def run_rows() -> list[dict[str, Any]]:
    """Return three runs: finished, finished and shorter, unfinished."""
    def row(name: str, system: str, finished: bool, progress: str, epochs: int, score: float) -> dict[str, Any]:
        return {"path": f"{RUNS}/{name}", "name": name, "system": system, "dataset": "phantom", "phantom": True,
                "finished": finished, "usable": finished, "subjects": ["subj01"], "done": ["subj01"] * finished,
                "progress": progress, "when": time.time() - 300, "data": "/phantom",
                "metrics": {"subj01": {"brain→image R@1": score, "images": 200, "part": "test"}},
                "config": {"epochs": epochs, "lr": 3e-4, "subjects": ["subj01"]}, "cost": {"seconds": 100}}

    return [row("phantom-whole-brain", "whole-brain", True, "", 30, 0.12),
            row("phantom-whole-brain-2-with-a-name-far-too-long-for-the-dock", "whole-brain", True, "", 12, 0.1),
            row("phantom-mindeye", "mindeye", False, "subj01, epoch 7 of 30", 30, 0.0)]


def curves(run: str) -> dict[str, Any]:
    """Return falling losses and rising scores; a run that wrote nothing yet is refused."""
    if run.endswith("-new"):
        raise MissingError("holds no BrainView run", where=run)
    if "ridge" in run or not run.startswith(RUNS):
        return {"run": run, "system": "ridge", "parts": [],
                "table": [{"subject": "subj01", "part": "test", "images": 60, "mean_r": 0.31}]}
    n = 7 if "mindeye" in run else 12 if "-2" in run else 30
    x = list(range(1, n + 1))
    return {"run": run, "system": "whole-brain", "table": [], "parts": [
        {"name": "subj01", "axis": "epoch", "x": x, "best": float(max(1, n - 3)), "columns": {
            "lr": [1e-4] * n, "loss": [4 * math.exp(-k / 9) + 1 for k in x],
            "val_loss": [4 * math.exp(-k / 12) + 1.6 + 0.02 * max(0, k - 12) for k in x],
            "val_mrr": [0.2 * (1 - math.exp(-k / 8)) for k in x],
            "val_R@1": [0.1 * (1 - math.exp(-k / 9)) for k in x]}}]}


def run_card(run: str) -> dict[str, Any]:
    """Return a card."""
    return {"run": run, "name": run.rsplit("/", 1)[-1], "phantom": True, "random_weights": False, "notes": [],
            "sections": [("About", [("system", "whole-brain"), ("folder", run)]),
                         ("Settings", [("epochs", "30"), ("seed", "0")]), ("Versions", [("numpy", "2.0")])]}


ANSWERS = {
    "brainview.training.jobs:describe": describe,
    "brainview.training.jobs:estimate": estimate,
    "brainview.training.jobs:list_runs": lambda folder, also=(): run_rows(),
    "brainview.training.jobs:curves": curves,
    "brainview.training.jobs:run_card": run_card,
    "brainview.training.jobs:discard": lambda run: run.replace("/runs/", "/runs/.discarded/"),
    "brainview.training.jobs:restore": lambda run: run.replace("/.discarded/", "/"),
    "brainview.training.jobs:resume": lambda run: run,
}
