"""Reader of the Natural Scenes Dataset's tree: nsddata, nsddata_betas, nsddata_stimuli (NSD data manual).

``design`` says which image each trial showed, ``files`` finds what the tree holds, ``sessions`` reads beta files
(volumes, surfaces) through the trial cache, ``labels`` reads ROIs, ``transform`` maps volumes between the spaces, and
``dataset`` puts them together. Counts (trials per session, images, subjects) are read from the files, never assumed.
"""

from brainview.datasets.nsd.dataset import READER, Nsd
from brainview.datasets.nsd.transform import apply_transform, load_transform

__all__ = ["READER", "Nsd", "apply_transform", "load_transform"]
