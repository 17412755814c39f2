"""Token scores as maps: one sparse product, on the voxels of a mask or on a mesh.

Shared by the command, which writes such maps, and the window, which draws them from the scores alone: both get the
same numbers, limits and story from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brainview.core.errors import MismatchError
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import MaskedSpace, Space, get_space

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: unit -> what one number of a map is.
UNITS = {"bits": "information that passes the bottleneck at this token, in bits",
         "share": "the same map scaled so that its lowest token is 0 and its highest 1",
         "t": "t over stimuli: the mean score of a token against its standard error"}


def unit_range(scores: np.ndarray) -> np.ndarray:
    """Return scores min-max scaled to 0..1, as a mask: a constant map keeps everything, an all-zero one nothing."""
    low, high = float(np.min(scores)), float(np.max(scores))
    if high <= low:
        return np.ones_like(scores) if high else np.zeros_like(scores)
    return (scores - low) / (high - low)


def map_story(about: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a map: `about` describes the model, `answer` holds the settings and figures."""
    settings = {k: v for k, v in answer.items() if k not in ("scores", "fit_curve", "number", "cached", "status")}
    return {"attribution": settings, "run": about["run"], "subject": about["subject"],
            "checkpoint": about["checkpoint"], "model": about["card"], "phantom": about["phantom"]}


def map_name(answer: Mapping[str, Any]) -> str:
    """Return what a map is called everywhere."""
    return f"{answer['method']} of stimulus {answer['stimulus']} ({answer['target']})"


@dataclass(frozen=True, eq=False)
class TokenSpread:
    """From (n_tokens,) scores to a map.

    Parameters
    ----------
    space : Space
        Of the map.
    matrix : (space.size, n_tokens) sparse matrix
        Rows sum to 1, or to 0 where no token reaches.
    method : str
        ``trilinear`` or ``nearest``.
    token_mm : float
        Edge of a token: the finest honest statement.
    note : str
        The sentence on resolution that stands beside the map.
    """

    space: Space
    matrix: csr_matrix
    method: str
    token_mm: float
    note: str

    @property
    def covered(self) -> np.ndarray:
        """(space.size,) bool: locations that some token reaches."""
        known = self.__dict__.get("_covered")
        if known is None:
            known = self.__dict__["_covered"] = np.asarray(self.matrix.sum(1)).ravel() > 0
        return known

    def map(self, scores: np.ndarray, *, unit: str = "bits", name: str = "IB-BA",
            limits: tuple[float, float] | None = None, provenance: Mapping[str, Any] | None = None) -> BrainMap:
        """Return scores as a map.

        Parameters
        ----------
        scores : (n_tokens,) array
        unit : str
            ``bits``, ``t`` or a method's own unit; ``share`` for the map scaled to 0..1.
        limits : (float, float), optional
            Of the colours; default: 0 to the highest token, symmetric where scores are signed.
        provenance : dict
            Method and all its settings, checkpoint, stimulus.

        Raises
        ------
        MismatchError
            Another number of tokens.
        """
        tokens = np.asarray(scores, np.float32)
        if tokens.shape != (self.matrix.shape[1],):
            raise MismatchError(f"{tokens.shape} scores for {self.matrix.shape[1]} tokens")
        tokens = unit_range(tokens) if unit == "share" else tokens
        signed = bool((tokens < 0).any())
        peak = float(np.abs(tokens).max(initial=0)) or 1.0
        story = {**(provenance or {}), "spread": self.method, "unit": unit, "resolution_mm": self.token_mm,
                 "resolution": self.note}
        words = UNITS.get(unit, f"score of a token ({unit})")
        return BrainMap(np.where(self.covered, self.matrix @ tokens, np.nan), self.space, name=name,
                        units="" if unit == "share" else unit, kind="diverging" if signed else "sequential",
                        limits=limits or ((-peak, peak) if signed else (0.0, peak)), provenance=story,
                        definition=f"{words[:1].upper()}{words[1:]}. {self.note}")

    @staticmethod
    def from_parts(parts: Mapping[str, Any]) -> TokenSpread:
        """Rebuild one from the plain parts that cross a process: see :meth:`parts`."""
        from scipy.sparse import csr_matrix

        matrix = csr_matrix((parts["data"], parts["indices"], parts["indptr"]), parts["shape"])
        parent = get_space(str(parts["space"]))
        space = parent if parts.get("index") is None else MaskedSpace(str(parts["name"]), parent, parts["index"])
        return TokenSpread(space, matrix, str(parts["method"]), float(parts["token_mm"]), str(parts["note"]))

    def parts(self) -> dict[str, Any]:
        """Return arrays and plain types that :meth:`from_parts` takes."""
        inside = self.space if isinstance(self.space, MaskedSpace) else None
        return {"space": (inside.parent if inside is not None else self.space).name, "name": self.space.name,
                "index": None if inside is None else inside.index,
                "data": self.matrix.data, "indices": self.matrix.indices, "indptr": self.matrix.indptr,
                "shape": self.matrix.shape, "method": self.method, "token_mm": self.token_mm, "note": self.note}


__all__ = ["UNITS", "TokenSpread", "unit_range"]
