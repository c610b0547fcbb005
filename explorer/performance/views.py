"""What the chart of the Performance page shows: one number of every network against another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from explorer.performance import guide
from explorer.performance.checking import claims
from explorer.performance.fronts import pareto
from explorer.performance.metrics import METRICS, Metric
from explorer.performance.placing import Name, place

if TYPE_CHECKING:
    import pandas as pd

FLAT = "same"
"""In place of a metric: all dots are equally large."""
FAMILY = "family"
"""In place of a metric: a dot has its family's colour."""
# What tells two series of one family apart in slugs: VGG with batch norm, Swin v2, RegNet X and Y, patches of ViT.
_SERIES = re.compile(r"_bn$|_v2_|_[xy]_|_(?:14|16|32)$")
RING = 9.0
"""Pixels by which the ring of the chosen network is wider than its dot."""
_MARGIN = 0.06  # of the axis, beyond the outermost dots
_LEAST_POINTS = 2.0  # percentage points on an axis of accuracies: less would make a mountain of a tenth


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        metric: what it shows, in the metric's unit.
        log: whether it is logarithmic.
        ends: of the axis, in the unit, or its decimal logarithm if `log`.
    """

    metric: Metric
    log: bool
    ends: tuple[float, float]

    def share(self, values: np.ndarray | float) -> np.ndarray:
        """Where values lie along the axis: 0 at its beginning, 1 at its end."""
        turned = np.asarray(np.log10(values) if self.log else values, dtype=float)
        return (turned - self.ends[0]) / (self.ends[1] - self.ends[0])


@dataclass(frozen=True)
class View:
    """The chart, computed.

    Attributes:
        x: horizontal axis.
        y: vertical axis.
        across: where each dot lies on it, (N,), in the unit.
        up: where each dot lies on the vertical axis, (N,).
        diameter: of each dot, pixels, (N,); areas stand for the chosen metric.
        shade: what colours stand for, (N,), in its unit; None where they stand for families.
        colour: the metric of `shade`.
        rows: which row of the table each dot is, (N,).
        names: that have room.
        lines: of each series the dots in order of MACs, as indices.
        versions: pairs of dots, as indices: a network with the weights that the app loads, and with others.
        front: dots on the Pareto front from left to right, as indices; empty where a metric has no better side.
        claimed: (dot, across, up) of the guide's figures where they lie elsewhere.
        missing: titles of networks that lack one of the two numbers.
    """

    x: Axis
    y: Axis
    across: np.ndarray
    up: np.ndarray
    diameter: np.ndarray
    shade: np.ndarray | None
    colour: Metric | None
    rows: np.ndarray
    names: tuple[Name, ...]
    lines: tuple[tuple[int, ...], ...]
    versions: tuple[tuple[int, int], ...]
    front: tuple[int, ...]
    claimed: tuple[tuple[int, float, float], ...]
    missing: tuple[str, ...]


def view(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    area: str = FLAT,
    colour: str = FAMILY,
    log: tuple[bool, bool] | None = None,
    chosen: str = "",
    width: float = 800,
    height: float = 480,
) -> View:
    """Arranges the rows of a table as dots.

    Args:
        table: as from `tables.table`, with the columns that are asked for.
        x: column of the horizontal axis, a key of `METRICS`.
        y: column of the vertical axis.
        area: column that areas stand for, or `FLAT`.
        colour: column that colours stand for, or `FAMILY`.
        log: whether the axes are logarithmic; as is usual for the metrics if None.
        chosen: slug of the network that is named first.
        width: of the place for dots, pixels: names that collide there are left out. What is drawn wider has more room.
        height: of it, pixels.
    """
    metrics = METRICS[x], METRICS[y]
    numbers = [table[metric.column].to_numpy(dtype=float, na_value=np.nan) / metric.scale for metric in metrics]
    known = ~(np.isnan(numbers[0]) | np.isnan(numbers[1]))
    rows = np.flatnonzero(known)
    shown = table.iloc[rows]
    across, up = numbers[0][rows], numbers[1][rows]
    claimed = _claimed(shown, metrics) if set(shown["slug"]) <= set(guide.TEN) else ()
    logs = log or (metrics[0].log, metrics[1].log)
    axes = (
        _axis(metrics[0], logs[0], [*across, *(each[1] for each in claimed)]),
        _axis(metrics[1], logs[1], [*up, *(each[2] for each in claimed)]),
    )
    diameter = _diameters(shown, area, largest=min(46.0, width / 12))
    front = _front(shown, x, y)
    loaded, slugs = shown["loaded"].to_numpy(), shown["slug"].to_numpy()
    first = {slug: index for index, slug in enumerate(slugs) if loaded[index]}
    order = sorted(
        dict.fromkeys((*first.values(), *front)),  # on the front other weights of a network are named, too
        key=lambda i: (slugs[i] != chosen, i not in front, not shown["ten"].iloc[i], -diameter[i]),
    )
    gone = table[~known & ~table["slug"].isin(slugs)]
    lines = _lines(shown, list(first.values()))
    versions = tuple((first[slug], i) for i, slug in enumerate(slugs) if slug in first and first[slug] != i)

    def pixels(x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        return np.stack([axes[0].share(x) * width, axes[1].share(y) * height], axis=-1)

    spots = pixels(across, up)
    drawn = [spots[list(line)] for line in (*lines, *versions)]
    drawn += [np.stack([spots[dot], pixels(x, y)]) for dot, x, y in claimed]
    drawn.append(_stairs(spots[list(front)], metrics[0]))
    return View(
        x=axes[0],
        y=axes[1],
        across=across,
        up=up,
        diameter=diameter,
        shade=None
        if colour == FAMILY
        else shown[colour].to_numpy(dtype=float, na_value=np.nan) / METRICS[colour].scale,
        colour=METRICS.get(colour),
        rows=rows,
        names=place(
            spots,
            diameter + RING * (slugs == chosen),
            list(shown["network"]),
            order,
            (width, height),
            drawn,
            must={i for i in order if i in front or slugs[i] == chosen},
        ),
        lines=lines,
        versions=versions,
        front=front,
        claimed=claimed,
        missing=tuple(dict.fromkeys(gone["network"])),
    )


def _stairs(corners: np.ndarray, across: Metric) -> np.ndarray:
    """The corners of the staircase through the front's dots."""
    steps = [corners[:1]]
    for here, there in pairwise(corners):
        turn = (there[0], here[1]) if across.better < 0 else (here[0], there[1])
        steps.append(np.array([turn, there]))
    return np.concatenate(steps)


