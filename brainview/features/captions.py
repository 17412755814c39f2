"""Texts for pictures by image-text-to-text models of transformers, kept as JSON lines.

Names: ``phantom`` (ships, knows drawn pictures), a preset (:data:`MODELS`), a hub name, or a local folder; hub names
work offline from the cache. The seed of LLM-VEM used BLIP-2 and MiniGPT-4; MiniGPT-4 is not in transformers, any other
model of the family is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.device import best_device
from brainview.core.errors import FormatError, MissingError
from brainview.core.files import read_text
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import cache_dir, resources_dir
from brainview.datasets.types import Stimuli
from brainview.features.hub import hub_access
from brainview.features.torch_space import no_bars, unreachable

#: Name of the captioner that ships, which knows drawn pictures only; its folder below ``models`` of the resources.
PHANTOM, SHIPPED = "phantom", "phantom-llava"
#: The wordings that it was trained with.
LEARNED = {"short": "Describe this image as simply as possible.", "detailed": "Describe this image in detail."}
#: Short names: small on a CPU; faithful to the seed paper; with more words on a GPU.
MODELS = {"small": "Salesforce/blip-image-captioning-base", "blip2": "Salesforce/blip2-opt-2.7b",
          "smolvlm": "HuggingFaceTB/SmolVLM-256M-Instruct", "qwen": "Qwen/Qwen2.5-VL-3B-Instruct"}
#: In a prompt: replaced by the data set's own captions of the picture.
OWN = "{captions}"
#: Prompts that ship; any other text is taken as it is. ``alignment`` asks for what whole-brain alignment is trained on:
#: a description in one paragraph that fits CLIP's 77 tokens, made from the picture and its captions (own words).
PROMPTS = {"short": "Describe this image in one sentence.",
           "detailed": "Describe this image in detail: what is there, where it is, and what happens.",
           "objects": "List the objects in this image, separated by commas.",
           "alignment": f"People described this image as follows: {OWN} Using the image and these sentences, describe "
                        "it in one paragraph of about 60 words and never more than 77: the main things with their "
                        "colours, where they are, what happens, and the place. Give the description only.",
           "scene": "Say in a few words what kind of place this image shows.", "none": ""}
#: Models that continue a beginning instead of following an instruction; asked nothing, they describe the picture.
_CONTINUE = ("blip", "git")
#: What LLaVA models without a template of their own are asked.
_LLAVA = "USER: {image}\n{text} ASSISTANT:"
#: Questions to BLIP-2 with OPT have this form.
_QUESTION = ("blip-2", "instructblip")


@dataclass(frozen=True)
class Decoding:
    """How a text is decoded.

    Parameters
    ----------
    tokens : int
        Most new tokens.
    beams : int
    sample : bool
        Draw instead of taking the most probable; `temperature` and `seed` then matter.
    """

    tokens: int = 60
    beams: int = 3
    sample: bool = False
    temperature: float = 1.0
    seed: int = 0


class Captioner:
    """A loaded model; make one with :func:`load_captioner`.

    Parameters
    ----------
    name : str
    model, processor : of transformers
    prompt : str
        As given; :attr:`asked` is what the model is really given.
    decoding : Decoding
    """

    def __init__(self, name: str, model: Any, processor: Any, prompt: str, decoding: Decoding) -> None:
        self.name, self.model, self.processor = name, model.eval(), processor
        self.prompt, self.decoding = PROMPTS.get(prompt, prompt), decoding

    @property
    def family(self) -> str:
        """Kind of model as transformers calls it, for example ``blip-2``."""
        return str(self.model.config.model_type)

    @property
    def asked(self) -> str:
        """The text that goes in beside the picture ("" = none)."""
        if not self.prompt or self.family in _CONTINUE:
            return ""
        return f"Question: {self.prompt} Answer:" if self.family in _QUESTION else self.prompt

    @cached_property
    def key(self) -> str:
        """Hash of every weight, the prompt and the decoding settings."""
        digest = hashlib.sha256(json.dumps([self.asked, asdict(self.decoding)]).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(name.encode() + flat.view(_bytes()).numpy().tobytes())
        return digest.hexdigest()[:24]

    def write(self, images: Sequence[Image.Image], captions: Sequence[Sequence[str]] | None = None) -> list[str]:
        """Return one text per picture; `captions` of each stand in the prompt where it says ``{captions}``."""
        import torch

        decoding = self.decoding
        torch.manual_seed(decoding.seed)
        asked = [self.asked.replace(OWN, " ".join(own)) for own in captions or [()] * len(images)]
        given = self._inputs([i.convert("RGB") for i in images], asked)
        given = {k: v.to(self.model.device) if hasattr(v, "to") else v for k, v in given.items()}
        more = {"do_sample": True, "temperature": decoding.temperature} if decoding.sample else {"do_sample": False}
        with torch.inference_mode():
            out = self.model.generate(**given, max_new_tokens=decoding.tokens, num_beams=decoding.beams, **more)
        begun = given["input_ids"].shape[1] if "input_ids" in given else 0
        if begun and out.shape[1] >= begun and bool((out[:, :begun] == given["input_ids"]).all()):
            out = out[:, begun:]  # decoder-only models repeat what they were given
        texts = self.processor.batch_decode(out, skip_special_tokens=True)
        return [" ".join(str(t).split()) for t in texts]

    def _inputs(self, images: list[Image.Image], asked: list[str]) -> dict[str, Any]:
        if getattr(self.processor, "chat_template", None):
            texts = [self.processor.apply_chat_template(
                [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
                add_generation_prompt=True) for text in asked]
            return dict(self.processor(images=[[i] for i in images], text=texts, return_tensors="pt", padding=True))
        mark = getattr(self.processor, "image_token", None)
        if mark and self.family.startswith("llava"):
            asked = [_LLAVA.format(image=mark, text=text) for text in asked]
        elif not self.asked:
            return dict(self.processor(images=images, return_tensors="pt"))
        return dict(self.processor(images=images, text=asked, return_tensors="pt", padding=True))


def _bytes() -> Any:
    import torch

    return torch.uint8


def load_captioner(name: str = "small", prompt: str = "short", decoding: Decoding | None = None) -> Captioner:
    """Load a captioner by preset, hub name or local folder.

    Raises
    ------
    MissingError
        The model is neither here nor reachable. FormatError: a folder that holds no such model.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    source = str(resources_dir() / "models" / SHIPPED) if name in (PHANTOM, SHIPPED) else MODELS.get(name, name)
    local = Path(source).expanduser()
    if local.is_dir():
        source = str(local)
    elif source.startswith((".", "/", "~")):
        raise MissingError("is no folder of a model", where=source)
    try:
        with hub_access(not local.is_dir()):
            processor = AutoProcessor.from_pretrained(source)
            with no_bars(local.is_dir()):
                model = AutoModelForImageTextToText.from_pretrained(source, use_safetensors=True)
    except ImportError as err:  # some processors want a package of their own (SmolVLM's: num2words)
        raise MissingError(f"cannot be loaded: {shown(err, limit=160)}", where=source,
                           remedy="Install the package that it names, or take another model.") from err
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as err:
        if local.is_dir():
            raise FormatError(f"holds no image-text-to-text model of transformers: {shown(err, limit=160)}",
                              where=source) from err
        raise unreachable(source, err, "Connect once, or give the folder of a model, such as one that was copied from "
                          "another machine.") from err
    _complete(processor, model.config)
    if name in (PHANTOM, SHIPPED):
        prompt = LEARNED.get(prompt, prompt)
    device = best_device()
    model = model.float() if device.type == "cpu" else model.to(device)  # half precision crawls on a processor
    return Captioner(name, model, processor, prompt,
                     decoding or Decoding())


