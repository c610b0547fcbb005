"""The traced graph against what it is said to be: the network's own counts, outputs and layers."""

from __future__ import annotations

import copy
import gc
import pickle
import resource
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.regnet import BlockParams

from explorer import capture, catalogue
from explorer.cost import count
from explorer.graph import INPUT, Graph, execute, trace
from explorer.graph.shapes import Shapes
from tests.architectures.live_weights import images, make_live
from tests.toy import Toy

TORCHVISION = tuple(torchvision.models.list_models(module=torchvision.models))


def edges(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in graph.nodes}


@cache
def traced(slug: str) -> tuple[nn.Module, Graph]:
    """A card's network on meta, and its graph."""
    card = catalogue.get(slug)
    with torch.device("meta"):
        network = card.build()
    return network, trace(network, (1, card.channels, card.input_size, card.input_size))


# Small networks


class Block(nn.Module):
    """A skip, a module called twice in place, a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(x))
        y += self.shortcut(x)
        z = self.relu(y)
        return torch.cat([z, self.conv2(z)], dim=1)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block()])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        answer: Tensor = self.head(x)
        return answer


def test_skips_concatenations_and_repeated_calls_are_edges_and_nodes():
    graph = trace(Small(), (1, 4, 6, 6))
    assert edges(graph) == {
        "blocks.0.conv1": (INPUT,),
        "blocks.0.relu#1": ("blocks.0.conv1",),
        "blocks.0.add": ("blocks.0.relu#1", INPUT),
        "blocks.0.relu#2": ("blocks.0.add",),
        "blocks.0.conv2": ("blocks.0.relu#2",),
        "blocks.0.cat": ("blocks.0.relu#2", "blocks.0.conv2"),
        "head.0": ("blocks.0.cat",),
        "head.1": ("head.0",),
        "head.2": ("head.1",),
        "head.3": ("head.2",),
    }
    assert graph.outputs == ("head.3",)
    assert graph.consumers("blocks.0.relu#2") == ("blocks.0.conv2", "blocks.0.cat")
    assert graph.consumers(INPUT) == ("blocks.0.conv1", "blocks.0.add")
    assert graph.modules == {"": "Small", "blocks.0": "Block", "head": "Sequential"} | {
        path: type(part).__name__
        for path, part in Small().named_modules()
        if path.startswith(("blocks.0.", "head."))  # lists of modules do not run, all others did
    }
    assert graph.failure == ""


def test_a_node_says_what_it_is():
    graph = trace(Small(), (1, 4, 6, 6))
    conv, add, cat = (graph.node(f"blocks.0.{name}") for name in ("conv1", "add", "cat"))
    assert (conv.operation, conv.module, conv.parent) == ("Conv2d", "blocks.0.conv1", "blocks.0")
    assert (conv.shape, conv.params, conv.macs) == ((1, 4, 6, 6), 4 * 4 * 9 + 4, 36 * 4 * 4 * 9)
    assert conv.activation_bytes == 4 * 4 * 36
    assert conv.settings["kernel_size"] == (3, 3)
    assert conv.settings["bias"] is True
    assert (add.operation, add.module, add.parent, add.params, add.macs) == ("add", "", "blocks.0", 0, 0)
    assert (cat.operation, cat.shape, dict(cat.settings)) == ("cat", (1, 8, 6, 6), {"dim": 1})
    assert graph.node("head.0").parent == "head"
    with pytest.raises(KeyError):
        graph.node("blocks.0")


def test_the_toys_two_relus_have_the_names_that_feature_maps_have():
    toy = Toy()
    names = [node.name for node in trace(toy, (1, 3, 2, 2)).nodes]
    assert names == ["conv", "relu#1", "add", "relu#2", "pool", "flatten", "fc"]
    assert [layer.name for layer in capture.layers(toy, (1, 3, 2, 2))] == [
        n for n in names if n not in ("add", "flatten")
    ]


class Wild(nn.Module):
    """Whatever makes tracing hard: constants, pieces, writing into parts, tables, several answers."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.rand(1, 4, 1, 6))
        self.scale = nn.Parameter(torch.rand(4, 1, 1))
        self.register_buffer("table", torch.tensor([3, 1, 0, 2]))
        self.table: Tensor
        self.drop = nn.Dropout()

    def forward(self, x: Tensor) -> dict[str, Any]:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1, -1), x], dim=2)
        first, second = x.chunk(2, dim=1)
        first.mul_(2)  # x changes with it, second does not
        mask = x.new_zeros(7, 6)
        mask[2:4] = -1
        kept = self.drop(x)
        y = (kept + mask) * (self.scale[self.table] + self.scale.sum())
        y[:, 1:3, :, 0] = second[..., 0] - 1
        part = y[:, :1]
        part += 1
        q, k, v, _ = y.permute(1, 0, 2, 3)
        return {"sum": (q @ k.mT @ v, x.mean((2, 3))), "list": [second.flatten(1).max(1)[0], self.scale], "none": None}


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def test_a_wild_network_replays_and_every_parameter_has_a_node():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Wild()).eval()
    graph = trace(network, (1, 3, 6, 6))
    assert graph.failure == ""
    image = torch.rand(1, 3, 6, 6)
    with torch.no_grad():
        assert equal(execute(graph, network, image), network(image))
    own = {name: node.params for name, node in ((node.name, node) for node in graph.nodes) if node.params}
    assert own == {"0": 3 * 4 * 9 + 4, "1.cat": 24, "1.mul#2": 4}
    inputs = edges(graph)
    assert inputs["1.cat"] == ("0",)
    assert inputs["1.mul"] == ("1.chunk",)
    assert inputs["1.drop"] == ("1.cat", "1.mul")  # what was written into a part of x
    assert "1.mul" not in inputs["1.getitem"]  # the other half
    assert inputs["1.permute"] == ("1.setitem", "1.add#2")
    assert graph.node("1.chunk").shape == (1, 2, 7, 6)
    assert graph.node("1.chunk").activation_bytes == 4 * 4 * 42  # both pieces
    assert graph.node("1.getitem").settings == {"index": "..., 0"}
    assert [graph.node(name).operation for name in graph.outputs] == ["matmul", "mean", "max", "constant"]


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 100)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(self.first(x)))
        return y


