"""Pretraining the small demo trunk on drawn scenes, without any brain data.

The recipe is EVA-02's in miniature (arXiv 2303.11331): patches are masked, and the transformer predicts the features of
a CLIP model at every patch, here those of the shipped ``phantom-clip``; it also predicts the pixels of masked patches
and the CLIP embedding of the whole picture. Nothing of the phantom's response model is used.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, mse_loss

from brainview.core.files import atomic_path, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.encoding.llm_vem.trunk import Trunk
from brainview.features.clip_pair import PHANTOM_CLIP, load_clip
from brainview.features.phantom_trunk import FILE, NAME
from brainview.training.schedule import decay_groups, warmup_cosine

#: Blocks of the trunk that predict, and which stage of the teacher each one predicts.
READS = {4: "layer1", 8: "layer2", 10: "layer3"}
PATCH = 14


@torch.inference_mode()
def teacher_features(pictures: np.ndarray, side: int, *, context: JobContext = QUIET) -> dict[str, Tensor]:
    """Return standardised targets of (n, h, w, 3) uint8 pictures: {stage: (n, side * side, c), "embed": (n, d)}."""
    clip = load_clip(PHANTOM_CLIP)
    visual = clip.model.visual
    found: dict[str, list[Tensor]] = {name: [] for name in [*READS.values(), "embed"]}
    kept: dict[str, Tensor] = {}
    hooks = [getattr(visual, name).register_forward_hook(lambda _m, _i, out, name=name: kept.update({name: out}))
             for name in READS.values()]
    try:
        size = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
        for a in range(0, len(pictures), 128):
            context.check()
            x = torch.from_numpy(pictures[a:a + 128]).permute(0, 3, 1, 2).float() / 127.5 - 1
            x = interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False)
            found["embed"].append(clip.model.encode_image(x, normalize=True))
            for name in READS.values():
                grid = kept[name]
                grid = adaptive_avg_pool2d(grid, side) if grid.shape[-1] > side else \
                    interpolate(grid, (side, side), mode="bilinear", align_corners=False)
                found[name].append(grid.flatten(2).transpose(1, 2))
    finally:
        for hook in hooks:
            hook.remove()
    out = {}
    for name, parts in found.items():
        whole = torch.cat(parts).float()
        axes = tuple(range(whole.ndim - 1))
        out[name] = ((whole - whole.mean(axes)) / (whole.std(axes) + 1e-6)).half().clone()
    return out


class _Student(nn.Module):
    """The trunk and the heads that are thrown away."""

    def __init__(self, trunk: Trunk, targets: dict[str, Tensor]) -> None:
        super().__init__()
        self.model = trunk.model.requires_grad_(True)
        width = trunk.shapes[0][1]
        self.heads = nn.ModuleDict({name: nn.Linear(width, targets[name].shape[-1]) for name in READS.values()})
        self.embed = nn.Linear(2 * width, targets["embed"].shape[-1])
        self.pixels = nn.Linear(width, 3 * PATCH * PATCH)
        self._trunk = trunk

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the predictions by name."""
        layers = dict(zip(READS, self._trunk(x), strict=True))
        out = {READS[block]: self.heads[READS[block]](tokens[:, 1:]) for block, tokens in layers.items()}
        last = layers[10]
        out["embed"] = self.embed(torch.cat([last[:, 0], last[:, 1:].mean(1)], 1))
        out["pixels"] = self.pixels(layers[8][:, 1:])
        return out


def pretrain(pictures: np.ndarray, folder: Path, *, steps: int = 400, batch: int = 64, lr: float = 2e-3,
             mask: float = 0.3, seed: int = 0, story: dict[str, Any] | None = None,
             context: JobContext = QUIET) -> dict[str, Any]:
    """Train the trunk on (n, 112, 112, 3) uint8 pictures and write its weights (fp16) and card below `folder`.

    Returns
    -------
    dict
        The card: settings, R2 of every prediction on the last tenth of the pictures, which are not trained on.
    """
    trunk = Trunk(f"{NAME}[weights=random]", list(READS))
    side = trunk.input.pixels // PATCH
    targets = teacher_features(pictures, side, context=context)
    torch.manual_seed(seed)
    student = _Student(trunk, targets)
    optimizer = torch.optim.AdamW(decay_groups(student.named_parameters(), 0.05), lr=lr, betas=(0.9, 0.98))
    train = len(pictures) * 9 // 10
    begun = time.process_time()
    student.train()
    for step in range(steps):
        dice = np.random.default_rng([seed, step])
        rows = np.sort(dice.choice(train, min(batch, train), replace=False))
        for group in optimizer.param_groups:
            group["lr"] = lr * warmup_cosine(step, steps, warmup=0.1, floor=0.02)
        loss = sum(_losses(student, trunk, pictures, targets, rows, torch.from_numpy(
            dice.random((len(rows), side * side)) < mask)).values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        context.report(step + 1, steps, f"small trunk, step {step + 1}, loss {float(loss.detach()):.3f}")  # type: ignore[union-attr]
    student.eval()
    held = np.arange(train, len(pictures))
    with torch.no_grad():
        none = torch.zeros(len(held), side * side, dtype=torch.bool)
        scores = {k: 1 - float(v) for k, v in _losses(student, trunk, pictures, targets, held, none).items()
                  if k != "pixels"}
    card = {"what": "a small EVA02 trunk", "steps": steps, "batch": batch, "lr": lr, "mask": mask, "seed": seed,
            "pictures": train, "held_out_pictures": len(held), "held_out_R2": scores,
            "parameters": sum(p.numel() for p in trunk.model.parameters()), "teacher": PHANTOM_CLIP,
            "cpu_seconds": round(time.process_time() - begun), "phantom": True, **(story or {})}
    _write(trunk.model, folder, card)
    return card


def _losses(student: _Student, trunk: Trunk, pictures: np.ndarray, targets: dict[str, Tensor], rows: np.ndarray,
            masked: Tensor) -> dict[str, Tensor]:
    """Return the mean squared errors; targets have unit variance, so 1 - error is about R2."""
    x = trunk.input.normalise(pictures[rows])
    side = trunk.input.pixels // PATCH
    patches = x.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(0, 2, 3, 1, 4, 5).reshape(len(x), side**2, -1)
    hidden = masked.view(-1, 1, side, side).repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)
    out = student(x.masked_fill(hidden, 0.0))
    parts = {k: mse_loss(out[k], v[rows].float()) for k, v in targets.items()}
    weight = masked[:, :, None].float()
    parts["pixels"] = ((out["pixels"] - patches).square() * weight).sum() / (weight.sum() * patches.shape[2] + 1)
    return parts


def _write(model: nn.Module, folder: Path, card: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / FILE) as part:
        save_file({k: v.detach().half().contiguous().clone() for k, v in model.state_dict().items()}, part)
    write_json(folder / "card.json", card)
