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
from brainview.training import seeds


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
                        help="train every value (several, or 'KEY=A,B;KEY=C,D': the grid) and print the table; with "
                             "seed=0,1,2 also mean and 95 %% interval over seeds")
    parser.add_argument("--options", action=_Options, nargs=0, help="list the presets and every setting of the system, "
                                                                    "and stop: brainview train SYSTEM --options")
    add_json(parser)


class _Options(argparse.Action):
    """Prints what ``--set`` and ``--preset`` of a system take."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any) -> None:
        name = getattr(namespace, "system", None)
        if name is None:
            parser.error("name a system before --options")
        print(options_text(name))
        parser.exit(0)


def options_text(name: str) -> str:
    """Return the presets and settings of a system as text."""
    from brainview.state.training_words import PRESETS
    from brainview.training.options import describe

    found = describe(name)
    notes = PRESETS.get(name, {}) | found["preset_notes"]
    presets = [[preset, notes.get(preset, ""), ", ".join(f"{k}={v}" for k, v in values.items()) or "the defaults below"]
               for preset, values in found["presets"].items()]
    rows = [[o["name"], "''" if o["default"] == "" else str(o["default"]), _hint(name, o)] for o in found["options"]]
    return (f"{found['title']}: {found['about']}\n\n" + table(presets, ["preset", "what for", "sets"]) + "\n\n"
            + table(rows, ["setting", "default", "what it is"]))


def _hint(system: str, option: dict[str, Any]) -> str:
    """Return what a setting is: its choices and the words that the training form has for it, or else its own."""
    from brainview.state.training_words import words_of

    words = words_of(system, option["name"])[1] or option["hint"]
    choices = " | ".join(map(str, option["choices"]))
    return choices if not words or words == choices else f"{choices}: {words}" if choices else words


def run(args: argparse.Namespace) -> int:
    """Train and print the figures."""
    options = _options(args)
    sweeps = [pair(part) for text in args.sweep for part in _parts(text, ";")]
    module = load(SYSTEMS[args.system].module)
    with terminal_job(quiet=args.json) as context:
        if not sweeps:
            done = module.train(args.path, args.out, subjects=args.subjects, options=options, context=context)
            figures = _figures(done)
            figures["remarks"] = getattr(module, "remarks", lambda run: [])(done)
            print_json(figures) if args.json else print(_text(figures))
            return 0
        rows = _grid(module, args, options, sweeps, context)
    summary = _over_seeds(module, args.system, rows, [key for key, _ in sweeps])
    if args.json:
        print_json({"rows": rows, "over_seeds": summary, "meaning": seeds.MEANING} if summary else rows)
        return 0
    keys = list(rows[0])
    print(table([[row[k] for k in keys] for row in rows], keys))
    if summary:
        print("\n" + table([[seeds.words(v) for v in row.values()] for row in summary], list(summary[0])))
        print(seeds.MEANING)
    return 0


def _over_seeds(module: Any, system: str, rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return the table over seeds when there are two or more; the system's own ``summarise`` makes it if it has one."""
    if len({row.get(seeds.SEED) for row in rows}) < 2 or seeds.SEED not in names:
        return []
    found: list[dict[str, Any]] = getattr(module, "summarise", seeds.summarise)(rows, names, _columns(system))
    return found


def _parts(text: str, mark: str) -> list[str]:
    """Return the parts of a text between marks that are not inside brackets: ``timm:MODEL[layers=0,2]`` stays whole."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == mark and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def pair(text: str) -> tuple[str, str]:
    """Return (key, value) of ``KEY=VALUE``; raises MismatchError for anything else."""
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
    options |= dict(pair(text) for text in args.set)
    options |= {k: v for k, v in (("features", args.features), ("method", args.method)) if v}
    return options


def _grid(module: Any, args: argparse.Namespace, options: dict[str, Any], sweeps: list[tuple[str, str]],
          context: JobContext) -> list[dict[str, Any]]:
    """Train every cell of the grid in its own run folder below --out; return one row per cell."""
    names = [key for key, _ in sweeps]
    rows = []
    for values in itertools.product(*(_parts(value, ",") for _, value in sweeps)):
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
            + table(rows, ["subject", *columns]) + "".join(map(_remark, figures.get("remarks", ())))
            + f"\nrun: {figures['run']}")


def _remark(part: dict[str, Any]) -> str:
    """Return one part of what a system says beside its table: a title, a table of its own, lines."""
    words = [part["title"]] if part["title"] else []
    words += [table(part["rows"], part["header"])] if part["rows"] else []
    return "\n\n" + "\n".join([*words, *part["lines"]])
