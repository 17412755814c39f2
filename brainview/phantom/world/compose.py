"""From a draft to a scene: placing, measuring with real silhouettes, refusing what cannot be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brainview.phantom.world.layout import Item, arrange_group, extent, ground_at, is_alive, natural_height
from brainview.phantom.world.plots import RELATION_OF
from brainview.phantom.world.scene import Event, Light, Relation, Scene, SceneObject, graph_text
from brainview.phantom.world.vocabulary import INDOORS, NOUNS

MIN_VISIBLE = 0.55
MIN_VISIBLE_SIGN = 0.92
MIN_SIDE_PX = 24
MAX_IOU = 0.40
MIN_LETTER_PX = 22.0
LETTER_SHARE = {"board": 0.24, "poster": 0.15}
_TRIES = 14


@dataclass(frozen=True)
class Draft:
    """A setting, its things and an event, without places."""

    scene: str
    nouns: tuple[str, ...]
    colors: tuple[str, ...]
    sizes: tuple[str, ...]
    words: tuple[str, ...]
    looks: tuple[int, ...]
    odd: int | None
    event: Event


def draft_text(draft: Draft) -> str:
    """Return setting and things as one line; siblings share it."""
    things = tuple(zip(draft.nouns, draft.colors, draft.words, strict=True))
    return graph_text(draft.scene, things, Event(0, ""))


def compose(draft: Draft, rng: np.random.Generator) -> Scene | None:
    """Return the draft as a scene in which every thing is seen well, None when no placement was found.

    Seen well: at least 55 % of each silhouette uncovered (signs 92 %), at least 24 px on the short side at 425 px,
    letters at least 22 px high, and no two boxes with an IoU above 0.4.
    """
    for _ in range(_TRIES):
        scene = _place(draft, rng)
        if scene is None:
            continue
        measured = measure(scene)
        if measured is not None:
            return replace(measured, relations=_relations(measured))
    return None


def _place(draft: Draft, rng: np.random.Generator) -> Scene | None:
    rows = zip(draft.nouns, draft.colors, draft.sizes, draft.words, draft.looks, strict=True)
    items = [Item(*row) for row in rows]
    involved = {draft.event.actor, draft.event.target, draft.event.recipient}
    for i, item in enumerate(items):
        if i in involved and len(involved - {None}) > 1:
            item.size = "medium"  # things in use have the size that fits the user
        item.h = natural_height(item)
    members = arrange_group(items, draft.event, rng)
    placed: dict[int, SceneObject] = {}
    _settle_group(draft, items, members, rng, placed)
    for i, item in enumerate(items):
        if i not in placed and not _settle_one(draft, item, i, rng, placed):
            return None
    return Scene(
        id="",
        scene=draft.scene,
        objects=tuple(placed[i] for i in range(len(items))),
        relations=(),
        event=draft.event,
        light=_light(draft.scene, rng),
        look=int(rng.integers(1 << 30)),
        level="nsd",
        key=("train", 0, 0, 0),
    )


def _light(scene: str, rng: np.random.Generator) -> Light:
    spread = 0.24 if scene in INDOORS else 0.28
    level = float(np.clip(0.92 * np.exp(spread * rng.standard_normal()), 0.50, 1.22))
    return Light(
        angle=round(float(rng.uniform(25, 155)), 1),
        strength=round(float(rng.uniform(0.18, 0.34)), 3),
        level=round(level, 3),
        warmth=round(float(rng.uniform(-0.5, 1.0)), 3),
    )


def _unit(depth: float, rng: np.random.Generator) -> float:
    return (50.0 + 170.0 * depth) / 425.0 * float(rng.uniform(0.92, 1.10))


def _settle_group(
    draft: Draft, items: list[Item], members: list[int], rng: np.random.Generator, placed: dict[int, SceneObject]
) -> None:
    """Scale the group so that it fills a good part of the picture and set its main thing near the middle."""
    left, right, tall = extent(items, members)
    crowded = len(items) > len(members)
    depth = float(rng.uniform(0.60, 1.0))
    first = items[members[0]]
    scene = draft.scene
    boat = any(items[i].noun == "boat" for i in members)
    foot = ground_at(scene, depth, "boat" if boat and first.noun == "boat" else "")
    unit = _unit(depth, rng)
    if first.noun == "boat" and scene in ("beach", "mountain"):
        unit = (90 + 60 * depth) / 425
    reach = max(tall, 0.6 * (right - left))
    if reach < 1.0:  # a still life, or one animal, is seen from nearer by
        unit *= min(2.2, 1.0 / reach)
    unit *= 1.2 if not crowded else 1.08
    limit = 0.74 if crowded else 0.93
    unit = min(unit, limit / (right - left), (foot - 0.04) / tall)
    main = items[0] if 0 in members else first
    low, high = 0.03 - left * unit, 0.97 - right * unit
    center = float(np.clip(0.5 + 0.09 * rng.standard_normal(), 0.25, 0.75)) - main.dx * unit
    x = float(np.clip(center, low, max(low, high)))
    for i in members:
        item = items[i]
        placed[i] = _object(item, x + item.dx * unit, foot + item.dy * unit, depth + item.dz, unit, (x, foot))


def _object(item: Item, x: float, y: float, depth: float, unit: float, origin: tuple[float, float]) -> SceneObject:
    entry = NOUNS[item.noun]
    tether = None
    if item.tether is not None:
        tether = (round(origin[0] + item.tether[0] * unit, 4), round(origin[1] + item.tether[1] * unit, 4))
    return SceneObject(
        noun=item.noun, category=entry.category, coco=entry.coco, color=item.color, size=item.size,
        x=round(x, 4), y=round(y, 4), depth=round(float(np.clip(depth, 0.0, 1.0)), 4), height=round(item.h * unit, 4),
        facing=item.facing, action=item.action, pose=item.pose, holds=item.holds, support=item.support,
        text=item.text, tether=tether, look=item.look,
    )  # fmt: skip


def _settle_one(
    draft: Draft, item: Item, index: int, rng: np.random.Generator, placed: dict[int, SceneObject]
) -> bool:
    """Find a free place for a thing that takes no part in the event; on a table where that is natural."""
    if _on_furniture(draft, item, rng, placed):
        support, thing = _on_top(draft, item, rng, placed)
        if thing is not None and not _clashes(thing, placed, support):
            placed[index] = thing
            return True
    _idle(item, rng)
    for _ in range(25):
        depth = float(rng.uniform(0.05, 1.0))
        unit = _unit(depth, rng)
        least = _least_height(item) / 425.0
        h = max(item.h * unit, least)
        if item.h * unit < least:
            unit = h / item.h
        y = ground_at(draft.scene, depth, item.noun)
        if item.noun == "poster" and draft.scene in INDOORS:
            depth, y = 0.0, float(rng.uniform(0.52, 0.60))
        elif item.noun == "kite":
            y = float(rng.uniform(0.25, 0.38))
        elif item.noun == "bird" and item.pose == "fly":
            y = float(rng.uniform(0.18, 0.40))
        half = 0.5 * item.width * unit
        if half > 0.46 or y - item.tall * unit < 0.02:
            continue
        x = float(rng.uniform(0.03 + half, 0.97 - half))
        thing = _object(item, x, y, depth, unit, (x, y))
        if not _clashes(thing, placed, None):
            placed[index] = thing
            return True
    return False


def _least_height(item: Item) -> float:
    if item.text:
        return MIN_LETTER_PX * 1.06 / LETTER_SHARE[item.noun]
    return 38.0 / min(1.0, NOUNS[item.noun].aspect)


def _idle(item: Item, rng: np.random.Generator) -> None:
    sign = "right" if rng.random() < 0.5 else "left"
    item.facing = sign
    if not is_alive(item.noun):
        item.pose = "park" if NOUNS[item.noun].category == "vehicle" else "rest"
        return
    choices = {"baby": ("sit",), "bird": ("stand", "fly"), "duck": ("stand", "walk")}.get(item.noun, ("stand", "walk"))
    pick = choices[int(rng.integers(len(choices)))]
    item.action = item.pose = pick
    if item.noun == "baby":
        item.pose = "baby sit"
    elif pick == "fly":
        item.action = ""
    elif NOUNS[item.noun].category == "person":
        item.facing = (sign, "front", "back", sign)[int(rng.integers(4))]


def _on_furniture(draft: Draft, item: Item, rng: np.random.Generator, placed: dict[int, SceneObject]) -> bool:
    small = NOUNS[item.noun].category in ("food", "object") and item.noun not in ("kite", "umbrella")
    return small and any(thing.noun == "table" for thing in placed.values()) and rng.random() < 0.85


def _on_top(
    draft: Draft, item: Item, rng: np.random.Generator, placed: dict[int, SceneObject]
) -> tuple[int, SceneObject | None]:
    support = next(i for i, thing in placed.items() if thing.noun == "table")
    table = placed[support]
    unit = table.height / (NOUNS["table"].height * {"small": 0.8, "medium": 1.0, "large": 1.25}[table.size])
    unit = max(unit, 34.0 / 425.0 / item.h)
    room = 0.5 * table.height * NOUNS["table"].aspect - 0.5 * item.width * unit - 0.01
    if room <= 0:
        return support, None
    item.support, item.pose = support, "rest"
    x = table.x + float(rng.uniform(-1, 1)) * room
    thing = _object(item, x, table.y - table.height, table.depth + 0.003, unit, (x, table.y))
    return support, thing


def frame_of(thing: SceneObject) -> tuple[float, float, float, float]:
    """Return the frame (x0, y0, x1, y1) in which a thing is meant to be drawn, shares of the picture."""
    item = Item(thing.noun, thing.color, thing.size, thing.text, 0, h=thing.height, pose=thing.pose)
    return thing.x - 0.5 * item.width, thing.y - item.tall, thing.x + 0.5 * item.width, thing.y


def _clashes(thing: SceneObject, placed: dict[int, SceneObject], support: int | None) -> bool:
    """Tell whether a frame covers too much of another; quick, before silhouettes are drawn."""
    a = frame_of(thing)
    for i, other in placed.items():
        b = frame_of(other)
        wide = min(a[2], b[2]) - max(a[0], b[0])
        high = min(a[3], b[3]) - max(a[1], b[1])
        if wide <= 0 or high <= 0 or i == support:
            continue
        smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
        if wide * high > (0.05 if thing.text or other.text else 0.22) * smaller:
            return True
    return False


def measure(scene: Scene, size: int = 142) -> Scene | None:
    """Return the scene with measured boxes and visible shares, None when a rule of sight is broken."""
    from brainview.phantom.draw.render import silhouettes  # the one use of drawing here; draw imports world

    full, seen = silhouettes(scene, size)
    if full is None:
        return None
    things, scale = [], 425.0 / size
    for i, thing in enumerate(scene.objects):
        area = int(full[i].sum())
        ys, xs = np.nonzero(seen[i])
        if area == 0 or not len(xs):
            return None
        share = len(xs) / area
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        sides = ((box[2] - box[0]) * scale, (box[3] - box[1]) * scale)
        if share < (MIN_VISIBLE_SIGN if thing.text else MIN_VISIBLE) or min(sides) < MIN_SIDE_PX + 1.5 * scale:
            return None
        things.append(replace(thing, box=_shares(box, size), visible=round(share, 3)))
    for i in range(len(things)):
        for j in range(i):
            if box_iou(things[i].box, things[j].box) > MAX_IOU - 0.03:
                return None
    return replace(scene, objects=tuple(things))


def _shares(box: tuple[int, int, int, int], size: int) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(v / size, 4) for v in box)
    return x0, y0, x1, y1


def box_iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Return intersection over union of two boxes (x0, y0, x1, y1)."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _relations(scene: Scene) -> tuple[Relation, ...]:
    """Return the planted relations, then those that the finished picture shows (at most four in all)."""
    event, found = scene.event, []
    name = RELATION_OF.get(event.verb)
    if name == "looking at" and not is_alive(scene.objects[event.actor].noun):
        name = None
    if name is not None and event.target is not None:
        found.append(Relation(event.actor, name, event.target))
    linked = {(event.actor, event.target), (event.target, event.actor)}
    for i, thing in enumerate(scene.objects):
        if thing.support is not None and (i, thing.support) not in linked:
            found.append(Relation(i, "on", thing.support))
            linked |= {(i, thing.support), (thing.support, i)}
    for i in range(len(scene.objects)):
        for j in range(len(scene.objects)):
            if i == j or (i, j) in linked:
                continue
            seen = _seen_relation(scene.objects[i], scene.objects[j])
            if seen:
                found.append(Relation(i, seen, j))
                linked |= {(i, j), (j, i)}
    return tuple(found[:4])


def _seen_relation(a: SceneObject, b: SceneObject) -> str | None:
    """Return how `a` stands to `b` to the eye: behind, beside or left of; None when that is not plain."""
    if a.support is not None or b.support is not None or "kite" in (a.noun, b.noun):
        middle_a, middle_b = a.box[0] + a.box[2], b.box[0] + b.box[2]
        return "left of" if middle_b - middle_a > 0.3 and a.box[2] < b.box[0] + 0.02 else None
    overlap = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    smaller = min(a.box[2] - a.box[0], b.box[2] - b.box[0])
    on_ground = a.pose != "fly" and b.pose != "fly" and "poster" not in (a.noun, b.noun)
    if on_ground and b.depth - a.depth > 0.18 and overlap > 0.35 * smaller and b.box[3] - a.box[3] > 0.04:
        return "behind"
    if on_ground and abs(a.depth - b.depth) < 0.12 and -0.10 < overlap < 0.3 * smaller:
        return "beside"
    if b.box[0] - a.box[2] > -0.25 * smaller and (b.box[0] + b.box[2]) - (a.box[0] + a.box[2]) > 0.3:
        return "left of"
    return None
