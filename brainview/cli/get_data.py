"""``brainview get-data``: what the agreement is, which files are needed, and the fetch from the user's own source."""

from __future__ import annotations

import argparse

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.datasets.access import LAYOUTS, fetch, page


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("layout", choices=sorted(LAYOUTS), help="which files")
    parser.add_argument("--from", dest="source", default="", metavar="SOURCE",
                        help="folder, hf:OWNER/NAME or s3://BUCKET/PREFIX that was opened to you")
    parser.add_argument("--out", metavar="FOLDER", help="where they go")
    parser.add_argument("--subjects", nargs="+", default=["subj01"], metavar="ID", help="which subjects (subj01)")
    parser.add_argument("--agreed", action="store_true", help="the data access agreement holds for you")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Without --out: print the page. With it: fetch."""
    if args.out is None:
        told = page(args.layout, args.subjects)
        if args.json:
            print_json(told)
            return 0
        print("\n\n".join(told["agreement"]) + f"\n\n{told['note']} About {told['gigabytes']:.0f} GB:")
        print("\n".join(f"  {p}" for p in told["patterns"]) + "\n\nSources: " + "; ".join(told["sources"]) + ".")
        print(f"Start:   {told['command']}")
        return 0
    with terminal_job(quiet=args.json) as context:
        done = fetch(args.layout, args.source, args.out, args.subjects, agreed=args.agreed, context=context)
    if args.json:
        print_json(done)
    else:
        print(f"{done['files']} files fetched, {done['kept']} were there: {done['path']}")
    return 0
