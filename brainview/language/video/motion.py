"""``phantom-film``: a small tower that sees what is done, for drawn clips; shipped, made by ``brainview build-demo``.

A still-picture CLIP tells things, places and colours, and hardly what somebody does (linear read-out of the phantom's
twenty actions from ``phantom-clip``: 23 %). This one is open_clip's residual network, begun from that CLIP and trained
further on clips; its first layer is widened, so that it also sees how each frame differs from the next (the weights of
new channels begin as copies of the old ones, as in Carreira & Zisserman 2017, section 2.4). Eight learned queries pool
the grid of each frame to its tokens.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from brainview.core.errors import FormatError, MissingError
from brainview.core.names import shown
from brainview.core.paths import resource

NAME, FOLDER, WEIGHTS = "phantom-film", "models/phantom-film", "model.safetensors"
#: Side of frames, in pixels.
SIDE = 96
#: Sizes of the trunk, those of ``phantom-clip`` without its last stage.
STAGES, WIDTH = (2, 2, 2, 1), 16


class MotionNet(nn.Module):
    """Frames and their changes to tokens.

    Parameters
    ----------
    queries : int
        Tokens of a frame; each is 256 wide.
    """

    def __init__(self, queries: int = 8) -> None:
        super().__init__()
        from open_clip.modified_resnet import ModifiedResNet

        trunk = ModifiedResNet(list(STAGES), 128, 8, image_size=64, width=WIDTH)
        trunk.layer4, trunk.attnpool = nn.Identity(), nn.Identity()
        trunk.conv1 = nn.Conv2d(6, WIDTH // 2, 3, stride=2, padding=1, bias=False)
        self.trunk, self.width = trunk, 16 * WIDTH
        self.score, self.value = nn.Conv2d(self.width, queries, 1), nn.Conv2d(self.width, self.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, queries, 256) tokens of (B, 6, side, side) frames with changes; see :func:`with_changes`."""
        trunk: Any = self.trunk
        y = trunk.layer3(trunk.layer2(trunk.layer1(trunk.stem(x))))
        return self.score(y).flatten(2).softmax(-1) @ self.value(y).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def begin(self, visual: Any) -> None:
        """Take the weights of a still-picture tower of the same sizes; changes are seen as half as strong frames."""
        own = self.trunk.state_dict()
        given = {k: v for k, v in visual.state_dict().items() if k in own and own[k].shape == v.shape}
        self.trunk.load_state_dict(given, strict=False)
        weight: Any = self.trunk.conv1.weight  # type: ignore[union-attr]
        weight.copy_(torch.cat([visual.conv1.weight, 0.5 * visual.conv1.weight], 1))


def with_changes(frames: Tensor) -> Tensor:
    """Return (B, n, 6, h, w) of (B, n, h, w, 3) uint8 frames: -1..1, and twice the change to the next frame.

    The last frame is given the change that led to it; a single frame has none.
    """
    x = frames.float().movedim(-1, 2) / 127.5 - 1
    change = torch.zeros_like(x)
    if x.shape[1] > 1:
        change[:, :-1] = x[:, 1:] - x[:, :-1]
        change[:, -1] = change[:, -2]
    return torch.cat([x, 2 * change], 2)


@dataclass(frozen=True, eq=False)
class MotionTower:
    """The tower as the video branch uses it."""

    net: MotionNet
    key: str
    name: str = NAME
    queries: bool = False

    @torch.inference_mode()
    def tokens(self, frames: np.ndarray) -> np.ndarray:
        """Return (n, 8, 256) float32 of the (n, h, w, 3) uint8 frames of one clip, in order."""
        if frames.shape[1:3] != (SIDE, SIDE):
            side = (SIDE, SIDE)
            frames = np.stack([np.asarray(Image.fromarray(f).resize(side, Image.Resampling.BICUBIC)) for f in frames])
        return self.net(with_changes(torch.from_numpy(frames)[None])[0]).float().numpy()


def load_motion(folder: Path | None = None) -> MotionTower:
    """Load the shipped tower, or one of a folder; raises MissingError or FormatError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = (folder or resource(FOLDER)) / WEIGHTS
    if not file.is_file():
        raise MissingError("holds no tower of films", where=file.parent,
                           remedy="Make it with 'brainview build-demo --part film'.")
    try:
        weights = load_file(file)
        net = MotionNet(len(weights["score.bias"]))
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    except (SafetensorError, KeyError, RuntimeError) as err:
        raise FormatError(f"is no tower of films: {shown(err, limit=160)}", where=file) from err
    net.eval().requires_grad_(False)
    return MotionTower(net, hashlib.sha256(file.read_bytes()).hexdigest()[:24])


def save_motion(net: MotionNet, folder: Path) -> None:
    """Write the weights (half precision) below a folder."""
    from safetensors.numpy import save_file

    from brainview.core.files import atomic_path

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / WEIGHTS) as part:
        save_file({k: np.ascontiguousarray(v.detach().numpy().astype(np.float16) if v.is_floating_point()
                                           else v.numpy()) for k, v in net.state_dict().items()}, part)
