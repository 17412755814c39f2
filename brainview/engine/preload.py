"""Runs at the start of each embedded worker, before any job."""

from __future__ import annotations

import contextlib
import os
from typing import Any


def dask_setup(worker: Any) -> None:
    """Lower the priority of the batch worker, and let it go down with the window that made it."""
    nice = int(os.environ.get("BRAINVIEW_NICE", "0"))
    if nice and hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(nice)
