"""A small vocabulary over CLIP's byte-pair tokens, so that a small text tower needs no table of 49,408 rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.files import read_json, write_json

#: Compact numbers of padding and of tokens outside the vocabulary; start is 2, end is the highest.
PAD, UNKNOWN, START = 0, 1, 2
FILE = "vocabulary.json"


class CompactTokenizer:
    """open_clip's SimpleTokenizer with its tokens numbered anew.

    Parameters
    ----------
    tokens : sequence of int
        CLIP token numbers that the small model knows, ascending, without start and end.
    context : int
        Tokens of a text, start and end included; longer ones are cut and keep their end.
    """

    def __init__(self, tokens: Sequence[int], context: int = 77) -> None:
        self.tokens = [int(t) for t in tokens]
        self.context_length = context
        self.end = START + 1 + len(self.tokens)
        self._number = {t: START + 1 + i for i, t in enumerate(self.tokens)}

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table."""
        return self.end + 1

    def encode(self, text: str) -> list[int]:
        """Return the compact numbers of a whole text, start and end included, never cut."""
        return [START, *(self._number.get(t, UNKNOWN) for t in clip_tokens(text)), self.end]

    def unknown(self, text: str) -> int:
        """Return how many tokens of a text the model has never seen."""
        return sum(t not in self._number for t in clip_tokens(text))

    def __call__(self, texts: str | Iterable[str], context_length: int | None = None) -> Any:
        """Return (n, context) int64 tensor, padded with 0 (open_clip's calling convention)."""
        import torch

        width = context_length or self.context_length
        rows = [self.encode(t) for t in ([texts] if isinstance(texts, str) else texts)]
        out = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            kept = row if len(row) <= width else [*row[:width - 1], self.end]
            out[i, :len(kept)] = kept
        return torch.from_numpy(out)

    def save(self, folder: Path) -> None:
        """Write the vocabulary beside the model."""
        write_json(folder / FILE, {"tokens": self.tokens, "context": self.context_length,
                                   "of": "open_clip SimpleTokenizer"})

    @staticmethod
    def load(folder: Path) -> CompactTokenizer:
        """Read the vocabulary; raises FormatError when it is damaged."""
        data = read_json(folder / FILE)
        tokens = data.get("tokens") if isinstance(data, dict) else None
        if not isinstance(tokens, list) or not all(isinstance(t, int) for t in tokens) \
                or len(set(tokens)) < len(tokens):
            raise FormatError("is not a vocabulary", where=folder / FILE)
        return CompactTokenizer(tokens, int(data.get("context", 77)))


def vocabulary_of(texts: Iterable[str]) -> list[int]:
    """Return the ascending CLIP tokens that occur in `texts`."""
    return sorted({token for text in texts for token in clip_tokens(text)})


@lru_cache(maxsize=1)
def _clip() -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


@lru_cache(maxsize=1 << 17)
def clip_tokens(text: str) -> tuple[int, ...]:
    """Return CLIP's token numbers of a text, without start and end (kept: a text is cleaned slowly)."""
    return tuple(_clip().encode(text))
