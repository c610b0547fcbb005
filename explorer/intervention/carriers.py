"""Which channels carry a decision."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from explorer import activations, capture, predict
from explorer.errors import Cancelled
from explorer.intervention.changes import check_classes, signed
from explorer.intervention.hooks import Alteration, axis_of, install
from explorer.models import Model

if TYPE_CHECKING:
    from PIL import Image

_BATCH_NUMBERS = 1 << 25  # the largest map of a batch, in numbers: 128 MiB in float32


@dataclass(frozen=True)
class Carriers:
    """Which channels of a layer carry a decision.

    Attributes:
        layer: its name.
        target: index of the class.
        label: its name.
        alone: float32 (C,), by how much the score falls when one channel is switched off; below zero it rises. The
            score is the class's logit, or how far that is above the other class's.
        channels: chosen greedily: each next one lowers the score most once those before it are off.
        logits: the score with none of them off, with the first, with the first two, and so on.
        probabilities: of the class, likewise.
        against: index of the other class; None if the logit alone is meant.
        against_label: its name; empty without one.
    """

    layer: str
    target: int
    label: str
    alone: np.ndarray
    channels: tuple[int, ...]
    logits: tuple[float, ...]
    probabilities: tuple[float, ...]
    against: int | None = None
    against_label: str = ""

    @property
    def sentence(self) -> str:
        """What switching the channels off does, for people."""
        what, share = f"the logit of {self.label}", "its probability"
        if self.against is not None:
            what = f"the lead of {self.label} over {self.against_label}, in logits,"
            share = f"the probability of {self.label}"
        if not self.channels:
            return f"No channel of {self.layer} lowers {what} when it is switched off."
        many = len(self.channels) > 1
        which = f"channels {', '.join(map(str, self.channels))}" if many else f"channel {self.channels[0]}"
        return (
            f"Switching off {which} of {len(self.alone):,} in {self.layer} takes {what} from "
            f"{signed(self.logits[0])} to {signed(self.logits[-1])}, "
            f"{share} from {_percent(self.probabilities[0])} to {_percent(self.probabilities[-1])}."
        )


def greedy(
    model: Model,
    image: Image.Image,
    layer: str,
    target: int | None = None,
    count: int = 5,
    *,
    against: int | None = None,
    candidates: int = 64,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Carriers:
    """Finds the channels whose switching off lowers a class's logit most, or its lead over another class.

    First each channel is switched off alone. Then channels are chosen one after the other: of the ``candidates`` that
    mattered most alone, the one that lowers the score most on top of those already off, until ``count`` are off or no
    further one lowers it.

    Args:
        model: the network.
        image: the photo.
        layer: whose channels.
        target: index of the class; the most probable one if None.
        count: how many channels at most.
        against: index of another class: the score is then how far the class's logit is above that one's.
        candidates: how many are tried from the second choice on.
        progress: called with the number of trials done and of all.
        cancelled: asked now and then; True ends the search.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchPart: it has no such class, or both are the same one.
        Cancelled: ``cancelled`` said so.
    """
    found = activations.find_layer(model, layer)
    channels = found.shape[0]
    plain = predict.logits(model, image)
    asked = int(plain.argmax()) if target is None else target
    check_classes(model, len(plain), asked, against)
    count = min(count, channels)
    total = channels + sum(min(candidates, channels) - chosen for chosen in range(1, min(count, candidates)))
    done = 0

    def advance(trials: int) -> None:
        nonlocal done
        done += trials
        if cancelled is not None and cancelled():
            raise Cancelled("The search for channels was stopped.")
        if progress is not None:
            progress(done, total)

    def scores(answers: np.ndarray) -> np.ndarray:
        own: np.ndarray = answers[..., asked]
        return own if against is None else own - answers[..., against]

    trial = _Trial(model, image, found, plain)
    alone = scores(plain) - scores(trial.logits([(channel,) for channel in range(channels)], advance))
    order = np.argsort(-alone, kind="stable")[:candidates]
    off: tuple[int, ...] = ()
    answers = [plain]
    while len(off) < min(count, len(order)):
        left = [int(channel) for channel in order if channel not in off]
        # The first round is known already: each channel alone.
        tried = trial.logits([(*off, channel) for channel in left], advance) if off else None
        falls = scores(answers[-1]) - scores(tried) if tried is not None else alone[left]
        best = int(np.argmax(falls))
        if not falls[best] > 0:
            break
        off = (*off, left[best])
        answers.append(tried[best] if tried is not None else trial.logits([off])[0])
    if progress is not None:
        progress(total, total)
    alone.flags.writeable = False
    return Carriers(
        layer=layer,
        target=asked,
        label=model.label(asked),
        alone=alone,
        channels=off,
        logits=tuple(float(scores(answer)) for answer in answers),
        probabilities=tuple(float(predict.softmax(answer)[asked]) for answer in answers),
        against=against,
        against_label="" if against is None else model.label(against),
    )


def _percent(probability: float) -> str:
    """To a tenth of a point; a softmax's number is never quite zero."""
    shown = f"{100 * probability:.1f}"
    return "below 0.1 %" if shown == "0.0" else f"{shown} %"


