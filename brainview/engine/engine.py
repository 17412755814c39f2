"""The engine: submit a job by name, follow it, cancel it. Never blocks the event loop it lives in."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from psygnal import Signal

from brainview.core.errors import BrainViewError, Cancelled
from brainview.core.names import shown
from brainview.engine.handle import LANES, JobHandle, JobSpec

#: Seconds that a cancelled job has to stop by itself before its process is replaced.
GRACE = 0.8
PRIORITY = {"live": 10, "batch": 0}
#: Jobs at once in each lane of the embedded cluster.
LANE_PLACES = {"live": 2, "batch": 1}
#: Finished jobs that are remembered, and how many of them with the values that were handed over.
KEPT, VALUES = 40, 4


class Engine:
    """Jobs on an embedded cluster, a scheduler address, or SLURM; the cluster starts with the first job.

    Parameters
    ----------
    scheduler : str, optional
        Address such as ``tcp://host:8786``; None = this machine.
    slurm : dict, optional
        Settings of a SLURM cluster (dask-jobqueue's names, and ``jobs``).

    Examples
    --------
    >>> async def show(engine):
    ...     job = engine.submit("brainview.maps.jobs:open_maps", title="Open", arguments={"path": "a.nii"})
    ...     return await job.result()
    """

    job_added = Signal(JobHandle)

    def __init__(self, scheduler: str | None = None, *, slurm: dict[str, Any] | None = None) -> None:
        self.jobs: list[JobHandle] = []
        self._where = scheduler
        self._slurm = slurm
        self._cluster: Any = None
        self._starting: asyncio.Lock | None = None
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="brainview-engine")
        self._numbers = itertools.count(1)
        self._futures: dict[str, Any] = {}
        self._tasks: set[asyncio.Task] = set()
        self._topic = f"brainview-{id(self):x}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: dict[str, asyncio.Semaphore] = {}
        self._closed = False

    def submit(self, function: str, *, title: str, lane: str = "batch",
               arguments: dict[str, Any] | None = None) -> JobHandle:
        """Submit ``package.module:function`` and return at once.

        The function is called in a worker as ``function(**arguments, context=...)``; arguments and result are frozen
        dataclasses, plain dicts and arrays. Raises BrainViewError for an unknown lane or a closed engine.
        """
        if lane not in LANES:
            raise BrainViewError(f"there is no lane {lane!r}", remedy="Use live or batch.")
        if self._closed:
            raise BrainViewError("the engine is closed")
        spec = JobSpec(function, title, lane, dict(arguments or {}))  # type: ignore[arg-type]
        handle = JobHandle(spec, next(self._numbers), cancel=self._cancel, retry=self._again)
        finished = [j for j in self.jobs if not j.active]
        for old in finished[:-KEPT]:
            self.jobs.remove(old)
        for old in finished[:-VALUES]:  # a stimulus with its maps is nearly a megabyte
            old.forget()
        self.jobs.append(handle)
        self._spawn(self._run(handle))
        self.job_added.emit(handle)
        return handle

    async def session(self, factory: str, *, arguments: dict[str, Any] | None = None) -> Session:
        """Make ``package.module:Class`` live in the live worker and return a way to call it."""
        cluster = await self._ready()
        workers = await self._off(cluster.ensure_worker, "live")
        from brainview.engine.worker import SessionActor

        future = cluster.client.submit(SessionActor, factory, dict(arguments or {}), actor=True, workers=workers,
                                       pure=False, allow_other_workers=False)
        try:
            actor = await self._off(future.result)
        except Exception as err:
            raise _as_error(err, factory) from err
        return Session(self, actor, future, cluster.client)

    async def close(self) -> None:
        """Cancel what runs and end the workers."""
        self._closed = True
        for job in self.jobs:
            if job.active:
                job.fail(Cancelled())
        for task in list(self._tasks):
            task.cancel()
        if self._cluster is not None:
            cluster, self._cluster = self._cluster, None
            await self._off(cluster.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def start(self) -> None:
        """Start the cluster now instead of with the first job."""
        await self._ready()

    def _again(self, handle: JobHandle) -> JobHandle:
        spec = handle.spec
        return self.submit(spec.function, title=spec.title, lane=spec.lane, arguments=spec.arguments)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _off(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _ready(self) -> Any:
        self._loop = asyncio.get_running_loop()
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._cluster is None:
                self._cluster = await self._off(self._start_cluster)
        return self._cluster

    def _start_cluster(self) -> Any:
        from brainview.engine.cluster import Cluster  # distributed costs half a second: never at the window's start

        cluster = Cluster(self._where, slurm=self._slurm)
        cluster.client.subscribe_topic(self._topic, self._heard)
        return cluster

    def _heard(self, event: Any) -> None:
        """Take one event of a worker (in dask's thread) to the engine's loop."""
        message = event[1] if isinstance(event, (tuple, list)) else event
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, message)

    def _take(self, message: dict[str, Any]) -> None:
        handle = next((j for j in reversed(self.jobs) if j.id == message.get("job")), None)
        if handle is None or not handle.active:
            return
        if "begin" in message:
            handle.begin(message["begin"], message["pid"])
        elif "log" in message:
            handle.add_log(message["log"])
        else:
            handle.progress(message["done"], message["total"], message["text"])

    async def _run(self, handle: JobHandle) -> None:
        try:
            cluster = await self._ready()
            async with self._place(handle.lane, cluster.embedded):
                workers = await self._off(cluster.ensure_worker, handle.lane)
                if not handle.active:
                    return
                answer = await self._off(self._submit_and_wait, cluster, handle, workers)
        except asyncio.CancelledError:
            raise
        except Exception as err:  # noqa: BLE001 - every failure of the machinery ends in the handle
            error = _as_error(err, handle.title)
            handle.fail(error, shown(repr(err)), lost=_is_death(err))
            return
        finally:
            self._futures.pop(handle.id, None)
        if "error" in answer:
            handle.fail(answer["error"], answer.get("details", ""))
        else:
            handle.finish(answer["value"])

    def _place(self, lane: str, embedded: bool) -> AbstractAsyncContextManager[Any]:
        """A place in the lane: jobs wait here, not in a worker whose death would take them along."""
        if not embedded:
            return nullcontext()
        return self._places.setdefault(lane, asyncio.Semaphore(LANE_PLACES[lane]))

    def _submit_and_wait(self, cluster: Any, handle: JobHandle, workers: list[str] | None) -> dict[str, Any]:
        from brainview.engine.worker import run_job

        if not handle.active:
            raise Cancelled()
        spec = handle.spec
        future = cluster.client.submit(run_job, spec.function, spec.arguments, handle.id, self._topic, pure=False,
                                       key=f"{self._topic}-{handle.id}", priority=PRIORITY[spec.lane],
                                       workers=workers, allow_other_workers=False)
        self._futures[handle.id] = future
        return future.result()

    def _cancel(self, handle: JobHandle) -> None:
        handle.text = "stopping"
        handle.changed.emit()
        self._spawn(self._stop(handle))

    async def _stop(self, handle: JobHandle) -> None:
        cluster, future = self._cluster, self._futures.get(handle.id)
        if cluster is None or future is None or handle.status == "queued":
            if future is not None:
                await self._off(lambda: future.cancel(force=True))
            handle.fail(Cancelled())
            return
        from brainview.engine.worker import cancel_job

        workers = [handle.worker] if handle.worker else None
        try:
            flag = self._off(lambda: cluster.client.run(cancel_job, handle.id, workers=workers, on_error="return"))
            await asyncio.wait_for(asyncio.gather(flag, self._over(handle)), GRACE)
        except TimeoutError:
            handle.fail(Cancelled())
            others = [j for j in self.jobs if j.active and j.lane == handle.lane and j.status == "running"]
            if cluster.embedded and not others and handle.pid and handle.worker:
                # it sits in a library and does not look up: its process is replaced
                await self._off(cluster.replace, handle.lane, handle.pid, handle.worker)

    async def _over(self, handle: JobHandle) -> None:
        await handle._finished.wait()


class Session:
    """A live object in a worker; see :meth:`Engine.session`."""

    def __init__(self, engine: Engine, actor: Any, future: Any, client: Any) -> None:
        self._engine, self._actor, self._future, self._client = engine, actor, future, client

    async def call(self, method: str, /, **arguments: Any) -> Any:
        """Call a method; calls queue behind each other."""
        return await self._ask("call", method, arguments)

    async def call_now(self, method: str, /, **arguments: Any) -> Any:
        """Call a quick method beside a running one (to cancel it, to ask how far it is)."""
        return await self._ask("call_now", method, arguments)

    async def _ask(self, entry: str, method: str, arguments: dict[str, Any]) -> Any:
        def ask() -> dict[str, Any]:
            with self._client.as_current():  # a dask actor finds its client through the context
                return getattr(self._actor, entry)(method, arguments).result()

        if self._engine._closed:
            raise Cancelled()
        try:
            answer = await self._engine._off(ask)
        except Exception as err:
            if self._engine._closed:  # the window closed meanwhile: nobody waits for the answer
                raise Cancelled() from err
            raise _as_error(err, method) from err
        if "error" in answer:
            raise answer["error"]
        return answer["value"]


def _is_death(err: BaseException) -> bool:
    lost = isinstance(err, (OSError, RuntimeError)) and "Actor" in str(err)  # what dask says of a lost actor
    return lost or type(err).__name__ in ("KilledWorker", "CommClosedError", "NoValidWorkerError")


def _as_error(err: BaseException, what: str) -> BrainViewError:
    if isinstance(err, BrainViewError):
        return err
    if type(err).__name__ in ("CancelledError", "FutureCancelledError"):
        return Cancelled()
    if _is_death(err):
        return BrainViewError("its worker process died (killed from outside, or out of memory)", where=what,
                              remedy="Retry goes on from the last checkpoint; fewer images need less memory.")
    return BrainViewError(f"the engine failed: {type(err).__name__}: {shown(err)}", where=what, remedy="Retry.")
