"""A box that the visitor draws on the photo: with a mouse, a finger or the keyboard, all in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <canvas tabindex="0" role="application"></canvas>
  <div class="size" aria-live="polite"></div>
  <div class="hint"><span class="mouse">Drag to draw, pull a corner to change it; arrow keys move the box, with Shift they resize it.</span><span
    class="touch">Draw with a finger; pull a corner to change the box.</span></div>
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; container-type: inline-size; }
.root { width: min(100%, 420px); }
canvas { display: block; width: 100%; cursor: crosshair; touch-action: none; border-radius: var(--st-base-radius, 8px); }
canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.size { padding-top: 6px; font-variant-numeric: tabular-nums; }
.hint { opacity: .8; }
.touch { display: none; }
@media (hover: none) { .mouse { display: none; } .touch { display: inline; } .root { width: min(88%, 420px); } }
"""
_JS = (
    UNPACK
    + r"""
const kept = new WeakMap();              // the box outlives a rerun of its fragment
const PAUSE = 350;                       // ms without a key: the stroke has ended
export default function ({data, parentElement: root, setStateValue}) {
  const {header, blobs} = unpack(data);
  const {width: W, height: H} = header;
  const canvas = root.querySelector('canvas'), size = root.querySelector('.size');
  const state = kept.get(root) ?? {subject: null, box: null, timer: 0};
  kept.set(root, state);
  if (state.subject !== header.subject) Object.assign(state, {subject: header.subject, box: header.box.slice()});
  const S = Math.max(2, Math.ceil(448 / W));   // drawn finer than the photo's own pixels, so that the line is thin
  canvas.width = S * W; canvas.height = S * H;
  canvas.setAttribute('aria-label', header.alternative);
  const lut = words(blobs.table), under = document.createElement('canvas');
  under.width = W; under.height = H;
  const image = new ImageData(W, H), out = image.data;
  for (let i = 0; i < W * H; i++) {
    const level = blobs.levels[i], alpha = level / 255 * .8, over = lut[level];
    for (let c = 0; c < 3; c++) out[4 * i + c] = blobs.photo[3 * i + c] * (1 - alpha) + (over >> 8 * c & 255) * alpha;
    out[4 * i + 3] = 255;
  }
  under.getContext('2d').putImageData(image, 0, 0);
  const clamp = (value, most) => Math.min(most, Math.max(0, value));
  const sorted = ([a, b, c, d]) => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
  const draw = () => {
    const pen = canvas.getContext('2d'), [l, t, r, b] = sorted(state.box);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(under, 0, 0, S * W, S * H);
    pen.fillStyle = 'rgba(0, 0, 0, .45)';
    pen.beginPath(); pen.rect(0, 0, S * W, S * H); pen.rect(S * l, S * t, S * (r - l), S * (b - t)); pen.fill('evenodd');
    for (const [colour, line] of [['#000', 4], ['#fff', 2]]) {
      pen.strokeStyle = colour; pen.lineWidth = line; pen.strokeRect(S * l, S * t, S * (r - l), S * (b - t));
    }
    for (const x of [l, r]) for (const y of [t, b]) {
      pen.fillStyle = '#fff'; pen.strokeStyle = '#000'; pen.lineWidth = 1;
      pen.fillRect(S * x - 5, S * y - 5, 10, 10); pen.strokeRect(S * x - 5, S * y - 5, 10, 10);
    }
    const share = 100 * (r - l) * (b - t) / (W * H);
    size.textContent = `Box of ${Math.round(r - l)} × ${Math.round(b - t)} of ${W} × ${H} px, ${share.toFixed(0)} % of the picture`;
    canvas.dataset.box = [l, t, r, b].map((value) => value.toFixed(2)).join(' ');
  };
  const send = () => setStateValue('box', sorted(state.box).map((value) => Math.round(100 * value) / 100));
  const where = (event) => {
    const rect = canvas.getBoundingClientRect();
    return [clamp((event.clientX - rect.left) / rect.width * W, W), clamp((event.clientY - rect.top) / rect.height * H, H)];
  };
  let stroke = null;
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    const [x, y] = where(event), reach = 14 * W / canvas.getBoundingClientRect().width, [l, t, r, b] = sorted(state.box);
    const corner = [[l, t, r, b], [r, t, l, b], [l, b, r, t], [r, b, l, t]]
      .find(([cx, cy]) => Math.abs(cx - x) < reach && Math.abs(cy - y) < reach);
    stroke = {from: corner ? corner.slice(2) : [x, y], before: state.box.slice(), at: [x, y], moved: false};
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({preventScroll: true});
    event.preventDefault();
  };
  canvas.onpointermove = (event) => {
    if (!stroke) return;
    const [x, y] = where(event), pixel = W / canvas.getBoundingClientRect().width;
    stroke.moved ||= Math.hypot(x - stroke.at[0], y - stroke.at[1]) > 4 * pixel;
    if (!stroke.moved) return;
    state.box = [...stroke.from, x, y];
    draw();
  };
  canvas.onpointerup = () => {
    if (!stroke) return;
    const [l, t, r, b] = sorted(state.box), {moved, before} = stroke;
    stroke = null;
    if (!moved) return;
    if (r - l < 1 || b - t < 1) { state.box = before; draw(); return; }   // a line holds nothing
    draw(); send();
  };
  canvas.onpointercancel = () => { if (stroke) { state.box = stroke.before; stroke = null; draw(); } };
  canvas.onkeydown = (event) => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    let [l, t, r, b] = sorted(state.box);
    const dx = 4 * step[0], dy = 4 * step[1];
    if (event.shiftKey) { r = Math.max(l + 4, clamp(r + dx, W)); b = Math.max(t + 4, clamp(b + dy, H)); }
    else {
      const x = Math.min(W - r, Math.max(-l, dx)), y = Math.min(H - b, Math.max(-t, dy));
      l += x; r += x; t += y; b += y;
    }
    state.box = [l, t, Math.min(r, W), Math.min(b, H)];
    draw();
    clearTimeout(state.timer);
    state.timer = setTimeout(send, PAUSE);
  };
  draw();
  canvas.dataset.ready = header.id;
  return () => clearTimeout(state.timer);
}
"""
)

_component = st.components.v2.component("box", html=_HTML, css=_CSS, js=_JS)


def box(header: Mapping[str, Any], key: str, on_box: Callable[[], None], **blobs: np.ndarray) -> Any:
    """Draws the photo with the map over it and the box; ``result.box`` is where it is once a stroke has ended.

    Args:
        header: id, subject (a name for the photo: another one takes the box anew), box (left, top, right, bottom, in
            pixels of what the network sees), width and height (of that), alternative (text for who cannot see it).
        key: of the component.
        on_box: called after a stroke.
        **blobs: uint8 photo (H, W, 3), levels (H, W) of the map, and table of its colours.
    """
    return _component(data=pack(header, **blobs), key=key, on_box_change=on_box)
