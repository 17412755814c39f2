"""Training of the captioner's vision tower: every place learns to say what it shows, in which colour, and its box."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext
from brainview.language.captioner.bank import SceneBank
from brainview.language.captioner.config import MEAN, STD, Captioner
from brainview.language.captioner.progress import resume, save
from brainview.training.run import RunFolder
from brainview.training.schedule import decay_groups, warmup_cosine


def pixels(images: np.ndarray) -> Any:
    """Return (n, 3, side, side) float32 inputs of (n, side, side, 3) bytes."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    return (x / 255 - MEAN[0]) / STD[0]


class Labels:
    """What the heads are told: words of the bank turned into numbers, in alphabetical order."""

    def __init__(self, bank: SceneBank, grid: int) -> None:
        things = [t for row in bank.rows for t in row["things"]]
        self.nouns = sorted({t["noun"] for t in things})
        self.colors = sorted({t["color"] for t in things})
        self.scenes = sorted({row["scene"] for row in bank.rows})
        self.verbs = sorted({row["verb"] for row in bank.rows})
        self.grid = grid

    def places(self, bank: SceneBank, pick: np.ndarray, flip: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return noun (-1 = nothing there), colour and box of every place of some pictures, mirrored where `flip`.

        Shapes (n, grid * grid), (n, grid * grid), (n, grid * grid, 4). A place belongs to the thing that covers most
        of it, if that is an eighth or more (small things lie across places and would otherwise have none).
        """
        n, g = len(pick), self.grid
        cell = bank.ids.shape[1] // g
        noun, color = np.full((n, g, g), -1), np.full((n, g, g), -1)
        box = np.zeros((n, g, g, 4), np.float32)
        for i, (index, mirrored) in enumerate(zip(pick, flip, strict=True)):
            ids = bank.ids[index][:, ::-1] if mirrored else bank.ids[index]
            things = bank.rows[index]["things"]
            share = np.stack([(ids == k + 1).reshape(g, cell, g, cell).mean((1, 3)) for k in range(len(things))])
            best = share.argmax(0)
            there = share.max(0) >= 0.12
            for k, thing in enumerate(things):
                mine = there & (best == k)
                noun[i][mine] = self.nouns.index(thing["noun"])
                color[i][mine] = self.colors.index(thing["color"])
                x0, y0, x1, y1 = thing["box"]
                box[i][mine] = (1 - x1, y0, 1 - x0, y1) if mirrored else (x0, y0, x1, y1)
        return noun.reshape(n, -1), color.reshape(n, -1), box.reshape(n, -1, 4)

    def whole(self, bank: SceneBank, pick: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return setting (n,), verb (n,) and which nouns are present (n, nouns)."""
        rows = [bank.rows[i] for i in pick]
        present = np.zeros((len(pick), len(self.nouns)), np.float32)
        for i, row in enumerate(rows):
            present[i, [self.nouns.index(t["noun"]) for t in row["things"]]] = 1
        return (np.array([self.scenes.index(r["scene"]) for r in rows]),
                np.array([self.verbs.index(r["verb"]) for r in rows]), present)


def train_tower(bank: SceneBank, config: Captioner, work: Path, *, minutes: float = float("inf"),
                context: JobContext = QUIET) -> Any | None:
    """Return the trained ``CLIPVisionModel``; None when `minutes` were over, to be called again."""
    import torch

    run = RunFolder.create(work, "captioner-tower", asdict(config))
    torch.manual_seed(config.seed)
    trainer = _Tower(bank, config)
    step, begun = resume(run, trainer.both, trainer.optimizer), time.perf_counter()
    while step < config.tower_steps:
        if time.perf_counter() - begun > 60 * minutes:
            return None
        losses = []
        for _ in range(min(config.round, config.tower_steps - step)):
            context.check()
            losses.append(trainer.step(step))
            step += 1
        save(run, trainer.both, trainer.optimizer, step, float(np.mean([x["all"] for x in losses])))
        means = ", ".join(f"{k} {np.mean([x[k] for x in losses]):.3f}" for k in losses[0])
        context.report(step, config.tower_steps, f"tower, step {step}: {means}")
    return trainer.tower.eval()


class _Tower:
    """The loop's parts: tower, heads that are thrown away, optimiser."""

    def __init__(self, bank: SceneBank, config: Captioner) -> None:
        import torch
        from transformers import CLIPVisionConfig, CLIPVisionModel

        self.bank, self.config = bank, config
        self.labels = labels = Labels(bank, config.pixels // config.patch)
        self.tower = CLIPVisionModel(CLIPVisionConfig(**config.vision()))
        w = config.width
        heads = {"noun": len(labels.nouns) + 1, "color": len(labels.colors), "box": 4, "scene": len(labels.scenes),
                 "verb": len(labels.verbs), "present": len(labels.nouns), "cls_present": len(labels.nouns),
                 "cls_scene": len(labels.scenes)}
        self.heads = torch.nn.ModuleDict({k: torch.nn.Linear(w, n) for k, n in heads.items()})
        with torch.no_grad():
            self.heads["present"].bias.fill_(-2.5)
            self.heads["cls_present"].bias.fill_(-2.5)
        self.both = torch.nn.ModuleDict({"tower": self.tower, "heads": self.heads})
        self.optimizer = torch.optim.AdamW(decay_groups(self.both.named_parameters(), config.weight_decay),
                                           lr=config.tower_lr, betas=(0.9, 0.98))

    def step(self, number: int) -> dict[str, float]:
        """Train one batch and return its losses."""
        import torch

        config = self.config
        dice = np.random.default_rng([config.seed, 1, number])
        for group in self.optimizer.param_groups:
            group["lr"] = config.tower_lr * warmup_cosine(number, config.tower_steps, warmup=0.06, floor=0.01)
        pick = dice.choice(len(self.bank), min(config.tower_batch, len(self.bank)), replace=False)
        flip = dice.random(len(pick)) < 0.5
        images = self.bank.images[pick].copy()
        images[flip] = images[flip][:, :, ::-1]
        losses = self.losses(pixels(images), pick, flip)
        total = sum(losses.values())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.both.parameters(), 1.0)
        self.optimizer.step()
        return {"all": float(total.detach()), **{k: float(v.detach()) for k, v in losses.items()}}

    def losses(self, x: Any, pick: np.ndarray, flip: np.ndarray) -> dict[str, Any]:
        """Return the loss of every head."""
        import torch
        from torch.nn import functional as F
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(SDPBackend.MATH):  # the fused attention is slow backwards on CPUs
            out = self.tower(x, output_hidden_states=True)
        tokens, heads = out.hidden_states[-2][:, 1:], self.heads
        noun, color, box = (torch.from_numpy(v) for v in self.labels.places(self.bank, pick, flip))
        scene, verb, present = (torch.from_numpy(v) for v in self.labels.whole(self.bank, pick))
        there = noun >= 0
        mean = tokens.mean(1)
        boxes = heads["box"](tokens[there])
        return {
            "noun": F.cross_entropy(heads["noun"](tokens).flatten(0, 1), (noun + 1).flatten()) * 2,
            "color": F.cross_entropy(heads["color"](tokens[there]), color[there]),
            "box": 5 * F.smooth_l1_loss(boxes, box[there], beta=0.05),
            "overlap": 0.5 * (1 - generalised_iou(boxes, box[there])).mean(),
            "scene": 0.5 * F.cross_entropy(heads["scene"](mean), scene),
            "verb": 0.3 * F.cross_entropy(heads["verb"](mean), verb),
            "present": 5 * F.binary_cross_entropy_with_logits(heads["present"](mean), present),
            "cls": 2 * F.binary_cross_entropy_with_logits(heads["cls_present"](out.pooler_output), present)
            + 0.2 * F.cross_entropy(heads["cls_scene"](out.pooler_output), scene),
        }


def generalised_iou(one: Any, two: Any) -> Any:
    """Return the generalised IoU (Rezatofighi 2019, equation of GIoU) of boxes (n, 4) x0 y0 x1 y1; differentiable.

    Unlike the distance of corners it weighs small things like large ones. Corners in the wrong order count as no area.
    """
    import torch

    def area(x: Any) -> Any:
        return (x[:, 2:] - x[:, :2]).clamp(min=0).prod(1)

    both = area(torch.cat([torch.maximum(one[:, :2], two[:, :2]), torch.minimum(one[:, 2:], two[:, 2:])], 1))
    union = area(one) + area(two) - both
    hull = area(torch.cat([torch.minimum(one[:, :2], two[:, :2]), torch.maximum(one[:, 2:], two[:, 2:])], 1))
    return both / (union + 1e-6) - (hull - union) / (hull + 1e-6)


def tower_tokens(tower: Any, images: np.ndarray, *, batch: int = 64, context: JobContext = QUIET) -> np.ndarray:
    """Return (n, tokens, width) float16 tokens as the language part sees them, of pictures in bytes."""
    import torch

    out = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            context.report(start, len(images), "tower tokens")
            states = tower(pixels(images[start:start + batch]), output_hidden_states=True).hidden_states[-2]
            out.append(states[:, 1:].half().numpy())
    return np.concatenate(out)
