"""What the grids' tabs offer: only what PyTorch computes, and every example without a complaint."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explorer import arithmetic
from pages.shared.components.grid import describe, kernel_places
from pages.shared.convolution.bounds import Axis, Stamp, bounds, repaired
from tests.pages.test_pages import opened, read

MODES = ("zeros", "reflect", "replicate", "circular")


def torch_computes(axis: Axis | Stamp) -> int:
    """The size PyTorch gives, 0 where it refuses."""
    grid = torch.zeros(1, 1, axis.size, axis.size)
    try:
        if isinstance(axis, Stamp):
            window = (axis.stride, axis.padding, axis.output_padding)
            return nn.ConvTranspose2d(1, 1, axis.kernel, *window, dilation=axis.dilation)(grid).shape[-1]
        if axis.pooling:
            return F.max_pool2d(grid, axis.kernel, axis.stride, axis.padding, axis.dilation).shape[-1]
        around: Any = "same" if axis.same else axis.padding
        mode: Any = axis.mode
        return nn.Conv2d(1, 1, axis.kernel, axis.stride, around, axis.dilation, padding_mode=mode)(grid).shape[-1]
    except (RuntimeError, ValueError):
        return 0


def settings(seed: int, count: int) -> list[Axis | Stamp]:
    """Settings within the controls' widest limits, legal or not."""
    draw = random.Random(seed)
    found: list[Axis | Stamp] = []
    for _ in range(count):
        window: dict[str, Any] = {name: draw.randint(*limits) for name, limits in Axis.LIMITS.items()}
        found.append(Axis(**window, mode=draw.choice(MODES), same=draw.random() < 0.3))
        found.append(Axis(**window, pooling=True))
        found.append(Stamp(**{name: draw.randint(*limits) for name, limits in Stamp.LIMITS.items()}))
    return found


def test_legal_is_what_pytorch_computes():
    refused = 0
    for axis in settings(1, 150):
        out = torch_computes(axis)
        assert axis.legal == (out > 0), axis
        assert not out or axis.output == out, axis
        refused += not out
    assert refused > 50


def test_every_value_that_a_control_offers_is_legal_and_repairs_are_few():
    for axis in settings(2, 100):
        mended, changed = repaired(axis)
        assert mended.legal
        assert not axis.legal or (mended == axis and not changed)
        for name in mended.LIMITS:
            least, most = bounds(mended, name)
            legal = [value for value in range(least, most + 1) if replace(mended, **{name: value}).legal]
            assert legal == list(range(least, most + 1))


@pytest.mark.parametrize(
    ("kind", "shape", "groups"),
    [("convolution", (4, 2, 1, 1), 2), ("convolution", (2, 3, 2, 2), 1), ("transposed", (4, 1, 2, 2), 2)],
)
def test_a_kernel_stands_where_its_weight_acts(kind, shape, groups):
    grids = {"convolution": F.conv2d, "transposed": F.conv_transpose2d}
    channels = shape[0] if kind == "transposed" else shape[1] * groups
    for number, (row, column) in enumerate(kernel_places(kind, shape, groups)):
        weights = torch.zeros(shape)
        weights.view(-1, *shape[2:])[number] = 1
        for channel in range(channels):  # only its own channel reaches only its own output
            image = torch.zeros(1, channels, 3, 3)
            image[0, channel] = 1
            answers = grids[kind](image, weights, groups=groups)[0].sum((1, 2))
            assert [i for i, answer in enumerate(answers) if answer] == ([column] if channel == row else [])


def test_infinite_padding_is_said_and_can_be_sent():
    told = describe(arithmetic.pool(np.arange(9.0).reshape(3, 3), "max", 3, padding=1, stride=1), {})
    assert told["input"]["values"][0] is None
    assert (told["input"]["top"], told["input"]["left"]) == (1, 1)
    assert told["winners"] == [4, 5, 5, 7, 8, 8, 7, 8, 8]


def tab(name: str):
    """The page with one of its tabs open."""
    app = opened("convolution")
    app.session_state["convolution-tab"] = app.session_state["_convolution_tab"] = name
    app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("name", ["By hand", "Channels", "Pooling"])
def test_every_example_is_drawn_and_stays_lit(name):
    app = tab(name)
    pills = next(each for each in app.pills if each.label == "Examples")
    for example in pills.options:
        next(each for each in app.pills if each.label == "Examples").set_value(example).run()
        assert not app.exception
        assert not app.warning, app.warning[0].value
        assert next(each for each in app.pills if each.label == "Examples").value == example


def test_flipping_and_editing_a_turned_kernel():
    from pages.shared.components.grid import Edit
    from pages.shared.convolution import by_hand_state

    app = tab("By hand")
    next(each for each in app.toggle if each.label == "true convolution").set_value(True).run()
    assert "kernel.flip(-2, -1)" in app.code[0].value
    before = app.session_state["by_hand-weights"].copy()
    by_hand_state.st.session_state, kept = app.session_state, by_hand_state.st.session_state
    try:
        by_hand_state.edited([Edit("kernel", 1, 7.0)])  # the second cell as shown is the last but one as held
    finally:
        by_hand_state.st.session_state = kept
    assert np.flatnonzero(app.session_state["by_hand-weights"] != before).tolist() == [7]


def test_the_guides_saving():
    app = tab("Channels")
    values = {metric.label: metric.value for metric in app.metric}
    assert values["One 3 × 3 convolution"] == "2,359,296 weights"  # guide.md 2.1
    assert values["Depthwise, then 1 × 1"] == "266,752 weights"
    assert values["Saved"] == "88.7 %"


def test_the_guides_pooled_shapes():
    text = "\n".join(read(each.value) for each in tab("Pooling").markdown)
    for shape in ("(1, 64, 14, 14)", "(1, 64, 1, 1)", "(1, 64)", "(1, 64, 7, 7)"):
        assert f"**{shape}**" in text
