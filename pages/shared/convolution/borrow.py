"""The first layer's kernels of a network on a sheet; the chosen one runs on what the network sees of the photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from explorer import catalogue
from explorer.errors import ExplorerError
from pages.shared import blocks, navigation, pictures, selection
from pages.shared.components.kernel_sheet import kernel_sheet
from pages.shared.convolution import filtered
from pages.shared.text import number, plain, size

if TYPE_CHECKING:
    from explorer.first_kernels import Borrowed, FirstKernels
    from explorer.models import Model
    from explorer.photo_filter import View
    from pages.shared.pictures import Picture

_NETWORK, _CHANNELS = "photo-network", "_photo_channels"
_STRIDES = {"own": "As the network", "dense": "Every pixel"}


def draw(picture: Picture, model: Model) -> None:
    """The choice of a network, its kernels, and what the chosen one answers."""
    from explorer import first_kernels

    st.markdown(
        "The kernels that a network learnt for its first layer. **Click one**: it runs on what the network sees of "
        "your photo. Point at either picture for the numbers."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        lender = _lender(model)
        dense, view = _controls()
    kernels = first_kernels.first_kernels(lender)
    if not lender.weights.trained:
        sentence = (
            f"{plain(lender.card.title)} runs with random weights: its kernels are noise and find nothing in "
            "particular. Those of the bundled EfficientNet-Lites and of LeNet-5 are trained."
        )
        if lender is model:  # the page has warned of it already
            st.caption(sentence)
        else:
            st.warning(f"{sentence} {lender.weights.note}", icon=":material/casino:")
    picture = _suited(picture, lender, model)
    chosen = _channel(lender, picture, kernels)
    kernel_sheet(
        f"{lender.key}|{kernels.layer}",
        kernels.levels,
        chosen,
        "photo-kernels",
        lambda channel: _keep(lender, channel),
    )
    result = first_kernels.borrowed(lender, picture.open(), chosen, 1 if dense else None)
    _window(picture, lender, kernels, result, view)
    _below(lender, kernels, result)


def _controls() -> tuple[bool, View]:
    stride = filtered.choice(
        "Stride",
        "photo-steps",
        _STRIDES,
        help="The network moves its window by more than a pixel to save work; every pixel (stride 1) shows more.",
    )
    return stride == "dense", filtered.view("photo-borrowed-view", ("signed", "absolute"))


def _lender(model: Model) -> Model:
    names = catalogue.titles()
    st.session_state.setdefault(_NETWORK, model.card.slug)
    if st.session_state.get("_photo_selected") != model.card.slug:  # the sidebar's network lends first
        st.session_state["_photo_selected"] = st.session_state[_NETWORK] = model.card.slug
    slug: str = st.selectbox(
        "Whose kernels",
        list(names),
        format_func=lambda name: names[name],
        filter_mode="contains",
        key=_NETWORK,
        persist_state="session",
        width=300,
        help="Any network can lend its kernels; the one in the sidebar stays selected.",
    )
    return model if slug == model.card.slug else _load(slug, model)


def _load(slug: str, model: Model) -> Model:
    from explorer import models

    bar = st.empty()

    def progress(done: int, total: int) -> None:
        amount = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
        bar.progress(min(done / total, 1.0) if total else 0.0, f"Fetching its weights: {amount}")

    with st.spinner(f"Loading {plain(catalogue.get(slug).title)}", show_time=True):
        try:
            return models.load(slug, "auto", str(model.device), progress=progress)
        except ExplorerError as error:
            return models.load(slug, "random", str(model.device)).noted(str(error))


def _suited(picture: Picture, lender: Model, model: Model) -> Picture:
    """The photo, or one that the lender can read: of the selected network the page has told already."""
    subject = lender.card.subject
    if lender is model or picture.subject in ("", subject):
        return picture
    other = pictures.find(pictures.default(subject))
    st.caption(f"{plain(lender.card.title)} knows {subject} only; it looks at “{plain(other.title)}” instead.")
    return other


def _channel(lender: Model, picture: Picture, kernels: FirstKernels) -> int:
    """The chosen kernel: what was clicked, else the selected channel of this layer, else the one that shows most."""
    from explorer import first_kernels

    kept: dict[str, int] = st.session_state.setdefault(_CHANNELS, {})
    if lender.key not in kept:
        current = selection.current()
        mine = current.network == lender.card.slug and current.layer == kernels.layer and current.channel is not None
        kept[lender.key] = int(current.channel or 0) if mine else first_kernels.strongest_kernel(lender, picture.open())
    return min(kept[lender.key], len(kernels.weights) - 1)


def _keep(lender: Model, channel: int) -> None:
    st.session_state.setdefault(_CHANNELS, {})[lender.key] = channel


def _window(picture: Picture, lender: Model, kernels: FirstKernels, result: Borrowed, view: View) -> None:
    header = {
        "id": f"{picture.digest}|{lender.key}|{result.channel}|{result.stride}|{view}",
        "subject": f"{picture.digest}|{lender.key}",
        "kind": "sum",
        "kernel": {"h": result.kernel.shape[1], "w": result.kernel.shape[2]},
        "biased": bool(kernels.bias.any()),
        "range": [float(result.values.min()), float(result.values.max())],
        "unit": "Pixels as the network reads them: less a mean, divided by a spread",
        "titles": {
            "photo": "What the network sees",
            "result": f"Channel {result.channel} of {result.layer}",
            "kernel": "Kernel",
        },
        "file": f"{blocks.file_stem(lender, result.layer, str(result.channel))}.png",
    }
    filtered.show(header, "photo-borrowed", result, view, picture.title)


def _below(lender: Model, kernels: FirstKernels, result: Borrowed) -> None:
    own = result.stride == kernels.stride
    sides = size(kernels.weights.shape[1:])
    blocks.caption(
        lender,
        f"{kernels.layer}: {len(kernels.weights)} kernels of {sides}",
        f"channel {result.channel}, bias {number(result.bias)}" if kernels.bias.any() else f"channel {result.channel}",
        f"stride {result.stride[0]}"
        + (", the network's own map" if own else f"; the network's own is {kernels.stride[0]}"),
    )
    st.caption(
        (
            "Each kernel is drawn about gray: brighter where a colour counts for it, darker where it counts against. "
            if len(result.pixels) == 3
            else "Red weights count for the answer, blue ones against. "
        )
        + "The map is what leaves this layer, before any norm or activation."
    )
    query = selection.current().to_query() | {"layer": kernels.layer, "channel": str(result.channel)}
    if lender.card.slug != selection.current().network:
        query.pop("weights", None)
        query["network"] = lender.card.slug
    st.page_link(
        navigation.page("feature_maps"),
        label=f"Channel {result.channel} among all of {plain(kernels.layer)}",
        icon=":material/grid_view:",
        query_params=query,
    )
    with st.expander("Code for this view", icon=":material/code:"):
        weights = "" if lender.weights.trained else ', weights="random"'
        st.code(
            "from explorer import first_kernels, models\n\n"
            f'model = models.load("{lender.card.slug}"{weights})\n'
            "first_kernels.first_kernels(model).weights  # float32 (kernels, colours, height, width)\n"
            f"first_kernels.borrowed(model, photo, channel={result.channel}{'' if own else ', stride=1'}).output[0]",
            language="python",
        )
