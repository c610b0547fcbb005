"""Convolution and transposed convolution, product by product, against PyTorch's modules and the guide's tables."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from explorer.arithmetic.convolution import convolve
from explorer.arithmetic.kernels import GRIDS, KERNELS, random_grid
from explorer.arithmetic.sizes import IllegalSetting, output_size, transposed_size
from explorer.arithmetic.transposed import transpose_convolve

REMEDY = "choose|at least|at most"
MODES = ["zeros", "reflect", "replicate", "circular"]
FIGURE = GRIDS["The guide's figure"]
EDGES = KERNELS["Edges (the guide's)"].weights


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array))[None]


def check_terms(result, kernel):
    """Terms are products of what their indices name, and add up to the outputs; `at` says the same in words."""
    terms, starts = result.terms, result.terms.starts
    assert starts[0] == 0
    assert starts[-1] == len(terms.cells) == len(terms.weights) == len(terms.products)
    assert {part.dtype for part in (starts, terms.cells, terms.weights)} == {np.dtype(np.int32)}
    np.testing.assert_array_equal(
        terms.products, result.padded.reshape(-1)[terms.cells] * kernel.reshape(-1)[terms.weights]
    )
    sums = [terms.products[a:b].sum() for a, b in itertools.pairwise(starts)]
    outputs = result.output.reshape(-1)
    channels = np.repeat(result.bias, len(sums) // len(result.bias))
    np.testing.assert_allclose(np.array(sums) + channels, outputs, rtol=0, atol=1e-12)


def check_at(result, kernel, output):
    """One output, term by term, through the readable form."""
    named = result.at(*output)
    n = np.ravel_multi_index(output, (len(result.bias), *result.output.shape[-2:]))
    assert len(named) == result.terms.starts[n + 1] - result.terms.starts[n]
    for term in named:
        assert term.product == term.value * term.weight
        assert term.weight == kernel[term.weight_index]
        assert term.value == result.padded[term.channel, term.row, term.column]
        assert term.value == (0.0 if term.origin is None else result.inputs[term.origin])
    total = math.fsum(term.product for term in named) + result.bias[output[0]]
    assert total == pytest.approx(result.output.reshape(-1)[n], abs=1e-12)


def settings_of_a_convolution(choose):
    """Input, kernel, bias and settings; most are legal."""
    groups = choose.choice([1, 1, 2, 3])
    each, filters = choose.randint(1, 2), choose.randint(1, 2)
    numbers = np.random.default_rng(choose.randrange(2**32))
    grid = numbers.normal(size=(each * groups, choose.randint(1, 10), choose.randint(1, 10)))
    if choose.random() < 0.25:  # depthwise
        groups, each = len(grid), 1
    kernel = numbers.normal(size=(filters * groups, each, choose.randint(1, 4), choose.randint(1, 4)))
    bias = numbers.normal(size=len(kernel)) if choose.random() < 0.5 else None

    def two(low, high):
        return choose.choice([choose.randint(low, high), (choose.randint(low, high), choose.randint(low, high))])

    around = [two(0, 3), two(0, 3), tuple(choose.randint(0, 3) for _ in range(4)), "same"]
    padding = choose.choice(around)
    settings = {"stride": two(1, 3), "padding": padding, "padding_mode": choose.choice(MODES), "dilation": two(1, 3)}
    return grid, kernel, bias, {**settings, "groups": groups}


def module_for(kernel, bias, channels, padding, padding_mode, **settings):
    """nn.Conv2d with these weights, behind the padding that it cannot do itself, and the padded input by PyTorch."""
    before = nn.Identity()
    if isinstance(padding, tuple) and len(padding) == 4:
        top, bottom, left, right = padding
        names = {"zeros": "ZeroPad2d", "reflect": "ReflectionPad2d", "replicate": "ReplicationPad2d"}
        before = getattr(nn, names.get(padding_mode, "CircularPad2d"))((left, right, top, bottom))
        padding, padding_mode = 0, "zeros"
    conv = nn.Conv2d(
        channels, len(kernel), kernel.shape[2:], padding=padding, padding_mode=padding_mode, bias=bias is not None,
        dtype=torch.float64, **settings
    )  # fmt: skip
    return load(nn.Sequential(before, conv), kernel, bias)


def load(module, kernel, bias):
    """The module with these weights, of whatever shape: that it fits is PyTorch's to say."""
    names = [name for name, _ in module.named_parameters()]
    assert len(names) == (1 if bias is None else 2)
    for name, weights in zip(names, (kernel, bias), strict=False):
        owner, _, last = name.rpartition(".")
        setattr(module.get_submodule(owner), last, nn.Parameter(tensor(weights)[0]))
    return module


