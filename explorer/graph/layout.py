"""Where everything on a diagram goes: boxes, the frames around unfolded ones, and the corners of every line.

One unit is one pixel at full size. A frame is laid out like a network of its own and then placed like a box, so that
nothing overlaps; see `explorer.graph.levels`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from explorer.graph.folding import Box, FoldedGraph, Frame
from explorer.graph.levels import ENTRY, Item, Level, Net, Point
from explorer.graph.outlines import Form, heading, heading_width, outline
from explorer.graph.routing import lay_out

Direction = Literal["right", "down"]
HEADING = 26.0
"""Height of the strip with a frame's name."""
_NOTHING = 1e-6  # of a pixel
_ROW = 1100.0  # a row of a wide page
_MARGIN = 16.0
_INSIDE = 12.0  # from a frame to what is in it
_BESIDE = 4.0  # from a line that enters to a heading


@dataclass(frozen=True)
class Placed:
    """A box and where it is.

    Attributes:
        box: what is drawn.
        form: 'box', 'circle' with a sign, 'bar' for concatenations, 'pill' for views and the like.
        x: of its left edge.
        y: of its upper edge.
        width: of the outline.
        height: of the outline.
        lines: label, what it is (may be empty) and shape of the output, as far as they fit; pills leave the second out,
            circles and bars have the first only.
    """

    box: Box
    form: Form
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]


@dataclass(frozen=True)
class PlacedFrame:
    """A frame and where it is.

    Attributes:
        frame: what is drawn.
        x: of its left edge.
        y: of its upper edge.
        width: of the outline.
        height: of the outline.
        heading: its name, as far as it fits.
        heading_x: of the strip for it along the upper edge, where no box is.
        heading_width: of that strip.
        anchor: the point at which the main line enters.
    """

    frame: Frame
    x: float
    y: float
    width: float
    height: float
    heading: str
    heading_x: float
    heading_width: float
    anchor: Point


@dataclass(frozen=True)
class Route:
    """A line: its ends, its corners from border to border, 'flow' or 'skip', and the shapes of what flows."""

    source: str
    target: str
    points: tuple[Point, ...]
    kind: str
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Drawing:
    """A diagram, ready to draw. Frames come outer ones first; everything lies within `width` and `height`."""

    direction: Direction
    width: float
    height: float
    boxes: tuple[Placed, ...]
    frames: tuple[PlacedFrame, ...]
    routes: tuple[Route, ...]


def place(folded: FoldedGraph, direction: Direction = "right", limit: float | None = None) -> Drawing:
    """Lay out a folded graph.

    Args:
        folded: what to draw.
        direction: in which the network runs; 'down' suits narrow screens.
        limit: length in pixels from which on a row goes on in the next one, as text does; only where a single line
            leads on, so that blocks with skips stay in one piece. None suits a wide page, and is endless downwards.
    """
    if limit is None:
        limit = _ROW if direction == "right" else math.inf
    return _Layout(folded, direction, limit).drawing()


