"""Every command of the window, in the order of its menus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from brainview.state.commands import Command, Commands
from brainview.state.saved_views import KEYED
from brainview.state.view import View

if TYPE_CHECKING:
    from brainview.app.controller import Controller

SURFACES = (("inflated", "Inflated", "I"), ("pial", "Pial", "P"), ("white", "White matter", "W"),
            ("flat", "Flat", "F"))
VIEWS: tuple[tuple[View, str, str], ...] = (
    ("lateral", "Lateral", "1"), ("medial", "Medial", "2"), ("dorsal", "Dorsal", "3"), ("ventral", "Ventral", "4"),
    ("anterior", "Anterior", "5"), ("posterior", "Posterior", "6"))
LAYOUTS = (("grid", "Lateral and medial of both", ""), ("split", "Hemispheres side by side", ""),
           ("single", "One brain", ""))


def make_commands(c: Controller) -> Commands:
    """Return the commands that act on a controller's state."""
    out = Commands()
    out.add(*_file(c), *_edit(c), *_view(c), *_window(c))
    return out


def _file(c: Controller) -> list[Command]:
    drawn: Callable[[], bool] = lambda: c.view.map is not None  # noqa: E731
    menu = "&File"
    return [
        Command("file.open", "Open data set…", c.choose_dataset, "Ctrl+O", menu, "open", icon="open",
                hint="Open a folder of recorded brains"),
        Command("file.map", "Open map…", c.choose_map, "Ctrl+M", menu, "open", icon="map",
                hint="Draw a NIfTI, GIFTI, CIFTI or MGH file"),
        Command("file.wizard", "Your own data…", c.choose_own_data, "", menu, "open",
                hint="Recognises the files of a folder and writes its dataset.toml with you"),
        Command("file.get-data", "Get NSD data…", c.get_data, "", menu, "open",
                hint="The agreement of the Natural Scenes Dataset, the files, and the fetch from your own source"),
        Command("file.run", "Open trained model…", c.choose_run, "Ctrl+R", menu, "open", icon="run"),
        Command("file.phantom", "Open the built-in phantom", c.session.open_phantom, "", menu, "open"),
        Command("file.project", "Open project…", c.choose_project, "Ctrl+Shift+O", menu, "project"),
        Command("file.reopen", "Open picture again…", c.choose_picture, "", menu, "project",
                hint="From a PNG that BrainView exported back to its data, map, colours and view"),
        Command("file.save", "Save project", c.save_project, "Ctrl+S", menu, "project", icon="save",
                enabled=lambda: c.app.dataset is not None or drawn()),
        Command("file.save_as", "Save project as…", c.save_project_as, "Ctrl+Alt+S", menu, "project",
                enabled=lambda: c.app.dataset is not None or drawn()),
        Command("file.export", "Export…", c.export, "Ctrl+E", menu, "export", enabled=drawn, icon="export",
                hint="Write the picture or the numbers of what is drawn"),
        Command("file.picture", "Export picture…", c.export, "Ctrl+Shift+S", menu, "export", enabled=drawn),
        Command("file.export_map", "Export map…", lambda: c.export(1), "", menu, "export", enabled=drawn),
        Command("file.page", "Export web page…", c.choose_page, "", menu, "export", enabled=drawn,
                hint="One HTML file with the map on a cortex that turns in any browser"),
        Command("file.movie", "Export movie…", c.choose_movie, "", menu, "export", enabled=drawn,
                hint="The brain turning, or unfolding from pial to flat, as MP4 or GIF"),
        Command("file.compose", "Compose figure…", c.compose, "Ctrl+Shift+F", menu, "export", enabled=drawn,
                hint="Several views, colour and region bars on one sheet, as PDF, SVG or PNG"),
        Command("file.many", "Export many pictures…", c.export_many, "", menu, "export",
                enabled=lambda: c.app.dataset is not None or c.app.run is not None,
                hint="Every subject, figure and stimulus that you tick, in one folder"),
        Command("file.quit", "Quit", c.window.close, "Ctrl+Q", menu, "quit"),
    ]


