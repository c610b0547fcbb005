"""Every method against captum, pytorch-grad-cam and torchcam where they are right, and against the truth where not."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from pytorch_grad_cam import AblationCAM, EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam import methods as torchcam

from explorer import activations, attribution
from explorer.preprocessing import Preprocessing
from tests.conftest import wrapped
from tests.test_attribution import PHOTO
from tests.test_attribution_methods import small_vit
from tests.toy import CARD, toy

TARGET = 7


def trainable(model):
    """A copy whose parameters want gradients: the other two libraries fail on a frozen network."""
    return copy.deepcopy(model.module).requires_grad_(True)


def maps_and_slopes(module, layer, inputs, target, against=None):
    """The layer's output and the score's gradient there, in double precision, by a hook that hands on a copy."""
    double, kept = copy.deepcopy(module).double(), []

    def keep(part, given, output):
        kept.append(output.detach().clone().requires_grad_(True))
        return kept[0].clone()

    double.get_submodule(layer).register_forward_hook(keep)
    logits = double(inputs.double())[0]
    score = logits[target] if against is None else logits[target] - logits[against]
    (slopes,) = torch.autograd.grad(score, kept[0])
    return kept[0].detach()[0].numpy(), slopes[0].numpy()


def raw_of(cam, inputs, target=TARGET):
    """pytorch-grad-cam's map before it cuts, enlarges and stretches it."""
    kept, whole = [], cam.get_cam_image
    cam.get_cam_image = lambda *given, **named: kept.append(whole(*given, **named)) or kept[-1]
    with torch.enable_grad():
        cam(input_tensor=inputs, targets=[ClassifierOutputTarget(target)])
    return kept[0][0]


def close(found, expected, tolerance):
    peak = np.abs(expected).max()
    assert peak > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * peak)


LAYERS = ["layer4", "layer2.1.conv1", "layer1.0.bn2"]


