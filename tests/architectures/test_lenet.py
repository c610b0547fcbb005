"""LeNet-5 against the guide's layers, the paper's 60,000 parameters and logits worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explorer.architectures.image_size import IllegalSize
from explorer.architectures.lenet import LeNet5, lenet5
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))


def on_meta(**options: Any) -> LeNet5:
    with torch.device("meta"):
        return lenet5(**options)


def test_parameters_and_macs_are_the_guides():
    cost = count(on_meta(), (1, 1, 32, 32))
    assert cost.parameters == FACTS["guide_models"]["LeNet5"]["params"] == 61_706
    assert cost.macs == FACTS["guide_models"]["LeNet5"]["macs"] == 416_520


def test_layers_run_in_the_guides_order_with_its_shapes_and_parameters():
    network, seen = lenet5(), []
    for layer in network.children():
        layer.register_forward_hook(
            lambda layer, inputs, out: seen.append(
                [type(layer).__name__, list(out.shape), sum(p.numel() for p in layer.parameters())]
            )
        )
    network(images((1, 1, 32, 32)))
    assert seen == FACTS["guide_models"]["LeNet5 layers"]


@pytest.mark.parametrize(("layer", "parameters"), [("c1", 156), ("c3", 2416), ("c5", 48120), ("f6", 10164)])
def test_the_papers_layers_have_the_papers_names(layer, parameters):
    assert sum(p.numel() for p in on_meta().get_submodule(layer).parameters()) == parameters


# Table I: which maps of S2 each of the 16 maps of C3 sees.
TABLE_1 = (
    [{start, (start + 1) % 6, (start + 2) % 6} for start in range(6)]
    + [{start, (start + 1) % 6, (start + 2) % 6, (start + 3) % 6} for start in range(6)]
    + [{start, start + 1, start + 3, (start + 4) % 6} for start in range(3)]
    + [set(range(6))]
)


def test_the_paper_has_exactly_60_000_parameters():
    assert [len(seen) for seen in TABLE_1] == [3] * 6 + [4] * 9 + [6]
    assert all(sum(s2 in seen for seen in TABLE_1) == 10 for s2 in range(6))  # each map of S2 is seen equally often
    sparse_c3 = sum(len(seen) * 25 + 1 for seen in TABLE_1)
    assert sparse_c3 == 1516
    ours = {name: sum(p.numel() for p in layer.parameters()) for name, layer in on_meta().named_children()}
    trainable_pooling = 2 * 6 + 2 * 16
    fixed_output = 0
    assert 156 + 12 + sparse_c3 + 32 + 48_120 + 10_164 + fixed_output == 60_000
    assert sum(ours.values()) - ours["c3"] + sparse_c3 + trainable_pooling - ours["output"] == 60_000


def guides_network() -> nn.Sequential:
    """The layers that the guide lists, one after the other."""
    return nn.Sequential(
        *[nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)],
        *[nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)],
        *[nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()],
        *[nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)],
    )


@pytest.mark.parametrize("size", [(32, 32), (35, 33)])
def test_every_logit_equals_the_guides(size):
    batch = images((2, 1, *size))
    theirs, ours = make_live(guides_network(), batch), lenet5().eval()
    weights = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(weights), strict=True)
    with torch.inference_mode():
        logits = ours(batch)
        assert_alive(logits)
        assert (logits - theirs(batch)).abs().max() == 0


@pytest.mark.parametrize(
    ("activation", "by_hand"),
    [(nn.Tanh, math.tanh), (nn.ReLU, lambda a: max(a, 0)), (nn.Identity, lambda a: a)],
)
def test_equal_weights_on_an_even_image_give_logits_that_a_pencil_finds(activation, by_hand):
    weight, value = 0.013, 0.7
    network = lenet5(activation=activation).double()
    for name, parameter in network.named_parameters():
        nn.init.constant_(parameter, weight if name.endswith("weight") else 0.0)
    unit = value
    for inputs in (25, 6 * 25, 16 * 25, 120):  # an average of equals changes nothing
        unit = by_hand(inputs * weight * unit)
    with torch.inference_mode():
        logits = network(torch.full((1, 1, 32, 32), value, dtype=torch.float64))
    assert logits.flatten().tolist() == pytest.approx([84 * weight * unit] * 10, rel=1e-12)


@pytest.mark.parametrize("size", [(28, 28), (31, 32), (32, 31), (36, 32), (32, 36)])
def test_a_wrong_size_is_told_how_to_pad_digits(size):
    with pytest.raises(IllegalSize, match=r"32 to 35 pixels.* 28 x 28, must be padded by 2"):
        lenet5()(torch.zeros(1, 1, *size))


@pytest.mark.parametrize(("side", "left"), [(32, 1), (35, 1), (36, 2)])
def test_35_is_the_largest_side_that_leaves_c5_one_position(side, left):
    network = on_meta()
    x = torch.empty(1, 1, side, side, device="meta")
    for name in ("c1", "s2", "c3", "s4", "c5"):
        x = network.get_submodule(name)(x)
    assert x.shape == (1, 120, left, left)


def test_31_is_too_small_for_c5():
    network = lenet5().eval()
    x = network.s4(network.c3(network.s2(network.c1(torch.zeros(1, 1, 31, 31)))))
    assert x.shape == (1, 16, 4, 4)
    with pytest.raises(RuntimeError):
        network.c5(x)


def test_it_learns_to_tell_stripes_apart():
    """Horizontal from vertical, in noise, from 64 pictures: gradients flow and the digits' network can learn."""
    torch.manual_seed(0)
    network, rows = lenet5(num_classes=2), torch.arange(32).div(4, rounding_mode="floor") % 2 * 2.0 - 1
    labels = torch.arange(64) % 2

    def pictures() -> Tensor:
        stripes = torch.stack([rows[:, None].expand(32, 32), rows[None].expand(32, 32)])
        return stripes[labels][:, None] + torch.randn(64, 1, 32, 32)

    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(pictures()), labels).backward()
        optimiser.step()
    with torch.inference_mode():
        assert (network(pictures()).argmax(dim=1) == labels).float().mean() > 0.95


def test_weights_start_uniform_within_one_over_the_root_of_the_inputs():
    torch.manual_seed(0)
    network = lenet5()
    for layer, inputs in ((network.c3, 6 * 25), (network.c5, 16 * 25), (network.f6, 120)):
        bound = inputs**-0.5
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert layer.bias.abs().max().item() <= bound
