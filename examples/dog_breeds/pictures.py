"""Reads pictures, whoever sent them, into what the network takes; refuses what is no picture, saying why."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SIDE_PIXELS = 224
MARGIN = 0.875  # the share of the shorter side that is kept: 224 of 256, as the weights were trained
FORMATS = ("JPEG", "PNG", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SMALLEST_SIDE_PIXELS = 16
MOST_PIXELS = 50_000_000
SCALE = 1 / 128  # with MIDDLE: (x / 255 - 0.498) / 0.502, EfficientNet-Lite's own, not ImageNet's mean and deviation
MIDDLE = 127.0


class PictureRefused(ValueError):
    """The bytes that were sent are no picture that can be answered."""


def read_picture(content: bytes) -> Image.Image:
    """Decode a still picture to RGB, upright.

    Args:
        content: a JPEG, PNG or WebP file.

    Raises:
        PictureRefused: if it is none of these, is cut short, moves, or is too small or too large.
    """
    if not content:
        raise PictureRefused("The picture is empty: 0 bytes were sent.")
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise PictureRefused(f"The picture is too large: at most {MOST_PIXELS:,} pixels are read.") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise PictureRefused("These bytes are not a JPEG, PNG or WebP picture, or its header is cut short.") from None
    _refuse_odd(picture)
    try:
        if picture.format == "JPEG":
            picture.draft("RGB", (2 * SIDE_PIXELS, 2 * SIDE_PIXELS))  # decodes a large photograph at a part of its size
        picture.load()
        return to_rgb(ImageOps.exif_transpose(picture))
    except PictureRefused:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise PictureRefused(f"The picture is cut short or damaged: {error}.") from None


def _refuse_odd(picture: Image.Image) -> None:
    width, height = picture.size
    if min(width, height) < SMALLEST_SIDE_PIXELS:
        raise PictureRefused(
            f"The picture is too small: {width} x {height}; each side needs {SMALLEST_SIDE_PIXELS} pixels."
        )
    if width * height > MOST_PIXELS:
        raise PictureRefused(f"The picture is too large: {width} x {height}; at most {MOST_PIXELS:,} pixels are read.")
    if getattr(picture, "n_frames", 1) > 1:
        raise PictureRefused(f"The picture moves: it has {picture.n_frames} frames; send a still one.")


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any of Pillow's modes as RGB; what is transparent becomes white."""
    if picture.mode.startswith("I;16"):  # 16-bit grey: Pillow's own conversion would clip it to white
        grey = np.asarray(picture, dtype=np.float32) / 257
        return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        opaque = Image.new("RGBA", picture.size, "white")
        opaque.alpha_composite(picture.convert("RGBA"))
        return opaque.convert("RGB")
    return picture.convert("RGB")


def to_array(picture: Image.Image) -> np.ndarray:
    """The middle square of a picture as the network takes it: float32, shape (3, 224, 224)."""
    width, height = picture.size
    side = min(width, height) * MARGIN
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)  # crop and resize in one step, so that a long thin picture costs nothing
    square = picture.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    values = (np.asarray(square, dtype=np.float32) - MIDDLE) * SCALE
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def class_names(folder: Path) -> list[str]:
    """The classes of an ImageFolder tree: the names of its folders that hold pictures, sorted."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and any(picture_files(entry)))


def picture_files(folder: Path) -> Iterable[Path]:
    """The picture files under a folder, by their suffix."""
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())
