// The cone of a stack of sliding windows. Row 0 is the input, row l the output of layer l. Everything that is shown on
// pointing is worked out here from the layers' settings; only a changed list of layers goes to Python.
const states = new WeakMap();
const SETTINGS = [['k', 'kernel', 'Kernel'], ['s', 'stride', 'Stride'], ['p', 'padding', 'Padding'], ['d', 'dilation', 'Dilation']];
const KINDS = {'conv': 'convolution', 'max pool': 'max pooling', 'average pool': 'average pooling'};
const ICONS = {up: 'M6.5 11.5v-9M2.5 6l4-4 4 4', down: 'M6.5 1.5v9M2.5 7l4 4 4-4', remove: 'M2.5 2.5l8 8M10.5 2.5l-8 8'};

export default function ({data, parentElement: root, setTriggerValue}) {
  const find = (name) => root.querySelector('.' + name);
  let state = states.get(root);
  const news = unpack(data);
  if (!state) states.set(root, state = {number: news.header.answered, asked: -Infinity, rows: [], drawn: 0});
  // An answer to an older change comes while a newer one is under way: the newer one's answer follows.
  const late = news.header.answered < state.number && performance.now() - state.asked < 3000;
  if (!late || !state.model) {
    state.model = news;
    state.list = news.header.rows.map(({kind, k, s, p, d, extra, name}) => ({kind, k, s, p, d, extra, name}));
    if (!late) state.number = news.header.answered;
  }
  const {header, blobs} = state.model, {pixels, rows, most} = header;
  const minus = (value) => value.toLocaleString('en', {maximumFractionDigits: 1}).replace('-', '\u2212');
  const make = (tag, name = '', text = '') => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== '') made.textContent = text;
    return made;
  };

  // Geometry ---------------------------------------------------------------------------------------------------------
  const levels = [{n: pixels, jump: 1, centre: 0, field: 1, start: 0}];
  for (const row of rows) {
    if (!row.size) break;                                        // impossible: the cone ends before it
    levels.push({n: row.size, jump: row.jump, centre: row.centre, field: row.field, start: row.start, ...pick(row)});
  }
  function pick({kind, k, s, p, d, extra, name}) { return {kind, k, s, p, d, extra, name}; }
  const top = levels.length - 1;
  levels.forEach((level, l) => {                                 // cells that the next layer pads this row with
    const next = levels[l + 1];
    level.before = next ? next.p : 0; level.after = next ? next.p + next.extra : 0;
  });
  const least = Math.min(...levels.map((v) => v.centre - v.jump * (v.before + .5)));
  const farthest = Math.max(...levels.map((v) => v.centre + v.jump * (v.n - .5 + v.after)));
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const unitAt = (l, pixel) => clamp(Math.round((pixel - levels[l].centre) / levels[l].jump), 0, levels[l].n - 1);
  const centreOf = (l, unit) => levels[l].centre + unit * levels[l].jump;

  // Another stack altogether, not a change in the table: it is shown from its end, in the middle of the photo.
  const layers = rows.map((row) => Object.values(pick(row)).join()).join(';');
  if (state.layers !== layers && header.answered === state.answered) { state.layer = undefined; state.pixels = 0; }
  state.layers = layers; state.answered = header.answered;
  if (state.pixels !== pixels) {
    const scale = state.pixels ? pixels / state.pixels : 0;
    state.x = scale ? (state.x + .5) * scale - .5 : (pixels - 1) / 2;
    state.y = scale ? (state.y + .5) * scale - .5 : (pixels - 1) / 2;
    state.pixels = pixels;
  }
  if (state.layer === undefined || state.layer > top || state.layer === state.top) state.layer = top;
  state.top = top;

  // What a unit reads, and what reads it -----------------------------------------------------------------------------
  function lineage(chosen, unit) {
    const reads = levels.map((v) => new Uint8Array(v.before + v.n + v.after));
    const routes = levels.map((v) => new Float64Array(v.n));
    const readers = levels.map((v) => new Uint8Array(v.n));
    reads[chosen][levels[chosen].before + unit] = 1; routes[chosen][unit] = 1; readers[chosen][unit] = 1;
    for (let l = chosen; l > 0; l--) {
      const {s, p, d, k, n} = levels[l], {before, n: cells} = levels[l - 1];
      for (let u = 0; u < n; u++) {
        if (!routes[l][u]) continue;
        for (let j = 0, cell = u * s - p; j < k; j++, cell += d) {
          reads[l - 1][before + cell] = 1;
          if (cell >= 0 && cell < cells) routes[l - 1][cell] += routes[l][u];
        }
      }
    }
    for (let l = chosen + 1; l <= top; l++) {
      const {s, p, d, k, n} = levels[l], {n: cells} = levels[l - 1];
      for (let u = 0; u < n; u++)
        for (let j = 0, cell = u * s - p; j < k && !readers[l][u]; j++, cell += d)
          if (cell >= 0 && cell < cells && readers[l - 1][cell]) readers[l][u] = 1;
    }
    return {reads, routes, readers};
  }

  // The cone ---------------------------------------------------------------------------------------------------------
  const cone = find('cone'), photo = find('photo');
  const style = getComputedStyle(root.host || root);
  const colour = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const accent = colour('--st-primary-color', '#0b6bcb'), ink = colour('--st-text-color', '#1b2430');
  const paper = colour('--st-background-color', '#ffffff'), font = colour('--st-font', 'sans-serif'), amber = '#cf8a1d';
  let wide = 0, rowHeight = 0, left = 0, scale = 1, ratio = 1, conePlain = null;
  const BARS = 30, AXIS = 20;
  const TOP = 2, yOf = (l) => TOP + (top - l) * rowHeight;
  const xOf = (pixel) => left + (pixel - least) * scale;
  const cellHeight = () => rowHeight >= 14 ? Math.min(rowHeight * .58, 30) : rowHeight > 4 ? rowHeight - 1 : rowHeight;

  function fit(canvas, width, height) {
    ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    canvas.style.height = height + 'px';
    const g = canvas.getContext('2d');
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    return g;
  }
  function measure() {
    wide = cone.parentElement.clientWidth;
    if (!wide) return false;
    const small = wide < 520;
    left = small ? 52 : 112;
    const right = small ? 42 : 88;
    rowHeight = clamp((small ? 300 : 350) / (top + 1), 2, small ? 44 : 84);
    scale = (wide - left - right) / (farthest - least);
    return true;
  }
  function box(l, unit) {                                        // x and width of a cell, apart where there is room
    const {jump} = levels[l], size = jump * scale, gap = size >= 4 ? 1 : 0;
    return [xOf(centreOf(l, unit) - jump / 2) + gap / 2, Math.max(size - gap, .5)];
  }
  function plain(g) {                                            // what does not change on pointing
    const high = cellHeight();
    g.textBaseline = 'middle'; g.font = `12px ${font}`;
    for (let l = 0; l <= top; l++) {
      const {n, before, after, jump, field, kind, k} = levels[l], y = yOf(l);
      if (l) {
        g.fillStyle = ink; g.globalAlpha = .17;
        if (jump * scale >= 4) for (let u = 0; u < n; u++) { const [x, w] = box(l, u); g.fillRect(x, y, w, high); }
        else g.fillRect(box(l, 0)[0], y, n * jump * scale, high);
        g.globalAlpha = 1;
      }
      if (jump * scale >= 4 && rowHeight >= 8) {
        g.strokeStyle = ink; g.globalAlpha = .35; g.lineWidth = 1; g.setLineDash([2, 2]);
        for (let u = -before; u < n + after; u++)
          if (u < 0 || u >= n) { const [x, w] = box(l, u); g.strokeRect(x + .5, y + .5, Math.max(w - 1, 1), high - 1); }
        g.setLineDash([]); g.globalAlpha = 1;
      }
      if (rowHeight >= 14) {
        g.fillStyle = ink;
        const small = wide < 520, names = {'conv': small ? `conv ${k}` : `convolution ${k}`, 'max pool': small ? `max ${k}` : `max pool ${k}`, 'average pool': small ? `avg ${k}` : `average pool ${k}`};
        g.textAlign = 'left'; g.fillText(l ? `${l} ${names[kind]}` : small ? 'input' : 'input, pixels', 0, y + high / 2);
        g.textAlign = 'right'; g.fillText(`${small ? '' : 'sees '}${minus(field)} px`, wide, y + high / 2);
      }
    }
    if (rowHeight < 14) {
      g.fillStyle = ink; g.textAlign = 'left';
      g.fillText(`layer ${top}`, 0, 7); g.fillText('input', 0, yOf(0) + high - 4);
      g.textAlign = 'right'; g.fillText(`${wide < 520 ? '' : 'sees '}${minus(levels[top].field)} px`, wide, 7);
    }
    const steps = [1, 2, 4, 8, 16, 32, 64, 128, 256], step = steps.find((each) => each * scale >= 30) || 512;
    g.textAlign = 'center'; g.fillStyle = ink; g.font = `11px ${font}`;
    for (let pixel = 0; pixel < pixels; pixel += step) g.fillText(String(pixel), xOf(pixel), yOf(0) + high + BARS + AXIS / 2 + 3);
  }
  const turn = state.turn = {};                                  // what an older call left behind must not draw
  function draw() {
    if (!wide || state.turn !== turn) return;
    const l = state.layer, unit = unitAt(l, state.x), {reads, routes, readers} = lineage(l, unit);
    const height = yOf(0) + cellHeight() + BARS + AXIS, high = cellHeight();
    const key = [wide, height, ink, paper, state.drawnFor].join();
    if (!conePlain || conePlain.key !== key) {
      const canvas = document.createElement('canvas');
      plain(fit(canvas, wide, height));
      conePlain = {canvas, key};
    }
    const g = fit(cone, wide, height);
    g.drawImage(conePlain.canvas, 0, 0, wide, height);
    // The cone as a shape, from the unit down to the pixels.
    g.fillStyle = accent; g.globalAlpha = .13;
    const edges = [];
    for (let m = l; m >= 0; m--) {
      const cells = reads[m], first = cells.indexOf(1), last = cells.lastIndexOf(1);
      const a = box(m, first - levels[m].before), b = box(m, last - levels[m].before);
      edges.push([a[0], b[0] + b[1], yOf(m), yOf(m) + high]);
    }
    g.beginPath(); g.moveTo(edges[0][0], edges[0][2]);
    for (const [x, , y, bottom] of edges) { g.lineTo(x, y); g.lineTo(x, bottom); }
    for (const [, x, y, bottom] of edges.reverse()) { g.lineTo(x, bottom); g.lineTo(x, y); }
    g.closePath(); g.fill(); g.globalAlpha = 1;
    const band = (m, cells, begin, paint) => {                   // runs of marked cells, each as one where cells are thin
      const thin = levels[m].jump * scale < 4;
      for (let i = 0; i < cells.length; i++) {
        if (!cells[i]) continue;
        let j = i;
        if (thin) while (cells[j + 1] && j + 1 !== begin && j + 1 !== begin + levels[m].n) j++;   // padding stays apart
        const [x] = box(m, i - begin), [x2, w2] = box(m, j - begin);
        paint(x, Math.max(x2 + w2 - x, 1), i - begin);
        i = j;
      }
    };
    for (let m = 0; m < l; m++) {
      const {before, n} = levels[m], y = yOf(m);
      band(m, reads[m], before, (x, w, cell) => {
        const padding = cell < 0 || cell >= n;
        g.fillStyle = accent; g.globalAlpha = padding ? .28 : .62;
        if (m || padding) g.fillRect(x, y, w, high);
        g.globalAlpha = 1;
        if (padding && w >= 4 && rowHeight >= 8) { g.strokeStyle = accent; g.lineWidth = 1.5; g.setLineDash([3, 2]); g.strokeRect(x + .75, y + .75, w - 1.5, high - 1.5); g.setLineDash([]); }
      });
    }
    for (let m = l + 1; m <= top; m++)
      band(m, readers[m], 0, (x, w) => { g.fillStyle = amber; g.globalAlpha = .6; g.fillRect(x, yOf(m), w, high); g.globalAlpha = 1; });
    // The input row is the photo's own row of pixels, at the height of the unit's centre.
    const line = clamp(Math.round(centreOf(l, unitAt(l, state.y))), 0, pixels - 1);
    const read = reads[0], {before} = levels[0], y0 = yOf(0), deep = Math.max(high, 8);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const [x, w] = box(0, pixel), lit = read[before + pixel];
      if (state.colours) {
        const at = 4 * (line * pixels + pixel);
        g.fillStyle = `rgb(${state.colours[at]},${state.colours[at + 1]},${state.colours[at + 2]})`;
      } else g.fillStyle = ink;
      g.globalAlpha = lit ? 1 : .3;
      g.fillRect(x, y0, w, deep);
      if (lit) { g.fillStyle = l ? accent : ink; g.fillRect(x, y0 + deep, w, 3); }
    }
    g.globalAlpha = .45; g.fillStyle = accent;
    const most_ = Math.max(...routes[0]);
    if (l) for (let pixel = 0; pixel < pixels; pixel++) {
      if (!routes[0][pixel]) continue;
      const [x, w] = box(0, pixel), tall = Math.max(1, routes[0][pixel] / most_ * (BARS - 8));
      g.fillRect(x, y0 + deep + 5, w, tall);
    }
    g.globalAlpha = 1;
    const [x, w] = box(l, unit);                                 // the unit itself
    g.fillStyle = l ? accent : 'transparent'; g.fillRect(x, yOf(l), w, high);
    g.strokeStyle = ink; g.lineWidth = 2; g.strokeRect(x - .5, yOf(l) - .5, w + 1, Math.max(high, 4) + 1);
    if (rowHeight < 14) {
      g.font = `600 12px ${font}`; g.textBaseline = 'middle'; g.textAlign = 'left'; g.fillStyle = ink;
      const y = clamp(yOf(l), 24, yOf(0) - 22);
      if (l && l < top) { g.fillText(`layer ${l}`, 0, y); g.textAlign = 'right'; g.fillText(`${wide < 520 ? '' : 'sees '}${minus(levels[l].field)} px`, wide, y); }
    }
    Object.assign(cone.dataset, {layer: l, unit, cells: read.reduce((sum, each) => sum + each, 0), real: routes[0].reduce((sum, each) => sum + (each > 0), 0)});
    say(l, unit, routes, readers);
    square(l);
  }

  // The photo --------------------------------------------------------------------------------------------------------
  function square(l) {
    const side = photo.clientWidth;
    if (!side) return;
    const g = fit(photo, side, side), zoom = side / pixels, v = levels[l];
    g.imageSmoothingEnabled = false;                             // its pixels are what a unit counts
    if (state.photo) g.drawImage(state.photo, 0, 0, side, side);
    const row = unitAt(l, state.y), column = unitAt(l, state.x);
    const x = (v.start + column * v.jump) * zoom, y = (v.start + row * v.jump) * zoom, size = v.field * zoom;
    g.fillStyle = '#000'; g.globalAlpha = .5;
    g.beginPath(); g.rect(0, 0, side, side); g.rect(x, y, size, size); g.fill('evenodd');
    g.globalAlpha = 1;
    if (v.jump * zoom >= 7 && v.jump > 1) {                      // where the layer's other units are centred
      g.fillStyle = '#fff'; g.strokeStyle = '#000'; g.lineWidth = .6; g.globalAlpha = .8;
      for (let r = 0; r < v.n; r++) for (let c = 0; c < v.n; c++) {
        g.beginPath(); g.arc((centreOf(l, c) + .5) * zoom, (centreOf(l, r) + .5) * zoom, 1.4, 0, 7); g.fill(); g.stroke();
      }
      g.globalAlpha = 1;
    }
    // Sides that lie beyond the photo are drawn dashed along its edge.
    const edges = [[x, y, x + size, y], [x + size, y, x + size, y + size], [x, y + size, x + size, y + size], [x, y, x, y + size]];
    for (const [x1, y1, x2, y2] of edges) {
      const beyond = Math.min(x1, x2) < -.5 && x1 === x2 || Math.max(x1, x2) > side + .5 && x1 === x2 || Math.min(y1, y2) < -.5 && y1 === y2 || Math.max(y1, y2) > side + .5 && y1 === y2;
      const inside = (value) => clamp(value, 1.5, side - 1.5);
      g.setLineDash(beyond ? [5, 5] : []);
      for (const [stroke, width] of [['#000', 4], ['#fff', 2.2]]) {
        g.strokeStyle = stroke; g.lineWidth = width; g.beginPath(); g.moveTo(inside(x1), inside(y1)); g.lineTo(inside(x2), inside(y2)); g.stroke();
      }
    }
    g.setLineDash([]);
    g.fillStyle = accent; g.strokeStyle = '#fff'; g.lineWidth = 1.5;
    g.beginPath(); g.arc((centreOf(l, column) + .5) * zoom, (centreOf(l, row) + .5) * zoom, 4, 0, 7); g.fill(); g.stroke();
    const begin = (unit) => v.start + unit * v.jump, range = (unit) => v.field > 1 ? `${minus(begin(unit))} to ${minus(begin(unit) + v.field - 1)}` : `${begin(unit)}`;
    const within = (unit) => Math.max(0, Math.min(begin(unit) + v.field, pixels) - Math.max(begin(unit), 0));
    const share = 100 * within(row) * within(column) / pixels ** 2;
    find('seen').textContent = l
      ? `The unit in row ${row}, column ${column} of layer ${l} sees ${minus(v.field)} × ${minus(v.field)} pixels: rows ${range(row)}, columns ${range(column)}, ${share >= 99.95 ? 'all' : share < 1 ? share.toFixed(1) + ' %' : Math.round(share) + ' %'} of the photo.`
      : `The pixel in row ${row}, column ${column} of the photo.`;
    Object.assign(photo.dataset, {row, column});
  }

  // Words ------------------------------------------------------------------------------------------------------------
  function say(l, unit, routes, readers) {
    const v = levels[l], first = v.start + unit * v.jump, last = first + v.field - 1;
    if (!l) {
      const count = readers[top].reduce((sum, each) => sum + each, 0);
      find('said').textContent = `Pixel ${unit}` + (top ? `: read by ${count} of the ${v.n && levels[top].n} units of layer ${top}.` : '.');
    } else {
      const inside = Math.max(0, Math.min(last, pixels - 1) - Math.max(first, 0) + 1), out = v.field - inside;
      const real = routes[0].reduce((sum, each) => sum + (each > 0), 0);
      let text = `Unit ${unit} of layer ${l}: pixels ${minus(first)} to ${minus(last)}, centre ${minus(centreOf(l, unit))}`;
      if (out) text += `; ${minus(out)} of them ${out === 1 ? 'is' : 'are'} padding`;
      if (real < inside) text += `; of the ${inside} in the photo it reads ${real}, the others fall into gaps`;
      find('said').textContent = text + '.' + (v.name ? `  (${v.name})` : '');
    }
    const formula = find('formula');
    if (!l) { formula.textContent = top ? 'A pixel sees itself: r = 1, j = 1. Point at a layer for its sums.' : ''; mark(0); return; }
    const b = levels[l - 1], sub = `<sub>${l}</sub>`, old = `<sub>${l - 1}</sub>`, padded = v.extra ? `2 · ${v.p} + ${v.extra}` : `2 · ${v.p}`;
    const start = minus(b.start);
    const parts = [
      ['field', `<i>r</i>${sub} = <i>r</i>${old} + (<i>k</i> − 1) · <i>d</i> · <i>j</i>${old} = ${minus(b.field)} + (${v.k} − 1) · ${v.d} · ${b.jump} = <b>${minus(v.field)} px</b>`],
      ['jump', `<i>j</i>${sub} = <i>j</i>${old} · <i>s</i> = ${b.jump} · ${v.s} = <b>${v.jump} px</b>`],
      ['start', `start${sub} = start${old} − <i>p</i> · <i>j</i>${old} = ${start} − ${v.p} · ${b.jump} = <b>${minus(v.start)}</b>`],
      ['output', `<i>n</i>${sub} = ⌊(${b.n} + ${padded} − ${v.d} · (${v.k} − 1) − 1) / ${v.s}⌋ + 1 = <b>${v.n}</b>`],
    ];
    formula.innerHTML = parts.map(([, html]) => `<span>${html}</span>`).join('');   // numbers only, nothing a visitor typed
    mark(l);
  }

  // The table --------------------------------------------------------------------------------------------------------
  const body = root.querySelector('tbody'), scroll = find('scroll');
  const icon = (name) => `<svg viewBox="0 0 13 13" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
  const mostPadding = (layer) => layer.kind === 'conv' ? most.padding : layer.k >> 1;
  function ask(change) {
    const list = state.list.map((layer) => ({...layer}));
    change(list);
    for (const layer of list) {
      if (layer.kind === 'average pool') layer.d = 1;            // what PyTorch refuses cannot be chosen
      layer.p = Math.min(layer.p, mostPadding(layer));
    }
    state.list = list; state.number += 1; state.asked = performance.now();
    table();
    setTriggerValue('layers', {number: state.number, layers: list});
  }
  const alter = (i, values) => ask((list) => Object.assign(list[i], {extra: 0, name: ''}, values));
  function cell(tr, label) { const td = make('td'); if (label) td.dataset.label = label; tr.append(td); return td; }
  function makeRow(i) {
    const tr = make('tr', 'row'), why = make('tr', 'why'), reason = make('td');
    reason.colSpan = 12; why.append(reason); reason.append(make('div', 'warn'));
    const part = {tr, why, reason: reason.firstChild, settings: {}, numbers: []};
    part.number = cell(tr);
    const kind = make('select');
    kind.setAttribute('aria-label', `Kind of layer ${i + 1}`);
    for (const [value, text] of Object.entries(KINDS)) { const option = make('option', '', text); option.value = value; kind.append(option); }
    kind.onchange = () => alter(i, {kind: kind.value});
    part.kind = kind; part.own = make('span', 'own');
    cell(tr).append(kind, part.own);
    for (const [letter, name, label] of SETTINGS) {
      const step = make('span', 'step'), less = make('button', '', '−'), more = make('button', '', '+'), input = make('input'), extra = make('small');
      less.type = more.type = 'button'; less.classList.add('less'); more.classList.add('more');
      less.setAttribute('aria-label', `Smaller ${name} of layer ${i + 1}`); more.setAttribute('aria-label', `Larger ${name} of layer ${i + 1}`);
      input.inputMode = 'numeric'; input.setAttribute('aria-label', `${label} of layer ${i + 1}`);
      const low = letter === 'p' ? 0 : 1, high = () => letter === 'p' ? mostPadding(state.list[i]) : letter === 'd' && state.list[i].kind === 'average pool' ? 1 : most[name];
      const set = (value) => {
        const now = state.list[i][letter], wanted = clamp(value, low, Math.max(low, high()));
        input.value = Number.isFinite(wanted) ? wanted : now;
        if (Number.isFinite(wanted) && wanted !== now) alter(i, {[letter]: wanted});
      };
      less.onclick = () => set(state.list[i][letter] - 1);
      more.onclick = () => set(state.list[i][letter] + 1);
      input.onchange = () => set(parseInt(input.value, 10));
      input.onkeydown = (event) => {
        const by = {ArrowUp: 1, ArrowDown: -1}[event.key];
        if (by) { set(state.list[i][letter] + by); event.preventDefault(); }
        event.stopPropagation();
      };
      step.append(less, input, extra, more);
      step.dataset.setting = name;
      cell(tr, label).append(step);
      part.settings[letter] = {less, more, input, extra, low, high};
    }
    for (const label of ['Output', 'Field', 'Jump', 'Start', 'Centre']) { const td = cell(tr, label); td.className = 'number'; part.numbers.push(td); }
    const acts = cell(tr); acts.className = 'acts';
    const act = (name, label, run) => {
      const button = make('button', name);
      button.type = 'button'; button.innerHTML = icon(name); button.title = label; button.setAttribute('aria-label', `${label}: layer ${i + 1}`);
      button.onclick = run; acts.append(button);
      return button;
    };
    const swap = (j) => { ask((list) => { [list[i], list[j]] = [list[j], list[i]]; }); choose(Math.min(j + 1, top)); };
    part.up = act('up', 'Earlier', () => swap(i - 1));
    part.down = act('down', 'Later', () => swap(i + 1));
    act('remove', 'Remove', () => ask((list) => list.splice(i, 1)));
    tr.onpointerenter = () => part.enter(); tr.onfocusin = () => part.enter();
    return part;
  }
  const put = (node, name, value) => { if (node[name] !== value) node[name] = value; };   // 200 rows: only what is new
  function table() {
    const parts = state.rows, list = state.list, same = list.length === rows.length;
    while (parts.length > list.length) { const {tr, why} = parts.pop(); tr.remove(); why.remove(); }
    while (parts.length < list.length) { const part = makeRow(parts.length); parts.push(part); body.append(part.tr, part.why); }
    root.querySelector('.empty')?.parentElement.remove();
    if (!list.length) { const tr = make('tr'), td = make('td', 'empty', 'No layer yet: a pixel sees itself. Add a convolution below, or take an example above.'); td.colSpan = 12; tr.append(td); body.append(tr); }
    list.forEach((layer, i) => {
      const part = parts[i], row = same ? rows[i] : rows.find((each, n) => n === i) || {};
      put(part.number, 'textContent', String(i + 1)); put(part.kind, 'value', layer.kind);
      put(part.own, 'textContent', layer.name); put(part.own, 'title', layer.name); put(part.own, 'hidden', !layer.name);
      for (const [letter, {less, more, input, extra, low, high}] of Object.entries(part.settings)) {
        put(input, 'value', String(layer[letter]));
        put(less, 'disabled', layer[letter] <= low); put(more, 'disabled', layer[letter] >= high());
        put(extra, 'textContent', letter === 'p' && layer.extra ? `+${layer.extra}` : '');
        put(extra, 'title', extra.textContent ? `${layer.extra} more after the last cell than before the first` : '');
        put(more, 'title', letter === 'p' && more.disabled && layer.kind !== 'conv' ? 'PyTorch pads a pooling by at most half its kernel' : letter === 'd' && layer.kind === 'average pool' ? 'PyTorch’s average pooling knows no dilation' : '');
      }
      const texts = row.size ? [row.size, `${minus(row.field)} px`, `${row.jump} px`, minus(row.start), minus(row.centre)] : ['–', '–', '–', '–', '–'];
      part.numbers.forEach((td, n) => { put(td, 'textContent', String(texts[n])); });
      put(part.reason, 'textContent', row.reason || ''); put(part.why, 'hidden', !row.reason);
      part.tr.classList.toggle('off', !row.size);
      put(part.up, 'disabled', i === 0); put(part.down, 'disabled', i === list.length - 1);
      part.enter = () => { if (i + 1 <= top && !part.tr.hidden) { state.layer = i + 1; state.from = 'table'; draw(); } };
    });
    const full = list.length >= header.mostLayers;
    for (const button of root.querySelectorAll('.add')) button.disabled = full;
    find('full').textContent = full ? `${header.mostLayers} layers are the most.` : '';
  }
  function mark(l) {
    const part = state.rows[l - 1];
    if (state.marked !== part) { state.marked?.tr.classList.remove('at'); part?.tr.classList.add('at'); state.marked = part; }
    else return;
    if (part && state.from !== 'table') {                        // within the table only: the page must not move
      const y = part.tr.offsetTop - scroll.scrollTop, head = 30;
      if (y < head || y + part.tr.offsetHeight > scroll.clientHeight) scroll.scrollTop = part.tr.offsetTop - scroll.clientHeight / 2;
    }
  }
  for (const button of root.querySelectorAll('.add'))
    button.onclick = () => {
      const pooling = button.dataset.kind !== 'conv';
      ask((list) => list.push({kind: button.dataset.kind, k: pooling ? 2 : 3, s: pooling ? 2 : 1, p: pooling ? 0 : 1, d: 1, extra: 0, name: ''}));
      state.layer = state.top; scroll.scrollTop = scroll.scrollHeight;
    };

  // Pointing ---------------------------------------------------------------------------------------------------------
  function choose(l) { state.layer = clamp(l, 0, top); state.from = 'cone'; draw(); }
  const inCone = (event) => {
    const area = cone.getBoundingClientRect();
    const l = clamp(top - Math.floor((event.clientY - area.top - TOP) / rowHeight), 0, top);
    state.x = centreOf(l, unitAt(l, least + (event.clientX - area.left - left) / scale));
    choose(l);
  };
  const inPhoto = (event) => {
    const area = photo.getBoundingClientRect(), l = state.layer;
    const at = (share) => clamp(share * pixels - .5, 0, pixels - 1);
    state.x = centreOf(l, unitAt(l, at((event.clientX - area.left) / area.width)));
    state.y = centreOf(l, unitAt(l, at((event.clientY - area.top) / area.height)));
    choose(l);
  };
  cone.onpointermove = cone.onpointerdown = inCone;
  photo.onpointermove = photo.onpointerdown = inPhoto;
  const shift = (name, by) => {
    const l = state.layer;
    state[name] = centreOf(l, clamp(unitAt(l, state[name]) + by, 0, levels[l].n - 1));
    choose(l);
  };
  cone.onkeydown = (event) => {
    const {key} = event, by = {ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6}[key], to = {ArrowUp: 1, ArrowDown: -1}[key];
    if (by) shift('x', by); else if (to) choose(state.layer + to); else return;
    event.preventDefault();
  };
  photo.onkeydown = (event) => {
    const {key} = event, x = {ArrowLeft: -1, ArrowRight: 1}[key], y = {ArrowUp: -1, ArrowDown: 1}[key];
    if (x) shift('x', x); else if (y) shift('y', y); else return;
    event.preventDefault();
  };

  const sum = blobs.photo.reduce((total, each, i) => (total * 31 + each + i) | 0, pixels);
  if (state.photoSum !== sum) {
    state.photoSum = sum; state.photo = state.colours = null;
    createImageBitmap(new Blob([blobs.photo])).then((picture) => {
      if (state.photoSum !== sum) return;
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = pixels;
      const g = canvas.getContext('2d', {willReadFrequently: true});
      g.drawImage(picture, 0, 0, pixels, pixels);
      state.photo = canvas; state.colours = g.getImageData(0, 0, pixels, pixels).data;
      state.redraw();
    });
  }
  const stopped = rows.find((row) => row.reason);
  find('stop').textContent = stopped ? `${stopped.reason} The cone ends before it.` : ''; find('stop').hidden = !stopped;
  state.redraw = () => draw();
  state.drawnFor = (state.drawnFor || 0) + 1;                    // another geometry: the cells are drawn anew
  table();
  if (measure()) draw();
  const watch = new ResizeObserver(() => {
    if (cone.parentElement.clientWidth !== wide || photo.clientWidth !== state.photoWide) { state.photoWide = photo.clientWidth; measure(); conePlain = null; draw(); }
  });
  watch.observe(cone.parentElement); watch.observe(photo.parentElement);
  Object.assign(cone.dataset, {ready: header.answered, fields: levels.slice(1).map((v) => v.field).join(' '), pixels});
  return renewed(root, () => watch.disconnect());
}
