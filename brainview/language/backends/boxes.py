"""Boxes in answers: each grammar that the back ends speak, read strictly; whatever does not fit is no box.

All give boxes as (x0, y0, x1, y1) shares of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Box = tuple[float, float, float, float]
_NUMBER = r"\d(?:\.\d*)?"
_SHIKRA = re.compile(rf"\[({_NUMBER}(?:[,;]{_NUMBER})*)\]")
_LOC = re.compile(r"((?:<loc\d{4}>){4})")
_FLORENCE = re.compile(r"((?:<loc_\d{1,3}>){4})")
_QWEN = re.compile(r'"bbox_2d"\s*:\s*\[\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*,\s*'
                   r"(\d+(?:\.\d+)?)\s*\]")


def shikra_boxes(text: str) -> list[list[Box]]:
    """Return the bracket groups ``[x1,y1,x2,y2;...]`` of a text, each a list of boxes.

    One digit before the point, decimals optional, no spaces, four numbers a box: anything else is no box (Shikra's
    own rule). Groups without a box are left out.
    """
    groups = []
    for match in _SHIKRA.finditer(text):
        parts = [p.split(",") for p in match.group(1).split(";")]
        if all(len(p) == 4 for p in parts):
            groups.append([_box(*(float(v) for v in p)) for p in parts])
    return groups


def paligemma_boxes(text: str) -> list[list[Box]]:
    """Return the boxes of ``<locY0><locX0><locY1><locX1>`` (bins of 1024), each a group of its own."""
    out = []
    for match in _LOC.finditer(text):
        y0, x0, y1, x1 = (int(v) / 1024 for v in re.findall(r"\d{4}", match.group()))
        out.append([_box(x0, y0, x1, y1)])
    return out


def florence_boxes(text: str) -> list[list[Box]]:
    """Return the boxes of ``<loc_X0><loc_Y0><loc_X1><loc_Y1>`` (bins of 1000, read at their middle)."""
    return [[_box(*((int(v) + 0.5) / 1000 for v in re.findall(r"\d+", match.group())))]
            for match in _FLORENCE.finditer(text)]


def qwen_boxes(side: int) -> Callable[[str], list[list[Box]]]:
    """Return the reader of ``"bbox_2d": [x0, y0, x1, y1]`` in pixels of a square picture of `side`."""
    return lambda text: [[_box(*(float(v) / side for v in match.groups()))] for match in _QWEN.finditer(text)]


def _box(x0: float, y0: float, x1: float, y1: float) -> Box:
    return tuple(min(max(v, 0.0), 1.0) for v in (x0, y0, x1, y1))  # type: ignore[return-value]
