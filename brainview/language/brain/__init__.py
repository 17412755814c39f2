"""Brains to the tokens of a vision tower (UMBRAE, VINDEX): encoders, checkpoints, training."""
