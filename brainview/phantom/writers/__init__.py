"""The real layouts in which a phantom is written; the readers of :mod:`brainview.datasets` read them back."""
