"""What a trained run says of test brains: texts of every kind, tables, features for the map of people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from brainview.core.files import atomic_path, atomic_write, read_json, to_json, write_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.language.metrics.bertscore import sentence_vectors
from brainview.language.video.adaptation import arms, everyone, same_weights
from brainview.language.video.data import Trials
from brainview.language.video.evaluation import Judge, best_constant, compare, judge_person, prototypes
from brainview.language.video.stages import encode, feature_of, video_targets
from brainview.language.video.train import Parts, second_without_adaptation
from brainview.training.run import RunFolder

_BATCH = 64


def generate(parts: Parts, z: np.ndarray | None, count: int, question: str, *,
             context: JobContext = QUIET) -> list[str]:
    """Return `count` greedy answers from (n, 32, width) tokens; None = prompt only (one answer, repeated)."""
    if z is None:
        return parts.llm.generate(None, [question], longest=parts.config.longest) * count
    out: list[str] = []
    device = next(parts.video.parameters()).device
    for start in range(0, len(z), _BATCH):
        context.report(start, len(z), "texts")
        with torch.inference_mode():
            soft = parts.video.proj(torch.from_numpy(z[start:start + _BATCH]).to(device))
        out += parts.llm.generate(soft, [question] * len(soft), longest=parts.config.longest, context=context)
    return out


def evaluate_run(parts: Parts, run: Path, features: dict[str, np.ndarray], *,
                 context: JobContext = QUIET) -> dict[str, Any]:
    """Write ``evaluation.json``, ``texts.jsonl`` and ``features.safetensors``; return the report."""
    file = run / "evaluation.json"
    if file.is_file():
        return read_json(file)
    key = next(iter(parts.lesson.questions))
    question, answers = parts.lesson.questions[key], parts.lesson.answers.text
    names, data = parts.data.stimuli.names, parts.data
    held = np.flatnonzero([(names[i], key) in answers for i in data.test.stimulus.tolist()])
    test = data.test.at(held)
    known = np.flatnonzero([(names[i], key) in answers for i in data.train.stimulus.tolist()])
    train = data.train.at(known)
    said = [answers[names[i], key] for i in train.stimulus.tolist()]
    references = [answers[names[i], key] for i in test.stimulus.tolist()]
    texts, z = _texts(parts, test, train, said, question, Stage(context, 0.0, 0.4))
    protos = prototypes(said, train.category, max(2, len(data.categories)))
    g_said = _g(parts, z)
    compared, g_of = _arms(parts, RunFolder.open(run), test, question, texts, g_said, Stage(context, 0.4, 0.6))
    people: dict[str, Any] = {}
    samples: dict[str, list[dict[str, np.ndarray]]] = {}
    for i, name in enumerate(data.split.held):
        here = np.flatnonzero(test.who == i)
        judge = Judge([references[j] for j in here], test.category[here], protos, parts.config.bertscore)
        own = {k: [v[j] for j in here] for k, v in texts.items()}
        stage = Stage(context, 0.6 + 0.4 * i / len(data.split.held), 0.6 + 0.4 * (i + 1) / len(data.split.held), name)
        people[name] = judge_person(judge, own, permutations=parts.config.permutations, seed=parts.config.seed,
                                    g_correct=g_said[here] == test.category[here], g_category=g_said[here],
                                    context=stage)
        if compared and not compared["same"]:
            for kind, g in g_of.items():
                one = judge.each(own[kind], bert=True)
                if g is not None:
                    one["category by g"] = 100.0 * (g[here] == test.category[here])
                samples.setdefault(kind, []).append(one)
            people[name]["compared"] = {kind: compare(samples["brain"][-1], samples[kind][-1], test.category[here])
                                        for kind in g_of if kind != "brain"}
    if compared:
        compared["everyone"] = everyone(samples, [test.category[test.who == i] for i in range(len(data.split.held))])
    report = {"question": question, "question_key": key, "people": people, "headline": _headline(people),
              "adaptation": compared, "references": parts.lesson.answers.story(), "phantom": data.dataset.phantom,
              "trained_on": list(data.split.train),
              "watched": data.split.train[-1] if parts.config.watch == "person" and len(data.split.train) > 1 else "",
              "samples": _samples(parts, test, texts, references, 10)}
    _save_texts(parts, run, test, texts, references, question)
    _save_features(parts, run, features)
    write_json(file, report)
    return report


def _texts(parts: Parts, test: Trials, train: Trials, said: list[str], question: str,
           context: JobContext) -> tuple[dict[str, list[str]], np.ndarray]:
    z = encode(parts.brain, test)
    source = encode(parts.brain, train)
    n, mean = len(test), source.mean(0)
    rng = np.random.default_rng(parts.config.seed)
    spread = _principal(source - mean)
    noise = (mean + rng.standard_normal((n, len(spread))).astype(np.float32).dot(spread).reshape(n, *mean.shape))
    targets = video_targets(parts.video, parts.tokens[np.array([parts.token_row[int(s)] for s in test.stimulus])])
    texts = {"brain": generate(parts, z, n, question, context=Stage(context, 0, 0.3)),
             "noise brain": generate(parts, noise.astype(np.float32), n, question, context=Stage(context, 0.3, 0.5)),
             "mean brain": generate(parts, mean[None], 1, question) * n,
             "no brain": generate(parts, None, n, question), "constant": [best_constant(said)] * n,
             "nearest neighbour": [said[i] for i in _nearest(z, source)],
             "wrong person": generate(parts, _wrong_person(test, train, source), n, question,
                                      context=Stage(context, 0.5, 0.7)),
             "clip (upper bound)": generate(parts, targets.astype(np.float32), n, question,
                                            context=Stage(context, 0.7, 1.0))}
    return texts, z


def _principal(centred: np.ndarray, most: int = 256) -> np.ndarray:
    """Return (k, features) rows whose random mixtures have the covariance of the tokens (its first components)."""
    flat = centred.reshape(len(centred), -1).astype(np.float32)
    gram = flat @ flat.T / len(flat)
    values, vectors = np.linalg.eigh(gram)
    keep = np.argsort(values)[::-1][:min(most, len(flat) - 1)]
    return (vectors[:, keep].T @ flat) / np.sqrt(len(flat))


def _nearest(z: np.ndarray, source: np.ndarray) -> np.ndarray:
    a, b = (v.mean(1) for v in (z, source))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    return (a @ b.T).argmax(1)


def _wrong_person(test: Trials, train: Trials, source: np.ndarray) -> np.ndarray:
    """Return for every test trial the mean tokens of training people at the same place of the same run."""
    def slot(trials: Trials) -> np.ndarray:
        first: dict[tuple[int, int], int] = {}
        out = np.empty(len(trials), np.int64)
        for i, key in enumerate(zip(trials.who.tolist(), trials.run.tolist(), strict=True)):
            first.setdefault(key, int(trials.row[i]))
            out[i] = trials.run[i] * 1000 + trials.row[i] - first[key]
        return out

    own, theirs = slot(test), slot(train)
    mean = source.mean(0)
    sums: dict[int, tuple[np.ndarray, int]] = {}
    for i, key in enumerate(theirs.tolist()):
        total, count = sums.get(key, (np.zeros_like(mean), 0))
        sums[key] = (total + source[i], count + 1)
    return np.stack([sums[k][0] / sums[k][1] if k in sums else mean for k in own.tolist()]).astype(np.float32)


def _g(parts: Parts, z: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return parts.g(feature_of(torch.from_numpy(z).to(parts.g.weight.device))).argmax(1).cpu().numpy()


def _arms(parts: Parts, folder: RunFolder, test: Trials, question: str, texts: dict[str, list[str]],
          g_said: np.ndarray, context: JobContext) -> tuple[dict[str, Any] | None, dict[str, np.ndarray | None]]:
    """Add the texts of a Stage II without adaptation and of Stage I alone; say whether the arms differ at all.

    Returns
    -------
    (what is compared, None where there was no adaptation; kind of text -> categories that its g says)
    """
    config = parts.config
    if not (config.adapt and config.stage2_epochs and len(parts.data.adapt)) or parts.first is None:
        return None, {}
    brain, g = second_without_adaptation(parts, folder, Stage(context, 0.0, 0.6))
    found = arms(parts.brain, brain, parts.first)
    g_of: dict[str, np.ndarray | None] = {"brain": g_said, "without adaptation": None, "stage I": None}
    for number, (kind, one) in enumerate((("without adaptation", brain), ("stage I", parts.first))):
        other = Parts(**{**parts.__dict__, "brain": one, "g": g})
        z = encode(one, test)
        texts[kind] = texts["brain"] if same_weights(one, parts.brain) else generate(
            other, z, len(test), question, context=Stage(context, 0.6 + 0.2 * number, 0.8 + 0.2 * number))
        if one is brain:
            g_of[kind] = _g(other, z)
    different = {k: sum(a != b for a, b in zip(texts["brain"], texts[k], strict=True)) for k in g_of if k != "brain"}
    if not different["without adaptation"] and not found["note"]:
        found["note"] = "Both arms say the same texts: there is nothing to compare in words."
    return {**found, "same": not (found["on"] or found["off"]), "different": different, "texts": len(test)}, g_of


def _headline(people: dict[str, Any]) -> dict[str, dict[str, Any]]:
    out = {}
    for name, found in people.items():
        t, rows = found["tests"], {r["kind"]: r for r in found["rows"]}
        row: dict[str, Any] = {"n": found["n"], "2-way id.": t["2-way id."]["brain"],
                               "shuffled 2-way": t["2-way id."]["shuffled"], "p 2-way": t["2-way id."]["p"],
                               "clip 2-way": rows.get("clip (upper bound)", {}).get("2-way id."),
                               "category": t["category"]["brain"], "p category": t["category"]["p"]}
        if "category by g" in t:
            row["category by g"] = t["category by g"]["brain"]
        for metric in ("BERTScore", "BLEU-1", "ROUGE-L F"):
            if metric in t:
                row |= {metric: t[metric]["brain"], f"shuffled {metric}": t[metric]["shuffled"]}
        out[name] = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
    return out


def _samples(parts: Parts, test: Trials, texts: dict[str, list[str]], references: list[str],
             count: int) -> list[dict[str, Any]]:
    """Return the first test brains of each person, in order: nothing is chosen."""
    rows = []
    for i, name in enumerate(parts.data.split.held):
        share = -(-count // len(parts.data.split.held))
        for j in np.flatnonzero(test.who == i)[:share].tolist():
            rows.append({"subject": name, "stimulus": int(test.stimulus[j]), "reference": references[j],
                         **{k: v[j] for k, v in texts.items()}})
    return rows[:count]


def _save_texts(parts: Parts, run: Path, test: Trials, texts: dict[str, list[str]], references: list[str],
                question: str) -> None:
    names = parts.data.stimuli.names
    with atomic_write(run / "texts.jsonl") as file:
        for j in range(len(test)):
            row = {"subject": parts.data.split.held[int(test.who[j])], "row": int(test.row[j]),
                   "stimulus": int(test.stimulus[j]), "clip": names[int(test.stimulus[j])],
                   "category": parts.data.categories[int(test.category[j])] if test.category[j] >= 0 else "",
                   "question": question, "reference": references[j], **{k: v[j] for k, v in texts.items()}}
            file.write(to_json(row, indent=None).encode() + b"\n")


def _save_features(parts: Parts, run: Path, features: dict[str, np.ndarray]) -> None:
    """Write features of every trial and where UMAP puts them, before and after adaptation."""
    from safetensors.numpy import save_file

    data = parts.data
    groups = {"train": data.train, "adapt": data.adapt, "test": data.test}
    people = [*data.split.train, *data.split.held]
    offset = {"train": 0, "adapt": len(data.split.train), "test": len(data.split.train)}
    out: dict[str, np.ndarray] = {
        "subject": np.concatenate([t.who + offset[k] for k, t in groups.items()]).astype(np.int32),
        "category": np.concatenate([t.category for t in groups.values()]).astype(np.int32),
        "stimulus": np.concatenate([t.stimulus for t in groups.values()]).astype(np.int64),
        "part": np.concatenate([np.full(len(t), i) for i, t in enumerate(groups.values())]).astype(np.int32)}
    for when in ("before", "after"):
        whole = np.concatenate([features[f"{when}.{k}"] for k in groups]).astype(np.float32)
        out[when] = whole.astype(np.float16)
        out[f"umap.{when}"] = plane(whole, parts.config.seed, how=parts.config.plane)
    with atomic_path(run / "features.safetensors") as temporary:
        save_file(out, temporary, metadata={"people": ",".join(people)})


def plane(features: np.ndarray, seed: int = 0, most: int = 2000, how: str = "umap") -> np.ndarray:
    """Return (n, 2) float32 coordinates: UMAP (cosine) or ``pca``; NaN for rows beyond a random `most`."""
    import warnings

    out = np.full((len(features), 2), np.nan, np.float32)
    pick = np.sort(np.random.default_rng(seed).permutation(len(features))[:most])
    if len(pick) < 8:
        return out
    if how == "pca":
        centred = features[pick] - features[pick].mean(0)
        out[pick] = (centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T)
        return out
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        out[pick] = UMAP(n_neighbors=min(15, len(pick) - 1), metric="cosine", random_state=seed, n_epochs=120,
                         n_jobs=1).fit_transform(features[pick])
    torch.set_num_threads(threads)  # numba changes it, which makes small models ten times slower
    return out


__all__ = ["evaluate_run", "generate", "plane", "sentence_vectors"]
