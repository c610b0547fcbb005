"""What the By hand tab begins with: settings that each show one thing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from explorer.arithmetic.kernels import GRIDS, random_grid


@dataclass(frozen=True)
class Example:
    """Settings that show one thing, and a sentence on what it is; ``both`` holds what both axes share."""

    picture: np.ndarray
    kernel: str
    words: str
    both: dict[str, int] = field(default_factory=dict)
    mode: str = "zeros"
    flip: bool = False


_FIGURE = GRIDS["The guide's figure"]
_EDGES = "Edges (the guide's)"
EXAMPLES = {
    "The guide's figure": Example(
        _FIGURE,
        "The guide's cross",
        "The kernel lies on the image in nine places. Each time, the numbers that lie on each other are multiplied, "
        "and the nine products are added up.",
    ),
    "The guide's edges": Example(
        _FIGURE,
        _EDGES,
        "With one ring of padding the output keeps the size of the image.",
        {"padding": 1},
    ),
    "A flat picture": Example(
        np.full((5, 5), 5.0),
        _EDGES,
        "There is no edge in this picture, and yet the border answers.",
        {"padding": 1},
    ),
    "Stride 2": Example(
        random_grid(4, 6, 6),
        "Gaussian blur",
        "Every second position only, so the output is smaller. The last row and column are never read: there is no "
        "room for another step.",
        {"stride": 2},
    ),
    "Dilation 2": Example(
        random_grid(7, 7, 7),
        "Sobel x",
        "The weights stand two pixels apart: nine of them look at 5 × 5 pixels.",
        {"dilation": 2},
    ),
    "One bright pixel": Example(
        GRIDS["One bright pixel"],
        "Emboss",
        "One bright pixel prints the kernel, turned by 180 degrees: networks compute a correlation. The true "
        "convolution turns the kernel first, and the print is upright.",
        {"padding": 1},
    ),
}
FIRST = next(iter(EXAMPLES))
