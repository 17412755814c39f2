"""The control that looks at no picture: ridge from the caption's embedding to the responses."""

from __future__ import annotations

from functools import partial

import numpy as np

from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.encoding.llm_vem.workflow import Work, texts_for, write_scores
from brainview.encoding.ridge import BlockSource, fit_ridge
from brainview.encoding.train_ridge import evaluated_part, publish


def train_captions_only(work: Work, context: JobContext = QUIET) -> str:
    """Fit, score and publish every subject; returns the run's path.

    If text alone predicts a region nearly as well as the trunk, alignment with texts has nothing to add there.
    """
    texts = texts_for(work, Stage(context, 0, 0.2))
    label = f"captions only ({texts.story['source']}, {texts.story['model']})"
    names = list(work.people)

    def rows(ids: np.ndarray) -> np.ndarray:
        return texts.matrix[np.searchsorted(texts.ids, ids)]

    for number, (name, person) in enumerate(work.people.items()):
        stage = Stage(context, 0.2 + 0.8 * number / len(names), 0.2 + 0.8 * (number + 1) / len(names), name)
        place = work.folder.path / "subjects" / name / "pointer.json"
        if not place.exists():
            ids = work.train_ids[name]
            source = BlockSource((ids.size, person.space.size), partial(person.iterate_means, ids, rows_at_once=512))
            fit = fit_ridge(rows(ids), source, context=stage)
            part = evaluated_part(work.split, person)
            held = work.split.of(person, part)
            write_scores(work, name, part, held, fit.predict(rows(held)), None, stage, label=label,
                         method="ridge from caption embeddings, GCV")
        publish(work.folder, work.dataset, work.split, names[:number + 1], complete=number + 1 == len(names))
    context.report(1, 1, "done")
    return str(work.folder.path)
