"""Attention over a photo: point at a patch and see where it looks, by block and head.

Pointing, holding a patch and choosing a head happen in the browser, which has all tokens' rows at hand; only another
block comes from Python.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <p class="hint"></p>
  <div class="left">
    <button type="button" class="token"><span class="swatch"></span><span class="what">class token</span><span
      class="gets"></span></button>
    <canvas class="photo" tabindex="0" role="application"
      aria-label="The photo in patches. Arrow keys move the patch that asks, Home is the class token, Enter holds it."></canvas>
    <div class="key"><span class="low"></span><span class="ramp"><canvas class="bar" width="256" height="1"></canvas><i
      class="tick"></i><span class="even"></span></span><span class="high"></span></div>
    <div class="foot">
      <label class="opacity">Opacity <input type="range" min="0" max="100" aria-label="Opacity of the colours over the photo"></label>
      <label class="contrast"><input type="checkbox"> Stretch the colours</label>
    </div>
  </div>
  <div class="right">
    <div class="words"><p class="said" aria-live="polite"></p><p class="wide"></p><p class="read"></p></div>
    <div class="of"></div>
    <div class="layers" role="group"></div>
    <canvas class="all" role="img"></canvas>
    <figure class="depth"><figcaption>Mean attention distance of each head, px</figcaption>
      <canvas class="chart" tabindex="0" role="application"
        aria-label="Mean attention distance of each head by block. Arrow keys move from head to head, Enter opens one."></canvas>
      <p class="dot" aria-live="polite"></p></figure>
  </div>
</div>
"""
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "attention",
    html=_HTML,
    css=(_FOLDER / "attention.css").read_text(encoding="utf-8"),
    js=UNPACK + (_FOLDER / "attention.js").read_text(encoding="utf-8"),
)


def attention(header: dict[str, Any], key: str, on_block: Callable[[], None], **blobs: np.ndarray | bytes) -> Any:
    """Draws it; ``result.block`` is a block, counted from 1, in the run of a click on another block's dot.

    Args:
        header: id, mode ('attention', 'rollout' or 'positions'), side (of the photo, px), across (patches), tokens,
            names and labels (one a layer; in full and for its thumbnail), above (what the thumbnails are), photo (a
            name for it); for 'attention' also block, blocks, heads and evenDistance (px).
        key: of the component.
        on_block: called on such a click.
        **blobs: uint8 levels (layers, queries, patches), each row's share of its largest, or for positions from -1 to
            1; photo (JPEG) and table; except for positions float32 top, classToken, near, distance and spread, all
            (layers, queries); for 'attention' float32 distances and spreads (blocks, heads).
    """
    return _component(data=pack(header, **blobs), key=key, on_block_change=on_block)
