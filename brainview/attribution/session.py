"""Live attribution: an object in the live worker that answers sliders.

Use from the window::

    session = await engine.session("brainview.attribution.session:LiveAttribution", arguments={"run": path})
    await session.call_now("newest", number=7)            # every older request stops within one step
    answer = await session.call("attribute", number=7, stimulus=12, beta=0.1)
    await session.call_now("peek", number=7, seen=0)      # meanwhile: the last preview, or None
    await session.call("prefetch", number=7, stimulus=12) # neighbouring betas, until a newer request comes

Answers are plain dicts: ``status`` (``final``, ``preview``, ``interpolated``, ``superseded``), ``scores`` (n_tokens,)
float32 in ``unit``, ``bits``, ``fit_open``, ``fit_kept``, ``fit_curve`` and the settings they belong to. Maps are
spread over voxels or vertices by :mod:`brainview.attribution.maps` with one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig, IbbaResult, ibba, ibba_steps
from brainview.attribution.maps import resolution_mm, resolution_note, surface_spread, volume_spread
from brainview.attribution.methods import METHODS, token_scores
from brainview.attribution.source import Item, Source, open_source
from brainview.attribution.store import Store as Store
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError, Cancelled, MissingError
from brainview.core.jobs import QUIET, JobContext, Quiet

#: Betas that are computed ahead, from the middle outwards.
BETA_GRID = tuple(float(b) for b in np.logspace(-3, 1, 9))
#: What the panel and the command say of the defaults.
DEFAULT_NOTE = ("Default layer and β: the planted-truth benchmark's best (the encoder's input; the price of a nat at "
                "which the map depended most on its target), scaled to this encoder's tokens and width.")
#: Finished maps and stimuli kept in memory: 174 tokens a map; 5 layers of 175 x 128 floats a stimulus.
MAPS, STREAMS = 4096, 32


@dataclass(frozen=True)
class Ask:
    """What a map is asked of: a brain, and what it is compared with.

    Parameters
    ----------
    stimulus : int
        Whose brain.
    target : str
        ``image``, ``text`` or ``both``.
    words : str
        A text to use instead of the run's own captions; "" = those.
    target_of : int
        Another stimulus whose image and text are the target (a mismatched target), -1 = the same one.
    """

    stimulus: int
    target: str = "both"
    words: str = ""
    target_of: int = -1


class _Superseded(Cancelled):
    """A newer request has come."""


class _Request(Quiet):
    """Context of one request: `check` raises when a newer one has come."""

    def __init__(self, session: LiveAttribution, number: int, context: JobContext = QUIET) -> None:
        self._session, self.number, self._context = session, number, context

    def check(self) -> None:
        """Raise Cancelled when a newer request has come, or the caller's own context was cancelled."""
        self._context.check()
        if self._session._newest > self.number:
            raise _Superseded()

    def report(self, done: float, total: float, text: str = "") -> None:
        """Pass progress on."""
        self.check()
        self._context.report(done, total, text)


