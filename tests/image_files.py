"""Image files built in memory, odd ones too, so that their true pixels are known by construction."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

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
