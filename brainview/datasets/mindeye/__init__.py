"""Reader of MindEye-1's webdataset tars (Scotti et al. 2023), with the ids and masks that belong to them."""

from brainview.datasets.mindeye.dataset import READER, MindEye, self_check

__all__ = ["READER", "MindEye", "self_check"]
