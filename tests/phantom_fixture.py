"""Tiny phantoms for any test: `tiny_phantom` (NSD layout, surface) and `tiny_algonauts`, each built once per session.

Use them in another folder's tests with ``from tests.phantom_fixture import tiny_phantom  # noqa: F401``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TINY = {"subjects": 2, "train": 24, "test": 8, "reserve": 8, "seed": 7}


def build_tiny(out: Path, layout: str, **changes) -> Path:
    """Build a phantom of two subjects, 24 training and 8 test images."""
    from brainview.phantom.build import build_phantom

    return build_phantom(out, layout, **{"volume": False, **TINY, **changes})


@pytest.fixture(scope="session")
def tiny_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny phantom in the NSD layout (surface betas on fsaverage5)."""
    return build_tiny(tmp_path_factory.mktemp("phantom") / "nsd", "nsd")


@pytest.fixture(scope="session")
def tiny_algonauts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny phantom in the Algonauts 2023 layout."""
    return build_tiny(tmp_path_factory.mktemp("phantom") / "algonauts", "algonauts2023")
