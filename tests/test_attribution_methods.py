"""What each method promises: by hand, by brute force, by its axioms; and that the network is left as it was found."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from explorer import activations, attribution, capture, catalogue, models
from explorer.architectures.vit import VisionTransformer
from explorer.attribution import METHODS, NotApplicable, availability, baselines, influence
from explorer.attribution.perturbation import segments
from explorer.preprocessing import Preprocessing
from tests.architectures.live_weights import images, make_live
from tests.conftest import live_model, wrapped
from tests.test_capture import hooks
from tests.toy import CARD, RECIPE

QUICK = {
    "score_cam": {"channels": 3},
    "ablation_cam": {"channels": 3},
    "integrated_gradients": {"steps": 2},
    "smooth_grad": {"samples": 2},
    "occlusion": {"window": 16, "stride": 16},
    "superpixels": {"segments": 4},
}
GUIDED = ("guided_backprop", "guided_grad_cam")


def small_vit():
    """A vision transformer of three blocks, 16 patches."""
    with torch.device("meta"):
        module = VisionTransformer(image_size=32, patch_size=8, num_classes=10, dim=48, depth=3, heads=3)
    make_live(module, images((2, 3, 32, 32)), seed=7)
    return wrapped(module, dataclasses.replace(CARD, title="Small ViT"), Preprocessing(36, 32), classes=10)


class Rectifiers(nn.Module):
    """Two 1x1 filters, then ReLUs as functions: F.relu, F.relu6 and one in place."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 1.0]]))

    def forward(self, x):
        a = F.relu(x[:, 0] - 0.5)  # red
        b = F.relu6(10 * x[:, 1] - 2)  # green
        x = torch.stack([2 * a - b, a + b], dim=1)
        x.relu_()
        return self.fc(x.sum(dim=(2, 3)))


def test_guided_backpropagation_by_hand_through_functional_relu_and_relu6():
    """Red 1, 0, 0, 1 and green 0, 1/3, 0, 1 give a = 1/2, 0, 0, 1/2 and b = 0, 4/3, 0, 6 (the ceiling)."""
    model = wrapped(Rectifiers(), CARD, RECIPE, classes=2)
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = [[255, 0], [0, 255]], [[0, 85], [0, 255]]
    photo = Image.fromarray(pixels)
    # Sums 2a - b = 1, -4/3, 0, -5 and a + b = 1/2, 4/3, 0, 13/2; logit 0 is the first rectified less the second.
    # Guided: at the last ReLU only the first sum's +1 goes down, where the sum is positive: at the first pixel alone.
    # There 2 to a, which is active: red has 2. And -1 to b, which no ReLU lets down (nor is b active there).
    found = attribution.attribute(model, photo, "guided_backprop", 0)
    assert found.pixels[..., 0].tolist() == [[2, 0], [0, 0]]
    assert not found.pixels[..., 1:].any()
    assert found.raw.tolist() == [[2, 0], [0, 0]]
    # Logit 1 is a + b rectified: +1 to a and +1 to b, which pass where a > 0 and where 0 < b < 6, times 10.
    found = attribution.attribute(model, photo, "guided_backprop", 1)
    assert found.pixels[..., 0].tolist() == [[1, 0], [0, 1]]
    assert found.pixels[..., 1].tolist() == [[0, 10], [0, 0]]
    # The plain gradient of logit 0 has the second sum's -1 as well.
    plain = attribution.attribute(model, photo, "saliency", 0)
    assert plain.pixels[..., 0].tolist() == [[1, 0], [0, -1]]


def test_guided_grad_cam_is_the_product_of_its_two_parts(resnet18, photos):
    given = {"target": 3, "layer": "layer3"}
    cam = attribution.attribute(resnet18, photos["coffee"], "grad_cam", **given)
    guided = attribution.attribute(resnet18, photos["coffee"], "guided_backprop", target=3)
    found = attribution.attribute(resnet18, photos["coffee"], "guided_grad_cam", **given)
    np.testing.assert_allclose(found.pixels, guided.pixels * cam.heatmap[..., None], rtol=1e-5, atol=1e-12)
    assert found.raw.any()


