"""Every number of a network accounted for: the rule that made it, and the numbers that it was made of."""

from __future__ import annotations

from collections.abc import Callable

from explorer.arithmetic.accounting import mixing, moving, pointwise, windows
from explorer.arithmetic.accounting.found import Found, recomputed
from explorer.arithmetic.accounting.functions import named
from explorer.arithmetic.accounts import Account, Place, agree, no_parts
from explorer.errors import ExplorerError
from explorer.graph import INPUT
from explorer.graph.values import Ran, Values

__all__ = ["NoSuchNumber", "account"]


class NoSuchNumber(ExplorerError):
    """The network has no number at this place; the message says what it has."""


_Rule = Callable[[Ran, "tuple[int, ...]"], Found | None]
_RULES: dict[str, _Rule] = {
    "ConvTranspose2d": windows.transposed,
    "conv2d": windows.convolution,
    "MaxPool2d": windows.pooling,
    "AvgPool2d": windows.pooling,
    "max_pool2d": windows.pooling,
    "avg_pool2d": windows.pooling,
    "AdaptiveAvgPool2d": windows.adaptive,
    "AdaptiveMaxPool2d": windows.adaptive,
    "adaptive_avg_pool2d": windows.adaptive,
    "adaptive_max_pool2d": windows.adaptive,
    "mean": windows.mean,
    "Linear": mixing.linear,
    "NonDynamicallyQuantizableLinear": mixing.linear,
    "linear": mixing.linear,
    "matmul": mixing.matmul,
    "bmm": mixing.matmul,
    "Softmax": mixing.softmax,
    "softmax": mixing.softmax,
    "GroupNorm": mixing.group_norm,
    "BatchNorm1d": mixing.batch_norm,
    "BatchNorm2d": mixing.batch_norm,
    "LocalResponseNorm": mixing.local_response,
    "add": pointwise.total,
    "sub": pointwise.total,
    "mul": pointwise.product,
    "div": pointwise.product,
}


def account(values: Values, place: Place) -> Account:
    """How one number came about.

    Args:
        values: of the network for the photo.
        place: of the number.

    Raises:
        UnknownLayer: the network has no such operation.
        NoSuchNumber: its answer has no such place.
    """
    answer = values.output(place.node, place.keys)
    if len(place.index) != answer.ndim or not all(
        0 <= at < side for at, side in zip(place.index, answer.shape, strict=True)
    ):
        sides = " × ".join(map(str, answer.shape))
        raise NoSuchNumber(f"{place.node} answers {sides} numbers; there is none at {place.index}.")
    value = float(answer[place.index])
    if place.node == INPUT:
        return Account(place, INPUT, "pixel", no_parts(), value, value)
    ran = values.ran(place.node)
    with values.alone():
        found = _found(ran, place)
    again = recomputed(found) if found is not None else 0.0
    if found is None or not agree(found.rule, found.parts, again, value):
        found, again = moving.slopes(values, ran, place.index, place.keys)
    return Account(
        place, ran.step.operation, found.rule, found.parts, value, again, found.numbers, found.own, found.function
    )


def _found(ran: Ran, place: Place) -> Found | None:
    """By the rule of its operation; None if there is none, or if it does not fit."""
    operation = ran.step.operation
    if operation in moving.MOVING:
        return moving.moved(ran, place.index, place.keys)
    rule = _RULES.get(operation)
    if rule is None and ran.module is not None:
        rule = _of_class(ran)
    if rule is None and named(operation):
        rule = pointwise.function
    return rule(ran, place.index) if rule is not None and not place.keys else None


def _of_class(ran: Ran) -> _Rule | None:
    """For modules that are built on PyTorch's own."""
    from torch import nn

    for kind, rule in ((nn.Conv2d, windows.convolution), (nn.LayerNorm, mixing.layer_norm)):
        if isinstance(ran.module, kind):
            return rule
    return None
