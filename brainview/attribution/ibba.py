"""IB-BA: an information bottleneck on the tokens of a frozen brain encoder.

Noise is mixed into the residual stream at one layer until only what the target needs comes through; the capacity
left at a token, in bits, is its score.

Sources: whole-brain alignment paper, eqs. 3-9 (what is maximised; 10 copies, 20 steps, Adam lr 1, beta 0.1);
M2IB (noise N(0, 1), no normalisation of features, alpha starting at 5, map of the last forward pass). Layers are
counted as blocks passed. Cost of one beta: steps x copies forward and backward passes of the blocks after `layer`,
the last one for the class token only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from brainview.alignment.encoder import BrainEncoder
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError

#: Price of one nat at the default beta: beta 1 on the benchmark's encoder of 85 tokens and width 32. At level 2
#: (100 brains) it gave hard AUROC .993 and gap .458, beta .1 .968 and .381, beta 10 .964 and .083;
#: levels 1 (6 brains) and 3 (41) agree in hard AUROC, not in the gap. Not graded well on real-size tokens.
PER_NAT = 1.0 / (86 * 32)

#: Start value of alpha: sigmoid(5) = 0.9933, so that nearly everything passes at first.
START = 5.0


class Adam:
    """Adam (Kingma and Ba 2015) on one tensor, as torch.optim.Adam computes it: betas .9/.999, eps 1e-8.

    The one of torch imports its compiler when first used: six CPU seconds before the first map of a session.
    """

    def __init__(self, tensor: Tensor, lr: float, eps: float = 1e-8) -> None:
        self._tensor, self._lr, self._eps, self._steps = tensor, lr, eps, 0
        self._mean, self._square = torch.zeros_like(tensor.detach()), torch.zeros_like(tensor.detach())

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Move the tensor one step."""
        self._steps += 1
        self._mean.lerp_(gradient, 0.1)
        self._square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        scale = (self._square.sqrt() / math.sqrt(1 - 0.999**self._steps)).add_(self._eps)
        self._tensor.addcdiv_(self._mean, scale, value=-self._lr / (1 - 0.9**self._steps))


class Bottlenecked(Protocol):
    """What a bottleneck can be put into: the brain encoder, or a tower of CLIP (:mod:`towers`)."""

    def check_layer(self, layer: int) -> int:
        """Refuse a layer that is not there."""

    def tail(self, x: Tensor, layer: int) -> Tensor:
        """Return (B, embed) unit vectors of (B, L, d) activations at `layer`."""


