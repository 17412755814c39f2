"""Training the tower of films: words told of a clip and the action it shows; both heads are thrown away afterwards."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.core.errors import MismatchError
from brainview.core.files import write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.language.video.motion import MotionNet, load_motion, save_motion, with_changes
from brainview.training.run import RunFolder
from brainview.training.schedule import decay_groups, warmup_cosine

_PLAIN = frozenset(["a", "an", "the", "is", "it", "there", "and", "of", "in", "on", "at", "with"])


@dataclass(frozen=True)
class MotionRecipe:
    """How the tower is trained (AdamW, cosine)."""

    steps: int = 1000
    batch: int = 64
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    words_weight: float = 10.0
    rarest: int = 20           # clips that must tell a word
    shift: int = 8             # pixels
    dropout: float = 0.2
    queries: int = 8
    steps_per_round: int = 50
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Clips:
    """Frames (n, frames, side, side, 3) uint8, what is told of each clip, and its action."""

    frames: np.ndarray
    told: Sequence[Sequence[str]]
    action: Sequence[str]

    def __post_init__(self) -> None:
        if not len(self.frames) == len(self.told) == len(self.action):
            raise MismatchError("frames, texts and actions do not belong together")


def words_of(texts: Sequence[str]) -> set[str]:
    """Return the words of some sentences in lower case, without articles and the like."""
    return set(re.findall(r"[a-z]+", " ".join(texts).lower())) - _PLAIN


def train_motion(train: Clips, held: Clips, folder: Path, recipe: MotionRecipe, work: Path, *,
                 story: dict[str, Any] | None = None, minutes: float = float("inf"), begin: Path | None = None,
                 context: JobContext = QUIET) -> dict[str, Any] | None:
    """Train, write the tower below `folder`, and return its card with figures on `held`, which chooses nothing.

    `work` is a run folder from which a stopped training goes on; after `minutes` None is returned. `begin` names
    the folder of an earlier tower to begin from; without it the shipped small CLIP is begun from.
    """
    trainer = _Trainer(train, recipe, RunFolder.create(work, "motion-tower", asdict(recipe)), begin)
    begun = time.perf_counter()
    while trainer.step < recipe.steps:
        if time.perf_counter() - begun > 60 * minutes:
            return None
        losses = trainer.round(context)
        context.report(trainer.step, recipe.steps, f"film tower, step {trainer.step}, action {losses[0]:.3f}, "
                       f"words {losses[1]:.4f}")
    card = {"what": "a small tower of films", "settings": asdict(recipe), "clips": len(train.frames),
            "words": len(trainer.words), "parameters": sum(p.numel() for p in trainer.net.parameters()),
            **(story or {}), "held_out": trainer.figures(held)}
    save_motion(trainer.net.eval(), folder)
    write_json(folder / "card.json", card)
    return card


class _Trainer:
    """The loop; its state is in a run folder."""

    def __init__(self, clips: Clips, recipe: MotionRecipe, run: RunFolder, begin: Path | None) -> None:
        self.clips, self.recipe, self.run, self.step = clips, recipe, run, 0
        counts = Counter(w for told in clips.told for w in words_of(told))
        self.words = sorted(w for w, n in counts.items() if n >= recipe.rarest)
        self.actions = sorted(set(clips.action))
        torch.manual_seed(recipe.seed)
        self.net = MotionNet(recipe.queries)
        if begin is not None:
            self.net.load_state_dict(load_motion(begin).net.state_dict())
        else:
            from brainview.features.clip_pair import PHANTOM_CLIP, load_clip

            self.net.begin(load_clip(PHANTOM_CLIP).model.visual)
        flat = recipe.queries * self.net.width
        self.says, self.does = nn.Linear(flat, len(self.words)), nn.Linear(flat, len(self.actions))
        self.bags = self._bags(clips)
        nn.init.zeros_(self.says.weight)
        with torch.no_grad():
            self.says.bias.copy_(torch.logit(self.bags.mean(0).clamp(1e-3, 1 - 1e-3)))
        self.all = nn.ModuleDict({"net": self.net, "says": self.says, "does": self.does})
        self.all.to(memory_format=torch.channels_last)
        self.label = torch.tensor([self.actions.index(a) for a in clips.action])
        self.optimizer = torch.optim.AdamW(decay_groups(self.all.named_parameters(), recipe.weight_decay),
                                           lr=recipe.lr, betas=(0.9, 0.98))
        self._resume()

    def _bags(self, clips: Clips) -> Tensor:
        place = {w: i for i, w in enumerate(self.words)}
        out = torch.zeros(len(clips.told), len(self.words))
        for i, told in enumerate(clips.told):
            out[i, [place[w] for w in words_of(told) if w in place]] = 1
        return out

    def round(self, context: JobContext) -> tuple[float, float]:
        """Train the next steps, save, and return the mean losses (action, words)."""
        self.all.train()
        losses = []
        for _ in range(min(self.recipe.steps_per_round, self.recipe.steps - self.step)):
            context.check()
            losses.append(self._step())
            self.step += 1
        state = {f"{i}.{k}": np.asarray(v) for i, values in self.optimizer.state_dict()["state"].items()
                 for k, v in values.items()}
        self.run.write_generation({k: v.numpy() for k, v in self.all.state_dict().items()}, {"step": self.step},
                                  state=state, keep=0)
        action, words = np.mean(losses, 0)
        return float(action), float(words)

    def _step(self) -> tuple[float, float]:
        recipe, n = self.recipe, len(self.clips.frames)
        dice = np.random.default_rng([recipe.seed, self.step])
        torch.manual_seed(recipe.seed * 7919 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * warmup_cosine(self.step, recipe.steps, warmup=0.05, floor=0.01)
        per = max(1, n // recipe.batch)
        order = np.random.default_rng([recipe.seed, 1 + self.step // per]).permutation(n)
        pick = order[self.step % per * recipe.batch:][:recipe.batch]
        z = F.dropout(self.net(self._seen(pick, dice)).flatten(1), recipe.dropout)
        action = F.cross_entropy(self.does(z), self.label[pick])
        words = F.binary_cross_entropy_with_logits(self.says(z), self.bags[pick])
        self.optimizer.zero_grad(set_to_none=True)
        (action + recipe.words_weight * words).backward()
        nn.utils.clip_grad_norm_(self.all.parameters(), 2.0)
        self.optimizer.step()
        return float(action.detach()), float(words.detach())

    def _seen(self, pick: np.ndarray, dice: np.random.Generator) -> Tensor:
        """Return one frame of each clip with its change, shifted, mirrored, brightened, with some noise."""
        frames = torch.from_numpy(self.clips.frames[pick])
        t = torch.from_numpy(dice.integers(0, frames.shape[1], len(pick)))
        x = with_changes(frames)[torch.arange(len(pick)), t]
        mirrored = torch.from_numpy(dice.random(len(pick)) < 0.5)[:, None, None, None]
        x = torch.where(mirrored, x.flip(-1), x)
        s, (dx, dy) = self.recipe.shift, dice.integers(0, 2 * self.recipe.shift + 1, 2).tolist()
        side = x.shape[-1]
        x = F.pad(x, (s, s, s, s), mode="replicate")[..., dy:dy + side, dx:dx + side]
        x = x * torch.from_numpy(1 + 0.2 * (dice.random((len(pick), 1, 1, 1)) - 0.5)).float()
        x = x + 0.02 * torch.from_numpy(dice.standard_normal(x.shape, np.float32))  # packed films are a bit noisy
        return x.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def figures(self, held: Clips) -> dict[str, Any]:
        """Return how often the action is named, and the mean AUC of told words, on clips (all frames together)."""
        from scipy.stats import rankdata

        self.all.eval()
        does, says = [], []
        for start in range(0, len(held.frames), 32):
            x = with_changes(torch.from_numpy(held.frames[start:start + 32]))
            z = self.net(x.flatten(0, 1)).flatten(1).unflatten(0, x.shape[:2])
            does.append(self.does(z).log_softmax(-1).mean(1))
            says.append(self.says(z).mean(1))
        named = [self.actions[i] for i in torch.cat(does).argmax(1).tolist()]
        score, bags, areas = torch.cat(says).numpy(), self._bags(held).numpy() > 0, []
        for word in range(len(self.words)):
            yes = bags[:, word]
            if 0 < yes.sum() < len(yes):
                ranked = rankdata(score[:, word])[yes]
                areas.append((ranked.mean() - (yes.sum() + 1) / 2) / (~yes).sum())
        return {"clips": len(named), "actions": len(self.actions),
                "action": float(np.mean([a == b for a, b in zip(named, held.action, strict=True)])),
                "words AUC": float(np.mean(areas)) if areas else float("nan")}

    def _resume(self) -> None:
        if not self.run.has_generation:
            return
        tensors, card = self.run.load("last")
        own = self.all.state_dict()
        self.all.load_state_dict({k: torch.from_numpy(np.array(v)).reshape(own[k].shape) for k, v in tensors.items()})
        content = self.optimizer.state_dict()
        flat = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, value in self.run.load_state("last").items():
            number, name = key.split(".", 1)
            shape = () if name == "step" else flat[int(number)].shape  # files hold no arrays without a dimension
            content["state"].setdefault(int(number), {})[name] = torch.from_numpy(np.array(value)).reshape(shape)
        self.optimizer.load_state_dict(content)
        self.step = int(card["step"])
