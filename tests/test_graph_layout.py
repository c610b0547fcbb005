"""Diagrams: what must never touch does not, for toys, random nests of modules and real networks."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import pytest

from explorer.graph import INPUT, Graph
from explorer.graph.folding import FoldedGraph, fold
from explorer.graph.layout import HEADING, Direction, Drawing, Placed, PlacedFrame, place
from explorer.graph.outlines import fitted, text_width
from tests.test_graph_folding import everything, graph, inception, levels, nested, node, residual, traced

NEAR = 1e-6
Rectangle = tuple[float, float, float, float]


def rectangle(thing: Placed | PlacedFrame) -> Rectangle:
    return thing.x, thing.y, thing.x + thing.width, thing.y + thing.height


def overlap(one: Rectangle, other: Rectangle) -> bool:
    """Whether they share more than a border."""
    return (
        one[0] < other[2] - NEAR and other[0] < one[2] - NEAR and one[1] < other[3] - NEAR and other[1] < one[3] - NEAR
    )


def within(inner: Rectangle, outer: Rectangle) -> bool:
    return (
        outer[0] - NEAR <= inner[0]
        and outer[1] - NEAR <= inner[1]
        and inner[2] <= outer[2] + NEAR
        and inner[3] <= outer[3] + NEAR
    )


def on_border(point: tuple[float, float], of: Rectangle) -> bool:
    x, y = point
    inside = of[0] - NEAR <= x <= of[2] + NEAR and of[1] - NEAR <= y <= of[3] + NEAR
    return inside and min(abs(x - of[0]), abs(x - of[2]), abs(y - of[1]), abs(y - of[3])) < NEAR


def check(folded: FoldedGraph, drawing: Drawing) -> None:
    """Everything that is promised of a drawing of this graph."""
    sheet = (0.0, 0.0, drawing.width, drawing.height)
    boxes = {placed.box.key: rectangle(placed) for placed in drawing.boxes}
    frames = {placed.frame.key: rectangle(placed) for placed in drawing.frames}
    assert list(boxes) == [box.key for box in folded.boxes]
    assert list(frames) == [frame.key for frame in folded.frames]
    around = {frame.key: frame.parent for frame in folded.frames} | {box.key: box.parent for box in folded.boxes}

    def holders(key: str) -> set[str]:
        found = set()
        while around[key]:
            key = around[key]
            found.add(key)
        return found

    for area in (*boxes.values(), *frames.values()):
        assert within(area, sheet)
    for one, other in itertools.combinations(boxes, 2):
        assert not overlap(boxes[one], boxes[other]), (one, other)
    for key, frame in frames.items():
        for box, area in boxes.items():
            assert within(area, frame) if key in holders(box) else not overlap(area, frame), (box, key)
        for other, area in frames.items():
            if other != key and key in holders(other):
                assert within(area, frame), (other, key)
            elif other != key and other not in holders(key):
                assert not overlap(area, frame), (other, key)
    for placed in drawing.frames:
        heading = (placed.heading_x, placed.y, placed.heading_x + placed.heading_width, placed.y + HEADING)
        assert within(heading, rectangle(placed))
        assert not any(overlap(heading, area) for area in boxes.values()), placed.frame.key
    assert [(route.source, route.target) for route in drawing.routes] == [(e.source, e.target) for e in folded.edges]
    for route in drawing.routes:
        assert on_border(route.points[0], boxes[route.source])
        assert on_border(route.points[-1], boxes[route.target])
        for (x0, y0), (x1, y1) in itertools.pairwise(route.points):
            assert x0 == pytest.approx(x1) or y0 == pytest.approx(y1), "lines run along or across"
            line = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            assert within(line, sheet)
            for key, area in boxes.items():
                if key in (route.source, route.target):
                    # It may touch its own boxes, but not run through them.
                    area = (area[0] + NEAR, area[1] + NEAR, area[2] - NEAR, area[3] - NEAR)
                crosses = line[0] < area[2] and area[0] < line[2] and line[1] < area[3] and area[1] < line[3]
                assert not crosses, (route.source, route.target, key)


def drawn(of: Graph, opened: frozenset[str], direction: Direction, limit: float) -> Drawing:
    folded = fold(of, opened)
    drawing = place(folded, direction, limit)
    check(folded, drawing)
    return drawing


EVERY_WAY = [(direction, limit) for direction in ("right", "down") for limit in (math.inf, 900.0, 350.0)]


@pytest.mark.parametrize("seed", range(25))
def test_nothing_touches_in_random_nests(seed):
    of = nested(seed)
    for opened in levels(of, seed):
        for direction, limit in EVERY_WAY:
            drawn(of, opened, direction, limit)


@pytest.mark.parametrize("slug", ["resnet50", "googlenet", "efficientnet_b0", "unet", "vit_b_16", "densenet121"])
def test_nothing_touches_in_real_networks(slug):
    of = traced(slug)
    steps = [opened for opened in levels(of) if len(fold(of, opened).boxes) < 160]
    for opened in (*steps[::3], steps[-1]):
        for direction, limit in (("right", math.inf), ("right", 1000.0), ("down", math.inf)):
            drawn(of, opened, direction, limit)


def middle(drawing: Drawing, key: str) -> tuple[float, float]:
    placed = next(placed for placed in drawing.boxes if placed.box.key == key)
    return placed.x + placed.width / 2, placed.y + placed.height / 2


def test_a_chain_is_a_straight_line_from_left_to_right():
    of = residual(3)
    drawing = drawn(of, frozenset({"layer", "layer.0:3"}), "right", math.inf)
    points = [middle(drawing, box.box.key) for box in drawing.boxes]
    assert points == sorted(points)
    assert len({y for _, y in points}) == 1
    assert all(len(route.points) == 2 for route in drawing.routes)


def test_down_is_right_turned():
    of = residual(2)
    opened = everything(of)
    right, down = (drawn(of, opened, direction, math.inf) for direction in ("right", "down"))
    across = [x for x, _ in (middle(right, box.box.key) for box in right.boxes)]
    along = [y for _, y in (middle(down, box.box.key) for box in down.boxes)]
    assert across == sorted(across)
    assert along == sorted(along)
    assert [len(route.points) for route in right.routes] == [len(route.points) for route in down.routes]


def test_branches_stand_side_by_side_in_their_order():
    drawing = drawn(inception(), frozenset({"mix"}), "right", math.inf)
    points = [middle(drawing, f"mix.branch{n}") for n in range(4)]
    assert len({x for x, _ in points}) == 1
    assert [y for _, y in points] == sorted(y for _, y in points)
    # One of them stays on the line of the network, so that it does not jump.
    assert middle(drawing, "stem")[1] == middle(drawing, "fc")[1] in [y for _, y in points]


def test_skips_run_in_lanes_of_their_own():
    """Nested skips: the longer one lies further out."""
    names = ["a", "b", "c", "d", "e", "f"]
    nodes = [node("a", "Conv2d", INPUT)]
    nodes += [node(name, "Conv2d", before, kernel_size=ord(name)) for before, name in itertools.pairwise(names)]
    more = {"e": ("d", "b"), "f": ("e", "a")}
    of = graph(*(replace(each, inputs=more.get(each.name, each.inputs)) for each in nodes))
    drawing = drawn(of, frozenset(), "right", math.inf)
    lanes = {(r.source, r.target): min(y for _, y in r.points) for r in drawing.routes if r.kind == "skip"}
    assert set(lanes) == {("b", "e"), ("a", "f")}
    assert lanes["a", "f"] < lanes["b", "e"] < middle(drawing, "c")[1]
    # Skips that do not overlap take the nearest lane, which is the same.
    blocks = residual(2)
    drawing = drawn(blocks, everything(blocks), "right", math.inf)
    heights = [min(y for _, y in r.points) for r in drawing.routes if r.kind == "skip"]
    assert len(heights) == 2
    assert len(set(heights)) == 1


def test_long_rows_go_on_in_the_next_one_but_blocks_stay_in_one_piece():
    chain = [node("n0", "Conv2d", INPUT)]
    chain += [node(f"n{i}", "Conv2d", f"n{i - 1}", kernel_size=i) for i in range(1, 24)]
    drawing = drawn(graph(*chain), frozenset(), "right", 900)
    assert drawing.width < 1.25 * 900
    rows = [y for _, y in (middle(drawing, box.box.key) for box in drawing.boxes)]
    assert rows == sorted(rows)
    assert len(set(rows)) > 1
    # From the first node to the last leads a skip: no place to break. What little follows stays with it.
    ring = graph(*chain, node("sum", "add", "n23", "n0", step=True), node("last", "ReLU", "sum"))
    drawing = drawn(ring, frozenset(), "right", 900)
    assert drawing.width > 2 * 900
    assert middle(drawing, "sum")[1] == middle(drawing, "last")[1]


def test_a_network_that_cannot_be_broken_in_its_middle_is_one_row():
    of = traced("unet")
    assert drawn(of, frozenset(), "right", 1100) == drawn(of, frozenset(), "right", math.inf)


def test_a_row_begins_on_its_own_line_wherever_the_one_before_ended():
    """A module of several rows is left at its last one; the line then leads straight to the next part."""
    inside = [
        node(f"body.n{i}", "Conv2d", f"body.n{i - 1}" if i else INPUT, parent="body", kernel_size=i) for i in range(16)
    ]
    of = graph(*inside, node("fc", "Linear", "body.n15"))
    drawing = drawn(of, frozenset({"body"}), "right", 400)
    last = next(route for route in drawing.routes if route.target == "fc")
    # Right, down, back, down, right: no detour.
    assert len(last.points) == 6
    assert middle(drawing, "fc")[1] > middle(drawing, "body.n15")[1] > middle(drawing, "body.n0")[1]


def test_the_same_graph_is_drawn_the_same():
    of = nested(7)
    opened = everything(of)
    assert place(fold(of, opened)) == place(fold(of, set(opened)))


def test_labels_are_cut_to_fit():
    long = node("a_layer_with_a_name_that_nobody_can_read_on_a_diagram_at_all", "Conv2d", INPUT)
    placed = place(fold(graph(long))).boxes[1]
    assert placed.lines[0].endswith("…")
    assert all(text_width(line) <= placed.width for line in placed.lines)
    assert fitted("conv1", 100) == "conv1"


def test_four_hundred_boxes_are_placed_in_fifty_milliseconds():
    of = traced("densenet121")
    folded = fold(of, everything(of))
    assert len(folded.boxes) > 400
    times = []
    for _ in range(7):
        start = time.process_time()
        place(folded)
        times.append(time.process_time() - start)
    assert min(times) < 0.05
