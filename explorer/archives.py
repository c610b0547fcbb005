"""A visitor's ZIP of class folders -> pictures by class, safely; nothing is ever written to a disk.

An archive is as hostile as a picture: a few kilobytes can claim petabytes, names can point outside, entries can
overlap. So sizes are counted while unpacking, whatever the headers say, and names are words to show, never paths.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.images import MAX_BYTES

_MB = 2**20
_CHUNK = 2**16
_SUSPECT = 2**20  # bytes; a smaller file is harmless however well it packs
_LONGEST = 120  # characters of a class name, and of a name in a sentence
_DEEPEST = 32  # parts of a path; a name of 64 kB can have 32,000, and work grows with their square
_SEPARATOR = re.compile(r"[/\\]")
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what every program writes
_ENTRY = b"PK\x01\x02"  # begins each entry of a ZIP's directory
_ENCRYPTED, _UTF8 = 0x1, 0x800  # bits of an entry's flags
_LITTER = {"thumbs.db", "desktop.ini", "ehthumbs.db"}  # what systems leave in folders
_GENERIC = {"images", "image", "imgs", "img", "pictures", "photos", "jpeg", "jpg", "png"}  # names no class has
_MAGICS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class BadArchive(ExplorerError):
    """A file that cannot be read as a ZIP of pictures at all; one plain sentence."""


@dataclass(frozen=True)
class Limits:
    """What an archive may ask for.

    Attributes:
        packed: bytes of the archive itself.
        total: bytes of all pictures unpacked.
        each: bytes of one picture unpacked, as for any upload.
        ratio: unpacked bytes for one packed byte, of a file above 1 MB. Photos reach 1, drawings 50, bombs 1,000.
        pictures: how many are kept.
        entries: files and folders of any kind in the archive.
    """

    packed: int = 200 * _MB
    total: int = 200 * _MB
    each: int = MAX_BYTES
    ratio: int = 100
    pictures: int = 2_000
    entries: int = 10_000


@dataclass(frozen=True)
class Archive:
    """What an archive holds.

    Attributes:
        classes: files by class, classes by name: (its path in the archive, with '/', unique; its bytes). The bytes
            begin like a picture; only `images.open_image` tells whether they are one. The class of files in no folder
            is ''.
        refused: (path in the archive, one plain sentence) of each file that was left out.
    """

    classes: Mapping[str, tuple[tuple[str, bytes], ...]]
    refused: tuple[tuple[str, str], ...]

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return sum(map(len, self.classes.values()))


def read(data: bytes | Path, limits: Limits | None = None, *, copies: bool = False) -> Archive:
    """Reads the pictures of a ZIP, each under the name of the folder it lies in.

    Folders around the class folders do not matter: 'pets/train/cat/1.jpg' is a 'cat'. Where every folder with pictures
    is called 'images' or the like ('cat/images/1.jpg', 'dog/images/2.jpg') the ones above them count; a folder inside
    a class folder belongs to it (see `class_folders`). Files that begin with a dot, __MACOSX and the like are passed
    over in silence; a second copy of the same file is refused, unless ``copies`` asks for it.

    Args:
        data: the file, or its path.
        limits: the usual ones if None.
        copies: whether second copies are kept, for who compares the pictures and says more about them.

    Raises:
        BadArchive: it is no ZIP, is damaged as a whole, or is too large.
    """
    limits = limits or Limits()
    packed = _packed(data, limits)
    kept: list[tuple[tuple[str, ...], bytes]] = []
    refused: list[tuple[str, str]] = []
    seen: dict[bytes, str] = {}
    names: set[str] = set()
    left = limits.total
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for entry, parts in _files(archive):
                name = "/".join(parts)
                try:
                    if len(kept) >= limits.pictures:
                        raise _Refused(f"At most {limits.pictures:,} pictures are read from one archive.")
                    content = _unpacked(archive, entry, parts, left, limits)
                    left -= len(content)
                    digest = hashlib.sha256(content).digest()
                    if name in names:
                        raise _Refused("The archive holds this name a second time.")
                    if digest in seen and not copies:
                        raise _Refused(f"It is the same picture as {seen[digest][:_LONGEST]}.")
                except _Refused as reason:
                    left -= reason.spent  # work is bounded too: ten thousand entries can share the same bytes
                    refused.append((name, str(reason)))
                    continue
                seen[digest] = name
                names.add(name)
                kept.append((parts, content))
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, NotImplementedError) as error:
        raise BadArchive("This ZIP archive is damaged or cut short; pack it again and try that.") from error
    return Archive(_classes(kept), tuple(refused))


class _Refused(Exception):
    """One file is left out; says why, and how many bytes were unpacked to know it."""

    def __init__(self, reason: str, spent: int = 0) -> None:
        super().__init__(reason)
        self.spent = spent


def _packed(data: bytes | Path, limits: Limits) -> bytes:
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    if size > limits.packed:
        raise BadArchive(
            f"This archive has {size / _MB:,.0f} MB, and at most {limits.packed / _MB:,.0f} MB can be read here; "
            "leave some pictures out or make them smaller."
        )
    packed = data.read_bytes() if isinstance(data, Path) else data
    if not packed.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise BadArchive("This file is not a ZIP archive; pack your folders of pictures as ZIP and try that.")
    # Counted before Python makes objects of them: 20 MB can hold half a million.
    if packed.count(_ENTRY) > limits.entries:
        raise BadArchive(
            f"This archive lists more than {limits.entries:,} files, and no more can be read here; leave some out."
        )
    return packed


def _files(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, tuple[str, ...]]]:
    """Entries that someone packed on purpose, in the order of their names, with the parts of their paths."""
    found: list[tuple[tuple[str, ...], int, zipfile.ZipInfo]] = []
    for entry in archive.infolist():
        # What is too deep is refused later, and not taken apart here.
        parts = tuple(part for part in _SEPARATOR.split(_name(entry), _DEEPEST) if part not in ("", "."))
        folder = entry.is_dir() or entry.filename.endswith("\\")
        litter = any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in parts)
        if parts and not folder and not litter and parts[-1].lower() not in _LITTER:
            found.append((parts, len(found), entry))
    for parts, _, entry in sorted(found, key=lambda each: each[:2]):
        yield entry, parts


def _name(entry: zipfile.ZipInfo) -> str:
    """The name as it was meant: many programs write UTF-8 and do not say so; what cannot be printed becomes '_'."""
    name = entry.filename
    if not entry.flag_bits & _UTF8:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = entry.filename
    return "".join(c if c.isprintable() else "_" for c in unicodedata.normalize("NFC", name))


def _unpacked(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, parts: tuple[str, ...], left: int, limits: Limits
) -> bytes:
    """The bytes of one entry.

    Raises:
        _Refused: with the reason.
    """
    if ".." in parts or re.match(r"[/\\]|[A-Za-z]:", entry.filename):
        raise _Refused("Its name points outside the archive.")
    if len(_SEPARATOR.findall(entry.filename)) >= _DEEPEST:
        raise _Refused(f"It lies deeper than {_DEEPEST - 1} folders; put it into fewer.")
    if any(len(part) > _LONGEST for part in parts[:-1]):
        raise _Refused(f"Its folder's name is longer than {_LONGEST} characters.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _Refused("It is a link to another file, not a picture.")
    if entry.flag_bits & _ENCRYPTED:
        raise _Refused("It is encrypted; pack it without a password.")
    if entry.compress_type not in _PACKINGS:
        raise _Refused("It is packed in a rare way; pack it as an ordinary ZIP.")
    most = min(limits.each, left)
    too_large = (
        f"It has more than {limits.each / _MB:.0f} MB."
        if limits.each <= left
        else f"All pictures together have more than {limits.total / _MB:.0f} MB."
    )
    if entry.file_size > most:
        raise _Refused(too_large)
    pieces, size = [], 0
    try:
        with archive.open(entry) as file:
            while piece := file.read(_CHUNK):
                pieces.append(piece)
                size += len(piece)
                if size == len(piece) and not _pictorial(piece):
                    raise _Refused(_foreign(piece), size)
                if size > most:
                    raise _Refused(too_large, size)
                if size > max(_SUSPECT, limits.ratio * max(entry.compress_size, 1)):
                    raise _Refused(f"It unpacks to more than {limits.ratio} times its size, as a bomb does.", size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise _Refused("It is damaged in the archive.", size) from error
    if not size:
        raise _Refused("It is empty.")
    return b"".join(pieces)


def _pictorial(start: bytes) -> bool:
    return start.startswith(_MAGICS) or (start.startswith(b"RIFF") and start[8:12] == b"WEBP")


def _foreign(start: bytes) -> str:
    if start.startswith(b"PK\x03\x04"):
        return "It is an archive in the archive; unpack it first."
    return "It is not a picture that can be read here; JPEG, PNG, WebP, BMP, GIF and TIFF are."


def class_folders(folders: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Of the folder that each picture lies in, the one that names its class; () for pictures in no folder.

    The nearest one; the one above while all nearest ones are called 'images' or the like; and the topmost one of which
    most pictures lie directly in it: 'cat/old/3.jpg' beside 'cat/1.jpg' and 'cat/2.jpg' is a cat.
    """
    above = list(folders)
    while above and all(len(folder) > 1 and folder[-1].lower() in _GENERIC for folder in above):
        above = [folder[:-1] for folder in above]
    direct = Counter(above)
    within = Counter(folder[:depth] for folder in above for depth in range(1, len(folder)))  # in folders below
    named = {folder: folder for folder in direct}
    for folder in direct:
        outer = (folder[:depth] for depth in range(1, len(folder)))
        named[folder] = next((each for each in outer if direct[each] >= within[each] > 0), folder)
    return [named[folder] for folder in above]


def _classes(kept: list[tuple[tuple[str, ...], bytes]]) -> dict[str, tuple[tuple[str, bytes], ...]]:
    found: dict[str, list[tuple[str, bytes]]] = {}
    for folder, (parts, content) in zip(class_folders([parts[:-1] for parts, _ in kept]), kept, strict=True):
        found.setdefault(folder[-1].strip() if folder else "", []).append(("/".join(parts), content))
    return {name: tuple(found[name]) for name in sorted(found)}
