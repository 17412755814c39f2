"""Reader of MindEye-2's HDF5 files (Scotti et al. 2024)."""

from brainview.datasets.mindeye2.dataset import READER, MindEye2

__all__ = ["READER", "MindEye2"]
