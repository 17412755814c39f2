"""System ``video-text``: brains of strangers watching clips, read by a language model; every stage on this machine.

::

    RUN/ run.json people.json pointer.json generations/...   everything that is needed to describe a brain
    RUN/stages/{words,video,mbm,stage1,stage2,stage2-off}/          each stage a run of its own, resumed epoch by epoch;
                                                              those up to stage1 may come from another run (begin=)
    RUN/llm/                                                  the tiny language model, where one was made
    RUN/evaluation.json texts.jsonl features.safetensors      tables, all texts, features before and after adaptation
"""

from __future__ import annotations

import copy
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.bids_task.people import PeopleSplit, load_people, split_people
from brainview.datasets.registry import open_dataset
from brainview.language.video.adaptation import remarks as remarks
from brainview.language.video.begin import TAKEN, inherit, take_over
from brainview.language.video.branches import BrainBranch, BranchSizes, VideoBranch
from brainview.language.video.config import PRESETS as PRESETS
from brainview.language.video.config import FilmConfig
from brainview.language.video.data import FilmData, Trials, load_film
from brainview.language.video.llm import SoftLlm, TinySizes, load_llm, reload_tiny, save_llm, tiny_llm
from brainview.language.video.loop import main_process
from brainview.language.video.losses import CosineClassifier
from brainview.language.video.mbm import BrainEncoder, MaskedModel, MbmSizes, load_mind_vis
from brainview.language.video.stages import (
    Lesson,
    encode,
    fit_masked,
    fit_stage_one,
    fit_stage_two,
    fit_video,
    fit_words,
    video_targets,
)
from brainview.language.video.start import start_bridge
from brainview.language.video.teacher import find_answers, read_questions
from brainview.language.video.tokenizers import make_tokenizer
from brainview.language.video.towers import clip_tokens, load_tower
from brainview.training.run import RunFolder

#: Figures of the table that the command prints.
COLUMNS = ("n", "2-way id.", "shuffled 2-way", "p 2-way", "clip 2-way", "category", "p category", "category by g",
           "BERTScore", "shuffled BERTScore", "BLEU-1", "shuffled BLEU-1", "ROUGE-L F", "shuffled ROUGE-L F")
_SYSTEM = "video-text"


@dataclass(eq=False)
class Parts:
    """Everything of one run in memory."""

    config: FilmConfig
    data: FilmData
    lesson: Lesson
    llm: SoftLlm
    video: VideoBranch
    brain: BrainBranch
    g: CosineClassifier
    tokens: np.ndarray
    token_row: dict[int, int]
    there: np.ndarray
    first: BrainBranch | None = None  # the brain branch as Stage I left it
    first_g: CosineClassifier | None = None  # g before Stage II, the same for both arms


def brain_branch(parts: Parts) -> BrainBranch:
    """Return the brain branch of a configuration round the tokenizer and encoder of `parts`; weights as torch draws."""
    config, video = parts.config, parts.video
    per_frame = config.image_queries if video.own_images else parts.tokens.shape[2]
    mixing = (parts.tokens.shape[1] * per_frame, config.bridge_rank) if config.bridge == "mixing" else None
    return BrainBranch(parts.brain.tokenizer, parts.brain.encoder, video, adaptor=config.adaptor, rank=config.rank,
                       mixing=mixing)


