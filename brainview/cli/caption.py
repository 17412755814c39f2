"""``brainview caption PATH --model M``: a text for every stimulus by a language model, cached as JSON lines."""

from __future__ import annotations

import argparse
from pathlib import Path

from brainview.cli.terminal import add_json, print_json, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of a data set")
    parser.add_argument("--model", default="small",
                        help="small (BLIP base, CPU) | blip2 (the seed paper's) | smolvlm | qwen | any model for "
                             "image-text-to-text of transformers: hub name or local folder | phantom (ships; "
                             "knows drawn pictures only)")
    parser.add_argument("--prompt", default="short",
                        help="short | detailed | alignment | objects | scene | none | any text")
    parser.add_argument("--out", type=Path, help="file of JSON lines (default: in the cache)")
    parser.add_argument("--tokens", type=int, default=60, help="most new tokens (60)")
    parser.add_argument("--beams", type=int, default=3, help="beams (3)")
    parser.add_argument("--sample", action="store_true", help="draw, instead of the most probable text")
    parser.add_argument("--seed", type=int, default=0, help="of drawing (0)")
    parser.add_argument("--limit", type=int, help="only the first so many stimuli")
    parser.add_argument("--clip", help="also count which texts exceed the context of this CLIP model")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write what is missing and say where it is."""
    from brainview.datasets.registry import open_dataset
    from brainview.features.captions import Decoding, caption_stimuli, load_captioner
    from brainview.features.texts import read_texts

    dataset = open_dataset(args.path)
    captioner = load_captioner(args.model, args.prompt, Decoding(args.tokens, args.beams, args.sample, seed=args.seed))
    ids = dataset.stimuli.ids[: args.limit]
    with terminal_job(quiet=args.json) as context:
        file = caption_stimuli(captioner, dataset.stimuli, ids.tolist(), args.out, context=context)
    texts = [t for row in read_texts(file).values() for t in row]
    found = {"file": file, "texts": len(texts), "model": captioner.name, "family": captioner.family,
             "asked": captioner.asked, "key": captioner.key}
    if args.clip:
        from brainview.features.clip_pair import load_clip

        clip = load_clip(args.clip)
        found["texts_cut"] = int((clip.lengths(texts) > clip.context).sum())
    if args.json:
        print_json(found)
        return 0
    cut = f"; {found['texts_cut']} exceed the context of {args.clip} and would be cut" if args.clip else ""
    print(f"{file}: {len(texts):,} texts by {captioner.name} ({captioner.family}), asked {captioner.asked!r}{cut}\n"
          f"use them with --set texts=file:{file}")
    return 0
