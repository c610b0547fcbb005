"""A click on a cell: the tab One map with that very map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared import selection

if TYPE_CHECKING:
    from explorer.grid import Cell
    from pages.shared.evidence.grid.asking import Source

TAB, ONE_MAP = "attribution-tab", "One map"


def open_cell(key: str, source: Source, cells: Mapping[str, Cell]) -> None:
    """The callback of the component ``key``, whose cells are called as in ``cells``."""
    from explorer.attribution import METHODS

    cell = cells.get(str(st.session_state[key].opened))
    if cell is None:
        return
    # What the cell left open stays open: the network's first answer, the usual layer.
    values: dict[str, Any] = {"image": cell.photo, "method": cell.method, "target": cell.target, "against": None}
    if cell.network != source.model.card.slug:
        tile = source.known(cell)
        values |= {"network": cell.network, "weights": "auto", "layer": ""}
        values["target"] = tile.target if tile is not None and cell.target is not None else None
    if METHODS[cell.method].needs_layer:
        values["layer"] = cell.layer or ""
    selection.change(**values)
    st.session_state[TAB] = ONE_MAP
    st.rerun()  # the whole page: the tabs stand outside of the fragment
