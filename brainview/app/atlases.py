"""What commands do with regions of the user's own: load an atlas, grow a region, write them to a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QInputDialog,
    QLineEdit,
    QRadioButton,
)

from brainview.app.errors import Reporter
from brainview.app.theme import GRID
from brainview.app.widgets.basics import label
from brainview.app.window import MainWindow
from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import threshold_value
from brainview.maps.packaged import ATLASES, PREFIX
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, VolumeSpace
from brainview.state.app import AppState, RoiKey
from brainview.state.atlases import OWN, Atlas, AtlasState, atlas_of, known_regions, sister
from brainview.state.session import Session
from brainview.state.showing import Shower
from brainview.state.view import ViewState

PACKAGED = "brainview.maps.packaged:load"
GROW = "brainview.maps.clusters:grow"
FILES = "Atlases (*.annot *.label.gii *.dlabel.nii *.nii *.nii.gz *.mgz *.gii);;All files (*)"


class RegionDialog(QDialog):
    """Name, and how the region grows."""

    def __init__(self, parent: Any, threshold: float) -> None:
        super().__init__(parent)
        self.setWindowTitle("Grow region at the cursor")
        self.name = QLineEdit("Region 1")
        self.name.setAccessibleName("Name of the region")
        self.disc = QRadioButton("Disc on the cortex, radius in mm")
        self.blob = QRadioButton(f"Blob beyond the threshold ({threshold:.3g})" if threshold > 0
                                 else "Blob beyond the threshold (none is set on the colour bar)")
        self.blob.setEnabled(threshold > 0)
        (self.blob if threshold > 0 else self.disc).setChecked(True)
        self.radius = QDoubleSpinBox()
        self.radius.setRange(1, 80)
        self.radius.setValue(10)
        self.radius.setSuffix(" mm")
        self.radius.setAccessibleName("Radius in mm along the cortex")
        form = QFormLayout(self)
        form.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        form.addRow("Name", self.name)
        form.addRow(self.disc, self.radius)
        form.addRow(self.blob)
        form.addRow(label("The region joins outlines, hover names, the palette and the table of peaks; projects keep "
                          "it.", "caption", wrap=True))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.name.textChanged.connect(
            lambda text: buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(bool(text.strip())))


class Atlases:
    """The part of the controller that keeps the user's regions."""

    app: AppState
    view: ViewState
    window: MainWindow
    session: Session
    shower: Shower
    reporter: Reporter
    atlases: AtlasState
    folder: str

    def regions(self) -> tuple[dict[str, RoiClass], Space | None]:
        """Return every class of regions that fits what is open, and the space of their labels."""
        return known_regions(self.app, self.atlases, self.shower.original or self.view.map)

    def choose_atlas(self) -> None:
        """Ask for a label file and take its regions in."""
        path, _ = QFileDialog.getOpenFileName(self.window, "Load atlas", self.folder, FILES)
        if path:
            self.reporter.start(self.load_atlas(path))

    def choose_packaged(self) -> None:
        """Ask for an atlas of an installable package; those that fit the map on screen come first."""
        drawn = self.view.map
        root = None if drawn is None else drawn.space.root
        own = {getattr(root, "world", ""), getattr(root, "name", "")}
        order = sorted(ATLASES, key=lambda a: (a.folder is None, a.space not in own))
        lines = [f"{a.title} · {a.space}" + ("" if a.folder else f" — install {a.package}") for a in order]
        words, ok = QInputDialog.getItem(self.window, "Whole-brain atlas", "Regions for outlines, names and tables",
                                         lines, 0, False)
        if ok:
            self.reporter.start(self.load_atlas(PREFIX + order[lines.index(words)].name))

    async def load_atlas(self, path: str) -> Atlas:
        """Read a label file (and that of the other hemisphere beside it) or a package's atlas; show its outlines."""
        if path.startswith(PREFIX):
            drawn = self.shower.original or self.view.map
            root = None if drawn is None else drawn.space.root
            maps = [await self.session.ask(PACKAGED, "Read atlas", name=path.removeprefix(PREFIX),
                                           grid=root if isinstance(root, VolumeSpace) else None)]
            atlas = replace(atlas_of(maps, path), name=maps[0].name)
        else:
            maps = [*await self.session.read_maps(path)]
            other = sister(path)
            if other is not None:
                maps += await self.session.read_maps(other)
            atlas = atlas_of(maps, path)
        self.atlases.add(atlas)
        known, _ = self.regions()
        if atlas.name not in known:
            self.reporter.tell(f"{atlas.name} is on {atlas.space.name} and shows with maps of that space", "info")
        else:
            self.view.outlines = tuple(dict.fromkeys([*self.view.outlines, atlas.name]))
            self.reporter.tell(f"{atlas.name}: {len(atlas.table)} regions", "done")
        return atlas

    async def load_wanted(self) -> None:
        """Read the atlases that a project names."""
        wanted, self.atlases.wanted = self.atlases.wanted, ()
        for path in wanted:
            await self.load_atlas(path)

    def ask_region(self) -> RegionDialog:
        """Ask how a region grows at the cursor."""
        drawn = self._grown_on()
        dialog = RegionDialog(self.window, threshold_value(self.view.rule, drawn.values))
        dialog.accepted.connect(lambda: self.reporter.start(self.grow_region(
            dialog.name.text().strip(), dialog.radius.value() if dialog.disc.isChecked() else 0.0)))
        dialog.open()
        return dialog

    def _grown_on(self) -> BrainMap:
        drawn = self.view.map
        if drawn is None or self.view.picked is None or self.view.picked.hemisphere == "volume":
            raise MissingError("no vertex is chosen", remedy="Click on the cortex first.")
        return drawn

    async def grow_region(self, name: str, radius: float) -> None:
        """Grow a disc of `radius` mm (0: the blob beyond the threshold) around the cursor as a region of one's own."""
        drawn, pick = self._grown_on(), self.view.picked
        assert pick is not None
        cut = 0.0 if radius > 0 else threshold_value(self.view.rule, drawn.values)
        places = await self.session.ask(GROW, f"Grow {name}", map=drawn, hemisphere=pick.hemisphere,
                                        vertex=pick.vertex, radius=radius, threshold=cut,
                                        two_sided=self.view.rule.two_sided)
        root = drawn.space.root
        members = np.zeros(root.size, bool)
        members[np.asarray(places)] = True
        self.atlases.grow(name, root, members, (1.0, 0.85, 0.3, 1.0))
        self.app.rois = (RoiKey(pick.hemisphere, OWN, name),)
        self.reporter.tell(f"{name}: {int(members.sum()):,} vertices", "done")

    def _own(self) -> Atlas | None:
        return next((a for a in self.atlases.atlases if a.name == OWN), None)

    def has_own_regions(self) -> bool:
        """Tell whether there are regions to write."""
        return self._own() is not None

    def choose_region_file(self) -> None:
        """Ask where to and write one's own regions."""
        path, _ = QFileDialog.getSaveFileName(self.window, "Export my regions", str(Path(self.folder) / "regions.gii"),
                                              "Label files (*.gii *.dlabel.nii *.csv)")
        if path:
            self.reporter.start(self.write_regions(path))

    async def write_regions(self, path: str) -> str:
        """Write one's own regions as a label map; returns the path written."""
        own = self._own()
        if own is None:
            raise MissingError("there are no regions of your own", remedy="Grow one at the cursor first.")
        story = {"regions": "grown in BrainView", "phantom": bool(self.view.map and self.view.map.is_phantom)}
        written = await self.session.export_map(
            BrainMap(own.labels.astype(np.float32), own.space, OWN, kind="label", labels=own.table, provenance=story),
            path, {".csv": "csv"}.get(Path(path).suffix, "gifti"), None)
        self.reporter.tell(f"Wrote {Path(written).name}", "done")
        return written
