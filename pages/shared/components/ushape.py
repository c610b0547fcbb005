"""The U of a U-Net with what each stage answers: every skip is a switch, every stage opens in Feature maps.

The drawing is inline SVG, laid out in the browser: slanted where there is room, straight on a phone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.shared.components.payload import RENEWED

_HTML = """<div class="root"><svg role="group" aria-label="The network drawn as a U"></svg></div>"""
_CSS = """
:host { display: block; font-family: var(--st-font); color: var(--st-text-color); }
svg { display: block; width: 100%; max-width: 1200px; overflow: visible; }
text { fill: var(--st-text-color); font-family: var(--st-font); }
.name { font-size: 13px; font-weight: 600; }
.shape { font-size: 12px; opacity: .8; font-variant-numeric: tabular-nums; }
.line { fill: none; stroke: var(--st-text-color); stroke-opacity: .45; stroke-width: 2; }
.down, .up { fill: none; stroke: var(--st-text-color); stroke-opacity: .6; stroke-width: 2; }
.frame { fill: none; stroke: var(--st-text-color); stroke-opacity: .35; }
image { image-rendering: pixelated; }
.stage.link, .switch { cursor: pointer; outline: none; }
.stage.link:hover .frame, .stage.link:focus-visible .frame { stroke: var(--st-primary-color); stroke-opacity: 1; stroke-width: 3; }
.skip.off .line { stroke-dasharray: 3 7; stroke-opacity: .3; }
.track { fill: var(--st-primary-color); }
.skip.off .track { fill: color-mix(in srgb, var(--st-text-color) 35%, transparent); }
.knob { fill: #fff; }
.switch:focus-visible .ring { stroke: var(--st-primary-color); }
.ring { fill: none; stroke: transparent; stroke-width: 2; }
.word { font-size: 12px; }
"""
_JS = r"""
const NS = 'http://www.w3.org/2000/svg';
const make = (kind, attributes, ...children) => {
  const made = document.createElementNS(NS, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  for (const child of children) made.append(child);
  return made;
};
let focused = null;                                  // the switch that had the keyboard before a rerun
export default function ({data, parentElement: root, setTriggerValue}) {
  const svg = root.querySelector('svg'), frame = root.querySelector('.root'), {down, bottom, up, input, output, skips} = data, levels = down.length;
  const press = (act) => ({click: act, keydown: (event) => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); act(); } }});
  const listen = (element, events) => { for (const [name, act] of Object.entries(events)) element.addEventListener(name, act); return element; };
  function stage(item, x, y, side, title) {
    const high = Math.min(side, side * item.height / item.width), wide = high * item.width / item.height;
    const picture = make('image', {href: item.picture, x: x + (side - wide) / 2, y: y + (side - high) / 2, width: wide, height: high, preserveAspectRatio: 'none'});
    const frame = make('rect', {class: 'frame', x: x + (side - wide) / 2, y: y + (side - high) / 2, width: wide, height: high, rx: 4});
    const group = make('g', {class: 'stage'}, picture, frame,
      make('text', {class: 'name', x: x + side / 2, y: y + side + 16, 'text-anchor': 'middle'}, title),
      make('text', {class: 'shape', x: x + side / 2, y: y + side + 31, 'text-anchor': 'middle'}, item.shape));
    if (!item.layer) return group;
    group.classList.add('link'); group.setAttribute('tabindex', 0); group.setAttribute('role', 'link'); group.dataset.layer = item.layer;
    group.setAttribute('aria-label', `${title}, ${item.shape}, channel ${item.channel}: open ${item.layer} in Feature maps`);
    group.append(make('title', {}, `${item.layer}, channel ${item.channel} is the strongest. Click: all of it in Feature maps`));
    return listen(group, press(() => setTriggerValue('stage', item.layer)));
  }
  function skip(level, from, to, y) {
    const on = skips[level], middle = (from + to) / 2;
    const knob = make('circle', {class: 'knob', cx: middle + (on ? 10 : -10), cy: y, r: 8});
    const button = make('g', {class: 'switch', role: 'switch', tabindex: 0, 'aria-checked': on, 'aria-label': `Skip ${level + 1}`},
      make('rect', {class: 'ring', x: middle - 27, y: y - 16, width: 54, height: 32, rx: 16}),
      make('rect', {class: 'track', x: middle - 22, y: y - 11, width: 44, height: 22, rx: 11}), knob);
    button.dataset.level = level;
    const group = make('g', {class: 'skip' + (on ? '' : ' off')}, make('path', {class: 'line', d: `M${from},${y} H${to}`, 'marker-end': 'url(#tip)'}),
      make('text', {class: 'word', x: middle, y: y + 30, 'text-anchor': 'middle'}, on ? `skip ${level + 1}` : `skip ${level + 1} is cut`), button);
    button.onfocus = () => { focused = level; };
    button.onblur = (event) => { if (event.relatedTarget) focused = null; };
    listen(button, press(() => {
      const now = button.getAttribute('aria-checked') !== 'true';          // at once; the maps follow
      button.setAttribute('aria-checked', now); group.classList.toggle('off', !now); knob.setAttribute('cx', middle + (now ? 10 : -10));
      setTriggerValue('toggled', [level, now]);
    }));
    return group;
  }
  const arrow = (kind, d) => make('path', {class: kind, d, 'marker-end': 'url(#tip)'});
  let straight;
  function layout() {
    const narrow = frame.getBoundingClientRect().width < 700;
    if (narrow === straight) return;
    straight = narrow;
    const side = narrow ? 96 : 104, row = side + (narrow ? 62 : 56), W = narrow ? 350 : 1160, slant = narrow ? 0 : 84;
    const first = narrow ? 0 : 150, top = narrow ? row : 0;
    const left = (level) => first + slant * level, right = (level) => W - side - first - slant * level, y = (level) => top + row * level;
    svg.setAttribute('viewBox', `-4 -4 ${W + 8} ${y(levels) + side + 44}`);
    const parts = [make('defs', {}, make('marker', {id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto'},
      make('path', {d: 'M0,0 L8,4 L0,8 z', fill: 'currentColor', opacity: .6})))];
    const half = side / 2, gap = 38;
    parts.push(stage(input, 0, 0, side, 'Picture'), stage(output, W - side, 0, side, 'Mask'));
    if (narrow) parts.push(arrow('down', `M${half},${side + gap} V${top - 6}`), arrow('up', `M${W - half},${top - 6} V${side + gap}`));
    else parts.push(arrow('down', `M${side + 6},${half} H${first - 8}`), arrow('up', `M${W - first + 6},${half} H${W - side - 8}`));
    down.forEach((item, level) => {
      const at = [left(level), right(level)], next = level + 1 < levels ? left(level + 1) : (W - side) / 2;
      parts.push(stage(item, at[0], y(level), side, `Down ${level + 1}`), stage(up[level], at[1], y(level), side, `Up ${level + 1}`));
      parts.push(skip(level, at[0] + side + 8, at[1] - 8, y(level) + half));
      const deeper = y(level + 1);
      if (narrow && level + 1 < levels) parts.push(arrow('down', `M${half},${y(level) + side + gap} V${deeper - 5}`), arrow('up', `M${W - half},${deeper - 5} V${y(level) + side + gap}`));
      else {
        const back = level + 1 < levels ? right(level + 1) + side : (W + side) / 2;
        parts.push(arrow('down', `M${at[0] + half},${y(level) + side + gap} V${deeper + half} H${next - 8}`));
        parts.push(arrow('up', `M${back + 8},${deeper + half} H${at[1] + half} V${y(level) + side + gap}`));
      }
    });
    parts.push(stage(bottom, (W - side) / 2, y(levels), side, 'Bottleneck'));
    svg.replaceChildren(...parts);
    if (focused !== null) svg.querySelector(`[data-level="${focused}"]`)?.focus();
  }
  layout();
  const watch = new ResizeObserver(layout);
  watch.observe(frame);
  frame.dataset.ready = data.id;
  return renewed(root, () => watch.disconnect());
}
"""

_component = st.components.v2.component("ushape", html=_HTML, css=_CSS, js=RENEWED + _JS)


def ushape(data: dict[str, Any], key: str, on_toggle: Callable[[], None], on_stage: Callable[[], None]) -> Any:
    """Draws the U; ``result.toggled`` is a [level, on] and ``result.stage`` a layer in the run of a click.

    Args:
        data: id, skips (bool each), and pictures of the stages: input, output, bottom, and down and up by level; each
            with picture (a data address), width, height, shape (text), and layer and channel where it can be opened.
        key: of the component.
        on_toggle: called after a switch.
        on_stage: called after a click on a stage.
    """
    return _component(data=data, key=key, on_toggled_change=on_toggle, on_stage_change=on_stage)
