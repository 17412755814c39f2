"""Compare any two maps: hold one, show another, see how they agree and where they differ."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QDialog, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label
from brainview.app.widgets.distributions import DensityPlot
from brainview.core.errors import MissingError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.layers import Gate
from brainview.scene.colors import bar_title
from brainview.state import layers
from brainview.state.app import GROUP, Source
from brainview.state.recipes import where_of

DIFFERENCE = "brainview.encoding.jobs:difference"
WITH_DOUBT = ("Uncertainty: both are scores of trained runs, so the difference can be bootstrapped over the test "
              "images (paired where they are the same images).")
WITHOUT_DOUBT = ("Uncertainty: none. At least one of these maps holds one number per location and nothing it could be "
                 "estimated from; r, r², R² and r² / ceiling of single subjects of trained runs have one.")
#: |difference / standard error| from which a difference is drawn in full.
SURE = 1.96
COMPARE = "brainview.maps.compare:compare"


def words_of(result: dict[str, Any]) -> list[str]:
    """Return the figures of a comparison in words, each with what it is."""
    p = result["p_spin"]
    spin = "no spin test away from fsaverage's sphere" if p is None else \
        f"spin test p = {p:.3f} ({result['spins']} turns, two-sided)"
    return [f"Pearson r = {result['r']:.3f}, Spearman ρ = {result['rho']:.3f} over {result['n']:,} locations with data "
            "in both", spin, f"mean difference {result['mean_difference']:.3g}"]


class ComparisonDialog(QDialog):
    """Scatter of one map against the other, with figures; draws the difference on the cortex."""

    def __init__(self, parent: QWidget, first: BrainMap, second: BrainMap, result: dict[str, Any], draw: Any,
                 doubt: Any = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Comparison")
        self.resize(560, 560)
        self.plot = DensityPlot(f"{first.name} against {second.name}", 320)
        self.plot.show_values(result["x"], result["y"], (bar_title(first), bar_title(second)), "where both are equal")
        self.plot.setMaximumHeight(1000)
        self.plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        phantom = " · phantom" if first.is_phantom or second.is_phantom else ""
        column.addWidget(label(f"{first.name}  against  {second.name}{phantom}", "title", wrap=True))
        column.addWidget(self.plot, 1)
        self.lines = [label(words, "second", wrap=True) for words in words_of(result)]
        for line in self.lines:
            column.addWidget(line)
        self.doubt = label(WITH_DOUBT if doubt is not None else WITHOUT_DOUBT, "caption", wrap=True)
        column.addWidget(self.doubt)
        row = QHBoxLayout()
        row.addStretch(1)
        if doubt is not None:
            row.addWidget(button("With its uncertainty", doubt, tip="Bootstrap over the test images, then the "
                                 "difference where it is more than twice its standard error; the rest faded"))
        row.addWidget(button("Draw the difference", draw, role="primary",
                             tip="First minus second, on the cortex, zero in the middle of the colours"))
        row.addWidget(button("Close", self.reject))
        column.addLayout(row)


class Comparing:
    """The part of the controller that compares maps."""

    app: Any
    view: Any
    window: Any
    session: Any
    shower: Any
    reporter: Any
    undo: Any
    held: BrainMap | None = None
    held_where: dict[str, Any] = {}

    def hold_map(self) -> None:
        """Keep the map on screen to compare others with it."""
        drawn = self.shower.original or self.view.map
        if drawn is None:
            raise MissingError("there is no map on screen", remedy="Open one first.")
        self.held, self.held_where = self._named(drawn), where_of(self.app, self.app.source)
        self.reporter.tell(f"Holding {shown(self.held.name)}: show another map, then Compare with the held map "
                           "(Ctrl+Shift+D)", "done")

    def _named(self, drawn: BrainMap) -> BrainMap:
        brain = self.app.source.brain
        return drawn.having(name=f"{drawn.name} · {brain}") if brain and brain not in drawn.name else drawn

    def has_held(self) -> bool:
        """Tell whether a map is held."""
        return self.held is not None and self.view.map is not None

    async def compare_maps(self) -> ComparisonDialog:
        """Compare the held map with the one on screen."""
        drawn = self.shower.original or self.view.map
        if self.held is None or drawn is None:
            raise MissingError("no map is held", remedy="Show the first map and choose Hold this map.")
        first, second = self.held, self._named(drawn)
        result = await self.session.ask(COMPARE, f"Compare {first.name} and {second.name}", lane="batch", first=first,
                                        second=second)
        wheres = (self.held_where, where_of(self.app, self.app.source))
        able = all(w.get("metric") and w.get("brain") != GROUP for w in wheres) \
            and wheres[0]["metric"] == wheres[1]["metric"]
        dialog = ComparisonDialog(self.window, first, second, result,
                                  lambda: self.reporter.start(self.draw_computed(result["difference"])),
                                  (lambda: self.reporter.start(self.draw_difference(*wheres))) if able else None)
        dialog.show()
        return dialog

    async def draw_difference(self, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
        """Estimate how sure the difference of two scores is; draw it, faded where it is not."""
        found = await self.session.ask(DIFFERENCE, "Difference with its uncertainty", lane="batch", first=first,
                                       second=second)
        paths = await self.session.keep(found["difference"], found["error"], found["z"])
        with self.undo.together("Draw difference"):
            self.app.source = Source("file", path=paths[0])
            layers.change(self.view, layers.main_index(self.view), gate=Gate(SURE), second=found["z"],
                          second_where={"path": paths[2]}, rule=self.view.rule.having(below="faded"))
        self.reporter.tell(found["note"], "info", [("Hide what is unsure", self._hide_unsure)])
        return found

    def _hide_unsure(self) -> None:
        self.view.rule = self.view.rule.having(below="hidden")

    async def draw_computed(self, computed: BrainMap) -> None:
        """Draw a map that was computed here; it is kept in a file, so that projects and recipes can name it."""
        self.app.source = Source("file", path=(await self.session.keep(computed))[0])