def read_by_pytorch(result):
    """Cells of the padded grid that get a gradient through PyTorch's convolution without padding, all weights 1."""
    cells = torch.ones(1, 1, *result.origin.shape, dtype=torch.float64, requires_grad=True)
    ones = torch.ones(1, 1, *result.kernel.shape[2:], dtype=torch.float64)
    functional.conv2d(cells, ones, stride=result.stride, dilation=result.dilation).sum().backward()
    return cells.grad[0, 0].numpy() > 0


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # a warning about speed
def test_500_random_convolutions_are_pytorchs_and_the_sum_of_their_terms():
    choose, legal, seen = random.Random(0), 0, set()
    while legal < 500:
        grid, kernel, bias, settings = settings_of_a_convolution(choose)
        try:
            result = convolve(grid, kernel, bias, **settings)
        except IllegalSetting:
            continue  # refusals are the next test's
        legal += 1
        seen.add((settings["padding_mode"], settings["groups"]))
        module = module_for(kernel, bias, len(grid), **settings)
        with torch.no_grad():
            np.testing.assert_allclose(result.output, module(tensor(grid))[0].numpy(), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(result.kernel, kernel)
        check_terms(result, kernel)
        check_at(result, kernel, tuple(choose.randrange(size) for size in result.output.shape))
        np.testing.assert_allclose(result.channel_sums.sum(axis=1), result.sums, rtol=0, atol=1e-12)
        np.testing.assert_allclose(result.sums + result.bias[:, None, None], result.output, rtol=0, atol=1e-12)
        for filter_, part in np.ndindex(*kernel.shape[:2]):
            plane = result.padded[filter_ // (len(kernel) // result.groups) * kernel.shape[1] + part]
            alone = functional.conv2d(
                tensor(plane)[None], tensor(kernel[filter_, part])[None], stride=settings["stride"],
                dilation=settings["dilation"],
            )  # fmt: skip
            np.testing.assert_allclose(result.channel_sums[filter_, part], alone[0, 0].numpy(), rtol=0, atol=1e-12)
        copied = result.origin >= 0
        np.testing.assert_array_equal(result.padded[:, copied], grid.reshape(len(grid), -1)[:, result.origin[copied]])
        read = read_by_pytorch(result)
        np.testing.assert_array_equal(result.unused, ~read)
        rows, columns = np.flatnonzero(read.any(axis=1)), np.flatnonzero(read.any(axis=0))
        assert result.dropped == (len(read) - 1 - rows[-1], read.shape[1] - 1 - columns[-1])
        again = load(eval(result.code, {"nn": nn}).double(), kernel, bias)
        with torch.no_grad():
            np.testing.assert_allclose(result.output, again(tensor(grid))[0].numpy(), rtol=0, atol=1e-12)
    assert len(seen) > 12


def refuses(function):
    """Whether PyTorch raises."""
    try:
        with torch.no_grad():
            function()
    except (RuntimeError, ValueError, IndexError):
        return True
    return False


def refusal_of(function, *arguments, **settings):
    """The sentence with which we refuse, empty if we do not; it names a value and a remedy."""
    try:
        function(*arguments, **settings)
    except IllegalSetting as refusal:
        message = str(refusal)
    else:
        return ""
    assert ". " not in message
    assert any(character.isdigit() for character in message)
    assert any(word in message for word in REMEDY.split("|")), message
    return message


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_300_settings_are_refused_exactly_where_pytorch_refuses():
    choose, refused = random.Random(1), 0
    for _ in range(300):
        grid, kernel, bias, settings = settings_of_a_convolution(choose)
        spoil = choose.choice([""] * 12 + ["stride", "dilation", "groups", "padding", "kernel", "bias", "stride both"])
        if spoil in ("stride", "dilation", "groups"):
            settings[spoil] = choose.choice([0, -1]) if spoil != "groups" else choose.choice([0, 4, 5])
        elif spoil == "padding":
            settings |= {"padding": choose.choice([-1, (0, -2)]), "padding_mode": "zeros"}
        elif spoil == "kernel":
            kernel = np.ones((len(kernel), kernel.shape[1] + 1, *kernel.shape[2:]))
        elif spoil == "bias":
            bias = np.zeros(len(kernel) + 1)
        elif spoil == "stride both":
            settings["stride"] = (choose.randint(0, 1), choose.randint(0, 1))

        def by_pytorch(grid=grid, kernel=kernel, bias=bias, settings=settings):
            return module_for(kernel, bias, len(grid), **settings)(tensor(grid))

        message = refusal_of(convolve, grid, kernel, bias, **settings)
        assert bool(message) == refuses(by_pytorch), (message, settings)
        refused += bool(message)
    assert 100 < refused < 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"stride": 0}, "stride of 0 .* at least 1"),
        ({"stride": 1.5}, "stride must be a whole number, not 1.5"),
        ({"stride": (1, 2, 3)}, "has 3 numbers; choose one, or two"),
        ({"dilation": (1, 0)}, "dilation of 0 .* at least 1"),
        ({"padding": -1}, "padding of -1 .* at least 0"),
        ({"padding": -1, "padding_mode": "reflect"}, "padding of -1 .* at least 0"),
        ({"padding": 5, "padding_mode": "reflect"}, "5 rows of reflect padding .* 5 rows; choose at most 4"),
        ({"padding": (0, 6), "padding_mode": "circular"}, "6 columns of circular .* choose at most 5"),
        ({"padding": "same", "stride": 2}, 'Padding "same" .* stride of 2'),
        ({"padding": "valid"}, '"valid" is unknown; choose "same"'),
        ({"padding_mode": "mirror"}, '"mirror" is unknown; choose zeros, reflect'),
        ({"dilation": 3}, "window of 7 does not fit into 5 pixels"),
        ({"groups": 2}, "1 input channel cannot be divided into 2 groups"),
        ({"bias": [1.0, 2.0]}, "2 biases do not fit 1 output channel"),
        ({"bias": float("nan")}, "bias holds nan"),
        ({"kernel": np.ones((1, 2, 3, 3))}, "kernel for 2 channels does not fit 1 input channel"),
        ({"kernel": np.ones((3, 3, 3))}, r"kernel has the shape \(3, 3, 3\)"),
        ({"kernel": np.ones((0, 3))}, r"kernel has the shape \(0, 3\)"),
        ({"kernel": [[1, float("inf")]]}, "kernel holds inf, which is not a finite number"),
        ({"grid": [[1, 2], [3]]}, "grid holds something that is not a number"),
        ({"grid": "five"}, "grid holds something that is not a number"),
    ],
)
def test_a_refusal_names_the_value_and_a_remedy(settings, says):
    with pytest.raises(IllegalSetting, match=says) as refusal:
        convolve(**{"grid": FIGURE, "kernel": EDGES} | settings)
    assert any(word in str(refusal.value) for word in REMEDY.split("|"))


