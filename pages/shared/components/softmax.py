"""Softmax, term by term: logits, divided by a temperature, raised to powers of e, shared out.

Turning the temperature and pointing at terms happens in the browser, among numbers that Python has worked out for every
position of the slider; only a click on a class comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="dial"><label>Temperature <input type="range" min="0" aria-label="Temperature"></label>
  <output class="now"></output><button type="button" class="one">Back to 1</button></div>
<div class="table" role="table" aria-label="From logits to probabilities"></div>
<div class="equation" aria-live="polite"></div>
<p class="said"></p>
"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); font-size: 15px; container-type: inline-size; }
.dial { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; padding-bottom: 12px; }
.dial label { display: flex; align-items: center; gap: 10px; font-weight: 600; }
.dial input { width: min(320px, 46cqw); accent-color: var(--st-primary-color); }
.now { font-variant-numeric: tabular-nums; min-width: 3em; }
button { all: unset; box-sizing: border-box; cursor: pointer; border-radius: 6px; }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.one { color: var(--st-link-color, var(--st-primary-color)); font-size: 13px; }
.one:hover { text-decoration: underline; }
.table { display: grid; gap: 2px; font-variant-numeric: tabular-nums; }
* { box-sizing: border-box; }
.row { display: grid; grid-template-columns: minmax(8em, 1.6fr) repeat(4, minmax(4.2em, .8fr)) minmax(9em, 2fr); gap: 12px; align-items: center;
  padding: 5px 10px; border-radius: var(--st-base-radius, 8px); border: 2px solid transparent; width: 100%; }
.row > * { min-width: 0; text-align: right; }
.row > :first-child { text-align: left; overflow-wrap: anywhere; }
.head { font-size: 13px; opacity: .85; align-items: end; }
.head small { display: block; opacity: .85; }
.row.rest, .row.sum { cursor: default; }
.row.sum { border-top: 1px solid color-mix(in srgb, var(--st-text-color) 30%, transparent); border-radius: 0; font-weight: 600; }
.row.lit { background: var(--st-secondary-background-color); }
.row[aria-pressed="true"] { border-color: var(--st-primary-color); }
.share { display: grid; grid-template-columns: 1fr 6.4em; gap: 8px; align-items: center; }
.track { height: 10px; border-radius: 5px; background: color-mix(in srgb, var(--st-text-color) 12%, transparent); }
.fill { height: 100%; border-radius: 5px; background: var(--st-primary-color); min-width: 2px; }
.random .fill { background: repeating-linear-gradient(45deg, #b7791f 0 6px, transparent 6px 10px); }
.equation { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; padding: 16px 4px 4px; font-variant-numeric: tabular-nums; }
.fraction { display: grid; justify-items: center; }
.over { padding: 0 10px 5px; }
.under { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; justify-content: center; padding: 6px 10px 0;
  border-top: 1.5px solid currentColor; }
.term { border-radius: 6px; padding: 1px 7px; border: 1.5px solid color-mix(in srgb, var(--st-text-color) 25%, transparent); }
.term.mine { border-color: var(--st-primary-color); }
.term.lit { background: var(--st-secondary-background-color); border-color: var(--st-text-color); }
sup { font-size: .72em; }
.said { margin: 6px 4px 0; min-height: 1.4em; }
@container (max-width: 640px) {
  :host { font-size: 14px; }
  .row { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 2px 8px; padding: 5px 6px; }
  .row > :first-child { grid-column: 1 / -1; }
  .row > .share { grid-column: 1 / -1; }
  .head > :last-child { display: none; }
}
"""
_JS = (
    UNPACK
    + r"""
const states = new WeakMap();
const four = (value) => {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-4 ? value.toExponential(2) : String(+value.toPrecision(4));
  return text.replace('-', '\u2212').replace('e+', 'e').replace('e-', 'e\u2212');
};
const percent = (share) => share > 0.9995 && share < 1 ? 'above 99.9 %' : share < 0.0005 ? (share > 0 ? 'below 0.1 %' : '0 %') : (100 * share).toFixed(share < 0.1 ? 2 : 1) + ' %';
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {labels, others, temperatures, trained, clickable} = header, N = labels.length;
  const find = (name) => root.querySelector('.' + name), slider = root.querySelector('input');
  let state = states.get(root);
  const one = temperatures.indexOf(1);
  if (!state) states.set(root, state = {at: one, lit: null});
  let mine = header.chosen;
  slider.max = temperatures.length - 1; slider.value = state.at;
  const make = (kind, name, text) => {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const power = (text) => { const made = make('span', '', 'e'); made.append(make('sup', '', text)); return made; };
  const light = (n) => {
    state.lit = n;
    for (const each of root.querySelectorAll('[data-row]')) each.classList.toggle('lit', +each.dataset.row === n);
    sentence();
  };
  const point = (element, n) => {
    element.dataset.row = n;
    element.onpointerenter = () => light(n); element.onpointerleave = () => light(null);
    element.onfocus = () => light(n); element.onblur = () => light(null);
  };
  function sentence() {
    const t = state.at, n = state.lit === null || state.lit >= N ? mine : state.lit, T = temperatures[t];
    const z = blobs.logits[n], best = blobs.logits.indexOf(Math.max(...blobs.logits));
    const against = n === best ? '' : ` ${labels[best]} has ${four(blobs.scaled[t * N + best] - blobs.scaled[t * N + n])} more, so it gets ${four(Math.exp(blobs.scaled[t * N + best] - blobs.scaled[t * N + n]))} times as much.`;
    find('said').textContent = state.lit === N
      ? `All ${others.toLocaleString('en')} other classes together hold ${percent(blobs.restProbability[t])}.`
      : `${labels[n]}: logit ${four(z)}, divided by ${four(T)} is ${four(blobs.scaled[t * N + n])}: ${percent(blobs.probabilities[t * N + n])}.${against}`;
  }
  function draw() {
    const t = state.at, T = temperatures[t], table = find('table');
    find('now').textContent = `T = ${four(T)}`;
    find('one').style.visibility = t === one ? 'hidden' : 'visible';
    slider.setAttribute('aria-valuetext', four(T));
    const head = make('div', 'row head');
    const title = (name, about) => { const made = make('span', '', name); made.append(make('small', '', about)); return made; };
    head.append(title('class', ''), title('logit z', header.whose), title('z / T', 'tempered'), title('− largest', 'no overflow'), title('e to that', 'always positive'), title('share of the sum', 'the probability'));
    const cells = (values) => values.map((value) => make('span', '', value));
    const share = (value) => {
      const box = make('span', 'share'), track = make('span', 'track'), fill = make('span', 'fill');
      track.style.display = fill.style.display = 'block'; fill.style.width = 100 * value + '%';
      track.append(fill); box.append(track, make('span', 'value', percent(value))); return box;
    };
    const rows = labels.map((label, n) => {
      const row = make(clickable ? 'button' : 'div', 'row');
      row.append(...cells([label, four(blobs.logits[n]), four(blobs.scaled[t * N + n]), four(blobs.shifted[t * N + n]), four(blobs.exponentials[t * N + n])]), share(blobs.probabilities[t * N + n]));
      if (clickable) row.setAttribute('aria-pressed', n === mine);
      row.onclick = () => { mine = n; draw(); if (clickable) setTriggerValue('chosen', header.indices[n]); };
      point(row, n);
      return row;
    });
    if (others) {
      const row = make('div', 'row rest');
      row.append(...cells([`${others.toLocaleString('en')} other classes`, '', '', '', four(blobs.rest[t])]), share(blobs.restProbability[t]));
      point(row, N); rows.push(row);
    }
    const sum = make('div', 'row sum');
    sum.append(...cells(['Sum', '', '', '', four(blobs.total[t])]), share(1));
    sum.querySelector('.track').style.visibility = 'hidden';
    table.replaceChildren(head, ...rows, sum);
    table.classList.toggle('random', !trained);
    const term = (n, text) => { const made = make('span', 'term' + (n === mine ? ' mine' : ''), text); point(made, n); return made; };
    const over = make('div', 'over'), under = make('div', 'under'), fraction = make('div', 'fraction');
    const top = term(mine, ''); top.append(power(four(blobs.shifted[t * N + mine]))); over.append(top);
    labels.forEach((_, n) => { if (n) under.append('+'); under.append(term(n, four(blobs.exponentials[t * N + n]))); });
    if (others) { under.append('+'); under.append(term(N, four(blobs.rest[t]))); }
    fraction.append(over, under);
    const middle = make('span', '', `= ${four(blobs.exponentials[t * N + mine])} / ${four(blobs.total[t])} =`);
    find('equation').replaceChildren(make('span', '', `p(${labels[mine]}) =`), fraction, middle, make('strong', 'result', percent(blobs.probabilities[t * N + mine])));
    light(state.lit);
    table.dataset.ready = header.id;
  }
  slider.oninput = () => { state.at = +slider.value; draw(); };
  find('one').onclick = () => { state.at = one; slider.value = one; draw(); };
  draw();
}
"""
)

_component = st.components.v2.component("softmax", html=_HTML, css=_CSS, js=_JS)


def softmax(
    header: Mapping[str, Any], key: str, on_choice: Callable[[], None] | None = None, **blobs: np.ndarray
) -> Any:
    """Draws the table and the equation; ``result.chosen`` is a class index in the run of a click.

    Args:
        header: labels and indices of the rows (N), which is chosen, how many others there are, the T temperatures.
        key: of the component.
        on_choice: called after a click.
        **blobs: float32 logits (N,), scaled, shifted, exponentials, probabilities (T, N), and for all classes together
            total, rest, restProbability (T,).
    """
    return _component(data=pack(header, **blobs), key=key, on_chosen_change=on_choice or (lambda: None))
