const states = new WeakMap();
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const find = (name) => root.querySelector('.' + name);
  const lut = words(blobs.diverging), viridis = words(blobs.sequential);
  let state = states.get(root);
  if (!state) states.set(root, state = {});
  if (state.id !== header.id) {                       // another number: its strongest part is open, the trail folded
    // The same number on another photo keeps what was open, by its label.
    const same = state.place === header.place;
    Object.assign(state, {id: header.id, place: header.place, shown: same ? state.shown : null, unfolded: same && state.unfolded});
  }
  const touch = matchMedia('(hover: none)').matches;
  const make = (kind, name, text) => {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const word = (share) => lut[Math.max(0, Math.min(255, Math.round(127.5 + 127.5 * share)))];
  const colour = (share) => { const w = word(share); return `rgb(${w & 255},${w >> 8 & 255},${w >> 16 & 255})`; };
  const ink = (share) => {                            // black or white, whichever reads better on the cell
    const w = word(share), linear = (c) => { c /= 255; return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
    const light = .2126 * linear(w & 255) + .7152 * linear(w >> 8 & 255) + .0722 * linear(w >> 16 & 255);
    return light > .179 ? '#000' : '#fff';
  };
  const follow = (part, which) => setTriggerValue('follow', [header.id, part, which]);

  // The way that led here
  const trail = find('trail'), crumbs = [];
  const many = header.trail.length > 7 && !state.unfolded;
  header.trail.forEach((label, n) => {
    const last = n === header.trail.length - 1;
    if (many && n > 1 && n < header.trail.length - 4) {
      if (n === 2) {
        const more = make('button', 'crumb', `… ${header.trail.length - 6} more …`);
        more.onclick = () => { state.unfolded = true; redraw(); };
        crumbs.push(more, make('span', 'arrow', '\u203a'));
      }
      return;
    }
    const crumb = make(last ? 'span' : 'button', 'crumb', label);
    if (last) crumb.setAttribute('aria-current', 'step');
    else { crumb.title = 'Back to this number'; crumb.onclick = () => setTriggerValue('back', n); }
    crumbs.push(crumb);
    if (!last) crumbs.push(make('span', 'arrow', '\u203a'));
  });
  trail.replaceChildren(...crumbs);

  // From the sum to the number that the network computed
  const pieces = [];
  header.chain.forEach((step, n) => {
    const last = n === header.chain.length - 1;
    if (n) pieces.push(make('span', 'arrow', '\u2192'));
    if (step.passed && !last) { pieces.push(make('span', 'passed', step.passed)); return; }
    const card = make('div', 'card' + (last ? ' last' : ''));
    card.append(make('span', 'kind', step.kind), make('span', 'name', step.name));
    if (step.formula) card.append(make('span', 'formula', step.formula));
    card.append(make('span', 'result', (step.formula ? '= ' : '') + step.result));
    if (last) card.append(make('span', 'name', header.pixel ? 'what the network is given' : 'what the network computed'));
    pieces.push(card);
  });
  find('chain').replaceChildren(...pieces);
  find('chain').dataset.value = header.value;

  const said = find('said'), bars = find('bars'), detail = find('detail'), walk = find('walk');
  said.textContent = header.said;
  walk.hidden = !header.walk;
  walk.onclick = () => setTriggerValue('walk', header.id);

  // What it is made of: a bar for each item
  const items = header.items, rows = [];
  const most = Math.max(1e-30, ...items.map((item) => Math.abs(item.value)), Math.abs(header.rest ? header.rest.value : 0));
  const all = [...items.map((item) => item.value), header.rest ? header.rest.value : 0];
  const low = Math.max(0, ...all.map((v) => -v)) / most, high = Math.max(0, ...all) / most;
  const span = low + high || 1, zero = 100 * low / span;
  const track = (value) => {
    const made = make('span', 'track'), fill = make('span', 'fill'), wide = 100 * Math.abs(value) / most / span;
    made.style.setProperty('--zero', zero + '%');
    Object.assign(fill.style, {width: wide + '%', left: (value < 0 ? zero - wide : zero) + '%',
      background: colour(value < 0 ? -.75 : .75)});
    made.append(fill);
    return made;
  };
  const line = (kind, name, label, value) => {
    const made = make(kind, name);
    const title = make('span', 'label', label);
    title.title = label;
    made.append(title, track(value), make('span', 'number', short(value)));
    return made;
  };
  items.forEach((item, n) => {
    const row = line('button', 'bar', item.label, item.value);
    row.dataset.item = n;
    row.onpointerenter = (event) => { if (event.pointerType !== 'touch') show(n); };
    row.onfocus = () => show(n);
    row.onclick = () => { if (item.length === 1 && !touch && blobs.follow[item.start]) follow(item.first, 0); else show(n); };
    rows.push(row);
  });
  const lone = items.length === 1 && !header.rest && items[0].length > 1;
  bars.hidden = !items.length || lone;
  bars.replaceChildren(...rows, ...(header.rest ? [line('div', 'bar rest', header.rest.label, header.rest.value)] : []));

  // The item that is pointed at: value, weight, product of each of its cells
  const peak = {};
  for (const name of ['values', 'weights', 'products']) {
    peak[name] = 1e-30;
    for (const v of blobs[name]) if (Number.isFinite(v)) peak[name] = Math.max(peak[name], Math.abs(v));
  }
  function cellText(item, k) {
    const at = item.start + k, value = blobs.values[at], weight = blobs.weights[at];
    const here = find('here');
    const place = item.rows * item.columns > 1 ? `row ${Math.floor(k / item.columns)}, column ${k % item.columns} of ${header.window}: ` : '';
    const pad = !blobs.follow[at];
    const spoken = header.form === 'plain' ? short(value)
      : `${short(value)} × ${short(weight)} = ${short(blobs.products[at])}`;
    const note = item.note ? ` ${item.note}` : '';
    here.replaceChildren(make('span', '', `${place}${pad && header.padded ? 'padding, ' : ''}${Number.isFinite(value) ? spoken : 'never the largest'}.${note} `));
    if (!pad) {
      const go = make('button', 'go', header.other ? 'Follow the first factor' : 'Follow this number');
      go.onclick = () => follow(item.first + k, 0);
      here.append(go);
      if (header.other) {
        const second = make('button', 'go', 'Follow the second factor');
        second.onclick = () => follow(item.first + k, 1);
        here.append(document.createTextNode(' · '), second);
      }
    }
  }
  function figure(item, name, title, button) {
    const made = make('figure'), grid = make('div', 'grid');
    const side = item.columns <= 3 ? 46 : item.columns <= 5 ? 38 : item.columns <= 7 ? 34 : 22;
    grid.style.gridTemplateColumns = `repeat(${item.columns}, max-content)`;
    grid.style.setProperty('--cell', side + 'px');
    const cells = [];
    for (let k = 0; k < item.length; k++) {
      const at = item.start + k, value = blobs[name][at], can = button && blobs.follow[at];
      const share = Number.isFinite(value) ? value / peak[name] : 0;
      const cell = make(can ? 'button' : 'span', 'cell', side >= 34 && Number.isFinite(value) ? digits(value) : '');
      cell.style.backgroundColor = colour(share); cell.style.color = ink(share);
      if (name !== 'weights' && !blobs.follow[at] && header.padded) cell.classList.add('pad');
      if (item.won === k) cell.classList.add('won');
      cell.onpointerenter = () => near(k);
      cell.onfocus = () => near(k);
      if (can) {
        cell.setAttribute('aria-label', `${short(value)}, follow`);
        cell.onclick = () => { if (touch) near(k); else follow(item.first + k, 0); };
      } else cell.onclick = () => near(k);
      cells.push(cell);
    }
    grid.append(...cells);
    made.append(make('figcaption', '', title), grid);
    const near = (k) => {
      for (const other of detail.querySelectorAll('.cell.near')) other.classList.remove('near');
      for (const other of detail.querySelectorAll('.grid')) other.children[k].classList.add('near');
      cellText(item, k);
    };
    return made;
  }
  const digits = (value) => {
    const size = Math.abs(value);
    if (size < .005) return '0';
    return (size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2)).replace('-', '\u2212').replace(/^(\u2212?)0\./, '$1.');
  };
  function wide(item) {                                 // a window of many cells: a picture to point at
    const canvas = make('canvas', 'window');
    canvas.width = item.columns; canvas.height = item.rows; canvas.tabIndex = 0;
    canvas.setAttribute('aria-label', 'The window; arrow keys move, Enter follows.');
    canvas.style.imageRendering = 'pixelated';
    const image = new ImageData(item.columns, item.rows), out = new Uint32Array(image.data.buffer);
    for (let k = 0; k < item.length; k++) { const v = blobs.values[item.start + k]; out[k] = word(Number.isFinite(v) ? v / peak.values : 0); }
    canvas.getContext('2d').putImageData(image, 0, 0);
    let cursor = 0;
    const at = (event) => {
      const box = canvas.getBoundingClientRect(), inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
      return inside((event.clientY - box.top) / box.height, item.rows) * item.columns + inside((event.clientX - box.left) / box.width, item.columns);
    };
    canvas.onpointermove = (event) => cellText(item, cursor = at(event));
    canvas.onclick = (event) => { cursor = at(event); if (touch || !blobs.follow[item.start + cursor]) cellText(item, cursor); else follow(item.first + cursor, 0); };
    canvas.onkeydown = (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: item.columns, ArrowUp: -item.columns}[event.key];
      if (step !== undefined) { cursor = Math.min(item.length - 1, Math.max(0, cursor + step)); cellText(item, cursor); event.preventDefault(); }
      else if (event.key === 'Enter' && blobs.follow[item.start + cursor]) follow(item.first + cursor, 0);
    };
    return canvas;
  }
  function show(n) {
    const item = items[n];
    if (!item) return;
    state.shown = item.label;
    rows.forEach((row, m) => row.classList.toggle('shown', m === n));
    const grids = find('grids');
    find('about').textContent = item.about || item.label;
    if (item.length === 1) { grids.hidden = true; cellText(item, 0); return; }
    grids.hidden = false;
    if (item.length > 121) grids.replaceChildren(wide(item));
    else if (header.form === 'plain') grids.replaceChildren(figure(item, 'values', header.window, true));
    else grids.replaceChildren(figure(item, 'values', 'input', true), make('span', 'sign', '×'), figure(item, 'weights', 'kernel', false),
      make('span', 'sign', '='), figure(item, 'products', `products, sum ${short(item.value)}`, false));
    find('here').textContent = item.note
      || (touch ? 'Tap a cell of the input, then follow it.' : 'Point at a cell; click one of the input to follow it one layer down.');
  }
  detail.hidden = !items.length;
  if (items.length) show(Math.max(0, items.findIndex((item) => item.label === state.shown)));

  // The end of the way
  const pixel = find('pixel');
  pixel.hidden = !header.pixel;
  if (header.pixel) {
    const swatch = make('div', 'swatch'), text = make('div');
    swatch.style.background = header.pixel.colour;
    text.append(...header.pixel.lines.map((sentence) => make('p', '', sentence)));
    pixel.replaceChildren(swatch, text);
  }

  // Where it looks, and which unit it is
  const frame = find('photo');
  if (state.photoKey !== header.photo) {
    state.photoKey = header.photo;
    if (state.url) URL.revokeObjectURL(state.url);
    state.url = URL.createObjectURL(new Blob([blobs.photo], {type: 'image/jpeg'}));
    find('seen').src = state.url;
  }
  find('seen').alt = 'The photo as the network sees it';
  for (const old of frame.querySelectorAll('.square')) old.remove();
  for (const [kind, box] of [['square first', header.first], ['square', header.box]]) {
    if (!box) continue;
    const square = make('div', kind), [left, top, right, bottom] = box.map((share) => 100 * share);
    Object.assign(square.style, {left: left + '%', top: top + '%', width: Math.max(1.2, right - left) + '%', height: Math.max(1.2, bottom - top) + '%'});
    frame.append(square);
  }
  find('looks').textContent = header.looks;
  const choice = find('choice'), map = find('map');
  choice.hidden = !header.map;
  if (header.map) {
    const [H, W] = header.map.size, side = Math.max(1, Math.ceil(224 / Math.max(H, W)));
    const small = new ImageData(W, H), out = new Uint32Array(small.data.buffer);
    for (let k = 0; k < out.length; k++) out[k] = viridis[blobs.map[k]];
    const source = make('canvas');
    source.width = W; source.height = H; source.getContext('2d').putImageData(small, 0, 0);
    map.width = W * side; map.height = H * side;
    let cursor = header.map.unit;
    const paint = (unit) => {
      const g = map.getContext('2d');
      g.imageSmoothingEnabled = false;
      g.drawImage(source, 0, 0, map.width, map.height);
      for (const [at, line] of [[header.map.unit, 2], [unit, 1]]) {
        g.strokeStyle = '#000'; g.lineWidth = 2 + 2 * line; g.strokeRect(at[1] * side, at[0] * side, side, side);
        g.strokeStyle = '#fff'; g.lineWidth = line; g.strokeRect(at[1] * side, at[0] * side, side, side);
      }
    };
    const at = (event) => {
      const box = map.getBoundingClientRect(), inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
      return [inside((event.clientY - box.top) / box.height, H), inside((event.clientX - box.left) / box.width, W)];
    };
    const value = ([r, c]) => header.map.low + blobs.map[r * W + c] / 255 * (header.map.high - header.map.low);
    const say = (unit) => {
      find('picked').textContent = unit ? `row ${unit[0]}, column ${unit[1]}: about ${short(value(unit))}` : header.map.caption;
      paint(unit || header.map.unit);
    };
    map.onpointermove = (event) => say(at(event));
    map.onpointerleave = () => say(null);
    map.onclick = (event) => setTriggerValue('unit', at(event));
    map.onblur = () => say(null);
    map.onkeydown = (event) => {
      const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
      if (step) {
        cursor = [Math.min(H - 1, Math.max(0, cursor[0] + step[0])), Math.min(W - 1, Math.max(0, cursor[1] + step[1]))];
        say(cursor); event.preventDefault();
      } else if (event.key === 'Enter' || event.key === ' ') { setTriggerValue('unit', cursor); event.preventDefault(); }
    };
    say(null);
  }
  function redraw() {
    const more = [...header.trail.entries()].map(([n, label]) => {
      const last = n === header.trail.length - 1, crumb = make(last ? 'span' : 'button', 'crumb', label);
      if (last) crumb.setAttribute('aria-current', 'step'); else crumb.onclick = () => setTriggerValue('back', n);
      return crumb;
    });
    trail.replaceChildren(...more.flatMap((crumb, n) => n ? [make('span', 'arrow', '\u203a'), crumb] : [crumb]));
  }
  find('root').dataset.ready = header.id;
}
