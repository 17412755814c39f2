"""``brainview snapshot``: draw a map into a picture without a window."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.core.errors import FormatError

VIEWS = ("lateral", "medial", "dorsal", "ventral", "anterior", "posterior")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("map", type=Path, help="NIfTI, GIFTI, CIFTI, MGH, FreeSurfer or npy file; or a run or data set")
    parser.add_argument("--out", type=Path, required=True,
                        help="picture (.png), a page that turns in any browser (.html), or a movie (.mp4, .gif)")
    parser.add_argument("--movie", choices=("spin", "morph", "threshold"), default="spin", help="what moves in a movie")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a movie")
    parser.add_argument("--index", type=int, default=0, help="which map of the file (from 0)")
    parser.add_argument("--brain", default="", help="of a run or data set: subject, or group (default: the first)")
    parser.add_argument("--metric", default="", help="of a run: which figure, for example R2")
    parser.add_argument("--fdr", type=float, default=0.0, metavar="Q",
                        help="of a run: only locations at this false discovery rate (shuffled test images)")
    parser.add_argument("--kind", default="", help="metric, ceiling, measured, predicted or difference")
    parser.add_argument("--variant", default="", help="of a data set: which response set (map and borders)")
    parser.add_argument("--stimulus", type=int, default=-1, help="id, for measured, predicted and difference")
    parser.add_argument("--outlines", help="DATASET,SUBJECT,CLASS[,CLASS...]: draw the borders of these regions")
    parser.add_argument("--layers", help="maps over each other as JSON (a list), as the window copies them")
    parser.add_argument("--viewers", help="several maps side by side as JSON (a list), as linked viewers copy them")
    parser.add_argument("--rule", help="colours as JSON, as the window copies them")
    parser.add_argument("--look", help="arrangement as JSON, as the window copies it")
    parser.add_argument("--size", default="1600x1200", help="pixels, WIDTHxHEIGHT (default 1600x1200)")
    parser.add_argument("--cm", help="WIDTHxHEIGHT in cm; with --dpi it decides the pixels")
    parser.add_argument("--dpi", type=float, default=150.0, help="dots per inch, written into the file (default 150)")
    parser.add_argument("--surface", type=surface_name, metavar="NAME",
                        help="inflated, pial, white, midthickness, flat, sphere, or between two of the way from pial "
                             "to flat (white-inflated-40 = 40 %% of it); "
                             "for a volume: sample it at the cortex instead of drawing slices")
    parser.add_argument("--mesh", default="fsaverage5", help="mesh for a volume drawn on the surface")
    parser.add_argument("--layout", choices=("single", "split", "grid"), help="arrangement (default: grid)")
    parser.add_argument("--view", choices=VIEWS, help="one standard view of every hemisphere")
    parser.add_argument("--views", help="comma-separated views, one row each, for example lateral,medial,ventral")
    parser.add_argument("--hemispheres", choices=("both", "left", "right"), default="both")
    parser.add_argument("--slices", choices=("ortho", "axial", "coronal", "sagittal"), default="ortho",
                        help="how a volume is cut")
    parser.add_argument("--cut", help="X,Y,Z in mm: where the three planes cross (default: the strongest value)")
    parser.add_argument("--threshold", help="value, or a percentile such as 95%%")
    parser.add_argument("--faded", action="store_true", help="fade what is below the threshold instead of hiding it")
    parser.add_argument("--limits", help="LOW,HIGH of the colour bar")
    parser.add_argument("--colormap", help="name of a colour map")
    parser.add_argument("--reverse", action="store_true", help="turn the colour map round")
    parser.add_argument("--background", choices=("white", "light", "dark", "black"), default="white")
    parser.add_argument("--transparent", action="store_true", help="no background")
    parser.add_argument("--no-colorbar", action="store_true")
    parser.add_argument("--radiological", action="store_true", help="left of the body on the right")
    many = parser.add_argument_group("many pictures at once (--out is then a folder)")
    many.add_argument("--brains", help="comma-separated subjects and group, or all")
    many.add_argument("--metrics", help="comma-separated figures of the run, or all")
    many.add_argument("--stimuli", help="comma-separated ids")
    many.add_argument("--kinds", help="of the stimuli: measured, predicted, difference (comma-separated)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the picture."""
    if args.brains or args.metrics or args.stimuli:
        return _many(args)
    from brainview.maps.space import VolumeSpace
    from brainview.pictures import load_map, viewers

    if args.viewers:
        written = viewers(_json_list(args.viewers, "--viewers"), args.out, size=pair(args.size, "--size"), dpi=args.dpi)
        if args.json:
            print_json({"out": str(written)})
        else:
            print(f"{written}: {args.size} pixels")
        return 0
    brain_map = load_map(args.map, index=args.index, brain=args.brain, metric=args.metric, kind=args.kind,
                         stimulus=args.stimulus, fdr=args.fdr, variant=args.variant)
    if args.surface and isinstance(brain_map.space.root, VolumeSpace):
        from brainview.maps.jobs import to_surface

        brain_map = to_surface(brain_map, args.mesh)
    if args.out.suffix.lower() in (".html", ".htm", ".mp4", ".gif"):
        return _moving(args, brain_map)
    from brainview.scene.snapshot import read_story

    path = _copied(args, brain_map) if args.rule or args.look or args.layers else _asked(args, brain_map)
    if args.json:
        print_json({"out": str(path), "story": read_story(path)})
    else:
        width, height = read_story(path)["pixels"]
        print(f"{path}: {width} x {height} pixels, {brain_map.name} on {brain_map.space.name}"
              + (" (phantom: simulated data)" if brain_map.is_phantom else ""))
        from brainview.scene.hemisphere import drawn_note

        note = drawn_note(brain_map.space)
        if note:
            print(note)
    return 0


