"""Scene graphs of the phantom's stimuli: what is there, who does what to whom, and where it stands."""

from brainview.phantom.world.codes import (
    CODE_SIZE,
    CodeScale,
    caption_code,
    caption_codes,
    code_features,
    code_scale,
    feature_names,
)
from brainview.phantom.world.generate import World, generate_scene, generate_scenes, generate_world
from brainview.phantom.world.scene import Event, Light, Relation, Scene, SceneObject, graph_key, scene_hash
from brainview.phantom.world.summary import PIXELS_PER_DEGREE, ObjectSummary, object_summaries
from brainview.phantom.world.vocabulary import (
    ACTIONS,
    CATEGORIES,
    COLORS,
    NOUNS,
    POSITIONS,
    RELATIONS,
    SCENES,
    SIGN_WORDS,
    SIZES,
)

__all__ = [
    "ACTIONS",
    "CATEGORIES",
    "CODE_SIZE",
    "COLORS",
    "NOUNS",
    "PIXELS_PER_DEGREE",
    "POSITIONS",
    "RELATIONS",
    "SCENES",
    "SIGN_WORDS",
    "SIZES",
    "CodeScale",
    "Event",
    "Light",
    "ObjectSummary",
    "Relation",
    "Scene",
    "SceneObject",
    "World",
    "caption_code",
    "caption_codes",
    "code_features",
    "code_scale",
    "feature_names",
    "generate_scene",
    "generate_scenes",
    "generate_world",
    "graph_key",
    "object_summaries",
    "scene_hash",
]
