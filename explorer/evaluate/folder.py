"""The pictures of a folder in an order that never changes, listed in a file so that a million of them fit."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_SCHEMA = pa.schema([("file", pa.binary()), ("size", pa.int64()), ("time", pa.int64())])


@dataclass(frozen=True)
class Listing:
    """What a folder held when a run began.

    Attributes:
        path: a Parquet file with one row group for each shard.
        files: how many pictures there are.
        shard: how many of them make a shard.
        digest: SHA-256 of their names, sizes and times.
        folders: the names of the folders they lie in.
        others: how many files were passed over, since their names are not those of pictures.
    """

    path: Path
    files: int
    shard: int
    digest: str
    folders: frozenset[str]
    others: int

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.files // self.shard)

    def length(self, shard: int) -> int:
        """How many pictures a shard has."""
        return min(self.shard, self.files - shard * self.shard)


def write(root: Path, path: Path, shard: int, limit: int | None = None) -> Listing:
    """Lists the pictures below ``root`` into the file ``path``, a shard at a time."""
    digest, folders, files, others = hashlib.sha256(), set(), 0, 0

    def pictures() -> Iterator[tuple[bytes, int, int]]:
        nonlocal others
        for name, status in _walk(root):
            if Path(name).suffix.lower() not in SUFFIXES:
                others += 1
                continue
            yield os.fsencode(name), *((status.st_size, status.st_mtime_ns) if status else (-1, 0))

    found = islice(pictures(), limit)
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        while rows := list(islice(found, shard)):
            for row in rows:
                digest.update(repr(row).encode())
                folders.add(folder_of(shown(row[0])))
            files += len(rows)
            columns = [pa.array(list(column)) for column in zip(*rows, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), row_group_size=shard)
    return Listing(path, files, shard, digest.hexdigest(), frozenset(folders), others)


def names(path: Path, shard: int) -> list[bytes]:
    """The pictures of one shard, as the system writes their names, below the folder."""
    with pq.ParquetFile(path) as file:  # in one thread: a forked worker has no others
        found: list[bytes] = file.read_row_group(shard, columns=["file"], use_threads=False).column("file").to_pylist()
    return found


def shown(name: bytes) -> str:
    """A name for people and tables: what is no text becomes an escape."""
    return name.decode("utf-8", "backslashreplace")


def folder_of(name: str) -> str:
    """The name of the folder that a picture lies in; '' at the top."""
    return PurePosixPath(name).parent.name


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """Files below ``root`` with what is known of them, sorted by name folder by folder; None for a broken link.

    Links are followed, but no folder is entered twice: a link to a folder above would never end. Names that begin with
    a dot are left alone, and so is what is no file: a pipe would wait for ever.
    """
    entered: set[tuple[int, int]] = set()

    def enter(folder: str, below: str) -> Iterator[tuple[str, os.stat_result | None]]:
        try:
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in entered:
                return
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_by_name)
        except OSError:  # closed to us, or gone meanwhile
            return
        for entry in inside:
            name = f"{below}{entry.name}"
            try:
                status = entry.stat()
            except OSError:
                yield name, None
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from enter(entry.path, f"{name}/")
            elif stat.S_ISREG(status.st_mode):
                yield name, status

    yield from enter(str(root), "")


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name
