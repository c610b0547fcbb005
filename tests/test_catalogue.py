"""Cards: the guide's networks in order, and torchvision's others by name."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torchvision.models import get_model_weights, list_models

from explorer import catalogue, models, predict
from explorer.catalogue import CATALOGUE

OTHERS = [name for name in catalogue.titles(mine=False) if name not in CATALOGUE]
SMALL = ["squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5", "mobilenet_v3_small", "regnet_x_400mf"]


def test_everything_that_torchvision_classifies_with_can_be_chosen():
    assert set(list_models(module=torchvision.models)) <= set(catalogue.titles())
    assert set(OTHERS) <= set(list_models(module=torchvision.models))


def test_the_guides_networks_are_all_there_in_its_order():
    guide = [
        *("LeNet", "AlexNet", "VGG", "GoogLeNet", "ResNet", "DenseNet", "MobileNet", "EfficientNet"),
        *("EfficientNet-Lite", "ConvNeXt", "ViT", "YOLO", "U-Net"),
    ]
    families = dict.fromkeys(card.family for card in CATALOGUE.values())
    assert [family for family in families if family in guide] == guide
    assert {
        *("lenet5", "alexnet", "alexnet_lrn", "googlenet", "mobilenet_v1", "mobilenet_v2", "yolo", "unet"),
        *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
        *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
        *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
        *(f"efficientnet_b{index}" for index in range(8)),
        *(f"efficientnet_lite{index}" for index in range(3)),
        *(f"convnext_{size}" for size in ("tiny", "small", "base", "large")),
        *("vit_b_16", "vit_b_32", "vit_l_16"),
    } <= set(CATALOGUE)


@pytest.mark.parametrize("slug", CATALOGUE)
def test_every_card_is_complete(slug):
    card = catalogue.get(slug)
    assert card.slug == slug
    assert card.paper.startswith(("https://arxiv.org/abs/", "https://doi.org/"))
    assert 2 <= len(card.ideas) <= 5
    assert all(idea.endswith(".") and len(idea) < 140 for idea in card.ideas)
    assert 1998 <= card.year <= 2026
    assert card.authors
    assert "random" in card.policies
    assert card.task in ("classification", "detection", "segmentation")
    assert (card.torchvision is not None) == (slug in list_models(module=torchvision.models))
    assert card.sides[0] <= card.input_size <= (card.sides[1] or 10**6)


@pytest.mark.parametrize("name", OTHERS)
def test_a_card_of_torchvisions_comes_from_its_metadata(name):
    card, entry = catalogue.get(name), get_model_weights(name).DEFAULT
    assert card.slug == card.torchvision == name
    assert card.input_size == entry.transforms().crop_size[0]
    assert f"{entry.meta['num_params']:,} parameters" in card.ideas[-1]
    assert str(entry.meta["_metrics"]["ImageNet-1K"]["acc@1"]) in card.ideas[-1]
    assert catalogue.titles()[name] == f"{card.title} ({card.year})"
    assert card.paper.startswith("https://arxiv.org/abs/")
    assert 2 <= len(card.ideas) <= 5
    assert card.policies == ("auto", "pretrained", "random")


def test_titles_read_as_the_papers_have_them():
    for name, title in {
        "vit_l_32": "ViT-L/32",
        "regnet_y_1_6gf": "RegNetY-1.6GF",
        "resnext101_64x4d": "ResNeXt-101-64x4d",
        "wide_resnet50_2": "Wide ResNet-50-2",
        "swin_v2_t": "Swin v2-T",
        "mnasnet0_75": "MnasNet 0.75",
        "shufflenet_v2_x1_5": "ShuffleNet v2 x1.5",
        "mobilenet_v3_small": "MobileNetV3-Small",
        "inception_v3": "Inception v3",
        "efficientnet_v2_m": "EfficientNetV2-M",
    }.items():
        assert catalogue.get(name).title == title


@pytest.mark.parametrize("name", [*SMALL, "swin_t", "vit_l_32", "inception_v3", "resnext50_32x4d", "efficientnet_v2_s"])
def test_classes_and_channels_of_torchvisions_networks_can_be_changed(name):
    card = catalogue.get(name)
    build = card.build if name.startswith("regnet") else on_meta(card.build)  # RegNet cannot be built on meta
    network = build(num_classes=7, in_channels=1).eval().to("meta")
    least = card.sides[0]
    assert network(torch.empty(1, 1, least, least, device="meta")).shape == (1, 7)
    own = build().eval().to("meta")
    assert own(torch.empty(1, 3, card.input_size, card.input_size, device="meta")).shape == (1, 1000)
    published = get_model_weights(name).DEFAULT.meta["num_params"]
    helper = 3_326_696 if name == "inception_v3" else 0  # its auxiliary head: 27,161,264 - 23,834,568 without it
    assert sum(parameter.numel() for parameter in own.parameters()) == published - helper


def on_meta(build):
    def built(**options):
        with torch.device("meta"):
            return build(**options)

    return built


def test_one_of_torchvisions_runs_like_any_other(photos):
    model = models.load("shufflenet_v2_x0_5", "random", "cpu")
    best = predict.top_k(model, photos["coffee"], 3)
    assert len(best) == 3
    assert model.classes[504] == "coffee mug"


@pytest.mark.parametrize("name", ["resnet5o", "", "../x", "retinanet_resnet50_fpn", "deeplabv3_resnet50", "a" * 1000])
def test_unknown_names_are_refused_in_one_sentence(name):
    with pytest.raises(catalogue.UnknownArchitecture, match="near names are"):
        catalogue.get(name)


@pytest.mark.parametrize("name", ["vit_h_14", "vit_l_32", "maxvit_t", "swin_v2_t"])
def test_torchvisions_networks_take_the_size_on_their_card(name):
    card = catalogue.get(name)
    network = on_meta(card.build)(num_classes=3).eval()
    assert network(torch.empty(1, 3, card.input_size, card.input_size, device="meta")).shape == (1, 3)