def _edit(c: Controller) -> list[Command]:
    return [
        Command("edit.undo", "Undo", c.undo.undo, "Ctrl+Z", "&Edit", "undo", enabled=lambda: bool(c.undo.undo_title),
                icon="undo"),
        Command("edit.redo", "Redo", c.undo.redo, "Ctrl+Shift+Z", "&Edit", "undo",
                enabled=lambda: bool(c.undo.redo_title), icon="redo"),
        Command("edit.palette", "Find command, region or place…", c.show_palette, "Ctrl+K", "&Edit", "find",
                hint="Everything that can be done, by its name"),
        Command("edit.go_to", "Go to place…", lambda: c.show_palette(True), "Ctrl+G", "&Edit", "find",
                hint="An MNI152 coordinate, a vertex or a region"),
        Command("edit.copy_python", "Copy as Python", c.copy_python, "Ctrl+Shift+C", "&Edit", "copy",
                enabled=lambda: c.view.map is not None, hint="A short program that draws this picture"),
        Command("edit.copy_command", "Copy as command", c.copy_command, "Ctrl+Alt+C", "&Edit", "copy",
                enabled=lambda: c.view.map is not None, hint="A line for the shell that draws this picture"),
        Command("edit.copy_methods", "Copy methods paragraph and citations", c.copy_methods, "Ctrl+Shift+M", "&Edit",
                "copy", enabled=lambda: c.view.map is not None,
                hint="Data, space, model, cross-validation, ceiling and statistics of what is on screen, in words"),
        Command("edit.hold", "Hold this map", c.hold_map, "Ctrl+D", "&Edit", "compare",
                enabled=lambda: c.view.map is not None, hint="Keep it to compare other maps with it"),
        Command("edit.compare", "Compare with the held map", c.compare_maps, "Ctrl+Shift+D", "&Edit", "compare",
                enabled=c.has_held, hint="Scatter, correlation with a spin test, difference map"),
        Command("edit.atlas", "Load atlas…", c.choose_atlas, "", "&Edit", "regions",
                hint="Regions from a .annot, label GIFTI, dlabel CIFTI or labelled NIfTI file"),
        Command("edit.packaged_atlas", "Whole-brain atlas…", c.choose_packaged, "", "&Edit", "regions",
                hint="Desikan-Killiany, HCP-MMP or Yeo networks, from a package that ships them"),
        Command("edit.grow", "Grow region at the cursor…", c.ask_region, "", "&Edit", "regions",
                enabled=lambda: c.view.picked is not None and c.view.picked.hemisphere != "volume",
                hint="A disc on the cortex, or the blob beyond the threshold, as a region of your own"),
        Command("edit.export_regions", "Export my regions…", c.choose_region_file, "", "&Edit", "regions",
                enabled=c.has_own_regions),
        Command("edit.no_regions", "Select no region", c.clear_regions, "", "&Edit", "regions",
                enabled=lambda: bool(c.app.rois)),
        Command("edit.reset_colors", "Reset colours and limits", c.shower.reset_rule, "S", "&Edit", "colors",
                enabled=lambda: c.view.map is not None),
    ]


