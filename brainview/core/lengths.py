"""Sizes of pictures: centimetres, inches, pixels."""

from __future__ import annotations

CM_PER_INCH = 2.54


def pixels(cm: tuple[float, float], dpi: float) -> tuple[int, int]:
    """Return the size in pixels of a size in cm: inches x dpi.

    >>> pixels((8.5, 17.0), 300)
    (1004, 2008)
    """
    width, height = (max(1, round(c / CM_PER_INCH * dpi)) for c in cm)
    return width, height
