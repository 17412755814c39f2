"""Live attribution: previews, superseding, caches, honest answers; and the verb that writes the same map."""

import asyncio
import gc
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from brainview.attribution.ibba import IbbaConfig, ibba
from brainview.attribution.maps import surface_map, volume_map
from brainview.attribution.methods import METHODS
from brainview.attribution.session import LiveAttribution, Store
from brainview.attribution.target import Target
from brainview.cli import attribute as verb
from brainview.cli.main import main
from brainview.core.errors import BrainViewError, Cancelled, FormatError, MissingError
from brainview.engine import Engine
from brainview.maps.io import read_maps
from brainview.training.run import RunFolder
from tests.attribution.runs_for_tests import STIMULI, make_run

QUICK = {"copies": 2, "steps": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "whole-brain")


@pytest.fixture
def live(run):
    return LiveAttribution(str(run))


def test_description(live):
    about = live.describe()
    assert about["tokens"] == 174 and about["layers"] == 3 and about["phantom"] and len(about["stimuli"]) == STIMULI
    assert about["beta_per_nat"] == pytest.approx(1 / (175 * 16))
    assert about["beta"] == 1.0 and "28 mm" in about["resolution"]
    assert set(about["methods"]) == set(METHODS) == set(verb.METHODS)


def test_final_map_is_the_map_of_the_function(live):
    answer = live.attribute(1, 7, layer=1, beta=0.3, target="text", config=QUICK)
    item = live.source.item(7)
    x = live.source.encoder.stream(item.patches[None])[1][0]
    direct = ibba(live.source.encoder, x, Target.of(item.image, item.text, "text"), IbbaConfig(1, 0.3, **QUICK))
    assert answer["status"] == "final" and np.array_equal(answer["scores"], direct.scores)
    assert answer["bits"] == direct.bits and answer["fit_kept"] == direct.fit_kept and not answer["cached"]
    again = live.attribute(2, 7, layer=1, beta=0.3, target="text", config=QUICK)
    assert again["cached"] and again["number"] == 2 and np.array_equal(again["scores"], answer["scores"])
    other = live.attribute(3, 7, layer=1, beta=0.3, target="image", config=QUICK)
    assert not other["cached"] and not np.array_equal(other["scores"], answer["scores"])


def test_preview_comes_first_and_says_so(live):
    live.attribute(1, 0, layer=1, config={"copies": 3, "steps": 4})
    preview = live.peek(1)
    assert preview["status"] == "preview" and preview["copies"] == 1 and preview["step"] == 4
    assert live.peek(1, preview["serial"]) is None and live.peek(2) is None


def test_a_newer_request_stops_an_older_one(live):
    answers = {}
    worker = threading.Thread(target=lambda: answers.update(a=live.attribute(1, 0, layer=0, config={"steps": 3000})))
    worker.start()
    time.sleep(0.3)
    assert worker.is_alive()
    live.newest(2)
    start = time.monotonic()
    worker.join(10)
    assert not worker.is_alive() and time.monotonic() - start < 5
    assert answers["a"] == {"status": "superseded", "number": 1} and live.known()["maps"] == 0
    assert live.attribute(1, 0, config=QUICK)["status"] == "superseded"  # late in the queue: not begun
    assert live.prefetch(1, 0, config=QUICK)["betas"] == []


def test_prefetch_and_what_lies_between(live):
    assert live.nearest(0, 1, 0.05, config=QUICK) is None
    live.newest(4)
    assert len(live.prefetch(4, 0, 1, 0.1, config=QUICK)["betas"]) == 9
    near = live.nearest(0, 1, 0.05, config=QUICK)
    low, high = (live.nearest(0, 1, b, config=QUICK) for b in near["from_betas"])
    assert near["status"] == "interpolated" and low["beta"] < 0.05 < high["beta"] and low["status"] == "final"
    share = np.log(0.05 / low["beta"]) / np.log(high["beta"] / low["beta"])
    assert np.allclose(near["scores"], (1 - share) * low["scores"] + share * high["scores"], rtol=1e-5)
    assert live.nearest(0, 1, 50.0, config=QUICK)["from_betas"] == [10.0]
    assert live.nearest(0, 2, 0.05, config=QUICK) is None and live.nearest(7, 1, 0.05, config=QUICK) is None
    bits = [live.nearest(0, 1, b, config=QUICK)["bits"] for b in live.describe()["betas"]]
    assert bits == sorted(bits, reverse=True)


def test_checks_of_a_map(live):
    found = live.believe(1, 0, 1, config=QUICK)
    assert found["mismatched"]["stimulus"] != 0 and found["mismatched"]["stimulus"] in live.source.ids
    assert -1 <= found["mismatched_pearson"] < 1 and 0 <= found["seed_overlap"] <= 1
    assert not np.array_equal(found["mismatched"]["scores"], found["own"]["scores"])


@pytest.mark.parametrize("method", [m for m in METHODS if m != "ibba"])
def test_other_methods(live, method):
    settings = {"masks": 8} if method == "rise" else {}
    answer = live.attribute(1, 7, method, layer=1, settings=settings)
    assert answer["status"] == "final" and answer["scores"].shape == (174,) and answer["unit"] == "score"


def test_two_hundred_moves_leave_the_last_map_and_no_memory(live):
    def move(number, beta):
        live.newest(number)
        return live.attribute(number, 7 * (number % STIMULI), layer=1, beta=beta, config={"copies": 2, "steps": 2})

    betas = 10 ** np.random.default_rng(0).uniform(-3, 1, 230)
    for i in range(30):
        move(i + 1, betas[i])
    gc.collect()
    before = psutil.Process(os.getpid()).memory_info().rss
    for i in range(30, 230):
        answer = move(i + 1, betas[i])
    gc.collect()
    grown = (psutil.Process(os.getpid()).memory_info().rss - before) / 2**20
    assert grown < 12, f"{grown:.0f} MiB more after 200 requests"
    assert answer["status"] == "final" and answer["beta"] == betas[-1] and live.known()["streams"] == STIMULI


