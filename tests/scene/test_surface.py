"""The cortical scene, looked at through its pixels: a vertex of known colour has that colour on the picture."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import BrainViewError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.meshes import load_mesh
from brainview.maps.rois import RoiClass
from brainview.maps.space import BrainStructure, GrayordinateSpace, MaskedSpace, ParcelSpace, SurfaceSpace, mni_space
from brainview.scene import views
from brainview.scene.hemisphere import on_surface, outward, surface_of, vertex_normals
from brainview.scene.image_canvas import ImageCanvas
from brainview.scene.outlines import anchors, borders, on_root
from tests.scene.sample import FSAVERAGE5, bump, regions

SIZE = (640, 480)


@pytest.fixture(scope="module")
def canvas():
    canvas = ImageCanvas(SIZE)
    canvas.set_surface(FSAVERAGE5, "inflated")
    canvas.set_panels(views.panels("grid", "lateral", ("left", "right")))
    yield canvas
    canvas.close()


@pytest.fixture
def scene(canvas):
    canvas.set_surface(FSAVERAGE5, "inflated")
    canvas.set_panels(views.panels("grid", "lateral", ("left", "right")))
    canvas.set_background("dark")
    canvas.set_outlines({})
    canvas.set_marker(None)
    brain_map = bump()
    canvas.set_values(brain_map, rule_for(brain_map))
    return canvas.scene


def pixel(picture, place):
    height, width = picture.shape[:2]
    x, y = min(width - 1, int(place[0] * width)), min(height - 1, int((1 - place[1]) * height))
    return picture[y, x].astype(int)


def colored(picture):
    """Count pixels that are not grey."""
    spread = picture.max(-1).astype(int) - picture.min(-1)
    return int((spread > 40).sum())


def seen(scene, side, where):
    """Return (vertex, place) of a vertex in sight among those where `where` holds, far from the rim."""
    mesh = scene.meshes[side]
    facing = np.abs(mesh.normals[:, 0])
    for vertex in np.flatnonzero(where)[np.argsort(-facing[where])][:50]:
        places = scene.where(side, int(vertex))
        if places:
            return int(vertex), places[0]
    raise AssertionError("no vertex in sight")


def test_a_hot_vertex_is_hot_and_a_nan_vertex_is_grey(canvas, scene):
    values = scene.map.values[:10242]
    picture = canvas.picture()
    _, place = seen(scene, "left", values > 0.8)
    red, _, blue = pixel(picture, place)
    assert red > 120 and red > blue + 60
    _, place = seen(scene, "left", np.isnan(values))
    assert np.ptp(pixel(picture, place)) <= 2
    assert pixel(picture, place).min() > 50  # anatomy, not paper


def test_lower_threshold_colors_more(canvas, scene):
    counts = []
    for threshold in (0.8, 0.4, 0.1):
        canvas.set_rule(rule_for(scene.map).having(threshold=threshold))
        counts.append(colored(canvas.picture()))
    assert 0 < counts[0] < counts[1] < counts[2]


def test_values_change_in_place(canvas, scene):
    canvas.picture()
    before = [(id(c.renderer), c.renderer.GetViewProps().GetNumberOfItems()) for c in scene.cells]
    mesh = scene.meshes["left"]
    geometry = (mesh.polydata.GetPoints().GetMTime(), mesh.polydata.GetPointData().GetNormals().GetMTime())
    canvas.set_values(bump().having(values=np.ones(20484)), scene.rule)
    picture = canvas.picture()
    assert before == [(id(c.renderer), c.renderer.GetViewProps().GetNumberOfItems()) for c in scene.cells]
    assert geometry == (mesh.polydata.GetPoints().GetMTime(), mesh.polydata.GetPointData().GetNormals().GetMTime())
    assert colored(picture) > 40_000


@pytest.mark.parametrize("surface", ["inflated", "pial", "flat"])
def test_picking_finds_the_vertex_that_is_seen(canvas, scene, surface):
    canvas.set_surface(FSAVERAGE5, surface)
    canvas.set_panels(views.panels("split", "lateral", ("left", "right"), surface))
    canvas.set_values(bump())
    found = 0
    for side in ("left", "right"):
        for vertex in range(0, 10242, 1500):
            for x, y in scene.where(side, vertex):
                pick = scene.pick_at(x, y)
                assert pick is not None
                assert (pick.hemisphere, pick.vertex) == (side, vertex)
                expected = load_mesh(FSAVERAGE5, side, "white").vertices[vertex]
                np.testing.assert_allclose(pick.ras, expected, atol=1e-4)  # white, whatever is drawn
                assert pick.space.startswith("MNI305")
                assert pick.index == pick.root_index == vertex + (10242 if side == "right" else 0)
                found += 1
    assert found >= 4
    assert scene.pick_at(0.001, 0.001) is None


def test_picks_count_in_the_space_of_the_map(canvas, scene):
    keep = np.arange(0, 20484, 2)
    masked = MaskedSpace("half", FSAVERAGE5, keep)
    canvas.set_values(BrainMap(np.arange(keep.size), masked))
    assert scene.pick_of("right", 1).index is None
    assert scene.pick_of("right", 2).index == (10242 + 2) // 2
    assert scene.pick_of("right", 2).value == (10242 + 2) // 2
    assert np.isnan(scene.pick_of("right", 1).value)
    assert "no data" in str(scene.pick_of("right", 1))


def test_outlines_names_and_marker_are_drawn_in_sight_only(canvas, scene):
    canvas.set_values(None)
    plain = canvas.picture()
    canvas.set_outlines({"demo": regions()}, names=True)
    lined = canvas.picture()
    white_pixels = (lined.min(-1) > 250).sum() - (plain.min(-1) > 250).sum()
    assert white_pixels > 100
    half = lined.shape[1] // 2
    assert (lined[:, half:] == plain[:, half:]).all()  # both regions are on the left
    pick = scene.pick_of("left", seen(scene, "left", regions().labels[:10242] == 2)[0])
    canvas.set_outlines({})
    canvas.set_marker(pick)
    marked = canvas.picture()
    green = (marked[..., 1].astype(int) - marked[..., 0] > 90).sum()
    assert green > 20
    assert (marked[240:] == plain[240:]).all()  # the medial panels do not see it
    canvas.set_marker(None)
    assert (canvas.picture() == plain).all()


def test_where_names_would_cover_each_other_the_larger_region_keeps_its_own(canvas, scene):
    points = np.concatenate([scene.meshes[s].points for s in ("left", "right")])
    labels = np.zeros(len(points), np.int32)
    centre = points[:10242][np.argmin(points[:10242, 0])]  # the most lateral place of the left
    away = np.linalg.norm(points[:10242] - centre, axis=1)
    labels[:10242] = np.select([away < 4, away < 14], [1, 2], 0)
    labels[:10242][np.linalg.norm(points[:10242] - centre - [0, 50, 0], axis=1) < 12] = 3
    table = {1: Label("small and long name"), 2: Label("large and long name"), 3: Label("far")}
    canvas.set_outlines({"demo": RoiClass("demo", labels, table)}, names=True)
    cell = next(c for c in scene.cells if c.panel.sides == ("left",) and c.panel.view == "lateral")
    drawn = {a.GetInput() for a, _, _ in scene.notes._name_actors[cell] if a.GetVisibility()}
    assert "large and long name" in drawn and "small and long name" not in drawn
    canvas.set_outlines({})


def test_hemispheres_layouts_and_sizes(canvas, scene):
    canvas.set_values(bump().having(values=np.ones(20484)))
    canvas.set_panels(views.panels("single", "posterior", ("left",)))
    one = canvas.picture()
    canvas.set_panels(views.panels("single", "posterior", ("left", "right")))
    both = canvas.picture()
    paper = np.array([16, 18, 22])
    columns = lambda p: np.flatnonzero((np.abs(p[60:-60, 30:-30].astype(int) - paper).max(-1) > 8).any(0))  # noqa: E731
    assert np.ptp(columns(both)) > 1.3 * np.ptp(columns(one))
    assert [p.title for p in views.panels("grid", "lateral", ("left", "right"))] == [
        "Left · lateral", "Right · lateral", "Left · medial", "Right · medial"]


def test_background_and_letters(canvas, scene):
    canvas.set_background("white")
    assert (canvas.picture()[2, 2] == 255).all()
    assert scene.cells[0].camera.letters() == {"left": "A", "right": "P", "top": "S", "bottom": "I"}
    assert scene.cells[1].camera.letters()["left"] == "P"
    with pytest.raises(BrainViewError):
        canvas.set_background("pink")


def test_zoom_keeps_the_place_under_the_pointer_and_reset_undoes(canvas, scene):
    vertex, (x, y) = seen(scene, "left", np.ones(10242, bool))
    scene.zoom(x, y, 3.0)
    again = scene.where("left", vertex)[0]
    np.testing.assert_allclose(again, (x, y), atol=0.01)
    scene.orbit(x, y, 40, 10)
    assert scene.cells[0].camera.letters() is not None
    canvas.reset_view()
    np.testing.assert_allclose(scene.where("left", vertex)[0], (x, y), atol=1e-6)


def test_orbit_turns_the_brain_with_the_hand():
    towards, up = views.looking("posterior", "left")
    camera = views.Camera(towards, up)
    front = np.array([0.0, -80.0, 0.0])  # a point that faces the eye
    x0, y0 = camera.project(front, 1.0)
    camera.orbit(20, 0)
    x1, _ = camera.project(front, 1.0)
    camera.orbit(0, 20)
    _, y2 = camera.project(front, 1.0)
    assert x1 > x0 + 0.1
    assert y2 > y0 + 0.1
    assert np.linalg.norm(camera.towards) == pytest.approx(1)
    assert camera.towards @ camera.up == pytest.approx(0, abs=1e-12)


def test_ray_and_projection_are_inverse():
    camera = views.Camera(*views.looking("lateral", "left"), zoom=1.7, pan=np.array([5.0, -3.0]))
    start, end = camera.ray(0.3, -0.4, 1.5)
    np.testing.assert_allclose(camera.project(np.stack([start, end]), 1.5), [[0.3, -0.4]] * 2, atol=1e-9)


def test_a_missing_mesh_is_an_error_and_the_old_picture_stays(canvas, scene):
    with pytest.raises(BrainViewError):
        canvas.set_surface(SurfaceSpace("native:nobody", 100, 100), "inflated")
    assert scene.space == FSAVERAGE5
    assert colored(canvas.picture()) > 500
    with pytest.raises(BrainViewError):
        canvas.set_values(BrainMap(np.zeros(200), SurfaceSpace("native:nobody", 100, 100)))


def test_every_space_with_a_cortex_is_placed_on_it():
    parcels = ParcelSpace("two", ("a", "b"), FSAVERAGE5, np.r_[np.zeros(10), np.ones(10), np.full(20464, 2)])
    placed = on_surface(BrainMap([3.0, 4.0], parcels), FSAVERAGE5)
    assert np.isnan(placed[:10]).all() and (placed[10:20] == 3).all() and (placed[20:] == 4).all()
    gray = GrayordinateSpace("tiny", (BrainStructure("CORTEX_LEFT", np.array([2, 5]), 32492),
                                      BrainStructure("CORTEX_RIGHT", np.array([1]), 32492),
                                      BrainStructure("THALAMUS_LEFT", np.array([7]))), mni_space(2))
    target = surface_of(gray)
    assert target is not None and target.name == "fsLR32k"
    placed = on_surface(BrainMap([1.0, 2.0, 3.0, 4.0], gray), target)
    assert np.flatnonzero(np.isfinite(placed)).tolist() == [2, 5, 32493]
    assert surface_of(mni_space(2)) is None


def test_normals_of_a_sphere_point_outwards():
    mesh = load_mesh(FSAVERAGE5, "left", "sphere")
    normals = vertex_normals(mesh.vertices, mesh.faces)
    radial = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert (normals * radial).sum(1).min() > 0.98


def test_borders_of_a_cap_on_a_sphere_are_its_circle():
    mesh = load_mesh(FSAVERAGE5, "left", "sphere")
    labels = (mesh.vertices[:, 2] > 50).astype(int)
    line = borders(labels, mesh.vertices, mesh.faces, vertex_normals(mesh.vertices, mesh.faces))
    assert np.abs(line.points[:, 2] - 50).max() < 5
    length = np.linalg.norm(line.points[line.segments[:, 0]] - line.points[line.segments[:, 1]], axis=1).sum()
    assert length == pytest.approx(2 * np.pi * np.sqrt(100**2 - 50**2), rel=0.12)
    assert np.bincount(line.segments.reshape(-1)).min() == 2  # closed
    empty = borders(np.zeros(10242, int), mesh.vertices, mesh.faces, mesh.vertices)
    assert len(empty.segments) == 0


def test_three_labels_meet_in_a_triangle():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    line = borders(np.array([1, 2, 3]), points, np.array([[0, 1, 2]]), np.tile([0, 0, 1.0], (3, 1)), smooth=0)
    assert len(line.points) == 4
    assert len(line.segments) == 3


def test_names_stand_inside_their_region_and_masked_labels_are_placed():
    roi = regions()
    mesh = load_mesh(FSAVERAGE5, "left", "inflated")
    named = anchors(roi, roi.labels[:10242], mesh.vertices)
    assert {n for n, _ in named} == {"V1", "EBA"}
    for name, vertex in named:
        assert roi.table[int(roi.labels[vertex])].name == name
    masked = MaskedSpace("half", FSAVERAGE5, np.arange(0, 20484, 2))
    assert (on_root(roi.labels[::2], masked)[::2] == roi.labels[::2]).all()
    with pytest.raises(BrainViewError):
        on_root(np.zeros(5, int), masked)
    assert anchors(RoiClass("x", np.zeros(10242, int), {0: Label("none")}), np.zeros(10242, int), mesh.vertices) == []


def test_a_rule_equal_to_the_present_one_asks_for_no_paint(canvas, scene):
    asked = []
    canvas.on_change = lambda: asked.append(1)
    canvas.set_rule(ColorRule(**scene.rule.__dict__))
    assert asked == []
    canvas.set_rule(scene.rule.having(threshold=0.33))
    assert asked == [1]
    canvas.on_change = lambda: None


def test_a_panel_says_lateral_only_while_it_is():
    panel = views.panels("grid", "lateral", ("left", "right"))[0]
    camera = views.Camera(*views.looking("lateral", "left"))
    assert panel.seen_from(camera.towards) == "Left · lateral"
    camera.orbit(180.0, 0.0)
    assert panel.seen_from(camera.towards) == "Left"


def test_only_closed_surfaces_lose_their_inner_side_and_the_picture_stays():
    mesh = load_mesh("fsaverage5", "left", "pial")
    assert outward(mesh.vertices, mesh.faces) == 1 and outward(mesh.vertices, mesh.faces[:, ::-1]) == -1
    assert outward(mesh.vertices, mesh.faces[1:]) == 0 and outward(mesh.vertices, mesh.faces[:0]) == 0
    canvas = ImageCanvas((240, 200))
    try:
        canvas.set_surface(FSAVERAGE5, "pial")
        canvas.set_panels(views.panels("grid", "lateral", ("left", "right")))
        thin = canvas.picture()
        for cell in canvas.scene._cells:
            for actor in cell.renderer.GetActors():
                assert actor.GetProperty().GetBackfaceCulling()
                actor.GetProperty().BackfaceCullingOff()
        differ = (canvas.picture() != thin).any(-1).sum()
        assert differ <= 8  # of 48,000 pixels: rims, where both sides lie in one pixel
    finally:
        canvas.close()
