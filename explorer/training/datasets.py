"""Pictures with classes, divided into those to learn from and those to check with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from explorer import images
from explorer.errors import ExplorerError


class BadDataset(ExplorerError):
    """Nothing can be learnt from these pictures; the message says what is missing."""


@dataclass(frozen=True)
class Item:
    """One picture.

    Attributes:
        name: of its file.
        label: index of its class.
        data: the file; empty if it lies at `path`.
        path: of a file on this machine; '' if `data` has it.
    """

    name: str
    label: int
    data: bytes = b""
    path: str = ""

    def read(self) -> bytes:
        """The bytes of the file."""
        return self.data or Path(self.path).read_bytes()

    def open(self) -> Image.Image:
        """The picture, upright, RGB."""
        return images.open_image(self.read())


@dataclass(frozen=True)
class Report:
    """What the checks found.

    Attributes:
        left_out: (name, one sentence) of each file that is not used.
        warnings: sentences about what makes the result doubtful.
        copies: how many of `left_out` are second copies, which would have been learnt and checked alike.
    """

    left_out: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    copies: int = 0


@dataclass(frozen=True)
class Dataset:
    """Pictures to tune a network with.

    Attributes:
        title: for people.
        classes: names by index.
        train: to learn from.
        validation: to check with, never learnt from.
        report: of the checks.
        source: where the pictures come from, with the licence where it is known.
    """

    title: str
    classes: tuple[str, ...]
    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    report: Report = Report()
    source: str = ""

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """Pictures of each class: (to learn from, to check with)."""
        learnt, checked = (Counter(item.label for item in part) for part in (self.train, self.validation))
        return tuple((learnt[label], checked[label]) for label in range(len(self.classes)))
