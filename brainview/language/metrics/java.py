"""METEOR through the benchmark's own Java program, where Java and the package pycocoevalcap are installed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
from collections.abc import Iterable, Mapping

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.names import shown


def meteor_available() -> str | None:
    """Return None when METEOR can be computed, else what is missing."""
    if shutil.which("java") is None:
        return "METEOR needs Java"
    if importlib.util.find_spec("pycocoevalcap") is None:
        return "METEOR needs the extra brainview-explorer[java-metrics]"
    return None


def meteor(candidates: Mapping[str, str], references: Mapping[str, Iterable[str]]) -> float:
    """Return METEOR 1.5 of the corpus as a fraction; raises MissingError where it cannot run."""
    missing = meteor_available()
    if missing:
        raise MissingError(missing)
    from pycocoevalcap.meteor.meteor import Meteor

    from brainview.language.metrics.tokenize import words

    hyp = {k: [" ".join(words(candidates[k]))] for k in references}
    refs = {k: [" ".join(words(r)) for r in v] for k, v in references.items()}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return float(Meteor().compute_score(refs, hyp)[0])
    except (OSError, ValueError) as err:
        raise BrainViewError(f"METEOR's Java program failed: {shown(err)}",
                             remedy="Check the Java installation.") from err
