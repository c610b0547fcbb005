"""Receptive fields behind sums over axes: joins, averages, norms, products of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from explorer.graph.fields.common import Of, Terms
from explorer.graph.fields.terms import OPAQUE, Digit, Term, merged


def cat(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A concatenation."""
    axis = given["dim"] % output.ndim
    terms = [term for part in given["tensors"] for term in of(part)]
    if all(not term.axes[axis] for term in terms):
        return merged(terms)
    # Along the positions, as a class token before the patches: they are all there, in an order not followed.
    tokens = (Digit(output.shape[axis], OPAQUE),)
    return merged([Term((*term.axes[:axis], tokens, *term.axes[axis + 1 :]), term.reach) for term in terms])


def reduced(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A sum, mean, maximum, variance or norm over some axes."""
    x, dims = given["self"], given.get("dim")
    listed = dims if isinstance(dims, (list, tuple)) else () if dims is None else (dims,)
    axes = {dim % x.ndim for dim in listed} or set(range(x.ndim))
    mixed = [term.mixed(axes) for term in of(x)]
    if output.ndim < x.ndim:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        mixed = [term.permuted(kept) for term in mixed]
    return merged(mixed)


def _normalised(of: Of, x: Tensor, axes: Sequence[int]) -> Terms:
    """Every number stays in its place, but is compared with all others along these axes."""
    terms = of(x)
    return merged([*terms, *(term.mixed(axes) for term in terms if any(term.axes[axis] for axis in axes))])


def softmax(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A softmax along an axis."""
    return _normalised(of, given["self"], [given["dim"] % output.ndim])


def layer_norm(of: Of, given: Mapping[str, Any], _output: Tensor) -> Terms:
    """A norm over the last axes."""
    x = given["input"]
    return _normalised(of, x, range(x.ndim - len(given["normalized_shape"]), x.ndim))


def group_norm(of: Of, given: Mapping[str, Any], _output: Tensor) -> Terms:
    """A norm over all positions."""
    return _normalised(of, given["input"], range(1, given["input"].ndim))


def batch_norm(of: Of, given: Mapping[str, Any], _output: Tensor) -> Terms:
    """A norm of each channel; with statistics of the image itself if it is training."""
    x = given["input"]
    return _normalised(of, x, [axis for axis in range(x.ndim) if axis != 1]) if given.get("training") else of(x)


def product(left: str, right: str, of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Matrix products, of batches too: rows from the left, columns from the right, the axis between them is summed."""
    a, b = given[left], given[right]
    terms = [term.mixed([a.ndim - 1]) for term in of(a)] + [term.mixed([b.ndim - 2]) for term in of(b)]
    if left != "self":
        terms += [term.broadcast(given["self"].shape, output.shape) for term in of(given["self"])]
    return merged(terms)