class Branches(nn.Module):
    """Convolution `a`, whose input is concatenated to its output again: what follows needs a whole batch of both."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(7, 5, 3, padding=1)
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        x = self.b(torch.cat([x, F.relu(self.a(x))], dim=1))
        return self.fc(F.relu(x, inplace=True).mean(dim=(2, 3)))

    def later(self, x, layer, maps):
        """The answer with other maps of a layer."""
        if layer == "a":
            return self.later(x, "b", self.b(torch.cat([x, F.relu(maps)], dim=1)))
        return self.fc(F.relu(maps).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def branches():
    torch.manual_seed(3)
    return wrapped(Branches(), CARD, Preprocessing(resize=12, crop=12), classes=3)


@pytest.mark.parametrize("layer", ["a", "b"])
@pytest.mark.parametrize(("target", "against"), [(0, None), (1, 2)])
def test_score_and_ablation_cam_by_brute_force(branches, photos, layer, target, against):
    x, module = branches.preprocess(photos["coffee"]), branches.module
    maps = torch.tensor(activations.feature_maps(branches, photos["coffee"], [layer])[layer].values)[None]

    def score(logits):
        return float(logits[0, target] - (logits[0, against] if against is not None else 0))

    falls, scores = [], []
    with torch.no_grad():
        for channel in range(maps.shape[1]):
            without = maps.clone()
            without[:, channel] = 0
            falls.append(score(module(x)) - score(module.later(x, layer, without)))
            mask = F.interpolate(maps[:, channel, None], size=(12, 12), mode="bilinear", align_corners=False)
            scores.append(score(module(x * (mask - mask.min()) / (mask.max() - mask.min()))))
    powers = np.exp(scores)
    for method, weights in (("ablation_cam", np.array(falls)), ("score_cam", powers / powers.sum())):
        for batch in (None, 1, 3):
            found = attribution.attribute(
                branches, photos["coffee"], method, target, layer, against=against, batch=batch
            )
            expected = np.tensordot(weights, maps[0].numpy(), axes=1)
            np.testing.assert_allclose(found.raw, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    strongest = maps[0].abs().mean(dim=(1, 2)).argsort(descending=True)[:2].numpy()
    found = attribution.attribute(
        branches, photos["coffee"], "ablation_cam", target, layer, against=against, channels=2
    )
    expected = sum(falls[channel] * maps[0, channel].numpy() for channel in strongest)
    np.testing.assert_allclose(found.raw, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_ablation_of_tokens_leaves_the_class_token(photos):
    vit, layer = small_vit(), "blocks.1"
    x, module = vit.preprocess(photos["coffee"]), vit.module
    with torch.no_grad():
        tokens = module.patch_embedding(x)
        tokens = torch.cat([module.class_token, tokens], dim=1) + module.position_embedding
        tokens = module.blocks[1](module.blocks[0](tokens))

        def end(values):
            return float(module.head(module.norm(module.blocks[2](values))[0, 0])[4])

        falls = []
        for channel in range(48):
            without = tokens.clone()
            without[:, 1:, channel] = 0
            falls.append(end(tokens) - end(without))
    expected = (tokens[0, 1:] @ torch.tensor(falls)).view(4, 4).numpy()
    found = attribution.attribute(vit, photos["coffee"], "ablation_cam", 4, layer)
    np.testing.assert_allclose(found.raw, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_occlusion_by_brute_force(branches, photos):
    """Squares of 5 every 3 pixels; the last ones, at 9, are cut by the border of the 12 pixels."""
    x, module = branches.preprocess(photos["coffee"]), branches.module
    total, times = np.zeros((12, 12)), np.zeros((12, 12))
    for top, left in itertools.product((0, 3, 6, 9), repeat=2):
        square = np.s_[top : top + 5, left : left + 5]
        hidden = x.clone()
        hidden[0][:, *square] = 0
        total[square] += float(module(x)[0, 2] - module(hidden)[0, 2])
        times[square] += 1
    found = attribution.attribute(branches, photos["coffee"], "occlusion", 2, window=5, stride=3)
    np.testing.assert_allclose(found.raw, total / times, atol=1e-6)


def test_superpixels_by_brute_force(branches, photos):
    x, module = branches.preprocess(photos["coffee"]), branches.module
    found = attribution.attribute(branches, photos["coffee"], "superpixels", 1, segments=6)
    regions = segments(found.seen, 6)
    assert regions.max() > 1
    expected = np.zeros(regions.shape)
    for region in np.unique(regions):
        hidden = torch.where(torch.tensor(regions == region), 0.0, x)
        expected[regions == region] = float(module(x)[0, 1] - module(hidden)[0, 1])
    np.testing.assert_allclose(found.raw, expected, atol=1e-6)


@pytest.mark.parametrize("baseline", baselines.BASELINES)
def test_integrated_gradients_are_complete(branches, photos, baseline):
    found = attribution.attribute(
        branches, photos["coffee"], "integrated_gradients", 2, steps=200, baseline=baseline, against=0
    )
    with torch.no_grad():
        photo, empty = (branches.module(branches.preprocessing.normalise(of))[0] for of in (found.seen, found.baseline))
    rise = float(photo[2] - photo[0] - empty[2] + empty[0])
    assert abs(rise) > 1e-3
    assert found.difference == pytest.approx(rise, abs=1e-6)
    assert found.raw.sum() == pytest.approx(rise, abs=0.01 * abs(rise))
    assert found.delta == pytest.approx(found.raw.sum(dtype=np.float64) - rise, abs=1e-6)


def test_integrated_gradients_are_complete_on_trained_weights_and_on_convnext_too(lite0, photos):
    """From captum's own baseline, the normalised zero, they are not on ConvNeXt: its first norm hides brightness."""
    convnext = live_model("convnext_tiny", Preprocessing(resize=73, crop=64))
    for model, steps, baseline in ((lite0, 32, "blur"), (convnext, 64, "black"), (convnext, 32, "blur")):
        found = attribution.attribute(model, photos["coffee"], "integrated_gradients", steps=steps, baseline=baseline)
        assert abs(found.difference) > 0.1
        assert abs(found.delta) < 0.05 * abs(found.difference), (steps, baseline)


