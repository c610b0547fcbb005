"""Branches that meet without looking at the same places, and maps that lie beside what they look at.

Where two branches of unequal paddings or strides are added or laid side by side, one unit gets numbers about two
different spots of the photo (Araujo, Norris and Sim 2019, https://distill.pub/2019/computing-receptive-fields/).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.graph.model import INPUT, Graph, Node
from explorer.receptive_field import PIXEL, ReceptiveField


@dataclass(frozen=True)
class Misalignment:
    """A place where branches meet whose units are not centred on the same pixels.

    Attributes:
        node: name of the step that joins them.
        operation: 'add', 'cat' and the like.
        inputs: names of the two branches that differ most; `INPUT` for the image.
        fields: of these two.
        unit: the unit at which they differ most; they are compared at every unit until the differences repeat.
        centres: pixels on which this unit is centred in the two branches.
        offset: the second's centre less the first's at that unit, pixels.
        drift: the mean of the differences, pixels; 0 where they only alternate, as behind a transposed convolution,
            which makes several fine units of one coarse one.
    """

    node: str
    operation: str
    inputs: tuple[str, str]
    fields: tuple[ReceptiveField, ReceptiveField]
    unit: int
    centres: tuple[float, float]
    offset: float
    drift: float

    @property
    def shared(self) -> bool:
        """Whether neighbouring units of a branch share their views, so that differences come and go; no fault then."""
        return any(field.pattern for field in self.fields)


def misaligned(graph: Graph) -> tuple[Misalignment, ...]:
    """Every step of a network at which branches with places meet that do not look at the same ones.

    Left out are inputs of a single place (gates and global means reach every unit alike) and fields that cannot be
    said.
    """
    found = []
    for node in graph.nodes:
        branches = [(name, field) for name in dict.fromkeys(node.inputs) if (field := _places(graph, node, name))]
        worst: Misalignment | None = None
        for index, (first, one) in enumerate(branches):
            for second, other in branches[index + 1 :]:
                here = _between(node, (first, second), (one, other))
                if here is not None and (worst is None or abs(here.offset) > abs(worst.offset)):
                    worst = here
        if worst is not None:
            found.append(worst)
    return tuple(found)


def drift(field: ReceptiveField) -> float:
    """By how many pixels the units of a map look beside where they lie, on average; positive to the right and below.

    Unit u of a map of stride s lies over the middle of pixels s u to s u + s - 1. Half a pixel is no fault: a field of
    even size cannot be centred on a pixel.
    """
    turns = max(1, len(field.pattern))
    beside = sum(field.centre(unit) - unit * field.stride for unit in range(turns)) / turns
    return beside - (field.stride - 1) / 2


def _places(graph: Graph, node: Node, name: str) -> ReceptiveField | None:
    """The field of one input, if it is maps of more than one place that are joined place by place."""
    if name == INPUT:
        return PIXEL if len(graph.input_shape) == 4 and len(node.shape) == 4 else None
    source = graph.node(name)
    if len(source.shape) != 4 or len(node.shape) != 4 or 1 in (source.shape[2], source.shape[3]):
        return None
    return source.receptive_field


def _between(node: Node, names: tuple[str, str], fields: tuple[ReceptiveField, ReceptiveField]) -> Misalignment | None:
    """How far two branches are apart, if they are."""
    one, other = fields
    period = math.lcm(max(1, len(one.pattern)), max(1, len(other.pattern)))
    if one.stride != other.stride:
        period = max(node.shape[2:])  # they drift apart, so the last unit is the worst
    apart: Sequence[float] = [other.centre(unit) - one.centre(unit) for unit in range(period)]
    unit = max(range(period), key=lambda at: abs(apart[at]))
    if apart[unit] == 0:
        return None
    return Misalignment(
        node=node.name,
        operation=node.operation,
        inputs=names,
        fields=fields,
        unit=unit,
        centres=(one.centre(unit), other.centre(unit)),
        offset=apart[unit],
        drift=sum(apart) / period,
    )
