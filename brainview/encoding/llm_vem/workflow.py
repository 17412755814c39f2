"""Training LLM-VEM on a data set: trunk, common space, readout, the loop, then the scores of every subject.

::

    RUN/ run.json  split.json  history.csv (a row per epoch)  pointer.json  generations/...   maps and scores
    RUN/model/                  the model of all subjects: a generation per epoch, best by validation median R2
    RUN/subjects/<subject>/     maps and scores of one subject, as a ridge run has them
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.core.files import atomic_path
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.registry import open_dataset
from brainview.datasets.splits import Split
from brainview.datasets.types import Dataset, Subject
from brainview.encoding.evaluate import Ready, evaluate
from brainview.encoding.llm_vem import split as splits
from brainview.encoding.llm_vem.config import INHERITED, INHERITED_BY_PART, VemConfig
from brainview.encoding.llm_vem.fit import Fit, FitData
from brainview.encoding.llm_vem.group import GroupSpace, group_space
from brainview.encoding.llm_vem.model import Vem, build, load_tensors
from brainview.encoding.llm_vem.needs import estimate as estimate
from brainview.encoding.llm_vem.pca import Components, fit_components
from brainview.encoding.llm_vem.samples import PictureSource, Responses, TokenSource, limited, make_samples
from brainview.encoding.llm_vem.trunk import Trunk
from brainview.encoding.train_ridge import evaluated_part, publish, versions
from brainview.features.clip_pair import load_clip
from brainview.features.texts import TextEmbeddings, embed_texts
from brainview.training.run import RunFolder

SYSTEM = "llm-vem"
#: Figures of its table.
COLUMNS = ("part", "images", "train_images", "mean_r", "median_R2", "official_mean", "clean_mean", "val_median_R2")


#: Predictions of the evaluated images of one subject, (images, locations) float32.
PREDICTIONS = "predicted.npy"


@dataclass(eq=False)
class Work:
    """One training: what is trained, on what, into which folder."""

    config: VemConfig
    dataset: Dataset
    people: dict[str, Subject]
    group: GroupSpace
    split: Split
    folder: RunFolder
    train_ids: dict[str, np.ndarray]
    val_ids: dict[str, np.ndarray]


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train stage 1 or 2; goes on where an earlier call was interrupted; returns the run's path.

    Validation images choose the checkpoint; test images choose nothing.

    Raises
    ------
    MissingError
        An unknown subject, no weights of the trunk, no texts. MismatchError: settings that do not fit.
    """
    work = prepare(path, run, subjects, options or {})
    if work.config.control == "caption-only":
        from brainview.encoding.llm_vem.captions_only import train_captions_only

        return train_captions_only(work, context)
    if work.config.stage == 3:
        from brainview.encoding.llm_vem.new_person import train_new_people

        return train_new_people(work, context)
    if not all((work.folder.path / "subjects" / n / "pointer.json").exists() for n in work.people):
        model, data = assemble(work, Stage(context, 0.0, 0.3))
        place = RunFolder.create(work.folder.path / "model", f"{SYSTEM}-model", work.config.plain())
        fit = Fit(model, data, work.config, place, work.folder)
        fit.run(Stage(context, 0.3, 0.9))
        if fit.accelerator.is_main_process:
            score_subjects(work, fit, data, Stage(context, 0.9, 1.0))
        fit.accelerator.wait_for_everyone()
    context.report(1, 1, "done")
    return str(work.folder.path)


