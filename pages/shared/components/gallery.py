"""Small pictures in a row, each a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.shared.components.data_url import data_url


@dataclass(frozen=True)
class Tile:
    """One picture of a gallery: its name, PNG or JPEG bytes, and up to two lines of text."""

    name: str
    picture: bytes
    title: str
    detail: str = ""


_HTML = """
<div class="tiles">
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; }
.tiles { display: grid; gap: 12px; }
button { all: unset; box-sizing: border-box; cursor: pointer; min-width: 0; display: grid; gap: 4px; align-content: start;
  border-radius: var(--st-base-radius, 8px); padding: 4px; border: 2px solid transparent; }
button:hover { background: var(--st-secondary-background-color); }
button:focus-visible, button[aria-pressed="true"] { border-color: var(--st-primary-color); }
img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 6px; display: block; image-rendering: pixelated; }
.title { font-weight: 600; overflow-wrap: anywhere; }
.detail { opacity: .8; overflow-wrap: anywhere; }
"""
_JS = r"""
export default function ({data, parentElement: root, setTriggerValue}) {
  const tiles = root.querySelector('.tiles');
  tiles.style.gridTemplateColumns = `repeat(auto-fit, minmax(${data.width}px, 1fr))`;
  tiles.replaceChildren(...data.tiles.map(({name, picture, title, detail}) => {
    const button = document.createElement('button'), image = document.createElement('img');
    button.setAttribute('aria-pressed', name === data.chosen);
    button.setAttribute('aria-label', detail ? `${title}, ${detail}` : title);
    button.dataset.name = name;
    image.src = picture; image.alt = '';
    button.append(image);
    for (const [kind, text] of [['title', title], ['detail', detail]]) if (text && data.text) {
      const line = document.createElement('span');
      line.className = kind; line.textContent = text; button.append(line);
    }
    button.title = title;
    button.onclick = () => setTriggerValue('chosen', name);
    return button;
  }));
}
"""

_component = st.components.v2.component("gallery", html=_HTML, css=_CSS, js=_JS)


def gallery(
    tiles: Sequence[Tile],
    key: str,
    on_choice: Callable[[], None],
    *,
    chosen: str = "",
    width: int = 120,
    text: bool = True,
) -> Any:
    """Draws ``tiles`` at least ``width`` pixels wide; ``result.chosen`` is a tile's name in the run of a click."""
    entries = [
        {"name": tile.name, "picture": data_url(tile.picture), "title": tile.title, "detail": tile.detail}
        for tile in tiles
    ]
    return _component(
        data={"tiles": entries, "chosen": chosen, "width": width, "text": text}, key=key, on_chosen_change=on_choice
    )
