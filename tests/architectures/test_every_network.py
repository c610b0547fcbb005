"""What holds for every card of the catalogue: a new network is held to all of it by having a card.

Against torchvision on equal weights, against its metadata and the guide's counts, forward and backward in both modes at
two sizes, other classes and channels, and illegal sizes by name.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from explorer.architectures.image_size import IllegalSize
from explorer.architectures.state_dict import rename
from explorer.catalogue import CATALOGUE, Architecture
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
CARDS = pytest.mark.parametrize("card", CATALOGUE.values(), ids=CATALOGUE)
WITH_TORCHVISION = [card for card in CATALOGUE.values() if card.torchvision]
# One product of matrices in another order of additions (attention written out), all else in torchvision's order.
ROUNDED = ("vit_b_16", "vit_b_32", "vit_l_16")


def on_meta(card: Architecture, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return card.build(**options)


def other_size(card: Architecture) -> int:
    """A legal size that is not the network's own: odd where it can be, with a remainder at every stride."""
    return card.sides[1] or max(97, card.sides[0])


def build_for(card: Architecture, size: int, **options: Any) -> tuple[nn.Module, int]:
    """The network for images of about this size: (it, the size)."""
    if not card.fixed_size:
        return card.build(**options), size
    size = card.input_size if size == card.input_size else 96
    return card.build(image_size=size, **options), size


def theirs_of(card: Architecture) -> nn.Module:
    """torchvision's network, on meta, without helper heads."""
    options = {"aux_logits": False, "init_weights": False} if card.slug == "googlenet" else {}
    assert card.torchvision is not None
    with torch.device("meta"):
        return torchvision.models.get_model(card.torchvision, weights=None, **options)


def renames(card: Architecture) -> dict[str, str | None]:
    module, _, table = card.renames.partition(":")
    return getattr(importlib.import_module(module), table) if table else {}


@pytest.mark.parametrize("card", WITH_TORCHVISION, ids=lambda card: card.slug)
def test_every_logit_equals_torchvisions(card):
    side = card.input_size
    batch = images((2, 3, side, side)) if card.fixed_size else images()
    theirs = make_live(theirs_of(card), batch)
    ours = on_meta(card).eval()
    ours.load_state_dict(rename(theirs.state_dict(), renames(card)), strict=True, assign=True)
    with torch.inference_mode():
        logits, expected = ours(batch), theirs(batch)
    assert_alive(logits)
    difference = (logits - expected).abs().max()
    assert difference <= (1e-5 * expected.abs().max() if card.slug in ROUNDED else 0)


@pytest.mark.parametrize("slug", ["googlenet", "vit_b_16", "vit_b_32"])
def test_in_double_precision_nothing_is_left_of_the_rounding(slug):
    card = CATALOGUE[slug]
    batch = images((2, 3, card.input_size, card.input_size))
    theirs = make_live(theirs_of(card), batch).double()
    ours = on_meta(card).eval()
    ours.load_state_dict(rename(theirs.state_dict(), renames(card)), strict=True, assign=True)
    with torch.inference_mode():
        assert (ours(batch.double()) - theirs(batch.double())).abs().max() < 1e-12


@pytest.mark.parametrize("card", WITH_TORCHVISION, ids=lambda card: card.slug)
def test_parameters_and_macs_are_those_that_torchvision_publishes(card):
    for weights in torchvision.models.get_model_weights(card.torchvision):
        if weights.name == "IMAGENET1K_FEATURES":
            continue  # VGG-16's trunk alone
        (size,) = weights.transforms().crop_size
        network = on_meta(card, **({"image_size": size} if card.fixed_size else {}))
        cost = count(network, (1, 3, size, size))
        assert cost.parameters == weights.meta["num_params"]
        assert round(cost.macs / 1e9, 3) == weights.meta["_ops"]


