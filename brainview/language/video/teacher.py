"""Who says what is to be seen: answers to questions about clips, from a file, from a video model, or from categories.

A file is JSON lines: ``{"clip": name, "instruction": key, "answer": text, "teacher": id, "seed": n}``. Whatever the
source, references are machine written unless the file says ``"human": true``; every table and panel says so.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from brainview.core.errors import BrainViewError, FormatError, MissingError
from brainview.core.files import read_text, to_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import resource
from brainview.datasets.bids_task.clips import ClipStimuli

#: Shipped list of questions.
QUESTIONS = "prompts/video_instructions.toml"
_LONGEST = 2000


def read_questions(path: os.PathLike | str | None = None) -> dict[str, str]:
    """Return key -> question in order; raises FormatError for a file that is no list of questions."""
    file = resource(QUESTIONS) if not path else Path(path)
    try:
        data = tomllib.loads(read_text(file, limit=1 << 20)).get("instructions")
    except tomllib.TOMLDecodeError as err:
        raise FormatError(f"is not valid TOML: {shown(err)}", where=file) from err
    if not isinstance(data, dict) or not data or not all(isinstance(v, str) and v.strip() for v in data.values()):
        raise FormatError("holds no [instructions] table of questions", where=file)
    return {str(k): " ".join(v.split()) for k, v in data.items()}


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers by clip and question.

    Parameters
    ----------
    text : mapping of (clip name, question key) to answer
    teacher : str
        Who wrote them.
    human : bool
    """

    text: Mapping[tuple[str, str], str]
    teacher: str
    human: bool = False
    source: str = ""

    def keys_of(self, clip: str, questions: Sequence[str]) -> list[str]:
        """Return the questions that a clip has an answer to."""
        return [q for q in questions if (clip, q) in self.text]

    def story(self) -> dict[str, Any]:
        """Return what a card says of the references."""
        return {"teacher": self.teacher, "answers": len(self.text), "source": self.source,
                "written by": "people" if self.human else "a machine"}


def read_answers(path: os.PathLike | str) -> Answers:
    """Read answers from JSON lines; raises FormatError that names the first line that is none."""
    text: dict[tuple[str, str], str] = {}
    teachers: dict[str, int] = {}
    human = 0
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            answer = row["answer"]
            if not isinstance(answer, str) or len(answer) > _LONGEST:
                raise ValueError
            text[str(row["clip"]), str(row["instruction"])] = " ".join(answer.split())
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise FormatError(f"line {number} is no answer (clip, instruction, answer)", where=path) from err
        name = str(row.get("teacher", "unknown"))
        teachers[name] = teachers.get(name, 0) + 1
        human += bool(row.get("human", False))
    if not text:
        raise FormatError("holds no answer", where=path)
    return Answers(text, ", ".join(teachers), human == len(text), str(Path(path).name))


def category_answers(stimuli: ClipStimuli) -> Answers:
    """Return one templated sentence a clip, from its category label: the poorest teacher, and said to be that."""
    found = {(n, "event"): f"A person is {stimuli.label(i)[0].lower()}{stimuli.label(i)[1:]}."
             for i, n in enumerate(stimuli.names) if stimuli.label(i)}
    if not found:
        raise MissingError("the clips have no categories to make sentences of")
    return Answers(found, "template of the category", False, "categories")


def caption_answers(stimuli: ClipStimuli) -> Answers:
    """Return human captions as answers to ``caption`` and ``event``; raises MissingError where there are none."""
    found: dict[tuple[str, str], str] = {}
    for i in stimuli.ids.tolist():
        told = stimuli.captions(i)
        if told:
            found[stimuli.names[i], "event"] = told[0]
            found[stimuli.names[i], "caption"] = told[-1]
    if not found:
        raise MissingError("the data set has no captions")
    return Answers(found, "captions of the data set", True, "captions")


def find_answers(source: str, stimuli: ClipStimuli) -> Answers:
    """Return the answers of a source.

    Parameters
    ----------
    source : str
        ``auto`` (a phantom's own, else captions of the data set), ``category``, ``captions``, or a JSON-lines file.

    Raises
    ------
    MissingError
        There is none.
    """
    if source == "category":
        return category_answers(stimuli)
    if source == "captions":
        return caption_answers(stimuli)
    if source != "auto":
        return read_answers(source)
    if stimuli.truth is not None:
        file = stimuli.truth.with_name("teacher.jsonl")
        if file.is_file():
            return read_answers(file)
    try:
        return caption_answers(stimuli)
    except MissingError as err:
        raise MissingError("nobody has said yet what the clips show", remedy="Give teacher=FILE.jsonl (written by a "
                           "video model or by people), or teacher=category.") from err


class VideoTeacher(Protocol):
    """A video language model that answers a question about frames."""

    @property
    def name(self) -> str:
        """Its id, kept with every answer."""

    def answer(self, frames: np.ndarray, question: str) -> str:
        """Return the greedy answer about (n, h, w, 3) uint8 frames."""


@dataclass(eq=False)
class HubTeacher:
    """Any video model of transformers with a chat processor (Qwen2-VL, VideoLLaMA 3, LLaVA-OneVision ...)."""

    name: str
    frames: int = 8
    longest: int = 80
    _loaded: Any = field(default=None, repr=False)

    def _load(self) -> Any:
        if self._loaded is None:
            from transformers import AutoModelForImageTextToText, AutoProcessor

            try:
                self._loaded = (AutoProcessor.from_pretrained(self.name),
                                AutoModelForImageTextToText.from_pretrained(self.name).eval())
            except (OSError, ValueError, KeyError, RuntimeError) as err:
                raise MissingError(f"the video model {shown(self.name)!r} is not on this machine and could not be "
                                   "fetched", remedy="Name a local folder, or give a file of answers.") from err
        return self._loaded

    def answer(self, frames: np.ndarray, question: str) -> str:
        """Return the greedy answer."""
        import torch

        processor, model = self._load()
        content = [{"type": "video", "video": list(frames)}, {"type": "text", "text": question}]
        inputs = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True,
                                               tokenize=True, return_dict=True, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(**inputs.to(model.device), do_sample=False, max_new_tokens=self.longest)
        return str(processor.batch_decode(out[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)[0]).strip()


def write_answers(teacher: VideoTeacher, stimuli: ClipStimuli, ids: Sequence[int], questions: Mapping[str, str],
                  out: os.PathLike | str, *, frames: int = 8, seed: int = 0, context: JobContext = QUIET) -> Path:
    """Let a teacher answer every question about clips; whole lines are appended, so an interrupted job goes on.

    Clips that cannot be read are left out. Returns the file.
    """
    path = Path(out)
    known = read_answers(path).text if path.is_file() and path.stat().st_size else {}
    with open(path, "a", encoding="utf-8") as file:
        for number, stimulus in enumerate(ids):
            context.report(number, len(ids), f"{teacher.name} watches clips")
            name = stimuli.names[int(stimulus)]
            todo = [k for k in questions if (name, k) not in known]
            if not todo:
                continue
            try:
                watched = stimuli.clip(int(stimulus), frames)[0]
            except BrainViewError:
                continue
            for key in todo:
                row = {"clip": name, "instruction": key, "answer": teacher.answer(watched, questions[key]),
                       "teacher": teacher.name, "seed": seed}
                file.write(to_json(row, indent=None) + "\n")
            file.flush()
    return path