class LiveAttribution:
    """Attribution of one run, kept warm; see the module.

    Parameters
    ----------
    run : str
        Folder of a whole-brain run.
    subject : str, optional
        One of its subjects; None = the first.
    data : str
        A data set for pictures, words and truth where the run's own is not here.
    """

    def __init__(self, run: str, subject: str | None = None, data: str = "") -> None:
        self.source: Source = open_source(run, subject, data)
        self._newest = 0
        self._streams: Store[int, tuple[Item, list[torch.Tensor]]] = Store(STREAMS)
        self._maps: Store[tuple, dict[str, Any]] = Store(MAPS)
        self._latest: dict[str, Any] | None = None
        self._progress: dict[str, Any] = {}

    def describe(self) -> dict[str, Any]:
        """Return what the panel shows before anything is asked: layers, tokens, stimuli, methods, defaults."""
        source, default = self.source, IbbaConfig(beta=self._beta(None))
        width = source.encoder.config.width
        return {"run": str(source.path), "subject": source.subject, "checkpoint": source.checkpoint,
                "phantom": bool(source.card.get("phantom", False)), "layers": len(source.encoder.blocks),
                "tokens": source.encoder.n_tokens,
                "width": width, "stimuli": source.ids, "at_hand": source.at_hand,
                "betas": list(BETA_GRID), "layer": self._layer(None),
                "beta": default.beta, "methods": {k: text for k, (_, _, text) in METHODS.items()},
                "beta_per_nat": default.beta_per_nat(source.encoder.n_tokens + 1, width),
                "default_note": DEFAULT_NOTE,
                "resolution": resolution_note(source.grid), "token_mm": resolution_mm(source.grid),
                "card": {k: source.card.get(k) for k in ("subject", "dataset", "metrics", "epoch")}}

    def matrix(self, space: str = "fsaverage5", method: str = "trilinear") -> dict[str, Any]:
        """Return the sparse matrix from token scores to a mesh, or to the mask's voxels (``mni152-2mm``).

        The parts of a :class:`brainview.maps.tokens.TokenSpread`. Fetched once by the window, which then draws each
        answer with one product.
        """
        grid = self.source.grid
        return (volume_spread(grid, method) if space == "mni152-2mm" else surface_spread(grid, space, method)).parts()

    # --- beside a running request (call_now) ------------------------------------------------------------------

    def newest(self, number: int) -> int:
        """Announce request `number`: older ones stop within a step. Returns the newest number known."""
        self._newest = max(self._newest, int(number))
        return self._newest

    def peek(self, number: int, seen: int = 0) -> dict[str, Any] | None:
        """Return the last preview of a request when it has more steps than `seen`, else None."""
        latest = self._latest
        return latest if latest and latest["number"] == number and latest["serial"] > seen else None

    def progress(self, number: int) -> dict[str, Any]:
        """Return ``step``, ``steps`` and ``copies`` of a running request, {} when it does not run."""
        now = self._progress
        return now if now.get("number") == number else {}

    def nearest(self, stimulus: int, layer: int | None = None, beta: float = 0.1, target: str = "both",
                config: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return at once what is known near a setting, or None: the finished map, or one between finished betas.

        Between two finished betas the map is interpolated linearly in log beta and has status ``interpolated``;
        beyond the last one it is that map, with status ``interpolated`` and its own beta in ``from_betas``.
        """
        wanted, ask = self._config(layer, beta, config), Ask(stimulus, target)
        exact = self._maps.get((ask, wanted))
        if exact is not None:
            return exact
        found = {k[1].beta: v for k, v in self._maps.items()
                 if k[0] == ask and isinstance(k[1], IbbaConfig) and replace(k[1], beta=beta) == wanted}
        if not found:
            return None
        known = sorted(found.items())
        betas = np.array([b for b, _ in known])
        right = int(np.searchsorted(betas, beta))
        ends = [known[max(0, right - 1)], known[min(right, len(known) - 1)]]
        (low, a), (high, b) = ends
        share = 0.0 if low == high else float(np.log(beta / low) / np.log(high / low))
        mixed = {k: (1 - share) * a[k] + share * b[k] for k in ("scores", "bits", "fit_open", "fit_kept")}
        return {**a, **mixed, "status": "interpolated", "beta": beta, "from_betas": sorted({low, high})}

    # --- in turn (call) ---------------------------------------------------------------------------------------

    def attribute(self, number: int, stimulus: int, method: str = "ibba", layer: int | None = None,
                  beta: float | None = 0.1, target: str = "both", config: dict[str, Any] | None = None,
                  settings: dict[str, Any] | None = None, *, words: str = "", target_of: int = -1,
                  preview: bool = True, context: JobContext = QUIET) -> dict[str, Any]:
        """Return the final map of a request, or ``{"status": "superseded"}``; previews meanwhile come from `peek`.

        Parameters
        ----------
        number : int
            Rising from request to request.
        stimulus : int
        method : str
            One of `describe()["methods"]`.
        layer : int, optional
            Blocks passed; None = the default of this encoder.
        beta : float, optional
            None = the default of this encoder (:meth:`IbbaConfig.default_beta`).
        target : str
            ``image``, ``text`` or ``both``.
        config : dict
            Other fields of IbbaConfig (copies, steps, sigma, lr, seed, mode, class_token).
        settings : dict
            Of the other methods (masks of rise ...).
        words, target_of
            See :class:`Ask`.
        preview : bool
            Whether one copy is run first, for `peek`.
        """
        request, ask = _Request(self, number, context), Ask(stimulus, target, words, target_of)
        self.newest(number)
        try:
            request.check()
            if method != "ibba":
                return self._other(request, ask, method, self._layer(layer), settings or {})
            return self._ibba(request, ask, self._config(layer, self._beta(beta), config), preview=preview)
        except _Superseded:
            return {"status": "superseded", "number": number}

    def prefetch(self, number: int, stimulus: int, layer: int | None = None, beta: float = 0.1, target: str = "both",
                 config: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compute the beta grid of a setting, nearest to `beta` first, until done or superseded."""
        request, done = _Request(self, number), []
        try:
            for value in sorted(BETA_GRID, key=lambda b: abs(np.log(b / beta))):
                request.check()
                self._ibba(request, Ask(stimulus, target), self._config(layer, value, config), preview=False)
                done.append(value)
        except _Superseded:
            return {"status": "superseded", "number": number, "betas": done}
        return {"status": "done", "number": number, "betas": done}

    def believe(self, number: int, stimulus: int, layer: int | None = None, beta: float = 0.1, target: str = "both",
                config: dict[str, Any] | None = None, other: int | None = None) -> dict[str, Any]:
        """Return the checks of a map: the same with another item's target, and with another noise seed.

        A large correlation with the mismatched map says that the map follows the brain's activity, not the target.
        """
        request, wanted = _Request(self, number), self._config(layer, beta, config)
        try:
            own, again = (self._ibba(request, Ask(stimulus, target), c, preview=False)
                          for c in (wanted, wanted.having(seed=wanted.seed + 1)))
            wrong_id = self.unlike(stimulus, target) if other is None else other
            wrong = self._ibba(request, Ask(stimulus, target, target_of=wrong_id), wanted, preview=False)
        except _Superseded:
            return {"status": "superseded", "number": number}
        a, b, c = own["scores"], again["scores"], wrong["scores"]
        return {"status": "final", "number": number, "own": own, "mismatched": wrong | {"stimulus": wrong_id},
                "mismatched_pearson": float(np.corrcoef(a, c)[0, 1]),
                "seed_pearson": float(np.corrcoef(a, b)[0, 1]), "seed_overlap": grading.overlap_top(a, b)}

    def unlike(self, stimulus: int, target: str = "both") -> int:
        """Return the kept stimulus whose target is the least like this one's (of the first 200)."""
        own = _target(self._warm(stimulus)[0], target).direction
        others = [int(i) for i in self.source.ids[:200] if i != stimulus]
        if not others:
            raise MissingError("there is no other stimulus to compare with", where=self.source.path)
        return min(others, key=lambda i: float(own @ _pick(*self.source.embeddings(i), target).direction))

    def known(self) -> dict[str, int]:
        """Return how many maps and stimuli are kept in memory."""
        return {"maps": len(self._maps), "streams": len(self._streams)}

    # --- inside -----------------------------------------------------------------------------------------------

    def _ibba(self, request: _Request, ask: Ask, config: IbbaConfig, *, preview: bool = True) -> dict[str, Any]:
        found = self._maps.get((ask, config))
        if found is not None:
            return found | {"number": request.number, "cached": True}
        wanted, x, encoder = self._target(ask), self._warm(ask.stimulus)[1][config.layer], self.source.encoder
        about = self._about(ask) | {"method": "ibba", "unit": "bits"}
        if preview and config.copies > 1:
            early = ibba(encoder, x, wanted, config.having(copies=1), request.check)
            self._show(request.number, early, about)
        result: IbbaResult | None = None
        for result in ibba_steps(encoder, x, wanted, config, request.check):
            self._progress = {"number": request.number, "step": result.step, "steps": config.steps,
                              "copies": config.copies}
        assert result is not None
        final = self._maps.put((ask, config), _plain(result, "final") | about)
        return final | {"number": request.number}

    def _show(self, number: int, result: IbbaResult, about: dict[str, Any]) -> None:
        serial = 1 if self._latest is None or self._latest["number"] != number else self._latest["serial"] + 1
        self._latest = _plain(result, "preview") | about | {"number": number, "serial": serial}

    def _other(self, request: _Request, ask: Ask, method: str, layer: int,
               settings: dict[str, Any]) -> dict[str, Any]:
        key = (ask, method, layer, tuple(sorted(settings.items())))
        found = self._maps.get(key)
        if found is not None:
            return found | {"number": request.number, "cached": True}
        item, target = self._warm(ask.stimulus)[0], self._target(ask)
        scores = token_scores(method, self.source.encoder, item.patches, target, layer, grid=self.source.grid,
                              context=request, **settings)
        final = self._maps.put(key, {
            "status": "final", "scores": np.asarray(scores, np.float32), "layer": layer, "method": method,
            "unit": "score", "settings": settings, "fit_open": self._likeness(ask.stimulus, target),
            **self._about(ask)})
        return final | {"number": request.number}

    def _about(self, ask: Ask) -> dict[str, Any]:
        return {"stimulus": ask.stimulus, "target": ask.target, "words": ask.words, "target_of": ask.target_of,
                "cached": False, "checkpoint": self.source.checkpoint}

    @torch.no_grad()
    def _likeness(self, stimulus: int, target: Target) -> float:
        stream = self._warm(stimulus)[1]
        return float(target.score(self.source.encoder.head(stream[-1][None]))[0])

    def _target(self, ask: Ask) -> Target:
        """Return what a request compares the brain with."""
        if ask.words and ask.target != "image":
            item = self._warm(ask.stimulus)[0]
            return _pick(item.image, self.source.words(ask.words), ask.target)
        if ask.target_of >= 0:
            return _pick(*self.source.embeddings(ask.target_of), ask.target)
        return _target(self._warm(ask.stimulus)[0], ask.target)

    def _warm(self, stimulus: int) -> tuple[Item, list[torch.Tensor]]:
        """Return a stimulus with its residual streams, [layer] -> (L, d)."""
        found = self._streams.get(stimulus)
        if found is None:
            item = self.source.item(stimulus)
            streams = [s[0] for s in self.source.encoder.stream(item.patches[None])]
            found = self._streams.put(stimulus, (item, streams))
        return found

    def _layer(self, layer: int | None) -> int:
        return self.source.encoder.check_layer(IbbaConfig.default_layer(len(self.source.encoder.blocks))
                                                if layer is None else layer)

    def _beta(self, beta: float | None) -> float:
        encoder = self.source.encoder
        return IbbaConfig.default_beta(encoder.n_tokens + 1, encoder.config.width) if beta is None else beta

    def _config(self, layer: int | None, beta: float, config: dict[str, Any] | None) -> IbbaConfig:
        try:
            return IbbaConfig(layer=self._layer(layer), beta=beta, **(config or {}))
        except TypeError as err:
            raise BrainViewError(f"there is no such setting of IB-BA: {err}") from err


def _target(item: Item, which: str) -> Target:
    return _pick(item.image, item.text, which)


def _pick(image: torch.Tensor | None, text: torch.Tensor | None, which: str) -> Target:
    if which not in ("image", "text", "both"):
        raise BrainViewError(f"there is no target {which!r}", remedy="Use image, text or both.")
    if (which == "image" and image is None) or (which == "text" and text is None):
        raise MissingError(f"this run has no {which} embeddings")
    return Target.of(image, text, which)


def _plain(result: IbbaResult, status: str) -> dict[str, Any]:
    return {"status": status, "scores": result.scores, "bits": result.bits, "fit_open": result.fit_open,
            "fit_kept": result.fit_kept, "fit_curve": result.fit_curve, "step": result.step,
            **result.config.to_dict()}
