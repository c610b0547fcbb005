"""Activation functions of one number, in double precision, each with its formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from explorer.arithmetic.accounts import spelled


class Function(NamedTuple):
    """A function of one number.

    Attributes:
        compute: from the number and the settings to the answer.
        formula: with '{x}' for the number and '{name}' for settings.
        settings: their names and usual values.
    """

    compute: Callable[..., float]
    formula: str
    settings: Mapping[str, float] = {}


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _tanh_gelu(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FUNCTIONS: dict[str, Function] = {
    "relu": Function(lambda x: max(x, 0.0), "max(0, {x})"),
    "relu6": Function(lambda x: min(max(x, 0.0), 6.0), "min(max(0, {x}), 6)"),
    "leakyrelu": Function(
        lambda x, slope: x if x > 0 else slope * x, "{x} if positive, else {slope} × {x}", {"slope": 0.01}
    ),
    "elu": Function(
        lambda x, alpha: x if x > 0 else alpha * math.expm1(x),
        "{x} if positive, else {alpha} × (exp({x}) − 1)",
        {"alpha": 1.0},
    ),
    "gelu": Function(lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))), "{x} × normal({x})"),
    "gelu tanh": Function(_tanh_gelu, "{x} × normal({x}), approximated"),
    "silu": Function(lambda x: x * _sigmoid(x), "{x} × sigmoid({x})"),
    "sigmoid": Function(_sigmoid, "1 / (1 + exp(−({x})))"),
    "tanh": Function(math.tanh, "tanh({x})"),
    "hardsigmoid": Function(lambda x: min(max(x + 3, 0.0), 6.0) / 6, "min(max(0, {x} + 3), 6) / 6"),
    "hardswish": Function(lambda x: x * min(max(x + 3, 0.0), 6.0) / 6, "{x} × min(max(0, {x} + 3), 6) / 6"),
    "softplus": Function(_softplus, "log(1 + exp({x}))"),
    "mish": Function(lambda x: x * math.tanh(_softplus(x)), "{x} × tanh(log(1 + exp({x})))"),
}
"""By class or step, in small letters without '_'."""
ALIASES = {"swish": "silu", "hardtanh": ""}


def named(operation: str, approximate: str = "none") -> str:
    """The key of a module's class or a step's name; '' if it is no function of this table."""
    name = operation.lower().replace("_", "")
    name = f"{name} tanh" if name == "gelu" and approximate == "tanh" else ALIASES.get(name, name)
    return name if name in FUNCTIONS else ""


def written(name: str, x: float, settings: Mapping[str, float]) -> str:
    """The formula with its numbers."""
    numbers = {setting: spelled(settings[setting]) for setting in FUNCTIONS[name].settings}
    return FUNCTIONS[name].formula.format(x=spelled(x), **numbers)
