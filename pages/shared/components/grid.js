// Input, kernel and output of a sliding window, cell by cell. Everything that is shown on hovering is looked up here;
// only an edit goes to Python.
const states = new WeakMap();
const RATES = [0.5, 1, 2, 4, 8];
const PLANES = ['input', 'kernel', 'bias', 'output'];

export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const find = (name) => root.querySelector('.' + name);
  const make = (tag, name = '', text = '') => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== '') made.textContent = text;
    return made;
  };
  const {input, kernel, output, bias, kind, editable} = header;
  const {starts, cells, weights, origin, unused, signed} = blobs;
  const area = input.h * input.w, pixels = input.rows * input.columns, spots = output.h * output.w;
  const outputs = output.c * spots, pooled = kind === 'max' || kind === 'average', transposed = kind === 'transposed';

  let state = states.get(root);
  if (!state) states.set(root, state = {rate: 2, pending: [], at: 0, cursor: {}});
  if (state.layout !== header.layout) {                        // other sizes: what was pointed at is no more
    Object.assign(state, {hover: null, pin: null, focus: null, editing: null, cursor: {}, tallest: 0});
    if (state.name !== header.name || state.at >= outputs) state.at = Math.min(header.start || 0, outputs - 1);
  }
  state.name = header.name;

  // Numbers --------------------------------------------------------------------------------------------------------
  const minus = (text) => text.replace('-', '\u2212').replace('e+', 'e');
  function digits(value) {                                     // as much as fits into a cell
    if (value === null) return '\u2212\u221e';
    if (Number.isInteger(value) && Math.abs(value) < 1e4) return minus(String(value));
    const size = Math.abs(value);
    if (size >= 1e4 || size < 0.005) return minus(value.toExponential(0));
    return minus(String(+value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)));
  }
  const full = (value) => value === null ? '\u2212\u221e' : minus(String(+value.toPrecision(5)));
  const signedText = (value) => (value < 0 ? '\u2212 ' : '+ ') + full(Math.abs(value));
  const factor = (value) => value < 0 ? `(${full(value)})` : full(value);
  const plural = (n, word) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;

  const isPadding = new Uint8Array(area);
  for (let r = 0; r < input.h; r++) for (let c = 0; c < input.w; c++)
    isPadding[r * input.w + c] = r < input.top || c < input.left || r >= input.top + input.rows || c >= input.left + input.columns ? 1 : 0;
  // What was typed is shown at once, and Python's answer replaces it.
  state.pending = state.pending.filter(([plane, index, value, when]) =>
    performance.now() - when < 2000 && source(plane)[plane === 'input' ? padded(index) : index] !== value);
  function source(plane) { return {input: input.values, kernel: kernel ? kernel.values : [], bias: bias || [], output: output.values}[plane]; }
  function padded(index) {
    const c = Math.floor(index / pixels), r = Math.floor(index % pixels / input.columns), k = index % input.columns;
    return c * area + (r + input.top) * input.w + k + input.left;
  }
  const pixelOf = (index) => {                                 // the pixel that a padded cell is or repeats; -1: none
    const from = origin[index % area];
    return from < 0 ? -1 : Math.floor(index / area) * pixels + from;
  };
  const valueOf = (cell) => input.values[cell];
  const weightOf = (term) => pooled ? null : kernel.values[weights[term]];
  const outputOf = new Int32Array(cells.length);               // of each term
  for (let n = 0; n < outputs; n++) outputOf.fill(n, starts[n], starts[n + 1]);
  function product(term) {
    const value = valueOf(cells[term]);
    if (kind === 'max') return value;
    if (kind === 'average') return value / header.divisors[outputOf[term] % spots];
    return value * weightOf(term);
  }
  function inverse(keys, size) {                               // term numbers by cell or by weight, compressed
    const begin = new Int32Array(size + 1), list = new Int32Array(keys.length);
    for (const key of keys) begin[key + 1]++;
    for (let i = 0; i < size; i++) begin[i + 1] += begin[i];
    const next = begin.slice();
    for (let t = 0; t < keys.length; t++) list[next[keys[t]]++] = t;
    return (key) => list.subarray(begin[key], begin[key + 1]);
  }
  const termsOfCell = inverse(cells, input.c * area);
  const termsOfWeight = pooled ? () => [] : inverse(weights, kernel.values.length);
  const termsOf = (n) => Array.from({length: starts[n + 1] - starts[n]}, (_, i) => starts[n] + i);
  const winnerOf = (n) => header.winners ? padded(Math.floor(n / spots) * pixels + header.winners[n]) : -1;

  // Colours --------------------------------------------------------------------------------------------------------
  const finite = (values) => values.filter((value) => value !== null);
  const reach = (values) => Math.max(1e-12, ...finite(values).map(Math.abs));
  const gray = (from) => {
    const low = Math.min(0, ...finite(from)), high = Math.max(low + 1e-12, ...finite(from));
    return (value) => { const v = Math.round(255 * ((value ?? low) - low) / (high - low)); return [v, v, v]; };
  };
  const diverging = (from) => {
    const most = 1.3 * reach(from);                            // the ends of the map are too dark to tell apart
    return (value) => { const i = Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, (value ?? -most) / most))); return [0, 1, 2].map((k) => signed[3 * i + k]); };
  };
  const either = (values) => Math.min(0, ...finite(values)) < 0 ? diverging(values) : gray(values);  // a picture, or signed values
  const pixelColour = either(input.values);
  let counts = null, colour = {};
  function recolour() {
    counts = state.counts ? {
      input: Array.from({length: input.c * area}, (_, i) => termsOfCell(i).length),
      output: Array.from({length: outputs}, (_, n) => starts[n + 1] - starts[n]),
    } : null;
    colour = {
      input: counts ? gray(counts.input) : pixelColour,
      kernel: kernel ? diverging(kernel.values) : null,
      bias: bias ? diverging([...(kernel ? kernel.values : []), ...bias]) : null,
      output: counts ? gray(counts.output) : either(output.values),
    };
  }
  const light = (rgb) => {                                     // relative luminance: black digits above 0.18, else white
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paint = (element, rgb) => {
    element.style.backgroundColor = `rgb(${rgb})`;
    element.style.color = light(rgb) > 0.179 ? '#000' : '#fff';
  };
  const shown = (plane, index) => {
    if (counts && counts[plane]) return counts[plane][index];
    for (const [name, where, value] of state.pending)
      if (name === plane && (plane === 'input' ? padded(where) : where) === index) return value;
    return source(plane)[index];
  };

  // The planes -----------------------------------------------------------------------------------------------------
  const stage = find('stage');
  const ROLE = {input: 'Input', kernel: 'Kernel', bias: 'Bias', output: 'Output'};
  function plane(name, first, height, width, label, small) {
    const block = make('div', 'block'), title = make('div', 'title', label), frame = make('div', 'frame'), board = make('div', 'plane');
    title.append(make('small', '', small));
    board.style.gridTemplateColumns = `repeat(${width}, auto)`;
    board.dataset.name = name; board.dataset.first = first; board.dataset.height = height; board.dataset.width = width;
    board.tabIndex = 0; board.setAttribute('role', 'application');
    board.setAttribute('aria-label', `${label}, ${height} by ${width}. Arrow keys move${editable.includes(name) ? ', Enter edits' : ', Enter holds'}, Escape lets go.`);
    for (let i = 0; i < height * width; i++) {
      const cell = make('div', 'cell');
      cell.dataset.plane = name; cell.dataset.index = first + i;
      cell.append(document.createTextNode(''));
      nodes[name][first + i] = cell;
      board.append(cell);
    }
    frame.append(board); block.append(title, frame);
    return block;
  }
  let nodes = state.nodes;
  function build() {
    nodes = state.nodes = {input: [], kernel: [], bias: [], output: []};
    const blocks = {inputs: [], kernels: [], outputs: []}, many = input.c > 1, filters = output.c;
    for (let c = 0; c < input.c; c++)
      blocks.inputs.push(plane('input', c * area, input.h, input.w, many ? `${header.titles.input} ${c}` : header.titles.input, c ? '' : header.sizes.input));
    if (kernel) for (let k = 0; k < kernel.places.length; k++)
      blocks.kernels.push(plane('kernel', k * kernel.h * kernel.w, kernel.h, kernel.w,
        kernel.places.length > 1 ? `Filter ${kernel.places[k][1]}, channel ${kernel.places[k][0]}` : header.titles.kernel, k ? '' : header.sizes.kernel));
    for (let c = 0; c < filters; c++)
      blocks.outputs.push(plane('output', c * spots, output.h, output.w, filters > 1 ? `${header.titles.output} ${c}` : header.titles.output, c ? '' : header.sizes.output));
    const sign = (text, small = '') => { const made = make('div', 'sign', text); if (small) made.append(make('small', '', small)); return made; };
    state.blocks = {...blocks, times: sign(pooled ? '' : '\u00d7'), equals: sign(pooled ? '\u2192' : '=', pooled ? header.sizes.kernel : ''),
      right: make('div', 'outputs'), biases: []};
    state.blocks.right.append(...blocks.outputs);
    if (bias) for (let c = 0; c < filters; c++) {
      const block = plane('bias', c, 1, 1, '', '');
      block.querySelector('.title').replaceChildren(make('small', '', filters > 1 ? `+ bias ${c}` : '+ bias'));
      state.blocks.biases.push(block);
    }
    stage.replaceChildren(...blocks.inputs, ...(kernel ? [state.blocks.times] : []), ...blocks.kernels, ...state.blocks.biases, state.blocks.equals, state.blocks.right);
    for (const old of stage.querySelectorAll('.rail')) old.remove();
    state.rails = {rows: [], columns: []};
    if (header.bins) for (const axis of ['rows', 'columns'])
      header.bins[axis].forEach(() => { const rail = make('i', 'rail'); state.rails[axis].push(rail); blocks.inputs[0].querySelector('.frame').append(rail); });
    state.layout = header.layout; state.wide = 0;
  }
  function arrange() {                                         // sizes follow the room there is
    const wide = stage.clientWidth;
    if (!wide || wide === state.wide) return;
    state.wide = wide;
    const {inputs, kernels, biases, times, equals, right} = state.blocks, filters = output.c, many = input.c > 1;
    const kw = kernel ? kernel.w : 0, kh = kernel ? kernel.h : 0, filterColumns = kernel ? filters : 0;
    const railRoom = header.bins ? 22 : 0;
    const row = wide >= 620, gaps = (kernel ? 28 : 0) + 46 + 24 + 14 * filterColumns + railRoom;
    const shelf = filters > 2 && row ? 2 : 1;                  // many outputs stand two and two
    let u;
    if (row) u = Math.min((wide - gaps) / (input.w + kw * filterColumns + output.w * shelf) - 1,  // a line beside each cell
      640 / Math.max(input.c * (Math.max(input.h, kh) + 0.9), Math.ceil(filters / shelf) * (output.h + 1)));
    else u = Math.min(many ? (wide - 34 - 12 * filterColumns) / (input.w + kw * filterColumns) : (wide - 16 - railRoom) / input.w,
      many ? 99 : (wide - 60) / (kw + output.w), many ? 99 : 420 / (input.h + Math.max(kh, output.h)), wide / output.w - 2);
    u = Math.floor(Math.max(15, Math.min(row ? 52 : 44, u)));
    stage.style.setProperty('--u', u + 'px');
    stage.style.setProperty('--note', Math.max(8, Math.min(12, u * 0.27)) + 'px');
    stage.classList.toggle('nonotes', u < 26);
    state.unit = u;
    stage.classList.toggle('narrow', !row && many);
    kernels.forEach((block, k) => {                            // where it is narrow, the place alone says which channel it reads
      if (kernels.length > 1) block.querySelector('.title').firstChild.data = !row && many ? `Filter ${kernel.places[k][1]}`
        : `Filter ${kernel.places[k][1]}, channel ${kernel.places[k][0]}`;
    });
    const put = (element, r, c, rows = 1, columns = 1) => { element.style.gridArea = `${r} / ${c} / span ${rows} / span ${columns}`; };
    const own = row || many;
    inputs.forEach((block, c) => put(block, c + 1, 1, 1, own ? 1 : 9));
    inputs.forEach((block) => { block.querySelector('.frame').style.margin = header.bins ? `${railRoom}px 0 0 ${railRoom}px` : ''; });
    if (kernel) put(times, own ? 1 : 2, own ? 2 : 1, own ? input.c : 1);
    kernels.forEach((block, k) => put(block, (own ? 1 : 2) + kernel.places[k][0], (own ? 3 : 2) + kernel.places[k][1]));
    biases.forEach((block, c) => put(block, (own ? input.c : 2) + 1, (own ? 3 : 2) + c));
    const last = (own ? 3 : 2) + filterColumns;
    if (own && !row) { put(equals, input.c + 2, 1, 1, last); put(right, input.c + 3, 1, 1, last); }
    else { put(equals, own ? 1 : 2, last, own ? input.c + (biases.length ? 1 : 0) : 1); put(right, own ? 1 : 2, last + 1, own ? input.c + (biases.length ? 1 : 0) : 1); }
    right.classList.toggle('tall', row && shelf === 1);
    right.style.maxWidth = row && shelf === 2 ? `${2 * output.w * (u + 1) + 40}px` : '';
    if (header.bins) for (const axis of ['rows', 'columns']) header.bins[axis].forEach(([first, end], i) => {
      const rail = state.rails[axis][i], along = first * (u + 1) + 2, length = (end - first + 1) * (u + 1) - 3, across = -8 - i % 3 * 6;
      Object.assign(rail.style, axis === 'rows' ? {left: across + 'px', top: along + 'px', height: length + 'px', width: '4px'}
        : {top: across + 'px', left: along + 'px', width: length + 'px', height: '4px'});
    });
    fill();
  }
  function fill() {
    for (const name of PLANES) {
      let longest = 1;
      const all = nodes[name];
      if (!all.length) continue;
      all.forEach((cell, index) => {
        const value = shown(name, index), text = digits(value);
        longest = Math.max(longest, text.length);
        cell.firstChild.data = text;
        paint(cell, colour[name](value));
        if (name === 'input') {
          const flat = index % area, from = origin[flat];
          cell.classList.toggle('padding', !!isPadding[flat]);
          cell.classList.toggle('zero', !!isPadding[flat] && from < 0);
          cell.classList.toggle('unused', !!unused[flat]);
          cell.dataset.kind = isPadding[flat] ? (from < 0 ? 'padding' : 'copy') : 'pixel';
          if (isPadding[flat] && from < 0) { cell.style.backgroundColor = ''; cell.style.color = ''; }
        } else if (name === 'output') {
          let border = false;
          for (let t = starts[index]; t < starts[index + 1] && !border; t++) border = !!isPadding[cells[t] % area];
          cell.classList.toggle('border', border);
          cell.classList.toggle('blank', starts[index] === starts[index + 1]);
        }
      });
      const digit = Math.min(17, state.unit * 0.44, (state.unit - 5) / (longest * 0.6));
      for (const board of stage.querySelectorAll(`.plane[data-name=${name}]`)) {
        board.style.setProperty('--digit', Math.max(digit, 7.5) + 'px');
        board.classList.toggle('bare', digit < 7.5);
      }
    }
    if (header.winners) {
      const best = new Set(header.winners.map((_, n) => winnerOf(n)));
      nodes.input.forEach((cell, index) => cell.classList.toggle('winner', best.has(index) && !counts));
    }
    legend();
  }
  function legend() {
    const entries = [], entry = (classes, text) => {
      const one = make('span'), swatch = make('i', 'cell ' + classes);
      one.append(swatch, make('span', '', text)); entries.push(one);
    };
    if (nodes.input.some((cell) => cell.classList.contains('zero'))) entry('padding zero', kind === 'max' ? 'padding of \u2212\u221e, which never wins' : 'padding of zeros');
    if (nodes.input.some((cell) => cell.dataset.kind === 'copy')) entry('padding', 'padding that repeats pixels');
    if (nodes.input.some((cell) => cell.classList.contains('unused'))) entry('unused', 'never read');
    if (nodes.output.some((cell) => cell.classList.contains('border'))) entry('border', 'made partly of padding');
    if (header.winners && !counts) entry('winner', 'the largest of a window');
    if (header.bins) { const one = make('span'); one.append(make('span', '', 'green bars: what each row and column of the output reads')); entries.push(one); }
    if (counts) { const one = make('span'); one.append(make('b', '', transposed ? 'Counts: outputs that each pixel reaches, products that meet in each output.'
      : 'Counts: windows that read each pixel, products in each output.')); entries.push(one); }
    find('legend').replaceChildren(...entries);
    find('legend').hidden = !entries.length;
  }

  // What is pointed at ---------------------------------------------------------------------------------------------
  let lit = [];
  const mark = (name, index, how, note) => {
    const cell = nodes[name][index];
    if (!cell) return;
    if (!cell.dataset.lit || how === 'self') cell.dataset.lit = how;
    if (note !== undefined) cell.dataset.note = note;
    lit.push(cell);
  };
  function clear() {
    for (const cell of lit) { delete cell.dataset.lit; delete cell.dataset.note; cell.classList.remove('traced', 'pinned'); }
    lit = [];
    for (const axis of ['rows', 'columns']) for (const rail of state.rails[axis]) rail.classList.remove('lit');
  }
  for (const old of stage.querySelectorAll('[data-lit], .traced, .pinned')) { delete old.dataset.lit; delete old.dataset.note; old.classList.remove('traced', 'pinned'); }

  const at = (index, size, width) => `row ${Math.floor(index % size / width)}, column ${index % width % width}`;
  const spot = (n) => (output.c > 1 ? `channel ${Math.floor(n / spots)}, ` : '') + `row ${Math.floor(n % spots / output.w)}, column ${n % output.w}`;
  const pixel = (p) => (input.c > 1 ? `channel ${Math.floor(p / pixels)}, ` : '') + `row ${Math.floor(p % pixels / input.columns)}, column ${p % input.columns}`;
  const rich = (...parts) => parts.map((part, i) => i % 2 ? make('b', '', part) : document.createTextNode(part));
  const target = () => state.hover || state.pin || (state.focus && state.cursor[state.focus] !== undefined ? {plane: state.focus, index: state.cursor[state.focus]} : null)
    || {plane: 'output', index: state.at};

  function chip(term, {stamp = false, winner = -1} = {}) {
    const cell = cells[term], value = valueOf(cell), made = make('div', 'chip');
    const left = make('span', pooled ? 'value alone' : 'value', full(value));
    paint(left, pixelColour(value));
    if (isPadding[cell % area]) { made.classList.add('padding'); if (origin[cell % area] < 0) { left.style.backgroundColor = left.style.color = ''; } }
    made.append(left);
    if (!pooled) {
      const right = make('span', 'weight', '\u00d7 ' + factor(weightOf(term)));
      paint(right, diverging(kernel.values)(weightOf(term)));
      made.append(right, make('span', 'product', '= ' + full(product(term))));
    }
    if (winner === cell) made.classList.add('best');
    made.onpointerenter = () => { made.classList.add('traced'); trace(term, true, stamp); };
    made.onpointerleave = () => { made.classList.remove('traced'); trace(term, false, stamp); };
    return made;
  }
  function trace(term, on, stamp) {
    const three = [nodes.input[cells[term]], pooled ? null : nodes.kernel[weights[term]], stamp ? nodes.output[outputOf[term]] : null];
    for (const cell of three) if (cell) { cell.classList.toggle('traced', on); lit.push(cell); }
  }
  // Chips stand as their cells do: rows and columns in order, what lies between them left out.
  function arranged(terms, place, width, options) {
    const rows = [...new Set(terms.map((t) => Math.floor(place(t) / width)))].sort((a, b) => a - b);
    const columns = [...new Set(terms.map((t) => place(t) % width))].sort((a, b) => a - b);
    const box = make('div', 'chips');
    for (const term of terms) {
      const made = chip(term, options);
      made.style.gridArea = `${rows.indexOf(Math.floor(place(term) / width)) + 1} / ${columns.indexOf(place(term) % width) + 1}`;
      box.append(made);
    }
    return box;
  }
  const group = (name, ...content) => { const made = make('div', 'group'); if (name) made.append(make('div', 'name', name)); made.append(...content); return made; };
  const boxed = (name, index, value) => { const made = make('span', 'box', full(value)); paint(made, colour[name](counts ? source(name)[index] : value)); made.dataset.role = name; return made; };

  function outputSum(n) {
    const terms = termsOf(n), channel = Math.floor(n / spots), box = [], line = make('div', 'line');
    const byChannel = new Map();
    for (const term of terms) { const c = Math.floor(cells[term] / area); byChannel.set(c, [...(byChannel.get(c) || []), term]); }
    const winner = winnerOf(n), sums = [];
    for (const [c, list] of byChannel) {
      const sum = list.reduce((total, term) => total + product(term), 0);
      sums.push(sum);
      const many = byChannel.size > 1;
      box.push(group(many ? `channel ${c}` : '', arranged(list, (term) => cells[term] % area, input.w, {winner}),
        ...(many ? [make('div', 'line', `\u03a3 = ${full(sum)}`)] : [])));
    }
    const result = boxed('output', n, output.values[n]);
    const values = terms.map((term) => valueOf(cells[term])), few = values.length <= 16;
    if (!terms.length) line.append(bias ? 'nothing arrives here, so only the bias is left:' : 'nothing arrives here:', result);
    else if (kind === 'max') line.append(few ? `max(${values.map(full).join(', ')}) =` : `the largest of ${values.length} values =`, result);
    else if (kind === 'average') {
      const divisor = header.divisors[n % spots], total = values.reduce((a, b) => a + b, 0);
      line.append(few ? `(${values.map((v, i) => i ? signedText(v) : full(v)).join(' ')}) / ${divisor} =` : `\u03a3 of ${values.length} values = ${full(total)}, / ${divisor} =`, result);
    } else {
      const sum = sums.reduce((a, b) => a + b, 0);
      if (sums.length > 1) line.append(sums.map((s, i) => i ? signedText(s) : full(s)).join(' '));
      else line.append(`\u03a3 of ${plural(terms.length, 'product')}${bias ? ` = ${full(sum)}` : ''}`);
      if (bias) { line.append(bias[channel] < 0 ? '\u2212' : '+', ' bias '); const b = boxed('bias', channel, Math.abs(bias[channel])); paint(b, colour.bias(bias[channel])); line.append(b); }
      line.append(' =', result);
    }
    return [box, line];
  }
  function show() {
    clear();
    const {plane: name, index} = target(), sum = find('sum'), said = find('said');
    let box = [], line = make('div', 'line'), words = [];
    mark(name, index, 'self');
    if (name === 'output') {
      const terms = termsOf(index), winner = winnerOf(index);
      for (const term of terms) {
        mark('input', cells[term], cells[term] === winner ? 'winner' : 'window', pooled ? undefined : '\u00d7' + digits(weightOf(term)));
        if (!pooled) mark('kernel', weights[term], 'weight');
      }
      if (bias) mark('bias', Math.floor(index / spots), 'weight');
      if (header.bins) { state.rails.rows[Math.floor(index % spots / output.w)]?.classList.add('lit'); state.rails.columns[index % output.w]?.classList.add('lit'); }
      [box, line] = outputSum(index);
      const edge = terms.filter((term) => isPadding[cells[term] % area]).length;
      const what = kind === 'max' ? `the largest of ${plural(terms.length, 'value')}` : kind === 'average' ? `the mean of ${plural(terms.length, 'value')}`
        : transposed ? `${plural(terms.length, 'product')} meet${terms.length === 1 ? 's' : ''} here` : `the sum of ${plural(terms.length, 'product')}`;
      words = rich('Output at ', spot(index), `: ${what}${bias ? ', and the bias' : ''}.`);
      if (edge) words.push(document.createTextNode(` ${edge === 1 ? 'One of them is' : `${edge} of them are`} padding around the image.`));
    } else if (name === 'input') {
      const flat = index % area, own = pixelOf(index), alike = [];
      if (own >= 0) for (let i = 0; i < area; i++) if (origin[i] === origin[flat]) alike.push(Math.floor(index / area) * area + i);
      const every = (own >= 0 ? alike : [index]).flatMap((cell) => [...termsOfCell(cell)]);
      for (const cell of alike) if (cell !== index) mark('input', cell, 'copy');
      const carried = new Map();
      for (const term of every) { const n = outputOf[term]; carried.set(n, [...(carried.get(n) || []), term]); if (!pooled) mark('kernel', weights[term], 'weight'); }
      for (const [n, list] of carried)
        mark('output', n, 'reach', pooled ? (winnerOf(n) >= 0 ? (list.some((term) => cells[term] === winnerOf(n)) ? 'wins' : undefined) : '/' + header.divisors[n % spots])
          : transposed ? full(list.reduce((a, t) => a + product(t), 0)) : '\u00d7' + digits(list.reduce((a, t) => a + weightOf(t), 0)));
      const where = isPadding[flat] ? (own < 0 ? ['This is ', 'padding', `: ${kind === 'max' ? '\u2212\u221e, smaller than every number' : 'a zero that was added around the image'}. `]
          : ['This is ', 'padding', `: it repeats the pixel at ${pixel(own)} (${full(valueOf(index))}). `])
        : ['Pixel at ', pixel(own), ` with value ${full(valueOf(index))}${alike.length > 1 ? `, repeated ${alike.length - 1} time${alike.length > 2 ? 's' : ''} in the padding` : ''}: `];
      words = rich(...where, transposed ? `it stamps the kernel into ${plural(carried.size, 'output')}` : `it takes part in ${carried.size.toLocaleString('en')} of ${plural(outputs, 'output')}`, '.');
      if (unused[flat]) words.push(document.createTextNode(' ' + (header.why || 'No window touches this cell.')));
      if (!pooled && every.length && every.length <= 64) {
        const lists = new Map();
        for (const term of every) { const c = Math.floor(outputOf[term] / spots); lists.set(c, [...(lists.get(c) || []), term]); }
        for (const [c, list] of lists) {
          const seen = new Set(list.map((term) => outputOf[term]));
          if (seen.size < list.length) box.push(group(lists.size > 1 ? `to output ${c}` : '', row(list)));
          else box.push(group(lists.size > 1 ? `to output ${c}` : '', arranged(list, (term) => outputOf[term] % spots, output.w, {stamp: true})));
        }
        const copied = !transposed && every.length > carried.size;
        line.append(copied ? 'Through its copies in the padding, several weights bring it to the same output; the note there is their sum.' : transposed ? 'One product for each weight, where the stamp falls.' : 'One product for each output that it reaches, standing as the outputs do.');
      } else line.append(every.length ? (pooled ? 'Lit are the outputs whose windows hold it.' : 'Each lit output carries the weight that brings it there.') : 'It changes nothing in the output.');
    } else if (name === 'kernel') {
      const terms = [...termsOfWeight(index)], used = new Set(terms.map((term) => cells[term]));
      const per = new Map();
      for (const term of terms) per.set(outputOf[term], (per.get(outputOf[term]) || 0) + product(term));
      for (const cell of used) mark('input', cell, 'window');
      for (const [n, value] of per) mark('output', n, 'reach', digits(value));
      const inside = index % (kernel.h * kernel.w), place = kernel.places[Math.floor(index / (kernel.h * kernel.w))];
      words = rich('Weight at ', (kernel.places.length > 1 ? `filter ${place[1]}, channel ${place[0]}, ` : '') + at(inside, kernel.h * kernel.w, kernel.w),
        ` is ${full(kernel.values[index])}. The same number is used for ${plural(per.size, 'output')}, each time with another of ${plural(used.size, 'input')}.`);
      if (terms.length && terms.length <= 25 && per.size === terms.length)
        box.push(group('', arranged(terms, (term) => outputOf[term] % spots, output.w, {stamp: true})));
      line.append('What it adds to each output stands on the output.');
    } else {
      for (let n = index * spots; n < (index + 1) * spots; n++) mark('output', n, 'reach', signedText(bias[index]).replace(' ', ''));
      words = rich('Bias ', full(bias[index]), ` is added to every output${output.c > 1 ? ` of channel ${index}` : ''}, whatever the image.`);
      line.append('One number for a whole output channel.');
    }
    function row(list) { const made = make('div', 'chips'); list.forEach((term, i) => { const one = chip(term, {stamp: true}); one.style.gridArea = `${Math.floor(i / 8) + 1} / ${i % 8 + 1}`; made.append(one); }); return made; }
    if (state.pin) nodes[state.pin.plane][state.pin.index]?.classList.add('pinned'), lit.push(nodes[state.pin.plane][state.pin.index]);
    said.replaceChildren(...words);
    const terms = make('div', 'terms');
    terms.append(...box);
    sum.classList.toggle('small', state.wide < 620); said.classList.toggle('small', state.wide < 620);
    sum.style.minHeight = '';
    sum.replaceChildren(terms, line);
    state.tallest = Math.max(state.tallest || 0, sum.offsetHeight);  // what lies below must not jump about
    sum.style.minHeight = state.tallest + 'px';
    find('where').textContent = `${state.at + 1} of ${outputs.toLocaleString('en')}`;
    stage.dataset.at = state.at;
  }

  // Pointing, holding, moving --------------------------------------------------------------------------------------
  const cellOf = (event) => {
    const node = event.target.closest ? event.target.closest('.cell') : null;
    return node && node.dataset.plane ? {plane: node.dataset.plane, index: +node.dataset.index} : null;
  };
  const same = (a, b) => a && b && a.plane === b.plane && a.index === b.index;
  stage.onpointermove = (event) => {
    if (event.pointerType === 'touch') return;
    const cell = cellOf(event);
    if (!same(cell, state.hover)) { state.hover = cell; show(); }
  };
  stage.onpointerleave = () => { if (state.hover) { state.hover = null; show(); } };
  stage.onclick = (event) => {
    const cell = cellOf(event);
    if (!cell || event.target.tagName === 'INPUT') return;
    state.cursor[cell.plane] = cell.index;
    if (state.pencil && editableAt(cell)) return edit(cell);
    state.pin = same(cell, state.pin) ? null : cell;
    if (cell.plane === 'output') state.at = cell.index;
    show();
  };
  stage.ondblclick = (event) => { const cell = cellOf(event); if (cell && editableAt(cell)) { state.pin = null; edit(cell); } };
  stage.onfocusin = (event) => {
    const board = event.target.closest('.plane');
    if (!board || event.target.tagName === 'INPUT' || !board.matches(':focus-visible')) return;
    focusOn(board);
  };
  function focusOn(board) {
    const {name, first, height, width} = board.dataset, end = +first + height * width;
    state.focus = name; state.board = +first;
    const now = name === 'output' && !(state.cursor.output >= 0) ? state.at : state.cursor[name];
    state.cursor[name] = now >= +first && now < end ? now : +first;
    show();
  }
  stage.onfocusout = (event) => { if (event.target.classList.contains('plane')) { state.focus = null; show(); } };
  stage.onkeydown = (event) => {
    if (event.target.tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) return;
    const board = event.target.closest('.plane');
    if (!board) return;
    const {name} = board.dataset, first = +board.dataset.first, height = +board.dataset.height, width = +board.dataset.width;
    if (state.focus !== name || state.board !== first) focusOn(board);
    const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Home: [0, -99], End: [0, 99]}[event.key];
    const cell = {plane: name, index: state.cursor[name]};
    if (step) {
      const inside = cell.index - first, limit = (value, most) => Math.max(0, Math.min(most - 1, value));
      const r = limit(Math.floor(inside / width) + step[0], height), c = limit(inside % width + step[1], width);
      state.cursor[name] = first + r * width + c; state.pin = null; state.hover = null;
      if (name === 'output') state.at = state.cursor[name];
      show();
    } else if ((event.key === 'Enter' || event.key === 'F2') && editableAt(cell)) edit(cell);
    else if (/^[-0-9.]$/.test(event.key) && editableAt(cell)) edit(cell, event.key);
    else if (event.key === 'Enter' || event.key === ' ') { state.pin = same(cell, state.pin) ? null : cell; show(); }
    else if (event.key === 'Escape') { state.pin = null; show(); }
    else return;
    event.preventDefault();
  };
  const escape = (event) => { if (event.key === 'Escape' && state.pin) { state.pin = null; show(); } };
  document.addEventListener('keydown', escape);

  // Editing --------------------------------------------------------------------------------------------------------
  const editableAt = (cell) => !counts && editable.includes(cell.plane) && (cell.plane !== 'input' || !isPadding[cell.index % area]);
  function edit(cell, typed) {
    leave();
    const node = nodes[cell.plane][cell.index], field = make('input');
    state.cursor[cell.plane] = cell.index;
    field.type = 'number'; field.step = 'any';
    field.setAttribute('aria-label', `${ROLE[cell.plane]} ${cell.plane === 'input' ? pixel(pixelOf(cell.index)) : cell.index}`);
    node.classList.add('editing'); node.append(field);
    state.editing = {cell, field};
    if (typed === undefined) { field.value = shown(cell.plane, cell.index); field.select(); }
    else if (typed !== '-') field.value = typed === '.' ? '0' : typed;
    field.focus({preventScroll: true});
    if (typed === undefined) field.select();
    if (typed === '-') setTimeout(() => document.execCommand && document.execCommand('insertText', false, '-'));
    field.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === 'Enter') { commit(); refocus(cell); }
      else if (event.key === 'Escape') { leave(); refocus(cell); }
      else if (event.key === 'Tab') {
        commit();
        const next = neighbour(cell, event.shiftKey ? -1 : 1);
        if (next) edit(next); else { refocus(cell); return; }
      } else if (event.key === 'ArrowUp' || event.key === 'ArrowDown')
        field.value = +((+field.value || 0) + (event.key === 'ArrowUp' ? 1 : -1)).toFixed(4);
      else return;
      event.preventDefault();
    };
    field.onblur = () => { if (state.editing && state.editing.field === field) commit(); };
    field.ondblclick = field.onclick = (event) => event.stopPropagation();
  }
  function neighbour(cell, step) {
    for (let index = cell.index + step; index >= 0 && index < nodes[cell.plane].length; index += step)
      if (editableAt({plane: cell.plane, index})) return {plane: cell.plane, index};
    return null;
  }
  function leave() {
    if (!state.editing) return;
    const {cell, field} = state.editing;
    state.editing = null;
    nodes[cell.plane][cell.index]?.classList.remove('editing');
    field.remove();
  }
  const refocus = (cell) => nodes[cell.plane][cell.index].closest('.plane').focus({preventScroll: true, focusVisible: true});
  function commit() {
    const {cell, field} = state.editing, text = field.value;
    leave();
    const value = Math.round(Math.max(-999, Math.min(999, +text)) * 1e4) / 1e4;
    if (text === '' || !Number.isFinite(value) || value === shown(cell.plane, cell.index)) return;
    const index = cell.plane === 'input' ? pixelOf(cell.index) : cell.index;
    state.pending = [...state.pending.filter(([plane, where]) => plane !== cell.plane || where !== index), [cell.plane, index, value, performance.now()]];
    setTriggerValue('edited', state.pending.map(([plane, where, number]) => [plane, where, number]));
    fill();
  }

  // Step, play, count, picture -------------------------------------------------------------------------------------
  const ICONS = {play: '<path d="M3 1.5v11l9-5.5z"/>', pause: '<path d="M2.5 1.5h3v11h-3zM8.5 1.5h3v11h-3z"/>'};
  function step(by) { state.at = (state.at + by + outputs) % outputs; state.cursor.output = state.at; show(); }
  function controls() {
    find('play').innerHTML = `<svg viewBox="0 0 14 14" aria-hidden="true">${state.playing ? ICONS.pause : ICONS.play}</svg>`;
    find('play').append(make('span', '', state.playing ? 'Pause' : 'Play'));
    find('play').setAttribute('aria-pressed', !!state.playing);
    find('rate').textContent = `${state.rate} / s`;
    find('slower').setAttribute('aria-disabled', state.rate === RATES[0]);
    find('faster').setAttribute('aria-disabled', state.rate === RATES.at(-1));
    find('count').setAttribute('aria-pressed', !!state.counts);
    find('pencil').setAttribute('aria-pressed', !!state.pencil);
    find('pencil').hidden = !editable.length;
    for (const node of root.querySelectorAll('.edits')) node.hidden = !editable.length;
  }
  let timer = 0;
  function run() {
    clearInterval(timer);
    if (state.playing) timer = setInterval(() => { if (!state.hover && !state.editing && !state.focus) { state.pin = null; step(1); } }, 1000 / state.rate);
  }
  find('play').onclick = () => { state.playing = !state.playing; if (state.playing) { state.pin = null; show(); } controls(); run(); };
  find('previous').onclick = () => { state.pin = null; step(-1); };
  find('next').onclick = () => { state.pin = null; step(1); };
  const change = (by) => { state.rate = RATES[Math.max(0, Math.min(RATES.length - 1, RATES.indexOf(state.rate) + by))]; controls(); run(); };
  find('slower').onclick = () => change(-1);
  find('faster').onclick = () => change(1);
  find('pencil').onclick = () => { state.pencil = !state.pencil; controls(); };
  find('count').onclick = () => { state.counts = !state.counts; recolour(); controls(); fill(); show(); };
  find('png').onclick = () => {
    const sheet = picture(), link = document.createElement('a');
    link.href = sheet.toDataURL('image/png'); link.download = `${header.file || 'convolution'}.png`; link.click();
  };
  function picture() {
    const ratio = 2, u = 44, boards = [...stage.querySelectorAll('.plane')], style = getComputedStyle(root.host || root);
    const paper = style.getPropertyValue('--st-background-color') || '#fff', ink = style.getPropertyValue('--st-text-color') || '#000';
    const scale = u / (state.unit || u), from = stage.getBoundingClientRect(), rects = boards.map((b) => b.getBoundingClientRect());
    const left = Math.min(...rects.map((r) => r.left)), right = Math.max(...rects.map((r) => r.right)), bottom = Math.max(...rects.map((r) => r.bottom));
    const titles = [...stage.querySelectorAll('.block .title, .sign')].filter((t) => t.textContent), top = Math.min(from.top, ...titles.map((t) => t.getBoundingClientRect().top));
    const canvas = document.createElement('canvas'), margin = 24;
    canvas.width = ((right - left) * scale + 2 * margin) * ratio; canvas.height = ((bottom - top) * scale + 2 * margin) * ratio;
    const g = canvas.getContext('2d');
    g.scale(ratio, ratio); g.fillStyle = paper; g.fillRect(0, 0, canvas.width, canvas.height);
    g.textAlign = 'center'; g.textBaseline = 'middle';
    const font = style.fontFamily || 'sans-serif', x = (v) => (v - left) * scale + margin, y = (v) => (v - top) * scale + margin;
    for (const title of titles) {
      const box = title.getBoundingClientRect(), lines = [...title.childNodes].map((n) => n.textContent).filter(Boolean);
      g.fillStyle = ink;
      lines.forEach((text, i) => {
        g.font = `${title.classList.contains('sign') && !i ? 24 : i ? 12 : 14}px ${font}`;
        g.fillText(text, x((box.left + box.right) / 2), y(box.top) + ((i + 0.5) / lines.length) * box.height * scale);
      });
    }
    for (const cell of stage.querySelectorAll('.cell')) {
      const box = cell.getBoundingClientRect(), look = getComputedStyle(cell), w = box.width * scale, h = box.height * scale;
      g.fillStyle = look.backgroundColor; g.fillRect(x(box.left), y(box.top), w, h);
      g.setLineDash(cell.classList.contains('padding') ? [3, 3] : []);
      g.strokeStyle = ink; g.globalAlpha = 0.35; g.strokeRect(x(box.left), y(box.top), w, h); g.globalAlpha = 1;
      const text = cell.firstChild.data;
      g.fillStyle = look.color; g.font = `${Math.min(17, (u - 5) / (text.length * 0.6))}px ${font}`;
      g.fillText(text, x(box.left) + w / 2, y(box.top) + h / 2);
    }
    return canvas;
  }

  function draw() {
    const editing = state.editing && state.layout === header.layout ? state.editing : null;
    if (state.layout !== header.layout || !stage.firstChild) { state.editing = null; build(); }
    else if (editing && !editing.field.isConnected) state.editing = null;
    for (const name of PLANES) {                               // sizes in the titles may be new though the planes are not
      const board = stage.querySelector(`.plane[data-name=${name}]`);
      if (board && header.titles[name]) {
        const title = board.closest('.block').querySelector('.title');
        if (!title.textContent.startsWith('Filter') && name !== 'bias') {
          title.firstChild.data = name === 'input' && input.c > 1 || name === 'output' && output.c > 1 ? `${header.titles[name]} 0` : header.titles[name];
          title.lastChild.textContent = header.sizes[name] || '';
        }
      }
    }
    state.wide = 0;
    recolour(); arrange(); controls(); show(); run();
    stage.dataset.ready = header.layout; stage.dataset.kind = kind;
  }
  draw();
  state.arrange = () => { arrange(); show(); };               // an observer of an earlier run must not lay out what it knew
  const watch = new ResizeObserver(() => { if (stage.clientWidth !== state.wide) state.arrange(); });
  watch.observe(stage);
  return renewed(root, () => { clearInterval(timer); watch.disconnect(); document.removeEventListener('keydown', escape); });
}
