"""The channel atlas: every channel of a layer on one canvas, the chosen one large beside it.

Hovering and drawing happen in the browser; only a click on a channel or a unit comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="sheet"><canvas class="all" tabindex="0" role="application"
    aria-label="All channels. Arrow keys move, Enter chooses."></canvas></div>
  <div class="chosen">
    <div class="head"><strong class="name"></strong><span class="dead" hidden>dead on this photo</span></div>
    <div class="stage"><canvas class="map" aria-label="The chosen channel; click a unit to choose it."></canvas></div>
    <label class="blend">photo <input type="range" min="0" max="100" value="100"
      aria-label="Blend of photo and channel"> channel</label>
    <div class="scale"><span class="low"></span><canvas class="bar" width="256" height="1"></canvas><span class="high"></span></div>
    <canvas class="histogram" aria-hidden="true"></canvas>
    <dl class="numbers"></dl>
    <div class="unit" aria-live="polite"></div>
  </div>
</div>
"""
_CSS = """
:host { display: block; scroll-margin-top: 150px; font-family: var(--st-font); color: var(--st-text-color); font-size: 14px; }
.root { display: flex; gap: 24px; align-items: flex-start; flex-wrap: wrap; }
.sheet { flex: 2 1 420px; min-width: 0; }
.chosen { flex: 1 1 260px; min-width: 0; max-width: 420px; display: grid; gap: 10px;
  grid-template-columns: minmax(0, 1fr); }
canvas { display: block; }
.all { width: 100%; cursor: pointer; outline-offset: 3px; touch-action: pan-y; }
.all:focus-visible { outline: 2px solid var(--st-primary-color); }
.head { display: flex; gap: 10px; align-items: center; min-height: 24px; }
.dead { border: 1px solid #b7791f; border-radius: 999px; padding: 0 10px; font-size: 12px; }
[hidden] { display: none !important; }
.stage { width: 100%; }
.map { width: 100%; image-rendering: pixelated; cursor: crosshair; border-radius: var(--st-base-radius, 8px); }
.blend { display: flex; align-items: center; gap: 8px; font-size: 13px; }
.blend input { flex: 1; min-width: 0; accent-color: var(--st-primary-color); }
.scale { display: flex; align-items: center; gap: 8px; font-variant-numeric: tabular-nums; font-size: 13px; }
.bar { flex: 1; min-width: 0; height: 10px; border-radius: 5px; }
.histogram { width: 100%; height: 64px; }
.numbers { display: grid; grid-template-columns: repeat(4, auto); gap: 0 12px; margin: 0; font-variant-numeric: tabular-nums; }
.numbers div { display: grid; }
.numbers dt { font-size: 12px; opacity: .75; }
.numbers dd { margin: 0; }
.unit { font-size: 13px; min-height: 1.4em; font-variant-numeric: tabular-nums; }
"""
_JS = (
    UNPACK
    + r"""
const states = new WeakMap();
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {height: H, width: W, channels, names, dead, vector} = header;
  // The sheet shows N channels; the chosen one follows them where it is on another sheet.
  const N = header.shown, M = channels.length, find = (name) => root.querySelector('.' + name);
  const lut = words(blobs.table);
  let state = states.get(root);
  if (!state) states.set(root, state = {blend: 100, over: null});
  // Python knows best, unless it has not heard of the last click yet.
  const waiting = state.layer === header.layer && performance.now() - state.clicked < 1500
    && channels.includes(state.picked) && state.picked !== header.channel;
  // What was opened further down the page is shown; not on the first drawing, when the page was just entered.
  if (state.reveal !== undefined && state.reveal !== header.reveal)
    (root.host || root).scrollIntoView({block: 'start',
      behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'});
  state.reveal = header.reveal;
  if (!waiting) { state.picked = header.channel; state.unit = header.unit; state.clicked = -Infinity; }
  state.layer = header.layer;
  let at = channels.indexOf(state.picked), shown = at, cursor = Math.min(at, N - 1);

  // Every map once at its own size; the sheet and the large map are drawn from here.
  const source = document.createElement('canvas');
  source.width = W; source.height = H * M;
  const pixels = new ImageData(W, H * M), target = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < target.length; i++) target[i] = lut[blobs.levels[i]];
  source.getContext('2d').putImageData(pixels, 0, 0);

  const style = getComputedStyle(root.host || root);
  const accent = style.getPropertyValue('--st-primary-color') || '#0b6bcb';
  const ink = style.getPropertyValue('--st-text-color') || '#1b2430';
  const all = find('all'), map = find('map'), slider = root.querySelector('input');
  let columns = 1, cell = 1, row = 1, ratio = 1, laidOut = 0;
  const GAP = 2;

  function layout() {
    ratio = window.devicePixelRatio || 1;
    const wide = all.parentElement.clientWidth;
    if (!wide || wide === laidOut) return;
    laidOut = wide;
    const tall = Math.max(360, Math.min(640, wide));           // the sheet should fit a screen beside its controls
    const ideal = Math.sqrt(wide * tall / N * W / H);
    columns = Math.min(N, Math.max(1, Math.round(wide / Math.min(Math.max(ideal, 22), 180))));
    cell = Math.floor(wide * ratio / columns); row = Math.max(4, Math.round(cell * H / W));
    all.width = cell * columns; all.height = row * Math.ceil(N / columns);
    all.style.width = all.width / ratio + 'px'; all.style.height = all.height / ratio + 'px';
    sheet();
  }
  function sheet() {
    const g = all.getContext('2d');
    g.clearRect(0, 0, all.width, all.height);
    g.fillStyle = ink; g.globalAlpha = .22;                    // the lines between maps, whatever the theme
    for (let n = 0; n < N; n++) g.fillRect(n % columns * cell, Math.floor(n / columns) * row, cell, row);
    g.globalAlpha = 1;
    g.imageSmoothingEnabled = cell - GAP < W;                  // shrunk maps are averaged, enlarged ones stay pixels
    for (let n = 0; n < N; n++)
      g.drawImage(source, 0, n * H, W, H, n % columns * cell, Math.floor(n / columns) * row, cell - GAP, row - GAP);
    const frame = (n, colour, line) => {
      if (n < 0) return;
      g.strokeStyle = colour; g.lineWidth = line * ratio;
      g.strokeRect(n % columns * cell + line * ratio / 2 - 1, Math.floor(n / columns) * row + line * ratio / 2 - 1,
        cell - line * ratio, row - line * ratio);
    };
    if (at < N) { frame(at, '#fff', 5); frame(at, '#000', 4); frame(at, accent, 3); }
    if (shown !== at) { frame(shown, '#fff', 3); frame(shown, '#000', 1.5); }
  }
  function large() {
    const side = Math.max(1, Math.ceil(448 / Math.max(W, H)));
    map.width = W * side; map.height = H * side;
    const g = map.getContext('2d'), blend = state.blend / 100;
    g.imageSmoothingEnabled = false;
    if (state.photo && blend < 1) g.drawImage(state.photo, 0, 0, map.width, map.height);
    g.globalAlpha = state.photo ? blend : 1;
    g.drawImage(source, 0, shown * H, W, H, 0, 0, map.width, map.height);
    g.globalAlpha = 1;
    const looking = state.over || (shown === at ? state.unit : null);
    if (looking && header.fields && H * W > 1) {               // what the unit sees of the photo, which lies under the map
      const [top, bottom] = header.fields.rows[looking[0]], [left, right] = header.fields.columns[looking[1]];
      const box = [left * map.width, top * map.height, (right - left) * map.width, (bottom - top) * map.height];
      g.setLineDash([8, 5]); g.lineWidth = 5; g.strokeStyle = '#000'; g.strokeRect(...box);
      g.lineWidth = 2.5; g.strokeStyle = '#fff'; g.strokeRect(...box); g.setLineDash([]);
    }
    if (state.unit && shown === at && H * W > 1) {
      g.strokeStyle = '#fff'; g.lineWidth = Math.max(2, side / 8);
      g.strokeRect(state.unit[1] * side, state.unit[0] * side, side, side);
      g.strokeStyle = '#000'; g.lineWidth = Math.max(1, side / 16);
      g.strokeRect(state.unit[1] * side, state.unit[0] * side, side, side);
    }
  }
  const touch = matchMedia('(hover: none)').matches;
  const value = (r, c) => {
    const low = blobs.low[shown], high = blobs.high[shown];
    return low + blobs.levels[shown * H * W + r * W + c] / 255 * (high - low);
  };
  function say(r, c) {
    const chosen = header.value && state.unit && shown === at && state.picked === header.channel;
    find('unit').textContent = r !== undefined ? `row ${r}, column ${c}: about ${short(value(r, c))}${header.fields ? '; dashed: what it sees' : ''}`
      : chosen ? `Unit at row ${state.unit[0]}, column ${state.unit[1]}: ${header.value}`
      : vector ? '' : touch ? 'Tap the map to choose a unit.' : 'Hover the map for a unit; click to choose it.';
  }
  function details() {
    const n = shown;
    find('name').textContent = `Channel ${channels[n]}` + (names ? ` · ${names[n]}` : '');
    find('dead').hidden = !dead[n];
    find('low').textContent = short(blobs.low[n]); find('high').textContent = short(blobs.high[n]);
    find('blend').hidden = vector; find('stage').hidden = vector;
    const entries = vector ? [['value', short(blobs.mean[n])]] : [['min', short(blobs.minimum[n])], ['mean', short(blobs.mean[n])], ['max', short(blobs.maximum[n])],
      ['zeros', (100 * blobs.zeros[n]).toFixed(blobs.zeros[n] > 0 && blobs.zeros[n] < 0.1 ? 1 : 0) + ' %']];
    find('numbers').replaceChildren(...entries.map(([term, text]) => {
      const box = document.createElement('div'), dt = document.createElement('dt'), dd = document.createElement('dd');
      dt.textContent = term; dd.textContent = text; box.append(dt, dd); return box;
    }));
    const chart = find('histogram'), g = chart.getContext('2d'), bins = 32, counts = new Uint32Array(bins);
    for (let i = n * H * W; i < (n + 1) * H * W; i++) counts[blobs.levels[i] >> 3]++;
    chart.hidden = vector; chart.width = 512; chart.height = 128;
    let most = 1;
    for (let b = 0; b < bins; b++) most = Math.max(most, counts[b]);
    for (let b = 0; b < bins; b++) {
      // Square root: after a ReLU one bin holds most units and would flatten all others.
      const tall = Math.sqrt(counts[b] / most) * 126;
      const word = lut[Math.round((b + .5) / bins * 255)];
      g.fillStyle = `rgb(${word & 255},${word >> 8 & 255},${word >> 16 & 255})`;
      g.fillRect(b * 512 / bins, 128 - tall, 512 / bins - 2, tall);
      if (tall) { g.strokeStyle = ink; g.globalAlpha = .25; g.strokeRect(b * 512 / bins, 128 - tall, 512 / bins - 2, tall); g.globalAlpha = 1; }
    }
  }
  const bar = find('bar').getContext('2d'), strip = new ImageData(256, 1);
  new Uint32Array(strip.data.buffer).set(lut);
  bar.putImageData(strip, 0, 0);

  function show(n) {
    if (n === shown) return;
    shown = n; sheet(); large(); details(); say();
  }
  function pick(n) {
    cursor = shown = at = n; state.picked = channels[n]; state.unit = null; state.clicked = performance.now();
    sheet(); large(); details(); say();
    setTriggerValue('picked', channels[n]);
  }
  const channelAt = (event) => {
    const box = all.getBoundingClientRect();
    const c = Math.floor((event.clientX - box.left) * ratio / cell), r = Math.floor((event.clientY - box.top) * ratio / row);
    const n = r * columns + c;
    return c >= 0 && c < columns && n >= 0 && n < N ? n : -1;
  };
  const unitAt = (event) => {
    const box = map.getBoundingClientRect();
    return [Math.min(H - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * H))),
      Math.min(W - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * W)))];
  };
  all.onpointermove = (event) => { const n = channelAt(event); if (n >= 0) show(n); };
  all.onpointerleave = () => show(at);
  all.onclick = (event) => { const n = channelAt(event); if (n >= 0) pick(n); };
  all.onkeydown = (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -N, End: N}[event.key];
    if (step !== undefined) {
      cursor = Math.min(N - 1, Math.max(0, cursor + step)); show(cursor); event.preventDefault();
    } else if (event.key === 'Enter' || event.key === ' ') { pick(cursor); event.preventDefault(); }
  };
  map.onpointermove = (event) => { state.over = unitAt(event); say(...state.over); large(); };
  map.onpointerleave = () => { state.over = null; say(); large(); };
  map.onclick = (event) => {
    const unit = unitAt(event);
    if (shown !== at) { at = cursor = shown; state.picked = channels[shown]; sheet(); }
    state.unit = unit; state.clicked = performance.now(); header.value = ''; large();
    setTriggerValue('unit', [channels[at], ...unit]);
  };
  slider.value = state.blend;
  slider.oninput = () => { state.blend = +slider.value; large(); };

  layout(); large(); details(); say();
  if (state.photoKey !== header.photo) {
    state.photoKey = header.photo; state.photo = null;
    createImageBitmap(new Blob([blobs.photo], {type: 'image/jpeg'})).then((picture) => { state.photo = picture; large(); });
  }
  const watch = new ResizeObserver(layout);
  watch.observe(all.parentElement);
  all.dataset.channels = N; all.dataset.layer = header.layer;
  return renewed(root, () => watch.disconnect());
}
"""
)

_component = st.components.v2.component("atlas", html=_HTML, css=_CSS, js=_JS)


def atlas(payload: bytes, key: str, on_channel: Callable[[], None], on_unit: Callable[[], None]) -> Any:
    """Draws the atlas; ``result.picked`` is a channel and ``result.unit`` a [channel, row, column] in the run of a click."""
    return _component(data=payload, key=key, on_picked_change=on_channel, on_unit_change=on_unit)


def atlas_payload(header: dict[str, Any], **blobs: np.ndarray | bytes) -> bytes:
    """Packs what :func:`atlas` draws."""
    return pack(header, **blobs)