def watch_split(trials: Trials, watch: str) -> tuple[Trials, Trials | None]:
    """Return the trials that are trained on and, where ``person`` watches, those of the last training person."""
    if watch == "none" or len(trials.people) < 2:
        return trials, None
    last = trials.who == len(trials.people) - 1
    return trials.at(np.flatnonzero(~last)), trials.at(np.flatnonzero(last))


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train every stage and evaluate; what is finished is not done again.

    Parameters
    ----------
    subjects : list of str, optional
        Everybody that takes part, held-out people included.

    Returns
    -------
    str
        Path of the run folder.
    """
    config = FilmConfig.of(options or {})
    dataset = open_dataset(path)
    if not hasattr(dataset, "mapping"):
        raise MissingError("holds no film clips", where=path, remedy="Use a HAD tree or a bids-task data set.")
    if config.begin:
        config, split = inherit(config, dataset.name)
    else:
        held = [s.strip() for s in config.held.split(",") if s.strip()] or None
        split = split_people(dataset, held=held, subjects=subjects, adapt=config.adapt_share)
    folder = RunFolder.create(run, _SYSTEM, {**config.plain(), "subjects": [*split.train, *split.held]},
                              data=str(Path(path).resolve()), dataset=dataset.name, layout=dataset.layout,
                              phantom=dataset.phantom)
    if config.begin and main_process():
        take_over(config, folder.path, context)
    file = folder.path / "people.json"
    if not file.exists():
        split.save(file)
    split = load_people(file)
    parts = prepare(dataset, split, config, folder.path, context=Stage(context, 0.0, 0.25))
    features = _fit(parts, folder, Stage(context, 0.25, 0.8))
    if not main_process():  # of several processes the first one scores and writes
        return str(folder.path)
    from brainview.language.video.outcome import evaluate_run

    report = evaluate_run(parts, folder.path, features, context=Stage(context, 0.8, 1.0))
    _publish(parts, folder, report)
    context.report(1, 1, "done")
    return str(folder.path)


def prepare(dataset: Any, split: PeopleSplit, config: FilmConfig, run: Path, *,
            context: JobContext = QUIET) -> Parts:
    """Open the data, compute clip tokens, and build every module with seeded weights."""
    data = load_film(dataset, split, config, context=Stage(context, 0.0, 0.3))
    questions = read_questions(config.questions or None)
    asked = [k.strip() for k in config.ask.split(",") if k.strip()]
    unknown = [k for k in asked if k not in questions]
    if unknown:
        raise MissingError(f"no question is called {unknown[0]!r}", remedy="Known: " + ", ".join(questions) + ".")
    questions = {k: questions[k] for k in asked} if asked else questions
    lesson = Lesson(questions, find_answers(config.teacher, data.stimuli), data.stimuli.names)
    ids = data.stimuli.ids
    tower = load_tower(config.vision)
    tokens, there = clip_tokens(tower, data.stimuli, ids, config.frames, context=Stage(context, 0.3, 0.9, "clips"))
    row = {int(s): i for i, s in enumerate(ids)}
    usable = lesson.usable(data.train.stimulus) & there[[row[int(s)] for s in data.train.stimulus]]
    if not usable.any():
        raise MissingError("no training trial has both a clip that can be read and an answer", where=dataset.path)
    data = FilmData(data.dataset, split, data.train.at(np.flatnonzero(usable)), data.adapt, data.test, data.space,
                    data.times, data.categories)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        llm = _language(config, lesson, data, run, context)
        sizes = BranchSizes(config.qformer_width, config.qformer_heads, config.image_layers, config.image_queries, 2,
                            config.queries, max(32, config.frames))
        video = VideoBranch(sizes, tokens.shape[-1], llm.width, llm.embedding_sd, queries=tower.queries)
        encoder_sizes = MbmSizes(config.width, config.depth, config.heads, config.decoder_width, config.decoder_depth)
        tokenizer, places = make_tokenizer(data.space, config.width, tokens=config.tokens, times=data.times)
        brain = BrainBranch(tokenizer, BrainEncoder(encoder_sizes, places), video, adaptor="none")
        g = CosineClassifier(config.qformer_width, max(2, len(data.categories)))
    return Parts(config, data, lesson, llm, video, brain, g, tokens, row, there)


def _language(config: FilmConfig, lesson: Lesson, data: FilmData, run: Path, context: JobContext) -> SoftLlm:
    if config.llm != "tiny":
        return load_llm(config.llm, context=context)
    if (run / "llm" / "config.json").is_file():
        return reload_tiny(run / "llm")
    clips = {data.stimuli.names[i] for i in data.train.stimulus.tolist()}
    texts = [a for (c, q), a in lesson.answers.text.items() if c in clips and q in lesson.questions]
    return tiny_llm([*texts, *lesson.questions.values()], TinySizes(config.llm_width, config.llm_depth), config.seed)


def _stage(folder: RunFolder, name: str, config: FilmConfig, parts: Parts) -> RunFolder:
    if config.begin and name in TAKEN:
        return RunFolder.open(folder.path / "stages" / name)
    return RunFolder.create(folder.path / "stages" / name, f"{_SYSTEM}-stage", {**config.plain(), "stage": name},
                            dataset=parts.data.dataset.name, phantom=parts.data.dataset.phantom,
                            split=parts.data.split.key)


def _fit(parts: Parts, folder: RunFolder, context: JobContext) -> dict[str, np.ndarray]:
    """Run the stages in order; return features of all trials before and after adaptation."""
    config, data = parts.config, parts.data
    row = parts.token_row
    if config.video_weights:
        load_part(parts.video, config.video_weights)
    elif config.video_epochs:
        if config.llm == "tiny":
            fit_words(parts.llm, data.train.stimulus, parts.lesson, config, _stage(folder, "words", config, parts),
                      Stage(context, 0.0, 0.08))
        fit_video(parts.video, parts.llm, parts.tokens, row, data.train.stimulus, parts.lesson, config,
                  _stage(folder, "video", config, parts), with_llm=config.llm == "tiny",
                  context=Stage(context, 0.08, 0.35))
    if main_process() and config.llm == "tiny" and not (folder.path / "llm" / "config.json").is_file():
        save_llm(parts.llm, folder.path / "llm")
    targets = video_targets(parts.video, parts.tokens, context=Stage(context, 0.35, 0.38))
    _pretrain(parts, folder, Stage(context, 0.38, 0.5))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed + 1)
        parts.brain = brain_branch(parts)
    fitted, watched = watch_split(data.train, config.watch)
    stage = _stage(folder, "stage1", config, parts)
    if config.start == "ridge" and not stage.has_generation:
        clips = parts.tokens[np.array([row[int(s)] for s in fitted.stimulus])]
        start_bridge(parts.brain, parts.video, clips, fitted, amplitude=config.amplitude, seed=config.seed,
                     context=Stage(context, 0.5, 0.55))
    fit_stage_one(parts.brain, targets, row, fitted, config, stage, Stage(context, 0.55, 0.75), watched=watched)
    parts.first, parts.first_g = copy.deepcopy(parts.brain), copy.deepcopy(parts.g)
    before = {part: encode(parts.brain, getattr(data, part)).mean(1) for part in ("train", "adapt", "test")}
    _second(parts, folder, config, "stage2", Stage(context, 0.75, 1.0))
    after = {part: encode(parts.brain, getattr(data, part)).mean(1) for part in ("train", "adapt", "test")}
    return {f"before.{k}": v for k, v in before.items()} | {f"after.{k}": v for k, v in after.items()}


def _pretrain(parts: Parts, folder: RunFolder, context: JobContext) -> None:
    config = parts.config
    if config.mbm_weights:
        if Path(config.mbm_weights).is_dir():
            tensors = RunFolder.open(config.mbm_weights).load()[0]
            load_tensors(nn.ModuleDict({"tokenizer": parts.brain.tokenizer, "encoder": parts.brain.encoder}),
                         {k: v for k, v in tensors.items() if k.startswith(("tokenizer.", "encoder."))},
                         config.mbm_weights)
        else:
            report = load_mind_vis(parts.brain.encoder, config.mbm_weights)
            context.log(f"mind-vis: {len(report['loaded'])} tensors loaded, {len(report['other shape'])} of another "
                        f"shape, {len(report['not used'])} not used")
        return
    if config.mbm_epochs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + 2)
            model = MaskedModel(parts.brain.tokenizer, parts.brain.encoder, config.mask)
        fit_masked(model, parts.data.train, config, _stage(folder, "mbm", config, parts), context)


def _second(parts: Parts, folder: RunFolder, config: FilmConfig, name: str, context: JobContext) -> None:
    if config.stage2_epochs:
        fitted, watched = watch_split(parts.data.train, config.second_watch)
        fit_stage_two(parts.brain, parts.video, parts.llm, parts.g, fitted, parts.data.adapt, parts.lesson,
                      config, _stage(folder, name, config, parts), context, watched=watched)


def second_without_adaptation(parts: Parts, folder: RunFolder, context: JobContext = QUIET) -> tuple[BrainBranch, Any]:
    """Return brain and g of a Stage II without the target's losses, from the same Stage I (the ablation)."""
    config = parts.config.having(adapt=False, separate=False)
    brain, g = copy.deepcopy(parts.first), copy.deepcopy(parts.first_g)
    other = Parts(**{**parts.__dict__, "brain": brain, "g": g, "config": config})
    _second(other, folder, config, "stage2-off", context)
    return other.brain, other.g


