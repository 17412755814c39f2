"""Clips: the actors of a scene in motion, two seconds in sixteen frames, drawn by the same renderer.

The feet, limbs, wings and wheels follow the action's cycle; whoever walks, runs, drives or is pushed also moves on,
together with what it holds, rides or pushes. The middle frame is (nearly) the still picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import pi, sin

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.phantom.draw.render import draw_scene
from brainview.phantom.world.layout import is_alive
from brainview.phantom.world.scene import Scene, SceneObject

FRAMES = 16
FRAMES_PER_SECOND = 8
# cycles in two seconds
CYCLES = {"walk": 2.0, "run": 3.0, "jump": 2.0, "dance": 2.0, "push": 2.0, "pull": 2.0, "carry walk": 2.0,
    "pedal": 2.0, "throw": 1.0}
# distance in two seconds, in heights of the one who moves
SPEED = {
    "walk": 0.30, "run": 0.75, "push": 0.22, "pull": 0.22, "carry walk": 0.28, "pedal": 0.6, "ride": 0.35,
    "drive": 0.5, "follow": 0.5, "sail": 0.25,
}  # fmt: skip


def clip_frames(scene: Scene, size: int = 160, frames: int = FRAMES) -> np.ndarray:
    """Draw a scene as a clip of two seconds.

    Parameters
    ----------
    scene : Scene
    size : int
        Side of a frame in pixels, 32 to 425.
    frames : int
        Number of frames, spread evenly over two seconds (16: eight a second).

    Returns
    -------
    (frames, size, size, 3) uint8

    Raises
    ------
    BrainViewError
        For a size or number of frames that no clip has.
    """
    if not 32 <= size <= 425 or not 2 <= frames <= 240:
        raise BrainViewError(f"a clip of {frames} frames of {size} px cannot be made",
            remedy="Take 2-240 frames of 32-425 px.")
    return frames_at(scene, [k / frames for k in range(frames)], size)


def frames_at(scene: Scene, times: Sequence[float], size: int = 160) -> np.ndarray:
    """Draw a scene at some moments (0..1 of the two seconds), (n, size, size, 3) uint8."""
    return np.stack([draw_scene(moment(scene, t), size, phase=_phase(scene, t)) for t in times])


def _phase(scene: Scene, t: float) -> float:
    actor = scene.objects[scene.event.actor]
    return (t * CYCLES.get(actor.pose, 1.0)) % 1.0


def moment(scene: Scene, t: float) -> Scene:
    """Return the scene graph at time `t` (0..1 of the two seconds): moved things have new places."""
    shifts = _shifts(scene, t)
    things = tuple(
        replace(
            thing,
            x=thing.x + dx,
            y=thing.y + dy,
            tether=None if thing.tether is None else (thing.tether[0] + shifts[scene.event.actor][0], thing.tether[1]),
        )
        for thing, (dx, dy) in zip(scene.objects, shifts, strict=True)
    )
    return replace(scene, objects=things)


def _shifts(scene: Scene, t: float) -> list[tuple[float, float]]:
    """Return how far each thing is from its place in the still picture."""
    shifts = [_own(thing, t) for thing in scene.objects]
    event = scene.event
    actor = scene.objects[event.actor]
    if event.target is not None:
        target = scene.objects[event.target]
        if event.verb in ("carry", "push", "pull", "ride") or (event.verb == "hug" and target.category == "animal"):
            if event.verb == "ride":
                shifts[event.target] = shifts[event.actor]
            else:
                shifts[event.target] = (shifts[event.actor][0], 0.0)
        elif event.verb in ("throw", "throw to", "catch"):
            shifts[event.target] = _arc(scene, actor, target, t)
        elif event.verb in ("chase", "follow"):
            shifts[event.target] = shifts[event.actor]
        elif event.verb == "fly":
            shifts[event.target] = (0.02 * sin(2 * pi * t), 0.03 * sin(2 * pi * t + 1))
    for k, thing in enumerate(scene.objects):
        if thing.support is not None and k != event.actor:
            shifts[k] = shifts[thing.support]
    return shifts


def _own(thing: SceneObject, t: float) -> tuple[float, float]:
    sign = -1.0 if thing.facing == "left" else 1.0
    if not is_alive(thing.noun) and thing.category != "vehicle":
        return 0.0, 0.0
    if thing.facing in ("front", "back"):
        return 0.0, 0.0
    if thing.pose == "fly" and thing.noun == "bird":
        return sign * (t - 0.5) * 0.12, 0.015 * sin(4 * pi * t)
    return sign * (t - 0.5) * SPEED.get(thing.pose, 0.0) * min(thing.height, 0.35), 0.0


def _arc(scene: Scene, actor: SceneObject, ball: SceneObject, t: float) -> tuple[float, float]:
    """Return the ball's way: away from one who throws, towards one who catches, from hand to hand with two."""
    sign = -1.0 if actor.facing == "left" else 1.0
    reach = 0.30 * actor.height
    if scene.event.verb == "throw to" and scene.event.recipient is not None:
        half = 0.5 * abs(scene.objects[scene.event.recipient].x - actor.x) - 0.4 * actor.height
        return sign * (2 * t - 1) * max(half, 0.05), 0.25 * actor.height * ((2 * t - 1) ** 2)
    way = t if scene.event.verb == "throw" else 1.0 - t
    return sign * reach * 2.2 * (way - 0.15), actor.height * (0.35 * (way - 0.35) ** 2 - 0.04)


def motion_energy(clip: np.ndarray) -> np.ndarray:
    """Return the squared luminance change between neighbouring frames, (frames - 1, h, w) float32, 0..1 units."""
    gray = clip.astype(np.float32).mean(-1) / 255.0
    return np.diff(gray, axis=0) ** 2
