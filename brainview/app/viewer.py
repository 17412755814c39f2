"""The viewer: a brain (or slices), its toolbar and its colour bar, driven by a ViewState and by nothing else.

State changes are drawn once per turn of the event loop: every change only marks what is out of date. The canvas is made
after the first paint of the window, because importing pyvistaqt takes longer than everything before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QSurfaceFormat
from PySide6.QtWidgets import QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from brainview.app.colorbar import ColorBar
from brainview.app.colorbars import ColorBars
from brainview.app.gl_probe import Graphics, Probe
from brainview.app.slices_beside import SlicesBeside
from brainview.app.view_bar import ViewBar
from brainview.app.viewer_export import ViewerExport
from brainview.app.viewer_keys import key_name, viewer_keys
from brainview.app.viewer_layers import ViewerLayers
from brainview.app.viewer_parts import EMPTY, Drawn, Page, Pill, dress
from brainview.core.errors import BrainViewError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import Pick
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, VolumeSpace, surface_space
from brainview.state.layers import change, main_index, stack
from brainview.state.view import ViewState

CanvasKind = Literal["auto", "qt", "image"]


def prepare_surface_format() -> None:
    """Set the OpenGL format that pyvistaqt needs, before the first window is made (Wayland is black otherwise)."""
    wanted = QSurfaceFormat()
    wanted.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    wanted.setVersion(3, 2)
    wanted.setSwapBehavior(QSurfaceFormat.SwapBehavior.DoubleBuffer)
    for channel in (wanted.setRedBufferSize, wanted.setGreenBufferSize, wanted.setBlueBufferSize,
                    wanted.setDepthBufferSize, wanted.setAlphaBufferSize):
        channel(8)
    wanted.setStencilBufferSize(0)
    wanted.setSamples(0)
    QSurfaceFormat.setDefaultFormat(wanted)


class Viewer(ViewerLayers, ViewerExport, QWidget):
    """A brain that shows a ViewState.

    Parameters
    ----------
    view : ViewState
    canvas : str
        ``qt`` (OpenGL widget), ``image`` (off screen, shown as a picture), ``auto`` (asks the driver in a child).
    parent : QWidget, optional

    Signals
    -------
    hovered : Pick or None
    picked : Pick
        Also written to ``view.picked``.
    surface_needed : BrainMap
        A volume map is to be drawn on the surface: hand the converted map to :meth:`set_surface_map`.
    form_needed : (BrainMap, str)
        A layer is to be drawn on the ``surface`` or in the ``volume``: hand the converted map to :meth:`set_form`.
    notice : str
        One line for the status bar (which canvas was taken and why).
    ready : ()
        The canvas stands.
    """

    hovered = Signal(object)
    picked = Signal(object)
    surface_needed = Signal(object)
    form_needed = Signal(object, str)
    notice = Signal(str)
    ready = Signal()

    def __init__(self, view: ViewState, *, canvas: CanvasKind = "auto", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = view
        self._kind: CanvasKind = canvas
        self._rois: dict[str, RoiClass] = {}
        self._twin: tuple[BrainMap, BrainMap] | None = None
        self._asked: BrainMap | None = None
        self._forms: dict[tuple[int, str], tuple[BrainMap, BrainMap | None]] = {}
        self._told: set[str] = set()
        self._anatomy: Space = surface_space("fsaverage5")
        self.canvas: Any = None
        self._body: QWidget | None = None
        self._slices: Any = None
        self._probe: Probe | None = None
        self._drawn = Drawn()
        self._note = ""
        self._waiting = self._closed = False
        self.bar = ViewBar(view, self.reset_view)
        self.colors = ColorBar()
        self.bars = ColorBars(self.colors)
        self.page = Page()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.page)
        self.hint = QLabel(f"{EMPTY[0]}. {EMPTY[1]}")
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setWordWrap(True)
        self.hint.setMinimumHeight(44)
        self._pill = Pill(self.stack)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.beside = SlicesBeside(view)
        self.beside.follow(lambda: self.canvas.scene if self.canvas is not None else None)
        self.beside.picked.connect(self._clicked)
        self.beside.hovered.connect(self.hovered)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.stack)
        split.addWidget(self.beside)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        for widget in (self.bar, split, self.hint, self.bars):
            column.addWidget(widget, 1 if widget is split else 0)
        self.colors.rule_changed.connect(partial(setattr, view, "rule"))
        self.colors.lock_changed.connect(partial(setattr, view, "lock_limits"))
        self.bars.layer_changed.connect(lambda index, rule: change(view, index, rule=rule))
        self.page.painted.connect(lambda: QTimer.singleShot(0, self, self._begin))
        self.stack.installEventFilter(self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Brain viewer")
        view.events.connect(self._changed)
        self.sync()

    def sizeHint(self) -> QSize:
        """Return a comfortable size."""
        return QSize(760, 620)

    # ---- the canvas ----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Choose the canvas, after the first paint."""
        if self.canvas is not None or self._probe is not None or self._closed:
            return
        if self._kind == "auto" and os.environ.get("BRAINVIEW_CANVAS") in ("qt", "image"):
            self._kind = os.environ["BRAINVIEW_CANVAS"]  # type: ignore[assignment]
        if self._kind == "auto":
            self._probe = Probe(self._answered, self)
        else:
            self._make(self._kind, 0)

    def _answered(self, graphics: Graphics) -> None:
        if self._closed or self.canvas is not None:
            return
        if graphics.usable:
            self._make("qt", graphics.samples)
            self.notice.emit(f"Drawing with {shown(graphics.renderer, limit=80)}")
        else:
            self._make("image", 0)
            self.notice.emit(f"Drawing off screen, as pictures: {graphics.reason}")

    def _make(self, kind: str, samples: int) -> None:
        if kind == "qt":
            from brainview.app.qt_canvas import QtCanvas

            self.canvas = QtCanvas(self.stack, samples=samples)
            body, pointer = self.canvas.widget, self.canvas.pointer
        else:
            from brainview.app.image_widget import ImageWidget

            body = ImageWidget(self.stack)
            self.canvas, pointer = body.canvas, body.pointer
        self._body = body
        pointer.hovered.connect(self.hovered)
        pointer.picked.connect(self._clicked)
        self.stack.addWidget(body)
        self.sync()
        self.ready.emit()

    def ensure_canvas(self) -> None:
        """Make the canvas now (tests, tours) instead of after the first paint; ``auto`` then means ``image``."""
        if self.canvas is None and not self._closed:
            self._make("qt" if self._kind == "qt" else "image", 0)

    # ---- what others tell ----------------------------------------------------------------------------------------

    def set_rois(self, rois: Mapping[str, RoiClass]) -> None:
        """Offer ROI classes (labels on the space of the maps, or on its root); which are drawn is ``view.outlines``."""
        self._rois = dict(rois)
        self.bar.set_rois(list(rois))
        self._drawn.forget("outlines")
        self._changed()

    @property
    def rois(self) -> dict[str, RoiClass]:
        """The ROI classes on offer."""
        return self._rois

    def set_surface_map(self, volume: BrainMap, surface: BrainMap) -> None:
        """Hand over the surface form of a volume map (the answer to `surface_needed`)."""
        self._twin = (volume, surface)
        self._changed()

    def set_anatomy(self, space: Space) -> None:
        """Choose the brain that is shown while there is no map (default fsaverage5)."""
        self._anatomy = space
        self._changed()

    def reset_view(self) -> None:
        """Go back to the standard cameras."""
        if self.canvas is not None:
            self.canvas.reset_view()

    def drawn_map(self) -> BrainMap | None:
        """Return the map as drawn: the surface form of a volume map that is shown on the surface."""
        brain_map = self.view.map
        if brain_map is None or not self._is_volume() or self.view.volume == "slices":
            return brain_map
        return self._twin[1] if self._twin is not None and self._twin[0] is brain_map else None

    def _is_volume(self) -> bool:
        return self.view.map is not None and isinstance(self.view.map.space.root, VolumeSpace)

    # ---- drawing -------------------------------------------------------------------------------------------------

    def _changed(self, *_: object) -> None:
        if not self._waiting and not self._closed:
            self._waiting = True
            QTimer.singleShot(0, self, self.sync)

    def sync(self) -> None:
        """Draw what is out of date now; otherwise done once per turn of the event loop."""
        self._waiting = False
        if self._closed:
            return
        view = self.view
        slices = self._is_volume() and view.volume == "slices"
        self.bar.refresh(self._is_volume(), slices)
        layers, main = stack(view), main_index(view)
        self.colors.show_map(view.map, view.rule, view.lock_limits, layers[main] if layers else None)
        self.bars.show_layers(layers, main)
        self.hint.setVisible(view.map is None)
        self.bars.setVisible(view.map is None or bool(np.isfinite(view.map.values).any()))  # a surface without a map
        dress([self.bars, *self.bars.bars], self.hint, self.view.background)
        try:
            self._show_slices() if slices else self._show_surface()
        except BrainViewError as err:
            self._drawn.forget()
            self._say("This map cannot be drawn here", str(err))
        self.beside.sync(self._placed(view.map.space) if view.beside and view.map is not None else {},
                         self.layers_in_volume)
        self._place_pill()

    def _say(self, title: str, text: str) -> None:
        self.page.say(title, text, self.view.background)
        self.stack.setCurrentWidget(self.page)

    def _show_surface(self) -> None:
        view, brain_map = self.view, self.drawn_map()
        if view.map is not None and brain_map is None:
            if self._asked is not view.map:
                self._asked = view.map
                self.surface_needed.emit(view.map)
            if self.drawn_map() is None:
                self._say("Putting the volume on the surface…",
                          f"{view.map.name}: its voxels are sampled at the cortex.")
                return
            brain_map = self.drawn_map()
        if self.canvas is None:
            self._say(*(("Starting the brain view…", "") if self.isVisible() else EMPTY))
            return
        from brainview.scene.hemisphere import drawn_note, surface_of

        where = brain_map.space if brain_map is not None else self._anatomy
        space = surface_of(where)
        if space is None:
            raise BrainViewError(f"{where.name} has no surface and no grid to draw its values on",
                                 remedy="Open it with its atlas, or convert it to a surface or a volume.")
        note = drawn_note(where)
        if note and self._note != note:
            self._note = note
            self.notice.emit(note)
        outlines = partial(self._placed, brain_map.space if brain_map is not None else space)
        self._drawn.draw(self.canvas, self.view, space, brain_map, outlines, self.layers_on_surface(brain_map, space))
        assert self._body is not None
        if self.stack.currentWidget() is not self._body:
            self.stack.setCurrentWidget(self._body)

    def _placed(self, space: Space) -> dict[str, RoiClass]:
        """Return the chosen ROI classes with labels on the root space; those that do not fit are named in a notice."""
        from brainview.scene.outlines import on_root

        out = {}
        for name in self.view.outlines:
            if name in self._rois:
                one = self._rois[name]
                try:
                    out[name] = RoiClass(one.name, on_root(one.labels, space), one.table)
                except BrainViewError as err:
                    self.notice.emit(f"{shown(name)} is not drawn: {err}")
        return out

    def _show_slices(self) -> None:
        if self._slices is None:
            from brainview.app.slice_widget import SliceWidget

            self._slices = SliceWidget(self.stack)
            self._slices.hovered.connect(self.hovered)
            self._slices.picked.connect(self._clicked)
            self.stack.addWidget(self._slices)
        view = self.view
        assert view.map is not None
        cursor = view.picked.ras if view.picked is not None and view.picked.hemisphere == "volume" else None
        self._slices.show_map(view.map, view.rule, self._placed(view.map.space), background=view.background,
                              radiological=view.radiological, mode=view.slices, cursor=cursor,
                              layers=self.layers_in_volume(view.map))
        self.stack.setCurrentWidget(self._slices)

    # ---- mouse and keys ------------------------------------------------------------------------------------------

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        """Keep the phantom label in its corner."""
        if watched is self.stack and event.type() == QEvent.Type.Resize:
            self._place_pill()
        return False

    def _clicked(self, pick: Pick) -> None:
        self.view.picked = pick
        self.picked.emit(pick)

    def keys(self) -> dict[str, tuple[str, Callable[[], None]]]:
        """Return key -> (what it does, function): what :meth:`keyPressEvent` obeys and a help sheet can list."""
        return viewer_keys(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Obey :meth:`keys`; all other keys go to the window."""
        found = self.keys().get(key_name(event))
        if found is None:
            super().keyPressEvent(event)
        else:
            found[1]()

    def badge_bottom(self, host: QWidget) -> int:
        """Return the y in a host of the viewer where the label of simulated data ends when it is shown."""
        if self._pill.low:
            return self.stack.mapTo(host, self.stack.rect().topLeft()).y()
        return self._pill.mapTo(host, self._pill.rect().bottomLeft()).y()

    # ---- end -------------------------------------------------------------------------------------------------------

    def close(self) -> bool:
        """Free the canvas and stop listening; the viewer cannot be used afterwards."""
        if not self._closed:
            self._closed = True
            self.view.events.disconnect(self._changed)
            if self._probe is not None:
                self._probe.cancel()
            if self.canvas is not None:
                self.canvas.close()
        return super().close()
