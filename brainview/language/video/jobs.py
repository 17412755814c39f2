"""Jobs of the film systems that the window and the command submit by name; they return plain types, maps and arrays."""

from __future__ import annotations

from typing import Any

from brainview.core.errors import MissingError
from brainview.core.files import read_json
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder

#: Systems of this package.
SYSTEMS = ("sc-mbm", "video-text")


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of a film run: its card, held-out people, and the evaluation where there is one."""
    folder = RunFolder.open(run)
    if folder.system not in SYSTEMS:
        raise MissingError(f"is a {folder.system} run, a film run was expected", where=run)
    card = folder.card("last")
    file = folder.path / "evaluation.json"
    return {"run": str(run), "card": card, "phantom": card["phantom"], "subjects": list(card["subjects"]),
            "evaluation": read_json(file) if file.is_file() else None}
