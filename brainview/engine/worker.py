"""What runs inside a worker: the job's context, its cancel flag, its threads.

Progress goes out as events of the worker; a cancel comes in through the worker's own event loop, which answers
while a job computes.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
import time
import traceback
from typing import Any

from brainview.core.errors import BrainViewError, Cancelled, LimitError
from brainview.core.names import shown

_cancelled: set[str] = set()
_running: set[str] = set()
_configured = threading.Lock()
_threads: int | None = None


class WorkerContext:
    """The JobContext of a job in a worker; at most 20 progress messages a second leave it."""

    def __init__(self, job: str, topic: str) -> None:
        self._job, self._topic, self._last = job, topic, 0.0

    def report(self, done: float, total: float, text: str = "") -> None:
        """Send the share done; raises Cancelled when the user cancelled."""
        self.check()
        now = time.monotonic()
        if now - self._last >= 0.05 or done >= total:
            self._last = now
            self._send({"done": float(done), "total": float(total), "text": text})

    def log(self, line: str) -> None:
        """Send one line."""
        self._send({"log": shown(line, limit=2000)})

    def check(self) -> None:
        """Raise Cancelled when the user cancelled."""
        if self._job in _cancelled:
            raise Cancelled()

    def _send(self, message: dict[str, Any]) -> None:
        from distributed import get_worker

        get_worker().log_event(self._topic, {"job": self._job, **message})


def configure_threads(count: int | None = None) -> int:
    """Give numeric libraries of this process their threads and return the number.

    dask starts workers with one thread for BLAS and torch; this sets it back, once per process.
    """
    global _threads
    with _configured:
        if _threads is None:
            _threads = count or int(os.environ.get("BRAINVIEW_THREADS", 0)) or os.cpu_count() or 1
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                os.environ[name] = str(_threads)
            from threadpoolctl import threadpool_limits

            threadpool_limits(_threads)
        set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
        if set_threads is not None:  # None: another thread of this process is in the middle of importing it
            set_threads(_threads)
        return _threads


def load_function(name: str) -> Any:
    """Return the object named ``package.module:attribute``; only BrainView's own and its plug-ins' modules."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as err:
        raise BrainViewError(f"the job {name!r} cannot be loaded: {shown(err)}",
                             remedy="Install what it names, or update BrainView.") from err


def run_job(function: str, arguments: dict[str, Any], job: str, topic: str) -> dict[str, Any]:
    """Run one job and return {"value"} or {"error", "details"}: no foreign exception ever crosses the process."""
    from distributed import get_worker

    context = WorkerContext(job, topic)
    _running.add(job)
    try:
        context._send({"begin": get_worker().address, "pid": os.getpid()})
        context.check()
        configure_threads()
        target = load_function(function)
        configure_threads()  # torch may have come in with the module
        return {"value": target(**arguments, context=context)}
    except BrainViewError as err:
        return {"error": err, "details": ""}
    except MemoryError:
        return {"error": LimitError("ran out of memory", where=function.rpartition(":")[2],
                                    remedy="Use fewer images or subjects, or a machine with more memory."),
                "details": traceback.format_exc()}
    except Exception as err:  # noqa: BLE001 - the border of the process: everything becomes a line and a log entry
        line = f"a fault of BrainView's own in {function}: {type(err).__name__}: {shown(err)}"
        return {"error": BrainViewError(line, remedy="The job's log has the details; please report it."),
                "details": traceback.format_exc()}
    finally:
        _running.discard(job)
        _cancelled.discard(job)


def cancel_job(job: str) -> bool:
    """Flag a job as cancelled (runs in the worker's event loop) and tell whether it is running here."""
    _cancelled.add(job)
    return job in _running


class SessionActor:
    """An object that lives in the live worker between calls, for example a model with cached activations.

    Its methods are called by name. A coroutine method is served at once, even while a plain one runs: that is how
    a newer request tells an older one to stop.
    """

    def __init__(self, factory: str, arguments: dict[str, Any]) -> None:
        configure_threads()
        self._target = load_function(factory)(**arguments)
        configure_threads()

    def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a plain method in the actor's thread."""
        try:
            return {"value": getattr(self._target, method)(**arguments)}
        except Exception as err:  # noqa: BLE001 - the border of the process
            return _told(err, method)

    async def call_now(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a method in the worker's event loop, beside a running plain one; it must return at once."""
        try:
            value = getattr(self._target, method)(**arguments)
            return {"value": await value if inspect.isawaitable(value) else value}
        except Exception as err:  # noqa: BLE001 - the border of the process
            return _told(err, method)


def _told(err: Exception, method: str) -> dict[str, Any]:
    if isinstance(err, BrainViewError):
        return {"error": err, "details": ""}
    line = f"a fault of BrainView's own in {method}: {type(err).__name__}: {shown(err)}"
    return {"error": BrainViewError(line, remedy="Please report it."), "details": traceback.format_exc()}
