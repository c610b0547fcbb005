"""The graph of a network: names, shapes and counts, no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from explorer.receptive_field import ReceptiveField

INPUT = "input"
"""What nodes that read the image name among their inputs."""


@dataclass(frozen=True)
class Node:
    """One operation of the network: a module without parts, or a step of a container's own code.

    Attributes:
        name: the module's path, 'layer1.0.conv1', with '#2' for its second call if it is called more than once; a step
            is called after the container, 'layer1.0.add', 'layer1.0.add#2'.
        operation: class of the module ('Conv2d'), or the step ('add', 'cat', 'flatten', 'matmul', 'permute').
        inputs: names of the nodes that feed it, in order; `INPUT` for the image.
        shape: of its output, with the batch axis; of the first where there are several, as of 'chunk'.
        params: its own parameters; those shared with other nodes are counted at their first use.
        macs: multiply-accumulates for one image.
        activation_bytes: of all its outputs in float32, views of other nodes' outputs included.
        receptive_field: of one unit of the (first) output, along the axis where it is larger; None where it cannot be
            said (see `explorer.graph.fields`), where there is no place (queries compared with keys, an input that is no
            image), and where nothing of the image is seen.
        parent: path of the innermost module that contains it; '' is the network itself.
        module: path of the module that it is; '' for a step.
        settings: kernel_size, stride, padding and the like, as the module or step has them.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int
    receptive_field: ReceptiveField | None
    parent: str
    module: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """What a network computes, in the order in which it ran.

    Attributes:
        nodes: the operations.
        outputs: names of the nodes that are the network's answer.
        modules: class of every module that ran, by path; '' is the network.
        input_shape: of the image, with the batch axis.
        failure: where and why tracing ended early, one sentence; the nodes are then what was reached.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    modules: Mapping[str, str]
    input_shape: tuple[int, ...]
    failure: str = ""

    @property
    def params(self) -> int:
        """Learnable numbers, those that layers share counted once."""
        return sum(node.params for node in self.nodes)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image; see `explorer.cost.Cost`."""
        return sum(node.macs for node in self.nodes)

    @property
    def activation_bytes(self) -> int:
        """Of all outputs together in float32, as training has to hold them."""
        return sum(node.activation_bytes for node in self.nodes)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of names: from, to; the image is `INPUT`."""
        return tuple((source, node.name) for node in self.nodes for source in dict.fromkeys(node.inputs))

    def node(self, name: str) -> Node:
        """The node of this name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    def field_of(self, layer: str) -> ReceptiveField | None:
        """The receptive field of a layer, an operation or a module of many: that of the last operation in it."""
        inside = [node for node in self.nodes if f"{node.name}.".startswith(f"{layer}.")]
        return inside[-1].receptive_field if inside else None

    def consumers(self, name: str) -> tuple[str, ...]:
        """Names of the nodes that read this one, or the image, in the order in which they ran."""
        return self._consumers.get(name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _consumers(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for source, target in self.edges:
            found[source] = (*found.get(source, ()), target)
        return found
