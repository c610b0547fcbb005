"""A graph as boxes: modules stay closed until one opens them, and identical blocks in a row are one box.

Every box is a stretch of the order in which the network ran, so that boxes never feed each other in a circle, even
where a module is called twice.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import TypeVar

from explorer.graph.folded import Box, Edge, FoldedGraph, Frame
from explorer.graph.model import INPUT, Graph
from explorer.graph.parts import Part, arranged, tree
from explorer.graph.words import detail, kind, label, title

__all__ = ["Box", "Edge", "FoldedGraph", "Frame", "around", "fold", "opening", "skips"]

_Key = TypeVar("_Key", bound=Hashable)
_FEW = 5  # boxes: fewer are no picture of a network, so the opening goes on
_MANY = 60  # boxes: what would show more stays closed at first
_MOST = 4 / 5  # of all nodes: a module that holds so many is the network itself under another name


def fold(graph: Graph, unfolded: Collection[str] | None = None) -> FoldedGraph:
    """The boxes to draw: every direct part of an unfolded part, and of the network itself.

    Args:
        graph: any.
        unfolded: keys of boxes to open; those that do not exist are ignored, those inside closed boxes wait. None
            opens what `opening` says.
    """
    network = tree(graph)
    opened = _opening(graph, network) if unfolded is None else frozenset(unfolded)
    shown, opened_parts, top = _shown(graph, network, opened)
    edges = _edges(graph, [part for part, _ in shown])
    inputs: dict[str, tuple[str, ...]] = {}
    outputs: dict[str, tuple[str, ...]] = {}
    for edge in edges:
        inputs[edge.target] = (*inputs.get(edge.target, ()), edge.source)
        outputs[edge.source] = (*outputs.get(edge.source, ()), edge.target)
    image = Box(INPUT, INPUT, "image", "the image", "input", "", INPUT, 1, (), (INPUT,), (), outputs.get(INPUT, ()),
                graph.input_shape, 0, 0, 0, None, 0, "")  # fmt: skip
    boxes = [_box(graph, part, parent, inputs.get(part.key, ()), outputs.get(part.key, ())) for part, parent in shown]
    frames = [_frame(graph, *frame) for frame in opened_parts]
    return FoldedGraph((image, *boxes), tuple(frames), edges, (INPUT, *top), opened)


def opening(graph: Graph) -> frozenset[str]:
    """What is open at first: the stages.

    The network's direct parts; where these are few, or one of them is nearly everything (`features`, `encoder`), that
    one is opened as well. Identical modules in a row stay together.
    """
    return _opening(graph, tree(graph))


def _opening(graph: Graph, network: Part) -> frozenset[str]:
    opened: frozenset[str] = frozenset()
    shown, _, _ = _shown(graph, network, opened)
    while True:
        modules = [part for part, _ in shown if part.form == "module"]
        largest = max(modules, key=lambda part: part.last - part.first, default=network)
        few = len(shown) < _FEW
        if largest is network or not (few or largest.last - largest.first > _MOST * len(graph.nodes)):
            return opened
        further, _, _ = _shown(graph, network, opened | {largest.key})
        if not few and len(further) > _MANY:
            return opened
        opened, shown = opened | {largest.key}, further


_Opened = tuple[Part, tuple[str, ...], str]


def _shown(
    graph: Graph, network: Part, opened: Collection[str]
) -> tuple[list[tuple[Part, str]], list[_Opened], list[str]]:
    """What is drawn: the parts that stay closed with the key of the frame around them; frames; keys at the top."""
    closed: list[tuple[Part, str]] = []
    frames: list[_Opened] = []

    def show(inside: Part) -> list[str]:
        parts = arranged(graph, inside)
        for part in parts:
            if part.parts and part.key in opened:
                at = len(frames)
                boxes = show(part)
                frames.insert(at, (part, tuple(boxes), inside.key))
            else:
                closed.append((part, inside.key))
        return [part.key for part in parts]

    top = show(network)
    return closed, frames, top


def around(graph: Graph, name: str) -> frozenset[str]:
    """Keys of all parts that must be unfolded for this node to be a box of its own; none if there is no such node."""
    at = next((index for index, node in enumerate(graph.nodes) if node.name == name), None)
    keys = set()
    part = tree(graph)
    while at is not None and part.parts:
        part = next(inner for inner in arranged(graph, part) if inner.first <= at < inner.last)
        if part.parts:
            keys.add(part.key)
    return frozenset(keys)


def _box(
    graph: Graph,
    part: Part,
    parent: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> Box:
    nodes = graph.nodes[part.first : part.last]
    inside = {node.name for node in nodes}
    # What leaves the box is its output; of several the last, as of a block whose sum is read by two others.
    leaving = [
        node for node in nodes if node.name in graph.outputs or not inside.issuperset(graph.consumers(node.name))
    ]
    last = (leaving or nodes)[-1]
    return Box(
        part.key,
        label(graph, part),
        detail(graph, part),
        title(part),
        kind(part),
        part.path if part.count == 1 else "",
        part.operation,
        part.count,
        tuple(node.name for node in nodes),
        tuple(dict.fromkeys(node.operation for node in nodes)),
        inputs,
        outputs,
        last.shape,
        sum(node.params for node in nodes),
        sum(node.macs for node in nodes),
        sum(node.activation_bytes for node in nodes),
        last.receptive_field,
        len(part.parts),
        parent,
    )


def _frame(graph: Graph, part: Part, boxes: tuple[str, ...], parent: str) -> Frame:
    nodes = graph.nodes[part.first : part.last]
    return Frame(
        part.key,
        label(graph, part),
        detail(graph, part),
        title(part),
        part.path if part.count == 1 else "",
        part.operation,
        part.count,
        boxes,
        sum(node.params for node in nodes),
        sum(node.macs for node in nodes),
        sum(node.activation_bytes for node in nodes),
        parent,
    )


def _edges(graph: Graph, parts: list[Part]) -> tuple[Edge, ...]:
    """The graph's edges between different boxes, those of the same pair together."""
    home = {INPUT: INPUT}
    for part in parts:
        home |= {node.name: part.key for node in graph.nodes[part.first : part.last]}
    pairs: dict[tuple[str, str], dict[str, None]] = {}
    for source, target in graph.edges:
        if home[source] != home[target]:
            pairs.setdefault((home[source], home[target]), {})[source] = None
    around_it = skips(pairs, [INPUT, *(part.key for part in parts)])
    shapes = {INPUT: graph.input_shape} | {node.name: node.shape for node in graph.nodes}
    return tuple(
        Edge(*pair, tuple(tensors), tuple(shapes[name] for name in tensors), "skip" if pair in around_it else "flow")
        for pair, tensors in pairs.items()
    )


def skips(pairs: Collection[tuple[_Key, _Key]], order: Iterable[_Key]) -> set[tuple[_Key, _Key]]:
    """Those of the edges whose target can be reached from their source through others too.

    Args:
        pairs: the edges, each from an earlier to a later one.
        order: the keys, so that all edges go forwards.
    """
    bit = {key: 1 << index for index, key in enumerate(order)}
    after: dict[_Key, list[_Key]] = {key: [] for key in bit}
    for source, target in pairs:
        after[source].append(target)
    reached: dict[_Key, int] = {}  # as bits of one number: hundreds of boxes at once
    found = set()
    for key in reversed(bit):
        through = 0
        for target in after[key]:
            through |= reached[target]
        found |= {(key, target) for target in after[key] if through & bit[target]}
        reached[key] = through | sum(bit[target] for target in set(after[key]) if not through & bit[target])
    return found
