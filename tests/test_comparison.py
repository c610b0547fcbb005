"""Networks side by side: depth as their names have it, stages lined up, numbers equal to those of other pages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from explorer import activations, catalogue, comparison, models, predict
from explorer.comparison import Comparison, Facts, Profile

FACTS = json.loads((Path(__file__).parent / "reference" / "guide_facts.json").read_text())


def counted(slug: str) -> int:
    """The depth of a card's network at its own size, built without numbers."""
    card = catalogue.get(slug)
    with torch.device("meta"):
        module = card.build()
    return comparison.depth(module, (1, card.channels, card.input_size, card.input_size))


@pytest.mark.parametrize(
    ("slug", "published"),
    [
        *FACTS["resnet_weighted_layers"].items(),
        *((f"vgg{depth}", depth) for depth in (11, 13, 16, 19)),
        ("vgg16_bn", 16),
        *((f"densenet{depth}", depth) for depth in (121, 161, 169, 201)),
        ("resnext101_32x8d", 101),
        ("wide_resnet50_2", 50),
        ("lenet5", 5),  # C1, C3, C5, F6, output
        ("alexnet", 8),  # "eight learned layers"
        ("googlenet", 22),  # "22 layers deep when counting only layers with parameters"
        ("squeezenet1_0", 18),  # conv1, eight Fire modules of two, conv10
        ("mobilenet_v1", 28),  # "counting depthwise and pointwise convolutions as separate layers, MobileNet has 28"
        ("unet", 23),  # "in total the network has 23 convolutional layers"
        ("vit_b_16", 1 + 12 * 4 + 1),  # patches, then (qkv, projection, two of the MLP) in each block, head
    ],
)
def test_depth_is_what_names_and_papers_count(slug, published):
    assert counted(slug) == published


