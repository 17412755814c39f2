"""Chat frames: the fixed words around a prompt. The frame's name is a setting that is stored with every text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from brainview.core.errors import MissingError

_VICUNA = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
           "detailed, and polite answers to the user's questions.")
#: Where the vision tokens stand in a framed text.
MARK = "\0image\0"


@dataclass(frozen=True)
class Frame:
    """One frame.

    Parameters
    ----------
    opening : str
        Before the first turn.
    user : str
        One turn up to where the answer begins, with ``{prompt}``.
    answer : str
        A given answer with what ends it, with ``{answer}``.
    image : str
        ``start`` (before everything but the begin token), ``turn`` (at the head of the first prompt), or ``place``
        (where the prompt says ``<image>``, at its end when it does not).
    begin : bool
        Whether the begin token comes first.
    """

    opening: str
    user: str
    answer: str
    image: str = "turn"
    begin: bool = True


FRAMES: dict[str, Frame] = {
    "plain": Frame("", "USER: {prompt} ASSISTANT:", " {answer}</s>", image="start"),
    "llava-hf": Frame("", "USER: {prompt} ASSISTANT:", " {answer}</s>"),
    "vicuna": Frame(_VICUNA + " ", "USER: {prompt} ASSISTANT:", " {answer}</s>"),
    "shikra": Frame(_VICUNA + " ", "USER: {prompt} ASSISTANT:", " {answer}</s>", image="place"),
    "mistral": Frame("", "[INST] {prompt} [/INST]", " {answer}</s>"),
    "smolvlm": Frame("<|im_start|>", "User:{prompt}<end_of_utterance>\nAssistant:", " {answer}<end_of_utterance>\n",
                     begin=False),
    "chatml": Frame("", "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n", "{answer}<|im_end|>\n",
                    begin=False),
    "paligemma": Frame("", "{prompt}\n", "{answer}\n", image="start"),
}


def frame(name: str) -> Frame:
    """Return a frame by name; raises MissingError that lists the known ones."""
    if name not in FRAMES:
        raise MissingError(f"no chat frame is called {name!r}", remedy="Known: " + ", ".join(FRAMES) + ".")
    return FRAMES[name]


def without_mark(prompt: str) -> str:
    """Return a prompt for models that add the image themselves: "this image <image>" and "in <image>" read well."""
    text = re.sub(r"\b(image|picture|photo)\s*<image>", r"\1", prompt)
    return " ".join(text.replace("<image>", "this image").split())


def framed(name: str, prompt: str, history: Sequence[tuple[str, str]] = ()) -> str:
    """Return the whole text with ``MARK`` where the vision tokens go, up to where the answer begins.

    `history` are earlier (prompt, answer) pairs of the same conversation.
    """
    form = frame(name)
    prompts = [p for p, _ in history] + [prompt]
    prompts = [p if form.image == "place" and k == 0 else without_mark(p) for k, p in enumerate(prompts)]
    if form.image == "turn":
        prompts[0] = f"{MARK}\n{prompts[0]}"
    elif form.image == "place":
        prompts[0] = prompts[0].replace("<image>", MARK, 1).replace("<image>", "") if "<image>" in prompts[0] \
            else f"{prompts[0]} {MARK}"
    text = form.opening
    for k, words in enumerate(prompts):
        text += form.user.replace("{prompt}", words)
        if k < len(history):
            text += form.answer.replace("{answer}", history[k][1])
    return MARK + text if form.image == "start" else text
