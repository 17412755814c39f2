"""The window's end of a live attribution: one model in the live worker, the newest wish first, nothing stale drawn.

Only token scores come over. What is finished is kept here, so that a moved slider is answered in the same turn of
the loop: by the finished map, by one interpolated in log beta between finished neighbours, or by the nearest one,
each saying which it is. One request runs at a time; a newer one makes it stop within a step, and its answer is
dropped. When nothing is wanted, questions in the queue are answered, then the beta grid is computed ahead.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from psygnal import Signal

from brainview.core.errors import BrainViewError, Cancelled
from brainview.state.attribution import NOISY, Answer, Setting

DESK = "brainview.attribution.desk:AttributionDesk"
#: Betas of the grid, how many of them are computed ahead (the nearest), and finished maps kept (174 tokens each).
GRID = tuple(float(f"{b:.3g}") for b in np.logspace(-3, 3, 13))
AHEAD = 9
KEPT = 4096
#: Copies of the first answer.
PREVIEW_COPIES = 1


@dataclass
class _Question:
    """Something asked besides the map on screen."""

    work: Callable[[int], Any]
    answer: asyncio.Future[Any]
    key: object


class LiveModel:
    """A model in the live worker.

    Parameters
    ----------
    session : engine session
        With coroutines ``call`` and ``call_now``.
    start : callable
        Runs a coroutine and shows its failure.
    """

    arrived = Signal(object)  # Answer of the newest wish
    working = Signal(str)  # words of what is being computed, "" = nothing
    failed = Signal(object)

    def __init__(self, session: Any, start: Callable[[Any], Any]) -> None:
        self._session, self._start = session, start
        self._done: OrderedDict[tuple[int, Setting], Answer] = OrderedDict()
        self._wanted: tuple[int, Setting] | None = None
        self._number = 0
        self._running = self._announcing = self._closed = False
        self._ahead_of: tuple[int, Setting] | None = None
        self._questions: deque[_Question] = deque()
        self.ahead = True  # whether the beta grid is computed ahead

    # -- what is known -------------------------------------------------------------------------------------------

    def finished(self, stimulus: int, setting: Setting) -> Answer | None:
        """Return the finished map of a setting."""
        return self._done.get((stimulus, setting.plain))

    def at_once(self, stimulus: int, setting: Setting) -> Answer | None:
        """Return what can be drawn now: finished, interpolated, near, or None."""
        exact = self.finished(stimulus, setting)
        if exact is not None:
            return exact
        plain = setting.plain
        own = [a for (s, known), a in self._done.items() if s == stimulus and known.family == plain.family]
        if own:
            return self._between(own, setting)
        near = [a for (s, known), a in self._done.items()
                if s == stimulus and replace(known.family, layer=plain.layer) == plain.family]
        if not near:
            return None
        best = min(near, key=lambda a: (abs(a.setting.layer - plain.layer),
                                        abs(math.log(a.setting.beta / plain.beta))))
        return replace(best, setting=setting, status="near",
                       note=f"after {best.layer} blocks, β {best.setting.beta:.3g}")

    @staticmethod
    def _between(own: list[Answer], setting: Setting) -> Answer:
        """Return a map interpolated linearly in log beta between its finished neighbours, or the nearest one."""
        ordered = sorted(own, key=lambda a: a.setting.beta)
        right = int(np.searchsorted([a.setting.beta for a in ordered], setting.beta))
        low, high = ordered[max(0, right - 1)], ordered[min(right, len(ordered) - 1)]
        if low is high:
            return replace(low, setting=setting, status="near", note=f"β {low.setting.beta:.3g}")
        share = math.log(setting.beta / low.setting.beta) / math.log(high.setting.beta / low.setting.beta)

        def mix(a: Any, b: Any) -> Any:
            return (1 - share) * a + share * b

        return replace(low, setting=setting, status="interpolated", scores=mix(low.scores, high.scores),
                       bits=mix(low.bits, high.bits), fit_open=mix(low.fit_open, high.fit_open),
                       fit_kept=mix(low.fit_kept, high.fit_kept), fit_curve=np.zeros(0, np.float32),
                       note=f"between β {low.setting.beta:.3g} and {high.setting.beta:.3g}")

    # -- asking --------------------------------------------------------------------------------------------------

    def want(self, stimulus: int, setting: Setting) -> Answer | None:
        """Make this the wish; returns what can be drawn now. The rest comes through `arrived`."""
        now = self.at_once(stimulus, setting)
        self._wanted = (stimulus, setting)
        self._supersede()
        return now

    def drop(self) -> None:
        """Want nothing any more."""
        self._wanted = None
        self._supersede()

    async def ask(self, stimulus: int, setting: Setting) -> Answer:
        """Return a finished map besides the one on screen; waits its turn."""
        known = self.finished(stimulus, setting)
        if known is not None:
            return known
        return await self._queued((stimulus, setting.plain), lambda number: self._compute(number, stimulus, setting))

    async def question(self, method: str, **arguments: Any) -> Any:
        """Return the answer of one of the desk's other methods (``reverse``); waits its turn."""
        async def work(number: int) -> Any:
            answer = await self._session.call(method, number=number, **arguments)
            return None if answer.get("status") == "superseded" else answer

        return await self._queued((method, repr(arguments)), work)

    async def plain(self, method: str, **arguments: Any) -> Any:
        """Call a quick method that no newer wish stops (``look``, ``planted``, ``unlike``)."""
        return await self._session.call(method, **arguments)

    def close(self) -> None:
        """Stop everything; answers still under way are dropped."""
        self._closed = True
        self._wanted = None
        for question in self._questions:
            question.answer.cancel()
        self._questions.clear()
        self._supersede()

    # -- running -------------------------------------------------------------------------------------------------

    async def _queued(self, key: object, work: Callable[[int], Any]) -> Any:
        same = next((q for q in self._questions if q.key == key), None)
        if same is None:
            same = _Question(work, asyncio.get_running_loop().create_future(), key)
            self._questions.append(same)
            self._wake()
        return await asyncio.shield(same.answer)

    def _supersede(self) -> None:
        self._number += 1
        self._ahead_of = None
        if self._running:
            if not self._announcing:
                self._announcing = True
                self._start(self._announce())
        else:
            self._wake()

    async def _announce(self) -> None:
        """Tell the worker the newest number; wishes that come meanwhile are told with the next one."""
        try:
            told = -1
            while told != self._number:
                told = self._number
                await self._session.call_now("newest", number=told)
        finally:
            self._announcing = False

    def _wake(self) -> None:
        if not self._running and not self._closed:
            self._running = True
            self._start(self._run())

    async def _run(self) -> None:
        """Serve until there is nothing to do; one request at a time."""
        try:
            while not self._closed:
                number, wanted = self._number, self._wanted
                if wanted is not None:
                    able = self.finished(*wanted) is not None or await self._guarded(self._serve(number, *wanted))
                    if number == self._number:
                        self._wanted, self._ahead_of = None, wanted if able else None
                        self._tell(number, self.finished(*wanted))
                elif self._questions:
                    await self._answer(number)
                elif not (self.ahead and self._ahead_of is not None
                          and await self._guarded(self._go_ahead(number, *self._ahead_of))):
                    break
        finally:
            self._running = False
            self.working.emit("")
            if (self._wanted is not None or self._questions) and not self._closed:
                self._wake()

    async def _guarded(self, work: Any) -> bool:
        """Await a request; False when it failed (and was told)."""
        try:
            return bool(await work)
        except BrainViewError as err:
            if not isinstance(err, Cancelled):
                self.failed.emit(err)
            return False

    async def _serve(self, number: int, stimulus: int, setting: Setting) -> bool:
        """Compute the wish: one copy first, then all of them."""
        if setting.method in NOISY and setting.copies > PREVIEW_COPIES:
            quick = await self._call(number, stimulus, setting.having(copies=PREVIEW_COPIES, average=1))
            if quick is None:
                return True
            known = self.at_once(stimulus, setting)
            if known is None or known.status == "near":
                self._tell(number, replace(quick, setting=setting, status="preview"))
        await self._compute(number, stimulus, setting)
        return True

    async def _compute(self, number: int, stimulus: int, setting: Setting) -> Answer | None:
        answer = await self._call(number, stimulus, setting)
        if answer is not None:
            self._done[stimulus, setting.plain] = answer
            while len(self._done) > KEPT:
                self._done.popitem(last=False)
        return answer

    async def _call(self, number: int, stimulus: int, setting: Setting) -> Answer | None:
        """Return a map, None when a newer wish came between."""
        if number != self._number:
            return None
        many = f"{setting.steps} steps × {setting.copies}" if setting.method in NOISY else setting.method
        self.working.emit(f"Computing, {many}")
        reply = await self._session.call("attribute", number=number, stimulus=stimulus, preview=False,
                                         **setting.plain.request())
        return None if reply["status"] == "superseded" else Answer.from_reply(stimulus, setting, reply)

    def _tell(self, number: int, answer: Answer | None) -> None:
        if answer is not None and number == self._number and not self._closed:
            self.arrived.emit(answer)

    async def _answer(self, number: int) -> None:
        """Answer the oldest question; one that was superseded stays in the queue."""
        question = self._questions[0]
        try:
            value = await question.work(number)
        except BrainViewError as err:
            self._questions.remove(question)
            if not question.answer.done():
                question.answer.set_exception(err)
            return
        if value is not None and question in self._questions:
            self._questions.remove(question)
            if not question.answer.done():
                question.answer.set_result(value)

    async def _go_ahead(self, number: int, stimulus: int, setting: Setting) -> bool:
        """Compute one more beta of the grid, nearest first; False when the grid is complete."""
        if setting.method not in NOISY or number != self._number:
            return False
        near = sorted(GRID, key=lambda b: abs(math.log(b / setting.beta)))[:AHEAD]
        missing = [b for b in near if self.finished(stimulus, setting.having(beta=b)) is None]
        if not missing:
            return False
        beta = min(missing, key=lambda b: abs(math.log(b / setting.beta)))
        if await self._compute(number, stimulus, setting.having(beta=beta)) is None:
            return False
        self.working.emit("")
        return True
