"""METEOR and SPICE by the benchmarks' own Java programs, where Java and the package pycocoevalcap are installed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.names import shown


def meteor_available() -> str | None:
    """Return None when METEOR can be computed, else what is missing."""
    if shutil.which("java") is None:
        return "METEOR needs Java"
    if importlib.util.find_spec("pycocoevalcap") is None:
        return "METEOR needs the extra brainview-explorer[java-metrics]"
    return None


def spice_available() -> str | None:
    """Return None when SPICE can be computed, else what is missing. Nothing is fetched from here."""
    if shutil.which("java") is None:
        return "SPICE needs Java"
    spec = importlib.util.find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations:
        return "SPICE needs the extra brainview-explorer[java-metrics]"
    lib = Path(next(iter(spec.submodule_search_locations))) / "spice" / "lib"
    if not all((lib / f"stanford-corenlp-3.6.0{end}.jar").is_file() for end in ("", "-models")):
        return "SPICE needs Stanford CoreNLP 3.6 and its models in pycocoevalcap/spice/lib"
    return None


def spice(candidates: Mapping[str, str], references: Mapping[str, Iterable[str]]) -> float:
    """Return SPICE (F1 of scene-graph tuples, mean over images) as a fraction; raises MissingError where it cannot."""
    missing = spice_available()
    if missing:
        raise MissingError(missing)
    from pycocoevalcap.spice.spice import Spice

    hyp = {k: [candidates[k]] for k in references}
    refs = {k: list(v) for k, v in references.items()}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return float(Spice().compute_score(refs, hyp)[0])
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as err:
        raise BrainViewError(f"SPICE's Java program failed: {shown(err)}",
                             remedy="Check the Java installation.") from err


def meteor(candidates: Mapping[str, str], references: Mapping[str, Iterable[str]]) -> float:
    """Return METEOR 1.5 of the corpus as a fraction; raises MissingError where it cannot run."""
    missing = meteor_available()
    if missing:
        raise MissingError(missing)
    from pycocoevalcap.meteor.meteor import Meteor

    from brainview.language.metrics.tokenize import words

    hyp = {k: [_line(words(candidates[k]))] for k in references}
    refs = {k: [_line(words(r)) for r in v] for k, v in references.items()}
    with contextlib.redirect_stdout(io.StringIO()):
        program = Meteor()
        try:
            return float(program.compute_score(refs, hyp)[0])
        except (OSError, ValueError) as err:
            program.meteor_p.kill()
            if program.lock.locked():  # its own clean-up would wait for ever for the lock that the failure left behind
                program.lock.release()
            raise BrainViewError(f"METEOR's Java program failed: {shown(err)}",
                                 remedy="Check the Java installation.") from err


def _line(parts: list[str]) -> str:
    """Return words as one line that any encoding takes: half characters (lone surrogates) become question marks."""
    return " ".join(parts).encode("utf-8", "replace").decode("utf-8")
