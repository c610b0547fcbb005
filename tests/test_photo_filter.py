"""Kernels and pooling on a photo, against SciPy, scikit-image, the networks themselves and windows added up by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage import filters, measure
from torch import nn

from explorer import activations, catalogue, first_kernels, models, photo_filter, photo_pooling
from explorer.arithmetic import IllegalSetting
from explorer.arithmetic.pooling import adaptive_pool
from explorer.photo_filter import Filtered, Span, apply
from explorer.preprocessing import Preprocessing
from tests.conftest import wrapped

SCIPY = {"replicate": "nearest", "zeros": "constant", "reflect": "mirror", "circular": "wrap"}


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    """A picture in which no two places are alike."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def folded(at: int, count: int, mode: str) -> int | None:
    """The cell that stands at ``at``, which may lie beyond the border; None for a zero."""
    if 0 <= at < count:
        return at
    if mode == "replicate":
        return min(max(at, 0), count - 1)
    if mode == "circular":
        return at % count
    if mode == "reflect":
        return -at if at < 0 else 2 * (count - 1) - at
    return None


def window(values: np.ndarray, rows: Span, columns: Span, at: tuple[int, int], mode: str) -> np.ndarray:
    """The cells (P, kh, kw) that an output reads, as the page's component finds them."""
    reach = [
        [folded(int(cell), count, mode) for cell in range(axis.first[n], axis.last[n] + 1, axis.step)]
        for axis, n, count in zip((rows, columns), at, values.shape[1:], strict=True)
    ]
    cells = [[0 * values[:, 0, 0] if None in (r, c) else values[:, r, c] for c in reach[1]] for r in reach[0]]
    return np.moveaxis(np.array(cells), 2, 0)


@pytest.mark.parametrize("mode", SCIPY)
def test_equals_scipy_for_every_border_size_and_stride(mode):
    rng = np.random.default_rng(1)
    for seed, (size, stride) in enumerate([(1, 1), (3, 1), (5, 1), (7, 1), (3, 2), (7, 3), (5, 4)]):
        photo, kernel = noise(23, 17, seed), rng.normal(size=(size, size))
        result = apply(photo, kernel, colour="each", stride=stride, padding_mode=mode)
        for plane in range(3):
            truth = ndimage.correlate(np.asarray(photo, float)[..., plane], kernel, mode=SCIPY[mode])
            np.testing.assert_allclose(result.output[plane], truth[::stride, ::stride], atol=2e-3)


def test_equals_scikit_image_on_a_real_photo(photos):
    gray = np.asarray(photos["chelsea"].convert("L"), float)
    sobel = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    np.testing.assert_allclose(
        apply(photos["chelsea"], photo_filter.turned(sobel)).output[0] / 4, filters.sobel_h(gray), atol=1e-4
    )
    np.testing.assert_allclose(apply(photos["chelsea"], sobel.T).output[0] / 4, -filters.sobel_v(gray), atol=1e-4)
    mean = photo_filter.normalised(np.ones((5, 5)))
    truth = ndimage.uniform_filter(gray, 5, mode="nearest")
    np.testing.assert_allclose(apply(photos["chelsea"], mean).output[0], truth, atol=1e-3)


def test_one_bright_pixel_answers_with_the_kernel_turned():
    photo = Image.fromarray((np.indices((5, 5)).sum(axis=0) == -1).astype(np.uint8))
    photo.putpixel((2, 2), 10)
    kernel = np.arange(9.0).reshape(3, 3)
    answer = apply(photo, kernel).output[0]
    assert answer[1:4, 1:4].tolist() == [[80, 70, 60], [50, 40, 30], [20, 10, 0]]
    assert apply(photo, photo_filter.turned(kernel)).output[0, 1:4, 1:4].tolist() == (10 * kernel).tolist()


def test_the_guides_edge_kernel_by_hand():
    photo = Image.fromarray(np.array([[10, 10, 10], [10, 30, 10], [10, 10, 50]], np.uint8))
    kernel = -np.ones((3, 3))
    kernel[1, 1] = 8
    assert apply(photo, kernel, padding_mode="zeros").output[0].tolist() == [
        [8 * 10 - 50, 8 * 10 - 70, 8 * 10 - 50],
        [8 * 10 - 70, 8 * 30 - 120, 8 * 10 - 110],
        [8 * 10 - 50, 8 * 10 - 110, 8 * 50 - 50],
    ]


