"""The blocks of LLM-VEM against the tables of its reference page, and what must never change silently."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from brainview.core.errors import FormatError, MismatchError
from brainview.encoding.llm_vem import pca
from brainview.encoding.llm_vem.align import TextAlignment, alignment_loss
from brainview.encoding.llm_vem.config import FREEZE, PRESETS, VemConfig
from brainview.encoding.llm_vem.fit import rate, squared_error
from brainview.encoding.llm_vem.head import FactorisedLinear, LinearHead, count_parameters
from brainview.encoding.llm_vem.published import compare, our_name
from brainview.encoding.llm_vem.split import original_parts, seed_of
from brainview.encoding.llm_vem.trunk import unfreeze
from tests.memory import PEAK

EVA = [(257, 768)] * 6
SUBJECTS, V = 8, 39_548


def test_parameter_counts_of_the_tables() -> None:
    with torch.device("meta"):
        head = LinearHead(EVA, SUBJECTS, V)
        assert count_parameters(head) == (106_234_492, 25_200_640)
        assert count_parameters(head.layers)[0] == 6 * 1_049_600 + 12_288
        assert count_parameters(head.shared)[0] == 2_097_152 and count_parameters(head.subject)[0] == 16_793_600
        assert count_parameters(head.readout) == (81_033_852, 0)


def test_exactly_the_attention_projections_of_eva02_train_in_stage_2() -> None:
    import timm

    with torch.device("meta"):
        model = timm.create_model("eva02_base_patch14_224.mim_in22k", pretrained=False, num_classes=0)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(85.76e6, rel=1e-4)
    names = unfreeze(model, FREEZE)
    wanted = [f"blocks.{b}.attn.{n}" for b in range(12) for n in
              ("q_proj.weight", "q_proj.bias", "k_proj.weight", "v_proj.weight", "v_proj.bias", "proj.weight",
               "proj.bias")]
    assert sorted(names) == sorted(wanted)
    trained = {n: p.numel() for n, p in model.named_parameters() if p.requires_grad}
    assert sum(trained.values()) == pytest.approx(28.34e6, rel=1e-3)
    assert sum(v for n, v in trained.items() if not n.startswith("blocks.11.")) == pytest.approx(25.98e6, rel=1e-3)


def test_factorised_projection_is_a_rank_one_linear_layer() -> None:
    torch.manual_seed(0)
    layer, x = FactorisedLinear(5, 7, 3), torch.randn(4, 5, 7)
    full = torch.einsum("kt,kc->ktc", layer.spatial, layer.channel)
    torch.testing.assert_close(layer(x), torch.einsum("ntc,ktc->nk", x, full))


def test_subject_part_is_picked_by_row_and_the_bias_enters_as_told() -> None:
    torch.manual_seed(0)
    layers = [torch.randn(6, 4, 5), torch.randn(6, 3, 2)]
    head = LinearHead([(4, 5), (3, 2)], 3, 9, hidden=8, components=7, dropout=0.5).eval()
    head.set_readout(np.random.default_rng(0).standard_normal((9, 7)), np.arange(9.0))
    who = torch.tensor([2, 0, 1, 1, 0, 2])
    out, latent = head(layers, who)
    own = head.subject(latent).view(6, 3, 7)[torch.arange(6), who]
    torch.testing.assert_close(out, (head.shared(latent) + own) @ head.readout.weight.t() + head.readout.bias)
    group, _ = head(layers, None)
    torch.testing.assert_close(group, head.readout(head.shared(latent)))
    head.bias_twice = True
    torch.testing.assert_close(head(layers, who)[0] - out, head.readout.bias.expand(6, 9))


def _blocks(values: np.ndarray, known: np.ndarray | None = None, step: int = 16):
    return lambda: ((values[a:a + step], None if known is None else known[a:a + step])
                    for a in range(0, len(values), step))


def test_streamed_components_agree_with_a_full_decomposition() -> None:
    rng = np.random.default_rng(0)
    values = (rng.standard_normal((90, 20)) * np.arange(20, 0, -1) ** 2 @ rng.standard_normal((20, 60))
              + rng.standard_normal((90, 60)) + 3).astype(np.float32)
    _, scale, right = np.linalg.svd(values - values.mean(0), full_matrices=False)
    for exact in (1000, 0):  # the covariance itself, and the range finder
        found = pca.fit_components(_blocks(values), 60, 10, exact=exact, passes=4)
        np.testing.assert_allclose(found.variance, scale[:10] ** 2 / 89, rtol=1e-3)
        np.testing.assert_allclose(np.abs(np.sum(found.basis * right[:10].T, 0)), 1, atol=2e-3)
        np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(10), atol=1e-4)
        assert found.method == ("exact" if exact else "randomised")
        assert found.explained == pytest.approx((scale[:10] ** 2).sum() / (scale**2).sum(), rel=1e-3)


def test_missing_locations_do_not_pull_the_mean_unless_the_original_is_asked_for() -> None:
    rng = np.random.default_rng(1)
    values = (rng.standard_normal((80, 12)) + 5).astype(np.float32)
    known = np.ones((80, 12), bool)
    known[:40, 3] = False
    masked = pca.fit_components(_blocks(values, known), 12, 4)
    padded = pca.fit_components(_blocks(values, known), 12, 4, masked=False)
    assert masked.mean[3] == pytest.approx(values[40:, 3].mean(), abs=1e-4)
    assert padded.mean[3] == pytest.approx(values[40:, 3].sum() / 80, abs=1e-4)
    assert padded.total > masked.total + 2  # the zeros are variance that nobody measured


def test_memory_of_the_components() -> None:
    assert pca.peak_bytes(V, 2048) < 2e9
    size, rows, kept, step = 12_000, 1200, 500, 64
    code = PEAK + f"""
