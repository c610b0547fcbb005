"""The parts of a network that can be changed as a whole: heads of attention, residual branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explorer import graph
from explorer.graph import INPUT, Graph, Node
from explorer.models import Model


@dataclass(frozen=True)
class Heads:
    """The attention of one block.

    Attributes:
        layer: path of its module.
        count: number of heads.
    """

    layer: str
    count: int


@dataclass(frozen=True)
class Block:
    """A residual block: what its branch computes is added to what its shortcut hands on.

    Attributes:
        name: of the container; where a container adds twice, as a transformer's does, the branch's name is in it.
        branch: layer whose output is what the branch adds.
        shortcut: 'identity', or 'projection' where the shortcut changes channels or resolution.
    """

    name: str
    branch: str
    shortcut: Literal["identity", "projection"]


def heads(model: Model) -> tuple[Heads, ...]:
    """The attention modules of a vision transformer of ours, in order; empty for other networks."""
    from explorer.architectures.vit import MultiHeadSelfAttention

    modules = model.module.named_modules()
    return tuple(Heads(path, module.heads) for path, module in modules if isinstance(module, MultiHeadSelfAttention))


def blocks(model: Model) -> tuple[Block, ...]:
    """The residual blocks whose branch can be switched off, in the order in which they run.

    They are found in the graph, whatever the network: an addition of two things that both come from the same place, of
    which one took the longer way.
    """
    traced = graph.of_model(model)
    sums = [node for node in traced.nodes if node.operation == "add" and len(node.inputs) == 2]
    above = _above(traced)
    found = [residual for node in sums if (residual := _residual(traced, above, node))]
    often = [node.parent for node, *_ in found]
    return tuple(
        Block(node.parent if often.count(node.parent) == 1 and node.parent else inner, branch, shortcut)
        for node, inner, branch, shortcut in found
    )


def _above(traced: Graph) -> dict[str, frozenset[str]]:
    """All that each node is computed from, by name; the image among it."""
    above: dict[str, frozenset[str]] = {INPUT: frozenset()}
    for node in traced.nodes:
        above[node.name] = frozenset(node.inputs).union(*(above[name] for name in node.inputs))
    return above


def _residual(
    traced: Graph, above: dict[str, frozenset[str]], node: Node
) -> tuple[Node, str, str, Literal["identity", "projection"]] | None:
    """(addition, name of the branch's part, the branch's last layer, kind of shortcut) if ``node`` joins a residual."""
    ends = [_source(traced, name) for name in node.inputs]
    if ends[0] == ends[1]:
        return None
    for long, short, last in ((ends[0], ends[1], node.inputs[0]), (ends[1], ends[0], node.inputs[1])):
        if short in above[long]:
            own = (above[long] | {long}) - above[short] - {short, INPUT}
            return _named(traced, node, own, last, "identity")
    common = above[ends[0]] & above[ends[1]]
    own_parts = [(above[end] | {end}) - common - {INPUT} for end in ends]
    learnt = [sum(traced.node(name).params > 0 for name in own) for own in own_parts]
    # A bias computed from a table of positions has nothing in common with what it is added to.
    if not common - {INPUT} or learnt[0] == learnt[1]:
        return None
    longer = int(learnt[1] > learnt[0])
    return _named(traced, node, own_parts[longer], node.inputs[longer], "projection")


def _named(
    traced: Graph, node: Node, own: frozenset[str], last: str, shortcut: Literal["identity", "projection"]
) -> tuple[Node, str, str, Literal["identity", "projection"]] | None:
    parts = [traced.node(name) for name in own if traced.node(name).params]
    # Only a module's output can be changed; what it reads must be of the branch alone.
    if not parts or last == INPUT or not traced.node(last).module or last not in own:
        return None
    inside = f"{node.parent}." if node.parent else ""
    largest = max(sorted(parts, key=lambda part: part.name), key=lambda part: part.params).name
    if not largest.startswith(inside):
        return node, node.parent, last, shortcut
    return node, inside + largest.removeprefix(inside).split(".")[0], last, shortcut


def _source(traced: Graph, name: str) -> str:
    """The node itself, or what it hands on unchanged."""
    while name != INPUT and traced.node(name).operation == "Identity":
        name = traced.node(name).inputs[0]
    return name
