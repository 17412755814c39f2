"""Training a small CLIP from scratch on pictures and texts, written as an open_clip folder.

The folder holds ``open_clip_config.json`` and ``open_clip_model.safetensors`` (fp16), which open_clip reads itself as
``local-dir:FOLDER``, ``vocabulary.json`` (our reduced token table) and ``card.json``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainview.alignment.retrieval import ranks
from brainview.core.errors import MismatchError
from brainview.core.files import atomic_path, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.features.compact_tokens import UNKNOWN, CompactTokenizer, vocabulary_of
from brainview.training.run import RunFolder
from brainview.training.schedule import decay_groups, warmup_cosine

if TYPE_CHECKING:
    from brainview.alignment.clip_things import Things

CONFIG, WEIGHTS, CARD = "open_clip_config.json", "open_clip_model.safetensors", "card.json"
#: Pixel statistics, so that inputs are about -1..1.
MEAN = STD = (0.5, 0.5, 0.5)
#: Texts that a mirrored picture would belie: sides, and words on signs (in quotation marks).
_SIDED = re.compile(r"\b(left|right)\b|\"", re.IGNORECASE)


@dataclass(frozen=True)
class SmallClip:
    """Sizes and schedule of a small CLIP: a residual image tower, which learns from few pictures, and a transformer.

    `rare` is the share of tokens shown as unknown in training.

    The rate falls along one cosine to step `restart`, then along another from half the rate to the end. Where the
    pictures come with things, only the image tower is taught before `restart`, by the helper tasks; contrast follows.

    `siblings` couples of pictures of the same things with another event stand in every batch from step `restart` on,
    where there are such pictures: the hardest negatives that there can be.

    `mirror` is the share of pictures shown mirrored, of those whose texts speak neither of a side nor of letters.

    `words_weight` weighs a helper task that is thrown away after training: telling from the picture's embedding which
    tokens its description holds. It shortens the plateau at which contrastive training from scratch begins.
    `things_weight` weighs another one, telling which thing stands where (see clip_things).
    """

    embed: int = 128
    pixels: int = 64
    stages: tuple[int, ...] = (2, 2, 2, 1)
    image_width: int = 24
    width: int = 128
    heads: int = 2
    text_layers: int = 2
    context: int = 77
    batch: int = 128
    steps: int = 400
    restart: int = 0
    siblings: int = 24
    steps_per_round: int = 20
    lr: float = 2e-3
    words_weight: float = 10.0
    things_weight: float = 0.2
    weight_decay: float = 0.1
    described: float = 0.7
    rare: float = 0.01
    shift: int = 3
    mirror: float = 0.5
    seed: int = 0

    def model(self, vocabulary: int) -> dict[str, Any]:
        """Return the open_clip model configuration."""
        vision = {"image_size": self.pixels, "layers": list(self.stages), "width": self.image_width}
        text = {"context_length": self.context, "vocab_size": vocabulary, "width": self.width, "heads": self.heads,
                "layers": self.text_layers}
        return {"embed_dim": self.embed, "vision_cfg": vision, "text_cfg": text, "custom_text": True}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures (n, pixels, pixels, 3) uint8 and for each its texts, the detailed description first.

    The last `siblings` pictures (an even number) are couples of the same things with another event. `things` tells
    what stands where.
    """

    images: np.ndarray
    texts: Sequence[Sequence[str]]
    siblings: int = 0
    things: Things | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.texts) or not all(self.texts):
            raise MismatchError(f"{len(self.images)} pictures and {len(self.texts)} lists of texts do not belong "
                                "together, or a picture has no text")
        if self.things is not None and len(self.things) != len(self.images):
            raise MismatchError(f"{len(self.images)} pictures and things of {len(self.things)} do not belong together")
        if self.siblings % 2 or not 0 <= self.siblings <= len(self.images):
            raise MismatchError(f"{self.siblings} of {len(self.images)} pictures cannot be siblings")

    @property
    def singles(self) -> int:
        """How many pictures have no sibling; they come first."""
        return len(self.images) - self.siblings

    def and_siblings(self, other: Pairs) -> Pairs:
        """Return these and, behind them, `other` as couples."""
        things = None if self.things is None or other.things is None else self.things.joined(other.things)
        return Pairs(np.concatenate([self.images, other.images]), [*self.texts, *other.texts], len(other.images),
                     things)

    def pick(self, count: int, couples: int, dice: np.random.Generator) -> np.ndarray:
        """Return `count` different rows, of which up to `couples` couples of siblings."""
        couples = min(couples, count // 2, self.siblings // 2)
        single = dice.choice(self.singles, min(count - 2 * couples, self.singles), replace=False)
        if not couples:
            return single
        first = self.singles + 2 * dice.choice(self.siblings // 2, couples, replace=False)
        return np.concatenate([single, first, first + 1])


def train_clip(pairs: Pairs, held: Pairs, folder: Path, config: SmallClip, work: Path, *,
               story: dict[str, Any] | None = None, minutes: float = float("inf"),
               context: JobContext = QUIET) -> dict[str, Any] | None:
    """Train on `pairs`, write the model below `folder` and return its card with retrieval on `held`.

    The texts of `pairs` decide the vocabulary; `held` chooses nothing. `work` is a run folder from which a stopped or
    interrupted training goes on; after `minutes` the state is saved there and None is returned.
    """
    trainer = _Trainer(pairs, config, RunFolder.create(work, "small-clip", asdict(config)))
    begun = time.perf_counter()
    while trainer.step < config.steps:
        if time.perf_counter() - begun > 60 * minutes:
            return None
        loss = trainer.round(context)
        context.report(trainer.step, config.steps, f"small CLIP, step {trainer.step}, loss {loss:.3f}")
    card = {"what": "a small CLIP", "settings": asdict(config), "vocabulary": trainer.tokenizer.vocabulary,
            "parameters": sum(p.numel() for p in trainer.model.parameters()), "pictures": len(pairs.images),
            "last_loss": loss if trainer.rounds else None, **(story or {})}
    _write(folder, trainer.model, config.model(trainer.tokenizer.vocabulary), trainer.tokenizer)
    card["held_out"] = held_out_retrieval(folder, held, context=context)
    write_json(folder / CARD, card)
    return card


class _Trainer:
    """The loop: contrast of pictures and texts, with the helper task; its state is in a run folder."""

    def __init__(self, pairs: Pairs, config: SmallClip, run: RunFolder) -> None:
        import torch
        from open_clip.model import CustomTextCLIP

        self.config, self.pairs, self.run, self.step, self.rounds = config, pairs, run, 0, 0
        self.tokenizer = CompactTokenizer(vocabulary_of(t for texts in pairs.texts for t in texts), config.context)
        self.tokens = [self.tokenizer(list(texts)) for texts in pairs.texts]
        self.sided = np.array([any(_SIDED.search(t) for t in texts) for texts in pairs.texts])
        torch.manual_seed(config.seed)
        sizes = config.model(self.tokenizer.vocabulary)
        self.model = CustomTextCLIP(**{k: v for k, v in sizes.items() if k != "custom_text"})
        self.model.visual.to(memory_format=torch.channels_last)
        self.mask = self.model.text.attn_mask
        self.told = torch.stack([_present(t[0], self.tokenizer.vocabulary) for t in self.tokens])
        self.helper = torch.nn.Linear(config.embed, self.tokenizer.vocabulary)
        torch.nn.init.zeros_(self.helper.weight)
        with torch.no_grad():
            self.helper.bias.copy_(torch.logit(self.told.mean(0).clamp(1e-4, 1 - 1e-4)))
        self.both = torch.nn.ModuleDict({"clip": self.model, "helper": self.helper})
        self.things = None
        if pairs.things is not None and config.things_weight:
            from brainview.alignment.clip_things import ThingsHelper

            self.things = self.both["things"] = ThingsHelper(self.model.visual, pairs.things, config.pixels)
        self.optimizer = torch.optim.AdamW(decay_groups(self.both.named_parameters(), config.weight_decay),
                                           lr=config.lr, betas=(0.9, 0.98))
        self._resume()

    def round(self, context: JobContext) -> float:
        """Train the next steps, save, and return their mean loss."""
        losses = []
        self.model.train()
        for _ in range(min(self.config.steps_per_round, self.config.steps - self.step)):
            context.check()
            losses.append(self._step())
            self.step += 1
        self.model.text.attn_mask = self.mask
        self.rounds += 1
        self._save(float(np.mean(losses)))
        return float(np.mean(losses))

    def _step(self) -> float:
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        config, couples = self.config, self.config.siblings if self.step >= self.config.restart else 0
        dice = np.random.default_rng([config.seed, self.step])
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * _rate(self.step, config)
        pick = self.pairs.pick(config.batch, couples, dice)
        batch = _batch(self.pairs.images, self.tokens, self.sided, pick, config, dice, self.tokenizer.end)
        contrast = self.things is None or self.step >= config.restart
        # the fused attention is slow backwards on CPUs
        with torch.autocast("cpu", torch.bfloat16, enabled=_bf16_pays()), sdpa_kernel(SDPBackend.MATH):
            a = self.model.encode_image(batch.image)
            b = self._words(batch.text) if contrast else None
        help_loss = self._helpers(a.float(), pick, batch)
        loss = help_loss if b is None else self._contrast(a.float(), b.float())
        self.optimizer.zero_grad(set_to_none=True)
        (loss if b is None else loss + help_loss).backward()
        torch.nn.utils.clip_grad_norm_(self.both.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, float(np.log(100)))
        return float(loss.detach())

    def _contrast(self, a: Any, b: Any) -> Any:
        """Return the loss of telling apart rows of pictures a and texts b, both (n, embed), row by row a pair."""
        import torch
        from torch.nn import functional as F

        logits = self.model.logit_scale.exp() * F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T
        target = torch.arange(len(a))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def _helpers(self, a: Any, pick: np.ndarray, batch: _Batch) -> Any:
        """Return the weighted losses of what is told from the pictures alone."""
        from torch.nn import functional as F

        loss = self.config.words_weight * F.binary_cross_entropy_with_logits(self.helper(a), self.told[pick])
        if self.things is not None:
            loss = loss + self.config.things_weight * self.things.loss(pick, batch.mirrored, batch.shift)
        return loss

    def _words(self, text: Any) -> Any:
        """Return the embeddings of token rows; the shorter quarters are not padded to the length of the longest."""
        import torch

        order = (text > 0).sum(1).argsort()
        out = []
        for rows in order.chunk(4):
            length = int((text[rows] > 0).sum(1).max())
            self.model.text.attn_mask = self.mask[:length, :length]  # open_clip cuts the positions, not the mask
            out.append(self.model.encode_text(text[rows, :length]))
        return torch.cat(out)[order.argsort()]

    def _save(self, loss: float) -> None:
        state = {f"{i}.{k}": np.asarray(v) for i, values in self.optimizer.state_dict()["state"].items()
                 for k, v in values.items()}
        tensors = {k: v.numpy() for k, v in self.both.state_dict().items()}
        self.run.write_generation(tensors, {"step": self.step, "loss": loss}, state=state, keep=0)

    def _resume(self) -> None:
        import torch

        if not self.run.has_generation:
            return
        tensors, card = self.run.load("last")
        self.both.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()})
        content = self.optimizer.state_dict()
        flat = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, value in self.run.load_state("last").items():
            number, name = key.split(".", 1)
            shape = () if name == "step" else flat[int(number)].shape  # files hold no arrays without a dimension
            content["state"].setdefault(int(number), {})[name] = torch.from_numpy(value).reshape(shape)
        self.optimizer.load_state_dict(content)
        self.step = int(card["step"])


