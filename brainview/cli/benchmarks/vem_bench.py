"""The runs behind ``brainview benchmark llm-vem``: trained when they are missing, graded when they are there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.benchmarks.vem_grades import DRAWS, Draws, Person, compared, read_people
from brainview.core.files import atomic_path, read_json, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.encoding.llm_vem.config import PRESETS
from brainview.encoding.llm_vem.samples import TokenSource, limited
from brainview.encoding.llm_vem.trunk import Trunk
from brainview.encoding.llm_vem.workflow import PREDICTIONS, Work, prepare, train
from brainview.encoding.ridge import fit_ridge
from brainview.training.run import RunFolder

#: What every run of the benchmark has: no intervals of its own, its predictions kept.
PLAIN = {"bootstraps": 0, "permutations": 0, "keep_predictions": True}


@dataclass(eq=False)
class Bench:
    """Everything that the parts of the benchmark share.

    Parameters
    ----------
    path : str, a phantom in the Algonauts layout
    out : Path of the runs
    options : settings over the presets, as given
    seeds : seeds of initialisation, order, and the division into training and validation images
    subjects : ids
    second : settings over the preset of stage 2
    skip : rows that are not trained
    """

    path: str
    out: Path
    options: dict[str, Any]
    seeds: list[int]
    subjects: list[str]
    context: JobContext = QUIET
    second: dict[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    draws: Draws = field(default_factory=dict)
    facts: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)

    def base(self, preset: str = "demo") -> dict[str, Any]:
        """Return the settings of a preset with those of the benchmark over them."""
        return {**PRESETS[preset], **PLAIN, **self.options}

    def folder(self, name: str, seed: int) -> Path:
        """Return the place of a run."""
        return self.out / name.replace(", ", "_").replace(" ", "-") / f"seed{seed}"

    def work(self, seed: int) -> Work:
        """Return data, split and settings of a stage-1 run of all subjects with a seed (nothing is trained)."""
        return prepare(self.path, self.folder("linear", seed), self.subjects, {**self.base(), "seed": seed})

    @cached_property
    def people(self) -> dict[str, Person]:
        """The subjects, graded on their test images."""
        work = self.work(self.seeds[0])
        return read_people(work.dataset, {n: work.split.of(p, "test") for n, p in work.people.items()}, DRAWS)

    @cached_property
    def tokens(self) -> TokenSource:
        """The trunk's tokens of all pictures, from the cache."""
        work = self.work(self.seeds[0])
        trunk = Trunk(work.config.features, work.config.layer_numbers, work.config.tokens)
        return TokenSource(trunk, work.dataset.stimuli, work.people, self.context)

    def few(self, seed: int) -> tuple[str, int]:
        """Return the last subject and a tenth of its training images."""
        work, last = self.work(seed), self.subjects[-1]
        return last, max(20, len(work.train_ids[last]) // 10)

    def trained(self, name: str, seed: int, options: dict[str, Any], subjects: list[str] | None = None) -> RunFolder:
        """Return a finished run, training what is missing of it."""
        place = self.folder(name, seed)
        start, cost = time.process_time(), place / "cpu.json"
        train(self.path, place, subjects=subjects or self.subjects, options={**options, "seed": seed},
              context=_Named(self.context, f"{name}, seed {seed}"))
        if not cost.exists():
            write_json(cost, {"seconds": round(time.process_time() - start)})
        self.facts[name, seed] = {"CPU s": read_json(cost)["seconds"], **_chosen(RunFolder.open(place))}
        return RunFolder.open(place)

    def graded(self, name: str, seed: int, options: dict[str, Any], subjects: list[str] | None = None,
               only: list[str] | None = None) -> None:
        """Train what is missing, and grade it on its subjects (or some of them)."""
        if name in self.skip:
            return
        run = self.trained(name, seed, options, subjects)
        for person in only or run.config["subjects"]:
            card = RunFolder.open(run.path / "subjects" / person).card()
            assert card["part"] == "test"
            self.grade(name, seed, person, np.load(run.path / "subjects" / person / PREDICTIONS), card["train_images"])

    def grade(self, name: str, seed: int, person: str, predicted: np.ndarray, images: int) -> None:
        """Keep the scores of predictions."""
        self.draws[name, seed, person] = self.people[person].grade(predicted)
        self.facts.setdefault((name, seed), {}).setdefault("images", {})[person] = images

    def ridge(self, name: str, seed: int, person: str, ids: np.ndarray) -> None:
        """Grade ridge (GCV, penalty per vertex) on the trunk's tokens of some training images."""
        file = self.folder(name, seed) / f"{person}-{ids.size}.npy"
        if not file.exists():
            test = self.people[person].ids
            number = self.subjects.index(person)
            every, tokens = self.tokens._ids[number], self.tokens._rows[number]
            columns, unseen = principal_scores(tokens[np.searchsorted(every, ids)],
                                               tokens[np.searchsorted(every, test)])
            subject = self.work(seed).people[person]
            predicted = fit_ridge(columns, subject.mean_betas(ids)).predict(unseen)
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(file) as part, open(part, "wb") as out:
                np.save(out, predicted.astype(np.float32))
        self.grade(name, seed, person, np.load(file), int(ids.size))

    def some(self, seed: int, person: str, count: int) -> np.ndarray:
        """Return `count` training images of a subject; more images contain fewer."""
        return limited(self.work(seed).train_ids[person], count, seed)

    def rows(self, names: list[str], reference: str | None, subjects: list[str] | None = None) -> list[dict[str, Any]]:
        """Return the table: for every model a row over all its subjects, then one per subject."""
        people = subjects or self.subjects
        out = []
        for name in (n for n in names if n not in self.skip):
            facts = [self.facts[name, s] for s in self.seeds]
            for who in ([people, *([p] for p in people)] if len(people) > 1 else [people]):
                images = [np.mean([f["images"][p] for p in who]) for f in facts]
                out.append({"model": name, "subject": who[0] if len(who) == 1 else f"all {len(who)}",
                            "images": round(float(np.mean(images))),
                            **compared(self.draws, name, reference, self.seeds, who),
                            "bound": float(np.mean([self.people[p].bound(round(float(np.mean(images)))) for p in who])),
                            "planted NC": float(np.mean([np.median(self.people[p].ceiling) for p in who])),
                            "seeds": len(self.seeds), **_told(facts)})
        return out


class _Named:
    """A context whose words begin with a name."""

    def __init__(self, context: JobContext, name: str) -> None:
        self._context, self._name = context, name

    def report(self, done: float, total: float, text: str = "") -> None:
        self._context.check()

    def log(self, line: str) -> None:
        self._context.log(f"{self._name}: {line}")

    def check(self) -> None:
        self._context.check()


def _chosen(run: RunFolder) -> dict[str, Any]:
    """Return what validation chose."""
    rows = [r for r in run.history() if r.get("val_median_R2") is not None]
    if not rows:
        return {}
    best = max(rows, key=lambda r: float(r["val_median_R2"]))
    keys = ("val_median_R2", "val_mse", "val_retrieval", "val_chance")
    return {"epoch": f"{best['epoch']}/{len(rows)}", **{k: best[k] for k in keys if best.get(k) is not None}}


def _told(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the facts of a model's seeds as cells."""
    def mean(key: str) -> float | None:
        values = [float(f[key]) for f in facts if f.get(key) is not None]
        return float(np.mean(values)) if values else None

    return {"epochs (by val)": " ".join(f["epoch"] for f in facts if f.get("epoch")), "val R2": mean("val_median_R2"),
            "val caption R@1": mean("val_retrieval"), "chance": mean("val_chance"), "CPU s": mean("CPU s")}


def principal_scores(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all principal scores of (n, ...) training rows and those of (m, ...) test rows, float32.

    Standardised by the training rows. Ridge on them equals ridge on the tokens themselves; n columns instead of tens
    of thousands make it affordable.
    """
    x, y = (np.asarray(a, np.float32).reshape(len(a), -1) for a in (train, test))
    mean, scale = x.mean(0), x.std(0)
    scale[scale < 1e-6 * max(float(scale.max()), 1e-30)] = 1
    x, y = (x - mean) / scale, (y - mean) / scale
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    good = values > 1e-6 * values[-1]
    size = np.sqrt(values[good])
    return (vectors[:, good] * size).astype(np.float32), ((y @ x.T) @ vectors[:, good] / size).astype(np.float32)
