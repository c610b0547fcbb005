"""Between a grid's cells and the networks that answer them: what is known, what the rest will cost, the work itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from explorer import catalogue, palettes
from explorer.errors import Cancelled, ExplorerError
from pages.shared import cache as shared
from pages.shared.evidence.asked import pace, visible
from pages.shared.evidence.grid import cache
from pages.shared.evidence.grid.cache import Tile

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Effort
    from explorer.grid import Cell
    from explorer.models import Model
    from pages.shared.pictures import Picture

_LOADED = "_grid_networks"
_LOADING = 0.4  # seconds, from a disk
_OPENING = 2.5e-8  # seconds to decode a byte of an upload's PNG
_SIDE = 224  # px
Told = Callable[[float], None]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Network:
    """What stays known of a network that may have left memory."""

    key: str
    trained: bool
    note: str


@dataclass(frozen=True)
class Source:
    """The selected network, and the photos by name."""

    model: Model
    photos: Mapping[str, Picture]

    def network(self, slug: str) -> Network | None:
        """None if this session has not loaded it."""
        if slug == self.model.card.slug:
            return Network(self.model.key, self.model.weights.trained, self.model.weights.note)
        loaded: dict[tuple[str, str], Network] = st.session_state.setdefault(_LOADED, {})
        return loaded.get((slug, str(self.model.device)))

    def open(self, slug: str, stopped: Stopped) -> Model:
        """The selected network as it is, others with the best weights that can be had."""
        if slug == self.model.card.slug:
            return self.model
        from explorer import models

        def progress(*_: int) -> None:
            if stopped():
                raise Cancelled("Stopped while weights were on their way.")

        device = str(self.model.device)
        try:
            model = models.load(slug, "auto", device, progress=progress)
        except Cancelled:
            raise
        except ExplorerError as error:
            model = models.load(slug, "random", device).noted(str(error))
        found = Network(model.key, model.weights.trained, model.weights.note)
        st.session_state.setdefault(_LOADED, {})[slug, device] = found
        return model

    def known(self, cell: Cell) -> Tile | None:
        """The computed cell; None if nobody has computed it yet."""
        network = self.network(cell.network)
        if network is None:
            return None
        try:
            return cache.tile(network.key, self.photos[cell.photo].digest, _question(cell), cache.unknown)
        except cache.Unknown:
            return None

    def answer(self, name: str) -> np.ndarray | None:
        """The selected network's logits for a photo; None if nobody has asked it yet."""
        try:
            return cache.answer(self.model.key, self.photos[name].digest, cache.unknown_answer)
        except cache.Unknown:
            return None

    def ask(self, name: str) -> None:
        """Asks the selected network about a photo."""
        photo = self.photos[name]
        cache.answer(self.model.key, photo.digest, lambda: shared.logits(self.model, photo).result)

    def effort(self, cell: Cell) -> Effort:
        """What a cell takes; of other networks, the selected one tells about."""
        from explorer import attribution

        try:
            found = attribution.effort(self.model, cell.method, cell.layer, **dict(cell.options))
        except ExplorerError:  # it will be refused
            return attribution.Effort(0, 0.0)
        if found.bound and cell.network != self.model.card.slug:
            return replace(found, bound="about")
        return found

    def passes(self, cells: Iterable[Cell]) -> tuple[int, str]:
        """How many passes cells take, and the word before that where it is not known beforehand."""
        efforts = [self.effort(cell) for cell in cells]
        bounds = {each.bound for each in efforts}
        bound = "about" if "about" in bounds else "at most" if "at most" in bounds else ""
        return sum(each.passes for each in efforts), bound

    @property
    def pace(self) -> float:
        """Seconds of one pass through the selected network."""
        return pace(self.model, next(iter(self.photos.values())))

    def cost(self, cells: Iterable[Cell]) -> dict[Cell, float]:
        """About how many seconds each cell takes, and the loading of its network with the first one."""
        costs, loading = {}, set()
        own = self.pace
        for cell in cells:
            one = own * _work(cell.network) / _work(self.model.card.slug)
            extra = 0.0
            if self.network(cell.network) is None and cell.network not in loading:
                loading.add(cell.network)
                extra = _LOADING
            costs[cell] = self.effort(cell).work * one + extra
        return costs

    def opening(self, name: str) -> float:
        """About how many seconds it takes to decode a photo."""
        return _OPENING * len(self.photos[name].data)

    def fill(self, cells: Iterable[Cell], told: Told, stopped: Stopped) -> Iterator[Cell]:
        """Computes cells and keeps them; yields each that is done. ``told`` hears which share of the present one is."""
        from explorer import grid

        def explain(model: Model, _: Image.Image, cell: Cell) -> Attribution:
            return _explain(model, self.photos[cell.photo], cell, told, stopped)

        for filled in grid.fill(
            cells,
            lambda name: self.photos[name].open(),
            lambda slug: self.open(slug, stopped),
            explain=explain,
            cancelled=stopped,
            untrained=not self.model.weights.trained,
        ):
            cell, made = filled.cell, Tile(filled.reason)
            if filled.found is not None:
                made = _tile(filled.found, filled.seconds)
            network = self.network(cell.network)
            if network is not None:
                cache.tile(network.key, self.photos[cell.photo].digest, _question(cell), partial(_same, made))
            yield cell


def _same(made: Tile) -> Tile:
    return made


def _explain(model: Model, photo: Picture, cell: Cell, told: Told, stopped: Stopped) -> Attribution:
    """Asks just as One map does, so that a cell that is opened there is known."""
    from explorer import activations
    from explorer.attribution import METHODS

    target, layer = cell.target, cell.layer
    if target is None:
        target = int(shared.logits(model, photo).result.argmax())
    if METHODS[cell.method].needs_layer and layer is None:
        layer = activations.default_layer(model).name
    return shared.attribution(
        model,
        photo,
        cell.method,
        target,
        layer,
        options=dict(cell.options),
        progress=lambda done, total: told(done / total),
        cancelled=stopped,
    ).result


def _question(cell: Cell) -> cache.Question:
    return (cell.method, cell.target, cell.label, cell.layer, cell.options)


def _work(slug: str) -> float:
    """Multiply-accumulates, as far as they are published; only their ratio counts."""
    from explorer import published

    found = published.best(slug)
    usual = 400e6  # EfficientNet-Lite0's
    return float((found.macs if found else None) or (1e6 if catalogue.get(slug).subject == "digits" else usual))


def _tile(found: Attribution, seconds: float) -> Tile:
    bright = visible(found.heatmap)
    drawn = Image.fromarray(palettes.overlay(found.seen, bright))
    drawn.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    if max(drawn.size) < _SIDE // 2:  # LeNet-5 sees 32 pixels: a browser would blur them
        factor = _SIDE // max(drawn.size)
        drawn = drawn.resize((drawn.width * factor, drawn.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=88, subsampling=0)
    return Tile(
        "",
        buffer.getvalue(),
        found.raw,
        found.target,
        found.label,
        found.layer,
        found.probability,
        bright is not found.heatmap,
        seconds,
    )
