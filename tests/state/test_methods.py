"""The methods paragraph tells the truth about the run: every number of it stands in the card or in the map."""

from __future__ import annotations

import re

import numpy as np
import pytest

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.significant import significant_only
from brainview.maps.space import surface_space
from brainview.state.app import GROUP, AppState, RunInfo, Source
from brainview.state.citations import CITATIONS
from brainview.state.methods import methods
from brainview.state.view import ViewState

SPACE = surface_space("fsaverage5")
CARD = {
    "system": "ridge", "dataset": "NSD", "layout": "nsd", "phantom": False, "feature_label": "Gabor energies",
    "config": {"method": "kfold", "folds": 7, "components": 431, "seed": 3},
    "split": {"name": "seed 3", "val": 0.12, "test": "layout", "seed": 3, "by": "stimulus id over all subjects"},
    "metrics": {"subj01": {"part": "test", "images": 515, "repeats": {"3": 500, "2": 15}, "ceiling_source": "ncsnr"},
                "subj02": {"part": "test", "images": 493, "repeats": {"3": 493}, "ceiling_source": "ncsnr"}}}


def shown(card=CARD, kind="metric", metric="r2_nc", brain="subj01", phantom=False, **source):
    app, view = AppState(), ViewState()
    drawn = BrainMap(np.linspace(0, 1, SPACE.size), SPACE, name="r²", units="fraction", limits=(0.0, 1.0),
                     provenance={"dataset": card["dataset"], "phantom": phantom})
    app.run = RunInfo("/r", card, phantom, ("subj01", "subj02"),
                      {"r2_nc": {"title": "r² / noise ceiling", "definition": "Squared correlation over the ceiling."}},
                      {s: {"r2_nc": drawn} for s in ("subj01", "subj02")}, {"r2_nc": drawn}, (), {})
    app.source = Source(kind, brain=brain, metric=metric, **source)
    view.show(drawn)
    return app, view, drawn


def test_every_number_stands_in_the_card():
    told = methods(*shown())
    text = told.text().split("\n\nReferences")[0]
    for wanted in ("7-fold", "431 principal", "12 % of the images", "515 test images", "500 shown 3 times",
                   "15 shown 2 times", "seed 3", "20,484 locations", "fsaverage5", "Natural Scenes Dataset", "ncsnr",
                   "2 subjects (subj01, subj02)", "from 0 to 1 fraction"):
        assert wanted in text, wanted
    assert "493" not in text, "the other subject's figures are not those of this map"
    assert "permutation" not in text.lower() and "simulated" not in text
    changed = {**CARD, "config": {**CARD["config"], "method": "gcv", "components": 0},
               "metrics": {"subj01": {**CARD["metrics"]["subj01"], "images": 88}}}
    other = methods(*shown(changed)).text()
    assert "88 test images" in other and "generalized cross-validation" in other and "principal" not in other
    assert "fold" not in other.split("References")[0].replace("fsaverage", "")


def test_works_are_cited_once_with_their_doi_and_only_when_named():
    told = methods(*shown())
    assert told.cited[0] == "nsd" and len(set(told.cited)) == len(told.cited)
    assert {"nsd", "fsaverage", "ridge", "gabor", "ceiling"} <= set(told.cited)
    assert not {"bh", "permutation", "gcv", "clip"} & set(told.cited)
    lines = told.text().split("References\n")[1].strip().split("\n")
    assert len(lines) == len(told.works) and all("https://doi.org/10." in line for line in lines)
    for work in CITATIONS.values():
        assert re.search(r"(19|20)\d\d", work.full) and (not work.doi or work.doi.startswith("10."))


def test_a_phantom_is_called_one_and_is_never_credited_to_the_real_data():
    told = methods(*shown({**CARD, "phantom": True}, phantom=True))
    assert told.sentences[0].endswith("no brain was recorded.") and "nsd" not in told.cited
    assert "Natural Scenes" not in told.text()


def test_statistics_are_those_of_the_map_that_is_drawn():
    app, view, drawn = shown(brain=GROUP, fdr=0.01)
    q = BrainMap(np.where(np.arange(SPACE.size) < 321, 0.001, 0.9), SPACE, name="q", definition="FDR.",
                 provenance={"permutations": 2000, "images": 515, "part": "test"})
    cut = significant_only(drawn, [q, q], 0.01)
    view.rule = view.rule.having(threshold=0.25, below="faded")
    text = methods(app, view, cut).text()
    assert "2,000 permutations of 515 images" in text and "q ≤ 0.01 in more than half of 2 subjects" in text
    assert "(321)" in text and "Benjamini" in text and "below 0.25 are faded" in text
    assert "subj01 was evaluated on 515" in text and "subj02 was evaluated on 493" in text
    with pytest.raises(MissingError):
        methods(AppState(), ViewState(), None)


def test_what_the_card_does_not_say_is_not_said():
    told = methods(*shown({"system": "ridge", "dataset": "My lab", "layout": "manifest", "feature_label": "X"})).text()
    assert "My lab" in told and "evaluated on" not in told and "held out" not in told and "penalty" not in told
    unknown = methods(*shown({"system": "mine", "dataset": "d"}, kind="predicted")).text()
    assert "a run of mine" in unknown
