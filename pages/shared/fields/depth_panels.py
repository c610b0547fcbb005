"""Folded panels of the real network: how fields grow with depth, and a convolutional network beside a transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import catalogue
from pages.shared import cache
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.growth import Reach
    from explorer.models import Model
    from pages.shared.pictures import Picture

_CHART: dict[str, Any] = {"config": {"displayModeBar": False}}
_TRANSFORMERS = ("vit_b_32", "vit_b_16", "vit_l_16")


def growth(model: Model, picture: Picture) -> None:
    """What units could see and what they do, by depth; nothing is computed before it is opened."""
    panel = st.expander(
        "How both grow with depth", icon=":material/trending_up:", key="fields-growth", on_change="rerun"
    )
    if not panel.open:
        return
    from explorer.figures import fields

    with panel:
        depths = _depths(model, picture)
        side = model.preprocessing.crop
        st.plotly_chart(fields.growth(depths, side, model.card.family), key="fields-growth-chart", **_CHART)
        last = depths[-1]
        st.caption(
            plain(
                f"{model.card.title} · {model.weights.name} · the middle unit of {len(depths)} layers. Dashed: the "
                f"side of the square that it could see, no more than the photo's {side} px. Solid: the sides of the "
                f"squares that hold half and 90 % of its gradient; at {last.layer} {last.half} and {last.most} px."
            )
        )


def _depths(model: Model, picture: Picture) -> list[Reach]:
    """Measured one after the other, with a bar while it lasts."""
    from explorer import growth as sides

    chosen, bar, found = sides.layers(model), st.empty(), []
    for number, layer in enumerate(chosen):
        bar.progress(number / len(chosen), f"Measuring {layer.name}")
        _, height, width = layer.shape
        timed = cache.effective_field(model, picture, layer.name, (height // 2, width // 2))
        found.append(sides.reach(model, timed.result))
    bar.empty()
    return found


def beside_a_transformer(model: Model, picture: Picture) -> None:
    """A convolutional network's fields beside the distances of a transformer's heads."""
    panel = st.expander(
        "A convolutional network beside a vision transformer",
        icon=":material/compare_arrows:",
        key="fields-beside",
        on_change="rerun",
    )
    if not panel.open:
        return
    from explorer import attention, models
    from explorer.figures import fields

    with panel:
        own = attention.depth(model) > 0
        titles = {slug: catalogue.get(slug).title for slug in _TRANSFORMERS}
        chosen = model.card.slug
        if not own:
            chosen = st.segmented_control(
                "Vision transformer",
                list(titles),
                default=_TRANSFORMERS[0],
                required=True,
                format_func=titles.__getitem__,
                key="fields-vit",
                persist_state="session",
            )
        with st.spinner(f"Loading {catalogue.get(chosen).title} and measuring", show_time=True):
            transformer = model if own else models.load(chosen, _at_hand(chosen))
            network = models.load(catalogue.DEFAULT) if own else model
            distances = cache.attention_distances(transformer, picture)
        depths = _depths(network, picture)
        side = max(network.preprocessing.crop, transformer.preprocessing.crop)
        title, other = network.card.title, transformer.card.title
        figure = fields.beside(depths, title, network.card.family, distances, other, side)
        st.plotly_chart(figure, key="fields-beside-chart", **_CHART)
        if not transformer.weights.trained:
            st.warning(
                f"{other} has random weights here, so these are the distances of an untrained network: every head "
                "listens to all patches about alike. Trained weights are used once they have been fetched: choose "
                f"{other} in the sidebar.",
                icon=":material/casino:",
            )
        st.caption(
            plain(
                f"{title} · {network.weights.name} beside {other} · {transformer.weights.name}. A convolution sees a "
                "square that grows from layer to layer. Attention may look anywhere from the first block on, so what "
                "can be told apart is how far it looks: the distance from a patch to the others, weighted by the "
                "attention paid to them, averaged over patches (Dosovitskiy et al. 2020, figure 7). The class token "
                f"lies nowhere and is left out. First block {distances[0].min():.0f} to {distances[0].max():.0f} px, "
                f"last {distances[-1].min():.0f} to {distances[-1].max():.0f} px; alike to all patches would be "
                f"{_uniform(transformer):.0f} px."
            )
        )


def _uniform(transformer: Model) -> float:
    """The distance of a head that listens to every patch alike, pixels."""
    import numpy as np

    from explorer import attention

    patch = transformer.module.patch_size
    assert isinstance(patch, int)
    tokens = (transformer.preprocessing.crop // patch) ** 2 + 1
    alike = np.full((1, tokens, tokens), 1 / tokens)
    return float(attention.distance(alike, transformer.preprocessing.crop)[0])


def _at_hand(slug: str) -> str:
    """Which weights need no download: trained ones that have been fetched, else random ones."""
    from explorer import weight_files

    entry = weight_files.official(catalogue.get(slug))
    return "pretrained" if entry is not None and weight_files.cached(entry) is not None else "random"
