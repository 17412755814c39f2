"""The stages: masked pretraining, video branch, Stage I (brain to video tokens), Stage II (questions and adaptation).

What is trained when (reference, section 3.2): Stage I tokenizer, adaptors, bridge; Stage II bridge and classifier g.
SC-MBM, both Q-Formers, picture model, language model and its projection are frozen in both, unless the configuration
says otherwise, which is a departure and stands in the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainview.core.jobs import QUIET, JobContext
from brainview.language.metrics.identification import identify
from brainview.language.video.adaptors import is_adaptor
from brainview.language.video.branches import BrainBranch, VideoBranch, train_only
from brainview.language.video.config import FilmConfig
from brainview.language.video.data import Trials, batches
from brainview.language.video.llm import SoftLlm
from brainview.language.video.loop import Loop, Recipe
from brainview.language.video.losses import (
    CosineClassifier,
    FeatureBank,
    adaptation_loss,
    clip_loss,
    entropy_separation,
    neighbourhood_loss,
    sample_vector,
    stage_one_loss,
)
from brainview.language.video.mbm import MaskedModel
from brainview.language.video.teacher import Answers
from brainview.training.run import RunFolder


@dataclass(frozen=True, eq=False)
class Lesson:
    """Questions and answers of a list of clips, drawn at random for every sample.

    Parameters
    ----------
    questions : key -> question
    answers : Answers
    names : list of clip name by stimulus id
    """

    questions: dict[str, str]
    answers: Answers
    names: Sequence[str]

    def usable(self, stimulus: np.ndarray) -> np.ndarray:
        """Return (n,) bool of the clips that have any answer."""
        return np.array([bool(self.answers.keys_of(self.names[i], list(self.questions))) for i in stimulus], bool)

    def draw(self, stimulus: np.ndarray, source: np.random.Generator) -> tuple[list[str], list[str]]:
        """Return one random question with its answer for every clip."""
        asked, said = [], []
        for i in stimulus.tolist():
            keys = self.answers.keys_of(self.names[i], list(self.questions))
            key = keys[int(source.integers(len(keys)))]
            asked.append(self.questions[key])
            said.append(self.answers.text[self.names[i], key])
        return asked, said


def fit_masked(model: MaskedModel, trials: Trials, config: FilmConfig, folder: RunFolder | None,
               context: JobContext = QUIET) -> list[dict[str, float]]:
    """Pretrain tokenizer and encoder by hiding tokens; fMRI only, no clips and no labels."""
    model.requires_grad_(True).train()
    generator = torch.Generator().manual_seed(config.seed)

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, Tensor]:
        generator.manual_seed(int(source.integers(2**31)))
        x = torch.from_numpy(trials.brains(index)).to(loop.device)
        return {"loss": model(x, generator)}

    loop = Loop(model, step, len(trials), Recipe(config.mbm_epochs, config.mbm_batch, config.mbm_lr,
                                                 config.weight_decay, config.clip_grad, config.precision, config.seed),
                folder)
    return loop.run(context, "masked pretraining")


def fit_words(llm: SoftLlm, stimulus: np.ndarray, lesson: Lesson, config: FilmConfig, folder: RunFolder | None,
              context: JobContext = QUIET) -> list[dict[str, float]]:
    """Train a tiny language model on the teacher's sentences of training clips, without any picture."""
    llm.model.requires_grad_(True)

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, Tensor]:
        asked, said = lesson.draw(stimulus[index], source)
        return {"loss": llm.loss(None, asked, said)}

    loop = Loop(llm.model, step, len(stimulus), Recipe(config.words_epochs, config.batch, config.words_lr,
                                                       config.weight_decay, config.clip_grad, config.precision,
                                                       config.seed, betas=(0.9, 0.98)), folder)
    return loop.run(context, "words")


class Contrast(nn.Module):
    """Clip against text, as BLIP-2 trains its Q-Former first; the text side is the mean of word embeddings.

    The clip's side is the very vector that Stage I compares, so that clips lie apart there.

    Parameters
    ----------
    width, words : int
        Of video tokens and of word embeddings.
    """

    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.text = nn.Linear(words, width)

    def forward(self, tokens: Tensor, words: Tensor) -> Tensor:
        """Return the contrastive loss of (B, L, width) tokens and (B, words) texts (sum of both directions)."""
        return clip_loss(sample_vector(tokens), self.text(words.float()), 10.0)


