"""``brainview score RUN``: figures of a trained encoding model per subject, hemisphere and region."""

from __future__ import annotations

import argparse
from typing import Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="run folder that 'brainview train' wrote")
    parser.add_argument("--split", metavar="PART", choices=("train", "val", "test"),
                        help="evaluate this part of the split (default: as trained, test where there are responses)")
    parser.add_argument("--metric", default=None, help="metric of the region table: r, r2, R2, r2_nc, nc")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the tables."""
    from brainview.encoding import scores
    from brainview.encoding.jobs import score
    from brainview.encoding.rois import ROI_METRICS

    if args.metric is not None and args.metric not in ROI_METRICS:
        from brainview.core.errors import MissingError

        raise MissingError(f"there is no region table of {args.metric!r}", remedy="Use " + ", ".join(ROI_METRICS) + ".")
    with terminal_job(quiet=args.json) as context:
        found = score(args.run_folder, args.split, context=context)
    if args.json:
        print_json({**found, "definitions": scores.METRICS})
        return 0
    print(_subjects(found))
    metric = args.metric or ("r2_nc" if any(r["metric"] == "r2_nc" for r in found["rois"]) else "R2")
    print("\n" + _regions(found, metric))
    entry = scores.METRICS[metric]
    print(f"\n{entry['title']}: {entry['definition']}")
    print("Regions: median and quartiles over locations; interval: 95 % over images drawn with replacement; group: "
          "over subjects.")
    for note in found["notes"]:
        print(f"note: {note}")
    return 0


def _subjects(found: dict[str, Any]) -> str:
    columns = ("part", "images", "n", "n_scored", "mean_r", "median_R2", "official_mean", "official_median",
               "clean_mean", "clean_n")
    rows = []
    for name, figures in found["subjects"].items():
        chance = figures.get("chance", {})
        rows.append([name, *(figures.get(c) for c in columns), chance.get("mean_r"), chance.get("official_mean")])
    label = " (PHANTOM: simulated brains)" if found["phantom"] else ""
    head = f"{found['dataset']}{label}, features: {found['features']}, split: {found['split']}\n"
    return head + table(rows, ["subject", *columns, "chance r", "chance official"])


def _regions(found: dict[str, Any], metric: str) -> str:
    sided = any(r["hemisphere"] != "both" for r in found["rois"])
    rows = [[r["subject"], r["hemisphere"], r["roi_class"], r["roi"], r["n"], r["median"], r["q25"], r["q75"], r["low"],
             r["high"]] for r in found["rois"]
            if r["metric"] == metric and (r["hemisphere"] != "both" or r["roi"] == "all" or not sided)]
    return f"{metric} by region\n" + table(rows, ["subject", "side", "class", "region", "n", "median", "q25", "q75",
                                                  "low", "high"])
