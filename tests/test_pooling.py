"""Pooling, cell by cell, against PyTorch's modules and windows by hand."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from torch import nn

from explorer.arithmetic.pooling import adaptive_pool, pool
from explorer.arithmetic.sizes import IllegalSetting


def random_grid(choose):
    """Small whole numbers of both signs, so that maxima are often shared."""
    shape = choose.randint(1, 3), choose.randint(1, 10), choose.randint(1, 10)
    return np.random.default_rng(choose.randrange(2**32)).integers(-4, 5, shape).astype(np.float64)


def random_pool(choose):
    """A grid, the kind, and settings of nn.MaxPool2d or nn.AvgPool2d; most are legal."""

    def two(low, high):
        return choose.choice([choose.randint(low, high), (choose.randint(low, high), choose.randint(low, high))])

    kind = choose.choice(["max", "average"])
    settings = {"kernel": two(1, 4), "stride": choose.choice([None, two(1, 4)]), "padding": two(0, 2)}
    settings["ceil_mode"] = choose.random() < 0.5
    if kind == "max":
        settings["dilation"] = two(1, 3)
    else:
        settings["count_include_pad"] = choose.random() < 0.5
    return random_grid(choose), kind, settings


def module_for(kind, kernel, return_indices=False, **settings):
    if kind == "max":
        return nn.MaxPool2d(kernel, return_indices=return_indices, **settings)
    return nn.AvgPool2d(kernel, **settings)


def tensor(array):
    return torch.tensor(array)[None]


def check_terms(result, dilation=1):
    """Terms are what their indices name; their sum or maximum is the output; `at` and the bins say the same."""
    terms, starts = result.terms, result.terms.starts
    outputs, size = result.output.reshape(-1), result.output[0].size
    assert starts[-1] == len(terms.cells) == len(terms.weights) == len(terms.products)
    values = result.padded.reshape(-1)[terms.cells]
    for n, (first, end) in enumerate(itertools.pairwise(starts)):
        row, column = divmod(n % size, result.output.shape[2])
        rows, columns = result.row_bins[row], result.column_bins[column]
        plane, top, left = np.unravel_index(terms.cells[first:end], result.padded.shape)
        assert (plane == n // size).all()
        assert rows[0] <= top.min() <= top.max() <= rows[1]
        assert columns[0] <= left.min() <= left.max() <= columns[1]
        assert (np.diff(terms.cells[first:end]) > 0).all()
        gaps = dilation if isinstance(dilation, tuple) else (dilation, dilation)
        places = (top - rows[0]) // gaps[0] * result.window[1] + (left - columns[0]) // gaps[1]
        np.testing.assert_array_equal(terms.weights[first:end], places)
        if result.kind == "max":
            assert terms.products[first:end].max() == outputs[n]
            np.testing.assert_array_equal(terms.products[first:end], values[first:end])
        else:
            divisor = result.divisors[row, column]
            np.testing.assert_array_equal(terms.products[first:end], values[first:end] / divisor)
            assert terms.products[first:end].sum() == pytest.approx(outputs[n], abs=1e-12)


def check_at(result, output):
    named = result.at(*output)
    assert named
    for term in named:
        assert term.value == (result.inputs[term.origin] if term.origin else -np.inf if result.kind == "max" else 0)
        assert term.product == pytest.approx(term.value * term.weight, abs=1e-12)
        assert all(0 <= place < size for place, size in zip(term.weight_index, result.window, strict=True))
    products = [term.product for term in named]
    together = max(products) if result.kind == "max" else sum(products)
    assert together == pytest.approx(float(result.output[output]), abs=1e-12)


def lit(module, shape):
    """Pixels whose brightening changes any output of PyTorch's max pooling, by trying each."""
    trials = torch.eye(shape[0] * shape[1]).reshape(-1, 1, *shape)
    return (module(trials).flatten(1).amax(dim=1) > 0).reshape(shape).numpy()


def test_500_random_poolings_are_pytorchs_and_made_of_their_terms():
    choose, legal, only_padding, clipped = random.Random(0), 0, 0, 0
    while legal < 500:
        grid, kind, settings = random_pool(choose)
        try:
            result = pool(grid, kind, **settings)
        except IllegalSetting:
            continue
        legal += 1
        expected = module_for(kind, **settings)(tensor(grid))[0].numpy()
        np.testing.assert_allclose(result.output, expected, rtol=0, atol=1e-12)
        check_terms(result, settings.get("dilation", 1))
        check_at(result, tuple(choose.randrange(size) for size in result.output.shape))
        twin = {**settings, "kind": "max"}
        twin.pop("count_include_pad", None)
        read = lit(module_for(**twin), grid.shape[1:])
        inside = result.origin >= 0
        np.testing.assert_array_equal(~result.unused[inside].reshape(read.shape), read)
        np.testing.assert_array_equal(result.padded[:, inside], grid.reshape(len(grid), -1))
        assert result.dropped == (
            len(inside) - 1 - result.row_bins[-1][1],
            inside.shape[1] - 1 - result.column_bins[-1][1],
        )
        if kind == "max":
            indices = module_for(kind, return_indices=True, **settings)(tensor(grid))[1][0].numpy()
            empty = result.output == -np.inf  # PyTorch's index is then no pixel of the window
            np.testing.assert_array_equal(result.winners[~empty], indices[~empty])
            assert (result.winners[empty] == -1).all()
            only_padding += empty.any()
        else:
            assert (result.winners == -1).all()
            counts = np.diff(result.terms.starts).reshape(result.output.shape)
            assert (counts == result.divisors).all()
            clipped += result.divisors.min() < result.divisors.max()
        again = eval(result.code, {"nn": nn})(tensor(grid))[0].numpy()
        np.testing.assert_array_equal(again, expected)
    assert only_padding > 0
    assert clipped > 20


