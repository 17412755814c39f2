"""What leaves the window as words and comes back from pictures: copy as Python, as a command; open a picture again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from brainview.app.errors import Reporter
from brainview.app.window import MainWindow
from brainview.core.errors import MissingError
from brainview.maps import kept
from brainview.maps.brainmap import BrainMap
from brainview.state.app import AppState, Source
from brainview.state.recipes import Recipe, project_of, recipe, source_of, viewer_part, where_of
from brainview.state.session import Session
from brainview.state.showing import Shower
from brainview.state.view import ViewState

#: The engine's job that reads what a picture tells about itself.
READ_STORY = "brainview.scene.jobs:read_story"


def _look_of(viewer: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the arrangement of a viewer where it differs from the standard one, with its cameras."""
    look = viewer.look(**changes)
    told: dict[str, Any] = {name: getattr(look, name) for name in type(look).__dataclass_fields__
                            if name not in ("cameras", "samples")}
    standard = type(look)()
    told = {name: value for name, value in told.items() if value != getattr(standard, name)}
    told["cameras"] = [{"towards": c.towards, "up": c.up, "zoom": c.zoom, "pan": c.pan} for c in look.cameras]
    return told


def _twin_of(viewer: Any, source: Source) -> BrainMap | None:
    """Return the cortical form of a volume that is on screen; None for surfaces, slices, and files.

    A file is put on the cortex by the recipe itself; for what a model or a data set gave, what is on screen is named.
    """
    drawn = viewer.drawn_map()
    return drawn if drawn is not None and drawn is not viewer.view.map and source.kind != "file" else None


class Copying:
    """The part of the controller that writes and reads recipes."""

    app: AppState
    view: ViewState
    window: MainWindow
    session: Session
    shower: Shower
    reporter: Reporter
    folder: str
    where_for: Any
    viewers: Any
    shown_viewers: Any

    async def recipe(self, **changes: Any) -> Recipe:
        """Return the recipe of what is on screen; `changes` are fields of the arrangement.

        A map that only the window has is kept in a file first, which the recipe names.
        """
        viewer = self.window.viewer
        if viewer is None:
            raise MissingError("there is no map on screen", remedy="Open one first.")
        told = _look_of(viewer, changes)
        size = (2 * viewer.stack.width(), 2 * (viewer.stack.height() + viewer.colors.height()))
        drawn = self.shower.original or self.view.map
        where = None
        twin = _twin_of(viewer, self.app.source)
        if twin is not None:  # the volume's own name would draw its slices
            drawn, where = twin, {"path": (await self.session.keep(twin))[0]}
        elif drawn is not None and not where_of(self.app, self.app.source):
            where = await self.where_for(self.app.source, drawn)
        first = recipe(self.app, self.view, drawn, told, size, where)
        shown, gallery = self.shown_viewers(), self.window.gallery
        if len(shown) < 2 or gallery is None:
            return first
        sources = [self.app.source, *(one.source for one in gallery.others if one.view.map is not None)]
        parts = []
        for (title, one), source in zip(shown, sources, strict=True):
            found = drawn if one is viewer and drawn is not None else one.view.map
            twin = _twin_of(one, source)
            place = {"path": (await self.session.keep(twin))[0]} if twin is not None else \
                await self.where_for(source, found)
            parts.append(viewer_part(
                self.app, one.view, title, place, _look_of(one, changes),
                tuple(one.placed_names()), on_surface=source.kind == "file" and one.view.volume == "surface"))
        down = -(-len(shown) // 2)
        return replace(first, viewers=tuple(parts), size=(4 * viewer.width(), 2 * viewer.height() * down))

    async def copy_command(self) -> str:
        """Put the line for the shell on the clipboard."""
        return self._copied((await self.recipe()).as_command(), "command")

    async def copy_python(self) -> str:
        """Put the lines of Python on the clipboard."""
        return self._copied((await self.recipe()).as_python(), "Python program")

    def copy_methods(self) -> str:
        """Put the methods paragraph of what is on screen, with its references, on the clipboard."""
        from brainview.state.methods import methods

        return self._copied(methods(self.app, self.view, self.shower.original or self.view.map).text(),
                            "methods paragraph with its references", drawing=False)

    def _copied(self, text: str, what: str, *, drawing: bool = True) -> str:
        kept.pin(text)
        QGuiApplication.clipboard().setText(text)
        self.reporter.tell(f"Copied the {what}" + (
            " that draws this picture" if drawing else ""), "done")
        return text

    def picture_source(self) -> dict[str, Any]:
        """Return what an exported picture keeps to be opened again."""
        told = source_of(self.app)
        return {**told, "viewers": self.viewers.settings()} if self.viewers.count > 1 else told

    def choose_picture(self) -> None:
        """Ask for a picture that BrainView exported and open what it shows."""
        path, _ = QFileDialog.getOpenFileName(self.window, "Open picture again", self.folder, "Pictures (*.png)")
        if path:
            self.reporter.start(self.open_picture(path))

    async def open_picture(self, path: str) -> None:
        """Open what a picture that BrainView exported shows: data, map, colours, arrangement, cameras."""
        story = await self.session.ask(READ_STORY, f"Read {Path(path).name}", path=path)
        await self.session.restore(project_of(story, self.view))
        cameras = story.get("cameras") or ()
        viewer = self.window.viewer
        if viewer is None or not cameras:
            return
        from brainview.scene.snapshot import look_from

        eyes = look_from({"cameras": cameras}).cameras
        for _ in range(100):  # the map may still be on its way
            await asyncio.sleep(0.02)
            if viewer.canvas is not None and len(viewer.canvas.scene.cells) == len(eyes):
                viewer.canvas.take_cameras(eyes)
                return
