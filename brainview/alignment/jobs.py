"""Jobs that the window and the command submit by name; they return plain types only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder

#: Systems of alignment.
SYSTEMS = ("whole-brain", "mindeye", "ridge-clip")


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of an alignment run: its card and finished subjects."""
    folder = RunFolder.open(run)
    _check_system(folder)
    card = folder.card("last")
    return {"run": str(run), "card": card, "phantom": card["phantom"], "subjects": list(card["finished"])}


def retrieve(run: str, *, gallery: int = 300, seed: int = 0, context: JobContext = QUIET) -> dict[str, Any]:
    """Return retrieval rows of every finished subject: four directions, whole gallery and draws, shuffled."""
    from brainview.alignment.workflow import retrieval_rows

    folder = RunFolder.open(run)
    _check_system(folder)
    card = folder.card("last")
    subjects = {}
    for name in card["finished"]:
        context.check()
        result = RunFolder.open(folder.path / "subjects" / name)
        found = load_embeddings(result.path)
        subjects[name] = {"rows": retrieval_rows(found[1], sub_gallery=gallery, seed=seed), "images": len(found[0]),
                          "metrics": card["metrics"][name]}
    return {"run": str(run), "system": folder.system, "dataset": card["dataset"], "phantom": card["phantom"],
            "targets": card["feature_label"], "subjects": subjects}


def load_embeddings(folder: Path) -> tuple[Any, Any]:
    """Return (stimulus ids, Embeddings) of the test part of one subject's model."""
    from safetensors.numpy import load_file

    from brainview.alignment.workflow import Embeddings
    from brainview.core.files import regular_file

    arrays = load_file(regular_file(Path(folder) / "embeddings.safetensors"))
    return arrays["ids"], Embeddings(arrays["to_image"], arrays["to_text"], arrays["image"], arrays["text"])


def _check_system(folder: RunFolder) -> None:
    if folder.system not in SYSTEMS:
        raise MissingError(f"is a run of {folder.system}, which aligns no brains with pictures", where=folder.path,
                           remedy="Name a run of " + ", ".join(SYSTEMS) + ".")
