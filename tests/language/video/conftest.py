"""Fixtures of the film tests."""

from tests.film_fixture import tiny_film

__all__ = ["tiny_film"]