def load_part(module: nn.Module, path: os.PathLike | str) -> None:
    """Load a safetensors file into a module; refuses anything that does not fit, naming what."""
    from safetensors.numpy import load_file

    load_tensors(module, load_file(path), path)


def load_tensors(module: nn.Module, tensors: dict[str, np.ndarray], where: Any) -> None:
    """Load arrays into a module; raises MismatchError that names missing, unknown and misshapen ones."""
    own = module.state_dict()
    tensors = {k: np.asarray(v).reshape(()) if k in own and own[k].ndim == 0 and np.size(v) == 1 else v
               for k, v in tensors.items()}  # a number is stored as an array of one
    missing, extra = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
    wrong = [f"{k} {tensors[k].shape} here {tuple(own[k].shape)}" for k in own
             if k in tensors and tuple(tensors[k].shape) != tuple(own[k].shape)]
    if missing or extra or wrong:
        raise MismatchError(f"does not fit: {len(missing)} weights missing {missing[:1]}, {len(extra)} unknown "
                            f"{extra[:1]}, {len(wrong)} of another shape {wrong[:1]}", where=where,
                            remedy="Use the settings that it was trained with.")
    module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})


def all_modules(parts: Parts) -> nn.ModuleDict:
    """Return what a generation holds."""
    return nn.ModuleDict({"brain": parts.brain, "video": parts.video, "g": parts.g})


