"""Jobs that the engine's tests run in real workers."""

import os
import time
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError


def add(a, b, *, context):
    context.log(f"adding {a} and {b}")
    for i in range(5):
        context.report(i + 1, 5, f"step {i + 1}")
        time.sleep(0.06)
    return {"sum": np.asarray(a) + b}


def slow(seconds, *, context, path=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        context.report(seconds - (end - time.monotonic()), seconds, "waiting")
        time.sleep(0.02)
    return os.getpid()


def deaf(seconds, *, context):
    time.sleep(seconds)


def pid(*, context):
    return os.getpid(), (os.nice(0) if hasattr(os, "nice") else None)


def threads(*, context):
    import torch

    return torch.get_num_threads()


def bad_input(*, context):
    raise FormatError("is no brain", where="x.nii", remedy="Open another.")


def fault(*, context):
    raise ZeroDivisionError("secret\nsecond line")


def count_up(folder, *, context):
    """Go on from what an earlier try left: how training resumes."""
    file = Path(folder, "count")
    start = int(file.read_text()) if file.exists() else 0
    for i in range(start, 60):
        file.write_text(str(i + 1))
        Path(folder, "pid").write_text(str(os.getpid()))
        context.report(i + 1, 60, "counting")
        time.sleep(0.05)
    return start


class Model:
    def __init__(self, base):
        self.base, self.stopped = base, False

    def work(self, seconds):
        self.stopped = False
        start = time.monotonic()
        while time.monotonic() - start < seconds and not self.stopped:
            time.sleep(0.01)
        return self.base, self.stopped, time.monotonic() - start

    def stop(self):
        self.stopped = True
        return True
