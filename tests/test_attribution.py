"""Grad-CAM against captum, against numbers worked out by hand, and against what must not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image
from torch import nn

from explorer import activations, attribution, models
from explorer.preprocessing import Preprocessing
from tests.conftest import live_model, wrapped
from tests.test_capture import hooks
from tests.toy import CARD, toy


def picture(red, green):
    """A 2 x 2 photo of the toy: values in [0, 1] in steps of 1/255."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.array(red) * 255, np.array(green) * 255
    return Image.fromarray(pixels)


PHOTO = picture(red=[[1, 0], [0, 1]], green=[[0, 1], [0, 1]])
# conv: red - 1/2 = [[.5, -.5], [-.5, .5]] and 2 green - red = [[-1, 2], [0, 1]].
# Logit 0 = 4 mean(relu(first)) - 8 mean(relu(second)) + 1/4 = 4 (1/4) - 8 (3/4) + 1/4 = -4.75; logit 1 = -1.5 + 1.


def test_toy_at_the_second_relu_by_hand():
    found = attribution.attribute(toy(), PHOTO, target=0, layer="relu#2")
    # The logit rises by 4/4 a unit of channel 0 and falls by 8/4 a unit of channel 1: weights 1 and -2.
    assert found.raw.tolist() == [[0.5, -4.0], [0.0, 0.5 - 2.0]]
    assert found.logit == pytest.approx(-4.75)
    assert found.heatmap[0, 0] == 1
    assert found.heatmap[0, 1] == found.heatmap[1, 1] == 0
    assert found.signed.tolist() == [[0.125, -1.0], [0.0, -0.375]]


def test_toy_before_the_inplace_relu_by_hand():
    found = attribution.attribute(toy(), PHOTO, target=0, layer="conv")
    # Only units above zero pass a gradient: two of four in channel 0, two of four in channel 1. Weights 1/2 and -1.
    # The maps are the convolution's own, negative values included.
    assert found.raw.tolist() == [[0.5 * 0.5 + 1.0, -0.25 - 2.0], [-0.25, 0.25 - 1.0]]


def test_no_positive_evidence_is_said_and_never_scaled_up():
    found = attribution.attribute(toy(), PHOTO, target=1, layer="relu#2")
    assert (found.raw <= 0).all()
    assert not found.evidence
    assert (found.heatmap == 0).all()
    assert found.signed.min() == -1


def test_most_probable_class_is_the_default_target(lite0, photos):
    found = attribution.attribute(lite0, photos["coffee"])
    assert (found.target, found.label, found.layer) == (967, "espresso", "features.8")
    assert found.probability == pytest.approx(0.951, abs=0.002)
    assert found.heatmap.shape == (224, 224)
    assert found.raw.shape == (7, 7)


def find(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name)


@pytest.mark.parametrize(
    "layer", ["features.8", "features.5", "features.3.1", "features.2.0.block.0.1", "features.0.0"]
)
@pytest.mark.parametrize("target", [282, 285])
def test_lite0_equals_captum_exactly(lite0, photos, layer, target):
    inputs = lite0.preprocess(photos["chelsea"])
    expected = LayerGradCam(lite0.module, find(lite0.module, layer)).attribute(inputs, target=target)
    found = attribution.attribute(lite0, photos["chelsea"], target=target, layer=layer)
    assert np.abs(found.raw).max() > 1e-4
    assert (found.raw == expected[0, 0].detach().numpy()).all()


@pytest.mark.parametrize("layer", ["layer4", "layer3.5.conv3", "layer2", "layer1.0.bn1", "bn1", "relu"])
def test_resnet50_equals_captum_exactly(resnet50, photos, layer):
    inputs = resnet50.preprocess(photos["motorcycle"])
    expected = LayerGradCam(resnet50.module, find(resnet50.module, layer)).attribute(inputs, target=7)
    found = attribution.attribute(resnet50, photos["motorcycle"], target=7, layer=layer)
    assert np.abs(found.raw).max() > 1e-6
    assert (found.raw == expected[0, 0].detach().numpy()).all()


