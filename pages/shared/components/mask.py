"""A mask over a picture: threshold, opacity and the count against the right mask stay in the browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="panels">
    <figure><canvas class="over" role="img"></canvas><figcaption class="what"></figcaption></figure>
    <figure><canvas class="chance" role="img"></canvas><figcaption>How probable it is for each pixel</figcaption></figure>
  </div>
  <div class="foot">
    <label>Threshold <input class="threshold" type="range" min="1" max="255" aria-label="Threshold of the mask"><output class="at"></output></label>
    <label>Opacity <input class="opacity" type="range" min="0" max="100" aria-label="Opacity of the mask over the picture"></label>
    <label class="compared"><input class="truth" type="checkbox"> Against the right mask</label>
    <button type="button" class="save">Mask as PNG</button>
  </div>
  <div class="numbers" aria-live="polite"></div>
  <div class="here"></div>
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 14px; container-type: inline-size; }
.panels { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; max-width: 1100px; }
figure { margin: 0; min-width: 0; }
canvas { display: block; width: 100%; border-radius: var(--st-base-radius, 8px); cursor: crosshair; }
figcaption { font-size: 13px; opacity: .8; padding-top: 4px; }
.foot { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; padding-top: 10px; font-size: 13px; }
label { display: flex; align-items: center; gap: 8px; }
input { accent-color: var(--st-primary-color); }
input[type=range] { width: 140px; }
output { font-variant-numeric: tabular-nums; min-width: 2.4em; }
.save { all: unset; cursor: pointer; color: var(--st-link-color, var(--st-primary-color)); border-radius: 4px; }
.save:hover { text-decoration: underline; }
.save:focus-visible, input:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.numbers { display: flex; flex-wrap: wrap; gap: 6px 28px; padding-top: 14px; font-variant-numeric: tabular-nums; }
.numbers div { display: grid; gap: 1px; }
.numbers b { font-size: 20px; font-weight: 600; }
.numbers span { font-size: 13px; opacity: .85; display: flex; align-items: center; gap: 6px; }
.numbers i { width: 11px; height: 11px; border-radius: 3px; border: 1px solid color-mix(in srgb, var(--st-text-color) 40%, transparent); }
.here { font-size: 13px; font-variant-numeric: tabular-nums; min-height: 1.5em; padding-top: 6px; }
[hidden] { display: none !important; }
@container (max-width: 620px) { .panels { grid-template-columns: 1fr; } .numbers { gap: 6px 18px; } .numbers b { font-size: 17px; } }
"""
_JS = (
    UNPACK
    + r"""
const kept = {threshold: 128, opacity: 45, truth: true};      // tastes, not results: they stay while the tab is open
const HIT = [248, 104, 0], EXTRA = [200, 32, 140], MISSED = [48, 152, 248];
export default function ({data, parentElement: root}) {
  const {header, blobs} = unpack(data), {width: W, height: H, known} = header;
  const find = (name) => root.querySelector('.' + name), lut = words(blobs.table);
  const over = find('over'), chance = find('chance');
  for (const canvas of [over, chance]) {
    canvas.width = W; canvas.height = H; canvas.setAttribute('aria-label', header.alternative);
    canvas.style.maxWidth = `calc(75vh * ${W / H})`;  // a tall picture ends where the window does
  }
  const image = new ImageData(W, H), out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = lut[blobs.probability[i]];
  chance.getContext('2d').putImageData(image, 0, 0);
  const spell = (number) => number.toLocaleString('en-US');
  const rgb = (colour) => `rgb(${colour.join()})`;
  function draw() {
    const compared = known && kept.truth, share = kept.opacity / 100, counts = [0, 0, 0, 0];
    const pen = over.getContext('2d'), shown = new ImageData(W, H), bytes = shown.data;
    for (let i = 0; i < W * H; i++) {
      const inside = blobs.probability[i] >= kept.threshold, right = known && blobs.truth[i] > 0;
      counts[2 * inside + right]++;
      const paint = compared ? (inside ? (right ? HIT : EXTRA) : right ? MISSED : null) : inside ? HIT : null;
      for (let c = 0; c < 3; c++)
        bytes[4 * i + c] = paint ? blobs.photo[3 * i + c] * (1 - share) + paint[c] * share : blobs.photo[3 * i + c];
      bytes[4 * i + 3] = 255;
    }
    pen.putImageData(shown, 0, 0);
    const [rest, missed, extra, hits] = counts, numbers = [];
    if (known) {
      const both = 2 * hits + extra + missed, either = hits + extra + missed;
      numbers.push(['Dice', both ? (2 * hits / both).toFixed(3) : '1.000'], ['IoU', either ? (hits / either).toFixed(3) : '1.000'],
        ['found rightly', spell(hits) + ' px', HIT], ['too much', spell(extra) + ' px', EXTRA],
        ['missed', spell(missed) + ' px', MISSED], ['rightly ground', spell(rest) + ' px']);
    } else numbers.push(['marked', (100 * (hits + extra) / (W * H)).toFixed(1) + ' % of the picture', HIT]);
    find('numbers').replaceChildren(...numbers.map(([name, text, colour]) => {
      const box = document.createElement('div'), value = document.createElement('b'), label = document.createElement('span');
      value.textContent = text;
      if (colour) { const dot = document.createElement('i'); dot.style.background = rgb(colour); label.append(dot); }
      label.append(name); box.append(value, label); return box;
    }));
    find('at').textContent = (kept.threshold / 256).toFixed(2);
    find('what').textContent = compared ? 'The mask against the right one' : 'The mask over what the network saw';
    find('root').dataset.dice = known ? numbers[0][1] : '';
    find('root').dataset.marked = hits + extra;
  }
  find('compared').hidden = !known;
  const threshold = find('threshold'), opacity = find('opacity'), truth = find('truth');
  threshold.value = kept.threshold; opacity.value = kept.opacity; truth.checked = kept.truth;
  threshold.oninput = () => { kept.threshold = +threshold.value; draw(); };
  opacity.oninput = () => { kept.opacity = +opacity.value; draw(); };
  truth.onchange = () => { kept.truth = truth.checked; draw(); };
  find('save').onclick = () => {
    const canvas = document.createElement('canvas'), link = document.createElement('a');
    canvas.width = W; canvas.height = H;
    const mask = new ImageData(W, H), cells = new Uint32Array(mask.data.buffer);
    for (let i = 0; i < cells.length; i++) cells[i] = blobs.probability[i] >= kept.threshold ? 0xffffffff : 0xff000000;
    canvas.getContext('2d').putImageData(mask, 0, 0);
    link.href = canvas.toDataURL('image/png'); link.download = header.file; link.click();
  };
  for (const canvas of [over, chance]) {
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (part, count) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
      const c = at((event.clientX - box.left) / box.width, W), r = at((event.clientY - box.top) / box.height, H);
      find('here').textContent = `row ${r}, column ${c}: probability ${(blobs.probability[r * W + c] / 255).toFixed(2)}`;
    };
    canvas.onpointerleave = () => { find('here').textContent = ''; };
  }
  draw();
  find('root').dataset.ready = header.id;
}
"""
)

_component = st.components.v2.component("mask", html=_HTML, css=_CSS, js=_JS)


def mask(header: dict[str, Any], key: str, **blobs: np.ndarray) -> None:
    """Draws the mask where ``probability`` reaches the threshold.

    Args:
        header: id, width, height, known (whether ``truth`` is the right mask), alternative, file (its name to save).
        key: of the component.
        **blobs: photo (uint8 H x W x 3), probability and truth (uint8 H x W), table (of colours).
    """
    _component(data=pack(header, **blobs), key=key)


def levels(probability: np.ndarray) -> np.ndarray:
    """Probabilities as 256 levels, uint8: a level of at least k means a probability of at least k / 256."""
    return np.minimum(np.floor(probability * 256), 255).astype(np.uint8)
