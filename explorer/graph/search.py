"""Finds nodes by words and figures."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from explorer.errors import ExplorerError
from explorer.graph.model import Graph, Node


class BadQuery(ExplorerError):
    """What was asked for cannot be understood."""


_COMPARISON = re.compile(r"([^\s<>=!]*)\s*(<=|>=|!=|==|=|<|>)\s*(\S*)")
_NUMBER = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?)([kmgt]?)", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


def _channels(node: Node) -> float:
    return channels_and_size(node.shape)[0]


def _size(node: Node) -> float:
    return channels_and_size(node.shape)[1]


def _field(node: Node) -> float:
    return node.receptive_field.size if node.receptive_field else float("nan")


FIELDS: dict[str, Callable[[Node], float]] = {
    "params": lambda node: node.params,
    "macs": lambda node: node.macs,
    "memory": lambda node: node.activation_bytes,
    "channels": _channels,
    "size": _size,
    "field": _field,
}
"""What can be compared: bytes of the output for `memory`, its longer side for `size`, pixels seen for `field`."""


def channels_and_size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Channels of an output and its longer side in positions; nan where it has none.

    Of four axes two equal ones lie beside each other: (1, C, H, W) or (1, H, W, C). Tokens (1, N, C) have no side.
    """
    if len(shape) == 4:
        last = shape[1] == shape[2] != shape[3]
        return (shape[3], max(shape[1:3])) if last else (shape[1], max(shape[2:]))
    return float(shape[-1]) if len(shape) > 1 else float("nan"), float("nan")


def search(graph: Graph, query: str) -> tuple[str, ...]:
    """Names of the nodes that fit all words of a query, in order.

    A word fits where the node's name or operation contains it, in capitals or not; a comparison, as 'params>1e6',
    'macs >= 100M', 'channels=512', 'size<14', where it holds. An empty query fits nothing.

    Raises:
        BadQuery: a comparison has no such field, or no number; the message says what would do.
    """
    tests: list[Callable[[Node], bool]] = [_comparison(*found) for found in _COMPARISON.findall(query)]
    tests += [_word(word) for word in _COMPARISON.sub(" ", query).split()]
    return tuple(node.name for node in graph.nodes if tests and all(test(node) for test in tests))


def _word(word: str) -> Callable[[Node], bool]:
    wanted = word.casefold()
    return lambda node: wanted in node.name.casefold() or wanted in node.operation.casefold()


def _comparison(name: str, sign: str, number: str) -> Callable[[Node], bool]:
    read = FIELDS.get(name.casefold())
    if read is None:
        raise BadQuery(f"Compare one of {', '.join(FIELDS)}, as in params>1e6.")
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise BadQuery(f"{name}{sign} needs a number: 1000, 1e6 or 2.5M.")
    value = float(found[1]) * 1000.0 ** " kmgt".index(found[2].lower() or " ")
    return lambda node: _COMPARE[sign](read(node), value) and read(node) == read(node)  # nan equals nothing
