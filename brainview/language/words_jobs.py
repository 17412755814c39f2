"""Jobs of the words page, by name: one text at a time, streamed; the map of a word; scores; transcripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.language.backends.registry import SHIPPED


class _Streaming:
    """Passes the text so far on as the job's progress."""

    def __init__(self, context: JobContext, limit: int) -> None:
        self.context, self.limit, self.count = context, limit, 0

    def __call__(self, text: str) -> None:
        self.count = min(self.count + 1, self.limit - 1)
        self.context.report(self.count, self.limit, shown(text, limit=2000))


def say(run: str, subject: str, stimulus: int, prompt: str, *, voice: str = "brain", backend: str = SHIPPED,
        scale: Mapping[str, float] | None = None, history: Sequence[tuple[str, str]] = (), max_new: int = 96,
        context: JobContext = QUIET) -> dict[str, Any]:
    """Return one reply as plain values; the text so far is the progress.

    `voice` is ``brain``, ``edited`` (with `scale`), ``control`` (as many voxels elsewhere), ``shuffled`` or ``image``.
    """
    from brainview.language.backends.registry import load_backend
    from brainview.language.describe import voice_tokens

    model = load_backend(backend)
    options: dict[str, Any] = {}
    if voice in ("edited", "control"):
        options["scale"] = dict(scale or {})
        if voice == "control":
            options["control"] = 0
    source = voice if voice in ("image", "shuffled") else "brain"
    tokens = voice_tokens(run, subject, [int(stimulus)], source, options=options)
    reply = model.reply(tokens, [prompt], histories=[[(str(a), str(b)) for a, b in history]], max_new=max_new,
                        on_text=_Streaming(context, max_new), context=context)[0]
    return {**reply.to_dict(), "voice": voice, "stimulus": int(stimulus), "subject": subject}


def word_map(run: str, subject: str, stimulus: int, prompt: str, answer: str, start: int, stop: int, *,
             backend: str = SHIPPED, method: str = "gradient", history: Sequence[tuple[str, str]] = (),
             context: JobContext = QUIET) -> Any:
    """Return the BrainMap of the voxels that carry one word of the brain's answer.

    `method`: ``gradient`` (how each voxel raises the word's log probability; exact, the tokenizer is linear) or
    ``ibba`` (bits that have to come through at each voxel for the word to be said). In MNI152 where NSD's transform of
    the subject is here, so that it can be put on the cortex.
    """
    from brainview.language.backends.registry import load_backend
    from brainview.language.brain.bottleneck import word_bits
    from brainview.language.brain.jobs import gradient_map, on_mni, voxel_map
    from brainview.language.describe import voice_tokens

    model = load_backend(backend)
    word, place = shown(answer[start:stop], limit=40), (int(start), int(stop))
    turns = [(str(a), str(b)) for a, b in history]
    if method == "ibba":
        found = word_bits(run, subject, int(stimulus),
                          lambda tokens: model.word_log_p(tokens, prompt, answer, place, history=turns),
                          context=context)
        drawn = voxel_map(run, subject, found.scores, f'IB-BA for "{word}" (log p {found.fit_open:.2f}, through the '
                          f"bottleneck {found.fit_closed:.2f})", units="bits", provenance={
                              "stimulus": int(stimulus), "bits": found.bits, **found.config.to_dict()})
    else:
        tokens = voice_tokens(run, subject, [int(stimulus)], "brain")[0]
        grad, _ = model.gradient(tokens, prompt, answer, place, history=turns)
        context.check()
        drawn = gradient_map(run, subject, int(stimulus), grad, name=f'voxels for "{word}"', context=context)
    return on_mni(run, subject, drawn, context=context)


def nearest(run: str, subject: str, stimulus: int, count: int = 5, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the test pictures whose tokens are nearest to the brain's, with a caption each: decoding by retrieval.

    Nearness is the correlation of token arrays minus the mean array of training. ``rank`` (0 = first) and ``of`` say
    where the picture that was seen stands among all test pictures; by chance it stands in the middle.
    """
    import numpy as np

    from brainview.datasets.registry import open_dataset
    from brainview.language.brain import jobs
    from brainview.training.run import RunFolder

    ids = jobs.test_ids(run, subject)
    if int(stimulus) not in ids:
        ids = np.append(ids, int(stimulus))
    found = jobs.brain_tokens(run, subject, [int(stimulus)], context=context)
    true = np.asarray(jobs.true_tokens(run, ids, subject=subject, context=context)["tokens"], np.float32)
    mine = (found["tokens"][0] - found["mean"]).ravel()
    theirs = (true - found["mean"]).reshape(len(ids), -1)
    mine, theirs = mine - mine.mean(), theirs - theirs.mean(1, keepdims=True)
    r = theirs @ mine / np.maximum(np.linalg.norm(theirs, axis=1) * np.linalg.norm(mine), 1e-12)
    order = np.argsort(-r, kind="stable")
    stimuli = open_dataset(RunFolder.open(run).story["data"]).stimuli
    rows = []
    for k in order[:count]:
        words = stimuli.captions(int(ids[k]))
        rows.append({"stimulus": int(ids[k]), "r": float(r[k]), "caption": str(words[0]) if len(words) else "",
                     "seen": int(ids[k]) == int(stimulus)})
    return {"rows": rows, "rank": int(np.flatnonzero(ids[order] == int(stimulus))[0]), "of": len(ids)}


def scores(run: str, subject: str, *, backend: str = SHIPPED, limit: int | None = None,
           context: JobContext = QUIET) -> dict[str, Any]:
    """Return the scores of :func:`brainview.language.describe.score_run`."""
    from brainview.language.describe import score_run

    return score_run(run, subject, backend=backend, limit=limit, context=context)


def transcript(path: str, run: str, subject: str, rows: Sequence[Mapping[str, Any]], *,
               context: JobContext = QUIET) -> str:
    """Write replies with their provenance as JSON lines; returns the path."""
    from brainview.language.describe import provenance, write_transcript

    return str(write_transcript(path, provenance(run, subject), rows))
