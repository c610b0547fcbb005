"""Time and silence of layers, by hand and against the feature maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from explorer import activations, capture, measures
from tests.toy import Toy, toy


def test_summaries_of_the_toy_by_hand():
    """Channel 0 is red less one half, channel 1 two times green less red."""
    pixels = np.array([[[255, 0, 0], [0, 0, 0]], [[0, 0, 0], [255, 0, 0]]], np.uint8)
    found = measures.summaries(toy(), Image.fromarray(pixels))
    # After the ReLU channel 0 has 0.5 at the two red pixels; channel 1 is -1 there, 0 elsewhere: dead.
    relu = found["relu"]
    assert (relu.zeros, relu.dead, relu.minimum, relu.maximum) == (6 / 8, 1 / 2, 0, 0.5)
    assert relu.mean == 2 * 0.5 / 8
    assert relu.spread == pytest.approx((2 * 0.25 / 8 - 0.125**2) ** 0.5)
    assert found["relu#2"] == relu
    # Listening must not see what the in-place ReLU leaves behind: before it nothing is dead and two values are zero.
    assert (found["conv"].zeros, found["conv"].dead, found["conv"].minimum) == (2 / 8, 0, -1)


def test_summaries_are_those_of_the_feature_maps(lite0, photos):
    found = measures.summaries(lite0, photos["coffee"])
    for name in ("features.0.2", "features.3", "features.8.2"):
        maps = activations.feature_maps(lite0, photos["coffee"], [name])[name]
        assert found[name].zeros == pytest.approx((maps.values == 0).mean(), abs=1e-6)
        assert found[name].dead == pytest.approx(maps.dead.mean(), abs=1e-6)
        assert found[name].mean == pytest.approx(maps.values.mean(dtype=np.float64), rel=1e-4)
        assert found[name].spread == pytest.approx(maps.values.std(dtype=np.float64), rel=1e-4)
        assert (found[name].minimum, found[name].maximum) == (maps.values.min(), maps.values.max())
    assert 0.2 < found["features.0.2"].zeros < 0.9


def test_durations_are_differences_of_the_clock_with_parts_inside_wholes():
    ticks = iter(range(100))
    network = torch.nn.Sequential(torch.nn.Sequential(torch.nn.ReLU()), torch.nn.ReLU()).eval()
    found = capture.durations(network, torch.zeros(1, 2), lambda: float(next(ticks)))
    # Begin: whole 0, first 1, inner 2; end: inner 3, first 4; second 5 to 6; whole 7.
    assert found == {"0.0": 1, "0": 3, "1": 1, "": 7}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_second_call_has_a_time_of_its_own():
    found = measures.milliseconds(toy(), Image.new("RGB", (2, 2), "red"), repeats=2)
    assert set(found) == {"conv", "relu", "relu#2", "pool", "fc", ""}
    assert all(time > 0 for time in found.values())
    assert found[""] >= found["conv"] + found["relu"]


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_card_is_waited_for_before_each_look_at_the_clock(monkeypatch, kind):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waited.append("cuda"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    model = toy()
    monkeypatch.setattr(model, "device", torch.device(kind))
    monkeypatch.setattr(model, "preprocess", lambda image: torch.zeros(1, 3, 2, 2))
    found = measures.milliseconds(model, Image.new("RGB", (2, 2)), repeats=1)
    assert waited == [kind] * 2 * 2 * len(found)  # two passes, before and after each call


def test_hooks_are_gone_after_a_failure():
    network = Toy()
    with pytest.raises(RuntimeError):
        capture.durations(network, torch.zeros(1, 5, 2, 2), lambda: 0.0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