def test_the_guides_figure_and_its_tables():
    assert convolve(FIGURE, KERNELS["The guide's cross"].weights).output.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    assert convolve(FIGURE, EDGES).output.tolist() == [[3, 2, 3], [-4, 2, 2], [-4, 3, 3]]
    tables = {
        "zeros": [[6, 4, 4, -3, -1], [-3, 3, 2, 3, -3], [-1, -4, 2, 2, 5], [-1, -4, 3, 3, -3], [-1, 6, 5, -3, -1]],
        "replicate": [[2, 1, 2, -4, -1], [-4, 3, 2, 3, -4], [-1, -4, 2, 2, 4], [-1, -4, 3, 3, -4], [-2, 4, 3, -4, -1]],
        "reflect": [[2, 2, 1, -5, -4], [-5, 3, 2, 3, -5], [-2, -4, 2, 2, 2], [-2, -4, 3, 3, -5], [-2, 5, 3, -5, -4]],
    }
    for mode, table in tables.items():
        assert convolve(FIGURE, EDGES, padding=1, padding_mode=mode).output.tolist() == table
        assert convolve(FIGURE, EDGES, padding="same", padding_mode=mode).output.tolist() == table


def test_one_window_by_hand():
    result = convolve([[1, 2, 3], [4, 5, 6]], [[10, -1]], [0.5], stride=(1, 2), padding=(0, 1))
    # row 0 of the padded grid: 0 1 2 3 0; windows at columns 0 and 2 (a third would need a column 5)
    assert result.output.tolist() == [[-0.5, 17.5], [-3.5, 44.5]]
    assert result.dropped == (0, 1)
    assert result.unused.tolist() == [[False, False, False, False, True]] * 2
    first = result.at(0, 0, 0)
    assert first[0] == (0, 0, 0, None, (0, 0, 0, 0), 0.0, 10.0, 0.0)
    assert first[1] == (0, 0, 1, (0, 0, 0), (0, 0, 0, 1), 1.0, -1.0, -1.0)
    assert result.code == "nn.Conv2d(1, 1, kernel_size=(1, 2), stride=(1, 2), padding=(0, 1))"
    with pytest.raises(IndexError):
        result.at(0, 2, 0)


