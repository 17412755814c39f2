"""BIDS data sets of film clips: any task whose files a small mapping (``bids_task.toml``) describes."""

from brainview.datasets.bids_task.reader import READER as READER
