"""Every odd real file: what it is read as, or the line it is refused with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, MismatchError
from brainview.maps.grayordinates import split
from brainview.maps.io import read_labels, read_map, read_maps, read_pair, read_surface
from brainview.maps.space import ParcelSpace, VolumeSpace, get_space, mni_space, surface_space

FOLDERS = ("nifti_odd", "gifti_odd", "cifti2_conte69", "fsaverage_maps", "fsaverage_retinotopy_benson14",
           "bold5000_rois_mni")
NO_MAPS = (".md", ".txt", ".rtf", "README", "LICENSE", ".nifti-reader-js", ".niivue", ".gifti-reader-js")


@dataclass(frozen=True)
class Opens:
    """Space, what its world is, kind of the first map, number of maps, a word of the notes."""

    space: str
    world: str | None = None
    kind: str = "sequential"
    maps: int = 1
    note: str = ""


@dataclass(frozen=True)
class Refused:
    """A word of the one line."""

    line: str


LEFT, RIGHT = Opens("fsaverage", kind="diverging", note="left"), Opens("fsaverage", kind="diverging", note="right")
MNI = Opens("mni152-2mm", "MNI152")
ORDERS = ("AIL", "ASL", "ILA", "IPL", "IRA", "LAS", "LIP", "LPS",
          "PIR", "PLI", "RAS", "RPI", "RSA", "SAR", "SLP", "SPR")
MESH = Refused("Open it as a surface")
EXPECTED: dict[str, Opens | Refused] = {
    **{f"nifti_odd/orientations/{code}.nii.gz": Opens(f"volume:{code}", "scanner") for code in ORDERS},
    "nifti_odd/niivue/ras.hdr": Opens("volume:ras", "scanner"),
    "nifti_odd/niivue/ras.img": Opens("volume:ras", "scanner"),
    "nifti_odd/niivue/minimal.nii.gz": Opens("volume:minimal", "unknown", note="no orientation"),
    "nifti_odd/niivue/low_res.nii.gz": Opens("volume:low_res", "aligned"),
    "nifti_odd/niivue/complex_image.nii.gz": Refused("complex"),
    "nifti_odd/niivue/shear.nii.gz": Opens("volume:shear", "aligned", "diverging"),
    "nifti_odd/niivue/labels256.nii.gz": Opens("volume:labels256", "scanner", "label"),
    "nifti_odd/niivue/pval.LH.nii.gz": LEFT,
    "nifti_odd/niivue/LAS_drawing_correct.nii.gz": Opens("volume:LAS_drawing_correct", "scanner", "label"),
    "nifti_odd/niivue/LAS_drawing_incorrect.nii.gz": Opens("volume:LAS_drawing_incorrect", "scanner", "label"),
    "nifti_odd/niivue/draw.nii.gz": Opens("volume:draw", "scanner", "label"),
    "nifti_odd/nifti_reader_js/big.nii.gz": Opens("volume:big", "scanner", "diverging"),
    "nifti_odd/nifti_reader_js/little.nii.gz": Opens("volume:little", "scanner", "diverging"),
    "nifti_odd/nifti_reader_js/5D_small.nii": Refused("5 dimensions"),
    "nifti_odd/nifti_reader_js/5D_zeros.nii.gz": Refused("5 dimensions"),
    "nifti_odd/nifti_reader_js/air.hdr.gz": Opens("volume:air", "scanner"),
    "nifti_odd/nifti_reader_js/air.img.gz": Opens("volume:air", "scanner"),
    "nifti_odd/nifti_reader_js/air2.hdr.gz": Opens("volume:air2", "scanner"),
    "nifti_odd/nifti_reader_js/air2.img.gz": Opens("volume:air2", "scanner"),
    "nifti_odd/nifti_reader_js/avg152T1_LR_nifti.nii.gz": MNI,
    "nifti_odd/nifti_reader_js/avg152T1_LR_nifti2.nii.gz": MNI,
    "nifti_odd/nifti_reader_js/with_extension.nii.gz": Opens("volume:with_extension", "Talairach", "label"),
    "nifti_odd/nifti_reader_js/not-nifti.nii": Refused("is not NIfTI"),
    "nifti_odd/phantom_balls/T1.nii.gz": Opens("volume:T1", "scanner"),
    "nifti_odd/phantom_balls/T2.nii.gz": Opens("volume:T2", "scanner"),
    "nifti_odd/phantom_balls/T2-interleaved.nii.gz": Opens("volume:T2-interleaved", "scanner"),
    "nifti_odd/phantom_balls/T2_.nii.gz": Opens("volume:T2_", "scanner", maps=2),
    # its header tells one volume, the file holds two
    "nifti_odd/phantom_balls/fieldmap.nii.gz": Refused("holds more values than its header tells"),
    "gifti_odd/ascii.surf.gii": MESH, "gifti_odd/base64.surf.gii": MESH, "gifti_odd/gzip.surf.gii": MESH,
    "gifti_odd/ColumnMajorOrder.gii": MESH,
    "gifti_odd/ascii.label.gii": Refused("declares 71,723 values but holds 10"),
    "gifti_odd/lh.curv": LEFT,
    "gifti_odd/BrainMesh_ICBM152.lh.curv": Opens("native:BrainMesh_ICBM152.curv", kind="diverging",
                                                 note="no standard mesh"),
    "gifti_odd/boggle.lh.annot": Opens("fsaverage", kind="label", note="left"),
    "cifti2_conte69/Conte69.L.inflated.32k_fs_LR.surf.gii": MESH,
    "cifti2_conte69/Conte69.R.inflated.32k_fs_LR.surf.gii": MESH,
    "cifti2_conte69/Conte69.MyelinAndCorrThickness.32k_fs_LR.dscalar.nii": Opens("grayordinates:60951", maps=2),
    "cifti2_conte69/Conte69.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii": Opens("grayordinates:60951", maps=2),
    "cifti2_conte69/Conte69.MyelinAndCorrThickness.32k_fs_LR.ptseries.nii": Opens("parcels:54", maps=2),
    "cifti2_conte69/Conte69.parcellations_VGD11b.32k_fs_LR.dlabel.nii": Opens("fsLR32k", kind="label", maps=3),
    "cifti2_conte69/ones.dscalar.nii": Opens("grayordinates-91k"),
    "fsaverage_maps/lh.sig.nii.gz": LEFT, "fsaverage_maps/lh.alt_sig.nii.gz": LEFT,
    "fsaverage_maps/lh.curv.fsaverage.mgz": LEFT, "fsaverage_maps/rh.curv.fsaverage.mgz": RIGHT,
    "fsaverage_maps/zstat.nii.gz": Opens("mni152-2mm", "MNI152", "diverging"),
    "fsaverage_maps/mask.nii.gz": Opens("mni152-2mm", "MNI152", "label"),
    "fsaverage_maps/resting_corr.nii.gz": Opens("mni152-2mm", "MNI152", "diverging"),
    "fsaverage_maps/meg_source_estimate-lh.stc": Refused("an MNE source estimate"),
    "fsaverage_maps/meg_source_estimate-rh.stc": Refused("an MNE source estimate"),
    "fsaverage_maps/register.dat": Refused("registration file"),
    **{f"fsaverage_retinotopy_benson14/{h}.benson14_{what}.v4_0.mgz":
       Opens("fsaverage", kind="label" if what == "varea" else "sequential", note=side)
       for h, side in (("lh", "left"), ("rh", "right")) for what in ("angle", "eccen", "sigma", "varea")},
    **{f"bold5000_rois_mni/group/{roi}.nii.gz": MNI for roi in ("EarlyVis", "LOC", "OPA", "PPA", "RSC")},
    **{f"bold5000_rois_mni/sub1/s_sub1_{h}{roi}_MNI.nii.gz": MNI
       for h in ("LH", "RH") for roi in ("EarlyVis", "LOC", "OPA", "PPA", "RSC")},
}


def test_the_table_names_every_file(real_files: Path) -> None:
    found = {str(p.relative_to(real_files)) for folder in FOLDERS for p in (real_files / folder).rglob("*")
             if p.is_file() and not p.name.endswith(NO_MAPS)}
    assert found == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_real_file(real_files: Path, name: str) -> None:
    expected = EXPECTED[name]
    if isinstance(expected, Refused):
        with pytest.raises(BrainViewError) as caught:
            read_maps(real_files / name)
        assert expected.line in str(caught.value) and "\n" not in str(caught.value)
        return
    maps = read_maps(real_files / name)
    first = maps[0]
    notes = " ".join(first.provenance.get("notes", []))
    assert len(maps) == expected.maps
    assert (first.space.name, first.kind) == (expected.space, expected.kind)
    assert expected.note in notes
    if expected.world is not None:
        assert isinstance(first.space, VolumeSpace) and first.space.world == expected.world
        assert nib.aff2axcodes(first.space.affine) == ("R", "A", "S")
    for one in maps:
        assert one.space.size == one.values.size and np.isfinite(one.values).any()
        assert one.limits is None or one.limits[0] < one.limits[1]
        assert (one.labels is not None) == (one.kind == "label")


def test_sixteen_orders_are_one_brain(real_files: Path) -> None:
    folder = real_files / "nifti_odd" / "orientations"
    maps = [read_map(path) for path in sorted(folder.iterdir())]
    assert len(maps) == 16
    for one in maps:
        np.testing.assert_array_equal(one.values, maps[0].values)
        np.testing.assert_allclose(one.space.affine, maps[0].space.affine, atol=1e-3)
    canonical = nib.as_closest_canonical(nib.load(folder / "LPS.nii.gz"))
    expected = canonical.get_fdata().astype(np.float32)
    np.testing.assert_array_equal(maps[0].values.reshape(maps[0].space.shape), expected)


@pytest.mark.parametrize("name", [n for n, e in sorted(EXPECTED.items()) if isinstance(e, Opens)
                                  and e.world is not None and "orientations" not in n])
def test_volumes_agree_with_nibabel(real_files: Path, name: str) -> None:
    image = nib.load(real_files / name)
    if len(image.shape) == 4:
        image = nib.four_to_three(image)[0]
    image = nib.as_closest_canonical(image)
    one = read_map(real_files / name)
    expected = image.get_fdata().astype(np.float32)
    np.testing.assert_array_equal(one.values.reshape(one.space.shape), expected)
    np.testing.assert_allclose(one.space.affine, image.affine, atol=1e-4)


def test_las_drawings_differ_in_534_voxels(real_files: Path) -> None:
    folder = real_files / "nifti_odd" / "niivue"
    right, wrong = (read_map(folder / f"LAS_drawing_{w}.nii.gz") for w in ("correct", "incorrect"))
    assert int((right.values != wrong.values).sum()) == 534
    assert right.space == wrong.space


def test_big_and_little_endian_are_one_scan(real_files: Path) -> None:
    folder = real_files / "nifti_odd" / "nifti_reader_js"
    np.testing.assert_array_equal(read_map(folder / "big.nii.gz").values, read_map(folder / "little.nii.gz").values)


def test_the_sheared_affine_is_kept(real_files: Path) -> None:
    edges = read_map(real_files / "nifti_odd/niivue/shear.nii.gz").space.affine[:3, :3]
    assert abs(edges[:, 1] @ edges[:, 2]) > 0.05  # two axes that are not at right angles


def test_vertex_maps_stored_as_volumes(real_files: Path) -> None:
    one = read_map(real_files / "fsaverage_maps/lh.sig.nii.gz")
    expected = nib.load(real_files / "fsaverage_maps/lh.sig.nii.gz").get_fdata().squeeze()
    np.testing.assert_array_equal(one.values, expected.astype(np.float32))
    assert one.space == surface_space("fsaverage", "left")
    assert (round(float(one.values.min()), 1), round(float(one.values.max()), 1)) == (-25.3, 25.2)
    shortened = one.values[:10_242]
    assert shortened.size == surface_space("fsaverage5", "left").size
    with pytest.raises(MismatchError, match=r"163,842.*10,242"):
        read_map(real_files / "fsaverage_maps/lh.sig.nii.gz", space=get_space("fsaverage5"))


def test_benson_areas_have_the_published_counts(real_files: Path) -> None:
    folder = real_files / "fsaverage_retinotopy_benson14"
    space, (areas,) = read_labels(folder / "lh.benson14_varea.v4_0.mgz")
    assert space == surface_space("fsaverage", "left")
    assert list(areas.sizes().values()) == [3701, 2945, 2056, 1169, 926, 625, 973, 717, 914, 776, 541, 1989]
    (both,) = read_pair(folder / "lh.benson14_eccen.v4_0.mgz", folder / "rh.benson14_eccen.v4_0.mgz")
    assert both.space == get_space("fsaverage")
    np.testing.assert_array_equal(both.values[both.space.right],
                                  nib.load(folder / "rh.benson14_eccen.v4_0.mgz").get_fdata().ravel().astype("f4"))


def test_pairs_must_be_a_left_and_a_right_one(real_files: Path) -> None:
    left = real_files / "fsaverage_maps/lh.curv.fsaverage.mgz"
    with pytest.raises(MismatchError, match="not a left and a right"):
        read_pair(left, left)


def test_annotation_agrees_with_nibabel(real_files: Path) -> None:
    path = real_files / "gifti_odd/boggle.lh.annot"
    labels, table, names = nib.freesurfer.read_annot(path)
    one = read_map(path)
    np.testing.assert_array_equal(one.values, np.where(labels < 0, 0, labels))
    assert [one.labels[i].name for i in range(36)] == [n.decode() for n in names]
    np.testing.assert_allclose(one.labels[1].rgba[:3], table[1, :3] / 255)


def test_curvature_agrees_with_nibabel(real_files: Path) -> None:
    for name in ("lh.curv", "BrainMesh_ICBM152.lh.curv"):
        expected = nib.freesurfer.read_morph_data(real_files / "gifti_odd" / name)
        np.testing.assert_array_equal(read_map(real_files / "gifti_odd" / name).values, expected.astype(np.float32))


def test_meshes_agree_with_nibabel_in_every_encoding(real_files: Path) -> None:
    paths = [real_files / "gifti_odd" / n for n in ("ascii.surf.gii", "base64.surf.gii", "gzip.surf.gii",
                                                    "ColumnMajorOrder.gii")]
    paths += [real_files / f"cifti2_conte69/Conte69.{h}.inflated.32k_fs_LR.surf.gii" for h in "LR"]
    for path in paths:
        image, mesh = nib.load(path), read_surface(path)
        np.testing.assert_array_equal(mesh.vertices, image.agg_data("pointset"))
        np.testing.assert_array_equal(mesh.faces, image.agg_data("triangle"))


def test_cifti_agrees_with_nibabel(real_files: Path) -> None:
    for path in sorted((real_files / "cifti2_conte69").glob("*.nii")):
        maps, expected = read_maps(path), nib.load(path).get_fdata().astype(np.float32)
        np.testing.assert_array_equal(np.stack([m.values for m in maps]), expected)
        last = read_map(path, -1)
        np.testing.assert_array_equal(last.values, maps[-1].values)


def test_parcel_values_are_the_means_of_their_vertices(real_files: Path) -> None:
    stem = "cifti2_conte69/Conte69.MyelinAndCorrThickness.32k_fs_LR"
    dense, parcels = read_maps(real_files / f"{stem}.dtseries.nii"), read_maps(real_files / f"{stem}.ptseries.nii")
    space = parcels[0].space
    assert isinstance(space, ParcelSpace) and space.parent == get_space("fsLR32k") and space.labels is not None
    for one, mean in zip(dense, parcels, strict=True):
        surface = split(one)["surface"].values
        found = [np.nanmean(surface[space.labels == i].astype(float)) for i in range(54)]
        np.testing.assert_allclose(mean.values, found, atol=2e-7)


def test_standard_grayordinates_are_recognised_on_the_ras_grid(real_files: Path) -> None:
    one = read_map(real_files / "cifti2_conte69/ones.dscalar.nii")
    assert one.space == get_space("grayordinates-91k") and one.space.volume == mni_space(2)


def test_fslr_data_is_refused_on_fsaverage(real_files: Path) -> None:
    path = real_files / "cifti2_conte69/Conte69.parcellations_VGD11b.32k_fs_LR.dlabel.nii"
    with pytest.raises(MismatchError, match=r"fsLR32k.*fsaverage"):
        read_maps(path, space=get_space("fsaverage"))


def test_a_map_is_no_surface(real_files: Path) -> None:
    for name in ("gifti_odd/lh.curv", "gifti_odd/ascii.label.gii", "nifti_odd/niivue/low_res.nii.gz"):
        with pytest.raises(FormatError):
            read_surface(real_files / name)