import numpy as np
from brainview.encoding.llm_vem import pca
def blocks():
    for a in range(0, {rows}, {step}):
        yield np.random.default_rng(a).standard_normal(({step}, {size}), dtype=np.float32), None
pca.fit_components(lambda: iter([(np.random.default_rng(0).standard_normal((8, 50), dtype=np.float32), None)]), 50, 3)
before = peak()
pca.fit_components(blocks, {size}, {kept}, passes=1)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) * 2**20 < pca.peak_bytes(size, kept, step) * 1.15


def test_schedule_of_the_public_code() -> None:
    config = VemConfig(epochs=1)
    rates = [rate(i, 1000, config) for i in range(1000)]
    assert rates[0] == pytest.approx(0.05 * 6e-4) and max(rates) == pytest.approx(6e-4) == rates[50]
    assert rates[-1] == pytest.approx(0.05 * 6e-4, rel=1e-2) and np.all(np.diff(rates[50:]) < 0)


def test_loss_with_and_without_the_mask() -> None:
    pred, target = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])
    assert float(squared_error(pred, target, torch.tensor([[True, False]]))) == 1.0
    assert float(squared_error(pred, target, None)) == 2.5


def test_images_seen_by_several_subjects_are_no_negatives_of_each_other() -> None:
    torch.manual_seed(0)
    align = TextAlignment(4, 6, temperature=0.1)
    projected, tau = align(torch.randn(4, 6))
    text, ids = torch.randn(4, 4), torch.tensor([7, 8, 7, 9])
    loss, _ = alignment_loss(text, projected, tau, ids)
    t = torch.nn.functional.normalize(text, dim=1)
    logits = t @ projected.t() / tau
    by_hand = []
    for i in range(4):
        others = [j for j in range(4) if j == i or ids[j] != ids[i]]
        by_hand.append(torch.logsumexp(logits[i, others], 0) - logits[i, i])
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())
    loss.backward()
    assert align.weight.weight.grad is not None and align.log_temperature.grad is not None
    fixed = TextAlignment(4, 6, learn=False)
    assert not fixed.log_temperature.requires_grad


def test_published_keys_are_mapped_one_by_one() -> None:
    with torch.device("meta"):
        own = LinearHead(EVA, SUBJECTS, V).state_dict()
    theirs = {f"feat_projs.{i}.{k}": s for i in range(6) for k, s in
              {"proj.weight1": (1024, 257), "proj.weight2": (1024, 768), "norm.weight": (1024,), "norm.bias": (1024,),
               "norm.running_mean": (1024,), "norm.running_var": (1024,), "norm.num_batches_tracked": ()}.items()}
    theirs |= {"shared_proj.weight": (2048, 1024), "subj_proj.fc.weight": (8 * 2048, 1024),
               "subj_proj.fc.bias": (8 * 2048,), "embed.weight": (V, 2048), "embed.bias": (V,)}
    state = {k: torch.empty(s, device="meta") for k, s in theirs.items()}
    rows = compare(state, own)
    assert len(rows) == len(own) == 47 and {r["state"] for r in rows} == {"fits"}
    assert our_name("subj_proj.fc.bias") == "subject.bias" and our_name("head.weight") is None
    del state["embed.bias"]
    state |= {"extra": torch.empty(1, device="meta"), "shared_proj.weight": torch.empty(2, 2, device="meta")}
    words = [r["state"] for r in compare(state, own)]
    assert words.count("missing") == words.count("stranger") == words.count("other shape") == 1


