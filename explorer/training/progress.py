"""What a run tells while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Epoch:
    """One round through the photos to learn from.

    Attributes:
        number: from 1.
        loss: cross-entropy on the photos to learn from, as they were trained (augmented, with dropout), mean.
        accuracy: on those, 0 to 1.
        validation_loss: on the photos to check with, after the epoch.
        validation_accuracy: on those, 0 to 1.
        head_rate: learning rate of the head.
        backbone_rate: of the unfrozen stages; 0 if there are none.
        seconds: it took.
    """

    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    head_rate: float
    backbone_rate: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Epoch:
        """What `to_json` has written down."""
        return Epoch(**plain)


def best(epochs: tuple[Epoch, ...]) -> int:
    """Number of the epoch with the highest validation accuracy, among equals the lowest loss, then the first; or 0.

    An epoch in which nothing was right counts too: the first one is always the best so far.
    """
    ranked = sorted(epochs, key=lambda each: (-each.validation_accuracy, each.validation_loss, each.number))
    return ranked[0].number if ranked else 0


@dataclass(frozen=True)
class Progress:
    """How far a run has come; also a `Step` of `explorer.jobs`.

    Attributes:
        run: name of the run.
        phase: 'preparing', 'features', 'training', 'checking' or 'done'.
        epoch: under way, from 1; 0 before the first.
        epochs: how many there will be.
        done: work done, in passes of one photo through the whole network, forward and backward counting as three.
        total: all of it.
        loss: of the epoch so far.
        accuracy: of the epoch so far.
        head_rate: learning rate of the head.
        backbone_rate: of the unfrozen stages; 0 if there are none.
        history: the epochs that are finished.
        losses: mean loss of each step since the run began, float32 (steps,). Not writable.
        best: number of the best epoch, 0 before the first has ended.
        seconds: since this part of the run began.
        note: what is worth knowing, one sentence or ''.
        result: the epoch that has just ended, if one has.
    """

    run: str
    phase: str
    epoch: int
    epochs: int
    done: float
    total: float
    loss: float
    accuracy: float
    head_rate: float
    backbone_rate: float
    history: tuple[Epoch, ...]
    losses: np.ndarray
    best: int
    seconds: float
    note: str = ""
    result: Epoch | None = None

    @property
    def text(self) -> str:
        """What it is at, for people."""
        if self.phase == "training":
            return f"Epoch {self.epoch} of {self.epochs}: loss {self.loss:.3f}"
        return {
            "preparing": "Preparing the network",
            "features": "Computing the features of all photos, once",
            "checking": f"Epoch {self.epoch} of {self.epochs}: checking",
            "done": "Done",
        }[self.phase]

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0
