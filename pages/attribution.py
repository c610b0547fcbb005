"""Why this class?"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images, palettes
from pages.shared import blocks, cache, heat_map, navigation, selection

if TYPE_CHECKING:
    from explorer.attribution import Attribution

navigation.guard()

blocks.complaints()
picture = selection.picture()
model = cache.network()
blocks.weights_note(model)


def choose_class() -> None:
    """A click on a bar."""
    selection.change(target=st.session_state["ranking"].chosen)


def npy(raw: np.ndarray) -> bytes:
    """The map as a NumPy file."""
    buffer = io.BytesIO()
    np.save(buffer, raw)
    return buffer.getvalue()


def png(found: Attribution, signed: bool) -> bytes:
    """The map over what the network saw, three times as large."""
    over = palettes.signed_overlay(found.seen, found.signed) if signed else palettes.overlay(found.seen, found.heatmap)
    height, width, _ = over.shape
    return images.encode_png(Image.fromarray(over).resize((3 * width, 3 * height), Image.Resampling.BICUBIC))


def below(found: Attribution, signed: bool) -> None:
    """Downloads, and the numbers before anything was enlarged."""
    stem = blocks.file_stem(model, found.layer, found.label)
    with st.container(horizontal=True):
        for label, data, ending, mime in (
            ("Overlay as PNG", lambda: png(found, signed), "png", "image/png"),
            ("Raw map as NPY", lambda: npy(found.raw), "npy", "application/octet-stream"),
        ):
            st.download_button(
                label, data, f"{stem}.{ending}", mime, on_click="ignore", type="tertiary", icon=":material/download:"
            )
    numbers = st.expander("The map's own numbers", icon=":material/grid_on:", key="raw-map", on_change="rerun")
    if numbers.open:
        from explorer.figures.attribution import raw_map

        with numbers:
            st.plotly_chart(raw_map(found), key="raw-map-figure", config={"displayModeBar": False})
            st.caption(
                f"Grad-CAM at {found.layer} before anything is rectified or enlarged: channels weighted by the mean "
                "gradient of the class's logit (Selvaraju et al. 2017, equations 1 and 2)."
            )


@st.fragment
@blocks.kindly()
def explain() -> None:
    """Controls, ranking and map; a change here reruns nothing else."""
    from explorer import activations, attribution, predict

    logits = cache.logits(model, picture).result
    best = {each.index: each for each in predict.ranked(model, logits)}
    layers = {layer.name: layer for layer in attribution.valid_layers(model)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = selection.select(
            "Class",
            "target",
            [*best, *(index for index in range(len(logits)) if index not in best)],
            default=next(iter(best)),
            format_func=lambda index: (
                f"{model.label(index)}  ·  {blocks.percent(best[index].probability)}"
                if index in best
                else model.label(index)
            ),
            filter_mode="contains",
            width=340,
        )
        layer = selection.select(
            "Layer",
            "layer",
            list(layers),
            default=activations.default_layer(model).name,
            format_func=lambda name: f"{name}  ·  {blocks.shape(layers[name])}",
            filter_mode="contains",
            width=340,
        )
        sign = blocks.choice("Evidence", {"for": "For the class", "both": "For and against"}, "evidence-sign")
    timed = cache.attribution(model, picture, "grad_cam", target, layer)
    found, signed = timed.result, sign == "both"
    left, right = st.columns([1, 3], gap="large")
    with left:
        heat_map.rank(model, logits, target, "ranking", choose_class)
    with right:
        heat_map.draw(found, "heat", signed=signed)
        answer = f"{found.label} {blocks.percent(found.probability)} (logit {found.logit:.2f})"
        blocks.caption(model, "Grad-CAM", found.layer, answer, seconds=timed.seconds)
        below(found, signed)
    selection.write_link(in_fragment=True)


explain()
