"""What leaves the window and moves: web pages and movies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog, QInputDialog

from brainview.app.errors import Reporter
from brainview.app.window import MainWindow
from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.state.session import Session
from brainview.state.view import ViewState

PAGE = "brainview.scene.jobs:page"
MOVIE = "brainview.scene.jobs:movie"
MOVIES = (("spin", "The brain turns once around"), ("morph", "It unfolds from pial to flat and back"),
          ("threshold", "The threshold rises from zero to the top"))
#: Offered where the map on screen comes from a model with a slider.
SLIDER = ("slider", "The model's slider moves: the price of information β")


class Moving:
    """The part of the controller that writes pages and movies."""

    view: ViewState
    window: MainWindow
    session: Session
    reporter: Reporter
    folder: str

    def _on_cortex(self) -> BrainMap:
        viewer = self.window.viewer
        drawn = viewer.drawn_map() if viewer is not None else None
        if drawn is None or (self.view.map is drawn and viewer._is_volume()):
            raise MissingError("there is no map on the cortex", remedy="Show the volume on the surface first.")
        return drawn

    def choose_page(self) -> None:
        """Ask where to and write a page."""
        path, _ = QFileDialog.getSaveFileName(self.window, "Export web page", str(Path(self.folder) / "map.html"),
                                              "Web pages (*.html)")
        if path:
            self.reporter.start(self.write_page(path))

    async def write_page(self, path: str) -> None:
        """Write the map on screen as one HTML file."""
        await self.session.ask(PAGE, f"Write {Path(path).name}", lane="batch", map=self._on_cortex(), path=path,
                               rule=self.view.rule, background=self.view.background,
                               layers=self.window.viewer.drawn_layers())
        self.reporter.tell(f"Wrote {Path(path).name}; it opens in any browser", "done")

    def choose_movie(self) -> None:
        """Ask which movie and where to, and write it."""
        offered = self.movies()
        words, ok = QInputDialog.getItem(self.window, "Export movie", "What moves", [w for _, w in offered], 0, False)
        if not ok:
            return
        kind = next(k for k, w in offered if w == words)
        path, _ = QFileDialog.getSaveFileName(self.window, "Export movie", str(Path(self.folder) / f"{kind}.mp4"),
                                              "Movies (*.mp4 *.gif)")
        if path:
            self.reporter.start(self.write_movie(path, kind))

    def movies(self) -> tuple[tuple[str, str], ...]:
        """Return (kind, words) of the movies of what is on screen."""
        maker = self.session.makers.get(self.session.app.source.kind)
        return (*MOVIES, SLIDER) if hasattr(maker, "slid") else MOVIES

    async def write_movie(self, path: str, kind: str, **settings: Any) -> None:
        """Write a movie of the map on screen, as a job that can be cancelled."""
        look, maps = asdict(self.window.viewer.look()), list[BrainMap]()
        if kind in ("spin", "morph"):
            look.pop("cameras")  # what turns or unfolds has views of its own
        if kind == "slider":
            self.reporter.tell("Computing the maps along the slider", "info")
            maps = await self.session.makers[self.session.app.source.kind].slid()
        await self.session.ask(MOVIE, f"Movie {Path(path).name}", lane="batch", map=self._on_cortex(), path=path,
                               kind=kind, rule=self.view.rule, look=look, maps=maps,
                               layers=self.window.viewer.drawn_layers(), **settings)
        self.reporter.tell(f"Wrote {Path(path).name}", "done")
