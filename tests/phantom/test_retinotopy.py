"""The band model: ordered, mirrored at borders, and close to the published template (which is never shipped)."""

from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest

from brainview.phantom import retinotopy
from brainview.phantom.anatomy import SIDES


@pytest.mark.parametrize("side", SIDES)
def test_fields_lie_in_the_other_hemifield(side):
    map_ = retinotopy.retinotopy(side)
    early = map_.area > 0
    assert (np.sign(map_.x[early]) >= 0).all() if side == "left" else (np.sign(map_.x[early]) <= 0).all()
    assert map_.angle[early].min() >= 0 and map_.angle[early].max() <= 180
    assert np.allclose(np.hypot(map_.x, map_.y)[early], map_.eccentricity[early])


@pytest.mark.parametrize(("side", "name"), [("left", "lh"), ("right", "rh")])
def test_agrees_with_the_published_template(side, name, real_files):
    folder = real_files / "fsaverage_retinotopy_benson14"
    area, eccentricity, angle = (np.squeeze(nib.load(folder / f"{name}.benson14_{part}.v4_0.mgz").get_fdata())[:10_242]
                                 for part in ("varea", "eccen", "angle"))
    map_ = retinotopy.retinotopy(side)
    real = np.isin(area, (1, 2, 3))
    assert (map_.area[real] == area[real]).mean() > 0.62
    both = real & (map_.area > 0)
    assert np.corrcoef(np.log(map_.eccentricity[both]), np.log(eccentricity[both]))[0, 1] > 0.9
    assert np.corrcoef(map_.angle[both], angle[both])[0, 1] > 0.78


def test_mass_on_the_screen():
    x = np.array([0.0, 4.2, 9.0, 0.0])
    mass = retinotopy.screen_mass(x, np.zeros(4), np.array([0.3, 0.3, 1.0, 40.0]))
    assert mass[0] == pytest.approx(1, abs=1e-6) and mass[1] == pytest.approx(0.5, abs=1e-6)
    assert mass[2] == 0 and mass[3] == 0  # off the screen; smaller than the least mass


def test_receptive_fields_grow_with_eccentricity_and_hierarchy():
    sizes = [retinotopy.size_of(a, np.array([1.0, 4.0])) for a in ("V1", "V2", "V3", "hV4")]
    assert all((np.diff(s) > 0).all() for s in sizes)
    assert all((b > a).all() for a, b in pairwise(sizes))
