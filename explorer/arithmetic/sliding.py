"""What convolution, transposed convolution and pooling have in common: windows, and every product in them."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from explorer.arithmetic.sizes import IllegalSetting

Pair = int | tuple[int, int]  # both axes alike, or (height, width)


@dataclass(frozen=True, eq=False)
class Terms:
    """Every product of every output, as compressed rows: those of output n are `starts[n]` to `starts[n + 1] - 1`.

    Attributes:
        starts: int32 (outputs + 1,); n is the flat index into (C_out, H_out, W_out).
        cells: int32 (terms,), flat index into `Sliding.padded`, (C_in, H_pad, W_pad).
        weights: int32 (terms,), flat index into the kernel as PyTorch holds it; for pooling the position in the window.
        products: float64 (terms,), value times weight.
    """

    starts: np.ndarray
    cells: np.ndarray
    weights: np.ndarray
    products: np.ndarray


class Term(NamedTuple):
    """One product: where its value and its weight stand, and both numbers."""

    channel: int
    row: int  # in the padded grid
    column: int
    origin: tuple[int, int, int] | None  # channel, row, column in the grid itself; None in padding that copies no pixel
    weight_index: tuple[int, ...]
    value: float
    weight: float
    product: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Sliding:
    """An operation that computes each output from a window of its input.

    Attributes:
        inputs: float64 (C_in, H, W).
        padded: float64 (C_in, H_pad, W_pad); padding of max pooling holds minus infinity.
        origin: int32 (H_pad, W_pad), flat index into (H, W) of the pixel that a padded cell repeats; -1 where it
            repeats none (zeros, or minus infinity).
        unused: bool (H_pad, W_pad), whether no window covers the cell.
        dropped: rows at the bottom and columns at the right of `padded` beyond the last window: the rest that the
            size formula rounds away.
        output: float64 (C_out, H_out, W_out); (H_out, W_out) where everything was given as plain tables.
        terms: every product of every output.
        code: the same operation as a line of PyTorch, with only what differs from the defaults.
    """

    inputs: np.ndarray
    padded: np.ndarray
    origin: np.ndarray
    unused: np.ndarray
    dropped: tuple[int, int]
    output: np.ndarray
    terms: Terms
    code: str

    def at(self, channel: int, row: int, column: int) -> tuple[Term, ...]:
        """The products of one output, in the order of its window: channel by channel, row by row."""
        height, width = self.output.shape[-2:]
        channels = self.output.size // (height * width)
        if not (0 <= channel < channels and 0 <= row < height and 0 <= column < width):
            raise IndexError(f"no output ({channel}, {row}, {column}) in {channels} x {height} x {width}")
        n = (channel * height + row) * width + column
        terms = []
        for term in range(self.terms.starts[n], self.terms.starts[n + 1]):
            cell = np.unravel_index(self.terms.cells[term], self.padded.shape)
            plane, top, left = (int(index) for index in cell)
            pixel = int(self.origin[top, left])
            weight_index, weight = self.weight(term)
            terms.append(
                Term(
                    channel=plane,
                    row=top,
                    column=left,
                    origin=None if pixel < 0 else (plane, *divmod(pixel, self.inputs.shape[2])),
                    weight_index=weight_index,
                    value=float(self.padded[plane, top, left]),
                    weight=weight,
                    product=float(self.terms.products[term]),
                )
            )
        return tuple(terms)

    def weight(self, term: int) -> tuple[tuple[int, ...], float]:
        """Where the weight of a term stands, and its value; `term` counts through `terms`."""
        raise NotImplementedError


def whole(name: str, value: object, least: int) -> int:
    """An integer of at least `least`.

    Raises:
        IllegalSetting: it is no whole number, or too small.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise IllegalSetting(f"The {name} must be a whole number, not {value!r}; choose at least {least}.") from None
    if number < least:
        article = "An" if name[0] in "aeiou" else "A"
        raise IllegalSetting(f"{article} {name} of {number} is too small; choose at least {least}.")
    return number


def pair(name: str, value: Pair, least: int) -> tuple[int, int]:
    """A setting for (height, width).

    Raises:
        IllegalSetting: it is neither one whole number nor two, or one of them is too small.
    """
    if not isinstance(value, (tuple, list)):
        number = whole(name, value, least)
        return number, number
    if len(value) != 2:
        raise IllegalSetting(f"The {name} {value} has {len(value)} numbers; choose one, or two for height and width.")
    return whole(name, value[0], least), whole(name, value[1], least)


def numbers(name: str, values: object, ranks: tuple[int, ...]) -> np.ndarray:
    """A float64 copy of a table.

    Raises:
        IllegalSetting: it has another number of axes, is empty, or holds what is no finite number.
    """
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise IllegalSetting(f"The {name} holds something that is not a number; choose a full table of them.") from None
    if table.ndim not in ranks or not table.size:
        allowed = " or ".join(str(rank) for rank in ranks)
        raise IllegalSetting(f"The {name} has the shape {table.shape}; choose one with {allowed} axes, none empty.")
    if not np.isfinite(table).all():
        wrong = table[~np.isfinite(table)][0]
        raise IllegalSetting(f"The {name} holds {wrong}, which is not a finite number; choose another value.")
    return table


def operands(grid: object, kernel: object) -> tuple[np.ndarray, np.ndarray, bool]:
    """Input as (C_in, H, W), kernel with four axes, and whether both were given as plain tables."""
    inputs, weights = numbers("grid", grid, (2, 3)), numbers("kernel", kernel, (2, 4))
    plain = inputs.ndim == 2 and weights.ndim == 2
    inputs = inputs if inputs.ndim == 3 else inputs[np.newaxis]
    return inputs, weights if weights.ndim == 4 else weights[np.newaxis, np.newaxis], plain


def biases(bias: object, channels: int) -> np.ndarray:
    """One bias for each output channel, zeros where there are none.

    Raises:
        IllegalSetting: there are more or fewer than channels.
    """
    if bias is None:
        return np.zeros(channels)
    values = numbers("bias", bias, (0, 1)).reshape(-1)
    if values.size != channels:
        raise IllegalSetting(f"{values.size} biases do not fit {channels} output channels; choose one for each.")
    return values


def line(module: str, *positional: int, **settings: tuple[object, object]) -> str:
    """A line of PyTorch: each setting as (value, default), left out where they are equal."""
    written = [str(value) for value in positional]
    for name, (value, default) in settings.items():
        if _short(value) != _short(default):
            written.append(f"{name}={_short(value)}")
    return f"nn.{module}({', '.join(written)})"


def _short(value: object) -> str:
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = cast("tuple[object, ...]", value)[0]
    return f'"{value}"' if isinstance(value, str) else str(value)
