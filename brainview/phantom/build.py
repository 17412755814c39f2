"""Write a whole phantom: scenes, pictures, subjects, responses in a real layout, and the truth beside them.

Every step leaves files that appear only when they are whole, so a build that was cancelled or killed goes on where it
stopped. ``phantom_truth/plan.json`` says from the first moment what is being built; ``truth.json`` is written when the
surface part is complete, ``volume.json`` when the MNI volumes are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError, MismatchError
from brainview.core.files import atomic_write, read_json, to_json, write_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.phantom import retinotopy, truth
from brainview.phantom.category import drives
from brainview.phantom.design import Design, make_design
from brainview.phantom.responses import Bank, Recorder, signals
from brainview.phantom.semantics import codes, population_scale
from brainview.phantom.shots import Album, pack_png
from brainview.phantom.subjects import FACTORS, SubjectFields, level_of, make_subject
from brainview.phantom.truth import Plan, Truth, folder_of, read_truth
from brainview.phantom.world import Scene, generate_scenes, scene_hash
from brainview.phantom.writers import algonauts2023, mindeye, nsd

#: Layouts that a phantom can be written in.
LAYOUTS = ("nsd", "algonauts2023", *mindeye.LAYOUTS)
#: Default seed of everything.
SEED = 2026
#: Scenes that are never shown; the patterns that intrude into trials are theirs.
RESERVE = 400
_WORK = ".build"


def build_phantom(out: Path | str, layout: str = "nsd", level: str = "nsd", subjects: int = 4, train: int = 800,
                  test: int = 200, seed: int = SEED, *, reserve: int | None = None, volume: bool = True,
                  suppression: bool = False, context: JobContext = QUIET) -> Path:
    """Build a phantom below `out`, or finish one that was interrupted there.

    Parameters
    ----------
    out : path
        Folder of the new data set; empty, absent, or holding an unfinished phantom of the same plan.
    layout : ``nsd``, ``algonauts2023``, ``mindeye`` or ``mindeye2``
    level : ``easy``, ``nsd`` or ``hard``
    subjects : int, at most 8
    train, test : int
        Training images of each subject (shown once) and test images shared by all (shown three times).
    seed : int
    reserve : int, optional
        Scenes that are never shown; default 400, or half the images of a small phantom.
    volume : bool
        For ``nsd``: write the MNI volumes too (the surface part is complete before they are begun).
    suppression : bool
        Let repeated showings respond 8 % less each time (off: ceilings are exact).

    Returns
    -------
    Path of the data set.

    Raises
    ------
    BrainViewError
        An unknown layout or level, impossible counts, or a folder that holds something else.
    """
    if layout not in LAYOUTS:
        raise BrainViewError(f"a phantom cannot be written as {layout!r}", remedy="Known: " + ", ".join(LAYOUTS) + ".")
    if not 1 <= subjects <= len(FACTORS):
        raise BrainViewError(f"a phantom has 1 to {len(FACTORS)} subjects, {subjects} were asked for")
    level_of(level)
    test += test % 2 if level_of(level).siblings else 0  # siblings come in pairs
    reserve = min(RESERVE, max(16, (train + test) // 2)) if reserve is None else reserve
    plan = Plan(layout, level, subjects, train, test, reserve, int(seed), suppression)
    root = Path(out)
    _claim(root, plan)
    surface_share = 0.3 if layout == "nsd" and volume else 1.0
    if not (folder_of(root) / "truth.json").is_file():
        _build_surface(root, plan, Stage(context, 0, surface_share))
    if layout == "nsd" and volume:
        _build_volume(root, read_truth(root), Stage(context, surface_share, 1.0))
    context.report(1, 1, "phantom complete")
    return root


def is_complete(root: Path, *, volume: bool = False) -> bool:
    """Return whether the phantom at `root` is finished: its surface part, and with `volume` its MNI volumes too."""
    return (folder_of(root) / ("volume.json" if volume else "truth.json")).is_file()


def _claim(root: Path, plan: Plan) -> None:
    """Refuse a folder that holds something else; write the plan into a new one."""
    path = folder_of(root) / "plan.json"
    if path.is_file():
        found = Plan.of(read_json(path))
        if found != plan:
            different = [f.name for f in dataclasses.fields(Plan) if getattr(found, f.name) != getattr(plan, f.name)]
            raise MismatchError("holds a phantom with another " + ", ".join(different), where=root,
                                remedy="Name another folder.")
        return
    if root.exists() and any(root.iterdir() if root.is_dir() else [root]):
        raise BrainViewError("is not an empty folder", where=root, remedy="Name a new folder for the phantom.")
    folder_of(root).mkdir(parents=True)
    write_json(path, plan.to_dict())


def make_scenes(plan: Plan, *, context: JobContext = QUIET) -> tuple[list[Scene], list[Scene]]:
    """Return (shown, reserve): the test scenes followed by every subject's training scenes, and those never shown."""
    shown = generate_scenes(plan.test, plan.seed, plan.level, pool="test", unique=True,
                            context=Stage(context, 0, 0.2, "composing"))
    shown += generate_scenes(plan.subjects * plan.train, plan.seed, plan.level, pool="train",
                             context=Stage(context, 0.2, 0.9, "composing"))
    reserve = generate_scenes(plan.reserve, plan.seed, plan.level, pool="reserve",
                              context=Stage(context, 0.9, 1, "composing"))
    return shown, reserve


