"""Pictures as RGB whatever file they came in: turned upright, transparency flattened, 8 bits, bounded in size."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from brainview.core.errors import BrainViewError, FormatError, LimitError
from brainview.core.files import regular_file
from brainview.core.names import shown

#: Decoders that are used; every other format is refused.
FORMATS = ("JPEG", "PNG", "JPEG2000", "PPM", "BMP", "TIFF", "WEBP", "GIF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".jp2", ".pnm", ".ppm", ".pgm", ".pbm", ".bmp", ".tif", ".tiff", ".webp", ".gif")
#: The most pixels of a stimulus (a 100-megapixel picture is no stimulus, a small file that claims it is a bomb).
PIXEL_LIMIT = 64_000_000
#: What transparency is flattened onto: the mid grey of the screen in NSD and most vision experiments.
BACKGROUND = (127, 127, 127)


def load_image(source: os.PathLike | str | bytes, *, background: tuple[int, int, int] = BACKGROUND,
               name: object = None) -> Image.Image:
    """Return a picture as an 8-bit RGB image, turned as its EXIF orientation says.

    Parameters
    ----------
    source : path or bytes
        File, or the bytes of one (a member of an archive).
    background : (int, int, int)
        Colour under transparent pixels.
    name : object, optional
        What to call bytes in an error.

    Raises
    ------
    FormatError
        No supported picture, or a damaged one. LimitError: more pixels than :data:`PIXEL_LIMIT`.
    """
    where = name if isinstance(source, bytes) else source
    file = io.BytesIO(source) if isinstance(source, bytes) else regular_file(source)
    try:
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > PIXEL_LIMIT:
                raise LimitError(f"has {width} x {height} pixels, the limit is {PIXEL_LIMIT:,}", where=where)
            image.load()
            return _rgb(_oriented(image), background)
    except BrainViewError:
        raise
    except Image.DecompressionBombError as err:
        raise LimitError(f"has more pixels than a stimulus has, the limit is {PIXEL_LIMIT:,}", where=where) from err
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError,
            struct.error, IndexError, TypeError, KeyError, MemoryError) as err:
        raise FormatError(f"is not a readable picture: {shown(err, limit=120)}", where=where,
                          remedy="Supported: " + ", ".join(FORMATS) + ".") from err


def _oriented(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (ValueError, SyntaxError, struct.error, KeyError, TypeError, OSError):
        return image.copy()  # a broken EXIF block says nothing about orientation; the pixels are sound


def _rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.float64)
        # "I" also carries 8-bit greys of some TIFFs; 16-bit data that never passes 255 would be black anyway
        top = 65535.0 if image.mode != "I" or values.max(initial=0) > 255 else 255.0
        image = _grey(values / top)
    elif image.mode == "F":
        values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
        top = 1.0 if values.max(initial=0) <= 1 else 255.0 if values.max(initial=0) <= 255 else 65535.0
        image = _grey(values / top)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.round(values * 255), 0, 255).astype(np.uint8))


def is_image(path: Path) -> bool:
    """True when the name ends like a picture that :func:`load_image` reads."""
    return path.suffix.lower() in SUFFIXES


def thumbnail(image: Image.Image, size: int = 96) -> np.ndarray:
    """Return (h, w, 3) uint8 of a picture whose longer side is `size` pixels."""
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    return np.asarray(small)
