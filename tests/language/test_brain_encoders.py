"""Encoders as published: parameter counts, keys, the factorised tokenizer, strict loading, the schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brainview.core.errors import FormatError, MismatchError
from brainview.language.brain.checkpoints import (
    adapted,
    compare,
    inspect_state,
    load_encoder,
    load_strictly,
    read_checkpoint,
    save_checkpoint,
)
from brainview.language.brain.encoders import (
    BrainX,
    BrainXC,
    BrainXS,
    Sizes,
    factorised,
    naive,
    number_of,
    parameters_of,
    sliced,
    tokens_of,
)
from brainview.language.brain.fit import one_cycle, parameter_groups, token_loss

VOXELS = {1: 15724, 2: 14278, 5: 13039, 7: 12682}
TINY = Sizes(latents=6, width=12, out=10, depth=2, heads=2, head_width=4)


def test_parameter_counts_are_the_published_ones():
    with torch.device("meta"):
        counts = {s: parameters_of(BrainXS(v)) for s, v in VOXELS.items()}
        assert counts == {1: 105_537_024, 2: 104_056_320, 5: 102_787_584, 7: 102_422_016}
        assert parameters_of(BrainX(VOXELS)) == 146_500_608
        assert parameters_of(BrainX(VOXELS, tokens=True)) == 146_521_088
        assert parameters_of(BrainX(VOXELS, norm=True)) == 146_502_656
        frozen = BrainXC(12682, freeze=True)
        assert parameters_of(frozen) == counts[7] and parameters_of(frozen, trainable=True) == 512 + 1024 * 12682 + 1024
        assert parameters_of(BrainXS(15724).perceiver) == 89_434_112
        assert parameters_of(BrainXS(15724, Sizes(latents=576))) == 105_865_344


def published_keys(subjects, tokens=False, norm=False, depth=6):
    """Key table of section 2.3, written out."""
    keys = {"perceiver.ln_vision.weight", "perceiver.ln_vision.bias", "perceiver.llm_proj.weight",
            "perceiver.llm_proj.bias", "perceiver.perceiver.latents", "perceiver.perceiver.media_pos_emb",
            "perceiver.perceiver.norm.weight", "perceiver.perceiver.norm.bias"}
    for i in range(depth):
        base = f"perceiver.perceiver.layers.{i}"
        keys |= {f"{base}.0.{n}.{e}" for n in ("norm_media", "norm_latents") for e in ("weight", "bias")}
        keys |= {f"{base}.0.{n}.weight" for n in ("to_q", "to_kv", "to_out")}
        keys |= {f"{base}.1.0.weight", f"{base}.1.0.bias", f"{base}.1.1.weight", f"{base}.1.3.weight"}
    for s in subjects or [None]:
        end = f".fmri{s}" if s else ""
        inner = [".0", ".1"] if norm else [""]
        keys |= {f"lin1{end}{n}.{e}" for n in inner for e in ("weight", "bias")}
        keys |= {f"lin2{end}.weight", f"lin2{end}.bias"}
        keys |= {f"token{end}"} if tokens else set()
    return keys


def test_state_dict_keys_are_the_published_ones():
    with torch.device("meta"):
        assert set(BrainXS(15724).state_dict()) == published_keys(None)
        assert set(BrainX(VOXELS).state_dict()) == published_keys(VOXELS)
        assert set(BrainX(VOXELS, tokens=True, norm=True).state_dict()) == published_keys(VOXELS, True, True)
        shapes = {k: tuple(v.shape) for k, v in BrainX(VOXELS, tokens=True).state_dict().items()}
    assert shapes["lin2.fmri7.weight"] == (1024, 12682) and shapes["token.fmri7"] == (1, 5, 1024)
    assert shapes["perceiver.perceiver.layers.5.0.to_kv.weight"] == (3072, 1024)
    assert shapes["perceiver.perceiver.media_pos_emb"] == (1, 1, 1024) and shapes["lin1.fmri1.weight"] == (256, 1)


def test_factorised_tokenizer_equals_the_naive_one():
    torch.manual_seed(0)
    first, second = torch.nn.Linear(1, 32), torch.nn.Linear(500, 24)
    x = torch.randn(3, 500)
    np.testing.assert_allclose(factorised(x, first, second).detach(), naive(x, first, second).detach(), atol=1e-4)
    first, second, x = first.double(), second.double(), x.double()
    np.testing.assert_allclose(factorised(x, first, second).detach(), naive(x, first, second).detach(), atol=1e-12)
    loss = factorised(x, first, second).square().sum()
    one = torch.autograd.grad(loss, [*first.parameters(), *second.parameters()])
    two = torch.autograd.grad(naive(x, first, second).square().sum(), [*first.parameters(), *second.parameters()])
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    rest = factorised(x, first, second) - second.bias
    assert torch.linalg.matrix_rank(rest[0].detach()) == 2  # all a sample tells the resampler sits in one vector


def test_norm_variant_is_sliced_with_the_same_numbers_and_gradients(monkeypatch):
    from brainview.language.brain import encoders

    torch.manual_seed(0)
    model = BrainX({1: 50}, TINY, norm=True).double().eval()
    first, second = model.lin1["fmri1"], model.lin2["fmri1"]
    x = torch.randn(3, 50, dtype=torch.float64, requires_grad=True)
    want = second(first(x.unsqueeze(2)).transpose(1, 2))
    monkeypatch.setattr(encoders, "SLICE_BYTES", 4 * 3 * 6 * 7)  # seven voxels at a time
    got = sliced(x, first, second, latents=6)
    np.testing.assert_allclose(got.detach(), want.detach(), atol=1e-12)
    a, b = (torch.autograd.grad(t.square().sum(), [x, second.weight], retain_graph=True) for t in (got, want))
    for i, j in zip(a, b, strict=True):
        np.testing.assert_allclose(i, j, atol=1e-10)


def test_subject_tokens_are_five_more_inputs():
    model = BrainX({1: 30, 2: 20}, TINY, tokens=True)
    seen = []
    model.perceiver.perceiver.layers[0][0].register_forward_hook(lambda m, a, o: seen.append(a[0].shape[1]))
    assert model(torch.randn(2, 20), "subj02").shape == (2, 6, 10) and seen == [6 + 5]
    with pytest.raises(MismatchError, match="subj01, subj02"):
        model(torch.randn(2, 20), "subj07")
    with pytest.raises(MismatchError, match="reads 20 voxels, the brain has 21"):
        model(torch.randn(2, 21), 2)
    assert number_of("subj07") == 7
    with pytest.raises(MismatchError):
        number_of("anna")


def test_resampler_is_flamingos():
    """The same numbers as attention written out by hand."""
    torch.manual_seed(1)
    model = BrainXS(20, TINY).eval()
    layer = model.perceiver.perceiver.layers[0][0]
    media, latents = torch.randn(2, 6, 12), torch.randn(2, 6, 12)
    m, n = layer.norm_media(media), layer.norm_latents(latents)
    both = torch.cat([m, n], 1)
    q = layer.to_q(n).view(2, 6, 2, 4).transpose(1, 2) * 4**-0.5
    k, v = (t.reshape(2, 12, 2, 4).transpose(1, 2) for t in layer.to_kv(both).chunk(2, -1))
    want = layer.to_out(((q @ k.transpose(2, 3)).softmax(-1) @ v).transpose(1, 2).reshape(2, 6, 8))
    np.testing.assert_allclose(layer(media, latents).detach(), want.detach(), atol=1e-6)


@pytest.fixture
def fixture_file(tmp_path):
    """A checkpoint in the published form: two subjects with tokens, `module.` prefix, numbers and lists."""
    torch.manual_seed(2)
    model = BrainX({1: 30, 7: 20}, Sizes(6, 96, 10, 2, 1, 96), tokens=True)
    path = tmp_path / "last.pth"
    torch.save({"epoch": 299, "model_state_dict": {f"module.{k}": v for k, v in model.state_dict().items()},
                "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 3e-4}]},
                "lr_scheduler": {"last_epoch": 9},
                "train_losses": [0.5, 0.4], "val_losses": [0.6], "lrs": [1e-4]}, path)
    return path, model


def test_published_checkpoint_loads_strictly(fixture_file):
    path, model = fixture_file
    loaded, found = load_encoder(path)
    assert found.kind == "brainx" and found.voxels == {1: 30, 7: 20}
    assert found.options == {"tokens": True, "norm": False}
    assert found.sizes == model.sizes and "subject 7: 20 voxels" in found.line()
    x = torch.randn(2, 20)
    np.testing.assert_array_equal(loaded(x, 7).detach(), model.eval()(x, 7).detach())
    assert read_checkpoint(path)[1]["epoch"] == 299
    again, _ = load_encoder(save_checkpoint(path.parent / "bare.pth", loaded, epoch=3))
    assert not compare(again, model.state_dict())


def test_wrong_class_is_told_key_by_key(fixture_file):
    path, model = fixture_file
    state, _ = read_checkpoint(path)
    single = BrainXS(30, model.sizes)
    lines = compare(single, state)
    assert len(lines) == 4 + 10 and any(line.startswith("lin1.weight: missing") for line in lines)
    with pytest.raises(MismatchError, match=r"does not fit brainxs: 14 keys\. lin1\.weight: missing"):
        load_strictly(single, state, where=path)
    state["lin2.fmri7.weight"] = state["lin2.fmri7.weight"][:, :-1]
    with pytest.raises(MismatchError, match=r"lin2\.fmri7\.weight"):
        load_strictly(model, state)
    with pytest.raises(FormatError, match="no brain encoder"):
        inspect_state({"encoder.weight": torch.zeros(2, 2)})
    whole, cut = path.read_bytes(), path.parent / "cut.pth"
    for size in (200, 5000, len(whole) // 2, len(whole) - 30):  # torch says OSError, RuntimeError ... for these
        cut.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="damaged or cut off"):
            read_checkpoint(cut)
    cut.write_text("hello, this is a text")
    with pytest.raises(FormatError, match="no checkpoint of PyTorch"):
        read_checkpoint(cut)


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"model_state_dict": {"a": Evil()}}, tmp_path / "evil.pth")
    with pytest.raises(FormatError, match="never code"):
        read_checkpoint(tmp_path / "evil.pth")


def test_adaptation_takes_the_shared_part_and_freezes_it(fixture_file):
    path, model = fixture_file
    state, _ = read_checkpoint(path)
    fresh = adapted(state, 25, freeze=True)
    assert parameters_of(fresh, trainable=True) == 2 * 6 + 96 * 25 + 96
    for k, v in model.perceiver.state_dict().items():
        np.testing.assert_array_equal(fresh.perceiver.state_dict()[k], v)
    assert all(p.requires_grad for p in adapted(state, 25, freeze=False).parameters())
    del state["perceiver.llm_proj.bias"]
    with pytest.raises(MismatchError, match=r"llm_proj\.bias: missing"):
        adapted(state, 25, freeze=True)


def test_schedule_is_upstreams():
    parameter = torch.nn.Parameter(torch.zeros(1))
    for epochs in (240, 300):
        optimizer = torch.optim.AdamW([parameter], lr=3e-4)
        steps = 8859 // 128
        schedule = one_cycle(optimizer, 3e-4, epochs, steps)
        rates = []
        for _ in range(epochs * steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(rates) < epochs * steps:
                schedule.step()
        assert steps == 69 and len(rates) == {240: 16_560, 300: 20_700}[epochs]
        assert rates[0] == pytest.approx(1.2e-5) and rates[-1] == pytest.approx(1.2e-8)
        assert int(np.argmax(rates)) == 137 and max(rates) == pytest.approx(3e-4)


def test_decay_spares_biases_only_and_losses_are_means():
    groups = parameter_groups({"model": BrainXS(20, TINY)}, 1e-2)
    assert [g["weight_decay"] for g in groups] == [1e-2, 0.0]
    named = dict(BrainXS(20, TINY).named_parameters())
    assert len(groups[1]["params"]) == sum("bias" in n for n in named)
    a, b = torch.zeros(2, 3, 4), torch.full((2, 3, 4), 2.0)
    assert float(token_loss("mse", a, b)) == 4 and float(token_loss("l1", a, b)) == 2
    assert float(token_loss("huber", a, b)) == 1.5
    assert float(token_loss("quantile", a, b)) == pytest.approx(1.8)
    assert float(token_loss("quantile", b, a)) == pytest.approx(0.2)


def test_tokens_of_takes_the_short_way():
    model = BrainXS(40, TINY)
    x = torch.randn(2, 40)
    want = naive(x, model.lin1, model.lin2)
    np.testing.assert_allclose(tokens_of(x, model.lin1, model.lin2, 6).detach(), want.detach(), atol=1e-5)
