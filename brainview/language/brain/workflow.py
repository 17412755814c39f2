"""System ``brainx``: brain encoders into the token space of a vision tower, for one subject, several, or a new one.

::

    RUN/ run.json  split.json  subset.json  history.csv  pointer.json  generations/...  predictions.safetensors
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brainview import __version__
from brainview.core.errors import MismatchError, MissingError
from brainview.core.files import atomic_path, write_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.registry import open_dataset
from brainview.datasets.splits import Split, load_split
from brainview.datasets.types import Dataset
from brainview.features.registry import feature_space
from brainview.language.brain.augment import Pictures
from brainview.language.brain.checkpoints import adapted, inspect_state, load_strictly, read_checkpoint
from brainview.language.brain.config import PRESETS as PRESETS
from brainview.language.brain.config import BrainConfig
from brainview.language.brain.data import Targets, Voxels, fixed_subset, load_voxels, make_targets, split_of
from brainview.language.brain.encoders import Sizes, build, number_of, parameters_of
from brainview.language.brain.fit import Fit, Person, encode
from brainview.language.brain.measure import scores
from brainview.language.brain.start import ridge_start
from brainview.training.run import RunFolder

#: Figures of the tables that the command prints.
COLUMNS = ("part", "images", "train_images", "token r", "shuffled token r", "R2", "brain→image R@1", "chance R@1",
           "shuffled R@1", "p")
#: Names of the tensors of a generation that are no weights of the encoder.
TARGET_MEAN, TARGET_SPREAD, CENTRE, GAIN = "target/mean", "target/spread", "target/centre", "target/gain"
WEIGHT, LOCATIONS = "voxels/weight", "voxels/columns"


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train a brain encoder (or go on with an interrupted run) and measure it on the test part.

    Parameters
    ----------
    path : path of a data set of any layout
    run : path of the run folder
    subjects : list of str, optional
        One: BrainXS. Several: BrainX. With ``adapt``: the one new subject (BrainXC).
    options : dict, optional
        Fields of :class:`BrainConfig`.

    Returns
    -------
    str
        Path of the run folder.
    """
    config = BrainConfig.of(options or {})
    dataset = open_dataset(path)
    names = _names(dataset, subjects, config, path)
    space = feature_space(config.tower)
    folder = RunFolder.create(run, "brainx", {**config.plain(), "subjects": names}, data=str(Path(path).resolve()),
                              dataset=dataset.name, layout=dataset.layout, phantom=dataset.phantom)
    split = _split(folder, dataset, names, config)
    people = _people(folder, dataset, names, split, config, Stage(context, 0.0, 0.1))
    source = _source(config)
    ids = np.unique(np.concatenate([np.concatenate([p.train, p.val, split.of(p.voxels.subject, "test")])
                                    for p in people]))
    targets = make_targets(space, dataset, ids, np.concatenate([p.train for p in people]), scale=config.scale,
                           standardise=config.standardise, statistics=source.get("statistics"),
                           context=Stage(context, 0.1, 0.3))
    model = _model(people, targets, config, source)
    told = None
    if config.start == "ridge" and not folder.has_generation:
        told = ridge_start(model, people, targets, hold=config.hold, seed=config.seed,
                           context=Stage(context, 0.3, 0.4))
    elif config.start == "ridge" and config.hold:
        for p in people:
            model.voxel_map(p.name).weight.requires_grad_(False)
    extra = {TARGET_MEAN: targets.mean, TARGET_SPREAD: targets.spread}
    for p in people:
        extra |= {f"{WEIGHT}/{p.name}": p.voxels.weight, f"{LOCATIONS}/{p.name}": p.voxels.columns}
    card = _card(folder, dataset, split, people, targets, space, model, source) | ({"start": told} if told else {})
    pictures = Pictures(space, dataset.stimuli, config.flip) if config.augment else None  # type: ignore[arg-type]
    fit = Fit(model, people, targets, config, folder, card=card, extra=extra, pictures=pictures)
    trained = fit.run(Stage(context, 0.4, 0.95))
    if not fit.accelerator.is_main_process:
        return str(folder.path)
    _measure(folder, trained, people, split, targets, card, extra, Stage(context, 0.95, 1.0))
    context.report(1, 1, "done")
    return str(folder.path)


def _names(dataset: Dataset, subjects: list[str] | None, config: BrainConfig, path: Any) -> list[str]:
    names = list(subjects or dataset.subjects)
    for name in names:
        if name not in dataset.subjects:
            raise MissingError(f"has no subject {name!r}", where=path,
                               remedy="It has " + ", ".join(dataset.subjects) + ".")
    if config.adapt and len(names) != 1:
        raise MismatchError(f"adaptation is to one new subject, {len(names)} were named", remedy="Name it: --subjects.")
    if config.model == "brainxs" and len(names) != 1:
        raise MismatchError(f"brainxs reads one subject, {len(names)} were named",
                            remedy="Name one with --subjects, or train each into a run of its own.")
    if config.adapt and config.checkpoint:
        raise MismatchError("adapt and checkpoint cannot both be the start")
    return names


