"""Interventions against the same network with weights zeroed, bit for bit, and against what must not change."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from explorer import activations, attribution, capture, catalogue, intervention, models, predict
from explorer.architectures.vit import VisionTransformer
from explorer.intervention import Intervention, NoSuchPart, active, blocks, greedy, heads, intervened
from explorer.preprocessing import Preprocessing
from tests.architectures.live_weights import make_live
from tests.conftest import live_model, wrapped
from tests.test_attribution import PHOTO
from tests.test_capture import hooks
from tests.toy import toy

SMALL = Preprocessing(resize=37, crop=32)


@pytest.fixture(scope="module")
def vit():
    """A vision transformer of two blocks, four heads and sixteen patches."""
    module = VisionTransformer(image_size=32, patch_size=8, num_classes=10, dim=32, depth=2, heads=4)
    make_live(module, torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return wrapped(module, catalogue.get("vit_b_16"), SMALL, classes=10)


@pytest.fixture(scope="module")
def convnext():
    return live_model("convnext_tiny", SMALL)


@pytest.fixture(scope="module")
def plain():
    """Convolutions with biases, in-place ReLUs and no shortcut, as VGG has them."""
    torch.manual_seed(3)
    parts = [nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True)]
    module = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))
    return wrapped(module, catalogue.get("vgg11"), SMALL, classes=10)


def zeroed(model, *edits):
    """Logits-giving copy of a network with some of its tensors edited: (module, tensor's name, index or None)."""
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        for path, name, index in edits:
            getattr(module.get_submodule(path), name)[... if index is None else index] = 0
    return wrapped(module, model.card, model.preprocessing, classes=len(model.classes))


def assert_equal_logits(model, changes, expected, photo):
    before = predict.logits(model, photo)
    truth = predict.logits(expected, photo)
    assert not np.array_equal(before, truth)
    with active(model, changes):
        np.testing.assert_array_equal(predict.logits(model, photo), truth)
    np.testing.assert_array_equal(predict.logits(intervened(model, changes), photo), truth)
    np.testing.assert_array_equal(predict.logits(model, photo), before)


def test_a_channel_off_is_its_filter_zeroed(resnet18, photos):
    changes = [Intervention("layer2.0.conv1", (3, 17))]
    expected = zeroed(resnet18, ("layer2.0.conv1", "weight", [3, 17]))
    assert_equal_logits(resnet18, changes, expected, photos["coffee"])


def test_a_channel_off_before_an_inplace_relu_is_filter_and_bias_zeroed(plain, photos):
    expected = zeroed(plain, ("2", "weight", 5), ("2", "bias", 5))
    assert_equal_logits(plain, [Intervention("2", (5,))], expected, photos["coffee"])


def test_a_channel_off_where_channels_come_last_is_its_row_zeroed(convnext, photos):
    layer = next(layer.name for layer in activations.layers(convnext) if layer.kind == "Linear" and layer.spatial)
    expected = zeroed(convnext, (layer, "weight", 7), (layer, "bias", 7))
    assert_equal_logits(convnext, [Intervention(layer, (7,))], expected, photos["coffee"])


def test_a_channel_of_tokens_off_is_its_row_zeroed(vit, photos):
    expected = zeroed(vit, ("blocks.0.mlp.0", "weight", 9), ("blocks.0.mlp.0", "bias", 9))
    assert_equal_logits(vit, [Intervention("blocks.0.mlp.0", (9,))], expected, photos["coffee"])


def test_a_unit_of_a_vector_off_is_its_row_zeroed(resnet18, photos):
    expected = zeroed(resnet18, ("fc", "weight", 4), ("fc", "bias", 4))
    assert_equal_logits(resnet18, [Intervention("fc", (4,))], expected, photos["coffee"])


def test_twice_as_loud_is_its_filter_doubled(resnet18, photos):
    expected = zeroed(resnet18)
    with torch.no_grad():
        expected.module.get_submodule("layer3.0.conv2").weight[8] *= 2
    assert_equal_logits(resnet18, [Intervention("layer3.0.conv2", (8,), 2.0)], expected, photos["coffee"])


def test_scaling_by_one_changes_nothing(resnet18, photos):
    changes = [
        Intervention("layer2", None, 1.0),
        Intervention("layer3", ()),
        Intervention("layer1.0", None, 1.0, "block"),
    ]
    assert intervened(resnet18, changes) is resnet18
    before = predict.logits(resnet18, photos["coffee"])
    with active(resnet18, changes):
        assert hooks(resnet18.module) == 0
        np.testing.assert_array_equal(predict.logits(resnet18, photos["coffee"]), before)


@pytest.mark.parametrize("block", ["layer1.1", "layer2.0"])  # with an identity, with a projection for shortcut
def test_a_block_off_is_its_last_norm_zeroed(resnet18, photos, block):
    expected = zeroed(resnet18, (f"{block}.bn2", "weight", None), (f"{block}.bn2", "bias", None))
    assert_equal_logits(resnet18, [Intervention(block, kind="block")], expected, photos["coffee"])


def test_inverted_residuals_and_convnext_blocks_off(convnext, photos):
    mobilenet = live_model("mobilenet_v2", SMALL)
    expected = zeroed(mobilenet, ("stage3.1.bn", "weight", None), ("stage3.1.bn", "bias", None))
    assert_equal_logits(mobilenet, [Intervention("stage3.1", kind="block")], expected, photos["coffee"])
    expected = zeroed(convnext, ("stage2.1", "layer_scale", None))
    assert_equal_logits(convnext, [Intervention("stage2.1", kind="block")], expected, photos["coffee"])


@pytest.mark.parametrize(("block", "last"), [("blocks.0.attention", "projection"), ("blocks.1.mlp", "3")])
def test_a_transformers_branches_off_one_by_one(vit, photos, block, last):
    expected = zeroed(vit, (f"{block}.{last}", "weight", None), (f"{block}.{last}", "bias", None))
    assert_equal_logits(vit, [Intervention(block, kind="block")], expected, photos["coffee"])


def test_a_head_off_is_what_the_projection_takes_from_it_zeroed(vit, photos):
    assert [(each.layer, each.count) for each in heads(vit)] == [("blocks.0.attention", 4), ("blocks.1.attention", 4)]
    columns = (slice(None), slice(16, 32))  # heads 2 and 3 of eight numbers each
    expected = zeroed(vit, ("blocks.1.attention.projection", "weight", columns))
    assert_equal_logits(vit, [Intervention("blocks.1.attention", (2, 3), kind="head")], expected, photos["coffee"])


# (blocks, projections among them): from each paper's table of the architecture.
@pytest.mark.parametrize(
    ("slug", "count", "projections"),
    [
        ("resnet50", 16, 4),
        ("resnet18", 8, 3),
        ("efficientnet_b0", 9, 0),
        ("mobilenet_v2", 10, 0),
        ("convnext_tiny", 18, 0),
        ("vit_b_32", 24, 0),
        ("swin_t", 24, 0),
        ("vgg11", 0, 0),
        ("densenet121", 0, 0),
        ("googlenet", 0, 0),
    ],
)
def test_residual_blocks_are_found_in_any_network(slug, count, projections):
    card = catalogue.get(slug)
    with torch.device("meta"):
        module = card.build()
    weights = models.Weights("none", "random")
    model = models.Model(card, module, weights, torch.device("meta"), (), card.preprocessing, f"{slug}|blocks")
    found = blocks(model)
    assert len({block.name for block in found}) == len(found) == count
    assert sum(block.shortcut == "projection" for block in found) == projections


def test_of_a_module_called_twice_only_the_named_call_by_hand():
    # Channel 1 off behind the second ReLU: logit 0 = 4 (1/4) + 1/4, logit 1 = 1 (see test_attribution).
    model = toy()
    twin = intervened(model, [Intervention("relu#2", (1,))])
    with active(model, [Intervention("relu#2", (1,))]):
        for network in (model, twin, model, twin):  # each pass begins to count anew
            assert predict.logits(network, PHOTO).tolist() == pytest.approx([1.25, 1.0])
            maps = activations.feature_maps(network, PHOTO, ["relu#1", "relu#2"])
            assert maps["relu#1"].values[1].max() == 2
            assert maps["relu#2"].values[1].max() == 0


def test_maps_and_attribution_follow(resnet18, photos):
    before = attribution.attribute(resnet18, photos["coffee"], layer="layer2", target=3)
    twin = intervened(resnet18, [Intervention("layer2", (0, 1, 2, 3))])
    maps = activations.feature_maps(twin, photos["coffee"], ["layer2"])["layer2"].values
    assert (maps[:4] == 0).all()
    assert (maps[4:] != 0).any()
    after = attribution.attribute(twin, photos["coffee"], layer="layer2", target=3)
    with active(resnet18, [Intervention("layer2", (0, 1, 2, 3))]):
        inside = attribution.attribute(resnet18, photos["coffee"], layer="layer2", target=3)
    np.testing.assert_array_equal(after.raw, inside.raw)
    assert not np.allclose(after.raw, before.raw)
    assert activations.layers(twin) == activations.layers(resnet18)


def test_with_everything_off_there_is_still_a_gradient(plain, photos):
    twin = intervened(plain, [Intervention("2")])
    assert attribution.attribute(plain, photos["coffee"], layer="0", target=1).raw.any()
    assert not attribution.attribute(twin, photos["coffee"], layer="0", target=1).raw.any()


def test_the_shared_network_stays_as_found(resnet18, photos):
    before = copy.deepcopy(resnet18.module.state_dict())
    changes = [Intervention("layer1", (0,)), Intervention("layer2.1", kind="block")]
    twin = intervened(resnet18, changes)
    greedy(resnet18, photos["coffee"], "layer4", count=2)
    with pytest.raises(ZeroDivisionError), active(resnet18, changes):
        _ = 1 / 0
    assert hooks(resnet18.module) == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in resnet18.module.state_dict().items())
    mine = dict(twin.module.named_parameters())
    assert all(mine[name] is parameter for name, parameter in resnet18.module.named_parameters())
    assert twin.lock is not resnet18.lock


