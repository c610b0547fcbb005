"""A graph as a tree of parts: the calls of its modules, runs of layers in long lists, identical parts in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Literal

from explorer.graph.model import Graph, Node
from explorer.graph.words import kind_of

_LONG = 16  # layers in one list: from then on convolution, norm and activation are drawn together


@dataclass(frozen=True)
class Part:
    """A stretch of the order in which the network ran.

    Attributes:
        key: names it; see `folding.Box.key`.
        form: 'step' for one node, 'module' for a call of a module with parts, 'run' for a convolution or linear layer
            with its norm and activation, 'repeat' for identical parts in a row.
        path: of the module; '' for steps of a container's own code, and for runs and repeats.
        operation: class of the module, or the step; of a run its layers, joined by ' + '; of a repeat that of one part.
        first: index of its first node in the graph.
        last: index behind its last node.
        parts: inside it, in order; none in a step.
    """

    key: str
    form: Literal["step", "module", "run", "repeat"]
    path: str
    operation: str
    first: int
    last: int
    parts: tuple[Part, ...] = ()

    @property
    def count(self) -> int:
        """Identical parts in it, else 1."""
        return len(self.parts) if self.form == "repeat" else 1


def tree(graph: Graph) -> Part:
    """The network as one part; its key is ''.

    Only modules that ran are parts: what a ModuleList holds belongs to the module that calls it.
    """
    calls: Counter[str] = Counter()

    @cache
    def chain(path: str) -> tuple[str, ...]:
        """The running modules around what this module contains, outermost first."""
        steps = path.split(".") if path else []
        prefixes = [".".join(steps[: depth + 1]) for depth in range(len(steps))]
        return tuple(prefix for prefix in prefixes if prefix in graph.modules or prefix == path)

    def parts(first: int, last: int, depth: int) -> tuple[Part, ...]:
        found = []
        at = first
        for path, group in groupby(
            range(first, last), lambda index: chain(graph.nodes[index].parent)[depth : depth + 1]
        ):
            end = at + len(list(group))
            if path:
                calls[path[0]] += 1
                key = path[0] if calls[path[0]] == 1 else f"{path[0]}#{calls[path[0]]}"
                found.append(
                    Part(key, "module", path[0], graph.modules.get(path[0], ""), at, end, parts(at, end, depth + 1))
                )
            else:
                steps = enumerate(graph.nodes[at:end], at)
                found += [Part(node.name, "step", node.module, node.operation, i, i + 1) for i, node in steps]
            at = end
        return tuple(found)

    return Part("", "module", "", graph.modules.get("", ""), 0, len(graph.nodes), parts(0, len(graph.nodes), 0))


def arranged(graph: Graph, part: Part) -> tuple[Part, ...]:
    """What shows when this part is unfolded: its parts, runs of a long list and identical ones in a row as one each."""
    if part.form in ("run", "repeat"):
        return part.parts
    parts = part.parts
    if sum(inner.form == "step" for inner in parts) > _LONG:
        parts = _runs(graph, parts)
    return _repeats(graph, parts)


def _runs(graph: Graph, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Convolutions and linear layers with the norm and the activation that follow as one part each."""
    found: list[Part] = []
    kinds: list[str] = []  # of the run that `found` ends with
    for part in parts:
        kind = kind_of(part.operation) if part.form == "step" and part.path else ""
        follows = {
            "norm": (["conv"], ["linear"]),
            "activation": (["conv"], ["linear"], ["conv", "norm"], ["linear", "norm"]),
        }
        if kinds in follows.get(kind, ()) and _feeds_only(graph, found[-1], part):
            members = (*(found[-1].parts or found[-1:]), part)
            words = " + ".join(member.operation for member in members)
            found[-1] = Part(f"{members[0].key}~{len(members)}", "run", "", words, members[0].first, part.last, members)
            kinds = [*kinds, kind]
        else:
            found.append(part)
            kinds = [kind]
    return tuple(found)


def _repeats(graph: Graph, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Identical modules and runs, each fed by nothing but the one before it, as one part."""
    rows: list[list[Part]] = []
    for part in parts:
        if rows and _identical(graph, rows[-1][-1], part) and _feeds_only(graph, rows[-1][-1], part):
            rows[-1].append(part)
        else:
            rows.append([part])
    return tuple(
        row[0]
        if len(row) == 1
        else Part(f"{row[0].key}:{len(row)}", "repeat", "", row[0].operation, row[0].first, row[-1].last, tuple(row))
        for row in rows
    )


def _feeds_only(graph: Graph, before: Part, after: Part) -> bool:
    """Whether `after` reads `before` and itself, and nobody else reads `before`."""
    earlier = {node.name for node in graph.nodes[before.first : before.last]}
    later = {node.name for node in graph.nodes[after.first : after.last]}
    reads = {source for node in graph.nodes[after.first : after.last] for source in node.inputs}
    readers = {name for source in earlier for name in graph.consumers(source)}
    return reads <= earlier | later and readers <= earlier | later and earlier.isdisjoint(graph.outputs)


def _identical(graph: Graph, one: Part, other: Part) -> bool:
    """Whether two modules or runs have the same operations, settings, shapes and counts, and feed each other alike."""
    if one.operation != other.operation or one.last - one.first != other.last - other.first:
        return False
    if one.form == "step" and not (one.path and other.path):
        return False
    place: dict[str, int] = {}
    same: dict[str, int] = {}
    for index in range(one.last - one.first):
        node, twin = graph.nodes[one.first + index], graph.nodes[other.first + index]
        alike = (node.operation, node.shape, node.params, node.macs) == (
            twin.operation,
            twin.shape,
            twin.params,
            twin.macs,
        )
        if not alike or graph.modules.get(node.parent) != graph.modules.get(twin.parent):
            return False
        # What lies outside has numbers below zero, in the order in which it is first read.
        reads = [place.setdefault(name, -1 - len(place)) for name in node.inputs]
        if reads != [same.setdefault(name, -1 - len(same)) for name in twin.inputs] or _settings(node) != _settings(
            twin
        ):
            return False
        place[node.name] = same[twin.name] = index
    return True


def _settings(node: Node) -> Mapping[str, object]:
    """The settings but for drop probabilities, which grow along a network and mean nothing in evaluation."""
    return {} if "Dropout" in node.operation or "StochasticDepth" in node.operation else dict(node.settings)
