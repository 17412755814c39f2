"""``brainview benchmark attribution``: see :mod:`brainview.attribution.benchmark`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job
from brainview.core.errors import BrainViewError
from brainview.core.files import atomic_write, write_json

if TYPE_CHECKING:
    from brainview.attribution.survey import SurveyConfig
    from brainview.attribution.toy import ToyConfig
    from brainview.core.jobs import JobContext


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the switches."""
    parser.add_argument("--samples", type=int, default=100, help="test brains graded per level (default 100)")
    parser.add_argument("--level", "--levels", dest="levels", default="1", help="levels to run, such as 1,2,3 or all: "
                        "1 blobs, 2 patterns, 3 modalities, 4 redundancy, 5 hidden")
    parser.add_argument("--gaps", type=int, default=None, help="how many of them are also asked about a wrong target "
                        "(doubles their cost; default all)")
    parser.add_argument("--repeats", type=int, default=20, help="how many of them are repeated with another noise seed")
    parser.add_argument("--plain", action="store_true", help="leave out the switches of IB-BA at level 1")
    parser.add_argument("--betas", default=None, help="betas of IB-BA; default 0.1,1,10, with --run also the one that "
                        "the panel starts with")
    parser.add_argument("--layers", default=None, help="layers (blocks passed); default all")
    parser.add_argument("--copies", type=int, default=10, help="noise copies of IB-BA")
    parser.add_argument("--steps", type=int, default=900, help="training steps of the toy encoder")
    parser.add_argument("--train", type=int, default=6000, help="planted training brains")
    parser.add_argument("--masks", type=int, default=300, help="random masks of RISE; 0 leaves it out")
    parser.add_argument("--truth-only", action="store_true", help="leave out drop, increase, deletion and insertion")
    parser.add_argument("--fresh", action="store_true", help="train and grade anew; else a stopped run goes on")
    parser.add_argument("--run", default=None, help="grade a whole-brain run on its phantom instead of toy brains: a "
                        "folder, or 'shipped'")
    parser.add_argument("--subject", default=None, help="with --run: a subject of the run; default the first")
    parser.add_argument("--data", default="", help="with --run: the phantom, where the run's own place is not here")
    parser.add_argument("--settings", action="store_true", help="the table of IB-BA's settings instead of the methods, "
                        "on toy level 1 or on --run")
    parser.add_argument("--speed", action="store_true", help="measure CPU time per beta instead")
    parser.add_argument("--live", action="store_true", help="a slider session in the real window on --run (default: "
                        "the shipped one) and --data: latency, superseding, leaks; needs a display (xvfb-run)")
    parser.add_argument("--picture", default="", help="with --live: save the window at the end into this PNG")
    parser.add_argument("--out", default=None, help="also write the figures as JSON into this file")
    parser.add_argument("--table", default=None, help="also write the rows as CSV into this file")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run and print; the exit status is 0 whether thresholds are met or not: the table says which."""
    with terminal_job(quiet=args.json) as context:
        figures = _live(args, context) if args.live else _figures(args, context)
    if args.out:
        write_json(args.out, figures)
    if args.table and "levels" in figures:
        with atomic_write(args.table) as file:
            file.write(rows_csv(figures["levels"]).encode())
    if args.json:
        print_json(figures)
    elif args.speed:
        print(speed_text(figures["speed"]))
    elif args.live:
        from brainview.cli.benchmarks.attribution_live import live_text

        print(live_text(figures))
    else:
        print("\n\n".join(level_text(level) for level in figures["levels"]))
    return 0


def _live(args: argparse.Namespace, context: JobContext) -> dict[str, Any]:
    from brainview.alignment.shipped import demo_run
    from brainview.app.benchmark_live import measure

    run = str(demo_run()) if args.run in (None, "shipped") else args.run
    return measure(args.data, run, repeats=min(args.repeats, 5), picture=args.picture, context=context)


def _figures(args: argparse.Namespace, context: JobContext) -> dict[str, Any]:
    """Run what was asked for."""
    from brainview.attribution.benchmark import shipped_beta, survey_level, survey_world
    from brainview.attribution.speed import measure

    if args.speed:
        return {"speed": measure(context=context)}
    if args.run is None and not args.settings:
        return {"levels": [survey_level(level, _settings(args), _toy(args, level), cached=not args.fresh,
                                        context=context) for level in _levels(args.levels)]}
    world, name, what = _world(args, context)
    key = None if args.fresh else name
    if args.settings:
        from brainview.attribution.sweep import sweep

        found = sweep(world, key, samples=args.samples, copies=args.copies, context=context)
    else:
        config = _settings(args)
        if args.betas is None:
            config = replace(config, betas=tuple(sorted({*config.betas, shipped_beta(world)})))
        found = survey_world(world, config, key, context=context)
    found.pop("entries")
    return {"levels": [{"level": "settings" if args.settings else "phantom", "what": what, **found}]}


def _world(args: argparse.Namespace, context: JobContext) -> tuple[Any, str, str]:
    """Return the world that is graded, what its grades are kept under, and its name."""
    if args.run is None:
        from brainview.attribution.toy import train_toy

        toy = _toy(args, 1)
        return train_toy(toy, cached=not args.fresh, context=context), toy.key, "toy brains of level 1"
    from brainview.alignment.shipped import demo_run
    from brainview.attribution.phantom_world import PhantomWorld

    run = str(demo_run()) if args.run == "shipped" else args.run
    world = PhantomWorld(run, args.subject, args.data, context=context)
    return world, world.key, f"{world.source.subject} of {world.source.card.get('dataset')}, run {Path(run).name}"


def level_text(level: dict[str, Any]) -> str:
    """Return the tables of a level as text."""
    score = level["retrieval"]
    head = [f"{_title(level)}: {level['what']}. {level['samples']} brains ({level['gaps']} of them also asked "
            f"about a wrong target), {level['tokens']} tokens, {level['copies']} copies. Encoder R@1: image "
            f"{score['image']:.2f}, text {score['text']:.2f} (chance {score['chance']:.3f}). "
            f"AUPRC of a random map: {level['rows'][0]['prior']:.3f}.", ""]
    columns = {"hard_auroc": "hard AUROC", "hard_auroc_blocky": "blocky", "target_gap": "gap", "auroc": "AUROC",
               "auprc": "AUPRC", "pointing": "pointing", "energy": "energy", "deletion": "deletion",
               "insertion": "insertion", "image_drop": "img drop", "image_increase": "img incr",
               "text_drop": "txt drop", "text_increase": "txt incr", "mask_mean": "mean mask"}
    rows = sorted(level["rows"], key=lambda r: -r["hard_auroc"])
    lines = [[r["name"], *(r[k] for k in columns), f"{r['hard_auroc_low']:.3f}–{r['hard_auroc_high']:.3f}"]
             for r in rows]
    parts = [*head, table(lines, ["method", *columns.values(), "95 % interval"]), "",
             "Do degradation figures rank methods as the truth does (Spearman with hard AUROC; +1 = yes)?",
             table([[f["figure"], f["rho_all"], f["p_all"], f["n_all"], f["rho_ibba"], f["p_ibba"], f["n_ibba"]]
                    for f in level["faithfulness"]],
                   ["figure", "all methods", "p", "n", "IB-BA only", "p", "n"]), "",
             "Repeatability with another noise seed:" if level["repeatability"] else "",
             table([[r["name"], r["pearson"], r["top_overlap"], r["pearson_drawn"], r["samples"]]
                    for r in level["repeatability"]],
                   ["map", "Pearson over tokens", "top-10 % overlap", "Pearson of the drawn map", "brains"])]
    if "modalities" in level:
        parts += ["", "Image-only and text-only maps against the voxels of each modality (hard AUROC):",
                  table([[m["target"], m["truth"], m["mean"], m["low"], m["high"]] for m in level["modalities"]],
                        ["target", "truth", "mean", "low", "high"])]
    if "thresholds" in level:
        parts += ["", "Acceptance (defaults):",
                  table([[t["what"], t["wanted"], t["found"], "met" if t["met"] else "MISSED"]
                         for t in level["thresholds"]], ["what", "wanted", "found", ""])]
    if level["best_layer"] is None:
        return "\n".join(parts)
    return "\n".join([*parts, "", f"Best IB-BA layer at the default beta: {level['best_layer']}; "
                      f"the panel starts this encoder at layer {level['shipped']['layer']}, beta "
                      f"{level['shipped']['beta']:g} (the price per nat that levels 1 to 3 chose)."])


def _title(level: dict[str, Any]) -> str:
    return f"Level {level['level']}" if isinstance(level["level"], int) else str(level["level"]).capitalize()


def rows_csv(levels: list[dict[str, Any]]) -> str:
    """Return one line per level and row of the table, every figure with its interval where it has one."""
    keys = list(dict.fromkeys(k for level in levels for r in level["rows"] for k in r))
    lines = [",".join(["level", "samples", "gaps", "encoder_image_R@1", "encoder_text_R@1", *keys])]
    for level in levels:
        score = level["retrieval"]
        head = [level["level"], level["samples"], level["gaps"], score["image"], score["text"]]
        lines += [",".join(_cell(v) for v in (*head, *(r.get(k) for k in keys))) for r in level["rows"]]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def speed_text(figures: dict[str, Any]) -> str:
    """Return the speed figures as text."""
    gains = ", ".join(f"{g:.2f}" for g in figures["gains"])
    return (f"CPU seconds per beta (one thread): straightforward loop {figures['straightforward']:.2f}, BrainView "
            f"{figures['brainview']:.2f}\ngain {figures['gain']:.2f} (runs: {gains}); wanted at least "
            f"{figures['goal']:g}\nlargest relative difference of the maps {figures['difference']:.1e}\n"
            + ("met" if figures["met"] else "MISSED"))


def _settings(args: argparse.Namespace) -> SurveyConfig:
    from brainview.attribution.survey import SurveyConfig

    if args.samples < 1:
        raise BrainViewError("--samples must be at least 1")
    layers = None if args.layers is None else tuple(int(v) for v in _numbers(args.layers, "--layers"))
    betas = _numbers(args.betas or "0.1,1,10", "--betas")
    return SurveyConfig(samples=args.samples, betas=betas, layers=layers, copies=args.copies,
                        masks=args.masks, repeats=args.repeats, variants=not args.plain, degrade=not args.truth_only,
                        gaps=args.samples if args.gaps is None else args.gaps)


def _toy(args: argparse.Namespace, level: int) -> ToyConfig:
    from brainview.attribution.planted import PlantedConfig
    from brainview.attribution.toy import ToyConfig

    toy = ToyConfig()
    return replace(toy, planted=PlantedConfig(level=level), steps=args.steps, train=args.train,
                   test=max(toy.test, args.samples))


def _levels(text: str) -> list[int]:
    from brainview.attribution.planted import LEVELS

    if text == "all":
        return sorted(LEVELS)
    levels = [int(v) for v in _numbers(text, "--levels")]
    if not set(levels) <= set(LEVELS):
        raise BrainViewError(f"--levels takes 1 to 5, got {text!r}")
    return levels


def _numbers(text: str, what: str) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in text.split(","))
    except ValueError as err:
        raise BrainViewError(f"{what} takes numbers separated by commas, got {text!r}") from err