def test_the_mathematicians_convolution_turns_the_kernel():
    grid, kernel = random_grid(3, 6, 5), np.arange(6.0).reshape(2, 3)
    result = convolve(grid, kernel, flip=True)
    by_definition = np.zeros((5, 3))
    for i, j, k, m in np.ndindex(5, 3, 2, 3):
        by_definition[i, j] += grid[i + 1 - k, j + 2 - m] * kernel[k, m]
    np.testing.assert_array_equal(result.output, by_definition)
    np.testing.assert_array_equal(result.kernel[0, 0], kernel[::-1, ::-1])
    assert result.code == "nn.Conv2d(1, 1, kernel_size=(2, 3), bias=False)  # weight = kernel.flip(-2, -1)"
    bright = convolve(GRIDS["One bright pixel"], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], flip=True).output
    assert bright[1:4, 1:4].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]  # an impulse gives the kernel back


def test_an_uneven_padding_has_its_extra_cell_at_the_end():
    result = convolve(np.ones((4, 4)), np.ones((2, 4)), padding="same")
    assert result.padding == (0, 1, 1, 2)
    assert result.code == 'nn.Conv2d(1, 1, kernel_size=(2, 4), padding="same", bias=False)'
    assert "nn.ZeroPad2d((1, 2, 0, 1))" in convolve(np.ones((4, 4)), np.ones((2, 4)), padding=(0, 1, 1, 2)).code


def random_transposed(choose):
    groups, each, filters = choose.choice([1, 1, 2, 3]), choose.randint(1, 2), choose.randint(1, 2)
    numbers = np.random.default_rng(choose.randrange(2**32))
    grid = numbers.normal(size=(each * groups, choose.randint(1, 5), choose.randint(1, 5)))
    kernel = numbers.normal(size=(len(grid), filters, choose.randint(1, 4), choose.randint(1, 4)))
    bias = numbers.normal(size=filters * groups) if choose.random() < 0.5 else None

    def two(low, high):
        return choose.choice([choose.randint(low, high), (choose.randint(low, high), choose.randint(low, high))])

    settings = {"stride": two(1, 4), "padding": two(0, 3), "output_padding": two(0, 2), "dilation": two(1, 3)}
    return grid, kernel, bias, {**settings, "groups": groups}


