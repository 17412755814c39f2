"""The methods paragraph of what is on screen, with its citations: every number comes from the run's card or the map.

What the card does not say is not said. A phantom is called a simulation in the first sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brainview import __version__
from brainview.core.errors import MissingError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import threshold_value
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace, VolumeSpace
from brainview.state.app import GROUP, AppState
from brainview.state.citations import CITATIONS, Citation
from brainview.state.view import ViewState

#: Layouts whose real data have a paper of their own.
LAYOUTS = {"nsd": "Natural Scenes Dataset", "algonauts2023": "Algonauts 2023 release of the Natural Scenes Dataset",
           "had": "Human Action Dataset", "mindeye": "MindEye release of the Natural Scenes Dataset",
           "mindeye2": "MindEye2 release of the Natural Scenes Dataset"}


class Methods:
    """Sentences and the works that they cite, in the order of their first mention."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.cited: list[str] = []

    def say(self, text: str) -> None:
        """Add a sentence."""
        self.sentences.append(text)

    def cite(self, *keys: str) -> str:
        """Return ``(Allen et al., 2022)`` and remember the works."""
        self.cited += [k for k in keys if k not in self.cited]
        return "(" + "; ".join(CITATIONS[k].short for k in keys) + ")"

    @property
    def works(self) -> list[Citation]:
        """The cited works."""
        return [CITATIONS[k] for k in self.cited]

    def text(self) -> str:
        """Return paragraph and list of references, ready to paste."""
        return " ".join(self.sentences) + "\n\nReferences\n" + "\n".join(w.line() for w in self.works) + "\n"


def methods(app: AppState, view: ViewState, drawn: BrainMap | None) -> Methods:
    """Return the paragraph about what is drawn; raises MissingError when nothing is.

    Parameters
    ----------
    drawn : BrainMap or None
        The map in its own space.
    """
    if drawn is None:
        raise MissingError("there is no map on screen", remedy="Open one first.")
    out = Methods()
    _data(out, app, drawn)
    _space(out, drawn.space)
    kind = app.source.kind
    if app.run is not None and kind in ("metric", "predicted", "difference", "picture", "significance", "count",
                                        "attribution"):
        card = app.run.card
        _model(out, app, card)
        _split(out, card)
        if kind in ("metric", "significance", "count"):
            _scores(out, app, card)
    elif kind == "ceiling" and app.subject is not None and app.subject.ceiling is not None:
        out.say(f"Noise ceiling: {shown(drawn.definition, limit=600)} {out.cite('ceiling')}")
    _statistics(out, app, drawn)
    _picture(out, view, drawn)
    return out


def _data(out: Methods, app: AppState, drawn: BrainMap) -> None:
    dataset, run = app.dataset, app.run
    layout = str((dataset.layout if dataset is not None else "") or (run.card.get("layout") if run else "") or "")
    if app.source.kind == "file":
        simulated = " of simulated data" if drawn.is_phantom else ""
        out.say(f"The map \"{shown(drawn.name)}\"{simulated} was read from a file.")
        return
    brain = app.source.brain
    who = f"the group of {len(run.subjects)} subjects" if brain == GROUP and run is not None else \
        f"subject {shown(brain)}" if brain else "one subject"
    if drawn.is_phantom:
        out.say(f"Responses of {who} were simulated (BrainView phantom, {shown(layout)} layout); no brain was "
                "recorded.")
        return
    name = shown(drawn.provenance.get("dataset") or (dataset.name if dataset is not None else "the data set"))
    if layout in LAYOUTS:
        keys = {"nsd": ("nsd",), "algonauts2023": ("algonauts2023", "nsd"), "had": ("had",), "mindeye": ("nsd",),
                "mindeye2": ("mindeye2", "nsd")}[layout]
        out.say(f"Responses of {who} come from the {LAYOUTS[layout]} {out.cite(*keys)}.")
    else:
        out.say(f"Responses of {who} come from the data set {name}.")
    variant = app.subject.variant if app.subject is not None else ""
    if variant:
        out.say(f"Response set: {shown(variant)}.")


def _space(out: Methods, space: Space) -> None:
    root = space.root
    size = f"{space.size:,}"
    part = f" ({size} of {root.size:,} locations)" if isinstance(space, MaskedSpace) else f" ({size} locations)"
    if isinstance(root, SurfaceSpace) and root.name.startswith("fsaverage"):
        out.say(f"Values are on the {root.name} cortical surface{part} {out.cite('fsaverage')}.")
    elif isinstance(root, SurfaceSpace) and root.name.startswith("fsLR"):
        out.say(f"Values are on the {root.name} cortical surface{part} {out.cite('fslr')}.")
    elif isinstance(root, VolumeSpace) and root.world == "MNI152":
        out.say(f"Values are on a grid of MNI152 space{part} {out.cite('mni')}.")
    else:
        out.say(f"Values are in the space {shown(space.name)}{part}.")


def _features(out: Methods, label: str) -> str:
    low = label.lower()
    keys = [key for key, word in (("gabor", "gabor"), ("eva02", "eva02"), ("clip", "clip"), ("timm", "timm:"))
            if word in low]
    return f" {out.cite(*keys)}" if keys else ""


