"""Words about test pictures by position or id, and the way between test position, 73k id and COCO id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import read_json
from brainview.datasets.nsd.design import read_stim_info
from brainview.datasets.stimuli import Words, read_coco_captions, read_scenes
from brainview.datasets.tables import Table, read_table

#: BrainHub's reference files, keyed by test position.
CAPTIONS, BOXES = "fmri_cococap.json", "coco_bbox_categorized.json"


@dataclass(frozen=True, eq=False)
class TestIds:
    """The test pictures in BrainHub's order.

    Parameters
    ----------
    ids : (n,) int64
        0-based 73k id of every test position.
    coco : dict of int to (COCO id, split)
        By 73k id; empty when the table of stimuli is not there.
    """

    __test__ = False  # no test class, whatever its name begins with

    ids: np.ndarray
    coco: dict[int, tuple[int, str]]

    def of_position(self, position: int) -> int:
        """Return the 73k id at a test position."""
        if not 0 <= int(position) < len(self.ids):
            raise MissingError(f"there is no test position {position}", remedy=f"There are 0 to {len(self.ids) - 1}.")
        return int(self.ids[int(position)])

    def position(self, stimulus: int) -> int:
        """Return the test position of a 73k id."""
        found = np.flatnonzero(self.ids == int(stimulus))
        if not found.size:
            raise MissingError(f"image {int(stimulus)} is not in the test set")
        return int(found[0])

    def coco_id(self, stimulus: int) -> int:
        """Return the COCO id of any 73k id."""
        if not self.coco:
            raise MissingError("the COCO ids are not known", remedy="Add nsd_stim_info_merged.csv to the folder.")
        if int(stimulus) not in self.coco:
            raise MissingError(f"image {int(stimulus)} is not in nsd_stim_info_merged.csv")
        return self.coco[int(stimulus)][0]

    def of_coco(self, coco: int) -> int:
        """Return the 73k id of a COCO id."""
        for stimulus, (own, _) in self.coco.items():
            if own == int(coco):
                return stimulus
        raise MissingError(f"no image has the COCO id {int(coco)}")

    def table(self) -> list[dict[str, Any]]:
        """Return one row per test position: ``position, stimulus, coco, split``."""
        return [{"position": p, "stimulus": i, "coco": self.coco.get(i, (None, ""))[0],
                 "split": self.coco.get(i, (0, ""))[1]} for p, i in enumerate(self.ids.tolist())]


def coco_ids(*roots: Path) -> dict[int, tuple[int, str]]:
    """Return 73k id -> (COCO id, COCO split) of ``nsd_stim_info_merged.csv``, {} when no root has it."""
    for root in roots:
        own = root / "nsd_stim_info_merged.csv"
        info: Table | None = read_table(own) if own.is_file() else read_stim_info(root)
        if info is not None:
            return {n: (c, s) for n, c, s in zip(info.integers("nsdId").tolist(), info.integers("cocoId").tolist(),
                                                 info.text("cocoSplit"), strict=True)}
    return {}


#: Folders below a data set in which captions and boxes are looked for.
_FOLDERS = ("", "caption", "bbox", "annotations", "coco/annotations", "nsddata_stimuli/annotations", "BrainHub/caption",
            "BrainHub/bbox")


def find_words(roots: tuple[Path, ...], truth: Path | None, ids: TestIds, *,
               positions: bool = True) -> Words:
    """Return captions and boxes: of a phantom, of BrainHub's files (test positions), of COCO's (by COCO id).

    `positions`: whether the data set has BrainHub's test positions at all.
    """
    if truth is not None and (truth / "scenes.jsonl").is_file():
        return read_scenes(truth / "scenes.jsonl")
    found = {p.name: p for root in reversed(roots) for name in _FOLDERS if (root / name).is_dir()
             for p in sorted((root / name).glob("*.json"))}
    captions: dict[int, list[str]] = {}
    by_coco = {c: n for n, (c, _) in ids.coco.items()}
    for name, path in sorted(found.items()):
        if name.startswith("captions_") and by_coco:
            captions |= read_coco_captions(path, by_coco).captions
    if CAPTIONS in found and positions:
        captions |= {ids.of_position(p): texts for p, texts in read_positions(found[CAPTIONS], ids).items()}
    details = {}
    if BOXES in found and positions:
        for position, classes in read_positions(found[BOXES], ids).items():
            boxes = [{"label": label, "box": tuple(map(float, box))} for label, rows in classes.items() for box in rows]
            details[ids.of_position(position)] = {"boxes": boxes}
    return Words(captions, details)


def read_positions(path: Path, ids: TestIds) -> dict[int, Any]:
    """Return a file of BrainHub keyed by test position; refuses positions that the test set does not have."""
    data = read_json(path)
    try:
        rows = {int(k): v for k, v in data.items()}
    except (AttributeError, ValueError) as err:
        raise FormatError("is not keyed by test position", where=path) from err
    beyond = [k for k in rows if not 0 <= k < len(ids.ids)]
    if beyond:
        raise FormatError(f"names test position {max(beyond)}, the test set has {len(ids.ids)}", where=path,
                          remedy="Captions of another release of the test set do not fit by position.")
    return rows
