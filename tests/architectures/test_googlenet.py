"""GoogLeNet against torchvision, the guide's counts and the paper's Table 1."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from explorer.architectures import googlenet as module
from explorer.architectures.googlenet import (
    PAPER,
    RENAMES,
    AuxiliaryClassifier,
    GoogLeNet,
    InceptionModule,
    TrainingLogits,
    googlenet,
)
from explorer.architectures.image_size import IllegalSize
from explorer.architectures.state_dict import rename
from explorer.cost import count
from tests.architectures.live_weights import images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
GUIDE: dict[str, Any] = {"kernel": 5, "conv_bias": True}
MODULE_3A = (192, 64, 96, 128, 16, 32, 32)


def on_meta(**options: Any) -> GoogLeNet:
    with torch.device("meta"):
        return googlenet(**options)


def torchvisions(**options: Any) -> nn.Module:
    return torchvision.models.googlenet(weights=None, init_weights=False, **{"aux_logits": False, **options})


@pytest.fixture(scope="module")
def live() -> nn.Module:
    """torchvision's network without auxiliary classifiers, with weights under which it answers."""
    with torch.device("meta"):
        theirs = torchvisions()
    return make_live(theirs, images())


# --- torchvision ---


def test_half_and_half_is_torchvisions_transform_of_imagenets_normalisation(live):
    ours, theirs = on_meta().eval(), torchvisions(transform_input=True).eval()
    ours.load_state_dict(live.state_dict(), strict=True, assign=True)
    theirs.load_state_dict(live.state_dict())
    pixels = images().sigmoid().double()  # 0..1
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64)[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)[:, None, None]
    with torch.inference_mode():
        logits = ours.double()((pixels - 0.5) / 0.5)
        expected = theirs.double()((pixels - mean) / std)
    assert logits.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def live_in_training() -> nn.Module:
    """torchvision's network with auxiliary classifiers and without dropout; norms take statistics from the batch."""
    torch.manual_seed(0)
    theirs = torchvisions(aux_logits=True, num_classes=10)
    with torch.no_grad():
        for part in theirs.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.uniform_(-0.5, 0.5)
            elif isinstance(part, nn.Dropout):
                part.p = 0.0
    return theirs


def trainable_pair(theirs: nn.Module, dtype: torch.dtype) -> tuple[GoogLeNet, nn.Module]:
    """Ours and torchvision's with equal weights and nothing shared."""
    ours = on_meta(num_classes=10, auxiliary=True)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()), strict=True, assign=True)
    for part in ours.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return ours.to(dtype).train(), copy.deepcopy(theirs).to(dtype).train()


def test_all_three_answers_in_training_equal_torchvisions(live_in_training):
    ours, theirs = trainable_pair(live_in_training, torch.float32)
    with torch.no_grad():
        logits, expected = ours(images()), theirs(images())
    assert isinstance(logits, TrainingLogits)
    for ours_is, theirs_is in zip(logits, (expected.logits, expected.aux_logits2, expected.aux_logits1), strict=True):
        assert (ours_is[0] - ours_is[1]).std() > 0.1
        assert (ours_is - theirs_is).abs().max() == 0
    assert not torch.equal(logits.aux1, logits.aux2)
    statistics = [dict(network.named_buffers()) for network in (ours, theirs)]
    assert statistics[0].keys() == statistics[1].keys()
    assert all(torch.equal(statistics[0][name], statistics[1][name]) for name in statistics[0])


def test_all_gradients_of_the_papers_loss_equal_torchvisions(live_in_training):
    batch, target = images((2, 3, 33, 49)).double(), torch.tensor([0, 9])
    gradients = []
    for network in trainable_pair(live_in_training, torch.float64):
        logits, *auxiliary = (nn.functional.cross_entropy(answer, target) for answer in network(batch))
        names, parameters = zip(*network.named_parameters(), strict=True)
        loss = logits + 0.3 * sum(auxiliary)
        gradients.append(dict(zip(names, torch.autograd.grad(loss, parameters), strict=True)))
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-9, atol=1e-12, msg=name)


