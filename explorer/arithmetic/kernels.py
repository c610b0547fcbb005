"""Small pictures and kernels to begin with; every one has a reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel worth knowing.

    Attributes:
        title: what it is called.
        weights: float64 (k, k), read-only.
        about: one sentence on what it does to a photo.
    """

    title: str
    weights: np.ndarray
    about: str

    @property
    def size(self) -> int:
        """Weights along one side."""
        return int(self.weights.shape[0])


def _table(rows: object) -> np.ndarray:
    table = np.array(rows, dtype=np.float64)
    table.setflags(write=False)  # shared by every visitor
    return table


_BINOMIAL = {5: [1, 4, 6, 4, 1], 7: [1, 6, 15, 20, 15, 6, 1]}
_BLUR = "Each pixel becomes a mean of its neighbourhood in which near pixels count more: a soft blur."
_LAPLACE = [[0, 0, -1, 0, 0], [0, -1, -2, -1, 0], [-1, -2, 16, -2, -1], [0, -1, -2, -1, 0], [0, 0, -1, 0, 0]]

KERNELS: dict[str, Kernel] = {
    kernel.title: Kernel(kernel.title, _table(kernel.weights), kernel.about)
    for kernel in (
        Kernel(
            "The guide's cross",
            np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]),
            "Adds up the centre and the four corners: large where the picture shows a diagonal cross, and five times "
            "as bright where it is flat.",
        ),
        Kernel(
            "Edges (the guide's)",
            np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
            "Compares each pixel with its eight neighbours: 0 where they are alike, far from 0 at edges and points.",
        ),
        Kernel(
            "Sobel x",
            np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
            "Right minus left: finds upright edges, positive where it gets brighter to the right.",
        ),
        Kernel(
            "Sobel y",
            np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
            "Below minus above: finds level edges, positive where it gets brighter downwards.",
        ),
        Kernel("Box blur", np.full((3, 3), 1 / 9), "Each pixel becomes the plain mean of nine: a slight blur."),
        Kernel("Gaussian blur", np.outer([1, 2, 1], [1, 2, 1]) / 16, _BLUR),
        Kernel(
            "Sharpen",
            np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
            "Adds to each pixel how much it differs from its four neighbours: edges become crisper, noise too.",
        ),
        Kernel(
            "Emboss",
            np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
            "Adds the difference from the upper left to the lower right: the picture looks pressed into paper and lit "
            "from one side.",
        ),
        Kernel(
            "Outline",
            np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
            "Compares each pixel with its four nearest: thin outlines, 0 where the picture is flat or an even ramp.",
        ),
        Kernel("Identity", np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]), "Copies each pixel: nothing changes."),
        Kernel(
            "Shift",
            np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]]),
            "Copies each pixel's left neighbour: the whole picture moves one pixel to the right.",
        ),
        Kernel("Box blur 5", np.full((5, 5), 1 / 25), "Each pixel becomes the plain mean of 25: a visible blur."),
        Kernel("Gaussian blur 5", np.outer(_BINOMIAL[5], _BINOMIAL[5]) / 256, _BLUR),
        Kernel(
            "Laplacian of Gaussian 5",
            np.array(_LAPLACE),
            "Blurs a little, then compares centre and surroundings: finds spots and edges with less noise; positive on "
            "bright spots.",
        ),
        Kernel("Gaussian blur 7", np.outer(_BINOMIAL[7], _BINOMIAL[7]) / 4096, _BLUR),
        Kernel(
            "Motion blur 7",
            np.eye(7) / 7,
            "The mean of seven pixels on a diagonal: as if the camera had moved along it while the shutter was open.",
        ),
    )
}

GRIDS: dict[str, np.ndarray] = {
    "The guide's figure": _table([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]),
    "One bright pixel": _table(np.outer(np.arange(7) == 3, np.arange(7) == 3)),
    "An edge": _table(np.tile([0, 0, 0, 9, 9, 9], (6, 1))),
    "A ramp": _table(np.tile(np.arange(6), (6, 1))),
    "A corner": _table(np.outer(np.arange(6) >= 3, np.arange(6) >= 3) * 9),
    "Checkerboard": _table(np.add.outer(np.arange(6), np.arange(6)) % 2),
}


def random_grid(seed: int, height: int, width: int) -> np.ndarray:
    """A picture of whole numbers from 0 to 9, the same for the same seed: float64 (height, width)."""
    return np.random.default_rng(seed).integers(0, 10, (height, width)).astype(np.float64)