def _model(out: Methods, app: AppState, card: Mapping[str, Any]) -> None:
    run = app.run
    assert run is not None
    config = card.get("config") if isinstance(card.get("config"), Mapping) else {}
    assert isinstance(config, Mapping)
    system = str(card.get("system", "")).removesuffix("-subject")
    label = shown(card.get("feature_label") or config.get("features") or "")
    features = f"{label}{_features(out, label)}" if label else ""
    if system == "ridge":
        text = f"A ridge regression {out.cite('ridge')} per location predicted responses from {features}"
        if config.get("components"):
            text += f", reduced to at most {int(config['components']):,} principal components of the training images"
        out.say(text + ".")
        method = config.get("method")
        if method == "gcv":
            out.say("The penalty of each location was chosen by generalized cross-validation on training images "
                    f"{out.cite('gcv')}.")
        elif method == "kfold":
            out.say(f"The penalty of each location was chosen by {int(config.get('folds', 0))}-fold cross-validation "
                    "on training images.")
    elif system == "llm-vem":
        out.say(f"LLM-VEM {out.cite('llm-vem', 'lane-kiar')}, stage {config.get('stage', '?')} with the "
                f"{shown(config.get('head', '?'))} head, predicted responses from {features}.")
    else:
        words = f", features {features}" if features else ""
        out.say(f"The model is a run of {shown(system) or 'an unknown system'}{words}.")
    if card.get("random_weights"):
        out.say("The feature model has random weights: it was never trained.")
    out.say(f"It was trained on {len(run.subjects)} subject{'s' if len(run.subjects) != 1 else ''} "
            f"({', '.join(shown(s) for s in run.subjects)}).")


def _split(out: Methods, card: Mapping[str, Any]) -> None:
    split = card.get("split")
    if not isinstance(split, Mapping):
        return
    parts = []
    if isinstance(split.get("val"), (int, float)):
        parts.append(f"{100 * float(split['val']):.3g} % of the images were held out for validation")
    test = split.get("test")
    if test == "layout":
        parts.append("test images are those that the data set itself defines")
    elif isinstance(test, (int, float)):
        parts.append(f"{100 * float(test):.3g} % were held out for testing")
    if split.get("seed") is not None:
        parts.append(f"seed {split['seed']}")
    if parts:
        by = f" by {shown(split['by'])}" if split.get("by") else ""
        out.say(f"Images were divided{by}: {'; '.join(parts)}.")


def _scores(out: Methods, app: AppState, card: Mapping[str, Any]) -> None:
    run, brain = app.run, app.source.brain
    assert run is not None
    told = card.get("metrics")
    told = told if isinstance(told, Mapping) else {}
    story = run.metrics.get(app.source.metric)
    if story is not None:
        out.say(f"{shown(story.get('title', app.source.metric))}: {shown(story.get('definition', ''), limit=600)}")
    for name in (run.subjects if brain == GROUP else (brain,)):
        figures = told.get(name)
        if not isinstance(figures, Mapping) or "images" not in figures:
            continue
        repeats = figures.get("repeats")
        shows = ", ".join(f"{int(n):,} shown {k} time{'s' if str(k) != '1' else ''}" for k, n in repeats.items()) \
            if isinstance(repeats, Mapping) and repeats else ""
        out.say(f"{shown(name)} was evaluated on {int(figures['images']):,} {shown(figures.get('part', ''))} images"
                + (f" ({shows})" if shows else "") + ".")
    sources = sorted({str(f["ceiling_source"]) for f in told.values()
                      if isinstance(f, Mapping) and f.get("ceiling_source") not in (None, "none")})
    if sources and app.source.metric.startswith(("r2_nc", "nc")):
        keys = ("nsd", "ceiling") if "ncsnr" in sources and "nsd" in out.cited else ("ceiling",)
        out.say(f"Noise ceilings come from: {', '.join(shown(s) for s in sources)} {out.cite(*keys)}.")
    if brain == GROUP:
        out.say(f"The group map is the median over up to {len(run.subjects)} subjects at each location.")


def _statistics(out: Methods, app: AppState, drawn: BrainMap) -> None:
    cut = drawn.provenance.get("fdr")
    tests = cut["tests"] if isinstance(cut, Mapping) else \
        [drawn.provenance] if app.source.kind == "significance" else []
    if not tests:
        return
    count, images = int(tests[0]["permutations"]), sorted({int(t["images"]) for t in tests})
    out.say(f"Chance was estimated by dealing predictions to other {shown(tests[0].get('part', 'test'))} images "
            f"({count:,} permutations of {' or '.join(f'{i:,}' for i in images)} images, one-sided on the correlation; "
            f"p = (b + 1) / (m + 1), {out.cite('permutation')[1:-1]}), and q values control the false discovery rate "
            f"over all locations {out.cite('bh')}.")
    if isinstance(cut, Mapping):
        who = "" if int(cut["subjects"]) == 1 else f" in more than half of {int(cut['subjects'])} subjects"
        out.say(f"Only locations with q ≤ {float(cut['level']):g}{who} are shown ({int(cut['passing']):,}).")


def _picture(out: Methods, view: ViewState, drawn: BrainMap) -> None:
    rule = view.rule
    if drawn.kind != "label":
        low, high = rule.limits
        unit = f" {shown(drawn.units)}" if drawn.units else ""
        out.say(f"Colours run from {low:.3g} to {high:.3g}{unit}.")
    threshold = threshold_value(rule, drawn.values)
    if threshold > 0:
        sign = "absolute values" if rule.two_sided else "values"
        how = "faded" if rule.below == "faded" else "not drawn"
        unit = f" (percentile {rule.threshold:g})" if rule.threshold_unit == "percentile" else ""
        out.say(f"{sign.capitalize()} below {threshold:.3g}{unit} are {how}.")
    out.say(f"Maps were computed and drawn with BrainView {__version__} {out.cite('pyvista', 'numpy')}.")
