"""Evidence over a photo: what the network saw, the map, and both; opacity and hovering stay in the browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="panels">
    <figure class="both"><canvas class="blend" role="img"></canvas><figcaption>Both</figcaption></figure>
    <figure class="extra"><canvas class="photo" role="img"></canvas><figcaption class="saw">What the network saw</figcaption></figure>
    <figure class="extra"><canvas class="evidence" role="img"></canvas><figcaption>The map</figcaption></figure>
  </div>
  <div class="foot">
    <label>Opacity <input type="range" min="0" max="100" aria-label="Opacity of the map over the photo"></label>
    <div class="key"><span class="low"></span><canvas class="bar" width="256" height="1"></canvas><span class="high"></span></div>
    <button type="button" class="save">Overlay as PNG</button>
    <span class="here" aria-live="polite"></span>
  </div>
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 14px; container-type: inline-size; }
.panels { display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px; }
.save { all: unset; cursor: pointer; color: var(--st-link-color, var(--st-primary-color)); border-radius: 4px; }
.save:hover { text-decoration: underline; }
.save:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.single .save, .blank .foot, .blank .panels figure:not(.shown) { display: none; }
.single .panels { grid-template-columns: 1fr; }
.single .extra { display: none; }
figure { margin: 0; min-width: 0; position: relative; }
figure.both { order: 3; }
canvas { display: block; width: 100%; }
.panels canvas { border-radius: var(--st-base-radius, 8px); cursor: crosshair; }
figcaption { font-size: 13px; opacity: .8; padding-top: 4px; }
.single figcaption { display: none; }
.foot { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; padding-top: 10px; font-size: 13px; }
.foot label { display: flex; align-items: center; gap: 8px; }
.foot input { width: 140px; accent-color: var(--st-primary-color); }
.key { display: flex; align-items: center; gap: 8px; min-width: 0; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { flex: 0 1 140px; width: 140px; min-width: 30px; height: 10px; border-radius: 5px; }
.here { font-variant-numeric: tabular-nums; min-height: 1.3em; }
@container (max-width: 620px) {
  .panels { grid-template-columns: 1fr 1fr; gap: 8px; }
  figure.both { order: 0; grid-column: 1 / -1; }
}
"""
_JS = (
    UNPACK
    + r"""
let opacity = 80;                        // a taste, not a result: it stays while the tab is open
export default function ({data, parentElement: root}) {
  const {header, blobs} = unpack(data);
  const {width: W, height: H, rows, columns, signed, single, blank, alternative, low, high} = header;
  const find = (name) => root.querySelector('.' + name);
  const lut = words(blobs.table);
  find('root').classList.toggle('single', single);
  find('root').classList.toggle('blank', blank);       // nothing speaks for the class: the photo alone
  find('both').classList.toggle('shown', single);
  find('extra').classList.toggle('shown', !single);
  find('saw').textContent = header.saw;
  const paint = (name, make) => {
    const canvas = find(name);
    canvas.width = W; canvas.height = H;
    const image = new ImageData(W, H), out = new Uint32Array(image.data.buffer);
    for (let i = 0; i < out.length; i++) out[i] = make(i);
    canvas.getContext('2d').putImageData(image, 0, 0);
    canvas.setAttribute('aria-label', alternative);
  };
  const rgb = (i) => blobs.photo[3 * i] | (blobs.photo[3 * i + 1] << 8) | (blobs.photo[3 * i + 2] << 16);
  const blend = () => paint('blend', (i) => {
    const level = blobs.levels[i];
    const strength = blank ? 0 : signed ? Math.abs(level - 127.5) / 127.5 : level / 255;
    const alpha = strength * opacity / 100;              // cold places stay photo
    const over = lut[level], under = rgb(i);
    let word = 255 << 24;
    for (const shift of [0, 8, 16])
      word |= Math.round((under >> shift & 255) * (1 - alpha) + (over >> shift & 255) * alpha) << shift;
    return word;
  });
  blend();
  if (!single) { paint('photo', (i) => (255 << 24) | rgb(i)); paint('evidence', (i) => lut[blobs.levels[i]]); }
  const slider = root.querySelector('input');
  slider.value = opacity;
  slider.oninput = () => { opacity = +slider.value; blend(); };
  const strip = new ImageData(256, 1);
  new Uint32Array(strip.data.buffer).set(lut);
  find('bar').getContext('2d').putImageData(strip, 0, 0);
  const more = header.cut ? ' and more' : '';           // a few single places are far above all others
  find('low').textContent = signed ? `against the class ${short(low)}${more}` : `none ${short(low)}`;
  find('high').textContent = signed ? `${short(high)}${more} for it` : `${short(high)} ${header.cut ? 'and more' : 'strongest'}`;
  find('save').onclick = () => {
    const large = document.createElement('canvas'), link = document.createElement('a');
    large.width = 3 * W; large.height = 3 * H;
    large.getContext('2d').drawImage(find('blend'), 0, 0, 3 * W, 3 * H);
    link.href = large.toDataURL('image/png'); link.download = header.file; link.click();
  };
  const here = find('here');
  for (const canvas of root.querySelectorAll('.panels canvas')) {
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
      const r = at((event.clientY - box.top) / box.height, rows), c = at((event.clientX - box.left) / box.width, columns);
      here.textContent = `row ${r}, column ${c}: ${short(blobs.raw[r * columns + c])}`;
    };
    canvas.onpointerleave = () => { here.textContent = ''; };
  }
  find('blend').dataset.ready = header.id;
}
"""
)

_component = st.components.v2.component("heat", html=_HTML, css=_CSS, js=_JS)


def heat(header: dict[str, Any], key: str, **blobs: np.ndarray | bytes) -> None:
    """Draws the map in ``levels`` (uint8 H x W) over ``photo`` (uint8 H x W x 3); ``raw`` is what hovering reads."""
    _component(data=pack(header, **blobs), key=key)
