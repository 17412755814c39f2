"""Without a network a model that is not here is refused at once, and what is in the cache is still found."""

from __future__ import annotations

import socket

import pytest
from PIL import Image

from brainview.core.errors import MissingError
from brainview.features import hub
from brainview.features.captions import load_captioner
from brainview.features.registry import feature_space


@pytest.fixture
def cut_off(monkeypatch):
    """Count connections that are tried; none succeeds."""
    tried = []

    def refuse(address, *more, **words):
        tried.append(address)
        raise OSError("no network")

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    hub._reachable.cache_clear()
    yield tried
    hub._reachable.cache_clear()


def test_a_model_that_is_not_here_is_refused_after_one_look(cut_off, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(MissingError, match="not on this machine") as caught:
        load_captioner("nobody/no-such-captioner")
    assert "weights=random" not in str(caught.value), "captioners have no such setting"
    with pytest.raises(MissingError, match="not on this machine"):
        feature_space("timm:vit_tiny_patch16_224.augreg_in21k").extract([Image.new("RGB", (8, 8))])
    assert len(cut_off) <= 1 and before == constants.HF_HUB_OFFLINE


def test_local_models_look_for_no_network(cut_off):
    with hub.hub_access(needed=False):
        pass
    assert cut_off == []


def test_behind_a_proxy_the_hub_is_taken_to_answer(cut_off, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert hub._reachable("https://hub.example", 0) and cut_off == []
