"""Steps of the tour through the pages of models: figures, in silico, training with curves, retrieval."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError
from brainview.core.paths import resource

#: A phantom with volumes, as small as retrieval allows: one subject.
VOLUMES = {"layout": "nsd", "level": "easy", "subjects": 1, "train": 120, "test": 40}
#: A transformer that trains in a few epochs, to show its curves.
CURVES = {"encoder": "tiny", "patch": 14, "epochs": 5, "patience": 0}


def page_of(tour: Any, name: str) -> Any:
    """Return the wiring of one page by its class's name."""
    return next(p for p in tour.shell.wiring.pages if type(p).__name__ == name)


async def until(tour: Any, done: Any, seconds: float = 120.0) -> None:
    """Wait until something is true; raises BrainViewError when it does not come."""
    end = asyncio.get_running_loop().time() + seconds
    while not done():
        tour.context.check()
        if asyncio.get_running_loop().time() > end:
            raise BrainViewError("a page of the tour did not come to rest in time")
        await asyncio.sleep(0.05)


async def encoding_pages(tour: Any) -> None:
    """Draw Figs. 2A to 2C into files and show two pictures' predicted difference."""
    figures, silico = page_of(tour, "FiguresWiring"), page_of(tour, "InSilicoWiring")
    tour.window.show_dock("encoding")
    tour.window.encoding.show_page("figures")
    await until(tour, lambda: figures.sheet is not None)
    folder = tour.out / "figures"
    folder.mkdir(exist_ok=True)
    for kind in ("maps", "predictions", "regions"):
        sheet = await figures.make(kind)
        for form in ("png", "pdf"):
            tour.notes.files.append(Path(sheet.save(folder / f"{kind}.{form}")))
    await tour._drawn()
    tour._picture("figures", "Figures of the model, as they are written",
                  "Maps of every subject with outlined regions, images beside maps, boxes per region; PNG, SVG, PDF "
                  "with real text, and the numbers as CSV.")
    tests = [int(i) for i in tour.app.subject.splits.get("test", tour.app.subject.stimuli)[:2]]
    tour.window.encoding.show_page("in_silico")
    for slot, stimulus in zip(("first", "second"), tests, strict=False):
        silico.give(slot, f"stimulus:{stimulus}")
        await tour._drawn()
    silico._choose(shown="difference")
    await tour._drawn()
    tour._picture("in-silico", "An experiment in silico: which locations answer one picture more than another",
                  "Any picture dropped on the window is predicted; nothing was measured for it, and the page says so.")
    tour.window.encoding.show_page("model")


async def aligned_pages(tour: Any) -> None:
    """Train a network with live curves and a ridge to CLIP on volumes, and retrieve with the latter."""
    job = tour.shell.engine.submit("brainview.phantom.build:build_phantom", title="Make a phantom with volumes",
                                   arguments={"out": str(tour.out / "phantom-volumes"), **VOLUMES})
    path = str(await job.result())
    await tour.session.open_path(path)
    await _train_with_curves(tour)
    await tour.session.train("ridge-clip", str(tour.out / "runs" / "ridge-clip"), subjects=None, features="",
                             options={})
    await _retrieve(tour)
    await attribution_pages(tour)
    await tour.session.open_path(tour.phantom)
    await tour.session.open_run(tour.run_path)
    tour.window.encoding.show_page("model")
    await tour._drawn()


async def _train_with_curves(tour: Any) -> None:
    training = page_of(tour, "TrainingWiring")
    tour.window.subjects.show_page("training")
    run = tour.out / "runs" / "whole-brain"
    await tour.session.train("whole-brain", str(run), subjects=None, features="", options=dict(CURVES))
    await until(tour, lambda: training.state.curves is not None and bool(training.state.curves.lines))
    await tour._drawn()
    tour._picture("training-page", "The training page: loss and score while it trains, the best checkpoint marked",
                  "Presets and options come from the system; what it will need is told before it starts; a paused run "
                  "goes on from its last checkpoint.")


async def _retrieve(tour: Any) -> None:
    retrieval = page_of(tour, "RetrievalWiring")
    page = tour.window.decoding.retrieval
    tour.window.show_dock("decoding")
    await until(tour, lambda: bool(retrieval.state.scores))
    await tour._drawn()
    tour._picture("retrieval-scores", "Retrieval in four directions, beside chance and a shuffled brain",
                  "Intervals are bootstraps over queries; the gallery protocol is named.")
    retrieval._show_test()
    await until(tour, lambda: retrieval.state.ranking is not None)
    retrieval.state.sentence = "people in front of a house"
    await until(tour, lambda: retrieval.state.brains is not None)
    await tour._drawn()
    tour._scroll_to(page.asked_brain)
    await tour._drawn()
    tour._picture("retrieval-rankings", "What one brain finds, and which brains fit a typed sentence",
                  "The true picture and caption are marked, wherever they rank.")
    page.space.which.show_value("matrix")
    page.space.which.chosen.emit("matrix")
    page.space.wanted.emit("matrix")
    await until(tour, lambda: retrieval.state.matrices is not None)
    tour._scroll_to(page.space)
    await tour._drawn()
    tour._picture("retrieval-similarity", "How alike brains and pictures are, for every pair of test stimuli",
                  "Hover names a pair, a click chooses its stimulus; the matrix is saved as a picture or as numbers.")


async def attribution_pages(tour: Any) -> None:
    """Ask the shipped whole-brain model which tissue carries a stimulus, and whether to believe it."""
    wiring, panel = page_of(tour, "AttributionWiring"), tour.window.attribution
    await tour.session.open_run(str(resource("models/demo-whole-brain")))
    tour.window.show_dock("attribution")
    state = wiring.state

    def finished() -> bool:
        return state.answer is not None and state.answer.final and state.answer.setting == state.setting

    await until(tour, lambda: wiring.model is not None)
    wiring.model.ahead = False
    await until(tour, finished)
    await until(tour, lambda: wiring.answered)
    await tour._drawn()
    tour._picture("attribution", "Attribution: which tissue carries this stimulus, in bits",
                  "An information bottleneck on the brain encoder that ships with BrainView (trained on simulated "
                  "brains); layer and price of information are sliders, and the map says how coarse it is.")
    state.other = state.setting
    panel.controls.beta.slider.setValue(panel.controls.beta.slider.value() + 40)
    await until(tour, lambda: finished() and state.compared is not None)
    await wiring.find_mismatched()
    await wiring.find_repeated()
    await until(tour, lambda: wiring.answered)
    await tour._drawn()
    tour._scroll_to(panel.checks)
    await tour._drawn()
    tour._picture("attribution-checks", "Is this map believable?",
                  "The same brain asked about a wrong stimulus, another noise seed, and for simulated data what was "
                  "planted; two settings side by side on one colour scale.")
