"""Receptive fields against closed forms, perturbed pixels, published figures, and gradients of real networks."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import catalogue
from explorer.graph import Graph, trace
from explorer.receptive_field import ReceptiveField, stack

ROOT = Path(__file__).parents[1]


def test_importing_it_imports_no_torch():
    code = "import sys, explorer.receptive_field, explorer.graph; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# A stack of layers


def test_n_layers_of_3x3_see_2n_plus_1_pixels():
    assert [(f.size, f.stride, f.padding) for f in stack([(3, 1, 1, 1)] * 4)] == [
        (3, 1, 1),
        (5, 1, 2),
        (7, 1, 3),
        (9, 1, 4),
    ]


def test_dilation_doubling_from_layer_to_layer_doubles_the_field():
    assert [f.size for f in stack([(3, 1, 2**n, 2**n) for n in range(6)])] == [2 ** (n + 2) - 1 for n in range(6)]


@pytest.mark.parametrize("seed", range(20))
def test_stack_is_the_sum_of_kernels_times_strides_before(seed):
    random_ = random.Random(seed)
    layers = [
        tuple(random_.choice(numbers) for numbers in ((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2, 3))) for _ in range(6)
    ]
    size, stride, padding = 1, 1, 0
    for (kernel, step, pad, dilation), field in zip(layers, stack(layers), strict=True):
        size, padding, stride = size + dilation * (kernel - 1) * stride, padding + pad * stride, stride * step
        assert field == ReceptiveField(size, stride, padding)


@pytest.mark.parametrize("seed", range(8))
def test_stack_is_what_changes_when_pixels_are_perturbed(seed):
    random_ = random.Random(seed)
    layers = [tuple(random_.choice(numbers) for numbers in ((1, 2, 3, 4), (1, 2), (0, 1, 2), (1, 2))) for _ in range(3)]
    pixels = 64

    def run(signal: Tensor) -> Tensor:
        for kernel, stride, padding, dilation in layers:
            signal = F.conv1d(signal, torch.ones(1, 1, kernel, dtype=torch.float64), None, stride, padding, dilation)
        return signal

    flat = torch.ones(pixels, 1, pixels, dtype=torch.float64)
    changed = (run(flat + torch.eye(pixels, dtype=torch.float64)[:, None]) != run(flat))[:, 0]  # (pixel, unit)
    field = stack(layers)[-1]
    for unit in range(changed.shape[1]):
        seen = changed[:, unit].nonzero().flatten().tolist()
        first, last = field.inside(unit, pixels)
        assert all(first <= pixel <= last for pixel in seen)
        if (first, last) == field.interval(unit):
            assert (seen[0], seen[-1]) == (first, last)


@pytest.mark.parametrize("layer", [(0, 1, 0, 1), (3, 0, 1, 1), (3, 1, -1, 1), (3, 1, 1, 0)])
def test_layers_that_cannot_be_are_refused_by_number(layer):
    with pytest.raises(ValueError, match="Layer 2"):
        stack([(3, 1, 1, 1), layer])


def test_where_a_unit_looks():
    field = ReceptiveField(size=7, stride=2, padding=3)
    assert field.interval(0) == (-3, 3)
    assert field.interval(10) == (17, 23)
    assert field.inside(0, 224) == (0, 3)
    assert field.centre(10) == 20
    assert field.aligned
    assert not ReceptiveField(size=212, stride=32, padding=60).aligned
    assert ReceptiveField(11, 4, 0, whole=True).inside(5, 100) == (0, 99)
    uneven = ReceptiveField(size=4, stride=2, padding=1, pattern=((-1, 2), (0, 3)))
    assert [uneven.interval(unit) for unit in range(4)] == [(-1, 2), (0, 3), (3, 6), (4, 7)]


# Real networks


@cache
def traced(slug: str, shape: tuple[int, ...]) -> Graph:
    with torch.device("meta"):
        network = catalogue.get(slug).build()
    return trace(network, shape)


def field_of(slug: str, node: str, shape: tuple[int, ...] = (1, 3, 224, 224)) -> ReceptiveField:
    field = traced(slug, shape).node(node).receptive_field
    assert field is not None
    return field


# torchvision's layouts, measured with gradients before this code was written (the project's receptive_fields.json):
# nodes, their sizes, stride and padding of the last one.
MEASURED = {
    "alexnet": (("features.12",), (195,), 32, 66),
    "vgg16": (("features.4", "features.9", "features.16", "features.23", "features.30"), (6, 16, 44, 100, 212), 32, 90),
    "googlenet": (("inception5b.cat",), (379,), 32, 167),
    "resnet18": (("layer1.1.relu2", "layer2.1.relu2", "layer3.1.relu2", "layer4.1.relu2"), (43, 99, 211, 435), 32, 217),
    "resnet50": (("layer1.2.relu3", "layer2.3.relu3", "layer3.5.relu3", "layer4.2.relu3"), (35, 91, 267, 427), 32, 213),
    "mobilenet_v2": (("head.relu",), (491,), 32, 245),
    "densenet121": (("features.relu5",), (2071,), 32, 1021),
    "convnext_tiny": (("stage4.2.add",), (1688,), 32, 828),
}


@pytest.mark.parametrize("slug", MEASURED)
def test_fields_are_those_measured_before(slug):
    nodes, sizes, stride, padding = MEASURED[slug]
    assert tuple(field_of(slug, node).size for node in nodes) == sizes
    assert field_of(slug, nodes[-1]) == ReceptiveField(sizes[-1], stride, padding)


@pytest.mark.parametrize(
    ("depth", "size"),
    [(50, 483), (101, 1027), (152, 1507)],  # Araujo, Norris, Sim, Distill 2019
)
def test_published_fields_of_resnets_come_out_once_the_stride_sits_where_the_paper_has_it(depth, size):
    with torch.device("meta"):
        network = catalogue.get(f"resnet{depth}").build()
    for part in network.modules():
        if hasattr(part, "conv3"):
            part.conv1.stride, part.conv2.stride = part.conv2.stride, part.conv1.stride
    field = trace(network, (1, 3, 224, 224)).node("layer4.2.relu3").receptive_field
    assert field is not None
    assert (field.size, field.stride) == (size, 32)


def test_gates_attention_and_global_pooling_see_the_whole_image():
    assert field_of("efficientnet_b0", "features.8.2") == ReceptiveField(851, 32, 425, whole=True)
    assert not field_of("efficientnet_b0", "features.1.0.block.0.2").whole  # before the first gate
    assert field_of("efficientnet_b0", "features.1.0.block.1.mul").whole
    assert not field_of("efficientnet_lite0", "features.8.2").whole  # has no gates
    assert field_of("resnet18", "avgpool").whole
    assert not field_of("resnet18", "layer4.1.relu2").whole
    assert field_of("vgg16", "classifier.0").whole
    vit = traced("vit_b_32", (1, 3, 224, 224))
    assert field_of("vit_b_32", "patch_embedding.transpose") == ReceptiveField(32, 32, 0)
    assert field_of("vit_b_32", "blocks.0.attention.qkv") == ReceptiveField(32, 32, 0)
    assert vit.node("blocks.0.attention.matmul").receptive_field is None  # compares two places
    for name in ("blocks.0.attention.attend", "blocks.0.add", "blocks.11.mlp.4", "head"):
        assert field_of("vit_b_32", name) == ReceptiveField(32, 32, 0, whole=True)


# An independent probe: everything in the network made positive and linear, so that a gradient is zero only where
# nothing is seen.


def tamed(network: nn.Module) -> nn.Module:
    """Weights positive, biases zero, norms, activations and gates gone, averages for maxima, float64."""
    norms = (nn.BatchNorm2d, nn.LayerNorm, nn.LocalResponseNorm, nn.Dropout)
    activations = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh)
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, (*norms, *activations)) or type(child).__name__ == "SqueezeExcitation":
                setattr(part, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(part, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            weight = parameter.ndim > 1 and name.endswith("weight")
            parameter.fill_(1 / parameter[0].numel() if weight else 0 if "bias" in name else 1)
    return network.double().eval()


class _Reached(Exception):
    pass


def seen(network: nn.Module, layer: str, shape: tuple[int, ...], units: list[int], axis: int) -> list[tuple[int, int]]:
    """First and last row of the image with a gradient, for each of these units of a module's output."""
    image = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        kept.append(output)
        raise _Reached

    handle = network.get_submodule(layer).register_forward_hook(keep)
    with pytest.raises(_Reached):
        network(image)
    handle.remove()
    found = []
    for unit in units:
        (gradient,) = torch.autograd.grad(kept[0].select(axis, unit).sum(), image, retain_graph=True)
        rows = gradient[0].sum((0, 2)).nonzero().flatten()
        found.append((int(rows[0]), int(rows[-1])))
    return found


