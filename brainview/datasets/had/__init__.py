"""HAD, the large-scale fMRI data set for human action recognition (OpenNeuro ds004488)."""

from brainview.datasets.had.dataset import READER as READER
