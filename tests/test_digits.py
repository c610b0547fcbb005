"""How a digit is prepared, against MNIST's own rules, and what LeNet-5 makes of digits it was never trained on."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from explorer import catalogue, images, models, predict
from explorer.digits import DigitPreprocessing
from explorer.models import Model

RECIPE = DigitPreprocessing()


@pytest.fixture(scope="module")
def lenet() -> Model:
    return models.load("lenet5", device="cpu")


def seven(size: tuple[int, int] = (300, 200), at: tuple[int, int] = (60, 40)) -> Image.Image:
    """Dark ink on light paper, anywhere on a sheet."""
    sheet = Image.new("L", size, 240)
    pen = ImageDraw.Draw(sheet)
    x, y = at
    pen.line([(x, y), (x + 60, y), (x + 25, y + 100)], fill=30, width=9, joint="curve")
    return sheet


def view(image: Image.Image) -> np.ndarray:
    return np.asarray(RECIPE.view(image))[..., 0].astype(float)


def test_the_longer_side_is_20_and_the_mean_index_of_the_ink_is_14_of_28():
    field = view(seven())[2:30, 2:30]
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    assert rows[-1] - rows[0] + 1 == 20
    assert 10 < columns[-1] - columns[0] + 1 < 16  # the proportions stay
    for axis in (0, 1):
        weights = field.sum(axis=1 - axis)
        assert (weights * np.arange(28)).sum() / weights.sum() == pytest.approx(14, abs=0.5)
    assert field.max() == 255
    assert (view(seven())[:2] == 0).all()  # the margin that makes 28 to 32


def test_neither_place_nor_colours_of_ink_and_paper_matter():
    expected = view(seven())
    assert (view(seven((400, 400), (250, 220))) == expected).all()
    assert np.abs(view(ImageOps.invert(seven())) - expected).max() <= 2  # 8 bits round differently
    assert np.abs(view(seven().point(lambda value: value // 2 + 60)) - expected).max() <= 4
    tinted = ImageOps.colorize(seven(), "darkblue", "lightyellow")
    assert np.abs(view(tinted) - expected).max() <= 12  # grey is a mixture of three rounded numbers


def test_a_digit_as_mnist_has_it_comes_out_as_it_went_in():
    once = RECIPE.view(seven())
    again = RECIPE.view(once.crop((2, 2, 30, 30)))
    assert np.abs(np.asarray(again).astype(int) - np.asarray(once).astype(int)).max() <= 1


def test_grain_of_the_paper_is_no_ink():
    random = np.random.default_rng(0)
    grain = random.normal(0, 6, (200, 300))
    noisy = Image.fromarray((np.asarray(seven(), float) + grain).clip(0, 255).astype(np.uint8))
    strokes = np.asarray(RECIPE.view(seven()).filter(ImageFilter.MaxFilter(3)))[..., 0] > 0
    assert (view(noisy)[~strokes] == 0).all()
    assert view(noisy)[strokes].mean() > 0.8 * view(seven())[strokes].mean()


@pytest.mark.parametrize("colour", ["white", "black", "grey"])
def test_an_empty_sheet_is_black_and_does_not_fail(colour, lenet):
    sheet = Image.new("RGB", (50, 30), colour)
    assert not view(sheet).any()
    assert RECIPE.seen(sheet) == (0, 0, 50, 30)
    assert np.isfinite(predict.logits(lenet, sheet)).all()


def test_the_seen_square_holds_the_digit_in_its_middle():
    left, top, right, bottom = RECIPE.seen(seven())
    assert right - left == pytest.approx(bottom - top)
    assert left < 56
    assert right > 124
    assert top < 36
    assert bottom > 144


def test_a_large_photo_is_made_small_first_and_the_square_is_still_where_it_was():
    large = seven().resize((2048, 1365), Image.Resampling.BICUBIC)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]  # rounding may move a digit by a pixel
    moved = [np.roll(view(large), shift, (0, 1)).ravel() for shift in shifts]
    assert max(np.corrcoef(each, view(seven()).ravel())[0, 1] for each in moved) > 0.95
    assert RECIPE.seen(large) == pytest.approx([2048 / 300 * side for side in RECIPE.seen(seven())], abs=20)


def test_the_input_is_normalised_by_mnists_mean_and_deviation():
    values = RECIPE.tensor(seven())
    assert values.shape == (1, 1, 32, 32)
    assert values.min().item() == pytest.approx((0 - 0.1307) / 0.3081, abs=1e-6)
    assert values.max().item() == pytest.approx((1 - 0.1307) / 0.3081, abs=1e-6)


def as_sheets(table: np.ndarray) -> list[Image.Image]:
    """scikit-learn's digits, 0 to 16, as ink on paper with a margin."""
    small = (255 - table * (255 / 16)).astype(np.uint8)
    return [ImageOps.expand(Image.fromarray(digit).resize((64, 64), 3), 16, 255) for digit in small]


def test_lenet5_reads_94_of_100_digits_of_other_writers(lenet):
    digits = sklearn.datasets.load_digits()
    inputs = [RECIPE.normalise(np.asarray(RECIPE.view(sheet))) for sheet in as_sheets(digits.images)]
    import torch

    with torch.inference_mode():
        answers = lenet.module(torch.cat(inputs)).argmax(1).numpy()
    assert (answers == digits.target).mean() > 0.93  # measured: 0.94


def test_bundled_digits_are_read(lenet):
    for slug, sample in images.samples().items():
        if sample.subject == "digits":
            assert predict.top_k(lenet, sample.open(), 1)[0].label == slug[-1]


def test_a_stroke_as_thick_as_the_browsers_pen_is_read(lenet):
    sheet = seven((280, 280), (90, 70)).filter(ImageFilter.GaussianBlur(1))
    assert predict.top_k(lenet, sheet, 1)[0].label == "7"


def test_the_weights_are_small_and_the_ones_of_the_card(lenet):
    from explorer import weight_files

    bundled = catalogue.get("lenet5").bundled
    assert bundled is not None
    path = weight_files.bundled_path(bundled)
    assert path is not None
    assert path.stat().st_size < 300_000
    assert weight_files.sha256(path) == bundled.sha256
    assert lenet.weights.source == "bundled"
    assert path.with_suffix(".md").is_file()
    assert lenet.classes == tuple("0123456789")
