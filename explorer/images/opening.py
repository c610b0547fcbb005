"""One door for every picture that comes from outside."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import warnings

# WebP is imported so that it is known to Image.open, which else would load all forty plugins to find it.
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from explorer.images.limits import (
    MAX_SIDE,
    BadImage,
    check_file,
    check_size,
    too_little_memory,
    too_many_pixels,
    unreadable,
)
from explorer.images.pixels import eight_bits, fitted, on_white, shrink, to_srgb

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_MAX_EXIF = 2**17  # a JPEG segment holds 64 kB, twice that in the hexadecimal text of old PNG files

_TURNS = {  # EXIF orientation -> what brings the picture upright; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_QUIET_LOCK = threading.Lock()


def open_image(data: bytes) -> Image.Image:
    """Return the picture in a file: RGB, upright, on white, in sRGB, its longest side at most MAX_SIDE.

    Reads JPEG, PNG, WebP, BMP, GIF and TIFF; of an animation or a document the first picture. The result carries no
    metadata. How deep, transparent and profiled pixels become 8-bit RGB is told in `explorer.images.pixels`. Any number
    of threads may call this at once.

    Raises:
        BadImage: If the file is no such picture, is damaged, or is larger than the limits allow; nothing is decoded
            before the limits are checked.
    """
    _quieten_pillow()
    try:
        check_file(data)
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            check_size(picture.size)
            return _decoded(picture, data)
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        # Pillow's own limit belongs to the whole process and stays as it is: at 89 million pixels it warns, which is
        # silenced, and the check above refuses; at twice that it raises, before we know the size.
        raise too_many_pixels() from error
    except MemoryError as error:
        raise too_little_memory() from error
    except Exception as error:  # Pillow's plugins raise whatever their parsers stumble over
        raise unreadable(data) from error


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file in hexadecimal, its name in every cache."""
    return hashlib.sha256(data).hexdigest()


def encode_png(image: Image.Image) -> bytes:
    """Return the picture as PNG, packed quickly rather than tightly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _decoded(picture: ImageFile.ImageFile, data: bytes) -> Image.Image:
    picture.draft(None, fitted(picture.size, MAX_SIDE))  # a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        _correct_tiff(picture)
    picture.load()
    if picture.format == "PNG":
        _correct_colour_key(picture, depth=data[24])
    image = on_white(shrink(eight_bits(picture), MAX_SIDE))
    image = to_srgb(image, picture.info.get("icc_profile"))
    turn = _TURNS.get(_orientation(picture))
    upright = image if turn is None else image.transpose(turn)
    upright.info = {}
    return upright


def _orientation(picture: ImageFile.ImageFile) -> int:
    """Return 1 to 8; damaged or absurdly long EXIF counts as upright."""
    if any(len(picture.info.get(key, "")) > _MAX_EXIF for key in ("exif", "Raw profile type exif")):
        return 1
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))  # a TIFF has been turned by Pillow and says 1
    except Exception:  # EXIF is parsed by the rules of TIFF, which can go wrong in as many ways
        return 1


def _correct_tiff(picture: TiffImagePlugin.TiffImageFile) -> None:
    """Keep Pillow 13 from two missteps while it loads a TIFF."""
    # It reads every value of the EXIF and GPS directories, which a hostile file can make 20 MB long.
    exif = picture.getexif()
    for pointer in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if pointer in exif:
            del exif[pointer]
    # It swaps the bytes of compressed big-endian numbers, which libtiff has already put into native order.
    for place, tile in enumerate(picture.tile):
        if tile.codec_name == "libtiff" and isinstance(tile.args, tuple):
            rawmode = {"F;32BF": "F;32NF", "I;32BS": "I;32NS", "I;16BS": "I;16NS"}.get(tile.args[0], tile.args[0])
            picture.tile[place] = tile._replace(args=(rawmode, *tile.args[1:]))


def _correct_colour_key(picture: ImageFile.ImageFile, depth: int) -> None:
    """Put the transparent colour of a PNG, which Pillow 13 leaves at the file's depth, on the scale of its pixels."""
    key = picture.info.get("transparency")
    if picture.mode == "L" and depth in (2, 4) and isinstance(key, int):
        picture.info["transparency"] = key * 255 // (2**depth - 1)
    elif picture.mode == "RGB" and depth == 16 and isinstance(key, tuple):
        picture.info["transparency"] = tuple(value >> 8 for value in key)


def _quieten_pillow() -> None:
    """Silence Pillow's remarks about a visitor's file: the answer to it is a picture or BadImage, not a line in a log.

    `warnings.catch_warnings` would swap a list that all threads share. One lasting rule does no such harm; it is looked
    for on every call because others (pytest before each test) do swap the list.
    """
    with _QUIET_LOCK:
        if _QUIET not in warnings.filters:
            warnings.filterwarnings("ignore", module=_QUIET[3].pattern)
