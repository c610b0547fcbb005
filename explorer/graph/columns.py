"""Columns and the gaps between them along the flow, and where a row is broken, as a line of text is."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

STEP = 9.0  # between lines that run side by side
BEFORE, AFTER = 13.0, 15.0  # from a part to the first line across, from the last one to an arrow's part
_GAP = 32.0  # between columns without lines across
_SLACK = 1.2  # a row that is little too long stays in one piece
_LITTLE = 0.25  # of a row
_GAIN = 0.8  # of its length: if a piece that cannot be broken is longer, the row is not broken elsewhere either

_Name = TypeVar("_Name", bound=Hashable)


class Columns:
    """Where columns are along the flow.

    Attributes:
        breaks: gaps behind which a new row begins.
        begins: u at which columns begin; that of the number behind the last is where the frame's end can.
        ends: u at which they end; that of -1 is the frame's beginning.
        length: of all of it.
    """

    def __init__(self, wide: Sequence[float], room: Mapping[int, float], lead: float, breaks: list[int]) -> None:
        self.breaks = breaks
        self.begins: dict[int, float] = {}
        self.ends = {-1: lead}
        for column in range(len(wide) + 1):
            before = lead if column - 1 in breaks else self.ends[column - 1]
            self.begins[column] = before + room[column - 1]
            self.ends[column] = self.begins[column] + (wide[column] if column < len(wide) else 0.0)
        turning = [self.ends[gap] + BEFORE for gap in breaks]
        self.length = max([*self.ends.values(), *turning])

    def row(self, column: int) -> int:
        """Which row a column stands in."""
        return sum(gap < column for gap in self.breaks)


def arranged(
    wide: Sequence[float], tracks: Mapping[int, int], narrow: Sequence[int], lead: float, limit: float
) -> Columns:
    """Columns in as few rows as the limit allows, and these about equally long.

    Args:
        wide: length of each column.
        tracks: lines across side by side in each gap; gap c follows column c, the first is -1.
        narrow: gaps at which a row may be broken.
        lead: room before the first column, and before each row.
        limit: length of rows; longer ones stay only where there is no place to break them.
    """
    room = {gap: BEFORE + AFTER + STEP * (side - 1) if side else 0.0 for gap, side in tracks.items()}
    room |= {gap: max(room[gap], _GAP) for gap in range(len(wide) - 1)}

    def columns(length: float) -> Columns:
        return Columns(wide, room, lead, _broken(wide, room, narrow, lead, length))

    whole = columns(math.inf)
    if whole.length <= _SLACK * limit:
        return whole
    best, low = columns(limit), limit / 2
    if best.length > _GAIN * whole.length:
        return whole
    while limit - low > STEP:
        middle = (low + limit) / 2
        other = columns(middle)
        if len(other.breaks) == len(best.breaks) and other.length <= best.length:
            best, limit = other, middle
        else:
            low = middle
    return best


def _broken(
    wide: Sequence[float], room: Mapping[int, float], narrow: Sequence[int], lead: float, limit: float
) -> list[int]:
    """The gaps behind which a new row begins, so that rows are no longer than the limit where that can be."""
    breaks: list[int] = []
    first, column, u = 0, 0, lead + room[-1]
    ends: dict[int, float] = {}
    while column < len(wide):
        gap = max((gap for gap in narrow if first <= gap < column), default=None)
        if u + wide[column] > limit and gap is not None:
            rest = sum(wide[gap + 1 :]) + sum(room[other] for other in range(gap, len(wide) - 1))
            # What little follows a piece that is too long in any case stays with it.
            if ends[gap] < limit or rest > _LITTLE * limit:
                breaks.append(gap)
                first = column = gap + 1
                u = lead + room[gap]
                continue
        ends[column] = u = u + wide[column]
        u += room[column]
        column += 1
    return breaks


def side_by_side(found: Mapping[_Name, list[float]]) -> dict[_Name, int]:
    """Which of the places side by side each line across takes: the first where it meets no other."""
    lowest: list[float] = []  # end of the last line in each place
    place = {}
    for name, ends in sorted(found.items(), key=lambda entry: (min(entry[1]), max(entry[1]))):
        free = (at for at, bottom in enumerate(lowest) if bottom + STEP <= min(ends))
        place[name] = next(free, len(lowest))
        lowest[place[name] : place[name] + 1] = [max(ends)]
    return place