def prepare(path: os.PathLike | str, run: os.PathLike | str, subjects: list[str] | None,
            options: dict[str, Any]) -> Work:
    """Open everything that is cheap to open, and begin or reopen the run."""
    config = VemConfig.of(options)
    dataset = open_dataset(path)
    seen: list[str] = []
    if config.stage > 1:
        config, subjects, seen = _inherit(config, subjects, dataset)
    names = list(subjects or dataset.subjects)
    unknown = [n for n in names if n not in dataset.subjects]
    if unknown:
        raise MissingError(f"has no subject {unknown[0]!r}", where=path,
                           remedy="It has " + ", ".join(dataset.subjects) + ".")
    people = {n: dataset.subject(n, config.variant or None) for n in names}
    group = group_space(people)
    folder = RunFolder.create(run, SYSTEM, {**config.plain(), "subjects": names}, data=str(Path(path).resolve()),
                              dataset=dataset.name, layout=dataset.layout, phantom=dataset.phantom)
    split = splits.make(folder, dataset, names, kind=config.split, val=config.val, test=config.test, seed=config.seed
                        if config.stage == 1 else _start_seed(config), start=config.start if seen else "")
    train_ids = {n: split.of(p, "train") for n, p in people.items()}
    for part in filter(None, config.limit.split(",")):
        name, _, count = part.partition(":")
        if name not in people or not count.isdigit() or int(count) < 2:
            raise MismatchError(f"must be like subj03:60, got {part!r}", where="limit")
        train_ids[name] = limited(train_ids[name], int(count), config.seed)
    val_ids = {n: split.of(p, "val") for n, p in people.items()}
    if min(len(v) for v in train_ids.values()) < 2 or max(len(v) for v in val_ids.values()) < 3:
        raise MissingError("has too few training or validation images", where=path, remedy="Raise val=0.1.")
    return Work(config, dataset, people, group, split, folder, train_ids, val_ids)


def _inherit(config: VemConfig, subjects: list[str] | None,
             dataset: Dataset) -> tuple[VemConfig, list[str], list[str]]:
    """Return the configuration with what the first run decides, the subjects, and for stage 3 those it was trained on.
    """
    first = RunFolder.open(config.start)
    before = first.config.get("stage")
    if first.system != SYSTEM or before not in ((1,) if config.stage == 2 else (1, 2)) \
            or first.config.get("control") == "caption-only":
        raise MismatchError(f"is no run of llm-vem that stage {config.stage} can begin from", where=config.start,
                            remedy="Name a stage-1 run that looks at pictures.")
    names = list(first.config["subjects"])
    if config.stage == 2:
        if subjects is not None and list(subjects) != names:
            raise MismatchError("stage 2 has the subjects of stage 1: " + ", ".join(names), where="subjects")
        return config.having(**{k: first.config[k] for k in INHERITED}), names, []
    new = [n for n in dataset.subjects if n not in names] if subjects is None else list(subjects)
    known = [n for n in new if n in names]
    if known or not new:
        raise MismatchError(f"was trained on {known[0]} already" if known else "was trained on every subject here",
                            where=config.start, remedy="Stage 3 is for people whom it never saw.")
    return config.having(**{k: first.config[k] for k in INHERITED_BY_PART}), new, names


def _start_seed(config: VemConfig) -> int:
    """Return the seed of stage 1: the split stays the same whatever the seed of stage 2."""
    return int(RunFolder.open(config.start).config["seed"])


def assemble(work: Work, context: JobContext = QUIET) -> tuple[Vem, FitData]:
    """Return the model (readout set, or weights of stage 1 or of a published checkpoint) and its data."""
    config = work.config
    trunk = Trunk(config.features, config.layer_numbers, config.tokens)
    if trunk.is_random:
        context.log("The trunk has RANDOM weights: it was never trained.")
    train_ids, val_ids = work.train_ids, work.val_ids
    tokens, pictures = None, None
    if config.augment or config.stage == 2:
        ids = np.unique(np.concatenate([p.trials.unique for p in work.people.values()]))
        pictures = PictureSource(work.dataset.stimuli, ids, trunk.input, pixels=max(config.pixels, trunk.input.pixels),
                                 crop=config.crop, flip=config.flip, context=Stage(context, 0, 0.6))
    else:
        tokens = TokenSource(trunk, work.dataset.stimuli, work.people, Stage(context, 0, 0.6))
    texts = texts_for(work, Stage(context, 0.6, 0.7)) if config.lam > 0 else None
    data = FitData(make_samples(train_ids, shuffle=config.shuffle, seed=config.seed), make_samples(val_ids),
                   Responses(work.people, work.group), tokens, pictures,
                   None if texts is None else (texts.ids, texts.matrix))
    config = work.config = _fitting(work)
    model = build(config, trunk, work.group, work.people, text_width=0 if texts is None else texts.matrix.shape[1])
    if config.stage == 2:
        load_tensors(model, RunFolder.open(Path(config.start) / "model").load("best")[0], where=config.start,
                     strict=False)
    elif config.head == "linear" and not (work.folder.path / "model" / "pointer.json").exists():
        found = readout(work, Stage(context, 0.7, 1.0))
        model.head.set_readout(found.basis, found.mean)  # type: ignore[operator]
        context.log(f"readout: {found.basis.shape[1]} components ({found.method}) hold {found.explained:.1%} of the "
                    f"variance of {found.rows:,} training responses")
    if config.published:
        from brainview.encoding.llm_vem.published import load_published

        load_published(model, config.published, log=context.log)
    return model, data


