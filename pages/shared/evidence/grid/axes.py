"""What a grid's rows and columns can be: methods, classes, networks, layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import catalogue
from pages.shared import cache, controls, selection
from pages.shared.evidence import options
from pages.shared.text import percent, size

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

AXES = {"methods": "Methods", "classes": "Classes", "networks": "Networks", "layers": "Layers"}
_FIRST = ("grad_cam", "layer_cam", "eigen_cam", "saliency")  # a pass or three each
_INCLUDED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")  # their weights come with the app
_CHOSEN = "_grid_chosen"


@dataclass(frozen=True)
class Axis:
    """One of the four.

    Attributes:
        name: a key of ``AXES``.
        memory: under which the visitor's choice is remembered.
        known: all values.
        usual: the ones to begin with.
        title: of a value, in a heading.
        detail: a line below it.
        long: of a value, in a list.
    """

    name: str
    memory: str
    known: list[Any]
    usual: list[Any]
    title: Callable[[Any], str]
    detail: Callable[[Any], str]
    long: Callable[[Any], str]

    @property
    def values(self) -> list[Any]:
        """What the visitor chose, else the usual."""
        chosen = st.session_state.setdefault(_CHOSEN, {}).get(self.memory, self.usual)
        return [value for value in chosen if value in self.known]

    def choose(self) -> list[Any]:
        """The list to choose from."""
        key = f"grid-{self.name}"
        st.session_state[key] = self.values
        st.multiselect(
            AXES[self.name],
            self.known,
            format_func=self.long,
            key=key,
            on_change=self._remember,
            args=(key,),
            filter_mode="contains",
            select_all=False,
            wrap=True,
            placeholder=f"Choose {AXES[self.name].lower()}",
        )
        return self.values

    def _remember(self, key: str) -> None:
        st.session_state.setdefault(_CHOSEN, {})[self.memory] = list(st.session_state[key])


def axis(name: str, model: Model, picture: Picture, logits: np.ndarray) -> Axis:
    """The axis ``name`` for a network and a photo whose answer is ``logits``."""
    if name == "classes":
        return _classes(model, picture, logits)
    return {"methods": _methods, "networks": _networks, "layers": _layers}[name](model)


def _methods(model: Model) -> Axis:
    from explorer import attribution
    from explorer.attribution import METHODS

    missing = cache.unavailable(model)
    order = [key for key in METHODS if key not in missing] + [key for key in METHODS if key in missing]
    usual = [key for key in _FIRST if key not in missing]

    def long(key: str) -> str:
        return METHODS[key].title + ("  ·  not for this network" if key in missing else "")

    def detail(key: str) -> str:
        if key in missing or "channels" in METHODS[key].options:  # as many as the layer has
            return METHODS[key].cost
        return attribution.effort(model, key, **options.chosen(METHODS[key], model)).said

    return Axis("methods", "methods", order, usual, lambda key: METHODS[key].title, detail, long)


def _classes(model: Model, picture: Picture, logits: np.ndarray) -> Axis:
    from explorer import predict

    order = [int(index) for index in np.argsort(-logits, kind="stable")]
    shares, target = predict.softmax(logits), selection.current().target
    usual = order[:3] if target is None or target in order[:3] else [target, *order[:2]]
    return Axis(
        "classes",
        f"classes|{len(order)}|{picture.digest}",
        order,
        usual,
        model.label,
        lambda index: percent(float(shares[index])),
        lambda index: f"{model.label(index)}  ·  {percent(float(shares[index]))}  ·  {index}",
    )


def _networks(model: Model) -> Axis:
    subject, titles = model.card.subject, catalogue.titles()
    cards = {slug: catalogue.get(slug) for slug in titles}
    known = [slug for slug, card in cards.items() if card.task == "classification" and card.subject == subject]
    wanted = {*(selection.current().compare or _INCLUDED), model.card.slug}
    return Axis(
        "networks",
        f"networks|{subject}",
        known,
        [slug for slug in known if slug in wanted],
        lambda slug: cards[slug].title,
        lambda slug: str(cards[slug].year),
        lambda slug: cards[slug].title + ("" if cards[slug].bundled else "  ·  weights are fetched once"),
    )


def _layers(model: Model) -> Axis:
    from explorer import activations, attribution

    shapes = {layer.name: layer.shape for layer in attribution.valid_layers(model)}
    usual = [layer.name for layer in activations.resolutions(model) if layer.name in shapes]
    return Axis(
        "layers",
        f"layers|{model.card.slug}",
        list(shapes),
        usual[-5:] or list(shapes)[-1:],
        str,
        lambda name: size(shapes[name]),
        lambda name: f"{name}  ·  {size(shapes[name])}",
    )


def choose_two() -> tuple[str, str]:
    """The names of the two axes."""
    with st.container(width=150):
        rows = _one("Rows", "grid-rows", list(AXES))
    # A layer's name means something in one network only.
    apart = {"networks": "layers", "layers": "networks"}.get(rows)
    others = [name for name in ("classes", "methods", "networks", "layers") if name not in (rows, apart)]
    with st.container(width=150):
        columns = _one("Columns", "grid-columns", others)
    return rows, columns


def _one(label: str, key: str, names: list[str]) -> str:
    if st.session_state.get(key) not in names:
        st.session_state[key] = names[0]
    chosen: str = st.selectbox(
        label, names, format_func=AXES.__getitem__, key=key, persist_state="session", filter_mode=None
    )
    return chosen


def options_of(model: Model, method: str, layer: str | None) -> tuple[tuple[str, Any], ...]:
    """What the visitor changed of a method's options on the tab One map."""
    from explorer import activations
    from explorer.attribution import METHODS

    card, channels = METHODS[method], 0
    if not card.options:
        return ()
    if card.needs_layer:
        known = {each.name: each for each in activations.layers(model)}
        channels = known.get(layer or "", activations.default_layer(model)).shape[0]
    return tuple(sorted(options.chosen(card, model, channels).items()))


def fixed_method(model: Model) -> str:
    """The method where it is no axis; one that means something for the selected network."""
    from explorer.attribution import METHODS

    titles = {key: each.title for key, each in METHODS.items() if key not in cache.unavailable(model)}
    chosen: str = controls.select(
        "Method", "method", list(titles), default="grad_cam", format_func=titles.__getitem__, width=220
    )
    return chosen


def fixed_class(model: Model, logits: np.ndarray, first: str) -> int | None:
    """The class where it is no axis; None for ``first``, each one's own first answer."""
    order = [int(index) for index in np.argsort(-logits, kind="stable")]
    chosen: int | None = controls.select(
        "Class",
        "target",
        [None, *order],
        format_func=lambda index: first if index is None else f"{model.label(index)}  ·  {index}",
        placeholder=first,
        filter_mode="contains",
        width=260,
    )
    return chosen


def fixed_layer(model: Model, method: str) -> str | None:
    """The layer where it is no axis; None for the usual one."""
    from explorer import activations, attribution

    usual = activations.default_layer(model).name
    names = ["", *(layer.name for layer in attribution.valid_layers(model, method))]
    chosen: str = controls.select(
        "Layer",
        "layer",
        names,
        format_func=lambda name: name or f"The usual one, {usual}",
        filter_mode="contains",
        width=220,
    )
    return chosen or None
