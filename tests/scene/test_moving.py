"""Pages and movies: what is in the file is what the map shows."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess

import av
import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import LimitError, MissingError
from brainview.core.jobs import Quiet
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import ParcelSpace, surface_space
from brainview.scene.movie import movie
from brainview.scene.webpage import webpage

SPACE = surface_space("fsaverage5")


def half() -> BrainMap:
    """Give a map that is high in the left hemisphere only."""
    values = np.full(SPACE.size, np.nan, np.float32)
    values[SPACE.left] = 1.0
    return BrainMap(values, SPACE, "left <b>only</b>", units="z", limits=(0, 1), provenance={"phantom": True},
                    definition="one @DATA@ everywhere")


def test_the_page_holds_colours_geometry_and_words_escaped(tmp_path):
    text = webpage(half(), tmp_path / "map.html").read_text()
    data = json.loads(re.search(r"const DATA = (\{.*?\});\n", text)[1])
    colors = np.frombuffer(base64.b64decode(data["colors"]), np.uint8).reshape(-1, 3).astype(int)
    spread = colors.max(1) - colors.min(1)
    assert len(colors) == SPACE.size and spread[:SPACE.n_left].mean() > 30 and spread[SPACE.n_left:].max() == 0
    faces = np.frombuffer(base64.b64decode(data["faces"]), "<u4")
    assert faces.max() == SPACE.size - 1 and len(faces) == 2 * 20480 * 3
    assert "<b>only</b>" not in text and "&lt;b&gt;only" in text and "Phantom" in text
    assert "http" not in text.replace("https://", "http") and len(text) < 6_000_000


def test_a_browser_draws_the_page(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium on this machine to draw the page")
    page, picture = webpage(half(), tmp_path / "map.html", background="black"), tmp_path / "page.png"
    subprocess.run([browser, "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
                    "--enable-unsafe-swiftshader", f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars",
                    "--window-size=800,600", f"--screenshot={picture}", page.as_uri()], check=True, timeout=120,
                   capture_output=True)
    seen = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    middle = seen[250:350, 350:450]
    assert (middle.max(-1) - middle.min(-1)).mean() > 30  # the left hemisphere in colour, seen from the left


def test_parcels_without_a_surface_have_no_page(tmp_path):
    with pytest.raises(MissingError, match="no surface"):
        webpage(BrainMap(np.zeros(2), ParcelSpace("unplaced", ("a", "b"))), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "name"), [("spin", "a.mp4"), ("morph", "b.gif")])
def test_a_movie_has_its_frames_and_they_move(tmp_path, kind, name):
    path = movie(half(), tmp_path / name, kind, size=(161, 120), seconds=0.625, fps=8, look={"layout": "split"})
    with av.open(path) as file:
        frames = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    assert len(frames) == 5 and frames[0].shape == (120, 160, 3)
    assert np.abs(frames[0].astype(int) - frames[1]).mean() > 1


def test_a_threshold_rises_until_little_is_left_and_a_slider_shows_each_map(tmp_path):
    values = np.full(SPACE.size, np.nan, np.float32)
    values[SPACE.left] = np.linspace(0, 1, SPACE.n_left)
    ramp = BrainMap(values, SPACE, "ramp", units="z", limits=(0, 1))

    def coloured(path):
        with av.open(path) as file:
            frames = [f.to_ndarray(format="rgb24").astype(int) for f in file.decode(video=0)]
        return [int(((f[15:90].max(-1) - f[15:90].min(-1)) > 40).sum()) for f in frames]

    look = {"views": ("lateral",), "hemispheres": "left"}
    shown = coloured(movie(ramp, tmp_path / "t.gif", "threshold", size=(160, 120), seconds=0.5, fps=8, look=look))
    assert len(shown) == 4 and shown[0] > shown[1] > shown[2] > shown[3]
    maps = [half(), BrainMap(np.full(SPACE.size, np.nan, np.float32), SPACE, "nothing", units="z", limits=(0, 1))]
    full, other = coloured(movie(maps[0], tmp_path / "s.gif", "slider", maps=maps, size=(160, 120), seconds=0.25, fps=8,
                                 look=look))
    assert full > other
    with pytest.raises(MissingError, match="two maps"):
        movie(ramp, tmp_path / "n.gif", "slider")


def test_movies_stop_when_cancelled_and_leave_nothing(tmp_path):
    class Stop(Quiet):
        def report(self, done, total, text=""):
            if done == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        movie(half(), tmp_path / "c.mp4", size=(160, 120), seconds=1, fps=4, context=Stop())
    assert not list(tmp_path.iterdir())
    with pytest.raises(LimitError):
        movie(half(), tmp_path / "c.mp4", seconds=1000)
    with pytest.raises(MissingError, match="MP4 or GIF"):
        movie(half(), tmp_path / "c.avi")
