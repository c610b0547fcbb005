"""A sheet of paper to draw a digit on, with mouse, pen or finger."""

from __future__ import annotations

import base64
from collections.abc import Callable

import streamlit as st

from pages.shared.components.data_url import data_url

_HTML = """
<canvas width="280" height="280" role="img" aria-label="Paper to draw a digit on, with mouse, pen or finger"></canvas>
<div class="row"><span class="hint">Draw a digit, 0 to 9</span><button type="button">Clear</button></div>
"""
_CSS = """
:host { display: block; font: 14px var(--st-font); color: var(--st-text-color); }
canvas { display: block; width: 100%; max-width: 280px; aspect-ratio: 1; background: #fff; cursor: crosshair;
  touch-action: none; border: 1px solid var(--st-border-color, #8888); border-radius: var(--st-base-radius, 8px); }
.row { display: flex; justify-content: space-between; align-items: center; max-width: 280px; padding-top: 6px; }
.hint { opacity: .8; }
button { all: unset; cursor: pointer; color: var(--st-link-color, var(--st-primary-color)); padding: 4px; border-radius: 4px; }
button:hover { text-decoration: underline; }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""
# A stroke of 22 on 280 is 1/13 of the sheet: a digit that fills two thirds of it gets strokes of 2 to 3 of the 20 pixels
# into which it is fitted, as MNIST's have.
_JS = r"""
export default function ({data, parentElement: root, setTriggerValue}) {
  const canvas = root.querySelector('canvas'), pen = canvas.getContext('2d');
  const wipe = () => { pen.fillStyle = '#fff'; pen.fillRect(0, 0, canvas.width, canvas.height); };
  if (!canvas.dataset.ready) {
    canvas.dataset.ready = 'yes';
    wipe();
    if (data.picture) {
      const image = new Image();
      image.onload = () => pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      image.src = data.picture;
    }
  }
  let last = null;
  const at = event => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * canvas.width, (event.clientY - box.top) / box.height * canvas.height];
  };
  const line = to => {
    pen.strokeStyle = '#111'; pen.lineWidth = 22; pen.lineCap = pen.lineJoin = 'round';
    pen.beginPath(); pen.moveTo(...last); pen.lineTo(...to); pen.stroke();
    last = to;
  };
  canvas.onpointerdown = event => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    pen.fillStyle = '#111'; pen.beginPath(); pen.arc(...last, 11, 0, 7); pen.fill();  // a click alone is a dot
  };
  canvas.onpointermove = event => {
    if (!last) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) line(at(each));
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!last) return;
    last = null;
    setTriggerValue('drawn', canvas.toDataURL('image/png'));
  };
  root.querySelector('button').onclick = () => { wipe(); setTriggerValue('drawn', 'nothing'); };
}
"""

_PREFIX = "data:image/png;base64,"
_component = st.components.v2.component("pad", html=_HTML, css=_CSS, js=_JS)


def pad(key: str, on_drawn: Callable[[], None], picture: bytes = b"") -> None:
    """Draws the sheet; `st.session_state[key].drawn` is a PNG, for `drawing`, in the run after a stroke.

    Args:
        key: of the component.
        on_drawn: called after each stroke.
        picture: PNG of what was drawn before, shown when the sheet is new.
    """
    _component(data={"picture": data_url(picture)}, key=key, on_drawn_change=on_drawn)


def drawing(value: object) -> bytes:
    """The PNG in what the browser sent; empty once the sheet was wiped, or if it sent something else."""
    if not isinstance(value, str) or not value.startswith(_PREFIX):
        return b""
    try:
        return base64.b64decode(value.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return b""
