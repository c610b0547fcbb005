"""Where in a tensor one axis of the image lies, and what the units along it see. No torch.

A tensor's axes are products of digits: height may be an axis of its own, one factor of a list of tokens, or two digits
in two axes, 'which window' and 'where in it'. A digit that is no part of the image's axis (channels, heads, the other
axis) weighs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from explorer.graph.fields.reach import Reach

OPAQUE = -1
"""Weight of an axis that holds the positions in an order that is not followed (tokens behind a class token)."""


class Digit(NamedTuple):
    """A factor of a tensor's axis: units that differ by 1 in it are `weight` units of the image's axis apart."""

    size: int
    weight: int


Axis = tuple[Digit, ...]
Axes = tuple[Axis, ...]
"""An axis without digits of the image's axis is empty, whatever its size."""


@dataclass(frozen=True, slots=True)
class Term:
    """One way in which a tensor depends on the image: which of its axes say where, and what is seen there.

    A tensor may have two: a product of queries and keys depends on the place of each.
    """

    axes: Axes
    reach: Reach

    @property
    def placed(self) -> bool:
        """Whether any axis says where; if not, all numbers see the same."""
        return any(self.axes)

    def full(self, axis: int, weight: int = 1) -> bool:
        """Whether this axis is the image's axis, and nothing else."""
        elsewhere = any(digits for number, digits in enumerate(self.axes) if number != axis)
        return not elsewhere and [digit.weight for digit in _counting(self.axes[axis])] == [weight]

    def seeing(self, reach: Reach) -> Term:
        """The same places, seeing something else."""
        return Term(self.axes, reach)

    def lost(self) -> Term:
        """The same, no longer followed."""
        return Term(tuple(() for _ in self.axes), self.reach.unknown())

    def mixed(self, axes: Collection[int]) -> Term:
        """After a sum, maximum or softmax over these axes, which stay and say nothing about the place any more."""
        digits = [digit for axis in axes for digit in self.axes[axis] if digit.weight]
        if not digits:
            return self
        kept = tuple(() if axis in axes else digits for axis, digits in enumerate(self.axes))
        left = [digit for axis in kept for digit in axis if digit.weight]
        reach = self.reach
        if not left:
            if all(digit.weight != OPAQUE for digit in digits):
                reach = reach.between(0, math.prod(digit.size for digit in digits))
            return Term(kept, replace(reach, whole=True))
        for digit in digits:
            if digit.weight == OPAQUE or all(other.weight < digit.weight for other in left):
                reach = replace(reach, whole=True)  # windows from all over the image, or the image
            else:
                reach = reach.over_digit(digit.weight, digit.size)
        return Term(kept, reach)

    def picked(self, axis: int, index: int) -> Term:
        """Behind a choice of one index of an axis, which stays with size 1."""
        if not self.axes[axis]:
            return self
        kept = (*self.axes[:axis], (), *self.axes[axis + 1 :])
        reach, unit = self.reach, 0
        for size, weight in reversed(self.axes[axis]):
            index, digit = divmod(index, size)
            if weight > 0:
                reach = reach.at_digit(weight, size, digit)
                unit += digit * weight
        return Term(kept, reach if any(kept) else self.reach.between(unit, unit + 1))

    def permuted(self, order: Sequence[int]) -> Term:
        """With its axes in another order."""
        return Term(tuple(self.axes[axis] for axis in order), self.reach)

    def viewed(self, shape: Sequence[int], new_shape: Sequence[int]) -> Term:
        """The same numbers in axes of other sizes."""
        axes = viewed(self.axes, shape, new_shape)
        return Term(((),) * len(new_shape), self.reach.unknown()) if axes is None else Term(axes, self.reach)

    def broadcast(self, shape: Sequence[int], new_shape: Sequence[int]) -> Term:
        """Stretched to a larger shape: an axis of size 1 that becomes longer says nothing about the place any more."""
        missing = len(new_shape) - len(shape)
        if not missing and shape == new_shape:
            return self
        stretched = zip(self.axes, shape, new_shape[missing:], strict=True)
        kept = tuple(axis if size == new else () for axis, size, new in stretched)
        return Term(((),) * missing + kept, self.reach)


def viewed(axes: Axes, shape: Sequence[int], new_shape: Sequence[int]) -> Axes | None:
    """The axes of a view; None if it cuts through what cannot be divided.

    Axes of size 1 are kept apart, so that those of a map of one pixel find back to their places.
    """
    if tuple(shape) == tuple(new_shape):
        return axes
    rest = [digit for axis, size in zip(axes, shape, strict=True) for digit in (axis or (Digit(size, 0),))][::-1]
    found: list[Axis] = []
    for number, size in enumerate(new_shape):
        digits = [rest.pop()] if size == 1 and rest and rest[-1].size == 1 else []
        while size > 1:
            if not rest:
                return None
            digit = rest.pop()
            while size % digit.size and digit.size % size and not digit.weight and rest and not rest[-1].weight:
                digit = Digit(digit.size * rest.pop().size, 0)
            if size % digit.size == 0:
                digits.append(digit)
                size //= digit.size
            elif digit.size % size == 0 and digit.weight != OPAQUE:
                inner = digit.size // size
                digits.append(Digit(size, digit.weight * inner))
                rest.append(Digit(inner, digit.weight))
                size = 1
            else:
                return None
        while rest and rest[-1].size == 1 and new_shape[number + 1 : number + 2] != (1,):
            digits.append(rest.pop())
        found.append(_joined(digits))
    return None if rest else tuple(found)


def _joined(digits: Sequence[Digit]) -> Axis:
    """Neighbouring digits as one where they count on; nothing if none of them is the image's."""
    found: list[Digit] = []
    for digit in digits:
        last = found[-1] if found else Digit(1, 0)
        if last.weight == digit.weight * digit.size and digit.weight >= 0 and last.size > 1 < digit.size:
            found[-1] = Digit(last.size * digit.size, digit.weight)
        else:
            found.append(digit)
    return tuple(found) if any(digit.weight for digit in found) else ()


def merged(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The terms of a tensor computed from several, as few as possible.

    What says nothing about the place (a gate, a pooled vector) makes the others see the whole image, no more.
    """
    if len(terms) < 2:
        return tuple(terms)
    placed = [term for term in terms if term.placed]
    others = [term for term in terms if not term.placed]
    if not placed:
        reach = others[0].reach
        for term in others[1:]:
            reach = reach.joined(term.reach)
        return (others[0].seeing(reach),)
    found: list[Term] = []
    for term in sorted(placed, key=lambda term: -sum(map(bool, term.axes))):
        for number, other in enumerate(found):
            if term.axes == other.axes or all(map(_within, term.axes, other.axes)):
                found[number] = other.seeing(other.reach.joined(term.reach))
                break
        else:
            found.append(term)
    if others:
        found = [term.seeing(_with(term.reach, [other.reach for other in others])) for term in found]
    return tuple(found)


def _within(axis: Axis, other: Axis) -> bool:
    return axis in ((), other) or _counting(axis) == _counting(other)


def _counting(axis: Axis) -> list[Digit]:
    """The digits that matter; those of axes of size 1 are only kept to find their places again."""
    return [digit for digit in axis if digit.weight or digit.size > 1]


def _with(reach: Reach, everywhere: Sequence[Reach]) -> Reach:
    known = reach.known and all(other.known or other.whole for other in everywhere)
    return replace(reach, whole=reach.whole or any(other.known or other.whole for other in everywhere), known=known)
