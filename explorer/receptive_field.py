"""How far a unit sees: the pixels of the input on which one number inside a network depends.

Everything is said along one axis. Unit `u` of a layer depends on pixels `u * stride - padding` to
`u * stride - padding + size - 1`; pixels outside the image are padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from explorer.effective import EffectiveField
    from explorer.models import Model


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels on which the units of a layer depend, along one axis.

    Attributes:
        size: pixels on which one unit depends.
        stride: pixels between the fields of neighbouring units.
        padding: pixels by which unit 0's field begins before the image.
        whole: whether a unit depends on the whole image besides (global pooling, attention, squeeze-and-excitation);
            `size` is what it would see without that.
        pattern: where units of one layer see unequal fields (behind transposed convolutions and attention in windows),
            first and last pixel of unit 0, of unit 1, and so on until they repeat; `size` is then the largest one's.
    """

    size: int
    stride: int
    padding: int
    whole: bool = False
    pattern: tuple[tuple[int, int], ...] = ()

    @property
    def aligned(self) -> bool:
        """Whether unit 0 is centred on the middle of the first `stride` pixels, so that features lie where they look.

        Half a pixel is no fault: a field of even size cannot be centred on a pixel, nor one of odd size between two.
        """
        return abs(2 * self.centre(0) - (self.stride - 1)) <= 1

    def interval(self, unit: int) -> tuple[int, int]:
        """First and last pixel on which a unit depends; negative or beyond the image where it reaches into padding."""
        if self.pattern:
            turn, phase = divmod(unit, len(self.pattern))
            moved = turn * len(self.pattern) * self.stride
            return self.pattern[phase][0] + moved, self.pattern[phase][1] + moved
        first = unit * self.stride - self.padding
        return first, first + self.size - 1

    def centre(self, unit: int) -> float:
        """The pixel on which a unit is centred; a half lies between two pixels."""
        first, last = self.interval(unit)
        return (first + last) / 2

    def inside(self, unit: int, pixels: int) -> tuple[int, int]:
        """First and last pixel of an image of so many pixels on which a unit depends; the whole image if `whole`."""
        if self.whole:
            return 0, pixels - 1
        first, last = self.interval(unit)
        return max(first, 0), min(last, pixels - 1)


PIXEL = ReceptiveField(size=1, stride=1, padding=0)
"""What a pixel of the image itself sees."""


def through(field: ReceptiveField, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> ReceptiveField:
    """The field behind one more layer that slides a window: a convolution or a pooling."""
    return ReceptiveField(
        size=field.size + dilation * (kernel - 1) * field.stride,
        stride=field.stride * stride,
        padding=field.padding + padding * field.stride,
        whole=field.whole,
    )


def stack(layers: Sequence[tuple[int, int, int, int]]) -> tuple[ReceptiveField, ...]:
    """The receptive field behind each layer of a plain stack, one result per layer.

    Args:
        layers: (kernel, stride, padding, dilation) of each, from the image on.

    Raises:
        ValueError: a kernel, stride or dilation is less than 1, or a padding is negative.
    """
    fields = []
    field = PIXEL
    for number, (kernel, stride, padding, dilation) in enumerate(layers, start=1):
        if min(kernel, stride, dilation) < 1 or padding < 0:
            raise ValueError(
                f"Layer {number} must have kernel, stride and dilation of at least 1 and a padding of at least 0, "
                f"not ({kernel}, {stride}, {padding}, {dilation})."
            )
        field = through(field, kernel, stride, padding, dilation)
        fields.append(field)
    return tuple(fields)


def effective(model: Model, image: Image.Image, layer: str, unit: tuple[int, int]) -> EffectiveField:
    """Where the photo would have to change for this unit to change; see `explorer.effective.effective`."""
    from explorer import effective as measured  # needs torch and the graph, which needs this module

    return measured.effective(model, image, layer, unit)
