"""The code that computes what the tab Trust shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.attribution import Attribution

    Beside = tuple[str, str | None, Mapping[str, Any]]
    """Another method: its key, its layer, and its options where they are not the usual ones."""


def lines(
    found: Attribution,
    at: tuple[float, float, float, float],
    gradients: Mapping[str, Any] | None = None,
    methods: Sequence[Beside] = (),
    networks: Sequence[str] = (),
) -> str:
    """The code that computes what is shown, for a loaded ``model`` and an opened ``photo``.

    Args:
        found: the map.
        at: the box.
        gradients: options of integrated gradients that are not the usual ones.
        methods: those beside whose maps it is shown.
        networks: slugs of those that are asked too.
    """
    from explorer.attribution import METHODS

    method = METHODS[found.method]
    own = {name: value for name, value in found.options.items() if value != method.options[name]}
    layer = found.layer if method.needs_layer else None
    forgetting = _given(found, found.method, layer, {"options": own} if own else {})
    complete = f"attribution.attribute(model, photo, {_given(found, 'integrated_gradients', None, gradients or {})})"
    text = [
        f"from explorer import attribution, {'models, ' if networks else ''}trust",
        "",
        f"found = attribution.attribute(model, photo, {_given(found, found.method, layer, own)})",
        f"inside = trust.inside(found, {at!r})",
        "curves = trust.deletion_insertion(model, photo, found)",
        f"forgetting = trust.randomisation(model, photo, {forgetting})",
        f"complete = {complete if found.delta is None else 'found'}",
        'print(inside.sentence, curves.sentence, forgetting.sentence, complete.delta, sep="\\n")',
    ]
    return "\n".join([*text, *_methods(found, methods), *_networks(found, own, networks)])


def _methods(found: Attribution, methods: Sequence[Beside]) -> list[str]:
    if not methods:
        return []
    return [
        "",
        "maps = [",
        "    found,",
        *(f"    attribution.attribute(model, photo, {_given(found, *each)})," for each in methods),
        "]",
        "agreements = trust.agreements(maps)  # every map against every other",
    ]


def _networks(found: Attribution, own: Mapping[str, Any], networks: Sequence[str]) -> list[str]:
    if not networks:
        return []
    knows = [f"each.label({found.target}) == {found.label!r}"]
    knows += [] if found.against is None else [f"each.label({found.against}) == {found.against_label!r}"]
    knows += [f"not attribution.availability(each, {found.method!r})"]
    given = _given(found, found.method, None, own)
    slugs = ", ".join(map(repr, networks))
    return [
        "",
        f"others = [models.load(slug, device=str(model.device)) for slug in [{slugs}]]",
        f"others = [each for each in others if {' and '.join(knows)}]",
        f"theirs = [found, *(attribution.attribute(each, photo, {given}) for each in others)]",
        "boxes = [each.preprocessing.seen(photo) for each in [model, *others]]",
        "between = trust.agreements(theirs, boxes=boxes)",
    ]


def _given(found: Attribution, method: str, layer: str | None, options: Mapping[str, Any]) -> str:
    """Arguments after the network and the photo."""
    given = [f"{method!r}", str(found.target), *([f"{layer!r}"] if layer else [])]
    given += [] if found.against is None else [f"against={found.against}"]
    return ", ".join([*given, *(f"{name}={value!r}" for name, value in options.items())])
