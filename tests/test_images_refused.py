"""Broken, hostile and cut files are refused in one plain sentence, and nothing else happens."""

from __future__ import annotations

import itertools
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, TiffImagePlugin, WebPImagePlugin

from explorer.errors import ExplorerError
from explorer.images import MAX_BYTES, MAX_PIXELS, MAX_SIDE, BadImage, open_image
from tests.image_files import (
    FLOAT_TAG,
    GOOD,
    PALETTE,
    RED,
    animation,
    bmp,
    chunk,
    exif,
    flat,
    float_tiff,
    gif,
    noise,
    png,
    red_ink_profile,
    saved,
    swapped_profile,
    tiff,
    turned,
)

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