def _setter(c: Controller, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(c.view, name, value)


def _is(c: Controller, name: str, value: Any) -> Callable[[], bool]:
    return lambda: getattr(c.view, name) == value


def _looks(c: Controller, view: View) -> bool:
    return c.view.layout != "grid" and c.view.view == view


def _has_view(c: Controller, number: int) -> bool:
    return number <= len(c.saved.views)


def _shows(c: Controller, number: int) -> bool:
    return c.viewers.count == number


def _view(c: Controller) -> list[Command]:
    menu, out = "&View", []
    for name, table in (("surface", SURFACES), ("layout", LAYOUTS)):
        out += [Command(f"view.{name}.{value}", words, _setter(c, name, value), key, menu, name,
                        checked=_is(c, name, value)) for value, words, key in table]
    out += [Command(f"view.look.{value}", words, partial(c.view.look, value), key, menu, "look",
                    checked=partial(_looks, c, value))
            for value, words, key in VIEWS]
    out += [
        Command("view.layout.next", "Next layout", c.view.next_layout, "G", menu, "layout"),
        Command("view.left", "Left hemisphere", partial(c.view.toggle_hemisphere, "left"), "Shift+L", menu, "side",
                checked=lambda: "left" in c.view.sides),
        Command("view.right", "Right hemisphere", partial(c.view.toggle_hemisphere, "right"), "Shift+R", menu, "side",
                checked=lambda: "right" in c.view.sides),
        Command("view.reset", "Standard camera", c.reset_camera, "R", menu, "side"),
        Command("view.names", "Region names", lambda: setattr(c.view, "show_names", not c.view.show_names), "N", menu,
                "regions", checked=lambda: c.view.show_names),
        Command("view.outlines", "Region outlines", c.toggle_outlines, "O", menu, "regions",
                enabled=lambda: bool(c.regions()[0]),
                checked=c.has_outlines),
        Command("view.beside", "Slices beside the cortex", lambda: setattr(c.view, "beside", not c.view.beside), "B",
                menu, "slices", checked=lambda: c.view.beside,
                hint="Axial, coronal and sagittal planes, linked with the cursor of the cortex"),
        Command("view.radiological", "Radiological display", lambda: setattr(c.view, "radiological",
                                                                           not c.view.radiological), "", menu,
                "slices", checked=lambda: c.view.radiological,
                hint="Left of the body on the right of the slices; the data stay as they are"),
        Command("view.next_map", "Next map of the file", partial(c.step_map, 1), "PgDown", menu, "maps",
                enabled=lambda: c.maps_of_file() > 1, hint="A file of several maps shows one at a time"),
        Command("view.previous_map", "Previous map of the file", partial(c.step_map, -1), "PgUp", menu, "maps",
                enabled=lambda: c.maps_of_file() > 1),
        Command("view.save_view", "Save this view…", c.ask_view_name, "Ctrl+Shift+V", menu, "saved",
                enabled=lambda: c.window.viewer is not None,
                hint="Surface, layout, slices, cameras and cursor under a name; projects keep it"),
        Command("view.saved_views", "Saved views…", c.show_views, "Ctrl+Alt+V", menu, "saved",
                enabled=lambda: bool(c.saved.views)),
        *[Command(f"view.saved.{n}", f"Saved view {n}", partial(c.go_to_view, n), f"Alt+{n}", menu, "saved",
                  enabled=partial(_has_view, c, n)) for n in range(1, KEYED + 1)],
        *[Command(f"view.viewers.{n}", words, partial(c.set_viewers, n), f"Ctrl+Alt+{n}", menu, "viewers",
                  checked=partial(_shows, c, n), enabled=lambda: c.view.map is not None,
                  hint="Each has its own map; cameras, cursor and surface are one")
          for n, words in ((1, "One viewer"), (2, "Two linked viewers"), (4, "Four linked viewers"))],
        Command("view.shared_scale", "One colour scale for all viewers",
                lambda: setattr(c.viewers, "shared", not c.viewers.shared), "", menu, "viewers",
                checked=lambda: c.viewers.shared, hint="Where kind and unit of the maps are the same"),
        Command("view.keep_layer", "Keep this map as a layer", c.keep_layer, "Ctrl+L", menu, "layers",
                enabled=lambda: c.view.map is not None, hint="The next map that is shown lies over it"),
        Command("view.lock", "Lock limits", lambda: setattr(c.view, "lock_limits", not c.view.lock_limits), "K", menu,
                "limits", checked=lambda: c.view.lock_limits,
                hint="Keep the limits of the colour bar when another map is shown"),
    ]
    return out


def _window(c: Controller) -> list[Command]:
    menu = "&Window"
    docks = (("subjects", "Subjects and training"), ("encoding", "Encoding"), ("attribution", "Attribution"),
             ("decoding", "Decoding"), ("stimuli", "Stimuli"), ("jobs", "Jobs"),
             ("peaks", "Peaks and clusters"), ("layers", "Layers"),
             ("drivers", "Stimuli that drive a place"))
    out = [Command(f"window.{name}", words, partial(c.window.show_dock, name), f"Ctrl+{k}", menu, "docks")
           for k, (name, words) in enumerate(docks, start=1)]
    return [*out,
            Command("window.side_docks", "Hide or show all docks", c.toggle_docks, "Ctrl+0", menu, "docks2",
                    hint="Leave only the brain"),
            Command("window.theme", "Dark or light theme", c.toggle_theme, "Ctrl+T", menu, "theme", icon="theme"),
            Command("window.keys", "Shortcuts", c.show_keys, "?", "&Help", "help", icon="help"),
            Command("window.guide", "First steps", c.show_guide, "F1", "&Help", "help",
                    hint="Five cards that show where everything is"),
            Command("window.log", "Where is the log?", c.show_log_place, "", "&Help", "help")]
