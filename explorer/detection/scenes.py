"""Scenes from a seed: digits and shapes over a photo, some of them partly covered, with the truth about each.

Everything comes from packages that the app needs anyway: photos that scikit-image and scikit-learn carry (CC0, public
domain, CC BY 2.0), digits of UCI's table in scikit-learn (CC BY 4.0), shapes drawn here. What the network was trained
on and what it is measured on share neither photos nor digits.
"""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from explorer import images
from explorer.errors import ExplorerError
from explorer.images import Sample

SIDE = 160
"""Of a scene, pixels."""
CLASSES = ("digit 1", "digit 2", "digit 3", "digit 4", "digit 5", "circle", "triangle", "square", "star")
"""Names by label."""
SMALLEST, LARGEST = 24.0, 72.0
"""Longer side of a thing, pixels: a scale of 1 to 3."""
MOST_COVERED = 0.3
"""Share of a thing that others may hide."""
MOST_THINGS = 6

_DIGITS = 5
# Whole photos and whole digits are held out; the test photos are one portrait and one of plants, unlike the others.
_PHOTOS = {False: ("chelsea", "coffee", "rocket", "camera", "china"), True: ("astronaut", "flower")}
# Textures that scikit-image carries; only varied training scenes have them.
_TEXTURES = {
    slug: Sample(slug, slug.capitalize(), licence, source, f"skimage/data/{file}")
    for slug, licence, source, file in (
        ("brick", "CC0", "CC0Textures, from scikit-image", "brick.png"),
        ("grass", "CC0", "linolafett (DeviantArt), from scikit-image", "grass.png"),
        ("gravel", "CC0", "CC0Textures, from scikit-image", "gravel.png"),
        ("galaxies", "Public domain", "NASA, Hubble eXtreme Deep Field, from scikit-image", "hubble_deep_field.jpg"),
        ("retina", "CC0", "Mikael Häggström (Wikimedia), from scikit-image", "retina.jpg"),
    )
}
_HELD_OUT_ROWS = 1347  # of 1,797: the last quarter of the table
_CONTRAST = 56  # of 255, between a thing and what lies behind it, in brightness
_FINE = 3  # shapes are drawn this many times larger, so that their edges come out smooth

_Floats = npt.NDArray[np.float32]


