"""The window's end of a live model: newest wish first, late answers dropped, honest labels, a bounded memory."""

import asyncio

import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError
from brainview.state import attribution as module
from brainview.state.attribution import AttributionState, Setting, beta_of, hard_auroc, position_of
from brainview.state.attribution_live import AHEAD, GRID, LiveModel


class FakeDesk:
    """Answers in turn, each after `delay` turns of the loop; stops older requests as the real one does."""

    def __init__(self, delay=3):
        self.delay, self.newest, self.calls, self.open = delay, 0, [], 0

    async def call(self, method, /, *, number=0, **request):
        self.open += 1
        assert self.open == 1, "one request at a time"
        try:
            for _ in range(self.delay):
                await asyncio.sleep(0)
                if self.newest > number:
                    return {"status": "superseded", "number": number}
            if request.get("method") == "broken":
                raise BrainViewError("no such method")
            self.calls.append((method, request))
            beta = request.get("beta", 1.0)
            return {"status": "final", "number": number, "scores": np.full(4, np.log10(beta), np.float32),
                    "unit": "bits", "bits": 1 / beta, "fit_open": 1.0, "fit_kept": 0.5, "fit_curve": np.ones(2),
                    "step": 20, "copies": (request.get("config") or {}).get("copies", 0), "layer": 0}
        finally:
            self.open -= 1

    async def call_now(self, method, /, *, number):
        assert method == "newest"
        self.newest = max(self.newest, number)


def drive(work, ahead=False, delay=3):
    async def run():
        desk, tasks, told = FakeDesk(delay), [], []
        model = LiveModel(desk, lambda w: tasks.append(asyncio.ensure_future(w)))
        model.ahead = ahead
        model.arrived.connect(told.append)
        await work(model, desk, told)
        for _ in range(4000):
            if all(t.done() for t in tasks):
                break
            await asyncio.sleep(0)
        for task in tasks:
            task.result()
        return model, desk, told

    return asyncio.run(run())


async def quiet(model):
    for _ in range(400):
        await asyncio.sleep(0)


def test_one_copy_first_then_the_final_map():
    async def work(model, desk, told):
        assert model.want(7, Setting()) is None

    _, desk, told = drive(work)
    assert [(a.status, a.copies) for a in told] == [("preview", 1), ("final", 10)]
    assert [r["config"]["copies"] for _, r in desk.calls] == [1, 10]
    assert told[1].label == "Final, 20 steps × 10 copies"


def test_between_finished_betas_the_map_is_interpolated_and_says_so():
    async def work(model, desk, told):
        for beta in (0.01, 1.0):
            await model.ask(7, Setting(beta=beta))
        now = model.want(7, Setting(beta=0.1))
        assert now.status == "interpolated" and np.allclose(now.scores, -1) and "β 0.01 and 1" in now.label
        beyond = model.at_once(7, Setting(beta=10.0))
        assert beyond.status == "near" and np.allclose(beyond.scores, 0) and "β 1" in beyond.label
        layer = model.at_once(7, Setting(layer=2, beta=0.01))
        assert layer.status == "near" and "after 0 blocks" in layer.label
        assert model.at_once(8, Setting()) is None and model.at_once(7, Setting(target="text")) is None
        await quiet(model)

    _, _, told = drive(work)
    assert [a.status for a in told] == ["final"], "an interpolation is better than a preview of one copy"


def test_two_hundred_moves_end_with_the_last_wish_and_nothing_stale():
    rng = np.random.default_rng(0)
    settings = [Setting(beta=beta_of(int(p)), layer=int(k)) for p, k in
                zip(rng.integers(0, 200, 200), rng.integers(0, 4, 200), strict=True)]

    async def work(model, desk, told):
        for k, setting in enumerate(settings):
            model.want(7, setting)
            for _ in range(int(rng.integers(0, 6))):
                await asyncio.sleep(0)
            told_now = [a for a in told if a.setting not in settings[:k + 1]]
            assert not told_now
        await quiet(model)

    model, desk, told = drive(work)
    assert told[-1].final and told[-1].setting == settings[-1]
    assert model.finished(7, settings[-1]) is told[-1] and len(desk.calls) < 400


def test_the_beta_grid_is_computed_ahead_and_gives_way():
    async def work(model, desk, told):
        model.want(7, Setting())
        await quiet(model)
        done = [b for b in GRID if model.finished(7, Setting(beta=b)) is not None]
        assert done == list(GRID[:AHEAD])  # the nearest of the grid
        model.want(8, Setting())
        for _ in range(12):
            await asyncio.sleep(0)
        model.want(9, Setting(beta=0.5))
        await quiet(model)

    _, _, told = drive(work, ahead=True)
    assert told[-1].final and told[-1].stimulus == 9
    assert sum(a.final for a in told) <= 3, "maps computed ahead are not told"


def test_questions_wait_for_the_map_and_survive_a_newer_wish():
    async def work(model, desk, told):
        asked = [asyncio.ensure_future(model.ask(7, Setting(seed=1))) for _ in range(2)]
        await asyncio.sleep(0)
        model.want(7, Setting(beta=0.2))
        one, two = await asyncio.gather(*asked)
        assert one is two and one.setting.seed == 1 and told[-1].setting.beta == 0.2
        with pytest.raises(BrainViewError, match="no such method"):
            await model.ask(7, Setting(method="broken"))

    drive(work)


def test_a_wish_that_fails_is_told_once_and_the_next_one_works():
    faults = []

    async def work(model, desk, told):
        model.failed.connect(faults.append)
        model.want(7, Setting(method="broken"))
        await quiet(model)
        model.want(7, Setting(method="energy"))
        await quiet(model)

    _, _, told = drive(work)
    assert len(faults) == 1 and [a.setting.method for a in told] == ["energy"]


def test_a_closed_model_tells_nothing():
    async def work(model, desk, told):
        model.want(7, Setting())
        await asyncio.sleep(0)
        model.close()
        await quiet(model)

    assert drive(work)[2] == []


def test_settings_are_kept_and_wrong_ones_refused():
    state = AttributionState(setting=Setting(beta=0.3, words="a dog"), other=Setting(layer=2), view="contrast")
    again = AttributionState()
    again.apply(state.settings())
    assert (again.setting, again.other, again.view) == (state.setting, state.other, "contrast")
    again.apply({})
    assert again.setting == Setting() and again.other is None
    for wrong in ({"beta": -1}, {"target": "sound"}, {"copies": "many"}):
        with pytest.raises(FormatError):
            again.apply({"setting": wrong})
    assert Setting(method="grad-cam", beta=3.0, copies=2).plain == Setting(method="grad-cam").plain
    assert Setting(words="x", target="image").plain.words == ""


def test_the_slider_has_log_steps_and_comes_back():
    assert [beta_of(position_of(b)) for b in (0.001, 0.1, 1.0, 10.0)] == [0.001, 0.1, 1.0, 10.0]
    assert position_of(1e-9) == 0 and all(position_of(beta_of(p)) == p for p in range(201))


def test_hard_auroc_is_the_rank_statistic():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(1)
    values = np.round(rng.normal(size=300), 1)
    truth = rng.random(300) < 0.2
    rest = ~truth & (rng.random(300) < 0.6)
    values[5] = np.nan
    good = np.isfinite(values)
    high, low = values[truth & good], values[rest & good]
    expected = mannwhitneyu(high, low).statistic / (high.size * low.size)
    assert hard_auroc(values, truth, rest) == pytest.approx(expected)
    assert np.isnan(hard_auroc(values, truth, np.zeros(300, bool))) and module.overlap_top(values, values) == 1
