"""The bundled pictures, and small things about pictures."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.datasets
from PIL import Image

from explorer import images
from tests.image_files import Pixels, noise

# Samples and small things

SIZES = {
    "chelsea": (451, 300),
    "coffee": (600, 400),
    "rocket": (640, 427),
    "motorcycle": (741, 500),
    "camera": (512, 512),
    "astronaut": (512, 512),
    "china": (640, 427),
    "flower": (640, 427),
}

DIGITS = [f"digit_{digit}" for digit in range(10)]
SCENES = [f"scene_{seed}" for seed in range(1, 7)]
CELLS = {"coins": (384, 303), "cell": (550, 660), "tissue": (512, 512), "retina": (1411, 1411)}


def test_samples_come_in_order():
    assert list(images.samples()) == [*SIZES, *DIGITS, *SCENES, *CELLS]


@pytest.mark.parametrize("slug", [f"digit_{digit}" for digit in range(10)])
def test_a_digit_is_a_row_of_scikit_learns_table(slug):
    """As dark ink with a margin; where the table's 8 x 8 cells have their middles, the picture has their values."""
    sample, digits = images.samples()[slug], sklearn.datasets.load_digits()
    assert digits.target[sample.row] == int(slug[-1])
    assert sample.subject == "digits"
    assert sample.licence == "CC BY 4.0"
    pixels = np.asarray(sample.open().convert("L"), dtype=float)
    assert pixels.shape == (192, 192)
    assert (pixels[:32] == 255).all()  # white paper
    blocks = (255 - pixels[32:160, 32:160]).reshape(8, 16, 8, 16).mean(axis=(1, 3)) * 16 / 255
    assert np.corrcoef(blocks.ravel(), digits.images[sample.row].ravel())[0, 1] > 0.97


@pytest.mark.parametrize("slug", [*SIZES, *CELLS])
def test_sample_opens_with_its_credit(slug):
    sample = images.samples()[slug]
    assert sample.slug == slug
    assert sample.licence
    assert sample.source
    assert 3 <= len(sample.title) <= 20
    image = sample.open()
    assert (image.size, image.mode) == ((SIZES | CELLS)[slug], "RGB")
    with Image.open(sample.path) as file:
        truth = np.asarray(file.convert("RGB"))
    if slug == "rocket":  # the only one that is not in sRGB
        truth = from_adobe_rgb(truth)
    np.testing.assert_allclose(np.asarray(image).astype(int), truth, rtol=0, atol=2 if slug == "rocket" else 0)


def from_adobe_rgb(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return Adobe RGB (1998) as sRGB, after the formulas of the two standards."""
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    from_xyz = [[3.24097, -1.53738, -0.49861], [-0.96924, 1.87597, 0.04156], [0.05563, -0.20398, 1.05697]]
    linear = (pixels / 255) ** 2.19921875 @ np.transpose(to_xyz) @ np.transpose(from_xyz)
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ({"sklearn"}, ["chelsea", "coffee", "rocket", "motorcycle", "camera", "astronaut", *CELLS]),
        ({"skimage"}, ["china", "flower", *DIGITS]),
        ({"skimage", "sklearn"}, []),
    ],
)
def test_a_missing_package_leaves_its_photos_out(monkeypatch, missing, left):
    find = images.samples.__globals__["importlib"].util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else find(name))
    assert list(images.samples()) == left


def test_nothing_heavy_is_imported():
    code = (
        "import sys, explorer.images as i; [s.open() for s in i.samples().values()]; "
        "print([m for m in ('torch', 'streamlit', 'skimage', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_digest_is_sha256():
    assert images.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_encoded_png_is_the_same_picture(mode):
    image = Image.fromarray(noise(30, 20, 4)).convert(mode)
    again = Image.open(io.BytesIO(images.encode_png(image)))
    assert again.format == "PNG"
    np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
