"""One interface for all: `Backend.reply` turns vision tokens and prompts into texts.

A back end is a language model of transformers, a tokenizer, a chat frame, and a projection from the vision tower's
tokens into the space of word embeddings. Brain tokens and the tower's own tokens go the same way in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from brainview.core.errors import Cancelled, MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.language.backends.boxes import Box, shikra_boxes
from brainview.language.backends.frames import MARK, frame, framed

INJECTIONS = ("embeds", "native")
Turns = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class TokenSpace:
    """What a back end takes: (count, width) tokens of a tower before the projector.

    Parameters
    ----------
    counts : tuple of int
        Numbers of tokens that are accepted; () = any.
    width : int
    what : str
        The tower and layer, in words.
    """

    counts: tuple[int, ...]
    width: int
    what: str

    def check(self, tokens: Any) -> None:
        """Raise MismatchError in words unless (B, N, D) tokens fit."""
        shape = tuple(tokens.shape)
        if len(shape) != 3 or shape[2] != self.width or (self.counts and shape[1] not in self.counts):
            counts = " or ".join(str(c) for c in self.counts) or "any number of"
            found = f"{shape[1]} tokens of width {shape[2]}" if len(shape) == 3 else f"an array of shape {shape}"
            raise MismatchError(f"the brain gives {found}, the language model takes {counts} tokens of width "
                                f"{self.width} ({self.what})",
                                remedy="Choose the back end whose tower the brain model was trained on.")


@dataclass(frozen=True)
class Reply:
    """One text and everything needed to get it again."""

    text: str
    prompt: str
    backend: str
    frame: str
    injection: str
    vision_tokens: int
    new_tokens: int
    seconds: float
    stopped: bool = False
    boxes: tuple[tuple[Box, ...], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "boxes": [[list(b) for b in g] for g in self.boxes]}


@dataclass(eq=False)
class Backend:
    """A loaded language model.

    Parameters
    ----------
    name : str
        As in the registry, or the folder.
    model : transformers model with ``generate``
    tokenizer : transformers tokenizer
    space : TokenSpace
    project : callable
        (B, N, D) tokens -> (B, M, hidden) embeddings.
    frame : str
    image_id : int
        Id of the placeholder in the vocabulary.
    native : bool
        Whether the model takes ``mm_encoder_outputs`` (transformers 5).
    native_list : bool
        Whether it takes them as a list of (M, hidden), one for each sample.
    embeds : bool
        Whether its ``generate`` takes ``inputs_embeds``.
    around : tuple of str
        Text before and after the vision tokens that belongs to the model's image block.
    read_boxes : callable
        Text -> bracket groups.
    vision : callable, optional
        Pictures (n, side, side, 3) uint8 or PIL -> (n, N, D) tokens of its own tower.
    extras : callable, optional
        (ids, mask) -> further arguments of ``forward``.
    """

    name: str
    model: Any
    tokenizer: Any
    space: TokenSpace
    project: Callable[[Any], Any]
    frame: str
    image_id: int
    native: bool = False
    native_list: bool = True
    embeds: bool = True
    around: tuple[str, str] = ("", "")
    read_boxes: Callable[[str], list[list[Box]]] = shikra_boxes
    vision: Callable[[Any], np.ndarray] | None = None
    extras: Callable[[Any, Any], dict[str, Any]] | None = None

    def image_tokens(self, images: Any) -> np.ndarray:
        """Return (n, N, D) float32 tokens of the back end's own tower: the upper bound of every brain."""
        if self.vision is None:
            raise MissingError(f"{self.name} has no vision tower of its own here",
                               remedy="Compute the tower's tokens with the feature spaces.")
        return self.vision(images)

    def ids(self, prompt: str, places: int, history: Turns = ()) -> list[int]:
        """Return the token ids of a framed prompt with exactly `places` placeholders."""
        text = framed(self.frame, prompt, history)
        before, after = text.split(MARK)
        one = self.tokenizer
        begin = [one.bos_token_id] if frame(self.frame).begin and one.bos_token_id is not None else []
        return [*begin, *_encode(one, before + self.around[0]), *[self.image_id] * places,
                *_encode(one, self.around[1] + after)]

    def prepare(self, tokens: Any, prompts: Sequence[str], histories: Sequence[Turns] | None = None) -> Any:
        """Return (ids (B, L), mask (B, L), projected (B, M, hidden)), left-padded."""
        import torch

        tokens = torch.from_numpy(np.array(tokens, np.float32)) if not torch.is_tensor(tokens) else tokens
        self.space.check(tokens)
        if len(tokens) != len(prompts):
            raise MismatchError(f"{len(tokens)} brains and {len(prompts)} prompts do not belong together")
        projected = self.project(tokens.to(self.device, self.dtype))
        rows = [self.ids(p, projected.shape[1], h)
                for p, h in zip(prompts, histories or [()] * len(prompts), strict=True)]
        length = max(len(r) for r in rows)
        ids = torch.tensor([[self._pad] * (length - len(r)) + r for r in rows], device=self.device)
        mask = torch.tensor([[0] * (length - len(r)) + [1] * len(r) for r in rows], device=self.device)
        return ids, mask, projected

    def embeddings(self, ids: Any, projected: Any) -> Any:
        """Return (B, L, hidden) word embeddings with the projected tokens at the placeholders."""
        table = self.model.get_input_embeddings()
        place = ids == self.image_id
        if int(place.sum()) != projected.shape[0] * projected.shape[1]:
            raise MismatchError(f"the prompts hold {int(place.sum())} places for {projected.shape[0]} x "
                                f"{projected.shape[1]} vision tokens", remedy="Leave <image> out of the prompt.")
        words = table(ids.masked_fill(place, 0))
        return words.masked_scatter(place.unsqueeze(-1), projected.to(words.dtype))

    def inputs(self, ids: Any, mask: Any, projected: Any, injection: str) -> dict[str, Any]:
        """Return the arguments of ``forward`` and ``generate`` for one of the two ways of injection."""
        if injection not in INJECTIONS:
            raise MissingError(f"no injection is called {injection!r}", remedy="Known: embeds, native.")
        more = {} if self.extras is None else self.extras(ids, mask)
        if injection == "embeds":
            return {"inputs_embeds": self.embeddings(ids, projected), "attention_mask": mask, **more}
        if not self.native:
            raise MissingError(f"{self.name} does not take vision tokens as an argument", remedy="Use embeds.")
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        value = list(projected) if self.native_list else projected
        return {"input_ids": ids, "attention_mask": mask, **more,
                "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=value)}}

    def reply(self, tokens: Any, prompts: Sequence[str], *, histories: Sequence[Turns] | None = None,
              max_new: int = 96, injection: str | None = None, on_text: Callable[[str], None] | None = None,
              stop: Callable[[], bool] | None = None, context: JobContext = QUIET) -> list[Reply]:
        """Return one greedy text for each of (B, N, D) tokens and B prompts.

        `on_text` is given the text so far after each token (of the first prompt); `stop` ends the generation and
        keeps what is there; a cancel through `context` raises Cancelled. `injection` is ``embeds`` (the default where
        the class can) or ``native``.
        """
        import torch

        begun = time.perf_counter()
        injection = injection or ("embeds" if self.embeds else "native")
        if injection == "embeds" and not self.embeds:
            raise MissingError(f"the class of {self.name} cannot generate from embeddings", remedy="Use native.")
        ids, mask, projected = self.prepare(tokens, prompts, histories)
        native = injection == "native"
        watch = _Watch(self.tokenizer, ids.shape[1] if native else 0, on_text, stop, context)
        end = self.tokenizer.eos_token_id
        with torch.inference_mode():
            out = self.model.generate(**self.inputs(ids, mask, projected, injection), max_new_tokens=max_new,
                                      do_sample=False, num_beams=1, stopping_criteria=[watch], eos_token_id=end,
                                      pad_token_id=self.tokenizer.pad_token_id or end)
        if watch.cancelled:
            raise Cancelled
        new = out[:, ids.shape[1]:] if native else out
        seconds = time.perf_counter() - begun
        settings = {"max_new_tokens": max_new, "sampling": "greedy", "dtype": str(self.dtype).removeprefix("torch.")}
        replies = []
        for row, prompt in zip(new, prompts, strict=True):
            text = self.tokenizer.decode(row, skip_special_tokens=True).strip()
            boxes = tuple(tuple(g) for g in self.read_boxes(self.tokenizer.decode(row)))
            replies.append(Reply(text, prompt, self.name, self.frame, injection, int(projected.shape[1]),
                                 int((row != end).sum()), seconds, watch.stopped, boxes, settings))
        return replies

    def word_log_p(self, tokens: Any, prompt: str, answer: str, word: tuple[int, int], *, history: Turns = ()) -> Any:
        """Return (B,) log p of the characters word[0]:word[1] of `answer`, differentiable in (B, N, D) `tokens`.

        p is the product over the tokens that make up the word, given the prompt and what stands before it.
        """
        import torch

        first, upto = (_encode(self.tokenizer, _answer(self.frame, answer[:n])) for n in word)
        shared = next((k for k, (a, b) in enumerate(zip(first, upto, strict=False)) if a != b),
                      min(len(first), len(upto)))
        if shared >= len(upto):
            raise MismatchError(f"there is no word at {word[0]}..{word[1]} of the answer")
        ids, mask, projected = self.prepare(tokens, [prompt] * len(tokens), [history] * len(tokens))
        target = torch.tensor([upto] * len(tokens), device=ids.device)
        ids, mask = torch.cat([ids, target], 1), torch.cat([mask, torch.ones_like(target)], 1)
        arguments = self.inputs(ids, mask, projected, "embeds")
        logits = self.model(**arguments).logits[:, -len(upto) - 1:-1].float().log_softmax(-1)
        return logits.gather(2, target[:, :, None])[:, shared:, 0].sum(1)

    def gradient(self, tokens: Any, prompt: str, answer: str, word: tuple[int, int], *,
                 history: Turns = ()) -> tuple[np.ndarray, float]:
        """Return d log p(word) / d tokens, (N, D) float32, and log p; see :meth:`word_log_p`."""
        import torch

        tokens = torch.as_tensor(np.asarray(tokens, np.float32))[None].requires_grad_(True)
        with torch.enable_grad():
            value = self.word_log_p(tokens, prompt, answer, word, history=history)[0]
            grad = torch.autograd.grad(value, tokens)[0]
        return grad[0].float().cpu().numpy(), float(value.detach())

    def log_probability(self, tokens: Any, prompts: Sequence[str], answers: Sequence[str]) -> np.ndarray:
        """Return (B,) float64 log p(answer | brain, prompt), summed over the answer's tokens.

        This is how a model that was never trained on lettered options chooses between them.
        """
        import torch

        if self.extras is not None and len(prompts) > 1:  # what these add depends on the padding
            return np.concatenate([self.log_probability(tokens[k:k + 1], [p], [a])
                                   for k, (p, a) in enumerate(zip(prompts, answers, strict=True))])
        ids, mask, projected = self.prepare(tokens, prompts)
        targets = [_encode(self.tokenizer, _answer(self.frame, a)) for a in answers]
        if not all(a.strip() for a in answers) or len(targets) != len(prompts):
            raise MismatchError(f"{len(prompts)} prompts need as many answers, none of them empty")
        length = max(len(t) for t in targets)
        padded = torch.tensor([t + [0] * (length - len(t)) for t in targets], device=ids.device)
        known = torch.tensor([[1] * len(t) + [0] * (length - len(t)) for t in targets], device=ids.device)
        with torch.inference_mode():
            arguments = self.inputs(torch.cat([ids, padded.masked_fill(known == 0, self._pad)], 1),
                                    torch.cat([mask, known], 1), projected, "embeds" if self.embeds else "native")
            logits = self.model(**arguments).logits[:, -length - 1:-1].float().log_softmax(-1)
            each = logits.gather(2, padded[:, :, None])[:, :, 0].double()
        return (each * known).sum(1).cpu().numpy()

    @property
    def _pad(self) -> int:
        found = self.tokenizer.pad_token_id
        return int(found if found is not None else self.tokenizer.eos_token_id)

    @property
    def device(self) -> Any:
        """The device of the model."""
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> Any:
        """The dtype of the word embeddings."""
        return self.model.get_input_embeddings().weight.dtype


def _encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _answer(name: str, text: str) -> str:
    """Return an answer as it stands behind the framed prompt, without what ends it."""
    return frame(name).answer.split("{answer}")[0] + text


class _Watch:
    """Stopping rule of ``generate`` that also streams: called after each token with all ids so far."""

    def __init__(self, tokenizer: Any, skip: int, on_text: Callable[[str], None] | None,
                 stop: Callable[[], bool] | None, context: JobContext) -> None:
        self.tokenizer, self.skip, self.on_text, self.stop, self.context = tokenizer, skip, on_text, stop, context
        self.stopped = self.cancelled = False

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        if self.on_text is not None:
            self.on_text(self.tokenizer.decode(ids[0, self.skip:], skip_special_tokens=True).strip())
        try:
            self.context.check()
        except Cancelled:
            self.cancelled = True
        self.stopped = self.stopped or bool(self.stop is not None and self.stop())
        return torch.full((len(ids),), self.stopped or self.cancelled, dtype=torch.bool, device=ids.device)