def _many(args: argparse.Namespace) -> int:
    """Draw every combination into a folder."""
    from brainview.cli.many import draw
    from brainview.datasets.jobs import inspect

    def parts(text: str | None) -> list[str]:
        return [p.strip() for p in (text or "").split(",") if p.strip()]

    if (args.map / "run.json").is_file():
        from brainview.state.app import RunInfo
        from brainview.training.jobs import present

        run = RunInfo.from_job(str(args.map), present(str(args.map)))
        every, figures = list(run.brains), list(run.metrics)
    else:
        every, figures = [str(s["id"]) for s in inspect(str(args.map))["subjects"]], [""]
    brains = every if args.brains in (None, "all") else parts(args.brains)
    stimuli = [int(n) for n in numbers(args.stimuli, len(parts(args.stimuli)), "--stimuli")] if args.stimuli else []
    metrics = figures if args.metrics == "all" else parts(args.metrics) or ([] if stimuli else figures[:1])
    with terminal_job(quiet=args.json) as context:
        kinds = parts(args.kinds) or ["measured"] * bool(stimuli)
        told = draw(str(args.map), str(args.out), brains, metrics, kinds, stimuli, pair(args.size, "--size"),
                    args.dpi, args.fdr, args.background, args.surface or "inflated", context=context)
    if args.json:
        print_json(told)
    else:
        print(f"{args.out}: {len(told['written'])} pictures" + "".join(f"\nnot drawn: {f}" for f in told["failed"]))
    return 1 if told["failed"] and not told["written"] else 0


def _moving(args: argparse.Namespace, brain_map: Any) -> int:
    """Write a page for a browser or a movie; a volume goes onto the cortex."""
    from brainview.maps.jobs import to_surface
    from brainview.maps.space import VolumeSpace
    from brainview.pictures import load_layers
    from brainview.scene.jobs import movie, page

    if isinstance(brain_map.space.root, VolumeSpace):
        brain_map = to_surface(brain_map, args.mesh)
    rule = rule_of(args, brain_map)
    layers = load_layers(_json_list(args.layers, "--layers"), brain_map, rule, mesh=args.mesh)
    if args.out.suffix.lower() in (".mp4", ".gif"):
        look = {"surface": args.surface or "inflated", "layout": args.layout or "grid", "background": args.background}
        with terminal_job(quiet=args.json) as context:
            path = Path(movie(brain_map, str(args.out), args.movie, rule, look, args.seconds,
                              size=(960, 720) if args.size == "1600x1200" else pair(args.size, "--size"),
                              layers=layers, context=context))
    else:
        path = Path(page(brain_map, str(args.out), rule, args.background, layers))
    size = path.stat().st_size
    if args.json:
        print_json({"out": str(path), "bytes": size})
    else:
        print(f"{path}: {size / 1e6:.1f} MB, {brain_map.name} on {brain_map.space.name}"
              + (" (phantom: simulated data)" if brain_map.is_phantom else ""))
    return 0


