"""Jobs that the window and the command submit by name; they return plain types only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brainview.alignment.retrieval import DIRECTIONS as ARROWS
from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder

#: Systems of alignment.
SYSTEMS = ("whole-brain", "mindeye", "mindeye2", "tgbd", "ridge-clip")


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of an alignment run: its card, finished subjects and their table.

    ``table``: ``columns`` and one row (a dict) per subject, of the test part; ``notes``: lines to show under it;
    ``test``: subject -> ids of its test stimuli, which are those that can be ranked.
    """
    from brainview.alignment.ranking import open_shelf

    folder = RunFolder.open(run)
    _check_system(folder)
    card = folder.card("last")
    names = list(card["finished"])
    columns = ("images", "chance R@1", *(f"{d} R@1" for d in ARROWS), "shuffled R@1")
    rows = [{"subject": n, **{c: card["metrics"][n].get(c) for c in columns}} for n in names]
    story = card.get("targets", {})
    notes = [f"Target: {card.get('feature_label', '')}.",
             f"{story.get('texts_cut')} of {story.get('texts')} texts were longer than {story.get('context')} tokens "
             "and were cut." if story.get("texts_cut") else "No text was cut."]
    test = {n: [int(i) for i in open_shelf(run, n).ids] for n in names}
    return {"run": str(run), "card": card, "phantom": card["phantom"], "subjects": names,
            "table": {"columns": ["subject", *columns], "rows": rows}, "notes": notes, "test": test}


def rank(run: str, subject: str, stimulus: int, *, top: int = 20, context: JobContext = QUIET) -> dict[str, Any]:
    """Return ranked pictures and captions for the brain that saw `stimulus` (one of the test part).

    Returns
    -------
    dict
        ``images`` and ``texts``: lists of {rank (from 1), stimulus, similarity (cosine), own (bool), text}, best
        first, `top` long, the true one appended when it is further down; ``image_rank``, ``text_rank`` of the true
        one; ``gallery`` (size), ``chance`` of rank 1.
    """
    from brainview.alignment import ranking

    return ranking.rank(ranking.open_shelf(run, subject), stimulus, top=top)


def rank_brains(run: str, subject: str, stimulus: int | None = None, text: str | None = None, *, kind: str = "image",
                top: int = 20, context: JobContext = QUIET) -> dict[str, Any]:
    """Return ranked brains for a test picture, for its caption (`kind` ``text``), or for any typed sentence.

    Returns
    -------
    dict
        ``brains``: as the entries of :func:`rank` (stimulus = what that brain saw); ``brain_rank`` of the true one,
        None for a sentence; ``query``: stimulus, text, and for a sentence tokens, context, cut, unknown_tokens.
    """
    from brainview.alignment import ranking

    return ranking.rank_brains(ranking.open_shelf(run, subject), stimulus=stimulus, text=text, kind=kind, top=top)


def similarity(run: str, subject: str, *, permutations: int = 1000, seed: int = 0,
               context: JobContext = QUIET) -> dict[str, Any]:
    """Return cosine matrices of the test stimuli within and across brain, image and text.

    Returns
    -------
    dict
        ``ids`` (n,), ``order`` (n,) for drawing, ``matrices``: ``brain–brain``, ``image–image``, ``text–text``,
        ``brain–image``, ``brain–text``, ``image–text`` -> (n, n) float32; ``numbers`` per pair (matched and unmatched
        cosine, distance of centres, R@1) and ``rsa`` (Spearman of upper triangles, permutation p).
    """
    from brainview.alignment import ranking

    return ranking.similarity(ranking.open_shelf(run, subject), permutations=permutations, seed=seed, context=context)


def umap(run: str, subject: str, *, neighbours: int = 15, spread: float = 0.1, seed: int = 0,
         context: JobContext = QUIET) -> dict[str, Any]:
    """Return UMAP coordinates of all test embeddings; the seed is fixed.

    Returns
    -------
    dict
        ``points`` (3n, 2) float32, ``modality`` (3n: brain, image, text), ``ids`` (3n,), ``settings``, ``note``.
    """
    from brainview.alignment import ranking

    context.report(0, 1, "UMAP")
    return ranking.points(ranking.open_shelf(run, subject), neighbours=neighbours, spread=spread, seed=seed)


def retrieve(run: str, *, gallery: int | Sequence[int] = 300, seed: int = 0,
             context: JobContext = QUIET) -> dict[str, Any]:
    """Return retrieval rows of every finished subject: four directions, whole gallery and draws, shuffled."""
    from brainview.alignment.workflow import retrieval_rows

    folder = RunFolder.open(run)
    _check_system(folder)
    card = folder.card("last")
    subjects = {}
    for name in card["finished"]:
        context.check()
        result = RunFolder.open(folder.path / "subjects" / name)
        found = load_embeddings(result.path)
        subjects[name] = {"rows": retrieval_rows(found[1], sub_gallery=gallery, seed=seed), "images": len(found[0]),
                          "metrics": card["metrics"][name]}
    return {"run": str(run), "system": folder.system, "dataset": card["dataset"], "phantom": card["phantom"],
            "targets": card["feature_label"], "subjects": subjects}


def curves(run: str, *, context: JobContext = QUIET) -> dict[str, dict[str, Any]]:
    """Return subject -> direction -> (gallery,) recall at k = 1 ... over the whole test gallery."""
    from brainview.alignment.comparison import recall_curves

    folder = RunFolder.open(run)
    _check_system(folder)
    out: dict[str, dict[str, Any]] = {}
    for name in folder.card("last")["finished"]:
        context.check()
        out[name] = recall_curves({name: run}, name)[name]
    return out


def load_embeddings(folder: Path) -> tuple[Any, Any]:
    """Return (stimulus ids, Embeddings) of the test part of one subject's model."""
    from safetensors.numpy import load_file

    from brainview.alignment.workflow import Embeddings
    from brainview.core.files import regular_file

    arrays = load_file(regular_file(Path(folder) / "embeddings.safetensors"))
    return arrays["ids"], Embeddings(arrays["to_image"], arrays["to_text"], arrays["image"], arrays["text"])


def _check_system(folder: RunFolder) -> None:
    if folder.system not in SYSTEMS:
        raise MissingError(f"is a run of {folder.system}, which aligns no brains with pictures", where=folder.path,
                           remedy="Name a run of " + ", ".join(SYSTEMS) + ".")
