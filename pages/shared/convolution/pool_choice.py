"""What the Pooling tab's controls say, for whatever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["max", "average", "adaptive max", "adaptive average"]


@dataclass(frozen=True)
class PoolChoice:
    """One pooling layer; pairs are (height, width).

    Attributes:
        kind: what is taken from each window; the adaptive kinds look at ``size`` only, the others never do.
        kernel: pixels of the window.
        stride: pixels from one window to the next.
        padding: pixels added at each end.
        dilation: pixels from one cell of the window to the next; max pooling only.
        ceil_mode: whether a last, incomplete window counts.
        size: of the output of the adaptive kinds; (1, 1) is global pooling.
    """

    kind: Kind = "max"
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    ceil_mode: bool = False
    size: tuple[int, int] = (1, 1)
