"""Why this class?"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.shared import blocks, cache, controls, heat_map, navigation, selection
from pages.shared.text import number, percent, plain, size

if TYPE_CHECKING:
    from explorer.attribution import Attribution

navigation.guard()

picture, model = blocks.subject()


def choose_class() -> None:
    """A click on a bar."""
    selection.change(target=st.session_state["ranking"].chosen)


def npy(raw: np.ndarray) -> bytes:
    """The map as a NumPy file."""
    buffer = io.BytesIO()
    np.save(buffer, raw)
    return buffer.getvalue()


def below(found: Attribution, stem: str) -> None:
    """The numbers before anything was enlarged, to see and to keep."""
    st.download_button(
        "Raw map as NPY",
        lambda: npy(found.raw),
        f"{stem}.npy",
        "application/octet-stream",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help="The map at the layer's own resolution, as a NumPy array, both signs, before enlarging.",
    )
    numbers = st.expander("The map's own numbers", icon=":material/grid_on:", key="raw-map", on_change="rerun")
    if numbers.open:
        from explorer.figures.attribution import raw_map

        with numbers:
            st.plotly_chart(raw_map(found), key="raw-map-figure", config={"displayModeBar": False})
            st.caption(
                f"Grad-CAM at {plain(found.layer)} before anything is cut off or enlarged: the layer's channels, each "
                "weighted by how much the class's logit rises with it on average, added up "
                "(Selvaraju et al. 2017, equations 1 and 2)."
            )


@st.fragment
@blocks.kindly()
def explain() -> None:
    """Controls, ranking and map; a change here reruns nothing else."""
    from explorer import activations, attribution, predict

    logits = cache.logits(model, picture).result
    best = {each.index: each for each in predict.ranked(model, logits)}
    layers = {layer.name: layer for layer in attribution.valid_layers(model)}

    def class_title(index: int) -> str:
        share = f"  ·  {percent(best[index].probability)}" if index in best else ""
        return f"{model.label(index)}{share}  ·  {index}"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = controls.select(
            "Class",
            "target",
            [*best, *(index for index in range(len(logits)) if index not in best)],
            default=next(iter(best)),
            format_func=class_title,
            filter_mode="contains",
            width=340,
            help="Any class, found by its name or number. The question is always: what speaks for this one?",
        )
        layer = controls.select(
            "Layer",
            "layer",
            list(layers),
            default=activations.default_layer(model).name,
            format_func=lambda name: f"{name}  ·  {size(layers[name].shape)}",
            filter_mode="contains",
            width=340,
            help="Where the evidence is read: channels × height × width. Late layers know objects, early ones edges.",
        )
        evidence = controls.choose(
            "Evidence",
            "evidence",
            selection.EVIDENCE,
            help="Places that raise the class's logit (its score before percentages), or also those that lower it.",
        )
    if selection.current().layer not in ("", layer):
        st.caption(
            f"{plain(selection.current().layer)} has a single position, so there is no *where* in it; {layer} is shown."
        )
    timed = cache.attribution(model, picture, "grad_cam", target, layer)
    found, stem = timed.result, blocks.file_stem(model, layer, model.label(target))
    left, right = st.columns([2, 5], gap="medium")
    with left:
        heat_map.rank(model, logits, target, "ranking", choose_class)
    with right:
        heat_map.draw(found, "heat", signed=evidence == "both", file=f"{stem}.png")
        answer = f"{found.label} {percent(found.probability)} (logit {number(round(found.logit, 2))})"
        blocks.caption(model, "Grad-CAM", layer, answer, seconds=timed.seconds)
        below(found, stem)
    selection.write_link(in_fragment=True)


if model.card.task == "classification":
    explain()
else:
    st.markdown(blocks.no_classes(model))
