"""A tiny set in MindEye's layout whose betas are a linear image of the pictures' tokens, and a tiny LLaVA folder."""

from __future__ import annotations

import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from tests.datasets.mindeye_layouts import npy, tar

GRID = (6, 7, 5)
TOKENS, CHANNELS = 16, 16


def tiny_llava(folder: Path) -> Path:
    """Write a random LLaVA of the real class whose tower gives 16 tokens x 16."""
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    vision = CLIPVisionConfig(hidden_size=CHANNELS, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
                              patch_size=7, image_size=28, projection_dim=8)
    text = LlamaConfig(vocab_size=40, hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_index=39)
                                  ).save_pretrained(folder)
    return folder


def picture(code: int) -> np.ndarray:
    tile = np.random.default_rng(code).integers(0, 255, (2, 2, 3), np.uint8)
    return np.asarray(Image.fromarray(tile).resize((64, 64), Image.Resampling.NEAREST))


def make_planted(root: Path, voxels: dict[int, int], *, train: int = 40, val: int = 10, test: int = 10,
                 noise: float = 0.3) -> None:
    """Write subjects whose voxels are a random linear image of the picture's 12 numbers, three repetitions each."""
    for number, count in voxels.items():
        rng = np.random.default_rng(number)
        weights = rng.standard_normal((12, count)) / np.sqrt(12)
        base, name = root / "webdataset_avg_split", f"subj{number:02d}"
        ids = {"test": np.arange(test), "val": 1000 * number + np.arange(val),
               "train": 1000 * number + val + np.arange(train)}
        for part, rows in ids.items():
            samples = []
            for stimulus in rows.tolist():
                pixels = picture(stimulus)
                code = pixels[::32, ::32].reshape(-1) / 64 - 2
                betas = code @ weights + noise * rng.standard_normal((3, count))
                out = io.BytesIO()
                Image.fromarray(pixels).save(out, "PNG")
                samples.append({"coco73k.npy": npy(np.array([stimulus])), "png": out.getvalue(),
                                "nsdgeneral.npy": npy(betas.astype(np.float16)), "num_uniques.npy": npy(np.array([3])),
                                "trial.npy": npy(np.array([stimulus]))})
            tar(base / part / f"{part}_{name}_0.tar", samples)
        (base / f"metadata_{name}.json").write_text(json.dumps({"totals": {k: len(v) for k, v in ids.items()}}))
        inside = np.zeros(GRID, np.int16)
        inside.flat[np.sort(rng.choice(inside.size, count, replace=False))] = 1
        folder = root / "nsddata/ppdata" / name / "func1pt8mm/roi"
        folder.mkdir(parents=True)
        nib.Nifti1Image(inside, np.diag([1.8, 1.8, 1.8, 1.0])).to_filename(folder / "nsdgeneral.nii.gz")
        halves = inside * (1 + (np.arange(inside.size).reshape(GRID) % 4 == 0)).astype(np.int16)
        nib.Nifti1Image(halves, np.diag([1.8, 1.8, 1.8, 1.0])).to_filename(folder / "floc-faces.nii.gz")
        betas_folder = root / "nsddata_betas/ppdata" / name / "func1pt8mm/betas_fithrf_GLMdenoise_RR"
        betas_folder.mkdir(parents=True)
        nib.Nifti1Image(inside.astype(np.float32), np.diag([1.8, 1.8, 1.8, 1.0])).to_filename(
            betas_folder / "ncsnr.nii.gz")
