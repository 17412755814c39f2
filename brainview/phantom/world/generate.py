"""Making scenes: choose things, choose a plot, place, check with real silhouettes, and only then keep.

Every scene is a function of (pool, seed, index, salt, level) alone. Which pool a set of things belongs to is decided
by a hash of the things themselves, so the train, test and reserve pools can never share a scene graph.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext
from brainview.phantom.world.compose import Draft, compose, draft_text
from brainview.phantom.world.drafts import draw_draft, siblings_of
from brainview.phantom.world.scene import Scene, graph_key

LEVELS = ("easy", "nsd", "hard")
POOLS = {"test": (0, 1), "reserve": (2,), "train": (3, 4, 5, 6, 7)}
_TRIES = 40


@dataclass(frozen=True)
class World:
    """The scenes of one phantom: training, test and a reserve that is never shown (the intruding thoughts)."""

    train: tuple[Scene, ...]
    test: tuple[Scene, ...]
    reserve: tuple[Scene, ...]
    seed: int
    level: str


def _rng(pool: str, seed: int, index: int, salt: int) -> np.random.Generator:
    word = hashlib.sha256(f"{pool}/{seed}/{index}/{salt}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(word, "little")))


def pool_of(draft: Draft) -> str:
    """Return the pool that a set of things belongs to, whatever happens among them."""
    digit = hashlib.sha256(draft_text(draft).encode()).digest()[0] % 8
    return next(pool for pool, digits in POOLS.items() if digit in digits)


def _family(rng: np.random.Generator, pool: str, members: int) -> list[Scene]:
    """Draw drafts until one of the pool can be composed with `members` different events."""
    for _ in range(4000):
        draft = draw_draft(rng, pair=members > 1)
        if pool_of(draft) != pool:
            continue
        scenes = []
        for event in siblings_of(draft, rng, members):
            scene = compose(replace(draft, event=event), rng)
            if scene is None:
                break
            scenes.append(scene)
        if len(scenes) == members:
            return scenes
    raise BrainViewError("no scene could be composed", where=f"phantom pool {pool}", remedy="Report the seed as a bug.")


def generate_scene(index: int, seed: int, level: str = "nsd", *, pool: str = "train", salt: int = 0,
                   paired: bool | None = None) -> Scene:
    """Make scene `index` of a pool alone; the same values always give the same scene.

    Parameters
    ----------
    index, seed, salt : int
        Number of the scene, seed of the world, and a number that picks another draw for the same index.
    level : str
        easy, nsd or hard; with "easy" test scenes have no siblings.
    pool : str
        train, test or reserve. Scenes 2k and 2k+1 of the test pool are siblings.
    paired : bool, optional
        Whether 2k and 2k+1 are siblings; by default in the test pool alone.
    """
    _check(level, pool)
    paired = pool == "test" and level != "easy" if paired is None else paired
    family = _family(_rng(pool, seed, index // 2 if paired else index, salt), pool, 2 if paired else 1)
    return _named(family[index % 2 if paired else 0], index, seed, level, pool, salt)


def _named(scene: Scene, index: int, seed: int, level: str, pool: str, salt: int) -> Scene:
    return replace(scene, id=f"{pool}-{index:05d}", level=level, key=(pool, seed, index, salt))


def _check(level: str, pool: str) -> None:
    if level not in LEVELS:
        raise BrainViewError(f"level {level!r} is not known", remedy=f"Take one of: {', '.join(LEVELS)}.")
    if pool not in POOLS:
        raise BrainViewError(f"pool {pool!r} is not known", remedy=f"Take one of: {', '.join(POOLS)}.")


def generate_scenes(
    n: int, seed: int, level: str = "nsd", *, pool: str = "train", unique: bool = False, context: JobContext = QUIET
) -> list[Scene]:
    """Make the first `n` scenes of a pool, in order; each equals what :func:`generate_scene` gives alone.

    With `unique` no two scenes say the same: a scene whose graph was seen before is drawn again with another salt
    (kept in ``scene.key``).
    """
    _check(level, pool)
    step = 2 if pool == "test" and level != "easy" else 1
    scenes: list[Scene] = []
    seen: set[str] = set()
    while len(scenes) < n:
        first, salt = len(scenes), 0
        while True:
            family = _family(_rng(pool, seed, first // step, salt), pool, step)
            keys = {graph_key(scene) for scene in family}
            if not unique or (len(keys) == step and not keys & seen):
                break
            salt += 1
        seen |= keys
        scenes += [_named(scene, first + k, seed, level, pool, salt) for k, scene in enumerate(family)]
        context.report(min(n, len(scenes)), n, f"{pool} scenes")
    return scenes[:n]


def generate_world(
    train: int, test: int, reserve: int, seed: int, level: str = "nsd", *, context: JobContext = QUIET
) -> World:
    """Make the scenes of a whole phantom.

    Test scenes say different things throughout and come as siblings (2k, 2k+1): the same setting and things, another
    event. No scene graph occurs in two of the three parts.
    """
    parts = {}
    for pool, count in (("train", train), ("test", test), ("reserve", reserve)):
        parts[pool] = tuple(generate_scenes(count, seed, level, pool=pool, unique=pool == "test", context=context))
    return World(**parts, seed=seed, level=level)


