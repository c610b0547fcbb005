"""Where the names of dots have room: beside their dot, on no other name and no other dot, if possible on no line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_LETTER, _LINE = 6.6, 15.0  # pixels that a letter and a line of 12-pixel text take, a little more than they need
_FAR = (22.0, 36.0, 52.0, 70.0, 95.0, 125.0)  # pixels from the centre of a dot to a name that a line leads to
_GAP = 3.0  # pixels between a dot and its name


@dataclass(frozen=True)
class Name:
    """A name that found room.

    Attributes:
        index: of its dot.
        text: what is written.
        right: pixels from the dot's centre to the middle of the text, to the right.
        up: pixels from the dot's centre to the middle of the text, upwards.
        led: whether it lies so far off that a line should lead to it.
    """

    index: int
    text: str
    right: float
    up: float
    led: bool = False


def place(
    centres: np.ndarray,
    diameter: np.ndarray,
    names: Sequence[str],
    order: Sequence[int],
    size: tuple[float, float],
    lines: Sequence[np.ndarray] = (),
    must: Collection[int] = (),
) -> tuple[Name, ...]:
    """Names for as many dots as have room, the first in `order` first.

    Args:
        centres: of the dots, pixels from the left and from the bottom, (N, 2).
        diameter: of the dots, pixels, (N,).
        names: their names.
        order: indices of the dots that may be named, the most important first.
        size: width and height of the place for dots and names, pixels.
        lines: corners of lines, each (K, 2), that a name crosses only where it has no other room.
        must: dots that are named in any case: farther off where nothing is free beside them, and in the last resort
            over other dots.
    """
    taken = np.empty((0, 4))  # left, bottom, right, top of the names so far
    radius = diameter[:, None] / 2
    dots = np.concatenate([centres - radius, centres + radius], axis=1)
    strokes = _along(lines)
    placed = []
    for index in order:
        half = _LETTER * len(names[index]) / 2
        solid = np.vstack([taken, np.delete(dots, index, axis=0)])
        free = []
        for right, up in _places(diameter[index] / 2 + _GAP, half):
            middle, level = centres[index] + (right, up)
            box = np.array([middle - half, level - _LINE / 2, middle + half, level + _LINE / 2])
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]
            if inside and not _met(box, solid).any():
                free.append((int(_met(box, strokes).sum()), right, up, box))
        if free:
            _, right, up, box = min(free, key=lambda each: each[0])  # of equals the first, the most natural
            taken = np.vstack([taken, box])
            placed.append(Name(index, names[index], right, up))
        elif index in must and (far := _far(index, half, centres, dots, taken, strokes, size)) is not None:
            right, up, box = far
            taken = np.vstack([taken, box])
            placed.append(Name(index, names[index], right, up, led=True))
    return tuple(placed)


def _far(
    index: int,
    half: float,
    centres: np.ndarray,
    dots: np.ndarray,
    taken: np.ndarray,
    strokes: np.ndarray,
    size: tuple[float, float],
) -> tuple[float, float, np.ndarray] | None:
    """The place on the dot's surroundings that covers least: no name, few dots, few lines, not far off."""
    best: tuple[float, float, float, np.ndarray] | None = None
    for distance in _FAR:
        for angle in np.arange(0, 2 * np.pi, np.pi / 8):
            right, up = (distance + half) * np.cos(angle), (distance + _LINE / 2) * np.sin(angle)
            middle, level = centres[index] + (right, up)
            box = np.array([middle - half, level - _LINE / 2, middle + half, level + _LINE / 2])
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]
            if not inside or _met(box, taken).any():
                continue
            covered = 100 * _met(box, dots).sum() + _met(box, strokes).sum() + distance / 10
            if best is None or covered < best[0]:
                best = (float(covered), float(right), float(up), box)
    return None if best is None else best[1:]


def _places(radius: float, half: float) -> Iterator[tuple[float, float]]:
    """Middles of a text around its dot, the most natural first: right, left, above, below, and the corners."""
    corner = radius * 0.7
    yield radius + half, 0.0
    yield -radius - half, 0.0
    yield 0.0, radius + _LINE / 2
    yield 0.0, -radius - _LINE / 2
    for up in (corner + _LINE / 2, -corner - _LINE / 2):
        yield corner + half, up
        yield -corner - half, up


def _along(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Small boxes along lines, one every few pixels: (M, 4)."""
    points = [np.empty((0, 2))]
    for line in lines:
        for start, end in pairwise(line):
            steps = int(np.hypot(*(end - start)) // 5) + 2
            points.append(start + np.linspace(0, 1, steps)[:, None] * (end - start))
    middle = np.concatenate(points)
    return np.concatenate([middle - 1, middle + 1], axis=1)


def _met(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of the others a box overlaps."""
    return ~((others[:, 0] >= box[2]) | (others[:, 2] <= box[0]) | (others[:, 1] >= box[3]) | (others[:, 3] <= box[1]))
