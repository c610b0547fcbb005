"""Every odd, broken or hostile file here is built in memory, so that its true pixels are known by construction."""

from __future__ import annotations

import io
import itertools
import re
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.datasets
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin, WebPImagePlugin

from explorer import images
from explorer.errors import ExplorerError
from explorer.images import MAX_BYTES, MAX_LENGTH, MAX_PIXELS, MAX_SIDE, BadImage, open_image

Colour: TypeAlias = tuple[int, int, int]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Values: TypeAlias = Sequence[float] | npt.NDArray[Any]
Chunk: TypeAlias = tuple[bytes, bytes]

WHITE, BLACK, RED, BLUE, MID = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255), (128, 128, 128)

PALETTE = bytes([*RED, *BLUE, 0, 255, 0])


# Builders: each makes a file from what its format's specification says, where Pillow cannot write it.


def gray(*levels: int) -> list[Colour]:
    return [(level, level, level) for level in levels]


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(height: int, width: int, channels: int = 3) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int, height: int, depth: int, colour: int, rows: Iterable[bytes], *chunks: Chunk, tail: Iterable[Chunk] = ()
) -> bytes:
    """Build a PNG of packed rows; `chunks` go before the pixels and `tail` after them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    squeeze = zlib.compressobj(1)
    packed = b"".join(squeeze.compress(b"\0" + row) for row in rows) + squeeze.flush()
    body = [header, *(chunk(*c) for c in chunks), chunk(b"IDAT", packed), *(chunk(*c) for c in tail), chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tiff(
    width: int,
    height: int,
    pixels: bytes,
    *,
    order: str = "<",
    bits: Sequence[int] = (8,),
    white_is: int = 1,
    tags: Sequence[tuple[int, int, Sequence[int] | bytes]] = (),
    deflate: bool = False,
    big: bool = False,
    next_at: int = 0,
) -> bytes:
    """Build a one-strip TIFF; `tags` are (tag, type, values), values being numbers or bytes, and win over the rest."""
    pixels = zlib.compress(pixels) if deflate else pixels
    head, number, counter = (16, "Q", "Q") if big else (8, "L", "H")
    entries: dict[int, tuple[int, Sequence[int] | bytes]]
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, bits), 259: (3, [8 if deflate else 1])}
    entries |= {262: (3, [white_is]), 273: (4, [head]), 277: (3, [len(bits)]), 278: (4, [height])}
    entries |= {279: (4, [len(pixels)])} | {tag: (kind, values) for tag, kind, values in tags}
    body = bytes(head) + pixels
    directory = struct.pack(order + counter, len(entries))
    for tag, (kind, values) in sorted(entries.items()):
        letter = {1: "B", 3: "H", 4: "L"}.get(kind)
        raw = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{letter}", *values)
        count = len(raw) // {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}[kind]
        if len(raw) > struct.calcsize(order + number):
            raw, body = struct.pack(order + number, len(body)), body + raw
        directory += struct.pack(order + "HH" + number, tag, kind, count)
        directory += raw.ljust(struct.calcsize(order + number), b"\0")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    mark += (struct.pack(order + "HH", 8, 0) if big else b"") + struct.pack(order + number, len(body))
    return mark + body[head:] + directory + struct.pack(order + number, next_at)


def bmp(width: int, height: int, depth: int, body: bytes, palette: bytes = b"", compression: int = 0) -> bytes:
    start = 54 + len(palette)
    header = struct.pack("<2sIII", b"BM", start + len(body), 0, start)
    sizes = struct.pack("<IiiHHIIiiII", 40, width, height, 1, depth, compression, len(body), 0, 0, len(palette) // 4, 0)
    return header + sizes + palette + body


def gif(screen: tuple[int, int], frame: tuple[int, int, int, int], transparent: int | None = None) -> bytes:
    """Build a GIF of one frame (left, top, width, height) whose only stored pixel is blue."""
    packed = b"\x4c\1"  # LZW: clear, colour 1, end
    control = b"" if transparent is None else b"!\xf9\4" + bytes([1, 0, 0, transparent, 0])
    descriptor = b"," + struct.pack("<HHHHB", *frame, 0) + b"\2" + bytes([len(packed)]) + packed + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x81, 0, 0) + PALETTE + bytes(3) + control + descriptor + b";"


def icc(space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Build a version 2 ICC profile of the given colour space."""
    tags = {b"desc": b"desc" + struct.pack(">II5s", 0, 5, b"test\0") + bytes(78), **tags}
    table, body = b"", b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    white = struct.pack(">3i", 63190, 65536, 54061)  # D50
    head = struct.pack(">8xI4s4s4s", 0x02400000, b"mntr" if space != b"CMYK" else b"prtr", space, pcs)
    head = (head.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + white
    whole = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def swapped_profile() -> bytes:
    """Return sRGB with the primaries of red and green exchanged: its pure red is sRGB's pure green."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"xxxx"), (b"gXYZ", b"rXYZ"), (b"xxxx", b"gXYZ"), (b"\0s\0R\0G\0B", b"\0s\0w\0a\0p")):
        assert old in srgb
        srgb = srgb.replace(old, new)
    return srgb


def linear_gray_profile() -> bytes:
    curve = struct.pack(">4sIIH", b"curv", 0, 1, 256)  # gamma 1.0
    white = struct.pack(">4sI3i", b"XYZ ", 0, 63190, 65536, 54061)
    return icc(b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": curve})


def red_ink_profile() -> bytes:
    """Return a profile of a printer that has red ink where cyan should be, and no other colour."""
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    white, red, black = bytes([255, 128, 128]), bytes([138, 209, 198]), bytes([0, 128, 128])  # L* a* b* under D50
    corners = b"".join(black if k else red if c else white for c, _, _, k in itertools.product((0, 1), repeat=4))
    table = struct.pack(">4sIBBBB", b"mft1", 0, 4, 3, 2, 0) + identity + bytes(range(256)) * 4
    return icc(b"CMYK", b"Lab ", {b"A2B0": table + corners + bytes(range(256)) * 3})


# What must open, and the pixels it must show: (file, rows of colours, how far a value may be off).

LEVELS = np.array([[0, 1, 2, 100, 128, 254, 255]], np.uint8)
WIDE = LEVELS.astype(np.uint16) * 257
FLOATS = np.array([[0.0, 0.25, 0.5, 1.0]], np.float32)
FLOAT_TAG = (339, 3, [3])
SIGNED_TAG = (339, 3, [2])
UNITS = gray(0, 64, 128, 255)


def float_tiff(values: Values, **options: Any) -> bytes:
    order = options.get("order", "<")
    pixels = np.asarray([values], order + "f4").tobytes()
    return tiff(len(values), 1, pixels, bits=(32,), tags=[FLOAT_TAG], **options)


def whole_tiff(values: Values, kind: str, **options: Any) -> bytes:
    order = options.get("order", "<")
    tags = [SIGNED_TAG] if kind[0] == "i" else []
    return tiff(
        len(values), 1, np.asarray(values, order + kind).tobytes(), bits=(8 * int(kind[1]),), tags=tags, **options
    )


def flat(mode: str, colour: int | tuple[int, ...], form: str, **options: Any) -> bytes:
    return saved(Image.new(mode, (16, 16), colour), form, **options)


def animation(form: str, **options: Any) -> bytes:
    """Build two frames of 4 × 2: first red with a transparent right half, then blue."""
    first = Image.new("RGBA", (4, 2), RED)
    first.paste((0, 255, 0, 0), (2, 0, 4, 2))
    second = Image.new("RGBA", (4, 2), BLUE)
    return saved(first, form, save_all=True, append_images=[second], duration=50, **options)


def ycck_jpeg(*stored: int) -> bytes:
    """Build an Adobe YCCK JPEG from its stored samples; Pillow inverts what it writes and is corrected here."""
    data = flat("CMYK", tuple(255 - sample for sample in stored), "JPEG", quality=100)
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\2" + data[at + 1 :]


ABOUT_64 = [(255, 191, 191)]  # red at alpha 64 on white: 255 - 64

GOOD = {
    # PNG
    "png one bit": (png(4, 1, 1, 0, [b"\x50"]), [gray(0, 255, 0, 255)], 0),
    "png one bit, white transparent": (png(2, 1, 1, 0, [b"\x00"], (b"tRNS", b"\0\0")), [[WHITE, WHITE]], 0),
    "png gray": (png(7, 1, 8, 0, [LEVELS.tobytes()]), [gray(*LEVELS[0])], 0),
    "png gray, a level transparent": (png(2, 1, 8, 0, [b"\5\6"], (b"tRNS", b"\0\5")), [gray(255, 6)], 0),
    "png two bits": (png(4, 1, 2, 0, [b"\x1b"]), [gray(0, 85, 170, 255)], 0),
    "png two bits, level 1 transparent": (
        png(4, 1, 2, 0, [b"\x1b"], (b"tRNS", b"\0\1")),
        [gray(0, 255, 170, 255)],
        0,
    ),
    "png four bits, level 5 transparent": (png(2, 1, 4, 0, [b"\x57"], (b"tRNS", b"\0\5")), [gray(255, 119)], 0),
    "png gray with alpha": (png(3, 1, 8, 4, [bytes([0, 255, 0, 64, 90, 0])]), [gray(0, 191, 255)], 0),
    "png rgba": (png(3, 1, 8, 6, [bytes([*RED, 255, *RED, 64, *RED, 0])]), [[RED, *ABOUT_64, WHITE]], 0),
    "png rgb, a colour transparent": (
        png(2, 1, 8, 2, [bytes([*RED, *BLUE])], (b"tRNS", struct.pack(">3H", *RED))),
        [[WHITE, BLUE]],
        0,
    ),
    "png palette": (png(3, 1, 8, 3, [b"\0\1\2"], (b"PLTE", PALETTE)), [[RED, BLUE, (0, 255, 0)]], 0),
    "png palette, first entry transparent": (
        png(2, 1, 8, 3, [b"\0\1"], (b"PLTE", PALETTE), (b"tRNS", b"\0")),
        [[WHITE, BLUE]],
        0,
    ),
    "png palette with alpha": (
        png(3, 1, 8, 3, [b"\0\1\2"], (b"PLTE", PALETTE), (b"tRNS", b"\x40\0")),
        [[*ABOUT_64, WHITE, (0, 255, 0)]],
        0,
    ),
    "png palette, four bits": (png(2, 1, 4, 3, [b"\x01"], (b"PLTE", PALETTE)), [[RED, BLUE]], 0),
    "png palette, index beyond it": (png(2, 1, 8, 3, [b"\0\xc8"], (b"PLTE", PALETTE)), [[RED, BLACK]], 0),
    "png 16-bit gray": (png(7, 1, 16, 0, [WIDE.astype(">u2").tobytes()]), [gray(*LEVELS[0])], 0),
    "png 16-bit gray, a level transparent": (
        png(2, 1, 16, 0, [struct.pack(">HH", 300, 301)], (b"tRNS", struct.pack(">H", 300))),
        [gray(255, 1)],
        0,
    ),
    "png 16-bit gray with alpha": (png(2, 1, 16, 4, [struct.pack(">4H", 0, 65535, 0, 16448)]), [gray(0, 191)], 1),
    "png 16-bit rgb": (
        png(2, 1, 16, 2, [struct.pack(">6H", 65535, 0, 0, 257, 25700, 65278)]),
        [[RED, (1, 100, 254)]],
        1,
    ),
    "png 16-bit rgb, a colour transparent": (
        png(
            2,
            1,
            16,
            2,
            [struct.pack(">6H", 4660, 22136, 39612, 0, 0, 65535)],
            (b"tRNS", struct.pack(">3H", 4660, 22136, 39612)),
        ),
        [[WHITE, BLUE]],
        0,
    ),
    "png 16-bit rgba": (png(1, 1, 16, 6, [struct.pack(">4H", 65535, 0, 0, 16448)]), [ABOUT_64], 1),
    "png with bytes after its end": (png(1, 1, 8, 2, [bytes(RED)]) + b"<script>" * 50, [[RED]], 0),
    "png whose text is named like Pillow's own notes": (
        png(1, 1, 8, 2, [bytes(RED)], (b"tEXt", b"icc_profile\0x"), (b"tEXt", b"exif\0x"), (b"tEXt", b"xmp\0x")),
        [[RED]],
        0,
    ),
    "apng": (animation("PNG"), [[RED, RED, WHITE, WHITE]] * 2, 0),
    "apng that counts no frames": (png(1, 1, 8, 2, [bytes(RED)], (b"acTL", bytes(8))), [[RED]], 0),
    # JPEG
    "jpeg rgb": (flat("RGB", RED, "JPEG", quality=100), [[RED] * 16] * 16, 2),
    "jpeg rgb without YCbCr": (flat("RGB", BLUE, "JPEG", quality=100, keep_rgb=True), [[BLUE] * 16] * 16, 2),
    "jpeg gray": (flat("L", 100, "JPEG"), [gray(100) * 16] * 16, 1),
    "jpeg progressive": (flat("RGB", BLUE, "JPEG", quality=100, progressive=True), [[BLUE] * 16] * 16, 2),
    "jpeg cmyk white": (flat("CMYK", (0, 0, 0, 0), "JPEG"), [[WHITE] * 16] * 16, 1),
    "jpeg cmyk cyan": (flat("CMYK", (255, 0, 0, 0), "JPEG"), [[(0, 255, 255)] * 16] * 16, 1),
    "jpeg cmyk magenta": (flat("CMYK", (0, 255, 0, 0), "JPEG"), [[(255, 0, 255)] * 16] * 16, 1),
    "jpeg cmyk yellow": (flat("CMYK", (0, 0, 255, 0), "JPEG"), [[(255, 255, 0)] * 16] * 16, 1),
    "jpeg cmyk black": (flat("CMYK", (0, 0, 0, 255), "JPEG"), [[BLACK] * 16] * 16, 1),
    "jpeg ycck white": (ycck_jpeg(0, 128, 128, 255), [[WHITE] * 16] * 16, 2),
    "jpeg ycck cyan": (ycck_jpeg(76, 85, 255, 255), [[(0, 255, 255)] * 16] * 16, 3),
    "jpeg with a film after it": (
        flat("RGB", RED, "JPEG", quality=100) + bytes(8) + b"\xff\xda\0\2" * 500,
        [[RED] * 16] * 16,
        2,
    ),
    # WebP, BMP, GIF
    "webp lossless with alpha": (flat("RGBA", (*RED, 64), "WEBP", lossless=True), [ABOUT_64 * 16] * 16, 0),
    "webp lossy": (flat("RGB", MID, "WEBP"), [[MID] * 16] * 16, 3),
    "webp animated": (animation("WEBP", lossless=True), [[RED, RED, WHITE, WHITE]] * 2, 0),
    "bmp bottom-up": (bmp(1, 2, 24, bytes([*RED[::-1], 0, *BLUE[::-1], 0])), [[BLUE], [RED]], 0),
    "bmp top-down": (bmp(1, -2, 24, bytes([*RED[::-1], 0, *BLUE[::-1], 0])), [[RED], [BLUE]], 0),
    "bmp one bit": (bmp(4, 1, 1, b"\x50\0\0\0", bytes([0, 0, 0, 0, 255, 255, 255, 0])), [gray(0, 255, 0, 255)], 0),
    "bmp runs": (bmp(3, 1, 8, b"\2\0\1\1\0\1", bytes([0, 0, 255, 0, 255, 0, 0, 0]), 1), [[RED, RED, BLUE]], 0),
    "gif": (gif((1, 1), (0, 0, 1, 1)), [[BLUE]], 0),
    "gif transparent": (gif((1, 1), (0, 0, 1, 1), transparent=1), [[WHITE]], 0),
    "gif with a web page after it": (gif((1, 1), (0, 0, 1, 1)) + b"<html>", [[BLUE]], 0),
    "gif frame beyond its screen": (
        gif((1, 1), (1, 0, 1, 1), transparent=0),
        [[WHITE, BLUE]],
        0,
    ),
    "gif animated": (animation("GIF"), [[RED, RED, WHITE, WHITE]] * 2, 0),
    # TIFF
    "tiff one bit, white is zero": (tiff(4, 1, b"\x50", bits=(1,), white_is=0), [gray(255, 0, 255, 0)], 0),
    "tiff gray": (tiff(7, 1, LEVELS.tobytes()), [gray(*LEVELS[0])], 0),
    "tiff gray, white is zero": (tiff(7, 1, LEVELS.tobytes(), white_is=0), [gray(*(255 - LEVELS[0]))], 0),
    "tiff palette": (
        tiff(2, 1, b"\0\1", white_is=3, tags=[(320, 3, [65535] + [0] * 512 + [65535] + [0] * 254)]),
        [[RED, BLUE]],
        0,
    ),
    "tiff rgb in planes": (
        tiff(
            1,
            1,
            b"\x0a\x14\x1e",
            bits=(8, 8, 8),
            white_is=2,
            tags=[(284, 3, [2]), (273, 4, [8, 9, 10]), (279, 4, [1, 1, 1])],
        ),
        [[(10, 20, 30)]],
        0,
    ),
    "tiff rgba": (tiff(1, 1, bytes([*RED, 64]), bits=(8,) * 4, white_is=2, tags=[(338, 3, [2])]), [ABOUT_64], 0),
    "tiff rgba premultiplied": (
        tiff(1, 1, bytes([100, 50, 0, 128]), bits=(8,) * 4, white_is=2, tags=[(338, 3, [1])]),
        [[(227, 177, 127)]],
        1,
    ),
    "tiff gray with alpha": (tiff(1, 1, bytes([0, 64]), bits=(8, 8), tags=[(338, 3, [2])]), [gray(191)], 0),
    "tiff gray premultiplied": (tiff(1, 1, bytes([100, 128]), bits=(8, 8), tags=[(338, 3, [1])]), [gray(227)], 1),
    "tiff cmyk": (
        tiff(2, 1, bytes([255, 0, 0, 0, 0, 0, 0, 255]), bits=(8,) * 4, white_is=5),
        [[(0, 255, 255), BLACK]],
        0,
    ),
    "tiff lab": (  # the L* a* b* of sRGB red under D50: 54.3, 80.8, 69.9
        tiff(2, 1, bytes([255, 0, 0, 138, 81, 70]), bits=(8, 8, 8), white_is=8),
        [[WHITE, RED]],
        6,
    ),
    "tiff 12 bits": (tiff(2, 1, b"\x80\x0f\xff", bits=(12,)), [gray(128, 255)], 1),
    "tiff 16 bits": (whole_tiff(WIDE[0], "u2"), [gray(*LEVELS[0])], 0),
    "tiff 16 bits, big-endian": (whole_tiff(WIDE[0], "u2", order=">"), [gray(*LEVELS[0])], 0),
    "tiff 16 bits, big-endian, deflated": (whole_tiff(WIDE[0], "u2", order=">", deflate=True), [gray(*LEVELS[0])], 0),
    "tiff 16 bits, white is zero": (whole_tiff(WIDE[0], "u2", white_is=0), [gray(*(255 - LEVELS[0]))], 0),
    "tiff 16-bit rgb": (
        tiff(1, 1, struct.pack(">3H", 257, 25700, 65278), order=">", bits=(16,) * 3, white_is=2),
        [[(1, 100, 254)]],
        1,
    ),
    "tiff big": (whole_tiff(WIDE[0], "u2", big=True), [gray(*LEVELS[0])], 0),
    "tiff signed 16 bits": (whole_tiff([-200, -100, 0], "i2"), [gray(0, 128, 255)], 1),
    "tiff signed 16 bits, big-endian": (whole_tiff([-200, -100, 0], "i2", order=">"), [gray(0, 128, 255)], 1),
    "tiff signed 16 bits, big-endian, deflated": (
        whole_tiff([-200, -100, 0], "i2", order=">", deflate=True),
        [gray(0, 128, 255)],
        1,
    ),
    "tiff signed 32 bits": (whole_tiff([-(2**31), 0, 2**31 - 1], "i4"), [gray(0, 128, 255)], 1),
    "tiff signed 32 bits, big-endian, deflated": (
        whole_tiff([-5, 0, 5], "i4", order=">", deflate=True),
        [gray(0, 128, 255)],
        0,
    ),
    "tiff unsigned 32 bits": (whole_tiff([0, 2**31, 2**32 - 1], "u4"), [gray(0, 128, 255)], 0),
    "tiff of zeros and ones": (whole_tiff([0, 1, 0], "i4"), [gray(0, 255, 0)], 0),
    "tiff float in 0..1": (float_tiff(FLOATS[0]), [UNITS], 0),
    "tiff float in 0..1, dim": (float_tiff([0.25, 0.5]), [gray(64, 128)], 0),
    "tiff float in 0..1, big-endian": (float_tiff(FLOATS[0], order=">"), [UNITS], 0),
    "tiff float in 0..1, big-endian, deflated": (float_tiff(FLOATS[0], order=">", deflate=True), [UNITS], 0),
    "tiff float in 0..1, white is zero": (float_tiff(FLOATS[0], white_is=0), [gray(255, 191, 127, 0)], 0),
    "tiff float of any range": (float_tiff([-3, 0, 9]), [gray(0, 64, 255)], 0),
    "tiff float with holes": (float_tiff([np.nan, -np.inf, 10, 20, 30, np.inf]), [gray(0, 0, 0, 128, 255, 255)], 0),
    "tiff float, widest range": (float_tiff([-3.4e38, 0, 3.4e38]), [gray(0, 128, 255)], 0),
    "tiff float, all equal in 0..1": (float_tiff([0.25, 0.25]), [gray(64, 64)], 0),
    "tiff float, all equal": (float_tiff([7, 7]), [gray(128, 128)], 0),
    "tiff float, nothing finite": (float_tiff([np.nan, np.inf]), [gray(128, 128)], 0),
    "tiff whose directory leads back to itself": (tiff(1, 1, b"\x40", next_at=9), [gray(64)], 0),
    "tiff whose EXIF pointers lead back to it": (
        tiff(1, 1, b"\x40", tags=[(34665, 4, [9]), (34853, 4, [9]), (330, 4, [9])]),
        [gray(64)],
        0,
    ),
    # Shapes
    "one pixel": (png(1, 1, 8, 2, [bytes(RED)]), [[RED]], 0),
}


@pytest.mark.parametrize("name", GOOD)
def test_pixels_are_what_the_file_says(name):
    data, expected, off = GOOD[name]
    image = open_image(data)
    assert type(image) is Image.Image
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image).astype(int), np.array(expected), rtol=0, atol=off)


def test_16_bit_gradient_is_the_8_bit_gradient():
    wide = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for data in (
        png(256, 256, 16, 0, [row.tobytes() for row in wide.astype(">u2")]),
        tiff(256, 256, wide.tobytes(), bits=(16,)),
    ):
        levels = np.asarray(open_image(data))[..., 0]
        np.testing.assert_allclose(levels, wide / 257, rtol=0, atol=0.5)


def test_values_are_scaled_alike_in_every_strip():
    """A float picture of more pixels than are scaled at a time."""
    values = np.linspace(-5, 5, 2048 * 1200, dtype=np.float32).reshape(1200, 2048)
    image = open_image(tiff(2048, 1200, values.tobytes(), bits=(32,), tags=[FLOAT_TAG], deflate=True))
    np.testing.assert_allclose(np.asarray(image)[..., 1], (values + 5) * 25.5, rtol=0, atol=0.51)


# Orientation


def upright_blocks() -> Pixels:
    """Return an asymmetric picture (32, 48, 3) of six flat blocks."""
    blocks = np.array([[RED, BLUE, WHITE], [BLACK, (0, 255, 0), (255, 255, 0)]], np.uint8)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)


# EXIF 2.3, table 6: which side of the visual picture the stored row 0 and column 0 are.
STORED = {
    1: lambda up, r, c: up[r, c],
    2: lambda up, r, c: up[r, -1 - c],
    3: lambda up, r, c: up[-1 - r, -1 - c],
    4: lambda up, r, c: up[-1 - r, c],
    5: lambda up, r, c: up[c, r],
    6: lambda up, r, c: up[c, -1 - r],
    7: lambda up, r, c: up[-1 - c, -1 - r],
    8: lambda up, r, c: up[-1 - c, r],
}


def stored_blocks(orientation: int) -> Pixels:
    up = upright_blocks()
    height, width = up.shape[:2] if orientation < 5 else up.shape[1::-1]
    rows, columns = np.mgrid[:height, :width]
    return STORED[orientation](up, rows, columns)


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[274] = orientation
    return block.tobytes()


def turned(form: str, orientation: int) -> bytes:
    stored = stored_blocks(orientation)
    image = Image.fromarray(stored)
    height, width = stored.shape[:2]
    tags: dict[str, Any] = {"bits": (8, 8, 8), "white_is": 2, "tags": [(274, 3, [orientation])]}
    xmp = f'<x tiff:Orientation="{orientation}"/>'.encode()
    return {
        "jpeg": lambda: saved(image, "JPEG", quality=100, subsampling=0, exif=exif(orientation)),
        "png": lambda: saved(image, "PNG", exif=exif(orientation)),
        "png, exif last": lambda: png(
            width, height, 8, 2, [row.tobytes() for row in stored], tail=[(b"eXIf", exif(orientation)[6:])]
        ),
        "webp": lambda: saved(image, "WEBP", lossless=True, exif=exif(orientation)),
        "tiff": lambda: tiff(width, height, stored.tobytes(), **tags),
        "tiff deflated": lambda: tiff(width, height, stored.tobytes(), deflate=True, **tags),
        "jpeg xmp": lambda: saved(image, "JPEG", quality=100, subsampling=0, xmp=xmp),
    }[form]()


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["jpeg", "png", "png, exif last", "webp", "tiff", "tiff deflated", "jpeg xmp"])
def test_picture_comes_upright_without_metadata(form, orientation):
    image = open_image(turned(form, orientation))
    np.testing.assert_allclose(np.asarray(image).astype(int), upright_blocks(), rtol=0, atol=6)
    assert image.info == {}
    assert len(image.getexif()) == 0


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"Exif\0\0", id="empty"),
        pytest.param(b"Exif\0\0nonsense", id="nonsense"),
        pytest.param(exif(6)[:20], id="cut short"),
        pytest.param(exif(9), id="orientation 9"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\xff\xff\xff\xff\0\0\0\0", id="four billion orientations"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\5\0\1\0\0\0\xff\xff\0\0", id="orientation beyond the end"),
        pytest.param(b"Exif\0\0II*\0\xff\xff\xff\xff", id="directory beyond the end"),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_broken_exif_counts_as_upright(form, block):
    assert open_image(saved(Image.fromarray(upright_blocks()), form, exif=block)).size == (48, 32)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_absurdly_long_exif_counts_as_upright(form):
    data = saved(Image.fromarray(upright_blocks()), form, exif=exif(6) + bytes(2**18))
    assert open_image(data).size == (48, 32)


def test_exif_directories_of_a_tiff_are_not_read(monkeypatch):
    """Pillow would make an object of every number in them while it loads the pixels."""
    monkeypatch.setattr(Image.Exif, "get_ifd", lambda *_: pytest.fail("an EXIF directory was read"))
    assert open_image(tiff(1, 1, b"\x40", tags=[(34665, 4, [9]), (34853, 4, [9])])).getpixel((0, 0)) == (64, 64, 64)


# Colour profiles


@pytest.mark.parametrize(
    ("data", "expected", "off"),
    [
        pytest.param(flat("RGB", RED, "PNG", icc_profile=swapped_profile()), (0, 255, 0), 1, id="png rgb"),
        pytest.param(
            flat("RGB", RED, "JPEG", quality=100, icc_profile=swapped_profile()), (0, 255, 0), 3, id="jpeg rgb"
        ),
        pytest.param(
            flat("RGB", RED, "WEBP", lossless=True, icc_profile=swapped_profile()), (0, 255, 0), 1, id="webp rgb"
        ),
        pytest.param(flat("RGB", RED, "TIFF", icc_profile=swapped_profile()), (0, 255, 0), 1, id="tiff rgb"),
        pytest.param(flat("RGBA", (*RED, 64), "PNG", icc_profile=swapped_profile()), (191, 255, 191), 1, id="png rgba"),
        pytest.param(flat("P", 0, "PNG", icc_profile=swapped_profile()), BLACK, 0, id="png palette"),
        pytest.param(flat("L", 128, "PNG", icc_profile=linear_gray_profile()), (188, 188, 188), 1, id="png gray"),
        pytest.param(
            flat("LA", (128, 255), "PNG", icc_profile=linear_gray_profile()), (188, 188, 188), 1, id="png gray alpha"
        ),
        pytest.param(flat("CMYK", (255, 0, 0, 0), "JPEG", icc_profile=red_ink_profile()), RED, 4, id="jpeg cmyk"),
        pytest.param(flat("RGB", (1, 130, 254), "PNG", icc_profile=b"nonsense" * 40), (1, 130, 254), 0, id="nonsense"),
        pytest.param(
            flat("RGB", (1, 130, 254), "PNG", icc_profile=swapped_profile()[:300]), (1, 130, 254), 0, id="cut short"
        ),
        pytest.param(
            flat("RGB", (1, 130, 254), "PNG", icc_profile=linear_gray_profile()), (1, 130, 254), 0, id="gray profile"
        ),
        pytest.param(flat("L", 128, "PNG", icc_profile=swapped_profile()), MID, 0, id="rgb profile for gray"),
    ],
)
def test_profile_is_applied_when_it_fits_and_ignored_when_not(data, expected, off):
    image = open_image(data)
    np.testing.assert_allclose(np.asarray(image)[8, 8].astype(int), expected, rtol=0, atol=off)
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("slug", ["chelsea", "china"])
def test_srgb_profile_changes_nothing(slug):
    with Image.open(images.samples()[slug].path) as sample:
        profile = sample.info["icc_profile"]
    pixels = noise(256, 256)
    data = saved(Image.fromarray(pixels), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(open_image(data)), pixels)


# Size


@pytest.mark.parametrize(
    ("size", "shrunk"),
    [
        ((2048, 2048), (2048, 2048)),
        ((2049, 2), (2048, 2)),
        ((4096, 2048), (2048, 1024)),
        ((1, 20_000), (1, 2048)),
        ((20_000, 1), (2048, 1)),
        ((MAX_LENGTH, 3), (2048, 1)),
        ((3000, 4000), (1536, 2048)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "I;16", "CMYK"])
def test_longest_side_is_at_most_2048(size, shrunk, mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    options = {"compression": "tiff_adobe_deflate"} if mode == "CMYK" else {"compress_level": 1}
    image = open_image(saved(Image.new(mode, size, 0), form, **options))
    assert image.size == shrunk
    assert image.getextrema() == {"RGBA": ((255, 255),) * 3, "CMYK": ((255, 255),) * 3}.get(mode, ((0, 0),) * 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_large_gradient_keeps_its_levels(form):
    """For JPEG this goes through the decoder's own halving, for the others through the filter."""
    across = np.linspace(0, 255, 4200).round().astype(np.uint8)
    pixels = np.broadcast_to(across[None, :, None], (600, 4200, 3))
    options = {"lossless": True, "quality": 0, "method": 0} if form == "WEBP" else {"quality": 95}
    image = open_image(saved(Image.fromarray(np.ascontiguousarray(pixels)), form, **options))
    assert image.size == (2048, 293)
    expected = (np.arange(2048) + 0.5) / 2048 * 255
    np.testing.assert_allclose(np.asarray(image)[100, :, 1], expected, rtol=0, atol=2)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_fine_stripes_become_gray(form):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 2048))
    seen = np.asarray(open_image(saved(Image.fromarray(stripes), form)))[:, 4:-4]
    np.testing.assert_allclose(seen.astype(int), 127.5, rtol=0, atol=1)


