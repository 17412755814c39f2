"""Rebuild resources/maps: the MNI152 2 mm template and mask, and the standard grayordinates.

    python packaging/make_map_resources.py FILE.dscalar.nii

FILE is any CIFTI-2 file with the 91,282 standard grayordinates of the HCP.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn import datasets

OUT = Path(__file__).resolve().parents[1] / "resources" / "maps"


def mni() -> None:
    """Cut nilearn's template and mask to 91 x 109 x 91."""
    cut = (slice(4, 95), slice(4, 113), slice(0, 91))
    template = datasets.load_mni152_template(resolution=2).get_fdata()[cut]
    mask = datasets.load_mni152_brain_mask(resolution=2).get_fdata()[cut] > 0
    assert mask.sum() == 235_375, mask.sum()
    steps = np.round(np.clip(template, 0, 1) * 65_535).astype(np.uint16)
    np.savez_compressed(OUT / "mni152_2mm.npz", template=steps, mask=np.packbits(mask))


def grayordinates(path: str) -> None:
    """Keep the index tables of the brain models, voxels as flat indices of the RAS grid."""
    axis = nib.load(path).header.get_axis(1)
    assert axis.size == 91_282 and axis.volume_shape == (91, 109, 91), (axis.size, axis.volume_shape)
    # the file's first axis runs right to left; ours runs left to right
    assert np.allclose(axis.affine, [[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]]), axis.affine
    names, sizes, vertices, index = [], [], [], []
    for name, _, model in axis.iter_structures():
        names.append(name.removeprefix("CIFTI_STRUCTURE_"))
        surface = name in model.nvertices
        vertices.append(model.nvertices.get(name, 0))
        flipped = (90 - model.voxel[:, 0], model.voxel[:, 1], model.voxel[:, 2])
        index.append(model.vertex if surface else np.ravel_multi_index(flipped, (91, 109, 91)))
        sizes.append(len(index[-1]))
    assert sizes[:2] == [29_696, 29_716], sizes[:2]
    steps = np.diff(np.concatenate(index).astype(np.int32), prepend=0)  # small numbers compress well
    np.savez_compressed(OUT / "grayordinates_91k.npz", names=np.array(names), sizes=np.array(sizes, np.int32),
                        vertices=np.array(vertices, np.int32), steps=steps)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    mni()
    grayordinates(sys.argv[1])
