"""Receptive fields behind windows that slide, and behind what makes maps larger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from explorer.graph.fields.common import Of, Terms, first, nth, put, unknown
from explorer.graph.fields.terms import Term, merged


def _slid(term: Term, axis: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Term:
    """Behind a window that slides along an axis and leaves `size` units."""
    if not term.axes[axis] or (kernel, stride, padding) == (1, 1, 0):
        return term
    if not term.full(axis):
        return term.lost()
    return Term(put(term, axis, size), term.reach.windowed(kernel, stride, padding, dilation))


def convolution(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A convolution, transposed or not."""
    x, weight = given["input"], given["weight"]
    if of(weight):
        return unknown(of, given, output)
    found = []
    for term in of(x):
        after = term.mixed([1])
        for index in range(x.ndim - 2):
            kernel = weight.shape[2 + index]
            stride, padding, dilation = (nth(given[name], index) for name in ("stride", "padding", "dilation"))
            axis, size = 2 + index, output.shape[2 + index]
            if not given["transposed"] or not after.axes[axis]:
                after = _slid(after, axis, size, kernel, stride, padding, dilation)
            elif after.full(axis):
                reach = after.reach.transposed(kernel, stride, padding, dilation)
                after = Term(put(after, axis, size), reach)
            else:
                after = after.lost()
        found.append(after)
    return merged(found)


def pool(dims: int, of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A pooling over the last axes."""
    kernels = given["kernel_size"]
    found = []
    for term in of(given["self"]):
        for index in range(dims):
            axis = output.ndim - dims + index
            numbers = (
                nth(given.get(name) or default, index)
                for name, default in (("stride", kernels), ("padding", 0), ("dilation", 1))
            )
            term = _slid(term, axis, output.shape[axis], nth(kernels, index), *numbers)
        found.append(term)
    return merged(found)


def adaptive_pool(dims: int, of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """A pooling into a given number of bins; into one is global."""
    x = given["self"]
    found = []
    for term in of(x):
        for axis in range(x.ndim - dims, x.ndim):
            size, bins = x.shape[axis], output.shape[axis]
            if bins == 1:
                term = term.mixed([axis])
            elif size % bins == 0:
                term = _slid(term, axis, bins, size // bins, size // bins, 0, 1)
            elif term.axes[axis]:
                term = Term(put(term, axis, bins), term.reach.unknown())
        found.append(term)
    return merged(found)


def interpolated(mode: str, of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Maps made larger."""
    x = first(given)
    scales = [given.get("scales_h", given.get("scales")), given.get("scales_w")]
    found = []
    for term in of(x):
        for axis in range(2, x.ndim):
            if not term.axes[axis] or x.shape[axis] == output.shape[axis]:
                continue
            factor, rest = divmod(output.shape[axis], x.shape[axis])
            exact = scales[axis - x.ndim] in (None, factor) and not given.get("align_corners")
            reach = term.reach.enlarged(factor, mode) if exact and not rest else term.reach.unknown()
            term = Term(put(term, axis, output.shape[axis]), reach) if term.full(axis) else term.lost()
        found.append(term)
    return tuple(found)


def shuffled(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Pixel shuffle: channels become finer positions."""
    found = []
    for term in of(given["self"]):
        for axis in (output.ndim - 2, output.ndim - 1):
            if term.axes[axis]:
                reach = term.reach.enlarged(given["upscale_factor"], "nearest")
                term = Term(put(term, axis, output.shape[axis]), reach) if term.full(axis) else term.lost()
        found.append(term)
    return tuple(found)
