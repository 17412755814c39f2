"""Areas lie where the literature puts them; labels are exclusive; the ribbon is the real one."""

from itertools import pairwise

import numpy as np
import pytest

from brainview.core.errors import MismatchError
from brainview.phantom import anatomy, retinotopy
from brainview.phantom.anatomy import ROI_TABLES, SIDES, hemisphere, peaks
from brainview.phantom.subjects import level_of, make_subject

#: The calcarine sulcus from the pole forwards, mm MNI152 on the left (mirrored for the right).
CALCARINE = np.array([[-8.0, -98, -4], [-8, -90, 0], [-10, -82, 5], [-14, -74, 8], [-20, -66, 8]])


def _grown(side):
    table = peaks()
    return anatomy.grow(side, np.array([p.seed[side] for p in table]), np.array([p.size[side] for p in table]))


@pytest.mark.parametrize("side", SIDES)
def test_fsaverage5_is_the_one_measured(side):
    hemi = hemisphere(side)
    assert hemi.cortex.sum() == {"left": 9975, "right": 9936}[side]
    assert hemi.area[hemi.cortex].sum() == pytest.approx(69_000, rel=0.03)  # the medial wall is left out


@pytest.mark.parametrize("side", SIDES)
def test_every_seed_is_on_cortex_and_every_area_near_its_seed(side):
    grown, hemi = _grown(side), hemisphere(side)
    for row, peak in enumerate(peaks()):
        off = np.linalg.norm(hemi.mid[grown.seeds[row]] - peak.seed[side])
        assert off < anatomy.SEED_LIMIT, peak.area
        members = grown.nu[row] <= 1
        centre = hemi.mid[members].mean(0)
        assert np.linalg.norm(centre - peak.seed[side]) < 10, peak.area
        assert 0.4 < hemi.area[members].sum() / peak.size[side] < 1.8, peak.area


def test_a_seed_in_white_matter_is_refused():
    with pytest.raises(MismatchError, match="mm from the left cortex"):
        hemisphere("left").nearest((-25.0, -15, 25), anatomy.SEED_LIMIT)


@pytest.mark.parametrize("side", SIDES)
def test_v1_lies_along_the_calcarine(side):
    map_ = retinotopy.retinotopy(side)
    v1 = anatomy.cut_early(map_.area, map_.eccentricity) == 1
    line = CALCARINE * ([1, 1, 1] if side == "left" else [-1, 1, 1])
    fine = np.concatenate([np.linspace(a, b, 20) for a, b in pairwise(line)])
    centre = hemisphere(side).mid[v1].mean(0)
    assert np.linalg.norm(fine - centre, axis=1).min() < 10


def test_labels_are_exclusive_named_and_partly_empty():
    fields = make_subject(2026, 0, level_of("nsd"))
    assert set(fields.labels) == set(ROI_TABLES)
    cortex = np.concatenate([hemisphere(s).cortex for s in SIDES])
    for name, labels in fields.labels.items():
        assert labels.min() == -1 and labels.max() <= len(ROI_TABLES[name])
        assert (labels[~cortex] == -1).all() and (labels[cortex] >= 0).all()
    assert 1 <= len(fields.empty) <= 3
    for roi in fields.empty:
        name = next(n for n, table in ROI_TABLES.items() if roi in table)
        assert not (fields.labels[name] == ROI_TABLES[name].index(roi) + 1).any()
    assert (fields.labels["floc-faces"] != 5).all()  # aTL-faces: empty in every NSD subject
    assert 1800 < fields.visual_mask.sum() < 3000


def test_v2_and_v3_surround_v1_with_ventral_half_for_the_upper_field():
    for side in SIDES:
        grown, map_ = _grown(side), retinotopy.retinotopy(side)
        labels = anatomy.label_classes(grown, map_.area, map_.eccentricity, map_.angle, set(),
                                       hemisphere(side).cortex, side)["prf-visualrois"]
        z = {name: hemisphere(side).mid[labels == i + 1, 2].mean() for i, name in
             enumerate(ROI_TABLES["prf-visualrois"])}
        assert z["V3v"] < z["V2v"] < z["V1v"] < z["V1d"] < z["V2d"] < z["V3d"]


def test_ribbon_counts_and_distances():
    ribbon = anatomy.mni_ribbon()
    assert ribbon.vertex.size == 235_375 and ribbon.inside.sum() == 129_229
    assert ribbon.distance[ribbon.inside].max() <= 3.0
    assert ribbon.gain[~ribbon.inside].max() == 0 and ribbon.gain[ribbon.inside].min() > 0.6


def test_people_differ_in_anatomy():
    a, b = (make_subject(2026, i, level_of("nsd")) for i in (0, 1))
    mid = np.concatenate([hemisphere(s).mid for s in SIDES])
    distances = []
    for name, table in ROI_TABLES.items():
        if name in ("streams", "nsdgeneral"):
            continue
        for number in range(1, len(table) + 1):
            for half in (slice(0, 10_242), slice(10_242, 20_484)):
                one, two = (mid[half][f.labels[name][half] == number] for f in (a, b))
                if len(one) > 3 and len(two) > 3:
                    distances.append(np.linalg.norm(one.mean(0) - two.mean(0)))
    assert 3 <= np.median(distances) <= 8
