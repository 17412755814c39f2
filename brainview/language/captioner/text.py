"""Training of the captioner's language part on tower tokens that were computed once; the tower stays as it is."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext
from brainview.language.captioner.bank import SceneBank
from brainview.language.captioner.config import Captioner, llava_config
from brainview.language.captioner.progress import resume, save
from brainview.language.captioner.turns import Encoded, Encoder, bin_ids, pack, turns_of
from brainview.training.run import RunFolder
from brainview.training.schedule import decay_groups, warmup_cosine


def train_text(bank: SceneBank, tokens: np.ndarray, tokenizer: Any, config: Captioner, work: Path, *,
               minutes: float = float("inf"), context: JobContext = QUIET) -> Any | None:
    """Return a ``LlavaForConditionalGeneration`` whose language part is trained (its tower is not filled in).

    `tokens` is (n, tokens, width) float16, the tower's for each picture of the bank. None when `minutes` were over.
    """
    import torch

    run = RunFolder.create(work, "captioner-text", asdict(config))
    torch.manual_seed(config.seed)
    trainer = TextTrainer(bank, tokens, tokenizer, config)
    step, begun = resume(run, trainer.learned, trainer.optimizer), time.perf_counter()
    while step < config.text_steps:
        if time.perf_counter() - begun > 60 * minutes:
            return None
        losses = []
        for _ in range(min(config.round, config.text_steps - step)):
            context.check()
            losses.append(trainer.step(step))
            step += 1
        save(run, trainer.learned, trainer.optimizer, step, float(np.mean(losses)))
        context.report(step, config.text_steps, f"language part, step {step}: loss {np.mean(losses):.3f}")
    return trainer.model.eval()


class TextTrainer:
    """The loop's parts: projector, language model, optimiser, and the blurring of tokens."""

    def __init__(self, bank: SceneBank, tokens: np.ndarray, tokenizer: Any, config: Captioner) -> None:
        import torch
        from transformers import LlavaForConditionalGeneration

        self.bank, self.tokens, self.config = bank, tokens, config
        self.encoder = Encoder(tokenizer)
        self.begin = tokenizer.bos_token_id
        bins = bin_ids(tokenizer)
        self.bins = slice(bins[0], bins[-1] + 1)
        distance = torch.arange(len(bins))[:, None] - torch.arange(len(bins))
        near = torch.exp(-0.5 * (distance / config.bin_spread) ** 2)
        self.near = near / near.sum(1, keepdim=True)
        self.model = LlavaForConditionalGeneration(llava_config(config, len(tokenizer)))
        inner = self.model.model
        self.projector, self.llama = inner.multi_modal_projector, inner.language_model
        self.learned = torch.nn.ModuleDict({"projector": self.projector, "llama": self.llama})
        self.optimizer = torch.optim.AdamW(decay_groups(self.learned.named_parameters(), config.weight_decay),
                                           lr=config.text_lr, betas=(0.9, 0.98))
        self.set_tokens(bank, tokens)

    def set_tokens(self, bank: SceneBank, tokens: np.ndarray) -> None:
        """Take a bank and its tokens; measure their mean at each place and their spread."""
        import torch

        self.bank, self.tokens = bank, tokens
        some = torch.from_numpy(tokens[:4000]).float()
        self.mean, self.spread = some.mean(0), some.std((0, 1))

    def step(self, number: int) -> float:
        """Train one batch and return its loss."""
        import torch
        from torch.nn import functional as F
        from torch.nn.attention import SDPBackend, sdpa_kernel

        config = self.config
        dice = np.random.default_rng([config.seed, 2, number])
        for group in self.optimizer.param_groups:
            group["lr"] = config.text_lr * warmup_cosine(number, config.text_steps, warmup=0.05, floor=0.02)
        pick = dice.choice(len(self.bank), min(config.text_batch, len(self.bank)), replace=False)
        turns = [self._turns(i, dice) for i in pick]
        prefix = config.tokens + 1
        ids, weights, positions, see = pack(turns, prefix, dice.random(len(pick)) < config.talk)
        vision = blurred(torch.from_numpy(self.tokens[pick]).float(), self.mean, self.spread, config, dice)
        embed = self.llama.embed_tokens
        begin = embed(torch.full((len(pick), 1), self.begin))
        inputs = torch.cat([begin, self.projector(vision), embed(torch.from_numpy(ids))], 1)
        place = torch.cat([torch.arange(prefix).expand(len(pick), -1), torch.from_numpy(positions)], 1)
        mask = torch.zeros(see.shape).masked_fill(~torch.from_numpy(see), torch.finfo(torch.float32).min)[:, None]
        with sdpa_kernel(SDPBackend.MATH):
            states = self.llama(inputs_embeds=inputs, attention_mask=mask, position_ids=place,
                                use_cache=False).last_hidden_state
        wanted = torch.from_numpy(weights) > 0
        states = states[:, prefix - 1:-1][wanted]
        losses = self._losses(F.log_softmax(states @ embed.weight.T, -1), torch.from_numpy(ids)[wanted])
        weight = torch.from_numpy(weights)[wanted]
        loss = (losses * weight).sum() / weight.sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learned.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _losses(self, predicted: Any, target: Any) -> Any:
        """Return the cross-entropy of each target; that of a coordinate is spread over the bins around it."""
        import torch

        losses = -predicted.gather(1, target[:, None])[:, 0]
        edge = (target >= self.bins.start) & (target < self.bins.stop)
        spread = -(self.near[target[edge] - self.bins.start] * predicted[edge, self.bins]).sum(1)
        return torch.index_put(losses, (edge.nonzero()[:, 0],), spread)

    def _turns(self, index: int, dice: np.random.Generator) -> list[Encoded]:
        """Return turns on a scene that together fit `row_tokens`, at least one."""
        kept: list[Encoded] = []
        room = self.config.row_tokens
        for prompt, answer in turns_of(self.bank.rows[index], self.config.turns, dice):
            turn = self.encoder.turn(prompt, answer)
            if not kept or len(turn.ids) <= room:
                kept.append(turn)
                room -= len(turn.ids)
        return kept


def blurred(vision: Any, mean: Any, spread: Any, recipe: Any, dice: np.random.Generator) -> Any:
    """Return (n, N, D) tokens of which a share is pulled to the mean and made noisy, as a brain would give them.

    `recipe` holds ``blur``, ``blur_low`` and ``blur_noise`` as :class:`Captioner` does.
    """
    import torch

    n = len(vision)
    pull = np.where(dice.random(n) < recipe.blur, dice.uniform(recipe.blur_low, 1.0, n), 1.0).astype(np.float32)
    keep = torch.from_numpy(pull)[:, None, None]
    noise = torch.from_numpy(dice.standard_normal(tuple(vision.shape), np.float32)) * spread
    return mean + keep * (vision - mean) + recipe.blur_noise * (1 - keep) * noise
