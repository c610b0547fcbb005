"""Which method means something for which network, at which layer; and if not, why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer import activations, attention
from explorer.attribution import guided, influence
from explorer.attribution.methods import METHODS, Method
from explorer.attribution.results import NotApplicable

if TYPE_CHECKING:
    from explorer.capture import Layer
    from explorer.models import Model


def availability(model: Model, method: str, layer: str | None = None) -> str:
    """Why ``method`` means nothing for this network or layer, in one sentence; empty if it does.

    Args:
        model: the network.
        method: a key of ``METHODS``.
        layer: name of the layer to read; for the network as such, at its default layer, if None. Methods that need no
            layer take no notice.

    Raises:
        NotApplicable: there is no such method.
    """
    card = find(method)
    return _network(model, card) or (_layer(model, card, layer) if card.needs_layer else "")


def valid_layers(model: Model, method: str = "grad_cam") -> tuple[Layer, ...]:
    """The layers at which ``method`` means something; none if it needs no layer or means nothing for this network."""
    card = find(method)
    if not card.needs_layer or _network(model, card):
        return ()
    barred = influence.without(model) if card.needs_influence else frozenset()
    return tuple(layer for layer in activations.layers(model) if layer.spatial and layer.name not in barred)


def find(key: str) -> Method:
    """The method ``key``.

    Raises:
        NotApplicable: there is none.
    """
    if key not in METHODS:
        raise NotApplicable(f"There is no method {key!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[key]


def _network(model: Model, method: Method) -> str:
    title = model.card.title
    if model.card.task != "classification":
        answers = {"segmentation": "a class for each pixel", "detection": "boxes"}.get(model.card.task, "no class")
        return (
            f"{title} answers with {answers} and not with one class for the photo, so there is no class to ask about."
        )
    if method.needs_relu:
        return _without_relu(model)
    if method.reads == "tokens" and influence.last_norm(model) is None:
        return f"{method.title} reads the tokens of a vision transformer, and {title} has none; take Grad-CAM."
    if method.reads == "attention" and not attention.depth(model):
        return attention.hidden(model) or (
            f"{method.title} follows attention between all tokens, as in a vision transformer, and {title} has none; "
            "take Grad-CAM."
        )
    return ""


def _without_relu(model: Model) -> str:
    side = model.preprocessing.crop
    with model.lock:
        counts = dict(guided.activation_functions(model.module, (1, model.preprocessing.channels, side, side)))
    relus = counts.pop("ReLU", 0)
    if relus and not counts:
        return ""
    others = " and ".join(sorted(counts)) or "nothing"
    if relus:
        share = f"only {relus} of {relus + sum(counts.values())} activations in {model.card.title} are"
        return (
            f"Guided backpropagation is defined for ReLU, and {share} (the others: {others}), so its map would mislead."
        )
    return (
        f"Guided backpropagation changes how gradients pass ReLUs, and {model.card.title} has none (it uses {others}), "
        "so the map would be the plain gradient under another name."
    )


def _layer(model: Model, method: Method, name: str | None) -> str:
    default = activations.default_layer(model).name
    chosen = default if name is None else name
    known = {layer.name: layer for layer in activations.layers(model)}
    if chosen not in known and any(node.name == chosen for node in activations.nodes(model)):
        return (
            f"{method.title} reads what a layer hands on, and {chosen!r} is a step between layers, which no method "
            f"can read; try {default!r}."
        )
    if chosen not in known or not known[chosen].spatial:
        return (
            f"{method.title} needs a layer with maps of more than one position, and {chosen!r} is none; "
            f"try {default!r}."
        )
    if method.needs_influence and chosen in influence.without(model):
        return (
            f"After the last attention only the class token is read, so no patch at {chosen!r} can change the answer; "
            f"try {default!r}."
        )
    return ""
