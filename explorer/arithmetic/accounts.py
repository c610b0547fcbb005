"""One number of a network, the rule that made it, and the numbers that it was made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Place:
    """Where a number of a network stands.

    Attributes:
        node: name of the operation whose answer it is part of; 'input' for the photo.
        index: in that answer, all axes, the batch's included.
        keys: which of the answers, for an operation with several, as 'chunk'.
    """

    node: str
    index: tuple[int, ...]
    keys: tuple[int, ...] = ()


@dataclass(frozen=True)
class Source:
    """A tensor from which parts come.

    Attributes:
        node: name of the operation that answered it; 'input' for the photo.
        keys: as in `Place`.
        shape: with the batch axis.
    """

    node: str
    keys: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """The n numbers of which one was made, in an order in which `block` can be filled.

    Attributes:
        sources: tensors from which they come.
        source: which one, int (n,); -1 for what is no part of the photo's way: padding, learnt constants.
        flat: where in it, int64 (n,), rows after rows; -1 likewise.
        values: float64 (n,).
        weights: what each is multiplied by, float64 (n,).
        other_source: where the weights come from, if they depend on the photo too (attention), as `source`.
        other_flat: as `flat`.
        block: the shape in which they lie in front of a kernel, (channels, rows, columns); () if there is none.
    """

    sources: tuple[Source, ...]
    source: np.ndarray
    flat: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    other_source: np.ndarray | None = None
    other_flat: np.ndarray | None = None
    block: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def products(self) -> np.ndarray:
        """Values times weights, float64 (n,); 0 where the weight is 0."""
        finite = np.where(np.isfinite(self.values), self.values, 0.0)
        product: np.ndarray = finite * self.weights
        return product

    def place(self, number: int) -> Place | None:
        """Where the part of this number stands; None for padding and constants."""
        return self._place(self.source, self.flat, number)

    def other(self, number: int) -> Place | None:
        """Where the weight of the part of this number stands; None if it was learnt."""
        if self.other_source is None or self.other_flat is None:
            return None
        return self._place(self.other_source, self.other_flat, number)

    def _place(self, source: np.ndarray, flat: np.ndarray, number: int) -> Place | None:
        if flat[number] < 0:
            return None
        found = self.sources[source[number]]
        return Place(found.node, tuple(map(int, np.unravel_index(flat[number], found.shape))), found.keys)


def no_parts() -> Parts:
    """For the photo itself, where numbers begin."""
    none = np.zeros(0)
    return Parts((), none.astype(np.int64), none.astype(np.int64), none, none)


@dataclass(frozen=True)
class Account:
    """One number and how it came about.

    Attributes:
        place: where it stands.
        operation: class of the module or name of the step, as in the graph; 'input' for the photo.
        rule: 'weighted', 'sum', 'mean', 'affine', 'norm', 'response', 'function', 'product', 'maximum', 'softmax',
            'matmul', 'moved', 'slopes' (no sum: how much each input would change the number) or 'pixel'.
        parts: what it was made of.
        value: what the network computed, a float32.
        recomputed: the same by the rule from the parts, in float64.
        numbers: settings and learnt numbers of the rule, by name.
        own: which of the parts is the number before it was normed or compared with the others; -1 if none is.
        function: name of the activation function.
    """

    place: Place
    operation: str
    rule: str
    parts: Parts
    value: float
    recomputed: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    own: int = -1
    function: str = ""

    @property
    def bias(self) -> float:
        """What is added to a sum; 0 if nothing is."""
        return self.numbers.get("bias", 0.0)

    @property
    def agrees(self) -> bool:
        """Whether the rule gives what the network computed, but for float32's rounding."""
        return agree(self.rule, self.parts, self.recomputed, self.value)

    @cached_property
    def channel_sums(self) -> np.ndarray:
        """Sum of products for each input channel, float64 (channels,); without a block, the products themselves."""
        block = self.parts.block
        sums: np.ndarray = self.parts.products.reshape(block[0], -1).sum(axis=1) if block else self.parts.products
        return sums

    @property
    def strongest(self) -> int:
        """The part that counts most and stands somewhere; -1 if there is none."""
        parts = self.parts
        if self.own >= 0:
            return self.own if parts.flat[self.own] >= 0 else -1
        if self.rule == "product":
            # Both factors count alike; a gate has one number for a whole map, and the map is what one looks for.
            size = np.array([math.prod(parts.sources[each].shape) if each >= 0 else 0 for each in parts.source])
        elif self.rule == "maximum":
            size = parts.values
        else:
            size = np.abs(parts.products)
        placed = np.flatnonzero(parts.flat >= 0)
        return int(placed[size[placed].argmax()]) if len(placed) else -1


def agree(rule: str, parts: Parts, recomputed: float, value: float) -> bool:
    """Whether two results of one rule are the same but for rounding in float32."""
    scale = float(np.abs(parts.products).sum()) if rule in ("weighted", "sum", "mean", "matmul") else abs(value)
    return abs(recomputed - value) <= 1e-4 * abs(value) + 1e-5 * scale + 1e-6


def spelled(value: float) -> str:
    """A number in a formula: three digits, a true minus."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