def _outlines(args: argparse.Namespace) -> dict[str, Any]:
    if not args.outlines:
        return {}
    from brainview.pictures import load_outlines

    parts = [p.strip() for p in args.outlines.split(",")]
    if len(parts) < 3:
        raise FormatError("--outlines takes DATASET,SUBJECT,CLASS", remedy="Separate them by commas.")
    return load_outlines(parts[0], parts[1], parts[2:], args.variant)


def _copied(args: argparse.Namespace, brain_map: Any) -> Path:
    """Draw what the window copied: colours and arrangement as JSON."""
    from brainview.pictures import picture

    layers = _json_list(args.layers, "--layers")
    return picture(brain_map, args.out, layers=layers, rule=_json(args.rule, "--rule"), look=_json(args.look, "--look"),
                   outlines=_outlines(args), size=pair(args.size, "--size"), dpi=args.dpi)


def _json(text: str | None, what: str) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as err:
        raise FormatError(f"{what} is no JSON: {err}") from err
    if not isinstance(found, dict):
        raise FormatError(f"{what} must be a JSON object")
    return found


def _json_list(text: str | None, what: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text or "[]")
    except ValueError as err:
        raise FormatError(f"{what} is no JSON: {err}") from err
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise FormatError(f"{what} must be a JSON list of objects")
    return found


def _asked(args: argparse.Namespace, brain_map: Any) -> Path:
    """Draw what the single options ask for."""
    from brainview.scene.snapshot import snapshot

    cut = numbers(args.cut, 3, "--cut") if args.cut else None
    return snapshot(
        brain_map, args.out, size=pair(args.size, "--size"), cm=lengths(args.cm) if args.cm else None, dpi=args.dpi,
        rule=rule_of(args, brain_map), surface=args.surface or "inflated",
        layout=args.layout or ("split" if args.view else "grid"), view=args.view or "lateral",
        views=tuple(v.strip() for v in args.views.split(",")) if args.views else (), hemispheres=args.hemispheres,
        slices=args.slices, cursor=cut, background=args.background, transparent=args.transparent,
        colorbar=not args.no_colorbar, radiological=args.radiological, outlines=_outlines(args))


def surface_name(text: str) -> str:
    """Return the name of a surface; argparse tells what is wrong with any other word."""
    from brainview.maps.morph import PLAIN, is_surface

    if not is_surface(text):
        raise argparse.ArgumentTypeError(f"no surface is called {text!r}; known: {', '.join(PLAIN)}, or between two, "
                                         "such as white-inflated-40")
    return text


def rule_of(args: argparse.Namespace, brain_map: Any) -> Any:
    """Return the colours that the arguments ask for."""
    from brainview.maps.display import rule_for
    from brainview.scene.colormaps import lut

    rule = rule_for(brain_map)
    if args.colormap:
        lut(args.colormap)
        rule = rule.having(colormap=args.colormap)
    if args.limits:
        low, high = numbers(args.limits, 2, "--limits")
        rule = rule.having(limits=(low, high), two_sided=rule.two_sided)
    if args.threshold:
        percent = args.threshold.endswith("%")
        (value,) = numbers(args.threshold.rstrip("%"), 1, "--threshold")
        rule = rule.having(threshold=value, threshold_unit="percentile" if percent else "value")
    return rule.having(below="faded" if args.faded else "hidden", reverse=args.reverse)


def numbers(text: str, count: int, what: str) -> tuple[float, ...]:
    """Return `count` comma-separated numbers; FormatError names the argument."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise FormatError(f"{what} takes {count} number(s) separated by commas, got {text!r}")
    return values


def lengths(text: str) -> tuple[float, float]:
    """Return WIDTHxHEIGHT as two positive numbers."""
    width, height = numbers(text.lower().replace("x", ","), 2, "--cm")
    if min(width, height) <= 0:
        raise FormatError(f"a size must be positive, got {text!r}")
    return width, height


def pair(text: str, what: str) -> tuple[int, int]:
    """Return WIDTHxHEIGHT in pixels."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise FormatError(f"{what} takes whole pixels such as 1600x1200, got {text!r}")
    return int(width), int(height)
