"""AlexNet against torchvision, the guide's counts and shapes, and the paper's normalisation written as loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from explorer.architectures import alexnet as architecture
from explorer.architectures.alexnet import AlexNet, alexnet, alexnet_lrn, response_norm
from explorer.architectures.image_size import IllegalSize
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))


def on_meta(name: str, **options: Any) -> AlexNet:
    with torch.device("meta"):
        network: AlexNet = getattr(architecture, name)(**options)
    return network


def layers_with_weights(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]


# --- counts and shapes ---


@pytest.mark.parametrize(
    ("fact", "name", "options"),
    [
        ("AlexNet(torchvision)", "alexnet", {}),
        ("AlexNet(guide)", "alexnet_lrn", {}),
        ("AlexNet(guide)", "alexnet_lrn", {"lrn": False}),  # a norm has no weights
        ("AlexNet(paper, groups=2, 227)", "alexnet_lrn", {"groups": 2, "first_padding": 0}),
    ],
)
def test_parameters_and_macs_are_the_guides(fact, name, options):
    expected = FACTS["guide_models"][fact]
    cost = count(on_meta(name, **options), expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])


def test_parameters_and_macs_are_torchvisions():
    cost = count(on_meta("alexnet"), (1, 3, 224, 224))
    meta = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta
    assert cost.parameters == meta["num_params"]
    assert round(cost.macs / 1e9, 3) == meta["_ops"]


@pytest.mark.parametrize(("side", "options"), [(224, {}), (227, {"first_padding": 0, "groups": 2})])
@pytest.mark.parametrize("lrn", [True, False])
def test_features_run_in_the_guides_order_with_its_shapes(lrn, side, options):
    network, seen = on_meta("alexnet_lrn", lrn=lrn, **options), []
    for layer in network.features:
        layer.register_forward_hook(lambda layer, inputs, out: seen.append([type(layer).__name__, list(out.shape[1:])]))
    network(torch.empty(1, 3, side, side, device="meta"))
    guides = FACTS["guide_models"]["AlexNet shapes"]
    assert seen == [row for row in guides if lrn or row[0] != "LocalResponseNorm"]


# --- values ---


def test_every_logit_equals_torchvisions():
    with torch.device("meta"):
        theirs = torchvision.models.alexnet(num_classes=12)
    make_live(theirs, images())
    ours = on_meta("alexnet", num_classes=12).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    with torch.inference_mode():
        for batch in (images(), images((2, 3, 259, 287))):  # 1 x 2 and 7 x 8 positions to bring to 6 x 6
            logits = ours(batch)
            assert_alive(logits)
            assert (logits - theirs(batch)).abs().max() == 0


def normalise_as_section_3_3(activations: Tensor) -> Tensor:
    """The paper's formula, unit by unit: b_i = a_i / (k + alpha sum_j a_j^2)^beta, j from i - n/2 to i + n/2."""
    k, n, alpha, beta = 2, 5, 1e-4, 0.75
    normalised = torch.empty_like(activations)
    batch, channels, height, width = activations.shape
    for image in range(batch):
        for row in range(height):
            for column in range(width):
                a = activations[image, :, row, column].tolist()
                for i in range(channels):
                    neighbours = a[max(0, i - n // 2) : min(channels - 1, i + n // 2) + 1]
                    total = sum(a_j**2 for a_j in neighbours)
                    normalised[image, i, row, column] = a[i] / (k + alpha * total) ** beta
    return normalised


def test_normalisation_is_the_papers_formula():
    activations = 100 * images((2, 9, 3, 2)).double()  # so large that the sum of squares matters beside k
    expected = normalise_as_section_3_3(activations)
    assert torch.allclose(response_norm()(activations), expected, rtol=1e-12, atol=0)
    pytorchs_alpha = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)(activations)
    assert not torch.allclose(pytorchs_alpha, expected, rtol=0.1, atol=0)


def test_without_normalisation_it_is_the_same_network_with_two_divisions_less():
    torch.manual_seed(0)
    plain, normed = alexnet_lrn(num_classes=3, lrn=False).eval(), on_meta("alexnet_lrn", num_classes=3).eval()
    weights = dict(zip(normed.state_dict(), plain.state_dict().values(), strict=True))
    normed.load_state_dict(weights, strict=True, assign=True)
    x = 50 * images((1, 3, 95, 63))
    with torch.inference_mode():
        by_hand = x
        for layer in plain.features:
            by_hand = layer(by_hand)
            if layer in (plain.features[1], plain.features[4]):  # the first two ReLUs
                by_hand = normalise_as_section_3_3(by_hand)
        assert torch.allclose(normed.features(x), by_hand, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(normed.features(x), plain.features(x), rtol=0.1)


@pytest.mark.parametrize(("convolution", "cut"), [(1, False), (2, True), (3, False), (4, True), (5, True)])
def test_the_papers_halves_do_not_see_each_other_in_convolutions_2_4_and_5(convolution, cut):
    torch.manual_seed(0)
    layers = layers_with_weights(on_meta("alexnet_lrn", groups=2))
    layer = layers[convolution - 1]
    assert isinstance(layer, nn.Conv2d)
    layer.to_empty(device="cpu").reset_parameters()
    x = torch.randn(1, layer.in_channels, 11, 11, requires_grad=True)
    upper_half = layer(x)[:, layer.out_channels // 2 :]
    (gradient,) = torch.autograd.grad(upper_half.sum(), x)
    seen = gradient.abs().sum(dim=(0, 2, 3)) > 0
    assert seen.tolist() == [not cut or channel >= layer.in_channels / 2 for channel in range(layer.in_channels)]


# --- sizes ---


@pytest.mark.parametrize(
    ("name", "options", "smallest"),
    [
        ("alexnet", {}, torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["min_size"][0]),
        ("alexnet_lrn", {}, 63),
        ("alexnet_lrn", {"first_padding": 0, "groups": 2}, 67),
        ("alexnet_lrn", {"first_padding": 3}, 61),
    ],
)
def test_the_smallest_side_is_the_smallest_that_pytorch_can_compute(name, options, smallest):
    network = on_meta(name, **options)
    assert network(torch.empty(1, 3, smallest, smallest, device="meta")).shape == (1, 1000)
    for size in ((smallest - 1, 224), (224, smallest - 1)):
        too_small = torch.empty(1, 3, *size, device="meta")
        with pytest.raises(IllegalSize, match=f"AlexNet needs sides of at least {smallest} pixels"):
            network(too_small)
        with pytest.raises(RuntimeError):
            network.features(too_small)


# --- training ---


def test_alexnet_starts_with_the_very_weights_of_torchvision():
    torch.manual_seed(3)
    ours = alexnet(num_classes=2).state_dict()
    torch.manual_seed(3)
    theirs = torchvision.models.alexnet(num_classes=2).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_alexnet_lrn_starts_as_section_5_says_and_training_reaches_every_parameter():
    torch.manual_seed(0)
    network = alexnet_lrn(num_classes=7, in_channels=5, groups=2).train()
    layers = layers_with_weights(network)
    assert [layer.bias.unique().tolist() for layer in layers] == [[0], [1], [0], [1], [1], [1], [1], [0]]
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert abs(layer.weight.mean().item()) < 2e-4
    logits = network(images((4, 5, 63, 63)))
    assert logits.shape == (4, 7)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 2, 4, 6]))
    names, parameters = zip(*network.named_parameters(), strict=True)
    for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0, name


@pytest.mark.parametrize("name", ["alexnet", "alexnet_lrn"])
def test_dropout_is_where_torchvision_has_it_and_can_be_turned_off(name):
    with torch.device("meta"):
        theirs = torchvision.models.alexnet().classifier
    assert [type(part) for part in on_meta(name).classifier] == [type(part) for part in theirs]
    for probability in (0.5, 0.0):
        dropouts = [part for part in on_meta(name, dropout=probability).modules() if isinstance(part, nn.Dropout)]
        assert [part.p for part in dropouts] == [probability] * 2
