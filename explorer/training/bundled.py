"""Small sets of pictures that lie in packages the app needs anyway: something to learn at once, offline."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from explorer.images import encode_png
from explorer.training.datasets import BadDataset, Dataset, Item


@dataclass(frozen=True)
class Bundled:
    """A set of pictures that is there.

    Attributes:
        slug: its name in code.
        title: its name for people.
        about: what there is to learn, one sentence.
        source: where it comes from, with the licence.
        subject: 'photos' or 'digits', as a card's.
        file: package/folder/name of the file, or of one of them.
        make: reads it.
    """

    slug: str
    title: str
    about: str
    source: str
    subject: str
    file: str
    make: Callable[[], Dataset]


def sets() -> dict[str, Bundled]:
    """The sets whose files are here, by slug, in the order to offer them."""
    return {each.slug: each for each in _SETS if _path(each.file) is not None}


def get(slug: str) -> Dataset:
    """The pictures of a set.

    Raises:
        BadDataset: there is no such set here.
    """
    found = sets()
    if slug not in found:
        raise BadDataset(f"There is no set of pictures called {slug!r} here; choose one of {', '.join(found)}.")
    return found[slug].make()


def _path(file: str) -> Path | None:
    """Where a file of a package is, found without importing the package; None if it is not there."""
    package, _, rest = file.partition("/")
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if Path(folder, rest).is_file():
            return Path(folder, rest)
    return None


def _read(file: str) -> Path:
    path = _path(file)
    if path is None:
        raise BadDataset(f"The file {file} is missing; install the app's requirements again.")
    return path


_PATCH, _STEP = 128, 64  # pixels: a patch every 64 in each direction; 21 in each half of a picture of 512 x 512


def textures() -> Dataset:
    """Patches of three photos: from the left halves to learn from, from the right halves to check with."""
    classes = ("brick", "grass", "gravel")
    train: list[Item] = []
    validation: list[Item] = []
    for label, name in enumerate(classes):
        photo = Image.open(_read(f"skimage/data/{name}.png")).convert("L")
        half = photo.width // 2
        for part, left in ((train, 0), (validation, half)):
            for top in range(0, photo.height - _PATCH + 1, _STEP):
                for x in range(left, left + half - _PATCH + 1, _STEP):
                    patch = photo.crop((x, top, x + _PATCH, top + _PATCH))
                    part.append(Item(f"{name} at row {top}, column {x}", label, encode_png(patch)))
    return Dataset("Textures", classes, tuple(train), tuple(validation), source=_SETS[0].source)


def faces() -> Dataset:
    """A hundred faces and a hundred other patches, 25 x 25 pixels, grey; every fifth to check with."""
    values = np.load(_read("skimage/data/lfw_subset.npy"))  # float64 (200, 25, 25) in [0, 1]: faces, then others
    train: list[Item] = []
    validation: list[Item] = []
    for number, picture in enumerate(values):
        label, place = divmod(number, 100)
        patch = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
        item = Item(f"{'other' if label else 'face'} {place}", label, encode_png(patch))
        (validation if place % 5 == 4 else train).append(item)
    return Dataset("Faces or not", ("face", "no face"), tuple(train), tuple(validation), source=_SETS[1].source)


_DIGITS = 60  # of each: 40 to learn from, 20 to check with; the table has about 180


def digits() -> Dataset:
    """Handwritten digits, 8 x 8 pixels enlarged, dark ink on white paper: of each the first 60 of the table."""
    with gzip.open(_read("sklearn/datasets/data/digits.csv.gz"), "rt") as table:
        rows = np.loadtxt(table, delimiter=",", dtype=np.int64)
    train: list[Item] = []
    validation: list[Item] = []
    for label in range(10):
        for place, row in enumerate(np.flatnonzero(rows[:, 64] == label)[:_DIGITS]):
            ink = Image.fromarray((rows[row, :64].reshape(8, 8) * (255 / 16)).astype(np.uint8))
            paper = ImageOps.expand(ImageOps.invert(ink.resize((64, 64), Image.Resampling.BICUBIC)), 16, "white")
            item = Item(f"{label}, row {row}", label, encode_png(paper))
            (train if place < _DIGITS * 2 // 3 else validation).append(item)
    return Dataset("Digits", tuple("0123456789"), tuple(train), tuple(validation), source=_SETS[2].source)


_SETS = (
    Bundled(
        slug="textures",
        title="Textures",
        about="Brick, grass or gravel? 63 patches from the left halves of three photos; the right halves check.",
        source="CC0Textures and linolafett (DeviantArt), CC0, from scikit-image",
        subject="photos",
        file="skimage/data/gravel.png",
        make=textures,
    ),
    Bundled(
        slug="faces",
        title="Faces or not",
        about="160 small grey pictures to learn from, 40 to check with; half of them are faces.",
        source="A part of Labeled Faces in the Wild (G. Huang et al. 2007), from scikit-image",
        subject="photos",
        file="skimage/data/lfw_subset.npy",
        make=faces,
    ),
    Bundled(
        slug="digits",
        title="Digits",
        about="Handwritten digits: 400 to learn from, 200 to check with.",
        source="E. Alpaydin and C. Kaynak, Handwritten Digits (UCI, CC BY 4.0), from scikit-learn",
        subject="digits",
        file="sklearn/datasets/data/digits.csv.gz",
        make=digits,
    ),
)