LINEAR = (
    "grad_cam",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "ablation_cam",
    "occlusion",
    "superpixels",
)


@pytest.mark.parametrize("method", LINEAR)
def test_why_this_and_not_that_is_the_difference_of_two_maps_and_turns_around(branches, photos, method):
    options = {"steps": 4} if method == "integrated_gradients" else {}

    def raw(target, against=None):
        return attribution.attribute(branches, photos["coffee"], method, target, against=against, **options).raw

    found = raw(0, 2)
    peak = np.abs(found).max()
    assert peak > 0
    np.testing.assert_allclose(found, raw(0) - raw(2), atol=1e-4 * peak)
    np.testing.assert_allclose(found, -raw(2, 0), atol=1e-5 * peak)


def test_every_method_takes_a_second_class(resnet18, photos):
    for method, card in METHODS.items():
        given = {"target": 3, "against": 5, **QUICK.get(method, {})}
        if availability(resnet18, method):
            continue
        if not card.asks_class:
            with pytest.raises(NotApplicable, match="no class"):
                attribution.attribute(resnet18, photos["coffee"], method, **given)
            continue
        both = attribution.attribute(resnet18, photos["coffee"], method, **given)
        one = attribution.attribute(resnet18, photos["coffee"], method, **{**given, "against": None})
        assert (both.target, both.against, both.against_label) == (3, 5, "class 5")
        assert not np.array_equal(both.raw, one.raw), method


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}, *state_but_values(module)


def state_but_values(module):
    flags = [(p.requires_grad, p.grad is None, p._version) for p in (*module.parameters(), *module.buffers())]
    return [flags, [child.training for child in module.modules()], hooks(module)]


def test_the_network_is_left_as_found_and_results_are_plain_arrays(resnet18, photos):
    vit = small_vit()
    for model, method in itertools.product((resnet18, vit), METHODS):
        if availability(model, method):
            continue
        values, *rest = state(model.module)
        grown = torch.random.get_rng_state()
        found = attribution.attribute(model, photos["coffee"], method, **QUICK.get(method, {}))
        after, *same = state(model.module)
        assert all(torch.equal(value, after[name]) for name, value in values.items())
        assert rest == same, method
        assert torch.equal(torch.random.get_rng_state(), grown)
        for field in dataclasses.fields(found):
            value = getattr(found, field.name)
            assert not isinstance(value, torch.Tensor), (method, field.name)
            assert not (isinstance(value, np.ndarray) and value.flags.writeable), (method, field.name)


