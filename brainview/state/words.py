"""What is chosen on the words page: prompt, language model, edited region, whether the picture is shown. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from psygnal import SignalGroupDescriptor

#: Names of the engine's jobs.
SAY = "brainview.language.words_jobs:say"
WORD_MAP = "brainview.language.words_jobs:word_map"
SCORES = "brainview.language.words_jobs:scores"
TRANSCRIPT = "brainview.language.words_jobs:transcript"
NEAREST = "brainview.language.words_jobs:nearest"
REGIONS = "brainview.language.brain.jobs:regions"
#: Language models of our own, with their words on screen; others are folders.
BACKENDS: tuple[tuple[str, str], ...] = (("phantom-llava", "phantom-llava (shipped)"),
                                         ("phantom-smollm2", "SmolLM2 135M (phantom-smollm2)"))
#: What a click on a word draws, with its words on screen.
METHODS: tuple[tuple[str, str], ...] = (("gradient", "gradient"), ("ibba", "IB-BA, bits"))
#: Presets: key, words on screen, prompt.
PRESETS: tuple[tuple[str, str, str], ...] = (
    ("short", "Short", "Describe this image <image> as simply as possible."),
    ("detailed", "Detailed", "Describe this image in detail."),
    ("boxed", "With boxes", "Please interpret this image and give coordinates [x1,y1,x2,y2] for each object you "
                            "mention."),
)
LOCATE = "Locate {} in <image> and provide its coordinates, please"
#: The voices in the order they speak, with their words on screen.
VOICES: tuple[tuple[str, str], ...] = (("brain", "This brain"), ("edited", "Edited brain"),
                                       ("control", "Same edit elsewhere"), ("other", "Another brain"),
                                       ("shuffled", "Another picture's brain"), ("image", "The picture itself"))


@dataclass
class WordsState:
    """The evented choices of the page; kept in projects and the journal."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    prompt: str = PRESETS[0][2]
    backend: str = "phantom-llava"
    revealed: bool = False
    region: str = ""
    factor: float = 0.0
    #: Who speaks beside this brain: "" nobody, a subject of the same run, or "RUN FOLDER|subject" of another run.
    beside: str = ""
    #: What a click on a word draws, one of :data:`METHODS`.
    method: str = METHODS[0][0]

    def settings(self) -> dict[str, Any]:
        """Return plain types for a project file."""
        return {"prompt": self.prompt, "backend": self.backend, "revealed": self.revealed, "region": self.region,
                "factor": self.factor, "beside": self.beside, "method": self.method}

    def apply(self, values: dict[str, Any]) -> None:
        """Take back what :meth:`settings` gave; whatever does not fit is left out."""
        for name, value in values.items():
            if name not in self.settings() or type(value) is not type(getattr(self, name)):
                continue
            if name == "method" and value not in dict(METHODS):
                continue
            if (name == "factor" and not 0 <= value <= 2) or (isinstance(value, str) and len(value) > 2000):
                continue
            setattr(self, name, value)

    def voices(self) -> tuple[str, ...]:
        """Return who is asked: the edited brain and its control only while a region is chosen."""
        edited = ("edited", "control") if self.region else ()
        return ("brain", *edited, *(("other",) if self.beside else ()), "shuffled", "image")

    def other(self, run: str) -> tuple[str, str]:
        """Return (run folder, subject) of who speaks beside; `run` is the open one."""
        folder, bar, subject = self.beside.rpartition("|")
        return (folder if bar else run), subject


def box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return intersection over union of two boxes (x0, y0, x1, y1)."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the (start, stop) of the words of a text."""
    return [m.span() for m in re.finditer(r"[^\W_]+(?:'[^\W_]+)?", text)]
