"""Frozen picture models over the frames of clips; their tokens are computed once for every clip and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from brainview.core.errors import BrainViewError, FormatError, MissingError
from brainview.core.files import atomic_path, load_npy
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import cache_dir
from brainview.datasets.bids_task.clips import ClipStimuli
from brainview.language.video.motion import NAME as MOTION
from brainview.language.video.motion import load_motion


class Tower(Protocol):
    """What turns frames into tokens."""

    @property
    def name(self) -> str:
        """What was asked for."""

    @property
    def key(self) -> str:
        """Hash of weights and settings."""

    @property
    def queries(self) -> bool:
        """True when an image Q-Former is part of it: its tokens go straight to the video Q-Former."""

    def tokens(self, frames: np.ndarray) -> np.ndarray:
        """Return (n, tokens, width) float32 of (n, h, w, 3) uint8 frames."""


@dataclass(frozen=True, eq=False)
class OpenClipTower:
    """The visual half of an open_clip model: grid tokens and the pooled vector of every frame."""

    name: str
    pair: Any
    queries: bool = False

    @property
    def key(self) -> str:
        return str(self.pair.key)

    @torch.inference_mode()
    def tokens(self, frames: np.ndarray) -> np.ndarray:
        batch = torch.stack([self.pair.preprocess(Image.fromarray(f)) for f in frames])
        visual = self.pair.model.visual
        if hasattr(visual, "attnpool") and hasattr(visual, "stem"):
            x = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(batch)))))
            grid, pooled = x.flatten(2).transpose(1, 2), visual.attnpool(x)
        elif hasattr(visual, "trunk"):
            grid, pooled = visual.trunk.forward_features(batch), visual(batch)
        else:
            visual.output_tokens = True
            pooled, grid = visual(batch)
        width = max(grid.shape[-1], pooled.shape[-1])
        pad = torch.nn.functional.pad
        whole = torch.cat([pad(pooled, (0, width - pooled.shape[-1]))[:, None],
                           pad(grid, (0, width - grid.shape[-1]))], 1)
        return whole.float().numpy()


@dataclass(frozen=True, eq=False)
class InstructTower:
    """ViT and image Q-Former of an InstructBlipVideo checkpoint: 32 query tokens a frame (Video-LLaMA's recipe)."""

    name: str
    model: Any
    size: int
    question: Any
    queries: bool = True

    @property
    def key(self) -> str:
        digest = hashlib.sha256(f"{self.size}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            if name.startswith(("vision_model", "qformer", "query_tokens")):
                digest.update(name.encode() + np.ascontiguousarray(tensor.detach().float().cpu().numpy()).tobytes())
        return digest.hexdigest()[:24]

    @torch.inference_mode()
    def tokens(self, frames: np.ndarray) -> np.ndarray:
        mean, sd = torch.tensor([0.4815, 0.4578, 0.4082]), torch.tensor([0.2686, 0.2613, 0.2758])
        side = (self.size, self.size)
        small = [np.asarray(Image.fromarray(f).resize(side, Image.Resampling.BICUBIC)) for f in frames]
        pixels = ((torch.from_numpy(np.stack(small)).float() / 255 - mean) / sd).permute(0, 3, 1, 2)
        seen = self.model.vision_model(pixel_values=pixels.to(self.model.dtype)).last_hidden_state
        queries = self.model.query_tokens.expand(len(frames), -1, -1)
        ids = self.question.expand(len(frames), -1)
        mask = torch.ones(len(frames), queries.shape[1] + ids.shape[1], dtype=torch.long)
        out = self.model.qformer(input_ids=ids, attention_mask=mask, query_embeds=queries, encoder_hidden_states=seen)
        return out.last_hidden_state[:, :queries.shape[1]].float().numpy()


def load_tower(name: str) -> Tower:
    """Load ``phantom-film[:FOLDER]``, ``phantom-clip``, an open_clip name or ``instructblipvideo:FOLDER-OR-HUB``.

    Raises
    ------
    MissingError
        Not on this machine. FormatError: files that are no such model.
    """
    if name == MOTION or name.startswith(f"{MOTION}:"):
        return load_motion(Path(name.split(":", 1)[1]) if ":" in name else None)
    if not name.startswith("instructblipvideo:"):
        from brainview.features.clip_pair import load_clip

        return OpenClipTower(name, load_clip(name))
    from transformers import AutoTokenizer, InstructBlipVideoForConditionalGeneration

    where = name.split(":", 1)[1]
    try:
        model = InstructBlipVideoForConditionalGeneration.from_pretrained(where).eval().requires_grad_(False)
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        if Path(where).exists():
            raise FormatError(f"is no InstructBlipVideo model: {shown(err, limit=160)}", where=where) from err
        raise MissingError(f"InstructBlipVideo {shown(where)!r} is not on this machine and could not be fetched",
                           remedy="Name a local folder, or use vision=phantom-clip.") from err
    question = torch.tensor([[101, 102]])
    for folder in (f"{where}/qformer_tokenizer", where):
        try:
            ids = list(AutoTokenizer.from_pretrained(folder)("Describe the video.")["input_ids"])
            if ids:  # a folder without a vocabulary gives a tokenizer that knows no word
                question = torch.tensor([ids], dtype=torch.long)
                break
        except (OSError, ValueError, KeyError):
            continue
    question = question.clamp(max=model.config.qformer_config.vocab_size - 1)
    return InstructTower(name, model, int(model.config.vision_config.image_size), question)


def clip_tokens(tower: Tower, stimuli: ClipStimuli, ids: np.ndarray, frames: int = 8, *,
                context: JobContext = QUIET) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of clips as a memory-mapped (n, frames, tokens, width) float16 array, and which are there.

    Computed once (cache keyed by weights, clips and frames), clip by clip, so memory does not grow with their number.

    Returns
    -------
    tokens : (n, frames, tokens, width)
    there : (n,) bool, False for clips that are not on this machine (their tokens are 0)
    """
    ids = np.asarray(ids, np.int64)
    names = hashlib.sha256("\n".join(f"{stimuli.names[i]}|{_stamp(stimuli.path(i))}" for i in ids).encode())
    stem = cache_dir() / "clips" / f"{tower.key}-{frames}-{names.hexdigest()[:20]}"
    tokens_file, there_file = Path(f"{stem}.npy"), Path(f"{stem}.there.npy")
    if not there_file.is_file() or not tokens_file.is_file():
        stem.parent.mkdir(parents=True, exist_ok=True)
        _compute(tower, stimuli, ids, frames, tokens_file, there_file, context)
    return load_npy(tokens_file), load_npy(there_file, mmap=False)


def _compute(tower: Tower, stimuli: ClipStimuli, ids: np.ndarray, frames: int, tokens_file: Path, there_file: Path,
             context: JobContext) -> None:
    there = np.zeros(len(ids), bool)
    out: Any = None
    with atomic_path(tokens_file, suffix=".npy") as temporary:
        for i, stimulus in enumerate(ids.tolist()):
            if i % 8 == 0:
                context.report(i, len(ids), f"clips through {tower.name}")
            try:
                found = tower.tokens(stimuli.clip(stimulus, frames)[0])
            except BrainViewError:
                continue
            if out is None:
                out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16,
                                                shape=(len(ids), *found.shape))
            out[i], there[i] = found, True
        if out is None:
            raise MissingError("none of the clips can be read here", where=stimuli.root,
                               remedy="Fetch the clips, for example with: datalad get stimuli.")
        out.flush()
    with atomic_path(there_file, suffix=".npy") as temporary:
        np.save(temporary, there, allow_pickle=False)


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def all_clip_tokens(path: str, vision: str = "phantom-clip", frames: int = 8, *,
                    context: JobContext = QUIET) -> dict[str, Any]:
    """Job: compute the tokens of every clip of a data set; returns counts as plain types."""
    from brainview.datasets.registry import open_dataset

    stimuli: Sequence[Any] | Any = open_dataset(path).stimuli
    if not isinstance(stimuli, ClipStimuli):
        raise MissingError("holds no film clips", where=path)
    tokens, there = clip_tokens(load_tower(vision), stimuli, stimuli.ids, frames, context=context)
    return {"clips": int(there.size), "there": int(there.sum()), "shape": list(tokens.shape[1:])}