class _Trial:
    """Answers of a network with several sets of a layer's channels off, many in one pass.

    What lies before the layer is computed for one image, and the layer's output is then repeated. Where that does not
    fit, as with a concatenation behind it, the image itself is repeated.
    """

    def __init__(self, model: Model, image: Image.Image, layer: capture.Layer, plain: np.ndarray) -> None:
        self._model, self._layer = model, layer
        self._inputs = model.preprocess(image)
        known = activations.layers(model)
        largest = max(math.prod(each.shape) for each in known[known.index(layer) :])
        self._batch = max(1, min(64, _BATCH_NUMBERS // largest))
        self._repeats_late = self._fits(plain)

    def logits(self, sets: Sequence[tuple[int, ...]], advance: Callable[[int], None] | None = None) -> np.ndarray:
        """Logits with each of the sets off: float32 (sets, classes)."""
        found = []
        for start in range(0, len(sets), self._batch):
            part = sets[start : start + self._batch]
            found.append(self._run(part, self._repeats_late).cpu().float().numpy())
            if advance is not None:
                advance(len(part))
        return np.concatenate(found)

    def _fits(self, plain: np.ndarray) -> bool:
        """Whether repeating late gives what it should: one row for each set, the answer itself with nothing off."""
        try:
            twice = self._run([(), ()], late=True)
        except RuntimeError:  # shapes of one image meet shapes of many
            return False
        expected = torch.from_numpy(plain).to(twice)
        scale = max(float(expected.abs().max()), 1e-30)
        return twice.shape == (2, len(plain)) and bool(((twice - expected).abs().max() <= 1e-3 * scale).item())

    def _run(self, sets: Sequence[tuple[int, ...]], late: bool) -> Tensor:
        axis = axis_of(self._layer.layout)
        keep = torch.ones(len(sets), self._layer.shape[0], dtype=torch.bool, device=self._inputs.device)
        for row, channels in enumerate(sets):
            keep[row, list(channels)] = False

        def off(output: Tensor) -> Tensor:
            shape = [1] * output.ndim
            shape[0], shape[axis] = keep.shape
            if late:
                output = output.expand(len(sets), *output.shape[1:])
            return output.masked_fill(~keep.view(shape), 0)

        path, number = capture.split(self._layer.name)
        wanted = number if "#" in self._layer.name else None
        inputs = self._inputs if late else self._inputs.expand(len(sets), -1, -1, -1).contiguous()
        model = self._model
        with model.lock, torch.inference_mode():
            handles = install(model.module, [Alteration(path, wanted, off, threading.get_ident())])
            try:
                answer: Tensor = model.module(inputs)
            finally:
                for handle in handles:
                    handle.remove()
        return answer
