"""The photo with a share of its pixels deleted, and the same share inserted: a slider, all in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <label class="share"><span>Share of the pixels</span><input type="range" min="0" max="100" step="1"><output></output></label>
  <div class="pair">
    <figure><canvas class="deleted" role="img"></canvas><figcaption class="lost" aria-live="polite"></figcaption></figure>
    <figure><canvas class="inserted" role="img"></canvas><figcaption class="gained" aria-live="polite"></figcaption></figure>
  </div>
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; container-type: inline-size; }
.share { display: flex; align-items: center; gap: 10px; padding-bottom: 10px; }
.share input { flex: 1; min-width: 90px; max-width: 320px; accent-color: var(--st-primary-color); }
output { font-variant-numeric: tabular-nums; min-width: 3.2em; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
figure { margin: 0; min-width: 0; }
canvas { display: block; width: 100%; border-radius: var(--st-base-radius, 8px); }
figcaption { padding-top: 4px; font-variant-numeric: tabular-nums; }
"""
_JS = (
    UNPACK
    + r"""
const kept = new WeakMap();              // the slider's place outlives a rerun
export default function ({data, parentElement: root}) {
  const {header, blobs} = unpack(data);
  const {width: W, height: H, label} = header;
  const find = (name) => root.querySelector(name);
  const slider = find('input');
  slider.setAttribute('aria-label', 'Share of the pixels deleted and inserted, percent');
  slider.value = kept.get(root) ?? header.share;
  const percent = (value) => value > 0 && value < .01 ? 'under 1 %' : value > .99 && value < 1 ? 'over 99 %' : `${Math.round(100 * value)} %`;
  // The measured step nearest to the share: what lies between was not measured.
  const nearest = (share) => blobs.shares.reduce((best, each, i) => Math.abs(each - share) < Math.abs(blobs.shares[best] - share) ? i : best, 0);
  const draw = () => {
    const step = nearest(slider.value / 100), share = blobs.shares[step];
    find('output').textContent = `${(100 * share).toFixed(0)} %`;
    for (const [name, comes] of [['.deleted', false], ['.inserted', true]]) {
      const canvas = find(name);
      canvas.width = W; canvas.height = H;
      const image = new ImageData(W, H), out = image.data;
      for (let i = 0; i < W * H; i++) {
        const over = blobs.turn[i] <= share + 1e-6, from = over === comes ? blobs.photo : blobs.gone;
        for (let c = 0; c < 3; c++) out[4 * i + c] = from[3 * i + c];
        out[4 * i + 3] = 255;
      }
      canvas.getContext('2d').putImageData(image, 0, 0);
    }
    const [lost, chance, gained, luck] = ['deletion', 'randomDeletion', 'insertion', 'randomInsertion'].map((name) => percent(blobs[name][step]));
    find('.lost').textContent = `Without the best ${percent(share)}: ${label} ${lost} (at random ${chance})`;
    find('.gained').textContent = `With only the best ${percent(share)}: ${label} ${gained} (at random ${luck})`;
    find('.deleted').setAttribute('aria-label', find('.lost').textContent);
    find('.inserted').setAttribute('aria-label', find('.gained').textContent);
    root.querySelector('.root').dataset.ready = `${header.id}|${step}`;
  };
  slider.oninput = () => { kept.set(root, slider.value); draw(); };
  draw();
}
"""
)

_component = st.components.v2.component("erasing", html=_HTML, css=_CSS, js=_JS)


def erasing(header: Mapping[str, Any], key: str, **blobs: np.ndarray) -> None:
    """Draws it.

    Args:
        header: id, label (of the class), width and height (of what the network saw), share (to begin with, percent).
        key: of the component.
        **blobs: uint8 photo and gone (H, W, 3); float32 turn (H, W), shares, deletion, insertion, randomDeletion and
            randomInsertion (n,), the probabilities of the class.
    """
    _component(data=pack(header, **blobs), key=key)
