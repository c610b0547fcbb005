"""One table of every network with each of its weights: what it reaches, what it costs, and who says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from explorer import catalogue
from explorer.performance import guide, records
from explorer.performance.records import IMAGENET, Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: dict[str, str] = {
    "slug": "name in links and code",
    "network": "title for people",
    "family": "whose colour it has",
    "year": "of first publication",
    "guide": "whether the guide has it",
    "ten": "whether it is one of the ten in the guide's table",
    "weights": "name of the weights; empty where nothing was published",
    "loaded": "whether these are the weights that the app loads, or the only row of the network",
    "top1": "accuracy on ImageNet's validation photos, %; NaN where it is unknown or was measured elsewhere",
    "top5": "the class is among the first five, %",
    "elsewhere": "accuracy on other pictures, in words; empty where there is none",
    "input_px": "side of the square input with these weights, pixels",
    "parameters": "learnt numbers, counted on the app's own network",
    "macs": "multiply-accumulates for one image at `input_px`, counted",
    "activation_mb": "all outputs of all layers for one image in float32, millions of bytes, counted",
    "file_mb": "size of the file with the weights, millions of bytes; NaN where there is no file",
    "field_px": "receptive field of a unit of the last map, pixels; NaN where it sees the whole image",
    "whole_image": "whether such a unit sees the whole image (attention, squeeze-and-excitation)",
    "depth": "layers with weights on the longest way from image to answer",
    "published_parameters": "as the source publishes them",
    "published_macs": "as the source publishes them; torchvision's to a million",
    "source": "of accuracy and the published columns",
    "claimed_year": "the guide's year; missing outside its table",
    "claimed_top1": "the guide's figure as it prints it; empty where it has none",
    "claimed_parameters": "the guide's figure as it prints it",
    "claimed_macs": "the guide's figure as it prints it, under the heading FLOPs",
}
"""The table's columns with their units."""


def table() -> pd.DataFrame:
    """Every network of the app: one row for each version of its weights, the one that the app loads first.

    Columns are those of `COLUMNS`. Accuracies come from `explorer.published`, everything marked as counted from the
    networks themselves (see `explorer.performance.counting`).
    """
    import pandas as pd

    found = pd.DataFrame([_cells(row) for row in records.records()], columns=list(COLUMNS))
    return found.astype(
        {
            "top1": float,
            "top5": float,
            "file_mb": float,
            "field_px": float,
            "published_parameters": "Int64",
            "published_macs": "Int64",
            "claimed_year": "Int64",
        }
    )


def _cells(row: Record) -> dict[str, Any]:
    claims = catalogue.CATALOGUE[row.slug].claims if row.slug in catalogue.CATALOGUE else {}
    counts = row.counts
    return {
        "slug": row.slug,
        "network": row.network,
        "family": row.family,
        "year": row.year,
        "guide": row.slug in catalogue.CATALOGUE,
        "ten": row.slug in guide.TEN,
        "weights": row.weights,
        "loaded": row.loaded,
        "top1": row.top1 if row.dataset == IMAGENET else None,
        "top5": row.top5 if row.dataset == IMAGENET else None,
        "elsewhere": f"{row.top1} % on {row.dataset}" if row.top1 and row.dataset != IMAGENET else "",
        "input_px": row.side,
        "parameters": counts.parameters,
        "macs": counts.macs,
        "activation_mb": counts.activation_bytes / 1e6,
        "file_mb": row.megabytes,
        "field_px": None if counts.whole else counts.field,
        "whole_image": counts.whole,
        "depth": counts.depth,
        "published_parameters": row.parameters,
        "published_macs": row.macs,
        "source": row.source or "counted here; nothing is published",
        "claimed_year": guide.YEARS.get(row.slug),
        "claimed_top1": claims.get("top1", ""),
        "claimed_parameters": claims.get("params", ""),
        "claimed_macs": claims.get("macs", ""),
    }


def within(
    table: pd.DataFrame,
    *,
    families: Collection[str] = (),
    years: tuple[int, int] | None = None,
    most: Mapping[str, float | None] | None = None,
) -> pd.DataFrame:
    """The rows that keep to some limits.

    Args:
        table: to look through.
        families: that may stay; all of them if empty.
        years: first and last that may stay.
        most: the largest allowed value by column; a row without a value does not keep to a limit, since nobody knows.
    """
    keep = table["slug"].notna()
    if families:
        keep &= table["family"].isin(list(families))
    if years is not None:
        keep &= table["year"].between(*years)
    for column, limit in (most or {}).items():
        if limit is not None:
            keep &= table[column] <= limit
    return table[keep]
