"""``brainview snapshot``: draw a map into a picture without a window."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json
from brainview.core.errors import FormatError, MissingError

VIEWS = ("lateral", "medial", "dorsal", "ventral", "anterior", "posterior")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("map", type=Path, help="NIfTI, GIFTI, CIFTI, MGH, FreeSurfer or npy file")
    parser.add_argument("--out", type=Path, required=True, help="picture to write (.png)")
    parser.add_argument("--index", type=int, default=0, help="which map of the file (from 0)")
    parser.add_argument("--size", default="1600x1200", help="pixels, WIDTHxHEIGHT (default 1600x1200)")
    parser.add_argument("--cm", help="WIDTHxHEIGHT in cm; with --dpi it decides the pixels")
    parser.add_argument("--dpi", type=float, default=150.0, help="dots per inch, written into the file (default 150)")
    parser.add_argument("--surface", choices=("inflated", "pial", "white", "midthickness", "flat", "sphere"),
                        help="cortical surface; for a volume: sample it at the cortex instead of drawing slices")
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
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the picture."""
    from brainview.maps.io import read_maps
    from brainview.maps.space import VolumeSpace

    maps = read_maps(args.map)
    if not 0 <= args.index < len(maps):
        raise MissingError(f"holds {len(maps)} map(s), there is no number {args.index}", where=args.map,
                           remedy=f"Use --index 0 to {len(maps) - 1}.")
    brain_map = maps[args.index]
    if args.surface and isinstance(brain_map.space.root, VolumeSpace):
        from brainview.maps.jobs import to_surface

        brain_map = to_surface(brain_map, args.mesh)
    from brainview.scene.snapshot import read_story, snapshot

    cut = numbers(args.cut, 3, "--cut") if args.cut else None
    path = snapshot(
        brain_map, args.out, size=pair(args.size, "--size"), cm=lengths(args.cm) if args.cm else None, dpi=args.dpi,
        rule=rule_of(args, brain_map), surface=args.surface or "inflated",
        layout=args.layout or ("split" if args.view else "grid"), view=args.view or "lateral",
        views=tuple(v.strip() for v in args.views.split(",")) if args.views else (), hemispheres=args.hemispheres,
        slices=args.slices, cursor=cut, background=args.background, transparent=args.transparent,
        colorbar=not args.no_colorbar, radiological=args.radiological)
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
