"""Where jobs run: an embedded cluster with two lazy workers, a scheduler address, or SLURM.

``live`` serves sliders and looks; ``batch`` trains and builds at low priority. Each is one process under a memory
limit, started when the first job asks for it and started again when it dies. A job that killed its worker is never
repeated by itself. Traffic is encrypted with a certificate made for this start: other users of the machine can
reach its ports, and a scheduler runs what it is sent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.names import shown

#: Seconds that a worker may take to start: two minutes are not enough where ten programs share two cores.
PATIENCE = 300
#: Messages and transitions that dask remembers for its own debugging: each message holds the arguments of a job, and by
#: default a thousand of them stay in the window's process.
REMEMBERED = 20
SETTINGS = {"live": {"nthreads": 2, "nice": 0, "share": 0.45}, "batch": {"nthreads": 1, "nice": 10, "share": 0.8}}


class Cluster:
    """A dask client and, when embedded, the scheduler and workers behind it. All methods block: call off the GUI."""

    def __init__(self, scheduler: str | None = None, *, slurm: dict[str, Any] | None = None) -> None:
        import dask
        from distributed import Client

        dask.config.set({"distributed.scheduler.allowed-failures": 0,
                         "distributed.admin.low-level-log-length": REMEMBERED, "distributed.admin.tick.limit": "20s",
                         "distributed.worker.memory.terminate": 0.98, "distributed.logging.distributed": "critical",
                         "distributed.worker.memory.pause": False, "distributed.worker.memory.spill": False,
                         "distributed.worker.memory.target": False})
        self._own: Any = None
        self._folder: tempfile.TemporaryDirectory | None = None
        self.embedded = scheduler is None and slurm is None
        self._changing = threading.Lock()
        if self.embedded:
            self._own = self._embedded()
            self.client = Client(self._own, set_as_default=False)
        elif slurm is not None:
            self._own = _slurm_cluster(slurm)
            self.client = Client(self._own, set_as_default=False)
        else:
            try:
                self.client = Client(scheduler, timeout="10s", set_as_default=False)
            except (OSError, ValueError, TimeoutError) as err:
                raise BrainViewError(f"no dask scheduler answers: {shown(err)}", where=scheduler,
                                     remedy="Check the address, for example tcp://host:8786.") from err

    def _embedded(self) -> Any:
        from distributed import Scheduler, SpecCluster
        from distributed.security import Security

        self._folder = tempfile.TemporaryDirectory(prefix="brainview-engine-")
        self._security = Security.temporary()
        options = {"host": "127.0.0.1", "port": 0, "dashboard": False, "security": self._security,
                   "protocol": "tls://"}
        return SpecCluster(workers={}, scheduler={"cls": Scheduler, "options": options}, security=self._security,
                           silence_logs=50, asynchronous=False)

    def ensure_worker(self, lane: str) -> list[str] | None:
        """Start the lane's worker if it is not there; return whom to ask (None = any worker)."""
        if not self.embedded:
            return None
        with self._changing:
            self._start_worker(lane)
        return [lane]

    def _start_worker(self, lane: str) -> None:
        if lane not in self._own.worker_spec:
            from distributed import Nanny

            self._own.worker_spec[lane] = {"cls": Nanny, "options": self._options(lane)}
            self._own.sync(self._own._correct_state)
        self._wait_for(lane, lambda address: True)

    def _wait_for(self, lane: str, accept: Callable[[str], bool], seconds: float = PATIENCE) -> None:
        """Wait until the lane's worker has registered under an address that `accept` takes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            if any(w["name"] == lane and accept(address) for address, w in workers.items()):
                return
            time.sleep(0.02)
        raise BrainViewError(f"the {lane} worker did not start within {seconds:.0f} s",
                             remedy="Close other programs, or start BrainView again.")

    def _options(self, lane: str) -> dict[str, Any]:
        setting = SETTINGS[lane]
        threads = str(os.cpu_count() or 1)
        total = _memory()
        assert self._folder is not None
        return {"nthreads": setting["nthreads"], "memory_limit": int(total * setting["share"]), "silence_logs": 50,
                "local_directory": self._folder.name, "security": self._security, "host": "127.0.0.1",
                "protocol": "tls://", "dashboard": False, "death_timeout": PATIENCE,
                "env": {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
                        "BRAINVIEW_THREADS": threads, "BRAINVIEW_NICE": str(setting["nice"])},
                "preload": ["brainview.engine.preload"]}

    def replace(self, lane: str, pid: int, address: str) -> None:
        """Kill the lane's process (it does not listen); its keeper starts a new one, which this waits for."""
        with self._changing:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            self._wait_for(lane, lambda found: found != address)

    def close(self) -> None:
        """End the client, the workers and their folder."""
        self.client.close(timeout=5)
        if self._own is not None:
            self._own.close(timeout=10)
        if self._folder is not None:
            self._folder.cleanup()


def _memory() -> int:
    from distributed.system import MEMORY_LIMIT  # respects containers

    return int(MEMORY_LIMIT)


def _slurm_cluster(settings: dict[str, Any]) -> Any:
    """Return a SLURMCluster of dask-jobqueue; `settings` are its own (queue, cores, memory, walltime, jobs ...)."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as err:
        raise MissingError("SLURM needs the package dask-jobqueue",
                           remedy="Install BrainView with its extra: brainview-explorer[slurm].") from err
    settings = dict(settings)
    jobs = int(settings.pop("jobs", 1))
    cluster = SLURMCluster(**{"cores": 4, "memory": "16GB", **settings})
    cluster.scale(jobs=jobs)
    return cluster
