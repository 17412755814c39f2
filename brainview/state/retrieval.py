"""The retrieval page: which brain, which picture or sentence, and what was found. No Qt.

The jobs' dicts are read here once, into frozen rows that widgets show.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from psygnal import SignalGroupDescriptor

#: Jobs of the page.
RETRIEVE = "brainview.alignment.jobs:retrieve"
CURVES = "brainview.alignment.jobs:curves"
RANK = "brainview.alignment.jobs:rank"
RANK_BRAINS = "brainview.alignment.jobs:rank_brains"
SIMILARITY = "brainview.alignment.jobs:similarity"
UMAP = "brainview.alignment.jobs:umap"

MODALITIES = ("brain", "image", "text")
MODALITY_WORDS = {"brain": "Brains", "image": "Pictures", "text": "Captions"}


@dataclass(frozen=True)
class Hit:
    """One entry of a ranking: rank from 1, stimulus, cosine similarity, whether it is the true one, its caption."""

    rank: int
    stimulus: int
    similarity: float
    own: bool
    text: str = ""


def hits(rows: Sequence[Mapping[str, Any]]) -> tuple[Hit, ...]:
    """Read the entries of a ranking job."""
    return tuple(Hit(int(r["rank"]), int(r["stimulus"]), float(r["similarity"]), bool(r.get("own")),
                     str(r.get("text") or "")) for r in rows)


@dataclass(frozen=True, eq=False)
class Ranking:
    """What one brain found, or which brains a picture or sentence found."""

    subject: str
    stimulus: int  # what was asked with; -1 for a sentence
    words: str  # the sentence, "" for a stimulus
    images: tuple[Hit, ...] = ()
    texts: tuple[Hit, ...] = ()
    brains: tuple[Hit, ...] = ()
    ranks: Mapping[str, int | None] = field(default_factory=dict)  # image, text, brain -> rank of the true one
    gallery: int = 0
    notes: tuple[str, ...] = ()

    @staticmethod
    def of_brain(subject: str, stimulus: int, result: Mapping[str, Any]) -> Ranking:
        """Read the dict of ``alignment.jobs:rank``."""
        return Ranking(subject, stimulus, "", images=hits(result["images"]), texts=hits(result["texts"]),
                       ranks={"image": result.get("image_rank"), "text": result.get("text_rank")},
                       gallery=int(result["gallery"]))

    @staticmethod
    def of_brains(subject: str, stimulus: int, words: str, result: Mapping[str, Any]) -> Ranking:
        """Read the dict of ``alignment.jobs:rank_brains``."""
        told = dict(result.get("query") or {})
        notes = []
        if told.get("cut"):
            notes.append(f"Only the first {told.get('context')} tokens were read; the rest was cut.")
        if told.get("unknown_tokens"):
            count = int(told["unknown_tokens"])
            notes.append(f"{count} word{'s are' if count != 1 else ' is'} unknown to this text model.")
        return Ranking(subject, stimulus, words, brains=hits(result["brains"]), gallery=int(result["gallery"]),
                       ranks={"brain": result.get("brain_rank")}, notes=tuple(notes))


@dataclass(frozen=True)
class Score:
    """Recall of one direction of one subject: k -> (recall, low, high, chance, shuffled), as fractions."""

    subject: str
    direction: str
    protocol: str
    gallery: int
    queries: int
    recall: tuple[tuple[int, float, float, float, float, float], ...]


def scores_of(result: Mapping[str, Any]) -> tuple[Score, ...]:
    """Read the dict of ``alignment.jobs:retrieve``: own rows with the shuffled brain's value beside each."""
    out = []
    for subject, found in dict(result["subjects"]).items():
        rows = list(found["rows"])
        control = {(r["direction"], r["protocol"]): r for r in rows if r.get("shuffled")}
        for row in rows:
            if row.get("shuffled"):
                continue
            other = control.get((row["direction"], row["protocol"]), {})
            ks = sorted(int(k[2:]) for k in row if k.startswith("R@") and k[2:].isdigit())
            recall = tuple((k, float(row[f"R@{k}"]), float(row[f"R@{k} low"]), float(row[f"R@{k} high"]),
                            float(row[f"R@{k} chance"]), float(other.get(f"R@{k}", math.nan))) for k in ks)
            out.append(Score(str(subject), str(row["direction"]), str(row["protocol"]), int(row["gallery"]),
                             int(row["queries"]), recall))
    return tuple(out)


def score_table(scores: Sequence[Score]) -> tuple[list[str], list[list[str]]]:
    """Return (columns, rows of words) of all scores, in percent with interval, chance and shuffled brain."""
    ks = sorted({r[0] for s in scores for r in s.recall})
    columns = ["subject", "direction", "gallery", *(f"R@{k} %" for k in ks), *(f"chance R@{k} %" for k in ks),
               *(f"shuffled R@{k} %" for k in ks)]
    rows = []
    for s in scores:
        by = {r[0]: r for r in s.recall}
        rows.append([s.subject, s.direction, s.protocol,
                     *(f"{100 * by[k][1]:.1f} ({100 * by[k][2]:.1f}–{100 * by[k][3]:.1f})" for k in ks),
                     *(f"{100 * by[k][4]:.2g}" for k in ks), *(f"{100 * by[k][5]:.1f}" for k in ks)])
    return columns, rows