@dataclass(frozen=True)
class IbbaConfig:
    """Settings of one run.

    Parameters
    ----------
    layer : int
        Blocks passed before the bottleneck; 0 = the encoder's input after ln_pre: what the planted-truth benchmark
        chose (level 1, 100 brains: hard AUROC 0.946 against 0.907, 0.811, 0.613 after 1, 2, 3 of 4; the paper's is 7
        of 12).
    beta : float
        Price of information. Its meaning depends on tokens x width: see :meth:`beta_per_nat`.
    sigma : float
        Standard deviation of the noise and of the prior; real in our modes, 1 and inert in ``m2ib_strict``.
    copies, steps : int
        Noise draws per step, and steps of Adam.
    lr : float
    seed : int
        Of the noise; the same noise serves all betas, so that maps differ by beta alone.
    average : int
        Maps of this many seeds are averaged (the n-th is `seed` + 1000 n). One map of 10 copies repeats with a
        correlation of 0.93 (level 1 of the benchmark); three averaged reach 0.97-0.98 at three times the cost, 30
        copies at that cost only 0.957. At the cost of 10 copies, antithetic noise gave 0.928, fewer copies in the
        first steps and more in the last ones 0.934, with a decaying rate 0.942: not worth leaving the published way.
    mode : str
        ``m2ib``: KL averaged over elements, Adam eps 1e-8, the map of the last forward pass.
        ``m2ib_strict``: the same with sigma ignored, as in M2IB's code.
        ``recommended``: gradients free of Adam's eps, the map after the last update.
    class_token : str
        ``noise`` (through the bottleneck), ``keep`` (passes clean), ``skip_kl`` (noisy but free of charge).
    """

    layer: int = 0
    beta: float = 0.1
    sigma: float = 1.0
    copies: int = 10
    steps: int = 20
    lr: float = 1.0
    seed: int = 0
    average: int = 1
    mode: Literal["m2ib", "m2ib_strict", "recommended"] = "m2ib"
    class_token: Literal["noise", "keep", "skip_kl"] = "noise"

    def __post_init__(self) -> None:
        for name in ("beta", "sigma", "copies", "steps", "lr", "average"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise BrainViewError(f"{name} must be a positive number, got {value!r}")

    @staticmethod
    def default_layer(blocks: int) -> int:
        """Return the layer that the planted-truth benchmark chose, for an encoder of `blocks` blocks."""
        return min(IbbaConfig.layer, blocks - 1)

    @staticmethod
    def default_beta(tokens: int, width: int) -> float:
        """Return the beta at which a nat costs what it cost the benchmark's best map (two digits).

        `tokens` with the class token. A constant beta would mean something else on every encoder: KL is averaged over
        tokens x width, the likeness is not. The paper's 0.1 stands in the benchmark's tables beside it.
        """
        return float(f"{PER_NAT * tokens * width:.2g}")

    def having(self, **changes: Any) -> IbbaConfig:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def beta_per_nat(self, tokens: int, width: int) -> float:
        """Return beta / (tokens x width): what one nat costs; comparable between encoders."""
        return self.beta / (tokens * width)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class IbbaResult:
    """What a run found.

    Parameters
    ----------
    scores : (n_tokens,) float32 array
        Capacity of each token in bits; the class token is not among them.
    bits : float
        Total capacity, class token included.
    fit_curve : (steps,) float32 array
        Mean likeness through the bottleneck at every step.
    fit_open, fit_closed : float
        Likeness without bottleneck, and with it at the last step.
    final : bool
        False for a preview (fewer steps or copies than asked for).
    step : int
        Steps done.
    config : IbbaConfig
    """

    scores: np.ndarray
    bits: float
    fit_curve: np.ndarray
    fit_open: float
    fit_closed: float
    final: bool
    step: int
    config: IbbaConfig

    @property
    def fit_kept(self) -> float:
        """Share of the likeness that survives the bottleneck; a map whose fit collapsed explains nothing."""
        return self.fit_closed / self.fit_open if self.fit_open else float("nan")


def bottleneck_kl(alpha: Tensor, x: Tensor, sigma: float = 1.0) -> Tensor:
    """Return the KL of N(lam x, (1-lam)^2 sigma^2) to N(0, sigma^2) per element, in nats (>= 0).

    Stable at both ends: log(1 - lam) is logsigmoid(-alpha), and (1-lam)^2 is expm1-free at alpha -> -inf.
    """
    log_var = 2 * F.logsigmoid(-alpha)
    mean = torch.sigmoid(alpha) * x / sigma
    return -0.5 * (1 + log_var - mean.square() - log_var.exp())


def ibba_steps(encoder: Bottlenecked, x: Tensor, target: Target, config: IbbaConfig,
               check: Callable[[], None] = lambda: None) -> Iterator[IbbaResult]:
    """Run IB-BA and yield the state after every step; the last one is final.

    Parameters
    ----------
    encoder : BrainEncoder
        Frozen, in eval mode (see :func:`frozen`).
    x : (L, d) tensor
        Residual stream of one brain at ``config.layer``, class token first.
    target : Target
    check : callable
        Called at every step; raises to cancel.
    """
    encoder.check_layer(config.layer)
    done: list[IbbaResult] = []
    for number in range(config.average):
        for result in _one_seed(encoder, x, target, config, config.seed + 1000 * number, check):
            if result.final and number < config.average - 1:
                done.append(result)
            elif result.final:
                yield _mean([*done, result])
            else:
                yield result


def _mean(results: list[IbbaResult]) -> IbbaResult:
    """Return the mean over seeds of one run."""
    if len(results) == 1:
        return results[0]
    last = results[-1]
    return replace(last, scores=np.stack([r.scores for r in results]).mean(0),
                   bits=float(np.mean([r.bits for r in results])),
                   fit_curve=np.stack([r.fit_curve for r in results]).mean(0),
                   fit_closed=float(np.mean([r.fit_closed for r in results])))


def _one_seed(encoder: Bottlenecked, x: Tensor, target: Target, config: IbbaConfig, seed: int,
              check: Callable[[], None]) -> Iterator[IbbaResult]:
    """Yield the state after every step of one seed."""
    x = x.detach().float()
    sigma = 1.0 if config.mode == "m2ib_strict" else config.sigma
    alpha = torch.full_like(x, START, requires_grad=True)
    scale = float(x.numel()) if config.mode == "recommended" else 1.0
    adam = Adam(alpha, config.lr)
    noise_source = torch.Generator(device=x.device).manual_seed(seed)
    direction = target.direction.to(x)
    with torch.no_grad():
        fit_open = float(encoder.tail(x[None], config.layer) @ direction)
    curve: list[float] = []
    prefix = int(getattr(encoder, "prefix", 1))
    for step in range(config.steps):
        check()
        shown_kl, fit = _step(encoder, x, alpha, direction, config, sigma, scale, adam, noise_source)
        curve.append(fit)
        last = step == config.steps - 1
        if config.mode == "recommended" and last:
            shown_kl = bottleneck_kl(alpha.detach(), x, sigma)  # needs no forward pass
        yield _result(shown_kl, curve, fit_open, last, config, prefix)


def _step(encoder: Bottlenecked, x: Tensor, alpha: Tensor, direction: Tensor, config: IbbaConfig, sigma: float,
          scale: float, adam: Adam, source: torch.Generator) -> tuple[Tensor, float]:
    """Do one step of Adam; return (KL before the update (L, d), mean likeness)."""
    lam = torch.sigmoid(alpha)
    noise_share = torch.sigmoid(-alpha) * sigma
    noise = torch.randn((config.copies, *x.shape), generator=source, device=x.device, dtype=x.dtype)
    z = lam * x + noise_share * noise
    if config.class_token == "keep":
        z = torch.cat([x[None, :1].expand(config.copies, -1, -1), z[:, 1:]], 1)
    kl = bottleneck_kl(alpha, x, sigma)
    price = kl if config.class_token == "noise" else kl[1:]
    fit = (encoder.tail(z, config.layer) @ direction).mean()
    loss = scale * (config.beta * price.sum() / kl.numel() - fit)
    (gradient,) = torch.autograd.grad(loss, [alpha])
    adam.step(gradient)
    return kl.detach(), float(fit.detach())


def _result(kl: Tensor, curve: list[float], fit_open: float, final: bool, config: IbbaConfig,
            prefix: int = 1) -> IbbaResult:
    bits = kl.sum(-1) / math.log(2)
    return IbbaResult(bits[prefix:].cpu().numpy().astype(np.float32), float(bits.sum()), np.array(curve, np.float32),
                      fit_open, curve[-1], final, len(curve), config)


def ibba(encoder: Bottlenecked, x: Tensor, target: Target, config: IbbaConfig,
         check: Callable[[], None] = lambda: None) -> IbbaResult:
    """Run IB-BA to the end; see :func:`ibba_steps`."""
    result = None
    for result in ibba_steps(encoder, x, target, config, check):  # noqa: B007 - the last one is wanted
        pass
    assert result is not None
    return result


def ibba_betas(encoder: Bottlenecked, x: Tensor, target: Target, config: IbbaConfig, betas: list[float],
               check: Callable[[], None] = lambda: None) -> list[IbbaResult]:
    """Run several betas with the same noise; one batch on a GPU, one after another on a CPU.

    A batch pays only where kernel launches dominate: on a CPU it falls out of the cache. Both give the same maps:
    one alpha per beta, and the sum (not the mean) of the betas' losses, so that Adam sees the same gradients.
    """
    if x.device.type == "cpu" or len(betas) == 1 or config.average > 1:
        return [ibba(encoder, x, target, config.having(beta=b), check) for b in betas]
    return _ibba_batch(encoder, x, target, config, betas, check)


def _ibba_batch(encoder: Bottlenecked, x: Tensor, target: Target, config: IbbaConfig, betas: list[float],
                check: Callable[[], None]) -> list[IbbaResult]:
    x = x.detach().float()
    sigma = 1.0 if config.mode == "m2ib_strict" else config.sigma
    alpha = torch.full((len(betas), *x.shape), START, device=x.device, requires_grad=True)
    scale = float(x.numel()) if config.mode == "recommended" else 1.0
    adam = Adam(alpha, config.lr)
    source = torch.Generator(device=x.device).manual_seed(config.seed)
    direction = target.direction.to(x)
    price_of = torch.tensor(betas, device=x.device, dtype=x.dtype)
    with torch.no_grad():
        fit_open = float(encoder.tail(x[None], config.layer) @ direction)
    curves: list[list[float]] = [[] for _ in betas]
    kl = torch.zeros_like(alpha)
    for _ in range(config.steps):
        check()
        noise = torch.randn((config.copies, *x.shape), generator=source, device=x.device, dtype=x.dtype)
        z = torch.sigmoid(alpha)[:, None] * x + (torch.sigmoid(-alpha) * sigma)[:, None] * noise
        if config.class_token == "keep":
            z = torch.cat([x[:1].expand(*z.shape[:2], -1, -1), z[:, :, 1:]], 2)
        kl = bottleneck_kl(alpha, x, sigma)
        price = kl if config.class_token == "noise" else kl[:, 1:]
        fit = (encoder.tail(z.flatten(0, 1), config.layer) @ direction).view(len(betas), -1).mean(1)
        loss = scale * (price_of * price.sum((1, 2)) / x.numel() - fit).sum()
        (gradient,) = torch.autograd.grad(loss, [alpha])
        adam.step(gradient)
        for curve, value in zip(curves, fit.detach().tolist(), strict=True):
            curve.append(value)
    if config.mode == "recommended":
        kl = bottleneck_kl(alpha.detach(), x, sigma)
    return [_result(k.detach(), c, fit_open, True, config.having(beta=b))
            for k, c, b in zip(kl, curves, betas, strict=True)]


def frozen(encoder: BrainEncoder) -> BrainEncoder:
    """Return the encoder in eval mode without weight gradients, which would double the cost of a step."""
    encoder.eval()
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    return encoder