@pytest.mark.parametrize(
    ("slug", "fact", "options"),
    [
        ("lenet5", "LeNet5", {}),
        ("alexnet", "AlexNet(torchvision)", {}),
        ("alexnet_lrn", "AlexNet(guide)", {}),
        ("alexnet_lrn", "AlexNet(paper, groups=2, 227)", {"groups": 2, "first_padding": 0}),
        *((name, name, {}) for name in ("vgg16", "vgg16_bn", "vgg19", "vgg19_bn")),
        *((f"resnet{depth}", f"resnet{depth}", {}) for depth in (18, 34, 50, 101, 152)),
        ("densenet121", "DenseNet-121 from guide's blocks", {}),
        ("mobilenet_v1", "MobileNetV1 from guide's block", {}),
        ("mobilenet_v2", "MobileNetV2 from guide's block", {}),
        ("convnext_tiny", "ConvNeXt-T from guide's block", {}),
        ("vit_b_16", "ViT-Base", {}),
        ("unet", "UNet(1,2) 572", {}),
        ("unet", "UNet(1,2) 256", {}),
        ("unet", "UNet(3,21) 256", {"in_channels": 3, "num_classes": 21}),
        ("unet", "UNet(1,2) without BN (paper-like)", {"batch_norm": False}),
    ],
)
def test_parameters_and_macs_are_the_guides(slug, fact, options):
    expected = FACTS["guide_models"][fact]
    network = on_meta(CATALOGUE[slug], **options)
    cost = count(network, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    assert list(network(torch.empty(expected["input"], device="meta")).shape) == expected["output"]


def learn(network: nn.Module, batch: Tensor) -> None:
    """One pass forward and backward; the answer is finite."""
    network.zero_grad()
    answer = network(batch)
    assert torch.isfinite(answer).all()
    # Weights that differ from output to output: an even sum would cancel behind a norm or a softmax.
    (answer * torch.linspace(-1, 1, answer.numel()).view_as(answer)).sum().backward()


@CARDS
def test_it_learns_and_answers_at_its_own_and_at_another_size(card):
    torch.manual_seed(0)
    network, side = build_for(card, card.input_size, num_classes=5)
    batch = images((1, card.channels, side, side))
    with torch.inference_mode():
        assert torch.isfinite(network.eval()(batch)).all()
    learn(network.train(), batch)
    network, side = build_for(card, other_size(card), num_classes=5)
    batch = images((2, card.channels, side, side))
    for mode in (network.train, network.eval):
        learn(mode(), batch)
    for name, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), f"{name} is not reached at {side}"


@CARDS
def test_classes_and_channels_can_be_changed(card):
    side = card.input_size
    narrow = on_meta(card, num_classes=7, in_channels=2).eval()
    answer = narrow(torch.empty(1, 2, side, side, device="meta"))
    own = on_meta(card).eval()(torch.empty(1, card.channels, side, side, device="meta"))
    if card.task == "detection":
        assert (answer.shape[:-1], answer.shape[-1]) == (own.shape[:-1], 5 + 7)
    else:
        assert answer.shape == (1, 7, *own.shape[2:])
    if card.task == "classification":
        assert own.shape == (1, 10 if card.classes else 1000)


@CARDS
def test_a_size_is_legal_exactly_within_the_cards_limits_and_others_are_refused_by_name(card):
    least, most = card.sides
    network = on_meta(card).eval()

    def run(side: int) -> None:
        network(torch.empty(1, card.channels, side, side, device="meta"))

    run(least)
    run(most or 2 * least + 31)
    for side, limit in ((least - 1, least), ((most or 0) + 1, most)):
        if limit is not None and side > 0:
            with pytest.raises(IllegalSize, match=rf"\b{limit} (to \d+ )?pixels.*{side} x {side}"):
                run(side)


@CARDS
def test_weights_follow_the_seed(card):
    if sum(parameter.numel() for parameter in on_meta(card).parameters()) > 3e7:
        pytest.skip("the same builder as a smaller sibling's")
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(card.build().state_dict())
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