def test_large_jpeg_is_decoded_small(monkeypatch):
    decoded = []
    load = ImageFile.ImageFile.load

    def watched(self):
        decoded.append(self.size)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    assert open_image(saved(Image.new("RGB", (6000, 4500)), "JPEG")).size == (2048, 1536)
    assert decoded[0] == (3000, 2250)


def test_hidden_colours_do_not_bleed_through_the_filter():
    """Left half opaque blue, right half transparent with red beneath: on white no mixture has more red than green."""
    pixels = np.zeros((64, 4098, 4), np.uint8)
    pixels[:, :2047] = (*BLUE, 255)
    pixels[:, 2047:] = (*RED, 0)
    seen = np.asarray(open_image(saved(Image.fromarray(pixels), "PNG"))).astype(int)
    assert seen.shape == (32, 2048, 3)
    assert np.abs(seen[..., 0] - seen[..., 1]).max() <= 1
    assert seen[..., 2].min() >= 254
    np.testing.assert_array_equal(seen[0, [0, -1]], [BLUE, WHITE])


# What must be refused


def assert_plain(error: BaseException) -> None:
    message = str(error)
    assert isinstance(error, ExplorerError)
    assert re.fullmatch(r"This [^\n]{20,200}\.", message), message
    assert not re.search(r"[.!?;]\s+[A-Z]", message), "one sentence"
    assert re.search(r"\b(try|save|make|cut)\b", message), "a remedy"
    assert not re.search(r"(?i)traceback|exception|error|PIL|0x|object|none|<|\bb'", message), message


