"""What commands do in the window: choosers, dialogs, saving; everything long is a coroutine of the session."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog

from brainview.app.atlases import Atlases
from brainview.app.comparing import Comparing
from brainview.app.composing import Composing
from brainview.app.copying import Copying
from brainview.app.errors import Reporter
from brainview.app.export_dialog import ExportDialog
from brainview.app.get_data import Getting
from brainview.app.going import Going
from brainview.app.layering import Layering
from brainview.app.looks import Looks
from brainview.app.moving import Moving
from brainview.app.viewing import Viewing
from brainview.app.window import MainWindow
from brainview.app.wizard import Wizards
from brainview.maps.display import Pick
from brainview.state.app import GROUP, AppState, Source
from brainview.state.atlases import AtlasState
from brainview.state.commands import Commands
from brainview.state.layers import LayerPart
from brainview.state.project import SUFFIX
from brainview.state.saved_views import SavedViews
from brainview.state.session import Session
from brainview.state.showing import Shower
from brainview.state.training import new_run_path, runs_dir
from brainview.state.undo import UndoStack
from brainview.state.view import ViewState
from brainview.state.viewers import ViewersState

log = logging.getLogger("brainview")
MAPS = "Maps (*.nii *.nii.gz *.gii *.mgh *.mgz *.annot *.curv *.sulc *.thickness *.area *.label *.npy);;All files (*)"


class Controller(Looks, Going, Copying, Moving, Atlases, Wizards, Getting, Comparing, Layering, Viewing, Composing):
    """Holds the parts of one window together.

    Parameters
    ----------
    engine : Engine
        Or what behaves like it.
    window : MainWindow
    app, view : AppState, ViewState
    """

    def __init__(self, engine: Any, window: MainWindow, app: AppState | None = None,
                 view: ViewState | None = None) -> None:
        self.engine, self.window = engine, window
        self.app, self.view = app or AppState(), view or ViewState()
        self.undo = UndoStack()
        self.session = Session(engine, self.app, self.view, self.undo)
        self.shower = Shower(self.session)
        self.atlases = AtlasState()
        self.session.parts["atlases"] = self.atlases
        self.layer_part = LayerPart(self.view)
        self.session.parts["layers"] = self.layer_part
        self.saved, self.viewers = SavedViews(), ViewersState()
        self.session.parts["views"] = self.saved
        self.undo.watch(self.saved, {"views": "Saved views"})
        #: Makes one more viewer, and ties what it asks for to the engine; set by the window's start and the wiring.
        self.make_viewer: Callable[[ViewState], Any] = lambda view: None
        self.wire_forms: Callable[[Any], None] = lambda viewer: None
        self.refresh_viewers: Callable[..., None] = lambda *_: None
        #: Asks for the second map of a layer; set by the dock of layers.
        self.ask_second: Callable[[int], None] = lambda index: None
        self.reporter = Reporter(window.notices)
        self.commands: Commands | None = None
        self.folder = str(Path.home())
        #: Classes that panels outline beside the subject's own regions (planted truth); the wiring draws them.
        self.outlines: dict[str, Any] = {}
        #: Each tells words about a place that is pointed at; the read-out adds them to the value.
        self.readouts: list[Callable[[Pick], list[str]]] = []
        #: Draws the regions again; set by the wiring.
        self.refresh_outlines: Callable[..., None] = lambda *_: None
        #: Tells the journal that something changed; set by the wiring.
        self.touch: Callable[..., None] = lambda *_: None
        #: Takes the pictures among dropped files and returns the others; set by the in-silico page.
        self.take_pictures: Callable[[list[str]], list[str]] = lambda paths: paths

    def start(self, work: Any) -> Any:
        """Run a coroutine; failures are shown."""
        return self.reporter.start(work)

    def open(self, path: str) -> None:
        """Open whatever a path leads to."""
        self.folder = str(Path(path).parent)
        self.start(self.session.open_path(path))

    # -- choosers ------------------------------------------------------------------------------------------------

    def _folder(self, title: str, start: str | None = None) -> str:
        path = QFileDialog.getExistingDirectory(self.window, title, start or self.folder)
        if path:
            self.folder = str(Path(path).parent)
        return path

    def choose_dataset(self) -> None:
        """Ask for a folder and open it."""
        path = self._folder("Open data set")
        if path:
            self.start(self.session.open_path(path))

    def choose_run(self) -> None:
        """Ask for a run folder and open it."""
        path = self._folder("Open trained model", str(runs_dir()))
        if path:
            self.start(self.session.open_run(path))

    def choose_map(self) -> None:
        """Ask for a map file and draw it."""
        path, _ = QFileDialog.getOpenFileName(self.window, "Open map", self.folder, MAPS)
        if path:
            self.open(path)

    def choose_project(self) -> None:
        """Ask for a project file and open it."""
        path, _ = QFileDialog.getOpenFileName(self.window, "Open project", self.folder, f"Projects (*{SUFFIX})")
        if path:
            self.open(path)

    def save_project(self) -> None:
        """Write the project where it was, or ask."""
        if not self.app.project:
            self.save_project_as()
            return
        self.reporter.tell(f"Saved {Path(self.session.save_project(self.app.project)).name}", "done")

    def save_project_as(self) -> None:
        """Ask for a name and write the project."""
        path, _ = QFileDialog.getSaveFileName(self.window, "Save project", str(Path(self.folder) / f"study{SUFFIX}"),
                                              f"Projects (*{SUFFIX})")
        if path:
            self.reporter.tell(f"Saved {Path(self.session.save_project(path)).name}", "done")

    # -- export --------------------------------------------------------------------------------------------------

    def export(self, page: int = 0) -> ExportDialog:
        """Open the export dialog on the picture (0) or the map (1) page."""
        viewer = self.window.viewer
        count = len(self.shown_viewers())
        across, down = min(2, count), -(-count // 2)
        size = (viewer.width() * 2 * across, viewer.height() * 2 * down) if viewer is not None else (1600, 1200)
        dialog = ExportDialog(self.window, self.shower.original or self.view.map, size, self.folder, page, count)
        dialog.picture.connect(self.export_picture)
        dialog.map.connect(lambda path, settings: self.start(self.export_map(path, settings)))
        dialog.open()
        return dialog

    def export_picture(self, path: str, settings: dict[str, Any]) -> None:
        """Write the picture of what is on screen."""
        def write() -> str:
            more: dict[str, Any] = {"background": "white"} if settings["white"] else {}
            if settings.get("all") and len(self.shown_viewers()) > 1:
                return str(self.montage(path, settings, transparent=settings["transparent"], **more))
            return str(self.window.viewer.snapshot(path, size=settings["size"], transparent=settings["transparent"],
                                                   dpi=settings["dpi"] or 150.0, source=self.picture_source(),
                                                   **more))

        if self.reporter.guarded(write) is not None:
            self.written(path)

    async def export_map(self, path: str, settings: dict[str, Any]) -> None:
        """Write the numbers of what is drawn."""
        brain_map = self.shower.original or self.view.map
        if brain_map is None:
            return
        self.written(await self.session.export_map(brain_map, path, settings["format"], settings["space"]))

    def written(self, path: str) -> None:
        """Tell that a file was written."""
        self.folder = str(Path(path).parent)
        self.reporter.tell(f"Wrote {Path(path).name} to {Path(path).parent}", "done")

    # -- training ------------------------------------------------------------------------------------------------

    async def train(self, form: dict[str, Any]) -> None:
        """Train what the form says; the result opens by itself."""
        if self.app.dataset is None:
            return
        run = new_run_path(self.app.dataset.name, form["system"], form["features"])
        self.window.subjects.show_page("training")
        path = await self.session.train(form["system"], str(run), subjects=form["subjects"],
                                        features=form["features"], options=form["options"])
        self.window.show_dock("stimuli")
        self.reporter.tell(f"Trained {Path(path).name}", "done")

    # -- choosing ------------------------------------------------------------------------------------------------

    def choose_subject(self, subject: str) -> None:
        """Open a subject; what is drawn follows to the same map of that subject where there is one."""
        source, run = self.app.source, self.app.run
        if source.kind == "metric" and run is not None and subject in run.subjects:
            self.app.source = Source("metric", brain=subject, metric=source.metric, fdr=self.fdr)
            self.start(self.session.open_subject(subject, show=False))
        else:
            self.start(self.session.open_subject(subject))

    @property
    def fdr(self) -> float:
        """The false discovery rate that metrics are cut at, 0 when all of them is drawn."""
        trust = self.session.significance
        return trust.state.level if trust.state.masked and trust.able() else 0.0

    def choose_map_of_run(self, brain: str, metric: str) -> None:
        """Draw a metric of a subject or the group."""
        self.app.source = Source("metric", brain=brain, metric=metric, fdr=self.fdr)
        if brain != GROUP and self.app.dataset is not None and brain in self.app.dataset.subjects \
                and (self.app.subject is None or self.app.subject.id != brain):
            self.start(self.session.open_subject(brain, show=False))

    def show_response(self, stimulus: int, kind: str = "measured") -> None:
        """Draw the response to a stimulus."""
        with self.undo.together("Show response"):
            self.app.stimulus = stimulus
            self.app.source = Source(kind, brain=self.session.brain_subject(), stimulus=stimulus)  # type: ignore[arg-type]

    def show_ceiling(self) -> None:
        """Draw the noise ceiling of the open subject."""
        if self.app.subject is not None:
            self.app.source = Source("ceiling", brain=self.app.subject.id)

    def clear_regions(self) -> None:
        """Select no region."""
        self.app.rois = ()