@dataclass(frozen=True, eq=False)
class Points:
    """UMAP coordinates: (n, 2) float, modality and stimulus of each."""

    xy: np.ndarray
    modality: tuple[str, ...]
    ids: np.ndarray
    settings: Mapping[str, Any]
    note: str

    @staticmethod
    def from_job(result: Mapping[str, Any]) -> Points:
        """Read the dict of ``alignment.jobs:umap``."""
        return Points(np.asarray(result["points"], float), tuple(map(str, result["modality"])),
                      np.asarray(result["ids"], np.int64), dict(result.get("settings") or {}),
                      str(result.get("note", "")))

    def csv(self) -> str:
        """Return the points as CSV."""
        return _csv(["stimulus", "modality", "umap 1", "umap 2"],
                    [[int(i), m, f"{x:.6g}", f"{y:.6g}"]
                     for i, m, (x, y) in zip(self.ids, self.modality, self.xy, strict=True)])


@dataclass(frozen=True, eq=False)
class Matrices:
    """Similarity matrices of the test stimuli, (n, n) float each, drawn in one order."""

    ids: np.ndarray
    order: np.ndarray
    matrices: Mapping[str, np.ndarray]
    numbers: tuple[Mapping[str, Any], ...]
    rsa: tuple[Mapping[str, Any], ...]
    what: str

    @staticmethod
    def from_job(result: Mapping[str, Any]) -> Matrices:
        """Read the dict of ``alignment.jobs:similarity``."""
        return Matrices(np.asarray(result["ids"], np.int64), np.asarray(result["order"], np.int64),
                        {str(k): np.asarray(v, np.float32) for k, v in dict(result["matrices"]).items()},
                        tuple(result.get("numbers") or ()), tuple(result.get("rsa") or ()),
                        str(result.get("what", "")))

    def drawn(self, pair: str) -> np.ndarray:
        """Return (n, n) one matrix in the order in which it is drawn."""
        return self.matrices[pair][np.ix_(self.order, self.order)]

    def words(self, pair: str) -> str:
        """Return what one matrix amounts to, in a sentence."""
        parts = []
        for row in self.numbers:
            if row.get("pair") == pair:
                parts.append(f"Cosine of matched pairs {row['matched_cosine']:.3f}, of others "
                             f"{row['unmatched_cosine']:.3f}; R@1 {100 * row['R@1']:.1f} %.")
        for row in self.rsa:
            if row.get("pair") == pair:
                parts.append(f"Spearman ρ between the two similarity structures {row['spearman']:.3f} "
                             f"(p = {row['p']:.3g}, {row['permutations']} permutations).")
        return " ".join(parts)

    def csv(self, pair: str) -> str:
        """Return one matrix as CSV: stimuli in rows and columns, in the order of the drawing."""
        ids = self.ids[self.order].tolist()
        matrix = self.drawn(pair)
        return _csv([pair, *ids], [[i, *(f"{v:.5g}" for v in row)] for i, row in zip(ids, matrix, strict=True)])


def _csv(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


@dataclass
class RetrievalState:
    """What the retrieval page has chosen and shows."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    subject: str = ""
    gallery: str = "image"  # what a brain ranks: image or text
    asked: int = -1  # picture that ranks brains, -1 = none
    asked_kind: str = "image"  # by its picture or by its caption
    sentence: str = ""  # wins over `asked`
    protocol: str = ""
    pair: str = "brain–image"
    scores: tuple[Score, ...] = ()
    ranking: Ranking | None = None
    brains: Ranking | None = None
    points: Points | None = None
    matrices: Matrices | None = None

    def settings(self) -> dict[str, Any]:
        """Return what a project file keeps."""
        return {k: getattr(self, k) for k in ("subject", "gallery", "asked", "asked_kind", "sentence", "protocol",
                                              "pair")}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Take a stored choice back; what is of another kind is left out."""
        for name in self.settings():
            if name in stored and isinstance(stored[name], type(getattr(self, name))):
                setattr(self, name, stored[name])

    def forget(self) -> None:
        """Drop what was found (another run was opened)."""
        self.scores, self.ranking, self.brains, self.points, self.matrices = (), None, None, None, None

    def protocols(self) -> list[str]:
        """Return the gallery protocols of the scores, the whole gallery first."""
        return list(dict.fromkeys(s.protocol for s in self.scores))

    def shown_scores(self) -> list[Score]:
        """Return the scores of the chosen subject and protocol."""
        protocol = self.protocol if self.protocol in self.protocols() else next(iter(self.protocols()), "")
        return [s for s in self.scores if s.subject == self.subject and s.protocol == protocol]
