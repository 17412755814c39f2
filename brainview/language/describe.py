"""What a brain says: texts, answers and boxes, always beside the true picture and another picture's brain.

The brain's tokens come from a run of ``brainview train brainx``; the language model is one of ``backends``. The
shuffled control is the brain of another test picture of the same person under the same prompt; the true picture is
the tower's own tokens, the upper bound of any brain.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainview import __version__
from brainview.core.errors import MissingError
from brainview.core.files import atomic_write, strict
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.features.clip_pair import PHANTOM_CLIP
from brainview.language.backends.registry import SHIPPED, load_backend
from brainview.language.metrics.baselines import beside
from brainview.language.metrics.boxes import iou
from brainview.language.metrics.elements import PLACES, f_score, parse, union
from brainview.language.scoring import OPTIONS, choose, clip_rows, salient_questions

#: Prompts by task ("vindex" section 5.2); {} is the expression to locate.
PROMPTS = {
    "short": "Describe this image <image> as simply as possible.",
    "detailed": "Describe this image in detail.",
    "locate": "Locate {} in <image> and provide its coordinates, please",
    "boxed": "Please interpret this image and give coordinates [x1,y1,x2,y2] for each object you mention.",
}
#: The voices beside each other.
VOICES = ("brain", "image", "shuffled")


def partner(ids: np.ndarray, stimulus: int) -> int:
    """Return the test picture whose brain is the shuffled control of `stimulus`: half of the list further on."""
    order = np.sort(np.asarray(ids))
    others = order[order != stimulus]
    if not len(others):
        raise MissingError("there is no other test picture to shuffle with")
    return int(others[(int(np.searchsorted(order, stimulus)) + len(order) // 2) % len(others)])


def voice_tokens(run: str, subject: str, stimuli: Sequence[int], voice: str, *,
                 options: Mapping[str, Any] | None = None, context: JobContext = QUIET) -> np.ndarray:
    """Return (n, N, D) tokens of one of :data:`VOICES`; `options` go to ``brain_tokens`` (scale, control, match...)."""
    from brainview.language.brain import jobs

    if voice == "image":
        return np.asarray(jobs.true_tokens(run, stimuli, subject=subject, context=context)["tokens"], np.float32)
    ids = np.asarray(stimuli, np.int64)
    if voice == "shuffled":
        every = jobs.test_ids(run, subject)
        ids = np.array([partner(every, int(s)) for s in ids], np.int64)
    found = jobs.brain_tokens(run, subject, ids, context=context, **dict(options or {}))
    return np.asarray(found["tokens"], np.float32)


def describe(run: str, subject: str, stimuli: Sequence[int], prompts: Sequence[str], *, backend: str = SHIPPED,
             frame: str | None = None, voices: Sequence[str] = VOICES, options: Mapping[str, Any] | None = None,
             max_new: int = 96, batch: int = 32, on_text: Callable[[str], None] | None = None,
             context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return one row for each stimulus and prompt: ``stimulus, subject, prompt`` and a reply for each voice.

    A reply is ``text, boxes, backend, frame, ...`` as :class:`Reply` has it. Rows are plain JSON values.
    """
    model = load_backend(backend, frame=frame, context=context)
    rows = [{"stimulus": int(s), "subject": subject, "prompt": p} for s in stimuli for p in prompts]
    for number, voice in enumerate(voices):
        stage = Stage(context, number / len(voices), (number + 1) / len(voices))
        tokens = voice_tokens(run, subject, stimuli, voice, options=options if voice == "brain" else None,
                              context=Stage(stage, 0, 0.2))
        stage = Stage(stage, 0.2, 1)
        each = np.repeat(tokens, len(prompts), axis=0)
        for start in range(0, len(rows), batch):
            stage.report(start, len(rows), f"{voice}: {min(start + batch, len(rows))} of {len(rows)} texts")
            part = rows[start:start + batch]
            replies = model.reply(each[start:start + batch], [r["prompt"] for r in part], max_new=max_new,
                                  on_text=on_text if len(rows) == 1 else None, context=context)
            for row, reply in zip(part, replies, strict=True):
                row[voice] = strict(reply.to_dict())
    return rows