def test_another_thread_sees_the_original_meanwhile(resnet18, photos):
    inputs = resnet18.preprocess(photos["coffee"])
    seen = []

    def other():
        with torch.no_grad():
            seen.append(resnet18.module(inputs)[0].numpy())

    with active(resnet18, [Intervention("layer1", (0, 1))]):
        changed = predict.logits(resnet18, photos["coffee"])
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    np.testing.assert_array_equal(seen[0], predict.logits(resnet18, photos["coffee"]))
    assert not np.array_equal(seen[0], changed)


def test_interventions_on_a_changed_network_add_up(resnet18, photos):
    first, second = Intervention("layer1", (0,)), Intervention("layer3.1", kind="block")
    both = intervened(resnet18, [first, second])
    stepwise = intervened(intervened(resnet18, [first]), [second])
    np.testing.assert_array_equal(predict.logits(both, photos["coffee"]), predict.logits(stepwise, photos["coffee"]))


def test_keys_tell_interventions_apart_and_not_their_order(resnet18):
    off, quiet, block = (
        Intervention("layer1", (2, 1)),
        Intervention("layer1", (1,), 0.5),
        Intervention("layer1.0", kind="block"),
    )
    plans = [[], [off], [quiet], [block], [off, quiet], [off, block], [Intervention("layer1")]]
    assert len({intervened(resnet18, plan).key for plan in plans}) == len(plans)
    assert intervened(resnet18, [block, off]).key == intervened(resnet18, [off, block]).key
    assert intervened(resnet18, [Intervention("layer1", (1, 2), -0.0)]).key == intervened(resnet18, [off]).key


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Intervention("layer1", (64,)), "0 to 63"),
        (Intervention("layer2.0.relu1", (-1,)), "no -1"),
        (Intervention("layer1", kind="block"), "no residual block 'layer1'"),
        (Intervention("layer1", kind="head"), "no attention 'layer1'"),
        (Intervention("layer1", (0,), float("nan")), "finite"),
        (Intervention("layer9", (0,)), "no layer 'layer9'"),
        (Intervention("layer1.0.add", (0,)), "'layer1.0.add' of ResNet-18 is a step between layers"),
    ],
)
def test_what_is_not_there_is_said(resnet18, change, words):
    for enter in (lambda: intervened(resnet18, [change]), lambda: active(resnet18, [change]).__enter__()):
        with pytest.raises((NoSuchPart, capture.UnknownLayer), match=words):
            enter()


