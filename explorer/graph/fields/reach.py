"""Exact arithmetic of what units see along one axis, without torch.

A plain convolution's units see equal intervals at equal distances. Behind a transposed convolution, an enlargement or
attention inside windows they do not, but the pattern repeats; so a reach holds one interval for each unit of a period.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from explorer.receptive_field import ReceptiveField


@dataclass(frozen=True, slots=True)
class Reach:
    """Intervals of pixels seen by units 0, 1, ..., period - 1; those of the next period lie `shift` pixels further on.

    Attributes:
        first: first pixel that each unit of the period sees.
        last: last pixel that each sees.
        shift: pixels from one period to the next.
        whole: whether a unit sees the whole image besides, through a gate, attention or global pooling.
        known: whether the intervals can be said at all.
    """

    first: tuple[int, ...] = (0,)
    last: tuple[int, ...] = (0,)
    shift: int = 1
    whole: bool = False
    known: bool = True

    def at(self, unit: int) -> tuple[int, int]:
        """First and last pixel that a unit sees."""
        turn, phase = divmod(unit, len(self.first))
        return self.first[phase] + turn * self.shift, self.last[phase] + turn * self.shift

    def unknown(self) -> Reach:
        """The same after something that cannot be followed."""
        return replace(self, known=False)

    def moved(self, start: int, step: int = 1) -> Reach:
        """Unit v is what unit `start + v * step` was: a slice, a shift."""
        if (start, step) == (0, 1) or not self.known:
            return self
        return self._of([[start + unit * step] for unit in range(self._period(step))], step)

    def windowed(self, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
        """Behind a convolution or pooling; kernel, stride and dilation of at least 1."""
        if (kernel, stride, padding) == (1, 1, 0) or not self.known:
            return self
        if len(self.first) == 1:
            begin, shift = self.first[0] - padding * self.shift, self.shift
            end = self.last[0] + ((kernel - 1) * dilation - padding) * shift
            return replace(self, first=(begin,), last=(end,), shift=shift * stride)
        starts = [unit * stride - padding for unit in range(self._period(stride))]
        return self._of([[start + tap * dilation for tap in range(kernel)] for start in starts], stride)

    def transposed(self, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
        """Behind a transposed convolution, whose unit v adds up units (v + padding - tap * dilation) / stride."""
        places = [
            [unit + padding - tap * dilation for tap in range(kernel)] for unit in range(stride * len(self.first))
        ]
        return self._enlarged([[place // stride for place in each if place % stride == 0] for each in places])

    def enlarged(self, factor: int, mode: str) -> Reach:
        """Behind an interpolation to `factor` times as many units; mode is 'nearest', 'linear' or 'cubic'."""
        units = range(factor * len(self.first))
        if mode == "nearest":
            return self._enlarged([[unit // factor] for unit in units])
        # Unit v lies at (v + 1/2) / factor - 1/2 among the old ones, between `below` and the next, or exactly on it.
        exact = [divmod(2 * unit + 1 - factor, 2 * factor) for unit in units]
        if mode == "linear":
            return self._enlarged([[below, below + (rest > 0)] for below, rest in exact])
        return self._enlarged([[below - (rest > 0), below + 2 * (rest > 0)] for below, rest in exact])

    def over_digit(self, weight: int, size: int) -> Reach:
        """Units mixed within windows: unit u sees what all units see that differ in one digit, u // weight % size."""
        if not self.known:
            return self
        units = range(math.lcm(len(self.first), weight * size))
        bases = [unit - unit // weight % size * weight for unit in units]
        return self._of([[base + digit * weight for digit in range(size)] for base in bases], 1)

    def at_digit(self, weight: int, size: int, digit: int) -> Reach:
        """Every unit sees what that one saw which differs in a digit alone, the digit being this one."""
        if not self.known:
            return self
        units = range(math.lcm(len(self.first), weight * size))
        return self._of([[unit + (digit - unit // weight % size) * weight] for unit in units], 1)

    def between(self, begin: int, end: int) -> Reach:
        """What units begin to end - 1 see together, as one unit."""
        if not self.known:
            return self
        seen = [self.at(unit) for unit in range(begin, end)]
        shift = self.shift * (end - begin) // len(self.first)
        return replace(self, first=(min(f for f, _ in seen),), last=(max(e for _, e in seen),), shift=max(shift, 1))

    def joined(self, other: Reach) -> Reach:
        """What a unit sees that reads both: where two paths meet."""
        if self == other:
            return self
        whole = self.whole or other.whole
        mine, yours = len(self.first), len(other.first)
        period = math.lcm(mine, yours)
        shift = self.shift * (period // mine)
        if not (self.known and other.known) or shift != other.shift * (period // yours):
            return replace(self, whole=whole, known=False)
        if period == 1:
            return Reach((min(self.first[0], other.first[0]),), (max(self.last[0], other.last[0]),), shift, whole)
        both = [(self.at(unit), other.at(unit)) for unit in range(period)]
        first, last = tuple(min(a[0], b[0]) for a, b in both), tuple(max(a[1], b[1]) for a, b in both)
        return _shortest(Reach(first, last, shift, whole))

    def field(self, pixels: int) -> ReceptiveField | None:
        """The receptive field, in an image of so many pixels; None where it cannot be said.

        It cannot where the units were not followed, and where they lie no whole number of pixels apart. Of units that
        see the whole image and were not followed otherwise, the image's size is said.
        """
        if not self.known:
            return ReceptiveField(pixels, pixels, 0, whole=True) if self.whole else None
        stride, rest = divmod(self.shift, len(self.first))
        if rest:
            return None
        pattern = tuple(zip(self.first, self.last, strict=True))
        size = max(last - first for first, last in pattern) + 1
        return ReceptiveField(size, stride, -self.first[0], self.whole, pattern if len(pattern) > 1 else ())

    def _period(self, step: int) -> int:
        return len(self.first) // math.gcd(len(self.first), step)

    def _of(self, units: list[list[int]], step: int) -> Reach:
        """New unit v sees what the old `units[v]` saw together; it moves on `step` old ones for each new one."""
        seen = [[self.at(unit) for unit in each] for each in units]
        shift = self.shift * step * len(units) // len(self.first)
        return _shortest(self._spanning(seen, shift))

    def _enlarged(self, units: list[list[int]]) -> Reach:
        """As `_of`, but the new units are a whole period of the old ones; a unit that sees nothing is not followed."""
        if not self.known or not all(units):
            return self.unknown()
        return _shortest(self._spanning([[self.at(unit) for unit in each] for each in units], self.shift))

    def _spanning(self, seen: Iterable[list[tuple[int, int]]], shift: int) -> Reach:
        spans = [(min(first for first, _ in each), max(last for _, last in each)) for each in seen]
        return Reach(tuple(f for f, _ in spans), tuple(e for _, e in spans), shift, self.whole)


def _shortest(reach: Reach) -> Reach:
    """The same with the shortest period."""
    period = len(reach.first)
    for shorter in range(1, period):
        shift, rest = divmod(reach.shift * shorter, period)
        if period % shorter == 0 and rest == 0:
            candidate = replace(reach, first=reach.first[:shorter], last=reach.last[:shorter], shift=shift)
            if all(candidate.at(unit) == reach.at(unit) for unit in range(period)):
                return candidate
    return reach
