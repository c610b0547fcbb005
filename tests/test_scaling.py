"""Rebuilt networks against published counts, whole networks and closed forms; gradients by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from streamlit.testing.v1 import AppTest
from torch import Tensor

from explorer import cost, scaling
from explorer.architectures import efficientnet, resnet
from explorer.figures import scaling as figures

FACTS = json.loads((Path(__file__).parent / "reference" / "guide_facts.json").read_text())


@pytest.mark.parametrize("name", list(FACTS["efficientnet_scaling"]))
def test_b0_to_b7_cost_what_they_cost(name):
    noted, hand = FACTS["efficientnet_scaling"][name], scaling.COEFFICIENTS[name]
    assert (hand.width, hand.depth, hand.resolution) == tuple(
        noted["guide"][key] for key in ("width", "depth", "resolution")
    )
    found = scaling.efficientnet(hand.width, hand.depth, hand.resolution)
    assert (found.parameters, found.macs) == (noted["params"], noted["macs_at_guide_resolution"])


@pytest.mark.parametrize(("width", "depth", "side"), [(0.5, 0.5, 131), (1.37, 2.3, 200), (1.1, 3.6, 129)])
def test_counting_each_kind_of_block_once_equals_counting_the_whole_network(width, depth, side):
    with torch.device("meta"):
        whole = efficientnet.EfficientNet(efficientnet.Scaling(width, depth, side, 0.2))
    counted = cost.count(whole, (1, 3, side, side))
    found = scaling.efficientnet(width, depth, side)
    assert (found.parameters, found.macs) == (counted.parameters, counted.macs)
    assert sum(found.blocks) == sum(isinstance(part, efficientnet.MBConv) for part in whole.modules())


def test_the_compound_coefficient():
    assert pytest.approx(1.2 * 1.1**2 * 1.15**2) == scaling.WORK_PER_STEP
    assert pytest.approx(1.92027) == scaling.WORK_PER_STEP
    for name, noted in FACTS["guide_models"]["compound"]["phi"].items():
        found = scaling.compound(int(name[1:]))
        assert found.depth == pytest.approx(noted["depth"], abs=5e-4)
        assert found.width == pytest.approx(noted["width"], abs=5e-4)
        assert found.resolution == pytest.approx(noted["res"], abs=0.05)
    assert scaling.at_compound(0) == scaling.efficientnet(1.0, 1.0, 224)


@pytest.mark.parametrize(
    ("width", "side", "macs", "parameters"),  # millions, Tables 6 and 7 of the MobileNet paper
    [(1.0, 224, 569, 4.2), (0.75, 224, 325, 2.6), (0.5, 224, 149, 1.3), (0.25, 224, 41, 0.5), (1.0, 192, 418, 4.2),
     (1.0, 160, 290, 4.2), (1.0, 128, 186, 4.2)],
)  # fmt: skip
def test_mobilenet_v1_costs_what_the_paper_says(width, side, macs, parameters):
    found = scaling.mobilenet(1, width, side)
    assert found.macs / 1e6 == pytest.approx(macs, abs=1)
    assert found.parameters / 1e6 == pytest.approx(parameters, abs=0.051)


@pytest.mark.parametrize(
    ("width", "macs", "parameters"),  # millions, the authors' checkpoints at 224 pixels
    [(0.35, 59, 1.66), (0.5, 97, 1.95), (0.75, 209, 2.61), (1.0, 300, 3.47), (1.4, 582, 6.06)],
)
def test_mobilenet_v2_costs_what_its_authors_say(width, macs, parameters):
    found = scaling.mobilenet(2, width, 224)
    assert found.macs / 1e6 == pytest.approx(macs, abs=1)
    assert found.parameters / 1e6 == pytest.approx(parameters, rel=0.02)


def test_splitting_saves_what_the_formula_says():
    saving = scaling.separable_saving(512)
    assert saving.standard.parameters == 2_359_296
    assert saving.separable.parameters == 266_752
    assert f"{saving.formula:.1%}" == "88.7%"
    for channels, kernel in ((512, 3), (8, 5), (64, 7), (16, 1)):
        found = scaling.separable_saving(channels, kernel)
        assert found.counted == pytest.approx(1 - (1 / channels + 1 / kernel**2))
        assert found.formula == pytest.approx(found.counted)


@pytest.mark.parametrize("depth", list(scaling.RESNETS))
def test_resnets_cost_what_they_cost_and_have_the_layers_of_their_names(depth):
    noted = FACTS["guide_models"][f"resnet{depth}"]
    found = scaling.resnet(scaling.RESNETS[depth], depth >= 50)
    assert (found.parameters, found.macs, found.layers) == (noted["params"], noted["macs"], depth)


def test_a_plain_network_lacks_its_projections():
    blocks = (3, 4, 6, 3)
    with torch.device("meta"):
        whole = resnet.ResNet(resnet.BasicBlock, blocks, plain=True)
    counted = cost.count(whole, (1, 3, 224, 224))
    plain = scaling.resnet(blocks, False, plain=True)
    assert (plain.parameters, plain.macs) == (counted.parameters, counted.macs)
    projections = sum(inside * 2 * inside + 2 * 2 * inside for inside in (64, 128, 256))
    assert scaling.resnet(blocks, False).parameters - plain.parameters == projections


@pytest.mark.parametrize("depth", list(scaling.DENSENETS))
def test_densenets_cost_what_they_cost(depth):
    noted = FACTS["torchvision"][f"densenet{depth}"]["IMAGENET1K_V1"]
    found = scaling.densenet(scaling.DENSENETS[depth])
    assert (found.parameters, round(found.macs / 1e9, 3), found.layers) == (noted["num_params"], noted["gmacs"], depth)


def by_hand(weights: list[Tensor], fc: tuple[Tensor, Tensor], images: Tensor, labels: Tensor, plain: bool) -> Tensor:
    """The loss of two blocks, written out."""
    x = images
    for first, second in zip(weights[::2], weights[1::2], strict=True):
        y = F.relu(normalised(F.conv2d(x, first, padding=1)))
        y = normalised(F.conv2d(y, second, padding=1))
        x = F.relu(y if plain else x + y)
    logits = x.mean((2, 3)) @ fc[0].T + fc[1]
    return (torch.logsumexp(logits, 1) - logits[torch.arange(len(labels)), labels]).mean()


def normalised(x: Tensor) -> Tensor:
    """Batch norm as it starts."""
    mean, spread = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (spread + 1e-5).sqrt()


@pytest.mark.parametrize("plain", [True, False])
def test_gradient_norms_are_those_of_the_formula_and_of_differences(plain):
    network, images, labels = scaling.fresh_stack(2, plain, seed=3, norm=True)
    weights = [part.weight.detach().double() for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    last = network[-1]
    fc = (last.weight.detach().double(), last.bias.detach().double())
    leaves = [weight.clone().requires_grad_() for weight in weights]
    loss = by_hand(leaves, fc, images.double(), labels, plain)
    expected = torch.autograd.grad(loss, leaves)
    found = scaling.gradient_norms(2, plain, seed=3)
    assert found.loss == pytest.approx(loss.item(), rel=1e-5)
    assert found.layers == pytest.approx([float(gradient.norm()) for gradient in expected], rel=1e-3)
    # Along its own direction the loss rises by the norm.
    step = 1e-5 * expected[0] / expected[0].norm()
    up, down = (
        by_hand([weights[0] + sign * step, *weights[1:]], fc, images.double(), labels, plain) for sign in (1, -1)
    )
    assert found.layers[0] == pytest.approx(float((up - down) / 2e-5), rel=1e-3)


def test_with_batch_norm_plain_gradients_grow_towards_the_image_as_theory_says_and_shortcuts_tame_them():
    growth = [scaling.gradient_norms(20, True, seed).growth for seed in range(3)]
    assert sum(growth) / 3 == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=0.05)  # Yang et al. 2019, ReLU
    assert scaling.gradient_norms(20, False).growth < 1.1


def test_a_pair_starts_from_the_same_weights_and_nobody_elses_random_numbers_change():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    plain, residual = (scaling.fresh_stack(3, kind, seed=1, norm=True) for kind in (True, False))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(plain[0].parameters(), residual[0].parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(plain[1], residual[1])


def test_figures_show_the_designs():
    here = scaling.efficientnet(1.0, 1.0, 224)
    figure = figures.cost_plane(scaling.efficientnet_paths(), here)
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["B0 to B7"].x) == [row["params"] for row in FACTS["efficientnet_scaling"].values()]
    assert len(set(traces["resolution alone"].x)) == 1  # resolution adds no parameter
    assert (traces["you are here"].x, traces["you are here"].y) == ((here.parameters,), (here.macs,))
    plain, residual = scaling.gradient_norms(2, True), scaling.gradient_norms(2, False)
    assert [trace.y for trace in figures.gradients(plain, residual).data] == [plain.layers, residual.layers]


def tab() -> None:
    """The tab alone."""
    from pages.shared import scaling_lab

    scaling_lab.draw()


def test_the_lab_says_what_b4_costs_and_opens_every_experiment():
    app = AppTest.from_function(tab, default_timeout=60).run()
    app.segmented_control(key="lab-how").set_value("apart").run()
    app.pills(key="lab-b").set_value("B4").run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == ["19.3 M", "4.39 G", "32", "380 px"]
    app.slider(key="lab-width").set_value(1.5).run()
    assert app.pills(key="lab-b").value is None
    for lab in ("mobilenet", "depth", "gradients"):
        app.segmented_control(key="lab").set_value(lab).run()
        assert not app.exception
        assert not app.warning
    app.toggle(key="lab-norm").set_value(False).run()
    assert not app.exception
