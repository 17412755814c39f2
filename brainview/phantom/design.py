"""The experiment of a phantom: which picture is shown to whom, when and how often, as NSD's design file says it.

Reference: whole-brain page 2.4. All subjects share one order of trials (`masterordering`); the first images of everyone
are the shared ones, which are the test images and are shown three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.phantom import noise

#: Showings of a test image, and of a training image.
TEST_REPEATS, TRAIN_REPEATS = 3, 1
#: How many trials a session of the miniature experiment has, about (the real one has 750).
SESSION_TRIALS = 100
#: Slots of four seconds in a run.
SLOTS = 75


@dataclass(frozen=True, eq=False)
class Design:
    """Stimuli and trials of a phantom.

    Parameters
    ----------
    subjects, train, test : int
        People; training images of each; test images shared by all.
    ordering : (sessions x trials per session,) int64, 0-based number of the subject's image at every trial
    ids : (subjects, test + train) int64 0-based stimulus id of each subject's images; the first `test` are shared
    sessions : int
    """

    subjects: int
    train: int
    test: int
    ordering: np.ndarray
    ids: np.ndarray
    sessions: int

    @property
    def images(self) -> int:
        """Number of distinct pictures of the whole data set."""
        return self.test + self.subjects * self.train

    @property
    def per_session(self) -> int:
        """Trials of a session."""
        return self.ordering.size // self.sessions

    @cached_property
    def shared(self) -> np.ndarray:
        """(test,) ascending ids of the shared images."""
        return np.sort(self.ids[0, :self.test])

    @property
    def runs(self) -> np.ndarray:
        """(runs of a session,) int number of trials of each run."""
        count = max(1, -(-self.per_session // 63))
        base = np.full(count, self.per_session // count)
        base[:self.per_session % count] += 1
        return base

    def session(self, number: int) -> np.ndarray:
        """Return (trials per session,) 0-based image numbers shown in a 0-based session."""
        return self.ordering[number * self.per_session:(number + 1) * self.per_session]

    @cached_property
    def repetition(self) -> np.ndarray:
        """(trials,) 0-based count of earlier showings of the trial's image."""
        out = np.empty(self.ordering.size, np.int64)
        seen = np.zeros(self.test + self.train, np.int64)
        for t, image in enumerate(self.ordering.tolist()):
            out[t] = seen[image]
            seen[image] += 1
        return out

    def scene_of(self, subject: int) -> np.ndarray:
        """Return (test + train,) position of each of a subject's images in the list of scenes (shared first)."""
        own = self.test + subject * self.train + np.arange(self.train)
        return np.concatenate([np.arange(self.test), own])

    @cached_property
    def id_of_scene(self) -> np.ndarray:
        """(images,) stimulus id of every scene of the list."""
        out = np.empty(self.images, np.int64)
        for subject in range(self.subjects):
            out[self.scene_of(subject)] = self.ids[subject]
        return out


def make_design(seed: int, subjects: int, train: int, test: int, *, train_repeats: int = TRAIN_REPEATS,
                session_trials: int = SESSION_TRIALS) -> Design:
    """Return the design of a phantom.

    `train_repeats`: showings of a training image; `session_trials`: trials of a session, about. Trials that do not
    fill the last session are filled with further showings of training images.

    Raises
    ------
    BrainViewError
        No subjects, or fewer than two images of either kind.
    """
    if subjects < 1 or train < 2 or test < 2:
        raise BrainViewError(f"a phantom of {subjects} subjects with {train} training and {test} test images is too "
                             "small", remedy="Ask for at least 1 subject and 2 images of each kind.")
    rng = noise.stream(seed, 0, noise.SESSION, 0xFFFF_FFFF)
    shown = np.concatenate([np.repeat(np.arange(test), TEST_REPEATS),
                            np.repeat(test + np.arange(train), train_repeats)])
    sessions = max(1, round(shown.size / session_trials))
    missing = -shown.size % sessions
    shown = np.concatenate([shown, test + np.arange(missing) % train])
    rng.shuffle(shown)
    images = test + subjects * train
    shuffled = rng.permutation(images)
    ids = np.stack([np.concatenate([shuffled[:test], shuffled[test + s * train:test + (s + 1) * train]])
                    for s in range(subjects)])
    return Design(subjects, train, test, shown.astype(np.int64), ids.astype(np.int64), sessions)
