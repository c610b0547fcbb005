"""The only caches of results. A key is content: the photo's hash, the network's key, every option.

Results are frozen and shared between visitors as they are; nothing is copied.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from explorer import catalogue, images
from explorer.errors import ExplorerError
from pages.shared import selection, sidebar
from pages.shared.pictures import Picture, by_digest

if TYPE_CHECKING:
    import numpy as np

    from explorer.activations import FeatureMaps
    from explorer.attention import Survey
    from explorer.attribution import Attribution
    from explorer.comparison import Profile
    from explorer.effective import EffectiveField
    from explorer.evaluate import Results
    from explorer.exemplars import Exemplar
    from explorer.graph import Graph
    from explorer.graph.values import Values
    from explorer.intervention import Block
    from explorer.intervention.changes import Kind
    from explorer.measures import Summary
    from explorer.models import Model
    from explorer.surgery import Operated

T = TypeVar("T")


@dataclass(frozen=True)
class Timed(Generic[T]):
    """A result and how long it took to compute, in seconds (not to find it in the cache)."""

    result: T
    seconds: float


def _key(model: Model) -> str:
    return model.key


BY_CONTENT: dict[str | type[Any], Callable[[Any], Any]] = {Picture: by_digest, "explorer.models.Model": _key}


def network() -> Model:
    """The selected network, loaded; shows progress while a file is being fetched.

    Where the chosen weights cannot be had, one sentence is shown and the page goes on with random ones.
    """
    chosen = selection.current()
    card = catalogue.get(chosen.network)
    bar = st.empty()

    def progress(done: int, total: int) -> None:
        share = done / total if total else 0.0
        amount = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
        bar.progress(min(share, 1.0), f"Fetching the weights of {card.title}: {amount}")

    with st.spinner(f"Loading {card.title}", show_time=True):
        from explorer import activations, devices, models

        try:
            model = models.load(chosen.network, chosen.weights, chosen.device, progress=progress)
        except ExplorerError as error:
            model = models.load(chosen.network, "random").noted(str(error))
        layers = activations.layers(model)
        if chosen.layer and chosen.layer not in {layer.name for layer in layers}:
            layers = activations.nodes(model)  # perhaps a step between layers; to know them takes tracing
    bar.empty()
    selection.fit(card.title, layers, len(model.classes))
    sidebar.complete(model, {name: devices.describe(name) for name in devices.available()})
    return model


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs=BY_CONTENT)
def logits(model: Model, picture: Picture) -> Timed[np.ndarray]:
    """The network's last layer for the photo."""
    from explorer import predict

    start = time.perf_counter()
    return Timed(predict.logits(model, picture.open()), time.perf_counter() - start)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_CONTENT)
def feature_maps(model: Model, picture: Picture, layer: str) -> Timed[FeatureMaps]:
    """One layer's maps; 16 entries, since the largest (EfficientNet-B7's first expansion) takes 70 MB."""
    from explorer import activations

    start = time.perf_counter()
    maps = activations.feature_maps(model, picture.open(), [layer])[layer]
    return Timed(maps, time.perf_counter() - start)