def test_200_random_adaptive_poolings_are_pytorchs():
    choose = random.Random(1)
    for _ in range(200):
        grid, kind = random_grid(choose), choose.choice(["max", "average"])
        size = choose.choice([1, 2, 7, (choose.randint(1, 9), choose.randint(1, 9))])
        result = adaptive_pool(grid, kind, size)
        modules = {"max": nn.AdaptiveMaxPool2d(size, return_indices=True), "average": nn.AdaptiveAvgPool2d(size)}
        expected = modules[kind](tensor(grid))
        if kind == "max":
            np.testing.assert_array_equal(result.winners, expected[1][0].numpy())
            expected = expected[0]
        np.testing.assert_allclose(result.output, expected[0].numpy(), rtol=0, atol=1e-12)
        check_terms(result)
        check_at(result, tuple(choose.randrange(side) for side in result.output.shape))
        assert not result.unused.any()
        assert result.dropped == (0, 0)
        np.testing.assert_array_equal(result.padded, grid)
        np.testing.assert_allclose(eval(result.code, {"nn": nn})(tensor(grid))[0].numpy(), result.output, atol=1e-12)


def test_300_settings_are_refused_exactly_where_pytorch_refuses():
    choose, refused = random.Random(2), 0
    for _ in range(300):
        grid, kind, settings = random_pool(choose)
        spoil = choose.choice([""] * 12 + ["kernel", "stride", "padding", "dilation"])
        if spoil:
            settings[spoil] = -1 if spoil == "padding" else choose.choice([0, (1, 0)])
        if kind == "average":
            settings.pop("dilation", None)  # nn.AvgPool2d has no such argument
        try:
            pool(grid, kind, **settings)
            message = ""
        except IllegalSetting as refusal:
            message = str(refusal)
        try:
            module_for(kind, **settings)(tensor(grid))
            theirs = ""
        except (RuntimeError, ValueError, ZeroDivisionError) as refusal:
            theirs = str(refusal)
        assert bool(message) == bool(theirs), (message, theirs, settings, grid.shape)
        if message:
            assert "choose" in message
            assert any(character.isdigit() for character in message)
            refused += 1
    assert 80 < refused < 220


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kernel": 0}, "kernel of 0 is too small; choose at least 1"),
        ({"kernel": 3, "padding": 2}, r"padding of 2 is more than half of the kernel \(3\); choose at most 1"),
        ({"kernel": 7}, "window of 7 does not fit into 4 cells"),
        ({"kind": "average", "dilation": 2}, "Average pooling has no dilation .* 2 is impossible; choose 1"),
        ({"kind": "median"}, '"median" is unknown; choose "max" or "average"'),
        ({"grid": [[1, float("nan")]]}, "grid holds nan"),
    ],
)
def test_a_refusal_names_the_value_and_a_remedy(settings, says):
    with pytest.raises(IllegalSetting, match=says):
        pool(**{"grid": np.ones((4, 4)), "kind": "max"} | settings)
    with pytest.raises(IllegalSetting, match="An output size of 0 is too small; choose at least 1"):
        adaptive_pool(np.ones((4, 4)), "average", 0)


def test_windows_by_hand():
    grid = [[1, 2, 0], [5, 5, 7], [-1, 3, 4]]
    largest = pool(grid, "max")  # the third row and column do not fit
    assert largest.output.tolist() == [[5]]
    assert largest.winners.tolist() == [[[3]]]  # the first of the two fives
    assert largest.dropped == (1, 1)
    assert largest.unused.tolist() == [[False, False, True], [False, False, True], [True, True, True]]
    assert largest.code == "nn.MaxPool2d(kernel_size=2)"
    means = pool(grid, "average", ceil_mode=True)
    assert means.output.tolist() == [[13 / 4, 7 / 2], [2 / 2, 4 / 1]]
    assert means.divisors.tolist() == [[4, 2], [2, 1]]
    assert means.row_bins == means.column_bins == ((0, 1), (2, 2))
    assert means.code == "nn.AvgPool2d(kernel_size=2, ceil_mode=True)"
    assert [term.origin for term in means.at(0, 0, 1)] == [(0, 0, 2), (0, 1, 2)]
    bordered = pool(grid, "average", 2, stride=1, padding=1, count_include_pad=False)
    assert bordered.output[0].tolist() == [1, 3 / 2, 1, 0]
    assert bordered.divisors[0].tolist() == [1, 2, 2, 1]


def test_adaptive_bins_by_hand():
    result = adaptive_pool(np.arange(5.0)[None], "average", (1, 3))
    assert result.column_bins == ((0, 1), (1, 3), (3, 4))  # they overlap
    assert result.output.tolist() == [[0.5, 2, 3.5]]
    assert result.code == "nn.AdaptiveAvgPool2d((1, 3))"
    assert adaptive_pool(np.arange(12.0).reshape(3, 4), "average", 1).output.tolist() == [[5.5]]


def test_the_guides_shapes():
    grid = np.random.default_rng(0).normal(size=(64, 28, 28))
    assert pool(grid, "max", 2, stride=2).output.shape == (64, 14, 14)
    assert pool(grid, "average", 2, stride=2).output.shape == (64, 14, 14)
    means = adaptive_pool(grid, "average", 1).output
    assert means.shape == (64, 1, 1)
    np.testing.assert_allclose(means.reshape(-1), grid.mean(axis=(1, 2)), atol=1e-12)
    for side in (7, 13, 28):
        assert adaptive_pool(grid[:, :side, :side], "average", (7, 7)).output.shape == (64, 7, 7)
