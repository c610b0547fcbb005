"""Folding: whatever is open, nothing is lost, nothing is counted twice, and what is called identical is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest
import torch

from explorer import catalogue
from explorer.graph import INPUT, Graph, Node, trace
from explorer.graph.folding import Box, FoldedGraph, Frame, around, fold, opening
from explorer.graph.parts import tree
from explorer.graph.search import BadQuery, channels_and_size, search

NETWORKS = ("resnet50", "googlenet", "vgg16", "densenet121", "efficientnet_b0", "unet", "vit_b_16", "swin_t")


def node(name: str, operation: str, *inputs: str, parent: str = "", step: bool = False, **values: object) -> Node:
    """A node of shape (1, 8, 4, 4); a module unless it is a `step`."""
    shape = values.pop("shape", (1, 8, 4, 4))
    params, macs = values.pop("params", 10), values.pop("macs", 100)
    module = "" if step else name.partition("#")[0]
    return Node(name, operation, inputs, shape, params, macs, 512, None, parent, module, values)  # type: ignore[arg-type]


def graph(*nodes: Node, modules: Mapping[str, str] = {}, outputs: tuple[str, ...] = ()) -> Graph:
    """A graph of these nodes; containers are called 'Block' unless `modules` says otherwise."""
    parents = {parent for each in nodes for parent in prefixes(each.parent)}
    known = dict.fromkeys(sorted(parents), "Block") | {"": "Network"} | dict(modules)
    return Graph(nodes, outputs or (nodes[-1].name,), known, (1, 3, 4, 4))


def prefixes(path: str) -> list[str]:
    words = path.split(".") if path else []
    return [".".join(words[: n + 1]) for n in range(len(words))]


def residual(blocks: int, kernels: Mapping[int, int] = {}) -> Graph:
    """A stem and so many residual blocks; `kernels` of some blocks may differ."""
    nodes = [node("stem", "Conv2d", INPUT)]
    for block in range(blocks):
        path, before = f"layer.{block}", nodes[-1].name
        nodes += [
            node(f"{path}.conv", "Conv2d", before, parent=path, kernel_size=kernels.get(block, 3)),
            node(f"{path}.add", "add", f"{path}.conv", before, parent=path, step=True, params=0, macs=0),
            node(f"{path}.relu", "ReLU", f"{path}.add", parent=path, params=0, macs=0),
        ]
    return graph(*nodes, node("fc", "Linear", nodes[-1].name), modules={"layer": "Sequential"})


def inception() -> Graph:
    """Four branches, of one to three layers, joined."""
    nodes = [node("stem", "Conv2d", INPUT)]
    ends = []
    for branch, depth in enumerate((1, 2, 3, 2)):
        before = "stem"
        for layer in range(depth):
            name = f"mix.branch{branch}.{layer}"
            nodes.append(node(name, "Conv2d", before, parent=f"mix.branch{branch}"))
            before = name
        ends.append(before)
    return graph(*nodes, node("mix.cat", "cat", *ends, parent="mix", step=True), node("fc", "Linear", "mix.cat"))


def nested(seed: int, size: int = 40) -> Graph:
    """Modules within modules at random; every node reads one to three earlier ones or the image."""
    rng = random.Random(seed)
    nodes: list[Node] = []
    path: list[str] = []
    for index in range(size):
        while path and rng.random() < 0.25:
            path.pop()
        while len(path) < 4 and rng.random() < 0.3:
            path.append(f"m{index}_{len(path)}")
        earlier = [INPUT, *(each.name for each in nodes)]
        # Mostly the last ones, as in networks.
        inputs = {
            earlier[-min(len(earlier), 1 + int(rng.expovariate(0.7)))] for _ in range(rng.choice((1, 1, 1, 2, 3)))
        }
        operation = rng.choice(("Conv2d", "ReLU", "add", "cat", "permute"))
        name = ".".join((*path, f"n{index}"))
        nodes.append(node(name, operation, *sorted(inputs), parent=".".join(path), params=rng.randrange(9)))
    return graph(*nodes)


@cache
def traced(slug: str) -> Graph:
    card = catalogue.get(slug)
    with torch.device("meta"):
        module = card.build()
    return trace(module, (1, card.channels, card.input_size, card.input_size))


def everything(of: Graph) -> frozenset[str]:
    """Keys of all that can be unfolded."""
    opened: frozenset[str] = frozenset()
    while more := {box.key for box in fold(of, opened).boxes if box.parts}:
        opened |= more
    return opened


def levels(of: Graph, seed: int = 0) -> list[frozenset[str]]:
    """From all closed to all open, opened in a random order, a few at a time."""
    rng = random.Random(seed)
    opened: frozenset[str] = frozenset()
    found = [opened]
    while more := sorted(box.key for box in fold(of, opened).boxes if box.parts):
        opened |= set(rng.sample(more, min(len(more), 4)))
        found.append(opened)
    return found


def check(of: Graph, folded: FoldedGraph) -> None:
    held = Counter(name for box in folded.boxes for name in box.nodes)
    assert held == Counter(each.name for each in of.nodes), "every node is in exactly one box"
    assert sum(box.params for box in folded.boxes) == of.params
    assert sum(box.macs for box in folded.boxes) == of.macs
    assert sum(box.activation_bytes for box in folded.boxes) == of.activation_bytes
    home = {name: box.key for box in folded.boxes for name in box.nodes} | {INPUT: INPUT}
    projected: dict[tuple[str, str], dict[str, None]] = {}
    for source, target in of.edges:
        if home[source] != home[target]:
            projected.setdefault((home[source], home[target]), {})[source] = None
    assert {(edge.source, edge.target): list(edge.tensors) for edge in folded.edges} == {
        pair: list(sent) for pair, sent in projected.items()
    }
    assert len(folded.edges) == len(projected)
    shapes = {INPUT: of.input_shape} | {each.name: each.shape for each in of.nodes}
    assert all(list(edge.shapes) == [shapes[name] for name in edge.tensors] for edge in folded.edges)
    ran = {box.key: index for index, box in enumerate(folded.boxes)}
    assert all(ran[edge.source] < ran[edge.target] for edge in folded.edges), "boxes never feed each other in a circle"
    linked = {(source, box.key) for box in folded.boxes for source in box.inputs}
    assert linked == {(box.key, target) for box in folded.boxes for target in box.outputs} == set(projected)
    for frame in folded.frames:
        inside: list[Box | Frame] = [each for each in folded.boxes if each.parent == frame.key]
        inside += [each for each in folded.frames if each.parent == frame.key]
        assert {each.key for each in inside} == set(frame.boxes)
        assert sum(each.params for each in inside) == frame.params
        assert sum(each.macs for each in inside) == frame.macs
    keys = [box.key for box in folded.boxes] + [frame.key for frame in folded.frames]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("slug", NETWORKS)
def test_nothing_is_lost_at_any_fold_level_of_a_real_network(slug):
    of = traced(slug)
    for opened in levels(of):
        check(of, fold(of, opened))
    assert all(len(box.nodes) == 1 for box in fold(of, everything(of)).boxes[1:])


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_at_any_fold_level_of_a_random_nest(seed):
    of = nested(seed)
    for opened in levels(of, seed):
        check(of, fold(of, opened))


def test_folding_depends_on_the_set_alone():
    of = residual(4)
    one, other = ("layer", "layer.0:4"), ("layer.0:4", "layer", "no such key")
    assert replace(fold(of, one), unfolded=frozenset()) == replace(fold(of, other), unfolded=frozenset())
    # What was open inside a closed box is open again afterwards.
    opened = fold(of, one)
    closed = fold(of, opened.toggled("layer"))
    assert [box.key for box in closed.boxes] == [INPUT, "stem", "layer", "fc"]
    assert fold(of, closed.toggled("layer")) == opened


def test_identical_blocks_in_a_row_are_one_box():
    boxes = {box.key: box for box in fold(residual(5), {"layer"}).boxes}
    assert list(boxes) == [INPUT, "stem", "layer.0:5", "fc"]
    assert (boxes["layer.0:5"].label, boxes["layer.0:5"].count, boxes["layer.0:5"].params) == ("Block × 5", 5, 50)
    # A block that differs in a setting only, the shapes being equal, stands by itself.
    keys = [box.key for box in fold(residual(5, kernels={2: 5}), {"layer"}).boxes]
    assert keys == [INPUT, "stem", "layer.0:2", "layer.2", "layer.3:2", "fc"]


def test_blocks_whose_inside_is_read_elsewhere_are_not_hidden_in_a_row():
    of = residual(4)
    tapped = replace(of, nodes=(*of.nodes, node("head", "Conv2d", "layer.1.relu")), outputs=("fc", "head"))
    keys = [box.key for box in fold(tapped, {"layer"}).boxes]
    assert keys == [INPUT, "stem", "layer.0:2", "layer.2:2", "fc", "head"]


def test_equal_branches_side_by_side_are_no_repetition():
    nodes = [node(f"side{n}.conv", "Conv2d", INPUT, parent=f"side{n}") for n in range(3)]
    of = graph(*nodes, node("cat", "cat", *(each.name for each in nodes), step=True))
    assert [box.key for box in fold(of, ()).boxes] == [INPUT, "side0", "side1", "side2", "cat"]


def test_drop_probabilities_do_not_set_blocks_apart():
    nodes = [
        node(f"{n}.drop", "StochasticDepth", f"{n - 1}.drop" if n else INPUT, parent=f"{n}", p=n / 10) for n in range(3)
    ]
    assert [box.key for box in fold(graph(*nodes), ()).boxes] == [INPUT, "0:3"]


def test_a_module_entered_twice_is_two_boxes():
    of = graph(
        node("shared.conv", "Conv2d", INPUT, parent="shared"),
        node("pool", "MaxPool2d", "shared.conv"),
        node("shared.conv#2", "Conv2d", "pool", parent="shared", params=0),
    )
    assert [box.key for box in fold(of, ()).boxes] == [INPUT, "shared", "pool", "shared#2"]
    check(of, fold(of, {"shared#2"}))


def test_skips_are_the_edges_that_others_go_around():
    kinds = {(edge.source, edge.target): edge.kind for edge in fold(residual(1), {"layer", "layer.0"}).edges}
    assert kinds.pop(("stem", "layer.0.add")) == "skip"
    assert set(kinds.values()) == {"flow"}
    # The short branch of an Inception module jumps over nothing, however long the others are.
    assert {edge.kind for edge in fold(inception(), everything(inception())).edges} == {"flow"}


def test_resnet50_folds_as_table_1_prints_it():
    of = traced("resnet50")
    labels = {box.key: box.label for box in fold(of, ("layer1", "layer2", "layer3", "layer4")).boxes}
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        assert labels[f"layer{stage}.0"] == "Bottleneck"
        assert labels[f"layer{stage}.1:{blocks - 1}"] == f"Bottleneck × {blocks - 1}"
    # Identical blocks are identical in what they cost, counted by hand: 1x1, 3x3, 1x1 and three norms of width 256.
    own = 1024 * 256 + 9 * 256 * 256 + 256 * 1024 + 2 * (256 + 256 + 1024)
    members = [box for box in fold(of, ("layer3", "layer3.1:5")).boxes if box.parent == "layer3.1:5"]
    assert [box.params for box in members] == 5 * [own]
    assert len({(box.macs, box.activation_bytes, box.shape) for box in members}) == 1


def test_blocks_that_look_alike_and_differ_stay_apart():
    # Every layer of a dense block reads more channels than the one before.
    of = traced("densenet121")
    inside = [box for box in fold(of, everything(of)).frames if box.operation.endswith("DenseBlock")]
    assert [sum(key.count(":") for key in frame.boxes) for frame in inside] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("resnet50", {"layer1", "layer2", "layer3", "layer4"}),
        ("densenet121", {"features.denseblock1", "features.denseblock4", "classifier"}),
        ("vgg16", {"features.4", "features.30", "classifier"}),
        ("efficientnet_b0", {"features.1", "features.7"}),
        ("vit_b_16", {"patch_embedding", "blocks.0:12", "head"}),
    ],
)
def test_a_network_opens_on_its_stages(slug, expected):
    boxes = fold(traced(slug)).boxes[1:]
    assert expected <= {box.key for box in boxes}
    assert 5 <= len(boxes) <= 30


def test_what_must_be_open_to_see_a_node():
    of = traced("resnet50")
    name = "layer3.4.conv2"
    keys = around(of, name)
    assert keys == {"layer3", "layer3.1:5", "layer3.4"}
    shown = fold(of, opening(of) | keys)
    assert shown.locate(name) == name
    assert shown.box(name).nodes == (name,)
    # Nothing less will do.
    assert all(fold(of, keys - {key}).locate(name) != name for key in keys)
    assert around(of, "no such node") == frozenset()


def test_the_tree_follows_the_order_in_which_the_network_ran():
    of = nested(3)
    leaves: list[int] = []

    def walk(part) -> None:
        leaves.extend(range(part.first, part.last) if not part.parts else ())
        for inner in part.parts:
            walk(inner)

    walk(tree(of))
    assert leaves == list(range(len(of.nodes)))


def test_search_by_words_and_figures():
    of = traced("resnet50")
    assert search(of, "layer3 .CONV2") == tuple(f"layer3.{n}.conv2" for n in range(6))
    assert search(of, "batchnorm2d layer4.0 downsample") == ("layer4.0.downsample.1",)
    # The weights of the widest 3x3 convolutions: 512 x 512 x 9; MACs: those on 7 x 7 positions.
    assert search(of, "params=2359296") == tuple(f"layer4.{n}.conv2" for n in range(3))
    assert set(search(of, "macs>=115605504 params>2M conv2d")) >= {f"layer4.{n}.conv2" for n in range(3)}
    assert search(of, "channels = 1000") == ("fc",)
    assert {of.node(name).shape[2] for name in search(of, "size<14 conv")} == {7}
    assert search(of, "memory>3M size=112") == search(of, "size=112")
    assert search(of, "size!=7 fc") == ()  # a vector has no size, not another one
    assert search(of, "") == search(of, "   ") == search(of, "no such thing") == ()


@pytest.mark.parametrize("query", ["width>3", "params>x", ">3", "params>", "params>1e6 depth=2"])
def test_a_search_that_makes_no_sense_says_so_in_a_sentence(query):
    with pytest.raises(BadQuery) as caught:
        search(residual(1), query)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1, 64, 56, 28), (64, 56)), ((1, 7, 7, 768), (768, 7)), ((1, 512, 1, 1), (512, 1)), ((1, 8, 8, 8), (8, 8))],
)
def test_channels_and_size_of_maps(shape, expected):
    assert channels_and_size(shape) == expected