def provenance(run: str, subject: str, *, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a transcript says of where its texts come from."""
    import torch
    import transformers

    from brainview.training.run import RunFolder

    card = RunFolder.open(run).card("best")
    return {"run": Path(run).name, "system": card.get("system"), "dataset": card.get("dataset"), "subject": subject,
            "phantom": card.get("phantom"), "tower": card.get("feature_label"), "options": dict(options or {}),
            "written": time.strftime("%Y-%m-%dT%H:%M:%S"), "brainview": __version__, "torch": torch.__version__,
            "transformers": transformers.__version__,
            "voices": {"brain": "this person's response to the picture", "image": "the picture itself (upper bound)",
                       "shuffled": "this person's response to another test picture"}}


def write_transcript(path: str | Path, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write JSON lines: the provenance first, then one row a line; returns the path."""
    path = Path(path)
    with atomic_write(path) as out:
        for value in ({"provenance": dict(head)}, *rows):
            out.write((json.dumps(strict(dict(value)), ensure_ascii=False, allow_nan=False) + "\n").encode())
    return path


# -- scores ----------------------------------------------------------------------------------------------------------

def score_run(run: str, subject: str, *, backend: str = SHIPPED, limit: int | None = None,
              options: Mapping[str, Any] | None = None, clip: str | None = None,
              context: JobContext = QUIET) -> dict[str, Any]:
    """Return object F1 of captions, acc@0.5 of boxes and right answers on the test pictures, beside all baselines.

    The object F1 stands with and without the places ("kitchen"), which are the easiest to tell. The salient thing is
    chosen among four names. `clip` names the CLIP of CLIP-S and RefCLIP-S; None = the shipped one for phantoms, none
    for others ("ViT-B-32:openai" is the published one).

    Each figure has an interval over pictures, a permutation p, and its share of what is reachable:
    (brain - shuffled) / (true image - shuffled).
    """
    from brainview.datasets.registry import open_dataset
    from brainview.language.brain import jobs
    from brainview.training.run import RunFolder

    folder = RunFolder.open(run)
    dataset = open_dataset(folder.story["data"])
    stimuli = dataset.stimuli
    ids = [int(i) for i in jobs.test_ids(run, subject)[:limit]]
    captions = {i: stimuli.captions(i) for i in ids}
    details = {i: stimuli.details(i) for i in ids}
    asked, salient = _asked(ids, details), salient_questions(ids, details)
    model = load_backend(backend, context=context)
    told: dict[str, list[Any]] = {}
    chosen: dict[str, np.ndarray] = {}
    for number, voice in enumerate(VOICES):
        stage = Stage(context, 0.95 * number / 3, 0.95 * (number + 1) / 3, voice)
        tokens = voice_tokens(run, subject, ids, voice, options=options if voice == "brain" else None,
                              context=Stage(stage, 0, 0.1))
        chosen[voice] = choose(model, tokens, salient, ids, context=Stage(stage, 0.1, 0.2))
        told[voice] = _replies(model, tokens, ids, asked, Stage(stage, 0.2, 1))
    rows = _score_rows(ids, captions, asked, told)
    if salient:
        rows.insert(2, {"metric": "salient thing, 1 of 4", "constant": 1 / OPTIONS, **paired(
            chosen["brain"], chosen["shuffled"], chosen["image"], np.array([q.stimulus for q in salient]))})
    clip = clip or (PHANTOM_CLIP if dataset.phantom else None)
    if clip:
        said = {v: [r.text for a, r in zip(asked, told[v], strict=True) if a[1] == "caption"] for v in VOICES}
        rows[2:2] = clip_rows(stimuli, ids, captions, said, clip, context=Stage(context, 0.95, 1))
    return {"run": Path(run).name, "subject": subject, "backend": model.name, "pictures": len(ids), "rows": rows}


def _asked(ids: Sequence[int], details: Mapping[int, Mapping[str, Any]]) -> list[tuple[int, str, str, Any]]:
    """Return (stimulus, kind, prompt, truth) of everything that is asked, kind by kind.

    A batch runs until its longest text has ended, so short answers are not asked together with boxes.
    """
    out: list[tuple[int, str, str, Any]] = [(i, "caption", PROMPTS["short"], None) for i in ids]
    for i in ids:
        seen: set[str] = set()
        for entry in details[i].get("boxes", []):
            name = str(entry["label"])
            if name not in seen:
                seen.add(name)
                out.append((i, "box", PROMPTS["locate"].format(name), entry["box"]))
        out += [(i, f"answer: {q.get('kind', 'all')}", str(q["question"]), str(q["answer"]))
                for q in details[i].get("questions", [])]
    kinds = list(dict.fromkeys(a[1] for a in out))
    return sorted(out, key=lambda a: kinds.index(a[1]))


def _replies(model: Any, tokens: np.ndarray, ids: Sequence[int], asked: Sequence[tuple[int, str, str, Any]],
             context: JobContext, batch: int = 48) -> list[Any]:
    place = {i: k for k, i in enumerate(ids)}
    out: list[Any] = []
    for start in range(0, len(asked), batch):
        context.report(start, len(asked), f"{start} of {len(asked)} texts")
        part = asked[start:start + batch]
        out += model.reply(tokens[[place[a[0]] for a in part]], [a[2] for a in part], max_new=40, context=context)
    return out


def _score_rows(ids: Sequence[int], captions: Mapping[int, list[str]], asked: Sequence[tuple[int, str, str, Any]],
                told: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    wanted = [union(captions[i]).objects for i in ids]
    said = {v: [parse(r.text).objects for a, r in zip(asked, told[v], strict=True) if a[1] == "caption"]
            for v in VOICES}
    rows = [_caption_row("captions: object F1", wanted, said),
            _caption_row("captions: object F1, no places", [w - PLACES for w in wanted],
                         {v: [s - PLACES for s in said[v]] for v in ("brain", "image")})]
    kinds: dict[str, list[int]] = {}
    for k, a in enumerate(asked):
        if a[1] != "caption":
            kinds.setdefault(a[1], []).append(k)
            if a[1] != "box":
                kinds.setdefault("answers", []).append(k)
    for kind, places in kinds.items():
        values = {v: np.array([_right(asked[k], told[v][k]) for k in places]) for v in VOICES}
        name = "boxes: acc@0.5" if kind == "box" else kind
        rows.append({"metric": name, **paired(values["brain"], values["shuffled"], values["image"],
                                              np.array([asked[k][0] for k in places])),
                     "constant": _constant([asked[k][3] for k in places]) if kind != "box" else None})
    return rows


def _caption_row(name: str, wanted: Sequence[frozenset[str]],
                 said: Mapping[str, Sequence[frozenset[str]]]) -> dict[str, Any]:
    """Return one F1 of captions; the constant is the best of the true pictures' captions, given to every picture."""
    table = np.array([[f_score(s, w)[2] for w in wanted] for s in said["brain"]])
    top = np.array([f_score(s, w)[2] for s, w in zip(said["image"], wanted, strict=True)])
    constant = max(np.mean([f_score(s, w)[2] for w in wanted]) for s in said["image"])
    return {"metric": name, **_plain(beside(table, top)), "constant": float(constant)}


def _right(asked: tuple[int, str, str, Any], reply: Any) -> float:
    if asked[1] == "box":
        first = reply.boxes[0][0] if reply.boxes and reply.boxes[0] else (0.0, 0.0, 0.0, 0.0)
        return float(iou(asked[3], first) > 0.5)
    return float(reply.text.lower().strip(" .") == asked[3].lower())


def _constant(truths: Sequence[str]) -> float:
    return float(max(truths.count(t) for t in set(truths)) / len(truths))


def paired(own: np.ndarray, shuffled: np.ndarray, top: np.ndarray, images: np.ndarray, *, draws: int = 2000,
           seed: int = 0) -> dict[str, Any]:
    """Return a figure over questions beside its shuffled control, by images.

    Interval: images drawn with replacement. p: brain and shuffled brain exchanged at random within each image
    (sign flips of the difference), one-sided, counting the true one.
    """
    rng = np.random.default_rng(seed)
    names, where = np.unique(images, return_inverse=True)
    size = np.bincount(where)
    mine, theirs = np.bincount(where, own), np.bincount(where, shuffled)
    pick = rng.integers(0, len(names), (draws, len(names)))
    drawn = mine[pick].sum(1) / size[pick].sum(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    gap = mine - theirs
    flips = (rng.choice([-1.0, 1.0], (draws, len(names))) * gap).sum(1)
    p = (1 + (flips >= gap.sum() - 1e-12).sum()) / (1 + draws)
    value, chance, best = float(own.mean()), float(shuffled.mean()), float(top.mean())
    share = (value - chance) / (best - chance) if best - chance > 1e-9 else None
    return {"value": value, "low": float(low), "high": float(high), "shuffled": chance, "p": float(p), "top": best,
            "share": share, "n": len(own)}


def _plain(found: Any) -> dict[str, Any]:
    return {k: (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in vars(found).items()}
