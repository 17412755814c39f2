"""Which things, attributes and relations two texts share: an element F1 without a model, and CAPTURE's formula.

The parser is a word list, no scene-graph model: it knows the nouns, attributes and relation words it is given. The
score is therefore called *element F1*, never CAPTURE; CAPTURE's own formula is applied to its three F values by
:func:`capture` (foundation-multimodal-models/CAPTURE: weights 5, 5 and 2), and to elements of any other parser.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

#: Words for the same thing; the first is the name. Classes of COCO as captions call them, and a few more.
SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("person", "people", "human"), ("woman", "lady"), ("man", "guy", "gentleman"), ("girl",), ("boy",),
    ("baby", "infant", "toddler"), ("chef", "cook"), ("dog", "puppy"), ("cat", "kitten"), ("horse", "pony"),
    ("cow", "bull"), ("bird",), ("sheep", "lamb"), ("elephant",), ("duck",), ("bear",), ("zebra",), ("giraffe",),
    ("car", "automobile"), ("bus",), ("bicycle", "bike"), ("motorcycle", "motorbike"), ("airplane", "plane"),
    ("boat", "ship", "sailboat"), ("train", "locomotive"), ("truck", "lorry"), ("apple",), ("banana",), ("pizza",),
    ("cake",), ("bread", "loaf"), ("sandwich",), ("carrot",), ("ice cream",), ("orange fruit",), ("broccoli",),
    ("hot dog", "hotdog"), ("donut", "doughnut"), ("chair",), ("table", "dining table"), ("sofa", "couch"), ("bed",),
    ("lamp",), ("sign", "board"), ("poster",), ("ball", "sports ball"), ("umbrella", "parasol"), ("kite",), ("book",),
    ("cup", "mug"), ("bottle",), ("bowl",), ("fork",), ("knife",), ("spoon",), ("wine glass",), ("tv", "television"),
    ("laptop",), ("cell phone", "phone"), ("keyboard",), ("mouse",), ("oven", "stove"), ("sink",), ("toilet",),
    ("refrigerator", "fridge"), ("clock",), ("vase",), ("teddy bear",), ("surfboard",), ("skateboard",), ("snowboard",),
    ("skis",), ("frisbee",), ("baseball bat",), ("tennis racket", "racket"), ("backpack",), ("handbag",), ("tie",),
    ("suitcase",), ("traffic light",), ("fire hydrant",), ("stop sign",), ("bench",), ("potted plant",),
    ("park",), ("street", "road"), ("beach", "seaside"), ("forest", "woods"), ("mountain",), ("farm",), ("kitchen",),
    ("living room",), ("bedroom",), ("classroom",), ("shop", "store"), ("station",),
)  # fmt: skip
#: Names of SYNONYMS that are where a picture plays, not a thing in it.
PLACES = frozenset(("park", "street", "beach", "forest", "mountain", "farm", "kitchen", "living room", "bedroom",
                    "classroom", "shop", "station"))
ATTRIBUTES = ("red", "orange", "yellow", "green", "blue", "pink", "brown", "black", "white", "gray", "purple", "small",
              "large", "tall", "young", "old", "wooden")
#: Longest first, because "to the left of" holds "of".
RELATIONS = ("to the left of", "to the right of", "next to", "in front of", "on top of", "behind", "beside", "under",
             "above", "holding", "riding", "looking at", "sitting on", "standing on", "near", "with", "on", "in", "at")
_SAME = {"beside": "next to", "near": "next to", "at": "in"}
_IRREGULAR = {"women": "woman", "men": "man", "people": "person", "babies": "baby", "buses": "bus", "couches": "sofa",
              "loaves": "bread", "sandwiches": "sandwich", "knives": "knife", "children": "child"}
CAPTURE_WEIGHTS = (0.5, 0.5, 0.2)


@dataclass(frozen=True)
class Elements:
    """Objects, (object, attribute) and (object, relation, object), each once."""

    objects: frozenset[str]
    attributes: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    relations: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)


_NAMES = {word: group[0] for group in SYNONYMS for word in group}
_PATTERN = re.compile(r"\b(" + "|".join(re.escape(w) for w in sorted(
    [*_NAMES, *ATTRIBUTES, *RELATIONS, *_IRREGULAR], key=len, reverse=True)) + r")(?:es|s)?\b")


def parse(text: str) -> Elements:
    """Return the elements of a text; any text, of any length, is fine."""
    objects: set[str] = set()
    attributes: set[tuple[str, str]] = set()
    relations: set[tuple[str, str, str]] = set()
    for sentence in re.split(r"[.!?\n]+", text.lower()):
        waiting: list[str] = []
        last, link = "", ""
        end = 0
        for match in _PATTERN.finditer(sentence):
            word = _IRREGULAR.get(match.group(1), match.group(1))
            if "," in sentence[end:match.start()] or " and " in sentence[end:match.start()]:
                waiting = []
            end = match.end()
            if word in ATTRIBUTES:
                waiting.append(word)
            elif word in _NAMES:
                name = _NAMES[word]
                objects.add(name)
                attributes |= {(name, a) for a in waiting}
                if last and link:
                    relations.add((last, _SAME.get(link, link), name))
                last, link, waiting = name, "", []
            elif word in RELATIONS:
                link, waiting = word, []
            after = re.match(r" is (\w+)", sentence[end:])
            if word in _NAMES and after and after.group(1) in ATTRIBUTES:
                attributes.add((_NAMES[word], after.group(1)))
    return Elements(frozenset(objects), frozenset(attributes), frozenset(relations))


def union(texts: Iterable[str]) -> Elements:
    """Return the elements that any of the texts names."""
    parsed = [parse(t) for t in texts]
    return Elements(frozenset().union(*(p.objects for p in parsed)),
                    frozenset().union(*(p.attributes for p in parsed)),
                    frozenset().union(*(p.relations for p in parsed)))


def f_score(candidate: Collection, reference: Collection) -> tuple[float, float, float]:
    """Return (precision, recall, F1) of two sets; two empty sets agree, an empty one alone scores 0."""
    if not candidate and not reference:
        return 1.0, 1.0, 1.0
    common = len(set(candidate) & set(reference))
    precision = common / len(candidate) if candidate else 0.0
    recall = common / len(reference) if reference else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if common else 0.0


def capture(objects: float, attributes: float, relations: float,
            weights: Sequence[float] = CAPTURE_WEIGHTS) -> float:
    """Return CAPTURE's weighted mean of three F values: (0.5 F_obj + 0.5 F_attr + 0.2 F_rel) / 1.2."""
    a, b, c = weights
    return (a * objects + b * attributes + c * relations) / (a + b + c)


def element_scores(candidates: Mapping[str, str], references: Mapping[str, Iterable[str]]) -> dict[str, np.ndarray]:
    """Return (n,) F1 of objects, attributes and relations and their CAPTURE mean, in the order of `references`.

    The reference of an image is the union of its texts' elements. A missing candidate counts as an empty text.
    """
    rows = []
    for key, texts in references.items():
        found, wanted = parse(str(candidates.get(key, ""))), union(texts)
        rows.append([f_score(found.objects, wanted.objects)[2], f_score(found.attributes, wanted.attributes)[2],
                     f_score(found.relations, wanted.relations)[2]])
    table = np.array(rows, float).reshape(-1, 3)
    return {"objects": table[:, 0], "attributes": table[:, 1], "relations": table[:, 2],
            "capture": table @ np.array(CAPTURE_WEIGHTS) / sum(CAPTURE_WEIGHTS)}
