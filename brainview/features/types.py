"""What a feature space is, and how its maps of tokens are pooled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from PIL import Image

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext


class FeatureSpace(Protocol):
    """Pictures -> (n, tokens, width) float32.

    ``name`` as the registry knows it; ``settings`` everything that decides the numbers, as plain JSON types;
    ``key`` a hash of settings and weights; ``label`` the name on screen (says "random weights" where that is so).
    """

    name: str
    settings: dict[str, Any]

    @property
    def key(self) -> str:
        """Hash of weights and settings."""

    @property
    def label(self) -> str:
        """Name on screen."""

    def extract(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, tokens, width) float32 features of RGB pictures."""


def settings_key(settings: dict[str, Any], weights: str = "") -> str:
    """Return the hash of settings (plain JSON types) and of the hash of the weights."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(f"{text}|{weights}".encode()).hexdigest()[:24]


def parse_pool(pool: str) -> tuple[bool, bool, int]:
    """Return (class token, mean, grid side) of a pooling word such as ``cls+mean+4x4``, ``mean``, ``8x8``.

    Raises MismatchError for anything else. ``all`` keeps every token: (True, False, 0).
    """
    if pool == "all":
        return True, False, 0
    cls = mean = False
    side = 0
    for word in pool.split("+"):
        if word == "cls":
            cls = True
        elif word == "mean":
            mean = True
        elif word.partition("x")[0].isdigit() and word.partition("x")[0] == word.partition("x")[2] and int(word[0]):
            side = int(word.partition("x")[0])
        else:
            raise MismatchError(f"{pool!r} is no pooling", where="pool",
                                remedy="Use 'all' or a sum of cls, mean and NxN, for example cls+mean+4x4.")
    return cls, mean, side
