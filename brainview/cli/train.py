"""``brainview train SYSTEM PATH --out RUN``: train, resume, or train a grid of settings."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job
from brainview.core.errors import BrainViewError, MismatchError, MissingError
from brainview.core.jobs import JobContext
from brainview.core.systems import SYSTEMS, load


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("system", choices=sorted(SYSTEMS), help="what to train")
    parser.add_argument("path", help="folder of a data set")
    parser.add_argument("--out", required=True, metavar="RUN", help="run folder; an interrupted run goes on")
    parser.add_argument("--subjects", nargs="+", metavar="ID", help="which subjects (default: all)")
    parser.add_argument("--features", metavar="NAME",
                        help="gabor | efficientnet-lite0 | timm:MODEL | open_clip:MODEL:TAG, settings in brackets: "
                             "'timm:MODEL[layers=0,2,4]', random weights only as [weights=random]")
    parser.add_argument("--method", help="ridge: gcv or kfold")
    parser.add_argument("--preset", help="named settings: demo, paper")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting")
    parser.add_argument("--sweep", action="append", default=[], metavar="KEY=A,B,C",
                        help="train every value (several: the grid) and print the table")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Train and print the figures."""
    options = _options(args)
    sweeps = [_pair(text) for text in args.sweep]
    module = load(SYSTEMS[args.system].module)
    with terminal_job(quiet=args.json) as context:
        if not sweeps:
            done = module.train(args.path, args.out, subjects=args.subjects, options=options, context=context)
            figures = _figures(done)
            print_json(figures) if args.json else print(_text(figures))
            return 0
        rows = _grid(module, args, options, sweeps, context)
    if args.json:
        print_json(rows)
    else:
        keys = list(rows[0])
        print(table([[row[k] for k in keys] for row in rows], keys))
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key or not value:
        raise MismatchError(f"{text!r} is no KEY=VALUE")
    return key, value


def _options(args: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if args.preset:
        presets = load(SYSTEMS[args.system].presets).PRESETS
        if args.preset not in presets:
            raise MissingError(f"{args.system} has no preset {args.preset!r}",
                               remedy="Known: " + ", ".join(presets) + ".")
        options |= presets[args.preset]
    options |= dict(_pair(text) for text in args.set)
    options |= {k: v for k, v in (("features", args.features), ("method", args.method)) if v}
    return options


def _grid(module: Any, args: argparse.Namespace, options: dict[str, Any], sweeps: list[tuple[str, str]],
          context: JobContext) -> list[dict[str, Any]]:
    """Train every cell of the grid in its own run folder below --out; return one row per cell."""
    names = [key for key, _ in sweeps]
    rows = []
    for values in itertools.product(*(value.split(",") for _, value in sweeps)):
        cell = dict(zip(names, values, strict=True))
        label = "_".join(f"{k}={v}" for k, v in cell.items()).replace("/", "-").replace(":", "-")
        context.log(f"training {label}")
        done = module.train(args.path, Path(args.out) / label, subjects=args.subjects, options={**options, **cell},
                            context=context)
        figures = _figures(done)
        for subject, row in figures["subjects"].items():
            rows.append({**cell, "subject": subject, **{k: row.get(k) for k in _columns(args.system)}})
    return rows


def _columns(system: str) -> tuple[str, ...]:
    """Return the figures that the table of a system shows: its module's own COLUMNS, else those of encoding."""
    return getattr(load(SYSTEMS[system].module), "COLUMNS", COLUMNS)


#: Figures of the tables of encoding systems, in order.
COLUMNS = ("part", "images", "n_scored", "mean_r", "median_R2", "official_mean", "clean_median")


def _figures(done: str) -> dict[str, Any]:
    from brainview.training.run import RunFolder

    try:
        card = RunFolder.open(done).card("last")
    except BrainViewError as err:
        raise MissingError("trained nothing", where=done) from err
    return {"run": done, "system": card["system"], "dataset": card["dataset"], "phantom": card["phantom"],
            "features": card.get("feature_label"), "subjects": card["metrics"]}


def _text(figures: dict[str, Any]) -> str:
    columns = _columns(figures["system"])
    rows = [[name, *(m.get(k) for k in columns)] for name, m in figures["subjects"].items()]
    label = " (PHANTOM: simulated brains)" if figures["phantom"] else ""
    return (f"{figures['system']} on {figures['dataset']}{label}, features: {figures['features']}\n"
            + table(rows, ["subject", *columns]) + f"\nrun: {figures['run']}")
