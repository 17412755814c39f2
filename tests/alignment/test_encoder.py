"""The whole-brain encoder: tokens, parameters, exact shortcuts, loss and queue."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from brainview.alignment.encoder import PRESETS, BrainEncoder, count_parameters
from brainview.alignment.loss import EmbeddingQueue, trimodal_loss
from brainview.alignment.patches import PatchGrid
from brainview.core.errors import BrainViewError
from brainview.maps.volumes import mni_mask

#: patch, mode, grid, tokens with any / >=5 % / >=10 % / >=50 % / full brain, brain voxels lost (reference table 1.3)
TOKENS = [(14, "end", (7, 8, 7), 181, 144, 129, 82, 30, 0), (14, "sym", (7, 8, 7), 174, 139, 125, 84, 30, 0),
          (14, "crop", (6, 7, 6), 176, 146, 131, 80, 28, 89), (10, "end", (10, 11, 10), 380, 338, 322, 230, 109, 0),
          (10, "sym", (10, 11, 10), 394, 345, 321, 237, 110, 0), (10, "crop", (9, 10, 9), 396, 339, 318, 230, 120, 0),
          (8, "end", (12, 14, 12), 706, 627, 596, 452, 273, 0), (8, "sym", (12, 14, 12), 710, 629, 598, 448, 274, 0),
          (8, "crop", (11, 13, 11), 689, 618, 585, 463, 269, 9), (7, "end", (13, 16, 13), 994, 900, 862, 661, 446, 0),
          (7, "sym", (13, 16, 13), 991, 909, 866, 661, 449, 0), (7, "crop", (13, 15, 13), 993, 898, 861, 677, 446, 0)]


@pytest.mark.parametrize("row", TOKENS, ids=lambda r: f"{r[0]}-{r[1]}")
def test_token_counts(row):
    patch, mode, grid, *counts, lost = row
    tokens = PatchGrid(mni_mask(2), patch, mode)
    share = tokens.brain_fraction
    assert tokens.grid == grid and tokens.n_tokens == counts[0] and tokens.lost_voxels == lost
    assert [int((share >= f).sum()) for f in (0.05, 0.10, 0.50, 1.0)] == counts[1:]


@pytest.mark.parametrize("mode", ["end", "sym", "crop"])
def test_patching_is_undone(mode):
    rng = np.random.default_rng(0)
    mask = rng.random((11, 9, 14)) < 0.6
    grid = PatchGrid(mask, 4, mode)
    values = rng.normal(size=(2, int(mask.sum()))).astype(np.float32)
    back = grid.unpatch(grid.patches(values))
    in_token = np.isin(np.arange(values.shape[1]), grid.voxel_index)
    assert (back[:, in_token] == values[:, in_token]).all() and (back[:, ~in_token] == 0).all()
    assert int((~in_token).sum()) == grid.lost_voxels


def test_a_marked_voxel_comes_back_to_its_side():
    mask = mni_mask(2)
    grid = PatchGrid(mask, 14, "sym")
    xyz = np.argwhere(mask)
    left = int(np.flatnonzero((xyz == xyz[(xyz[:, 0] < 30)][500]).all(1))[0])
    values = np.zeros((1, len(xyz)), np.float32)
    values[0, left] = 1
    token = int(grid.patches(values)[0].sum(1).argmax())
    shown = grid.spread(np.eye(grid.n_tokens, dtype=np.float32)[token], "nearest")
    assert shown[left] == 1 and (xyz[shown > 0][:, 0].max() - xyz[shown > 0][:, 0].min()) < 14


def test_spreading_keeps_a_constant_constant():
    grid = PatchGrid(mni_mask(2), 14, "sym")
    for method in ("trilinear", "nearest"):
        assert np.allclose(grid.spread(np.full(grid.n_tokens, 3.0), method), 3.0, atol=1e-5)


def test_paper_has_241_million_parameters():
    for tokens, expected in ((162, 241.17), (174, 241.18), (181, 241.19)):
        assert count_parameters(PRESETS["paper"], tokens) / 1e6 == pytest.approx(expected, abs=0.006)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return BrainEncoder(PRESETS["tiny"].having(patch=3, embed=16), 20).eval()


def test_tail_equals_full_forward(encoder):
    x = torch.randn(5, 20, 27)
    full = encoder(x)
    streams = encoder.stream(x)
    assert len(streams) == 5
    for layer, stream in enumerate(streams):
        for class_only in (True, False):
            assert torch.allclose(encoder.tail(stream, layer, class_only=class_only), full, atol=1e-5)
    assert torch.allclose(full.norm(dim=-1), torch.ones(5), atol=1e-6)


def test_attention_path_equals_fused_path(encoder):
    x = encoder.embed(torch.randn(2, 20, 27))
    out, probability = encoder.blocks[0].attention(x)
    assert torch.allclose(out, encoder.blocks[0](x), atol=1e-5)
    assert torch.allclose(probability.sum(-1), torch.ones(2, 4, 21), atol=1e-5)


def test_wrong_layer_is_told(encoder):
    with pytest.raises(BrainViewError, match=r"0 .* to 4"):
        encoder.check_layer(5)


def unit(*shape):
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def test_loss_of_two_by_hand():
    b, i, t = unit(2, 4), unit(2, 4), unit(2, 4)

    def two_ways(x, y):
        s = (x @ y.T / 0.07).tolist()
        total = 0.0
        for r in range(2):
            total -= s[r][r] - math.log(sum(math.exp(v) for v in s[r]))
            column = [s[0][r], s[1][r]]
            total -= s[r][r] - math.log(sum(math.exp(v) for v in column))
        return total / 2

    parts = trimodal_loss(b, i, t, torch.tensor([3, 4]), 0.07)
    assert float(parts["brain_image"]) == pytest.approx(two_ways(b, i))
    assert float(parts["loss"]) == pytest.approx(two_ways(b, i) + two_ways(b, t))
    swapped = trimodal_loss(b, t, i, torch.tensor([3, 4]), 0.07)
    assert float(swapped["brain_image"]) == pytest.approx(float(parts["brain_text"]))


def test_equal_ids_are_no_negatives():
    b, i, t = unit(3, 4), unit(3, 4), unit(3, 4)
    parts = trimodal_loss(b, i, t, torch.tensor([7, 7, 7]), 0.07)
    assert float(parts["loss"]) == pytest.approx(0, abs=1e-12)


def test_queue_is_first_in_first_out_and_masked():
    queue = EmbeddingQueue(4, 3)
    for k in range(3):
        e = torch.full((2, 3), float(k))
        queue.push(torch.tensor([2 * k, 2 * k + 1]), e, e, e)
    assert sorted(queue.entry_ids.tolist()) == [2, 3, 4, 5] and queue.filled == 4
    again = EmbeddingQueue(4, 3)
    again.load(queue.state())
    b, i, t = (F.normalize(torch.randn(2, 3), dim=-1) for _ in range(3))
    args = (b, i, t, torch.tensor([90, 91]), 0.1)
    assert torch.equal(trimodal_loss(*args, queue=queue)["loss"], trimodal_loss(*args, queue=again)["loss"])
    alone = trimodal_loss(*args)["loss"]
    assert trimodal_loss(*args, queue=queue)["loss"] > alone
    queue.ids.fill_(90)
    only_second = trimodal_loss(*args, queue=queue)["loss"]
    queue.ids[:] = torch.tensor([90, 91, 90, 91])
    assert only_second > alone and trimodal_loss(*args, queue=queue)["loss"] > alone


def test_queue_embeddings_carry_no_gradient():
    queue = EmbeddingQueue(8, 3)
    e = torch.randn(2, 3, requires_grad=True)
    queue.push(torch.tensor([0, 1]), e, e, e)
    assert not queue.entries("brain").requires_grad
