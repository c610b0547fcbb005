"""Accounts of what mixes numbers without a window: linear layers, matrix products, norms, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from explorer.arithmetic.accounting.found import Found, recomputed
from explorer.arithmetic.accounting.gathering import (
    Operand,
    answer,
    flat_index,
    indices,
    numbers,
    operands,
    parts_of,
    taken,
)
from explorer.arithmetic.accounts import Parts
from explorer.graph.values import Ran


def linear(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """A row of weights times the last axis."""
    source = operands(ran)[0]
    weight: torch.Tensor
    bias: torch.Tensor | None
    if isinstance(ran.module, nn.Linear):
        weight, bias = ran.module.weight, ran.module.bias
    else:
        given = [*ran.args[1:], None, None]
        weight, bias = ran.kwargs.get("weight", given[0]), ran.kwargs.get("bias", given[1])
    flat = _line(source, (*index[:-1], 0), len(index) - 1)
    added = {} if bias is None else {"bias": float(bias[index[-1]])}
    parts = parts_of(source, flat, numbers(weight[index[-1]]), block=(len(flat), 1, 1))
    return Found("weighted", parts, {**added, "first channel": 0})


def matmul(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """A row of one matrix times a column of another, both of this photo."""
    left, right = operands(ran)[:2]
    if min(len(left.shape), len(right.shape)) < 2:
        return None
    batch = index[:-2]
    first = _matrix(left, batch)[index[-2]].numpy()
    second = _matrix(right, batch)[:, index[-1]].numpy()
    sources = [operand.source for operand in (left, right) if operand.source is not None]
    none = np.full_like(first, -1)
    parts = Parts(
        tuple(sources),
        np.zeros_like(first) if left.source else none,
        first if left.source else none,
        taken(left.tensor, first),
        taken(right.tensor, second),
        other_source=np.full_like(second, len(sources) - 1) if right.source else none,
        other_flat=second if right.source else none,
    )
    return Found("matmul", parts)


def _matrix(operand: Operand, batch: Sequence[int]) -> torch.Tensor:
    """Places of the matrix that broadcasting brings to this place of a batch."""
    axes = operand.shape[:-2]
    own = batch[len(batch) - len(axes) :]
    return indices(operand.shape)[tuple(at if side > 1 else 0 for at, side in zip(own, axes, strict=True))]


def softmax(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """exp of one number, divided by the sum of exp over its line."""
    source = operands(ran)[0]
    dim: Any = getattr(ran.module, "dim", None) if ran.module is not None else ran.kwargs.get("dim")
    if dim is None and ran.module is None and len(ran.args) > 1:
        dim = ran.args[1]
    if not isinstance(dim, int):
        return None
    axis = dim % len(source.shape)
    return Found("softmax", parts_of(source, _line(source, index, axis)), own=index[axis])


def layer_norm(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """Normed over the last axes, or, in subclasses that turn the axes and back, over the channels."""
    module, source = ran.module, operands(ran)[0]
    if not isinstance(module, nn.LayerNorm):
        return None
    rank, axes = len(source.shape), len(module.normalized_shape)
    over = [tuple(range(rank - axes, rank)), (1,)]
    value = float(answer(ran, ())[index])
    best: Found | None = None
    for chosen in over:
        if tuple(source.shape[axis] for axis in chosen) != tuple(module.normalized_shape):
            continue
        sides = [
            np.arange(side) if axis in chosen else np.array([index[axis]]) for axis, side in enumerate(source.shape)
        ]
        flat = np.ravel_multi_index(np.ix_(*sides), source.shape).reshape(-1)
        own = int(np.flatnonzero(flat == flat_index(index, source.shape))[0])
        at = tuple(index[axis] for axis in chosen)
        scale = _learnt(module.weight, at, 1.0)
        shift = _learnt(module.bias, at, 0.0)
        found = _normed(source, flat, own, module.eps, scale, shift)
        if best is None or abs(recomputed(found) - value) < abs(recomputed(best) - value):
            best = found
    return best


def group_norm(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """Normed over a group of channels and all positions."""
    module, source = ran.module, operands(ran)[0]
    if not isinstance(module, nn.GroupNorm):
        return None
    channels = source.shape[1]
    each = channels // module.num_groups
    group = index[1] // each
    flat = indices(source.shape)[index[0], group * each : (group + 1) * each].reshape(-1).numpy()
    own = int(np.flatnonzero(flat == flat_index(index, source.shape))[0])
    scale = _learnt(module.weight, index[1], 1.0)
    shift = _learnt(module.bias, index[1], 0.0)
    return _normed(source, flat, own, module.eps, scale, shift)


def _normed(source: Operand, flat: np.ndarray, own: int, eps: float, scale: float, shift: float) -> Found:
    parts = parts_of(source, flat)
    settings = {
        "mean": float(parts.values.mean()),
        "variance": float(parts.values.var()),
        "eps": eps,
        "scale": scale,
        "shift": shift,
    }
    return Found("norm", parts, settings, own)


def batch_norm(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """In evaluation a fixed line for each channel: mean and variance were learnt."""
    module, source = ran.module, operands(ran)[0]
    if not isinstance(module, nn.modules.batchnorm._BatchNorm) or module.running_mean is None:
        return None
    assert module.running_var is not None
    channel = index[1]
    settings = {
        "mean": float(module.running_mean[channel]),
        "variance": float(module.running_var[channel]),
        "eps": module.eps,
        "scale": _learnt(module.weight, channel, 1.0),
        "shift": _learnt(module.bias, channel, 0.0),
    }
    return Found("affine", parts_of(source, np.array([flat_index(index, source.shape)])), settings)


def local_response(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """Divided by what the neighbouring channels answer at the same place."""
    module, source = ran.module, operands(ran)[0]
    if not isinstance(module, nn.LocalResponseNorm):
        return None
    first, last = index[1] - module.size // 2, index[1] + (module.size - 1) // 2
    near = np.arange(max(first, 0), min(last, source.shape[1] - 1) + 1)
    flat = np.array([flat_index((index[0], int(each), *index[2:]), source.shape) for each in near])
    settings = {"size": module.size, "alpha": module.alpha, "beta": module.beta, "k": module.k}
    return Found("response", parts_of(source, flat), settings, own=int(index[1] - near[0]))


def _learnt(tensor: torch.Tensor | None, place: Any, otherwise: float) -> float:
    """A norm's own number; what stands for it in a norm that learns none."""
    return otherwise if tensor is None else float(tensor[place])


def _line(source: Operand, index: Sequence[int], axis: int) -> np.ndarray:
    """Places along one axis through `index`."""
    at: list[Any] = list(index)
    at[axis] = slice(None)
    found: np.ndarray = indices(source.shape)[tuple(at)].numpy()
    return found
