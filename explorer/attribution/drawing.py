"""Asks a question and makes its answer a map over the photo."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from explorer import activations, predict
from explorer.attribution import influence
from explorer.attribution.availability import availability, find
from explorer.attribution.methods import Method
from explorer.attribution.question import Progress, Question, Target
from explorer.attribution.results import Attribution, NotApplicable
from explorer.attribution.scaling import enlarged

if TYPE_CHECKING:
    from PIL import Image

    from explorer.capture import Layer
    from explorer.models import Model


def attribute(
    model: Model,
    image: Image.Image,
    method: str = "grad_cam",
    target: int | None = None,
    layer: str | None = None,
    *,
    against: int | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> Attribution:
    """Draws the evidence for a class.

    Args:
        model: the network.
        image: the photo.
        method: a key of ``METHODS``.
        target: index of the class; the most probable one if None.
        layer: name of the layer to read; the last one with positions if None. Methods that need none ignore it.
        against: index of another class: what speaks for ``target`` and not for this one? The score is then the
            difference of their two logits.
        progress: called with the number of passes done and of all, by methods that take many.
        cancelled: asked before each of many passes; True ends them.
        **options: of the method; ``METHODS[method].options`` has them with their defaults.

            score_cam, ablation_cam: ``batch``, most channels a pass (None: as memory allows); ``channels``, how many of
            the strongest channels are asked at all (None: all, as published).
            eigen_cam: ``centred``, whether each channel's mean is taken off first.
            integrated_gradients: ``steps``; ``baseline``, one of 'blur' (the photo's shapes gone, its colours not: of
            all the one whose sum comes closest with few steps), 'black', 'mean' (the photo's mean colour), 'white' and
            'noise'; ``seed`` of the noise.
            smooth_grad: ``samples``; ``noise``, its deviation as a share of the input's range; ``seed``.
            occlusion: ``window`` and ``stride``, pixels (None: a seventh of the side, half of the window).
            superpixels: ``segments``, about how many regions.
            rollout: ``residual``, the skip connections' share; ``discard``, share of each row's weakest entries left
            out (see `attention.roll_out`).

    Raises:
        NotApplicable: unknown method, option, class or layer, or a method that means nothing here.
        Cancelled: ``cancelled`` said so.
    """
    chosen = find(method)
    reason = availability(model, method, layer)
    if reason:
        raise NotApplicable(reason)
    for index in (target, against):
        _check_class(model, index)
    if against is not None and not chosen.asks_class:
        raise NotApplicable(f"{chosen.title} asks about no class, so it cannot tell one from another.")
    settings = _settings(chosen, options)
    where = _where(model, chosen, layer)
    seen = _kept(np.asarray(model.preprocessing.view(image)))
    # Whatever mode the caller is in (both are per thread), here there are gradients.
    with torch.inference_mode(False), torch.enable_grad():
        inputs = model.preprocessing.normalise(seen).to(model.device)
        question = Question(model, seen, inputs, where, Target(target, against), settings, progress, cancelled)
        found = chosen.compute(question)
    raw, index = found.raw.detach(), found.target.index
    assert index is not None
    values = _frozen(found.logits.detach())
    return Attribution(
        method=method,
        target=index,
        label=model.label(index),
        layer="" if where is None else where.name,
        raw=_frozen(raw),
        heatmap=_frozen(enlarged(raw.clamp(min=0), seen.shape[:2])),
        signed=_frozen(enlarged(raw, seen.shape[:2])),
        seen=seen,
        probability=float(predict.softmax(values)[index]),
        logit=float(values[index]),
        logits=values,
        against=against,
        against_label="" if against is None else model.label(against),
        pixels=None if found.pixels is None else _frozen(_colours(found.pixels)),
        baseline=None if found.baseline is None else _kept(found.baseline),
        difference=found.difference,
        delta=found.delta,
        options=MappingProxyType(settings),
    )


def _where(model: Model, method: Method, name: str | None) -> Layer | None:
    if method.reads in ("pixels", "attention"):
        return None
    if method.reads == "tokens":
        return influence.last_norm(model)
    return activations.default_layer(model) if name is None else activations.find(model, name)


def _settings(method: Method, options: dict[str, Any]) -> dict[str, Any]:
    unknown = next((name for name in options if name not in method.options), None)
    if unknown is not None:
        known = f"it has {', '.join(method.options)}" if method.options else "it has none"
        raise NotApplicable(f"{method.title} has no option {unknown!r}; {known}.")
    return {**method.options, **options}


def _check_class(model: Model, index: Any) -> None:
    if index is None:
        return
    if not isinstance(index, int | np.integer) or (model.classes and not 0 <= index < len(model.classes)):
        raise NotApplicable(
            f"Class {index} does not exist; {model.card.title} knows classes 0 to {len(model.classes) - 1}."
        )


def _colours(pixels: Tensor) -> Tensor:
    """(1, C, H, W) as (H, W, 3)."""
    return pixels.detach()[0].expand(3, -1, -1).permute(1, 2, 0).contiguous()


def _frozen(values: Tensor) -> np.ndarray:
    return _kept(values.float().cpu().numpy())


def _kept(array: np.ndarray) -> np.ndarray:
    """The array, which nobody can write any more: pages keep results for all visitors."""
    array.flags.writeable = False
    return array
