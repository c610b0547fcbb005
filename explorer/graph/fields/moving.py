"""Receptive fields behind what computes nothing: views, pieces, shifts and padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from explorer.graph.fields.common import Of, Terms, first, put, unknown
from explorer.graph.fields.terms import OPAQUE, Digit, Term, merged


def copied(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Another tensor written into this one."""
    source = given.get("src", given.get("other"))
    return tuple(term.broadcast(source.shape, output.shape) for term in of(source))


def filled(_of: Of, _given: Mapping[str, Any], _output: Tensor) -> Terms:
    """Numbers that nothing was read for."""
    return ()


def _moved(term: Term, axis: int, size: int, start: int, step: int = 1) -> Term:
    """Behind a slice, a padding or a shift: new unit v is old unit start + v * step."""
    if not term.axes[axis]:
        return term
    if term.full(axis, OPAQUE):
        return Term((*term.axes[:axis], (Digit(size, OPAQUE),), *term.axes[axis + 1 :]), term.reach)
    if not term.full(axis):
        return term.lost()
    return Term(put(term, axis, size), term.reach.moved(start, step))


def cut(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A slice."""
    x, axis, start = given["self"], given["dim"] % output.ndim, given["start"] or 0
    if x.shape == output.shape:
        return of(x)
    start = max(start + x.shape[axis], 0) if start < 0 else start
    return tuple(_moved(term, axis, output.shape[axis], start, given["step"]) for term in of(x))


def piece(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """One of the pieces of a split."""
    x, axis, number = given["self"], given["dim"] % output.ndim, given.get("output", 0)
    sizes = given.get("split_sizes")
    start = sum(sizes[:number]) if sizes else number * given["split_size"]
    return tuple(_moved(term, axis, output.shape[axis], start) for term in of(x))


def select(of: Of, given: Mapping[str, Any], _output: Tensor) -> Terms:
    """One index of an axis, which goes."""
    x = given["self"]
    axis, index = given["dim"] % x.ndim, given.get("index", given.get("output", 0)) % x.shape[given["dim"]]
    picked = [term.picked(axis, index) for term in of(x)]
    return merged([Term((*term.axes[:axis], *term.axes[axis + 1 :]), term.reach) for term in picked])


def roll(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A cyclic shift; what it carries across the border counts as padding."""
    terms = of(given["self"])
    if not given["dims"]:
        return tuple(term.lost() for term in terms)
    for shift, dim in zip(given["shifts"], given["dims"], strict=True):
        axis = dim % output.ndim
        terms = tuple(_moved(term, axis, output.shape[axis], -shift) for term in terms)
    return terms


def pad(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Padding on both sides of the last axes, negative to crop."""
    terms, pad = of(given["self"]), given.get("pad", given.get("padding", ()))
    for index in range(len(pad) // 2):
        if any(pad[2 * index : 2 * index + 2]):
            axis = output.ndim - 1 - index
            terms = tuple(_moved(term, axis, output.shape[axis], -pad[2 * index]) for term in terms)
    return terms


def view(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """The same numbers in other axes."""
    x = first(given)
    return tuple(term.viewed(x.shape, output.shape) for term in of(x))


def permute(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """The axes in another order."""
    order = [dim % output.ndim for dim in given["dims"]]
    return tuple(term.permuted(order) for term in of(given["self"]))


def transpose(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Two axes exchanged."""
    order = list(range(output.ndim))
    first, second = given.get("dim0", 0), given.get("dim1", output.ndim - 1)  # `t` has no arguments
    order[first], order[second] = order[second], order[first]
    return tuple(term.permuted(order) for term in of(given["self"]))


def unsqueeze(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A new axis of size 1."""
    axis = given["dim"] % output.ndim
    return tuple(Term((*term.axes[:axis], (), *term.axes[axis:]), term.reach) for term in of(given["self"]))


def expand(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Axes of size 1 repeated."""
    return tuple(term.broadcast(given["self"].shape, output.shape) for term in of(given["self"]))


def indexed(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Entries of one axis by a table of indices."""
    chosen = [axis for axis, index in enumerate(given["indices"]) if index is not None]
    terms = of(given["self"])
    if len(chosen) != 1 or any(term.axes[chosen[0]] for term in terms):
        return unknown(of, given, output)
    axis, new = chosen[0], given["indices"][chosen[0]].ndim
    return tuple(Term((*term.axes[:axis], *((),) * new, *term.axes[axis + 1 :]), term.reach) for term in terms)
