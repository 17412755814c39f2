"""Reading what was planted in a phantom from the files beside it: no simulation is imported, only files are read.

Models may be graded by it and must never be trained on it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import load_npy, read_json, regular_file
from brainview.core.names import shown
from brainview.datasets.stimuli import TRUTH_FOLDER

#: Shares of the driven vertices, by planted information about one image: the truth, and the distractors.
TRUTH_SHARE, DISTRACTOR_SHARE = 0.2, 0.5


def planted_information(root: Path | str, subject: str, stimulus: int) -> np.ndarray:
    """Return (20,484,) float32: what each fsaverage5 vertex of a phantom says about one image, in nats.

    q² s² / 2 with q the planted signal-to-noise ratio of a trial and s the noise-free response to the image in units
    of its spread over images: the expected log-likelihood ratio of this image against the mean image, in a Gaussian
    channel. 0 where nothing drives the vertex.

    Raises
    ------
    MissingError
        No planted truth beside the data, or not of this subject or stimulus.
    """
    folder = Path(root) / TRUTH_FOLDER
    if not (folder / "truth.json").is_file():
        raise MissingError("has no phantom_truth beside it: nothing was planted, or the build did not finish",
                           where=root)
    fields = _arrays(folder / f"{subject}_fields.npz", ("driven", "q"))
    row = _row(folder, subject, stimulus)
    signal = np.asarray(load_npy(folder / f"{subject}_signal.npy"), np.float32)
    if row >= len(signal) or signal.shape[1] != len(fields["driven"]):
        raise FormatError(f"holds {signal.shape} signals", where=folder / f"{subject}_signal.npy")
    spread = signal.std(0)
    s = (signal[row] - signal.mean(0)) / np.where(spread > 0, spread, 1)
    out = np.zeros(len(fields["q"]), np.float32)
    out[fields["driven"]] = 0.5 * (fields["q"][fields["driven"]] * s) ** 2
    return out


def truth_and_distractors(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two (n,) bool masks: the fifth of the driven vertices that say most of the image, the half that say least.

    Both are informative tissue: a map of all informative tissue stays at chance between them.
    """
    driven = np.flatnonzero(information > 0)
    order = driven[np.argsort(-information[driven], kind="stable")]
    truth, distractors = np.zeros(information.size, bool), np.zeros(information.size, bool)
    truth[order[:round(TRUTH_SHARE * order.size)]] = True
    distractors[order[order.size - round(DISTRACTOR_SHARE * order.size):]] = True
    return truth, distractors


def _row(folder: Path, subject: str, stimulus: int) -> int:
    """Return the row of a stimulus in the subject's stored signals."""
    plan = read_json(folder / "truth.json")
    try:
        number = int(subject.removeprefix("subj")) - 1
        ids = _arrays(folder / "design.npz", ("ids",))["ids"]
        people = int(plan["subjects"])
    except (KeyError, TypeError, ValueError) as err:
        raise FormatError(f"does not name {shown(subject)}", where=folder) from err
    if not 0 <= number < min(people, len(ids)):
        raise MissingError(f"has no planted truth of {shown(subject)}", where=folder)
    found = np.flatnonzero(ids[number] == stimulus)
    if not found.size:
        raise MissingError(f"{shown(subject)} never saw stimulus {stimulus}", where=folder)
    return int(found[0])


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with np.load(regular_file(path), allow_pickle=False) as archive:
            return {n: archive[n] for n in names}
    except (OSError, ValueError, KeyError) as err:
        raise FormatError(f"is not a sound file of planted truth: {shown(err)}", where=path) from err
