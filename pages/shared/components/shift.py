"""Answers before and after a change: two bars for each class, and by how many points they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

_HTML = """
<div class="root"><div class="key"><span><i class="was"></i>before</span><span><i class="is"></i>after</span></div>
<div class="rows" role="list"></div></div>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 15px; }
.key { display: flex; gap: 16px; font-size: 13px; padding-bottom: 6px; }
.key span { display: flex; align-items: center; gap: 6px; }
.key i { width: 18px; height: 8px; border-radius: 4px; }
.rows { display: grid; gap: 10px; }
.row { display: grid; grid-template-columns: 1fr auto; gap: 4px 12px; padding: 4px 8px; border-radius: var(--st-base-radius, 8px); border: 2px solid transparent; }
.row.chosen { border-color: var(--st-primary-color); }
.label { overflow-wrap: anywhere; }
.values { font-variant-numeric: tabular-nums; text-align: right; }
.change { display: inline-block; min-width: 7.2em; font-weight: 600; }
.track { grid-column: 1 / -1; height: 8px; border-radius: 4px; background: color-mix(in srgb, var(--st-text-color) 10%, transparent); }
.was, .is { height: 100%; border-radius: 4px; min-width: 2px; }
.was { background: color-mix(in srgb, var(--st-text-color) 45%, transparent); }
.is { background: var(--st-primary-color); }
.track + .track { margin-top: -2px; }
.random .track .is { background: repeating-linear-gradient(45deg, #b7791f 0 6px, transparent 6px 10px); }
"""
_JS = r"""
export default function ({data, parentElement: root}) {
  root.querySelector('.root').classList.toggle('random', !data.trained);
  const make = (kind, text) => Object.assign(document.createElement('span'), {className: kind, textContent: text ?? ''});
  root.querySelector('.rows').replaceChildren(...data.rows.map((each) => {
    const row = make('row' + (each.chosen ? ' chosen' : ''));
    row.setAttribute('role', 'listitem');
    const values = make('values', `${each.was} → ${each.is} `);
    values.append(make('change', each.change));
    row.append(make('label', each.label), values);
    for (const [kind, share] of [['was', each.before], ['is', each.after]]) {
      const track = make('track'), fill = make(kind);
      track.style.display = fill.style.display = 'block';
      fill.style.width = 100 * share + '%';
      track.append(fill); row.append(track);
    }
    return row;
  }));
  root.querySelector('.root').dataset.ready = data.id;
}
"""

_component = st.components.v2.component("shift", html=_HTML, css=_CSS, js=_JS)


def shift(rows: Sequence[dict[str, Any]], key: str, name: str, *, trained: bool = True) -> None:
    """Draws ``rows`` of label, before and after (0 to 1), was, is and change (their texts), and chosen.

    ``name`` is what the drawn component calls itself; hatched where the network has learnt nothing.
    """
    _component(data={"rows": list(rows), "id": name, "trained": trained}, key=key)
