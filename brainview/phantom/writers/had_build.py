"""Build a film phantom in the HAD layout: clips, people, time series, betas, and the truth beside them.

A build that was interrupted goes on: clips, runs and betas that are there are not made again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import BrainViewError, MismatchError
from brainview.core.files import atomic_path, atomic_write, read_json, to_json, write_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.stimuli import TRUTH_FOLDER
from brainview.phantom import gabor, noise
from brainview.phantom.anatomy import N_VERTICES
from brainview.phantom.category import drives
from brainview.phantom.clips import clip_frames, motion_energy
from brainview.phantom.responses import Bank
from brainview.phantom.semantics import codes, population_scale
from brainview.phantom.subjects import level_of
from brainview.phantom.truth import WORDING
from brainview.phantom.words import captions
from brainview.phantom.world import Scene, scene_hash
from brainview.phantom.world.codes import CodeScale
from brainview.phantom.writers import had
from brainview.phantom.writers.had_brain import (
    ACTION_WEIGHT,
    COMMON,
    DEED_WEIGHT,
    FILM_GAIN,
    MOTION_WEIGHT,
    TRIALS,
    FilmSubject,
    beta_noise_gain,
    deed_codes,
    design,
    film_signals,
    film_subject,
    film_vertices,
    onsets,
    ridge_betas,
    run_series,
    sheet,
)
from brainview.phantom.writers.had_world import CATEGORIES as ACTIONS
from brainview.phantom.writers.had_world import SPORT, action_scenes, answers, category_names, clip_name

FORMAT, SEED = 1, 2026
_ORDER, _ANSWERS = 21, 22


@dataclass(frozen=True)
class FilmPlan:
    """Everything that decides a film phantom.

    Parameters
    ----------
    subjects : int, 2 to 30
    categories : int, a divisor of 180 up to 20
    runs : int, a multiple of 3 (a cycle of three runs shows every category equally often)
    level : ``easy``, ``nsd`` or ``hard``
    seed : int
    clips : int
        Clips drawn for each subject; -1 = all. Early areas do not respond to clips that were not drawn.
    size, frames : int
        Side in pixels and number of frames of a clip.
    thin : int
        Every how manieth driven vertex the files list.
    """

    subjects: int = 6
    categories: int = 20
    runs: int = 12
    level: str = "nsd"
    seed: int = SEED
    clips: int = -1
    size: int = 96
    frames: int = 8
    thin: int = 1

    def __post_init__(self) -> None:
        level_of(self.level)
        if not 2 <= self.subjects <= 30:
            raise BrainViewError(f"a film phantom has 2 to 30 subjects, {self.subjects} were asked for")
        if self.runs % 3 or not 3 <= self.runs <= 12:
            raise BrainViewError(f"a film phantom has 3, 6, 9 or 12 runs, {self.runs} were asked for")
        if 3 * TRIALS % self.categories or not 2 <= self.categories <= len(ACTIONS):
            raise BrainViewError(f"{self.categories} actions do not share 180 trials evenly",
                                 remedy="Ask for 20, 18, 15, 12, 10, 9, 6, 5, 4, 3 or 2.")

    @property
    def names(self) -> list[str]:
        """Subject ids."""
        return [f"sub-{i + 1:02d}" for i in range(self.subjects)]

    @property
    def each(self) -> int:
        """Clips of one action for one subject."""
        return self.runs * TRIALS // self.categories


@dataclass(frozen=True, eq=False)
class Script:
    """Which clips a subject sees, in order of trials: (scene, action, category index from 0, stimulus file)."""

    scenes: list[Scene]
    actions: list[str]
    category: np.ndarray
    files: list[str]


def build_had(out: Path | str, *, context: JobContext = QUIET, **changes: Any) -> Path:
    """Build a film phantom below `out`, or finish one; `changes` are fields of :class:`FilmPlan`.

    Raises
    ------
    BrainViewError
        Impossible counts, or a folder that holds something else.
    """
    plan = FilmPlan(**changes)
    root = Path(out)
    folder = root / TRUTH_FOLDER
    _claim(root, plan)
    if (folder / "film.json").is_file():
        return root
    scripts = _scripts(plan, Stage(context, 0.0, 0.15, "scenes"))
    every = [s for script in scripts for s in script.scenes]
    scale = population_scale(every, level_of(plan.level).text_share)
    people = [film_subject(plan.seed, i, level_of(plan.level)) for i in range(plan.subjects)]
    left, right = (v[::plan.thin] for v in film_vertices(people))
    had.write_root(root, plan.names, noise.stream(plan.seed, 0, _ORDER, 99))
    first: Path | None = None
    for i, (name, script) in enumerate(zip(plan.names, scripts, strict=True)):
        part = Stage(context, 0.15 + 0.83 * i / plan.subjects, 0.15 + 0.83 * (i + 1) / plan.subjects, name)
        energy, motion = _draw(root, plan, name, script, Stage(part, 0, 0.7))
        bank = Bank(energy, drives(script.scenes), codes(script.scenes, scale) + deed_codes(script.actions))
        _record(root, plan, people[i], name, script, bank, motion, (left, right), Stage(part, 0.7, 1.0))
        first = had.write_surfaces(root, name, sheet(), first)
    _write_truth(folder, plan, scripts, people, (left, right), scale)
    shutil.rmtree(root / ".build", ignore_errors=True)
    context.report(1, 1, "phantom complete")
    return root


def _claim(root: Path, plan: FilmPlan) -> None:
    path = root / TRUTH_FOLDER / "plan.json"
    story = {"format": FORMAT, "layout": "had", **dataclasses.asdict(plan)}
    if path.is_file():
        if read_json(path) != story:
            raise MismatchError("holds a phantom of another plan", where=root, remedy="Name another folder.")
        return
    if root.exists() and any(root.iterdir() if root.is_dir() else [root]):
        raise BrainViewError("is not an empty folder", where=root, remedy="Name a new folder for the phantom.")
    path.parent.mkdir(parents=True)
    write_json(path, story)


def _scripts(plan: FilmPlan, context: JobContext) -> list[Script]:
    keys = category_names(plan.categories)
    action_of = {v: k for k, v in ACTIONS.items()}
    scenes = []
    for number, key in enumerate(keys):
        context.report(number, len(keys), key)
        scenes.append(action_scenes(action_of[key], plan.subjects * plan.each, plan.seed, context=context))
    per_cycle = 3 * TRIALS // plan.categories
    out = []
    for s in range(plan.subjects):
        rng, order = noise.stream(plan.seed, s, _ORDER), []
        for cycle in range(plan.runs // 3):
            items = [(c, s * plan.each + cycle * per_cycle + k) for c in range(plan.categories)
                     for k in range(per_cycle)]
            order += [items[i] for i in rng.permutation(len(items))]
        out.append(Script([scenes[c][k] for c, k in order], [action_of[keys[c]] for c, _ in order],
                          np.array([c for c, _ in order]),
                          [clip_name(keys[c], scenes[c][k], k) for c, k in order]))
    return out


def _draw(root: Path, plan: FilmPlan, name: str, script: Script, context: JobContext) -> tuple[np.ndarray, np.ndarray]:
    """Write the clips of a subject; return Gabor energies of middle frames and log motion energy."""
    n = len(script.scenes)
    kept = root / ".build" / f"{name}.npz"
    if kept.is_file():
        with np.load(kept) as archive:
            return archive["energy"], archive["motion"]
    energy = np.zeros((n, gabor.CHANNELS, gabor.GRID, gabor.GRID), np.float16)
    motion = np.zeros(n)
    for i in range(n if plan.clips < 0 else min(plan.clips, n)):
        if i % 10 == 0:
            context.report(i, n, "drawing clips")
        frames = clip_frames(script.scenes[i], plan.size, plan.frames)
        middle = Image.fromarray(frames[plan.frames // 2])
        energy[i] = gabor.energies(gabor.luminance(middle))
        motion[i] = np.log(1e-5 + motion_energy(frames).mean())
        path = root / "stimuli" / script.files[i]
        if not path.exists():
            had.write_clip(path, frames, rate=max(1, round(plan.frames / 2)))
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept, suffix=".npz") as temporary:
        np.savez(temporary, energy=energy, motion=motion)
    return energy, motion


def _record(root: Path, plan: FilmPlan, person: FilmSubject, name: str, script: Script, bank: Bank,
            motion: np.ndarray, vertices: tuple[np.ndarray, np.ndarray], context: JobContext) -> None:
    """Put one person into the scanner: events, volumes, series, and the betas estimated from the series."""
    near = sheet().nearest
    source = np.concatenate([near[0][vertices[0]], near[1][vertices[1]] + N_VERTICES])
    models, voxel = had.brain_models(vertices), had.voxels_of(sheet(), vertices)
    signal = film_signals(person, bank, motion)
    had.write_scans(root, name, plan.runs)
    level = level_of(plan.level)
    series, designs = [], []
    for run in range(1, plan.runs + 1):
        context.report(run, plan.runs, f"run {run}")
        rows = slice((run - 1) * TRIALS, run * TRIALS)
        begun, rng = onsets(plan.seed, run), noise.stream(plan.seed, person.index, _ANSWERS, run)
        had.write_events(root, name, run, _events(script, rows, begun, rng))
        had.write_confounds(root, name, run, rng)
        x = design(begun)
        y = run_series(person, plan.seed, run, signal[rows], x, source, level, beta_noise_gain([x]))
        had.write_series(root, name, run, y, models)
        had.write_volumes(root, name, run, y, voxel, rng)
        series.append(y - 10_000)
        designs.append(x)
        if run % 3 == 0:
            last = slice((run - 3) * TRIALS, run * TRIALS)
            order = np.argsort(script.category[last], kind="stable")
            names = [Path(script.files[last][i]).name for i in order]
            had.write_betas(root, name, run // 3, ridge_betas(series, designs)[order], names, models)
            series, designs = [], []


def _events(script: Script, rows: slice, begun: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    said = np.array([1.0 if a in SPORT else -1.0 for a in script.actions[rows]])
    said[rng.random(TRIALS) < 0.1] *= -1
    time = 0.3 + 0.5 * rng.random(TRIALS)
    missing = rng.random(TRIALS) < 0.06
    said[missing] = time[missing] = np.nan
    return {"onset": begun, "duration": 2.0 + 0.01 * rng.standard_normal(TRIALS),
            "trial_type": script.category[rows] + 1.0, "response": said, "response_time": time,
            "stim_file": np.array(script.files[rows])}


def _write_truth(folder: Path, plan: FilmPlan, scripts: list[Script], people: list[FilmSubject],
                 vertices: tuple[np.ndarray, np.ndarray], scale: CodeScale) -> None:
    every = sorted({f: (s, a) for script in scripts
                    for f, s, a in zip(script.files, script.scenes, script.actions, strict=True)}.items())
    with atomic_write(folder / "scenes.jsonl") as file:
        for number, (name, (scene, action)) in enumerate(every):
            row = {"id": number, "captions": captions(scene), "clip": name, "category": name.split("/")[0],
                   "action": action, "scene": scene.scene, "graph": scene.to_dict()}
            file.write(to_json(row, indent=None).encode() + b"\n")
    with atomic_write(folder / "teacher.jsonl") as file:
        for name, (scene, action) in every:
            for key, text in answers(scene, action).items():
                row = {"clip": name, "instruction": key, "answer": text, "teacher": "phantom scene graph", "seed": 0}
                file.write(to_json(row, indent=None).encode() + b"\n")
    for person, name in zip(people, plan.names, strict=True):
        with atomic_path(folder / f"{name}_film.npz", suffix=".npz") as temporary:
            np.savez_compressed(temporary, q=person.fields.q, driver=person.fields.driver, area=person.fields.area,
                                acts=person.acts, moves=person.moves, left=vertices[0], right=vertices[1])
    digest = hashlib.sha256("".join(scene_hash(s) for _, (s, _) in every).encode()).hexdigest()
    write_json(folder / "film.json", {
        "format": FORMAT, "layout": "had", **dataclasses.asdict(plan), "simulated": True, "wording": WORDING,
        "common": COMMON, "action_weight": ACTION_WEIGHT, "motion_weight": MOTION_WEIGHT,
        "deed_weight": DEED_WEIGHT, "film_gain": FILM_GAIN, "stimuli_sha256": digest,
        "code_scale": dataclasses.asdict(scale),
        "surface": "icosahedron of frequency 57 over fsaverage5; not the vertex order of the HCP's fsLR 32k",
        "versions": {name: metadata.version(name) for name in ("numpy", "scipy", "nilearn", "nibabel", "av")}})
