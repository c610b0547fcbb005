"""Hooks: what they keep is what the layer computed, and they leave nothing behind."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer import activations, capture
from tests.toy import toy

PHOTO = torch.tensor([[[[1.0, 0.0], [0.5, 0.25]], [[0.0, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]])
# By hand: red - 0.5, and 2 green - red.
CONV = [[[0.5, -0.5], [0.0, -0.25]], [[-1.0, 2.0], [0.5, -0.25]]]


def test_layer_before_an_inplace_relu_keeps_its_negative_values():
    model = toy()
    out = capture.outputs(model.module, PHOTO, ["conv", "relu#1", "relu#2"])
    assert out["conv"][0].tolist() == CONV
    assert (
        out["relu#1"][0].tolist() == out["relu#2"][0].tolist() == [[[0.5, 0.0], [0.0, 0.0]], [[0.0, 2.0], [0.5, 0.0]]]
    )


def test_a_module_called_twice_is_two_layers_and_shapes_are_the_real_ones():
    model = toy()
    found = {layer.name: layer for layer in activations.layers(model)}
    assert list(found) == ["conv", "relu#1", "relu#2", "pool", "fc"]
    assert found["conv"].shape == (2, 2, 2)
    assert found["conv"].spatial
    assert not found["pool"].spatial
    assert found["fc"].shape == (2,)


def test_batch_norm_before_the_relu_equals_a_functional_computation(resnet50, photos):
    inputs = resnet50.preprocess(photos["chelsea"])
    module = resnet50.module
    with torch.inference_mode():
        stem = F.conv2d(inputs, module.conv1.weight, stride=2, padding=3)
        norm = module.bn1
        expected = F.batch_norm(stem, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    maps = activations.feature_maps(resnet50, photos["chelsea"], ["conv1", "bn1"])
    assert torch.equal(torch.tensor(maps["conv1"].values), stem[0])
    assert torch.equal(torch.tensor(maps["bn1"].values), expected[0])
    assert (maps["bn1"].values < 0).mean() > 0.2


def test_all_layers_at_once_equal_each_layer_alone(resnet50, photos):
    together = activations.feature_maps(resnet50, photos["coffee"])
    names = [layer.name for layer in activations.layers(resnet50)]
    assert list(together) == names
    for name in names[::9]:
        alone = activations.feature_maps(resnet50, photos["coffee"], [name])[name]
        assert (alone.values == together[name].values).all(), name
    shapes = {layer.name: layer.shape for layer in activations.layers(resnet50)}
    assert all(maps.values.shape[: len(shapes[name])] == shapes[name] for name, maps in together.items())


def test_the_forward_pass_stops_after_the_last_wanted_layer(resnet50, photos):
    calls = []
    handle = resnet50.module.layer4.register_forward_hook(lambda *_: calls.append(1))
    try:
        activations.feature_maps(resnet50, photos["coffee"], ["layer1.0.conv1"])
        assert not calls
        activations.feature_maps(resnet50, photos["coffee"], ["layer4"])
        assert calls
    finally:
        handle.remove()


def test_values_cannot_be_written(resnet50, photos):
    maps = activations.feature_maps(resnet50, photos["coffee"], ["conv1"])["conv1"]
    with pytest.raises(ValueError, match="read-only"):
        maps.values[0] = 0


def test_unknown_layers_are_named_and_leave_no_hooks():
    model = toy()
    for name in ("nothing", "conv#2", "relu#3"):
        with pytest.raises(capture.UnknownLayer, match=name):
            capture.outputs(model.module, PHOTO, [name])
        with pytest.raises(capture.UnknownLayer, match=name):
            capture.tapped(model.module, PHOTO, name)
    assert hooks(model.module) == 0


def test_an_error_inside_the_network_leaves_no_hooks():
    model = toy()
    with pytest.raises(RuntimeError, match="channels"):
        capture.outputs(model.module, torch.zeros(1, 4, 2, 2), ["fc"])
    assert hooks(model.module) == 0


def test_layers_are_found_without_touching_the_network():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = capture.layers(module, (1, 3, 8, 8))
    assert [layer.shape for layer in found] == [(4, 6, 6)] * 3
    assert all(value.device.type == "cpu" for value in module.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def hooks(module: nn.Module) -> int:
    """How many forward hooks are left on a network."""
    return sum(len(child._forward_hooks) + len(child._forward_pre_hooks) for child in module.modules())