@pytest.mark.parametrize("search", [greedy, intervention.contributions])
def test_a_step_between_layers_hears_no_question(resnet18, photos, search):
    with pytest.raises(capture.UnknownLayer, match="step between layers"):
        search(resnet18, photos["coffee"], "layer1.0.add")


def test_words():
    assert intervention.describe(Intervention("layer4", (3, 7))) == "channels 3, 7 of layer4 off"
    assert intervention.describe(Intervention("b.attention", (2,), -0.5, "head")) == "head 2 of b.attention times −0.5"
    assert intervention.describe(Intervention("layer1.0", kind="block")) == "residual branch of layer1.0 off"
    many = intervention.describe(Intervention("layer4", tuple(range(6))))
    assert many == "channels 0, 1, 2, 3 and 2 more of layer4 off"


def by_brute_force(model, photo, layer, target, count):
    """Every channel in turn, one at a time, in a network of its own."""
    channels = activations.find(model, layer).shape[0]

    def logit(off):
        with active(model, [Intervention(layer, tuple(off))]):
            return predict.logits(model, photo)[target]

    plain = predict.logits(model, photo)[target]
    alone = np.array([plain - logit([channel]) for channel in range(channels)])
    off: list[int] = []
    while len(off) < count:
        left = [channel for channel in range(channels) if channel not in off]
        off.append(left[int(np.argmin([logit([*off, channel]) for channel in left]))])
    return alone, off


