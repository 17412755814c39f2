"""More figures of a run on its test pictures: the salient thing by choice, and captions against pictures by a CLIP.

Both stand beside the shuffled brain and the true picture, as :func:`brainview.language.describe.score_run` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext

#: Asked of a model that never saw lettered options: the option whose "yes" is likeliest is chosen.
PRESENCE = "Is there {} in the picture?"
OPTIONS = 4


@dataclass(frozen=True)
class Salient:
    """One question: the largest thing of a picture among names of things that are not in it."""

    stimulus: int
    options: tuple[str, ...]
    answer: int


def salient_questions(ids: Sequence[int], details: Mapping[int, Mapping[str, Any]], *, options: int = OPTIONS,
                      seed: int = 0) -> list[Salient]:
    """Return a question for each picture that has boxes: its largest thing, and others drawn from all pictures.

    The others are drawn by `seed` from the things of the other pictures (as often as they occur there), none of which
    is in this one; pictures where too few are left are left out.
    """
    names = {i: [str(b["label"]) for b in details[i].get("boxes", [])] for i in ids}
    pool = [n for i in ids for n in names[i]]
    made = []
    for i in ids:
        if not names[i]:
            continue
        rng = np.random.default_rng([seed, int(i)])
        sizes = [(b["box"][2] - b["box"][0]) * (b["box"][3] - b["box"][1]) for b in details[i]["boxes"]]
        right = names[i][int(np.argmax(sizes))]
        order = [pool[int(k)] for k in rng.permutation(len(pool))]
        others = list(dict.fromkeys(n for n in order if n not in names[i]))[:options - 1]
        if len(others) == options - 1:
            place = int(rng.integers(options))
            made.append(Salient(int(i), (*others[:place], right, *others[place:]), place))
    return made


def choose(model: Any, tokens: np.ndarray, questions: Sequence[Salient], ids: Sequence[int], *, batch: int = 12,
           context: JobContext = QUIET) -> np.ndarray:
    """Return (n,) float64: 1 where the option whose presence the model affirms most is the right one."""
    place = {int(i): k for k, i in enumerate(ids)}
    right = np.zeros(len(questions))
    for start in range(0, len(questions), batch):
        context.report(start, len(questions), f"{start} of {len(questions)} choices")
        part = questions[start:start + batch]
        asked = [(place[q.stimulus], PRESENCE.format(with_article(o))) for q in part for o in q.options]
        rows = tokens[[a[0] for a in asked]]
        prompts = [a[1] for a in asked]
        yes = model.log_probability(rows, prompts, ["yes"] * len(asked))
        no = model.log_probability(rows, prompts, ["no"] * len(asked))
        odds = (yes - no).reshape(len(part), -1)
        right[start:start + len(part)] = odds.argmax(1) == [q.answer for q in part]
    return right


def with_article(name: str) -> str:
    """Return a name with its indefinite article."""
    return f"{'an' if name[:1].lower() in 'aeio' or name.startswith('umbrella') else 'a'} {name}"


def clip_rows(stimuli: Any, ids: Sequence[int], captions: Mapping[int, Sequence[str]],
              said: Mapping[str, Sequence[str]], name: str, *, context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return the rows of CLIP-S and RefCLIP-S of the brain's captions beside those of the true picture's."""
    from brainview.features.clip_pair import load_clip
    from brainview.language.metrics.baselines import beside
    from brainview.language.metrics.clipscore import clip_scores

    clip = load_clip(name)
    images = [stimuli.image(i) for i in ids]
    references = [captions[i] for i in ids]
    tables = {v: clip_scores(clip, images, said[v], references, context=context) for v in ("brain", "image")}
    rows = []
    for metric, field in (("CLIP-S", "clip"), ("RefCLIP-S", "ref")):
        own, top = getattr(tables["brain"], field), getattr(tables["image"], field)
        constant = top.mean(1).max()  # the best of the true pictures' captions, given to every picture
        found = {k: (None if isinstance(v, float) and not np.isfinite(v) else v)
                 for k, v in vars(beside(own, top.diagonal())).items()}
        rows.append({"metric": f"captions: {metric} ({name})", **found, "constant": float(constant)})
    return rows