def _publish(parts: Parts, folder: RunFolder, report: dict[str, Any]) -> None:
    if folder.has_generation:
        return
    data, config = parts.data, parts.config
    tensors = {k: v.detach().float().cpu().numpy() for k, v in all_modules(parts).state_dict().items()}
    names = ("torch", "transformers", "sacrebleu", "bert-score", "peft", "numpy")
    folder.write_generation(tensors, {
        "dataset": data.dataset.name, "data": folder.story.get("data"), "phantom": data.dataset.phantom,
        "subjects": list(data.split.held), "trained_on": list(data.split.train),
        "split": {"key": data.split.key, "held": list(data.split.held), "adapt_runs": list(data.split.adapt_runs),
                  "test_runs": list(data.split.test_runs)},
        "seen_in_training": dict.fromkeys(data.split.held, "unlabelled" if config.adapt and data.split.adapt_runs
                                          else "no"),
        "feature_label": f"{config.route}, {config.llm} LLM, {config.vision}",
        "references": parts.lesson.answers.story(),
        "llm": {"name": parts.llm.name, "tokenizer": parts.llm.key, "width": parts.llm.width},
        "metrics": report["headline"], "adaptation": report.get("adaptation"), "categories": len(data.categories),
        "versions": {**{n: metadata.version(n) for n in names}, "python": platform.python_version()}})
