"""Every loss against the check values of the reference, and what its gradient reaches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from brainview.core.errors import MismatchError
from brainview.language.video.losses import (
    CosineClassifier,
    FeatureBank,
    adaptation_loss,
    clip_loss,
    entropy_separation,
    neighbourhood_loss,
    reconstruction_loss,
    sample_vector,
)


def test_clip_loss_is_the_sum_of_both_directions():
    torch.manual_seed(0)
    z, x = torch.randn(5, 8), torch.randn(5, 8)
    s = torch.nn.functional.normalize(z, dim=-1) @ torch.nn.functional.normalize(x, dim=-1).T / 0.05
    by_hand = -(s.diag() - s.logsumexp(1)).mean() - (s.diag() - s.logsumexp(0)).mean()
    assert clip_loss(z, x).item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert clip_loss(torch.eye(4), torch.eye(4), 1e6).item() == pytest.approx(0, abs=1e-6)
    assert clip_loss(torch.ones(4, 3), torch.ones(4, 3)).item() == pytest.approx(2 * math.log(4), rel=1e-5)


def test_samples_of_one_category_can_be_left_out_of_each_others_negatives():
    z = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    kept, left = clip_loss(z, z), clip_loss(z, z, same=torch.tensor([0, 0, 1]))
    assert left.item() < 1e-3 < kept.item()


def test_reconstruction_check_values():
    a, b = torch.zeros(2, 3, 4), torch.full((2, 3, 4), 0.5)
    assert reconstruction_loss(a, b, 0.25, "sum").item() == pytest.approx(1.25)
    assert reconstruction_loss(a, b, 0.25, "mean").item() == pytest.approx(0.3125)
    with pytest.raises(MismatchError):
        reconstruction_loss(a, b, 0.25, "max")


def test_sample_vector_has_unit_length():
    assert torch.allclose(sample_vector(torch.randn(3, 32, 8)).norm(dim=-1), torch.ones(3), atol=1e-5)


def full_bank(rows: torch.Tensor) -> FeatureBank:
    bank = FeatureBank(len(rows), rows.shape[1])
    bank.update(torch.arange(len(rows)), rows)
    return bank


@pytest.mark.parametrize(("temperature", "value"), [(0.05, 1.0986), (0.5, 2.1649)])
def test_neighbourhood_check_values(temperature, value):
    unit = torch.eye(4)
    bank = full_bank(unit[torch.arange(12) % 4])
    loss = neighbourhood_loss(unit[:2], torch.tensor([0, 1]), bank, unit[:3], temperature)
    # similarities to 2 + 1 equal neighbours (own row out): log 3 when the rest vanishes
    assert loss.item() == pytest.approx(value, abs=2e-4)


def test_neighbourhood_leaves_out_rows_that_were_never_filled():
    bank = FeatureBank(6, 4)
    with pytest.raises(MismatchError, match="empty"):
        neighbourhood_loss(torch.eye(4)[:1], torch.tensor([0]), bank, torch.eye(4)[:2])
    bank.update(torch.arange(3), torch.eye(4)[:3])
    few = neighbourhood_loss(torch.eye(4)[:1], torch.tensor([0]), bank, torch.eye(4)[1:3], 0.5)
    assert few.item() == pytest.approx(math.log(4), abs=1e-4)  # 2 filled neighbours and 2 prototypes, all equal


def test_bank_keeps_no_gradient_and_obeys_its_momentum():
    bank = FeatureBank(2, 2, momentum=0.5)
    f = torch.tensor([[2.0, 0.0]], requires_grad=True)
    bank.update(torch.tensor([1]), f)
    assert not bank.rows.requires_grad and torch.allclose(bank.rows[1], torch.tensor([1.0, 0.0]))
    bank.update(torch.tensor([1]), torch.tensor([[0.0, 1.0]]))
    assert torch.allclose(bank.rows[1], torch.tensor([0.5**0.5, 0.5**0.5]))


def test_entropy_separation_check_values():
    assert entropy_separation(torch.zeros(1, 180)).item() == pytest.approx(-2.5965, abs=1e-4)
    one_hot = torch.full((1, 180), -1e4)
    one_hot[0, 3] = 0
    assert entropy_separation(one_hot).item() == pytest.approx(-2.5965, abs=1e-4)
    p = torch.softmax(torch.linspace(0, 6, 180), 0)
    entropy = float(-(p * p.log()).sum())
    assert entropy_separation(p.log()[None], margin=0.5, rho=entropy + 0.4).item() == 0  # inside the margin
    assert entropy_separation(p.log()[None], margin=0.5, rho=entropy + 0.7).item() == pytest.approx(-0.7, abs=1e-4)


def test_classifier_ignores_length_and_adaptation_adds_up():
    g = CosineClassifier(6, 4)
    f = torch.randn(3, 6)
    assert torch.allclose(g(f), g(10 * f), atol=1e-4) and g(f).abs().max() <= 20.001
    parts = adaptation_loss(g(f), torch.tensor([0, 1, 2]), torch.tensor(2.0), torch.tensor(-1.0), eta=0.05)
    assert parts["loss"].item() == pytest.approx(parts["cls"].item() + 0.05, rel=1e-5)


def test_adaptation_losses_reach_the_feature_and_the_prototypes():
    g, bank = CosineClassifier(4, 3), full_bank(torch.randn(6, 4))
    f = torch.randn(2, 4, requires_grad=True)
    neighbourhood_loss(f, torch.tensor([0, 1]), bank, g.prototypes(), 0.05).backward()
    assert f.grad.abs().sum() > 0 and g.weight.grad.abs().sum() > 0
    f.grad = None
    entropy_separation(g(f), margin=0.0).backward()
    assert np.isfinite(f.grad.numpy()).all() and f.grad.abs().sum() > 0
