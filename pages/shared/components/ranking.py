"""The network's answer as bars; a click on one makes it the class that everything else is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

_HTML = """
<div class="rows" role="group" aria-label="Classes by probability">
</div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 15px; }
.rows { display: grid; gap: 4px; }
button { all: unset; box-sizing: border-box; width: 100%; cursor: pointer; display: grid; padding: 6px 10px 8px; gap: 5px;
  grid-template-columns: 1fr auto; border-radius: var(--st-base-radius, 8px); border: 2px solid transparent; }
button:hover { background: var(--st-secondary-background-color); }
button:focus-visible { border-color: var(--st-primary-color); }
button[aria-pressed="true"] { border-color: var(--st-primary-color); background: var(--st-secondary-background-color); }
.label { overflow-wrap: anywhere; }
.value { font-variant-numeric: tabular-nums; }
.track { grid-column: 1 / -1; height: 8px; border-radius: 4px; background: color-mix(in srgb, var(--st-text-color) 12%, transparent); }
.random .fill { background: repeating-linear-gradient(45deg, #b7791f 0 6px, transparent 6px 10px); }
.fill { height: 100%; border-radius: 4px; background: var(--st-primary-color); min-width: 2px; }
"""
_JS = r"""
export default function ({data, parentElement: root, setTriggerValue}) {
  const rows = root.querySelector('.rows');
  rows.classList.toggle('random', !data.trained);
  rows.replaceChildren(...data.rows.map(({index, label, probability, text}) => {
    const button = document.createElement('button');
    button.setAttribute('aria-pressed', index === data.chosen);
    button.dataset.index = index;
    const name = document.createElement('span'), value = document.createElement('span');
    name.className = 'label'; name.textContent = label;
    value.className = 'value'; value.textContent = text;
    const track = document.createElement('div'), fill = document.createElement('div');
    track.className = 'track'; fill.className = 'fill'; fill.style.width = 100 * probability + '%';
    track.append(fill); button.append(name, value, track);
    button.onclick = () => {
      for (const other of rows.children) other.setAttribute('aria-pressed', other === button);
      setTriggerValue('chosen', index);
    };
    return button;
  }));
}
"""

_component = st.components.v2.component("ranking", html=_HTML, css=_CSS, js=_JS)


def ranking(
    rows: Sequence[dict[str, Any]], chosen: int, key: str, on_choice: Callable[[], None], *, trained: bool = True
) -> Any:
    """Draws ``rows`` of index, label, probability and its text; hatched where the network has learnt nothing.

    ``result.chosen`` is a class index in the run of a click.
    """
    data = {"rows": list(rows), "chosen": chosen, "trained": trained}
    return _component(data=data, key=key, on_chosen_change=on_choice)
