"""What a training of LLM-VEM will need in memory and on disk, from the shapes of trunk, head and data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from brainview.core.device import speed
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.registry import open_dataset
from brainview.encoding.llm_vem.config import INHERITED, INHERITED_BY_PART, VemConfig
from brainview.encoding.llm_vem.group import group_space
from brainview.encoding.llm_vem.samples import IN_MEMORY
from brainview.encoding.llm_vem.trunk import Trunk
from brainview.features.registry import split_name
from brainview.training.run import RunFolder

#: A worker with torch and timm, in bytes; a training of the demo preset was seen at 1.2 GB without mapped tokens.
PROGRAM = 1000 << 20
#: Generations of a checkpoint that lie on disk at once: the best, the last, and one beside it.
GENERATIONS = 3
#: Maps per subject of a finished run, about.
MAPS = 15
#: Share of the speed of one large product that a training reaches; seconds of imports, reading, scoring a subject.
#: Measured on the phantom's demo presets, one thread: 43, 57 and 130 CPU s were seen where this says 66, 61 and 155.
EFFICIENCY, BEGIN, SCORING = 0.4, 12.0, 5.0
#: Operations that a location of the attention head costs per channel: memory traffic, not arithmetic.
TRAFFIC = 300
#: Tokens larger than this are worth a warning.
MUCH = 5 << 30


@dataclass(frozen=True)
class Sizes:
    """What the sums are made of: `trunk` in parameters, `locations` of the group, different `pictures`, and
    `pictures_read` (those of every subject, added), `responses` in values per subject.
    """

    shapes: tuple[tuple[int, int], ...]
    trunk: int
    subjects: int
    locations: int
    pictures: int
    pictures_read: int
    responses: tuple[int, ...]


def estimate(path: str | os.PathLike, *, subjects: list[str] | None, options: dict[str, Any],
             context: JobContext = QUIET) -> dict[str, Any]:
    """Return ``seconds``, ``memory, disk`` (bytes), ``basis`` and ``notes``; nothing is written or downloaded.

    Raises
    ------
    MissingError, MismatchError
        No such trunk, subject or run to start from; settings that do not fit.
    """
    config = VemConfig.of(options)
    if config.stage == 2:
        first = RunFolder.open(config.start).config
        config = config.having(**{k: first[k] for k in INHERITED})
        subjects = list(first["subjects"])
    if config.stage == 3:
        first = RunFolder.open(config.start).config
        config = config.having(**{k: first[k] for k in INHERITED_BY_PART})
        subjects = subjects or [n for n in open_dataset(path).subjects if n not in first["subjects"]]
    sizes = _measure(path, config, subjects, context)
    head, trained = head_parameters(config, sizes)
    out = needs(config, sizes, head, trained)
    tokens = token_bytes(config, sizes)
    notes = [f"{head:,} parameters in the head, {trained:,} of them trained."]
    if tokens > MUCH:
        notes.append(f"{tokens / 1e9:.0f} GB of the disk are tokens kept in the cache of features: augment=true or "
                     "tokens=cls+4x4 needs less.")
    if config.stage < 3:
        out["seconds"] = round(BEGIN + SCORING * sizes.subjects + operations(config, sizes) / speed() / EFFICIENCY)
    return {**out, "notes": notes, "time_basis": "Time by arithmetic and the speed of one product just now: right "
            "within a factor of two or so; less where tokens are cached already.",
            "basis": "Memory and disk from the shapes of trunk, head and data, before mixed precision; on a GPU part "
                     "of the memory is its own; cached tokens are mapped from the disk and not counted as memory. The "
                     "disk holds three checkpoints with the optimizer's state, the maps, and tokens where they are "
                     "cached (nothing more when they are there already)."}


def _measure(path: str | os.PathLike, config: VemConfig, subjects: list[str] | None, context: JobContext) -> Sizes:
    dataset = open_dataset(path)
    names = list(subjects or dataset.subjects)
    context.check()
    people = {n: dataset.subject(n, config.variant or None) for n in names}
    shapes, trunk = _trunk(config.features, config.layers, config.tokens)
    seen = [set(p.trials.unique.tolist()) for p in people.values()]
    return Sizes(shapes, trunk, len(names), group_space(people).size, len(set().union(*seen)), sum(map(len, seen)),
                 tuple(len(s) * p.space.size for s, p in zip(seen, people.values(), strict=True)))


@lru_cache(maxsize=8)
def _trunk(name: str, layers: str, tokens: str) -> tuple[tuple[tuple[int, int], ...], int]:
    """Return (shapes of the layers, parameters) of a trunk drawn at random: shapes need no weights, no download."""
    bare, inline = split_name(name)
    inline = {k: v for k, v in inline.items() if k != "layers"} | {"weights": "random"}
    text = ";".join(f"{k}={','.join(map(str, v)) if isinstance(v, list) else v}" for k, v in inline.items())
    trunk = Trunk(f"{bare}[{text}]", [int(n) for n in layers.split(",")], tokens)
    return tuple((int(t), int(c)) for t, c in trunk.shapes), sum(p.numel() for p in trunk.model.parameters())


def head_parameters(config: VemConfig, sizes: Sizes) -> tuple[int, int]:
    """Return (all, trained) parameters of the head, as the two heads are built; batch norm's running sums left out."""
    if config.head == "attention":
        count = sizes.locations * (config.width * (1 + sizes.subjects) + 1)
        count += sum(c * config.width for _, c in sizes.shapes) + sizes.shapes[0][0] * config.width
        return count + 6 * config.width**2, count + 6 * config.width**2
    k = min(config.components, max(1, sizes.pictures_read - 1), sizes.locations)
    trained = sum(config.hidden * (t + c + 2) for t, c in sizes.shapes)
    trained += config.hidden * k * (1 + sizes.subjects) + k * sizes.subjects
    return trained + sizes.locations * (k + 1), trained