def test_cancelling_stops_between_passes_and_leaves_nothing_behind(resnet18, photos):
    for method in ("score_cam", "ablation_cam", "integrated_gradients", "smooth_grad", "occlusion", "superpixels"):
        told: list[tuple[int, int]] = []
        attribution.attribute(
            resnet18, photos["coffee"], method, 1, progress=lambda *done, to=told: to.append(done), **QUICK[method]
        )
        assert told[-1][0] == told[-1][1], method
        assert told == sorted(told)
        _, *rest = state(resnet18.module)
        with pytest.raises(attribution.Cancelled, match="Stopped after 0 of"):
            attribution.attribute(resnet18, photos["coffee"], method, 1, cancelled=lambda: True, **QUICK[method])
        assert state(resnet18.module)[1:] == tuple(rest)


def test_eight_threads_with_mixed_methods_get_exactly_the_serial_answers(resnet18, photos):
    networks = {"resnet": resnet18, "vit": small_vit()}  # between them, all methods
    able = [(n, m) for n, m in itertools.product(networks, METHODS) if not availability(networks[n], m)]
    assert {method for _, method in able} == set(METHODS)
    asked = [(n, m, p, t) for (n, m), p, t in itertools.product(able, ("chelsea", "coffee"), (3, None))]

    def answer(question):
        network, method, photo, target = question
        found = attribution.attribute(networks[network], photos[photo], method, target, **QUICK.get(method, {}))
        return found.raw.tobytes(), found.target

    serial = {question: answer(question) for question in asked}
    calls = asked * 2
    random.Random(0).shuffle(calls)
    with ThreadPoolExecutor(8) as visitors:
        answers = list(visitors.map(answer, calls))
    assert [call for call, got in zip(calls, answers, strict=True) if got != serial[call]] == []
    assert [hooks(model.module) for model in networks.values()] == [0, 0]


def test_maps_are_the_same_where_weights_lie_in_memory_colour_by_colour(resnet18, photos):
    turned = wrapped(copy.deepcopy(resnet18.module), resnet18.card, resnet18.preprocessing, classes=1000)
    turned.module.to(memory_format=torch.channels_last)
    assert not turned.module.conv1.weight.is_contiguous()
    for method in METHODS:
        if availability(resnet18, method):
            continue
        found, expected = (
            attribution.attribute(model, photos["coffee"], method, 3, **QUICK.get(method, {}))
            for model in (turned, resnet18)
        )
        np.testing.assert_allclose(
            found.raw, expected.raw, rtol=0, atol=1e-4 * np.abs(expected.raw).max(), err_msg=method
        )


def test_after_the_last_attention_no_patch_matters_whatever_the_weights(photos):
    vit = small_vit()
    blind = {layer.name for layer in activations.layers(vit) if layer.spatial and layer.name in influence.without(vit)}
    # By the gradients of live weights, layer by layer:
    for layer in activations.layers(vit):
        if layer.spatial:
            with torch.enable_grad():
                output, logits = capture.tapped(vit.module, vit.preprocess(photos["coffee"]), layer.name)
                (slopes,) = torch.autograd.grad(logits[0, 3], output)
            assert bool(layer.maps(slopes).any()) == (layer.name not in blind), layer.name
    assert {"blocks.2", "blocks.2.mlp", "norm"} <= blind
    assert "blocks.2.norm1" not in blind
    vit.module.head.weight.zero_()  # as torchvision's start: all gradients are zero, but this is not the layers' fault
    influence._known.pop(vit.module)
    assert influence.without(vit) == blind
    for method in ("grad_cam", "layer_cam", "ablation_cam"):
        with pytest.raises(NotApplicable, match=r"last attention.*blocks\.1"):
            attribution.attribute(vit, photos["coffee"], method, layer="blocks.2")
        assert not blind & {layer.name for layer in attribution.valid_layers(vit, method)}
    assert "blocks.2" in {layer.name for layer in attribution.valid_layers(vit, "eigen_cam")}


