"""What is asked about a scene and what is answered, and how turns become token rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.language.captioner.bank import SceneBank
from brainview.language.captioner.config import BEGIN, BINS, END, IMAGE, PAD, SPECIAL

SHORT = ("Describe this image as simply as possible.", "Describe the image briefly.", "What does this picture show?")
LONG = ("Describe this image in detail.", "Give a detailed description of this image.")
EVENT = ("What is happening in this image?", "What is going on here?")
LOCATE = ("Locate {} in this image and provide its coordinates, please", "Where is {}? Answer with coordinates.",
          "Locate {}.")
BOXED = ("Please interpret this image and give coordinates [x1,y1,x2,y2] for each object you mention.",)
#: Share of short captions of the style that counts the things; the others tell the event.
COUNTING = 0.6
#: Weight of a box's edge in the loss.
EDGE = 1.5


def box_text(box: Sequence[float]) -> str:
    """Return Shikra's ``[x1,y1,x2,y2]`` with three decimals, in steps of a hundredth, clamped to 0..0.99."""
    return "[" + ",".join(BINS[min(max(round(100 * float(v)), 0), 99)] for v in box) + "]"


def turns_of(row: dict[str, Any], count: int, dice: np.random.Generator) -> list[tuple[str, str]]:
    """Return `count` (prompt, answer) pairs on a scene in random order: caption, boxes, questions, something longer."""
    def one(options: Sequence[Any]) -> Any:
        return options[int(dice.integers(len(options)))]

    counting = dice.random() < COUNTING
    made = [(one(SHORT) if dice.random() < 0.5 else SHORT[0], row["captions"][4 if counting else 0])]
    kind = dice.random()
    if kind < 0.45:
        made.append((LONG[0] if dice.random() < 0.7 else one(LONG), row["description"]))
    elif kind < 0.75:
        made.append((one(EVENT), row["captions"][int(dice.integers(3))]))
    else:
        made.append((one(BOXED), boxed_caption(row)))
    questions = [row["questions"][int(k)] for k in dice.permutation(len(row["questions"]))]
    while len(made) < count:
        if len(made) % 2 == 0:
            made.append(locate(row, dice))
        else:
            item = questions[len(made) // 2 % len(questions)]
            made.append((item["question"], item["answer"]))
    return [made[int(k)] for k in dice.permutation(len(made))][:count]


def locate(row: dict[str, Any], dice: np.random.Generator) -> tuple[str, str]:
    """Return a request for the box of one thing, by class name, by its name, or by a phrase that fits it alone."""
    things = row["things"]
    k = int(dice.integers(len(things)))
    names = [things[k]["coco"] or things[k]["name"], things[k]["name"]]
    which = int(dice.integers(3))
    if which == 2 and things[k]["phrase"]:
        words = things[k]["phrase"]
    else:
        words = names[min(which, 1)]
        k = next(i for i, t in enumerate(things) if words in (t["coco"] or t["name"], t["name"]))
    form = LOCATE[0] if dice.random() < 0.6 else LOCATE[int(dice.integers(len(LOCATE)))]
    return form.format(words), box_text(things[k]["box"])


def boxed_caption(row: dict[str, Any]) -> str:
    """Return "A red ball [..] and a dog [..] in the park."-like text: every thing with its colour and box."""
    said = [f"{_article(t)} {box_text(t['box'])}" for t in row["things"]]
    text = said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]
    return text[0].upper() + text[1:] + "."


def _article(thing: dict[str, Any]) -> str:
    words = thing["name"] if thing["category"] == "person" else f"{thing['color']} {thing['name']}"
    return f"{'an' if words[0] in 'aeio' or words.startswith('umbrella') else 'a'} {words}"


def make_tokenizer(bank: SceneBank, size: int) -> Any:
    """Return a byte-level BPE tokenizer (``PreTrainedTokenizerFast``) of the bank's words; lossless on any text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                  pre_tokenizers.ByteLevel(add_prefix_space=False)])
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size - len(BINS), special_tokens=list(SPECIAL),
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    core.train_from_iterator(_texts(bank), trainer)
    core.add_tokens([AddedToken(piece, normalized=False) for piece in BINS])
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token=PAD, bos_token=BEGIN, eos_token=END,
                                   additional_special_tokens=[IMAGE], clean_up_tokenization_spaces=False)


def _texts(bank: SceneBank) -> Iterable[str]:
    for number, row in enumerate(bank.rows):
        for prompt, answer in turns_of(row, 6, np.random.default_rng(number)):
            yield turn_text(prompt)
            yield f" {answer}"


def turn_text(prompt: str) -> str:
    """Return the prompt in the captioner's own frame, up to where the answer begins."""
    return f"USER: {prompt} ASSISTANT:"


@dataclass(frozen=True, eq=False)
class Encoded:
    """One turn: ids of prompt, answer and end; the weight of each as a target (0 for the prompt)."""

    ids: list[int]
    weights: list[float]


def bin_ids(tokenizer: Any) -> list[int]:
    """Return the ids of the coordinates' tokens in order; they follow one another."""
    return [int(tokenizer.convert_tokens_to_ids(b)) for b in BINS]


class Encoder:
    """Turns texts into ids once per different text."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.bins = set(bin_ids(tokenizer))
        self.end = tokenizer.eos_token_id
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text without special tokens."""
        found = self._known.get(text)
        if found is None:
            found = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(self._known) < 200_000:
                self._known[text] = found
        return found

    def turn(self, prompt: str, answer: str) -> Encoded:
        """Return one turn as rows for training."""
        first, second = self.ids(turn_text(prompt)), [*self.ids(f" {answer}"), self.end]
        weights = [EDGE if token in self.bins else 1.0 for token in second]
        return Encoded(first + second, [0.0] * len(first) + weights)


def pack(turns: Sequence[Sequence[Encoded]], prefix: int, talk: np.ndarray) -> tuple[np.ndarray, ...]:
    """Lay the turns of each picture behind `prefix` places that hold begin and vision tokens.

    Returns ids (b, L), targets' weights (b, L), positions (b, L), and may-see (b, prefix + L, prefix + L) bool. Turns
    of a picture see the prefix and themselves; where `talk`, also the turns before them.
    """
    length = max(sum(len(t.ids) for t in row) for row in turns)
    b, whole = len(turns), prefix + length
    ids, weights = np.zeros((b, length), np.int64), np.zeros((b, length), np.float32)
    positions = np.zeros((b, length), np.int64)
    group = np.full((b, whole), -1)
    group[:, :prefix] = 0
    for i, row in enumerate(turns):
        at, position = 0, prefix
        for k, turn in enumerate(row):
            n = len(turn.ids)
            ids[i, at:at + n], weights[i, at:at + n] = turn.ids, turn.weights
            group[i, prefix + at:prefix + at + n] = 1 if talk[i] else k + 1
            if not talk[i]:
                position = prefix
            positions[i, at:at + n] = np.arange(position, position + n)
            at, position = at + n, position + n
    causal = np.tril(np.ones((whole, whole), bool))
    same = group[:, :, None] == group[:, None, :]
    see = causal[None] & (same | (group[:, None, :] == 0))
    see |= np.eye(whole, dtype=bool)[None]
    return ids, weights, positions, see