def attribution(
    model: Model,
    picture: Picture,
    method: str,
    target: int | None,
    layer: str | None,
    against: int | None = None,
    *,
    options: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Timed[Attribution]:
    """One map of evidence; see `attribution.attribute`. One that can be stopped makes nobody wait who asks the same."""
    from explorer import attribution as methods

    chosen = options or {}

    def draw() -> Timed[Attribution]:
        start = time.perf_counter()
        found = methods.attribute(
            model,
            picture.open(),
            method,
            target,
            layer,
            against=against,
            progress=progress,
            cancelled=cancelled,
            **chosen,
        )
        return Timed(found, time.perf_counter() - start)

    question = (model, picture, method, target, layer, against, _written(method, chosen))
    if cancelled is None:
        return _attribution(*question, draw)
    known = known_attribution(model, picture, method, target, layer, against, options=options)
    if known is None:
        drawn = draw()
        known = _attribution(*question, lambda: drawn)
    return known


def known_attribution(
    model: Model,
    picture: Picture,
    method: str,
    target: int | None,
    layer: str | None,
    against: int | None = None,
    *,
    options: Mapping[str, object] | None = None,
) -> Timed[Attribution] | None:
    """The map if it has been drawn already, by any visitor."""
    try:
        return _attribution(model, picture, method, target, layer, against, _written(method, options or {}), _unknown)
    except _Unknown:
        return None


class _Unknown(Exception):
    """Nothing is kept under this key; what raises is not kept either."""


def _unknown() -> Timed[Attribution]:
    raise _Unknown


def _written(method: str, options: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """Options in one order, without those that say what is usual."""
    from explorer import attribution as methods

    usual = methods.METHODS[method].options if method in methods.METHODS else {}
    return tuple(sorted((name, value) for name, value in options.items() if name not in usual or usual[name] != value))


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def _attribution(
    model: Model,  # noqa: ARG001
    picture: Picture,  # noqa: ARG001
    method: str,  # noqa: ARG001
    target: int | None,  # noqa: ARG001
    layer: str | None,  # noqa: ARG001
    against: int | None,  # noqa: ARG001
    options: tuple[tuple[str, object], ...],  # noqa: ARG001
    _draw: Callable[[], Timed[Attribution]],
) -> Timed[Attribution]:
    return _draw()


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def unavailable(model: Model) -> dict[str, str]:
    """Why some methods say nothing about a network, by method; those that do are not in it."""
    from explorer import attribution as methods

    reasons = {method: methods.availability(model, method) for method in methods.METHODS}
    return {method: reason for method, reason in reasons.items() if reason}


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def seen(model: Model, picture: Picture) -> bytes:
    """What the network sees of the photo, as a JPEG to lay maps over."""
    import io

    buffer = io.BytesIO()
    model.preprocessing.view(picture.open()).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def depths(model: Model, picture: Picture) -> tuple[tuple[str, tuple[int, ...], int, bytes], ...]:
    """The photo at each resolution: (layer, shape, channel of most contrast, PNG of it), from fine to coarse."""
    import numpy as np
    from PIL import Image

    from explorer import activations, atlas, palettes

    chosen = activations.resolutions(model)
    maps = activations.feature_maps(model, picture.open(), [layer.name for layer in chosen])
    found = []
    for layer in chosen:
        channel = int(maps[layer.name].contrast.argmax())
        level = atlas.quantise(maps[layer.name], np.array([channel])).levels[0]
        tile = Image.fromarray(palettes.SEQUENTIAL[level])
        enlarged = tile.resize((224, 224), Image.Resampling.NEAREST)
        found.append((layer.name, layer.shape, channel, images.encode_png(enlarged)))
    return tuple(found)


@st.cache_resource(show_spinner=False, max_entries=64)
def graph(slug: str) -> Graph:
    """The graph of a card's network at its own input size; needs no weights."""
    from explorer.graph import trace

    card = catalogue.get(slug)
    return trace(card.unfilled(), (1, card.channels, card.input_size, card.input_size))


@st.cache_resource(show_spinner=False, max_entries=32)
def exhibit(family: str, index: int) -> Graph:
    """The graph of a family's block."""
    from explorer import exhibits

    return exhibits.graph(exhibits.EXHIBITS[family][index])


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_CONTENT)
def milliseconds(model: Model, picture: Picture) -> dict[str, float]:
    """How long each layer takes, measured once."""
    from explorer import measures

    return measures.milliseconds(model, picture.open())


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def summaries(model: Model, picture: Picture) -> dict[str, Summary]:
    """Every layer's output for the photo in six numbers."""
    from explorer import measures

    return measures.summaries(model, picture.open())


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs=BY_CONTENT)
def strongest(model: Model, picture: Picture, layer: str, count: int) -> tuple[tuple[int, bytes], ...]:
    """The channels of a layer that answer most strongly: (channel, PNG), strongest first."""
    import numpy as np
    from PIL import Image

    from explorer import atlas, palettes

    maps = feature_maps(model, picture, layer).result
    chosen = atlas.order(maps, "strength")[:count]
    levels = atlas.quantise(maps, np.asarray(chosen)).levels
    tiles = [
        Image.fromarray(palettes.SEQUENTIAL[level]).resize((112, 112), Image.Resampling.NEAREST) for level in levels
    ]
    return tuple((int(channel), images.encode_png(tile)) for channel, tile in zip(chosen, tiles, strict=True))


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def profile(model: Model, picture: Picture) -> Profile:
    """One network's column of a comparison; its time is measured once."""
    from explorer import comparison

    return comparison.profile(model, picture.open())


