"""The words of the world: settings, things, colours, actions; and what each thing is like.

A thing's `height` is a share of an adult's height at the same depth (stylised: small things are drawn larger than
life, so that they can be recognised), `aspect` the width of its frame over its height.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Noun:
    """What a thing is and what can be done with it."""

    category: str
    coco: str | None
    height: float
    aspect: float
    colors: tuple[str, ...]
    places: frozenset[str] = field(default_factory=frozenset)
    top: float = 1.0  # height of the surface something can rest on, share of the frame
    words: tuple[str, ...] = ()  # how captions may call it; the first is the plain word


@dataclass(frozen=True)
class Setting:
    """A scene type: how it is named, whether it is indoors, and where its ground begins (share of the height)."""

    phrase: str
    words: tuple[str, ...]
    indoors: bool
    ground: float
    backdrop: str


COLORS = ("red", "orange", "yellow", "green", "blue", "pink", "brown", "black", "white", "gray")
SIZES = ("small", "medium", "large")
SIZE_FACTOR = {"small": 0.80, "medium": 1.0, "large": 1.25}
POSITIONS = tuple(f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "center", "right"))
RELATIONS = ("left of", "behind", "on", "under", "beside", "holding", "riding", "looking at")
ACTIONS = (
    "walk", "run", "jump", "wave", "sit", "stand", "ride", "eat", "drink", "read",
    "throw", "catch", "push", "pull", "carry", "point", "dance", "sleep", "climb", "hug",
)  # fmt: skip
CATEGORIES = ("person", "animal", "vehicle", "food", "furniture", "word", "object")

SETTINGS: dict[str, Setting] = {
    "park": Setting("in the park", ("park",), False, 0.60, "trees and a path"),
    "street": Setting("on the street", ("street", "road"), False, 0.62, "tall houses"),
    "beach": Setting("on the beach", ("beach", "seaside"), False, 0.66, "the sea"),
    "forest": Setting("in the forest", ("forest", "woods"), False, 0.62, "tall trees"),
    "mountain": Setting("in the mountains", ("mountains",), False, 0.62, "snowy peaks"),
    "farm": Setting("on the farm", ("farm",), False, 0.58, "a red barn"),
    "kitchen": Setting("in the kitchen", ("kitchen",), True, 0.66, "a stove and cupboards"),
    "living room": Setting("in the living room", ("living room",), True, 0.66, "a fireplace"),
    "bedroom": Setting("in the bedroom", ("bedroom",), True, 0.66, "a window with the moon"),
    "classroom": Setting("in the classroom", ("classroom",), True, 0.66, "a large chalkboard"),
    "shop": Setting("in the shop", ("shop", "store"), True, 0.66, "full shelves"),
    "station": Setting("at the station", ("station",), True, 0.64, "rails and columns"),
}
SCENES = tuple(SETTINGS)
OUTDOORS = frozenset(name for name, setting in SETTINGS.items() if not setting.indoors)
INDOORS = frozenset(SETTINGS) - OUTDOORS
HOME = frozenset({"kitchen", "living room", "bedroom", "classroom", "shop"})
FIELDS = frozenset({"park", "farm", "forest", "mountain"})
ROADS = frozenset({"street", "farm", "park", "mountain", "station"})
ANY = frozenset(SETTINGS)

_CLOTHES = ("red", "orange", "yellow", "green", "blue", "pink", "white", "black")
_PAINT = ("red", "orange", "yellow", "green", "blue", "white", "gray")
_WOOD = ("brown", "white", "black", "red", "green", "blue")
_CLOTH = ("red", "green", "blue", "orange", "pink", "brown", "white")


def _n(category, coco, height, aspect, colors, places=ANY, top=1.0, words=()):  # a short table row
    return Noun(category, coco, height, aspect, tuple(colors), frozenset(places), top, tuple(words))


NOUNS: dict[str, Noun] = {
    "woman": _n("person", "person", 0.97, 0.42, _CLOTHES, words=("woman", "lady")),
    "man": _n("person", "person", 1.02, 0.42, _CLOTHES, words=("man",)),
    "girl": _n("person", "person", 0.78, 0.44, _CLOTHES, words=("girl",)),
    "boy": _n("person", "person", 0.78, 0.44, _CLOTHES, words=("boy",)),
    "baby": _n("person", "person", 0.52, 0.80, _CLOTHES, words=("baby",)),
    "chef": _n("person", "person", 1.12, 0.42, _CLOTHES, HOME, words=("chef", "cook")),
    "dog": _n("animal", "dog", 0.50, 1.25, ("brown", "black", "white", "orange"),
        OUTDOORS | {"living room", "kitchen", "bedroom"}),
    "cat": _n("animal", "cat", 0.44, 1.20, ("orange", "black", "white", "brown"), OUTDOORS | HOME),
    "horse": _n("animal", "horse", 0.98, 1.20, ("brown", "black", "white"), FIELDS | {"beach"}, top=0.62),
    "cow": _n("animal", "cow", 0.80, 1.45, ("white", "brown", "black"), FIELDS),
    "bird": _n("animal", "bird", 0.34, 1.15, ("blue", "red", "yellow", "black", "green"), OUTDOORS),
    "sheep": _n("animal", "sheep", 0.56, 1.30, ("white", "black"), FIELDS),
    "elephant": _n("animal", "elephant", 1.10, 1.40, ("gray",), FIELDS | {"beach", "street"}, top=0.80),
    "duck": _n("animal", "bird", 0.40, 1.15, ("yellow", "white", "brown"),
        {"park", "farm", "beach", "forest", "mountain"}),
    "car": _n("vehicle", "car", 0.58, 2.10, _PAINT, ROADS | {"beach"}),
    "bus": _n("vehicle", "bus", 0.95, 1.90, _PAINT, ROADS - {"park"}),
    "bicycle": _n("vehicle", "bicycle", 0.68, 1.55, _PAINT, OUTDOORS | {"station"}, top=0.86,
        words=("bicycle", "bike")),
    "boat": _n("vehicle", "boat", 0.80, 1.25, _PAINT, {"beach", "mountain"}),
    "train": _n("vehicle", "train", 0.80, 2.40, ("red", "green", "blue", "orange", "yellow", "black"),
        {"station", "mountain", "farm"}),
    "truck": _n("vehicle", "truck", 0.85, 1.80, _PAINT, ROADS - {"park"}),
    "apple": _n("food", "apple", 0.30, 0.95, ("red", "green", "yellow"), HOME | {"park", "farm"}),
    "banana": _n("food", "banana", 0.28, 1.35, ("yellow", "green"), HOME | {"park", "beach"}),
    "pizza": _n("food", "pizza", 0.26, 1.90, ("red", "orange", "yellow"), HOME),
    "cake": _n("food", "cake", 0.36, 1.15, ("pink", "white", "brown", "yellow"), HOME | {"park"}),
    "bread": _n("food", None, 0.28, 1.75, ("brown", "orange"), HOME),
    "sandwich": _n("food", "sandwich", 0.28, 1.55, ("brown", "white"), HOME | {"park", "beach"}),
    "carrot": _n("food", "carrot", 0.32, 0.80, ("orange",), HOME | {"farm"}),
    "ice cream": _n("food", None, 0.38, 0.55, ("pink", "white", "brown", "green"), HOME | {"park", "beach", "street"}),
    "chair": _n("furniture", "chair", 0.58, 0.75, _WOOD, HOME, top=0.50),
    "table": _n("furniture", "dining table", 0.50, 2.00, _WOOD, HOME, top=1.0),
    "sofa": _n("furniture", "couch", 0.54, 2.10, _CLOTH, HOME - {"kitchen", "classroom"}, top=0.56,
        words=("sofa", "couch")),
    "bed": _n("furniture", "bed", 0.52, 2.50, _CLOTH, {"bedroom", "living room", "shop"}, top=0.60),
    "lamp": _n("furniture", None, 0.74, 0.45, _CLOTH, HOME),
    "board": _n("word", None, 0.80, 1.0, _PAINT, ANY, words=("sign",)),
    "poster": _n("word", None, 0.78, 0.85, _PAINT, ANY, words=("poster",)),
    "ball": _n("object", "sports ball", 0.30, 1.0, _CLOTHES, ANY),
    "umbrella": _n("object", "umbrella", 0.66, 1.05, _CLOTHES, OUTDOORS | {"shop", "station"}),
    "kite": _n("object", "kite", 0.52, 0.80, _CLOTHES, OUTDOORS - {"forest"}),
    "book": _n("object", "book", 0.28, 1.35, _CLOTHES, HOME | {"park", "beach", "station"}),
    "cup": _n("object", "cup", 0.30, 1.05, _CLOTHES, HOME | {"station"}),
}  # fmt: skip

SIGN_WORDS = (
    "BUS", "SUN", "ZOO", "TEA", "OPEN", "STOP", "SALE", "EXIT", "CAFE", "TAXI", "MILK", "LOVE",
    "FISH", "RAIN", "HELLO", "MUSIC", "FRESH", "QUIET", "PARTY", "SCHOOL", "DANGER", "SUMMER", "WELCOME", "TICKETS",
)  # fmt: skip

PEOPLE = tuple(noun for noun, entry in NOUNS.items() if entry.category == "person")
ANIMALS = tuple(noun for noun, entry in NOUNS.items() if entry.category == "animal")
VEHICLES = tuple(noun for noun, entry in NOUNS.items() if entry.category == "vehicle")
FOODS = tuple(noun for noun, entry in NOUNS.items() if entry.category == "food")
FURNITURE = tuple(noun for noun, entry in NOUNS.items() if entry.category == "furniture")
SIGNS = tuple(noun for noun, entry in NOUNS.items() if entry.category == "word")
THINGS = tuple(noun for noun, entry in NOUNS.items() if entry.category == "object")


def nouns_of(category: str) -> tuple[str, ...]:
    """Return the nouns of a category in the order of the vocabulary."""
    return tuple(noun for noun, entry in NOUNS.items() if entry.category == category)


def fits(noun: str, scene: str) -> bool:
    """Tell whether a thing is at home in a setting."""
    return scene in NOUNS[noun].places