@pytest.mark.parametrize("layer", LAYERS)
def test_in_double_precision_by_their_equations(resnet18, photos, layer):
    photo = photos["chelsea"]
    maps, slopes = maps_and_slopes(resnet18.module, layer, resnet18.preprocess(photo), TARGET, 3)
    assert (slopes < 0).any()  # the other class's evidence
    expected = {
        "grad_cam": np.tensordot(slopes.mean(axis=(1, 2)), maps, axes=1),
        "hires_cam": (maps * slopes).sum(axis=0),
        "layer_cam": (maps * np.maximum(slopes, 0)).sum(axis=0),
    }
    for method, raw in expected.items():
        found = attribution.attribute(resnet18, photo, method, TARGET, layer, against=3)
        close(found.raw, raw, 1e-4)


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
def test_pytorch_grad_cam_agrees(resnet18, photos, layer):
    photo, module = photos["chelsea"], trainable(resnet18)
    inputs, at = resnet18.preprocess(photo), [module.get_submodule(layer)]
    for method, theirs in (("grad_cam", GradCAM), ("hires_cam", HiResCAM), ("layer_cam", LayerCAM)):
        found = attribution.attribute(resnet18, photo, method, TARGET, layer)
        close(found.raw, raw_of(theirs(module, at), inputs), 1e-5)


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
def test_torchcam_agrees(resnet18, photos, layer):
    photo, module = photos["chelsea"], trainable(resnet18)
    for method, theirs in (("grad_cam", torchcam.GradCAM), ("layer_cam", torchcam.LayerCAM)):
        with theirs(module, target_layer=layer) as extractor, torch.enable_grad():
            (raw,) = extractor(TARGET, module(resnet18.preprocess(photo)), normalized=False)
        found = attribution.attribute(resnet18, photo, method, TARGET, layer)
        close(found.raw.clip(0), raw[0].detach().numpy(), 1e-6)


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
def test_grad_cam_pp_is_equation_19_where_both_libraries_are_not(resnet18, photos, layer):
    photo, module = photos["chelsea"], trainable(resnet18)
    inputs = resnet18.preprocess(photo)
    maps, slopes = maps_and_slopes(resnet18.module, layer, inputs, TARGET)
    weights = np.zeros(len(maps))
    for channel, (map_, slope) in enumerate(zip(maps, slopes, strict=True)):
        for g in slope.ravel():
            if g > 0:  # the ReLU of equation 5 leaves nothing of the others
                weights[channel] += g * g**2 / (2 * g**2 + map_.sum() * g**3)
    truth = np.tensordot(weights, maps, axes=1)
    found = attribution.attribute(resnet18, photo, "grad_cam_pp", TARGET, layer)
    close(found.raw, truth, 1e-4)

    # torchcam divides a copy by the denominator and throws it away: what is left is the sum of relu(g) g².
    with torchcam.GradCAMpp(module, target_layer=layer) as extractor, torch.enable_grad():
        (theirs,) = extractor(TARGET, module(inputs), normalized=False)
    undivided = np.tensordot((np.maximum(slopes, 0) * slopes**2).sum(axis=(1, 2)), maps, axes=1)
    close(theirs[0].detach().numpy(), undivided, 1e-4)
    assert np.abs(found.heatmap.max() - 1) == 0
    assert np.abs(truth / truth.max() - undivided / undivided.max()).max() > 0.01

    # pytorch-grad-cam adds 1e-6 to squares of gradients; with gradients of another size that is another map.
    for scale in (1.0, 1e-4):
        module = copy.deepcopy(resnet18.module)
        with torch.no_grad():
            module.fc.weight.mul_(scale)
        smaller = wrapped(module, CARD, resnet18.preprocessing, classes=1000)
        small_maps, small_slopes = maps_and_slopes(smaller.module, layer, inputs, TARGET)
        ours = attribution.attribute(smaller, photo, "grad_cam_pp", TARGET, layer).raw
        squares = small_slopes**2
        divisor = 2 * squares + small_maps.sum(axis=(1, 2), keepdims=True) * small_slopes**3
        exact = np.divide(squares, divisor, out=np.zeros_like(squares), where=squares > 0)
        close(ours, np.tensordot((exact * small_slopes.clip(0)).sum(axis=(1, 2)), small_maps, axes=1), 1e-4)
        module = trainable(smaller)
        theirs = raw_of(GradCAMPlusPlus(module, [module.get_submodule(layer)]), inputs)
        eps = (squares / (divisor + 1e-6) * small_slopes.clip(0)).sum(axis=(1, 2))
        close(theirs, np.tensordot(eps, small_maps, axes=1), 1e-3)
    assert np.abs(theirs / theirs.max() - ours / ours.max()).max() > 0.01


def test_before_an_in_place_relu_both_libraries_mix_up_what_was_before_and_after():
    """By hand in test_attribution: weights 1/2 and -1 on the convolution's own values, negative ones included."""
    model = toy()
    truth = np.array([[1.25, -2.25], [-0.25, -0.75]])
    assert (attribution.attribute(model, PHOTO, "grad_cam", 0, "conv").raw == truth).all()
    inputs, module = model.preprocess(PHOTO), trainable(model)
    theirs = raw_of(GradCAM(module, [module.conv]), inputs, target=0)
    assert theirs.tolist() == [[0.25, -2.0], [0.0, -0.75]]  # the ReLU's output times the convolution's gradient
    with torchcam.GradCAM(module, target_layer="conv") as extractor, torch.enable_grad():
        (raw,) = extractor(0, module(inputs), normalized=False)
    assert not np.allclose(raw[0].detach().numpy(), truth.clip(0))


def test_maps_of_tiny_scale_are_blank_in_torchcam_only(photos):
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        module[0].weight.fill_(0.1)
        module[4].weight.fill_(1e-12)
        module[4].bias.zero_()
    model = wrapped(module, CARD, Preprocessing(resize=16, crop=16), classes=2)
    free = trainable(model)
    with torchcam.GradCAM(free, target_layer="1") as extractor, torch.enable_grad():
        (theirs,) = extractor(0, free(model.preprocess(photos["chelsea"])))
    assert theirs.max() < 1e-3
    for method in ("grad_cam", "grad_cam_pp", "hires_cam", "layer_cam", "ablation_cam", "guided_grad_cam"):
        assert attribution.attribute(model, photos["chelsea"], method, 0, "1").heatmap.max() == 1, method