def token_bytes(config: VemConfig, sizes: Sizes) -> int:
    """Return what the cached tokens take; 0 where pictures are cropped anew or the trunk itself is trained."""
    if config.augment or config.stage == 2:
        return 0
    return 4 * sizes.pictures_read * sum(t * c for t, c in sizes.shapes)


def operations(config: VemConfig, sizes: Sizes) -> float:
    """Return the floating-point operations of a training, about: passes over rows through trunk and head.

    A pass back costs two passes forward; validation images are looked at once an epoch; the frozen trunk without
    augmentation looks at every picture once.
    """
    rows = sizes.pictures_read
    trunk = 2.0 * sizes.trunk * sizes.shapes[0][0]
    if config.head == "attention":
        head = sum(2.0 * t * (c + 2 * config.width) * config.width for t, c in sizes.shapes)
        head += TRAFFIC * sizes.locations * config.width
    else:
        k = min(config.components, sizes.locations)
        head = sum(2.0 * t * c * config.hidden for t, c in sizes.shapes) + 4.0 * k * (config.hidden + sizes.locations)
    looked = (3.0 if config.stage == 2 else 1.0) * trunk * rows * config.epochs
    once = trunk * sizes.pictures if not config.augment and config.stage == 1 else looked
    return once + 3.0 * head * rows * config.epochs


def needs(config: VemConfig, sizes: Sizes, head: int, trained: int) -> dict[str, int]:
    """Return ``memory, disk`` in bytes."""
    tuned = sizes.trunk if config.stage == 2 else 0
    checkpoint = 4 * (head + tuned + 2 * (trained + tuned))
    per_row = 3 * sum(t * c for t, c in sizes.shapes) + 4 * sizes.locations  # tokens, dropped out, gradient; targets
    memory = PROGRAM + 4 * (head + 3 * trained + sizes.trunk + 3 * tuned) + 4 * per_row * config.batch
    memory += sum(4 * n for n in sizes.responses if 4 * n <= IN_MEMORY)
    if config.augment or config.stage == 2:
        memory += 3 * config.pixels**2 * sizes.pictures
    disk = GENERATIONS * checkpoint + 4 * MAPS * sizes.subjects * sizes.locations + token_bytes(config, sizes)
    return {"memory": int(memory), "disk": int(disk)}
