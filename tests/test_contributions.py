"""Activation times gradient of a channel, against switching the channel off."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorer import activations, intervention, predict
from tests.test_attribution import PHOTO
from tests.test_capture import hooks


def test_before_a_linear_classifier_the_guess_is_the_truth(resnet18):
    layer = activations.default_layer(resnet18).name
    before = hooks(resnet18.module)
    found = intervention.contributions(resnet18, PHOTO, layer, 5)
    truth = intervention.greedy(resnet18, PHOTO, layer, 5, count=1)
    np.testing.assert_allclose(found.values, truth.alone, atol=1e-4 * np.abs(truth.alone).max())
    assert int(found.order[0]) == truth.channels[0]
    assert found.label == "class 5"
    assert hooks(resnet18.module) == before
    assert all(parameter.grad is None for parameter in resnet18.module.parameters())


def test_it_works_without_gradients_around_it_and_early_in_the_network(resnet18):
    with torch.inference_mode():
        found = intervention.contributions(resnet18, PHOTO, "layer1.0")
    assert found.values.shape == (64,)
    assert np.abs(found.values).max() > 0


def test_one_class_against_another_is_the_difference_of_the_two(resnet18):
    layer = activations.default_layer(resnet18).name
    own, other = (intervention.contributions(resnet18, PHOTO, layer, index).values for index in (5, 7))
    both = intervention.contributions(resnet18, PHOTO, layer, 5, against=7)
    scale = np.abs(own).max()
    np.testing.assert_allclose(both.values, own - other, atol=1e-4 * scale)
    assert (both.against, both.against_label) == (7, "class 7")
    # What the search finds lowers the lead, not the logit: before a linear classifier, the greatest differences.
    found = intervention.greedy(resnet18, PHOTO, layer, 5, count=3, against=7)
    np.testing.assert_allclose(found.alone, own - other, atol=1e-4 * scale)
    assert found.channels == tuple(both.order[:3].tolist())
    logits = predict.logits(resnet18, PHOTO)
    assert found.logits[0] == pytest.approx(float(logits[5] - logits[7]), abs=1e-4)
    fall = float((own - other)[list(found.channels)].sum())
    assert found.logits[0] - found.logits[-1] == pytest.approx(fall, rel=1e-3)
    assert "takes the lead of class 5 over class 7, in logits, from" in found.sentence
    for search in (intervention.contributions, intervention.greedy):
        with pytest.raises(intervention.NoSuchPart, match="cannot be asked against itself"):
            search(resnet18, PHOTO, layer, 5, against=5)
        with pytest.raises(intervention.NoSuchPart, match="there is no class 1000"):
            search(resnet18, PHOTO, layer, 5, against=1000)


def test_a_class_that_is_not_there_is_named(resnet18):
    with pytest.raises(intervention.NoSuchPart, match="classes 0 to 999; there is no class 1000"):
        intervention.contributions(resnet18, PHOTO, "layer4", 1000)
