"""The registry of systems: one line each. The command, the jobs, the training page and the contract tests read it.

Everything is named by strings, so that neither the window nor the command imports a system before it is used.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from brainview.core.errors import MissingError
from brainview.core.names import shown


@dataclass(frozen=True)
class SystemEntry:
    """One system.

    Parameters
    ----------
    name, title : str
        Word of the command line; words of the window.
    module : str
        Holds ``train(path, run, *, subjects=None, options=None, context=QUIET) -> str`` (the run's path); may hold
        ``COLUMNS`` (figures of its table) and ``remarks(run)`` (parts printed under it: title, header, rows, lines).
    presets : str
        Module that holds ``PRESETS``, name -> options.
    present : str
        ``module:function`` of ``present(run, *, context) -> dict``, see ``RunInfo.from_job``.
    dock : str
        Panel that a run of it opens in: ``encoding``, ``decoding`` or ``attribution``.
    """

    name: str
    title: str
    module: str
    presets: str
    present: str
    dock: str


_ALIGNED = "brainview.alignment.jobs:present"
SYSTEMS: dict[str, SystemEntry] = {entry.name: entry for entry in (
    SystemEntry("ridge", "Ridge regression", "brainview.encoding.train_ridge", "brainview.encoding.config",
                "brainview.encoding.jobs:present", "encoding"),
    SystemEntry("llm-vem", "LLM-VEM", "brainview.encoding.llm_vem.workflow", "brainview.encoding.llm_vem.config",
                "brainview.encoding.jobs:present", "encoding"),
    SystemEntry("whole-brain", "Whole-brain CLIP alignment", "brainview.alignment.whole_brain",
                "brainview.alignment.whole_brain", _ALIGNED, "decoding"),
    SystemEntry("mindeye", "MindEye-style alignment", "brainview.alignment.mindeye", "brainview.alignment.mindeye",
                _ALIGNED, "decoding"),
    SystemEntry("mindeye2", "MindEye2-style alignment", "brainview.alignment.mindeye2", "brainview.alignment.mindeye2",
                _ALIGNED, "decoding"),
    SystemEntry("tgbd", "TGBD-style alignment", "brainview.alignment.tgbd", "brainview.alignment.tgbd", _ALIGNED,
                "decoding"),
    SystemEntry("ridge-clip", "Ridge to CLIP", "brainview.alignment.ridge_clip", "brainview.alignment.ridge_clip",
                _ALIGNED, "decoding"),
    SystemEntry("brainx", "Brain to tower tokens (VINDEX / UMBRAE)", "brainview.language.brain.workflow",
                "brainview.language.brain.config", "brainview.language.brain.jobs:present", "decoding"),
    SystemEntry("sc-mbm", "Masked brain modelling (SC-MBM)", "brainview.language.video.pretrain",
                "brainview.language.video.pretrain", "brainview.language.video.jobs:present", "decoding"),
    SystemEntry("video-text", "Film clips to text across people", "brainview.language.video.train",
                "brainview.language.video.config", "brainview.language.video.jobs:present", "decoding"),
)}


def system(name: str) -> SystemEntry:
    """Return the entry of a system; raises MissingError that lists the known ones."""
    if name not in SYSTEMS:
        raise MissingError(f"no system is called {shown(name)!r}", remedy="Known: " + ", ".join(sorted(SYSTEMS)) + ".")
    return SYSTEMS[name]


def load(path: str) -> Any:
    """Return what ``module:name`` (or a module alone) names."""
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found
