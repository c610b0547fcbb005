"""What a rule found out about one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from explorer.arithmetic.accounting.functions import FUNCTIONS
from explorer.arithmetic.accounts import Parts


class Found(NamedTuple):
    """Fields as in `explorer.arithmetic.accounts.Account`; `function` is a key of `FUNCTIONS`."""

    rule: str
    parts: Parts
    numbers: Mapping[str, float] = {}
    own: int = -1
    function: str = ""


def recomputed(found: Found) -> float:
    """The number by its rule, from the parts, in double precision."""
    rule, parts, numbers, own, function = found
    values = parts.values
    if rule in ("weighted", "sum", "mean", "matmul"):
        return float(parts.products.sum()) + numbers.get("bias", 0.0)
    if rule == "product":
        return float(values.prod())
    if rule == "maximum":
        return float(values.max())
    if rule == "softmax":
        powers = np.exp(values - values.max())
        return float(powers[own] / powers.sum())
    if rule == "function":
        settings = {name: numbers[name] for name in FUNCTIONS[function].settings}
        return FUNCTIONS[function].compute(float(values[0]), **settings)
    if rule in ("affine", "norm"):
        share = (values[max(own, 0)] - numbers["mean"]) / np.sqrt(numbers["variance"] + numbers["eps"])
        return float(share * numbers["scale"] + numbers["shift"])
    if rule == "response":
        spread = numbers["k"] + numbers["alpha"] * float((values**2).sum()) / numbers["size"]
        return float(values[own] / spread ** numbers["beta"])
    return float(values[0])  # moved
