"""Entry point: finds the verb, runs it, turns every failure into one line and an exit status.

Exit status: 0 done; 1 the input or the request is at fault (or a fault of ours, logged); 2 usage; 3 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from brainview import __version__
from brainview.core.errors import BrainViewError, Cancelled
from brainview.core.names import shown
from brainview.core.paths import cache_dir

#: verb -> (module below brainview.cli, one line of help). A verb is a module with `configure(parser)` and `run(args)`.
VERBS: dict[str, tuple[str, str]] = {
    "open": ("explorer", "open the explorer (the default when no verb is given)"),
    "tour": ("tour", "drive the real panels without a display and write pictures, maps and report.html"),
    "phantom": ("phantom", "write simulated brains with known truth in a real layout"),
    "inspect": ("inspect", "tell what is in a folder: layout, subjects, counts, ROIs, ceilings, problems"),
    "get-data": ("get_data", "tell what the data's agreement asks for, and fetch from your own source"),
    "train": ("train", "train a model on a data set"),
    "retrieve": ("retrieve", "find images and texts from brains and back: R@1/5/10 beside chance"),
    "describe": ("describe", "say in words and boxes what a brain saw, beside the true picture and a shuffled brain"),
    "score": ("score", "score a trained encoding model"),
    "caption": ("caption", "write a text for every stimulus by a language model, cached"),
    "submit": ("submit", "write or check a challenge submission"),
    "convert": ("convert", "convert a map to NIfTI, GIFTI, CIFTI or CSV, on another space if asked"),
    "snapshot": ("snapshot", "draw a map into a picture without a window"),
    "attribute": ("attribute", "write the map of which voxels carry a stimulus' image or text"),
    "figure": ("figure", "write a figure of alignment: high responses, curves, caption sources, grids of maps"),
    "build-demo": ("build_demo", "rebuild the small models of resources/ from scratch"),
    "evaluate": ("evaluate", "score prediction files of captions or boxes"),
    "benchmark": ("benchmark", "measure accuracy against known truth and speed against peers"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except (KeyboardInterrupt, Cancelled):
        print("brainview: interrupted; what was finished is kept", file=sys.stderr)
        return 3
    except BrainViewError as err:
        print(f"brainview: {err}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as err:  # the one place where an unforeseen fault becomes a line instead of a traceback
        if os.environ.get("BRAINVIEW_DEBUG"):
            raise
        log = cache_dir() / "faults.log"
        logging.basicConfig(filename=log, level=logging.ERROR, force=True)
        logging.getLogger("brainview").exception("brainview %s", arguments)
        print(f"brainview: a fault of BrainView's own: {type(err).__name__}: {shown(err)}. "
              f"Details are in {log}; please report it.", file=sys.stderr)
        return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or (arguments[0] not in VERBS and not arguments[0].startswith("-")):
        arguments = ["open", *arguments]
    if arguments[0] in ("-h", "--help", "--version"):
        _overview().parse_args(arguments)
    if arguments[0] not in VERBS:
        arguments = ["open", *arguments]
    verb = arguments[0]
    module = importlib.import_module(f"brainview.cli.{VERBS[verb][0]}")
    parser = argparse.ArgumentParser(prog=f"brainview {verb}", description=VERBS[verb][1].capitalize() + ".",
                                     allow_abbrev=False)
    module.configure(parser)
    return int(module.run(parser.parse_args(arguments[1:])) or 0)


def _overview() -> argparse.ArgumentParser:
    lines = [f"  {verb:<12}{text}" for verb, (_, text) in VERBS.items()]
    parser = argparse.ArgumentParser(
        prog="brainview", usage="brainview [PATH | PROJECT]\n       brainview VERB ...",
        description="An explorer of encoding, attribution and decoding models on recorded brains.",
        epilog="verbs:\n" + "\n".join(lines) + "\n\n'brainview VERB --help' tells more. Without a path the explorer "
               "opens on the built-in phantom.", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"brainview {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
