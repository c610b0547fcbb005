"""Every number of every network accounted for: by hand, against what hooks hear, and down to the pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explorer import activations, capture, catalogue, graph
from explorer.arithmetic.accounting import NoSuchNumber, account
from explorer.arithmetic.accounts import Account, Place
from explorer.arithmetic.unit import chain, explain, explain_unit, walk
from explorer.capture import UnknownLayer
from explorer.graph.values import Values
from explorer.preprocessing import Preprocessing
from tests.architectures.live_weights import images as live_images
from tests.architectures.live_weights import make_live
from tests.conftest import wrapped
from tests.toy import CARD, toy

SMALLEST = (
    "lenet5", "alexnet_lrn", "vgg11_bn", "googlenet", "resnet18", "resnet50", "densenet121", "mobilenet_v1",
    "mobilenet_v2", "efficientnet_b0", "efficientnet_lite0", "convnext_tiny", "vit_b_32", "unet", "yolo",
)  # fmt: skip
SIBLINGS = (
    "resnet34", "densenet161", "densenet169", "densenet201", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_lite1", "efficientnet_lite2", "vit_b_16",
)  # fmt: skip
# Accounts of these are no sums; everything in the catalogue has a rule of its own.
RULES = {
    "weighted", "sum", "mean", "affine", "norm", "response", "function", "product", "maximum", "softmax", "matmul",
    "moved", "pixel",
}  # fmt: skip


def live(slug: str) -> Values:
    """A card's network with live random weights at the smallest handy size, and its numbers for a photo of noise."""
    card = catalogue.get(slug)
    side = max(card.sides[0], 64) if card.sides[1] is None else card.sides[0]
    with torch.device("meta"):
        module = card.build(image_size=32) if card.fixed_size else card.build()
    side = 32 if card.fixed_size else side
    make_live(module, live_images((2, card.channels, side, side)), seed=3)
    flat = (0.5,) * card.channels
    model = wrapped(module, card, Preprocessing(side, side, mean=flat, std=flat), classes=10)
    return Values(model, noise(side))


def noise(side: int):
    """A photo of coloured noise."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))


def by_rule(found: Account) -> float:
    """The rules again, written down a second time and in NumPy and PyTorch's own words."""
    values, numbers, products = found.parts.values, found.numbers, found.parts.products
    if found.rule in ("weighted", "sum", "mean", "matmul"):
        return math.fsum(products) + numbers.get("bias", 0)
    if found.rule == "product":
        return math.prod(values)
    if found.rule == "maximum":
        return max(values)
    if found.rule == "softmax":
        return torch.from_numpy(values).softmax(0)[found.own].item()
    if found.rule == "function":
        x, setting = torch.tensor(values[0]), numbers.get("slope", 0.01)
        functions = {"relu": nn.ReLU(), "relu6": nn.ReLU6(), "gelu": nn.GELU(), "silu": nn.SiLU(), "tanh": nn.Tanh(),
                     "sigmoid": nn.Sigmoid(), "leakyrelu": nn.LeakyReLU(setting)}  # fmt: skip
        return functions[found.function](x).item()
    if found.rule in ("affine", "norm"):
        centred = values[max(found.own, 0)] - numbers["mean"]
        return centred * numbers["scale"] / math.sqrt(numbers["variance"] + numbers["eps"]) + numbers["shift"]
    if found.rule == "response":
        energy = numbers["alpha"] / numbers["size"] * math.fsum(values**2)
        return values[found.own] * (numbers["k"] + energy) ** -numbers["beta"]
    return values[0] if found.rule == "moved" else found.value


def check(values: Values, found: Account) -> None:
    """The rule gives the network's number, and the parts are what stands at their places."""
    assert found.rule in RULES, f"{found.operation} {found.place}"
    scale = np.abs(found.parts.products).sum() if found.rule in ("weighted", "sum", "mean", "matmul") else 0
    assert by_rule(found) == pytest.approx(found.value, rel=1e-4, abs=1e-6 + 1e-6 * scale), found.place
    assert found.recomputed == pytest.approx(by_rule(found), rel=1e-9, abs=1e-9)
    random = np.random.default_rng(len(found.parts))
    for part in random.choice(len(found.parts), min(4, len(found.parts)), replace=False):
        place = found.parts.place(part)
        if place is not None:
            stands = values.output(place.node, place.keys)[place.index].item()
            assert stands == found.parts.values[part], place
        other = found.parts.other(part)
        if other is not None:
            assert values.output(other.node, other.keys)[other.index].item() == found.parts.weights[part]


def kinds(traced: graph.Graph) -> dict[tuple[object, ...], graph.Node]:
    """One node of every distinct kind of convolution and linear layer."""
    names = ("kernel_size", "stride", "dilation", "padding", "bias")
    found = {}
    for node in traced.nodes:
        if "Conv" in node.operation or node.operation == "Linear":
            depthwise = node.settings.get("groups") == node.settings.get("in_channels")
            found[node.operation, depthwise, *(str(node.settings.get(name)) for name in names)] = node
    return found


