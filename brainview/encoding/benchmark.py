"""The ridge solver beside himalaya, in one process, on one BLAS thread, with the machine's own limit as the unit.

Times are CPU seconds of the process (wall time means nothing on a shared machine). Before and after every method the
same matrix multiply is timed; ``of the limit`` is the time that the method's necessary operations would take at that
pace, divided by the time it took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext, Quiet
from brainview.encoding.ridge import fit_ridge
from brainview.encoding.ridge.profiles import profiles

#: (n, p, t) of the issue's comparison; and a small one for tests.
SIZES = {"standard": (2000, 768, 20_000), "small": (300, 60, 1500)}
ALPHAS = np.logspace(0, 9, 10)
FOLDS = 5


def problem(n: int, p: int, t: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, p), (n, t) float32: features whose variance falls as 1 / rank, targets with more and less signal."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((n, p)) * np.arange(1, p + 1) ** -0.5).astype(np.float32)
    x /= x.std()
    y = rng.standard_normal((n, t), dtype=np.float32) * 3
    y += x @ (rng.standard_normal((p, t), dtype=np.float32) * rng.uniform(0.02, 0.15, t).astype(np.float32))
    return x, y


def pace(x: np.ndarray, y: np.ndarray) -> float:
    """Return GFLOP per CPU second of X'Y on 4,000 targets, the best of three."""
    part = np.ascontiguousarray(y[:, :4000])
    left = np.ascontiguousarray(x.T)
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        left @ part
        best = min(best, time.process_time() - start)
    return 2 * part.shape[0] * part.shape[1] * x.shape[1] / max(best, 1e-9) / 1e9


def profile_count(x: np.ndarray) -> int:
    """Return how many shrinkage profiles the penalties need on the training part of one fold, about."""
    gram = x.T.astype(np.float64) @ x if x.shape[0] >= x.shape[1] else x.astype(np.float64) @ x.T
    values = np.linalg.eigvalsh(gram) * (FOLDS - 1) / FOLDS
    return profiles(values[values > values[-1] * 1e-10], ALPHAS)[0].shape[0]