def test_score_cam_is_pytorch_grad_cams_with_the_corners_where_they_belong(resnet18, photos, monkeypatch):
    photo, inputs = photos["coffee"], resnet18.preprocess(photos["coffee"])
    found = attribution.attribute(resnet18, photo, "score_cam", TARGET, "layer2")
    module = trainable(resnet18)
    # Theirs enlarges with corners on corners, which is not where convolutions put their units.
    aligned = raw_of(ScoreCAM(module, [module.layer2]), inputs)
    monkeypatch.setattr(nn, "UpsamplingBilinear2d", lambda size: nn.Upsample(size=size, mode="bilinear"))
    close(found.raw, raw_of(ScoreCAM(module, [module.layer2]), inputs), 1e-4)
    assert np.abs(aligned - found.raw).max() > 1e-3 * np.abs(found.raw).max()


def test_ablation_cam_is_pytorch_grad_cams_times_the_score(resnet18, photos):
    photo, inputs, module = photos["coffee"], resnet18.preprocess(photos["coffee"]), trainable(resnet18)
    for layer in ("layer2", "layer1"):
        found = attribution.attribute(resnet18, photo, "ablation_cam", TARGET, layer)
        theirs = raw_of(AblationCAM(module, [module.get_submodule(layer)]), inputs)
        close(found.raw, theirs * found.logit, 1e-4)  # they divide by the logit, whatever its sign


def test_ablation_cam_switches_off_to_zero_also_where_channels_are_negative(photos):
    """pytorch-grad-cam puts a huge negative number in place of a channel once the layer has a negative value."""
    model = toy()
    logits = model.module(model.preprocess(PHOTO))[0]
    # By hand, target 0: without channel 0 the logit falls by 4 (1/4), without channel 1 it rises by 8 (3/4).
    expected = 1.0 * np.array([[0.5, -0.5], [-0.5, 0.5]]) - 6.0 * np.array([[-1.0, 2.0], [0.0, 1.0]])
    found = attribution.attribute(model, PHOTO, "ablation_cam", 0, "conv")
    assert logits[0] == -4.75
    assert np.array_equal(found.raw, expected)


def test_eigen_cam_is_the_singular_vector_and_centred_it_is_pytorch_grad_cams(resnet18, photos):
    photo, module = photos["rocket"], trainable(resnet18)
    for layer in ("layer4", "layer1"):  # more channels than positions, and fewer
        maps = activations.feature_maps(resnet18, photo, [layer])[layer].values
        columns = maps.reshape(len(maps), -1).T.astype(np.float64)
        _, _, vectors = np.linalg.svd(columns, full_matrices=False)
        expected = (columns @ vectors[0]).reshape(maps.shape[1:])
        found = attribution.attribute(resnet18, photo, "eigen_cam", layer=layer)
        close(found.raw, expected * np.sign(expected.sum()), 1e-5)
        assert (found.raw >= 0).all()  # answers that are never negative share a direction without negative parts
        theirs = raw_of(EigenCAM(module, [module.get_submodule(layer)]), resnet18.preprocess(photo))
        centred = attribution.attribute(resnet18, photo, "eigen_cam", layer=layer, centred=True).raw
        close(centred * np.sign((centred * theirs).sum()), theirs, 1e-4)
        strength = np.linalg.norm(maps, axis=0)
        assert np.corrcoef(centred.ravel(), strength.ravel())[0, 1] > 0