def _fitting(work: Work) -> VemConfig:
    """Return the configuration with no more components than the training responses can have."""
    rows = sum(len(v) for v in work.train_ids.values())
    return work.config.having(components=min(work.config.components, rows - 1, work.group.size))


def texts_for(work: Work, context: JobContext = QUIET) -> TextEmbeddings:
    """Return the embeddings of the texts of all stimuli, dealt to the wrong ones for the control."""
    config = work.config
    ids = np.unique(np.concatenate([p.trials.unique for p in work.people.values()]))
    found = embed_texts(load_clip(config.clip), work.dataset.stimuli, ids, config.texts, context=context)
    return found.shuffled(config.seed) if config.control == "shuffled" else found


def readout(work: Work, context: JobContext = QUIET) -> Components:
    """Return the principal components of the training responses of all subjects in the group space."""
    masked, group = work.config.padding == "mask", work.group

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        for name, person in work.people.items():
            for _, values in person.iterate_means(work.train_ids[name], context=context):
                known = group.scatter(name, np.isfinite(values).astype(np.float32)).astype(bool)
                yield group.scatter(name, np.nan_to_num(values)), known

    return fit_components(blocks, group.size, work.config.components, masked=masked, seed=work.config.seed,
                          context=context)


def score_subjects(work: Work, fit: Fit, data: FitData, context: JobContext) -> None:
    """Evaluate every subject with the best weights, and publish the run."""
    names = list(work.people)
    for number, (name, person) in enumerate(work.people.items()):
        stage = Stage(context, number / len(names), (number + 1) / len(names), name)
        part = evaluated_part(work.split, person)
        ids = work.split.of(person, part)
        samples = make_samples({n: ids if n == name else ids[:0] for n in names})
        predicted = fit.predict(samples, context=stage)[:, work.group.columns[name]]
        write_scores(work, name, part, ids, predicted, fit.bare._look, stage)
        publish(work.folder, work.dataset, work.split, names[:number + 1], complete=number + 1 == len(names))


def write_scores(work: Work, name: str, part: str, ids: np.ndarray, predicted: np.ndarray, trunk: Any,
                 context: JobContext, *, label: str | None = None, method: str = "",
                 more: Sequence[str] = ()) -> None:
    """Evaluate one subject's predictions and write its run folder, in the form that ridge has.

    With ``keep_predictions`` they are kept in :data:`PREDICTIONS`, rows in the order of the ids of the evaluated part.
    """
    config, person = work.config, work.people[name]
    found = evaluate(person, Ready(), predicted, ids, part=part, bootstraps=config.bootstraps,
                     permutations=config.permutations, seed=config.seed, context=context)
    rows = work.folder.history()
    best = max((float(r["val_median_R2"]) for r in rows if r.get("val_median_R2") is not None), default=None)
    metrics = found["metrics"] | {"train_images": int(work.train_ids[name].size), "val_median_R2": best}
    place = RunFolder.create(work.folder.path / "subjects" / name, f"{SYSTEM}-subject",
                             {**config.plain(), "subject": name}, dataset=work.dataset.name)
    notes = found["notes"] + list(work.split.warnings) + list(more)
    if config.keep_predictions:
        with atomic_path(place.path / PREDICTIONS) as part_file, open(part_file, "wb") as out:
            np.save(out, predicted.astype(np.float32))
    place.write_generation({f"map/{k}": v for k, v in found["maps"].items()}, {
        "subject": name, "dataset": work.dataset.name, "phantom": person.phantom, "part": part,
        "train_images": int(work.train_ids[name].size), "feature_label": label or trunk.label,
        "random_weights": bool(getattr(trunk, "is_random", False)),
        "method": method or f"llm-vem stage {config.stage}, {config.head} head",
        "split": {"name": work.split.name, "key": work.split.key}, "metrics": metrics, "rois": found["rois"],
        "stimuli": found["stimuli"], "notes": notes, "versions": versions()})
