"""Photos and digits that lie inside packages the app needs anyway, so that it opens with a result."""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from explorer.images.opening import encode_png, open_image


@dataclass(frozen=True)
class Sample:
    """A bundled picture and what its licence asks to be said."""

    slug: str
    title: str
    licence: str
    source: str  # who made it and where it comes from, one line to show beside it
    file: str  # package/folder/name
    subject: str = "photos"  # or what else a network was made to look at: "digits", "scenes", "cells"
    row: int = 0  # of a digit in its table; the seed of a scene
    also: str = ""  # another file that it is made from

    @property
    def path(self) -> Path:
        """Where the file is, or would be if its package were installed; found without importing the package."""
        return _found(self.file)

    @property
    def is_there(self) -> bool:
        """Whether all that it is made from is installed."""
        return self.path.is_file() and (not self.also or _found(self.also).is_file())

    def read(self) -> bytes:
        """Return the bytes of the file, or of a PNG of a digit from a table or of a scene from its seed."""
        if self.subject == "scenes":
            from explorer.detection import scenes  # which takes its photos from here

            return encode_png(scenes.make(self.row).open())
        return _digit(self.path, self.row) if self.subject == "digits" else self.path.read_bytes()

    def open(self) -> Image.Image:
        """Return the picture, through the same door as an upload."""
        return open_image(self.read())


def samples() -> dict[str, Sample]:
    """Return the pictures that are there by slug, in the order to offer them; empty if no package has any."""
    return {sample.slug: sample for sample in _SAMPLES if sample.is_there}


def _found(file: str) -> Path:
    package, rest = file.split("/", maxsplit=1)
    spec = importlib.util.find_spec(package)
    folders = (spec and spec.submodule_search_locations) or [package]
    return Path(folders[0], rest)


def _digit(path: Path, row: int) -> bytes:
    """Return a row of scikit-learn's table, 8 x 8 numbers from 0 to 16, as dark ink on white paper, enlarged."""
    with gzip.open(path, "rt") as table:
        values = next(islice(table, row, None)).split(",")[:64]
    ink = Image.fromarray((np.array(values, np.float64).reshape(8, 8) * (255 / 16)).astype(np.uint8))
    return encode_png(ImageOps.expand(ImageOps.invert(ink.resize((128, 128), Image.Resampling.BICUBIC)), 32, "white"))


# Licences as stated in skimage/data/_fetchers.py and sklearn/datasets/images/README.txt, with two exceptions.
# scikit-image states none for the motorcycle; Middlebury's own page grants use and publication and asks for the
# citation. scikit-learn's README names one photographer for both of its photos, but its links for the flower lead to
# another, who is credited here.
_SAMPLES = (
    Sample(
        slug="chelsea",
        title="Chelsea the cat",
        licence="CC0",
        source="Stéfan van der Walt, from scikit-image",
        file="skimage/data/chelsea.png",
    ),
    Sample(
        slug="coffee",
        title="Coffee",
        licence="CC0",
        source="Rachel Michetti, courtesy of Pikolo Espresso Bar, from scikit-image",
        file="skimage/data/coffee.png",
    ),
    Sample(
        slug="rocket",
        title="Rocket",
        licence="Public domain",
        source="SpaceX, launch of DSCOVR on a Falcon 9 (flickr.com/photos/spacexphotos/16511594820), from scikit-image",
        file="skimage/data/rocket.jpg",
    ),
    Sample(
        slug="motorcycle",
        title="Motorcycle",
        licence="Free to use and publish with citation (Middlebury College)",
        source="D. Scharstein et al., High-resolution stereo datasets with subpixel-accurate ground truth, GCPR 2014 "
        "(vision.middlebury.edu/stereo/data/scenes2014), from scikit-image",
        file="skimage/data/motorcycle_left.png",
    ),
    Sample(
        slug="camera",
        title="Photographer",
        licence="CC0",
        source="Lav Varshney, from scikit-image",
        file="skimage/data/camera.png",
    ),
    Sample(
        slug="astronaut",
        title="Astronaut",
        licence="Public domain",
        source="NASA, portrait of Eileen Collins (flic.kr/p/r9qvLn), from scikit-image",
        file="skimage/data/astronaut.png",
    ),
    Sample(
        slug="china",
        title="Summer Palace",
        licence="CC BY 2.0",
        source="danielbuechele (flickr.com/photos/danielbuechele/6061409035), from scikit-learn",
        file="sklearn/datasets/images/china.jpg",
    ),
    Sample(
        slug="flower",
        title="Flower",
        licence="CC BY 2.0",
        source="vultilion (flickr.com/photos/vultilion/6056698931), from scikit-learn",
        file="sklearn/datasets/images/flower.jpg",
    ),
    # The table begins with the digits in order, three times; its first 5 is so curled that LeNet-5 takes it for a 3, so
    # the second one is shown. UCI gives the data set under CC BY 4.0.
    *(
        Sample(
            slug=f"digit_{digit}",
            title=f"Handwritten {digit}",
            licence="CC BY 4.0",
            source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI), from scikit-learn; "
            "8 × 8 pixels, enlarged",
            file="sklearn/datasets/data/digits.csv.gz",
            subject="digits",
            row=15 if digit == 5 else digit,
        )
        for digit in range(10)
    ),
    # Made from seeds, of photos and digits that the small YOLO never saw while it was trained.
    *(
        Sample(
            slug=f"scene_{seed}",
            title=f"Scene {seed}",
            licence="Public domain, CC BY 2.0 and CC BY 4.0",
            source="made by this project from photos by NASA and vultilion and UCI's digits, from scikit-image and "
            "scikit-learn",
            file="sklearn/datasets/data/digits.csv.gz",
            subject="scenes",
            row=seed,
            also="skimage/data/astronaut.png",
        )
        for seed in range(1, 7)
    ),
    # What the small U-Net was never trained on. Brooklyn Museum states no restriction for the coins, nor does the CMMI
    # for the tissue.
    Sample(
        slug="coins",
        title="Coins from Pompeii",
        licence="No known copyright restrictions",
        source="Brooklyn Museum (brooklynmuseum.org/opencollection/archives/image/51611), from scikit-image",
        file="skimage/data/coins.png",
        subject="cells",
    ),
    Sample(
        slug="cell",
        title="A cell in saline",
        licence="CC0",
        source="Paul Müller et al., Optics Express 26(8), 2018 (doi:10.1364/OE.26.010729), from scikit-image",
        file="skimage/data/cell.png",
        subject="cells",
    ),
    Sample(
        slug="tissue",
        title="Stained tissue",
        licence="No known copyright restrictions",
        source="Center for Microscopy and Molecular Imaging, colonic glands, from scikit-image",
        file="skimage/data/ihc.png",
        subject="cells",
    ),
    Sample(
        slug="retina",
        title="A retina",
        licence="CC0",
        source="Mikael Häggström, WikiJournal of Medicine 1(2), 2014 (doi:10.15347/wjm/2014.008), from scikit-image",
        file="skimage/data/retina.jpg",
        subject="cells",
    ),
)
