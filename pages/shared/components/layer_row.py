"""Layers of one network beside each other: a column for each, all maps as large as the photo.

Pointing at a unit marks the same part of the photo in every map. Only a click comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="columns" role="group" aria-label="Layers beside each other">
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 13px;
  container-type: inline-size; }
.columns { display: grid; gap: 16px 12px; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); }
.column { display: grid; gap: 8px; align-content: start; min-width: 0; }
.head { display: grid; gap: 2px; padding: 0 4px; }
.head > * { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.head b { font-size: 14px; }
.seen .frame { margin: 4px; }
.detail, .range { opacity: .8; font-variant-numeric: tabular-nums; }
button { all: unset; box-sizing: border-box; cursor: pointer; display: grid; gap: 2px; min-width: 0;
  border-radius: 8px; border: 2px solid transparent; padding: 2px; }
button:hover { background: var(--st-secondary-background-color); }
button:focus-visible, .chosen { border-color: var(--st-primary-color); }
.frame { position: relative; line-height: 0; }
canvas { width: 100%; aspect-ratio: 1; border-radius: 6px; image-rendering: pixelated; }
.seen canvas { image-rendering: auto; }
.mark { position: absolute; box-sizing: border-box; border: 2px solid #fff; outline: 1px solid #000; pointer-events: none; }
[hidden] { display: none !important; }
@container (max-width: 560px) {
  .columns { grid-template-columns: minmax(0, 1fr); }
  .column { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .head { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; }
}
"""
_JS = (
    UNPACK
    + r"""
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data), lut = words(blobs.table), frames = [];
  const make = (kind, name, text) => {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
  const mark = (x, y) => {
    for (const {square, side, columns, rows, range, levels, low, high, text} of frames) {
      square.hidden = x === null;
      if (range) range.textContent = text;
      if (x === null) continue;
      const c = at(x, columns), r = at(y, rows);
      Object.assign(square.style, {left: 100 * c / columns + '%', top: 100 * r / rows + '%', width: 100 / columns + '%', height: 100 / rows + '%'});
      if (range) range.textContent = `${r}, ${c}: about ${short(low + levels[r * columns + c] / 255 * (high - low))}`;
    }
  };
  const frame = (rows, columns, about, more) => {
    const box = make('div', 'frame'), canvas = make('canvas'), square = make('div', 'mark');
    canvas.width = columns; canvas.height = rows;
    canvas.setAttribute('role', 'img'); canvas.setAttribute('aria-label', about);
    square.hidden = true;
    box.append(canvas, square);
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
      mark((at(x, columns) + .5) / columns, (at(y, rows) + .5) / rows);
    };
    canvas.onpointerleave = () => mark(null);
    frames.push({square, rows, columns, ...more});
    return {box, canvas};
  };
  const head = (title, lines) => {
    const made = make('div', 'head');
    made.append(make('b', '', title), ...lines.map((line) => make('span', 'detail', line)));
    made.title = [title, ...lines].join('\n');           // a long name is cut off
    return made;
  };
  const first = make('div', 'column seen');
  const photo = frame(header.side, header.side, 'What the network sees of the photo', {});
  createImageBitmap(new Blob([blobs.photo], {type: 'image/jpeg'}))
    .then((seen) => photo.canvas.getContext('2d').drawImage(seen, 0, 0, header.side, header.side));
  first.append(head('Photo', ['as the network', 'sees it', `${header.side} × ${header.side} px`]), photo.box);
  const built = header.layers.map(({name, lines, chosen, tiles}) => {
    const column = make('div', 'column');
    column.append(head(name, lines));
    for (const {blob, rows, columns, low, high, channel, title} of tiles) {
      const button = make('button', chosen && channel === header.channel ? 'chosen' : '');
      const text = `${short(low)} to ${short(high)}`, range = make('span', 'range', text), levels = blobs[blob];
      const {box, canvas} = frame(rows, columns, `${name}, ${title}`, {range, levels, low, high, text});
      const image = new ImageData(columns, rows), out = new Uint32Array(image.data.buffer);
      for (let i = 0; i < out.length; i++) out[i] = lut[levels[i]];
      canvas.getContext('2d').putImageData(image, 0, 0);
      button.setAttribute('aria-label', `Open ${name}, ${title}, above`);
      button.append(box, make('span', '', title), range);
      button.onclick = () => setTriggerValue('opened', [name, channel]);
      column.append(button);
    }
    return column;
  });
  const columns = root.querySelector('.columns');
  columns.replaceChildren(first, ...built);
  columns.dataset.ready = header.id;
}
"""
)

_component = st.components.v2.component("layer_row", html=_HTML, css=_CSS, js=_JS)


def layer_row(header: dict[str, Any], key: str, on_open: Callable[[], None], **blobs: np.ndarray | bytes) -> Any:
    """Draws the columns; ``result.opened`` is [layer, channel or None] in the run of a click.

    Args:
        header: ``side`` of the photo in pixels, ``channel`` that is chosen, and ``layers``, each with ``name``,
            ``lines`` of text, ``chosen`` and ``tiles`` (``blob``, ``rows``, ``columns``, ``low``, ``high``,
            ``channel``, ``title``).
        key: of the component.
        on_open: called after a click on a map.
        blobs: ``photo`` (JPEG), ``table`` and every tile's levels, uint8.
    """
    return _component(data=pack(header, **blobs), key=key, on_opened_change=on_open)