def fit_video(video: VideoBranch, llm: SoftLlm, tokens: np.ndarray, row: dict[int, int], stimulus: np.ndarray,
              lesson: Lesson, config: FilmConfig, folder: RunFolder | None, *, with_llm: bool,
              context: JobContext = QUIET) -> list[dict[str, float]]:
    """Train the video branch on clips and answers (Video-LLaMA's second stage); `with_llm` trains a tiny LLM as well.

    Parameters
    ----------
    tokens : (clips, frames, tokens, width); `row` : stimulus id -> row; stimulus : (n,) training clips
    """
    contrast = Contrast(video.sizes.width, llm.width)
    holder = nn.ModuleDict({"video": video, "llm": llm.model, "contrast": contrast})
    train_only(holder, lambda name: not name.startswith("llm.") or with_llm)
    video.train()
    first = next(iter(lesson.questions))

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, Tensor]:
        ids = stimulus[index]
        seen = torch.from_numpy(np.stack([tokens[row[i]] for i in ids.tolist()]).astype(np.float32)).to(loop.device)
        asked, said = lesson.draw(ids, source)
        x = video(seen)
        ce = llm.loss(video.proj(x), asked, said)
        if not config.contrast:
            return {"loss": ce}
        main = [lesson.answers.text.get((lesson.names[i], first), said[k]) for k, i in enumerate(ids.tolist())]
        words = torch.stack([llm.embed(llm.ids(text)).mean(0) for text in main])
        pair = contrast(x, words)
        return {"loss": ce + config.contrast * pair, "ce": ce, "contrast": pair}

    loop = Loop(holder, step, len(stimulus), Recipe(config.video_epochs, config.batch, config.video_lr,
                                                    config.weight_decay, config.clip_grad, config.precision,
                                                    config.seed, betas=(0.9, 0.98)), folder)
    rows = loop.run(context, "video branch")
    holder.requires_grad_(False).eval()
    return rows


@torch.inference_mode()
def video_targets(video: VideoBranch, tokens: np.ndarray, *, batch: int = 64,
                  context: JobContext = QUIET) -> np.ndarray:
    """Return X of every clip, (clips, 32, width) float16."""
    video.eval()
    device, out = video.queries.device, []
    for index in batches(len(tokens), batch, None):
        context.report(int(index[0]), len(tokens), "video tokens")
        out.append(video(torch.from_numpy(tokens[index].astype(np.float32)).to(device)).half().cpu().numpy())
    return np.concatenate(out)


def trained_in_stage_one(config: FilmConfig) -> Any:
    """Return which weights of a BrainBranch Stage I trains, as a function of names."""
    def wanted(name: str) -> bool:
        return name.startswith(("tokenizer.", "bridge.")) or is_adaptor(name) \
            or (config.encoder_trained and name.startswith("encoder.")) \
            or (config.qformer_trained and name.startswith("qformer."))

    return wanted


def fit_stage_one(brain: BrainBranch, targets: np.ndarray, row: dict[int, int], trials: Trials, config: FilmConfig,
                  folder: RunFolder | None, context: JobContext = QUIET, *,
                  watched: Trials | None = None) -> list[dict[str, float]]:
    """Stage I: Z of a trial to X of its clip, beta L_CLIP + (1 - beta) L_rec.

    `watched` are trials of a person who is not trained on; how well they are identified chooses the epoch.
    """
    holder = nn.Module()
    holder.brain = brain
    holder.logit = nn.Parameter(torch.tensor(float(np.log(1 / config.tau))))
    wanted = trained_in_stage_one(config)
    train_only(holder, lambda name: wanted(name.removeprefix("brain.")) or (name == "logit" and config.learn_tau))

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, Tensor]:
        part = trials.at(index)
        x = torch.from_numpy(_noisy(trials.brains(index), config.noise, source)).to(loop.device)
        wish = torch.from_numpy(np.stack([targets[row[i]] for i in part.stimulus.tolist()]).astype(np.float32))
        same = torch.from_numpy(part.category).to(loop.device) if config.mask_same else None
        return stage_one_loss(brain(x), wish.to(loop.device), alpha=config.alpha, beta=config.beta,
                              scale=holder.logit.exp().clamp(max=100), reduce=config.reduce, same=same)

    loop = Loop(holder, step, len(trials), Recipe(config.stage1_epochs, config.batch, config.stage1_lr,
                                                  config.weight_decay, config.clip_grad, config.precision,
                                                  config.seed), folder,
                watch=None if watched is None else lambda: identified(brain, targets, row, watched))
    rows = loop.run(context, "stage I")
    holder.requires_grad_(False).eval()
    return rows


def identified(brain: BrainBranch, targets: np.ndarray, row: dict[int, int], trials: Trials) -> float:
    """Return the 2-way identification (percent) of clips by Z among the clips of the same trials."""
    z = sample_vector(torch.from_numpy(encode(brain, trials)))
    x = sample_vector(torch.from_numpy(np.stack([targets[row[int(i)]] for i in trials.stimulus]).astype(np.float32)))
    return 100 * float(identify((z @ x.T).numpy()).two_way.mean())


def _noisy(x: np.ndarray, noise: float, source: np.random.Generator) -> np.ndarray:
    return x + np.float32(noise) * source.standard_normal(x.shape, np.float32) if noise else x


