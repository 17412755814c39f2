"""Grounding: the first predicted box of each class in an image against the first true one.

Definition of the BrainHub leaderboard: for each test image and each class of the wanted group in it, IoU of the first
true and the first predicted box, both scaled by 1000; a missing or unreadable prediction is a zero box, scores 0 and
counts. acc@0.5 is the share with IoU > 0.5 (strict).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Box = Sequence[float]
#: Letter -> words, in the order of the leaderboard.
GROUPS = {"A": "all", "S": "salient", "SC": "salient creatures", "SO": "salient objects", "I": "inconspicuous"}
#: COCO's classes by the leaderboard's groups (BrainHub, coco_categorized_labels.json); S = SC and SO.
CREATURES = ("person", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
THINGS = ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "bench", "chair", "couch", "bed",
          "dining table", "toilet", "sink", "refrigerator", "clock")
INCONSPICUOUS = (
    "traffic light", "fire hydrant", "stop sign", "parking meter", "backpack", "umbrella", "handbag", "tie", "suitcase",
    "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "potted plant", "tv", "laptop", "mouse",
    "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "book", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush")
CLASSES: dict[str, tuple[str, ...] | None] = {"A": None, "S": CREATURES + THINGS, "SC": CREATURES, "SO": THINGS,
                                              "I": INCONSPICUOUS}


@dataclass(frozen=True)
class BoxScores:
    """Scores of one class group.

    Parameters
    ----------
    accuracy, iou : float
        Shares 0..1; NaN when the group is empty.
    each : (n,) float64
        IoU of every image-class pair.
    keys : tuple of (str, str)
        Image and class of every pair.
    """

    accuracy: float
    iou: float
    each: np.ndarray
    keys: tuple[tuple[str, str], ...]


def iou(a: Box, b: Box) -> float:
    """Return intersection over union of two boxes (x0, y0, x1, y1); 0 where either has no area."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return float(overlap / union) if union > 0 else 0.0


def first_box(value: Any) -> Box:
    """Return the first box found in however many lists it is wrapped, a zero box when there is none."""
    while isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
        value = value[0]
    good = isinstance(value, (list, tuple)) and len(value) == 4 and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and np.isfinite(v) for v in value)
    return [float(v) for v in value] if good else [0.0, 0.0, 0.0, 0.0]


def score_groups(candidates: Mapping[str, Mapping[str, Any]],
                 references: Mapping[str, Mapping[str, Any]]) -> dict[str, BoxScores]:
    """Return the scores of every group of the leaderboard (A, S, SC, SO, I) that has a true box here."""
    found = {letter: score_boxes(candidates, references, classes) for letter, classes in CLASSES.items()}
    return {letter: scores for letter, scores in found.items() if len(scores.each)}


def score_boxes(candidates: Mapping[str, Mapping[str, Any]], references: Mapping[str, Mapping[str, Any]],
                classes: Sequence[str] | None = None) -> BoxScores:
    """Score predicted boxes of the form {image: {class: boxes}} against true ones, pairing by key.

    Parameters
    ----------
    classes : sequence of str, optional
        The class group; None = all.
    """
    wanted = None if classes is None else set(classes)
    keys, values = [], []
    for image, targets in references.items():
        found = candidates.get(image) or {}
        for name, boxes in targets.items():
            if wanted is None or name in wanted:
                keys.append((str(image), str(name)))
                truth = [1000 * v for v in first_box(boxes)]
                values.append(iou(truth, [1000 * v for v in first_box(found.get(name))]))
    each = np.array(values)
    if not len(each):
        return BoxScores(float("nan"), float("nan"), each, ())
    return BoxScores(float((each > 0.5).mean()), float(each.mean()), each, tuple(keys))
