"""Measured latencies as a column of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def with_latency(table: pd.DataFrame, measured: Mapping[str, float]) -> pd.DataFrame:
    """The table with one column more, 'latency_ms': median time for one image, milliseconds; NaN where not measured.

    A network is as fast with other weights of the same input size; weights for a larger input have no latency here.

    Args:
        table: as from `tables.table`.
        measured: milliseconds by slug, at the input size of the weights that the app loads.
    """
    sizes = table[table["loaded"]].set_index("slug")["input_px"]
    same = table["input_px"] == table["slug"].map(sizes)
    return table.assign(latency_ms=table["slug"].map(dict(measured)).astype(float).where(same))