class NoScene(ExplorerError):
    """The photos or digits that scenes are made of are not installed."""


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Attributes:
        image: uint8 (160, 160, 3), RGB.
        boxes: float32 (N, 4), left, top, right, bottom in pixels, around all of a thing, covered parts too.
        labels: int64 (N,), indices of `CLASSES`.
        visible: float32 (N,), the share of each thing that nothing covers, at least 0.7.
        seed: it was made from.
        held_out: whether photo and digits are ones that training never shows.
        photo: slug of the photo in the background; of a varied scene one of those it may be made of.
    """

    image: npt.NDArray[np.uint8]
    boxes: _Floats
    labels: npt.NDArray[np.int64]
    visible: _Floats
    seed: int
    held_out: bool
    photo: str

    def open(self) -> Image.Image:
        """The picture."""
        return Image.fromarray(self.image)


def make(seed: int, held_out: bool = True, varied: bool = False) -> Scene:
    """The scene of a seed: the same one each time.

    Args:
        seed: 0 or more.
        held_out: from photos and digits that training never shows; False makes a training scene.
        varied: a training scene whose photos and digits are changed more than in others (mirrored, mixed, other
            colours, textures; sheared and squeezed, thinner and thicker strokes), since there are few of them.

    Raises:
        NoScene: a package with photos or digits is missing.
    """
    held_out = held_out and not varied
    random = np.random.default_rng([2 if varied else int(held_out), seed])
    photo = str(random.choice(_PHOTOS[held_out]))
    canvas = _varied(photo, random) if varied else _background(photo, random)
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    whole: list[float] = []
    shown: list[npt.NDArray[np.bool_]] = []  # of each thing, the pixels that nothing covers
    for _ in range(int(random.integers(1, MOST_THINGS + 1))):
        label = int(random.integers(len(CLASSES)))
        ink = _ink(label, random, held_out, varied)
        height, width = ink.shape
        for _attempt in range(12):
            left, top = int(random.integers(SIDE - width + 1)), int(random.integers(SIDE - height + 1))
            solid = np.zeros((SIDE, SIDE), bool)
            solid[top : top + height, left : left + width] = ink > 0.5
            left_over = [(mask & ~solid).sum() for mask in shown]
            if all(rest >= (1 - MOST_COVERED) * area for rest, area in zip(left_over, whole, strict=True)):
                break
        else:
            continue  # no place without covering too much of the others
        window = canvas[top : top + height, left : left + width]
        window += ink[..., None] * (_paint(window, random) - window)
        shown = [mask & ~solid for mask in shown] + [solid]
        whole.append(float(solid.sum()))
        boxes.append((left, top, left + width, top + height))
        labels.append(label)
    canvas += random.uniform(0, 5) * random.standard_normal(canvas.shape, np.float32)
    return Scene(
        np.clip(np.rint(canvas), 0, 255).astype(np.uint8),
        np.array(boxes, np.float32),
        np.array(labels, np.int64),
        np.array([mask.sum() / area for mask, area in zip(shown, whole, strict=True)], np.float32),
        seed,
        held_out,
        photo,
    )


def _background(slug: str, random: np.random.Generator) -> _Floats:
    """A part of a photo, a little brighter or darker than it is: (160, 160, 3), 0 to 255."""
    photo = _photo(slug)
    side = int(random.uniform(0.4, 1) * min(photo.size))
    left, top = int(random.integers(photo.width - side + 1)), int(random.integers(photo.height - side + 1))
    part = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (left, top, left + side, top + side), reducing_gap=2.0)
    values = np.asarray(part, np.float32)
    return 128 + (values - 128) * np.float32(random.uniform(0.6, 1.1)) + np.float32(random.uniform(-30, 30))


def _paint(window: _Floats, random: np.random.Generator) -> _Floats:
    """A colour that stands out from what it will cover, shaded from one side to the other: (h, w, 3)."""
    behind = float(window.mean())
    for _ in range(20):
        colour = random.uniform(0, 255, 3)
        if abs(float(colour.mean()) - behind) > _CONTRAST:
            break
    angle, depth = random.uniform(0, 2 * math.pi), random.uniform(0, 40)
    y, x = np.mgrid[-1 : 1 : window.shape[0] * 1j, -1 : 1 : window.shape[1] * 1j]
    shade = depth * (math.cos(angle) * x + math.sin(angle) * y) / math.sqrt(2)
    return (colour + shade[..., None]).astype(np.float32)


def _varied(slug: str, random: np.random.Generator) -> _Floats:
    """A part of a photo or texture, mirrored, its colours exchanged; half of them mixed with another one."""
    choices = (slug, *_PHOTOS[False], *_TEXTURES)
    canvas = _background(str(random.choice(choices)), random)[..., random.permutation(3)]
    if random.random() < 0.5:
        share = np.float32(random.uniform(0.2, 0.8))
        canvas = share * canvas + (1 - share) * _background(str(random.choice(choices)), random)
    canvas = canvas[:: random.choice((1, -1)), :: random.choice((1, -1))]
    stronger = (canvas - 128) * np.float32(random.uniform(0.8, 1.5)) + 128
    return stronger.astype(np.float32)


def _ink(label: int, random: np.random.Generator, held_out: bool, varied: bool) -> _Floats:
    """How much of each pixel a thing fills, 0 to 1, cut to its edges (rows and columns without any ink are gone)."""
    size = math.exp(random.uniform(math.log(SMALLEST), math.log(LARGEST)))
    large = _digit(label + 1, random, held_out, varied) if label < _DIGITS else _shape(CLASSES[label], random)
    scale = size / max(large.size)
    fitted = (max(2, round(large.width * scale)), max(2, round(large.height * scale)))
    small = np.asarray(large.resize(fitted, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))
    return small.astype(np.float32) / np.float32(255)


def _digit(digit: int, random: np.random.Generator, held_out: bool, varied: bool) -> Image.Image:
    """One of UCI's 8 x 8 digits, enlarged with smooth edges, turned by up to 15 degrees."""
    known = _digits()[digit]
    rows = [row for row in known if (row >= _HELD_OUT_ROWS) == held_out]
    values = known[int(random.choice(rows))]
    large = Image.fromarray(values).resize((80, 80), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))
    least = 0.36
    if varied:
        lean, wide, least = random.uniform(-0.25, 0.25), random.uniform(0.8, 1.25), random.uniform(0.26, 0.5)
        about = (1 / wide, lean, 40 * (1 - 1 / wide - lean), 0, 1, 0)  # around the middle of 80 x 80
        large = large.transform((80, 80), Image.Transform.AFFINE, about, Image.Resampling.BICUBIC)
    turned = large.rotate(random.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True)
    # The table tells how much of each of 64 squares is inked; where four tenths are, the stroke's edge may run.
    edge = np.clip((np.asarray(turned, np.float32) / 255 - least) / 0.12, 0, 1)
    return _cut(Image.fromarray((edge * 255).astype(np.uint8)))


