"""An engine that answers at once with real maps on fsaverage5, for tests of the window without workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from psygnal import Signal

from brainview.core.errors import BrainViewError, Cancelled, FormatError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.clusters import clusters
from brainview.maps.jobs import keep_maps, to_volume
from brainview.maps.meshes import load_mesh
from brainview.maps.rois import RoiClass
from brainview.maps.space import surface_space
from brainview.scene.jobs import movie, page, read_story
from tests.app import fake_retrieval, fake_training

SPACE = surface_space("fsaverage5")
SUBJECTS = ("subj01", "subj02", "subj03", "subj04")
VARIANTS = {"fsaverage/betas": "fsaverage5 betas", "MNI/betas": "MNI 2 mm betas"}
REGIONS = {"prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
           "floc-faces": ("OFA", "FFA-1", "FFA-2"), "floc-places": ("OPA", "PPA", "RSC"),
           "floc-bodies": ("EBA", "FBA-1"), "streams": ("early", "lateral", "ventral", "parietal")}


class FakeJob:
    """A job whose state a test moves by hand, or that ends in the next turn of the loop."""

    changed = Signal()

    def __init__(self, engine: FakeEngine, number: int, function: str, title: str, lane: str,
                 arguments: dict[str, Any]) -> None:
        self.id, self.function, self.title, self.lane = f"job-{number}", function, title, lane
        self.arguments = arguments
        self.status, self.done, self.total, self.text = "queued", 0.0, 1.0, ""
        self.seconds_left: float | None = None
        self.log: list[str] = []
        self.error: str | None = None
        self.details = ""
        self._engine = engine
        self._value: asyncio.Future[Any] = asyncio.get_event_loop().create_future()

    async def result(self) -> Any:
        """Return the value, or raise."""
        return await asyncio.shield(self._value)

    def run(self) -> None:
        """Answer now."""
        if self._value.done():
            return
        self.status = "running"
        self.changed.emit()
        try:
            value = self._engine.answers[self.function](**self.arguments)
        except BrainViewError as err:
            self.fail(err)
            return
        self.status, self.done = "done", 1.0
        self._value.set_result(value)
        self.changed.emit()

    def fail(self, err: BrainViewError) -> None:
        """End with an error."""
        self.status = "cancelled" if isinstance(err, Cancelled) else "failed"
        self.error = str(err)
        self._value.set_exception(err)
        self._value.exception()  # somebody has looked
        self.changed.emit()

    def report(self, done: float, text: str, left: float | None = None) -> None:
        """Show progress."""
        self.status, self.done, self.text, self.seconds_left = "running", done, text, left
        self.changed.emit()

    def cancel(self) -> None:
        """Stop."""
        if not self._value.done():
            self.fail(Cancelled())

    def retry(self) -> FakeJob:
        """Submit again."""
        return self._engine.submit(self.function, title=self.title, lane=self.lane, arguments=self.arguments)


class FakeEngine:
    """Answers jobs by name from `answers`; functions named in `held` wait until a test runs them."""

    job_added = Signal(object)

    def __init__(self) -> None:
        self.jobs: list[FakeJob] = []
        self.held: set[str] = set()
        self.closed = False
        self.answers: dict[str, Callable[..., Any]] = {
            "brainview.datasets.jobs:inspect": lambda path: inspect(path),
            "brainview.datasets.jobs:open_subject": lambda path, subject, variant=None: open_subject(subject, variant),
            "brainview.datasets.jobs:stimulus_page": lambda path, ids, size: stimulus_page(ids, size),
            "brainview.datasets.jobs:response_map": lambda path, subject, stimulus, variant=None:
                response(subject, stimulus),
            "brainview.datasets.words:index": stimulus_words, "brainview.encoding.jobs:drive": drive,
            "brainview.maps.jobs:open_maps": open_maps,
            "brainview.maps.jobs:export_map": lambda map, path, format, space_name: path,
            "brainview.maps.jobs:keep_maps": keep_maps,
            "brainview.maps.jobs:to_surface": lambda map, mesh: map,
            "brainview.maps.jobs:to_volume": to_volume,
            "brainview.maps.clusters:clusters": clusters,
            "brainview.scene.jobs:read_story": read_story, "brainview.scene.jobs:page": page,
            "brainview.scene.jobs:movie": movie,
            "brainview.training.jobs:train": lambda system_name, path, run, subjects, options: run,
            "brainview.training.jobs:present": lambda run: (fake_retrieval.present_aligned if "clip" in run
                                                            else present)(run),
            "brainview.encoding.jobs:predict_stimulus": lambda run, subject, stimulus: predict(subject, stimulus),
            "brainview.phantom.jobs:ensure_default": lambda stage: "/phantom",
            "brainview.encoding.jobs:predict_picture": lambda run, image, subject, minus=None:
                fake_retrieval.predict_picture(response, image, subject, minus),
            "brainview.datasets.jobs:stimulus": lambda path, id: {
                "id": id, "image": stimulus_page([id], 64)["thumbs"][0], "captions": [], "details": {}},
            **fake_training.ANSWERS, **fake_retrieval.ANSWERS,
        }

    def submit(self, function: str, *, title: str, lane: str = "batch",
               arguments: dict[str, Any] | None = None) -> FakeJob:
        """Take a job."""
        job = FakeJob(self, len(self.jobs) + 1, function, title, lane, dict(arguments or {}))
        self.jobs.append(job)
        self.job_added.emit(job)
        if function not in self.held:
            asyncio.get_event_loop().call_soon(job.run)
        return job

    async def close(self) -> None:
        """End."""
        self.closed = True


def _story(subject: str) -> dict[str, Any]:
    return {"dataset": "phantom", "subject": subject, "phantom": True}


def _places() -> np.ndarray:
    """Return (20484, 3) pial coordinates."""
    return np.concatenate([load_mesh(SPACE, side, "pial").vertices for side in ("left", "right")])


def _visual(seed: int) -> np.ndarray:
    """Return (20484,) values that are high at the occipital pole."""
    xyz = _places()
    wave = 0.08 * np.sin(xyz[:, 0] / 7 + seed) * np.cos(xyz[:, 2] / 9 + seed)
    return np.clip(0.62 * np.exp(-((xyz[:, 1] + 88) / 34) ** 2) + wave * np.exp(-((xyz[:, 1] + 70) / 50) ** 2), 0, 1)


def rois() -> dict[str, RoiClass]:
    """Return classes of regions around posterior places."""
    xyz = _places()
    out = {}
    number = 0
    for name, regions in REGIONS.items():
        labels = np.zeros(SPACE.size, np.int32)
        for k, _ in enumerate(regions, start=1):
            number += 1
            centre = np.array([18 + 2.2 * number % 30, -95 + 3.1 * number, -14 + (7 * number) % 40])
            near = np.linalg.norm(np.abs(xyz - [0, 0, 0]) * [1, 0, 0] + xyz * [0, 1, 1] - centre, axis=1) < 11
            labels[near] = k
        out[name] = RoiClass(name, labels, {k: Label(r) for k, r in enumerate(regions, start=1)})
    return out


def ceiling(subject: str) -> BrainMap:
    """Return a noise ceiling."""
    values = _visual(SUBJECTS.index(subject)) * 1.15
    return BrainMap(np.clip(values, 0, 0.9), SPACE, name="noise ceiling", units="R²", limits=(0.0, 1.0),
                    definition="Largest R² that a perfect model could reach.", provenance=_story(subject))


def inspect(path: str) -> dict[str, Any]:
    """Return what inspect says; a path with "broken" in it is refused."""
    if "broken" in path:
        raise FormatError("is not a data set that BrainView knows", where=path, remedy="See the list of layouts.")
    return {"path": path, "name": "phantom", "layout": "nsd", "phantom": True,
            "subjects": [{"id": s} for s in SUBJECTS], "problems": []}


def open_subject(subject: str, variant: str | None = None) -> dict[str, Any]:
    """Return one subject."""
    ids = np.arange(100, 400)
    return {"id": subject, "dataset": "phantom", "phantom": True, "space": SPACE, "rois": rois(),
            "ceiling": ceiling(subject), "stimuli": ids, "splits": {"train": ids[:240], "test": ids[240:]},
            "trials": 480, "anatomy": [],
            "variant": variant or "fsaverage/betas", "variants": VARIANTS if "2" in subject else {}}


def stimulus_page(ids: Any, size: int) -> dict[str, Any]:
    """Return drawn thumbnails."""
    grid = np.linspace(0, 1, size)
    thumbs = []
    for i in np.asarray(ids).tolist():
        wave = np.sin(6 * np.add.outer(grid * np.cos(i), grid * np.sin(i)) + i)
        base = np.array([90 + (37 * i) % 120, 80 + (53 * i) % 130, 90 + (71 * i) % 120])
        thumbs.append(np.clip(base + 60 * wave[..., None], 0, 255).astype(np.uint8))
    words = ("a dog on a sofa", "two people beside a red bus", "a plate of food on a table", "a face in a crowd")
    return {"ids": np.asarray(ids), "thumbs": thumbs, "captions": [[words[int(i) % 4]] for i in ids],
            "details": [{} for _ in ids]}


def stimulus_words(path: str, ids: Any) -> dict[str, Any]:
    """Return captions and categories."""
    page = stimulus_page(ids, 4)
    kinds = [(("animal", "furniture"), ("person", "vehicle"), ("food",), ("person",))[int(i) % 4] for i in ids]
    return {"ids": np.asarray(ids), "texts": [c[0] for c in page["captions"]], "categories": kinds, "counts": {}}


def drive(path: str, subject: str, index: Any, run: str | None = None, variant: str | None = None) -> dict[str, Any]:
    """Return stimuli in the order of their numbers, without words."""
    told = {"ids": np.arange(100, 400), "values": np.linspace(1, -1, 300), "part": "all images", "top": 30,
            "words": {"most": [], "least": []}}
    return {"locations": len(index), "units": "beta", "measured": told, "r": None, "note": ""}


def response(subject: str, stimulus: int) -> BrainMap:
    """Return a response."""
    xyz = _places()
    values = 2 * _visual(SUBJECTS.index(subject)) * np.sin(xyz[:, 2] / (6 + stimulus % 5) + stimulus)
    return BrainMap(values, SPACE, name=f"response to {stimulus}", units="beta", kind="diverging",
                    provenance=_story(subject))


def predict(subject: str, stimulus: int) -> dict[str, Any]:
    """Return measured and predicted maps."""
    measured = response(subject, stimulus)
    predicted = measured.having(values=measured.values * 0.7, name="predicted")
    page = stimulus_page([stimulus], 160)
    return {"measured": measured, "predicted": predicted, "R2": 0.51, "r": 0.74, "image": page["thumbs"][0],
            "captions": page["captions"][0]}


def present(run: str) -> dict[str, Any]:
    """Return a trained model."""
    rng = np.random.default_rng(3)
    maps: dict[str, dict[str, BrainMap]] = {}
    rows = []
    for k, subject in enumerate(SUBJECTS):
        nc = ceiling(subject).values
        r2 = np.clip(nc * (0.55 + 0.1 * np.sin(k)) + rng.normal(0, 0.02, nc.size), -0.1, 1)
        maps[subject] = {
            "R2": BrainMap(r2, SPACE, name="R²", units="R²", limits=(0, 0.6), provenance=_story(subject)),
            "NC": ceiling(subject),
            "R2/NC": BrainMap(np.where(nc > 0.05, r2 / np.maximum(nc, 0.05), np.nan), SPACE, limits=(0, 1),
                              name="R² / noise ceiling", units="fraction of ceiling", provenance=_story(subject))}
        for metric, brain_map in maps[subject].items():
            rows += _roi_rows(subject, metric, brain_map, rng)
    return {"run": run, "card": {"system": "ridge", "features": "gabor", "split": "test"}, "phantom": True,
            "subjects": list(SUBJECTS), "maps": maps,
            "metrics": {"R2": {"title": "R²", "units": "", "definition": "1 − residual variance / variance of the "
                               "measured responses to the 60 test images."},
                        "R2/NC": {"title": "R² / noise ceiling", "units": "fraction", "definition":
                                  "R² as a fraction of what a perfect model could reach; locations with a ceiling "
                                  "under 5 % are left out."},
                        "NC": {"title": "Noise ceiling", "definition": "Largest R² that a perfect model could reach.",
                               "units": "R²"}},
            "group": {m: BrainMap.mean([maps[s][m] for s in SUBJECTS], median=True) for m in ("R2", "R2/NC", "NC")},
            "rois": rows, "notes": ["Scored on 60 test images shown three times."],
            "stimuli": {s: [{"stimulus": i, "R2": float(v), "r": float(np.sqrt(max(v, 0)))} for i, v in
                            zip(range(340, 400), rng.normal(0.25, 0.15, 60), strict=True)] for s in SUBJECTS}}


def _roi_rows(subject: str, metric: str, brain_map: BrainMap, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for name, roi in rois().items():
        for region in (t.name for t in roi.table.values()):
            for side, part in (("left", SPACE.left), ("right", SPACE.right)):
                values = brain_map.values[part][roi.mask(region)[part]]
                values = values[np.isfinite(values)]
                if not values.size:
                    continue
                q25, median, q75 = (float(q) for q in np.percentile(values, (25, 50, 75)))
                wide = float(rng.uniform(0.01, 0.04))
                rows.append({"subject": subject, "hemisphere": side, "roi_class": name, "roi": region, "metric": metric,
                             "median": median, "q25": q25, "q75": q75, "mean": float(values.mean()),
                             "low": median - wide, "high": median + wide, "n": int(values.size)})
    return rows


def open_maps(path: str) -> list[BrainMap]:
    """Return the maps of a file."""
    values = np.where(_visual(1) > 0.2, _visual(1) - 0.3, np.nan)
    return [BrainMap(values, SPACE, name=f"map {k}", kind="diverging", units="z") for k in range(2)]
