"""Tab of the Attribution page: one map, by any method, for any class, at any layer that the method can read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.shared import blocks, cache, controls, heat_map, selection, view_code
from pages.shared.cache import Timed
from pages.shared.evidence import options
from pages.shared.evidence.questions import NotDrawn, Question, asked, known, question, stand_in, usual_layer, waiting
from pages.shared.long_run import offer
from pages.shared.text import number, percent, plain, size

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Method
    from explorer.models import Model
    from explorer.predict import Prediction
    from pages.shared.pictures import Picture

__all__ = ["NotDrawn", "asked", "draw"]


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """Controls, ranking and map; a change here reruns nothing else."""
    from explorer import predict

    logits = cache.logits(model, picture).result
    best = {each.index: each for each in predict.ranked(model, logits)}
    evidence = _controls(model, picture, logits, best)
    asking = question(model, picture)
    method, layer, chosen = asking.method, asking.layer, selection.current().layer
    if layer and chosen not in ("", layer):
        st.caption(f"{plain(chosen)} has no maps that {method.title} could read; {plain(layer)} is shown.")
    if method.asks_class and selection.current().against == asking.target:
        st.caption("“And not” names the same class; it is left out.")
    if not method.asks_class:
        st.caption(f"{method.title} draws the same map whatever the class.")
    left, right = st.columns([2, 5], gap="medium")
    with left:
        heat_map.rank(model, logits, asking.target, "ranking", _choose_class)
    signed, go = evidence == "both" and method.signed, None
    with right:
        found = known(asking)
        if found is not None:
            _result(asking, found, signed)
        else:
            place = st.container()
            below = st.empty()
            with below.container():
                _meanwhile(asking)

            def show(drawn: Timed[Attribution]) -> None:
                below.empty()
                _result(asking, drawn, signed)

            with place:
                go = offer(waiting(asking, "one-map", f"Draw {method.title}", show))
    selection.write_link(in_fragment=True)
    if go is not None:
        go()


def _result(asking: Question, timed: Timed[Attribution], signed: bool) -> None:
    """The map, what it was asked, and the numbers and the code behind it."""
    model, method, found = asking.model, asking.method, timed.result
    stem = blocks.file_stem(model, *([found.layer] if found.layer else []), found.label)
    heat_map.draw(found, "heat", signed=signed, file=f"{stem}.png")
    where = [found.layer] if found.layer else []
    answer = f"{found.label} {percent(found.probability)} (logit {number(round(found.logit, 2))})"
    about = _about(found, method, answer)
    blocks.caption(model, method.title, *options.words(found), *where, *about, seconds=timed.seconds)
    options.against(found)
    _below(found, method, stem)
    view_code.offer(lines(asking), "one-map")


def _about(found: Attribution, method: Method, answer: str) -> list[str]:
    """What the map is about, for its caption; nothing where no class was asked about."""
    versus = [f"and not {found.against_label}"] if found.against is not None else []
    return [answer, *versus] if method.asks_class else []


def lines(asking: Question) -> str:
    """The code that draws the map."""
    given = [f"{asking.method.key!r}", f"target={asking.target}"]
    given += [f"layer={asking.layer!r}"] if asking.layer else []
    given += [f"against={asking.against}"] if asking.against is not None else []
    given += [f"{name}={value!r}" for name, value in asking.options.items()]
    return (
        view_code.opening(["attribution"], asking.model, asking.picture)
        + f"found = attribution.attribute(model, photo, {', '.join(given)})\n"
        + "found.raw  # the map's own numbers\n"
        + "found.heatmap  # their positive part over found.seen, 0 to 1"
    )


def _meanwhile(asking: Question) -> None:
    """The last map that was quick, about the same class, while the one that takes long has not been drawn."""
    quick = stand_in(asking)
    if quick is None:
        return
    timed = cache.attribution(
        quick.model, quick.picture, quick.method.key, quick.target, quick.layer, quick.against, options=quick.options
    )
    heat_map.draw(timed.result, "heat-meanwhile")
    where = [quick.layer] if quick.layer else []
    about = _about(timed.result, quick.method, timed.result.label)
    blocks.caption(quick.model, f"Until then: {quick.method.title}", *where, *about, seconds=timed.seconds)


def _controls(model: Model, picture: Picture, logits: np.ndarray, best: Mapping[int, Prediction]) -> str:
    """Method, class, against what, layer, evidence, options; returns the evidence asked for."""
    from explorer import attribution

    missing = cache.unavailable(model)
    titles = {key: each.title for key, each in attribution.METHODS.items() if key not in missing}
    asking = question(model, picture)
    method = asking.method
    order = [*best, *(index for index in range(len(logits)) if index not in best)]
    channels = 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        controls.select(
            "Method",
            "method",
            list(titles),
            default="grad_cam",
            format_func=titles.__getitem__,
            filter_mode="contains",
            width=200,
            help=f"{method.summary} Takes {asking.effort.said} here.",
        )
        controls.select(
            "Class",
            "target",
            order,
            default=next(iter(best)),
            format_func=lambda index: _title(model, logits, index, best),
            filter_mode="contains",
            width=260,
            help="Any class, found by its name or number. The question is always: what speaks for this one?",
        )
        if method.asks_class:
            controls.select(
                "And not",
                "against",
                [None, *order],
                format_func=lambda index: "–" if index is None else _title(model, logits, index, best),
                filter_mode="contains",
                width=180,
                placeholder="nothing in particular",
                help="Why this class and not that one: what raises the difference of their logits.",
            )
        if method.needs_layer:
            layers = {layer.name: layer for layer in attribution.valid_layers(model, method.key)}
            name = controls.select(
                "Layer",
                "layer",
                list(layers),
                default=usual_layer(model, list(layers)),
                format_func=lambda name: f"{name}  ·  {size(layers[name].shape)}",
                filter_mode="contains",
                width=260,
                help="Where the evidence is read: channels × height × width. Late ones know objects, early ones edges.",
            )
            channels = layers[name].shape[0]
    evidence = "for"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if method.signed:
            evidence = controls.choose(
                "Evidence",
                "evidence",
                selection.EVIDENCE,
                help="Places that raise the class's logit (its score before percentages), or also those that lower it.",
            )
        options.draw(method, model, channels)
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
