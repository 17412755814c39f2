"""``brainview [PATH | PROJECT]``: open the explorer; without a display, run the tour and say where its report is."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from brainview.core.errors import MissingError
from brainview.core.paths import data_dir


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="?", metavar="PATH|PROJECT",
                        help="a data set folder, a run folder, a map file or a project; none: the built-in phantom")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--canvas", choices=("auto", "qt", "image"), default="auto",
                        help="image draws without OpenGL in the window (remote X, broken drivers)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run jobs on a dask scheduler, for example tcp://host:8786")


def has_display() -> bool:
    """Tell whether a window can be shown: on Linux an X server or Wayland is named, or Qt was told another platform."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(args: argparse.Namespace) -> int:
    """Open the window, or run the tour."""
    if args.path is not None and not os.path.exists(os.path.expanduser(args.path)):
        raise MissingError("does not exist", where=args.path,
                           remedy="Give a data set folder, a run folder, a map file or a project; "
                                  "brainview --help lists the other verbs.")
    if not has_display():
        return _tour()
    os.environ.setdefault("QT_API", "pyside6")
    from brainview.app.start import run as run_window

    return run_window(args.path, theme_name=args.theme, canvas=args.canvas, scheduler=args.scheduler)


def _tour() -> int:
    out = data_dir() / "tour"
    print(f"brainview: there is no display here, so the tour is run instead; its report will be {out / 'report.html'}",
          file=sys.stderr)
    tour = importlib.import_module("brainview.cli.tour")
    parser = argparse.ArgumentParser()
    tour.configure(parser)
    return int(tour.run(parser.parse_args(["--out", str(out)])) or 0)
