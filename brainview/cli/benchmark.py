"""``brainview benchmark WHAT``: tables of accuracy against known truth and of speed against peers."""

from __future__ import annotations

import argparse
import importlib

from brainview.cli.terminal import add_json
from brainview.core.errors import MissingError

#: what -> module with ``configure(parser)`` and ``run(args) -> int``; imported only when asked for.
BENCHMARKS = {
    "encoding": ("brainview.encoding.benchmark", "ridge solver against himalaya, with the limit of the machine"),
    "data": ("brainview.cli.benchmarks.data", "volume to surface against nilearn"),
    "llm-vem": ("brainview.cli.benchmarks.llm_vem", "LLM-VEM beside ridge on the same tokens, on a phantom"),
    "alignment": ("brainview.cli.benchmarks.alignment", "methods, ablations, CLIP alone, time of a query"),
    "attribution": ("brainview.cli.benchmarks.attribution", "attribution methods against planted truth"),
    "tokenizer": ("brainview.cli.benchmarks.tokenizer", "the brain encoder's tokenizer, factorised against naive"),
    "viewer": ("brainview.cli.benchmarks.viewer", "painting a map against a bare paint and against MNE Brain"),
    "session": ("brainview.cli.benchmarks.session", "a scripted session in the window: lag, memory, windows, pictures"),
    "start": ("brainview.cli.benchmarks.start", "time to the window and to the brain, peak memory"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; each benchmark has its own switches after its name."""
    parser.add_argument("what", choices=sorted(BENCHMARKS),
                        help="; ".join(f"{name}: {text}" for name, (_, text) in BENCHMARKS.items()))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="switches of that benchmark")


def run(args: argparse.Namespace) -> int:
    """Import the benchmark and run it."""
    name = BENCHMARKS[args.what][0]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name != name:
            raise
        raise MissingError(f"the benchmark {args.what!r} is not part of this installation",
                           remedy="Use another one of: " + ", ".join(BENCHMARKS) + ".") from err
    parser = argparse.ArgumentParser(prog=f"brainview benchmark {args.what}", description=BENCHMARKS[args.what][1],
                                     allow_abbrev=False)
    module.configure(parser)
    if not any("--json" in action.option_strings for action in parser._actions):
        add_json(parser)
    return int(module.run(parser.parse_args(args.rest)) or 0)
