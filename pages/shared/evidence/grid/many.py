"""Many photos: one method and one network over all of the visitor's photos and the bundled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.shared import blocks, cache, pictures
from pages.shared.components.evidence_grid import Shown, evidence_grid
from pages.shared.evidence.grid import axes, keeping, opening, running
from pages.shared.evidence.grid.asking import Source
from pages.shared.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlit.delta_generator import DeltaGenerator

    from explorer.grid import Cell
    from explorer.models import Model
    from explorer.predict import Prediction
    from pages.shared.evidence.grid.cache import Tile
    from pages.shared.pictures import Picture

PAGE = 24
_KEY, _THUMBNAIL = "evidence-wall", 160  # px, the size that the sidebar has already


def draw(picture: Picture, model: Model, bar: DeltaGenerator) -> None:
    """Controls in ``bar``, the photos by probability, what to keep."""
    from explorer.attribution import METHODS

    logits = cache.logits(model, picture).result
    with bar:
        method = axes.fixed_method(model)
        target = axes.fixed_class(model, logits, "Each photo's own first answer")
        layer = axes.fixed_layer(model, method) if METHODS[method].needs_layer else None
        about = st.empty()
    source = Source(model, photos(model))
    cells = {name: _cell(model, name, method, target, layer) for name in source.photos}
    page = _page(len(cells), about)
    moment, slot = st.empty(), running.place()
    order, tiles, work = _state(source, cells, target, page)
    for _ in range(2):  # the answers decide which maps are on this page
        if not running.begins(work):
            break
        with moment:
            running.at_once(work)
        order, tiles, work = _state(source, cells, target, page)
    go = running.offer(work, slot)
    _show(source, {name: cells[name] for name in order}, tiles, target)
    keeping.of_many(source, [cells[name] for name in order], tiles, METHODS[method].title)
    if go is not None:
        go()


def photos(model: Model) -> dict[str, Picture]:
    """What the network was made to look at: the visitor's pictures, newest first, and the bundled ones."""
    mine = reversed(pictures.uploads().values())
    all_of_them = [*mine, *pictures.samples().values()]
    return {each.name: each for each in all_of_them if each.subject in ("", model.card.subject)}


def _cell(model: Model, name: str, method: str, target: int | None, layer: str | None) -> Cell:
    from explorer.grid import Cell

    label = "" if target is None else model.label(target)
    return Cell(model.card.slug, method, name, target, label, layer, axes.options_of(model, method, layer))


def _page(count: int, slot: DeltaGenerator) -> int:
    pages = [(start, min(start + PAGE, count)) for start in range(0, count, PAGE)]
    if len(pages) < 2:
        return 0
    if st.session_state.get("grid-page", 0) >= len(pages):
        st.session_state["grid-page"] = 0
    page: int = slot.selectbox(
        "Photos",
        list(range(len(pages))),
        format_func=lambda number: f"{pages[number][0] + 1} to {pages[number][1]} of {count}",
        key="grid-page",
        persist_state="session",
        filter_mode=None,
        width=170,
    )
    return page


def _answer(source: Source, name: str, target: int | None) -> Prediction | None:
    """What the network says of the class, or the photo's own first one; None if nobody has asked it yet."""
    from explorer import predict

    values = source.answer(name)
    if values is None:
        return None
    return predict.of_class(source.model, values, int(np.argmax(values)) if target is None else target)


def _state(
    source: Source, cells: dict[str, Cell], target: int | None, page: int
) -> tuple[list[str], dict[Cell, Tile], running.Work]:
    """The page's photos, most probable first; what is known of them; what is missing, answers of all photos first."""
    found = {name: answer.probability for name in cells if (answer := _answer(source, name, target)) is not None}
    unasked = [name for name in cells if name not in found]
    ranked = sorted(cells, key=lambda name: found.get(name, -1.0), reverse=True)
    order = ranked[PAGE * page : PAGE * (page + 1)]
    tiles = {cells[name]: tile for name in order if (tile := source.known(cells[name])) is not None}
    missing = [cells[name] for name in order if cells[name] not in tiles]
    costs = source.cost(missing)
    passes, bound = source.passes(missing)
    asking = [source.pace + source.opening(name) for name in unasked]
    drawing = [costs[cell] + source.opening(cell.photo) for cell in missing]

    def steps(told: running.Told, stopped: running.Stopped) -> Iterator[object]:
        if not unasked:
            yield from source.fill(missing, told, stopped)
        for name in unasked:
            if stopped():
                return
            source.ask(name)
            yield name

    work = running.Work(
        key="grid-many",
        question=(source.model.key, page, *((cell, source.photos[name].digest) for name, cell in cells.items())),
        weights=asking + drawing,
        total=len(cells) + len(order),
        noun="answers and maps",
        passes=len(unasked) + passes,
        bound=bound,
        steps=steps,
    )
    return order, tiles, work


def _show(source: Source, cells: dict[str, Cell], tiles: dict[Cell, Tile], target: int | None) -> None:
    shown = [_shown(source, name, tiles.get(cell), target) for name, cell in cells.items()]
    evidence_grid(
        shown,
        _KEY,
        lambda: opening.open_cell(_KEY, source, cells),
        spoken="Photos by probability",
    )
    done = [tile for tile in tiles.values() if tile.picture]
    words = ["Most probable first. Click a map to open it."]
    if any(tile.bright for tile in done):
        words.append("Scattered pixels are brightened here, so that they can be seen.")
    st.caption(" ".join(words))
    blocks.caption(source.model, f"{len(done)} maps", seconds=sum(tile.seconds for tile in done))


def _shown(source: Source, name: str, tile: Tile | None, target: int | None) -> Shown:
    photo = source.photos[name]
    if tile is not None and tile.reason:
        return Shown(name, reason=tile.reason, detail=photo.title)
    if tile is not None:
        words = _words(tile, target)
        spoken = f"{photo.title}: {tile.label} {percent(tile.probability)}. Open as one map."
        return Shown(name, tile.picture, words, photo.title, spoken=spoken)
    answer = _answer(source, name, target)
    words = "not asked yet" if answer is None else _words(answer, target)
    spoken = f"{photo.title}, no map yet. Open as one map."
    return Shown(name, pictures.thumbnail(photo, _THUMBNAIL), words, photo.title, spoken=spoken, pending=True)


def _words(answer: Prediction | Tile, target: int | None) -> str:
    """The line below a photo: its own first class is named, the one chosen for all is not."""
    share = percent(answer.probability)
    return f"{answer.label} {share}" if target is None else share
