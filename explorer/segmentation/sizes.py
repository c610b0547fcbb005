"""How large the maps of a U-Net are at every stage, for any picture: the guide's padded one and the paper's."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import ExplorerError

PAPER_SIDE = 572  # Figure 1 of the paper


class TooSmall(ExplorerError):
    """Nothing is left of the picture before the bottleneck, or on the way up."""


@dataclass(frozen=True)
class Row:
    """One step of the pass.

    Attributes:
        stage: 'down 1' is the top of the left side, 'up 1' that of the right one; 'bottleneck' lies between them.
        step: 'convolutions', 'pooling', 'upsampling', 'stretched' (to the skip) or 'cropped' (the skip, to the maps).
        height: of the maps after it, pixels.
        width: the same.
        lost: rows and columns that a pooling left out, that stretching added, or that cropping cut off.
    """

    stage: str
    step: str
    height: int
    width: int
    lost: tuple[int, int] = (0, 0)


def sizes(height: int, width: int, levels: int = 4, *, valid: bool = False) -> tuple[Row, ...]:
    """Every step's size for a picture of `height` x `width`.

    Args:
        height: pixels.
        width: pixels.
        levels: poolings.
        valid: the paper's convolutions, which lose a pixel at each border, and whose skips are cropped; False for the
            guide's, which pad and keep the size, and stretch what a pooling has rounded down.

    Raises:
        TooSmall: the maps would vanish.
    """
    border = 4 if valid else 0  # two 3x3 convolutions without padding: a pixel on each side, twice
    rows: list[Row] = []
    skips: list[tuple[int, int]] = []
    size = (height, width)

    def convolved(stage: str) -> tuple[int, int]:
        found = size[0] - border, size[1] - border
        _exists(found, height, width, levels, valid)
        rows.append(Row(stage, "convolutions", *found))
        return found

    for level in range(1, levels + 1):
        size = convolved(f"down {level}")
        skips.append(size)
        odd = size[0] % 2, size[1] % 2
        size = size[0] // 2, size[1] // 2
        _exists(size, height, width, levels, valid)
        rows.append(Row(f"down {level}", "pooling", *size, odd))
    size = convolved("bottleneck")
    for level in range(levels, 0, -1):
        stage, skip = f"up {level}", skips[level - 1]
        size = 2 * size[0], 2 * size[1]
        rows.append(Row(stage, "upsampling", *size))
        apart = skip[0] - size[0], skip[1] - size[1]
        if valid:
            rows.append(Row(stage, "cropped", *size, apart))
        elif any(apart):
            size = skip
            rows.append(Row(stage, "stretched", *size, apart))
        size = convolved(stage)
    return tuple(rows)


def smallest_side(levels: int = 4, *, valid: bool = False) -> int:
    """The smallest side that a picture may have, pixels: 16 for the guide's four levels, 188 for the paper's."""
    side = 1
    while True:
        try:
            sizes(side, side, levels, valid=valid)
        except TooSmall:
            side += 1
        else:
            return side


def _exists(size: tuple[int, int], height: int, width: int, levels: int, valid: bool) -> None:
    if min(size) < 1:
        raise TooSmall(
            f"A picture of {height} × {width} pixels vanishes on its way through {levels} levels"
            f"{' of unpadded convolutions' if valid else ''}; make it larger."
        )
