"""The compared methods do what their papers say, and leave nothing behind."""

import numpy as np
import pytest
import torch

from brainview.alignment.encoder import BrainEncoder, EncoderConfig
from brainview.alignment.patches import PatchGrid
from brainview.attribution import grading
from brainview.attribution.ibba import frozen
from brainview.attribution.methods import (
    METHODS,
    contrast,
    grad_cam,
    occlusion,
    relevance_rule,
    rise,
    token_scores,
)
from brainview.attribution.planted import PlantedConfig, plant
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError


@pytest.fixture(scope="module")
def setting():
    torch.manual_seed(2)
    grid = PatchGrid(np.ones((6, 6, 6), bool), 3)
    encoder = frozen(BrainEncoder(EncoderConfig(width=32, blocks=3, heads=4, patch=3, embed=16), grid.n_tokens))
    return encoder, grid, torch.randn(grid.n_tokens, 27), Target(torch.randn(16), torch.randn(16))


@pytest.mark.parametrize("name", METHODS)
def test_contract_of_every_method(setting, name):
    encoder, grid, patches, target = setting
    settings = {"masks": 40} if name == "rise" else {"steps": 4, "copies": 2} if name == "ibba" else {}
    scores = token_scores(name, encoder, patches, target, 1, grid=grid, **settings)
    again = token_scores(name, encoder, patches, target, 1, grid=grid, **settings)
    assert scores.shape == (grid.n_tokens,) and np.isfinite(scores).all() and np.array_equal(scores, again)
    assert not encoder.training and all(p.grad is None for p in encoder.parameters())
    assert all(not m._forward_hooks and not m._backward_hooks for m in encoder.modules())


def test_unknown_method_is_told(setting):
    encoder, grid, patches, target = setting
    with pytest.raises(BrainViewError, match="no attribution method"):
        token_scores("magic", encoder, patches, target, 1, grid=grid)


def test_grad_cam_has_nothing_after_the_last_block(setting):
    encoder, _, patches, target = setting
    x = encoder.stream(patches[None])[3].requires_grad_(True)
    (g,) = torch.autograd.grad(target.score(encoder.tail(x, 3)).sum(), [x])
    assert float(g[:, 1:].abs().max()) == 0
    with pytest.raises(BrainViewError, match="after the last block"):
        grad_cam(encoder, patches, target, 3)


def test_relevance_rule_by_hand():
    eye, c = torch.eye(4)[None], 0.3
    r = relevance_rule([(eye, torch.full((1, 4, 4), c))] * 3, 4)
    assert torch.allclose(torch.diag(r), torch.full((4,), (1 + c) ** 3))
    assert torch.allclose(r - torch.diag(torch.diag(r)), torch.zeros(4, 4))


class Linear(torch.nn.Module):
    """A linear 'encoder': the likeness is a weighted sum of voxels."""

    def __init__(self, weights, n_tokens):
        super().__init__()
        self.weights, self.n_tokens = weights, n_tokens

    def forward(self, patches):
        return torch.stack([(patches * self.weights).sum((1, 2)), torch.zeros(len(patches))], 1)


def test_rise_and_occlusion_recover_a_linear_model():
    grid = PatchGrid(np.ones((12, 12, 12), bool), 3)
    weights = torch.linspace(-1, 1, grid.n_tokens)[torch.randperm(grid.n_tokens)][:, None].expand(-1, 27) / 27
    model = Linear(weights, grid.n_tokens)
    patches, target = torch.ones(grid.n_tokens, 27), Target(torch.tensor([1.0, 0.0]), None)
    exact = occlusion(model, patches, target)
    assert np.allclose(exact, weights[:, 0] * 27, atol=1e-4)
    scores = rise(model, patches, target, grid=grid, masks=1500, cells=(4, 4, 4))
    tokens = grid.patches(scores).mean(-1)
    assert np.corrcoef(tokens, exact)[0, 1] > 0.5


def test_grading_by_hand():
    truth = np.array([1, 1, 0, 0], bool)
    assert grading.auroc(np.array([4, 3, 2, 1.0]), truth) == 1 and grading.auroc(np.ones(4), truth) == 0.5
    assert grading.average_precision(np.array([4, 1, 3, 2.0]), truth) == pytest.approx((1 + 2 / 4) / 2)
    distractor = np.array([0, 0, 1, 0], bool)
    assert grading.hard_auroc(np.array([4, 3, 2, 9.0]), truth, distractor) == 1
    xyz = np.array([[0, 0, 0], [5, 5, 5], [5, 5, 6], [9, 9, 9]])
    assert grading.pointing(np.array([0, 0, 1.0, 0]), truth, xyz)
    assert not grading.pointing(np.array([0, 0, 0, 1.0]), truth, xyz)
    y = np.array([0.5, 0.4])
    assert grading.degradation(y, y) == {"drop": 0, "relative_drop": 0, "increase": 0}
    assert grading.degradation(y, np.array([0.1, 0.6]))["drop"] == pytest.approx(20)
    assert (grading.unit_range(np.full(3, 7.0)) == 1).all()
    assert (grading.unit_range(np.zeros(3)) == 0).all(), "an all-zero map keeps nothing: its drop is Y - f(0)"
    assert grading.area_under_steps(np.array([1.0, 0.5, 0.0])) == pytest.approx(0.5)
    assert contrast(np.array([3.0]), [np.array([1.0]), np.array([2.0])])[0] == 1.5


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_planted_worlds(level):
    brains = plant(PlantedConfig(level=level, size=20, radius=2.0), 40)
    assert np.allclose(np.linalg.norm(brains.image, axis=1), 1, atol=1e-5)
    assert not (brains.regions.sum(0) > 1).any() and not (brains.regions.any(0) & brains.nuisance.any(0)).any()
    for i in range(5):
        assert brains.truth(i).any() and not (brains.truth(i) & brains.distractors(i)).any()
    if level == 3:
        assert any((brains.truth(i, "image") != brains.truth(i, "text")).any() for i in range(40))
    again = plant(PlantedConfig(level=level, size=20, radius=2.0), 40)
    assert np.array_equal(brains.volumes, again.volumes)
    if level in (1, 4):
        active = brains.strength[:, 0] > 0
        inside = brains.volumes[:, brains.regions[0]].mean(1)
        assert inside[active].mean() > inside[~active].mean() + 0.5
