"""A trained run kept in memory, asked about single brains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.bids_task.people import load_people
from brainview.datasets.registry import open_dataset
from brainview.language.video.config import FilmConfig
from brainview.language.video.stages import encode
from brainview.language.video.train import Parts, all_modules, brain_branch, load_tensors, prepare
from brainview.training.run import RunFolder


def load_run(run: Path, *, context: JobContext = QUIET) -> Parts:
    """Return the modules of a finished run with their trained weights, frozen, in eval mode.

    Raises
    ------
    MissingError
        The data set, the language model or the picture model is not here. MismatchError: weights that do not fit.
    """
    folder = RunFolder.open(run)
    config = FilmConfig.of({k: v for k, v in folder.config.items() if k != "subjects"})
    dataset = open_dataset(folder.story["data"])
    parts = prepare(dataset, load_people(run / "people.json"), config, run, context=context)
    parts.brain = brain_branch(parts)
    modules = all_modules(parts)
    load_tensors(modules, folder.load("last")[0], run)
    modules.eval().requires_grad_(False)
    return parts


@dataclass(eq=False)
class Speaker:
    """Answers from brains.

    Parameters
    ----------
    parts : Parts
    mean : (1, 32, width) tensor
        Mean tokens of training brains (the first 256 trials).
    """

    parts: Parts
    mean: torch.Tensor

    @staticmethod
    def load(run: Path, *, context: JobContext = QUIET) -> Speaker:
        """Load a run."""
        parts = load_run(run, context=context)
        n = min(256, len(parts.data.train))
        pick = np.linspace(0, len(parts.data.train) - 1, n).astype(int)
        return Speaker(parts, torch.from_numpy(encode(parts.brain, parts.data.train.at(pick)).mean(0, keepdims=True)))

    def pick(self, stimulus: int | None, subject: str | None, rows: list[int] | None,
             limit: int) -> list[tuple[str, int]]:
        """Return (subject, row of its trials) of what is asked about; raises MissingError when there is nothing."""
        split, test = self.parts.data.split, self.parts.data.test
        names = np.array(split.held)[test.who]
        if subject is not None and subject not in split.held:
            raise MissingError(f"{subject!r} is not among the held-out people",
                               remedy="They are " + ", ".join(split.held) + ".")
        keep = np.ones(len(test), bool)
        if subject is not None:
            keep &= names == subject
        if stimulus is not None:
            keep &= test.stimulus == int(stimulus)
        if rows is not None:
            keep &= np.isin(test.row, rows)
        found = np.flatnonzero(keep)
        if not found.size:
            raise MissingError("no test trial of a held-out person is what was asked for",
                               remedy="Stimuli that were scored stand in texts.jsonl of the run.")
        if stimulus is None and rows is None:
            found = np.concatenate([np.flatnonzero(keep & (names == n))[:limit] for n in split.held])
        return [(str(names[i]), int(test.row[i])) for i in found.tolist()]

    def questions(self, prompts: list[str] | None, *, single: bool) -> list[tuple[str, str]]:
        """Return (key, question); the key is "" for a question in the user's own words."""
        known = self.parts.lesson.questions
        if prompts:
            return [(p, known[p]) if p in known else ("", " ".join(p.split())) for p in prompts]
        every = list(known.items())
        return every if single else every[:1]

    def say(self, subject: str, row: int, key: str, question: str, *, support: bool = False) -> dict[str, Any]:
        """Return one row of ``jobs.describe``."""
        data, llm = self.parts.data, self.parts.llm
        test = data.test
        here = np.flatnonzero((test.who == data.split.held.index(subject)) & (test.row == row))
        z = torch.from_numpy(encode(self.parts.brain, test.at(here)))
        with torch.inference_mode():
            soft, mean = (self.parts.video.proj(v) for v in (z, self.mean))
        text = llm.generate(soft, [question], longest=self.parts.config.longest)[0]
        stimulus = int(test.stimulus[here[0]])
        clip = data.stimuli.names[stimulus]
        out: dict[str, Any] = {"subject": subject, "row": row, "stimulus": stimulus, "clip": clip,
                               "category": data.stimuli.label(stimulus), "key": key, "question": question, "text": text,
                               "reference": self.parts.lesson.answers.text.get((clip, key), "")}
        if support and text:
            own, base = (llm.word_scores(s[0], question, text) for s in (soft, mean))
            out["support"] = [[piece, a - b] for (piece, a), (_, b) in zip(own, base, strict=True)]
        return out
