"""Pictures open with the pixels that their files say, upright, in the right colours and not too large."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFile

from explorer import images
from explorer.images import MAX_LENGTH, open_image
from tests.image_files import (
    BLACK,
    BLUE,
    FLOAT_TAG,
    GOOD,
    MID,
    RED,
    STORED,
    WHITE,
    exif,
    flat,
    linear_gray_profile,
    noise,
    png,
    red_ink_profile,
    saved,
    swapped_profile,
    tiff,
    turned,
    upright_blocks,
)


@pytest.mark.parametrize("name", GOOD)
def test_pixels_are_what_the_file_says(name):
    data, expected, off = GOOD[name]
    image = open_image(data)
    assert type(image) is Image.Image
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image).astype(int), np.array(expected), rtol=0, atol=off)


def test_16_bit_gradient_is_the_8_bit_gradient():
    wide = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for data in (
        png(256, 256, 16, 0, [row.tobytes() for row in wide.astype(">u2")]),
        tiff(256, 256, wide.tobytes(), bits=(16,)),
    ):
        levels = np.asarray(open_image(data))[..., 0]
        np.testing.assert_allclose(levels, wide / 257, rtol=0, atol=0.5)


def test_values_are_scaled_alike_in_every_strip():
    """A float picture of more pixels than are scaled at a time."""
    values = np.linspace(-5, 5, 2048 * 1200, dtype=np.float32).reshape(1200, 2048)
    image = open_image(tiff(2048, 1200, values.tobytes(), bits=(32,), tags=[FLOAT_TAG], deflate=True))
    np.testing.assert_allclose(np.asarray(image)[..., 1], (values + 5) * 25.5, rtol=0, atol=0.51)


# Orientation


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["jpeg", "png", "png, exif last", "webp", "tiff", "tiff deflated", "jpeg xmp"])
def test_picture_comes_upright_without_metadata(form, orientation):
    image = open_image(turned(form, orientation))
    np.testing.assert_allclose(np.asarray(image).astype(int), upright_blocks(), rtol=0, atol=6)
    assert image.info == {}
    assert len(image.getexif()) == 0


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"Exif\0\0", id="empty"),
        pytest.param(b"Exif\0\0nonsense", id="nonsense"),
        pytest.param(exif(6)[:20], id="cut short"),
        pytest.param(exif(9), id="orientation 9"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\xff\xff\xff\xff\0\0\0\0", id="four billion orientations"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\5\0\1\0\0\0\xff\xff\0\0", id="orientation beyond the end"),
        pytest.param(b"Exif\0\0II*\0\xff\xff\xff\xff", id="directory beyond the end"),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_broken_exif_counts_as_upright(form, block):
    assert open_image(saved(Image.fromarray(upright_blocks()), form, exif=block)).size == (48, 32)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_absurdly_long_exif_counts_as_upright(form):
    data = saved(Image.fromarray(upright_blocks()), form, exif=exif(6) + bytes(2**18))
    assert open_image(data).size == (48, 32)


def test_exif_directories_of_a_tiff_are_not_read(monkeypatch):
    """Pillow would make an object of every number in them while it loads the pixels."""
    monkeypatch.setattr(Image.Exif, "get_ifd", lambda *_: pytest.fail("an EXIF directory was read"))
    assert open_image(tiff(1, 1, b"\x40", tags=[(34665, 4, [9]), (34853, 4, [9])])).getpixel((0, 0)) == (64, 64, 64)


# Colour profiles


@pytest.mark.parametrize(
    ("data", "expected", "off"),
    [
        pytest.param(flat("RGB", RED, "PNG", icc_profile=swapped_profile()), (0, 255, 0), 1, id="png rgb"),
        pytest.param(
            flat("RGB", RED, "JPEG", quality=100, icc_profile=swapped_profile()), (0, 255, 0), 3, id="jpeg rgb"
        ),
        pytest.param(
            flat("RGB", RED, "WEBP", lossless=True, icc_profile=swapped_profile()), (0, 255, 0), 1, id="webp rgb"
        ),
        pytest.param(flat("RGB", RED, "TIFF", icc_profile=swapped_profile()), (0, 255, 0), 1, id="tiff rgb"),
        pytest.param(flat("RGBA", (*RED, 64), "PNG", icc_profile=swapped_profile()), (191, 255, 191), 1, id="png rgba"),
        pytest.param(flat("P", 0, "PNG", icc_profile=swapped_profile()), BLACK, 0, id="png palette"),
        pytest.param(flat("L", 128, "PNG", icc_profile=linear_gray_profile()), (188, 188, 188), 1, id="png gray"),
        pytest.param(
            flat("LA", (128, 255), "PNG", icc_profile=linear_gray_profile()), (188, 188, 188), 1, id="png gray alpha"
        ),
        pytest.param(flat("CMYK", (255, 0, 0, 0), "JPEG", icc_profile=red_ink_profile()), RED, 4, id="jpeg cmyk"),
        pytest.param(flat("RGB", (1, 130, 254), "PNG", icc_profile=b"nonsense" * 40), (1, 130, 254), 0, id="nonsense"),
        pytest.param(
            flat("RGB", (1, 130, 254), "PNG", icc_profile=swapped_profile()[:300]), (1, 130, 254), 0, id="cut short"
        ),
        pytest.param(
            flat("RGB", (1, 130, 254), "PNG", icc_profile=linear_gray_profile()), (1, 130, 254), 0, id="gray profile"
        ),
        pytest.param(flat("L", 128, "PNG", icc_profile=swapped_profile()), MID, 0, id="rgb profile for gray"),
    ],
)
def test_profile_is_applied_when_it_fits_and_ignored_when_not(data, expected, off):
    image = open_image(data)
    np.testing.assert_allclose(np.asarray(image)[8, 8].astype(int), expected, rtol=0, atol=off)
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("slug", ["chelsea", "china"])
def test_srgb_profile_changes_nothing(slug):
    with Image.open(images.samples()[slug].path) as sample:
        profile = sample.info["icc_profile"]
    pixels = noise(256, 256)
    data = saved(Image.fromarray(pixels), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(open_image(data)), pixels)


# Size


@pytest.mark.parametrize(
    ("size", "shrunk"),
    [
        ((2048, 2048), (2048, 2048)),
        ((2049, 2), (2048, 2)),
        ((4096, 2048), (2048, 1024)),
        ((1, 20_000), (1, 2048)),
        ((20_000, 1), (2048, 1)),
        ((MAX_LENGTH, 3), (2048, 1)),
        ((3000, 4000), (1536, 2048)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "I;16", "CMYK"])
def test_longest_side_is_at_most_2048(size, shrunk, mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    options = {"compression": "tiff_adobe_deflate"} if mode == "CMYK" else {"compress_level": 1}
    image = open_image(saved(Image.new(mode, size, 0), form, **options))
    assert image.size == shrunk
    assert image.getextrema() == {"RGBA": ((255, 255),) * 3, "CMYK": ((255, 255),) * 3}.get(mode, ((0, 0),) * 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_large_gradient_keeps_its_levels(form):
    """For JPEG this goes through the decoder's own halving, for the others through the filter."""
    across = np.linspace(0, 255, 4200).round().astype(np.uint8)
    pixels = np.broadcast_to(across[None, :, None], (600, 4200, 3))
    options = {"lossless": True, "quality": 0, "method": 0} if form == "WEBP" else {"quality": 95}
    image = open_image(saved(Image.fromarray(np.ascontiguousarray(pixels)), form, **options))
    assert image.size == (2048, 293)
    expected = (np.arange(2048) + 0.5) / 2048 * 255
    np.testing.assert_allclose(np.asarray(image)[100, :, 1], expected, rtol=0, atol=2)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_fine_stripes_become_gray(form):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 2048))
    seen = np.asarray(open_image(saved(Image.fromarray(stripes), form)))[:, 4:-4]
    np.testing.assert_allclose(seen.astype(int), 127.5, rtol=0, atol=1)


def test_large_jpeg_is_decoded_small(monkeypatch):
    decoded = []
    load = ImageFile.ImageFile.load

    def watched(self):
        decoded.append(self.size)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    assert open_image(saved(Image.new("RGB", (6000, 4500)), "JPEG")).size == (2048, 1536)
    assert decoded[0] == (3000, 2250)


def test_hidden_colours_do_not_bleed_through_the_filter():
    """Left half opaque blue, right half transparent with red beneath: on white no mixture has more red than green."""
    pixels = np.zeros((64, 4098, 4), np.uint8)
    pixels[:, :2047] = (*BLUE, 255)
    pixels[:, 2047:] = (*RED, 0)
    seen = np.asarray(open_image(saved(Image.fromarray(pixels), "PNG"))).astype(int)
    assert seen.shape == (32, 2048, 3)
    assert np.abs(seen[..., 0] - seen[..., 1]).max() <= 1
    assert seen[..., 2].min() >= 254
    np.testing.assert_array_equal(seen[0, [0, -1]], [BLUE, WHITE])
