"""The scene graph: frozen records that say everything a picture, a caption and a simulated brain need.

Positions are shares of the picture (0..1, x to the right, y downwards); heights are shares of the picture's height.
A record turns into plain JSON values and back without loss: floats are rounded once, when a scene is made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from brainview.core.errors import FormatError

FORMAT = 1


@dataclass(frozen=True)
class SceneObject:
    """One named thing of a scene.

    Attributes
    ----------
    noun, category : str
        A key of ``vocabulary.NOUNS`` and its category (person, animal, vehicle, food, furniture, word, object).
    coco : str or None
        The COCO class name, where there is one.
    color, size : str
        A colour of ``vocabulary.COLORS`` (of a person: the shirt) and small, medium or large.
    x, y : float
        Bottom centre of the thing's own frame (of a standing figure: the feet), shares of the picture.
    depth : float
        0 far .. 1 near; nearer things are drawn later.
    height : float
        Height of the thing's own frame as a share of the picture.
    facing : str
        left, right, front or back.
    action : str
        One of ``vocabulary.ACTIONS`` for people and animals, otherwise "".
    pose : str
        The drawn posture; mostly the action, sometimes finer ("reach", "receive", "hold").
    holds : int or None
        Index of the thing in its hands.
    support : int or None
        Index of the thing it rests on or rides; None = the ground, the air or a wall.
    text : str
        The word on a sign, otherwise "".
    tether : tuple of two floats, or None
        Where the string of a kite or the rope of something pulled ends.
    look : int
        Seed of the individual (hair, skin, coat, patterns).
    box : tuple of four floats
        Box of the visible pixels (x0, y0, x1, y1), measured when the scene was composed.
    visible : float
        Share of its silhouette that is inside the frame and not covered.
    """

    noun: str
    category: str
    coco: str | None
    color: str
    size: str
    x: float
    y: float
    depth: float
    height: float
    facing: str = "right"
    action: str = ""
    pose: str = ""
    holds: int | None = None
    support: int | None = None
    text: str = ""
    tether: tuple[float, float] | None = None
    look: int = 0
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    visible: float = 1.0

    @property
    def height_px(self) -> float:
        """Height of the frame in pixels of the 425-pixel picture."""
        return self.height * 425.0

    @property
    def position(self) -> str:
        """The cell of the 3 x 3 grid that holds the middle of the visible box, such as "bottom left"."""
        column = ("left", "center", "right")[min(2, int(1.5 * (self.box[0] + self.box[2])))]
        row = ("top", "middle", "bottom")[min(2, int(1.5 * (self.box[1] + self.box[3])))]
        return f"{row} {column}"


@dataclass(frozen=True)
class Relation:
    """`subject` stands in relation `name` (one of ``vocabulary.RELATIONS``) to `object`; both are object indices."""

    subject: int
    name: str
    object: int


@dataclass(frozen=True)
class Event:
    """Who does what to whom: object indices of the actor, the thing acted on and the one it is done to."""

    actor: int
    verb: str
    target: int | None = None
    recipient: int | None = None


@dataclass(frozen=True)
class Light:
    """Where the light comes from (degrees, 0 = from the right, 90 = from above), how strong and how warm."""

    angle: float
    strength: float
    level: float
    warmth: float


@dataclass(frozen=True)
class Scene:
    """A whole scene graph; `key` is (pool, seed, index, salt), from which it can be made again alone."""

    id: str
    scene: str
    objects: tuple[SceneObject, ...]
    relations: tuple[Relation, ...]
    event: Event
    light: Light
    look: int
    level: str
    key: tuple[str, int, int, int]

    @property
    def main(self) -> SceneObject:
        """The thing the picture is about."""
        return self.objects[0]

    @property
    def sign_text(self) -> str:
        """The word on the sign, "" without one."""
        return next((item.text for item in self.objects if item.text), "")

    def to_dict(self) -> dict[str, Any]:
        """Return the scene as plain JSON values."""
        return {"format": FORMAT, **_plain(asdict(self))}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scene:
        """Make a scene of what :meth:`to_dict` gave; raises FormatError on anything else."""
        try:
            if values["format"] != FORMAT:
                raise FormatError(f"scene graphs of format {values['format']!r} are not known",
                    remedy="Build it again.")
            pool, seed, index, salt = values["key"]
            return cls(
                id=str(values["id"]),
                scene=str(values["scene"]),
                objects=tuple(_object(item) for item in values["objects"]),
                relations=tuple(Relation(**item) for item in values["relations"]),
                event=Event(**values["event"]),
                light=Light(**values["light"]),
                look=int(values["look"]),
                level=str(values["level"]),
                key=(str(pool), int(seed), int(index), int(salt)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"not a scene graph of the phantom ({type(error).__name__}: {error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _object(values: dict[str, Any]) -> SceneObject:
    tether, box = values.get("tether"), values["box"]
    return SceneObject(**{**values, "tether": None if tether is None else tuple(tether), "box": tuple(box)})


def scene_hash(scene: Scene) -> str:
    """Return the SHA-256 (hex) of the whole scene graph; equal exactly when every value is equal."""
    text = json.dumps(scene.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def graph_text(scene: str, objects: tuple[tuple[str, ...], ...], event: Event) -> str:
    """Return the symbolic content as one line: scene type, the things, who does what."""
    things = ";".join("/".join(item) for item in objects)
    return f"{scene}|{things}|{event.actor},{event.verb},{event.target},{event.recipient}"


def graph_key(scene: Scene) -> str:
    """Return a hash of what the scene *says* (not where exactly things stand); pools never share one.

    Two scenes with one key have the same setting, the same things in the same colours and sizes with the same sign
    word, and the same event with the same roles.
    """
    things = tuple((item.noun, item.color, item.size, item.text) for item in scene.objects)
    return hashlib.sha256(graph_text(scene.scene, things, scene.event).encode()).hexdigest()[:16]