def test_a_published_checkpoint_is_loaded_strictly_and_predicts_as_theirs(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from brainview.encoding.llm_vem.published import load_published

    torch.manual_seed(1)
    head = LinearHead([(4, 5)], 2, 9, hidden=8, components=7, bias_twice=True).eval()
    rng = np.random.default_rng(0)
    encoder = {"feat_projs.0.proj.weight1": (8, 4), "feat_projs.0.proj.weight2": (8, 5),
               "feat_projs.0.norm.weight": (8,), "feat_projs.0.norm.bias": (8,), "feat_projs.0.norm.running_mean": (8,),
               "feat_projs.0.norm.running_var": (8,), "shared_proj.weight": (7, 8), "subj_proj.fc.weight": (14, 8),
               "subj_proj.fc.bias": (14,), "embed.weight": (9, 7), "embed.bias": (9,)}
    state = {k: torch.from_numpy(np.abs(rng.standard_normal(s)).astype(np.float32)) for k, s in encoder.items()}
    state["feat_projs.0.norm.num_batches_tracked"] = torch.tensor(3)
    torch.save({"epoch": 1, "metric": 0.2, "trunk": None, "encoder": state}, tmp_path / "c.pt")
    model = SimpleNamespace(head=head, _look=None)
    assert len(load_published(model, tmp_path / "c.pt")) == 12  # type: ignore[arg-type]
    x, who = torch.randn(3, 4, 5), torch.tensor([1, 0, 1])
    s = state
    z = ((x @ s["feat_projs.0.proj.weight2"].t()) * s["feat_projs.0.proj.weight1"].t()).sum(1)
    z = (z - s["feat_projs.0.norm.running_mean"]) / (s["feat_projs.0.norm.running_var"] + 1e-5).sqrt()
    z = z * s["feat_projs.0.norm.weight"] + s["feat_projs.0.norm.bias"]
    own = (z @ s["subj_proj.fc.weight"].t() + s["subj_proj.fc.bias"]).view(3, 2, 7)[torch.arange(3), who]
    embed = [v @ s["embed.weight"].t() + s["embed.bias"] for v in (z @ s["shared_proj.weight"].t(), own)]
    torch.testing.assert_close(head([x], who)[0], embed[0] + embed[1], rtol=1e-4, atol=1e-4)
    state["embed.bias"] = torch.zeros(8)
    torch.save({"encoder": state}, tmp_path / "d.pt")
    with pytest.raises(FormatError, match="1 of 12 tensors, the first is embed"):
        load_published(model, tmp_path / "d.pt")  # type: ignore[arg-type]


def test_published_splits_have_the_published_sizes() -> None:
    for count, sizes in ((9841, [8365, 984, 492]), (9082, [7720, 908, 454]), (8779, [7462, 878, 439])):
        parts = original_parts(count, seed_of("subj01"))
        assert [p.size for p in parts] == sizes
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))


def test_settings_are_checked_and_the_paper_is_the_default() -> None:
    paper = VemConfig.of(PRESETS["paper"])
    assert (paper.dropout, paper.weight_decay, paper.lr, paper.epochs, paper.batch) == (0.9, 0.8, 6e-4, 40, 512)
    second = VemConfig.of({**PRESETS["paper-stage2"], "start": "x", "lambda": "1e-3"})
    assert (second.epochs, second.batch, second.lr, second.lam, second.min_lr) == (6, 184, 1e-5, 1e-3, 0.0)
    for wrong in ({"stage": 2}, {"stage": 3}, {"head": "mlp"}, {"speed": 1}, {"epochs": "x"}, {"dropout": 1.0}):
        with pytest.raises(MismatchError):
            VemConfig.of(wrong)
