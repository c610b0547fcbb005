"""What a network can be judged by: each a column of the table, with its unit and which way is better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number of a network.

    Attributes:
        column: of `tables.table`.
        title: for people, without the unit.
        unit: of what is shown.
        better: -1 where less is better, +1 where more is, 0 where neither.
        scale: the column's numbers are divided by it to be shown in the unit.
        digits: behind the point.
        log: whether it spans so many orders that a logarithmic axis is the usual one.
        meaning: one sentence.
    """

    column: str
    title: str
    unit: str
    better: int
    scale: float
    digits: int
    log: bool
    meaning: str

    @property
    def label(self) -> str:
        """Title and unit: 'Parameters, M'."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


_ALL = (
    Metric("top1", "Top-1", "%", +1, 1, 2, False, "Share of ImageNet's 50,000 validation photos named rightly."),
    Metric("top5", "Top-5", "%", +1, 1, 2, False, "Share of them whose class is among the first five answers."),
    Metric("parameters", "Parameters", "M", -1, 1e6, 2, True, "Learnt numbers, counted."),
    Metric(
        "macs", "MACs", "G", -1, 1e9, 3, True, "Multiply-accumulates for one image, counted; FLOPs are twice as many."
    ),
    Metric("latency_ms", "Latency", "ms", -1, 1, 1, True, "Median for one image, measured on this device."),
    Metric(
        "activation_mb",
        "Activation memory",
        "MB",
        -1,
        1,
        1,
        True,
        "All outputs of all layers for one image in float32, as training holds them.",
    ),
    Metric("file_mb", "Weights file", "MB", -1, 1, 1, True, "Size of the file with the weights, millions of bytes."),
    Metric("input_px", "Input", "px", -1, 1, 0, False, "Side of the square the weights were evaluated at."),
    Metric(
        "field_px",
        "Receptive field",
        "px",
        0,
        1,
        0,
        True,
        "Side of the square that a unit of the last map could see; none where it sees the whole image by a gate or by "
        "attention.",
    ),
    Metric("depth", "Depth", "layers", 0, 1, 0, True, "Layers with weights on the longest way from image to answer."),
    Metric("year", "Year", "", -1, 1, 0, False, "Of first publication."),
)
METRICS: dict[str, Metric] = {metric.column: metric for metric in _ALL}
"""By column, in the order in which they are offered."""
