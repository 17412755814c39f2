"""A tiny data set in the Algonauts 2023 layout whose responses really follow from Gabor energies of its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FULL = 163_842
LEFT, RIGHT = 50, 60


def picture(stimulus: int) -> Image.Image:
    """A patch of gratings that only the id decides."""
    rng = np.random.default_rng(stimulus)
    y, x = np.mgrid[0:64, 0:64] / 64
    out = np.zeros((64, 64))
    for _ in range(3):
        angle, cycles = rng.uniform(0, np.pi), rng.choice([3, 6, 12, 20])
        cx, cy = rng.uniform(0.2, 0.8, 2)
        wave = np.sin(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)))
        out += wave * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.04)
    return Image.fromarray((127 + 60 * np.clip(out, -2, 2)).astype(np.uint8)).convert("RGB")


def write(path: Path, subjects: int = 2, train: int = 90, test: int = 24) -> Path:
    """Write the folder tree with test responses and ceilings; subject 2 lacks one vertex."""
    from brainview.features.gabor import GaborSpace

    rng = np.random.default_rng(0)
    tuning = rng.standard_normal((128, LEFT + RIGHT)) * (rng.random((128, LEFT + RIGHT)) < 0.05)
    for s in range(1, subjects + 1):
        root = path / f"subj{s:02d}"
        ids = {"train": np.arange(train) * 3 + (s - 1) * (np.arange(train) > 40), "test": 5000 + np.arange(test)}
        n = {"lh": LEFT - (s == 2), "rh": RIGHT}
        gain = np.linspace(0, 2.5, LEFT + RIGHT)  # from pure noise to a good signal
        space = GaborSpace(grid=2)
        for part, name in (("train", "training"), ("test", "test")):
            folder = root / f"{name}_split"
            for sub in ("images", "fmri"):
                (folder / f"{name}_{sub}").mkdir(parents=True)
            images = [picture(int(i)) for i in ids[part]]
            for i, (stimulus, image) in enumerate(zip(ids[part], images, strict=True), 1):
                image.save(folder / f"{name}_images" / f"{part}-{i:04d}_nsd-{stimulus:05d}.png")
            energy = space.extract(images).reshape(len(images), -1)
            energy = (energy - energy.mean(0)) / (energy.std(0) + 1e-6)
            signal = energy @ tuning
            signal = signal / (signal.std(0) + 1e-9) * gain
            y = (signal + rng.standard_normal(signal.shape)).astype(np.float32)
            np.save(folder / f"{name}_fmri" / f"lh_{name}_fmri.npy", y[:, :n["lh"]])
            np.save(folder / f"{name}_fmri" / f"rh_{name}_fmri.npy", np.ascontiguousarray(y[:, LEFT:]))
        ceiling = gain**2 / (gain**2 + 1)
        noise = root / "test_split" / "noise_ceiling"
        noise.mkdir()
        np.save(noise / "lh_noise_ceiling.npy", ceiling[:n["lh"]])
        np.save(noise / "rh_noise_ceiling.npy", ceiling[LEFT:])
        _rois(root / "roi_masks", n)
    return path


def _rois(folder: Path, n: dict[str, int]) -> None:
    folder.mkdir()
    tables = {"prf-visualrois": ["V1v", "V1d"], "floc-faces": ["OFA"]}
    for name, names in tables.items():
        np.save(folder / f"mapping_{name}.npy", np.array({0: "Unknown", **dict(enumerate(names, 1))}, dtype=object),
                allow_pickle=True)
    for side, count in n.items():
        where = np.arange(count) * 7 + 11
        mask = np.zeros(FULL, np.int64)
        mask[where] = 1
        np.save(folder / f"{side}.all-vertices_fsaverage_space.npy", mask)
        for name in tables:
            labels = np.zeros(count, np.int64)
            if name == "prf-visualrois":
                labels[:20], labels[20:30] = 1, 2
            full = np.zeros(FULL, np.int64)
            full[where] = labels
            np.save(folder / f"{side}.{name}_challenge_space.npy", labels)
            np.save(folder / f"{side}.{name}_fsaverage_space.npy", full)
