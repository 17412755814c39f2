"""Fixtures of the phantom's tests."""

from tests.phantom_fixture import tiny_algonauts, tiny_phantom

__all__ = ["tiny_algonauts", "tiny_phantom"]
