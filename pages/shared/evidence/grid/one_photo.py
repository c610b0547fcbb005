"""One photo: two of methods, classes, networks and layers in rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import catalogue
from pages.shared import blocks, cache
from pages.shared.components.evidence_grid import Head, Shown, evidence_grid
from pages.shared.evidence.grid import axes, keeping, opening, running
from pages.shared.evidence.grid.asking import Source
from pages.shared.evidence.grid.axes import AXES, Axis
from pages.shared.text import percent, plain

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from explorer.grid import Cell
    from explorer.models import Model
    from pages.shared.evidence.grid.cache import Tile
    from pages.shared.pictures import Picture

MOST = 60  # maps: more are a wall that nobody reads
_KEY = "evidence-grid"


@dataclass(frozen=True)
class Plan:
    """A grid to fill: the two axes with their values, and the cell at each (row, column)."""

    rows: Axis
    columns: Axis
    row_values: list[Any]
    column_values: list[Any]
    cells: dict[tuple[int, int], Cell]


def draw(picture: Picture, model: Model, bar: DeltaGenerator) -> None:
    """Controls, of which some go into ``bar``, grid, what to keep."""
    plan = _plan(picture, model, bar)
    if plan is None:
        return
    source = Source(model, {picture.name: picture})
    moment, slot = st.empty(), running.place()
    tiles, work = _state(source, plan)
    if running.begins(work):
        with moment:
            running.at_once(work)
        tiles, work = _state(source, plan)
    go = running.offer(work, slot)
    _show(source, plan, tiles)
    said = {place: words(tiles[cell], named(plan)) for place, cell in plan.cells.items() if cell in tiles}
    keeping.of_one(source, picture, plan, tiles, said)
    if go is not None:
        go()


def _plan(picture: Picture, model: Model, bar: DeltaGenerator) -> Plan | None:
    logits = cache.logits(model, picture).result
    with bar:
        names = axes.choose_two()
        method, target, layer = "grad_cam", None, None
        if "methods" not in names:
            method = axes.fixed_method(model)
        if "classes" not in names:
            first = "Each network's own first answer" if "networks" in names else "Its first answer"
            target = axes.fixed_class(model, logits, first)
        if not {"layers", "networks"} & {*names}:
            layer = axes.fixed_layer(model, method)
    chosen = [axes.axis(name, model, picture, logits) for name in names]
    values = []
    for each, column in zip(chosen, st.columns(2, gap="medium"), strict=True):
        with column:
            values.append(each.choose())
    for each, some in zip(chosen, values, strict=True):
        if not some:
            st.caption(f"Choose some {AXES[each.name].lower()} to fill the grid.")
            return None
    rows, columns = values
    wide = columns[:MOST]
    high = rows[: MOST // len(wide)]
    if len(high) * len(wide) < len(rows) * len(columns):
        st.caption(
            f"{len(rows)} × {len(columns)} are {len(rows) * len(columns)} maps, and {MOST} are the most that fit here: "
            f"the first {len(high)} × {len(wide)} are shown. Take some {AXES[chosen[0].name].lower()} away for others."
        )
    fixed = {"methods": method, "classes": target, "networks": model.card.slug, "layers": layer}
    cells = {
        (row, column): _cell(model, picture, fixed | {names[0]: down, names[1]: across})
        for row, down in enumerate(high)
        for column, across in enumerate(wide)
    }
    return Plan(chosen[0], chosen[1], high, wide, cells)


def _cell(model: Model, picture: Picture, asked: dict[str, Any]) -> Cell:
    from explorer.attribution import METHODS
    from explorer.grid import Cell

    target, method = asked["classes"], asked["methods"]
    layer = asked["layers"] if METHODS[method].needs_layer else None
    label = "" if target is None else model.label(target)
    options = axes.options_of(model, method, layer)
    return Cell(asked["networks"], method, picture.name, target, label, layer, options)


def _state(source: Source, plan: Plan) -> tuple[dict[Cell, Tile], running.Work]:
    """What is known, and what is missing: network by network, as it will be computed."""
    cells = list(dict.fromkeys(plan.cells.values()))
    slugs = list(dict.fromkeys(cell.network for cell in cells))
    known = {cell: tile for cell in cells if (tile := source.known(cell)) is not None}
    missing = sorted((cell for cell in cells if cell not in known), key=lambda cell: slugs.index(cell.network))
    costs = source.cost(missing)
    passes, bound = source.passes(missing)
    work = running.Work(
        key="grid-one",
        question=(source.model.key, *((cell, source.photos[cell.photo].digest) for cell in cells)),
        weights=[costs[cell] for cell in missing],
        total=len(cells),
        noun="maps",
        passes=passes,
        bound=bound,
        steps=lambda told, stopped: source.fill(missing, told, stopped),
    )
    return known, work


def _show(source: Source, plan: Plan, tiles: dict[Cell, Tile]) -> None:
    names = {f"{row},{column}": cell for (row, column), cell in plan.cells.items()}
    shown = []
    for (row, column), cell in plan.cells.items():
        titles = [plan.rows.title(plan.row_values[row]), plan.columns.title(plan.column_values[column])]
        shown.append(_shown(f"{row},{column}", tiles.get(cell), titles, named=named(plan)))
    evidence_grid(
        shown,
        _KEY,
        lambda: opening.open_cell(_KEY, source, names),
        rows=_heads(plan.rows, plan.row_values),
        columns=_heads(plan.columns, plan.column_values),
        spoken=f"{AXES[plan.rows.name]} by {AXES[plan.columns.name].lower()}",
    )
    done = [tile for tile in tiles.values() if tile.picture]
    notes = ["Click a map to open it."]
    if any(tile.bright for tile in done):
        notes.append("Scattered pixels are brightened here, so that they can be seen.")
    if "layers" in (plan.rows.name, plan.columns.name) and any(not tile.layer for tile in done):
        notes.append("Methods that read pixels are the same at every layer.")
    alike = _alike(plan, tiles)
    if alike:
        notes.append(f"{' and '.join(alike)} {'draws' if len(alike) == 1 else 'draw'} the same map whatever the class.")
    if any(cell.options for cell in plan.cells.values()):
        notes.append("Options of the methods are as you set them under One map.")
    st.caption(" ".join(notes))
    for slug in dict.fromkeys(cell.network for cell in plan.cells.values()):
        network = source.network(slug)
        if network is not None and not network.trained and network.note and slug != source.model.card.slug:
            st.caption(plain(f"{catalogue.get(slug).title}: {network.note}"))
    blocks.caption(
        source.model,
        next(iter(source.photos.values())).title,
        *_fixed(plan, done),
        f"{len(done)} maps",
        seconds=sum(tile.seconds for tile in done),
    )


def _alike(plan: Plan, tiles: dict[Cell, Tile]) -> list[str]:
    """Titles of the methods whose maps are the same in every class of the grid."""
    from explorer.attribution import METHODS

    if "classes" not in (plan.rows.name, plan.columns.name):
        return []
    drawn = [METHODS[cell.method] for cell in plan.cells.values() if cell in tiles and tiles[cell].picture]
    return list(dict.fromkeys(method.title for method in drawn if not method.asks_class))


def _fixed(plan: Plan, done: list[Tile]) -> list[str]:
    """What all cells have in common, for the caption."""
    from explorer.attribution import METHODS

    names = (plan.rows.name, plan.columns.name)
    first = next(iter(plan.cells.values()))
    fixed = [] if "methods" in names else [METHODS[first.method].title]
    if done and not {"layers", "networks"} & {*names} and any(cell.layer for cell in plan.cells.values()):
        fixed.append(next(cell.layer for cell in plan.cells.values() if cell.layer) or "")
    if "classes" not in names:
        fixed.append(first.label if named(plan) else f"{done[0].label} {percent(done[0].probability)}" if done else "")
    return [words for words in fixed if words]


def _heads(axis: Axis, values: list[Any]) -> list[Head]:
    return [Head(axis.title(value), axis.detail(value)) for value in values]


def named(plan: Plan) -> str:
    """What each cell must say itself, since neither heading nor caption does: 'label', its 'share', or ''."""
    if "networks" not in (plan.rows.name, plan.columns.name):
        return ""
    return "label" if all(cell.target is None for cell in plan.cells.values()) else "share"


def words(tile: Tile, said: str) -> str:
    """The line below a map, where there is one."""
    if not tile.picture:
        return ""
    share = percent(tile.probability)
    return {"label": f"{tile.label} {share}", "share": share}.get(said, "")


def _shown(name: str, tile: Tile | None, titles: list[str], *, named: str) -> Shown:
    if tile is None:
        return Shown(name)
    if tile.reason:
        return Shown(name, reason=tile.reason)
    spoken = f"{titles[0]}, {titles[1]}: {tile.label} {percent(tile.probability)}. Open as one map."
    return Shown(name, tile.picture, words(tile, named), spoken=spoken)
