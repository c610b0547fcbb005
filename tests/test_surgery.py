"""Surgery against torchvision's own, against the original network place by place, and against what must not change."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from explorer import activations, capture, catalogue, graph, models, predict, surgery
from explorer.preprocessing import Preprocessing
from explorer.surgery import Cut, Inoperable, operate
from tests.conftest import live_model, wrapped

REMOVED, SPREAD = Cut(remove=True), Cut(remove=True, spread=True)


@pytest.fixture(scope="module")
def network():
    """ResNet-50, live, at 64 pixels."""
    return live_model("resnet50", Preprocessing(resize=73, crop=64))


def test_levels_of_a_resnet(network):
    found = surgery.levels(network)
    assert [(level.before, level.stride) for level in found] == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]
    assert found[1].modules == ("maxpool",)
    assert found[3].modules == ("layer3.0.conv2", "layer3.0.downsample.0")


@pytest.mark.parametrize(
    "replaced", [(False, False, True), (False, True, True), (True, False, True), (True, True, True)]
)
def test_logits_equal_torchvisions_dilated_resnet(network, replaced):
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=list(replaced))
    theirs.load_state_dict(network.module.state_dict())
    cuts = {stride: SPREAD for stride, cut in zip((8, 16, 32), replaced, strict=True) if cut}
    ours = operate(network, cuts).model.module
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs.eval()(image), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(ours(image), network.module(image), rtol=1e-2)


def test_modules_have_torchvisions_strides_and_dilations(network):
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    ours = operate(network, {16: SPREAD, 32: SPREAD}).model.module
    for name, module in theirs.named_modules():
        if isinstance(module, nn.Conv2d):
            mine = ours.get_submodule(name)
            assert mine.stride == module.stride
            if module.kernel_size != (1, 1):  # a window of one element has nothing to spread
                assert (mine.dilation, mine.padding) == (module.dilation, module.padding)


def maps(model, image, layer):
    with torch.no_grad():
        return capture.outputs(model.module, image, [layer])[layer][0]


# Zero padding grows with the dilation, so most networks agree up to the border; TensorFlow's SAME padding puts the
# original's places on the odd ones, and GoogLeNet's last window of a pooling reaches beyond the map (ceil_mode).
@pytest.mark.parametrize(
    ("slug", "layer", "stride", "corner", "phase"),
    [
        ("resnet18", "layer4", 32, None, 0),
        ("resnet18", "layer4", 16, None, 0),
        ("resnet18", "layer3", 4, None, 0),
        ("alexnet", "features.12", 16, None, 0),
        ("mobilenet_v2", "stage7", 32, None, 0),
        ("densenet121", "features.denseblock4", 32, None, 0),
        ("densenet121", "features.denseblock3", 8, None, 0),
        ("googlenet", "inception5b", 32, None, 0),
        ("googlenet", "inception4a", 8, 2, 0),
        ("efficientnet_lite0", "features.7", 32, None, 1),
        ("efficientnet_lite0", "features.5", 8, None, 1),
        ("shufflenet_v2_x0_5", "stage4", 32, None, 0),
    ],
)
def test_with_dilation_every_second_place_is_the_originals(slug, layer, stride, corner, phase):
    model = live_model(slug, Preprocessing(resize=146, crop=128))
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    before = maps(model, image, layer)
    after = maps(operate(model, {stride: SPREAD}).model, image, layer)
    assert after.shape[-1] > 1.5 * before.shape[-1]
    every = after[:, phase::2, phase::2][:, : before.shape[1], : before.shape[2]]
    torch.testing.assert_close(every[:, :corner, :corner], before[:, :corner, :corner], rtol=1e-4, atol=1e-4)


def test_without_dilation_the_places_differ(network):
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    before = maps(network, image, "layer4")
    after = maps(operate(network, {32: REMOVED}).model, image, "layer4")
    assert after.shape[1:] == (4, 4)
    assert not torch.allclose(after[:, ::2, ::2], before, rtol=1e-2)


def test_the_shared_network_stays_as_found_and_weights_are_shared(network, photos):
    before = copy.deepcopy(network.module.state_dict())
    settings = [(m.stride, m.dilation, m.padding) for m in network.module.modules() if isinstance(m, nn.Conv2d)]
    logits = predict.logits(network, photos["coffee"])
    operated = operate(network, {8: SPREAD, 16: REMOVED, 32: Cut(dilation=4)})
    predict.logits(operated.model, photos["coffee"])
    activations.feature_maps(operated.model, photos["coffee"], ["layer4"])
    assert settings == [(m.stride, m.dilation, m.padding) for m in network.module.modules() if isinstance(m, nn.Conv2d)]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.module.state_dict().items())
    np.testing.assert_array_equal(predict.logits(network, photos["coffee"]), logits)
    mine = dict(operated.model.module.named_parameters())
    assert all(mine[name] is parameter for name, parameter in network.module.named_parameters())
    assert operated.model.lock is not network.lock
    assert operated.model.key != network.key


def test_keys_tell_cuts_apart(network):
    plans = [{}, {16: REMOVED}, {16: SPREAD}, {32: SPREAD}, {32: Cut(dilation=2)}, {32: Cut(dilation=4)}]
    assert len({operate(network, cuts).model.key for cuts in plans}) == len(plans)


def test_sizes_fields_and_macs_of_resnet50_by_hand():
    with torch.device("meta"):
        module = catalogue.get("resnet50").build()
    model = models.Model(
        catalogue.get("resnet50"),
        module,
        models.Weights("none", "random"),
        torch.device("meta"),
        (),
        catalogue.get("resnet50").preprocessing,
        "resnet50|meta",
    )
    before = graph.of_model(model)
    assert operate(model, {}).graph.macs == before.macs
    removed, spread = operate(model, {32: REMOVED}).graph, operate(model, {32: SPREAD}).graph
    for traced in (removed, spread):
        assert traced.node("layer4.2.relu3").shape == (1, 2048, 14, 14)
        # All of layer4 but its first 1x1 runs on four times as many places.
        later = [n.macs for n in before.nodes if n.name.startswith("layer4.") and n.name != "layer4.0.conv1"]
        assert traced.macs - before.macs == 3 * sum(later)
    # Three 3x3 windows: 1 at stride 16, then 2 at stride 32, 16, or 16 dilated by 2, that is 32 again.
    size = before.field_of("layer4").size
    assert spread.field_of("layer4").size == size
    assert removed.field_of("layer4").size == size - 2 * 2 * 16


def test_dilation_alone_keeps_the_size_and_widens_the_field(network):
    before, after = graph.of_model(network), operate(network, {16: Cut(dilation=2)}).graph
    assert after.node("layer4.2.relu3").shape == before.node("layer4.2.relu3").shape
    # Windows of three in the five later blocks of layer3, and the first of layer4, at stride 16, twice as wide.
    assert after.field_of("layer4").size == before.field_of("layer4").size + 6 * 2 * 16


def test_average_pooling_with_dilation_by_hand():
    like = nn.AvgPool2d(2, 2)
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    out = surgery.SpreadAvgPool2d(like, (1, 1), 2)(x)
    assert out.shape == (1, 1, 3, 3)
    assert out[0, 0, 1, 1] == (6 + 8 + 16 + 18) / 4
    padded = nn.AvgPool2d(3, 2, 1)
    torch.testing.assert_close(surgery.SpreadAvgPool2d(padded, (2, 2), 1)(x), padded(x))


def test_max_pooling_with_wide_padding_equals_pytorchs_where_that_is_allowed():
    like = nn.MaxPool2d(3, 2, 1)
    x = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(4)) - 9  # padding must not win
    torch.testing.assert_close(surgery.SpreadMaxPool2d(like, (2, 2), 1)(x), like(x))
    assert torch.isfinite(surgery.SpreadMaxPool2d(like, (1, 1), 4)(x)).all()


@pytest.mark.parametrize(("slug", "words"), [("vit_b_32", "attention"), ("unet", "enlarges"), ("swin_t", "attention")])
def test_what_cannot_be_operated_says_why(slug, words):
    card = catalogue.get(slug)
    with torch.device("meta"):
        module = card.build()
    model = models.Model(
        card, module, models.Weights("none", "random"), torch.device("meta"), (), card.preprocessing, f"{slug}|meta"
    )
    with pytest.raises(Inoperable, match=words):
        surgery.levels(model)


def test_cuts_that_leave_nothing_to_run_name_the_place():
    model = models.load("lenet5", device="cpu")
    with pytest.raises(Inoperable, match="what reaches f6"):
        operate(model, {2: REMOVED})


def test_a_pooling_that_serves_two_resolutions_is_refused():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool = nn.Conv2d(3, 2, 3, padding=1), nn.MaxPool2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.pool(self.pool(self.conv(x)))
            return out

    model = wrapped(Twice(), catalogue.get("vgg11"), Preprocessing(resize=16, crop=16), classes=2)
    with pytest.raises(Inoperable, match="several resolutions"):
        operate(model, {2: REMOVED})
