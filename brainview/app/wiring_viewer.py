"""The viewer's own wires: what it asks for, and what it reads out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from brainview.app.window import MainWindow
from brainview.maps.space import Space, VolumeSpace, surface_space
from brainview.state.app import SubjectInfo
from brainview.state.session import ANATOMY
from brainview.state.showing import TO_SURFACE, TO_VOLUME

if TYPE_CHECKING:
    from brainview.app.controller import Controller
    from brainview.app.wiring_strip import Once

log = logging.getLogger("brainview")


class ViewerWiring:
    """Takes a viewer in."""

    c: Controller
    window: MainWindow
    refresh_jobs: Once
    _on_hover: Any
    _on_pick: Any
    _show_rois: Any

    def attach_viewer(self, viewer: Any) -> None:
        """Take the viewer in when it is ready."""
        self.window.set_viewer(viewer)
        viewer.hovered.connect(self._on_hover)
        if hasattr(viewer, "bars"):
            viewer.bars.second_wanted.connect(self.c.ask_second)
        viewer.picked.connect(self._on_pick)
        self.wire_forms(viewer)
        if hasattr(viewer, "ready"):
            viewer.ready.connect(lambda: self.c.start(self._warm(viewer)))
        self.c.app.events.subject.connect(lambda person, _: self._on_person(viewer, person))
        self._on_person(viewer, self.c.app.subject)
        self.window.show_viewer(True)
        self._show_rois()
        self.refresh_jobs()

    def wire_forms(self, viewer: Any) -> None:
        """Answer what a viewer asks for: maps in other forms; write what it says into the log."""
        viewer.surface_needed.connect(lambda volume: self.c.start(self._put_on_surface(viewer, volume)))
        viewer.form_needed.connect(lambda one, form: self.c.start(self._put_into(viewer, one, form)))
        viewer.beside.volume_needed.connect(lambda surface: self.c.start(self._put_in_volume(viewer, surface)))
        viewer.notice.connect(log.info)

    async def _warm(self, viewer: Any) -> None:
        """Unpack in a thread what the next clicks want, after the brain: surfaces, and the template of the slices."""
        from brainview.scene.slices import mni_underlay

        await self._prepare(surface_space("fsaverage5"))
        await asyncio.to_thread(mni_underlay)
        viewer.sync()

    async def _prepare(self, space: Space) -> None:
        from brainview.scene.hemisphere import prepare

        await asyncio.to_thread(prepare, space)

    def _on_person(self, viewer: Any, person: SubjectInfo | None) -> None:
        """Have the T1 of a subject whose responses lie in its own space, for the slices."""
        root = None if person is None else person.space.root
        if person is not None and isinstance(root, VolumeSpace) and root.world != "MNI152" \
                and any(role.startswith("T1") for role in person.anatomy):
            self.c.start(self._put_under(viewer, person, root))

    async def _put_under(self, viewer: Any, person: SubjectInfo, grid: VolumeSpace) -> None:
        dataset = self.c.app.dataset
        if dataset is None:
            return
        found = await self.c.session.ask(ANATOMY, f"Read the T1 of {person.id}", path=dataset.path, subject=person.id,
                                         variant=person.variant or None)
        if found is not None:
            from brainview.scene.slices import keep_anatomy

            keep_anatomy(found, person.dataset, person.id, grid)
            viewer.sync()

    async def _put_on_surface(self, viewer: Any, volume: Any) -> None:
        viewer.set_surface_map(volume, await self.c.session.ask(
            TO_SURFACE, f"Put {volume.name} on the cortex", map=volume, mesh="fsaverage5"))

    async def _put_into(self, viewer: Any, layer: Any, form: str) -> None:
        if form == "surface":
            made = await self.c.session.ask(TO_SURFACE, f"Put {layer.name} on the cortex", map=layer, mesh="fsaverage5")
        else:
            made = await self.c.session.ask(TO_VOLUME, f"Put {layer.name} into MNI152", map=layer)
        viewer.set_form(layer, form, made)

    async def _put_in_volume(self, viewer: Any, surface: Any) -> None:
        from brainview.scene.slices import mni_underlay

        volume, _ = await asyncio.gather(self.c.session.ask(TO_VOLUME, f"Put {surface.name} into MNI152", map=surface),
                                         asyncio.to_thread(mni_underlay))  # two seconds that the window must not wait
        viewer.beside.set_volume(surface, volume)
