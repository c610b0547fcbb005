"""What an attribution is, and why there may be none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from explorer.errors import ExplorerError


class NotApplicable(ExplorerError):
    """The method means nothing here; the message says why and what to choose."""


@dataclass(frozen=True)
class Attribution:
    """A map of evidence for one class, or for one class and not another.

    Attributes:
        method: its key.
        target: index of the class.
        label: name of the class.
        layer: where the evidence was read; empty for methods that read it at the pixels.
        raw: float32 (h, w), before anything is rectified, enlarged or scaled: at the layer's own resolution, or at that
            of what the network saw. Signed where the method is. In logits where parts of the photo were hidden
            (occlusion, superpixels) or adding up (integrated gradients), else in the method's own unit.
        heatmap: float32 (H, W) in [0, 1] over what the network saw: the positive part, enlarged, divided by its peak.
        signed: float32 (H, W) in [-1, 1]: both signs, enlarged, divided by the largest absolute value.
        seen: uint8 (H, W, 3), what the network saw.
        probability: of the class.
        logit: of the class.
        logits: float32 (classes,).
        against: index of the class it was asked against ("why this and not that"); None if it was not.
        against_label: name of that class.
        pixels: float32 (H, W, 3), what ``raw`` was made of, for each colour and signed, where the method has it; a grey
            network's one colour three times.
        baseline: uint8 (H, W, 3), what integrated gradients compares the photo with.
        difference: by how much the score (the class's logit, less the other's) exceeds that of the baseline.
        delta: sum of ``raw`` minus ``difference``; completeness says zero.
        options: of the method, as used.
    """

    method: str
    target: int
    label: str
    layer: str
    raw: np.ndarray
    heatmap: np.ndarray
    signed: np.ndarray
    seen: np.ndarray
    probability: float
    logit: float
    logits: np.ndarray
    against: int | None = None
    against_label: str = ""
    pixels: np.ndarray | None = None
    baseline: np.ndarray | None = None
    difference: float | None = None
    delta: float | None = None
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def evidence(self) -> bool:
        """Whether anything here speaks for the class; if not, ``heatmap`` is zero everywhere."""
        return bool(self.raw.max() > 0)
