"""What is refused before a pixel is decoded, and the sentences that say so.

A picture file is a small program for its decoder: a few hundred kilobytes can ask for gigabytes of memory or for hours
of work. These checks read headers only, so that such a file costs nothing.
"""

from __future__ import annotations

import re
import struct

from explorer.errors import ExplorerError

MAX_BYTES = 20 * 2**20  # the same 20 MB as server.maxUploadSize
MAX_SIDE = 2048  # the longest side of an opened picture, 12.6 MB as RGB; the largest network here looks at 600

# Every 50-megapixel camera fits (8688 × 5792 is 50.3 million). Pillow keeps 4 bytes a pixel in RGB, RGBA and CMYK:
# 204 MB, and a second copy while a mode is changed: 408 MB. A progressive JPEG adds 2 bytes a sample, 306 MB for RGB,
# but is decoded at half size or less from 4096 pixels on.
MAX_PIXELS = 51_000_000
MAX_LENGTH = 65_535  # the longest side JPEG and GIF can state; beyond it are strips of data, not pictures

# Each scan of a progressive JPEG goes through the whole picture again, 30 ms for 50 million pixels, and costs the
# sender 100 bytes. Encoders write about 10; 100 is also the limit of libtiff.
MAX_SCANS = 100
MAX_SEGMENTS = 10_000  # 64 kB each, so 20 MB make 320; five million empty ones would keep Pillow busy for seconds
# Pillow makes Python objects of every number in a TIFF directory: 20 MB of them took 47 s and 5.7 GB before the size of
# the picture was known. An honest list has an entry for each strip or tile of the picture.
MAX_TAG_VALUES = 100_000

_WELCOME = "JPEG, PNG, WebP, BMP, GIF or TIFF"
_READABLE = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"RIFF": "WebP",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript file",
    b"PK\3\4": "a ZIP archive",
    b"<": "a web page or SVG",
}
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # not a stuffed zero, a restart or a fill byte
_TIFF_BYTES = {1, 2, 7}  # BYTE, ASCII and UNDEFINED stay one bytes object, whatever their length
_TIFF_OFFSETS = {273, 324}  # of strips and of tiles


class BadImage(ExplorerError):
    """A file that cannot be opened as a picture; the message is one plain sentence that may be shown as it is."""


def check_file(data: bytes) -> None:
    """Refuse a file by its length or by the work it asks for.

    Raises:
        BadImage: If the file is empty, too long, or has too many segments, scans or tag values.
        struct.error: If the directory of a TIFF is damaged.
    """
    if not data:
        raise BadImage(f"This file is empty; try a {_WELCOME} picture.")
    if len(data) > MAX_BYTES:
        tenths = -(-len(data) * 10 // 2**20)  # rounded up, so that it never reads "20.0 MB, and at most 20 MB"
        raise BadImage(
            f"This file has {tenths / 10:.1f} MB, and at most {MAX_BYTES // 2**20} MB can be read here; "
            "make it smaller, for instance by saving it as JPEG."
        )
    if data.startswith(b"\xff\xd8"):
        _check_segments(data)
    elif data.startswith((b"II", b"MM")):
        _check_tag_values(data)


def check_size(size: tuple[int, int]) -> None:
    """Refuse a picture by the size (width, height) in its header."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadImage(
            f"This picture has {width:,} × {height:,} pixels, and at most {MAX_PIXELS / 1e6:.0f} million can be read "
            "here; make it smaller and try again."
        )
    if max(size) > MAX_LENGTH:
        raise BadImage(
            f"This picture has {width:,} × {height:,} pixels, and a side can have at most {MAX_LENGTH:,} here; "
            "cut out a part and try again."
        )


def too_many_pixels() -> BadImage:
    """Return the refusal of a picture whose header claims so many pixels that Pillow itself refuses it."""
    return BadImage(
        f"This picture claims far more than the {MAX_PIXELS / 1e6:.0f} million pixels that can be read here; "
        "make it smaller and try again."
    )


def too_little_memory() -> BadImage:
    """Return the refusal of a picture that does not fit into the free memory."""
    return BadImage("This picture needs more memory than is free here; make it smaller and try again.")


def unreadable(data: bytes) -> BadImage:
    """Return the refusal of a file that Pillow cannot read, named after what its first bytes show."""
    for magic, name in _READABLE.items():
        if data.startswith(magic):
            return BadImage(
                f"This {name} file is damaged, cut short or of a rare kind; "
                "save it again as an ordinary JPEG or PNG and try that."
            )
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            return BadImage(f"This file is {name}, which cannot be read here; try {_WELCOME}.")
    if data[4:8] == b"ftyp":
        return BadImage(f"This file is a HEIC or AVIF picture or a video, which cannot be read here; try {_WELCOME}.")
    return BadImage(f"This file is not an image that can be read here; try {_WELCOME}.")


def _check_segments(data: bytes) -> None:
    """Walk a JPEG up to the end of its first picture; count the segments, and the scans among them."""
    segments = scans = 0
    at = 2
    while match := _JPEG_MARKER.search(data, at):
        marker = match[1][0]
        if marker == 0xD9:  # end of image; a phone may append a second picture or a film
            return
        at = match.end()
        if marker not in (0x01, 0xD8):  # every other marker is followed by a segment that states its length
            at += int.from_bytes(data[at : at + 2], "big")
        segments += 1
        scans += marker == 0xDA
        if scans > MAX_SCANS or segments > MAX_SEGMENTS:
            raise BadImage(
                f"This JPEG file has {scans:,} scans in {segments:,} segments, and at most {MAX_SCANS} in "
                f"{MAX_SEGMENTS:,} can be read here; save it again in another program and try that."
            )


def _check_tag_values(data: bytes) -> None:
    """Look at the number of values that each entry of the first directory of a TIFF states, at none of the values."""
    order = "<" if data.startswith(b"II") else ">"
    big = data[2] == 43
    (start,) = struct.unpack_from(order + ("Q" if big else "L"), data, 8 if big else 4)
    (tags,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    entry = struct.Struct(order + ("HHQQ" if big else "HHLL"))
    first = start + (8 if big else 2)
    if first + tags * entry.size > len(data):  # Pillow would read what is left, and the rest might say how
        raise unreadable(data)
    for tag, kind, count, _ in entry.iter_unpack(data[first : first + tags * entry.size]):
        if count > MAX_TAG_VALUES and (kind not in _TIFF_BYTES or tag in _TIFF_OFFSETS):
            raise BadImage(
                f"This TIFF file lists {count:,} values in tag {tag}, and at most {MAX_TAG_VALUES:,} can be read here; "
                "save it as PNG and try that."
            )
