"""``brainview attribute RUN --stimulus ID --out MAP.nii.gz``: the map that the attribution panel shows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.core.errors import BrainViewError
from brainview.core.jobs import JobContext

#: Kept in step with brainview.attribution.methods.METHODS by a test: importing that here would cost torch for --help.
METHODS = ("ibba", "rise", "grad-cam", "relevance", "occlusion", "energy", "gradient-input", "random")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", help="folder of a whole-brain encoder run")
    parser.add_argument("--subject", help="a subject of the run; default: the first")
    parser.add_argument("--stimulus", type=int, help="id of a stimulus")
    parser.add_argument("--all", action="store_true", help="every test stimulus of every subject (or of --subject): "
                        "token scores into the folder --out; goes on where it stopped")
    parser.add_argument("--group", metavar="CATEGORY", help="with --all: also write mean and t-maps over the stimuli "
                        "of a category against the others ('all' = every stimulus), with FDR, cluster and "
                        "maximum-statistic correction")
    parser.add_argument("--permutations", type=int, default=1000, help="of --group")
    parser.add_argument("--data", default="", help="the data set, where the run's own place is not here")
    parser.add_argument("--method", choices=METHODS, default="ibba")
    parser.add_argument("--layer", type=int, help="blocks passed (0 = the encoder's input); default: the benchmark's")
    parser.add_argument("--beta", type=float, help="price of information (IB-BA); default: that of the encoder, by the "
                        "planted-truth benchmark (the panel starts with it; the paper has 0.1)")
    parser.add_argument("--target", choices=("image", "text", "both"), default="both")
    parser.add_argument("--copies", type=int, default=10, help="noise copies (IB-BA)")
    parser.add_argument("--steps", type=int, default=20, help="steps of Adam (IB-BA)")
    parser.add_argument("--sigma", type=float, default=1.0, help="standard deviation of the noise (IB-BA)")
    parser.add_argument("--lr", type=float, default=1.0, help="learning rate (IB-BA)")
    parser.add_argument("--mode", choices=("m2ib", "m2ib_strict", "recommended"), default="m2ib")
    parser.add_argument("--masks", type=int, default=4000, help="random masks (RISE)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--average", type=int, default=1, help="noise seeds whose maps are averaged (IB-BA)")
    parser.add_argument("--tokens", action="store_true", help="show the tokens as they are, without interpolation")
    parser.add_argument("--normalised", action="store_true", help="write the map scaled to 0..1")
    parser.add_argument("--surface", metavar="MESH", help="write it on a mesh, such as fsaverage5")
    parser.add_argument("--out", required=True, help="file to write: .nii.gz, or .gii, .csv ... with --surface")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compute the map, write it with its story, and print its figures."""
    if args.all:
        return _run_all(args)
    if args.stimulus is None:
        raise BrainViewError("no stimulus was named", remedy="Use --stimulus ID, or --all.")
    from brainview.attribution.maps import surface_map, volume_map
    from brainview.attribution.session import LiveAttribution
    from brainview.maps.io import write_map

    session = LiveAttribution(args.run, args.subject, args.data)
    if args.copies < 1 or args.steps < 1 or args.masks < 1:
        raise BrainViewError("--copies, --steps and --masks must be at least 1")
    with terminal_job(quiet=args.json) as context:
        answer = session.attribute(
            1, args.stimulus, args.method, args.layer, args.beta, args.target,
            {"copies": args.copies, "steps": args.steps, "sigma": args.sigma, "lr": args.lr, "mode": args.mode,
             "seed": args.seed, "average": args.average} if args.method == "ibba" else None,
            {"masks": args.masks, "seed": args.seed} if args.method == "rise" else None, context=context)
    scores = answer.pop("scores")
    about = session.describe()
    settings = {k: v for k, v in answer.items() if k not in ("fit_curve", "number", "cached", "status")}
    provenance: dict[str, Any] = {"attribution": settings, "run": about["run"], "subject": about["subject"],
                                  "checkpoint": about["checkpoint"],
                                  "model": about["card"], "phantom": about["phantom"]}
    look: dict[str, Any] = {"unit": "share" if args.normalised else answer["unit"],
                            "method": "nearest" if args.tokens else "trilinear",
                            "name": f"{args.method} of stimulus {args.stimulus} ({args.target})",
                            "provenance": provenance}
    grid = session.source.grid
    made = surface_map(scores, grid, mesh=args.surface, **look) if args.surface else volume_map(scores, grid, **look)
    path = write_map(made, Path(args.out))
    figures = {"out": str(path), "resolution": about["resolution"], "tokens": len(scores), **settings,
               "phantom": about["phantom"]}
    if args.json:
        print_json(figures | {"scores": scores.tolist()})
        return 0
    kept = f", {answer['bits']:,.0f} bits, {answer['fit_kept']:.0%} of the likeness kept" if "bits" in answer else ""
    print(f"{path}: {made.name}, layer {answer['layer']}{kept}" + (" (phantom: simulated data)" if about["phantom"]
                                                                  else "") + f"\n{about['resolution']}")
    return 0


def _run_all(args: argparse.Namespace) -> int:
    """Attribute many stimuli and print the files."""
    from brainview.attribution.batch import attribute_all, story_of

    noisy = args.method == "ibba"
    request: dict[str, Any] = {
        "method": args.method, "layer": args.layer, "beta": args.beta, "target": args.target,
        "config": {"copies": args.copies, "steps": args.steps, "seed": args.seed, "sigma": args.sigma, "lr": args.lr,
                   "mode": args.mode, "average": args.average} if noisy else None,
        "settings": {"masks": args.masks, "seed": args.seed} if args.method == "rise" else None}
    with terminal_job(quiet=args.json) as context:
        files = attribute_all(args.run, args.out, subjects=[args.subject] if args.subject else None, request=request,
                              data=args.data, context=context)
        groups = {str(f): _group(args, str(f), context) for f in files} if args.group else {}
    stories = {str(f): story_of(f) | ({"group": groups[str(f)]} if groups else {}) for f in files}
    if args.json:
        print_json(stories)
        return 0
    for file, story in stories.items():
        label = " (phantom: simulated data)" if story["phantom"] else ""
        print(f"{file}: {story['stimuli']} stimuli of {story['subject']}, {story['tokens']} tokens each{label}")
        if groups:
            print("  " + groups[file]["words"] + "\n  " + "\n  ".join(groups[file]["files"]))
    return 0


def _group(args: argparse.Namespace, scores: str, context: JobContext) -> dict[str, Any]:
    """Write the group maps of one subject."""
    from brainview.attribution.group import ALL
    from brainview.attribution.jobs import write_group

    category = ALL if args.group == "all" else args.group
    return write_group(args.run, scores, category, args.out, args.data, args.permutations, context=context)