def test_matrices_draw_what_the_maps_hold(live):
    scores = live.attribute(1, 7, layer=1, config=QUICK)["scores"]
    for space, made in (("fsaverage5", surface_map(scores, live.source.grid)),
                        ("mni152-2mm", volume_map(scores, live.source.grid))):
        parts = live.matrix(space)
        drawn = csr_matrix((parts["data"], parts["indices"], parts["indptr"]), parts["shape"]) @ scores
        known = np.isfinite(made.values)
        assert known.any() and np.allclose(drawn[known], made.values[known], rtol=1e-4)


def test_brains_and_targets_of_a_run_without_saved_brains(tmp_path):
    run = make_run(tmp_path / "run", step=400)
    place = run / "subjects" / "subj01"
    saved = LiveAttribution(str(run)).source.item(14)
    content = load_file(place / "stimuli.safetensors")
    voxels = content.pop("voxels").astype(np.float32)
    save_file(content, place / "embeddings.safetensors")
    (place / "stimuli.safetensors").unlink()
    live = LiveAttribution(str(run))
    with pytest.raises(MissingError, match="not on this machine"):
        live.source.item(14)
    live.source._brains = SimpleNamespace(mean=lambda ids: voxels[ids // 7])
    found = live.source.item(14)
    assert torch.equal(found.patches, saved.patches) and torch.equal(found.text, saved.text)
    assert not torch.equal(live.source.item(7).patches, saved.patches)


def test_store_forgets_the_oldest():
    store = Store(2)
    store.put("a", 1), store.put("b", 2)
    assert store.get("a") == 1
    store.put("c", 3)
    assert store.get("b") is None and dict(store.items()) == {"a": 1, "c": 3}


def test_faults_are_told(live, run, tmp_path):
    with pytest.raises(MissingError, match="not on this machine"):
        live.attribute(1, 12345)
    with pytest.raises(BrainViewError, match="no layer 9"):
        live.attribute(2, 7, layer=9)
    with pytest.raises(BrainViewError, match="target"):
        live.attribute(3, 7, target="sound")
    with pytest.raises(BrainViewError, match="no such setting"):
        live.attribute(4, 7, config={"wings": 2})
    with pytest.raises(MissingError, match="no trained subject"):
        LiveAttribution(str(run), "../x")
    RunFolder.create(tmp_path / "ridge", "ridge", {})
    with pytest.raises(FormatError, match="ridge run"):
        LiveAttribution(str(tmp_path / "ridge"))
    broken = make_run(tmp_path / "broken", step=400)
    file = broken / "subjects" / "subj01" / "stimuli.safetensors"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(FormatError, match="safetensors"):
        LiveAttribution(str(broken))


def test_in_a_worker_of_the_engine(run):
    async def drive():
        engine = Engine()
        try:
            session = await engine.session("brainview.attribution.session:LiveAttribution",
                                           arguments={"run": str(run)})
            old = asyncio.ensure_future(session.call("attribute", number=1, stimulus=0, config={"steps": 5000}))
            await asyncio.sleep(0.5)
            await session.call_now("newest", number=2)
            new = asyncio.ensure_future(session.call("attribute", number=2, stimulus=7, layer=1,
                                                     config={"copies": 2, "steps": 60}))
            preview = None
            while preview is None and not new.done():
                preview = await session.call_now("peek", number=2)
                await asyncio.sleep(0.01)
            answers = await old, preview, await new
            late = asyncio.ensure_future(session.call("attribute", number=3, stimulus=0, config={"steps": 5000}))
            await asyncio.sleep(0.3)
        finally:
            await engine.close()
        with pytest.raises(Cancelled):  # the window closed meanwhile: no error to show
            await late
        with pytest.raises(Cancelled):
            await session.call_now("newest", number=4)
        return answers

    old, preview, new = asyncio.run(drive())
    assert old["status"] == "superseded" and new["status"] == "final" and new["stimulus"] == 7
    assert preview is not None and preview["status"] == "preview" and preview["copies"] == 1


def test_the_verb_writes_the_same_map(run, tmp_path, capsys):
    out = tmp_path / "map.nii.gz"
    few = ["--copies", "2", "--steps", "4", "--layer", "1", "--stimulus", "7"]
    assert main(["attribute", str(run), *few, "--beta", "0.3", "--out", str(out)]) == 0
    assert "28 mm" in capsys.readouterr().out
    answer = LiveAttribution(str(run)).attribute(1, 7, layer=1, beta=0.3, config=QUICK)
    (found,) = read_maps(out)
    assert np.nanmax(found.values) <= answer["scores"].max() and np.nanmax(found.values) > 0
    story = found.provenance
    assert story["attribution"]["beta"] == 0.3 and story["attribution"]["method"] == "ibba" and found.is_phantom
    assert story["checkpoint"] == answer["checkpoint"]
    assert main(["attribute", str(run), *few, "--method", "rise", "--masks", "6", "--surface", "fsaverage5", "--json",
                 "--out", str(tmp_path / "map.csv")]) == 0
    assert '"resolution"' in capsys.readouterr().out and (tmp_path / "map.csv").exists()
    assert main(["attribute", str(tmp_path), "--stimulus", "1", "--out", str(out)]) == 1
