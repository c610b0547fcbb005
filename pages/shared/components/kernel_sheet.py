"""A sheet of a layer's kernels as pictures; a click chooses one. Pointing and moving with the keys ask nobody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="scroll"><canvas class="all" tabindex="0" role="application"
    aria-label="All kernels. Arrow keys move, Enter chooses."></canvas></div>
  <div class="said" aria-live="polite"></div>
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; }
.root { display: grid; gap: 6px; grid-template-columns: minmax(0, 1fr); }
.scroll { max-height: 236px; overflow-y: auto; }
canvas { display: block; cursor: pointer; outline-offset: -2px; touch-action: pan-y; }
canvas:focus-visible { outline: 2px solid var(--st-primary-color); }
.said { min-height: 1.4em; opacity: .85; font-variant-numeric: tabular-nums; }
"""
_JS = (
    UNPACK
    + r"""
const states = new WeakMap();
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {count: N, planes: P, height: H, width: W} = header, lut = words(blobs.table);
  const all = root.querySelector('.all'), said = root.querySelector('.said'), scroll = root.querySelector('.scroll');
  let state = states.get(root);
  if (!state) states.set(root, state = {});
  // Python knows best, unless it has not heard of the last click yet.
  const waiting = state.layer === header.layer && performance.now() - state.clicked < 1500 && state.picked !== header.channel;
  if (!waiting) { state.picked = header.channel; state.clicked = -Infinity; }
  const fresh = state.layer !== header.layer;
  state.layer = header.layer;
  let shown = state.picked;
  const source = document.createElement('canvas');
  source.width = W; source.height = H * N;
  const image = new ImageData(W, H * N), target = new Uint32Array(image.data.buffer), size = H * W;
  for (let n = 0; n < N; n++) for (let i = 0; i < size; i++) {
    const at = n * P * size + i;
    target[n * size + i] = P === 1 ? lut[blobs.levels[at]]
      : 0xff000000 | blobs.levels[at + 2 * size] << 16 | blobs.levels[at + size] << 8 | blobs.levels[at];
  }
  source.getContext('2d').putImageData(image, 0, 0);
  const ink = getComputedStyle(root.host || root).getPropertyValue('--st-text-color') || '#1b2430';
  const GAP = 4, side = N <= 8 ? 72 : N <= 128 ? 48 : 34;
  let columns = 1, ratio = 1, laidOut = 0;
  function draw() {
    const cell = side * ratio, gap = GAP * ratio, g = all.getContext('2d');
    g.clearRect(0, 0, all.width, all.height);
    g.imageSmoothingEnabled = side * ratio < W;
    for (let n = 0; n < N; n++)
      g.drawImage(source, 0, n * H, W, H, n % columns * (cell + gap) + gap, Math.floor(n / columns) * (cell + gap) + gap, cell, cell);
    const frame = (n, colour, line) => {
      g.strokeStyle = colour; g.lineWidth = line * ratio;
      g.strokeRect(n % columns * (cell + gap) + gap / 2, Math.floor(n / columns) * (cell + gap) + gap / 2, cell + gap, cell + gap);
    };
    frame(state.picked, '#000', 4); frame(state.picked, '#f5a300', 2.4);
    if (shown !== state.picked) frame(shown, ink, 1.6);
  }
  function layout() {
    const wide = scroll.clientWidth;
    ratio = window.devicePixelRatio || 1;
    if (!wide || wide === laidOut) return;
    laidOut = wide;
    columns = Math.max(1, Math.min(N, Math.floor((wide - GAP - 16) / (side + GAP))));
    const w = columns * (side + GAP) + GAP, h = Math.ceil(N / columns) * (side + GAP) + GAP;
    all.width = Math.round(w * ratio); all.height = Math.round(h * ratio);
    all.style.width = w + 'px'; all.style.height = h + 'px';
    draw();
    if (fresh) reveal(state.picked);
  }
  function reveal(n) {
    const top = Math.floor(n / columns) * (side + GAP);
    if (top < scroll.scrollTop || top + side > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top - side;
  }
  function say() {
    const chosen = shown === state.picked ? ', chosen' : ': click to run it on the photo';
    said.textContent = `Channel ${shown} of ${N} (0 to ${N - 1})${chosen}`;
  }
  function show(n) { if (n !== shown) { shown = n; draw(); say(); } }
  function pick(n) {
    shown = state.picked = n; state.clicked = performance.now(); draw(); say();
    setTriggerValue('picked', n);
  }
  const at = (event) => {
    const box = all.getBoundingClientRect();
    const c = Math.floor((event.clientX - box.left - GAP / 2) / (side + GAP)), r = Math.floor((event.clientY - box.top - GAP / 2) / (side + GAP));
    const n = r * columns + c;
    return c >= 0 && c < columns && n >= 0 && n < N ? n : -1;
  };
  all.onpointermove = (event) => { const n = at(event); if (n >= 0 && event.pointerType !== 'touch') show(n); };
  all.onpointerleave = () => show(state.picked);
  all.onclick = (event) => { const n = at(event); if (n >= 0) pick(n); };
  all.onkeydown = (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -N, End: N}[event.key];
    if (step !== undefined) {
      show(Math.min(N - 1, Math.max(0, shown + step))); reveal(shown); event.preventDefault();
    } else if (event.key === 'Enter' || event.key === ' ') { pick(shown); event.preventDefault(); }
  };
  layout(); draw(); say();
  const watch = new ResizeObserver(layout);
  watch.observe(scroll);
  all.dataset.kernels = N; all.dataset.columns = columns; all.dataset.picked = state.picked;
  return renewed(root, () => watch.disconnect());
}
"""
)
_component = st.components.v2.component("kernel_sheet", html=_HTML, css=_CSS, js=_JS)


def kernel_sheet(layer: str, levels: np.ndarray, channel: int, key: str, on_channel: Callable[[int], None]) -> None:
    """Draws the kernels.

    Args:
        layer: names the sheet; another one starts at its own chosen channel.
        levels: uint8 (N, P, h, w); three planes are red, green and blue, one is blue-white-red about zero.
        channel: the chosen one.
        key: of the component.
        on_channel: is told of a click before the next run.
    """
    count, colours, height, width = levels.shape

    def picked() -> None:
        told = st.session_state[key].get("picked")
        if told is not None and 0 <= int(told) < count:
            on_channel(int(told))

    header = {"layer": layer, "count": count, "planes": colours, "height": height, "width": width, "channel": channel}
    payload = pack(header, levels=levels.ravel(), table=palettes.DIVERGING.ravel())
    _component(data=payload, key=key, on_picked_change=picked)