def test_efficientnet_with_squeeze_and_excitation_equals_captum_exactly(photos):
    model = live_model("efficientnet_b0", Preprocessing(resize=110, crop=96))
    inputs = model.preprocess(photos["rocket"])
    for layer in ("features.8", "features.4"):
        expected = LayerGradCam(model.module, find(model.module, layer)).attribute(inputs, target=3)
        found = attribution.attribute(model, photos["rocket"], target=3, layer=layer)
        assert np.abs(found.raw).max() > 1e-6
        assert (found.raw == expected[0, 0].detach().numpy()).all()


def test_grad_cam_is_cam_where_a_global_mean_feeds_the_last_layer(lite0, photos):
    """Selvaraju et al., section 3.1: there the weights are those of the class, divided by the number of positions."""
    found = attribution.attribute(lite0, photos["china"], target=698)
    maps = activations.feature_maps(lite0, photos["china"], ["features.8"])["features.8"].values
    weights = lite0.module.classifier[1].weight[698].numpy()
    cam = np.tensordot(weights, maps, axes=1) / 49
    assert np.allclose(found.raw, cam, atol=1e-5 * np.abs(cam).max())


def test_heatmap_is_rectified_before_it_is_enlarged():
    raw = torch.tensor([[1.0, -1.0]])
    enlarged = attribution.enlarged(raw.clamp(min=0), (1, 8)).numpy()[0]
    # Pixel centres at -3/8 + i/4 of a cell: 1 until the first centre, then a line down to 0 at the second.
    assert np.allclose(enlarged, [1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0])


def test_maps_of_any_scale_are_shown(photos):
    """A network whose logits move by 1e-20 has a map like any other; an epsilon would blank it."""
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        module[0].weight.fill_(0.1)
        module[4].weight.fill_(1e-20)
    model = wrapped(module, CARD, Preprocessing(resize=16, crop=16), classes=2)
    found = attribution.attribute(model, photos["chelsea"], target=0, layer="1")
    assert 0 < found.raw.max() < 1e-18
    assert found.heatmap.max() == 1


def test_whatever_is_not_valid_gets_one_sentence(lite0, photos):
    for arguments, word in (
        ({"layer": "classifier.1"}, "features.8"),
        ({"layer": "nowhere"}, "nowhere"),
        ({"method": "magic"}, "grad_cam"),
        ({"target": 1000}, "999"),
        ({"target": -1}, "999"),
    ):
        with pytest.raises(attribution.NotApplicable, match=word) as caught:
            attribution.attribute(lite0, photos["coffee"], **arguments)
        assert str(caught.value).count(". ") == 0


def test_the_network_is_left_as_found(resnet50, photos):
    module = resnet50.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    frozen = [parameter.requires_grad for parameter in module.parameters()]
    with torch.inference_mode():
        expected = module(resnet50.preprocess(photos["camera"]))
    attribution.attribute(resnet50, photos["camera"], layer="layer1.0.bn1")
    activations.feature_maps(resnet50, photos["camera"])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [parameter.requires_grad for parameter in module.parameters()] == frozen
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(child.training for child in module.modules())
    assert hooks(module) == 0
    with torch.inference_mode():
        assert torch.equal(module(resnet50.preprocess(photos["camera"])), expected)


def test_trainable_networks_give_the_same_map_and_get_no_gradients(photos):
    frozen = models.load("efficientnet_lite0", device="cpu")
    found = attribution.attribute(frozen, photos["coffee"], layer="features.5")
    free = wrapped(frozen.card.build(), frozen.card, frozen.preprocessing, classes=1000)
    free.module.load_state_dict(frozen.module.state_dict())
    free.module.requires_grad_(True)
    again = attribution.attribute(free, photos["coffee"], layer="features.5")
    assert (found.raw == again.raw).all()
    assert all(parameter.grad is None for parameter in free.module.parameters())
    assert all(parameter.requires_grad for parameter in free.module.parameters())


def test_works_in_any_gradient_mode_and_gives_plain_arrays(lite0, photos):
    expected = attribution.attribute(lite0, photos["coffee"])
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            found = attribution.attribute(lite0, photos["coffee"])
        assert type(found.raw) is np.ndarray
        assert (found.raw == expected.raw).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_graphics_card_agrees_with_the_processor(photos):
    here, there = (models.load("efficientnet_lite0", device=name) for name in ("cpu", "cuda"))
    expected = attribution.attribute(here, photos["coffee"], target=967)
    found = attribution.attribute(there, photos["coffee"], target=967)
    assert np.allclose(found.raw, expected.raw, atol=1e-3 * np.abs(expected.raw).max())
