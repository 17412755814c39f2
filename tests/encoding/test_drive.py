"""What drives a place: the rows of the data in order, the model's in order, and words whose counts can be checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brainview.core.errors import MissingError
from brainview.datasets import by_location as module
from brainview.datasets.by_location import by_location
from brainview.datasets.registry import open_dataset
from brainview.datasets.words import categories_of, index, over_represented, tokens
from brainview.encoding import jobs
from brainview.encoding.drive import pooled
from brainview.training.jobs import train
from tests.encoding import tiny


class Told:
    """Stimuli with captions: even ids show dogs, ids below 10 a bus."""

    def captions(self, stimulus):
        house = "the dog's house" if stimulus < 3 else "nothing"
        return [f"A {'dog' if stimulus % 2 == 0 else 'cat'} is there", house] + ["a red bus"] * (stimulus < 10)


def test_words_are_counted_by_stimulus_with_their_log_odds():
    rows = {r["word"]: r for r in over_represented(Told(), np.arange(0, 40, 2), np.arange(1, 40, 2))}
    dog = rows["dog"]
    assert (dog["here"], dog["of_here"], dog["there"], dog["of_there"]) == (20, 20, 0, 20)
    assert dog["log_odds"] == pytest.approx(2 * math.log(20.5 / 0.5)) and dog["q"] < 0.001
    assert dog["z"] == pytest.approx(dog["log_odds"] / math.sqrt(2 / 20.5 + 2 / 0.5))
    assert "cat" not in rows and "the" not in rows and "is" not in rows
    assert "bus" not in rows or rows["bus"]["q"] > 0.3, "five of twenty on either side"
    assert tokens(["The dog's BALL, a ball"]) == {"dog's", "ball"}
    assert categories_of({"category": "food", "boxes": [{"label": "pizza"}, {"label": "food"}]}) == ("food", "pizza")


def test_z_scores_weigh_locations_equally_and_one_location_stays_in_its_units():
    rows = np.array([[1, 2, 3, 4.0], [400, 100, 100, 100], [5, 5, 5, 5], [np.nan] * 4])
    values, used = pooled(rows)
    z = (rows[:2] - rows[:2].mean(1, keepdims=True)) / rows[:2].std(1, keepdims=True)
    assert used == 2
    np.testing.assert_allclose(values, z.mean(0))
    np.testing.assert_array_equal(pooled(rows[:1])[0], rows[0])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("tiny") / "algonauts", subjects=1)


def test_ranking_is_that_of_the_rows_and_of_the_model(data, tmp_path, monkeypatch):
    run = train("ridge", str(data), str(tmp_path / "run"), options={
        "components": 0, "bootstraps": 0, "permutations": 0, "val": 0.15, "features": "gabor[grid=2]"})
    person = open_dataset(data).subject("subj01")
    ids = person.trials.unique
    means = person.mean_betas(ids)
    told = jobs.drive(str(data), "subj01", [101], run)
    order = np.argsort(-means[:, 101])
    assert told["units"] == "beta" and told["locations"] == 1
    np.testing.assert_array_equal(told["measured"]["ids"][:5], ids[order][:5])
    np.testing.assert_allclose(told["measured"]["values"], means[order, 101], atol=2e-2)
    test = told["predicted"]
    assert test["part"] == "test images" and len(test["ids"]) == 24 and told["r"] > 0.5, "planted signal"
    r = jobs.present(run)["maps"]["subj01"]["r"].values[101]
    assert told["r"] == pytest.approx(r, abs=0.01), "the same correlation as the map's"
    many = jobs.drive(str(data), "subj01", np.arange(90, 110))
    assert many["locations"] == 20 and many["units"].startswith("z") and "predicted" not in many
    monkeypatch.setattr(module, "_build", None)  # built once
    assert by_location(person).array.shape == (110, ids.size)
    with pytest.raises(MissingError, match="outside"):
        jobs.drive(str(data), "subj01", [5000])
    words = index(str(data), ids[:4])
    assert words["ids"].tolist() == ids[:4].tolist() and words["texts"] == [""] * 4