def test_captums_gradients_exactly(resnet18, lite0, photos):
    for model in (resnet18, lite0):
        photo = photos["coffee"]
        inputs = model.preprocess(photo).requires_grad_(True)
        saliency = Saliency(model.module).attribute(inputs, target=TARGET)[0]
        found = attribution.attribute(model, photo, "saliency", TARGET)
        assert np.array_equal(found.raw, saliency.amax(dim=0).numpy())
        assert (found.layer, found.raw.shape) == ("", tuple(inputs.shape[2:]))
        product = InputXGradient(model.module).attribute(inputs, target=TARGET)[0].detach()
        found = attribution.attribute(model, photo, "input_x_gradient", TARGET)
        assert np.array_equal(found.raw, product.sum(dim=0).numpy())
        assert np.array_equal(found.pixels, product.permute(1, 2, 0).numpy())


def test_captums_integrated_gradients_and_smooth_grad(resnet18, photos):
    photo = photos["coffee"]
    inputs = resnet18.preprocess(photo).requires_grad_(True)
    black = resnet18.preprocessing.normalise(np.zeros((64, 64, 3), np.uint8))
    theirs, delta = IntegratedGradients(resnet18.module).attribute(
        inputs, black, target=TARGET, n_steps=12, return_convergence_delta=True
    )
    found = attribution.attribute(resnet18, photo, "integrated_gradients", TARGET, steps=12, baseline="black")
    close(found.raw, theirs[0].sum(dim=0).detach().numpy(), 1e-5)
    assert found.delta == pytest.approx(float(delta), abs=1e-4)
    assert found.options == {"steps": 12, "baseline": "black", "seed": 0}
    assert not found.baseline.any()

    # The same noise, drawn from the global generator as captum does it.
    spread = float((inputs.max() - inputs.min()).detach())
    with torch.random.fork_rng():
        torch.manual_seed(5)
        theirs = NoiseTunnel(Saliency(resnet18.module)).attribute(
            inputs, nt_samples=8, nt_samples_batch_size=4, stdevs=0.1 * spread, target=TARGET, abs=False
        )
    found = attribution.attribute(resnet18, photo, "smooth_grad", TARGET, samples=8, noise=0.1, seed=5)
    close(found.raw, theirs[0].abs().amax(dim=0).numpy(), 1e-4)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_backpropagation_is_captums_where_every_relu_is_a_module(resnet18, lite0, photos):
    inputs = resnet18.preprocess(photos["coffee"]).requires_grad_(True)
    theirs = GuidedBackprop(copy.deepcopy(resnet18.module)).attribute(inputs, target=TARGET)[0].detach()
    found = attribution.attribute(resnet18, photos["coffee"], "guided_backprop", TARGET)
    assert np.array_equal(found.pixels, theirs.permute(1, 2, 0).numpy())

    # ReLU6 it does not know: there it hands out the plain gradient.
    inputs = lite0.preprocess(photos["coffee"]).requires_grad_(True)
    theirs = GuidedBackprop(copy.deepcopy(lite0.module)).attribute(inputs, target=TARGET)[0].detach()
    plain = Saliency(lite0.module).attribute(inputs, target=TARGET, abs=False)[0]
    assert torch.equal(theirs, plain)
    found = attribution.attribute(lite0, photos["coffee"], "guided_backprop", TARGET)
    assert np.abs(found.pixels - plain.permute(1, 2, 0).numpy()).max() > 0.5 * np.abs(found.pixels).max()


def test_grad_cam_on_tokens_is_torchcams(photos):
    vit = small_vit()
    module, layer = trainable(vit), "blocks.2.norm1"

    def grid(tokens):
        return tokens[:, 1:].mT.unflatten(2, (4, 4))

    with torchcam.GradCAM(module, target_layer=layer, reshape_transform=grid) as extractor, torch.enable_grad():
        (raw,) = extractor(TARGET, module(vit.preprocess(photos["coffee"])), normalized=False)
    found = attribution.attribute(vit, photos["coffee"], "tokens_cam", TARGET)
    assert (found.layer, found.raw.shape) == (layer, (4, 4))
    assert found.raw.max() > 0
    close(found.raw.clip(0), raw[0].detach().numpy(), 1e-5)
    again = attribution.attribute(vit, photos["coffee"], "grad_cam", TARGET, layer)
    assert np.array_equal(found.raw, again.raw)
