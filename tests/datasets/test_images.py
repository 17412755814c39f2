"""Pictures that decoders get wrong: always RGB, never rotated, never a crash."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import FormatError, LimitError, MissingError
from brainview.datasets.images import load_image, thumbnail


def test_every_orientation_shows_the_padlock_upright(real_files):
    folder = real_files / "images_odd" / "exif_orientation"
    tags = {"horizontal": 1, "mirror_horizontal": 2, "rotate_180": 3, "mirror_vertical": 4,
            "mirror_horizontal_rotate_270": 5, "rotate_90": 6, "mirror_horizontal_rotate_90": 7, "rotate_270": 8}
    for name, tag in tags.items():
        path = folder / f"padlock-406986_640_{name}.jpg"
        with Image.open(path) as raw:
            assert raw.getexif().get(0x0112) == tag
            stored = np.asarray(raw)
        got = np.asarray(load_image(path))
        turned = {1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
                  5: stored.transpose(1, 0, 2), 6: np.rot90(stored, -1), 7: np.rot90(stored, 2).transpose(1, 0, 2),
                  8: np.rot90(stored)}[tag]
        np.testing.assert_array_equal(got, turned)
        assert got.shape[:2] == ((640, 426) if tag >= 5 else (426, 640))
    for name in ("no_exif", "no_orientation"):
        assert load_image(folder / f"padlock-406986_640_{name}.jpg").size == (640, 426)


def test_every_odd_file_comes_out_as_rgb_with_content(real_files):
    files = [p for p in (real_files / "images_odd").rglob("*") if p.suffix in (".jpg", ".pnm", ".ppm", ".pgm", ".pbm",
                                                                               ".jp2")]
    assert len(files) == 25
    for path in files:
        image = load_image(path)
        assert image.mode == "RGB"
        values = np.asarray(image)
        assert values.std() > 20 and values.min() < 60 and values.max() > 200, path.name


def test_depths_palettes_and_transparency(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    got = np.asarray(load_image(tmp_path / "deep.png"))
    np.testing.assert_allclose(got[..., 0].astype(int), ramp / 257.0, atol=1)
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "float.tif")
    assert np.asarray(load_image(tmp_path / "float.tif")).max() == 255
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2] = (200, 10, 10, 255)
    Image.fromarray(clear).save(tmp_path / "alpha.png")
    got = np.asarray(load_image(tmp_path / "alpha.png"))
    assert tuple(got[0, 0]) == (200, 10, 10) and tuple(got[3, 3]) == (127, 127, 127)
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([9, 9, 9, 0, 0, 250])
    palette.save(tmp_path / "p.png", transparency=0)
    assert tuple(np.asarray(load_image(tmp_path / "p.png"))[0, 0]) == (0, 0, 250)
    Image.new("L", (3, 3), 77).save(tmp_path / "grey.jpg")
    assert np.abs(np.asarray(load_image(tmp_path / "grey.jpg")).astype(int) - 77).max() <= 1
    Image.new("CMYK", (3, 3), (0, 0, 0, 0)).save(tmp_path / "cmyk.jpg")
    assert tuple(np.asarray(load_image(tmp_path / "cmyk.jpg"))[0, 0]) == (255, 255, 255)
    Image.new("1", (3, 3), 1).save(tmp_path / "bit.png")
    assert np.asarray(load_image((tmp_path / "bit.png").read_bytes())).min() == 255
    assert thumbnail(Image.new("RGB", (400, 100)), 80).shape == (20, 80, 3)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0" * 1000)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_bombs_cut_files_and_strangers_are_refused_in_one_line(tmp_path):
    with pytest.raises(LimitError, match="limit is 64,000,000"):
        load_image(_png(8_001, 8_000), name="bomb.png")
    with pytest.raises(LimitError, match="limit is 64,000,000"):
        load_image(_png(100_000, 100_000), name="bomb.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:900])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    (tmp_path / "empty.png").touch()
    for name in ("cut.jpg", "text.png", "eps.png", "empty.png"):
        with pytest.raises(FormatError) as told:
            load_image(tmp_path / name)
        assert "\n" not in str(told.value) and name in str(told.value)
    with pytest.raises(MissingError):
        load_image(tmp_path / "no.png")
