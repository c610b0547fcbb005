"""Leads the lines of one frame around everything, and breaks long rows like lines of text.

Between two columns there is always room for lines across, above each column for lines along it: no line can meet a part
that it does not belong to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count

from explorer.graph.columns import AFTER, BEFORE, STEP, Columns, arranged, side_by_side
from explorer.graph.levels import ENTRY, Grid, Item, Level, Net

_BREAK = 34.0  # between two rows of a broken line
_LANES, _CLOSEST = 150.0, 3.5  # room for all lanes of a frame, but no less between two of them

_Place = tuple[int, float]
"""A part, and v at which lines come into it."""


def lay_out(items: Sequence[Item], nets: Sequence[Net], lead: float, tail: float, limit: float) -> Level:
    """Lay out one frame.

    Args:
        items: its parts, in the order in which they run.
        nets: in the order of their sources; those from the entry with the nearest source first.
        lead: room before the first column.
        tail: room behind the last.
        limit: length from which on rows are broken where a single line can be led from one to the next.
    """
    return _Router(Grid(items, nets)).level(lead, tail, limit)


class _Router:
    """The way of every line: along its source's row, along its target's, or in a lane above what is between.

    A line turns at most twice: behind its start, where all lines of its net turn, and before its end, where all lines
    into that place do.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.begins: dict[str, float] = {}  # v at which a net leaves its start
        self.via: dict[tuple[str, int], float] = {}  # v along which a line runs over the columns between
        # Who passes which empty cell at which v; the highest thing over columns and over gaps (gap c follows column c).
        self.passing: dict[tuple[int, int], list[tuple[str, float]]] = {}
        self.top = dict.fromkeys(range(grid.columns), float("inf"))
        self.gap_top = dict.fromkeys(range(-1, grid.columns), float("inf"))
        for index, item in enumerate(grid.items):
            self.top[grid.rank[index]] = min(self.top[grid.rank[index]], grid.line[index] - item.above)
        self._choose()
        self.behind: dict[int, dict[str, list[float]]] = {}  # lines across, by gap: from which v to which
        self.before: dict[int, dict[_Place, list[float]]] = {}
        self._turn()

    def _choose(self) -> None:
        grid = self.grid
        lanes: list[tuple[int, int, Net, list[int]]] = []
        for net in grid.nets:
            start = grid.rank[net.start]
            ends = sorted(net.ends, key=grid.rank.__getitem__)
            if net.start == ENTRY:
                ends = self._come_in(net, ends)
            else:
                self.begins[net.source] = grid.leaves(net)
            high = [end for end in ends if not self._along_a_row(net, start, end)]
            if high:
                lanes.append((grid.rank[high[-1]] - start, len(lanes), net, high))
        step = min(STEP, max(_CLOSEST, _LANES / max(len(lanes), 1)))
        for _, _, net, high in sorted(lanes, key=lambda lane: lane[:2]):
            self._lane(net, high, step)

    def _come_in(self, net: Net, ends: list[int]) -> list[int]:
        """Finds where a net comes in: on the line of a part that it reaches straight. Returns the other ends."""
        rank, used = self.grid.rank, self.begins
        entries = {end: self.grid.enters(net, end) for end in ends}
        straight = (end for end in sorted(ends, key=lambda end: abs(entries[end]))
                    if self._free(net, self.grid.row[end], entries[end], 0, rank[end] - 1))  # fmt: skip
        first = next(straight, None)
        if first is None:
            return ends
        self.via[net.source, first] = entries[first]
        near = (entries[first] + sign * step * STEP for step in count() for sign in (-1, 1))
        begin = next(v for v in near if all(abs(v - other) >= STEP - 1 for other in used.values()))
        self.begins[net.source] = begin
        self.gap_top[-1] = min(self.gap_top[-1], begin)
        return [end for end in ends if end != first]

    def _along_a_row(self, net: Net, start: int, end: int) -> bool:
        grid = self.grid
        begin = self.begins.get(net.source)
        if begin is None:
            return False
        between = start + 1, grid.rank[end] - 1
        if net.start != ENTRY and self._free(net, grid.row[net.start], begin, *between):
            self.via[net.source, end] = begin
        elif end != grid.end and self._free(net, grid.row[end], grid.enters(net, end), *between):
            self.via[net.source, end] = grid.enters(net, end)
        else:
            return False
        return True

    def _free(self, net: Net, row: int, v: float, first: int, last: int) -> bool:
        """Whether a net may run along a row at v from column to column (both included); if so, it is noted there."""
        cells = [(column, row) for column in range(first, last + 1)]
        for cell in cells:
            others = self.passing.get(cell, ())
            if cell in self.grid.taken or any(name != net.source and abs(at - v) < STEP - 1 for name, at in others):
                return False
        for cell in cells:
            self.passing.setdefault(cell, []).append((net.source, v))
            self.top[cell[0]] = min(self.top[cell[0]], v)
        return True

    def _lane(self, net: Net, ends: list[int], step: float) -> None:
        """The nearest line above what stands in the columns between and all lanes there; shorter ones came first."""
        start, stop = self.grid.rank[net.start], self.grid.rank[ends[-1]]
        columns, gaps = range(start + 1, stop), range(start, stop)
        v = min([self.top[c] for c in columns] + [self.gap_top[g] for g in gaps]) - step
        self.top |= dict.fromkeys(columns, v)
        self.gap_top |= dict.fromkeys(gaps, v)
        self.via |= dict.fromkeys(((net.source, end) for end in ends), v)
        self.begins.setdefault(net.source, v)

    def _into(self, net: Net, end: int) -> float:
        """V at which a line arrives."""
        return self.via[net.source, end] if end == self.grid.end else self.grid.enters(net, end)

    def _turn(self) -> None:
        """Decides where lines turn; one that turns once may do so at either place, and joins others if it can."""
        rank = self.grid.rank
        arriving: Counter[_Place] = Counter()
        for net in self.grid.nets:
            places = [(end, self._into(net, end)) for end in net.ends]
            arriving.update(place for place in places if place[1] != self.via[net.source, place[0]])
        for net in self.grid.nets:
            begin, gap = self.begins[net.source], rank[net.start]
            for end in net.ends:
                into = self._into(net, end)
                if rank[end] == gap + 1:
                    self.via[net.source, end] = begin if arriving[end, into] > 1 and len(net.ends) == 1 else into
                via = self.via[net.source, end]
                if begin != via:
                    self.behind.setdefault(gap, {}).setdefault(net.source, []).extend((begin, via))
                if via != into:
                    self.before.setdefault(rank[end] - 1, {}).setdefault((end, into), []).extend((via, into))

    def level(self, lead: float, tail: float, limit: float) -> Level:
        """Gives everything its place and writes down all corners."""
        grid = self.grid
        behind = {gap: side_by_side(found) for gap, found in self.behind.items()}
        before = {gap: side_by_side(found) for gap, found in self.before.items()}
        wide = [0.0] * grid.columns
        for index, item in enumerate(grid.items):
            wide[grid.rank[index]] = max(wide[grid.rank[index]], item.length)
        tracks = {
            gap: sum(max(found.get(gap, {}).values(), default=-1) + 1 for found in (behind, before))
            for gap in range(-1, grid.columns)
        }
        columns = arranged(wide, tracks, self._narrow(), lead, limit)
        level = Level(length=columns.length + tail)
        shift, channels = self._stacked(columns, level)
        for index, item in enumerate(grid.items):
            column = grid.rank[index]
            middle = (columns.begins[column] + columns.ends[column] - item.length) / 2
            level.places.append((middle, grid.line[index] + shift[columns.row(column)]))
        for net in grid.nets:
            gap, begin = grid.rank[net.start], self.begins[net.source]
            row, start = columns.row(gap), columns.ends[gap]
            if net.start == ENTRY:
                level.entries[net.source] = begin
                way = [(0.0, begin)]
            else:
                way = [(level.places[net.start][0] + grid.items[net.start].length, begin + shift[row])]
            if gap in columns.breaks:
                right, left, down = start + BEFORE, lead, self._resumed(net) + shift[row + 1]
                way += [(right, way[0][1]), (right, channels[row]), (left, channels[row]), (left, down)]
                row, start = row + 1, left
            for end in net.ends:
                via, into = self._via(net, end, columns) + shift[row], self._into(net, end) + shift[row]
                corners = [*way]
                if corners[-1][1] != via:
                    across = start + BEFORE + STEP * behind.get(gap, {}).get(net.source, 0)
                    corners += [(across, corners[-1][1]), (across, via)]
                if end == grid.end:
                    level.exits[net.source] = via
                    level.lines[net.source, end] = [*corners, (level.length, via)]
                    continue
                if via != into:
                    track = before.get(grid.rank[end] - 1, {}).get((end, self._into(net, end)), 0)
                    across = columns.begins[grid.rank[end]] - AFTER - STEP * track
                    corners += [(across, via), (across, into)]
                level.lines[net.source, end] = [*corners, (level.places[end][0], into)]
        for net, leader in grid.followers:
            level.entries[net.source] = level.entries[leader]
            for end in net.ends:
                level.lines[net.source, end] = level.lines[leader, end]
        return level

    def _narrow(self) -> list[int]:
        """Gaps over which only one net leads, and that from the column before: there a row can be broken."""
        rank = self.grid.rank
        crossing: dict[int, list[int]] = {}
        for net in self.grid.nets:
            for gap in range(rank[net.start], max(rank[end] for end in net.ends)):
                crossing.setdefault(gap, []).append(rank[net.start])
        return [gap for gap in range(self.grid.columns - 1) if crossing.get(gap) == [gap]]

    def _resumed(self, net: Net) -> float:
        """V at which a net goes on in a new row: straight into a part, wherever it left the one before."""
        gap, begin = self.grid.rank[net.start], self.begins[net.source]
        near = [self._into(net, end) for end in net.ends if self.grid.rank[end] == gap + 1]
        far = [self.via[net.source, end] for end in net.ends if self.grid.rank[end] > gap + 1]
        return begin if begin in far else min(near or far, key=abs)

    def _via(self, net: Net, end: int, columns: Columns) -> float:
        """V along which a line runs, within its row."""
        via = self.via[net.source, end]
        broken = self.grid.rank[net.start] in columns.breaks
        return self._resumed(net) if broken and via == self.begins[net.source] else via

    def _stacked(self, columns: Columns, level: Level) -> tuple[list[float], list[float]]:
        """How far down each row is, and v of the line that leads from it to the next; sets the level's height."""
        grid = self.grid
        rows = len(columns.breaks) + 1
        above, below = [0.0] * rows, [0.0] * rows

        def reach(column: int, highest: float, lowest: float) -> None:
            row = columns.row(column)
            above[row], below[row] = max(above[row], -highest), max(below[row], lowest)

        for index, item in enumerate(grid.items):
            reach(grid.rank[index], grid.line[index] - item.above, grid.line[index] + item.below)
        for net in grid.nets:
            gap, begin = grid.rank[net.start], self.begins[net.source]
            reach(gap, begin, begin)
            for end in net.ends:
                vs = self._via(net, end, columns), self._resumed(net) if gap in columns.breaks else begin
                reach(grid.rank[end], min(vs), max(vs))
        shift, channels = [0.0], []
        for row in range(rows - 1):
            channels.append(shift[row] + below[row] + _BREAK / 2)
            shift.append(shift[row] + below[row] + _BREAK + above[row + 1])
        level.above, level.below = above[0], shift[-1] + below[-1]
        return shift, channels
