"""``brainview evaluate captions|boxes|answers|choices``: score prediction files beside what chance gives."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job
from brainview.core.errors import FormatError, MissingError
from brainview.core.files import read_json, read_text
from brainview.core.names import shown


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("what", choices=["captions", "boxes", "answers", "choices"])
    parser.add_argument("--references", type=Path, metavar="F",
                        help="captions: {image: [caption, ...]}; boxes: {image: {class: [[x0, y0, x1, y1], ...]}}; "
                             "choices: {key: {options: [text, ...], answer: letter or text}}")
    parser.add_argument("--candidates", required=True, type=Path, metavar="F",
                        help="the predictions, same keys; answers: also texts.jsonl of a film run, which holds its own "
                             "references and categories")
    parser.add_argument("--kind", default="brain", metavar="K",
                        help="answers of a film run: which text is scored (brain; others are named in the file)")
    parser.add_argument("--groups", type=Path, metavar="F",
                        help="boxes: {group: [class, ...]} to score groups of classes too; answers: {key: category}")
    parser.add_argument("--images", type=Path, metavar="D",
                        help="captions: folder of the pictures (KEY.png or .jpg) for CLIP-S and RefCLIP-S")
    parser.add_argument("--clip", default="ViT-B-32:openai", metavar="M",
                        help="captions: the CLIP of CLIP-S (the published one; phantom-clip is offline)")
    parser.add_argument("--encoder", default="minilm", metavar="E",
                        help="answers: encoder of BERTScore, minilm (offline), a local folder, or none")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    if args.what == "answers" and args.candidates.suffix == ".jsonl":
        return _answers(args, *_film_texts(args.candidates, args.kind))
    if args.references is None:
        raise MissingError("needs --references", where=f"evaluate {args.what}")
    references, candidates = _mapping(args.references), _mapping(args.candidates)
    if args.what == "answers":
        return _answers(args, references, candidates)
    if args.what == "captions":
        rows = _captions(candidates, references, args.images, args.clip)
    elif args.what == "choices":
        rows = _choices(candidates, references)
    else:
        rows = _boxes(candidates, references, args.groups)
    if args.json:
        print_json({"what": args.what, "candidates": args.candidates.name, "references": args.references.name,
                    "scores": rows})
    else:
        print(table([[r["metric"], r["value"], r["n"], r["note"]] for r in rows], ["metric", "x100", "n", "note"]))
    return 0


def _mapping(path: Path) -> dict[str, Any]:
    value = read_json(path, unique=True)
    if not isinstance(value, dict) or not value:
        raise FormatError("is not an object with one entry per image", where=path)
    return {str(k): v for k, v in value.items()}


def _captions(candidates: dict[str, Any], references: dict[str, Any], images: Path | None,
              clip: str) -> list[dict[str, Any]]:
    from brainview.language.metrics.captions import score_captions
    from brainview.language.metrics.elements import element_scores
    from brainview.language.metrics.java import meteor, meteor_available, spice, spice_available

    single = {k: _sentence(v, k) for k, v in candidates.items()}
    several = {k: [_sentence(r, k) for r in (v if isinstance(v, list) else [v])] for k, v in references.items()}
    bare = next((k for k, v in several.items() if not v), None)
    if bare is not None:
        raise FormatError(f"image {bare!r} has no reference caption")
    scores, n = score_captions(single, several), len(several)
    rows = [{"metric": f"BLEU-{i + 1}", "value": round(100 * v, 2), "n": n, "note": "corpus, closest reference length"}
            for i, v in enumerate(scores.bleu)]
    rows += [{"metric": "ROUGE-L", "value": round(100 * scores.rouge_l, 2), "n": n, "note": "F, beta 1.2"},
             {"metric": "CIDEr", "value": round(100 * scores.cider, 2), "n": n,
              "note": "CIDEr-D of this reference pool"}]
    missing = meteor_available()
    rows.append({"metric": "METEOR", "value": None if missing else round(100 * meteor(single, several), 2), "n": n,
                 "note": missing or "METEOR 1.5"})
    missing = spice_available()
    rows.append({"metric": "SPICE", "value": None if missing else round(100 * spice(single, several), 2), "n": n,
                 "note": missing or "F1 of scene-graph tuples"})
    note = {"objects": "word lists, no scene-graph model", "capture": "CAPTURE's weights on these three",
            "attributes": "nothing said where nothing was to say counts as right"}
    rows += [{"metric": f"element F1: {k}" if k != "capture" else "elements, weighted", "n": n,
              "value": round(100 * float(v.mean()), 2), "note": note.get(k, "")}
             for k, v in element_scores(single, several).items()]
    return [*rows, *_clip(single, several, images, clip)]


def _clip(single: dict[str, str], several: dict[str, list[str]], folder: Path | None,
          name: str) -> list[dict[str, Any]]:
    """Return CLIP-S and RefCLIP-S where the pictures are here, else what they need."""
    n = len(several)
    if folder is None:
        return [{"metric": m, "value": None, "n": n, "note": "needs the pictures (--images)"}
                for m in ("CLIP-S", "RefCLIP-S")]
    from brainview.datasets.images import load_image
    from brainview.features.clip_pair import load_clip
    from brainview.language.metrics.clipscore import clip_scores

    files = [_picture(folder, key) for key in several]
    with terminal_job(quiet=False) as context:
        found = clip_scores(load_clip(name), (load_image(f) for f in files), [single[k] for k in several],
                            list(several.values()), context=context)
    tables = (("CLIP-S", found.clip), ("RefCLIP-S", found.ref))
    return [{"metric": m, "value": round(100 * float(t.diagonal().mean()), 2), "n": n,
             "note": f"{found.model}; captions of other pictures {100 * _others(t):.2f}"}
            for m, t in tables if t is not None]


def _others(table: Any) -> float:
    """Return the mean off the diagonal."""
    n = len(table)
    return float((table.sum() - table.trace()) / max(1, n * (n - 1)))


def _picture(folder: Path, key: str) -> Path:
    for ending in ("png", "jpg", "jpeg"):
        if "/" not in key and "\\" not in key and (folder / f"{key}.{ending}").is_file():
            return folder / f"{key}.{ending}"
    raise MissingError(f"holds no picture {shown(key)}.png or .jpg", where=folder)


def _choices(candidates: dict[str, Any], references: dict[str, Any]) -> list[dict[str, Any]]:
    from brainview.language.metrics.choices import binomial_p, score_choices

    found = score_choices({k: _sentence(v, k) for k, v in candidates.items()}, references)
    n = len(found.right)
    p = binomial_p(int(found.right.sum()), n, found.chance)
    return [{"metric": "right options", "value": round(100 * found.accuracy, 2), "n": n,
             "note": f"p {p:.2g} against guessing; {found.unread} answers choose no option"},
            {"metric": "guessing", "value": round(100 * found.chance, 2), "n": n, "note": ""},
            {"metric": "commonest letter", "value": round(100 * found.commonest, 2), "n": n, "note": ""}]


def _sentence(value: Any, key: str) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise FormatError(f"image {key!r} has a {type(value).__name__} where a caption was expected")
    return value


def _boxes(candidates: dict[str, Any], references: dict[str, Any], groups: Path | None) -> list[dict[str, Any]]:
    from brainview.language.metrics.boxes import CLASSES, GROUPS, first_box, score_boxes, score_groups

    for key, value in references.items():
        if not isinstance(value, dict):
            raise FormatError(f"image {key!r} is not an object of classes and boxes")
        for name, boxes in value.items():
            if not any(first_box(boxes)):
                raise FormatError(f"image {key!r} has no true box [x0, y0, x1, y1] for {shown(name)!r}")
    if not any(references.values()):
        raise FormatError("the references hold no box")
    found = {k: v for k, v in candidates.items() if isinstance(v, dict)}
    if groups is None:
        named = {GROUPS[letter]: scores for letter, scores in score_groups(found, references).items()}
    else:
        wanted = {str(k): list(v) for k, v in _mapping(groups).items() if isinstance(v, list)}
        named = {k: score_boxes(found, references, classes) for k, classes in {"all": None, **wanted}.items()}
    rows = []
    for name, scores in named.items():
        n = len(scores.each)
        rows += [{"metric": f"{name} acc@0.5", "value": round(100 * scores.accuracy, 2), "n": n, "note": "IoU > 0.5"},
                 {"metric": f"{name} IoU", "value": round(100 * scores.iou, 2), "n": n, "note": "first box of a class"}]
    unread = sum(not any(first_box(found.get(k, {}).get(name))) for k, v in references.items() for name in v)
    if unread:
        rows[0]["note"] = f"{rows[0]['note']}; {unread} predictions are missing or no box and count as wrong"
    known = {name for classes in CLASSES.values() for name in classes or ()}
    strange = sorted({str(name) for value in references.values() for name in value} - known)
    if strange and groups is None:
        rows[0]["note"] = f"{rows[0]['note']}; {len(strange)} classes are in no other group: " + ", ".join(strange[:5])
    return rows


def _film_texts(path: Path, kind: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return (references, answers, categories) of a film run's texts, all by subject, trial and question."""
    references, said, groups = {}, {}, {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise FormatError("is not valid JSON", where=where) from None
        needed = ("subject", "row", "question", "reference", "category")
        if not isinstance(row, dict) or any(name not in row for name in needed):
            raise FormatError(f"is not a text of a film run ({', '.join(needed)}, and the texts)", where=where)
        if kind not in row:
            texts = [str(k) for k in row if k not in (*needed, "stimulus", "clip")]
            raise MissingError(f"holds no text {shown(kind)!r}", where=where,
                               remedy=f"--kind is one of {', '.join(map(shown, texts))}.")
        key = f"{row['subject']} {row['row']} {row['question']}"
        references[key], said[key], groups[key] = row["reference"], row[kind], str(row["category"])
    if not said:
        raise FormatError("holds no text", where=path)
    return references, said, groups


def _answers(args: argparse.Namespace, references: dict[str, Any], candidates: dict[str, Any],
             groups: dict[str, str] | None = None) -> int:
    """Score answers with shuffles beside every number: fluent text of the right form scores high by itself."""
    from brainview.language.video.evaluation import evaluate_files

    said = {k: _sentence(v, k) for k, v in candidates.items()}
    wanted = {k: _sentence(v, k) for k, v in references.items()}
    if args.groups:
        groups = {k: str(v) for k, v in _mapping(args.groups).items()}
    report = evaluate_files(wanted, said, bertscore=args.encoder, categories=groups)
    if args.json:
        given = (args.references or args.candidates).name
        print_json({"what": "answers", "candidates": args.candidates.name, "references": given,
                    **report})
        return 0
    rows = [[metric, f"{t['brain']:.2f}", f"{t['shuffled']:.2f}", f"{t['sd']:.2f}", f"{t['difference']:+.2f}",
             f"{t['p']:.4f}", report["definitions"].get(metric, "")] for metric, t in report["tests"].items()]
    print(table(rows, ["metric", "x100", "shuffled", "s.d.", "difference", "p", "definition"]))
    print(f"{report['n']} answers, {100 * report['distinct']:.0f} % distinct."
          + (f" COLLAPSED: {report['collapsed']}." if report["collapsed"] else ""))
    return 0
