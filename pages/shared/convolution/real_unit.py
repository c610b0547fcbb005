"""Tab of the Convolution page: one unit of a real network, every number accounted for, down to the photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.shared import blocks, cache, controls, selection
from pages.shared.components.account import account
from pages.shared.convolution import unit_account
from pages.shared.text import number, size

if TYPE_CHECKING:
    from explorer.activations import FeatureMaps
    from explorer.arithmetic.accounts import Account, Place
    from explorer.capture import Layer
    from explorer.graph.values import Values
    from explorer.models import Model
    from pages.shared.pictures import Picture

_KEY = "real-unit"
_TRAIL = "_real_unit_trail"
_Root = tuple[str, str, int, int, int]  # network, layer, channel, row, column


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """The unit's layer and channel above, its account below."""
    from explorer import activations
    from explorer.arithmetic import unit

    st.markdown(
        "One number of a real network, and every number it was made of. **Point at a bar** to see its products; click "
        "a number to follow it one layer down, as far as the pixels."
    )
    layers = {layer.name: layer for layer in activations.layers(model)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = layers[_layer(model, layers)]
        maps = cache.feature_maps(model, picture, layer.name).result
        channel, at = _unit(model, layer, maps)
    values = cache.values(model, picture)
    root = (model.key, layer.name, channel, *at)
    trail = _trail(root, unit.place_of(values, layer.name, channel, *at))
    accounts = unit.chain(values, trail[-1])
    header, blobs = _view(model, picture, values, trail, accounts)
    header["map"], blobs["map"] = _map(layer, maps, channel, at)
    account(header, _KEY, **_answers(values, root, trail, accounts[-1]), **blobs)
    blocks.caption(model, layer.name, f"channel {channel}", *([f"row {at[0]}, column {at[1]}"] * layer.spatial))
    _code(model, layer, channel, at)
    selection.write_link(in_fragment=True)


def _layer(model: Model, layers: dict[str, Layer]) -> str:
    name: str = controls.select(
        "Layer",
        "layer",
        list(layers),
        default=_opening(model, layers),
        format_func=lambda name: f"{name}  ·  {layers[name].kind}  ·  {size(layers[name].shape)}",
        filter_mode="contains",
        width=420,
        help="In the order in which they finish: parts first, then the block they form. Type to search.",
    )
    return name


def _opening(model: Model, layers: dict[str, Layer]) -> str:
    """The norm or activation behind a convolution with a window, half way down; else the middle of the network."""
    from explorer import activations, graph

    depths = activations.resolutions(model)
    middle = depths[len(depths) // 2].name
    traced = graph.of_model(model)
    nodes = {node.name: node for node in traced.nodes}
    before = list(layers)[: list(layers).index(middle) + 1]
    for name in reversed(before):
        node = nodes.get(name)
        while node is not None and node.operation.endswith(("ReLU", "ReLU6", "SiLU", "BatchNorm2d", "GELU")):
            node = nodes.get(node.inputs[0])
        kernel: Any = node.settings.get("kernel_size") if node is not None and node.name != name else None
        if node is not None and "Conv2d" in node.operation and kernel and max(kernel) > 1 and layers[name].spatial:
            return name
    return middle


def _inner(values: np.ndarray) -> np.ndarray:
    """The maps without their border, which is made partly of padding; small maps as they are."""
    return values[..., 2:-2, 2:-2] if min(values.shape[-2:]) > 8 else values


def _strongest(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the largest absolute value off the border; of equals (a ReLU6 stops at 6) the middlemost."""
    inner = np.abs(_inner(values))
    rows, columns = np.nonzero(inner >= inner.max())
    middle = (np.array(inner.shape) - 1) / 2
    best = int((np.abs(rows - middle[0]) + np.abs(columns - middle[1])).argmin())
    border = (np.array(values.shape) - inner.shape) // 2
    return int(rows[best] + border[0]), int(columns[best] + border[1])


def _unit(model: Model, layer: Layer, maps: FeatureMaps) -> tuple[int, tuple[int, int]]:
    """Channel, row and column: the selection's, or where the layer answers most strongly."""
    chosen = selection.current()
    channels, height, width = maps.values.shape
    known = chosen.layer == layer.name and chosen.channel is not None and chosen.channel < channels
    if known and chosen.channel is not None:
        channel = chosen.channel
    elif layer.shape == (len(model.classes),):
        channel = int(maps.values[:, 0, 0].argmax())
    else:
        channel = int(_inner(maps.values).std(axis=(1, 2), dtype=np.float64).argmax())
    row, column = _strongest(maps.values[channel])
    if known and chosen.unit and chosen.unit[0] < height and chosen.unit[1] < width:
        row, column = chosen.unit

    def keep() -> None:
        selection.change(layer=layer.name, channel=int(st.session_state[f"{_KEY}-channel"]), unit=None)

    st.session_state[f"{_KEY}-channel"] = channel
    st.number_input(
        f"Channel, 0 to {channels - 1:,}",
        0,
        channels - 1,
        step=1,
        key=f"{_KEY}-channel",
        on_change=keep,
        width=160,
        help=f"Class “{model.label(channel)}”." if layer.shape == (len(model.classes),) else None,
    )
    return channel, (row, column)


def _trail(root: _Root, place: Place) -> tuple[Place, ...]:
    """The numbers followed so far; another unit begins anew, another photo does not."""
    kept = st.session_state.get(_TRAIL)
    if kept is None or kept[0] != root or kept[1][0] != place:
        st.session_state[_TRAIL] = kept = (root, (place,))
    trail: tuple[Place, ...] = kept[1]
    return trail


def _answers(values: Values, root: _Root, trail: tuple[Place, ...], head: Account) -> dict[str, Any]:
    """What happens after each kind of click."""
    from explorer.arithmetic import unit

    _, layer, channel, row, column = root

    def onwards(places: tuple[Place, ...]) -> None:
        # A unit that the page had proposed becomes the visitor's own: another photo must not propose another one.
        selection.change(layer=layer, channel=channel, unit=(row, column))
        st.session_state[_TRAIL] = (root, places)

    def follow() -> None:
        clicked = st.session_state[_KEY].follow
        if clicked is None or clicked[0] != _id(values, trail):
            return
        part, which = int(clicked[1]), int(clicked[2])
        if 0 <= part < len(head.parts):
            place = head.parts.other(part) if which else head.parts.place(part)
            if place is not None:
                onwards((*trail, place))

    def back() -> None:
        to = st.session_state[_KEY].back
        if to is not None and 0 <= int(to) < len(trail):
            onwards(trail[: int(to) + 1])

    def walk() -> None:
        if st.session_state[_KEY].walk is not None:
            onwards((*trail, *unit.walk(values, trail[-1])))

    def choose() -> None:
        clicked = st.session_state[_KEY].unit
        if clicked is not None:
            selection.change(layer=layer, channel=channel, unit=(int(clicked[0]), int(clicked[1])))

    return {"on_follow": follow, "on_back": back, "on_walk": walk, "on_unit": choose}


def _id(values: Values, trail: tuple[Place, ...]) -> str:
    place = trail[-1]
    return f"{values.model.key}|{len(trail)}|{place.node}|{place.keys}|{place.index}"


def _view(
    model: Model, picture: Picture, values: Values, trail: tuple[Place, ...], accounts: tuple[Account, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    head = accounts[-1]
    shown, cells = unit_account.bars(values, head)
    square, looks = unit_account.box(values.graph, values, trail[-1])
    first, _ = unit_account.box(values.graph, values, trail[0])
    seen = cache.seen(model, picture)
    at_photo = head.rule == "pixel" and len(accounts) == 1
    header = {
        "id": _id(values, trail),
        "place": unit_account.label(values, trail[-1]),
        "trail": [unit_account.label(values, place) for place in trail],
        "chain": unit_account.steps(values, accounts),
        "value": number(accounts[0].value),
        "said": unit_account.said(head),
        "form": "plain" if head.rule in ("mean", "maximum", "sum", "product", "softmax", "norm", "response") else "sum",
        "window": "the window",
        "padded": bool((head.parts.flat < 0).any()) and head.rule not in ("sum", "product"),
        "other": head.parts.other_flat is not None and bool((head.parts.other_flat >= 0).any()),
        "walk": head.strongest >= 0,
        "photo": f"{model.key}|{picture.digest}",
        "box": square,
        "first": first if len(trail) > 1 else None,
        "looks": looks + (" Dashed: that of the unit where you began." if len(trail) > 1 and first else ""),
        "pixel": None,
        **shown,
    }
    if head.rule == "pixel":
        header["pixel"] = unit_account.pixel(values, head.place, np.asarray(model.preprocessing.view(picture.open())))
    if not at_photo and head.rule == "pixel":
        header["said"] = "Passed on unchanged from the photo."
    return header, {**cells, "photo": seen}


def _map(
    layer: Layer, maps: FeatureMaps, channel: int, at: tuple[int, int]
) -> tuple[dict[str, Any] | None, np.ndarray]:
    """The channel's map to choose another unit on; none for single numbers."""
    if not layer.spatial:
        return None, np.zeros(0, np.uint8)
    values = maps.values[channel]
    low, high = float(values.min()), float(values.max())
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    header = {
        "size": list(values.shape),
        "unit": list(at),
        "low": low,
        "high": high,
        "caption": f"{layer.name}, channel {channel}: click another unit.",
    }
    return header, np.rint(255 * share).astype(np.uint8)


def _code(model: Model, layer: Layer, channel: int, at: tuple[int, int]) -> None:
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(
            "from explorer import arithmetic, images, models\n\n"
            f'model = models.load("{model.card.slug}")\n'
            'image = images.open_image(open("photo.jpg", "rb").read())\n'
            f'unit = arithmetic.explain_unit(model, image, "{layer.name}", {channel}, {at[0]}, {at[1]})\n'
            "unit.channel_sums, unit.bias, unit.steps, unit.value",
            language="python",
        )
