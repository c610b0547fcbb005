"""Sorts the parts of one frame into a grid: columns by their longest path from the entry, rows by branch.

Coordinates are along the flow (`u`) and across it (`v`); which of them is horizontal is for the caller to say. Lines
follow in `explorer.graph.routing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

from explorer.graph.folding import skips

ENTRY = -1
"""Stands for the frame's own beginning among its parts; its end has the number behind the last part."""
_BETWEEN = 18.0  # between rows

Point = tuple[float, float]


@dataclass(frozen=True)
class Item:
    """A part to place: its size about the line on which it is entered and left.

    Attributes:
        length: along the flow.
        above: from that line to its upper edge.
        below: from that line to its lower edge.
        entries: where lines enter that do not on that line, by their sources: distance across.
        exits: where lines leave that do not on that line.
    """

    length: float
    above: float
    below: float
    entries: Mapping[str, float] = field(default_factory=dict)
    exits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Net:
    """All lines of one tensor in a frame: from a part or the `ENTRY` to parts or the end."""

    source: str
    start: int
    ends: tuple[int, ...]


@dataclass
class Level:
    """One frame's inside, laid out.

    Attributes:
        length: along the flow.
        above: of its upper edge; what enters and leaves on the main line does so at 0.
        below: of its lower edge.
        places: (u, v) of each item: where it begins, and its line.
        entries: v where the lines of a source come in.
        exits: v where they go out.
        lines: by source and end, the corners of a line.
    """

    length: float = 0.0
    above: float = 0.0
    below: float = 0.0
    places: list[Point] = field(default_factory=list)
    entries: dict[str, float] = field(default_factory=dict)
    exits: dict[str, float] = field(default_factory=dict)
    lines: dict[tuple[str, int], list[Point]] = field(default_factory=dict)

    def stretch(self, length: float) -> None:
        """Makes room behind the last column, up to this length."""
        if length > self.length:
            for (source, _), line in self.lines.items():
                if line[-1] == (self.length, self.exits.get(source)):
                    line[-1] = length, line[-1][1]
            self.length = length


class Grid:
    """Where the parts of a frame stand, in columns and rows.

    Attributes:
        items: the parts.
        nets: without those that follow others.
        followers: nets that come in as one line with another, and that one's source.
        end: number of the frame's end among the parts.
        columns: how many there are.
        rank: column of each part; -1 of the entry, `columns` of the end.
        row: of each part; 0 is the main line.
        taken: columns and rows where a part stands.
        line: v of each part's line.
    """

    def __init__(self, items: Sequence[Item], nets: Sequence[Net]) -> None:
        self.items, self.end = items, len(items)
        pairs = {(net.start, end) for net in nets for end in net.ends}
        self._flow = sorted(pairs - skips(pairs, range(ENTRY, self.end + 1)))
        self.rank = self._ranks(pairs)
        self.columns = max((self.rank[item] for item in range(self.end)), default=-1) + 1
        self.rank |= {ENTRY: -1, self.end: self.columns}
        self.row = self._rows()
        self.taken = {(self.rank[item], self.row[item]) for item in range(self.end)}
        self.line = self._lines()
        self.nets, self.followers = self._merged(nets)

    def enters(self, net: Net, end: int) -> float:
        """V at which a line comes into a part."""
        return self.line[end] + self.items[end].entries.get(net.source, 0.0)

    def leaves(self, net: Net) -> float:
        """V at which a net leaves the part it comes from."""
        return self.line[net.start] + self.items[net.start].exits.get(net.source, 0.0)

    def _ranks(self, pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Columns: the longest path from the entry; a part without inputs stands just before what reads it."""
        before: dict[int, list[int]] = {item: [] for item in range(self.end + 1)}
        after: dict[int, list[int]] = {item: [] for item in range(ENTRY, self.end)}
        for source, target in pairs:
            before[target].append(source)
            after[source].append(target)
        rank = {ENTRY: -1}
        for item in range(self.end):
            rank[item] = max((rank[source] + 1 for source in before[item]), default=0)
        for item in reversed(range(self.end)):
            readers = [rank[target] for target in after[item] if target != self.end]
            if not before[item] and readers:
                rank[item] = min(readers) - 1
        return rank

    def _rows(self) -> dict[int, int]:
        """Rows: the main line is 0; branches stand side by side about the row they come from."""
        row = {ENTRY: 0}
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        for source, target in self._flow:
            before.setdefault(target, []).append(source)
            after.setdefault(source, []).append(target)
        taken: set[tuple[int, int]] = set()
        for item in sorted(range(self.end), key=lambda item: (self.rank[item], item)):
            sources = before.get(item, [])
            rows = sorted(row[source] for source in sources if source in row)
            if len(sources) == 1 and rows:
                branches = [other for other in after[sources[0]] if before[other] == sources and other != self.end]
                wanted = rows[0] - (len(branches) - 1) // 2 + branches.index(item)
            else:
                wanted = 0 if not rows or rows[0] <= 0 <= rows[-1] else rows[(len(rows) - 1) // 2]
            near = (wanted + sign * step for step in count() for sign in (1, -1))
            row[item] = next(candidate for candidate in near if (self.rank[item], candidate) not in taken)
            taken.add((self.rank[item], row[item]))
        return row

    def _lines(self) -> dict[int, float]:
        """V of each item's line: rows as high as what stands in them."""
        height: dict[int, tuple[float, float]] = {0: (0.0, 0.0)}
        for index, item in enumerate(self.items):
            above, below = height.get(self.row[index], (0.0, 0.0))
            height[self.row[index]] = max(above, item.above), max(below, item.below)
        line = {0: 0.0}
        rows = sorted(height)
        for upper, lower in pairwise(row for row in rows if row >= 0):
            line[lower] = line[upper] + height[upper][1] + _BETWEEN + height[lower][0]
        for lower, upper in pairwise(row for row in reversed(rows) if row <= 0):
            line[upper] = line[lower] - height[lower][0] - _BETWEEN - height[upper][1]
        return {index: line[self.row[index]] for index in range(self.end)}

    def _merged(self, nets: Sequence[Net]) -> tuple[list[Net], list[tuple[Net, str]]]:
        """Nets from the entry that go to the same places come in as one line: those that follow, and whom."""
        leaders: dict[tuple[tuple[int, float], ...], str] = {}
        leading, followers = [], []
        for net in nets:
            places = tuple((end, self.enters(net, end)) for end in sorted(net.ends)) if net.start == ENTRY else ()
            if places in leaders:
                followers.append((net, leaders[places]))
                continue
            if places:
                leaders[places] = net.source
            leading.append(net)
        return leading, followers