def test_guided_methods_are_refused_unless_every_activation_is_a_relu(photos):
    for functions, word in (
        ([nn.GELU()], "has none.*GELU"),
        ([nn.Tanh()], "has none.*tanh"),
        ([nn.ReLU(), nn.Hardswish()], "only 1 of 2.*hard swish"),
        ([nn.ReLU(), nn.Hardtanh()], "only 1 of 2.*hard tanh"),
    ):
        module = nn.Sequential(nn.Conv2d(3, 2, 3), *functions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
        model = wrapped(module, CARD, Preprocessing(resize=8, crop=8), classes=2)
        for method in GUIDED:
            with pytest.raises(NotApplicable, match=word):
                attribution.attribute(model, photos["coffee"], method, 0)
            assert attribution.valid_layers(model, method) == ()


def test_whatever_cannot_be_asked_gets_one_sentence(resnet18, photos):
    for method, given, word in (
        ("grad_cam", {"steps": 3}, "no option 'steps'; it has none"),
        ("smooth_grad", {"steps": 3}, "samples, noise, seed"),
        ("integrated_gradients", {"steps": 0}, "from 1 to 1000"),
        ("integrated_gradients", {"baseline": "pink"}, "black, mean, blur"),
        ("smooth_grad", {"noise": 2}, "from 0 to 1"),
        ("smooth_grad", {"noise": "x"}, "from 0 to 1 of the input's range, and 'x'"),
        ("integrated_gradients", {"baseline": ["black"]}, "black, mean, blur"),
        ("grad_cam", {"target": "cat"}, "Class cat does not exist"),
        ("grad_cam", {"target": 1.5}, "Class 1.5 does not exist"),
        ("occlusion", {"window": 65}, "from 1 to 64"),
        ("occlusion", {"window": 8, "stride": 9}, "exceed"),
        ("superpixels", {"segments": 1}, "from 2"),
        ("score_cam", {"channels": 0}, "at least 1"),
        ("grad_cam", {"target": 3, "against": 3}, "itself"),
        ("grad_cam", {"against": 1000}, "999"),
        ("tokens_cam", {}, "vision transformer"),
        ("rollout", {}, "attention between all tokens"),
        ("hires_cam", {"layer": "avgpool"}, "more than one position.*layer4"),
        ("hires_cam", {"layer": "layer1.0.add"}, "step between layers.*layer4"),
    ):
        with pytest.raises(NotApplicable, match=word) as caught:
            attribution.attribute(resnet18, photos["coffee"], method, **given)
        assert str(caught.value).count(". ") == 0


def test_shares_that_cannot_be_are_refused_in_words(photos):
    vit = small_vit()
    for options, words in (
        ({"residual": 2}, "residual must be a share from 0 to 1, and 2 is none."),
        ({"residual": "half"}, "residual must be a share from 0 to 1, and 'half' is none."),
        ({"residual": float("nan")}, "residual must be a share from 0 to 1, and nan is none."),
        ({"discard": 1.0}, "discard must be a share from 0 to less than 1, and 1.0 is none."),
        ({"discard": None}, "discard must be a share from 0 to less than 1, and None is none."),
    ):
        with pytest.raises(NotApplicable) as caught:
            attribution.attribute(vit, photos["coffee"], "rollout", **options)
        assert str(caught.value) == words


def test_baselines(photos):
    seen = np.asarray(photos["coffee"].resize((48, 48)))
    made = {name: baselines.picture(name, seen) for name in baselines.BASELINES}
    assert all(each.shape == seen.shape and each.dtype == np.uint8 for each in made.values())
    assert (made["mean"] == np.rint(seen.mean(axis=(0, 1)))).all()
    assert np.allclose(made["blur"].mean(axis=(0, 1)), seen.mean(axis=(0, 1)), atol=6)
    assert made["blur"].std() < seen.std()
    assert np.array_equal(made["noise"], baselines.picture("noise", seen))
    assert not np.array_equal(made["noise"], baselines.picture("noise", seen, 1))
    grey = np.repeat(seen[..., :1], 3, axis=2)
    assert np.ptp(baselines.picture("noise", grey), axis=2).max() == 0


def test_every_method_has_a_card_that_says_what_it_is():
    assert list(METHODS) == [
        *("grad_cam", "grad_cam_pp", "hires_cam", "layer_cam", "score_cam", "ablation_cam", "eigen_cam", "saliency"),
        *("input_x_gradient", "integrated_gradients", "smooth_grad", "guided_backprop", "guided_grad_cam", "occlusion"),
        *("superpixels", "tokens_cam", "rollout"),
    ]
    for key, method in METHODS.items():
        assert method.key == key
        assert method.summary.endswith(".")
        assert method.paper.startswith("https://")
        assert "pass" in method.cost
        assert method.asks_class or not method.signed  # whatever the class, nothing speaks against one


# Representatives of the families run every method; a sibling, which differs from them in its numbers alone, these two.
RUN = (
    *("lenet5", "alexnet", "vgg11", "googlenet", "resnet18", "densenet121", "mobilenet_v1", "mobilenet_v2"),
    *("efficientnet_b0", "efficientnet_lite0", "convnext_tiny", "vit_b_32", "swin_t"),
)
SIBLINGS_RUN = ("grad_cam", "saliency")
NONE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("unet", "yolo"), tuple(METHODS)),
    **dict.fromkeys(("lenet5", "efficientnet", "convnext", "swin", "vit"), GUIDED),
}


