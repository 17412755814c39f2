"""LLM-VEM on a phantom, part by part: heads beside ridge, few images, stage 2 with its controls, unseen subjects."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brainview.cli.terminal import print_json, table, terminal_job
from brainview.cli.train import pair
from brainview.core.files import atomic_write, write_json
from brainview.core.jobs import JobContext, Stage

PARTS = ("heads", "few", "stage2", "unseen")
DEFINITION = ("PHANTOM: simulated brains. r2/NC: median over driven vertices of max(r, 0)^2 / planted ceiling of three "
              "showings, test images; mean over subjects and seeds. In brackets 95 % of a bootstrap over test images "
              "and seeds, paired for differences; subjects are fixed. bound: ridge on the phantom's own features with "
              "so many images. The epoch is chosen on validation images.")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="a phantom in the Algonauts layout (brainview phantom --layout algonauts2023)")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and tables; finished runs are kept, "
                                                                "interrupted ones go on")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which tables (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="0 1 2")
    parser.add_argument("--subjects", nargs="+", metavar="ID", help="which subjects (default: all); the last one has "
                                                                    "few images in the part of few images")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings over the presets")
    parser.add_argument("--set2", action="append", default=[], metavar="KEY=VALUE", help="settings over demo-stage2")
    parser.add_argument("--skip", nargs="+", default=[], metavar="ROW", help="rows that are not trained, for example "
                                                                              "attention")


def run(args: argparse.Namespace) -> int:
    """Train what is missing; print and write the tables."""
    options, second = (dict(pair(text) for text in texts) for texts in (args.set, args.set2))
    with terminal_job(quiet=args.json) as context:
        found = measure(args.path, args.out, args.parts, options, args.seeds, args.subjects, context,
                        second=second, skip=args.skip)
    if args.json:
        print_json(found)
        return 0
    from brainview.cli.benchmarks.vem_parts import MEANING

    print(DEFINITION)
    for part, rows in found.items():
        print(f"\n{part}: {MEANING[part]}\n{text(rows)}")
    print(f"\ntables and figures: {args.out}")
    return 0


def measure(path: str, out: Path, parts: list[str], options: dict[str, Any], seeds: list[int],
            subjects: list[str] | None, context: JobContext, *, second: dict[str, Any] | None = None,
            skip: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return part -> rows; every part is written as it is finished."""
    from brainview.cli.benchmarks import vem_parts
    from brainview.cli.benchmarks.vem_bench import Bench
    from brainview.datasets.registry import open_dataset

    bench = Bench(str(path), Path(out), options, seeds, subjects or list(open_dataset(path).subjects), context,
                  second=second or {}, skip=tuple(skip))
    found = {}
    for number, part in enumerate(parts):
        bench.context = Stage(context, number / len(parts), (number + 1) / len(parts), part)
        context.report(number, len(parts), part)
        found[part] = vem_parts.PARTS[part](bench)
        context.log(text(found[part]))
        write(Path(out), part, found[part])
    context.report(1, 1, "done")
    return found


def text(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table, estimates with their intervals in one cell."""
    shown = [{k: _cell(row, k) for k in row if not k.endswith(("low", "high"))} for row in rows]
    keys = [k for k in shown[0] if any(row[k] not in (None, "") for row in shown)]
    return table([[row[k] for k in keys] for row in shown], keys)


def _cell(row: dict[str, Any], key: str) -> Any:
    low, high = ("low", "high") if key == "r2/NC" else (f"{key} low", f"{key} high")
    if row.get(low) is None:
        return row[key]
    return f"{row[key]:.4f} [{row[low]:.4f}, {row[high]:.4f}]"


def write(out: Path, part: str, rows: list[dict[str, Any]]) -> None:
    """Write a part as CSV, JSON and (unseen subjects) as a figure."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / f"{part}.json", {"definition": DEFINITION, "phantom": True, "rows": rows})
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(out / f"{part}.csv") as file:
        file.write(lines.getvalue().encode())
    if part == "unseen":
        draw_curve(rows, out / "unseen.png")


def draw_curve(rows: list[dict[str, Any]], file: Path) -> None:
    """Draw the learning curve of every unseen subject."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    people = list(dict.fromkeys(r["subject"] for r in rows))
    figure = Figure(figsize=(1 + 4.2 * len(people), 3.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(people), sharey=True, squeeze=False)[0]
    for axis, person in zip(axes, people, strict=True):
        own = [r for r in rows if r["subject"] == person]
        level = next(r for r in own if r["model"] == "group alone")
        axis.axhline(level["r2/NC"], color="0.45", lw=1.2, ls="--", label="group alone, no image of the subject")
        axis.axhspan(level["low"], level["high"], color="0.45", alpha=0.12, lw=0)
        for name, color in (("group + own part", "#0072b2"), ("ridge on own images", "#d55e00")):
            part = [r for r in own if r["model"] == name]
            x = [r["images"] for r in part]
            axis.errorbar(x, [r["r2/NC"] for r in part],
                          [[r["r2/NC"] - r["low"] for r in part], [r["high"] - r["r2/NC"] for r in part]],
                          color=color, marker="o", ms=4, lw=1.6, capsize=2, label=name)
        axis.set(title=person, xlabel="training images of the unseen subject", xscale="log")
        axis.set_xticks(x, [f"{n}" for n in x])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("r² / planted ceiling (median vertex)")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    seeds = rows[0]["seeds"]
    words = f"{seeds} seeds, 95 % over test images and seeds" if seeds > 1 else "1 seed, 95 % over test images"
    figure.suptitle(f"PHANTOM · subjects whom the model never saw · {words}", fontsize=9)
    figure.savefig(file)
