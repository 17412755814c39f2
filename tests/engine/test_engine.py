"""The engine runs real workers: progress, results, cancel, a kill -9, sessions, a scheduler address."""

import asyncio
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from brainview.core.errors import BrainViewError, Cancelled, FormatError
from brainview.engine import Engine

JOBS = "tests.engine.jobs_for_tests"


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def engine(loop):
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).resolve().parents[2]),
                                                os.environ.get("PYTHONPATH", "")])
    engine = Engine()
    yield engine
    loop.run_until_complete(engine.close())


def submit(engine, name, lane="batch", **arguments):
    return engine.submit(f"{JOBS}:{name}", title=name, lane=lane, arguments=arguments)


def test_result_progress_and_log(engine, loop):
    async def go():
        job = submit(engine, "add", a=[1, 2], b=3)
        seen = []
        job.changed.connect(lambda: seen.append((job.status, job.done, job.text)))
        assert job.status == "queued"
        value = await job.result()
        return job, value, seen

    job, value, seen = loop.run_until_complete(go())
    assert value["sum"].tolist() == [4, 5]
    assert job.status == "done" and "adding [1, 2] and 3" in job.log
    assert ("running", 3.0, "step 3") in seen


def test_arguments_and_values_of_finished_jobs_do_not_pile_up(engine, loop):
    """dask keeps a thousand messages with the arguments of jobs for its debugging, unless told otherwise."""
    import gc

    from brainview.engine.cluster import REMEMBERED
    from brainview.engine.engine import KEPT

    async def go():
        for k in range(KEPT + 2 * REMEMBERED):
            await submit(engine, "add", a=[k], b=1).result()

    loop.run_until_complete(go())
    gc.collect()
    packed = [o for o in gc.get_objects() if type(o).__name__ == "ToPickle"]
    assert len(packed) <= 5 * REMEMBERED, len(packed)
    assert sum(not job.active for job in engine.jobs) <= KEPT + 1


def test_values_that_were_handed_over_are_let_go(engine, loop):
    """A window that is open all day must not hold the pictures and maps of its last forty jobs."""
    import gc
    import weakref

    from brainview.engine.engine import VALUES

    async def go():
        first = submit(engine, "add", a=np.arange(50_000), b=1)
        seen = weakref.ref((await first.result())["sum"])
        kept = submit(engine, "add", a=np.arange(3), b=1)  # nobody has asked for its value yet
        lost = submit(engine, "bad_input")
        with pytest.raises(FormatError):
            await lost.result()
        for k in range(VALUES + 1):
            await submit(engine, "add", a=[k], b=1).result()
        return first, seen, kept, lost

    first, seen, kept, lost = loop.run_until_complete(go())
    gc.collect()
    assert seen() is None
    assert "a" not in first.spec.arguments and first.spec.arguments["b"] == 1 and first.status == "done"
    assert loop.run_until_complete(kept.result())["sum"].tolist() == [1, 2, 3]
    with pytest.raises(BrainViewError, match="no longer kept"):
        loop.run_until_complete(first.result())
    assert lost.status == "failed"


def test_lanes_are_two_processes_and_batch_is_polite(engine, loop):
    async def go():
        return await submit(engine, "pid", "live").result(), await submit(engine, "pid", "batch").result()

    (live, nice_live), (batch, nice_batch) = loop.run_until_complete(go())
    assert live != batch and os.getpid() not in (live, batch)
    assert nice_batch is None or nice_batch >= nice_live + 5 or nice_live >= 10


def test_torch_has_all_threads(engine, loop):
    async def go():
        return await submit(engine, "threads").result()

    assert loop.run_until_complete(go()) == (os.cpu_count() or 1)


def test_cancel_of_a_polite_job_keeps_its_worker(engine, loop):
    async def go():
        before = (await submit(engine, "pid").result())[0]
        job = submit(engine, "slow", seconds=30)
        while job.status != "running":
            await asyncio.sleep(0.02)
        start = time.monotonic()
        job.cancel()
        with pytest.raises(Cancelled):
            await job.result()
        took = time.monotonic() - start
        return before, (await submit(engine, "pid").result())[0], took, job.status

    before, after, took, status = loop.run_until_complete(go())
    assert status == "cancelled" and took < 1.5 and before == after


def test_cancel_of_a_deaf_job_replaces_its_worker(engine, loop):
    async def go():
        before = (await submit(engine, "pid").result())[0]
        job = submit(engine, "deaf", seconds=60)
        while job.status != "running":
            await asyncio.sleep(0.02)
        start = time.monotonic()
        job.cancel()
        with pytest.raises(Cancelled):
            await job.result()
        took = time.monotonic() - start
        return before, (await asyncio.wait_for(submit(engine, "pid").result(), 60))[0], took

    before, after, took = loop.run_until_complete(go())
    assert took < 2.0 and before != after


def test_cancel_while_queued(engine, loop):
    async def go():
        first = submit(engine, "slow", seconds=1.0)
        second = submit(engine, "slow", seconds=30)
        await asyncio.sleep(0.3)
        second.cancel()
        with pytest.raises(Cancelled):
            await second.result()
        await first.result()

    loop.run_until_complete(asyncio.wait_for(go(), 30))


def test_errors_are_lines(engine, loop):
    async def go(name):
        job = submit(engine, name)
        with pytest.raises(BrainViewError) as caught:
            await job.result()
        return job, caught.value

    job, err = loop.run_until_complete(go("bad_input"))
    assert isinstance(err, FormatError) and str(err) == "x.nii: is no brain. Open another."
    job, err = loop.run_until_complete(go("fault"))
    assert "\n" not in str(err) and "ZeroDivisionError" in str(err) and "Traceback" in job.details
    job, err = loop.run_until_complete(go("not_there"))
    assert "cannot be loaded" in str(err)


def test_kill_9_and_retry(engine, loop, tmp_path):
    async def go():
        job = submit(engine, "count_up", folder=str(tmp_path))
        while job.done < 10:
            await asyncio.sleep(0.05)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        with pytest.raises(BrainViewError, match="worker process died"):
            await asyncio.wait_for(job.result(), 30)
        tried = int((tmp_path / "count").read_text())
        await asyncio.sleep(2.0)
        assert int((tmp_path / "count").read_text()) == tried, "a job that killed its worker was repeated by itself"
        again = job.retry()
        return job, await asyncio.wait_for(again.result(), 60)

    job, resumed_at = loop.run_until_complete(go())
    assert job.status == "lost" and resumed_at >= 10


def test_session_is_interrupted_by_a_quick_call(engine, loop):
    async def go():
        session = await engine.session(f"{JOBS}:Model", arguments={"base": 5})
        work = asyncio.ensure_future(session.call("work", seconds=20))
        await asyncio.sleep(0.4)
        await session.call_now("stop")
        return await work

    base, stopped, took = loop.run_until_complete(go())
    assert base == 5 and stopped and took < 5


def test_scheduler_address(loop):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        async def go():
            engine = Engine(cluster.scheduler_address)
            value = await submit(engine, "add", a=1, b=1).result()
            await engine.close()
            return value

        assert loop.run_until_complete(go())["sum"] == 2


def test_a_wrong_address_is_told(loop):
    async def go():
        engine = Engine("tcp://127.0.0.1:9")
        job = submit(engine, "add", a=1, b=1)
        with pytest.raises(BrainViewError, match="no dask scheduler answers"):
            await job.result()
        await engine.close()

    loop.run_until_complete(asyncio.wait_for(go(), 40))
