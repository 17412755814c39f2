"""The tour's steps over the pages of models, driven on the real window with the fake engine."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace

import pytest

from brainview.app import tour_models
from brainview.core.jobs import QUIET

pytestmark = pytest.mark.gui


@pytest.fixture
def tour(desk, tmp_path):
    async def calm(*_):
        await asyncio.sleep(0.05)

    pictures = []
    desk.engine.answers["brainview.phantom.build:build_phantom"] = lambda out, **more: "/phantom"
    desk.engine.answers["brainview.training.jobs:train"] = lambda run, **more: \
        "/data/runs/" + ("phantom-ridge-clip" if "clip" in run else "phantom-whole-brain")
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    return SimpleNamespace(
        shell=desk.shell, window=desk.window, app=desk.app, session=desk.c.session, out=tmp_path, context=QUIET,
        phantom="/tmp", run_path="/runs/one", notes=SimpleNamespace(files=[]), pictures=pictures, _drawn=calm,
        _settled=calm, _scroll_to=lambda part: None, _picture=lambda name, *words: pictures.append(name), desk=desk)


def test_figures_and_in_silico(tour):
    tour.desk.do(tour_models.encoding_pages(tour))
    assert tour.pictures == ["figures", "in-silico"] and len(tour.notes.files) == 6
    assert all(f.stat().st_size > 1000 for f in tour.notes.files)
    assert tour.app.source.kind == "picture" and tour.app.source.metric.startswith("stimulus:")


def test_training_and_retrieval(tour, monkeypatch):
    async def opened(path):
        await tour.session.open_dataset("/phantom")

    monkeypatch.setattr(tour.session, "open_path", opened)
    training = tour_models.page_of(tour, "TrainingWiring")
    real = tour.session.train

    async def train(system, path, **more):
        await real(system, path, **more)
        training.state.watched = "/data/runs/phantom-whole-brain"

    async def nothing(_):  # the attribution page asks a real model, which the engine of this test has not
        pass

    monkeypatch.setattr(tour.session, "train", train)
    monkeypatch.setattr(tour_models, "attribution_pages", nothing)
    tour.desk.do(tour_models.aligned_pages(tour))
    assert tour.pictures == ["training-page", "retrieval-scores", "retrieval-rankings", "retrieval-similarity"]
    assert not tour.desk.window.notices.shown or tour.desk.window.notices.shown[-1].level != "error"


def test_what_the_tour_asks_of_the_jobs_is_what_they_take():
    from brainview.alignment.config import AlignConfig
    from brainview.phantom.build import build_phantom

    assert set(tour_models.VOLUMES) <= set(inspect.signature(build_phantom).parameters)
    assert AlignConfig.of(dict(tour_models.CURVES)).epochs == tour_models.CURVES["epochs"]