@pytest.mark.parametrize("mode", SCIPY)
def test_every_output_is_the_sum_over_the_window_that_is_shown(mode):
    for size, stride in [(3, 1), (4, 3), (7, 2)]:
        kernel = np.random.default_rng(size).normal(size=(3, size, size))
        result = apply(noise(9, 12), kernel, colour="each", stride=stride, padding_mode=mode)
        for row in range(result.output.shape[1]):
            for column in range(result.output.shape[2]):
                cells = window(result.values, result.rows, result.columns, (row, column), mode)
                truth = (cells * result.kernel).sum(axis=(1, 2))
                np.testing.assert_allclose(result.output[:, row, column], truth, atol=2e-3)


def test_a_large_photo_is_shrunk_and_a_small_one_left_alone(photos):
    small, large = noise(30, 40), photos["chelsea"].resize((1400, 700))
    assert np.array_equal(photo_filter.planes(small, "each"), np.moveaxis(np.asarray(small), 2, 0))
    assert np.array_equal(photo_filter.planes(small, "gray")[0], np.asarray(small.convert("L")))
    assert photo_filter.planes(large, "gray").shape == (1, 256, 512)
    assert photo_filter.planes(noise(1, 2000), "each").shape == (3, 1, 512)


def test_shades_have_zero_in_the_middle_and_say_where_they_end():
    values = np.linspace(-50, 300, 1001, dtype=np.float32)[None, None]
    signed = photo_filter.levels(values, "signed")
    assert signed.low == -signed.high
    assert signed.levels[values < -0.5 * signed.high / 127.5].max() < 127.5 < signed.levels[values > 1.5].min()
    assert (values >= signed.high).mean() == pytest.approx(0.005, abs=0.002)
    assert set(signed.levels[values >= signed.high]) == {255}
    picture = photo_filter.levels(values, "picture")
    assert np.array_equal(picture.levels, np.clip(np.rint(values), 0, 255).astype(np.uint8))
    size = photo_filter.levels(values, "absolute").levels
    assert size[0, 0, 0] == pytest.approx(255 * 50 / signed.high, abs=1)
    assert photo_filter.levels(np.zeros((1, 2, 2), np.float32), "signed").high == 1


def test_pictures_of_the_result():
    photo = noise(8, 9)
    same = apply(photo, np.ones((1, 1)), colour="each").picture("picture")
    assert np.array_equal(np.asarray(same), np.asarray(photo))
    signed = apply(photo, -np.ones((1, 1))).picture("signed")
    red, _, blue = np.moveaxis(np.asarray(signed, int), 2, 0)
    assert signed.size == (9, 8)
    assert (blue >= red).all()


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"kernel": np.ones((2, 3, 3))}, "height × width"),
        ({"kernel": [[np.nan]]}, "not finite"),
        ({"kernel": np.ones((3, 3)), "stride": 0}, "at least 1"),
        ({"kernel": np.ones((3, 3)), "padding_mode": "mirror"}, "replicate"),
        ({"kernel": np.ones((7, 7)), "padding_mode": "reflect"}, "choose replicate"),
        ({"kernel": np.ones((9, 9)), "padding_mode": "circular"}, "choose replicate"),
    ],
)
def test_what_pytorch_would_refuse_is_one_sentence(settings, remedy):
    with pytest.raises(IllegalSetting, match=remedy):
        apply(noise(3, 40), **settings)


def test_dividing_by_the_sum_keeps_an_even_area():
    flat = Image.new("RGB", (6, 5), (40, 80, 120))
    kernel = photo_filter.normalised(np.arange(1.0, 10).reshape(3, 3))
    np.testing.assert_allclose(apply(flat, kernel, colour="each").output[:, 2, 2], [40, 80, 120], atol=1e-4)
    with pytest.raises(IllegalSetting, match="add up to 0"):
        photo_filter.normalised(np.array([[0.1, 0.2, -0.3]]))


def holds(model, photo, channels):
    """A borrowed kernel's map is the layer's own, the dense one holds it, and windows add up to it."""
    found = first_kernels.first_kernels(model)
    truth = activations.feature_maps(model, photo, [found.layer])[found.layer].values
    assert len(truth) == len(found.weights) == len(found.levels)
    for channel in channels:
        own = first_kernels.borrowed(model, photo, channel)
        assert np.array_equal(own.output[0], truth[channel])
        dense = first_kernels.borrowed(model, photo, channel, stride=1).output[0]
        part = dense[:: found.stride[0], :: found.stride[1]][: truth.shape[1], : truth.shape[2]]
        np.testing.assert_allclose(part, truth[channel], atol=2e-4)
        added_up(own, found.weights[channel], float(found.bias[channel]))


