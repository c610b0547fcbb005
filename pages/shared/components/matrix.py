"""Everything against everything as a coloured table: readable on a phone, and by those who cannot see colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

_HTML = '<div class="frame"><table></table><p class="said" aria-live="polite"></p></div>'
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 14px; }
.frame { container-type: inline-size; }
table { border-collapse: separate; border-spacing: 1px; width: 100%; max-width: 720px; table-layout: fixed; }
th { font-weight: 400; font-size: 13px; }
thead th { height: 24px; vertical-align: bottom; padding: 0 1px 4px; overflow: hidden; text-overflow: ellipsis; }
thead th:first-child { width: 26%; }
tbody th { text-align: left; padding-right: 8px; line-height: 1.15; overflow-wrap: anywhere; }
.number { opacity: .75; font-variant-numeric: tabular-nums; }
td { height: 30px; padding: 0; text-align: center; font-variant-numeric: tabular-nums; font-size: 13px; cursor: default;
  border-radius: 3px; }
td:focus-visible, td:hover { outline: 2px solid var(--st-text-color); outline-offset: -1px; }
.said { margin: 6px 0 0; min-height: 1.4em; font-size: 14px; }
@container (max-width: 480px) {
  thead th:first-child { width: 33%; }
  tbody th { font-size: 12px; padding-right: 4px; }
  td { font-size: 10px; height: 26px; letter-spacing: -.02em; }
}
"""
_JS = r"""
export default function ({data, parentElement: root}) {
  const table = root.querySelector('table'), said = root.querySelector('.said');
  const cell = (kind, text) => { const made = document.createElement(kind); made.textContent = text; return made; };
  const head = document.createElement('thead'), first = document.createElement('tr');
  first.append(cell('th', ''), ...data.columns.map((name, index) => {
    const made = cell('th', data.square ? index + 1 : name);
    made.scope = 'col'; made.title = name; made.setAttribute('aria-label', name);
    return made;
  }));
  head.append(first);
  const body = document.createElement('tbody');
  const say = words => { said.textContent = words; };
  body.append(...data.rows.map((name, row) => {
    const line = document.createElement('tr'), heading = cell('th', '');
    heading.scope = 'row';
    if (data.square) heading.append(Object.assign(cell('span', `${row + 1} `), {className: 'number'}));
    heading.append(name);
    line.append(heading, ...data.cells[row].map(({text, words, colour, ink}, column) => {
      const made = cell('td', text);
      made.style.background = colour; made.style.color = ink; made.title = words; made.setAttribute('aria-label', words);
      made.tabIndex = row === 0 && column === 0 ? 0 : -1;
      made.onmouseenter = made.onfocus = made.onclick = () => say(words);
      return made;
    }));
    return line;
  }));
  body.onkeydown = event => {  // arrow keys walk, so that the table is one stop of the Tab key
    const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
    const at = event.target.closest('td');
    if (!step || !at) return;
    event.preventDefault();
    const line = body.rows[at.parentElement.rowIndex - 1 + step[0]], next = line && line.cells[at.cellIndex + step[1]];
    if (!next || next.tagName !== 'TD') return;
    at.tabIndex = -1; next.tabIndex = 0; next.focus();
  };
  table.setAttribute('aria-label', data.label);
  table.replaceChildren(head, body);
  say(data.hint || '');
}
"""
_component = st.components.v2.component("matrix", html=_HTML, css=_CSS, js=_JS)


def matrix(
    values: np.ndarray,
    texts: Sequence[Sequence[str]],
    words: Sequence[Sequence[str]],
    rows: Sequence[str],
    key: str,
    *,
    table: np.ndarray,
    low: float,
    high: float,
    label: str,
    columns: Sequence[str] | None = None,
    hint: str = "",
) -> Any:
    """Draws a matrix of numbers on a colour scale.

    Args:
        values: (rows, columns); NaN stays without colour.
        texts: what stands in each cell, a few characters.
        words: each cell in words, shown when it is pointed at.
        rows: headings of the rows.
        key: of the component.
        table: uint8 (256, 3), the colours from ``low`` to ``high``.
        low: value of the first colour.
        high: value of the last one.
        label: of the whole, for those who hear the page.
        columns: headings of the columns; the rows' own, numbered, if None.
        hint: what stands below until a cell is pointed at.
    """
    places = np.clip(np.rint((np.nan_to_num(values, nan=low) - low) / (high - low) * 255), 0, 255).astype(int)
    cells = []
    for row, place in enumerate(places):
        line = []
        for column, at in enumerate(place):
            known = bool(np.isfinite(values[row, column]))
            red, green, blue = (int(each) for each in table[at])
            bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140  # luma, ITU-R BT.601
            line.append(
                {
                    "text": texts[row][column],
                    "words": words[row][column],
                    "colour": f"rgb({red},{green},{blue})" if known else "transparent",
                    "ink": ("#000000" if bright else "#ffffff") if known else "inherit",
                }
            )
        cells.append(line)
    data = {
        "rows": list(rows),
        "columns": list(columns if columns is not None else rows),
        "square": columns is None,
        "cells": cells,
        "label": label,
        "hint": hint,
    }
    return _component(data=data, key=key)
