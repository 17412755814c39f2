"""Adaptors, masked modelling, tokenizers, branches and prompts, with tiny models of the real classes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.language.video.adaptors import (
    LowRank,
    adapt_qformer,
    adapt_vit,
    adaptor_parameters,
    adaptor_state,
    load_adaptors,
)
from brainview.language.video.branches import BrainBranch, BranchSizes, VideoBranch, qformer, train_only
from brainview.language.video.config import PRESETS, FilmConfig
from brainview.language.video.llm import TinySizes, load_llm, reload_tiny, save_llm, tiny_llm
from brainview.language.video.losses import CosineClassifier, FeatureBank, neighbourhood_loss
from brainview.language.video.mbm import BrainEncoder, MaskedModel, MbmSizes, load_mind_vis, masked_error, sincos
from brainview.language.video.stages import feature_of, trained_in_stage_one
from brainview.language.video.tokenizers import SurfaceTokenizer, VolumeTokenizer, parcels_of
from brainview.maps.space import MaskedSpace, VolumeSpace, surface_space

SIZES = MbmSizes(32, 2, 2, 16, 1, 2)
QUERIES = BranchSizes(32, 2, 1, 2, 2, 8)


def surface(width: int = 32, times: int = 1) -> SurfaceTokenizer:
    return SurfaceTokenizer(np.arange(120) // 20, width, 16, times)


def branch(**options) -> tuple[BrainBranch, VideoBranch]:
    torch.manual_seed(0)
    video = VideoBranch(QUERIES, 24, 48, 0.1, queries=False).eval()
    encoder = BrainEncoder(SIZES, torch.randn(6, 3))
    return BrainBranch(surface(), encoder, video, rank=4, **options).eval(), video


# --- adaptors ---------------------------------------------------------------------------------------------------


def test_adaptors_change_nothing_at_step_0_and_only_b_gets_a_gradient():
    plain, _ = branch(adaptor="none")
    x = torch.randn(2, 120)
    before = plain(x)
    adapted = copy.deepcopy(plain)
    adapt_vit(adapted.encoder.blocks, 4)
    adapt_qformer(adapted.qformer, 4)
    assert torch.allclose(adapted(x), before, atol=1e-6)
    adapted(x).square().sum().backward()
    down = [p.grad for n, p in adaptor_parameters(adapted) if n.endswith("down.weight")]
    up = [p.grad for n, p in adaptor_parameters(adapted) if n.endswith("up.weight")]
    assert all(g.abs().sum() == 0 for g in down) and any(g.abs().sum() > 0 for g in up)


def test_adaptors_sit_on_the_q_third_and_are_not_linear():
    torch.manual_seed(1)
    encoder = BrainEncoder(SIZES, torch.randn(6, 3)).eval()
    adapt_vit(encoder.blocks, 4)
    qkv = encoder.blocks[0].attn.qkv
    nn.init.normal_(qkv.adaptor.up.weight)
    x = torch.randn(1, 6, 32)
    extra = qkv(x) - qkv.base(x)
    assert extra[..., :32].abs().sum() > 0 and torch.allclose(extra[..., 32:], torch.zeros(1, 6, 64), atol=1e-6)
    low = LowRank(4, 4, 2)
    nn.init.normal_(low.up.weight)
    low.down.bias.data.zero_()
    y = torch.randn(5, 4)
    assert not torch.allclose(low(2 * y), 2 * low(y), atol=1e-4)


@pytest.mark.parametrize("kind", ["nonlinear", "lora"])
def test_checkpoint_of_adaptors_holds_nothing_else_and_loads_or_says_why(kind):
    one, _ = branch(adaptor=kind)
    state = adaptor_state(one)
    share = sum(v.numel() for v in state.values()) / sum(p.numel() for p in one.parameters())
    assert state and share < 0.25 and not any("blocks.0.attn.proj" in n for n in state)
    for value in state.values():
        value.add_(0.1)
    load_adaptors(one, state)
    assert all(torch.equal(v, state[n]) for n, v in adaptor_state(one).items())
    first = next(iter(state))
    with pytest.raises(MismatchError, match="1 missing"):
        load_adaptors(one, {k: v for k, v in state.items() if k != first})


def test_stage_one_trains_tokenizer_adaptors_and_bridge_and_freezes_the_rest():
    brain, _ = branch(adaptor="nonlinear")
    names = {n for n, _ in train_only(brain, trained_in_stage_one(FilmConfig()))}
    assert {"bridge.1.weight", "tokenizer.embed.weight"} <= names and any("adaptor.down" in n for n in names)
    assert not any(n.endswith(("attn.proj.weight", "qkv.base.weight", "dense.weight", "cls_token")) for n in names)
    assert not brain.training  # frozen dropout stays off


def test_target_losses_reach_the_bridge_because_f_is_read_after_it():
    brain, _ = branch(adaptor="nonlinear")
    g, bank = CosineClassifier(32, 5), FeatureBank(4, 32)
    train_only(brain, lambda n: n.startswith("bridge."))
    x = torch.randn(4, 120)
    f = feature_of(brain(x))
    bank.update(torch.arange(4), f.detach())
    neighbourhood_loss(f, torch.arange(4), bank, g.prototypes(), 0.05).backward()
    assert brain.bridge[1].weight.grad.abs().sum() > 0 and g.weight.grad.abs().sum() > 0
    assert brain.tokenizer.embed.weight.grad is None


# --- masked modelling and tokenizers ------------------------------------------------------------------------------


def test_masked_loss_counts_hidden_patches_only_and_a_quarter_is_seen():
    target, hidden = torch.ones(1, 4, 3), torch.tensor([[True, False, True, False]])
    guess = torch.zeros(1, 4, 3)
    guess[0, 1] = 99
    assert masked_error(guess, target, hidden).item() == pytest.approx(1.0)
    model = MaskedModel(surface(), BrainEncoder(SIZES, torch.randn(6, 3)))
    keep, mask = model.masks(3, 16, torch.Generator().manual_seed(0))
    assert keep.shape == (3, 4) and mask.sum(1).tolist() == [12, 12, 12]
    assert not mask.gather(1, keep).any()


def test_masked_pretraining_learns_correlated_brains():
    torch.manual_seed(0)
    model = MaskedModel(surface(), BrainEncoder(SIZES, torch.randn(6, 3)))
    optimizer, mix = torch.optim.AdamW(model.parameters(), 3e-3), torch.randn(2, 120)
    draw = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(60):
        loss = model(torch.randn(32, 2) @ mix, draw)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_mind_vis_blocks_load_where_they_fit_and_the_rest_is_told(tmp_path):
    encoder = BrainEncoder(SIZES, torch.randn(6, 3))
    foreign = {f"mae.{k}": v + 1 for k, v in encoder.state_dict().items()}
    foreign |= {"mae.patch_embed.proj.weight": torch.zeros(32, 1, 16), "mae.pos_embed": torch.zeros(1, 9, 32),
                "mae.norm.weight": torch.zeros(7)}
    torch.save({"model": foreign}, tmp_path / "checkpoint.pth")
    report = load_mind_vis(encoder, tmp_path / "checkpoint.pth")
    assert "blocks.1.attn.qkv.weight" in report["loaded"] and "patch_embed.proj.weight" in report["not used"]
    assert report["other shape"] == ["norm.weight (7,) here (32,)"]
    assert torch.equal(encoder.state_dict()["blocks.0.attn.proj.bias"], foreign["mae.blocks.0.attn.proj.bias"])
    with pytest.raises(MismatchError, match="no block fits"):
        load_mind_vis(BrainEncoder(MbmSizes(16, 1, 2), torch.randn(6, 3)), tmp_path / "checkpoint.pth")
    (tmp_path / "bad.pth").write_bytes(b"cos\nsystem\n(S'x'\ntR.")
    with pytest.raises(FormatError):
        load_mind_vis(encoder, tmp_path / "bad.pth")


def test_whole_volumes_become_144_tokens():
    with torch.device("meta"):
        made = nn.Sequential(nn.Conv3d(1, 16, 4, 4), nn.Conv3d(16, 1024, 4, 4))
        assert tuple(made(torch.empty(2, 1, 100, 100, 72)).shape) == (2, 1024, 6, 6, 4)
    space = VolumeSpace("native:x", (100, 100, 72), np.eye(4))
    tokenizer = VolumeTokenizer(space, 8, times=2)
    assert tokenizer.tokens == 144 and tokenizer.cells == (6, 6, 4)


def test_volume_tokenizer_puts_a_mask_on_its_grid_and_has_targets_for_every_token():
    grid = VolumeSpace("native:x", (10, 10, 8), np.eye(4))
    space = MaskedSpace("brain", grid, np.arange(0, 800, 3))
    tokenizer = VolumeTokenizer(space, 16, times=2)
    x = torch.randn(3, 2, space.size)
    assert tokenizer(x).shape == (3, 2 * tokenizer.tokens, 16)
    assert tokenizer.targets(x).shape == (3, 2 * tokenizer.tokens, 8)
    assert torch.equal(tokenizer.grid(x).reshape(6, -1)[0, space.index], x[0, 0])
    with pytest.raises(MismatchError, match="volumes a trial"):
        tokenizer(torch.randn(1, 3, space.size))


def test_surface_tokenizer_sees_every_vertex_and_pools_by_parcel():
    tokenizer = surface(8)
    x = torch.zeros(1, 120, requires_grad=True)
    tokenizer(x).square().sum().backward()
    base = tokenizer(torch.zeros(1, 120))
    for vertex in (0, 17, 119):
        moved = torch.zeros(1, 120)
        moved[0, vertex] = 1
        changed = (tokenizer(moved) - base).abs().sum(-1)[0] > 1e-7
        assert changed.nonzero().flatten().tolist() == [vertex // 20]


def test_parcels_are_neighbours_of_nearly_equal_size():
    parcels, centres = parcels_of(surface_space("fsaverage5"), 64)
    sizes = np.bincount(parcels)
    assert len(sizes) == 64 == len(centres) and sizes.max() < 1.2 * sizes.min()
    assert not set(parcels[:10_242]) & set(parcels[10_242:])


def test_position_codes_differ():
    code = sincos(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 1]]), 32)
    assert code.shape == (3, 32) and torch.cdist(code, code)[0, 1:].min() > 0.1


# --- branches and language model --------------------------------------------------------------------------------


def test_both_branches_end_in_32_tokens_of_the_same_q_former():
    brain, video = branch(adaptor="nonlinear")
    x = video(torch.randn(2, 4, 5, 24))
    z = brain(torch.randn(2, 120))
    assert x.shape == z.shape == (2, 8, 32) and video.proj(z).shape == (2, 8, 48)
    assert torch.equal(brain.qformer.encoder.layer[0].crossattention.attention.key.weight,
                       video.video_qformer.encoder.layer[0].crossattention.attention.key.weight)
    soft = video.proj(z)
    assert soft.std().item() == pytest.approx(0.1, rel=0.1)  # the scale of the word embeddings
    assert torch.cdist(*(video(torch.randn(1, 4, 5, 24))[0] for _ in range(2))).diag().min() > 1e-3


def test_papers_sizes_are_those_of_video_llama():
    with torch.device("meta"):
        made = qformer(768, 12, 2, 768, 1)
    assert made.config.cross_attention_frequency == 1 and len(made.encoder.layer) == 2
    assert all(hasattr(layer, "crossattention") for layer in made.encoder.layer)
    assert FilmConfig.of(PRESETS["paper"]).bank_tau == 0.5 and FilmConfig.of(PRESETS["demo"]).llm == "tiny"


TEXTS = ["A man is running in the park.", "A girl is reading a book.", "What is the main thing happening?"]


def test_labels_are_the_answer_and_its_end_alone():
    llm = tiny_llm(TEXTS, TinySizes(32, 1, 2, 300))
    soft = torch.randn(2, 8, 32)
    logits, labels = llm._teacher_forced(soft, [TEXTS[2]] * 2, TEXTS[:2])
    assert logits.shape[:2] == labels.shape
    for row, text in zip(labels, TEXTS[:2], strict=True):
        kept = row[row != -100].tolist()
        assert kept == [*llm.ids(text), llm.stop]
    whole = llm.loss(soft, [TEXTS[2]] * 2, TEXTS[:2])
    assert torch.isfinite(whole)


def test_tiny_model_learns_to_say_what_its_tokens_mean_and_stops(tmp_path):
    torch.manual_seed(0)
    llm = tiny_llm(TEXTS, TinySizes(48, 1, 2, 300))
    soft = torch.randn(2, 4, 48) * 0.5
    optimizer = torch.optim.AdamW(llm.model.parameters(), 5e-3)
    for _ in range(60):
        loss = llm.loss(soft, [TEXTS[2]] * 2, TEXTS[:2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert llm.generate(soft, [TEXTS[2]] * 2) == TEXTS[:2]
    assert llm.generate(soft.flip(0), [TEXTS[2]] * 2) == TEXTS[1::-1]
    save_llm(llm, tmp_path / "llm")
    again = reload_tiny(tmp_path / "llm")
    assert again.key == llm.key and again.generate(soft, [TEXTS[2]] * 2) == TEXTS[:2]
    right, wrong = (sum(s for _, s in llm.word_scores(soft[0], TEXTS[2], t)) for t in TEXTS[:2])
    assert right > wrong


def test_batches_of_questions_of_different_length_are_answered_as_alone():
    llm = tiny_llm(TEXTS, TinySizes(32, 1, 2, 300))
    soft, asked = torch.randn(2, 4, 32), ["Why?", TEXTS[2]]
    both = llm.generate(soft, asked, longest=6)
    assert both == [llm.generate(soft[i:i + 1], asked[i:i + 1], longest=6)[0] for i in range(2)]


def test_unknown_models_are_told_in_one_line(tmp_path):
    with pytest.raises(MissingError, match="not on this machine"):
        load_llm("nobody/no-such-model-7b")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FormatError, match="no causal language model"):
        load_llm(str(tmp_path))


def test_settings_are_checked():
    with pytest.raises(MismatchError, match="no setting"):
        FilmConfig.of({"lambda": 1})
    with pytest.raises(MismatchError, match="between 0 and 1"):
        FilmConfig.of({"lam": "1.5"})
    assert FilmConfig.of({"adapt": "no", "tokens": "32"}).adapt is False