def added_up(own: Filtered, weights: np.ndarray, bias: float) -> None:
    last = np.array(own.output.shape[1:]) - 1
    for at in ((0, 0), tuple(last), tuple(last // 2), (0, int(last[1]))):
        cells = window(own.values, own.rows, own.columns, at, "zeros")
        truth = (cells.astype(float) * weights).sum() + bias
        np.testing.assert_allclose(own.output[(0, *at)], truth, rtol=1e-3, atol=2e-4)


def test_a_borrowed_kernel_answers_as_the_network_does(photos, lite0, resnet18):
    holds(lite0, photos["chelsea"], (1, 31))
    holds(resnet18, photos["coffee"], (0, 63))
    holds(models.load("lenet5", device="cpu"), photos["digit_3"], (5,))


@pytest.mark.parametrize("slug", ["alexnet", "vit_b_32"])
def test_a_borrowed_kernel_of_a_network_of_another_kind(slug, photos):
    card = catalogue.get(slug)
    with torch.device("meta"):
        module = card.build()
    module.to_empty(device="cpu")  # only the first layer runs, so only it needs numbers
    next(each for each in module.modules() if isinstance(each, nn.Conv2d)).reset_parameters()
    holds(wrapped(module, card, card.preprocessing, 1000), photos["astronaut"], (2,))


class Doubling(nn.Module):
    """Changes its input before the first convolution, as torchvision's GoogLeNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, (3, 5), stride=2, padding=(1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(2 * x + 1).mean(dim=(2, 3))


def toy(module: nn.Module):
    """A small module as a model that sees 32 x 32 pixels."""
    return wrapped(module, catalogue.get("resnet18"), Preprocessing(resize=36, crop=32), classes=2)


def test_what_a_network_does_before_its_first_layer_counts(photos):
    torch.manual_seed(0)
    holds(toy(Doubling()), photos["chelsea"], (0, 1))


def test_a_network_without_kernels_says_so(photos):
    model = toy(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)))
    with pytest.raises(first_kernels.NoKernels, match="no kernels to lend"):
        first_kernels.borrowed(model, photos["chelsea"], 0)
    with pytest.raises(IllegalSetting, match="choose 0 to 1"):
        first_kernels.borrowed(toy(Doubling()), photos["chelsea"], 2)


def test_kernels_are_drawn_about_gray_and_the_network_is_left_as_found(photos):
    model = toy(Doubling())
    with torch.no_grad():
        model.module.conv.weight.zero_()
        model.module.conv.weight[0, 0, 0, 0], model.module.conv.weight[0, 1, 0, 0] = -2.0, 1.0
    levels = first_kernels.first_kernels(model).levels
    assert levels[0, 0, 0, 0] == 0
    assert levels[0, 1, 0, 0] == 191
    assert set(levels[1].ravel()) == {128}
    first_kernels.borrowed(model, photos["chelsea"], 1)
    assert not model.module.conv._forward_hooks
    assert first_kernels.strongest_kernel(model, photos["chelsea"]) == 0


POOLINGS = [
    ("max", {"kernel": (2, 2)}),
    ("max", {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1), "ceil_mode": True}),
    ("max", {"kernel": (3, 2), "stride": (2, 3), "dilation": 2}),
    ("average", {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}),
    ("average", {"kernel": (4, 3), "stride": (3, 2), "padding": (2, 1), "ceil_mode": True}),
    ("adaptive max", {"size": (4, 7)}),
    ("adaptive average", {"size": (5, 3)}),
]


@pytest.mark.parametrize(("kind", "settings"), POOLINGS)
@pytest.mark.parametrize("times", [1, 2])
def test_every_pooled_pixel_is_what_its_window_says(kind, settings, times):
    times = 1 if kind.startswith("adaptive") else times
    result = photo_pooling.pool(noise(31, 26), kind, colour="each", times=times, **settings)
    before, after = result.stages[-2:]
    assert np.array_equal(result.stages[0], result.pixels)
    for row in range(after.shape[1]):
        for column in range(after.shape[2]):
            cells = window(before, result.rows, result.columns, (row, column), "zeros")
            if "max" in kind:  # all numbers are positive, so that the zeros of the padding never win
                assert np.array_equal(after[:, row, column], cells.max(axis=(1, 2)))
            else:
                np.testing.assert_allclose(after[:, row, column], cells.mean(axis=(1, 2)), rtol=1e-5)
    if result.winners is not None:
        flat = result.pixels.reshape(3, -1)
        won = np.take_along_axis(flat, result.winners.reshape(3, -1), axis=1).reshape(after.shape)
        assert np.array_equal(won, after)


def test_pooling_equals_scikit_image_and_our_own_arithmetic():
    photo = noise(24, 36)
    gray = np.asarray(photo.convert("L"), float)
    for kind, function in (("max", np.max), ("average", np.mean)):
        ours = photo_pooling.pool(photo, kind, (4, 6)).output[0]
        np.testing.assert_allclose(ours, measure.block_reduce(gray, (4, 6), function), rtol=1e-6)
    mine = photo_pooling.pool(photo, "adaptive average", size=(5, 7))
    theirs = adaptive_pool(gray, "average", (5, 7))
    np.testing.assert_allclose(mine.output[0], theirs.output, rtol=1e-5)
    assert list(zip(mine.rows.first, mine.rows.last, strict=True)) == list(theirs.row_bins)


def test_pooling_again_and_again_knows_the_part_of_the_photo_behind_it():
    result = photo_pooling.pool(noise(48, 64), "max", times=4)
    assert [stage.shape[1:] for stage in result.stages] == [(48, 64), (24, 32), (12, 16), (6, 8), (3, 4)]
    rows, columns = result.seen_rows, result.seen_columns
    assert (rows.first[1], rows.last[1], columns.first[3], columns.last[3]) == (16, 31, 48, 63)
    part = result.pixels[0, 16:32, 48:64]
    assert result.output[0, 1, 3] == part.max()
    assert divmod(int(result.winners[0, 1, 3]), 64) == tuple(
        np.array([16, 48]) + np.unravel_index(part.argmax(), part.shape)
    )


@pytest.mark.parametrize(("kind", "settings"), POOLINGS[:5])
def test_only_the_part_behind_an_output_changes_it(kind, settings):
    photo = noise(25, 30)
    plain = photo_pooling.pool(photo, kind, times=2, **settings)
    for row, column in ((0, 0), (1, 2), tuple(np.array(plain.output.shape[1:]) - 1)):
        inside = np.zeros((25, 30), bool)
        rows, columns = plain.seen_rows, plain.seen_columns
        inside[rows.first[row] : rows.last[row] + 1, columns.first[column] : columns.last[column] + 1] = True
        changed = np.where(inside[..., None], np.asarray(photo), 255 - np.asarray(photo))
        other = photo_pooling.pool(Image.fromarray(changed.astype(np.uint8)), kind, times=2, **settings)
        assert other.output[0, row, column] == plain.output[0, row, column]
        corners = np.zeros((25, 30), bool)
        corners[rows.first[row], columns.first[column]] = corners[rows.last[row], columns.last[column]] = True
        bright = np.where(corners[..., None], 255, np.minimum(np.asarray(photo), 200)).astype(np.uint8)
        dark = np.minimum(np.asarray(photo), 200).astype(np.uint8)
        first, second = (
            photo_pooling.pool(Image.fromarray(each), kind, times=2, **settings) for each in (bright, dark)
        )
        assert first.output[0, row, column] > second.output[0, row, column]


def test_pooling_stops_where_nothing_is_left_and_refuses_what_pytorch_refuses():
    result = photo_pooling.pool(noise(20, 20), "average", (3, 3), times=6)
    assert [stage.shape[1] for stage in result.stages] == [20, 6, 2]
    assert "2 × 2 pixels that are left" in result.stopped
    with pytest.raises(IllegalSetting, match="at most 1"):
        photo_pooling.pool(noise(9, 9), "max", (3, 3), padding=(2, 2))
    with pytest.raises(IllegalSetting, match="window of 9 × 9 does not fit"):
        photo_pooling.pool(noise(8, 8), "max", (5, 5), dilation=2)
    with pytest.raises(IllegalSetting, match="no pooling"):
        photo_pooling.pool(noise(8, 8), "median")