def _axis(metric: Metric, log: bool, values: list[float]) -> Axis:
    log = log and min(values, default=1.0) > 0
    turned = np.log10(values) if log else np.array(values)
    low, high = (float(turned.min()), float(turned.max())) if len(turned) else (0.0, 1.0)
    if metric.unit == "%" and not log:
        short = max(0.0, _LEAST_POINTS - (high - low)) / 2
        low, high = low - short, high + short
    margin = _MARGIN * (high - low) or 0.5
    return Axis(metric, log, (low - margin, high + margin))


def _diameters(shown: pd.DataFrame, area: str, largest: float, least: float = 9.0) -> np.ndarray:
    """Areas in proportion, but for what is too small to hit, and for what would make all others too small."""
    if area == FLAT:
        return np.full(len(shown), 13.0)
    values = shown[area].to_numpy(dtype=float, na_value=np.nan)
    known = values[~np.isnan(values)]
    if not len(known):
        return np.full(len(shown), least)
    full = min(known.max(), 20 * np.median(known))
    return np.clip(np.sqrt(np.nan_to_num(values) / full) * largest, least, largest)


def _front(shown: pd.DataFrame, x: str, y: str) -> tuple[int, ...]:
    better = METRICS[x].better, METRICS[y].better
    if 0 in better or x == y:
        return ()
    found = np.flatnonzero(pareto(shown, x, y, better=better).to_numpy())
    return tuple(int(i) for i in found[np.lexsort((shown[y].to_numpy()[found], shown[x].to_numpy(dtype=float)[found]))])


def _lines(shown: pd.DataFrame, loaded: list[int]) -> tuple[tuple[int, ...], ...]:
    series: dict[tuple[str, str], list[int]] = {}
    slugs, families, macs = (shown[column].to_numpy() for column in ("slug", "family", "macs"))
    for index in loaded:
        part = _SERIES.search(slugs[index])
        series.setdefault((families[index], part[0] if part else ""), []).append(index)
    return tuple(tuple(sorted(each, key=lambda i: macs[i])) for each in series.values() if len(each) > 1)


def _claimed(shown: pd.DataFrame, metrics: tuple[Metric, Metric]) -> tuple[tuple[int, float, float], ...]:
    """The guide's figures of the rows that the app loads, where one of the two differs from ours."""
    said = {(claim.slug, claim.column): claim for claim in claims()}
    found = []
    for index, (slug, loaded) in enumerate(zip(shown["slug"], shown["loaded"], strict=True)):
        pair = [said.get((slug, metric.column)) for metric in metrics]
        if loaded and any(claim is not None and not claim.agrees for claim in pair):
            place = [
                (shown[metric.column].iloc[index] if claim is None or claim.agrees else claim.value) / metric.scale
                for claim, metric in zip(pair, metrics, strict=True)
            ]
            found.append((index, float(place[0]), float(place[1])))
    return tuple(found)
