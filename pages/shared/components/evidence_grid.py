"""Maps of evidence in rows and columns, or one after another; each is a button that opens it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pages.shared.components.data_url import data_url

_HTML = """
<div class="frame" role="region" tabindex="0">
</div>
"""
_HERE = Path(__file__)
_component = st.components.v2.component(
    "evidence_grid",
    html=_HTML,
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Head:
    """A row or a column: its title and a line below it."""

    title: str
    detail: str = ""


@dataclass(frozen=True)
class Shown:
    """One cell.

    Attributes:
        name: told to Python when it is clicked.
        picture: JPEG or PNG bytes; none while it is not computed, or where it cannot be.
        words: a line below it.
        detail: a second one.
        reason: why there is no picture.
        spoken: what a screen reader says.
        pending: whether the picture only stands in for one that is not computed.
    """

    name: str
    picture: bytes = b""
    words: str = ""
    detail: str = ""
    reason: str = ""
    spoken: str = ""
    pending: bool = False


def evidence_grid(
    cells: Sequence[Shown],
    key: str,
    on_open: Callable[[], None],
    *,
    rows: Sequence[Head] = (),
    columns: Sequence[Head] = (),
    spoken: str = "Maps of evidence",
) -> Any:
    """Draws ``cells`` row by row; without ``columns`` as many beside each other as there is room for.

    ``result.opened`` is a cell's name in the run of a click.
    """
    data = {
        "rows": [asdict(head) for head in rows],
        "columns": [asdict(head) for head in columns],
        "cells": [{**asdict(cell), "picture": data_url(cell.picture)} for cell in cells],
        "spoken": spoken,
    }
    return _component(data=data, key=key, on_opened_change=on_open)
