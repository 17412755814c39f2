"""``brainview inspect PATH``: what is in a folder, its responses unread, in a map file, or in a checkpoint."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job
from brainview.core.names import shown


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments; the help lists what each layout is known by."""
    from brainview.datasets.registry import readers

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "Each layout is known by what lies in its folder:\n" + "\n".join(
        f"  {r.layout:16}{r.looks_for}" for r in readers())
    parser.add_argument("path", help="a data set: Algonauts 2023 folder, NSD tree, or a folder with dataset.toml; "
                        "a map or surface file (NIfTI, GIFTI, CIFTI, MGH, FreeSurfer, csv, npy): space, orientation, "
                        "values; or a .pth / .safetensors checkpoint of UMBRAE or VINDEX: its keys, one by one")
    parser.add_argument("--rois", action="store_true", help="print the size of every ROI")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; exit 0 also when it names problems, since they are what was asked for."""
    if args.path.endswith((".pth", ".pt", ".safetensors")):
        from brainview.language.brain.report import report as checkpoint

        found = checkpoint(args.path)
        print_json(found) if args.json else print(checkpoint_text(found))
        return 0
    from brainview.datasets.jobs import inspect
    from brainview.datasets.registry import recognised

    path = Path(args.path).expanduser()
    if path.is_file() and path.suffix.lower() != ".zip" and not recognised(path):
        from brainview.maps.describe import describe_file

        with terminal_job(quiet=True) as context:
            file = describe_file(path, context=context)
        print_json(file) if args.json else print(map_text(file))
        return 0
    with terminal_job(quiet=True) as context:
        report = inspect(args.path, context=context)
    if args.json:
        print_json(report)
    else:
        print(as_text(report, rois=args.rois))
    return 0


def as_text(report: dict[str, Any], *, rois: bool = False) -> str:
    """Return a report of ``datasets.inspect.describe`` for a terminal."""
    lines = [f"{shown(report['name'])}  (layout {report['layout']}{', simulated brains' if report['phantom'] else ''})",
             shown(report["path"]), ""]
    sound = [s for s in report["subjects"] if "error" not in s]
    lines.append(table([_row(s) for s in sound], ["subject", "space", "locations", "trials", "images", "shown",
                                                  "sessions", "ROIs", "ceiling", "median %"]))
    words = "with captions" if report["stimuli"].get("captions") else "without captions"
    lines += ["", f"Stimuli: {report['stimuli']['count']:,} {words}."]
    for s in sound:
        if s["splits"]:
            lines.append(f"{s['id']}: " + ", ".join(f"{k} {v:,}" for k, v in s["splits"].items()) + ".")
    sets = [(s["id"], v["name"], v.get("sessions"), v.get("format", "")) for s in sound for v in s["variants"]]
    if sets:
        lines += ["", table(sets, ["subject", "responses", "sessions", "format"])]
    if rois:
        lines += ["", table([(s["id"], c, shown(n), v.get("left"), v.get("right"), v["total"])
                             for s in sound for c, names in s["rois"].items() for n, v in names.items()],
                            ["subject", "class", "ROI", "left", "right", "total"])]
    lines += ["", "Problems:" if report["problems"] else "No problems found.",
              *(f"  - {shown(p, limit=1000)}" for p in report["problems"])]
    return "\n".join(lines)


def map_text(told: dict[str, Any]) -> str:
    """Return a description of ``maps.describe.describe_file`` for a terminal."""
    maps = told.get("maps", [])
    count = f", {len(maps)} map{'s' if len(maps) != 1 else ''}" if maps else ""
    lines = [f"{shown(os.path.basename(told['file']))}: {told['format']}, {told['bytes'] / 1e6:,.2f} MB{count}"
             + (", simulated brains" if told["phantom"] else "")]
    if "mesh" in told:
        mesh = told["mesh"]
        box = ", ".join(f"{a:g} to {b:g}" for a, b in zip(mesh["low_mm"], mesh["high_mm"], strict=True))
        return "\n".join([*lines, f"{mesh['vertices']:,} vertices, {mesh['faces']:,} faces, x y z {box} mm"])
    if told["partial"]:
        lines.append(f"Only the first map was read: {told['partial']}")
    spaces = list(dict.fromkeys(_space_line(m["space"], told["stored_axes"]) for m in maps))
    lines += [*spaces[:3], "", table([_map_row(number, m) for number, m in enumerate(maps[:50])],
              ["map", "name", "kind", "units", "with data", "zeros", "minimum", "median", "maximum", "labels"])]
    if len(maps) > 50:
        lines.append(f"... and {len(maps) - 50:,} more")
    notes = list(dict.fromkeys(note for m in maps for note in m["notes"]))
    return "\n".join([*lines, *(["", "What was assumed or found:", *(f"  - {shown(n, limit=400)}" for n in notes)]
                                if notes else [])])


def _space_line(space: dict[str, Any], stored: str) -> str:
    root = "" if space["root"] == space["name"] else f" of {shown(space['root'])}"
    line = f"Space: {shown(space['name'])}{root} ({space['kind']}), {space['size']:,} locations"
    if "shape" in space:
        grid = " x ".join(map(str, space["shape"]))
        zooms = " x ".join(f"{z:g}" for z in space["zooms_mm"])
        centre = ", ".join(f"{c:g}" for c in space["centre_mm"])
        turned = f" (in the file {stored})" if stored and stored != space["axes"] else ""
        line += (f", {grid} voxels of {zooms} mm, axes {space['axes']}{turned}, centre at {centre} mm, "
                 f"coordinates: {shown(space['world'])}")
    return line


def _map_row(number: int, one: dict[str, Any]) -> list[Any]:
    labels = f"{len(one['labels'])} occur" if "labels" in one else ""
    return [number, shown(one["name"], limit=40), one["kind"], shown(one["units"]), one["with_data"], one["zeros"],
            one.get("minimum"), one.get("median"), one.get("maximum"), labels]


def checkpoint_text(found: dict[str, Any]) -> str:
    """Return a report of ``language.brain.report`` for a terminal."""
    lines = [f"{shown(os.path.basename(found['path']))}: {len(found['keys'])} keys, {found['parameters']:,} parameters"]
    if found["kind"] is None:
        lines += [f"No encoder that BrainView knows: {shown(found['why'], limit=400)}"]
    else:
        subjects = ", ".join(f"{'subject ' + k if k != '0' else 'one subject'} ({v:,} voxels)"
                             for k, v in found["subjects"].items())
        options = ", ".join(k for k, v in found["options"].items() if v) or "none"
        sizes = ", ".join(f"{k} {v}" for k, v in found["sizes"].items())
        lines += [f"Class {found['kind']}: {subjects}; options {options}", f"Sizes: {sizes}"]
        lines += ([f"{len(found['differences'])} keys do not fit:", *(f"  - {d}" for d in found["differences"])]
                  if found["differences"] else ["Every key fits; it loads strictly."])
    bad = [k["key"] for k in found["keys"] if not k["finite"]]
    if bad:
        lines.append(f"NaN or infinite values in {len(bad)} keys, first {shown(bad[0])}")
    rest = ", ".join(f"{shown(k)} {shown(v)}" for k, v in found["rest"].items())
    lines += [f"Beside the weights: {rest or 'nothing'}", "",
              table([[shown(k["key"], limit=70), "x".join(map(str, k["shape"])) or "1", k["dtype"]]
                     for k in found["keys"]], ["key", "shape", "type"])]
    return "\n".join(lines)


def _row(subject: dict[str, Any]) -> list[Any]:
    repeats = "/".join(f"{n}x{k}" for k, n in subject["repetitions"].items()) or "averaged"
    classes = subject["rois"]
    empty = sum(v["total"] == 0 for names in classes.values() for v in names.values())
    total = sum(len(names) for names in classes.values())
    return [shown(subject["id"]), shown(subject["space"]["root"]), subject["space"]["size"], subject["trials"],
            subject["stimuli"], repeats, subject["sessions"], f"{total} ({empty} empty)", subject["ceiling"]["source"],
            subject["ceiling"].get("median_percent")]
