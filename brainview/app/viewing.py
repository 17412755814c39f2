"""What commands do with saved views and with linked viewers."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QInputDialog, QListWidget, QVBoxLayout

from brainview.app.errors import Reporter
from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label
from brainview.app.window import MainWindow
from brainview.core.names import shown
from brainview.state.places import Place
from brainview.state.saved_views import FIELDS, KEYED, SavedView, SavedViews
from brainview.state.undo import UndoStack
from brainview.state.view import ViewState
from brainview.state.viewers import ViewersState


class ViewsDialog(QDialog):
    """The saved views as a list: go to, rename, remove."""

    def __init__(self, c: Any) -> None:
        super().__init__(c.window)
        self.c = c
        self.setWindowTitle("Saved views")
        self.list = QListWidget()
        self.list.setAccessibleName("Saved views")
        self.list.itemActivated.connect(lambda _: self._go())
        row = QHBoxLayout()
        for words, do in (("Go to", self._go), ("Rename…", self._rename), ("Remove", self._remove)):
            row.addWidget(button(words, do))
        row.addStretch(1)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        box.rejected.connect(self.reject)
        row.addWidget(box)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.addWidget(label(f"The first {KEYED} have the keys Alt+1 to Alt+{KEYED}. The project keeps them.",
                               "caption", wrap=True))
        column.addWidget(self.list)
        column.addLayout(row)
        self._fill()

    def _fill(self) -> None:
        at = max(0, self.list.currentRow())
        self.list.clear()
        self.list.addItems([shown(v.name, limit=60) for v in self.c.saved.views])
        self.list.setCurrentRow(min(at, self.list.count() - 1))

    def _chosen(self) -> SavedView | None:
        row = self.list.currentRow()
        return self.c.saved.views[row] if 0 <= row < len(self.c.saved.views) else None

    def _go(self) -> None:
        if self._chosen() is not None:
            self.c.go_to_view(self.list.currentRow() + 1)

    def _rename(self) -> None:
        one = self._chosen()
        if one is not None:
            name, ok = QInputDialog.getText(self, "Rename view", "Name", text=one.name)
            if ok:
                self.c.reporter.guarded(lambda: self.c.saved.rename(one.name, name))
                self._fill()

    def _remove(self) -> None:
        one = self._chosen()
        if one is not None:
            self.c.saved.remove(one.name)
            self._fill()


class Viewing:
    """The part of the controller that keeps views and counts viewers."""

    view: ViewState
    window: MainWindow
    reporter: Reporter
    undo: UndoStack
    saved: SavedViews
    viewers: ViewersState
    go_to: Any
    picture_source: Any

    def ask_view_name(self) -> None:
        """Ask for a name and save the view."""
        name, ok = QInputDialog.getText(self.window, "Save view", "Name", text=self.saved.fresh_name())
        if ok:
            self.reporter.guarded(lambda: self.save_view(name))

    def save_view(self, name: str) -> SavedView:
        """Keep surface, layout, slices, cameras and the marked place under a name."""
        viewer, pick = self.window.viewer, self.view.picked
        cells = viewer.canvas.scene.cells if viewer is not None and viewer.canvas is not None else []
        cameras = tuple({"towards": c.camera.towards.tolist(), "up": c.camera.up.tolist(),
                         "zoom": float(c.camera.zoom), "pan": c.camera.pan.tolist()} for c in cells)
        place: dict[str, Any] = {}
        if pick is not None:
            place = {"ras": list(pick.ras)} if pick.hemisphere == "volume" else \
                {"hemisphere": pick.hemisphere, "vertex": pick.vertex}
        made = SavedView(name.strip(), {f: getattr(self.view, f) for f in FIELDS}, cameras, place)
        self.saved.add(made)
        number = [v.name for v in self.saved.views].index(made.name) + 1
        key = f" (Alt+{number})" if number <= KEYED else ""
        self.reporter.tell(f"Saved the view {shown(made.name)}{key}", "done")
        return made

    def go_to_view(self, number: int) -> None:
        """Show the n-th saved view, from 1."""
        if not 1 <= number <= len(self.saved.views):
            return
        wanted = self.saved.views[number - 1]
        with self.undo.together(f"View {shown(wanted.name, limit=30)}"):
            self.view.apply({**self.view.settings(), **wanted.settings})
        QTimer.singleShot(0, self.window, lambda: self._look_as(wanted))  # the panels are divided at the turn's end

    def _look_as(self, wanted: SavedView) -> None:
        viewer = self.window.viewer
        if viewer is None or viewer.canvas is None:
            return
        viewer.sync()
        if wanted.cameras and len(wanted.cameras) == len(viewer.canvas.scene.cells):
            from brainview.scene.snapshot import look_from

            viewer.canvas.take_cameras(look_from({"cameras": list(wanted.cameras)}).cameras)
        if wanted.place:
            place = Place(ras=tuple(wanted.place["ras"])) if "ras" in wanted.place else \
                Place(hemisphere=wanted.place["hemisphere"], vertex=int(wanted.place["vertex"]))
            self.reporter.guarded(lambda: self.go_to(place))

    def show_views(self) -> ViewsDialog:
        """Open the list of saved views."""
        dialog = ViewsDialog(self)
        dialog.open()
        return dialog

    def shown_viewers(self) -> list[tuple[str, Any]]:
        """Return name and viewer of every viewer that shows a map, the first first."""
        gallery = self.window.gallery
        first = [] if self.window.viewer is None else [(gallery.name.whole() if gallery else "", self.window.viewer)]
        others = [(one.maps.currentText(), one.viewer) for one in (gallery.others if gallery else ())]
        return [(name, viewer) for name, viewer in first + others if viewer.view.map is not None]

    def montage(self, path: str, settings: dict[str, Any], **changes: Any) -> Any:
        """Write all viewers as one picture."""
        from brainview.scene.montage import montage

        shots = [shot for name, viewer in self.shown_viewers() if (shot := viewer.shot(name, **changes)) is not None]
        return montage(shots, path, size=settings["size"], dpi=settings["dpi"] or 150.0, source=self.picture_source())

    def set_viewers(self, count: int) -> None:
        """Show one, two or four viewers; sixteen panels would be too many, so four viewers leave the grid."""
        with self.undo.together("Number of viewers"):
            if count == 4 and self.view.layout == "grid":
                self.view.layout = "split"
            self.viewers.count = count
