"""The factorised tokenizer beside the naive one: the same tokens, memory and CPU time, each in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext

_CODE = """
import json, sys, time
import torch
from brainview.language.brain import encoders
way, voxels, latents, width, batch, train = sys.argv[1], *map(int, sys.argv[2:7])
torch.manual_seed(0)
torch.set_num_threads(1)
first, second = torch.nn.Linear(1, latents), torch.nn.Linear(voxels, width)
x = torch.randn(batch, voxels)
tokens = getattr(encoders, way)
def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024
upstream = torch.ones(batch, latents, width) if train else None  # what the resampler hands back, there in any case
def step(x):
    out = tokens(x, first, second)
    if train:
        out.backward(upstream[:len(x)])
    return out.detach()
step(x[:1, :].clone())  # buffers of gradients and libraries are there before anything is measured
first.zero_grad(set_to_none=False); second.zero_grad(set_to_none=False)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts again from what is held now
before, start = status("VmRSS"), time.process_time()
out = step(x)
print(json.dumps({"cpu": time.process_time() - start, "peak": status("VmHWM") - before,
                  "sum": float(out.double().sum()), "sample": out.flatten()[:: max(1, out.numel() // 512)].tolist()}))
"""


def measure(voxels: int = 15_724, latents: int = 256, width: int = 1024, batch: int = 8, *, train: bool = True,
            context: JobContext = QUIET) -> dict[str, Any]:
    """Return CPU seconds and memory of one step of both tokenizers.

    Memory is what every further brain of a batch costs (MB; from the peaks at `batch` and 3 x `batch` brains), which is
    what limits the batch; weights, their gradient and their packed copy are the same for both and are not in it. The
    whole peak above what was held before stands beside it.

    Parameters
    ----------
    train : bool
        Forward and backward; else forward alone.

    Raises
    ------
    BrainViewError
        The machine does not tell the peak of a process (only Linux does).
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for number, (way, size) in enumerate((w, b) for w in ("naive", "factorised") for b in (batch, 3 * batch)):
        context.report(number, 4, f"{way}, {size} brains")
        arguments = [str(v) for v in (voxels, latents, width, size, int(train))]
        done = subprocess.run([sys.executable, "-c", _CODE, way, *arguments], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or "?").splitlines()[-1]
            raise BrainViewError(f"the tokenizer cannot be measured here: {reason}")
        found[way, size] = json.loads(done.stdout)
    rows = [{"tokenizer": way, "cpu_s": found[way, 3 * batch]["cpu"], "peak_mb": found[way, 3 * batch]["peak"],
             "mb_per_brain": (found[way, 3 * batch]["peak"] - found[way, batch]["peak"]) / (2 * batch)}
            for way in ("naive", "factorised")]
    samples = [found[way, batch]["sample"] for way in ("naive", "factorised")]
    return {"voxels": voxels, "latents": latents, "width": width, "batch": 3 * batch, "train": train, "rows": rows,
            "largest_difference": max(abs(a - b) for a, b in zip(*samples, strict=True)),
            "memory_ratio": rows[0]["mb_per_brain"] / max(0.01, rows[1]["mb_per_brain"]),
            "cpu_ratio": rows[0]["cpu_s"] / max(1e-6, rows[1]["cpu_s"])}