class Ways(nn.Module):
    """A way of three layers beside one of one, in-place steps, weights that are made of weights, a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.long = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 1))
        self.short = nn.Conv2d(3, 3, 3)
        self.head = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.ones(2, 3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        joined = self.short(x).add_(self.long(x))
        token = (self.scale @ self.scale.T).sum() + torch.ones(1, device=x.device)
        return {
            "few": self.short(x),
            "most": nn.functional.linear(joined.mean((2, 3)) * token, self.head.weight * self.scale, self.head.bias),
        }


def test_depth_of_a_toy_is_that_of_its_longest_way_and_leaves_it_alone():
    module = Ways().train()
    assert comparison.depth(module, (1, 3, 8, 8)) == 4
    assert module.training
    assert module.head.weight.device.type == "cpu"


def random_model(slug: str) -> models.Model:
    return models.load(slug, "random", "cpu")


@pytest.mark.parametrize(
    ("slug", "layers"),
    [
        ("resnet50", {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}),
        ("efficientnet_lite0", {4: "features.2", 8: "features.3", 16: "features.5", 32: "features.8"}),
        ("convnext_tiny", {4: "stage1", 8: "stage2", 16: "stage3", 32: "stage4"}),
        ("swin_t", {4: "features.1", 8: "features.3", 16: "features.5", 32: "permute"}),
        ("alexnet", {4: "features.1", 8: "features.4", 16: "features.11", 32: "avgpool"}),  # 55, 27, 13, 6 of 224
        ("vit_b_32", {32: "blocks.10"}),
        ("unet", {4: "decoders.3", 8: "decoders.1", 16: "bottleneck"}),
    ],
)
def test_stages_are_lined_up_by_stride(slug, layers):
    model = random_model(slug)
    found = comparison.aligned(model)
    assert {stride: layer.name for stride, layer in found.items()} == layers
    assert list(found) == sorted(found)
    for stride, layer in found.items():
        assert abs(model.preprocessing.crop / stride - layer.shape[1]) <= 1


def test_vit_b_16_has_one_stride_only():
    with torch.device("meta"):
        module = catalogue.get("vit_b_16").build()
    card = catalogue.get("vit_b_16")
    model = models.Model(
        card, module, models.Weights("none", "random"), torch.device("meta"), (), card.preprocessing, ""
    )
    assert {stride: layer.name for stride, layer in comparison.aligned(model).items()} == {16: "blocks.10"}


@pytest.mark.parametrize(
    ("slug", "parameters", "macs"),
    [
        ("resnet18", FACTS["guide_models"]["resnet18"]["params"], FACTS["guide_models"]["resnet18"]["macs"]),
        ("resnet50", FACTS["guide_models"]["resnet50"]["params"], FACTS["guide_models"]["resnet50"]["macs"]),
        ("convnext_tiny", 28_589_128, 4_455_531_264),
        ("mobilenet_v2", 3_504_872, 300_774_272),
    ],
)
def test_counts_are_the_published_ones(slug, parameters, macs):
    facts = comparison.facts(random_model(slug))
    assert (facts.parameters, facts.macs) == (parameters, macs)


def test_a_profile_says_what_other_pages_say(lite0, photos):
    photo = photos["chelsea"]
    found = comparison.profile(lite0, photo)
    assert found.answers == predict.top_k(lite0, photo)
    assert found.answers[0].label == "tiger cat"
    assert (found.title, found.weights, found.trained, found.side) == ("EfficientNet-Lite0", "ImageNet", True, 224)
    assert (found.facts.parameters, found.facts.macs, found.facts.depth) == (lite0.parameters, 385_187_552, 50)
    assert list(found.stages) == [4, 8, 16, 32]
    for stage in found.stages.values():
        maps = activations.feature_maps(lite0, photo, [stage.layer])[stage.layer]
        spread = maps.values.reshape(len(maps.values), -1).std(axis=1)
        assert stage.channel == spread.argmax()
        assert stage.shape == maps.values.shape
        assert np.array_equal(stage.values, maps.values[stage.channel])
        assert not stage.values.flags.writeable


def test_time_is_a_median_of_some_runs(lite0, photos, monkeypatch):
    ticks = iter([0, 0.010, 0, 0.030, 0, 0.020, 0, 0.500, 0, 0.015])
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: next(ticks))
    found = comparison.profile(lite0, photos["chelsea"])
    assert (found.milliseconds, found.runs) == (pytest.approx(20), 5)


def test_a_slow_network_is_run_less_often(lite0, photos, monkeypatch):
    ticks = iter([0, 1.0, 0, 2.0])
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: next(ticks))
    found = comparison.profile(lite0, photos["chelsea"])
    assert (found.milliseconds, found.runs) == (pytest.approx(1500), 2)


def test_networks_that_name_nothing_have_no_answers(photos):
    found = comparison.profile(random_model("yolo"), photos["chelsea"])
    assert found.answers == ()
    assert not found.trained
    assert set(found.stages) == {4, 8, 16, 32}


def test_ratios_are_to_the_first():
    def made(parameters: int, macs: int, milliseconds: float) -> Profile:
        return Profile("", "", "", True, 1, Facts(1, parameters, macs, None), (), milliseconds, 5, {})

    shown = Comparison((made(4, 10, 2.0), made(8, 5, 3.0)))
    assert shown.parameters == (1, 2)
    assert shown.macs == (1, 0.5)
    assert shown.time == (1, 1.5)


def test_compare_keeps_the_order(resnet18, lite0, photos):
    assert [each.slug for each in comparison.compare([resnet18, lite0], photos["chelsea"]).profiles] == [
        "resnet18",
        "efficientnet_lite0",
    ]


@pytest.mark.parametrize(
    ("slug", "size", "whole"),
    # Araujo et al. 2019, "Computing receptive fields of convolutional neural networks": AlexNet 195, VGG-16 212,
    # ResNet-50 v1 483 with the stride in the first 1x1; 427 with it in the 3x3. EfficientNet-B0's gates see everything.
    [("alexnet", 195, False), ("vgg16", 212, False), ("resnet50", 427, False), ("efficientnet_b0", 851, True)],
)
def test_the_receptive_field_is_that_of_the_last_map(slug, size, whole):
    field = comparison.facts(random_model(slug)).receptive_field
    assert field is not None
    assert (field.size, field.whole) == (size, whole)


def test_nothing_stays_on_a_network(lite0, photos):
    before = {name: value.clone() for name, value in lite0.module.state_dict().items()}
    comparison.profile(lite0, photos["coffee"])
    assert all(torch.equal(value, before[name]) for name, value in lite0.module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in lite0.module.modules())
    assert not lite0.module.training


def page() -> None:
    """The tab alone."""
    from pages.shared import comparison, selection

    comparison.draw(selection.picture())


def opened(*slugs: str, network: str = catalogue.DEFAULT) -> AppTest:
    """The tab as a visitor finds it who had chosen these networks."""
    from pages.shared.selection import Selection

    app = AppTest.from_function(page, default_timeout=120)
    app.session_state["selection"] = Selection(network=network, compare=slugs)
    if slugs:
        app.session_state["compared"] = True
    app.run()
    assert not app.exception
    return app


def test_the_tab_opens_with_three_networks_and_a_table_that_equals_the_profiles(lite0):
    app = opened()
    table = app.dataframe[0].value
    assert table["network"].tolist() == ["EfficientNet-Lite0", "EfficientNet-Lite2", "ResNet-18"]
    assert table["depth"].tolist() == [50, 65, 18]
    assert table["macs"].tolist()[2] == pytest.approx(1.814073344)
    assert table["parameters_times"].tolist()[2] == pytest.approx(11_689_512 / lite0.parameters)
    assert table["answers"][0].startswith("tiger cat 41 %, Egyptian cat 34 %")
    (note,) = [each.value for each in app.caption if "random weights" in each.value]
    assert note.startswith(":material/casino: ResNet-18 runs")


def test_the_selected_network_comes_first():
    assert opened(network="mobilenet_v2").multiselect[0].value[0] == "mobilenet_v2"


def test_a_failing_network_is_one_sentence_and_the_others_go_on(monkeypatch):
    load = models.load

    def broken(slug, *arguments, **options):
        if slug == "efficientnet_lite2":
            raise RuntimeError("out of memory")
        return load(slug, *arguments, **options)

    monkeypatch.setattr(models, "load", broken)
    app = opened("efficientnet_lite0", "efficientnet_lite2", "efficientnet_lite1")
    (warning,) = app.warning
    assert warning.value == "EfficientNet-Lite2 is left out: it failed on this photo."
    assert app.dataframe[0].value["network"].tolist() == ["EfficientNet-Lite0", "EfficientNet-Lite1"]


def test_one_network_is_no_comparison_and_a_digit_no_photo():
    assert opened("efficientnet_lite0").info[0].value.startswith("Choose 2 to 4 networks")
    app = opened("efficientnet_lite0", "efficientnet_lite1", network="lenet5")
    app.session_state["selection"] = replace(app.session_state["selection"], image="digit_3")
    app.run()
    assert "Only LeNet-5 reads digits" in app.caption[0].value
    assert app.dataframe[0].value["answers"][0].startswith("tiger cat")


def test_the_stage_is_kept():
    app = opened("efficientnet_lite0", "efficientnet_lite1")
    app.segmented_control(key="compare-stride").set_value(8).run()
    app.multiselect[0].set_value(["efficientnet_lite1", "efficientnet_lite0"]).run()
    assert app.session_state["compared_stride"] == 8
    assert app.session_state["selection"].compare == ("efficientnet_lite1", "efficientnet_lite0")
    assert not app.exception
