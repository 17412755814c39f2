"""The panels that a system brings along: each has a wiring class of its own, listed here.

A wiring takes the controller, connects its state with its widgets, and adds its state to the session's parts
(``session.parts[name] = state``, an object with ``settings() -> dict`` and ``apply(dict)``), from where projects and
the journal take it. Connect its events to ``controller.touch`` (the
journal). Fields that can be undone are given to ``controller.undo.watch(state, {field: words})``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brainview.app.wiring_attended import AttendedWiring
from brainview.app.wiring_attribution import AttributionWiring
from brainview.app.wiring_drivers import DriversWiring
from brainview.app.wiring_figures import FiguresWiring
from brainview.app.wiring_film import FilmWiring
from brainview.app.wiring_in_silico import InSilicoWiring
from brainview.app.wiring_layers import LayersWiring
from brainview.app.wiring_peaks import PeaksWiring
from brainview.app.wiring_retrieval import RetrievalWiring
from brainview.app.wiring_training import TrainingWiring
from brainview.app.wiring_trust import TrustWiring
from brainview.app.wiring_viewers import ViewersWiring
from brainview.app.wiring_words import WordsWiring

#: Called with the controller, in this order.
PAGES: tuple[Callable[[Any], Any], ...] = (
    TrainingWiring,
    PeaksWiring,
    LayersWiring,
    ViewersWiring,
    RetrievalWiring,
    InSilicoWiring,
    AttendedWiring,
    FilmWiring,
    WordsWiring,
    FiguresWiring,
    AttributionWiring,
    TrustWiring,
    DriversWiring,
)
