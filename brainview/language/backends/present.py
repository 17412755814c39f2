"""Present-day back ends with towers of their own: SmolVLM, PaliGemma, Qwen2.5-VL. Brain models must be trained on them.

Florence-2 is left out on purpose: its encoder mixes image and text before the decoder, so that there is no place
where brain tokens could stand for the image alone without its own prompt tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.language.backends.base import Backend, TokenSpace
from brainview.language.backends.boxes import paligemma_boxes, qwen_boxes
from brainview.language.backends.llava import load_tokenizer, load_weights, read


def load_present(source: str | Path, *, name: str | None = None, frame: str | None = None, bits: int = 16,
                 side: int = 448, context: JobContext = QUIET) -> Backend:
    """Load SmolVLM, PaliGemma or Qwen2.5-VL from a folder or hub name, by the type its configuration tells."""
    from transformers import (
        AutoConfig,
        PaliGemmaForConditionalGeneration,
        Qwen2_5_VLForConditionalGeneration,
        SmolVLMForConditionalGeneration,
    )

    context.report(0, 2, f"loading {name or source}")
    kinds: dict[str, tuple[Any, Any]] = {
        "smolvlm": (SmolVLMForConditionalGeneration, wrap_smolvlm), "idefics3": (SmolVLMForConditionalGeneration,
                                                                                wrap_smolvlm),
        "paligemma": (PaliGemmaForConditionalGeneration, wrap_paligemma),
        "qwen2_5_vl": (Qwen2_5_VLForConditionalGeneration, wrap_qwen)}
    found = read(AutoConfig.from_pretrained, source).model_type
    if found not in kinds:
        raise MissingError(f"models of type {found!r} have no place for brain tokens here", where=source,
                           remedy="Known: llava, llava_next, " + ", ".join(kinds) + ".")
    model = load_weights(kinds[found][0], source, bits)
    more = {"side": side} if found == "qwen2_5_vl" else {}
    return kinds[found][1](model, load_tokenizer(source), name=name or str(source), frame=frame, **more)


def wrap_smolvlm(model: Any, tokenizer: Any, *, name: str, frame: str | None = None) -> Backend:
    """SmolVLM: SigLIP tokens, pixel shuffle and a linear map (its connector)."""
    model.eval()
    config, inner = model.config, model.model
    grid = config.vision_config.image_size // config.vision_config.patch_size
    vocabulary = tokenizer.get_vocab()
    around = ("<fake_token_around_image><global-img>", "<fake_token_around_image>") \
        if "<fake_token_around_image>" in vocabulary else ("", "")
    space = TokenSpace((grid * grid,), config.vision_config.hidden_size,
                       f"SigLIP {config.vision_config.image_size} px, last layer after its norm")
    return Backend(name, model, tokenizer, space, inner.connector, frame or "smolvlm", config.image_token_id,
                   native=True, native_list=False, around=around)


def wrap_paligemma(model: Any, tokenizer: Any, *, name: str, frame: str | None = None) -> Backend:
    """PaliGemma: SigLIP tokens and a linear map; image and prompt see each other; boxes as location tokens."""
    model.eval()
    config, inner = model.config, model.model
    grid = config.vision_config.image_size // config.vision_config.patch_size
    space = TokenSpace((grid * grid,), config.vision_config.hidden_size,
                       f"SigLIP {config.vision_config.image_size} px, last layer after its norm")

    def extras(ids: Any, mask: Any) -> dict[str, Any]:
        import torch

        return {"token_type_ids": torch.zeros_like(ids)}

    return Backend(name, model, tokenizer, space, inner.multi_modal_projector, frame or "paligemma",
                   config.image_token_id, native=True, native_list=False, embeds=False, read_boxes=paligemma_boxes,
                   extras=extras)


def wrap_qwen(model: Any, tokenizer: Any, *, name: str, frame: str | None = None, side: int = 448) -> Backend:
    """Qwen2.5-VL: tower tokens before its merger, in the merger's order (2 x 2 blocks); rotary places in 2 x 2 D.

    `side` is that of the square picture which the brain model's tokens stand for.
    """
    model.eval()
    config, inner = model.config, model.model
    vision = config.vision_config
    grid = side // vision.patch_size
    merge = vision.spatial_merge_size
    width = inner.visual.merger.ln_q.weight.shape[0]
    space = TokenSpace((grid * grid,), width, f"Qwen2.5-VL tower, {side} px, before the merger, in 2 x 2 blocks")

    def project(tokens: Any) -> Any:
        flat = inner.visual.merger(tokens.flatten(0, 1))
        return flat.unflatten(0, (len(tokens), grid * grid // merge**2))

    def extras(ids: Any, mask: Any) -> dict[str, Any]:
        import torch

        shape = torch.tensor([[1, grid, grid]] * len(ids), device=ids.device)
        kinds = (ids == config.image_token_id).int()
        places, shift = inner.get_rope_index(input_ids=ids, mm_token_type_ids=kinds, image_grid_thw=shape,
                                             attention_mask=mask)
        inner.rope_deltas = shift
        return {"position_ids": places}

    around = ("<|vision_start|>", "<|vision_end|>") if "<|vision_start|>" in tokenizer.get_vocab() else ("", "")
    return Backend(name, model, tokenizer, space, project, frame or "chatml", config.image_token_id, around=around,
                   read_boxes=qwen_boxes(side), extras=extras)