def _complete(processor: Any, config: Any) -> None:
    """Tell a processor of LLaVA's kind how many tokens a picture has, where its folder does not."""
    vision = getattr(config, "vision_config", None)
    if vision is not None and getattr(processor, "patch_size", 0) is None and hasattr(vision, "patch_size"):
        processor.patch_size = vision.patch_size
        processor.vision_feature_select_strategy = getattr(config, "vision_feature_select_strategy", "default")
        processor.num_additional_image_tokens = int("clip" in str(vision.model_type))  # the class token


def caption_stimuli(captioner: Captioner, stimuli: Stimuli, ids: Iterable[int], file: os.PathLike | str | None = None,
                    *, batch: int = 4, context: JobContext = QUIET) -> Path:
    """Write a text for every stimulus that has none by this model, prompt and decoding; return the file.

    Every line: ``id``, ``text``, ``model``, ``family``, ``prompt``, ``asked``, ``decoding``, ``key`` (hash of all that
    and of the weights), ``picture`` (hash of the pixels). Lines are appended whole: an interrupted call goes on.

    Parameters
    ----------
    file : path, optional
        Default: in the cache, by the captioner's key; give it to ``texts=file:PATH`` of LLM-VEM.
    """
    path = Path(file) if file is not None else cache_dir() / "captions" / f"{captioner.key}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _done(path, captioner.key)
    waiting = [int(i) for i in np.unique(np.fromiter(ids, np.int64)) if int(i) not in done]
    story = {"model": captioner.name, "family": captioner.family, "prompt": captioner.prompt,
             "asked": captioner.asked, "decoding": asdict(captioner.decoding), "key": captioner.key}
    for a in range(0, len(waiting), batch):
        context.report(a, len(waiting), "writing captions")
        part = waiting[a:a + batch]
        pictures = [stimuli.image(i) for i in part]
        own = [stimuli.captions(i) for i in part] if OWN in captioner.prompt else None
        lines = [json.dumps({"id": i, "text": text, "picture": _pixels(image), **story}, ensure_ascii=False) + "\n"
                 for i, image, text in zip(part, pictures, captioner.write(pictures, own), strict=True)]
        _append(path, "".join(lines).encode())
    return path


def _append(path: Path, content: bytes) -> None:
    """Append whole lines, after removing what a kill left of the last one."""
    with open(path, "a+b") as out:
        size = out.seek(0, os.SEEK_END)
        if size:
            out.seek(max(0, size - 65536))
            tail = out.read()
            if not tail.endswith(b"\n"):
                out.truncate(size - len(tail) + tail.rfind(b"\n") + 1)
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _done(path: Path, key: str) -> set[int]:
    """Return the ids that have a text by this captioner; a cut last line is ignored."""
    if not path.exists() or path.stat().st_size == 0:
        return set()
    found = set()
    for line in read_text(path).splitlines():
        try:
            row = json.loads(line)
            if row.get("key") == key:
                found.add(int(row["id"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _pixels(image: Image.Image) -> str:
    return hashlib.sha256(repr(image.size).encode() + image.convert("RGB").tobytes()).hexdigest()[:16]