@pytest.mark.parametrize("slug", [*SMALLEST, *SIBLINGS])
def test_every_kind_of_layer_is_explained_as_hooks_hear_it_and_followed_to_the_pixels(slug):
    values = live(slug)
    random = np.random.default_rng(1)
    known = {layer.name: layer for layer in activations.layers(values.model)}
    chosen = [known[node.name] for node in kinds(values.graph).values() if node.name in known]
    containers = [layer for layer in known.values() if not layer.leaf]
    chosen += containers[:: max(1, len(containers) // 2)]
    with values.alone():
        heard = capture.outputs(values.model.module, values.inputs, [layer.name for layer in chosen])
    for layer in chosen:
        maps = layer.maps(heard[layer.name])[0]
        unit = tuple(int(random.integers(side)) for side in maps.shape)
        found = explain(values, layer.name, *unit)
        assert found.value == maps[unit].item()
        assert found.value == pytest.approx(found.steps[-1].after if found.steps else found.weighted)
        for each in found.accounts:
            check(values, each)
    place = Place(values.graph.outputs[0], tuple(0 for _ in values.output(values.graph.outputs[0]).shape))
    for _ in range(600):
        found = account(values, place)
        check(values, found)
        placed = np.flatnonzero(found.parts.flat >= 0)
        if found.rule == "pixel" or not len(placed):
            break
        place = found.parts.place(int(random.choice(placed)))
    assert found.rule == "pixel" or not len(placed)


def test_the_large_networks_have_no_operation_and_no_kind_of_layer_that_was_not_followed():
    """They take long to fill; every kind they are made of stands in one that is followed above."""
    tested: set[object] = set()
    others: set[object] = set()
    for slug, card in catalogue.CATALOGUE.items():
        with torch.device("meta"):
            module = card.build()
        traced = graph.trace(module, (1, card.channels, card.input_size, card.input_size))
        found = {node.operation for node in traced.nodes} | set(kinds(traced))
        (tested if slug in (*SMALLEST, *SIBLINGS) else others).update(found)
    assert others <= tested


class Small(nn.Module):
    """A convolution without padding, a batch norm, a ReLU that overwrites."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 2)
        self.norm = nn.BatchNorm2d(1, eps=0.0)
        self.relu = nn.ReLU(inplace=True)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[[[1.0, 2], [3, 4]], [[0, 0], [0, -2]], [[0, 0], [0, 0]]]]))
            assert self.conv.bias is not None
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            self.conv.bias.fill_(0.5)
            self.norm.running_mean.fill_(2.0)
            self.norm.running_var.fill_(4.0)
            self.norm.weight.fill_(3.0)
            self.norm.bias.fill_(-1.0)

    def forward(self, x):
        return self.relu(self.norm(self.conv(x)))


def small(red: list[int], green: list[int]):
    """The network above for a photo of 2 x 2 pixels."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.reshape(red, (2, 2)), np.reshape(green, (2, 2))
    recipe = Preprocessing(resize=2, crop=2, mean=(0.0,) * 3, std=(1 / 255,) * 3)  # the bytes themselves
    return wrapped(Small(), CARD, recipe, classes=1), Image.fromarray(pixels)


def test_by_hand():
    model, image = small([1, 2, 0, 3], [9, 9, 9, 4])
    found = explain_unit(model, image, "relu", 0)
    assert found.patch == pytest.approx(np.array([[[1, 2], [0, 3]], [[9, 9], [9, 4]], [[0, 0], [0, 0]]]), abs=1e-4)
    assert found.kernel.tolist() == [[[1, 2], [3, 4]], [[0, 0], [0, -2]], [[0, 0], [0, 0]]]
    assert found.channel_sums == pytest.approx([1 + 4 + 0 + 12, -8, 0], abs=1e-3)
    assert found.bias == 0.5
    assert found.weighted == pytest.approx(9.5)
    assert [step.operation for step in found.steps] == ["BatchNorm2d", "ReLU"]
    assert found.steps[0].text == "(9.5 − 2) / 2 × 3 − 1"
    assert found.steps[0].after == pytest.approx((9.5 - 2) / 2 * 3 - 1)
    assert found.steps[1].text == "max(0, 10.2)"
    assert found.value == pytest.approx(10.25)
    assert found.terms[7] == pytest.approx((1, 1, 1, 4, -2, -8), abs=1e-3)


def test_what_the_relu_overwrote_is_still_seen_before_it():
    model, image = small([0, 0, 0, 0], [0, 0, 0, 200])
    norm, relu = (explain_unit(model, image, name, 0) for name in ("norm", "relu"))
    assert norm.value == pytest.approx((-400 + 0.5 - 2) / 2 * 3 - 1, rel=1e-4)
    assert (relu.value, relu.steps[-1].before) == (0, norm.value)


def windows() -> dict[str, nn.Module]:
    """What slides a window, in ways that the catalogue's networks do not."""
    return {
        "groups": nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2),
        "same": nn.Conv2d(4, 2, 4, padding="same", dilation=2),
        "reflect": nn.Conv2d(4, 2, 3, padding=2, padding_mode="reflect"),
        "circular": nn.Conv2d(4, 2, 3, padding=(1, 2), padding_mode="circular"),
        "transposed": nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        "dilated transposed": nn.ConvTranspose2d(4, 2, (2, 3), stride=(3, 2), dilation=(2, 1), bias=False),
        "average, ceil": nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
        "average without padding": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
        "max": nn.MaxPool2d(3, 2, padding=1, dilation=2, ceil_mode=True),
        "adaptive": nn.AdaptiveAvgPool2d((3, 4)),
        "adaptive max": nn.AdaptiveMaxPool2d((3, 4)),
        "group norm": nn.GroupNorm(2, 4),
        "local response": nn.LocalResponseNorm(3, alpha=0.5),
        "batch norm without a scale": nn.BatchNorm2d(4, affine=False),
        "hardswish": nn.Hardswish(),
        "softplus": nn.Softplus(),
        "shuffle": nn.PixelShuffle(2),
    }


@pytest.mark.parametrize("name", windows())
def test_settings_that_the_catalogue_does_not_have(name):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 1), windows()[name]).eval()
    model = wrapped(module, CARD, Preprocessing(7, 7, mean=(0.5,) * 3, std=(0.2,) * 3), classes=1)
    values = Values(model, noise(7))
    answer = values.output("1")
    assert torch.equal(answer, module(values.inputs))
    for flat in np.linspace(0, answer.numel() - 1, 23).astype(int):
        index = tuple(map(int, np.unravel_index(flat, answer.shape)))
        found = account(values, Place("1", index))
        assert found.rule not in ("slopes", "moved") or name == "shuffle"
        assert found.recomputed == pytest.approx(answer[index].item(), rel=1e-5, abs=1e-6)
        place = found.parts.place(found.strongest) if found.strongest >= 0 else None
        if place:
            assert values.output("0")[place.index].item() == found.parts.values[found.strongest]


