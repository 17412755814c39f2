"""The standard grayordinates against a real file; taking them apart and putting them together."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import MismatchError, MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.grayordinates import centres, cortex_space, join, recognised, slices, split, standard_grayordinates
from brainview.maps.space import (
    BrainStructure,
    GrayordinateSpace,
    MaskedSpace,
    VolumeSpace,
    get_space,
    mni_space,
    surface_space,
)


def test_sizes():
    small, large = get_space("grayordinates-59k"), get_space("grayordinates-91k")
    assert [len(s.index) for s in small.structures] == [29_696, 29_716] and small.size == 59_412
    assert large.size == 91_282 and len(large.structures) == 21
    for one, other in zip(large.structures, small.structures, strict=False):
        np.testing.assert_array_equal(one.index, other.index)
    assert cortex_space(large) == surface_space("fsLR32k")
    with pytest.raises(MissingError, match="91k"):
        standard_grayordinates("grayordinates-7k")


def test_table_is_that_of_a_real_file(real_files):
    axis = nib.load(real_files / "cifti2_conte69" / "ones.dscalar.nii").header.get_axis(1)
    space = standard_grayordinates("grayordinates-91k")
    parts = slices(space)
    for name, where, model in axis.iter_structures():
        ours = name.removeprefix("CIFTI_STRUCTURE_")
        assert parts[ours] == slice(where.start, where.stop or axis.size)
        structure = next(s for s in space.structures if s.name == ours)
        if name in model.nvertices:
            np.testing.assert_array_equal(structure.index, model.vertex)
            assert structure.n_vertices == model.nvertices[name]
        else:  # the same place in mm, whichever way the file's grid runs
            place = model.voxel @ axis.affine[:3, :3].T + axis.affine[:3, 3]
            np.testing.assert_allclose(centres(space.volume, structure.index), place)


@pytest.mark.parametrize(("name", "side"), [("THALAMUS_LEFT", -1), ("THALAMUS_RIGHT", 1), ("HIPPOCAMPUS_LEFT", -1),
                                            ("CEREBELLUM_RIGHT", 1)])
def test_structures_lie_on_their_side(name, side):
    space = standard_grayordinates("grayordinates-91k")
    structure = next(s for s in space.structures if s.name == name)
    assert (np.sign(centres(space.volume, structure.index)[:, 0].mean())) == side


def test_split_and_join_are_inverse():
    space = standard_grayordinates("grayordinates-91k")
    values = np.random.default_rng(0).standard_normal(space.size).astype(np.float32)
    values[::50] = np.nan
    whole = BrainMap(values, space, name="m")
    parts = split(whole)
    assert parts["surface"].space == surface_space("fsLR32k") and parts["volume"].space.size == 31_870
    assert np.isfinite(parts["surface"].values).sum() == np.isfinite(values[:59_412]).sum()
    np.testing.assert_array_equal(join(space, parts["surface"], parts["volume"]).values, values)
    only = join(space, parts["surface"])
    assert np.isnan(only.values[59_412:]).all()
    np.testing.assert_array_equal(only.values[:59_412], values[:59_412])


def test_join_refuses_other_meshes():
    space = standard_grayordinates("grayordinates-59k")
    with pytest.raises(MismatchError, match="fsaverage5"):
        join(space, BrainMap(np.zeros(20_484), get_space("fsaverage5")))
    with pytest.raises(MismatchError, match="no such part"):
        join(space, volume=BrainMap(np.zeros(mni_space(2).size), mni_space(2)))
    with pytest.raises(MismatchError, match="neither"):
        join(space)


def _mirrored(space: GrayordinateSpace) -> GrayordinateSpace:
    """Return the same places on a grid that runs from right to left, as CIFTI files store it."""
    flipped = VolumeSpace("file", (91, 109, 91), np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72],
                                                           [0, 0, 0, 1]]), "MNI152")
    structures = []
    for s in space.structures:
        index = s.index
        if not s.n_vertices:
            i, j, k = np.unravel_index(index, (91, 109, 91))
            index = np.ravel_multi_index((90 - i, j, k), (91, 109, 91))
        structures.append(BrainStructure(s.name, index, s.n_vertices))
    return GrayordinateSpace("file", tuple(structures), flipped)


def test_a_mirrored_grid_is_recognised():
    standard = standard_grayordinates("grayordinates-91k")
    mirrored = _mirrored(standard)
    assert mirrored != standard and recognised(mirrored) is standard
    wrong = GrayordinateSpace("file", mirrored.structures, standard.volume)  # the same indices on the unflipped grid
    assert recognised(wrong) is wrong


def test_voxel_part_is_in_ascending_order_of_its_grid():
    part = split(BrainMap(np.arange(91_282), standard_grayordinates("grayordinates-91k")))["volume"]
    assert isinstance(part.space, MaskedSpace) and part.space.size == 31_870
    np.testing.assert_array_equal(np.sort(part.values), np.arange(59_412, 91_282))