def refused(data: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        open_image(data)
    assert_plain(caught.value)
    return str(caught.value)


def header_only_png(width: int, height: int, depth: int = 8) -> bytes:
    return png(width, height, depth, 2, [])


def oversized_jpeg(width: int, height: int) -> bytes:
    data = flat("RGB", RED, "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def oversized_webp(width: int, height: int) -> bytes:
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    body += flat("RGB", RED, "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def many_scans(count: int) -> bytes:
    data = flat("RGB", RED, "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    decoy = b"\xff\xfe\0\4\xff\xd9"  # a comment that holds an end-of-image marker
    return data[:-2] + (decoy + last) * count + b"\xff\xd9"


def counted_tiff(tag: int, kind: int, count: int, **options: Any) -> bytes:
    """Build a TIFF one of whose entries states `count` values; they are there, so that nothing else is wrong."""
    size = {1: 1, 3: 2, 4: 4}[kind]
    return tiff(1, 1, b"\x40", tags=[(tag, kind, b"\x08\0\0\0"[:size] * count)], **options)


ALMOST_EMPTY = "not an image that can be read here"
HUGE = "51 million"
DAMAGED = "damaged, cut short or of a rare kind"

BAD = {
    "empty": (b"", "is empty"),
    "one byte": (b"\xff", ALMOST_EMPTY),
    "zeros": (bytes(1000), ALMOST_EMPTY),
    "random bytes": (noise(1, 4096).tobytes(), ALMOST_EMPTY),
    "text": (b"Dear all,\nplease find attached", ALMOST_EMPTY),
    "web page": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "SVG"),
    "svg after a byte order mark": (b"\xef\xbb\xbf  <?xml version='1.0'?><svg/>", "SVG"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    "zip": (b"PK\3\4\x14\0\0\0\x08\0" + bytes(50), "ZIP"),
    "heic": (b"\0\0\0\x24ftypheic" + bytes(200), "HEIC"),
    "avif that Pillow could read": (flat("RGB", RED, "AVIF"), "AVIF"),
    "jpeg 2000 that Pillow could read": (flat("RGB", RED, "JPEG2000"), ALMOST_EMPTY),
    "ico that Pillow could read": (flat("RGB", RED, "ICO"), ALMOST_EMPTY),
    "ppm that Pillow could read": (flat("RGB", RED, "PPM"), ALMOST_EMPTY),
    "tga that Pillow could read": (flat("RGB", RED, "TGA"), ALMOST_EMPTY),
    "only a png signature": (b"\x89PNG\r\n\x1a\n", "PNG"),
    "only a jpeg signature": (b"\xff\xd8\xff", "JPEG"),
    "only a gif signature": (b"GIF89a", "GIF"),
    "only a bmp signature": (b"BM", "BMP"),
    "only a tiff signature": (b"II*\0", "TIFF"),
    "only a webp signature": (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
    "gif that is also a script": (b"GIF89a=1;/*<html>*/alert(1)", "GIF"),
    "png without pixels": (header_only_png(9, 9), DAMAGED),
    "png of no width": (header_only_png(0, 9), DAMAGED),
    "png of no height": (header_only_png(9, 0), DAMAGED),
    "png of an unknown kind": (header_only_png(9, 9, depth=3), DAMAGED),
    "png whose header checksum is wrong": (png(1, 1, 8, 0, [b"\0"]).replace(b"IHDR\0\0\0\1", b"IHDR\0\0\0\2"), DAMAGED),
    "png whose palette checksum is wrong": (
        png(1, 1, 8, 3, [b"\0"], (b"PLTE", PALETTE)).replace(PALETTE, PALETTE[::-1]),
        DAMAGED,
    ),
    "png whose pixels are no zlib": (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", b"junk" * 9),
        DAMAGED,
    ),
    "png with a zTXt bomb": (png(1, 1, 8, 0, [b"\0"], (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))), DAMAGED),
    "png with an iTXt bomb": (
        png(1, 1, 8, 0, [b"\0"], (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2**26)))),
        DAMAGED,
    ),
    "png with an iTXt bomb after its pixels": (
        png(1, 1, 8, 0, [b"\0"], tail=[(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2**26)))]),
        DAMAGED,
    ),
    "png with a profile bomb": (png(1, 1, 8, 0, [b"\0"], (b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26)))), DAMAGED),
    "png whose text is named like its colour key": (
        png(1, 1, 8, 3, [b"\0"], (b"PLTE", PALETTE), (b"tEXt", b"transparency\0x")),
        DAMAGED,
    ),
    "jpeg of no size": (oversized_jpeg(0, 0), DAMAGED),
    "jpeg of 110 scans": (many_scans(100), "101 scans"),
    "jpeg of a million segments": (b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000, "10,001 segments"),
    "bmp of no size": (bmp(0, 0, 24, b""), DAMAGED),
    "tiff of no size": (tiff(0, 0, b""), DAMAGED),
    "tiff without a directory": (b"II*\0\xff\xff\xff\x7f", DAMAGED),
    "tiff whose directory is the header": (b"II*\0\0\0\0\0" + bytes(99), DAMAGED),
    "tiff whose directory states 65535 tags": (b"II*\0\x08\0\0\0\xff\xff" + bytes(99), DAMAGED),
    "tiff whose directory lacks its last tag": (float_tiff([0.25, 0.5])[:-16], DAMAGED),
    "tiff of 64-bit floats": (tiff(1, 1, bytes(8), bits=(64,), tags=[FLOAT_TAG]), "TIFF"),
    "tiff of four billion strips": (
        tiff(1, 1, b"\x40").replace(struct.pack("<HHL", 273, 4, 1), struct.pack("<HHL", 273, 4, 2**32 - 1)),
        "4,294,967,295 values",
    ),
    "tiff of too many strips": (counted_tiff(273, 4, 100_001), "100,001 values"),
    "tiff of too many strips, big-endian": (counted_tiff(273, 4, 100_001, order=">"), "100,001 values"),
    "tiff of too many strips, BigTIFF": (counted_tiff(273, 4, 100_001, big=True), "100,001 values"),
    "tiff of too many strips, as bytes": (counted_tiff(273, 1, 100_001), "100,001 values"),
    "tiff of too many bits per sample": (counted_tiff(258, 3, 100_001), "100,001 values"),
    "tiff with an endless sample count": (tiff(1, 1, b"\x40", tags=[(277, 4, [2**32 - 1])]), DAMAGED),
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_refused_in_one_plain_sentence(name):
    data, words = BAD[name]
    assert words in refused(data)