# slug: module, node that is its output, height and width of the image, units, axis of the rows
PROBES: dict[str, tuple[str, str, tuple[int, int], list[int], int]] = {
    "lenet5": ("s4", "s4", (32, 32), [0, 2, 4], 2),
    "alexnet": ("features.12", "features.12", (480, 63), [0, 5], 2),
    "vgg16": ("features", "features.30", (288, 32), [0, 4], 2),
    "googlenet": ("inception5b", "inception5b.cat", (768, 32), [0, 10], 2),
    "resnet18": ("layer4", "layer4.1.relu2", (768, 32), [0, 10], 2),
    "resnet50": ("layer4", "layer4.2.relu3", (768, 32), [0, 10], 2),
    "mobilenet_v1": ("stage5.1", "stage5.1.pointwise.relu", (768, 32), [0, 10], 2),
    "mobilenet_v2": ("head", "head.relu", (768, 32), [0, 11], 2),
    "densenet121": ("features", "features.relu5", (2240, 32), [34], 2),
    "convnext_tiny": ("stage4", "stage4.2.add", (1856, 32), [28], 2),
    "efficientnet_b0": ("features", "features.8.2", (992, 32), [0, 15], 2),
    "efficientnet_lite0": ("features", "features.8.2", (992, 32), [0, 15], 2),  # pads more after than before
    "shufflenet_v2_x0_5": ("conv5", "conv5.2", (768, 32), [0, 11], 2),
    "swin_t": ("features.3", "features.3.1.add#2", (448, 112), list(range(21, 28)), 1),
    "yolo": ("head", "head.permute", (384, 32), [0, 5], 2),
    "unet": ("final", "final", (272, 16), list(range(128, 144)), 2),
}