def expected_missing(slug):
    prefix = "" if "lite" in slug else next((name for name in NONE if slug.startswith(name)), "")
    return {*NONE.get(prefix, ()), *(() if slug.startswith("vit") else ("tokens_cam", "rollout"))}


def at_its_smallest(card):
    """The network at the smallest size that leaves positions, with live weights."""
    size = card.input_size if card.sides[1] else max(card.sides[0], 64)
    recipe = card.preprocessing if card.sides[1] else Preprocessing(resize=size, crop=size)
    if card.slug == "swin_t":  # whose windows are numbered when it is built
        torch.manual_seed(0)
        return wrapped(card.build(), card, recipe, classes=1000)
    with torch.device("meta"):
        module = card.build()
    make_live(module, images((2, card.channels, size, size)), seed=7)
    return wrapped(module, card, recipe, classes=len(card.classes) if card.classes else 1000)


@pytest.fixture(scope="module")
def table():
    """Prints a line for each network: what ran (x), what ran in a relative only (o), and what is refused (-)."""
    lines: list[str] = []
    yield lines
    sys.stdout.write("\n".join(["", " " * 21 + "; ".join(METHODS), *lines, ""]))


@pytest.mark.parametrize("slug", [*catalogue.CATALOGUE, "swin_t"])
def test_every_method_runs_or_says_why_not_for_every_network(photos, table, slug):
    model, marks = at_its_smallest(catalogue.get(slug)), {}
    values, *rest = state(model.module)
    for method in METHODS:
        reason = availability(model, method)
        if reason:
            marks[method] = "-"
            assert reason.endswith(".")
            with pytest.raises(NotApplicable):
                attribution.attribute(model, photos["coffee"], method)
        elif slug in RUN or method in SIBLINGS_RUN:
            marks[method] = "x"
            found = attribution.attribute(model, photos["coffee"], method, **QUICK.get(method, {}))
            assert np.isfinite(found.raw).all(), method
            assert found.raw.any(), f"{method} is zero everywhere"
            assert found.heatmap.shape == found.seen.shape[:2]
            assert state_but_values(model.module) == rest, f"{method} left something behind"
        else:
            marks[method] = "o"
    assert all(torch.equal(value, values[name]) for name, value in model.module.state_dict().items())
    assert {method for method, mark in marks.items() if mark == "-"} == expected_missing(slug)
    table.append(f"{slug:20s} {' '.join(marks.values())}")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_graphics_card_agrees_with_the_processor_in_every_method(photos):
    here, there = (models.load("efficientnet_lite0", device=name) for name in ("cpu", "cuda"))
    for method in METHODS:
        if availability(here, method):
            continue
        options = {**QUICK.get(method, {}), "target": 967, "layer": "features.5"}
        expected = attribution.attribute(here, photos["coffee"], method, **options).raw
        found = attribution.attribute(there, photos["coffee"], method, **options).raw
        assert np.allclose(found, expected, atol=1e-2 * np.abs(expected).max()), method