def _split(folder: RunFolder, dataset: Dataset, names: list[str], config: BrainConfig) -> Split:
    file = folder.path / "split.json"
    if not file.exists():
        split_of(dataset, names, val=config.val, seed=config.seed).save(file)
    split = load_split(file)
    if not split.val.size or not split.test.size:
        raise MissingError(f"has {split.val.size} validation and {split.test.size} test images; both are needed",
                           where=dataset.path)
    return split


def _people(folder: RunFolder, dataset: Dataset, names: list[str], split: Split, config: BrainConfig,
            context: JobContext) -> list[Person]:
    out = []
    for number, name in enumerate(names):
        voxels = load_voxels(dataset, name, region=config.region, weighting=config.weighting,
                             padded=config.repetition == "upstream",
                             context=Stage(context, number / len(names), (number + 1) / len(names)))
        own = split.of(voxels.subject, "train")
        train_ids = fixed_subset(own, config.ratio, config.seed) if config.ratio < 1 else own
        val = split.of(voxels.subject, "val")
        if train_ids.size < 2 or val.size < 2:
            raise MissingError(f"{name} has {train_ids.size} training and {val.size} validation images",
                               where=dataset.path)
        out.append(Person(name, voxels, train_ids, val))
    if config.ratio < 1:
        write_json(folder.path / "subset.json", {"ratio": config.ratio, "seed": config.seed,
                                                 "train": {p.name: p.train for p in out}})
    return out


def _source(config: BrainConfig) -> dict[str, Any]:
    """Return where the shared weights come from: state, heads and, of a run of ours, the statistics of its targets."""
    if config.checkpoint:
        return {"state": read_checkpoint(config.checkpoint)[0], "from": Path(config.checkpoint).name}
    if not config.adapt:
        return {}
    if not (Path(config.adapt) / "run.json").is_file():
        return {"state": read_checkpoint(config.adapt)[0], "from": Path(config.adapt).name}
    other = RunFolder.open(config.adapt)
    if other.system != "brainx":
        raise MismatchError(f"is a run of {other.system}, which cannot be adapted", where=config.adapt,
                            remedy="Name a run of brainx.")
    if other.config.get("tower") != config.tower:
        raise MismatchError(f"was trained towards {other.config.get('tower')}, this run towards {config.tower}",
                            where=config.adapt, remedy=f"Set tower={other.config.get('tower')}.")
    tensors, card = other.load("best")
    state = {k: torch.from_numpy(np.array(v)) for k, v in tensors.items() if "/" not in k}
    return {"state": state, "heads": card["sizes"]["heads"], "from": other.path.name, "subjects": card["subjects"],
            "statistics": {"mean": tensors[TARGET_MEAN], "spread": tensors[TARGET_SPREAD]}}


def _model(people: list[Person], targets: Targets, config: BrainConfig, source: dict[str, Any]) -> Any:
    voxels = {number_of(p.name): p.voxels.size for p in people}
    tokens, channels = targets.mean.shape
    state, heads = source.get("state"), source.get("heads")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.adapt:
            model: Any = adapted(state or {}, people[0].voxels.size, freeze=config.freeze, heads=heads,
                                 where=config.adapt)
        elif config.checkpoint:
            found = inspect_state(state, where=config.checkpoint)  # type: ignore[arg-type]
            kind = "brainx" if len(voxels) > 1 or config.model == "brainx" else "brainxs"
            model = build(kind, voxels, found.sizes, **(found.options if kind == found.kind else {}))
            load_strictly(model, state, where=config.checkpoint)  # type: ignore[arg-type]
        else:
            sizes = Sizes(tokens, config.width, channels, config.depth, config.heads, config.head_width, config.mult)
            many = len(voxels) > 1 or config.model == "brainx"
            options = {"tokens": config.tokens, "norm": config.norm} if many else {}
            model = build("brainx" if many else "brainxs", voxels, sizes, **options)
    if (model.sizes.latents, model.sizes.out) != (tokens, channels):
        got = f"{model.sizes.latents} tokens x {model.sizes.out}"
        raise MismatchError(f"gives {got}, the tower has {tokens} x {channels}",
                            where=source.get("from"), remedy="Name the tower that it was trained for.")
    return model


def _card(folder: RunFolder, dataset: Dataset, split: Split, people: list[Person], targets: Targets, space: Any,
          model: Any, source: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": dataset.name, "layout": dataset.layout, "data": folder.story.get("data"),
            "phantom": dataset.phantom, "subjects": [p.name for p in people], "kind": model.kind,
            "sizes": model.sizes.plain(), "parameters": parameters_of(model),
            "trainable": parameters_of(model, trainable=True), "voxels": {p.name: p.voxels.size for p in people},
            "feature_label": space.label, "feature_key": space.key, "feature_settings": space.settings,
            "random_weights": bool(getattr(space, "is_random", False)), "token_shape": list(targets.mean.shape),
            "split": {"name": split.name, "key": split.key, **split.story}, "started_from": source.get("from"),
            "train_images": {p.name: int(p.train.size) for p in people}, "seed": folder.config["seed"],
            "versions": {"brainview": __version__, "numpy": np.__version__, "torch": torch.__version__,
                         "python": platform.python_version()}}


