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

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig, IbbaResult, ibba, ibba_steps
from brainview.attribution.maps import grid_space, resolution_note, token_to_vertex
from brainview.attribution.methods import METHODS, token_scores
from brainview.attribution.source import Item, Source, open_source
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError, Cancelled, MissingError
from brainview.core.jobs import QUIET, JobContext, Quiet

#: Betas that are computed ahead, from the middle outwards.
BETA_GRID = tuple(float(b) for b in np.logspace(-3, 1, 9))
#: Finished maps and stimuli kept in memory: 174 tokens a map; 5 layers of 175 x 128 floats a stimulus.
MAPS, STREAMS = 4096, 32


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Store(Generic[K, V]):
    """A dictionary that forgets what was used longest ago; safe for a reader beside one writer."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._items: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        """Return what is kept under `key` or None."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key]

    def put(self, key: K, value: V) -> V:
        """Keep a value."""
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._size:
                self._items.popitem(last=False)
        return value

    def items(self) -> list[tuple[K, V]]:
        """Return all pairs."""
        with self._lock:
            return list(self._items.items())


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
    """

    def __init__(self, run: str, subject: str | None = None) -> None:
        self.source: Source = open_source(run, subject)
        self._newest = 0
        self._streams: Store[int, tuple[Item, list[torch.Tensor]]] = Store(STREAMS)
        self._maps: Store[tuple, dict[str, Any]] = Store(MAPS)
        self._latest: dict[str, Any] | None = None

    def describe(self) -> dict[str, Any]:
        """Return what the panel shows before anything is asked: layers, tokens, stimuli, methods, defaults."""
        source, default = self.source, IbbaConfig()
        width = source.encoder.config.width
        return {"run": str(source.path), "subject": source.subject, "checkpoint": source.checkpoint,
                "phantom": bool(source.card.get("phantom", False)), "layers": len(source.encoder.blocks),
                "tokens": source.encoder.n_tokens,
                "width": width, "stimuli": source.ids, "betas": list(BETA_GRID), "layer": self._layer(None),
                "beta": default.beta, "methods": {k: text for k, (_, _, text) in METHODS.items()},
                "beta_per_nat": default.beta_per_nat(source.encoder.n_tokens + 1, width),
                "resolution": resolution_note(source.grid),
                "card": {k: source.card.get(k) for k in ("subject", "dataset", "metrics", "epoch")}}

    def matrix(self, space: str = "fsaverage5", method: str = "trilinear") -> dict[str, Any]:
        """Return the sparse matrix from token scores to a mesh, or to the mask's voxels (``mni152-2mm``).

        ``data``, ``indices``, ``indptr``, ``shape`` of a CSR matrix; for voxels also ``index``, their places in the
        flattened 91 x 109 x 91 grid. Fetched once by the window, which then draws each answer with one product.
        """
        grid = self.source.grid
        volume = space == "mni152-2mm"
        if volume:
            place = {"index": grid_space(grid).index}
            made = grid.spread_matrix("nearest" if method == "nearest" else "trilinear")
        else:
            place, made = {}, token_to_vertex(grid, space, method)
        return {"space": space, "data": made.data, "indices": made.indices, "indptr": made.indptr,
                "shape": made.shape, "resolution": resolution_note(grid, method), **place}

    # --- beside a running request (call_now) ------------------------------------------------------------------

    def newest(self, number: int) -> int:
        """Announce request `number`: older ones stop within a step. Returns the newest number known."""
        self._newest = max(self._newest, int(number))
        return self._newest

    def peek(self, number: int, seen: int = 0) -> dict[str, Any] | None:
        """Return the last preview of a request when it has more steps than `seen`, else None."""
        latest = self._latest
        return latest if latest and latest["number"] == number and latest["serial"] > seen else None

    def nearest(self, stimulus: int, layer: int | None = None, beta: float = 0.1, target: str = "both",
                config: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return at once what is known near a setting, or None: the finished map, or one between finished betas.

        Between two finished betas the map is interpolated linearly in log beta and has status ``interpolated``;
        beyond the last one it is that map, with status ``interpolated`` and its own beta in ``from_betas``.
        """
        wanted = self._config(layer, beta, config)
        exact = self._maps.get(_key(stimulus, target, wanted))
        if exact is not None:
            return exact
        known = sorted((k[2].beta, v) for k, v in self._maps.items()
                       if k[:2] == (stimulus, target) and replace(k[2], beta=beta) == wanted)
        if not known:
            return None
        betas = np.array([b for b, _ in known])
        right = int(np.searchsorted(betas, beta))
        ends = [known[max(0, right - 1)], known[min(right, len(known) - 1)]]
        (low, a), (high, b) = ends
        share = 0.0 if low == high else float(np.log(beta / low) / np.log(high / low))
        mixed = {k: (1 - share) * a[k] + share * b[k] for k in ("scores", "bits", "fit_open", "fit_kept")}
        return {**a, **mixed, "status": "interpolated", "beta": beta, "from_betas": sorted({low, high})}

    # --- in turn (call) ---------------------------------------------------------------------------------------

    def attribute(self, number: int, stimulus: int, method: str = "ibba", layer: int | None = None, beta: float = 0.1,
                  target: str = "both", config: dict[str, Any] | None = None, settings: dict[str, Any] | None = None,
                  *, context: JobContext = QUIET) -> dict[str, Any]:
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
        beta : float
        target : str
            ``image``, ``text`` or ``both``.
        config : dict
            Other fields of IbbaConfig (copies, steps, sigma, lr, seed, mode, class_token).
        settings : dict
            Of the other methods (masks of rise ...).
        """
        request = _Request(self, number, context)
        self.newest(number)
        try:
            request.check()
            if method != "ibba":
                return self._other(request, stimulus, method, self._layer(layer), target, settings or {})
            return self._ibba(request, stimulus, self._config(layer, beta, config), target)
        except _Superseded:
            return {"status": "superseded", "number": number}

    def prefetch(self, number: int, stimulus: int, layer: int | None = None, beta: float = 0.1, target: str = "both",
                 config: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compute the beta grid of a setting, nearest to `beta` first, until done or superseded."""
        request, done = _Request(self, number), []
        try:
            for value in sorted(BETA_GRID, key=lambda b: abs(np.log(b / beta))):
                request.check()
                self._ibba(request, stimulus, self._config(layer, value, config), target, preview=False)
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
            own = self._ibba(request, stimulus, wanted, target, preview=False)
            again = self._ibba(request, stimulus, wanted.having(seed=wanted.seed + 1), target, preview=False)
            wrong_id = self._unlike(stimulus, target) if other is None else other
            streams = self._warm(stimulus)[1]
            wrong_item = self.source.item(wrong_id)
            wrong = ibba(self.source.encoder, streams[wanted.layer], _target(wrong_item, target), wanted,
                         request.check)
        except _Superseded:
            return {"status": "superseded", "number": number}
        a, b, c = own["scores"], again["scores"], wrong.scores
        return {"status": "final", "number": number, "own": own, "mismatched": _plain(wrong, "final") |
                {"stimulus": wrong_id}, "mismatched_pearson": float(np.corrcoef(a, c)[0, 1]),
                "seed_pearson": float(np.corrcoef(a, b)[0, 1]), "seed_overlap": grading.overlap_top(a, b)}

    def known(self) -> dict[str, int]:
        """Return how many maps and stimuli are kept in memory."""
        return {"maps": len(self._maps), "streams": len(self._streams)}

    # --- inside -----------------------------------------------------------------------------------------------

    def _ibba(self, request: _Request, stimulus: int, config: IbbaConfig, target: str, *,
              preview: bool = True) -> dict[str, Any]:
        key = _key(stimulus, target, config)
        found = self._maps.get(key)
        if found is not None:
            return found | {"number": request.number, "cached": True}
        item, streams = self._warm(stimulus)
        wanted, x, encoder = _target(item, target), streams[config.layer], self.source.encoder
        about = {"stimulus": stimulus, "target": target, "method": "ibba", "unit": "bits", "cached": False,
                 "checkpoint": self.source.checkpoint}
        if preview and config.copies > 1:
            early = ibba(encoder, x, wanted, config.having(copies=1), request.check)
            self._show(request.number, early, about)
        result: IbbaResult | None = None
        for result in ibba_steps(encoder, x, wanted, config, request.check):  # noqa: B007
            pass
        assert result is not None
        final = self._maps.put(key, _plain(result, "final") | about)
        return final | {"number": request.number}

    def _show(self, number: int, result: IbbaResult, about: dict[str, Any]) -> None:
        serial = 1 if self._latest is None or self._latest["number"] != number else self._latest["serial"] + 1
        self._latest = _plain(result, "preview") | about | {"number": number, "serial": serial}

    def _other(self, request: _Request, stimulus: int, method: str, layer: int, target: str,
               settings: dict[str, Any]) -> dict[str, Any]:
        item, _ = self._warm(stimulus)
        scores = token_scores(method, self.source.encoder, item.patches, _target(item, target), layer,
                              grid=self.source.grid, context=request, **settings)
        return {"status": "final", "number": request.number, "scores": np.asarray(scores, np.float32), "layer": layer,
                "method": method, "unit": "score", "stimulus": stimulus, "target": target, "settings": settings,
                "cached": False, "checkpoint": self.source.checkpoint}

    def _warm(self, stimulus: int) -> tuple[Item, list[torch.Tensor]]:
        """Return a stimulus with its residual streams, [layer] -> (L, d)."""
        found = self._streams.get(stimulus)
        if found is None:
            item = self.source.item(stimulus)
            streams = [s[0] for s in self.source.encoder.stream(item.patches[None])]
            found = self._streams.put(stimulus, (item, streams))
        return found

    def _unlike(self, stimulus: int, target: str) -> int:
        """Return the kept stimulus whose target is the least like this one's (of the first 200)."""
        own = _target(self._warm(stimulus)[0], target).direction
        others = [int(i) for i in self.source.ids[:200] if i != stimulus]
        if not others:
            raise MissingError("there is no other stimulus to compare with", where=self.source.path)
        return min(others, key=lambda i: float(own @ _pick(*self.source.embeddings(i), target).direction))

    def _layer(self, layer: int | None) -> int:
        return self.source.encoder.check_layer(IbbaConfig.default_layer(len(self.source.encoder.blocks))
                                                if layer is None else layer)

    def _config(self, layer: int | None, beta: float, config: dict[str, Any] | None) -> IbbaConfig:
        try:
            return IbbaConfig(layer=self._layer(layer), beta=beta, **(config or {}))
        except TypeError as err:
            raise BrainViewError(f"there is no such setting of IB-BA: {err}") from err


def _key(stimulus: int, target: str, config: IbbaConfig) -> tuple:
    return stimulus, target, config


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
