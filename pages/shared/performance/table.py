"""The table below the chart: figures with units and sources, the guide's claims beside ours, and a CSV to keep."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared.text import plain

if TYPE_CHECKING:
    import pandas as pd

    from explorer.performance import Claim

_CLICK = "performance-click"
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_CLAIMED = {"year": "guide: year", "top1": "guide: top-1", "parameters": "guide: parameters", "macs": "guide: “FLOPs”"}


def draw(shown: pd.DataFrame, choose: Callable[[str], None]) -> None:
    """The rows that the chart shows.

    Args:
        shown: rows of the table, with latency.
        choose: is told the slug of the network whose name is clicked.
    """
    from explorer import performance

    loaded = set(shown.loc[shown["loaded"], "slug"])
    claims = [claim for claim in performance.claims() if claim.slug in loaded]
    notes = {claim: number for number, claim in enumerate((each for each in claims if each.note), start=1)}
    _frame(shown, claims, notes, choose)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV",
            shown.to_csv(index=False),
            file_name="cnn-explorer-networks.csv",
            mime="text/csv",
            icon=":material/download:",
            help="These rows in full: counts to the last digit, all units in the columns' names.",
            on_click="ignore",
        )
        st.caption(
            "Accuracy as its source publishes it. Parameters, MACs, activation memory (all outputs of all layers for "
            "one image in float32), receptive field (of a unit of the last map) and depth (layers with weights) are "
            "counted here, at the input of these weights. FLOPs are twice the MACs. Weights that are not on this "
            "machine are fetched, where it can, once you choose their network."
        )
    if claims:
        _footnotes(notes)


def _frame(shown: pd.DataFrame, claims: list[Claim], notes: dict[Claim, int], choose: Callable[[str], None]) -> None:
    config = st.column_config
    said = {(claim.slug, claim.column): _said(claim, notes) for claim in claims}
    slugs = tuple(shown["slug"])

    def clicked() -> None:
        choose(slugs[st.session_state[_CLICK].row])

    numbers = {
        "year": "%d",
        "top-1, %": "%.2f",
        "top-5, %": "%.2f",
        "parameters, M": "%.4g",
        "MACs, G": "%.4g",
        "latency, ms": "%.1f",
        "activations, MB": "%.1f",
        "file, MB": "%.1f",
        "input, px": "%d",
        "depth, layers": "%d",
    }
    st.dataframe(
        [_row(row, said) for row in shown.to_dict("records")],
        key="performance-table",
        hide_index=True,
        height=min(38 + 35 * len(shown), 560),
        placeholder="–",
        column_config={
            "network": config.ButtonColumn(
                "network",
                type="tertiary",
                alignment="left",
                width=max(110, 24 + 7 * max(map(len, shown["network"]))),  # pixels: the longest name whole
                pinned=True,
                on_click=clicked,
                key=_CLICK,
            ),
            **{name: config.NumberColumn(format=digits) for name, digits in numbers.items()},
            **{name: config.TextColumn(alignment="right") for name in (*_CLAIMED.values(), "receptive field, px")},
            "source": config.TextColumn(width="medium"),
        },
        alt="The networks of the chart with their figures and sources",
    )


def _said(claim: Claim, notes: dict[Claim, int]) -> str:
    mark = f" {str(notes[claim]).translate(_SUPERSCRIPT)}" if claim in notes else ""
    return claim.printed + mark


def _row(row: dict[str, Any], said: dict[tuple[str, str], str]) -> dict[str, Any]:
    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    def beside(column: str) -> dict[str, str | None]:
        if not said:
            return {}
        return {_CLAIMED[column]: said.get((row["slug"], column)) if row["loaded"] else None}

    return {
        "network": row["network"],
        "year": row["year"],
        **beside("year"),
        "top-1, %": known(row["top1"]),
        **beside("top1"),
        "top-5, %": known(row["top5"]),
        "parameters, M": row["parameters"] / 1e6,
        **beside("parameters"),
        "MACs, G": row["macs"] / 1e9,
        **beside("macs"),
        "latency, ms": known(row["latency_ms"]),
        "activations, MB": row["activation_mb"],
        "file, MB": known(row["file_mb"]),
        "input, px": row["input_px"],
        "receptive field, px": "whole image" if row["whole_image"] else f"{row['field_px']:.0f}",
        "depth, layers": row["depth"],
        "weights": row["weights"] or None,
        "elsewhere": row["elsewhere"] or None,
        "source": row["source"],
    }


def _footnotes(notes: dict[Claim, int]) -> None:
    st.markdown("**The guide's figures, checked.** Unmarked ones are ours, rounded; the others differ for a reason:")
    lines = [
        f"{number}. **{plain(claim.what)}**, {plain(claim.printed)}: {plain(claim.note)}"
        for claim, number in notes.items()
    ]
    half = (len(lines) + 1) // 2
    for column, part in zip(st.columns(2, gap="large"), (lines[:half], lines[half:]), strict=True):
        column.markdown("\n".join(part))
    st.caption(
        "The guide is “CNN Architecture Complete Guide: From LeNet to EfficientNet and Vision Transformers”. What its "
        "table calls FLOPs are multiply-accumulates. Its VGG-16 row is the plain network; its code builds the one with "
        "batch norm. Each figure is compared with that of the weights that the app loads, rounded to the guide's last "
        "digit."
    )