def _shape(name: str, random: np.random.Generator) -> Image.Image:
    """A filled shape, turned and a little squeezed."""
    side = round(_FINE * LARGEST)
    turn, squeeze = random.uniform(-0.35, 0.35), random.uniform(0.75, 1.33)  # 20 degrees; 3 : 4 to 4 : 3
    if name == "circle":
        around, radii = np.arange(64) * (2 * math.pi / 64), np.ones(64)
    elif name == "triangle":
        around, radii = np.arange(3) * (2 * math.pi / 3) - math.pi / 2, np.ones(3)
    elif name == "square":
        around, radii = np.arange(4) * (math.pi / 2) - math.pi / 4, np.ones(4)
    else:  # a star's inner corners lie where its five lines cross: cos 72° / cos 36° of its radius
        around, radii = np.arange(10) * (math.pi / 5) - math.pi / 2, np.where(np.arange(10) % 2, 0.382, 1.0)
    x, y = radii * np.cos(around) * math.sqrt(squeeze), radii * np.sin(around) / math.sqrt(squeeze)
    corners = np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], 1)
    sheet = Image.new("L", (side, side))
    ImageDraw.Draw(sheet).polygon([tuple(map(float, corner)) for corner in (corners * 0.4 + 0.5) * side], fill=255)
    return _cut(sheet)


def _cut(sheet: Image.Image) -> Image.Image:
    return sheet.crop(sheet.getbbox())


@cache
def _photo(slug: str) -> Image.Image:
    found = _TEXTURES.get(slug) or images.samples().get(slug)
    if found is None:
        raise NoScene(f"The photo {slug} is missing; scenes need scikit-image and scikit-learn: install both.")
    return found.open()


@cache
def _digits() -> dict[int, dict[int, npt.NDArray[np.uint8]]]:
    """UCI's digits, uint8 (8, 8), by digit and row of the table."""
    table = images.samples().get("digit_0")
    if table is None:
        raise NoScene("The table of digits is missing; scenes need scikit-learn: install it.")
    with gzip.open(table.path, "rt") as lines:
        rows = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    found: dict[int, dict[int, npt.NDArray[np.uint8]]] = {digit: {} for digit in range(10)}
    for index, row in enumerate(rows):
        found[int(row[64])][index] = (row[:64].reshape(8, 8) * 255 // 16).astype(np.uint8)
    return found
