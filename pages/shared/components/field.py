"""One layer's map beside the photo: the unit under the cursor, the square it could see, and where it really looks.

Hovering happens in the browser, over the map (which pixels does this unit see?) and over the photo (which units see this
pixel?); only a click on the map comes to Python, which measures the gradient of that unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="panels">
    <figure><figcaption class="of"></figcaption>
      <canvas class="map" tabindex="0" role="application"
        aria-label="The feature map. Arrow keys move from unit to unit, Enter measures one."></canvas></figure>
    <figure><figcaption>What this unit could see</figcaption>
      <canvas class="photo" role="img" aria-label="The photo with the theoretical receptive field"></canvas></figure>
    <figure><figcaption class="looks"></figcaption>
      <canvas class="heat" role="img" aria-label="The gradient of the chosen unit over the photo"></canvas></figure>
    <div class="here" aria-live="polite"></div>
  </div>
  <div class="foot">
    <label>photo <input type="range" min="0" max="100" aria-label="Blend of photo and feature map"> map</label>
    <div class="key"><span class="low"></span><canvas class="bar" width="256" height="1"></canvas><span class="high"></span></div>
    <div class="key"><span>no influence</span><canvas class="heatbar" width="256" height="1"></canvas><span>most</span></div>
  </div>
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 14px; container-type: inline-size; }
.panels { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 10px 16px; }
figure { margin: 0; min-width: 0; }
figcaption { padding-bottom: 4px; min-height: 1.5em; }
canvas { display: block; width: 100%; }
.panels canvas { border-radius: var(--st-base-radius, 8px); aspect-ratio: 1; }
.map { cursor: pointer; outline-offset: 3px; image-rendering: pixelated; }
.photo { cursor: crosshair; }
.map:focus-visible { outline: 2px solid var(--st-primary-color); }
.heat.old { opacity: .45; }
.foot { display: flex; flex-wrap: wrap; gap: 6px 28px; align-items: center; padding-top: 10px; font-size: 13px; }
.foot label, .key { display: flex; align-items: center; gap: 8px; font-variant-numeric: tabular-nums; }
.foot input { width: 110px; accent-color: var(--st-primary-color); }
.key canvas { width: 110px; height: 10px; border-radius: 5px; }
.here { grid-column: 1 / -1; min-height: 1.5em; font-variant-numeric: tabular-nums; }
@container (max-width: 620px) {
  .panels { grid-template-columns: 1fr 1fr; gap: 10px; }
  figcaption { font-size: 13px; min-height: 2.9em; display: flex; align-items: end; }
  .here { grid-column: auto; align-self: end; font-size: 13px; min-height: 12em; }
}
"""
_JS = (
    UNPACK
    + r"""
const states = new WeakMap();
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {height: H, width: W, side: S, known, whole, rows, columns} = header;
  const find = (name) => root.querySelector('.' + name), LARGE = 448;
  const touch = matchMedia('(hover: none)').matches;
  let state = states.get(root);
  if (!state) states.set(root, state = {blend: 100, hover: null, pixel: null, clicked: -Infinity});
  // Python knows best, unless it has not heard of the last click yet.
  const same = state.layer === header.layer;
  const waiting = same && performance.now() - state.clicked < 3000 && String(state.unit) !== String(header.unit);
  if (!waiting) { state.unit = header.unit; state.clicked = -Infinity; }
  if (!same) { state.hover = null; state.pixel = null; }
  state.layer = header.layer;
  const lut = words(blobs.table), hot = words(blobs.heats);

  const source = document.createElement('canvas');
  source.width = W; source.height = H;
  const pixels = new ImageData(W, H), out = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = lut[blobs.levels[i]];
  source.getContext('2d').putImageData(pixels, 0, 0);
  const fire = document.createElement('canvas');
  fire.width = S; fire.height = S;
  const flames = new ImageData(S, S), burn = new Uint32Array(flames.data.buffer);
  for (let i = 0; i < burn.length; i++)
    burn[i] = (hot[blobs.gradient[i]] & 0xffffff) | (Math.round(.9 * blobs.gradient[i]) << 24);
  fire.getContext('2d').putImageData(flames, 0, 0);

  const map = find('map'), photo = find('photo'), heat = find('heat');
  const cell = Math.max(1, Math.ceil(LARGE / Math.max(W, H)));
  map.width = W * cell; map.height = H * cell;
  map.style.aspectRatio = `${W} / ${H}`;
  for (const canvas of [photo, heat]) { canvas.width = canvas.height = Math.max(LARGE, S); }
  const px = photo.width / S;
  const span = (unit) => {
    const [r, c] = unit;
    return {top: blobs.rows[2 * r], bottom: blobs.rows[2 * r + 1], left: blobs.columns[2 * c], right: blobs.columns[2 * c + 1]};
  };
  const inside = (box) => ({top: Math.max(0, box.top), left: Math.max(0, box.left),
    bottom: Math.min(S - 1, box.bottom), right: Math.min(S - 1, box.right)});
  const outline = (g, x, y, w, h, thick, dash) => {
    g.setLineDash(dash || []);
    for (const [colour, line] of [['#000', thick + 2.5], ['#fff', thick]]) {
      g.strokeStyle = colour; g.lineWidth = line;
      g.strokeRect(x, y, w, h);
    }
    g.setLineDash([]);
  };
  const square = (g, unit, thick, dash) => {
    const box = inside(span(unit));
    if (box.right < box.left || box.bottom < box.top) return;
    const inset = (thick + 2.5) / 2;
    outline(g, Math.max(inset, box.left * px), Math.max(inset, box.top * px),
      Math.min(photo.width - inset, (box.right + 1) * px) - Math.max(inset, box.left * px),
      Math.min(photo.width - inset, (box.bottom + 1) * px) - Math.max(inset, box.top * px), thick, dash);
  };
  const picture = (g, filter) => {
    g.imageSmoothingEnabled = S >= 64;                         // pixels that can be counted stay squares
    g.clearRect(0, 0, photo.width, photo.height);
    g.filter = filter;
    if (state.photo) g.drawImage(state.photo, 0, 0, photo.width, photo.height);
    g.filter = 'none';
  };
  function drawMap() {
    const g = map.getContext('2d'), blend = state.blend / 100;
    g.imageSmoothingEnabled = true;
    if (state.photo && blend < 1) g.drawImage(state.photo, 0, 0, map.width, map.height);
    g.imageSmoothingEnabled = false;
    g.globalAlpha = state.photo ? blend : 1;
    g.drawImage(source, 0, 0, map.width, map.height);
    g.globalAlpha = 1;
    if (state.pixel && known) {                                // the units that could see the pixel
      const [first, last] = reach(blobs.rows, H, state.pixel[0]), [left, right] = reach(blobs.columns, W, state.pixel[1]);
      if (last >= first && right >= left)
        outline(g, left * cell + 1, first * cell + 1, (right - left + 1) * cell - 2, (last - first + 1) * cell - 2, 2);
    }
    const mark = (unit, thick, dash) => outline(g, unit[1] * cell + 1, unit[0] * cell + 1, cell - 2, cell - 2, thick, dash);
    mark(state.unit, Math.max(2, Math.min(3, cell / 6)));
    if (state.hover && String(state.hover) !== String(state.unit)) mark(state.hover, 1.5, [4, 3]);
  }
  function drawPhoto() {
    const g = photo.getContext('2d'), unit = state.hover || state.unit;
    picture(g, 'none');
    if (known && !state.pixel) {
      const box = whole ? {left: 0, top: 0, right: S - 1, bottom: S - 1} : inside(span(unit));
      g.fillStyle = 'rgba(0, 0, 0, .45)';
      g.beginPath(); g.rect(0, 0, photo.width, photo.height);
      g.rect(box.left * px, box.top * px, Math.max(0, box.right + 1 - box.left) * px, Math.max(0, box.bottom + 1 - box.top) * px);
      g.fill('evenodd');
      square(g, unit, 2, whole ? [7, 5] : null);
      photo.dataset.square = [box.left, box.top, box.right + 1, box.bottom + 1].join();
    }
    if (state.pixel) outline(g, state.pixel[1] * px - 3, state.pixel[0] * px - 3, px + 6, px + 6, 2);
  }
  function drawHeat() {
    const g = heat.getContext('2d');
    picture(g, 'grayscale(1) brightness(.75)');               // so that only the gradient has colour
    g.drawImage(fire, 0, 0, heat.width, heat.height);
    if (known) square(g, header.unit, 2, whole ? [7, 5] : null);
    const stale = String(state.unit) !== String(header.unit);
    heat.classList.toggle('old', stale);
    find('looks').textContent = stale ? `Measuring row ${state.unit[0]}, column ${state.unit[1]}`
      : `Where row ${header.unit[0]}, column ${header.unit[1]} looks`;
    heat.dataset.unit = header.unit.join();
  }
  // Units of an axis whose interval holds a pixel: first and last, since fields move on with their units.
  function reach(intervals, count, at) {
    let first = count, last = -1;
    for (let u = 0; u < count; u++)
      if (whole || (intervals[2 * u] <= at && at <= intervals[2 * u + 1])) { first = Math.min(first, u); last = u; }
    return [first, last];
  }
  function say() {
    const here = find('here');
    if (state.pixel && known) {
      const [first, last] = reach(blobs.rows, H, state.pixel[0]), [left, right] = reach(blobs.columns, W, state.pixel[1]);
      const units = Math.max(0, last - first + 1) * Math.max(0, right - left + 1);
      here.textContent = `Pixel at row ${state.pixel[0]}, column ${state.pixel[1]}: `
        + `${units.toLocaleString('en')} of ${(H * W).toLocaleString('en')} units could see it; they are framed on the map.`;
      return;
    }
    const unit = state.hover || state.unit, level = blobs.levels[unit[0] * W + unit[1]] / 255;
    let text = `Row ${unit[0]}, column ${unit[1]}: about ${short(header.low + level * (header.high - header.low))}. `;
    if (!state.hover) {
      here.textContent = text + (touch ? 'Tap another unit to measure it.' : 'Point at another unit to move the square, click to measure it.');
      return;
    }
    if (!known) text += 'Which pixels it could see cannot be said for this layer.';
    else if (whole) text += 'It may depend on the whole photo; without attention, gates and global pooling, on the dashed square.';
    else {
      const all = span(unit), box = inside(all), tall = all.bottom - all.top + 1, wide = all.right - all.left + 1;
      const high = Math.max(0, box.bottom - box.top + 1), broad = Math.max(0, box.right - box.left + 1);
      text += `It could see ${tall} × ${wide} pixels`;
      text += high === tall && broad === wide ? ', all on the photo: '
        : high * broad === 0 ? ', all in the padding around the photo.'
        : `, of which ${high} × ${broad} lie on the photo and ${percent(1 - high * broad / (tall * wide))} in the padding around it: `;
      if (high * broad) text += `rows ${box.top} to ${box.bottom}, columns ${box.left} to ${box.right}.`;
    }
    here.textContent = text;
  }
  const percent = (share) => share < .001 ? 'below 0.1 %' : `${(100 * share).toFixed(share < .0995 ? 1 : 0)} %`;
  const draw = () => { drawMap(); drawPhoto(); drawHeat(); say(); };
  const place = (canvas, event, tall, wide) => {
    const box = canvas.getBoundingClientRect(), at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [at((event.clientY - box.top) / box.height, tall), at((event.clientX - box.left) / box.width, wide)];
  };
  const point = (unit) => { state.hover = unit; state.pixel = null; drawMap(); drawPhoto(); say(); };
  const choose = (unit) => {
    state.unit = unit; state.hover = null; state.pixel = null; state.clicked = performance.now(); draw();
    setTriggerValue('unit', [header.channel, ...unit]);
  };
  map.onpointermove = (event) => point(place(map, event, H, W));
  map.onpointerleave = () => point(null);
  map.onclick = (event) => choose(place(map, event, H, W));
  map.onblur = () => point(null);
  map.onkeydown = (event) => {
    const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
    const [r, c] = state.hover || state.unit;
    if (step) { point([Math.min(H - 1, Math.max(0, r + step[0])), Math.min(W - 1, Math.max(0, c + step[1]))]); event.preventDefault(); }
    else if (event.key === 'Enter' || event.key === ' ') { choose([r, c]); event.preventDefault(); }
  };
  photo.onpointermove = (event) => { state.hover = null; state.pixel = place(photo, event, S, S); drawMap(); drawPhoto(); say(); };
  photo.onpointerdown = photo.onpointermove;
  photo.onpointerleave = () => { state.pixel = null; drawMap(); drawPhoto(); say(); };
  const strip = (name, table) => {
    const image = new ImageData(256, 1);
    new Uint32Array(image.data.buffer).set(table);
    find(name).getContext('2d').putImageData(image, 0, 0);
  };
  strip('bar', lut); strip('heatbar', hot);
  find('of').textContent = header.title;
  find('low').textContent = short(header.low); find('high').textContent = short(header.high);
  const slider = root.querySelector('input');
  slider.value = state.blend;
  slider.oninput = () => { state.blend = +slider.value; drawMap(); };
  draw();
  if (state.photoKey !== header.photo) {
    state.photoKey = header.photo; state.photo = null;
    createImageBitmap(new Blob([blobs.photo], {type: 'image/jpeg'})).then((seen) => { state.photo = seen; draw(); map.dataset.photo = 'yes'; });
  }
  map.dataset.ready = header.layer;
  map.dataset.unit = header.unit.join();
}
"""
)

_component = st.components.v2.component("field", html=_HTML, css=_CSS, js=_JS)


def field(header: dict[str, Any], key: str, on_unit: Callable[[], None], **blobs: np.ndarray | bytes) -> Any:
    """Draws map, square and gradient; ``result.unit`` is a [channel, row, column] in the run of a click.

    Args:
        header: ``layer`` (names what is shown), ``title``, ``channel``, ``unit``, ``height`` and ``width`` of the map,
            ``side`` of the photo in pixels, ``low`` and ``high`` of the map's values, ``photo`` (names it), ``known`` and
            ``whole`` as in `explorer.receptive_field`.
        key: of the component.
        on_unit: called after a click.
        **blobs: ``levels`` uint8 (height, width), ``rows`` and ``columns`` int32 first and last pixel of each unit,
            ``gradient`` uint8 (side, side), ``photo`` JPEG, ``table`` and ``heats`` the two colour tables.
    """
    return _component(data=pack(header, **blobs), key=key, on_unit_change=on_unit)
