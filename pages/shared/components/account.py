"""One number of a network on screen: the way to it, its equation, what it is made of, and where it looks.

Pointing, opening and reading happen in the browser; only following a number, going back and choosing a unit come to
Python.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="main">
    <nav class="trail" aria-label="The way to this number"></nav>
    <div class="chain" role="group" aria-label="How this number came about"></div>
    <div class="pixel"></div>
    <button class="walk">Follow the largest to the pixels</button>
    <p class="said"></p>
    <div class="bars"></div>
    <div class="detail">
      <strong class="about"></strong>
      <div class="grids"></div>
      <p class="here" aria-live="polite"></p>
    </div>
  </div>
  <div class="side">
    <figure><div class="frame photo"><img class="seen"></div><figcaption class="looks"></figcaption></figure>
    <figure class="choice"><div class="frame"><canvas class="map" tabindex="0" role="application"
      aria-label="Map of the channel. Arrow keys move, Enter chooses a unit."></canvas></div>
      <figcaption class="picked"></figcaption></figure>
  </div>
</div>
"""
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "account",
    html=_HTML,
    css=(_FOLDER / "account.css").read_text(encoding="utf-8"),
    js=UNPACK + (_FOLDER / "account.js").read_text(encoding="utf-8"),
)


def account(
    header: dict[str, Any],
    key: str,
    *,
    on_follow: Callable[[], None],
    on_back: Callable[[], None],
    on_walk: Callable[[], None],
    on_unit: Callable[[], None],
    **blobs: np.ndarray | bytes,
) -> Any:
    """Draws the account.

    In the run of a click the result has one of ``follow`` ([id, part, 0 for the value or 1 for the other factor]),
    ``back`` (a place on the trail), ``walk`` and ``unit`` ([row, column]).
    """
    packed = pack(header, diverging=palettes.DIVERGING, sequential=palettes.SEQUENTIAL, **blobs)
    return _component(
        data=packed,
        key=key,
        on_follow_change=on_follow,
        on_back_change=on_back,
        on_walk_change=on_walk,
        on_unit_change=on_unit,
    )
