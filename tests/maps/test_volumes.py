"""The MNI152 grid, mask and template against nilearn's own."""

from __future__ import annotations

import numpy as np

from brainview.maps.space import mni_space
from brainview.maps.volumes import mni_brain_space, mni_mask, mni_template


def test_two_millimetre_mask_is_nilearns_slice():
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    image = load_mni152_brain_mask(resolution=2)
    whole = image.get_fdata() > 0
    mask = mni_mask(2)
    assert mask.shape == (91, 109, 91) and mask.dtype == bool and mask.sum() == 235_375 == whole.sum()
    np.testing.assert_array_equal(mask, whole[4:95, 4:113, 0:91])
    # the slice starts where our affine says
    np.testing.assert_allclose(image.affine @ [4, 4, 0, 1], mni_space(2).affine @ [0, 0, 0, 1])
    template = load_mni152_template(resolution=2).get_fdata()[4:95, 4:113, 0:91]
    np.testing.assert_allclose(mni_template(2), template, atol=1e-5)


def test_one_millimetre_mask_is_nilearns_on_nsds_grid():
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    image = load_mni152_brain_mask(resolution=1)
    mask = mni_mask(1)
    assert mask.shape == (182, 218, 182) and mask.sum() == 1_882_989
    np.testing.assert_array_equal(mask, (image.get_fdata() > 0)[7:189, 8:226, 0:182])
    np.testing.assert_allclose(image.affine @ [7, 8, 0, 1], mni_space(1).affine @ [0, 0, 0, 1])
    np.testing.assert_allclose(mni_template(1), load_mni152_template(resolution=1).get_fdata()[7:189, 8:226, 0:182],
                               atol=1e-6)


def test_brain_space_holds_the_mask():
    space = mni_brain_space()
    assert space.size == 235_375 and space.parent == mni_space(2)
    assert space.expand(np.ones(space.size, np.float32), 0).reshape(91, 109, 91)[mni_mask()].all()