def _rate(step: int, config: SmallClip) -> float:
    """Return the factor of the learning rate at a step."""
    if step < config.restart:
        return warmup_cosine(step, config.restart, warmup=0.05, floor=0.01)
    factor = 0.5 if config.restart else 1.0
    return factor * warmup_cosine(step - config.restart, config.steps - config.restart, warmup=0.05, floor=0.01)


def _bf16_pays() -> bool:
    """Return whether this processor multiplies bfloat16 itself; where it does not, it costs ten times float32."""
    import torch

    known = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(ask is not None and bool(ask()) for ask in known)


def _present(row: Any, vocabulary: int) -> Any:
    """Return (vocabulary,) float32, 1 where the token occurs in a row."""
    import torch

    out = torch.zeros(vocabulary)
    out[row[row > UNKNOWN + 1]] = 1
    return out


@dataclass(frozen=True, eq=False)
class _Batch:
    """Pictures (n, 3, pixels, pixels) moved by `shift` (x, y shares), some mirrored; token rows."""

    image: Any
    text: Any
    mirrored: np.ndarray
    shift: tuple[float, float]


def _batch(images: np.ndarray, tokens: list[Any], sided: np.ndarray, pick: np.ndarray, config: SmallClip,
           dice: np.random.Generator, end: int) -> _Batch:
    """Return one batch, its token rows cut to the longest."""
    import torch

    rows = []
    for i in pick:
        described = dice.random() < config.described or len(tokens[i]) == 1
        rows.append(tokens[i][0 if described else int(dice.integers(1, len(tokens[i])))])
    text = torch.stack(rows)
    hidden = torch.from_numpy(dice.random(tuple(text.shape)) < config.rare) & (text > UNKNOWN + 1) & (text < end)
    text = text.masked_fill(hidden, UNKNOWN)
    s, side = config.shift, config.pixels
    wide = np.pad(images[pick], ((0, 0), (s, s), (s, s), (0, 0)), mode="edge")
    x, y = dice.integers(0, 2 * s + 1, 2)
    turned = (dice.random(len(pick)) < config.mirror) & ~sided[pick]
    wide[turned] = wide[turned, :, ::-1]
    image = torch.from_numpy(np.ascontiguousarray(wide[:, y:y + side, x:x + side])).permute(0, 3, 1, 2).float()
    image = ((image / 255 - MEAN[0]) / STD[0]).contiguous(memory_format=torch.channels_last)
    return _Batch(image, text, turned, ((s - x) / side, (s - y) / side))


