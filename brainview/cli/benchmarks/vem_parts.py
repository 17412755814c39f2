"""The parts of ``brainview benchmark llm-vem``: each trains its runs and returns a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from brainview.cli.benchmarks.vem_bench import Bench
from brainview.cli.benchmarks.vem_grades import compared
from brainview.encoding.llm_vem.config import PRESETS
from brainview.encoding.llm_vem.new_person import Newcomer
from brainview.encoding.llm_vem.opened import OpenedVem

Rows = list[dict[str, Any]]
#: What the attention head has instead of the linear one's settings.
ATTENTION = {k: v for k, v in PRESETS["demo-attention"].items() if PRESETS["demo"].get(k) != v}
#: Rows of stage 2: name -> settings.
STAGE2: dict[str, dict[str, Any]] = {
    "stage 2, no text": {"lambda": 0.0}, "stage 2, lambda 0.001": {"lambda": 0.001},
    "stage 2, lambda 1": {"lambda": 1.0},
    "stage 2, lambda 0.001, shuffled": {"lambda": 0.001, "control": "shuffled"},
    "stage 2, lambda 1, shuffled": {"lambda": 1.0, "control": "shuffled"}}
#: Images that an unseen subject gives; those above what there is become all.
COUNTS = (20, 50, 100, 200, 400, 10_000)


def heads(bench: Bench) -> Rows:
    """Ridge, both heads and shuffled images, with the perfect model (the planted signal) above them."""
    for seed in bench.seeds:
        work = bench.work(seed)
        for person in bench.subjects:
            bench.grade("planted signal", seed, person, bench.people[person].planted, work.train_ids[person].size)
            bench.ridge("ridge", seed, person, work.train_ids[person])
        bench.graded("linear", seed, bench.base())
        bench.graded("attention", seed, {**bench.base(), **ATTENTION, **bench.options})
        bench.graded("shuffled images", seed, {**bench.base(), "shuffle": True})
    return bench.rows(["planted signal", "ridge", "linear", "attention", "shuffled images"], "ridge")


def few(bench: Bench) -> Rows:
    """A subject with a tenth of the images: ridge, alone, and together with the others."""
    last = bench.subjects[-1]
    for seed in bench.seeds:
        _, count = bench.few(seed)
        options = {**bench.base(), "limit": f"{last}:{count}"}
        bench.ridge("few images, ridge", seed, last, bench.some(seed, last, count))
        bench.graded("few images, alone", seed, options, [last])
        bench.graded("few images, together", seed, options, only=[last])
    return bench.rows(["few images, ridge", "few images, alone", "few images, together"], "few images, alone", [last])


def stage2(bench: Bench) -> Rows:
    """Stage 2 by the weight of the texts, with shuffled captions, and captions without any picture."""
    preset = {**PRESETS["demo-stage2"], **{k: v for k, v in bench.base().items() if k in
                                           ("bootstraps", "permutations", "keep_predictions", "clip", "texts")}}
    for seed in bench.seeds:
        bench.graded("linear", seed, bench.base())
        start = {"start": str(bench.folder("linear", seed))}
        for name, changes in STAGE2.items():
            bench.graded(name, seed, {**preset, **start, **bench.second, **changes})
        bench.graded("captions only", seed, {**bench.base(), "control": "caption-only"})
    return bench.rows(["linear", *STAGE2, "captions only"], "stage 2, no text")


def unseen(bench: Bench) -> Rows:
    """The learning curve of subjects whom the model never saw: the group's prediction, then a part of their own."""
    people = list(dict.fromkeys([bench.subjects[0], bench.subjects[-1]]))
    counts: dict[str, list[int]] = {}
    for seed in bench.seeds:
        for person in people:
            others = [s for s in bench.subjects if s != person]
            run = bench.trained(f"without {person}", seed, bench.base(), others)
            counts[person] = _newcomer(bench, OpenedVem(run), seed, person)
    rows: Rows = []
    for person in people:
        for count in counts[person]:
            own, other = f"own part {count}", f"ridge {count}" if count else None
            rows.append(_curve_row(bench, own, other, person, count, "group + own part" if count else "group alone"))
            if other is not None:
                rows.append(_curve_row(bench, other, None, person, count, "ridge on own images"))
    return rows


def _curve_row(bench: Bench, name: str, other: str | None, person: str, count: int, words: str) -> dict[str, Any]:
    images = round(float(np.mean([bench.facts[name, s]["images"][person] for s in bench.seeds])))
    return {"subject": person, "model": words, "images": images,
            **compared(bench.draws, name, other, bench.seeds, [person]),
            "bound": bench.people[person].bound(images) if count else None, "seeds": len(bench.seeds)}


def _newcomer(bench: Bench, start: OpenedVem, seed: int, person: str) -> list[int]:
    """Grade the group alone, own parts from more and more images, and ridge on the same; return the counts."""
    work = bench.work(seed)
    one = Newcomer(start, work.people[person])
    train, test = work.train_ids[person], bench.people[person].ids
    seen, unknown = one.latents(test), one.latents(train)
    bench.grade("own part 0", seed, person, one.predict(seen, None), 0)
    counts = sorted({min(n, train.size) for n in COUNTS})
    for place, count in enumerate(counts):
        ids = bench.some(seed, person, count)
        part = one.fit(unknown[np.searchsorted(train, ids)], work.people[person].mean_betas(ids))
        name = str(COUNTS[place]) if place < len(COUNTS) else str(count)
        bench.grade(f"own part {name}", seed, person, one.predict(seen, part), count)
        bench.ridge(f"ridge {name}", seed, person, ids)
    return [0, *COUNTS[:len(counts)]]


#: Name of a part -> what makes its table.
PARTS: dict[str, Callable[[Bench], Rows]] = {"heads": heads, "few": few, "stage2": stage2, "unseen": unseen}
MEANING = {
    "heads": "difference: to ridge on the same tokens. planted signal: what the perfect model scores.",
    "few": "difference: to the subject trained alone.",
    "stage2": "difference: to stage 2 without text, from the same stage 1. Captions help only where its interval lies "
              "above 0, and above that of shuffled captions.",
    "unseen": "difference: of the group with a part of the subject's own to ridge on the same images."}
