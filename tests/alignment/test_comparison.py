"""Tables beside each other: read back from stored runs, paired with the reference, written as CSV."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from brainview.alignment import comparison
from brainview.cli.main import main
from brainview.core.errors import MissingError
from brainview.training.run import RunFolder

N = 40


def stored(path, noise, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(N, 16))
    image /= np.linalg.norm(image, axis=1, keepdims=True)
    brain = image + noise * rng.normal(size=image.shape)
    brain /= np.linalg.norm(brain, axis=1, keepdims=True)
    folder = RunFolder.create(path, "ridge-clip", {"subjects": ["s1"]})
    place = RunFolder.create(path / "subjects" / "s1", "ridge-clip-subject", {}).path
    image, brain = image.astype(np.float32), brain.astype(np.float32)
    save_file({"ids": np.arange(N), "to_image": brain, "to_text": brain, "image": image, "text": image},
              place / "embeddings.safetensors")
    (place / "result.json").write_text(json.dumps({"metrics": {"train_images": 9, "voxels": 5}, "story": {},
                                                   "cpu_seconds": 2.0}))
    folder.write_generation({"none": np.zeros(1, np.float32)}, {"finished": ["s1"]})
    return path


def test_rows_are_paired_with_the_reference_and_what_is_below_is_said(tmp_path):
    cells = [(comparison.Cell("good", "ridge-clip", {}), stored(tmp_path / "a", 0.05, 0)),
             (comparison.Cell("bad", "mindeye", {}), stored(tmp_path / "b", 2.0, 0)),
             (comparison.Cell("same", "tgbd", {}), stored(tmp_path / "c", 0.05, 0))]
    rows = comparison.rows_of(cells)
    assert len(rows) == 12 and {r["gallery"] for r in rows} == {N} and {r["chance"] for r in rows} == {1 / N}
    good = [r for r in rows if r["cell"] == "good"]
    assert all(r["R@1"] == 1 and r["minus reference"] is None and r["shuffled"] < 0.2 for r in good)
    bad = next(r for r in rows if r["cell"] == "bad")
    assert bad["minus reference"] == pytest.approx(bad["R@1"] - 1) and bad["minus high"] < 0
    told = comparison.verdicts(rows)
    assert told[0].startswith("bad: BELOW good: s1 brain→image") and "no difference" in told[1]
    mean = {r["cell"]: r for r in comparison.over_subjects(rows)}
    assert mean["good"]["brain→image"] == 1 and mean["bad"]["brain→image least"] == bad["R@1"]
    file = comparison.write_csv(rows, tmp_path / "t" / "methods.csv")
    read = list(csv.DictReader(file.read_text().splitlines()))
    assert len(read) == 12 and float(read[4]["R@1"]) == bad["R@1"] and read[0]["minus reference"] == ""


def test_cells_have_known_systems_and_folders_of_their_own():
    from brainview.core.systems import SYSTEMS, load

    cells = [*comparison.methods(),
             *comparison.ablations("mindeye", regions=["streams:early"], captions=["file:x.json"])]
    assert len({c.folder for c in cells}) == len(cells) and all(c.system in SYSTEMS for c in cells)
    for cell in cells:
        assert cell.options.get("preset", "none") in {"none", *load(SYSTEMS[cell.system].presets).PRESETS}
    assert [c.name for c in comparison.methods(["tgbd", "ridge-clip"])] == ["ridge-clip", "tgbd"]
    assert not any("targets" in c.options for c in comparison.ablations("ridge-clip"))
    with pytest.raises(MissingError, match="no compared method"):
        comparison.methods(["magic"])


def test_command_measures_a_query_and_asks_for_what_is_missing(capsys):
    assert main(["benchmark", "alignment", "--tables", "speed", "--items", "2000", "--widths", "16", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["speed"][0]
    assert row["items"] == 2000 and row["CPU ms"] > 0 and row["width"] == 16
    assert main(["benchmark", "alignment"]) == 1
    assert "--out" in capsys.readouterr().err