def transposed_module(kernel, bias, groups, **settings):
    filters = kernel.shape[1] * groups
    module = nn.ConvTranspose2d(
        len(kernel), filters, kernel.shape[2:], bias=bias is not None, groups=groups, dtype=torch.float64, **settings
    )
    return load(module, kernel, bias)


def test_500_random_transposed_convolutions_are_pytorchs_and_the_sum_of_their_terms():
    choose, legal, bare = random.Random(2), 0, 0
    while legal < 500:
        grid, kernel, bias, settings = random_transposed(choose)
        try:
            result = transpose_convolve(grid, kernel, bias, **settings)
        except IllegalSetting:
            continue
        legal += 1
        x = tensor(grid).requires_grad_()
        expected = transposed_module(kernel, bias, **settings)(x)
        np.testing.assert_allclose(result.output, expected[0].detach().numpy(), rtol=0, atol=1e-12)
        check_terms(result, kernel)
        check_at(result, kernel, tuple(choose.randrange(size) for size in result.output.shape))
        for first, end in itertools.pairwise(result.terms.starts):
            assert (np.diff(result.terms.cells[first:end]) > 0).all()  # a pixel reaches an output at most once
        bare += bool((np.diff(result.terms.starts) == 0).any())
        ones = transposed_module(np.ones_like(kernel), bias, **settings)(x).sum()
        (gradient,) = torch.autograd.grad(ones, x)
        np.testing.assert_array_equal(result.unused, (gradient[0] == 0).all(dim=0).numpy())
        whole = transposed_module(kernel, None, **{**settings, "padding": 0})(x)[0].detach().numpy()
        np.testing.assert_allclose(result.canvas, whole, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(result.padded, grid)
        again = load(eval(result.code, {"nn": nn}).double(), kernel, bias)(x)
        np.testing.assert_allclose(result.output, again[0].detach().numpy(), rtol=0, atol=1e-12)
    assert bare > 20  # outputs that no stamp reaches


def test_300_transposed_settings_are_refused_exactly_where_pytorch_refuses():
    choose, refused = random.Random(4), 0
    for _ in range(300):
        grid, kernel, bias, settings = random_transposed(choose)
        spoil = choose.choice(
            [""] * 10 + ["stride", "dilation", "groups", "padding", "output_padding", "kernel", "bias"]
        )
        if spoil in ("stride", "dilation", "groups"):
            settings[spoil] = choose.choice([0, 4]) if spoil == "groups" else 0
        elif spoil in ("padding", "output_padding"):
            settings[spoil] = choose.choice([-1, 4])
        elif spoil == "kernel":
            kernel = np.concatenate([kernel, kernel[:1]])
        elif spoil == "bias":
            bias = np.zeros(kernel.shape[1] * settings["groups"] + 1)

        def by_pytorch(grid=grid, kernel=kernel, bias=bias, settings=settings):
            if settings["groups"] == 0:
                nn.ConvTranspose2d(1, 1, 1, groups=0)
            return functional.conv_transpose2d(
                tensor(grid), tensor(kernel)[0], None if bias is None else tensor(bias)[0], **settings
            )

        message = refusal_of(transpose_convolve, grid, kernel, bias, **settings)
        assert bool(message) == refuses(by_pytorch), (message, settings)
        refused += bool(message)
    assert 100 < refused < 200


def test_stamps_by_hand():
    result = transpose_convolve([[1, 2]], [[1, 10, 100]], stride=2, padding=(0, 1))
    # canvas: 1 10 100+2 20 200
    assert result.canvas.tolist() == [[[1, 10, 102, 20, 200]]]
    assert result.output.tolist() == [[10, 102, 20]]
    assert [(term.origin, term.weight_index, term.product) for term in result.at(0, 0, 1)] == [
        ((0, 0, 0), (0, 0, 0, 2), 100.0),
        ((0, 0, 1), (0, 0, 0, 0), 2.0),
    ]
    assert result.code == "nn.ConvTranspose2d(1, 1, kernel_size=(1, 3), stride=2, padding=(0, 1), bias=False)"
    with pytest.raises(IllegalSetting, match=r"output padding of 2 must be smaller than the stride .2.*at most 1"):
        transpose_convolve([[1, 2]], [[1]], stride=2, output_padding=2)
    with pytest.raises(IllegalSetting, match="padding of 3 cuts away all 5 pixels of the output; choose at most 2"):
        transpose_convolve(np.ones((3, 3)), np.ones((3, 3)), padding=3)


def test_a_transposed_convolution_undoes_the_sizes_of_a_convolution():
    for size, kernel, stride, padding, dilation in np.ndindex(9, 4, 3, 3, 2):
        size, kernel, stride, dilation = size + 6, kernel + 1, stride + 1, dilation + 1
        made = output_size(size, kernel, stride, padding, dilation) if size + 2 * padding > dilation * kernel else 0
        if not made:
            continue
        rest = (size + 2 * padding - dilation * (kernel - 1) - 1) % stride
        assert transposed_size(made, kernel, stride, padding, rest, dilation) == size
    with pytest.raises(IllegalSetting, match="output padding must be at least 0, not -1"):
        transposed_size(4, 3, output_padding=-1)


def test_kernels_do_what_their_sentences_say():
    flat, ramp = np.full((9, 9), 7.0), np.tile(np.arange(9.0), (9, 1))
    for kernel in KERNELS.values():
        total = convolve(flat, kernel.weights).output
        assert kernel.size in (3, 5, 7)
        assert kernel.about.endswith(".")
        np.testing.assert_allclose(total, 7 * kernel.weights.sum(), atol=1e-12)
        assert not kernel.weights.flags.writeable
    sums = {title: round(float(kernel.weights.sum()), 12) for title, kernel in KERNELS.items()}
    zero = {"Edges (the guide's)", "Sobel x", "Sobel y", "Outline", "Laplacian of Gaussian 5"}
    assert {title for title, total in sums.items() if total == 0} == zero
    assert {title for title, total in sums.items() if total == 1} == set(KERNELS) - zero - {"The guide's cross"}
    assert (convolve(ramp, KERNELS["Sobel x"].weights).output == 8).all()  # 8 times the slope of 1
    assert not convolve(ramp, KERNELS["Sobel y"].weights).output.any()
    assert (convolve(ramp.T, KERNELS["Sobel y"].weights).output == 8).all()
    assert not convolve(ramp, KERNELS["Outline"].weights).output.any()
    picture = random_grid(0, 6, 7)
    np.testing.assert_array_equal(convolve(picture, KERNELS["Identity"].weights, padding=1).output, picture)
    moved = convolve(picture, KERNELS["Shift"].weights, padding=1).output
    np.testing.assert_array_equal(moved[:, 1:], picture[:, :-1])


def test_grids_are_small_whole_numbers():
    for title, grid in GRIDS.items():
        assert grid.ndim == 2, title
        assert 5 <= min(grid.shape) <= max(grid.shape) <= 8
        assert not grid.flags.writeable
        np.testing.assert_array_equal(grid, grid.round())
    assert random_grid(1, 3, 4).shape == (3, 4)
    np.testing.assert_array_equal(random_grid(1, 3, 4), random_grid(1, 3, 4))
    assert (random_grid(1, 9, 9) != random_grid(2, 9, 9)).any()


def test_the_arithmetic_needs_no_torch():
    names = ", ".join(
        f"explorer.arithmetic.{name}" for name in ("convolution", "transposed", "pooling", "softmax", "kernels")
    )
    code = f"import sys, {names}\nassert not {{'torch', 'streamlit', 'plotly'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