def _write(folder: Path, model: Any, sizes: dict[str, Any], tokenizer: CompactTokenizer) -> None:
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG, {"model_cfg": sizes, "preprocess_cfg": {
        "mean": list(MEAN), "std": list(STD), "interpolation": "bicubic", "resize_mode": "squash"}})
    tokenizer.save(folder)
    with atomic_path(folder / WEIGHTS) as part:
        save_file({k: np.ascontiguousarray(v.detach().numpy().astype(np.float16))
                   for k, v in model.state_dict().items()}, part)


def held_out_retrieval(folder: Path, held: Pairs, *, gallery: int = 100, draws: int = 30, seed: int = 0,
                       context: JobContext = QUIET) -> dict[str, Any]:
    """Return R@1 of the written model in random galleries of `gallery` and in the whole, by description and caption."""
    from PIL import Image

    from brainview.features.clip_pair import load_clip

    clip = load_clip(f"local-dir:{folder}")
    image = clip.images((Image.fromarray(x) for x in held.images), context=context)
    kinds = {"description": clip.texts([t[0] for t in held.texts], context=context)}
    if all(len(t) > 1 for t in held.texts):
        kinds["first caption"] = clip.texts([t[1] for t in held.texts], context=context)
    gallery = min(gallery, len(image))
    picks = [np.random.default_rng([seed, k]).choice(len(image), gallery, replace=False) for k in range(draws)]
    out: dict[str, Any] = {"pictures": len(image), "gallery": gallery, "draws": draws, "chance": 1 / gallery}
    for kind, text in kinds.items():
        for way, a, b in ((f"image→{kind}", image, text), (f"{kind}→image", text, image)):
            drawn = float(np.mean([(ranks(a[p], b[p]) == 0).mean() for p in picks]))
            out[way] = {"R@1": drawn, f"R@1 of {len(a)}": float((ranks(a, b) == 0).mean())}
    return out
