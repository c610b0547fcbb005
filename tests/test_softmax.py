"""Softmax, step by step, against PyTorch and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorer.arithmetic.sizes import IllegalSetting
from explorer.arithmetic.softmax import softmax


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 3.0, 100.0])
@pytest.mark.parametrize("scale", [1, 1e4])
def test_it_is_pytorchs(temperature, scale):
    logits = np.random.default_rng(0).normal(size=1000) * scale
    result = softmax(logits, temperature)
    np.testing.assert_allclose(
        result.probabilities, torch.softmax(torch.tensor(logits) / temperature, 0).numpy(), rtol=1e-12, atol=1e-300
    )
    assert result.probabilities.sum() == pytest.approx(1, abs=1e-12)
    # each step from the one before
    np.testing.assert_array_equal(result.scaled, logits / temperature)
    np.testing.assert_array_equal(result.shifted, result.scaled - result.scaled.max())
    np.testing.assert_array_equal(result.exponentials, np.exp(result.shifted))
    assert result.total == pytest.approx(math.fsum(result.exponentials), rel=1e-12)
    np.testing.assert_array_equal(result.probabilities, result.exponentials / result.total)


def test_a_case_by_hand():
    result = softmax([0, math.log(2), math.log(5)])
    np.testing.assert_allclose(result.probabilities, [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)
    np.testing.assert_allclose(result.exponentials, [1 / 5, 2 / 5, 1], rtol=1e-15)
    assert result.total == pytest.approx(8 / 5)
    np.testing.assert_allclose(softmax([0, math.log(2)], 0.5).probabilities, [1 / 5, 4 / 5], rtol=1e-15)


def test_shifting_all_logits_changes_nothing():
    logits = np.random.default_rng(1).normal(size=50)
    np.testing.assert_allclose(softmax(logits + 123.0).probabilities, softmax(logits).probabilities, rtol=1e-12)


def test_heat_levels_and_cold_sharpens():
    logits = [1.0, 2.0, 4.0]
    np.testing.assert_allclose(softmax(logits, 1e9).probabilities, np.full(3, 1 / 3), atol=1e-8)
    np.testing.assert_array_equal(softmax(logits, 0.001).probabilities, [0, 0, 1])


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_a_temperature_must_be_above_zero(temperature):
    with pytest.raises(IllegalSetting, match=f"above 0 and finite, not {temperature}; choose"):
        softmax([1.0], temperature)


def test_what_cannot_be_computed_says_so():
    with pytest.raises(IllegalSetting, match="holds inf"):
        softmax([1.0, float("inf")])
    with pytest.raises(IllegalSetting, match=r"1e-300 makes these logits too large .* choose a higher"):
        softmax([1e10, 0.0], 1e-300)
    with pytest.raises(IllegalSetting, match="shape"):
        softmax([])
