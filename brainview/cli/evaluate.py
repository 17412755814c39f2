"""``brainview evaluate captions|boxes|answers``: score prediction files beside what chance gives."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, table
from brainview.core.errors import FormatError
from brainview.core.files import read_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("what", choices=["captions", "boxes", "answers"])
    parser.add_argument("--references", required=True, type=Path, metavar="F",
                        help="captions: {image: [caption, ...]}; boxes: {image: {class: [[x0, y0, x1, y1], ...]}}")
    parser.add_argument("--candidates", required=True, type=Path, metavar="F", help="the predictions, same keys")
    parser.add_argument("--groups", type=Path, metavar="F",
                        help="boxes: {group: [class, ...]} to score groups of classes too; answers: {key: category}")
    parser.add_argument("--encoder", default="minilm", metavar="E",
                        help="answers: encoder of BERTScore, minilm (offline), a local folder, or none")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    references, candidates = _mapping(args.references), _mapping(args.candidates)
    if args.what == "answers":
        return _answers(args, references, candidates)
    rows = _captions(candidates, references) if args.what == "captions" else _boxes(candidates, references, args.groups)
    if args.json:
        print_json({"what": args.what, "candidates": args.candidates.name, "references": args.references.name,
                    "scores": rows})
    else:
        print(table([[r["metric"], r["value"], r["n"], r["note"]] for r in rows], ["metric", "x100", "n", "note"]))
    return 0


def _mapping(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict) or not value:
        raise FormatError("is not an object with one entry per image", where=path)
    return {str(k): v for k, v in value.items()}


def _captions(candidates: dict[str, Any], references: dict[str, Any]) -> list[dict[str, Any]]:
    from brainview.language.metrics.captions import score_captions
    from brainview.language.metrics.java import meteor, meteor_available

    single = {k: _sentence(v, k) for k, v in candidates.items()}
    several = {k: [_sentence(r, k) for r in (v if isinstance(v, list) else [v])] for k, v in references.items()}
    scores, n = score_captions(single, several), len(several)
    rows = [{"metric": f"BLEU-{i + 1}", "value": round(100 * v, 2), "n": n, "note": "corpus, closest reference length"}
            for i, v in enumerate(scores.bleu)]
    rows += [{"metric": "ROUGE-L", "value": round(100 * scores.rouge_l, 2), "n": n, "note": "F, beta 1.2"},
             {"metric": "CIDEr", "value": round(100 * scores.cider, 2), "n": n,
              "note": "CIDEr-D of this reference pool"}]
    missing = meteor_available()
    rows.append({"metric": "METEOR", "value": None if missing else round(100 * meteor(single, several), 2), "n": n,
                 "note": missing or "METEOR 1.5"})
    return rows


def _sentence(value: Any, key: str) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise FormatError(f"image {key!r} has a {type(value).__name__} where a caption was expected")
    return value


def _boxes(candidates: dict[str, Any], references: dict[str, Any], groups: Path | None) -> list[dict[str, Any]]:
    from brainview.language.metrics.boxes import score_boxes

    for key, value in references.items():
        if not isinstance(value, dict):
            raise FormatError(f"image {key!r} is not an object of classes and boxes")
    found = {k: v for k, v in candidates.items() if isinstance(v, dict)}
    wanted: dict[str, list[str] | None] = {"all": None}
    if groups is not None:
        wanted |= {str(k): list(v) for k, v in _mapping(groups).items() if isinstance(v, list)}
    rows = []
    for name, classes in wanted.items():
        scores = score_boxes(found, references, classes)
        n = len(scores.each)
        rows += [{"metric": f"{name} acc@0.5", "value": round(100 * scores.accuracy, 2), "n": n, "note": "IoU > 0.5"},
                 {"metric": f"{name} IoU", "value": round(100 * scores.iou, 2), "n": n, "note": "first box of a class"}]
    return rows


def _answers(args: argparse.Namespace, references: dict[str, Any], candidates: dict[str, Any]) -> int:
    """Score answers with shuffles beside every number: fluent text of the right form scores high by itself."""
    from brainview.language.video.evaluation import evaluate_files

    said = {k: _sentence(v, k) for k, v in candidates.items()}
    wanted = {k: _sentence(v, k) for k, v in references.items()}
    groups = {k: str(v) for k, v in _mapping(args.groups).items()} if args.groups else None
    report = evaluate_files(wanted, said, bertscore=args.encoder, categories=groups)
    if args.json:
        print_json({"what": "answers", "candidates": args.candidates.name, "references": args.references.name,
                    **report})
        return 0
    rows = [[metric, f"{t['brain']:.2f}", f"{t['shuffled']:.2f}", f"{t['sd']:.2f}", f"{t['difference']:+.2f}",
             f"{t['p']:.4f}", report["definitions"].get(metric, "")] for metric, t in report["tests"].items()]
    print(table(rows, ["metric", "x100", "shuffled", "s.d.", "difference", "p", "definition"]))
    print(f"{report['n']} answers, {100 * report['distinct']:.0f} % distinct."
          + (f" COLLAPSED: {report['collapsed']}." if report["collapsed"] else ""))
    return 0
