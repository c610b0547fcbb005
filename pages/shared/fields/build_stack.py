"""Tab of the Receptive field page: a stack of windows of one's own, and how far its units see."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from explorer import catalogue, network_stacks, receptive_field, stacks
from explorer.network_stacks import OwnStack
from explorer.preprocessing import centre_crop
from explorer.stacks import Examined, Layer
from pages.shared import blocks, cache
from pages.shared.components.stack import stack
from pages.shared.text import count, plain

if TYPE_CHECKING:
    from pages.shared.pictures import Picture

_SIZES = list(range(8, 65))
_START = 32  # pixels: few enough to see each
_FIRST = "The guide's six layers"
_LAYERS = "build_stack-layers"  # what the visitor has made
_OWN = "build_stack-own"  # the network's stack that was taken last: (slug, OwnStack)
_WANTED = "build_stack-wanted"  # slug of a network whose stack is to be taken
_PRESET, _NETWORK, _SIZE = "build_stack-preset", "build_stack-network", "build_stack-size"


@st.fragment
@blocks.kindly()
def draw(picture: Picture) -> None:
    """Examples, the cone with its table, and what stacking saves."""
    st.markdown(
        "**Point at any cell**: what it reads lights up, down to the pixels of the photo. Then change a layer: how far "
        "do its units see now?"
    )
    layers = _chosen()
    pixels = _controls(layers)
    examined = stacks.examine(layers, pixels)
    stack(examined, pixels, _seen(picture, pixels), "build_stack", _change)
    st.caption(
        f"The photo is what a network with an input of {pixels} × {pixels} pixels sees of it; its row under the "
        "unit's centre is the lowest row of the cone. Square windows see as far along columns as along rows, so one "
        "cone stands for both. Pixels and units count from 0."
    )
    _savings(layers, examined)
    _code(layers)


def _chosen() -> tuple[Layer, ...]:
    """The layers to show; takes those of a network first, if the visitor asked for one."""
    slug = st.session_state.pop(_WANTED, None)
    if slug:
        with st.spinner(f"Tracing {catalogue.get(slug).title}", show_time=True):
            own = network_stacks.of_network(cache.graph(slug))
        st.session_state[_OWN] = (slug, own)
        st.session_state[_LAYERS], st.session_state[_SIZE] = own.layers, own.pixels
    layers: tuple[Layer, ...] = st.session_state.setdefault(_LAYERS, stacks.PRESETS[_FIRST])
    return layers


def _change(layers: tuple[Layer, ...]) -> None:
    st.session_state[_LAYERS] = layers


def _own() -> tuple[str, OwnStack] | None:
    own: tuple[str, OwnStack] | None = st.session_state.get(_OWN)
    return own


def _controls(layers: tuple[Layer, ...]) -> int:
    """Examples, a network's own stack and the size of the input; those that are shown are lit."""
    own = _own()
    st.session_state[_PRESET] = next((name for name, each in stacks.PRESETS.items() if each == layers), None)
    st.session_state[_NETWORK] = own[0] if own and own[1].layers == layers else None
    st.session_state.setdefault(_SIZE, _START)
    sizes = sorted({*_SIZES, own[1].pixels}) if own else _SIZES
    st.pills("Examples", list(stacks.PRESETS), key=_PRESET, on_change=_take_preset)
    left, right = st.columns(2, gap="medium")
    with left:
        st.selectbox(
            "A network's own",
            list(catalogue.titles()),
            index=None,
            key=_NETWORK,
            format_func=catalogue.titles().__getitem__,
            filter_mode="contains",
            placeholder="Choose a network",
            on_change=_take_network,
            help="All windows that slide in it, along the path from the image on which a unit comes to see most.",
        )
    with right:
        pixels: int = st.select_slider(
            "Input size",
            sizes,
            key=_SIZE,
            persist_state="session",
            format_func=lambda size: f"{size} px",
            help="Pixels along one side. A network's own size joins the scale once its stack is taken.",
        )
    if own and st.session_state[_NETWORK]:
        st.caption(f"**{plain(catalogue.get(own[0]).title)}**, {_story(own[1])}")
    return pixels


