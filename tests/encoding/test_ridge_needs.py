"""What a ridge regression needs is told before the first one; where models compute is one answer for all."""

from __future__ import annotations

import pytest
import torch

from brainview.core import device
from brainview.training.estimate import estimate
from tests.encoding import tiny


def test_time_and_disk_are_known_before_anything_was_trained(tmp_path, monkeypatch):
    data = str(tiny.write(tmp_path / "algonauts"))
    monkeypatch.setattr("brainview.encoding.ridge_needs.speed", lambda: 1e7)

    def ask(subjects=None, **options):
        return estimate("ridge", data, subjects=subjects, options={"features": "gabor[grid=2]", **options}, runs=None)

    both, kfold = ask(), ask(method="kfold")
    assert both["seconds"] > 0 and "two pictures" in both["basis"] and both["disk"] > ask(keep_model=False)["disk"] > 0
    assert kfold["seconds"] > both["seconds"] >= ask(["subj01"])["seconds"] and not both["problem"]
    network = ask(features="timm:vit_base_patch16_224")
    assert network["seconds"] is None and "not known" in network["basis"] and network["disk"] > 0
    assert "no subject" in ask(["nobody"])["problem"]


def test_one_helper_says_where_models_compute(monkeypatch):
    for cuda, mps, kind, mixed, dtype in ((True, True, "cuda", "bf16", torch.float16),
                                          (False, True, "mps", "no", torch.float16),
                                          (False, False, "cpu", "no", torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda v=cuda: v)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda v=mps: v)
        assert device.best_device().type == kind and device.mixed("bf16") == mixed and device.half_precision() is dtype
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *s, device: torch.ones(2, 2))
        assert device.speed() > 0
