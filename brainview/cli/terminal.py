"""What verbs share: progress on standard error, figures as a table or as JSON."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from brainview.core.errors import Cancelled
from brainview.core.files import to_json
from brainview.core.jobs import Clock


class TerminalContext:
    """Progress of a job as one line on standard error, rewritten in place on a terminal; Ctrl-C cancels."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._clock = Clock()
        self._last = -1
        self._cancel = threading.Event()

    def report(self, done: float, total: float, text: str = "") -> None:
        """Show the share done and the time left."""
        self.check()
        share = min(1.0, done / total) if total else 1.0
        step = int(share * 100)
        if self._quiet or step == self._last:
            return
        self._last = step
        left = self._clock.left(share, 1.0)
        line = f"{step:3d} %  {text}" + (f"  ({left:.0f} s left)" if left is not None and share < 1 else "")
        if self._live:
            sys.stderr.write("\r\x1b[K" + line + ("\n" if step == 100 else ""))
            sys.stderr.flush()
        elif step % 10 == 0:
            print(line, file=sys.stderr)

    def log(self, line: str) -> None:
        """Print one line."""
        if not self._quiet:
            print(("\r\x1b[K" if self._live else "") + line, file=sys.stderr)

    def cancel(self) -> None:
        """Ask the job to stop at its next report."""
        self._cancel.set()

    def check(self) -> None:
        """Raise Cancelled after Ctrl-C."""
        if self._cancel.is_set():
            raise Cancelled()


@contextmanager
def terminal_job(*, quiet: bool = False) -> Iterator[TerminalContext]:
    """Give a context whose first Ctrl-C (or SIGTERM) cancels softly and whose second one interrupts at once."""
    context = TerminalContext(quiet=quiet)

    def soften(signum: int, frame: Any) -> None:
        if context._cancel.is_set():
            raise KeyboardInterrupt
        context.cancel()

    before = {s: signal.signal(s, soften) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield context
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a verb its ``--json`` switch."""
    parser.add_argument("--json", action="store_true", help="print the figures as strict JSON")


def print_json(value: Any) -> None:
    """Print strict JSON on standard output."""
    print(to_json(value))


def table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    """Return rows as aligned text; numbers to the right, NaN and None as a dash."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(header)]
    right = [bool(rows) and all(isinstance(r[i], (int, float)) or r[i] is None for r in rows)
             for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()

    return "\n".join([line(list(header)), "  ".join("-" * w for w in widths), *map(line, cells)])


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
