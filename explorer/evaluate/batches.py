"""From names of files to batches of pictures as the networks see them; runs in worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer import images
from explorer.evaluate import folder
from explorer.preprocessing import Preprocessing


@dataclass(frozen=True)
class Batch:
    """Pictures that go through the networks together.

    Attributes:
        shard: the shard they belong to.
        number: of the batch in its shard.
        files: N names for people.
        errors: N reasons why a picture could not be read; '' where it could.
        views: for each recipe uint8 (N', side, side, 3), of the N' pictures that could be read.
    """

    shard: int
    number: int
    files: tuple[str, ...]
    errors: tuple[str, ...]
    views: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Work:
    """What workers need to know.

    Attributes:
        root: the folder.
        listing: of its pictures.
        shards: those to do, in order.
        lengths: pictures in each of them.
        size: pictures in a batch.
        recipes: from a photo to what each kind of network sees.
    """

    root: Path
    listing: Path
    shards: tuple[int, ...]
    lengths: tuple[int, ...]
    size: int
    recipes: tuple[Preprocessing, ...]

    @property
    def count(self) -> int:
        """How many batches there are."""
        return sum(-(-length // self.size) for length in self.lengths)

    def batches(self, first: int = 0, step: int = 1) -> Iterator[Batch]:
        """Every ``step``-th batch from the ``first`` on."""
        place = 0
        for shard, length in zip(self.shards, self.lengths, strict=True):
            count = -(-length // self.size)
            mine = [number for number in range(count) if (place + number - first) % step == 0]
            files = folder.names(self.listing, shard) if mine else []
            for number in mine:
                yield self._read(shard, number, files[number * self.size : (number + 1) * self.size])
            place += count

    def batch(self, place: int) -> Batch:
        """The batch at one place of all."""
        for shard, length in zip(self.shards, self.lengths, strict=True):
            count = -(-length // self.size)
            if place < count:
                files = folder.names(self.listing, shard)
                return self._read(shard, place, files[place * self.size : (place + 1) * self.size])
            place -= count
        raise IndexError(place)

    def _read(self, shard: int, number: int, files: Sequence[bytes]) -> Batch:
        errors: list[str] = []
        views: list[list[np.ndarray]] = [[] for _ in self.recipes]
        for name in files:
            try:
                photo = images.open_image(_content(self.root, name))
            except images.BadImage as error:
                errors.append(str(error))
            except OSError as error:
                errors.append(f"This file cannot be read: {error.strerror or 'the system does not say why'}.")
            else:
                errors.append("")
                for recipe, seen in zip(self.recipes, views, strict=True):
                    seen.append(np.asarray(recipe.view(photo)))
        stacked = tuple(
            np.stack(seen) if seen else np.zeros((0, recipe.crop, recipe.crop, 3), np.uint8)
            for recipe, seen in zip(self.recipes, views, strict=True)
        )
        return Batch(shard, number, tuple(map(folder.shown, files)), tuple(errors), stacked)


def _content(root: Path, name: bytes) -> bytes:
    with root.joinpath(os.fsdecode(name)).open("rb") as file:
        return file.read(images.MAX_BYTES + 1)  # one more than is allowed is enough to refuse it