@torch.inference_mode()
def encode(brain: BrainBranch, trials: Trials, *, batch: int = 64, context: JobContext = QUIET) -> np.ndarray:
    """Return Z of every trial, (n, 32, width) float32."""
    brain.eval()
    device, out = next(brain.parameters()).device, []
    for index in batches(len(trials), batch, None):
        context.check()
        out.append(brain(torch.from_numpy(trials.brains(index)).to(device)).float().cpu().numpy())
    return np.concatenate(out) if out else np.zeros((0, 1, 1), np.float32)


@torch.inference_mode()
def answered(brain: BrainBranch, video: VideoBranch, llm: SoftLlm, trials: Trials, lesson: Lesson,
             batch: int = 64) -> float:
    """Return the cross-entropy (nats a token) of the answers to the first question from brains."""
    brain.eval()
    key = next(iter(lesson.questions))
    known = np.flatnonzero([(lesson.names[i], key) in lesson.answers.text for i in trials.stimulus.tolist()])
    device, total = next(brain.parameters()).device, 0.0
    for part in batches(len(known), batch, None):
        index = known[part]
        said = [lesson.answers.text[lesson.names[i], key] for i in trials.stimulus[index].tolist()]
        z = brain(torch.from_numpy(trials.brains(index)).to(device))
        total += len(index) * float(llm.loss(video.proj(z), [lesson.questions[key]] * len(index), said))
    return total / max(1, len(known))


def feature_of(tokens: Tensor) -> Tensor:
    """Return f, (B, width): the mean of the 32 output tokens, read after the bridge."""
    return tokens.float().mean(1)


def fit_stage_two(brain: BrainBranch, video: VideoBranch, llm: SoftLlm, g: CosineClassifier, source_trials: Trials,
                  target_trials: Trials, lesson: Lesson, config: FilmConfig, folder: RunFolder | None,
                  context: JobContext = QUIET, *, watched: Trials | None = None) -> list[dict[str, float]]:
    """Stage II: lambda L_CE + (1 - lambda) L_DA; the bank is filled with one forward pass first.

    `watched` are trials of a person who is not trained on; the cross-entropy of their answers chooses the epoch.
    """
    holder = nn.ModuleDict({"brain": brain, "g": g, "proj": video.proj, "llm": llm.model})
    more = config.adaptors_in_stage2

    def wanted(name: str) -> bool:
        return name.startswith(("brain.bridge.", "g.")) or (more and name.startswith("brain.") and (
            is_adaptor(name) or name.startswith("brain.tokenizer.")))

    train_only(holder, wanted)
    adapt = config.adapt and len(target_trials) > 1
    bank = FeatureBank(max(1, len(target_trials)), video.sizes.width, config.bank_momentum)
    pending: list[tuple[Tensor, Tensor]] = []

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, Tensor]:
        part = source_trials.at(index)
        x = torch.from_numpy(_noisy(source_trials.brains(index), config.noise, source)).to(loop.device)
        z = brain(x)
        asked, said = lesson.draw(part.stimulus, source)
        ce = llm.loss(video.proj(z), asked, said)
        nc = es = None
        if adapt:
            rows = np.sort(source.choice(len(target_trials), min(len(index), len(target_trials)), replace=False))
            f = feature_of(brain(torch.from_numpy(target_trials.brains(rows)).to(loop.device)))
            place = torch.from_numpy(rows).to(loop.device)
            nc = neighbourhood_loss(f, place, bank, g.prototypes(), config.bank_tau)
            es = entropy_separation(g(f), config.margin, config.rho or None) if config.separate else None
            pending.append((place, f.detach()))
        known = torch.from_numpy(np.flatnonzero(part.category >= 0)).to(loop.device)
        labels = torch.from_numpy(part.category).to(loop.device)[known]
        da = adaptation_loss(g(feature_of(z)[known]), labels, nc, es, config.eta)
        loss = config.lam * ce + (1 - config.lam) * da["loss"]
        return {"loss": loss, "ce": ce, "cls": da["cls"], "nc": da["nc"], "es": da["es"]}

    def after() -> None:
        while pending:
            bank.update(*pending.pop())

    loop = Loop(holder, step, len(source_trials), Recipe(config.stage2_epochs, config.batch, config.stage2_lr,
                                                         config.weight_decay, config.clip_grad, config.precision,
                                                         config.seed + config.stage2_seed), folder,
                slow=lambda name: 0.1 if is_adaptor(name) or "tokenizer." in name else 1.0, after=after, kept=bank,
                watch=None if watched is None else lambda: -answered(brain, video, llm, watched, lesson))
    bank.to(loop.device)
    if adapt:
        for index in batches(len(target_trials), config.batch, None):
            with torch.no_grad():
                f = feature_of(brain(torch.from_numpy(target_trials.brains(index)).to(loop.device)))
            bank.update(torch.from_numpy(index).to(loop.device), f)
    rows = loop.run(context, "stage II")
    holder.requires_grad_(False).eval()
    return rows
