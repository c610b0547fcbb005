"""A graph as boxes, frames around the unfolded ones, and edges between them; `explorer.graph.folding` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from explorer.graph.model import INPUT
from explorer.receptive_field import ReceptiveField


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
