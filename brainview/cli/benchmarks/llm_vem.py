"""LLM-VEM beside ridge on the same tokens, on a phantom: r2 / planted ceiling over driven vertices, controls, bound."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.terminal import print_json, table, terminal_job
from brainview.core.jobs import JobContext, Stage

#: Effective features of the phantom's own model, for the bound of the sample size (reference "phantom", 0.3).
EFFECTIVE = 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="a phantom in the Algonauts layout")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; finished ones are kept")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings over the demo preset")
    parser.add_argument("--subjects", nargs="+", metavar="ID", help="which subjects (default: all); the last has few "
                                                                    "images in the rows of few images")
    parser.add_argument("--rows", nargs="+", default=["linear", "attention", "few", "few-alone", "shuffled"],
                        help="linear attention few few-alone shuffled")


def run(args: argparse.Namespace) -> int:
    """Train what is missing and print the table."""
    options = dict(text.split("=", 1) for text in args.set)
    with terminal_job(quiet=args.json) as context:
        rows = compare(args.path, args.out, options, args.rows, context, args.subjects)
    if args.json:
        print_json(rows)
        return 0
    print("PHANTOM: simulated brains. r2/NC: median over driven vertices, test images, planted ceiling of 3 showings")
    print(table([list(r.values()) for r in rows], list(rows[0])))
    return 0


def compare(path: str, out: Path, options: dict[str, Any], wanted: list[str], context: JobContext,
            subjects: list[str] | None = None) -> list[dict[str, Any]]:
    """Return one row per model and subject."""
    from brainview.encoding.llm_vem.config import PRESETS
    from brainview.encoding.llm_vem.workflow import prepare, train

    base = {**PRESETS["demo"], "bootstraps": 0, "permutations": 5, **options}
    work = prepare(path, out / "linear", subjects, base)
    last = list(work.people)[-1]
    few = max(20, len(work.train_ids[last]) // 10)
    limit = {"limit": f"{last}:{few}"}
    heads = {k: v for k, v in PRESETS["demo-attention"].items() if k in ("head", "width", "dropout", "lr",
                                                                         "weight_decay")}
    cells: dict[str, tuple[dict[str, Any], list[str] | None]] = {
        "linear": ({}, subjects), "attention": (heads, subjects), "few": (limit, subjects),
        "few-alone": (limit, [last]), "shuffled": ({"shuffle": True}, subjects)}
    rows = _ridge(work, few, last, Stage(context, 0, 0.3))
    for number, name in enumerate(wanted):
        changes, whom = cells[name]
        start = time.process_time()
        train(path, out / name, subjects=whom, options={**base, **changes},
              context=Stage(context, 0.3 + 0.7 * number / len(wanted), 0.3 + 0.7 * (number + 1) / len(wanted), name))
        rows += _stored(work, out / name, name, time.process_time() - start, [last] if "few" in name else None)
        context.log(table([list(r.values()) for r in rows], list(rows[0])))
    return rows


def _row(work: Any, model: str, name: str, n: int, r: np.ndarray, seconds: float,
         chosen: str = "") -> dict[str, Any]:
    from brainview.phantom.truth import read_signals, read_truth

    truth = read_truth(work.dataset.path)
    at = work.people[name].space.root_index
    driven = np.isin(at, read_signals(truth.folder, int(name[-2:]) - 1).driven)
    three, one = truth.ceiling(name, 3)[at], truth.ceiling(name, 1)[at]
    good = driven & (three > 0.05) & np.isfinite(r)
    rho = float(np.median(one[good]))
    ratio = np.square(np.maximum(r[good], 0)) / three[good]
    return {"model": model, "subject": name, "train images": n, "vertices": int(good.sum()),
            "r2/NC": float(np.median(ratio)), "mean r": float(r[good].mean()),
            "planted NC": float(np.median(three[good])),
            f"bound p={EFFECTIVE}": 1 / (1 + EFFECTIVE * (1 - rho) / (n * rho)), "epoch chosen by val": chosen,
            "CPU s": round(seconds)}


def _stored(work: Any, run: Path, model: str, seconds: float, only: list[str] | None) -> list[dict[str, Any]]:
    from brainview.training.run import RunFolder

    rows = []
    folder = RunFolder.open(run)
    values = [float(row["val_median_R2"]) for row in folder.history()]
    chosen = f"{int(np.argmax(values)) + 1}/{len(values)} (val R2 {max(values):.3f})"
    for name in only or folder.config["subjects"]:
        tensors, card = RunFolder.open(run / "subjects" / name).load()
        rows.append(_row(work, model, name, card["train_images"], tensors["map/r"], seconds, chosen))
    return rows


def principal_scores(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all principal scores of (n, ...) training rows and those of (m, ...) test rows, float32.

    Standardised by the training rows. Ridge on them equals ridge on the tokens themselves; n columns instead of tens
    of thousands make it affordable.
    """
    x, y = (np.asarray(a, np.float32).reshape(len(a), -1) for a in (train, test))
    mean, scale = x.mean(0), x.std(0)
    scale[scale < 1e-6 * max(float(scale.max()), 1e-30)] = 1
    x, y = (x - mean) / scale, (y - mean) / scale
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    good = values > 1e-6 * values[-1]
    size = np.sqrt(values[good])
    return (vectors[:, good] * size).astype(np.float32), ((y @ x.T) @ vectors[:, good] / size).astype(np.float32)


def _ridge(work: Any, few: int, last: str, context: JobContext) -> list[dict[str, Any]]:
    """Return rows of ridge (GCV, penalty per vertex) on the same tokens, with all images and with few."""
    from brainview.encoding import scores
    from brainview.encoding.llm_vem.samples import TokenSource, limited
    from brainview.encoding.llm_vem.trunk import Trunk
    from brainview.encoding.ridge import fit_ridge

    trunk = Trunk(work.config.features, work.config.layer_numbers, work.config.tokens)
    source = TokenSource(trunk, work.dataset.stimuli, work.people, context)
    rows = []
    for number, (name, person) in enumerate(work.people.items()):
        cells = [("ridge", work.train_ids[name])]
        if name == last:
            cells.append(("ridge few", limited(work.train_ids[name], few, work.config.seed)))
        for model, ids in cells:
            start = time.process_time()
            test = work.split.of(person, "test")
            every, tokens = source._ids[number], source._rows[number]
            columns, unseen = principal_scores(tokens[np.searchsorted(every, ids)],
                                               tokens[np.searchsorted(every, test)])
            predicted = fit_ridge(columns, person.mean_betas(ids)).predict(unseen)
            r = scores.score_arrays(person.mean_betas(test), predicted)["r"]
            rows.append(_row(work, model, name, ids.size, r, time.process_time() - start))
    context.log(table([list(r.values()) for r in rows], list(rows[0])))
    return rows
