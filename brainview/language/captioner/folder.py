"""The captioner as a folder that transformers reads, and what it reaches on held-out scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.files import atomic_path, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.language.captioner.bank import SceneBank
from brainview.language.captioner.config import MEAN, STD, Captioner

#: The frame "plain" as transformers wants it: the picture, then the question.
TEMPLATE = ("{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
            "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}USER:"
            "{% for part in message['content'] %}{% if part['type'] == 'text' %} {{ part['text'] }}{% endif %}"
            "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}")


def write_folder(folder: Path, model: Any, tower: Any, tokenizer: Any, config: Captioner, image: np.ndarray,
                 story: dict[str, Any]) -> None:
    """Write weights (float16), configuration, tokenizer, pixel statistics, the tower's known answer, and the card.

    `model` is the trained ``LlavaForConditionalGeneration``; its tower is filled in from `tower`.
    """
    import torch
    from safetensors.numpy import save_file

    from brainview.language.backends.llava import REFERENCE
    from brainview.language.captioner.tower import tower_tokens

    model.model.vision_tower.load_state_dict(tower.state_dict())
    half = {k: v.detach().to(torch.float16).float() for k, v in model.state_dict().items()}
    model.load_state_dict(half)
    model.tie_weights()
    model.to(torch.float16).save_pretrained(folder)
    model.to(torch.float32)
    (folder / "model.safetensors").chmod(0o644)  # some versions of safetensors write for the owner alone
    tokenizer.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "resample": 3, "do_rescale": True,
        "size": {"height": config.pixels, "width": config.pixels}, "do_center_crop": False, "do_normalize": True,
        "do_convert_rgb": True, "rescale_factor": 1 / 255, "image_mean": list(MEAN), "image_std": list(STD)})
    with atomic_path(folder / "chat_template.jinja") as part:
        part.write_text(TEMPLATE, encoding="utf-8")
    with atomic_path(folder / REFERENCE) as part:
        save_file({"image": np.ascontiguousarray(image),
                   "tokens": tower_tokens(model.model.vision_tower.eval(), image[None])[0]}, part)
    write_json(folder / "card.json", {"name": "phantom-llava", "frame": "plain", "phantom": True,
                                      "parameters": sum(p.numel() for p in model.parameters()), **story})


def grade(backend: Any, tokens: np.ndarray, bank: SceneBank, *, boxes: bool = True, batch: int = 50,
          context: JobContext = QUIET) -> dict[str, Any]:
    """Return what a back end says of held-out true pictures: objects named, acc@0.5, share of right answers.

    `tokens` (n, N, D) are the tower's for each picture of the bank.

    Beside the answers stand two guessers without eyes: the commonest answer of all, and the commonest of each kind of
    question (whether a presence question is true or not is not known to it), both chosen on these very questions.
    """
    from collections import Counter

    from brainview.language.captioner.turns import LOCATE, SHORT
    from brainview.language.metrics.boxes import iou

    asked: list[str] = []
    keys: list[tuple[int, str, Any]] = []
    for i, row in enumerate(bank.rows):
        asked.append(SHORT[0])
        keys.append((i, "caption", ""))
        seen = set()
        for thing in row["things"]:
            name = thing["coco"] or thing["name"]
            if boxes and name not in seen:
                seen.add(name)
                asked.append(LOCATE[0].format(name))
                keys.append((i, "box", thing["box"]))
        for item in row["questions"]:
            asked.append(item["question"])
            keys.append((i, item["kind"], item["answer"]))
    texts: list[Any] = []
    for start in range(0, len(asked), batch):
        context.report(start, len(asked), "grading the captioner")
        pick = slice(start, start + batch)
        texts += backend.reply(tokens[[k[0] for k in keys[pick]]], asked[pick], max_new=40)
    counts: dict[str, list[float]] = {}
    answers: Counter[str] = Counter()
    by_kind: dict[str, Counter[str]] = {}
    hit = said = there = 0
    for (i, kind, truth), reply in zip(keys, texts, strict=True):
        if kind == "caption":
            told = {t["name"] for t in bank.rows[i]["things"] if t["name"] in reply.text.lower()}
            names = {t["name"] for t in bank.rows[i]["things"]}
            found = {n for n in {t["name"] for r in bank.rows for t in r["things"]} if n in reply.text.lower()}
            hit, said, there = hit + len(told), said + len(found), there + len(names)
        elif kind == "box":
            first = reply.boxes[0][0] if reply.boxes and reply.boxes[0] else (0, 0, 0, 0)
            counts.setdefault("box", []).append(iou(truth, first))
        else:
            answers[truth] += 1
            by_kind.setdefault(kind.split()[0], Counter())[truth] += 1
            counts.setdefault(kind, []).append(float(reply.text.lower().strip(". ") == truth))
    overlap = np.array(counts.pop("box", []))
    every = [v for values in counts.values() for v in values]
    return {"pictures": len(bank), "captions": {"named objects, precision": hit / max(said, 1),
                                                "named objects, recall": hit / max(there, 1)},
            **({"boxes": {"n": len(overlap), "acc@0.5": float((overlap > 0.5).mean()), "IoU": float(overlap.mean())}}
               if overlap.size else {}),
            "answers": {"n": len(every), "all": float(np.mean(every)),
                        "commonest answer": max(answers.values()) / len(every),
                        "commonest answer of its kind": sum(max(c.values()) for c in by_kind.values()) / len(every),
                        **{k: float(np.mean(v)) for k, v in counts.items()}}}
