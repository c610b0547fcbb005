const SVG = 'http://www.w3.org/2000/svg';
const PAUSE = 300;                               // ms without a key: the cell or box is meant
const kept = new WeakMap();                      // where the keyboard stands outlives a rerun
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {width: W, height: H, stride, rows, columns, boxes, pick} = header;
  const svg = root.querySelector('.frame svg'), frame = root.querySelector('.frame'), here = root.querySelector('.here');
  const state = kept.get(root) ?? {at: null, timer: 0};
  kept.set(root, state);
  const make = (kind, attributes, name) => {
    const made = document.createElementNS(SVG, kind);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (name) made.setAttribute('class', name);
    return made;
  };
  const clamp = (value, most) => Math.min(most, Math.max(0, value));
  root.querySelector('.root').classList.toggle('pick', Boolean(pick));
  svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
  svg.setAttribute('aria-label', header.alternative);
  const address = URL.createObjectURL(new Blob([blobs.photo], {type: 'image/png'}));
  const parts = [make('image', {href: address, width: W, height: H, preserveAspectRatio: 'none'})];
  if (header.heat) {
    const lut = words(blobs.table);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const level = blobs.levels[r * columns + c], word = lut[level];
      if (level > 2) parts.push(make('rect', {x: c * stride, y: r * stride, width: stride, height: stride, 'vector-effect': 'none',
        fill: `rgb(${word & 255}, ${word >> 8 & 255}, ${word >> 16 & 255})`, 'fill-opacity': (.25 + .6 * level / 255).toFixed(3)}, 'heat'));
    }
  }
  if (header.grid) {
    for (let c = 1; c < columns; c++) parts.push(make('line', {x1: c * stride, x2: c * stride, y1: 0, y2: rows * stride}, 'line'));
    for (let r = 1; r < rows; r++) parts.push(make('line', {y1: r * stride, y2: r * stride, x1: 0, x2: columns * stride}, 'line'));
  }
  const cell = make('rect', {width: stride, height: stride}, 'cell'), hover = make('rect', {width: stride, height: stride}, 'hover');
  const place = (mark, at) => {
    mark.setAttribute('visibility', at ? 'visible' : 'hidden');
    if (at) { mark.setAttribute('x', at[1] * stride); mark.setAttribute('y', at[0] * stride); }
  };
  place(cell, header.cell); place(hover, null);
  parts.push(cell);
  const drawn = boxes.map(({at: [l, t, r, b], kind, tag}, index) => {
    const shape = {x: l, y: t, width: Math.max(.5, r - l), height: Math.max(.5, b - t)};
    const under = make('rect', shape, /candidate|anchor|faint|removed/.test(kind) ? 'under thin' : 'under');
    const box = make('rect', shape, 'box ' + kind);
    box.dataset.index = index;
    parts.push(under, box);
    return box;
  });
  if (header.point) parts.push(make('circle', {cx: header.point[0], cy: header.point[1], r: W / 90}));
  parts.push(hover);
  svg.replaceChildren(...parts);
  for (const old of frame.querySelectorAll('.tag')) old.remove();
  const marks = boxes.flatMap(({kind, tag}, index) => {
    if (!tag) return [];
    const mark = document.createElement('div');
    mark.className = `tag ${kind}`;
    mark.textContent = tag;
    frame.append(mark);
    return [{mark, index}];
  });
  const key = root.querySelector('.key');
  key.replaceChildren(...header.key.map(([kind, text]) => {
    const entry = document.createElement('span'), sample = make('svg', {viewBox: '0 0 20 14', 'aria-hidden': 'true'});
    sample.append(make('rect', {x: 3, y: 2.5, width: 14, height: 9}, 'box ' + kind));
    entry.append(sample, text);
    return entry;
  }));
  const left = document.createElement('span');
  key.append(left);
  const arrange = () => {
    const count = settle(frame, W, marks, boxes);
    left.textContent = count ? `${count} label${count > 1 ? 's' : ''} left out for want of room: point at a box` : '';
    left.hidden = !count;
  };
  arrange();
  const watch = new ResizeObserver(arrange);
  watch.observe(frame);

  const inside = (x, y) => {                     // the smallest box under the pointer
    let best = -1, least = Infinity;
    boxes.forEach(({at: [l, t, r, b], still}, index) => {
      const area = (r - l) * (b - t);
      if (!still && x >= l && x <= r && y >= t && y <= b && area < least) { best = index; least = area; }
    });
    return best;
  };
  const cellAt = (x, y) => [clamp(Math.floor(y / stride), rows - 1), clamp(Math.floor(x / stride), columns - 1)];
  const raise = (chosen) => {
    drawn.forEach((box, index) => box.classList.toggle('chosen', index === chosen));
    marks.forEach(({mark, index}) => mark.classList.toggle('chosen', index === chosen));
  };
  const rest = () => { here.textContent = header.rest; raise(header.chosen); };
  const sayCell = ([r, c]) => {
    here.textContent = `Row ${r}, column ${c}` + (blobs.values ? `: ${header.measure} ${short(blobs.values[r * columns + c])}` : '');
  };
  const sayBox = (index) => {
    here.textContent = boxes[index].detail;
    raise(index);
  };
  const where = (event) => {
    const rect = svg.getBoundingClientRect();
    return [clamp((event.clientX - rect.left) / rect.width * W, W), clamp((event.clientY - rect.top) / rect.height * H, H)];
  };
  svg.onpointermove = (event) => {
    const [x, y] = where(event), index = pick === 'cell' ? -1 : inside(x, y);
    place(hover, pick === 'cell' ? cellAt(x, y) : null);
    if (pick === 'cell') sayCell(cellAt(x, y));
    else if (index >= 0) sayBox(index);
    else rest();
  };
  svg.onpointerleave = () => { place(hover, null); rest(); };
  svg.onclick = (event) => {
    const [x, y] = where(event);
    if (pick === 'cell') { const at = cellAt(x, y); state.at = at; place(cell, at); setTriggerValue('cell', at); }
    else if (pick === 'box') { const index = inside(x, y); if (index >= 0) { state.at = index; setTriggerValue('box', index); } }
  };
  svg.onblur = () => { place(hover, null); rest(); };
  svg.onkeydown = (event) => {
    const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
    const go = event.key === 'Enter' || event.key === ' ';
    if (!step && !go) return;
    if (pick === 'cell' && step) {
      const [r, c] = Array.isArray(state.at) ? state.at : header.cell ?? [0, 0];
      state.at = [clamp(r + step[0], rows - 1), clamp(c + step[1], columns - 1)];
      place(cell, state.at); sayCell(state.at);
      clearTimeout(state.timer);
      state.timer = setTimeout(() => setTriggerValue('cell', state.at), PAUSE);
    } else if (boxes.length && step) {
      const live = boxes.flatMap((box, index) => box.still ? [] : [index]);
      if (!live.length) return;
      const now = live.indexOf(Number.isInteger(state.at) ? state.at : header.chosen ?? -1);
      state.at = live[(now + step[0] + step[1] + live.length) % live.length];
      sayBox(state.at);
      if (pick === 'box') { clearTimeout(state.timer); state.timer = setTimeout(() => setTriggerValue('box', state.at), PAUSE); }
    }
    event.preventDefault();
  };
  rest();
  svg.dataset.ready = header.id;
  const release = renewed(root, () => { watch.disconnect(); URL.revokeObjectURL(address); });
  return () => { clearTimeout(state.timer); release(); };    // a key still counts after a rerun
}