def _measure(folder: RunFolder, model: Any, people: list[Person], split: Split, targets: Targets, card: dict[str, Any],
             extra: dict[str, np.ndarray], context: JobContext) -> None:
    """Score every subject's test part and publish the best weights with the figures, unless that is done already."""
    if folder.has_generation and "metrics" in folder.card("best"):
        return
    from safetensors.numpy import save_file

    metrics: dict[str, Any] = {}
    kept: dict[str, np.ndarray] = {}
    mean = np.zeros(targets.mean.shape)
    sample = np.unique(np.concatenate([p.train for p in people]))
    for start in range(0, len(sample), 256):
        mean += targets.of(sample[start:start + 256]).sum(0)
    mean = (mean / len(sample)).astype(np.float32)
    extra = extra | {CENTRE: mean, GAIN: _gain(model, people, targets, mean)}
    for number, person in enumerate(people):
        context.report(number, len(people), f"measuring {person.name}")
        ids = split.of(person.voxels.subject, "test")
        predicted = encode(model, person.voxels, ids, person.name, context=context)
        metrics[person.name] = {"part": "test", "images": int(ids.size), "train_images": int(person.train.size),
                                **scores(predicted, targets.of(ids), mean, seed=folder.config["seed"])}
        kept |= {f"{person.name}/ids": ids, f"{person.name}/tokens": targets.back(predicted).astype(np.float16)}
    with atomic_path(folder.path / "predictions.safetensors") as part:
        save_file(kept, part)
    tensors, last = folder.load("best")
    tensors |= extra
    state = folder.load_state("last")
    folder.write_generation(tensors, card | {"epoch": last.get("epoch"), "validation": last.get("validation"),
                                             "metrics": metrics, "finished": card["subjects"]}, best=True,
                            state=state, keep=0)


def _gain(model: Any, people: list[Person], targets: Targets, centre: np.ndarray) -> np.ndarray:
    """Return (D,) s.d. of the tower's channels over that of the predicted ones around `centre`, on validation."""
    own, true = np.zeros(centre.shape[1]), np.zeros(centre.shape[1])
    for person in people:
        own += np.square(encode(model, person.voxels, person.val, person.name) - centre).mean((0, 1))
        true += np.square(targets.of(person.val) - centre).mean((0, 1))
    return np.sqrt(true / np.maximum(own, 1e-12)).astype(np.float32)


def load_run(run: os.PathLike | str, which: str = "best") -> tuple[Any, dict[str, np.ndarray], dict[str, Any]]:
    """Return (encoder in eval mode, the other tensors, card) of a run of brainx."""
    folder = RunFolder.open(run)
    if folder.system != "brainx":
        raise MissingError(f"is a run of {folder.system}, which gives no tokens", where=run,
                           remedy="Name a run of brainx.")
    tensors, card = folder.load(which)
    voxels = {number_of(s): int(v) for s, v in card["voxels"].items()}
    options = {"tokens": folder.config["tokens"], "norm": folder.config["norm"]} if card["kind"] == "brainx" else {}
    model = build(card["kind"], voxels, Sizes(**card["sizes"]), **options)
    load_strictly(model, {k: torch.from_numpy(np.array(v)) for k, v in tensors.items() if "/" not in k}, where=run)
    return model.eval().requires_grad_(False), {k: v for k, v in tensors.items() if "/" in k}, card


def run_voxels(run: os.PathLike | str, subject: str, extra: dict[str, np.ndarray], card: dict[str, Any],
               data: os.PathLike | str | None = None, *, context: JobContext = QUIET) -> tuple[Dataset, Voxels]:
    """Return the data set and one subject's voxels as the run reads them; `data` when the folder has moved."""
    if subject not in card["subjects"]:
        raise MissingError(f"was not trained on {subject!r}", where=run,
                           remedy="It was trained on " + ", ".join(card["subjects"]) + ".")
    place = Path(data or card["data"])
    if not place.exists():
        raise MissingError("is where the run's data were, and they are not there any more", where=place,
                           remedy="Put the data set back, or name its folder.")
    dataset = open_dataset(place)
    found = load_voxels(dataset, subject, region=RunFolder.open(run).config["region"], context=context)
    weight, columns = extra[f"{WEIGHT}/{subject}"], extra[f"{LOCATIONS}/{subject}"]
    if not np.array_equal(columns, found.columns):
        raise MismatchError(f"{subject} has other voxels than when the run was trained", where=place,
                            remedy="Open the data set of the run.")
    return dataset, Voxels(found.subject, columns, weight, found.stored)
