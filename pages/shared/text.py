"""Numbers and names for people."""

from __future__ import annotations

import math
import re


def percent(probability: float) -> str:
    """A probability: 41 %, 3.2 %, below 0.1 %, 0 %."""
    if probability == 0:
        return "0 %"
    if probability < 0.001:
        return "below 0.1 %"
    return f"{100 * probability:.{0 if probability >= 0.0995 else 1}f} %"


def count(number: float) -> str:
    """A count: 640, 4.65 M, 385 M, 4.09 G."""
    if number < 1000:
        return f"{number:.0f}"
    power = min(int(math.log10(number) // 3), 4)
    return f"{number / 1000**power:.3g} {'kMGT'[power - 1]}"


def memory(size_in_bytes: float) -> str:
    """Memory: 57.6 kB, 159 MB."""
    return f"{size_in_bytes / 1e6:.3g} MB" if size_in_bytes >= 1e5 else f"{size_in_bytes / 1e3:.3g} kB"


def number(value: float) -> str:
    """A value with five digits and a true minus: −4.7833."""
    return f"{value:.5g}".replace("-", "−")


def size(shape: tuple[int, ...]) -> str:
    """The size of an output: 112 × 14 × 14."""
    return " × ".join(map(str, shape))


def plain(words: str) -> str:
    """``words`` with everything escaped that Markdown would take for its own: a file's name is not a link."""
    return re.sub(r"([\\`*_\[\]<>#|$~:])", r"\\\1", words)
