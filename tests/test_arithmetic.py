"""Closed forms against PyTorch's own modules and the guide's examples."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from explorer.arithmetic import IllegalSetting, output_size, parameter_count


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((224, 3, 1, 1), 224),
        ((224, 3, 2, 1), 112),
        ((224, 7, 2, 3), 112),
        ((224, 11, 4, 2), 55),
        ((224, 3, 1, 1, 2), 222),
    ],
)
def test_the_guides_examples(arguments, expected):
    assert output_size(*arguments) == expected


def test_500_random_settings_are_what_pytorch_says_or_refuses():
    choose = random.Random(0)
    legal = 0
    for _ in range(500):
        size, kernel, stride = choose.randint(1, 20), choose.randint(1, 7), choose.randint(1, 4)
        padding, dilation = choose.randint(0, 4), choose.randint(1, 3)
        conv = nn.Conv2d(1, 1, (kernel, 1), (stride, 1), (padding, 0), (dilation, 1))
        try:
            expected = conv(torch.zeros(1, 1, size, 1)).shape[2]
        except RuntimeError:
            with pytest.raises(IllegalSetting, match="does not fit"):
                output_size(size, kernel, stride, padding, dilation)
            continue
        legal += 1
        assert output_size(size, kernel, stride, padding, dilation) == expected
    assert 300 < legal < 500


@pytest.mark.parametrize("name", ["size", "kernel", "stride", "dilation"])
def test_what_cannot_be_names_itself(name):
    settings = {"size": 8, "kernel": 3, "stride": 1, "padding": 0, "dilation": 1, name: 0}
    with pytest.raises(IllegalSetting, match=f"The {name} must be at least 1, not 0"):
        output_size(**settings)
    with pytest.raises(IllegalSetting, match="padding must be at least 0, not -1"):
        output_size(8, 3, padding=-1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("channels", "groups"), [((3, 64), 1), ((32, 32), 32), ((12, 8), 4)])
@pytest.mark.parametrize("kernel", [1, 3, (1, 7)])
def test_parameters_are_those_of_the_module(channels, groups, kernel, bias):
    conv = nn.Conv2d(*channels, kernel, groups=groups, bias=bias)
    expected = sum(parameter.numel() for parameter in conv.parameters())
    assert parameter_count(*channels, kernel, bias=bias, groups=groups) == expected
    assert parameter_count(3, 64, 3) == 1792  # the guide's
    with pytest.raises(IllegalSetting, match="cannot be divided into 5 groups"):
        parameter_count(10, 12, 3, groups=5)
