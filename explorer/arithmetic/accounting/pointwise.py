"""Accounts of what works number by number: activation functions, sums and products of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from explorer.arithmetic.accounting.found import Found
from explorer.arithmetic.accounting.functions import FUNCTIONS, named
from explorer.arithmetic.accounting.gathering import answer, flat_index, operands, parts_of, single
from explorer.graph.values import Ran


def function(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """An activation function."""
    source = operands(ran)[0]
    approximate = getattr(ran.module, "approximate", ran.kwargs.get("approximate", "none"))
    name = named(ran.step.operation, str(approximate))
    if not name or source.shape != tuple(answer(ran, ()).shape):
        return None
    given: dict[str, Any] = {**vars(ran.module), **ran.kwargs} if ran.module is not None else dict(ran.kwargs)
    given = {**given, "slope": given.get("negative_slope", 0.01)}
    settings = {setting: float(given.get(setting, usual)) for setting, usual in FUNCTIONS[name].settings.items()}
    return Found("function", parts_of(source, np.array([flat_index(index, source.shape)])), settings, 0, name)


def total(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """A sum or a difference."""
    both = operands(ran)[:2]
    if len(both) != 2:
        return None
    factor = float(ran.kwargs.get("alpha", 1))
    second = factor if ran.step.operation == "add" else -factor
    weights = (1.0, second)
    if "rsub" in getattr(ran.step.function, "__name__", ""):  # 1 - x reads as x.__rsub__(1)
        weights = (-1.0, 1.0)
    return Found("sum", single(both, index, weights))


def product(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """A product; a quotient by a constant is one by its reciprocal."""
    both = operands(ran)[:2]
    if len(both) != 2:
        return None
    parts = single(both, index, (1.0, 1.0))
    if ran.step.operation == "div":
        if both[1].source is not None:
            return None
        parts.values[1] = 1 / parts.values[1]
    return Found("product", parts)
