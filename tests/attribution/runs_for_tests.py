"""A whole-brain run with untrained weights and saved brains, as training leaves it."""

import numpy as np
import torch

from brainview.alignment.decoders import VoxelEncoder
from brainview.alignment.encoder import EncoderConfig
from brainview.attribution.source import write_stimuli
from brainview.maps.volumes import mni_mask
from brainview.training.run import RunFolder

STIMULI = 6


def make_run(path, *, width=16, blocks=3, step=40):
    """Write a run of one phantom subject whose voxels are every `step`-th of the MNI mask; return its path."""
    mask = mni_mask()
    inside = np.arange(0, int(mask.sum()), step)
    torch.manual_seed(3)
    config = EncoderConfig(width=width, blocks=blocks, heads=2, patch=14, embed=8)
    model = VoxelEncoder(config, mask, inside, np.ones(len(inside), np.float32))
    RunFolder.create(path, "whole-brain", {"region": "brain"}, phantom=True)
    folder = RunFolder.create(path / "subjects" / "subj01", "whole-brain-subject", {}, phantom=True)
    folder.write_generation({k: v.numpy() for k, v in model.state_dict().items()},
                            {"encoder": config.to_dict(), "phantom": True, "subject": "subj01"})
    rng = np.random.default_rng(0)
    write_stimuli(folder.path, np.arange(STIMULI) * 7, rng.normal(size=(STIMULI, len(inside))),
                  rng.normal(size=(STIMULI, 8)), rng.normal(size=(STIMULI, 8)))
    return path
