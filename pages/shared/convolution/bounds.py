"""Which settings of a window are legal, one axis at a time, so that a control offers nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

Limits = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution or a pooling: pixels, weights, how the window moves; ``same`` keeps the size."""

    LIMITS: ClassVar[Limits] = {
        "size": (3, 12),
        "kernel": (1, 7),
        "stride": (1, 6),
        "padding": (0, 6),
        "dilation": (1, 4),
    }

    size: int = 5
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    mode: str = "zeros"
    same: bool = False
    pooling: bool = False

    @property
    def window(self) -> int:
        """Pixels from the first weight to the last."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def ends(self) -> tuple[int, int]:
        """Cells added at the beginning and at the end."""
        total = self.dilation * (self.kernel - 1)
        return (total // 2, total - total // 2) if self.same else (self.padding, self.padding)

    @property
    def most_padding(self) -> int:
        """The widest padding that the image or the kernel allows."""
        if self.pooling:
            return self.kernel // 2
        return {"reflect": self.size - 1, "circular": self.size}.get(self.mode, sum(self.ends))

    @property
    def too_wide(self) -> bool:
        """Whether less padding would help."""
        return not self.same and self.padding > self.most_padding

    @property
    def legal(self) -> bool:
        """Whether PyTorch computes it."""
        fits = self.window <= self.size + sum(self.ends)
        return fits and max(self.ends) <= self.most_padding and not (self.same and self.stride > 1)

    @property
    def output(self) -> int:
        """Positions of the window."""
        return (self.size + sum(self.ends) - self.window) // self.stride + 1

    @property
    def rest(self) -> int:
        """Padded cells at the end that rounding down leaves out."""
        return (self.size + sum(self.ends) - self.window) % self.stride


@dataclass(frozen=True)
class Stamp:
    """One axis of a transposed convolution."""

    LIMITS: ClassVar[Limits] = {
        "size": (2, 8),
        "kernel": (1, 5),
        "stride": (1, 3),
        "padding": (0, 3),
        "dilation": (1, 2),
        "output_padding": (0, 2),
    }

    size: int = 3
    kernel: int = 2
    stride: int = 2
    padding: int = 0
    dilation: int = 1
    output_padding: int = 0

    @property
    def output(self) -> int:
        """Cells of the output: (n − 1) s − 2 p + d (k − 1) + output padding + 1."""
        stamps = (self.size - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
        return stamps - 2 * self.padding + self.output_padding

    @property
    def too_wide(self) -> bool:
        """Whether less padding, which is cut off here, would help."""
        return self.output < 1

    @property
    def legal(self) -> bool:
        """Whether PyTorch computes it."""
        return self.output >= 1 and self.output_padding < max(self.stride, self.dilation)


T = TypeVar("T", bound=Axis | Stamp)


def bounds(axis: T, name: str) -> tuple[int, int]:
    """Least and most that ``name`` may be while all else stays; every value between is legal as well."""
    least, most = axis.LIMITS[name]
    allowed = [value for value in range(least, most + 1) if _with(axis, name, value).legal]
    return (allowed[0], allowed[-1]) if allowed else (getattr(axis, name), getattr(axis, name))


def repaired(axis: T) -> tuple[T, list[str]]:
    """The nearest legal settings, and the names of what had to change."""
    changed = []
    for name, (least, most) in axis.LIMITS.items():
        value = getattr(axis, name)
        if not least <= value <= most:
            axis = _with(axis, name, min(max(value, least), most))
            changed.append(name)
    if getattr(axis, "same", False) and axis.stride > 1:
        axis = _with(axis, "stride", 1)
        changed.append("stride")
    for name in ("output_padding", "padding", "dilation", "kernel", "padding"):
        while name in axis.LIMITS and not axis.legal and getattr(axis, name) > axis.LIMITS[name][0]:
            if name == "padding" and not axis.too_wide:
                break  # the window is too large, and less padding would not help
            axis = _with(axis, name, getattr(axis, name) - 1)
            changed.append(name)
    return axis, list(dict.fromkeys(changed))


def _with(axis: T, name: str, value: int) -> T:
    return replace(axis, **{name: value})  # type: ignore[arg-type]  # every limited field is an int
