"""What is asked of a network, and its forward passes: each under the lock, counted, and stopped on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from explorer import capture
from explorer.attribution.results import NotApplicable
from explorer.errors import Cancelled

if TYPE_CHECKING:
    from explorer.capture import Layer
    from explorer.models import Model

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Target:
    """The score to explain: a class's logit, or how far it is above another one's.

    Attributes:
        index: of the class; the most probable one if None.
        against: of the other class.
    """

    index: int | None
    against: int | None = None

    def chosen(self, logits: Tensor) -> Target:
        """With the most probable class of logits (classes,) where none was named.

        Raises:
            NotApplicable: a class would be asked against itself.
        """
        found = self if self.index is not None else replace(self, index=int(logits.argmax()))
        if found.index == found.against:
            raise NotApplicable(f"Class {found.index} cannot be asked against itself; choose two different classes.")
        return found

    def score(self, logits: Tensor) -> Tensor:
        """Of logits (B, classes): (B,)."""
        score = logits[:, self.index]
        return score if self.against is None else score - logits[:, self.against]


@dataclass(frozen=True)
class Found:
    """What a method computed; see `Attribution` for the attributes. ``pixels`` is (1, C, H, W)."""

    raw: Tensor
    logits: Tensor
    target: Target
    pixels: Tensor | None = None
    baseline: np.ndarray | None = None
    difference: float | None = None
    delta: float | None = None


@dataclass(frozen=True)
class Question:
    """One call of `attribute`.

    The network's lock is held for each pass and not for the hundreds that some methods need: others get their turn in
    between, and a pass leaves the network as it found it.

    Attributes:
        model: the network.
        seen: uint8 (H, W, 3), what it sees.
        inputs: the same as its input tensor.
        layer: to read; None for methods that read pixels.
        target: the score to explain.
        options: of the method, complete.
        progress: called with the number of passes done and of all.
        cancelled: asked before each pass; True ends it.
    """

    model: Model
    seen: np.ndarray
    inputs: Tensor
    layer: Layer | None
    target: Target
    options: Mapping[str, Any]
    progress: Progress | None = None
    cancelled: Callable[[], bool] | None = None

    def answer(self) -> tuple[Tensor, Target]:
        """One pass without gradients: (logits (classes,), the target)."""
        with self.model.lock, torch.no_grad():
            logits = self.model.module(self.inputs)[0]
        return logits, self.target.chosen(logits)

    def read(self) -> tuple[Tensor, Tensor, Target]:
        """One pass without gradients: (the layer's output as it lays it out, logits (classes,), the target)."""
        with self.model.lock, torch.no_grad():
            output, logits = capture.tapped(self.model.module, self.inputs, self.where.name)
        return output.detach(), logits[0], self.target.chosen(logits[0])

    def slopes(self) -> tuple[Tensor, Tensor, Tensor, Target]:
        """One pass there and back to the layer: (maps, gradients, both (1, C, h, w), logits (classes,), the target)."""
        with self.model.lock:
            output, logits = capture.tapped(self.model.module, self.inputs, self.where.name)
            target = self.target.chosen(logits[0])
            (gradient,) = torch.autograd.grad(target.score(logits)[0], output)
        maps, gradients = self.where.maps(output.detach()), self.where.maps(gradient)
        return maps, gradients, logits[0].detach(), target

    def pixel_slopes(self, inputs: Tensor) -> tuple[Tensor, Tensor, Target]:
        """One pass there and back to the pixels: (gradient like ``inputs``, logits (B, classes), the target).

        The gradient is that of the sum over the batch; each image's own, since images do not meet.
        """
        leaf = inputs.detach().clone().requires_grad_(True)
        with self.model.lock:
            logits = self.model.module(leaf)
            target = self.target.chosen(logits[0])
            (gradient,) = torch.autograd.grad(target.score(logits).sum(), leaf)
        return gradient, logits.detach(), target

    def asking(self, target: Target) -> Question:
        """The same with a target that is known."""
        return replace(self, target=target)

    @property
    def where(self) -> Layer:
        """The layer, of methods that read one."""
        assert self.layer is not None
        return self.layer

    def steps(self, total: int) -> Steps:
        """A counter of ``total`` passes."""
        return Steps(total, self.progress, self.cancelled)

    def number(self, name: str, least: int, most: int | None = None) -> int:
        """The option ``name``, a whole number within its limits.

        Raises:
            NotApplicable: it is not; the message names the limits.
        """
        return whole_number(self.options, name, least, most)

    def share(self, name: str, of: str = "", *, whole: bool = True) -> float:
        """The option ``name``, a number from 0 to 1, or below it if the ``whole`` would be too much.

        Raises:
            NotApplicable: it is not; the message names the limits and says whose share it is.
        """
        value = self.options[name]
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and (0 <= value <= 1 if whole else 0 <= value < 1)):
            limits = "from 0 to 1" if whole else "from 0 to less than 1"
            raise NotApplicable(f"{name} must be a share {limits}{of}, and {value!r} is none.")
        return float(value)


def whole_number(options: Mapping[str, Any], name: str, least: int, most: int | None = None) -> int:
    """The option ``name``, a whole number within its limits.

    Raises:
        NotApplicable: it is not; the message names the limits.
    """
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise NotApplicable(f"{name} must be a whole number {limits}, and {value!r} is none.")
    return value


class Steps:
    """Counts passes, tells about them, and stops where that is asked for."""

    def __init__(self, total: int, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
        self._total, self._done = total, 0
        self._progress, self._cancelled = progress, cancelled

    def check(self) -> None:
        """Before a pass.

        Raises:
            Cancelled: someone asked to stop.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled(f"Stopped after {self._done} of {self._total} passes.")

    def advance(self, count: int) -> None:
        """After passes for ``count`` images."""
        self._done = min(self._done + count, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def forward(self, question: Question, target: Target) -> Callable[[Tensor], Tensor]:
        """The network as a function from images to scores (B,), counting them."""
        module = question.model.module

        def scores(inputs: Tensor) -> Tensor:
            self.check()
            with question.model.lock:
                try:
                    # Colours side by side in memory: the same numbers, up to a third sooner on a processor.
                    logits = module(inputs.contiguous(memory_format=torch.channels_last))
                except RuntimeError:  # a network that views its maps as rows wants them in the usual order
                    logits = module(inputs.contiguous())
            self.advance(len(inputs))
            return target.score(logits)

        return scores