def _build_surface(root: Path, plan: Plan, context: JobContext) -> None:
    work, folder = root / _WORK, folder_of(root)
    tarred = plan.layout in mindeye.LAYOUTS
    design = (mindeye.mindeye_design if tarred else make_design)(plan.seed, plan.subjects, plan.train, plan.test)
    shown, reserve = make_scenes(plan, context=Stage(context, 0.0, 0.15))
    pack = {"nsd": nsd.pack_picture, **mindeye.PACK}.get(plan.layout, pack_png)
    album = Album(work, "shown", shown, pack)
    spare = Album(work, "reserve", reserve, None)
    album.develop(Stage(context, 0.15, 0.65))
    spare.develop(Stage(context, 0.65, 0.70))
    truth.write_design(folder, design)
    _write_scenes(folder, design, album.words())
    scale = population_scale([*shown, *reserve], level_of(plan.level).text_share)
    hidden = Bank(spare.energies(), drives(reserve), codes(reserve, scale))
    energy = album.energies()
    people = [make_subject(plan.seed, index, level_of(plan.level)) for index in range(plan.subjects)]
    mask = algonauts2023.challenge_mask(people) if plan.layout == "algonauts2023" else None
    pictures = dict(zip(design.id_of_scene.tolist(), album.pictures(), strict=True)) if tarred else {}
    for index, fields in enumerate(people):
        stage = Stage(context, 0.70 + 0.25 * index / plan.subjects, 0.70 + 0.25 * (index + 1) / plan.subjects)
        rows = design.scene_of(index)
        own = [shown[i] for i in rows]
        bank = Bank(energy[rows], drives(own), codes(own, scale))
        _write_subject(root, plan, design, fields, bank, hidden, pictures if tarred else mask, stage)
    if tarred:
        mindeye.write_rest(root, plan.layout, design, pictures, context=Stage(context, 0.95, 1.0))
    else:
        _write_pictures(root, plan, design, album, Stage(context, 0.95, 1.0))
    if plan.layout == "nsd":
        nsd.write_experiment(root, design)
    digest = hashlib.sha256("".join(scene_hash(s) for s in [*shown, *reserve]).encode()).hexdigest()
    truth.write_truth(folder, plan, dataclasses.asdict(scale), digest)
    shutil.rmtree(work, ignore_errors=True)


def _write_subject(root: Path, plan: Plan, design: Design, fields: SubjectFields, bank: Bank, hidden: Bank,
                   mask: np.ndarray | dict[int, bytes] | None, context: JobContext) -> None:
    """Write one subject; `mask` is the challenge's mask, or the pictures where a layout keeps them with the betas."""
    done = root / _WORK / f"{fields.id}.done"
    if done.is_file():
        return
    context.report(0, 1, f"{fields.id} signals")
    made = truth.write_subject(folder_of(root), fields, signals(fields, bank, hidden, context=context))
    recorder = Recorder(plan.seed, fields, made, design, level_of(plan.level), plan.suppression)
    if isinstance(mask, dict):
        mindeye.write_subject(root, folder_of(root), plan.layout, recorder, mask, context=context)
    elif mask is None:
        nsd.write_surface(root, recorder, context=context)
    else:
        algonauts2023.write_masks(root, fields, mask)
        algonauts2023.write_responses(root, recorder, mask, context=context)
    with atomic_write(done) as file:
        file.write(b"done\n")


def _write_pictures(root: Path, plan: Plan, design: Design, album: Album, context: JobContext) -> None:
    if plan.layout == "nsd":
        if not (root / nsd.BRICK).is_file():
            pairs = zip(design.id_of_scene.tolist(), _told(album, context), strict=True)
            nsd.write_brick(root, design.images, pairs, retinotopy.DISPLAY_PIXELS)
        return
    packed = dict(zip(design.id_of_scene.tolist(), album.pictures(), strict=True))
    for subject in range(design.subjects):
        part = Stage(context, subject / design.subjects, (subject + 1) / design.subjects)
        algonauts2023.write_pictures(root, design, subject, packed.__getitem__, context=part)


def _told(album: Album, context: JobContext) -> Iterator[bytes]:
    for number, picture in enumerate(album.pictures()):
        if number % 50 == 0:
            context.report(number, len(album), "writing pictures")
        yield picture


def _write_scenes(folder: Path, design: Design, words: list[dict[str, Any]]) -> None:
    """Write ``scenes.jsonl``: one line per stimulus, by id."""
    ids = design.id_of_scene
    with atomic_write(folder / "scenes.jsonl") as file:
        for row in np.argsort(ids).tolist():
            line = {"id": int(ids[row]), "part": "test" if row < design.test else "train", **words[row]}
            file.write(to_json(line, indent=None).encode() + b"\n")


def _build_volume(root: Path, known: Truth, context: JobContext) -> None:
    if is_complete(root, volume=True):
        return
    truth.write_ribbon(known.folder)
    for index in range(known.plan.subjects):
        stage = Stage(context, index / known.plan.subjects, (index + 1) / known.plan.subjects)
        if not (root / nsd.BETAS / f"subj{index + 1:02d}" / nsd.VOLUME_SET / "ncsnr.nii.gz").is_file():
            nsd.write_volume(root, known.recorder(index), context=stage)
    write_json(known.folder / "volume.json", {"set": str(nsd.VOLUME_SET), "voxels": "cortical ribbon (3 mm)",
                                              "scale": nsd.SCALE})
