"""Tab of the Attribution page: one map, by any method, for any class, at any layer that the method can read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.shared import blocks, cache, controls, heat_map, selection
from pages.shared.cache import Timed
from pages.shared.text import number, percent, plain, size

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Method
    from explorer.models import Model
    from explorer.predict import Prediction
    from pages.shared.pictures import Picture


def asked(model: Model, picture: Picture) -> Timed[Attribution]:
    """The map that the selection asks for; what does not fit falls back to the usual."""
    from explorer import attribution

    method = _method(model)
    chosen, logits = selection.current(), cache.logits(model, picture).result
    target = int(logits.argmax()) if chosen.target is None else chosen.target
    against = chosen.against if method.asks_class and chosen.against != target else None
    layer: str | None = None
    if method.needs_layer:
        valid = [each.name for each in attribution.valid_layers(model, method.key)]
        layer = chosen.layer if chosen.layer in valid else _usual(model, valid)
    with st.spinner(f"{method.title}: {method.cost}", show_time=True):
        return cache.attribution(model, picture, method.key, target, layer, against)


def _usual(model: Model, valid: list[str]) -> str:
    from explorer import activations

    usual = activations.default_layer(model).name
    return usual if usual in valid else valid[-1]


def _method(model: Model) -> Method:
    from explorer import attribution

    key = selection.current().method
    known = key in attribution.METHODS and key not in cache.unavailable(model)
    return attribution.METHODS[key if known else "grad_cam"]


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """Controls, ranking and map; a change here reruns nothing else."""
    from explorer import predict

    logits = cache.logits(model, picture).result
    best = {each.index: each for each in predict.ranked(model, logits)}
    evidence = _controls(model, logits, best)
    timed = asked(model, picture)
    found, method = timed.result, _method(model)
    layer = found.layer
    if method.needs_layer and selection.current().layer not in ("", layer):
        chosen = plain(selection.current().layer)
        st.caption(f"{chosen} has no maps that {method.title} could read; {plain(layer)} is shown.")
    stem = blocks.file_stem(model, *([layer] if layer else []), model.label(found.target))
    left, right = st.columns([2, 5], gap="medium")
    with left:
        heat_map.rank(model, logits, found.target, "ranking", _choose_class)
    with right:
        heat_map.draw(found, "heat", signed=evidence == "both" and method.signed, file=f"{stem}.png")
        answer = f"{found.label} {percent(found.probability)} (logit {number(round(found.logit, 2))})"
        versus = [f"and not {found.against_label}"] if found.against is not None else []
        where = [layer] if layer else []
        blocks.caption(model, method.title, *where, answer, *versus, seconds=timed.seconds)
        if found.delta is not None and found.difference is not None:
            delta, difference = number(round(found.delta, 4)), number(round(found.difference, 4))
            st.caption(
                f"Completeness: the map adds up to within {delta} of {difference}, by which the logit differs from the "
                "baseline's; more steps bring it closer."
            )
        _below(found, method, stem)
    selection.write_link(in_fragment=True)


def _controls(model: Model, logits: np.ndarray, best: Mapping[int, Prediction]) -> str:
    """Method, class, against what, layer, evidence; returns the last."""
    from explorer import attribution

    missing = cache.unavailable(model)
    titles = {key: each.title for key, each in attribution.METHODS.items() if key not in missing}
    method = _method(model)
    order = [*best, *(index for index in range(len(logits)) if index not in best)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        controls.select(
            "Method",
            "method",
            list(titles),
            default="grad_cam",
            format_func=titles.__getitem__,
            filter_mode="contains",
            width=220,
            help=f"{method.summary} Costs {method.cost}.",
        )
        controls.select(
            "Class",
            "target",
            order,
            default=next(iter(best)),
            format_func=lambda index: _title(model, logits, index, best),
            filter_mode="contains",
            width=320,
            help="Any class, found by its name or number. The question is always: what speaks for this one?",
        )
        if method.asks_class:
            controls.select(
                "And not",
                "against",
                [None, *order],
                format_func=lambda index: "–" if index is None else _title(model, logits, index, best),
                filter_mode="contains",
                width=200,
                placeholder="nothing in particular",
                help="Why this class and not that one: what raises the difference of their logits.",
            )
        if method.needs_layer:
            layers = {layer.name: layer for layer in attribution.valid_layers(model, method.key)}
            controls.select(
                "Layer",
                "layer",
                list(layers),
                default=_usual(model, list(layers)),
                format_func=lambda name: f"{name}  ·  {size(layers[name].shape)}",
                filter_mode="contains",
                width=300,
                help="Where the evidence is read: channels × height × width. Late ones know objects, early ones edges.",
            )
        evidence = "for"
        if method.signed:
            evidence = controls.choose(
                "Evidence",
                "evidence",
                selection.EVIDENCE,
                help="Places that raise the class's logit (its score before percentages), or also those that lower it.",
            )
    if missing:
        with st.popover(f"{len(missing)} method{'s' * (len(missing) > 1)} not for this network", type="tertiary"):
            for key, reason in missing.items():
                st.markdown(f"**{attribution.METHODS[key].title}**: {plain(reason)}")
    return evidence


def _title(model: Model, logits: np.ndarray, index: int, best: Mapping[int, Prediction]) -> str:
    from explorer import predict

    share = f"  ·  {percent(predict.of_class(model, logits, index).probability)}" if index in best else ""
    return f"{model.label(index)}{share}  ·  {index}"


def _choose_class() -> None:
    selection.change(target=st.session_state["ranking"].chosen)


def _npy(raw: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, raw)
    return buffer.getvalue()


def _below(found: Attribution, method: Method, stem: str) -> None:
    """The numbers before anything was enlarged, to see and to keep."""
    st.download_button(
        "Raw map as NPY",
        lambda: _npy(found.raw),
        f"{stem}.npy",
        "application/octet-stream",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help="The map at its own resolution, as a NumPy array, both signs, before enlarging.",
    )
    numbers = st.expander("The map's own numbers", icon=":material/grid_on:", key="raw-map", on_change="rerun")
    if numbers.open:
        from explorer.figures.attribution import raw_map

        with numbers:
            st.plotly_chart(raw_map(found), key="raw-map-figure", config={"displayModeBar": False})
            where = f" at {plain(found.layer)}" if found.layer else ""
            st.caption(
                f"{method.title}{where} before anything is cut off or enlarged. {method.summary} "
                f"[{method.paper.removeprefix('https://')}]({method.paper})"
            )
