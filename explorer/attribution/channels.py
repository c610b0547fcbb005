"""Class activation maps without gradients: what does the score do when a channel masks the photo, or is missing?"""

from __future__ import annotations

import threading
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import capture
from explorer.attribution.question import Found, Question
from explorer.capture import Layer
from explorer.layouts import Layout

_BATCH = 8  # images a pass: more are no faster on a processor
_TAIL_BYTES = 2**26  # of a layer's output in one pass from there on


def score_cam(question: Question) -> Found:
    """Score-CAM (Wang et al. 2020, algorithm 1): weights are the softmax of the scores of the photo behind each.

    A channel, enlarged to the photo and stretched to [0, 1], dims the photo where it is low (towards the normalised
    zero, the mean colour of the training photos). Of a channel that is the same everywhere, as a silent one, nothing is
    left but that colour; all such channels share one pass.
    """
    output, logits, target = question.read()
    maps = question.where.maps(output)[0]
    chosen = _chosen(question, maps)
    flat = maps.amax(dim=(1, 2)) == maps.amin(dim=(1, 2))
    silent, telling = chosen[flat[chosen]], chosen[~flat[chosen]]
    steps = question.steps(len(telling) + bool(len(silent)))
    score = steps.forward(question, target)
    scores = torch.zeros(len(maps), device=maps.device)
    if len(silent):
        with torch.no_grad():
            scores[silent] = score(torch.zeros_like(question.inputs))
    for part in _split(telling, _batch(question, _BATCH)):
        masks = F.interpolate(maps[None, part], size=question.inputs.shape[-2:], mode="bilinear", align_corners=False)[
            0
        ]
        low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
        with torch.no_grad():
            scores[part] = score(question.inputs * ((masks - low) / (high - low))[:, None])
    weights = scores[chosen].softmax(dim=0)
    return Found((weights[:, None, None] * maps[chosen]).sum(dim=0), logits, target)


def ablation_cam(question: Question) -> Found:
    """Ablation-CAM (Desai and Ramaswamy 2020): a channel's weight is how much the score falls when it is zero.

    The paper divides all weights by the score, which changes nothing but their scale, and turns the map around where
    the score is negative; it is left out, and the weights are in logits.
    """
    output, logits, target = question.read()
    maps = question.where.maps(output)[0]
    chosen = _chosen(question, maps)
    chosen = chosen[(maps[chosen] != 0).any(dim=2).any(dim=1)]  # without a channel of zeros nothing changes
    weights = torch.zeros(len(maps), device=maps.device)
    steps = question.steps(len(chosen))
    tail = _Tail(question, logits)
    whole = target.score(logits[None])[0]
    for part in _split(chosen, _batch(question, ablation_batch(output.numel()))):
        steps.check()
        answers = tail(torch.cat([output, *(_without(question.where, output, int(channel)) for channel in part)]))
        weights[part] = whole - target.score(answers[1:])
        steps.advance(len(part))
    return Found((weights[:, None, None] * maps).sum(dim=0), logits, target)


def ablation_batch(numbers: int) -> int:
    """How many outputs of a layer, of so many numbers each, go on from there in one pass."""
    return max(1, min(256, _TAIL_BYTES // (4 * numbers)))


def _chosen(question: Question, maps: Tensor) -> Tensor:
    """Indices of the channels to ask: all, or the ``channels`` that answer most strongly, in their own order."""
    limit = question.options["channels"]
    if limit is None:
        return torch.arange(len(maps), device=maps.device)
    strength = maps.abs().mean(dim=(1, 2))
    return strength.argsort(descending=True, stable=True)[: question.number("channels", 1)].sort().values


def _split(values: Tensor, size: int) -> list[Tensor]:
    return [values[first : first + size] for first in range(0, len(values), size)]


def _batch(question: Question, automatic: int) -> int:
    return automatic if question.options["batch"] is None else question.number("batch", 1)


def _without(layer: Layer, output: Tensor, channel: int) -> Tensor:
    """The output with zeros in one channel's map; a class token keeps its own."""
    ablated = output.clone()
    if layer.layout is Layout.TOKENS:
        ablated[:, -layer.shape[1] * layer.shape[2] :, channel] = 0
    elif layer.layout is Layout.CHANNELS_LAST:
        ablated[..., channel] = 0
    else:
        ablated[:, channel] = 0
    return ablated


class _Tail:
    """Answers of the network with other outputs of the layer, the first of which is its own.

    What comes before the layer is computed for one image, and goes on as many. Where a later part meets an earlier one
    that cannot be repeated so (a concatenation), or where the first answer is not the known one, all is computed for
    every image.
    """

    def __init__(self, question: Question, logits: Tensor) -> None:
        self._question, self._logits = question, logits
        self._short = True

    def __call__(self, outputs: Tensor) -> Tensor:
        """Logits (B, classes) for outputs of the layer (B, ...)."""
        if self._short:
            try:
                answers = _replaced(self._question, self._question.inputs, outputs)
            except (RuntimeError, ValueError, IndexError):
                answers = self._logits[None, :0]
            tolerance = 1e-3 * float(self._logits.abs().max())
            if len(answers) == len(outputs) and torch.allclose(answers[0], self._logits, rtol=0, atol=tolerance):
                return answers
            self._short = False
        inputs = self._question.inputs
        parts = _split(outputs, _BATCH)
        return torch.cat(
            [_replaced(self._question, inputs.expand(len(part), -1, -1, -1).contiguous(), part) for part in parts]
        )


def _replaced(question: Question, inputs: Tensor, outputs: Tensor) -> Tensor:
    """The network's answer where the layer hands on ``outputs`` instead of its own."""
    path, wanted = capture.split(question.where.name)
    here, calls = threading.get_ident(), 0

    def replace(module: nn.Module, given: Any, output: Any) -> Tensor | None:  # noqa: ARG001
        nonlocal calls
        if threading.get_ident() != here:
            return None
        calls += 1
        return outputs.clone() if calls == wanted else None

    with question.model.lock, torch.no_grad():
        handle = question.model.module.get_submodule(path).register_forward_hook(replace)
        try:
            answers: Tensor = question.model.module(inputs)
        finally:
            handle.remove()
    return answers
