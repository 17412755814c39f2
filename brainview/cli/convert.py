"""``brainview convert``: a map of a file, a run or a data set into another format, on another space if asked."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.core.errors import MismatchError

if TYPE_CHECKING:
    from brainview.maps.brainmap import BrainMap

#: format -> the ending of the file when --out names a folder, by kind of space.
ENDINGS = {"nifti": ".nii.gz", "gifti": ".func.gii", "cifti": ".dscalar.nii", "csv": ".csv", "tsv": ".tsv",
           "npy": ".npy"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("map", metavar="MAP", help="map file (NIfTI, GIFTI, CIFTI-2, MGH, FreeSurfer, CSV, npy), or a "
                        "run or data set")
    parser.add_argument("--to", required=True, choices=sorted(ENDINGS), help="format to write")
    parser.add_argument("--space", metavar="S", help="fsaverage5, fsaverage6, fsaverage, fsLR32k, mni152-2mm, "
                        "mni152-1mm, grayordinates-59k, grayordinates-91k, a registered space, or a map file whose "
                        "space is taken; default: the map's own")
    parser.add_argument("--out", required=True, metavar="F", help="file to write, or a folder")
    parser.add_argument("--index", type=int, default=0, metavar="N", help="which map of the file, from 0 (default 0)")
    parser.add_argument("--method", choices=["auto", "linear", "nearest"], default="auto",
                        help="auto: labels by majority, everything else linear")
    parser.add_argument("--align", choices=["affine", "nilearn"], default="affine",
                        help="affine: fsaverage (MNI305) is taken to MNI152; nilearn: coordinates as they are, which "
                             "equals nilearn's vol_to_surf")
    parser.add_argument("--world", choices=["MNI152", "MNI305", "scanner"],
                        help="what the volume's coordinates are, when its file does not say")
    parser.add_argument("--hemisphere", choices=["left", "right"],
                        help="for one hemisphere's values whose file does not say which")
    parser.add_argument("--brain", default="", help="of a run or data set: subject, or group (default: the first)")
    parser.add_argument("--metric", default="", help="of a run: which figure, for example r2_nc")
    parser.add_argument("--kind", default="", help="metric, ceiling, measured, predicted or difference")
    parser.add_argument("--stimulus", type=int, default=-1, help="id, for measured, predicted and difference")
    parser.add_argument("--part", choices=["all", "cortex", "voxels"], default="all",
                        help="of grayordinates: only the surface or only the voxels")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Read, convert, write; print one line or, with --json, what was done."""
    from brainview.maps.convert import convert
    from brainview.maps.io import write_map
    from brainview.maps.jobs import find_space, part_of, present

    with terminal_job(quiet=args.json) as context:
        context.log(f"reading {args.map}")
        if args.index < 0:
            raise MismatchError(f"--index {args.index} is negative", remedy="Count maps from 0.")
        source = part_of(_source(args), args.part)
        made = source
        if args.space:
            target = present(source, find_space(args.space))
            context.log(f"from {source.space.name} to {target.name}")
            made = convert(source, target, method=args.method, align=args.align, world=args.world)
        _check_kind(made, args.to)
        written = write_map(made, _output(Path(args.out), Path(args.map), args.to), args.to)
    if args.json:
        print_json(_summary(source, made, written))
    else:
        finite = int((made.values == made.values).sum())
        print(f"{written}: {made.name}, {made.space.name}, {finite:,} of {made.space.size:,} locations with data"
              + (" (phantom)" if made.is_phantom else ""))
    return 0


def _source(args: argparse.Namespace) -> BrainMap:
    if Path(args.map).expanduser().is_dir():
        from brainview.pictures import load_map

        return load_map(args.map, brain=args.brain, metric=args.metric, kind=args.kind, stimulus=args.stimulus)
    if args.brain or args.metric or args.kind or args.stimulus >= 0:
        raise MismatchError("is a file; --brain, --metric, --kind and --stimulus choose in a run or data set",
                            where=args.map, remedy="Use --index for the maps of a file.")
    from brainview.maps.io import read_maps

    return read_maps(args.map, index=args.index, hemisphere=args.hemisphere)[0]


def _check_kind(made: BrainMap, to: str) -> None:
    """Say which --space is missing when the format cannot hold the space."""
    kind = made.space.root.kind
    wrong = {"nifti": kind != "volume", "gifti": kind != "surface"}.get(to, False)
    if wrong:
        example = "mni152-2mm" if to == "nifti" else "fsaverage5"
        holds = "a volume" if to == "nifti" else "a surface"
        raise MismatchError(f"{to} holds {holds}, this map is on {made.space.name}", where=made.name,
                            remedy=f"Add for example --space {example}.")


def _output(out: Path, source: Path, to: str) -> Path:
    if not out.is_dir():
        return out
    stem = source.name
    for ending in (".gz", ".nii", ".gii", ".dscalar", ".dlabel", ".dtseries", ".pscalar", ".func", ".shape", ".label",
                   ".mgz", ".mgh", ".csv", ".tsv", ".npy"):
        stem = stem.removesuffix(ending)
    return out / f"{stem}{ENDINGS[to]}"


def _summary(source: BrainMap, made: BrainMap, written: Path) -> dict:
    good = made.values[made.values == made.values]
    return {"file": str(written), "name": made.name, "phantom": made.is_phantom,
            "from": source.space.describe(), "to": made.space.describe(), "with_data": int(good.size),
            "minimum": float(good.min()) if good.size else None, "maximum": float(good.max()) if good.size else None,
            "mean": float(good.mean(dtype="float64")) if good.size else None, "provenance": made.provenance}