# Behind the first the network adds, behind the second it concatenates, and the third is a list of tokens.
@pytest.mark.parametrize("case", ["resnet18 layer1.1.bn1", "densenet121 features.denseblock4.denselayer1.conv2", "vit"])
def test_greedy_is_what_trying_one_by_one_finds(case, resnet18, vit, photos):
    slug, _, layer = case.partition(" ")
    model = {"resnet18": resnet18, "vit": vit}.get(slug) or live_model(slug, Preprocessing(resize=73, crop=64))
    layer = layer or "blocks.0"
    photo = photos["coffee"]
    count = 1 if slug == "resnet18" else 2  # one by one takes its time
    alone, off = by_brute_force(model, photo, layer, 5, count)
    found = greedy(model, photo, layer, 5, count=count, candidates=len(alone))
    np.testing.assert_allclose(found.alone, alone, atol=2e-4 * np.abs(alone).max() + 1e-5)
    assert found.channels == tuple(off)
    with active(model, [Intervention(layer, tuple(off))]):
        assert found.logits[-1] == pytest.approx(predict.logits(model, photo)[5], rel=1e-3)
    assert all(before > after for before, after in pairwise(found.logits))


def test_greedy_on_the_toy_by_hand():
    # Logit 0 = 4 (1/4) - 8 (3/4) + 1/4: only channel 0 speaks for it.
    found = greedy(toy(), PHOTO, "relu#2", 0)
    assert found.alone.tolist() == pytest.approx([1.0, -6.0])
    assert found.channels == (0,)
    assert found.logits == pytest.approx((-4.75, -5.75))
    assert "from −4.75 to −5.75" in found.sentence
    told = replace(found, probabilities=(0.2451, 0.0004)).sentence
    assert told.endswith("its probability from 24.5 % to below 0.1 %.")
    assert greedy(toy(), PHOTO, "relu#2", 1).channels == ()
    assert "No channel" in greedy(toy(), PHOTO, "relu#2", 1).sentence


def test_greedy_tells_how_far_it_is_and_can_be_stopped(resnet18, photos):
    told: list[tuple[int, int]] = []
    greedy(resnet18, photos["coffee"], "layer1", count=3, candidates=8, progress=lambda *step: told.append(step))
    assert told[-1] == (64 + 7 + 6, 64 + 7 + 6)
    assert told == sorted(told)
    with pytest.raises(intervention.Cancelled):
        greedy(resnet18, photos["coffee"], "layer1", cancelled=lambda: True)
    with pytest.raises(NoSuchPart, match="no class 1000"):
        greedy(resnet18, photos["coffee"], "layer1", 1000)


def test_every_layout_is_covered(convnext, vit):
    kinds = {layer.layout for model in (convnext, vit) for layer in activations.layers(model)}
    assert {kind.name for kind in kinds} == {"MAPS", "CHANNELS_LAST", "TOKENS", "VECTOR"}
    assert isinstance(vit.module, nn.Module)
