"""BrainView: an explorer of encoding, attribution and decoding models on recorded brains."""

__version__ = "0.1.0"
