"""Any way that a file stores pixels -> 8-bit sRGB that looks as its author meant it.

`convert("RGB")` alone turns a 16-bit picture white and a float picture black, shows what transparency hides, and reads
the numbers of a wide-gamut photo as sRGB. The steps run in the order in which they stand here: eight_bits, shrink,
on_white, to_srgb; one that has nothing to do hands its picture on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageFile, ImageOps, TiffImagePlugin

_Values: TypeAlias = npt.NDArray[Any]

# Where to take each mode of Pillow; colour keys and the modes of more than 8 bits are handled before.
_PLAIN_MODES = {
    "1": "L",
    "L": "L",
    "La": "LA",  # premultiplied: colour times alpha
    "LA": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "RGBA": "RGBA",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "CMYK": "CMYK",
}
_STRIP = 2**20  # pixels that are scaled at a time, so that NumPy's copies stay at a few MB

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
_WHITE_IS_ZERO, _UNSIGNED = 0, 1  # their values


def eight_bits(picture: ImageFile.ImageFile) -> Image.Image:
    """Return a loaded picture in one of the modes L, LA, RGB, RGBA and CMYK.

    16-bit gray is scaled from 0..65535 to 0..255 (12-bit TIFF from 0..4095). Signed, 32-bit and float gray have no
    agreed white, so the rule is: values within [0, 1] are scaled from [0, 1]; others from their own least to their own
    greatest finite value; if all of those are equal, the picture is mid-gray. NaN and -inf become the least value, +inf
    the greatest.
    """
    if picture.mode.startswith("I;16"):
        return _from_16_bits(picture)
    if picture.mode in ("I", "F"):
        return _from_any_range(picture)
    if "transparency" in picture.info:  # a palette with transparent entries, or one colour that stands for nothing
        return picture.convert("RGBA")
    mode = _PLAIN_MODES[picture.mode]
    return picture if picture.mode == mode else picture.convert(mode)  # convert would copy all pixels


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Return the picture with its longest side at most `side`, in proportion, no side under 1."""
    size = fitted(image.size, side)
    # The gap lets whole blocks be averaged first, which bounds the filter: a row of 65535 pixels needs no huge table.
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the (width, height) of a picture whose longest side is at most `side`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def on_white(image: Image.Image) -> Image.Image:
    """Return LA as L and RGBA as RGB, laid on a white sheet; other modes as they are."""
    if image.mode not in ("LA", "RGBA"):
        return image
    opaque = image.convert(image.mode[:-1])
    sheet = Image.new(opaque.mode, image.size, "white")
    sheet.paste(opaque, mask=image.getchannel("A"))
    return sheet


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return L, RGB or CMYK as RGB, through the file's ICC profile where it has one.

    A profile that is broken, or made for another kind of picture, is ignored, as browsers do: the colours may then be
    slightly off, the picture is still there. sRGB itself is left alone: the way there and back changes values by 1.
    """
    if not isinstance(profile, bytes):
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image.convert("RGB")
        # Perceptual, not what the profile asks for: absolute colorimetric would tint the white sheet.
        target, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL
        return ImageCms.buildTransform(source, target, image.mode, "RGB", intent).apply(image)
    except Exception:  # lcms says what is wrong with a profile in many ways; none of them concerns the visitor
        return image.convert("RGB")


def _from_16_bits(picture: ImageFile.ImageFile) -> Image.Image:
    white = 4095 if _tag(picture, _BITS_PER_SAMPLE) == (12,) else 65535
    # Rounded, in integers: 257 k becomes exactly k, so a gradient widened from 8 to 16 bits comes back unchanged.
    gray = _mapped(picture, lambda values: (values.astype(np.uint32) * 255 + white // 2) // white)
    if _tag(picture, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        gray = ImageOps.invert(gray)
    key = picture.info.get("transparency")
    if key is None:
        return gray
    return Image.merge("LA", (gray, _mapped(picture, lambda values: np.where(values == key, 0, 255))))


def _from_any_range(picture: ImageFile.ImageFile) -> Image.Image:
    unsigned = _tag(picture, _BITS_PER_SAMPLE) == (32,) and _tag(picture, _SAMPLE_FORMAT) in (None, (_UNSIGNED,))
    low, high = np.inf, -np.inf
    for _, values in _strips(picture, unsigned):
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if 0 <= low <= high <= 1:
        low, high = 0.0, 1.0
    if low >= high:
        return Image.new("L", picture.size, 128)

    def scaled(values: _Values) -> _Values:
        with np.errstate(invalid="ignore"):  # a signalling NaN objects to being widened
            wide = values.astype(np.float64)
        finite = np.nan_to_num(wide, nan=low, posinf=high, neginf=low)
        return np.rint((finite - low) * (255 / (high - low)))

    gray = _mapped(picture, scaled, unsigned)
    return ImageOps.invert(gray) if _tag(picture, _PHOTOMETRIC) == _WHITE_IS_ZERO else gray


def _mapped(picture: Image.Image, function: Callable[[_Values], _Values], unsigned: bool = False) -> Image.Image:
    """Return an L picture of what `function` makes, 0..255, of the values of each strip (rows, width)."""
    gray = Image.new("L", picture.size)
    for top, values in _strips(picture, unsigned):
        gray.paste(Image.fromarray(function(values).astype(np.uint8)), (0, top))
    return gray


def _strips(picture: Image.Image, unsigned: bool = False) -> Iterator[tuple[int, _Values]]:
    """Yield the first row and the values (rows, width) of each strip, top to bottom."""
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        values = np.asarray(picture.crop((0, top, picture.width, min(top + rows, picture.height))))
        yield top, values.view(np.uint32) if unsigned else values  # Pillow reads 32 unsigned bits as signed


def _tag(picture: Image.Image, tag: int) -> Any:
    return picture.tag_v2.get(tag) if isinstance(picture, TiffImagePlugin.TiffImageFile) else None
