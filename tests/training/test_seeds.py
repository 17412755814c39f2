"""Mean and interval over seeds of a grid, and what a training of LLM-VEM says that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from brainview.cli import train as verb
from brainview.training.estimate import estimate
from brainview.training.seeds import interval, summarise, words
from tests.encoding import tiny
from tests.encoding.test_llm_vem import QUICK


def test_rows_that_differ_in_the_seed_alone_become_one() -> None:
    rows = [{"lambda": lam, "seed": seed, "subject": who, "part": "test", "mean_r": value, "val": None,
             "images": 7 + int(seed)}
            for lam, who, values in (("0", "a", (1.0, 2.0, 3.0)), ("0", "b", (5.0, 5.0, 5.0)),
                                     ("0.1", "a", (4.0, None, float("nan"))))
            for seed, value in zip("012", values, strict=True)]
    found = summarise([*rows, rows[0]], ["lambda", "seed"], ["part", "mean_r", "val", "images"])
    assert [(r["lambda"], r["subject"], r["seeds"]) for r in found] == [("0", "a", 3), ("0", "b", 3), ("0.1", "a", 3)]
    assert found[0]["mean_r"] == pytest.approx({"mean": 2, "low": 2 - 4.30265 / 3**0.5, "high": 2 + 4.30265 / 3**0.5},
                                               abs=1e-4)
    assert found[0]["images"] == {"mean": 8.0, "low": None, "high": None}
    assert "part" not in found[0] and found[0]["val"] is None and words(found[1]["mean_r"]) == "5"
    assert found[2]["mean_r"] == {"mean": 4.0, "low": None, "high": None} and words(found[2]["mean_r"]) == "4"
    assert interval([]) is None and words(interval([1.0, 2.0])).startswith("1.5 [-")


def test_a_grid_is_split_outside_brackets_alone() -> None:
    assert verb._parts("lambda=0,0.1;seed=0,1", ";") == ["lambda=0,0.1", "seed=0,1"]
    assert verb._parts("timm:a[layers=0,2;weights=random],gabor", ",") == ["timm:a[layers=0,2;weights=random]", "gabor"]


def test_the_verb_prints_both_tables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    class Module:
        COLUMNS = ("mean_r",)

        @staticmethod
        def train(path: str, out: Path, *, options: dict, **_: object) -> str:
            return f"{float(options['lambda']) + int(options['seed'])}"

    monkeypatch.setattr(verb, "load", lambda name: Module)
    monkeypatch.setattr(verb, "_figures", lambda done: {"subjects": {"subj01": {"mean_r": float(done)}}})
    from brainview.cli.main import main

    assert main(["train", "llm-vem", "data", "--out", "runs", "--sweep", "lambda=0,10;seed=1,3"]) == 0
    out = capsys.readouterr().out
    assert out.count("subj01") == 6 and "2 [-10.71, 14.71]" in out and "12 [-0.7062, 24.71]" in out
    assert main(["train", "llm-vem", "data", "--out", "runs", "--sweep", "lambda=0,10", "--set", "seed=1"]) == 0
    assert "over seeds" not in capsys.readouterr().out


def test_llm_vem_counts_its_own_head_and_tokens(tmp_path: Path) -> None:
    import torch

    from brainview.encoding.llm_vem.attention_head import AttentionHead
    from brainview.encoding.llm_vem.config import VemConfig
    from brainview.encoding.llm_vem.head import LinearHead, count_parameters
    from brainview.encoding.llm_vem.needs import Sizes, head_parameters, needs, operations

    shapes = ((5, 24), (5, 24))
    sizes = Sizes(shapes, 1000, 2, 110, 150, 190, (9_000, 9_000))
    config = VemConfig.of({**QUICK, "components": 16})
    head = LinearHead(shapes, 2, 110, hidden=32, components=16)
    assert head_parameters(config, sizes) == count_parameters(head)
    other = AttentionHead(shapes, 2, torch.arange(110) % 5, width=32)
    mine = head_parameters(config.having(head="attention", width=32), sizes)[0]
    assert mine == pytest.approx(count_parameters(other)[0], rel=0.25)
    whole, tuned = (needs(c, sizes, *head_parameters(c, sizes)) for c in (config, config.having(stage=2, start="x")))
    base = operations(config, sizes)
    trunk, once = 2 * 1000 * 5, config.having(epochs=2 * config.epochs)
    assert operations(once, sizes) - base == base - trunk * 150, "a frozen trunk looks at every picture once"
    assert operations(config.having(stage=2, start="x"), sizes) == base - trunk * 150 + 3 * trunk * 190 * config.epochs
    assert tuned["memory"] > whole["memory"] and whole["disk"] > 4 * 190 * 240

    data = tiny.write(tmp_path / "data", train=30, test=6)
    found = estimate("llm-vem", str(data), subjects=["subj01"], options=QUICK, runs=None)
    assert found["problem"] == "" and found["seconds"] >= 12 and "head" in found["notes"][0]
    assert found["disk"] > 0 and "by arithmetic" in found["basis"] and "checkpoints" in found["basis"]
    assert "subj09" in estimate("llm-vem", str(data), subjects=["subj09"], options=QUICK, runs=None)["problem"]


def test_every_setting_of_llm_vem_says_what_it_is(capsys: pytest.CaptureFixture) -> None:
    from brainview.cli.main import main

    with pytest.raises(SystemExit) as stopped:
        main(["train", "llm-vem", "--options"])
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("setting"))
    at = lines[start].index("what it is")
    rows = lines[start + 2:]
    assert len(rows) > 40 and all(len(row) > at + 2 for row in rows), [r for r in rows if len(r) <= at + 2]
    assert any(line.startswith("paper-stage2") and "batch=184" in line for line in lines)
