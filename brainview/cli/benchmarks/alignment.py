"""The compared methods of alignment, its ablations, CLIP alone, and the time of a query among many items."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.terminal import print_json, table, terminal_job

TABLES = ("methods", "ablations", "clip", "speed")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="?", help="a data set with MNI 2 mm responses (not for --tables speed)")
    parser.add_argument("--out", type=Path, help="folder of the runs and of the CSV files; finished ones are kept")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=["methods"],
                        help="methods: systems side by side; ablations: modality, region, caption source; clip: CLIP "
                             "alone per caption source; speed: a query among --items")
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="methods: which (default: all)")
    parser.add_argument("--ablate", nargs="+", default=["ridge-clip", "mindeye"], metavar="SYSTEM",
                        help="ablations: of which systems (ridge-clip mindeye)")
    parser.add_argument("--region", nargs="+", default=[], metavar="CLASS[:NAME]", help="ablations: further regions")
    parser.add_argument("--captions", nargs="+", default=[], metavar="SOURCE",
                        help="ablations, clip: further sources: file:PATH or captioner:MODEL")
    parser.add_argument("--subjects", nargs="+", metavar="ID", help="which subjects (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings of every cell")
    parser.add_argument("--items", type=int, default=100_000, help="speed: items of the gallery (100000)")
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 512, 1024], help="speed: widths of the space")


def run(args: argparse.Namespace) -> int:
    """Train what is missing, write the CSV files and print the tables."""
    from brainview.core.errors import MissingError

    if set(args.tables) - {"speed"} and (args.path is None or args.out is None):
        raise MissingError("these tables need a data set and --out",
                           remedy="brainview benchmark alignment PATH --out DIR.")
    found: dict[str, Any] = {}
    with terminal_job(quiet=args.json) as context:
        for name in args.tables:
            found[name] = MAKERS[name](args, context)
    if args.json:
        print_json(found)
        return 0
    for name, rows in found.items():
        print(PRINTERS[name](rows) + "\n")
    return 0


def _options(args: argparse.Namespace) -> dict[str, str]:
    from brainview.core.errors import MismatchError

    pairs = [text.partition("=") for text in args.set]
    for key, sign, value in pairs:
        if not (key and sign and value):
            raise MismatchError(f"{key + sign + value!r} is no KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _methods(args: argparse.Namespace, context: Any) -> dict[str, Any]:
    from brainview.alignment import comparison

    cells = comparison.train_cells(args.path, args.out, comparison.methods(args.systems), args.subjects,
                                   options=_options(args), context=context)
    return _compared(comparison.rows_of(cells), args.out / "methods.csv")


def _ablations(args: argparse.Namespace, context: Any) -> dict[str, Any]:
    from brainview.alignment import comparison

    rows = []
    for system in args.ablate:
        cells = comparison.train_cells(
            args.path, args.out, comparison.ablations(system, regions=args.region, captions=args.captions),
            args.subjects, options=_options(args), context=context)
        rows += comparison.rows_of(cells)
    return _compared(rows, args.out / "ablations.csv")


def _compared(rows: list[dict[str, Any]], file: Path) -> dict[str, Any]:
    from brainview.alignment import comparison

    return {"rows": rows, "over_subjects": comparison.over_subjects(rows), "verdicts": comparison.verdicts(rows),
            "file": comparison.write_csv(rows, file)}


def _clip(args: argparse.Namespace, context: Any) -> list[dict[str, Any]]:
    from brainview.alignment import comparison
    from brainview.alignment.config import AlignConfig

    config = AlignConfig.of(_options(args))
    rows = comparison.clip_alone(args.path, config.clip, ["detailed", "captions", "first", *args.captions],
                                 val=config.val, test=config.test, context=context)
    comparison.write_csv(rows, args.out / "clip-alone.csv")
    return rows


def _speed(args: argparse.Namespace, context: Any) -> list[dict[str, Any]]:
    return [query_time(args.items, width) for width in args.widths]


def query_time(items: int, width: int, *, top: int = 20, repeats: int = 15) -> dict[str, Any]:
    """Return milliseconds of one query for the `top` nearest among random unit vectors, alone and in a batch of 32."""
    from brainview.alignment.retrieval import nearest

    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((items, width), np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    query = gallery[rng.choice(items, 32, replace=False)] + 0.1 * rng.standard_normal((32, width), np.float32)
    nearest(query[:1], gallery, top)
    cpu, wall = [], []
    for k in range(repeats):
        begun, clock = time.process_time(), time.perf_counter()
        nearest(query[k % 32:k % 32 + 1], gallery, top)
        cpu.append(time.process_time() - begun)
        wall.append(time.perf_counter() - clock)
    begun = time.process_time()
    nearest(query, gallery, top)
    batch = (time.process_time() - begun) / 32
    return {"items": items, "width": width, "top": top, "CPU ms": 1000 * float(np.median(cpu)),
            "wall ms": 1000 * float(np.median(wall)), "worst wall ms": 1000 * max(wall), "CPU ms of 32": 1000 * batch}


def _print_compared(found: Mapping[str, Any]) -> str:
    rows, lines = found["rows"], []
    for subject in dict.fromkeys(r["subject"] for r in rows):
        own = [r for r in rows if r["subject"] == subject]
        ways = list(dict.fromkeys(r["direction"] for r in own))
        grid = [[cell, *(_share(own, cell, way) for way in ways), _control(own, cell), _seconds(own, cell)]
                for cell in dict.fromkeys(r["cell"] for r in own)]
        lines.append(f"{subject}: R@1 [95 % interval] of {own[0]['gallery']}, chance {own[0]['chance']:.3f}\n"
                     + table(grid, ["", *ways, "shuffled", "CPU s"]))
    means = [[r["cell"], *(f"{r[w]:.3f} ({r[f'{w} least']:.3f})" for w in ways), r["shuffled"]]
             for r in found["over_subjects"]]
    lines.append("mean over subjects (least subject):\n" + table(means, ["", *ways, "shuffled"]))
    lines += ["Difference to the reference on the same queries (paired bootstrap, 95 %):", *found["verdicts"],
              f"all rows: {found['file']}"]
    return "\n\n".join(lines[:-len(found["verdicts"]) - 2]) + "\n\n" + "\n".join(lines[-len(found["verdicts"]) - 2:])


def _share(rows: Sequence[Mapping[str, Any]], cell: str, way: str) -> str:
    row = next(r for r in rows if r["cell"] == cell and r["direction"] == way)
    return f"{row['R@1']:.3f} [{row['low']:.3f}–{row['high']:.3f}]"


def _control(rows: Sequence[Mapping[str, Any]], cell: str) -> float:
    return float(np.mean([r["shuffled"] for r in rows if r["cell"] == cell]))


def _seconds(rows: Sequence[Mapping[str, Any]], cell: str) -> str:
    spent = next(r for r in rows if r["cell"] == cell)["CPU s"]
    return "" if spent is None else f"{spent:.0f}"


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    return table([[f"{v:.3f}" if isinstance(v, float) else v for v in r.values()] for r in rows], list(rows[0]))


MAKERS: dict[str, Any] = {"methods": _methods, "ablations": _ablations, "clip": _clip, "speed": _speed}
PRINTERS: dict[str, Any] = {"methods": _print_compared, "ablations": _print_compared, "clip": _print_rows,
                            "speed": _print_rows}