def test_shared_parameters_count_at_their_first_use_and_unused_ones_nowhere():
    graph = trace(Shared(), (1, 8))
    assert {node.name: node.params for node in graph.nodes} == {"first#1": 72, "first#2": 0, "second": 8}
    assert graph.params == 80
    assert count(Shared(), (1, 8)).parameters == 80 + 900


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.add = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.attention(x, x, x, need_weights=False)
        return self.add(x + out)


def test_a_module_whose_parts_do_not_run_is_one_node_with_all_its_parameters():
    graph = trace(Attention(), (1, 5, 8))
    assert edges(graph) == {"attention": (INPUT,), "add#2": (INPUT, "attention"), "add": ("add#2",)}
    assert graph.node("attention").params == 4 * 64 + 4 * 8
    assert graph.node("attention").macs == 4 * 5 * 64 + 2 * 25 * 8
    assert graph.node("add").operation == "Identity"


def test_pytorchs_own_modules_are_one_node_and_other_networks_without_parts_are_opened():
    assert [node.operation for node in trace(nn.Conv2d(3, 2, 1), (1, 3, 4, 4)).nodes] == ["Conv2d"]

    class Function(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 - 2 * x.flatten(1)

    graph = trace(Function(), (1, 3, 4, 4))
    assert edges(graph) == {"flatten": (INPUT,), "mul": ("flatten",), "sub": ("mul",)}
    assert trace(nn.Sequential(), (1, 3)).outputs == (INPUT,)


class Broken(nn.Module):
    """Fails in the middle, in one of several ways."""

    def __init__(self, trouble: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.middle = nn.Sequential(nn.ReLU(), Trouble(trouble))
        self.after = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(self.middle(self.stem(x)))
        return y


class Trouble(nn.Module):
    def __init__(self, trouble: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.trouble = trouble
        self.unused = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        self.trouble(x + 1)
        return x


def _raise(x: Tensor) -> None:
    raise RuntimeError("No more.\nSecond line.")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (_raise, "No more."),
        (lambda x: bool(x.sum() > 0), "it asks for the numbers in a tensor, and tracing knows shapes only ("),
        (lambda x: x.nonzero(), "it asks for the numbers in a tensor, and tracing knows shapes only ("),
        (lambda x: x.detach().numpy(), "it asks for the numbers in a tensor, and tracing knows shapes only ("),
        (lambda x: x.view(7), "shape '[7]' is invalid for input of size 64."),
        (lambda x: x @ torch.ones(3, 3), ""),
    ],
)
def test_a_failure_says_where_and_why_and_keeps_what_was_reached(trouble, reason):
    graph = trace(Broken(trouble), (1, 3, 4, 4))
    assert graph.failure.startswith(f"Tracing ended in middle.1 (Trouble): {reason}")
    assert "\n" not in graph.failure
    assert [node.name for node in graph.nodes][:3] == ["stem", "middle.0", "middle.1.add"]
    assert graph.outputs == ()
    with pytest.raises(ValueError, match="unfinished"):
        execute(graph, Broken(trouble).eval(), torch.ones(1, 3, 4, 4))


def test_an_illegal_size_is_a_failure_in_the_networks_own_words():
    with torch.device("meta"):
        graph = trace(catalogue.get("vit_b_32").build(), (1, 3, 100, 100))
    assert graph.failure.startswith("Tracing ended in the code of VisionTransformer itself: ")
    assert graph.nodes == ()


def test_shapes_that_are_not_known_yet_are_a_failure_too():
    graph = trace(nn.Sequential(nn.LazyLinear(3)), (1, 4))
    assert graph.failure.startswith("Tracing could not begin: ")
    assert graph.nodes == graph.outputs == ()


class Careful(nn.Module):
    """Catches what a part raises, and goes on without it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Linear(4, 4))
        self.last = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        try:
            x = self.part(x)
        except RuntimeError:
            x = x + 1
        y: Tensor = self.last(x)
        return y


def test_an_exception_that_the_network_catches_is_none():
    graph = trace(Careful(), (1, 3))
    assert graph.failure == ""
    assert edges(graph) == {"add": (INPUT,), "last": ("add",)}


@pytest.mark.parametrize("shape", [(), (1,), (3, 8, 8), (2, 3, 8, 8)])
def test_a_shape_without_a_batch_of_one_is_refused(shape):
    with pytest.raises(ValueError, match="one image"):
        trace(Small(), shape)


def test_a_graph_holds_names_and_numbers_only():
    graph = traced("efficientnet_b0")[1]
    assert pickle.loads(pickle.dumps(graph)) == graph
    kinds = (int, float, str, type(None))

    def plain(value: object) -> bool:
        return all(map(plain, value)) if isinstance(value, tuple) else isinstance(value, kinds)

    assert all(plain(value) for node in graph.nodes for value in node.settings.values())
    assert all(plain((node.name, node.inputs, node.shape, node.params, node.macs)) for node in graph.nodes)


def test_the_module_is_as_before_and_its_hooks_are_not_called():
    module = Small().train()
    module.head.eval()
    called: list[object] = []
    module.blocks[0].register_forward_hook(lambda *arguments: called.append(arguments))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with torch.inference_mode():
        assert trace(module, (1, 4, 6, 6)) == trace(copy.deepcopy(module).double(), (1, 4, 6, 6))
    assert module.training
    assert not module.head.training
    assert called == []
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())


def test_many_threads_trace_at_once_while_the_network_runs():
    module, found = Small().eval(), []
    image = torch.rand(1, 4, 6, 6)
    threads = [threading.Thread(target=lambda: found.append(trace(module, (1, 4, 6, 6)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    with torch.no_grad():
        answers = [module(image) for _ in range(20)]
    for thread in threads:
        thread.join()
    assert found == [trace(module, (1, 4, 6, 6))] * 6
    assert all(torch.equal(answer, answers[0]) for answer in answers)


def meta_maps() -> set[int]:
    """Every map without numbers that somebody holds: loaded networks keep theirs."""
    return {id(part) for part in gc.get_objects() if type(part) is Tensor and part.is_meta and part.ndim == 4}


def test_nothing_is_left_behind():
    trace(Small(), (1, 4, 6, 6))
    gc.collect()
    gc.disable()
    try:
        before = meta_maps()
        trace(Small(), (1, 4, 6, 6))
        assert not meta_maps() - before
    finally:
        gc.enable()


# Every network of the app


def totals(graph: Graph, what: str) -> dict[str, int]:
    """Sum of a number over the nodes in every module that ran, by path."""
    found = dict.fromkeys(graph.modules, 0)
    for node in graph.nodes:
        words = (node.module or node.parent).split(".")
        for path in {"", *(".".join(words[: n + 1]) for n in range(len(words)))} & found.keys():
            found[path] += getattr(node, what)
    return found


@pytest.mark.parametrize("slug", catalogue.CATALOGUE)
def test_the_nodes_of_every_card_sum_up_to_its_counts_at_every_level(slug):
    network, graph = traced(slug)
    assert graph.failure == ""
    total = count(network, graph.input_shape)
    assert (graph.params, graph.macs) == (total.parameters, total.macs)
    params = totals(graph, "params")
    assert params == {path: sum(p.numel() for p in network.get_submodule(path).parameters()) for path in params}
    assert all(node.parent in graph.modules for node in graph.nodes)
    known = {INPUT}
    for node in graph.nodes:
        assert known.issuperset(node.inputs)
        known.add(node.name)
    assert len(known) == len(graph.nodes) + 1


@pytest.mark.parametrize("slug", ["resnet18", "googlenet", "densenet121", "efficientnet_b0", "vit_b_32", "unet"])
def test_macs_of_every_module_are_those_of_pytorchs_own_counter(slug):
    network, graph = traced(slug)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(network).eval()(torch.empty(graph.input_shape, device="meta"))
    flops = {path.partition(".")[2]: sum(each.values()) for path, each in counter.get_flop_counts().items()}
    assert totals(graph, "macs") == {path: flops.get(path, 0) // 2 for path in graph.modules}


# Heads that help to train take no part in evaluation. torchvision counts Inception's 3,326,696 parameters all the same;
# of GoogLeNet it leaves them out, as we do.
HELPERS = {"inception_v3": 3_326_696}


@pytest.mark.parametrize("slug", ["densenet121", "efficientnet_lite0", "vit_b_32", "unet", "swin_v2_t", "maxvit_t"])
def test_shapes_remembered_are_those_that_pytorch_works_out(slug, monkeypatch):
    network, graph = traced(slug)
    monkeypatch.setattr(Shapes, "run", lambda self, operation, args, kwargs: operation(*args, **kwargs))
    assert trace(network, graph.input_shape) == graph


def built_on_meta(name: str, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """torchvision's own class. RegNet works its widths out with tensors, for which meta ones will not do."""
    original = BlockParams.from_init_params

    def on_the_cpu(*args: Any, **kwargs: Any) -> BlockParams:
        with torch.device("cpu"):
            return original(*args, **kwargs)

    monkeypatch.setattr(BlockParams, "from_init_params", on_the_cpu)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return network


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_have_their_published_counts(name, monkeypatch):
    network = built_on_meta(name, monkeypatch)
    # Of several weights the first for the size that the network is built for (vision transformers are for one only).
    entries = ((each, each.transforms().crop_size[0]) for each in torchvision.models.get_model_weights(name))
    weights, side = next((each, side) for each, side in entries if getattr(network, "image_size", side) == side)
    graph = trace(network, (1, 3, side, side))
    assert graph.failure == ""
    assert graph.params == weights.meta["num_params"] - HELPERS.get(name, 0)
    assert round(graph.macs / 1e9, 3) == weights.meta["_ops"]
    assert len(graph.outputs) == 1
    assert graph.node(graph.outputs[0]).shape == (1, 1000)


@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes on Linux only")
def test_tracing_vit_l_needs_no_memory():
    with torch.device("meta"):
        network = catalogue.get("vit_l_16").build()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert trace(network, (1, 3, 224, 224)).activation_bytes > 500e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100e3  # its weights: 1.2 GB


# Executed

EXECUTED: dict[str, tuple[int, int]] = {
    "lenet5": (32, 32),
    "alexnet_lrn": (65, 97),
    "vgg11": (64, 64),
    "googlenet": (65, 97),
    "resnet50": (65, 97),
    "densenet121": (65, 97),
    "mobilenet_v1": (65, 97),
    "mobilenet_v2": (65, 97),
    "mobilenet_v3_small": (65, 97),
    "efficientnet_b0": (65, 97),
    "efficientnet_lite0": (65, 97),
    "convnext_tiny": (65, 97),
    "vit_b_32": (224, 224),
    "torchvision's vit_b_32": (224, 224),
    "swin_t": (65, 97),
    "swin_v2_t": (65, 97),
    "maxvit_t": (224, 224),
    "shufflenet_v2_x0_5": (65, 97),
    "squeezenet1_1": (65, 97),
    "mnasnet0_5": (65, 97),
    "regnet_y_400mf": (65, 97),
    "inception_v3": (97, 129),
    "unet": (51, 32),
    "yolo": (65, 97),
}


@pytest.mark.parametrize("slug", EXECUTED)
def test_the_graph_executed_answers_what_the_network_answers(slug):
    card = catalogue.get(slug.split()[-1])
    batch = images((2, card.channels, *EXECUTED[slug]))
    if slug in catalogue.CATALOGUE:
        with torch.device("meta"):
            network = card.build()
    else:
        # On the CPU, for the buffers that are computed (Swin's table of positions); make_live must not empty them.
        options = {"init_weights": False} if card.slug == "inception_v3" else {}
        network = torchvision.models.get_model(card.slug, weights=None, **options)
        network.to_empty = lambda device: network
    make_live(network, batch)
    graph = trace(network, (1, *batch.shape[1:]))
    with torch.no_grad():
        answer = network(batch[:1])
    assert answer.std() > 0.1  # alive
    assert torch.equal(execute(graph, network, batch[:1]), answer)  # the same operations in the same order: no rounding


def test_execute_wants_the_right_graph_network_and_image():
    network = Small().eval()
    graph = trace(network, (1, 4, 6, 6))
    image = torch.ones(1, 4, 6, 6)
    with torch.no_grad():
        assert torch.equal(execute(graph, network, image), network(image))
    with pytest.raises(ValueError, match="eval"):
        execute(graph, Small(), image)
    with pytest.raises(ValueError, match="traced for"):
        execute(graph, network, torch.ones(1, 4, 8, 8))
    with pytest.raises(ValueError, match="another network"):
        execute(graph, Block().eval(), image)
    assert torch.equal(image, torch.ones(1, 4, 6, 6))