def _story(own: OwnStack) -> str:
    field = f"as far as {plain(own.end)}, whose units see {own.field.size:,} px. " if own.end else ""
    uneven = any(layer.extra for layer in own.layers)
    return (
        f"{field}{own.note} "
        + ("+1 after a padding: one more pixel at the far end than before the first. " if uneven else "")
        + ("Runs of 1 × 1 convolutions are one row." if any(" to " in layer.name for layer in own.layers) else "")
    )


def _take_preset() -> None:
    if st.session_state[_PRESET]:
        _begin(st.session_state[_PRESET])


def _take_network() -> None:
    if st.session_state[_NETWORK]:
        st.session_state[_WANTED] = st.session_state[_NETWORK]
    else:
        _begin(_FIRST)


def _begin(name: str) -> None:
    """Starts again from an example."""
    st.session_state[_LAYERS] = stacks.PRESETS[name]
    st.session_state.pop(_OWN, None)
    if st.session_state[_SIZE] not in _SIZES:
        st.session_state[_SIZE] = _START


def _seen(picture: Picture, pixels: int) -> bytes:
    """The square of the photo that a network with such an input would see; small ones without loss."""
    buffer = io.BytesIO()
    square = centre_crop(pixels).view(picture.open())
    if pixels <= _SIZES[-1]:
        square.save(buffer, "PNG")
    else:
        square.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


_SIDE = 56  # of the map on which MACs are counted
_NUMBERS = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}


def _savings(layers: Sequence[Layer], examined: Sequence[Examined]) -> None:
    """Small kernels stacked against a large one that sees as far."""
    st.markdown("**Why stack small kernels?** They see as far as one large kernel, with fewer weights.")
    channels = st.select_slider(
        "Channels C, into and out of every layer",
        [2**power for power in range(11)],
        64,
        key="build_stack-channels",
        persist_state="session",
    )
    rows = [
        ("Two 3 × 3", stacks.saving((3, 3), channels, side=_SIDE)),
        ("Three 3 × 3", stacks.saving((3, 3, 3), channels, side=_SIDE)),
    ]
    kernels = tuple(layer.kernel for layer in layers)
    plain_stack = len(layers) > 1 and all(layer.kind == "conv" and layer.stride == 1 for layer in layers)
    field = examined[-1].field if examined else None
    if plain_stack and field and kernels not in ((3, 3), (3, 3, 3)):
        rows.append(("Your stack", stacks.saving(kernels, channels, side=_SIDE, field=field.size)))
    with st.container(horizontal=True):
        for name, each in rows:
            st.metric(
                f"Weights: {name[0].lower()}{name[1:]} against one {each.single} × {each.single}",
                f"{abs(each.saved):.0%} {'fewer' if each.saved >= 0 else 'more'}".replace("%", " %"),
                f"{each.weights // channels**2} C² against {each.single_weights // channels**2} C²",
                delta_color="off",
                delta_arrow="off",
                width="content",
            )
    lines = [
        f"| | Weights | Biases | MACs, map of {_SIDE} × {_SIDE} |",
        "|---|--:|--:|--:|",
    ]
    for name, each in rows:
        lines.append(f"| {name} | {each.weights:,} | {each.biases:,} | {count(each.macs)} |")
        one = f"One {each.single} × {each.single}"
        lines.append(f"| {one} | {each.single_weights:,} | {each.single_biases:,} | {count(each.single_macs)} |")
    st.markdown("\n".join(lines))
    st.caption(
        "Stride 1 and padding that keeps the size. MACs, multiply-accumulates, shrink as the weights do: each weight "
        "works once at every position. And between two small ones there is room for one more activation."
        + ("" if plain_stack else " With convolutions of stride 1 alone, your own stack is counted here too.")
    )


def _code(layers: Sequence[Layer]) -> None:
    settings = [(each.kernel, each.stride, each.padding, each.dilation) for each in layers]
    listed = textwrap.fill(", ".join(map(str, settings)), 96, break_long_words=False)
    text = f"[{listed}]" if "\n" not in listed else "[\n" + textwrap.indent(listed, "    ") + "\n]"
    last = receptive_field.stack(settings)[-1:]
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(
            "from explorer import receptive_field\n\n"
            "# (kernel, stride, padding, dilation) of each layer\n"
            f"receptive_field.stack({text})" + (f"[-1]\n# {last[0]}" if last else ""),
            language="python",
        )
        st.caption(
            "The guide's `calculate_receptive_field` takes (kernel, stride, dilation): padding moves a field, it does "
            "not change its size."
        )
