"""IB-BA: its formula, its shortcuts, its ends."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from brainview.alignment.encoder import BrainEncoder, EncoderConfig
from brainview.attribution.ibba import (
    IbbaConfig,
    _ibba_batch,
    bottleneck_kl,
    frozen,
    ibba,
    ibba_betas,
    ibba_steps,
)
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError, Cancelled


@pytest.fixture(scope="module")
def setting():
    torch.manual_seed(1)
    encoder = frozen(BrainEncoder(EncoderConfig(width=32, blocks=3, heads=4, patch=3, embed=16), 12))
    streams = encoder.stream(torch.randn(1, 12, 27))
    target = Target(torch.randn(16), torch.randn(16))
    return encoder, [s[0] for s in streams], target


def test_kl_at_the_start_and_at_the_ends():
    zero = torch.zeros(1)
    assert float(bottleneck_kl(torch.tensor([5.0]), zero)) == pytest.approx(4.5067, abs=1e-4)
    assert float(bottleneck_kl(torch.tensor([5.0]), torch.ones(1))) == pytest.approx(4.5067 + 0.4933, abs=1e-4)
    ends = bottleneck_kl(torch.tensor([-20.0, 25.0, 80.0]), torch.tensor([3.0, 3.0, 3.0]))
    assert float(ends[0]) == pytest.approx(0, abs=1e-6) and torch.isfinite(ends).all()
    grid = bottleneck_kl(torch.linspace(-30, 30, 601)[:, None], torch.linspace(-4, 4, 81)[None])
    assert (grid > -1e-6).all()


def test_kl_gradient_in_float64():
    alpha = torch.linspace(-6, 12, 7, dtype=torch.float64, requires_grad=True)
    x = torch.linspace(-2, 2, 7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: bottleneck_kl(a, x, 0.7), alpha)


def naive(encoder, x, target, config):
    """A straightforward M2IB loop: whole tail, all tokens, no shortcuts."""
    torch.manual_seed(0)
    source = torch.Generator().manual_seed(config.seed)
    alpha = torch.full_like(x, 5.0, requires_grad=True)
    adam = torch.optim.Adam([alpha], lr=config.lr)
    for _ in range(config.steps):
        lam = torch.sigmoid(alpha)
        eps = torch.randn((config.copies, *x.shape), generator=source)
        z = lam * x + (1 - lam) * eps
        kl = -0.5 * (1 + 2 * torch.log(1 - lam) - (lam * x) ** 2 - (1 - lam) ** 2)
        h = z
        for block in encoder.blocks[config.layer:]:
            h = block(h)
        e = F.normalize(encoder.ln_post(h[:, 0]) @ encoder.proj, dim=-1)
        cosines = sum(F.cosine_similarity(e, v[None]) for v in (target.image, target.text))
        loss = config.beta * kl.mean() - cosines.mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return (kl.sum(-1)[1:] / np.log(2)).detach().numpy()


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_same_map_as_a_naive_loop(setting, layer):
    encoder, streams, target = setting
    config = IbbaConfig(layer=layer, copies=4, steps=12)
    fast = ibba(encoder, streams[layer], target, config).scores
    slow = naive(encoder, streams[layer], target, config)
    assert np.abs(fast - slow).max() / np.abs(slow).max() < 1e-4


def test_batched_betas_equal_separate_runs(setting):
    encoder, streams, target = setting
    config = IbbaConfig(copies=3, steps=8)
    betas = [0.01, 0.1, 1.0]
    one = ibba_betas(encoder, streams[1], target, config, betas)
    batch = _ibba_batch(encoder, streams[1], target, config, betas, lambda: None)
    for a, b in zip(one, batch, strict=True):
        assert np.allclose(a.scores, b.scores, rtol=1e-4) and a.config.beta == b.config.beta


def test_capacity_falls_with_beta(setting):
    encoder, streams, target = setting
    bits = [ibba(encoder, streams[1], target, IbbaConfig(beta=b, copies=4)).bits for b in (0.01, 0.1, 1.0, 10.0)]
    assert all(a > b for a, b in itertools.pairwise(bits))


def test_sigma_acts_in_our_mode_only(setting):
    encoder, streams, target = setting

    def run(**k):
        return ibba(encoder, streams[1], target, IbbaConfig(copies=2, steps=5, **k)).scores

    assert not np.allclose(run(sigma=1.0), run(sigma=0.3))
    assert np.array_equal(run(sigma=1.0, mode="m2ib_strict"), run(sigma=0.3, mode="m2ib_strict"))


def test_runs_repeat_and_previews_say_so(setting):
    encoder, streams, target = setting
    config = IbbaConfig(copies=2, steps=5)
    results = list(ibba_steps(encoder, streams[1], target, config))
    assert [r.final for r in results] == [False] * 4 + [True] and results[2].step == 3
    assert np.array_equal(results[-1].scores, ibba(encoder, streams[1], target, config).scores)
    assert len(results[-1].fit_curve) == 5 and results[-1].scores.shape == (12,)


def test_cancel_within_one_step_and_nothing_left_behind(setting):
    encoder, streams, target = setting
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled()

    with pytest.raises(Cancelled):
        ibba(encoder, streams[1], target, IbbaConfig(steps=50), check)
    assert len(calls) == 3 and all(p.grad is None and not p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize("class_token", ["keep", "skip_kl"])
def test_class_token_switches(setting, class_token):
    encoder, streams, target = setting
    result = ibba(encoder, streams[1], target, IbbaConfig(copies=2, steps=5, class_token=class_token))
    assert np.isfinite(result.scores).all()


def test_targets(setting):
    _encoder, _, target = setting
    e = F.normalize(torch.randn(3, 16), dim=-1)
    both = target.score(e)
    image = Target.of(target.image, target.text, "image").score(e)
    text = Target.of(target.image, target.text, "text").score(e)
    assert torch.allclose(both, image + text, atol=1e-6)


@pytest.mark.parametrize("bad", [{"beta": 0.0}, {"beta": float("nan")}, {"copies": 0}, {"sigma": -1.0}])
def test_bad_settings_are_told(bad):
    with pytest.raises(BrainViewError, match=next(iter(bad))):
        IbbaConfig(**bad)
