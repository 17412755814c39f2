"""The MNI152 template and brain mask on the grids that BrainView uses, without importing nilearn.

Computed from the 1 mm template file that nilearn ships, by nilearn's own rules (threshold 0.2 of the maximum), and
cut to the 91 x 109 x 91 grid; a test compares them with nilearn's functions.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.paths import resource
from brainview.maps.cache import digest, kept, stamp
from brainview.maps.space import MaskedSpace, VolumeSpace, mni_space

#: nilearn's threshold of the template, as a share of its maximum, for the whole-brain mask.
THRESHOLD = 0.2
_TEMPLATE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def mni_mask(resolution: int = 2) -> np.ndarray:
    """Return the brain mask of MNI152: bool, 91 x 109 x 91 (2 mm, 235,375 voxels) or 182 x 218 x 182 (1 mm).

    Notes
    -----
    2 mm: nilearn's mask is 99 x 117 x 95 on the same lattice, so the wanted one is its slice ``[4:95, 4:113, 0:91]``;
    no voxel is lost. 1 mm: the template of nilearn cut to NSD's grid, ``[7:189, 8:226, 0:182]``.
    """
    mask = np.unpackbits(_arrays(resolution)["mask"], count=mni_space(resolution).size)
    mask = mask.astype(bool).reshape(mni_space(resolution).shape)
    mask.setflags(write=False)
    return mask


def mni_template(resolution: int = 2) -> np.ndarray:
    """Return the skull-stripped T1 template of MNI152, float32 in 0..1, on the grid of :func:`mni_mask`."""
    template = _arrays(resolution)["template"].astype(np.float32) / np.float32(255 if resolution == 1 else 65_535)
    template.setflags(write=False)
    return template


def mni_brain_space(resolution: int = 2) -> MaskedSpace:
    """Return the voxels of :func:`mni_mask` as a space of their own (``mni152-2mm:brain``)."""
    grid: VolumeSpace = mni_space(resolution)
    return MaskedSpace(f"{grid.name}:brain", grid, np.flatnonzero(mni_mask(resolution)))


@lru_cache(maxsize=2)
def _arrays(resolution: int) -> dict[str, np.ndarray]:
    """Return the template (uint16 or uint8 steps) and the packed mask."""
    grid = mni_space(resolution)
    if resolution == 2:
        with np.load(resource("maps/mni152_2mm.npz"), allow_pickle=False) as archive:
            return {"template": archive["template"], "mask": archive["mask"]}
    from brainview.maps.sources import nilearn_folder

    path = nilearn_folder() / _TEMPLATE
    if not path.is_file():
        raise MissingError("the MNI152 template of nilearn is not there", where=path, remedy="Reinstall nilearn.")

    def make() -> dict[str, np.ndarray]:
        import nibabel as nib

        stored = np.asarray(nib.load(path).dataobj)  # type: ignore[attr-defined]
        template = stored[7:189, 8:226, 0:182]
        scaled = np.float32(template) / np.float32(stored.max())
        return {"template": template, "mask": np.packbits(scaled > THRESHOLD)}

    return kept("volumes", digest(stamp(path), resolution), make,
                lambda a: set(a) == {"template", "mask"} and a["template"].shape == grid.shape)
