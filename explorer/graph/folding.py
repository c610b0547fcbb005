"""A graph as boxes: modules stay closed until one opens them, and identical blocks in a row are one box.

Every box is a stretch of the order in which the network ran, so that boxes never feed each other in a circle, even
where a module is called twice.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from explorer.graph.model import INPUT, Graph
from explorer.graph.parts import Part, arranged, tree
from explorer.graph.words import detail, kind, label, title
from explorer.receptive_field import ReceptiveField

_Key = TypeVar("_Key", bound=Hashable)
_FEW = 5  # boxes: fewer are no picture of a network, so the opening goes on
_MANY = 60  # boxes: what would show more stays closed at first
_MOST = 4 / 5  # of all nodes: a module that holds so many is the network itself under another name


@dataclass(frozen=True)
class Box:
    """A part of the network that is drawn as one: an operation, a closed module, or identical modules in a row.

    Attributes:
        key: names it among all parts of the network: a node's name, a module's path (with '#2' where it is entered for
            the second time), 'layer3.1:5' for five identical modules from layer3.1 on, 'features.0~3' for three
            operations from features.0 on.
        label: its name on the diagram.
        detail: what it is, in a few words.
        title: both in full.
        kind: 'conv', 'linear', 'norm', 'activation', 'pooling', 'attention', 'join', 'view', 'other' for operations,
            'module' for what holds several, 'input' for the image.
        module: path of the module it is; '' for steps and for several modules.
        operation: class of the module, or the step.
        count: identical modules in it, else 1.
        nodes: names of the graph's nodes in it, in order.
        operations: the different ones among them.
        inputs: keys of the boxes that feed it.
        outputs: keys of the boxes it feeds.
        shape: of its output, with the batch axis.
        params: sum over its nodes, as are `macs` and `activation_bytes`.
        macs: multiply-accumulates for one image.
        activation_bytes: of all outputs inside, in float32.
        receptive_field: of one unit of its output.
        parts: modules and steps directly in it, which show when it is unfolded; 0 if it cannot be.
        parent: key of the frame around it; '' is the network.
    """

    key: str
    label: str
    detail: str
    title: str
    kind: str
    module: str
    operation: str
    count: int
    nodes: tuple[str, ...]
    operations: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int
    receptive_field: ReceptiveField | None
    parts: int
    parent: str


@dataclass(frozen=True)
class Frame:
    """An unfolded part: its boxes are shown, and those of the frames in it.

    Attributes as in `Box`; `boxes` are the keys of the boxes and frames directly in it, in order.
    """

    key: str
    label: str
    detail: str
    title: str
    module: str
    operation: str
    count: int
    boxes: tuple[str, ...]
    params: int
    macs: int
    activation_bytes: int
    parent: str


@dataclass(frozen=True)
class Edge:
    """What flows from one box to another.

    Attributes:
        source: key of the box it comes from; `INPUT` for the image.
        target: key of the box it goes to.
        tensors: names of the nodes inside the source whose outputs these are.
        shapes: of these, in the same order, with the batch axis.
        kind: 'skip' if the target can be reached from the source through other boxes too, else 'flow'.
    """

    source: str
    target: str
    tensors: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    kind: str


@dataclass(frozen=True)
class FoldedGraph:
    """A graph at one fold level. The first box is the image; it holds no node, every other box at least one.

    Attributes:
        boxes: in the order in which they ran.
        frames: the unfolded parts, outer ones before inner ones.
        edges: between boxes.
        top: keys of the boxes and frames directly in the network, in order; the image first.
        unfolded: the keys that were asked for, whether or not they can be seen now.
    """

    boxes: tuple[Box, ...]
    frames: tuple[Frame, ...]
    edges: tuple[Edge, ...]
    top: tuple[str, ...]
    unfolded: frozenset[str] = field(default_factory=frozenset)

    def box(self, key: str) -> Box:
        """The box of this key.

        Raises:
            KeyError: there is none at this fold level.
        """
        return self._by_key[key]

    def locate(self, name: str) -> str:
        """Key of the box that holds this node; '' if no node is called so."""
        return self._by_node.get(name, "")

    def toggled(self, key: str) -> frozenset[str]:
        """What to fold with next, once this box is unfolded or this frame folded."""
        return self.unfolded ^ {key}

    @cached_property
    def _by_key(self) -> Mapping[str, Box]:
        return {box.key: box for box in self.boxes}

    @cached_property
    def _by_node(self) -> Mapping[str, str]:
        return {name: box.key for box in self.boxes for name in (*box.nodes, *([INPUT] if box.key == INPUT else []))}


def fold(graph: Graph, unfolded: Collection[str] | None = None) -> FoldedGraph:
    """The boxes to draw: every direct part of an unfolded part, and of the network itself.

    Args:
        graph: any.
        unfolded: keys of boxes to open; those that do not exist are ignored, those inside closed boxes wait. None
            opens what `opening` says.
    """
    network = tree(graph)
    opened = _opening(graph, network) if unfolded is None else frozenset(unfolded)
    shown, around, top = _shown(graph, network, opened)
    edges = _edges(graph, [part for part, _ in shown])
    inputs: dict[str, tuple[str, ...]] = {}
    outputs: dict[str, tuple[str, ...]] = {}
    for edge in edges:
        inputs[edge.target] = (*inputs.get(edge.target, ()), edge.source)
        outputs[edge.source] = (*outputs.get(edge.source, ()), edge.target)
    image = Box(INPUT, INPUT, "image", "the image", "input", "", INPUT, 1, (), (INPUT,), (), outputs.get(INPUT, ()),
                graph.input_shape, 0, 0, 0, None, 0, "")  # fmt: skip
    boxes = [_box(graph, part, parent, inputs.get(part.key, ()), outputs.get(part.key, ())) for part, parent in shown]
    frames = [_frame(graph, *frame) for frame in around]
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


_Around = tuple[Part, tuple[str, ...], str]


def _shown(
    graph: Graph, network: Part, opened: Collection[str]
) -> tuple[list[tuple[Part, str]], list[_Around], list[str]]:
    """What is drawn: the parts that stay closed with the key of the frame around them; frames; keys at the top."""
    closed: list[tuple[Part, str]] = []
    frames: list[_Around] = []

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