def real_png_bomb(depth: int) -> bytes:
    """Build a sound PNG of 12000 × 12000 black pixels, under 200 kB."""
    row = bytes(12_000 * depth // 8)
    return png(12_000, 12_000, depth, 0, itertools.repeat(row, 12_000))


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "png header of 50000 squared": (lambda: header_only_png(50_000, 50_000), HUGE),
    "png header of 9000 squared": (lambda: header_only_png(9000, 9000), "9,000 × 9,000"),
    "png of 12000 squared, one bit": (lambda: real_png_bomb(1), "12,000 × 12,000"),
    "png of 12000 squared, gray": (lambda: real_png_bomb(8), "12,000 × 12,000"),
    "png just over the limit": (lambda: header_only_png(MAX_PIXELS // 1000 + 1, 1000), HUGE),
    "png a million pixels long": (lambda: header_only_png(1_000_000, 1), "a side can have at most 65,535"),
    "png a million pixels high": (lambda: header_only_png(1, 1_000_000), "a side can have at most 65,535"),
    "jpeg header of 65500 squared": (lambda: oversized_jpeg(65_500, 65_500), HUGE),
    "jpeg header of 8000 squared": (lambda: oversized_jpeg(8000, 8000), "8,000 × 8,000"),
    "webp canvas of 16383 squared": (lambda: oversized_webp(16_383, 16_383), HUGE),
    "gif screen of 65535 squared": (lambda: gif((65_535, 65_535), (0, 0, 1, 1)), HUGE),
    "gif screen of 10000 squared": (lambda: gif((10_000, 10_000), (0, 0, 1, 1)), HUGE),
    "gif frame larger than its screen": (lambda: gif((1, 1), (0, 0, 9000, 9000)), HUGE),
    "bmp header of 30000 squared": (lambda: bmp(30_000, 30_000, 1, b""), HUGE),
    "tiff header of 10000 squared": (lambda: tiff(10_000, 10_000, b""), "10,000 × 10,000"),
    "tiff header of 2 ** 31 squared": (lambda: tiff(2**31, 2**31, b""), HUGE),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_by_their_header(name, monkeypatch):
    for plugin in (ImageFile.ImageFile, TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile):
        monkeypatch.setattr(plugin, "load", lambda _: pytest.fail("the pixels were decoded"))
    build, words = BOMBS[name]
    assert words in refused(build())


def test_largest_size_that_is_promised_opens():
    assert MAX_PIXELS >= 8688 * 5792
    rows = itertools.repeat(bytes([255]) * (8688 // 8), 5792)
    assert open_image(png(8688, 5792, 1, 0, rows)).size == (2048, 1365)


def test_100_scans_and_100000_strips_are_still_read():
    assert open_image(many_scans(100 - flat("RGB", RED, "JPEG", progressive=True).count(b"\xff\xda"))).size == (16, 16)
    assert open_image(counted_tiff(273, 4, 100_000)).getpixel((0, 0)) == (64, 64, 64)


def test_too_many_bytes_are_refused_unread(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("the file was read"))
    message = refused(flat("RGB", RED, "PNG").ljust(MAX_BYTES + 1, b"\0"))
    assert "20.1 MB" in message
    assert "20 MB" in message


def test_as_many_bytes_as_allowed_are_read():
    assert open_image(flat("RGB", RED, "PNG").ljust(MAX_BYTES, b"\0")).size == (16, 16)


@pytest.mark.parametrize(
    ("raised", "words"),
    [(MemoryError(), "memory"), (RecursionError("deep"), DAMAGED), (OSError(-9), DAMAGED), (KeyError("x"), DAMAGED)],
)
def test_whatever_pillow_raises_becomes_bad_image(monkeypatch, raised, words):
    def fail(self):
        raise raised

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(BadImage, match=words) as caught:
        open_image(flat("RGB", RED, "PNG"))
    assert_plain(caught.value)
    assert caught.value.__cause__ is raised


# Files cut short or with flipped bytes

PLAIN = {
    "jpeg": saved(Image.fromarray(noise(40, 30)), "JPEG", quality=90),
    "jpeg progressive": saved(
        Image.fromarray(noise(40, 30)), "JPEG", progressive=True, exif=exif(6), icc_profile=swapped_profile()
    ),
    "jpeg cmyk": saved(Image.fromarray(noise(40, 30)).convert("CMYK"), "JPEG", icc_profile=red_ink_profile()),
    "png": saved(Image.fromarray(noise(40, 30, 4)), "PNG", exif=exif(8), icc_profile=swapped_profile()),
    "png 16 bits": png(30, 40, 16, 0, [row.tobytes() for row in noise(40, 60, 1)], (b"tRNS", b"\1\0")),
    "png palette": saved(Image.fromarray(noise(40, 30)).quantize(9), "PNG", transparency=bytes([0, 9, 255])),
    "apng": animation("PNG"),
    "webp": saved(Image.fromarray(noise(40, 30)), "WEBP", exif=exif(3), icc_profile=swapped_profile()),
    "webp lossless": saved(Image.fromarray(noise(40, 30, 4)), "WEBP", lossless=True),
    "webp animated": animation("WEBP"),
    "bmp": saved(Image.fromarray(noise(40, 30)), "BMP"),
    "bmp runs": bmp(8, 4, 8, b"\4\0\4\1\0\0" * 4 + b"\0\1", bytes([0, 0, 255, 0, 255, 0, 0, 0]), 1),
    "gif": saved(Image.fromarray(noise(40, 30)).quantize(9), "GIF"),
    "gif animated": animation("GIF"),
    "tiff": tiff(30, 40, noise(40, 30).tobytes(), bits=(8, 8, 8), white_is=2, tags=[(274, 3, [6])]),
    "tiff float": tiff(15, 20, noise(20, 60, 1).tobytes(), bits=(32,), tags=[FLOAT_TAG]),
    "tiff deflated": tiff(30, 40, noise(40, 60, 1).tobytes(), order=">", bits=(16,), deflate=True),
    "tiff lzw": saved(
        Image.fromarray(noise(40, 30)), "TIFF", compression="tiff_lzw", exif=exif(5), icc_profile=swapped_profile()
    ),
    "tiff jpeg": saved(Image.fromarray(noise(40, 30)), "TIFF", compression="jpeg"),
    "tiff fax": saved(Image.fromarray(noise(40, 30)).convert("1"), "TIFF", compression="group4"),
}


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("name", [name for name in PLAIN if "animated" not in name and name != "apng"])
def test_files_cut_short_are_refused(name, share):
    data = PLAIN[name]
    refused(data[: int(len(data) * share)])


def picture_or_refusal(data: bytes) -> str | tuple[tuple[int, int], bytes]:
    """Return the pixels, or the refusal; anything else is a failure of the test."""
    try:
        image = open_image(data)
    except BadImage as error:
        assert_plain(error)
        return str(error)
    assert type(image) is Image.Image
    assert image.mode == "RGB"
    assert min(image.size) >= 1
    assert max(image.size) <= MAX_SIDE
    return image.size, image.tobytes()


@pytest.mark.parametrize("name", PLAIN)
def test_flipped_bytes_give_a_picture_or_a_refusal(name):
    random = np.random.default_rng(2024)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for case in range(200):
            data = bytearray(PLAIN[name])
            reach = min(len(data), 400) if case % 2 else len(data)  # half of them into the headers
            for at in random.integers(4, reach, random.integers(1, 9)):
                data[at] = random.integers(256)
            picture_or_refusal(bytes(data))
    assert [str(warning.message) for warning in heard] == []


# Threads and globals


def everything() -> list[bytes]:
    good = [data for data, _, _ in GOOD.values()]
    bad = [data for data, _ in BAD.values()]
    return good + bad + list(PLAIN.values()) + [turned(form, 6) for form in ("jpeg", "png", "webp", "tiff")]


def test_eight_threads_give_serial_results():
    files = everything() * 2
    serial = [picture_or_refusal(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(picture_or_refusal, files)) == serial


def test_pillows_global_settings_are_left_alone():
    def settings() -> tuple[object, ...]:
        return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, Image.WARN_POSSIBLE_FORMATS

    before = settings()
    for data in everything():
        picture_or_refusal(data)
    assert settings() == before
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_pillows_remarks_are_heard_by_nobody(capfd):
    """Each of these makes Pillow warn; the strictest filter turns no picture into a refusal."""
    warnings.simplefilter("error")
    assert open_image(GOOD["apng that counts no frames"][0]).getpixel((0, 0)) == RED
    assert open_image(tiff(1, 1, b"\x40", tags=[(271, 2, b"x" * 9), (256, 4, [1, 1])])).getpixel((0, 0)) == (64, 64, 64)
    assert open_image(saved(Image.new("RGB", (9, 9)), "JPEG", exif=exif(6)[:20])).size == (9, 9)
    assert capfd.readouterr() == ("", "")


def test_other_warnings_are_still_heard():
    open_image(flat("RGB", RED, "PNG"))
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


# Samples and small things

SIZES = {
    "chelsea": (451, 300),
    "coffee": (600, 400),
    "rocket": (640, 427),
    "motorcycle": (741, 500),
    "camera": (512, 512),
    "astronaut": (512, 512),
    "china": (640, 427),
    "flower": (640, 427),
}

DIGITS = [f"digit_{digit}" for digit in range(10)]
SCENES = [f"scene_{seed}" for seed in range(1, 7)]
CELLS = {"coins": (384, 303), "cell": (550, 660), "tissue": (512, 512), "retina": (1411, 1411)}


def test_samples_come_in_order():
    assert list(images.samples()) == [*SIZES, *DIGITS, *SCENES, *CELLS]


@pytest.mark.parametrize("slug", [f"digit_{digit}" for digit in range(10)])
def test_a_digit_is_a_row_of_scikit_learns_table(slug):
    """As dark ink with a margin; where the table's 8 x 8 cells have their middles, the picture has their values."""
    sample, digits = images.samples()[slug], sklearn.datasets.load_digits()
    assert digits.target[sample.row] == int(slug[-1])
    assert sample.subject == "digits"
    assert sample.licence == "CC BY 4.0"
    pixels = np.asarray(sample.open().convert("L"), dtype=float)
    assert pixels.shape == (192, 192)
    assert (pixels[:32] == 255).all()  # white paper
    blocks = (255 - pixels[32:160, 32:160]).reshape(8, 16, 8, 16).mean(axis=(1, 3)) * 16 / 255
    assert np.corrcoef(blocks.ravel(), digits.images[sample.row].ravel())[0, 1] > 0.97


@pytest.mark.parametrize("slug", [*SIZES, *CELLS])
def test_sample_opens_with_its_credit(slug):
    sample = images.samples()[slug]
    assert sample.slug == slug
    assert sample.licence
    assert sample.source
    assert 3 <= len(sample.title) <= 20
    image = sample.open()
    assert (image.size, image.mode) == ((SIZES | CELLS)[slug], "RGB")
    with Image.open(sample.path) as file:
        truth = np.asarray(file.convert("RGB"))
    if slug == "rocket":  # the only one that is not in sRGB
        truth = from_adobe_rgb(truth)
    np.testing.assert_allclose(np.asarray(image).astype(int), truth, rtol=0, atol=2 if slug == "rocket" else 0)


def from_adobe_rgb(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return Adobe RGB (1998) as sRGB, after the formulas of the two standards."""
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    from_xyz = [[3.24097, -1.53738, -0.49861], [-0.96924, 1.87597, 0.04156], [0.05563, -0.20398, 1.05697]]
    linear = (pixels / 255) ** 2.19921875 @ np.transpose(to_xyz) @ np.transpose(from_xyz)
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ({"sklearn"}, ["chelsea", "coffee", "rocket", "motorcycle", "camera", "astronaut", *CELLS]),
        ({"skimage"}, ["china", "flower", *DIGITS]),
        ({"skimage", "sklearn"}, []),
    ],
)
def test_a_missing_package_leaves_its_photos_out(monkeypatch, missing, left):
    find = images.samples.__globals__["importlib"].util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else find(name))
    assert list(images.samples()) == left


def test_nothing_heavy_is_imported():
    code = (
        "import sys, explorer.images as i; [s.open() for s in i.samples().values()]; "
        "print([m for m in ('torch', 'streamlit', 'skimage', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_digest_is_sha256():
    assert images.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_encoded_png_is_the_same_picture(mode):
    image = Image.fromarray(noise(30, 20, 4)).convert(mode)
    again = Image.open(io.BytesIO(images.encode_png(image)))
    assert again.format == "PNG"
    np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
