"""A grid to keep: one PNG with its headings, one NPZ with its numbers, and the code that draws it again."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images
from pages.shared import blocks, pictures
from pages.shared.text import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from explorer.grid import Cell
    from explorer.models import Model
    from pages.shared.evidence.grid.asking import Source
    from pages.shared.evidence.grid.axes import Axis
    from pages.shared.evidence.grid.cache import Tile
    from pages.shared.evidence.grid.one_photo import Plan
    from pages.shared.pictures import Picture

_ACROSS = 6  # photos beside each other in a PNG
_Place = tuple[int, int]


def of_one(
    source: Source, picture: Picture, plan: Plan, tiles: Mapping[Cell, Tile], words: Mapping[_Place, str]
) -> None:
    """Downloads and code of a grid of one photo; ``words`` stand below the maps."""

    def heading(axis: Axis, value: Any) -> str:
        return f"{axis.title(value)}\n{axis.detail(value)}"

    def png() -> bytes:
        from explorer import grid

        title = f"{picture.title} · {source.model.card.title} · {source.model.weights.name}"
        places = {place: tiles[cell] for place, cell in plan.cells.items() if cell in tiles}
        rows = [heading(plan.rows, value) for value in plan.row_values]
        columns = [heading(plan.columns, value) for value in plan.column_values]
        return images.encode_png(grid.sheet(title, rows, columns, _pictures(places), words))

    _downloads(blocks.file_stem(source.model, "grid"), png, list(plan.cells.values()), tiles)
    _code(lines(source.model, picture, plan))


def of_many(source: Source, cells: Sequence[Cell], tiles: Mapping[Cell, Tile], method: str) -> None:
    """Downloads and code of one page of photos."""

    def png() -> bytes:
        from explorer import grid

        title = f"{source.model.card.title} · {source.model.weights.name} · {method}"
        done = [(cell, tiles[cell]) for cell in cells if cell in tiles]
        places = {divmod(number, _ACROSS): tile for number, (_, tile) in enumerate(done)}
        words = {place: f"{tile.label} {percent(tile.probability)}" for place, tile in places.items() if tile.picture}
        rows = -(-len(done) // _ACROSS)
        return images.encode_png(grid.sheet(title, [""] * rows, [""] * _ACROSS, _pictures(places), words))

    _downloads(f"{source.model.card.slug}-many-photos", png, cells, tiles)
    _code(lines_of_many(source, cells))


def _pictures(places: Mapping[_Place, Tile]) -> dict[_Place, np.ndarray | str]:
    return {
        place: np.asarray(Image.open(io.BytesIO(tile.picture))) if tile.picture else tile.reason
        for place, tile in places.items()
    }


def _downloads(stem: str, png: Any, cells: Sequence[Cell], tiles: Mapping[Cell, Tile]) -> None:
    def npz() -> bytes:
        from explorer import grid

        kept = [(cell, tiles[cell].raw) for cell in dict.fromkeys(cells) if cell in tiles]
        return grid.archive([(cell, raw) for cell, raw in kept if raw is not None])

    if not any(tile.picture for tile in tiles.values()):
        return
    with st.container(horizontal=True):
        for label, data, ending, kind, words in (
            ("Grid as PNG", png, "png", "image/png", "All maps that are done, with their headings."),
            (
                "Raw maps as NPZ",
                npz,
                "npz",
                "application/octet-stream",
                "Every map at its own resolution, both signs, before enlarging; `cells` says in JSON which is which.",
            ),
        ):
            st.download_button(
                label,
                data,
                f"{stem}.{ending}",
                kind,
                key=f"grid-{ending}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
                help=words,
            )


def _code(text: str) -> None:
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(text, language="python")


def lines(model: Model, picture: Picture, plan: Plan) -> str:
    """The code that computes a grid of one photo."""
    first = next(iter(plan.cells.values()))
    variables = {"methods": "method", "networks": "network", "classes": "(target, label)", "layers": "layer"}
    loops = {axis.name: variables[axis.name] for axis in (plan.rows, plan.columns)}
    given = {
        "network": "network" if "networks" in loops else json.dumps(first.network),
        "method": "method" if "methods" in loops else json.dumps(first.method),
        "photo": json.dumps(picture.title if picture.name in pictures.uploads() else picture.name, ensure_ascii=False),
    }
    if "classes" in loops:
        given |= {"target": "target", "label": "label"}
    elif first.target is not None:
        given |= {"target": str(first.target), "label": json.dumps(first.label, ensure_ascii=False)}
    if "layers" in loops:
        given["layer"] = "layer"
    elif any(cell.layer for cell in plan.cells.values()):
        given["layer"] = json.dumps(next(cell.layer for cell in plan.cells.values() if cell.layer))
    options = {cell.method: cell.options for cell in plan.cells.values() if cell.options}
    if options:
        given["options"] = f"options.get({given['method']}, ())"
    lists = [
        f"{axis.name} = {_list(axis, values, model)}"
        for axis, values in ((plan.rows, plan.row_values), (plan.columns, plan.column_values))
    ]
    if options:
        lists.append(f"options = {options!r}")
    arguments = ", ".join(f"{name}={value}" for name, value in given.items())
    rows, columns = (f"    for {variables[axis.name]} in {axis.name}" for axis in (plan.rows, plan.columns))
    return "\n".join(
        [
            *_opening([picture], model),
            *lists,
            "cells = [",
            f"    grid.Cell({arguments})",
            rows,
            columns,
            "]",
            *_closing(model),
        ]
    )


def lines_of_many(source: Source, cells: Sequence[Cell]) -> str:
    """The code that computes a page of photos."""
    first = cells[0]
    given = {"network": json.dumps(first.network), "method": json.dumps(first.method), "photo": "name"}
    if first.target is not None:
        given |= {"target": str(first.target), "label": json.dumps(first.label, ensure_ascii=False)}
    if first.layer:
        given["layer"] = json.dumps(first.layer)
    if first.options:
        given["options"] = repr(first.options)
    arguments = ", ".join(f"{name}={value}" for name, value in given.items())
    return "\n".join(
        [
            *_opening([source.photos[cell.photo] for cell in cells], source.model),
            f"cells = [grid.Cell({arguments}) for name in photos]",
            *_closing(source.model),
        ]
    )


def _opening(shown: Sequence[Picture], model: Model) -> list[str]:
    mine = [each for each in shown if each.name in pictures.uploads()]
    samples = [each.name for each in shown if each.name in pictures.samples()]
    names = ["grid", "images", *(["models"] if _policy(model) else [])]
    text = [*(["from pathlib import Path", ""] if mine else []), f"from explorer import {', '.join(names)}", ""]
    if samples:
        text.append(f"photos = {{name: images.samples()[name].open() for name in {json.dumps(samples)}}}")
    else:
        text.append("photos = {}")
    for each in mine:
        name = json.dumps(each.title, ensure_ascii=False)
        text.append(f"photos[{name}] = images.open_image(Path({name}).read_bytes())")
    return text


def _policy(model: Model) -> str:
    """The weights that must be asked for; empty where the best that can be had are meant."""
    return "random" if not model.weights.trained else ""


def _closing(model: Model) -> list[str]:
    how = ""
    if _policy(model):
        how = f', lambda slug: models.load(slug, "{_policy(model)}"), untrained=True'
    return [f"filled = list(grid.fill(cells, photos.__getitem__{how}))", "maps = [each.found for each in filled]"]


def _list(axis: Axis, values: Sequence[Any], model: Model) -> str:
    if axis.name == "classes":
        pairs = [f"({value}, {json.dumps(model.label(value), ensure_ascii=False)})" for value in values]
        return f"[{', '.join(pairs)}]"
    return json.dumps(values)