def test_what_has_no_rule_says_what_it_depends_on():
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Upsample(scale_factor=2, mode="bilinear")).eval()
    model = wrapped(module, CARD, Preprocessing(4, 4, mean=(0.5,) * 3, std=(0.2,) * 3), classes=1)
    found = account(Values(model, noise(4)), Place("1", (0, 1, 3, 3)))
    assert found.rule == "slopes"
    assert sorted(found.parts.weights) == pytest.approx([1 / 16, 3 / 16, 3 / 16, 9 / 16])
    assert found.parts.products.sum() == pytest.approx(found.value, abs=1e-5)


def test_the_largest_is_followed_to_a_pixel_and_memory_does_not_matter(lite0, photos):
    plenty, little = Values(lite0, photos["chelsea"]), Values(lite0, photos["chelsea"], limit=1)
    start = explain(plenty, "features.5", 3, 3, 2).accounts[0].place
    way = walk(plenty, start)
    assert way[-1].node == graph.INPUT
    assert len(way) > 10
    for place in way[::5]:
        assert account(little, place).value == account(plenty, place).value
    head = chain(plenty, start)[-1]
    assert abs(head.parts.products[head.strongest]) == np.abs(head.parts.products).max()


def test_a_trained_networks_logit(lite0, photos):
    logits = activations.feature_maps(lite0, photos["coffee"], ["classifier.1"])["classifier.1"].values
    best = int(logits.argmax())
    found = explain_unit(lite0, photos["coffee"], "classifier.1", best)
    assert found.value == logits[best, 0, 0]
    assert found.channel_sums.sum() + found.bias == pytest.approx(found.value, rel=1e-5)
    assert found.patch.shape == (1280, 1, 1)


def test_what_is_not_there_is_named():
    model = toy()
    with pytest.raises(UnknownLayer, match="nowhere"):
        explain_unit(model, noise(2), "nowhere", 0)
    with pytest.raises(NoSuchNumber, match="conv has 2 × 2 × 2 units; there is none at channel 5"):
        explain_unit(model, noise(2), "conv", 5, 0, 0)


def test_the_network_is_left_as_found(lite0, photos):
    before = {name: tensor.clone() for name, tensor in lite0.module.state_dict().items()}
    explain_unit(lite0, photos["chelsea"], "features.2", 0, 3, 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lite0.module.state_dict().items())
    assert not any(len(part._forward_hooks) for part in lite0.module.modules())
    assert not any(parameter.requires_grad for parameter in lite0.module.parameters())
