"""Accounts of what only moves numbers, and of what has no rule of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from explorer.arithmetic.accounting.found import Found
from explorer.arithmetic.accounting.gathering import answer, flat_index, operands, parts_of, source_of
from explorer.arithmetic.accounts import Parts, Source, no_parts
from explorer.graph.replay import Made, at
from explorer.graph.values import Ran, Values

_STAYING = {"Identity", "Dropout", "Dropout2d", "Dropout1d", "AlphaDropout", "StochasticDepth", "contiguous", "clone",
            "dropout", "detach", "to", "float", "alias", "stochastic_depth"}  # fmt: skip
MOVING = {
    *_STAYING, "Flatten", "flatten", "Unflatten", "unflatten", "reshape", "view", "Permute", "permute", "transpose",
    "T", "mT", "t", "cat", "concat", "concatenate", "stack", "getitem", "select", "narrow", "unbind", "chunk", "split",
    "squeeze", "unsqueeze", "expand", "expand_as", "repeat", "repeat_interleave", "roll", "pad", "flip", "movedim",
    "swapaxes", "swapdims", "PixelShuffle", "PixelUnshuffle", "pixel_shuffle", "pixel_unshuffle", "ZeroPad2d",
    "ReflectionPad2d", "ReplicationPad2d", "WindowPartition", "WindowDepartition", "SwapAxes", "view_as", "reshape_as",
    "channel_shuffle", "ChannelShuffle", "index_select", "tensor_split", "ravel",
}  # fmt: skip
"""Classes and steps in evaluation; whether they really only move is checked for every number."""
_MOST = 1024  # inputs shown where there is no rule: the strongest


def moved(ran: Ran, index: tuple[int, ...], keys: tuple[int, ...]) -> Found | None:
    """Where the number was before: the step runs on the places instead of the numbers."""
    given = operands(ran)
    if ran.step.operation in _STAYING and given[0].shape == tuple(answer(ran, keys).shape):
        return Found("moved", parts_of(given[0], np.array([flat_index(index, given[0].shape)])))
    sources: list[Source] = []
    starts = [1]  # 0 is what the step adds of its own, as padding

    def places(made: Made, tensor: Tensor) -> Tensor:
        sources.append(source_of(made, tensor))
        start = starts[-1]
        starts.append(start + tensor.numel())
        return torch.arange(start, starts[-1], dtype=torch.float64, device=tensor.device).reshape(tensor.shape)

    came = int(at(ran.call(*ran.replaced(places)), keys)[index])
    value = float(answer(ran, keys)[index])
    which = int(np.searchsorted(starts, came, side="right")) - 1
    number = np.array([value])
    if came < 1:
        return Found("moved", Parts((), np.array([-1]), np.array([-1]), number, np.ones(1)))
    flat = np.array([came - starts[which]])
    return Found("moved", Parts((sources[which],), np.zeros(1, dtype=np.int64), flat, number, np.ones(1)))


def slopes(values: Values, ran: Ran, index: tuple[int, ...], keys: tuple[int, ...]) -> tuple[Found, float]:
    """How much each input would change the number: no sum, but honest. With the number as it comes out again."""
    inputs: list[tuple[Source, Tensor]] = []

    def followed(made: Made, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor.clone()
        leaf = tensor.detach().clone().requires_grad_(True)
        inputs.append((source_of(made, tensor), leaf))
        return leaf.clone()  # a step may write into what it is given

    try:
        with values.alone(), torch.enable_grad():
            number = at(ran.call(*ran.replaced(followed)), keys)[index]
            found = torch.autograd.grad(number, [leaf for _, leaf in inputs], allow_unused=True)
    except (RuntimeError, TypeError):  # nothing to differentiate
        return Found("slopes", no_parts()), float(answer(ran, keys)[index])
    pieces = []
    for which, ((_, leaf), slope) in enumerate(zip(inputs, found, strict=True)):
        if slope is None:
            continue
        weights = slope.reshape(-1).double().cpu().numpy()
        flat = np.flatnonzero(weights)
        numbers = leaf.detach().reshape(-1).double().cpu().numpy()[flat]
        pieces.append((np.full(len(flat), which), flat, numbers, weights[flat]))
    if not pieces:
        return Found("slopes", no_parts()), float(number.detach())
    source, flat, numbers, weights = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(-np.abs(numbers * weights), kind="stable")[:_MOST]
    parts = Parts(tuple(each for each, _ in inputs), source[order], flat[order], numbers[order], weights[order])
    return Found("slopes", parts, {"inputs": len(flat)}), float(number.detach())