def test_what_only_training_uses_equals_torchvisions():
    with torch.device("meta"):
        theirs = torchvisions(aux_logits=True)
    ours = on_meta(auxiliary=True)
    for kind, setting in ((nn.Dropout, "p"), (nn.BatchNorm2d, "eps"), (nn.BatchNorm2d, "momentum")):
        values = [
            {path: getattr(part, setting) for path, part in network.named_modules() if isinstance(part, kind)}
            for network in (ours, theirs)
        ]
        assert values[0] == values[1]


@pytest.mark.parametrize("with_counters", [True, False])
def test_the_official_file_loads_with_its_auxiliary_classifiers_dropped(live, with_counters):
    with torch.device("meta"):
        auxiliary = {key: value for key, value in torchvisions(aux_logits=True).state_dict().items() if "aux" in key}
    everything = {**live.state_dict(), **auxiliary}
    file = {key: value for key, value in everything.items() if with_counters or "num_batches" not in key}
    state = rename(file, RENAMES)
    assert file.keys() - state.keys() == auxiliary.keys() & file.keys()
    ours = on_meta().eval()
    ours.load_state_dict(state, strict=True, assign=True)
    with torch.inference_mode():
        assert torch.equal(ours(images()), live(images()))


# --- counts ---


@pytest.mark.parametrize(
    ("fact", "options"),
    [
        ("InceptionModule(192,64,96,128,16,32,32)", {}),
        ("torchvision Inception3a (3x3 'b3', no bias)", {"kernel": 3, "conv_bias": False}),
    ],
)
def test_a_module_costs_what_the_guides_and_torchvisions_cost(fact, options):
    expected = FACTS["guide_models"][fact]
    inception = InceptionModule(*MODULE_3A, **options)
    cost = count(inception, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    assert sum(buffer.numel() for buffer in inception.buffers()) == expected["buffers"]
    assert list(inception.eval()(torch.zeros(expected["input"])).shape) == expected["output"]


@pytest.mark.parametrize(
    ("options", "parameters", "macs"),
    [
        ({}, 6_624_904, 1_498_376_192),
        (GUIDE, 7_013_112, 1_582_671_872),
        ({**GUIDE, "batch_norm": False}, 6_998_552, 1_582_671_872),
        (PAPER, 6_998_552, 1_582_671_872),
    ],
)
def test_parameters_and_macs_are_torchvisions_the_guides_and_caffes(options, parameters, macs):
    cost = count(on_meta(**options), (1, 3, 224, 224))
    assert (cost.parameters, cost.macs) == (parameters, macs)


# Table 1, millions of operations. Left out are the two rows that do not follow from their own sizes: the first
# convolution (34M for 118M) and 5a (54M for 51M).
@pytest.mark.parametrize(
    ("names", "shape", "millions"),
    [
        (("conv2", "conv3"), (64, 56), 360),
        (("inception3a",), (192, 28), 128),
        (("inception3b",), (256, 28), 304),
        (("inception4a",), (480, 14), 73),
        (("inception4b",), (512, 14), 88),
        (("inception4c",), (512, 14), 100),
        (("inception4d",), (512, 14), 119),
        (("inception4e",), (528, 14), 170),
        (("inception5b",), (832, 7), 71),
        (("fc",), (1024,), 1),
    ],
)
def test_each_row_costs_what_the_papers_table_says(names, shape, millions):
    network = on_meta(**PAPER)
    part = nn.Sequential(*(getattr(network, name) for name in names))
    channels, *side = shape
    macs = count(part, (1, channels, *side, *side)).macs
    assert macs / 1e6 == pytest.approx(millions, abs=0.7)


def test_the_1x1_convolutions_save_more_than_half_of_the_weights_of_3a():
    naive = [nn.Conv2d(192, 64, 1), nn.Conv2d(192, 128, 3), nn.Conv2d(192, 32, 5)]  # Figure 2a
    narrowed = [part for part in InceptionModule(*MODULE_3A).modules() if isinstance(part, nn.Conv2d)]
    assert sum(conv.weight.numel() for conv in naive) == 387_072
    assert sum(conv.weight.numel() for conv in narrowed) == 163_328


def test_the_network_has_22_layers_with_weights_along_its_longest_path():
    network = on_meta()
    modules = [part for part in network.modules() if isinstance(part, InceptionModule)]
    assert 3 + 2 * len(modules) + 1 == 22
    for part in modules:
        branches = [part.branch1, part.branch2, part.branch3, part.branch4]
        assert [sum(isinstance(p, nn.Conv2d) for p in branch.modules()) for branch in branches] == [1, 2, 2, 1]


# --- the module ---


def positive_constants(inception: InceptionModule) -> None:
    """Make every branch's output tell which branch it is: relu(0 x + number)."""
    with torch.no_grad():
        for number, branch in enumerate((inception.branch1, inception.branch2, inception.branch3, inception.branch4)):
            for part in branch.modules():
                if isinstance(part, nn.Conv2d):
                    part.weight.zero_()
                    assert part.bias is not None
                    part.bias.fill_(number + 1)


def test_branches_are_concatenated_in_the_order_of_the_table():
    inception = InceptionModule(6, 2, 5, 3, 5, 4, 1, batch_norm=False)
    positive_constants(inception)
    out = inception(images((1, 6, 3, 5)))
    assert out.shape == (1, 10, 3, 5)
    assert out[0, :, 1, 2].tolist() == [1, 1, 2, 2, 2, 3, 3, 3, 3, 4]


def seen_from_the_centre(branch: nn.Module) -> Tensor:
    """Which pixels of 9 x 9 change the branch's centre, by gradient or by being the greatest."""
    seen = torch.zeros(9, 9, dtype=torch.bool)
    quiet = branch(torch.zeros(1, 1, 9, 9))[0, 0, 4, 4]
    for row in range(9):
        for column in range(9):
            spot = torch.zeros(1, 1, 9, 9)
            spot[0, 0, row, column] = 1
            seen[row, column] = branch(spot)[0, 0, 4, 4] != quiet
    return seen


@pytest.mark.parametrize(("options", "third"), [({}, 5), ({"kernel": 3}, 3)])
def test_each_branch_looks_through_its_window(options, third):
    inception = InceptionModule(1, 1, 1, 1, 1, 1, 1, batch_norm=False, conv_bias=False, **options)
    with torch.no_grad():
        for parameter in inception.parameters():
            parameter.fill_(1)
        for branch, side in zip(inception.children(), (1, 3, third, 3), strict=True):
            expected = torch.zeros(9, 9, dtype=torch.bool)
            reach = side // 2
            expected[4 - reach : 5 + reach, 4 - reach : 5 + reach] = True
            assert torch.equal(seen_from_the_centre(branch), expected)


# --- options ---


@pytest.mark.parametrize(("options", "smallest"), [({}, 15), ({**PAPER, "auxiliary": True}, 31)])
def test_the_smallest_size_is_the_smallest_that_works(options, smallest, monkeypatch):
    torch.manual_seed(0)
    network = googlenet(num_classes=3, **options)
    for training in (True, False):
        answer = network.train(training)(images((2, 3, smallest, smallest)))
        assert isinstance(answer, TrainingLogits) == (training and "auxiliary" in options)
        for shape in ((2, 3, smallest - 1, 64), (2, 3, 64, smallest - 1)):
            with pytest.raises(IllegalSize, match=f"GoogLeNet needs sides of at least {smallest} pixels"):
                network(images(shape))
    monkeypatch.setattr(module, "require_size", lambda *arguments, **options: None)
    with pytest.raises(RuntimeError, match="too small"):
        network(images((2, 3, smallest - 1, 64)))


def test_torchvision_cannot_take_a_smaller_image_either():
    theirs = torchvisions(num_classes=3).eval()
    theirs(images((1, 3, 15, 15)))
    with pytest.raises(RuntimeError, match="too small"):
        theirs(images((1, 3, 14, 14)))


def test_auxiliary_classifiers_are_silent_in_evaluation():
    torch.manual_seed(0)
    network = googlenet(num_classes=7, auxiliary=True).eval()
    plain = on_meta(num_classes=7).eval()
    plain.load_state_dict(rename(network.state_dict(), RENAMES), strict=True, assign=True)
    batch = images((2, 3, 33, 47))
    with torch.inference_mode():
        assert torch.equal(network(batch), plain(batch))


def test_an_auxiliary_classifier_averages_14_pixels_to_4_and_drops_seven_tenths():
    torch.manual_seed(0)
    head = AuxiliaryClassifier(512, 10, conv_bias=False, batch_norm=True)
    assert sum(p.numel() for p in head.parameters()) == 512 * 128 + 2 * 128 + 2048 * 1024 + 1024 + 1024 * 10 + 10
    averaged = head.avgpool(torch.arange(14.0).expand(1, 1, 14, 14))
    assert averaged[0, 0, 0].tolist() == [1.5, 4.5, 8.5, 11.5]  # columns 0-3, 3-6, 7-10, 10-13
    dropped = head.train().dropout(torch.ones(100_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.7, abs=0.006)  # four standard deviations


@pytest.mark.parametrize("options", [{}, PAPER])
def test_training_reaches_every_parameter_for_other_channels_and_classes(options):
    torch.manual_seed(0)
    network = googlenet(num_classes=7, in_channels=5, auxiliary=True, **options).train()
    answers = network(images((4, 5, 33, 33)))
    assert [answer.shape for answer in answers] == 3 * [(4, 7)]
    target = torch.tensor([0, 2, 4, 6])
    losses = [nn.functional.cross_entropy(answer, target) for answer in answers]
    names, parameters = zip(*network.named_parameters(), strict=True)
    gradients = torch.autograd.grad(losses[0] + 0.3 * (losses[1] + losses[2]), parameters)
    for name, gradient in zip(names, gradients, strict=True):
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0, name


def test_every_relu_runs_once_under_its_own_name():
    network = on_meta(auxiliary=True).train()
    calls: Counter[str] = Counter()
    for path, part in network.named_modules():
        if isinstance(part, nn.ReLU):
            part.register_forward_hook(lambda part, inputs, out, path=path: calls.update([path]))
    network(torch.zeros(2, 3, 32, 32, device="meta"))
    assert set(calls.values()) == {1}
    assert len(calls) == 3 + 9 * 6 + 2 * 2


# --- initialisation ---


def test_weights_start_normal_within_two_deviations_of_a_hundredth():
    torch.manual_seed(0)
    network = googlenet()
    weights = [part.weight.flatten() for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    values = torch.cat(weights)
    assert values.abs().max().item() == pytest.approx(0.02, rel=1e-3)
    assert values.abs().max() <= 0.02
    # A standard normal between -2 and 2 has the variance 1 - 4 φ(2) / (Φ(2) - Φ(-2)) = 0.7737.
    assert values.std().item() == pytest.approx(0.01 * 0.7737413**0.5, rel=1e-3)
    assert values.mean().abs() < 1e-5
    assert (network.conv1.bn.weight == 1).all()
    assert (network.conv1.bn.bias == 0).all()


def test_without_norms_the_image_still_reaches_the_logits_and_would_not_with_the_other_weights():
    torch.manual_seed(0)
    network = googlenet(num_classes=20, **PAPER).eval()
    conv = network.inception3a.branch2[1].conv
    assert conv.weight.abs().max().item() == pytest.approx((3 / (96 * 9)) ** 0.5, rel=1e-3)
    assert conv.weight.std().item() == pytest.approx((1 / (96 * 9)) ** 0.5, rel=0.01)
    assert (conv.bias == 0.2).all()
    differences = []
    with torch.inference_mode():
        for _ in range(2):
            first, second = network(images((2, 3, 48, 48)))
            differences.append((first - second).abs().max().item())
            network.initialise_for_norms()
    assert differences[0] > 1e-3
    assert differences[1] < 1e-6
