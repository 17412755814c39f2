"""The wires of the dock "Peaks"."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QFileDialog

from brainview.core.errors import MissingError
from brainview.core.files import atomic_write
from brainview.maps.cluster_table import to_csv
from brainview.maps.display import threshold_value
from brainview.state.places import Place

if TYPE_CHECKING:
    from brainview.app.controller import Controller

#: The engine's job.
CLUSTERS = "brainview.maps.clusters:clusters"


class PeaksWiring:
    """Connects the table with the map on screen."""

    def __init__(self, c: Controller) -> None:
        self.c, self.panel = c, c.window.peaks
        self._units = ""
        self.panel.wanted.connect(lambda least: c.start(self.list_clusters(least)))
        self.panel.chosen.connect(lambda row: c.reporter.guarded(lambda: self.go(row)))
        self.panel.export_wanted.connect(self.choose_file)
        for signal in (c.view.events.map, c.view.events.rule):
            signal.connect(lambda *_: self.panel.say_stale(), check_nargs=False)

    async def list_clusters(self, least: int) -> None:
        """Ask for the clusters of the map as it is drawn."""
        view = self.c.view
        drawn = self.c.shower.original or view.map
        if drawn is None:
            raise MissingError("there is no map on screen", remedy="Open one first.")
        threshold = threshold_value(view.rule, drawn.values)
        if not threshold > 0:
            raise MissingError("clusters need a threshold above 0",
                               remedy="Set one on the colour bar (the line below the brain).")
        classes, space = self.c.regions()
        fits = space is not None and space.root == drawn.space.root
        rows = await self.c.session.ask(CLUSTERS, f"Clusters of {drawn.name}", map=drawn, threshold=threshold,
                                        two_sided=view.rule.two_sided, least=least,
                                        rois=classes if fits else {})
        self._units = drawn.units
        sign = "|value|" if view.rule.two_sided else "value"
        label = "phantom, " if drawn.is_phantom else ""
        world = f", {rows[0]['world']} mm" if rows else ""
        self.panel.show_table(rows, f"{len(rows)} clusters of {drawn.name} ({label}{sign} ≥ {threshold:.3g}"
                                    f"{' ' + drawn.units if drawn.units else ''}{world})")

    def go(self, row: dict[str, Any]) -> None:
        """Put the cursor on a peak."""
        if row["hemisphere"] == "volume":
            self.c.go_to(Place(ras=(row["x"], row["y"], row["z"])))
        else:
            self.c.go_to(Place(hemisphere=row["hemisphere"], vertex=int(row["peak"])))

    def choose_file(self) -> None:
        """Ask where to and write the table."""
        start = str(Path(self.c.folder) / "clusters.csv")
        path, _ = QFileDialog.getSaveFileName(self.c.window, "Write clusters", start, "Tables (*.csv)")
        if path:
            self.c.reporter.guarded(lambda: self.write(path))

    def write(self, path: str) -> None:
        """Write the table as CSV."""
        with atomic_write(Path(path)) as file:
            file.write(to_csv([dict(r) for r in self.panel.model.rows], self._units).encode())
        self.c.reporter.tell(f"Wrote {Path(path).name}", "done")
