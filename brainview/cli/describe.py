"""``brainview describe RUN``: what a brain says in words and boxes, beside the true picture and a shuffled brain."""

from __future__ import annotations

import argparse
from typing import Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job
from brainview.core.errors import MissingError
from brainview.core.names import shown


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="run folder of brainx")
    parser.add_argument("--stimulus", type=int, action="append", metavar="ID", help="test picture (several allowed)")
    parser.add_argument("--subject", metavar="S", help="whose brain (the run's first); with --score also: all")
    parser.add_argument("--prompt", action="append", metavar="P", help="what to ask (several allowed)")
    parser.add_argument("--detailed", action="store_true", help="ask for a detailed description")
    parser.add_argument("--boxes", nargs="?", const="", metavar="NAME",
                        help="ask where NAME is; without NAME: a caption with boxes")
    parser.add_argument("--backend", default="phantom-llava", help="language model: a name or a local folder")
    parser.add_argument("--frame", help="chat frame (the model's own)")
    parser.add_argument("--scale", action="append", default=[], metavar="ROI=F", help="scale a region (0 silences it)")
    parser.add_argument("--match", action="store_true", help="give the tokens the tower's spread")
    parser.add_argument("--score", action="store_true", help="score all test pictures beside every baseline")
    parser.add_argument("--clip", metavar="M", help="the CLIP of CLIP-S in scores (phantoms: the shipped one)")
    parser.add_argument("--limit", type=int, metavar="N", help="score only the first N test pictures")
    parser.add_argument("--transcript", metavar="F.jsonl", help="write the texts with their provenance")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Describe and print."""
    from brainview.language import describe as words
    from brainview.language.brain import jobs
    from brainview.training.run import RunFolder

    card = RunFolder.open(args.run_folder).card("best")
    subject = args.subject or str(card["subjects"][0])
    every = args.score and subject == "all"
    if subject not in card["subjects"] and not every:
        raise MissingError(f"the run knows no subject {shown(subject)!r}",
                           remedy="It has " + ", ".join(card["subjects"]) + ".")
    options: dict[str, Any] = {"match": True} if args.match else {}
    if args.scale:
        options["scale"] = dict(_factor(s) for s in args.scale)
    with terminal_job(quiet=args.json) as context:
        if args.score:
            whose = card["subjects"] if every else [subject]
            found = [words.score_run(args.run_folder, s, backend=args.backend, limit=args.limit, options=options,
                                     clip=args.clip, context=context) for s in whose]
            return _scores([{**f, "phantom": card.get("phantom")} for f in found], args.json)
        ids = args.stimulus or [int(jobs.test_ids(args.run_folder, subject)[0])]
        rows = words.describe(args.run_folder, subject, ids, _prompts(args, words.PROMPTS), backend=args.backend,
                              frame=args.frame, options=options, context=context)
    if args.transcript:
        head = words.provenance(args.run_folder, subject, options=options)
        words.write_transcript(args.transcript, head, rows)
    if args.json:
        print_json({"phantom": card.get("phantom"), "rows": rows})
        return 0
    label = " (PHANTOM: simulated brains)" if card.get("phantom") else ""
    for row in rows:
        print(f"\n{subject}, stimulus {row['stimulus']}{label}\n  asked: {shown(row['prompt'])}")
        for voice, name in (("brain", "brain"), ("shuffled", "another picture's brain"), ("image", "true picture")):
            print(f"  {name + ':':25}{shown(row[voice]['text'], limit=1000)}")
    return 0


def _prompts(args: argparse.Namespace, presets: dict[str, str]) -> list[str]:
    out = list(args.prompt or [])
    if args.detailed:
        out.append(presets["detailed"])
    if args.boxes is not None:
        out.append(presets["locate"].format(args.boxes) if args.boxes else presets["boxed"])
    return out or [presets["short"]]


def _factor(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise MissingError(f"--scale {shown(text)!r} is not ROI=FACTOR", remedy="Write for instance FFA-1=0.") from None


def _scores(several: list[dict[str, Any]], as_json: bool) -> int:
    if as_json:
        print_json(several[0] if len(several) == 1 else {"subjects": several})
        return 0
    for found in several:
        label = " (PHANTOM: simulated brains)" if found["phantom"] else ""
        print(f"{found['subject']}{label}, {found['pictures']} test pictures, {found['backend']}")
        rows = [[r["metric"], r["value"], f"{r['low']:.3f}–{r['high']:.3f}", r["shuffled"], r["constant"], r["top"],
                 r["share"], r["p"], r["n"]] for r in found["rows"]]
        print(table(rows, ["figure", "brain", "interval", "shuffled", "constant", "true image", "share", "p", "n"]))
        print()
    print("share = (brain - shuffled) / (true image - shuffled). Interval: 95 % over pictures. p: permutations of "
          "which brain belongs to which picture (captions), brain against shuffled exchanged within pictures (others).")
    return 0