OPTIONS: dict[str, dict[str, object]] = {"unet": {"widths": (4, 8, 16, 32)}}  # as deep, but thin


@pytest.mark.parametrize("slug", PROBES)
def test_fields_are_where_the_gradients_of_the_real_network_are(slug):
    layer, node, size, units, axis = PROBES[slug]
    card = catalogue.get(slug)
    network = card.build(**OPTIONS.get(slug, {}))
    shape = (1, card.channels, *size)
    field = trace(network, shape).node(node).receptive_field
    assert field is not None
    cut = ReceptiveField(field.size, field.stride, field.padding, pattern=field.pattern)  # gates are cut in the probe
    measured = seen(tamed(network), layer, shape, units, axis)
    assert measured == [cut.inside(unit, size[0]) for unit in units]
    assert any(cut.inside(unit, size[0]) == cut.interval(unit) for unit in units)  # a whole field inside the image
    if cut.inside(units[-1], size[0]) == cut.interval(units[-1]):
        assert max(last - first + 1 for first, last in measured) == field.size


# One operation at a time


class Steps(nn.Module):
    """A container whose own code is a function."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.before = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self.before(x))


def windows(x: Tensor) -> Tensor:
    """Each number plus the mean of its window of 4 x 4."""
    cut = x.unflatten(3, (-1, 4)).unflatten(2, (-1, 4))
    return (cut + cut.mean((3, 5), keepdim=True)).flatten(4).flatten(2, 3)


def shifted_windows(x: Tensor) -> Tensor:
    return F.pad(windows(F.pad(x[:, :, 2:-2, 2:-2], (0, 4, 0, 4)))[:, :, :-4, :-4], (2, 2, 2, 2))


def tokens(x: Tensor) -> Tensor:
    """As a list of positions with the channels last, and back."""
    listed = x.flatten(2).transpose(1, 2) @ torch.ones(4, 4, device=x.device, dtype=x.dtype)
    return listed.transpose(1, 2).unflatten(2, x.shape[2:])


OPERATIONS: dict[str, nn.Module | Callable[[Tensor], Tensor]] = {
    "transposed 2/2": nn.Sequential(nn.AvgPool2d(2), nn.ConvTranspose2d(4, 4, 2, stride=2)),
    "transposed 4/2": nn.Sequential(nn.AvgPool2d(2), nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)),
    "transposed 3/2": nn.Sequential(nn.AvgPool2d(2), nn.ConvTranspose2d(4, 4, 3, 2, padding=1, output_padding=1)),
    "transposed 3/1": nn.ConvTranspose2d(4, 4, 3, padding=1),
    "transposed dilated": nn.Sequential(nn.AvgPool2d(3), nn.ConvTranspose2d(4, 4, 3, stride=3, padding=2, dilation=2)),
    "dilated pooling": nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "dilated": nn.Conv2d(4, 4, 3, stride=2, padding=3, dilation=3),
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2) + x,
    "enlarged 2": lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2),
    "enlarged 3, linear": lambda x: F.interpolate(F.avg_pool2d(x, 3), scale_factor=3, mode="bilinear"),
    "enlarged 2, linear": lambda x: F.interpolate(F.avg_pool2d(x, 4), scale_factor=2, mode="bilinear"),
    "enlarged 2, cubic": lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bicubic"),
    "pixel shuffle": lambda x: F.pixel_shuffle(F.avg_pool2d(x, 2), 2).expand(-1, 4, -1, -1),
    "unequal padding": lambda x: F.avg_pool2d(F.pad(x, (1, 2, 1, 2)), 4, 2),
    "cropped": lambda x: x[:, :, 2:-3, 2:-3],
    "every third": lambda x: x[:, :, 1::3, 1::3],
    "patches side by side": lambda x: torch.cat([x[:, :, 0::2, 0::2], x[:, :, 1::2, 1::2]], 1),
    "branches": lambda x: torch.cat([x, F.avg_pool2d(x, 5, 1, 2), F.avg_pool2d(x, 3, 1, 1)], 1),
    "split": lambda x: x.chunk(2, 1)[0] + F.avg_pool2d(x.chunk(2, 1)[1], 3, 1, 1),
    "channels by a table": lambda x: x[:, torch.tensor([2, 0], device=x.device)],
    "channel shuffle": lambda x: x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2),
    "five axes": lambda x: x.reshape(1, 2, -1, 48, 48).permute(0, 1, 3, 4, 2).sum(-1),
    "tokens": tokens,
    "bins": nn.AdaptiveAvgPool2d(12),
    "windows": windows,
    "windows of windows": lambda x: windows(shifted_windows(windows(x))),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_sees_where_its_gradients_are(name):
    operation = OPERATIONS[name]
    network = Steps(operation).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)
    graph = trace(network, (1, 1, 48, 48))
    field = graph.node(graph.outputs[0]).receptive_field
    assert field is not None
    assert not field.whole
    image = torch.rand(
        1, 1, 48, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    out = network(image)
    whole = 0
    for unit in range(out.shape[2]):
        weights = torch.linspace(0.5, 1.5, out.shape[1], dtype=torch.float64)
        (gradient,) = torch.autograd.grad((out[0, :, unit].sum(-1) * weights).sum(), image, retain_graph=True)
        rows = gradient[0, 0].abs().sum(1).nonzero().flatten().tolist()
        first, last = field.inside(unit, 48)
        assert all(first <= row <= last for row in rows)
        if (first, last) == field.interval(unit):
            assert (rows[0], rows[-1]) == (first, last)
            whole += 1
    assert whole > 2


def attention(x: Tensor) -> Tensor:
    listed = x.flatten(2).mT
    return F.scaled_dot_product_attention(listed, listed, listed).mT.unflatten(2, x.shape[2:])


WHOLE: dict[str, nn.Module | Callable[[Tensor], Tensor]] = {
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "groups": nn.GroupNorm(2, 4),
    "instance": nn.InstanceNorm2d(4),
    "batch statistics": nn.BatchNorm2d(4, track_running_stats=False),
    "positions compared": lambda x: x.flatten(2).softmax(2).unflatten(2, x.shape[2:]),
    "attention": attention,
    "layer norm over the map": nn.LayerNorm((4, 48, 48)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_mixes_all_positions_sees_the_whole_image_and_3_pixels_without(name):
    graph = trace(Steps(WHOLE[name]), (1, 1, 48, 48))
    assert graph.node(graph.outputs[0]).receptive_field == ReceptiveField(3, 1, 1, whole=True)


UNKNOWN: dict[str, Callable[[Tensor], Tensor]] = {
    "bins of unequal size": lambda x: F.adaptive_avg_pool2d(x, 7),
    "enlarged by one and a half": lambda x: F.interpolate(x, scale_factor=1.5),
    "corners aligned": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
    "finer than pixels": lambda x: F.interpolate(x, scale_factor=2),
    "upside down": lambda x: x.flip(2),
    "sorted": lambda x: x.sort(dim=2)[0],
    "ends joined": lambda x: torch.cat([x, x.flip(2)], dim=1),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_followed_says_so_and_a_pooled_vector_still_sees_the_whole_image(name):
    graph = trace(Steps(UNKNOWN[name]), (1, 1, 48, 48))
    assert graph.failure == ""
    assert graph.node(graph.outputs[0]).receptive_field is None


def test_after_bins_of_unequal_size_a_linear_layer_sees_the_whole_image():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(98, 2))
    assert trace(network, (1, 1, 48, 48)).node("3").receptive_field == ReceptiveField(48, 48, 0, whole=True)


def test_of_unequal_axes_the_larger_field_is_given():
    network = nn.Sequential(nn.Conv2d(1, 1, (1, 7), padding=(0, 3)), nn.Conv2d(1, 1, (3, 1), stride=(2, 1)))
    graph = trace(network, (1, 1, 40, 60))
    assert graph.node("0").receptive_field == graph.node("1").receptive_field == ReceptiveField(7, 1, 3)


def test_a_map_of_one_pixel_keeps_its_axes():
    with torch.device("meta"):
        network = catalogue.get("convnext_tiny").build()
    assert trace(network, (1, 3, 32, 32)).node("stage4.2.add").receptive_field == ReceptiveField(1688, 32, 828)


def test_other_inputs_have_the_field_of_their_last_axis_or_none():
    assert trace(nn.Conv1d(1, 1, 5, 2), (1, 1, 20)).nodes[0].receptive_field == ReceptiveField(5, 2, 0)
    assert trace(nn.Linear(4, 2), (1, 4)).nodes[0].receptive_field is None