def methods(x: np.ndarray, y: np.ndarray) -> dict[str, tuple[Callable[[], np.ndarray], float]]:
    """Return name -> (function that gives the chosen penalties, least operations in GFLOP).

    The least is what each way of solving cannot do without: X'Y once; for every penalty, one set of held-out
    predictions per shrinkage profile and their Gram matrix; bracketed, a rotation per fold and three penalties per
    target (the best one and its two neighbours).
    """
    n, p, t = x.shape[0], x.shape[1], y.shape[1]
    rows = min(n // FOLDS, p)
    read, basis = 2 * n * p * t / 1e9, 2 * p * p * t / 1e9
    held_out = FOLDS * 2 * p * rows * t / 1e9
    shapes = profile_count(x)
    gram = FOLDS * 2 * rows * (shapes + 1) ** 2 * t / 1e9

    def ours(weights: bool = False, **more: Any) -> np.ndarray:
        fit = fit_ridge(x, y, alphas=ALPHAS, grow=False, intercept=False, folds=FOLDS, **more)
        if weights:
            fit.weights()
        return fit.alphas

    def peer() -> np.ndarray:
        from himalaya.backend import set_backend
        from himalaya.ridge import RidgeCV

        set_backend("numpy")
        return np.asarray(RidgeCV(alphas=ALPHAS, cv=FOLDS).fit(x, y).best_alphas_, np.float64)

    return {
        "BrainView GCV": (ours, read),
        "BrainView GCV + weights": (lambda: ours(weights=True), read + basis),
        "BrainView 5-fold (every penalty)": (lambda: ours(method="kfold"), read + shapes * held_out + gram),
        "BrainView 5-fold + weights": (lambda: ours(weights=True, method="kfold"),
                                       read + shapes * held_out + gram + basis),
        "BrainView 5-fold bracketed": (lambda: ours(method="kfold", search="bracket"),
                                       read + FOLDS * basis + 3 * held_out),
        "himalaya RidgeCV (numpy)": (peer, 0.0),
    }


def measure(size: str = "standard", *, seed: int = 0, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the table: CPU seconds, share of the limit, how many times less than himalaya, same penalties."""
    from importlib.util import find_spec

    from threadpoolctl import threadpool_info, threadpool_limits

    if find_spec("himalaya") is None:
        raise MissingError("himalaya is not installed, so there is no peer to measure beside",
                           remedy="Install it: pip install 'brainview-explorer[peers]'.")
    n, p, t = SIZES[size]
    x, y = problem(n, p, t, seed)
    rows: list[dict[str, Any]] = []
    chosen: dict[str, np.ndarray] = {}
    with threadpool_limits(1):
        for name, (work, least) in methods(x, y).items():
            context.check()
            before = pace(x, y)
            start = time.process_time()
            chosen[name] = work()
            spent = time.process_time() - start
            limit = (before + pace(x, y)) / 2
            rows.append({"method": name, "cpu_seconds": spent, "pace_gflops": limit,
                         "units_gflop": spent * limit, "of_the_limit": least / (spent * limit) if least else None})
            context.log(f"{name}: {spent:.2f} CPU s at {limit:.0f} GFLOP/s")
    peer, penalties = rows[-1], chosen["himalaya RidgeCV (numpy)"]
    for row in rows:
        row["times_less_cpu"] = peer["cpu_seconds"] / row["cpu_seconds"]
        row["times_less_units"] = peer["units_gflop"] / row["units_gflop"]
        row["same_penalty"] = float(np.isclose(chosen[row["method"]], penalties, rtol=1e-3).mean())
    memory = {m: extra_memory(m, size) for m in ("gcv", "kfold")}
    blas = [f"{i['internal_api']} {i.get('architecture', '')} {i['version']}" for i in threadpool_info()
            if i.get("user_api") == "blas"]
    return {"n": n, "p": p, "t": t, "alphas": ALPHAS, "folds": FOLDS, "blas": blas, "rows": rows,
            "extra_memory_gb": memory}


_MEMORY = """
import json, resource, sys
import numpy as np
from brainview.encoding.benchmark import ALPHAS, SIZES, problem
from brainview.encoding.ridge import fit_ridge
x, y = problem(*SIZES[sys.argv[2]])
fit_ridge(x[:50], y[:50, :50])
scale = 1 if sys.platform == "darwin" else 1024
status = open("/proc/self/clear_refs", "w") if sys.platform == "linux" else None
if status:
    status.write("5"); status.close()
def peak():
    if sys.platform == "linux":
        return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
before = peak()
fit = fit_ridge(x, y, method=sys.argv[1], alphas=ALPHAS, grow=False, intercept=False)
print(json.dumps((peak() - before) / 1e9))
"""


def extra_memory(method: str, size: str = "standard") -> float:
    """Return GB of peak memory above the data, fitted factor included, in a process of its own."""
    out = subprocess.run([sys.executable, "-c", _MEMORY, method, size], capture_output=True, text=True, check=True)
    return float(json.loads(out.stdout))


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the switches."""
    parser.add_argument("--size", choices=sorted(SIZES), default="standard")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from brainview.core.files import to_json

    found = measure(args.size, context=_Lines())
    sys.stdout.write((to_json(found) if args.json else text(found)) + "\n")
    return 0


class _Lines(Quiet):
    """Log lines on standard error, as they come."""

    def log(self, line: str) -> None:
        """Write one line."""
        sys.stderr.write(line + "\n")


def text(found: dict[str, Any]) -> str:
    """Return the table as text."""
    head = (f"{found['n']:,} samples x {found['p']} features -> {found['t']:,} targets, {len(found['alphas'])} "
            f"penalties, float32, one BLAS thread ({', '.join(found['blas'])})")
    lines = [head, f"{'method':34}{'CPU s':>8}{'GFLOP units':>13}{'of limit':>10}{'x less CPU':>12}{'same alpha':>12}"]
    for row in found["rows"]:
        share = "–" if row["of_the_limit"] is None else f"{row['of_the_limit']:.2f}"
        lines.append(f"{row['method']:34}{row['cpu_seconds']:8.2f}{row['units_gflop']:13.0f}{share:>10}"
                     f"{row['times_less_cpu']:12.1f}{row['same_penalty']:12.2%}")
    memory = found["extra_memory_gb"]
    lines.append(f"peak memory above the data: GCV {memory['gcv']:.2f} GB, 5-fold {memory['kfold']:.2f} GB")
    lines.append("GCV is another criterion than the folds: its penalties agree with them, they are not the same. "
                 "'of limit': time of the multiplications that the method cannot avoid, at the pace measured beside "
                 "it, by the time it took.")
    return "\n".join(lines)
