"""Stages of several networks lined up: a column for each network, a row for each stride, the chosen row large.

Pointing at a unit marks the same part of the photo in every map. Only a click on a row or on a link comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared.components.payload import UNPACK, pack
from pages.shared.text import percent, size

if TYPE_CHECKING:
    from explorer.comparison import Profile, Stage

_HTML = """
<div class="grid" role="group" aria-label="Stages of the networks by stride">
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; container-type: inline-size; }
.grid { display: grid; grid-template-columns: minmax(0, 1fr); }
.row { display: grid; grid-template-columns: 92px repeat(var(--networks), minmax(0, 1fr)); column-gap: 16px; padding: 8px;
  border-radius: var(--st-base-radius, 8px); border: 2px solid transparent; }
.row.stage:not(.chosen) { cursor: pointer; }
.row.stage:not(.chosen):hover { background: var(--st-secondary-background-color); }
.row.chosen { border-color: var(--st-primary-color); background: var(--st-secondary-background-color); }
button { all: unset; box-sizing: border-box; cursor: pointer; border-radius: 4px; }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.label { align-self: start; display: grid; gap: 2px; }
.label b { font-size: 14px; }
.label span, .detail { opacity: .8; }
.cell { min-width: 0; display: flex; gap: 10px; align-items: center; }
.frame { position: relative; flex: none; width: 76px; line-height: 0; }
.frame canvas { width: 100%; border-radius: 6px; image-rendering: pixelated; }
.photo canvas { image-rendering: auto; }
[hidden] { display: none !important; }
.mark { position: absolute; box-sizing: border-box; border: 2px solid #fff; outline: 1px solid #000; pointer-events: none; }
.text { min-width: 0; display: grid; gap: 2px; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.name { font-weight: 600; }
.photo .name { font-size: 15px; }
.random { justify-self: start; border: 1px solid #b7791f; border-radius: 999px; padding: 0 8px; font-size: 12px; }
.gap { border: 1px dashed color-mix(in srgb, var(--st-text-color) 35%, transparent); border-radius: 6px; padding: 10px; opacity: .8; }
.random i { font-style: normal; }
.open, .here, .owner { display: none; }
.row:not(.chosen) .range { display: none; }
.open { color: var(--st-link-color, var(--st-primary-color)); }
.open:hover { text-decoration: underline; }
.chosen .cell { flex-direction: column; align-items: stretch; }
.chosen .frame { width: 100%; max-width: 340px; }
.chosen .frame canvas { cursor: crosshair; }
.chosen .open, .chosen .owner { display: block; }
.chosen .here { display: block; min-height: 1.4em; }
.answers .cell { display: grid; gap: 6px; align-content: start; }
.answers .name { display: none; }
.answer { display: grid; grid-template-columns: 1fr auto; gap: 2px 8px; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.track { grid-column: 1 / -1; height: 5px; border-radius: 3px; background: color-mix(in srgb, var(--st-text-color) 12%, transparent); }
.fill { height: 100%; border-radius: 3px; background: var(--st-primary-color); min-width: 2px; }
.untrained .fill { background: repeating-linear-gradient(45deg, #b7791f 0 6px, transparent 6px 10px); }
@container (max-width: 620px) {
  .row { grid-template-columns: repeat(var(--networks), minmax(0, 1fr)); column-gap: 8px; row-gap: 6px; padding: 6px; }
  .label { grid-column: 1 / -1; display: flex; gap: 8px; align-items: baseline; flex-wrap: wrap; }
  .cell { flex-direction: column; align-items: stretch; font-size: 12px; gap: 4px; }
  .frame { width: 100%; }
  .photo .name { font-size: 13px; }
  .random { padding: 0 5px; font-size: 11px; }
  .random i { display: none; }
  .gap { padding: 4px; }
  .chosen .cell, .answers .cell { grid-column: 1 / -1; font-size: 13px; }
  .chosen .cell { flex-direction: row; align-items: start; gap: 12px; }
  .chosen .frame { width: 48%; }
  .chosen .random { font-size: 12px; }
  .chosen .random i, .answers .name { display: inline; }
  .chosen .text { gap: 4px; }
}
"""
_JS = (
    UNPACK
    + r"""
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {networks, rows} = header, lut = words(blobs.table), grid = root.querySelector('.grid');
  const make = (kind, name, text) => {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const frames = [];                       // every picture: where to draw a mark, and what to say about a unit
  const mark = (place, from) => {
    for (const frame of frames) {
      frame.mark.hidden = !place;
      if (frame.here) frame.here.textContent = '';
      if (!place) continue;
      let [x, y, w, h] = place;
      if (frame !== from && frame.columns) {   // the unit that lies over the middle of the one pointed at
        const c = Math.min(frame.columns - 1, Math.floor((x + w / 2) * frame.columns));
        const r = Math.min(frame.rows - 1, Math.floor((y + h / 2) * frame.rows));
        [x, y, w, h] = [c / frame.columns, r / frame.rows, 1 / frame.columns, 1 / frame.rows];
      }
      Object.assign(frame.mark.style, {left: 100 * x + '%', top: 100 * y + '%', width: 100 * w + '%', height: 100 * h + '%'});
      if (frame.here) {
        const c = Math.round(x * frame.columns), r = Math.round(y * frame.rows);
        const share = frame.levels[r * frame.columns + c] / 255;
        frame.here.textContent = `row ${r}, column ${c}: about ${short(frame.low + share * (frame.high - frame.low))}`;
      }
    }
  };
  const picture = (width, height, about) => {
    const box = make('div', 'frame'), canvas = make('canvas'), square = make('div', 'mark');
    canvas.width = width; canvas.height = height;
    canvas.setAttribute('role', 'img'); canvas.setAttribute('aria-label', about);
    square.hidden = true;
    box.append(canvas, square);
    return {box, canvas, mark: square};
  };
  const listen = (frame) => {
    frame.canvas.onpointermove = (event) => {
      const box = frame.canvas.getBoundingClientRect(), side = frame.columns || 28, tall = frame.rows || 28;
      const at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
      const c = at((event.clientX - box.left) / box.width, side), r = at((event.clientY - box.top) / box.height, tall);
      mark([c / side, r / tall, 1 / side, 1 / tall], frame);
    };
    frame.canvas.onpointerleave = () => mark(null);
    frames.push(frame);
  };
  const randomly = () => { const chip = make('span', 'random', 'random'); chip.append(make('i', '', ' weights')); return chip; };

  const built = [];
  const first = make('div', 'row photo'), label = make('div', 'label');
  label.append(make('b', '', 'Photo'), make('span', '', 'as each sees it'));
  first.append(label);
  for (const [n, network] of networks.entries()) {
    const cell = make('div', 'cell'), text = make('div', 'text');
    const frame = picture(network.side, network.side, `What ${network.title} sees of the photo`);
    createImageBitmap(new Blob([blobs['photo' + n]], {type: 'image/jpeg'}))
      .then((seen) => frame.canvas.getContext('2d').drawImage(seen, 0, 0, network.side, network.side));
    listen(frame);
    text.append(make('span', 'name', network.title));
    if (network.trained) text.append(make('span', 'detail', network.weights)); else text.append(randomly());
    text.append(make('span', 'detail', `${network.side} × ${network.side} px`));
    cell.append(frame.box, text); first.append(cell);
  }
  built.push(first);

  const stages = [];
  const choose = (stride, tell) => {
    for (const row of stages) {
      const chosen = +row.dataset.stride === stride;
      row.classList.toggle('chosen', chosen);
      row.querySelector('.label').setAttribute('aria-pressed', chosen);
    }
    mark(null);
    if (tell) setTriggerValue('chosen', stride);
  };
  for (const {stride, title, tiles} of rows) {
    const row = make('div', 'row stage'), button = make('button', 'label');
    row.dataset.stride = stride;
    button.append(make('b', '', title), make('span', '', `stride ${stride} px`));
    row.append(button);
    for (const [n, tile] of tiles.entries()) {
      const network = networks[n], cell = make('div', 'cell');
      row.append(cell);
      if (tile.gap) { cell.append(make('div', 'gap', tile.gap)); continue; }
      const {height, width, layer, channel, low, high} = tile;
      const frame = picture(width, height, `${network.title}, ${layer}, channel ${channel}`);
      const levels = blobs[tile.blob], image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
      for (let i = 0; i < out.length; i++) out[i] = lut[levels[i]];
      frame.canvas.getContext('2d').putImageData(image, 0, 0);
      const text = make('div', 'text'), here = make('span', 'detail here'), open = make('button', 'open', 'Open in Feature maps');
      text.append(make('span', 'detail owner', `${network.title} · ${network.weights}`), make('span', 'name', layer), make('span', 'detail', tile.size), make('span', 'detail', `channel ${channel}`));
      text.append(make('span', 'detail range', `${short(low)} to ${short(high)}`));
      if (!network.trained) text.append(randomly());
      text.append(here, open);
      open.onclick = (event) => { event.stopPropagation(); setTriggerValue('opened', [n, stride]); };
      listen(Object.assign(frame, {rows: height, columns: width, levels, low, high, here}));
      cell.append(frame.box, text);
    }
    row.onclick = () => { if (!row.classList.contains('chosen')) choose(stride, true); };
    stages.push(row); built.push(row);
  }

  const last = make('div', 'row answers'), name = make('div', 'label');
  name.append(make('b', '', 'Answer'), make('span', '', 'five best'));
  last.append(name);
  for (const network of networks) {
    const cell = make('div', 'cell' + (network.trained ? '' : ' untrained'));
    cell.append(make('span', 'name', network.title));
    for (const {label: said, text, probability} of network.answers) {
      const line = make('div', 'answer'), track = make('div', 'track'), fill = make('div', 'fill');
      fill.style.width = 100 * probability + '%';
      track.append(fill); line.append(make('span', '', said), make('span', '', text), track); cell.append(line);
    }
    if (!network.trained && network.answers.length) cell.append(randomly());
    if (!network.answers.length) cell.append(make('span', 'gap', 'It names no classes'));
    last.append(cell);
  }
  built.push(last);

  grid.style.setProperty('--networks', networks.length);
  grid.replaceChildren(...built);
  choose(header.chosen, false);
  grid.dataset.ready = networks.map((network) => network.title).join('|');
}
"""
)

_component = st.components.v2.component("stages", html=_HTML, css=_CSS, js=_JS)


def stages(
    columns: Sequence[tuple[Profile, bytes]],
    titles: Mapping[int, str],
    chosen: int,
    key: str,
    on_choice: Callable[[], None],
    on_open: Callable[[], None],
) -> Any:
    """Draws the rows; ``result.chosen`` is a stride, ``result.opened`` a [column, stride] in the run of a click.

    Args:
        columns: each network with the JPEG of what it sees.
        titles: of the rows, by stride.
        chosen: the stride whose row is large.
        key: of the component.
        on_choice: called after a click on a row.
        on_open: called after a click on a link.
    """
    blobs: dict[str, np.ndarray | bytes] = {"table": palettes.SEQUENTIAL}
    for place, (profile, seen) in enumerate(columns):
        blobs[f"photo{place}"] = seen
        blobs |= {f"map{place}_{stride}": _levels(stage) for stride, stage in profile.stages.items()}
    rows = [
        {
            "stride": stride,
            "title": title,
            "tiles": [_tile(place, each, stride) for place, (each, _) in enumerate(columns)],
        }
        for stride, title in titles.items()
    ]
    header = {"networks": [_network(profile) for profile, _ in columns], "rows": rows, "chosen": chosen}
    return _component(data=pack(header, **blobs), key=key, on_chosen_change=on_choice, on_opened_change=on_open)


def _network(profile: Profile) -> dict[str, Any]:
    return {
        "title": profile.title,
        "weights": profile.weights,
        "trained": profile.trained,
        "side": profile.side,
        "answers": [
            {"label": each.label, "text": percent(each.probability), "probability": each.probability}
            for each in profile.answers
        ],
    }


def _tile(place: int, profile: Profile, stride: int) -> dict[str, Any]:
    stage = profile.stages.get(stride)
    if stage is None:
        own = ", ".join(map(str, profile.stages))
        return {"gap": f"No map of stride {stride}" + (f"; it has stride {own}" if own else "")}
    _, height, width = stage.shape
    return {
        "blob": f"map{place}_{stride}",
        "height": height,
        "width": width,
        "size": size(stage.shape),
        "layer": stage.layer,
        "channel": stage.channel,
        "low": float(stage.values.min()),
        "high": float(stage.values.max()),
    }


def _levels(stage: Stage) -> np.ndarray:
    low, high = float(stage.values.min()), float(stage.values.max())
    share = (stage.values - low) / (high - low) if high > low else np.zeros_like(stage.values)
    return np.rint(255 * share).astype(np.uint8)
