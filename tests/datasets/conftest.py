"""Fixtures of the readers' tests."""

from tests.film_fixture import tiny_film, trapped_film

__all__ = ["tiny_film", "trapped_film"]