@st.cache_resource(show_spinner=False, max_entries=128, hash_funcs=BY_CONTENT)
def effective_field(model: Model, picture: Picture, layer: str, unit: tuple[int, int]) -> Timed[EffectiveField]:
    """How far one unit really looks on the photo."""
    from explorer import receptive_field

    start = time.perf_counter()
    found = receptive_field.effective(model, picture.open(), layer, unit)
    return Timed(found, time.perf_counter() - start)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def exemplars(model: Model, shown: tuple[Picture, ...], layer: str, channel: int) -> Timed[tuple[Exemplar, ...]]:
    """The patches that excite a channel most, among some pictures."""
    from explorer import exemplars as places

    start = time.perf_counter()
    found = places.find(model, (picture.open() for picture in shown), layer, channel)
    return Timed(found, time.perf_counter() - start)


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=BY_CONTENT)
def values(model: Model, picture: Picture) -> Values:
    """All numbers of a network for one photo, computed as they are asked for; 128 MB each at most, as a rule."""
    from explorer.graph.values import Values

    return Values(model, picture.open())


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_CONTENT)  # few: a copy keeps the weights alive
def operated(model: Model, cuts: tuple[tuple[int, bool, bool, int], ...]) -> Operated:
    """A network after surgery; cuts are (stride, remove, spread, dilation)."""
    from explorer import surgery

    chosen = {stride: surgery.Cut(remove, spread, dilation) for stride, remove, spread, dilation in cuts}
    return surgery.operate(model, chosen)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def attention_distances(model: Model, picture: Picture) -> np.ndarray:
    """How far each head looks, pixels: (blocks, heads)."""
    from explorer import attention

    return attention.distances(model, picture.open())


@st.cache_resource(show_spinner=False, max_entries=2)  # few: a million pictures take 200 MB
def evaluation(path: str, modified: int, size: int) -> Results:  # noqa: ARG001  # a file that changes is read again
    """What an evaluation has written."""
    from pathlib import Path

    from explorer import evaluate

    return evaluate.read(Path(path))


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_CONTENT)  # few: a copy keeps the weights alive
def intervened(model: Model, changes: tuple[tuple[str, tuple[int, ...] | None, float, Kind], ...]) -> Model:
    """The network with some of its parts switched off or scaled."""
    from explorer import intervention

    return intervention.intervened(model, [intervention.Intervention(*change) for change in changes])


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def residual_blocks(model: Model) -> tuple[Block, ...]:
    """The residual blocks that can be switched off."""
    from explorer import intervention

    return intervention.blocks(model)


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=BY_CONTENT)
def attention(model: Model, picture: Picture) -> Timed[Survey]:
    """All attention of a vision transformer for the photo; 22 MB for ViT-B/16, 60 MB for ViT-L/16."""
    from explorer import attention as listening

    start = time.perf_counter()
    return Timed(listening.survey(model, picture.open()), time.perf_counter() - start)