class _Layout:
    """The work of `place`: sizes from the inside out, places from the outside in."""

    def __init__(self, folded: FoldedGraph, direction: Direction, limit: float) -> None:
        self.folded, self.right, self.limit = folded, direction == "right", limit
        self.outlines = {box.key: outline(box, self.right) for box in folded.boxes}
        self.inside = {"": folded.top} | {frame.key: frame.boxes for frame in folded.frames}
        self.headings = {frame.key: heading(frame) for frame in folded.frames}
        self.nets = self._nets()
        self.levels: dict[str, Level] = {}

    def _nets(self) -> dict[str, list[Net]]:
        """The lines of each frame: between its own parts, and between those and its ends."""
        parents = {frame.key: frame.parent for frame in self.folded.frames}
        chains: dict[str, list[str]] = {}  # from the network down to the box
        for box in self.folded.boxes:
            chain = [box.key]
            around = box.parent
            while around:
                chain.append(around)
                around = parents[around]
            chains[box.key] = [*reversed(chain)]
        number = {key: index for keys in self.inside.values() for index, key in enumerate(keys)}
        ends: dict[str, dict[tuple[str, int], dict[int, None]]] = {key: {} for key in self.inside}
        self.paths: dict[
            tuple[str, str], list[tuple[str, int]]
        ] = {}  # frames that an edge runs through, with its end in each
        for edge in self.folded.edges:
            source, target = chains[edge.source], chains[edge.target]
            depth = next(at for at, (one, other) in enumerate(zip(source, target, strict=False)) if one != other)
            path = []
            for at in range(len(source) - 1, depth, -1):
                frame = source[at - 1]
                path.append((frame, number[source[at]], len(self.inside[frame])))
            path.append((source[depth - 1] if depth else "", number[source[depth]], number[target[depth]]))
            path += [(target[at - 1], ENTRY, number[target[at]]) for at in range(depth + 1, len(target))]
            self.paths[edge.source, edge.target] = [(frame, end) for frame, _, end in path]
            for frame, start, end in path:
                ends[frame].setdefault((edge.source, start), {})[end] = None
        ran = {box.key: index for index, box in enumerate(self.folded.boxes)}

        def order(net: Net) -> tuple[bool, int]:
            # What enters a frame: the nearest source first, it takes the main line.
            return (False, -ran[net.source]) if net.start == ENTRY else (True, ran[net.source])

        return {
            frame: sorted((Net(source, start, tuple(found)) for (source, start), found in nets.items()), key=order)
            for frame, nets in ends.items()
        }

    def _measure(self, key: str, limit: float) -> Item:
        """The size of a box or frame; lays out the inside of frames on the way."""
        if key not in self.inside:
            _, width, height, _ = self.outlines[key]
            length, across = (width, height) if self.right else (height, width)
            return Item(length, across / 2, across / 2)
        items = [self._measure(part, limit - 4 * _INSIDE) for part in self.inside[key]]
        if not key:
            self.levels[key] = level = lay_out(items, self.nets[key], _MARGIN, _MARGIN, limit)
            return Item(level.length, level.above + _MARGIN, level.below + _MARGIN)
        name = heading_width(self.headings[key])
        level = lay_out(items, self.nets[key], _INSIDE if self.right else HEADING, _INSIDE, limit)
        if self.right:
            level.above += HEADING
            level.below += _INSIDE
            level.stretch(name)
        else:
            level.above += _INSIDE
            # The heading stands beside the line that enters.
            level.below = max(level.below + _INSIDE, _BESIDE + name)
        self.levels[key] = level
        return Item(level.length, level.above, level.below, level.entries, level.exits)

    def drawing(self) -> Drawing:
        """Measures, places and writes everything down."""
        network = self._measure("", self.limit)
        origin = {"": (0.0, network.above)}  # where each frame begins, on its main line
        boxes, frames = {}, {}
        for key in ["", *(frame.key for frame in self.folded.frames)]:
            level, (u, v) = self.levels[key], origin[key]
            for part, (along, line) in zip(self.inside[key], level.places, strict=True):
                origin[part] = u + along, v + line
        for box in self.folded.boxes:
            form, width, height, lines = self.outlines[box.key]
            u, v = origin[box.key]
            x, y = (u, v - height / 2) if self.right else (v - width / 2, u)
            boxes[box.key] = Placed(box, form, x, y, width, height, lines)
        for frame in self.folded.frames:
            level, (u, v) = self.levels[frame.key], origin[frame.key]
            (x, y), (width, height) = self._xy(u, v - level.above), self._xy(level.length, level.above + level.below)
            start = x if self.right else v + _BESIDE
            name = self.headings[frame.key]
            strip = name, start, heading_width(name)
            frames[frame.key] = PlacedFrame(frame, x, y, width, height, *strip, self._xy(u, v))
        routes = []
        for edge in self.folded.edges:
            corners = []
            for key, end in self.paths[edge.source, edge.target]:
                u, v = origin[key]
                corners += [(u + along, v + across) for along, across in self.levels[key].lines[edge.source, end]]
            points = tuple(self._xy(*corner) for corner in _straightened(corners))
            routes.append(Route(edge.source, edge.target, points, edge.kind, edge.shapes))
        width, height = self._xy(network.length, network.above + network.below)
        direction: Direction = "right" if self.right else "down"
        return Drawing(direction, width, height, tuple(boxes.values()), tuple(frames.values()), tuple(routes))

    def _xy(self, u: float, v: float) -> Point:
        return (u, v) if self.right else (v, u)


def _straightened(corners: list[Point]) -> list[Point]:
    """The corners without those at which a line does not turn."""
    found: list[Point] = []
    for x, y in corners:
        if found and abs(found[-1][0] - x) < _NOTHING and abs(found[-1][1] - y) < _NOTHING:
            continue
        if len(found) > 1:
            (x0, y0), (x1, y1) = found[-2:]
            if abs(x0 - x1) + abs(x1 - x) < _NOTHING or abs(y0 - y1) + abs(y1 - y) < _NOTHING:
                found.pop()
        found.append((x, y))
    return found
