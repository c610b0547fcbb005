// header: photo, before (what the windows read; the photo but where pooling is repeated) and out as {planes, h, w}; kind: 'sum' (one
// kernel a plane; one output plane for all, or one for each), 'max' or 'average'; kernel {h, w}; raw: its numbers, editable; divisor, bias;
// padding: replicate, zeros, reflect, circular, or none (for maxima); rowStep, columnStep: dilation; range of the numbers; start; titles,
// notes, low, high, unit, file: texts; stages: sizes of repeated pooling; subject: with another one the place starts anew.
const states = new WeakMap();
const SHADES = ['Red', 'Green', 'Blue'];
const NUMBERS = 7;                                       // windows up to this side are written out, larger ones are pictures
const minus = (text) => text.replace('-', '\u2212').replace('e+', 'e');
function full(value) {                                   // as pages write numbers: five digits, a true minus
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return minus(String(value));       // whole numbers are exact
  return minus(size >= 1e6 || size < 1e-4 ? value.toExponential(3) : String(+value.toPrecision(5)));
}
function tight(value) {                                  // fits a cell
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e5) return minus(String(value));
  if (size >= 1e4 || size < 1e-3) return minus(value.toExponential(0));
  return minus(size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= .1 ? value.toFixed(2) : String(+value.toPrecision(2)));
}
const parse = (text) => { const t = text.trim().replace('\u2212', '-').replace(',', '.'); return t === '' ? NaN : Number(t); };

export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {photo, before, out, kind, kernel, divisor, bias, padding} = header;
  const find = (name) => root.querySelector('.' + name);
  const signed = words(blobs.signed), table = words(blobs.table);
  const P = before.planes, K = out.planes, each = K === P && P > 1 || kind === 'max' || kind === 'average';
  const pool = kind === 'max' || kind === 'average';
  // Where nothing else is said the picture at the left is what the windows read.
  const rows = [blobs.rowFirst, blobs.rowLast], columns = [blobs.columnFirst, blobs.columnLast];
  const seenRows = blobs.seenRowFirst ? [blobs.seenRowFirst, blobs.seenRowLast] : rows;
  const seenColumns = blobs.seenColumnFirst ? [blobs.seenColumnFirst, blobs.seenColumnLast] : columns;
  const numbers = blobs.values || blobs.pixels;
  const longest = ([first, last], step) => { let most = 1; for (let i = 0; i < first.length; i++) most = Math.max(most, (last[i] - first[i]) / step + 1); return most; };
  const KH = kernel ? kernel.h : longest(rows, header.rowStep), KW = kernel ? kernel.w : longest(columns, header.columnStep);
  const written = KH <= NUMBERS && KW <= NUMBERS;

  let state = states.get(root);
  if (!state) states.set(root, state = {});
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
  if (state.subject !== header.subject) { state.subject = header.subject; state.at = header.start.slice(); state.held = false; }
  else if (state.out && (state.out.h !== out.h || state.out.w !== out.w))        // another stride: the same place of the photo
    state.at = [Math.floor((state.at[0] + .5) * out.h / state.out.h), Math.floor((state.at[1] + .5) * out.w / state.out.w)];
  state.out = out;
  state.at = [clamp(state.at[0], out.h), clamp(state.at[1], out.w)];

  // The two pictures.
  function paint(canvas, w, h, planes, levels, lut) {
    canvas.width = w; canvas.height = h;
    const image = new ImageData(w, h), target = new Uint32Array(image.data.buffer), n = w * h;
    if (planes === 1) for (let i = 0; i < n; i++) target[i] = lut ? lut[levels[i]] : 0xff000000 | levels[i] * 0x010101;
    else for (let i = 0; i < n; i++) target[i] = 0xff000000 | levels[2 * n + i] << 16 | levels[n + i] << 8 | levels[i];
    canvas.getContext('2d').putImageData(image, 0, 0);
  }
  const left = find('left'), right = find('right');
  const pictures = {left: left.querySelector('.picture'), right: right.querySelector('.picture')};
  const marks = {left: left.querySelector('.mark'), right: right.querySelector('.mark')};
  paint(pictures.left, photo.w, photo.h, photo.planes, blobs.pixels);
  paint(pictures.right, out.w, out.h, K, blobs.levels, table);
  // Stages of pooling shrink by other steps than the photo: both panes keep one shape, so that windows lie at the same place.
  // A strip of a photo (2000 x 3 pixels) is drawn thicker than it is: positions are shares of the pane, whatever its shape.
  const shape = Math.min(8, Math.max(.2, photo.w / photo.h));
  for (const side of ['left', 'right']) {
    pictures[side].style.aspectRatio = shape;
    pictures[side].parentElement.style.maxWidth = `${Math.round(640 * shape)}px`;
  }
  marks.left.setAttribute('aria-label', `${header.titles.photo}. Arrow keys move the window.`);
  marks.right.setAttribute('aria-label', `${header.titles.result}. Arrow keys move from output to output.`);
  const caption = (figure, title, note) => {
    const b = document.createElement('b'), span = document.createElement('span');
    b.textContent = title; span.textContent = ` \u00b7 ${note}`;
    figure.querySelector('figcaption').replaceChildren(b, span);
  };
  caption(left, header.titles.photo, header.notes.photo);
  caption(right, header.titles.result, header.notes.result);
  const bar = find('bar');
  bar.width = 256; bar.height = 1;
  const strip = new ImageData(256, 1);
  new Uint32Array(strip.data.buffer).set(table);
  bar.getContext('2d').putImageData(strip, 0, 0);
  find('low').textContent = header.low; find('high').textContent = header.high;
  find('png').onclick = () => {
    const canvas = document.createElement('canvas'), link = document.createElement('a');
    const enlarge = Math.max(1, Math.floor(512 / Math.max(out.w, out.h)));     // an 8 x 5 picture is of no use on a slide
    canvas.width = out.w * enlarge; canvas.height = out.h * enlarge;
    const g = canvas.getContext('2d');
    g.imageSmoothingEnabled = false; g.drawImage(pictures.right, 0, 0, canvas.width, canvas.height);
    link.href = canvas.toDataURL('image/png'); link.download = header.file; link.click();
  };
  const stages = find('strip');
  stages.hidden = !header.stages;
  if (header.stages) {
    let offset = 0;
    stages.replaceChildren(...header.stages.map(([h, w], number) => {
      const figure = document.createElement('figure'), canvas = document.createElement('canvas'), text = document.createElement('figcaption');
      paint(canvas, w, h, P, blobs.stages.subarray(offset, offset += P * h * w));
      canvas.style.aspectRatio = shape;
      text.textContent = number ? `${number}\u00d7: ${w} \u00d7 ${h}` : `photo: ${w} \u00d7 ${h}`;
      figure.append(canvas, text);
      return figure;
    }));
  }

  function outline(g, x, y, w, h, ratio, thick) {
    const least = 5 * ratio;
    if (w < least) { x -= (least - w) / 2; w = least; }
    if (h < least) { y -= (least - h) / 2; h = least; }
    for (const [colour, line] of [['#000', thick + 2.4], ['#f5a300', thick]]) {
      g.strokeStyle = colour; g.lineWidth = line * ratio; g.strokeRect(x, y, w, h);
    }
  }
  function sheet(canvas, background) {
    const ratio = window.devicePixelRatio || 1, w = background.clientWidth, h = background.clientHeight;
    canvas.width = Math.max(1, Math.round(w * ratio)); canvas.height = Math.max(1, Math.round(h * ratio));
    return [canvas.getContext('2d'), canvas.width, canvas.height, ratio];
  }
  function mark() {
    const [i, j] = state.at;
    let [g, w, h, ratio] = sheet(marks.left, pictures.left);
    const x = w / photo.w, y = h / photo.h;
    outline(g, seenColumns[0][j] * x, seenRows[0][i] * y, (seenColumns[1][j] - seenColumns[0][j] + 1) * x, (seenRows[1][i] - seenRows[0][i] + 1) * y, ratio, 2);
    if (blobs.winners && K === 1) {
      const winner = blobs.winners[i * out.w + j];
      g.beginPath(); g.arc((winner % photo.w + .5) * x, (Math.floor(winner / photo.w) + .5) * y, 4 * ratio, 0, 7);
      g.fillStyle = '#f5a300'; g.strokeStyle = '#000'; g.lineWidth = 1.2 * ratio; g.fill(); g.stroke();
    }
    [g, w, h, ratio] = sheet(marks.right, pictures.right);
    outline(g, j * w / out.w, i * h / out.h, w / out.w, h / out.h, ratio, 2);
  }

  // The cell whose number stands at a place that may lie beyond the border; -1 for a zero.
  function fold(at, count) {
    if (at >= 0 && at < count) return at;
    if (padding === 'replicate') return clamp(at, count);
    if (padding === 'circular') return (at % count + count) % count;
    if (padding === 'reflect') return at < 0 ? -at : 2 * (count - 1) - at;
    return -1;
  }
  // Every cell of the window of output (i, j): row and column in the window, where it lies, its number (null: no cell).
  function windowAt(i, j, plane, visit) {
    const bottom = (rows[1][i] - rows[0][i]) / header.rowStep, right = (columns[1][j] - columns[0][j]) / header.columnStep;
    for (let a = 0; a < KH; a++) for (let b = 0; b < KW; b++) {
      if (a > bottom || b > right) { visit(a, b, null, false, 0, 0); continue; }
      const y = rows[0][i] + a * header.rowStep, x = columns[0][j] + b * header.columnStep;
      const outside = y < 0 || x < 0 || y >= before.h || x >= before.w;
      const r = fold(y, before.h), c = fold(x, before.w);
      const value = r < 0 || c < 0 ? (kind === 'max' ? null : 0) : numbers[(plane * before.h + r) * before.w + c];
      visit(a, b, value, outside, y, x);
    }
  }

  // The lens: rebuilt when its shape changes, else only filled.
  const lens = find('lens');
  const shown = Array.from({length: P}, (_, p) => p);
  let parts = [];
  const made = (tag, name, text) => { const one = document.createElement(tag); if (name) one.className = name; if (text) one.textContent = text; return one; };
  function block(title, grid) { const box = made('div', 'block'); box.append(made('div', 'title', title), grid); return box; }
  function cells(name, editable) {
    const grid = made('div', `cells ${name}`), list = [];
    grid.style.gridTemplateColumns = `repeat(${KW}, auto)`;
    for (let n = 0; n < KH * KW; n++) {
      const cell = made('div', 'cell');
      if (editable) {
        const input = document.createElement('input');
        input.type = 'text'; input.inputMode = 'text'; input.autocomplete = 'off'; input.maxLength = 9;
        input.setAttribute('aria-label', `Kernel, row ${Math.floor(n / KW)}, column ${n % KW}`);
        cell.append(input);
      }
      list.push(cell); grid.append(cell);
    }
    return [grid, list];
  }
  function build() {
    lens.replaceChildren(); parts = [];
    lens.classList.toggle('pool', pool);
    if (P > 1) {
      const choice = made('div', 'choice');
      choice.append(...shown.map((p) => {
        const button = made('button', '', SHADES[p]);
        button.type = 'button'; button.onclick = () => { state.plane = p; choose(); };
        return button;
      }));
      lens.append(choice);
    }
    const long = P > 1 || header.unit.length > 20;
    if (long) lens.append(made('div', 'unit', header.unit));
    for (const p of shown) {
      const row = made('div', 'row'), part = {};
      const name = P > 1 ? SHADES[p] : long ? 'Pixels' : header.unit;
      if (written) {
        let grid;
        [grid, part.patch] = cells('patch'); row.append(block(name, grid));
        if (kernel) {
          const editable = header.editable && p === 0;
          [grid, part.kernel] = cells('kernel', editable); part.editable = editable;
          row.append(made('span', 'sign', '\u00d7'), block(header.titles.kernel, grid));
          [grid, part.products] = cells('products');
          row.append(made('span', 'sign', '='), block('Products', grid));
        }
      } else {
        const big = (key) => { const canvas = made('canvas', `big ${key}`); part[key] = canvas; return canvas; };
        row.append(block(name, big('bigPatch')));
        if (kernel) row.append(made('span', 'sign', '\u00d7'), block(header.titles.kernel, big('bigKernel')), made('span', 'sign', '='), block('Products', big('bigProducts')));
      }
      part.sum = made('span', 'sum'); row.append(part.sum); part.row = row;
      lens.append(row); parts.push(part);
    }
    lens.append(made('div', 'total'));
    wire();
  }
  function choose() {                                     // on a phone one colour at a time, the sum is of all three
    const plane = state.plane ?? 0;
    lens.querySelectorAll('.choice button').forEach((button, p) => button.setAttribute('aria-pressed', p === plane));
    parts.forEach((part, p) => part.row.classList.toggle('other', P > 1 && p !== plane));
  }
  function fit() {                                        // cells as large as the width allows
    const wide = lens.clientWidth - 30, grids = kernel ? 3 : 1, sum = P > 1 && wide > 700 ? 170 : 20;
    let u = Math.floor((wide - (grids - 1) * 50 - sum) / (grids * KW)) - 1;
    if (u < 34) u = Math.floor(wide / KW) - 2;
    u = Math.max(26, Math.min(46, u));
    lens.style.setProperty('--u', u + 'px');
    lens.style.setProperty('--digit', (u >= 40 ? 12.5 : u >= 34 ? 11 : 9.5) + 'px');
  }
  function shade(cell, word, text, title) {
    const r = word & 255, g = word >> 8 & 255, b = word >> 16 & 255;
    const linear = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    const light = .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
    cell.style.background = `rgb(${r},${g},${b})`; cell.style.color = light > .179 ? '#000' : '#fff';
    const input = cell.firstElementChild;
    if (!input) cell.textContent = text;
    else if (root.activeElement !== input && input.getRootNode().activeElement !== input) input.value = text;
    cell.title = title;
  }
  const about = (value, size) => signed[Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, size ? value / size : 0)))];
  const gray = (value) => { const v = Math.max(0, Math.min(255, Math.round(value))); return v | v << 8 | v << 16; };
  const least = header.range[0], most = header.range[1];
  const ink = (value) => gray((value - least) / (most - least) * 255);
  const weights = blobs.kernel;
  let heaviest = 0;
  if (weights) for (const weight of weights) heaviest = Math.max(heaviest, Math.abs(weight));
  // The largest product that could be: colours keep their meaning while the window moves.
  const strongest = heaviest * Math.max(Math.abs(least), Math.abs(most));

  function show() {
    const [i, j] = state.at, lines = [];
    let everything = 0;
    for (const [index, p] of shown.entries()) {
      const part = parts[index];
      let sum = 0, count = 0, best = -Infinity, bestAt = -1, n = 0;
      const list = [];
      windowAt(i, j, p, (a, b, value, outside, y, x) => {
        const weight = weights ? weights[(p * KH + a) * KW + b] : 1;
        const product = value === null ? 0 : value * weight;
        list.push([value, weight, product, outside, y, x]);
        if (value !== null) { sum += product; if (value > best) { best = value; bestAt = n; } }
        const here = pool && (rows[0][i] + a * header.rowStep > rows[1][i] || columns[0][j] + b * header.columnStep > columns[1][j]);
        if (!here) count++;
        n++;
      });
      if (written) for (const [m, [value, weight, product, outside, y, x]] of list.entries()) {
        const cell = part.patch[m];
        cell.className = 'cell' + (value === null ? ' none' : outside ? ' padding' : '') + (kind === 'max' && m === bestAt ? ' winner' : '');
        const where = outside ? (padding === 'zeros' ? 'padding' : 'padding, repeats a pixel of the photo') : `row ${y}, column ${x}`;
        shade(cell, value === null ? 0 : ink(value), value === null ? '' : tight(value), value === null ? '' : `${where}: ${full(value)}`);
        if (!kernel) continue;
        shade(part.kernel[m], about(weight, heaviest), tight(weight), `weight ${full(weight)}`);
        shade(part.products[m], about(product, strongest), tight(product), `${full(value)} \u00d7 ${full(weight)} = ${full(product)}`);
      } else {
        const tile = (canvas, make) => {
          const image = new ImageData(KW, KH), target = new Uint32Array(image.data.buffer);
          canvas.width = KW; canvas.height = KH; canvas.style.aspectRatio = `${KW} / ${KH}`;
          for (let m = 0; m < list.length; m++) if (list[m][0] !== null) target[m] = 0xff000000 | make(list[m]);
          canvas.getContext('2d').putImageData(image, 0, 0);
        };
        tile(part.bigPatch, ([value]) => ink(value));
        if (kernel) {
          tile(part.bigKernel, ([, weight]) => about(weight, heaviest));
          let size = 0;
          for (const one of list) size = Math.max(size, Math.abs(one[2]));
          tile(part.bigProducts, ([, , product]) => about(product, size));
        }
      }
      everything += sum;
      const value = blobs.output[((each ? p : 0) * out.h + i) * out.w + j];
      if (kind === 'max') part.sum.textContent = `largest: ${full(best)}`;
      else if (kind === 'average') part.sum.textContent = `sum ${full(sum)} \u00f7 ${count.toLocaleString('en')} = ${full(sum / count)}`;
      else if (each) part.sum.textContent = `sum ${full(sum)}` + (divisor === 1 ? '' : ` \u00f7 ${full(divisor)} = ${full(sum / divisor)}`);
      else part.sum.textContent = P > 1 ? `sum ${full(sum)}` : '';
      lines.push([P > 1 && each ? SHADES[p] : '', sum, value]);
    }
    const total = find('total');
    total.replaceChildren();
    const box = (value) => { const one = made('span', 'box result', full(value)); one.dataset.value = value; return one; };
    if (pool || each) {
      total.append('Result here: ');
      for (const [name, , value] of lines) total.append(name && `${name.toLowerCase()} `, box(value), ' ');
    } else {
      const terms = lines.map(([, sum], n) => n ? `${sum < 0 ? '\u2212' : '+'} ${full(Math.abs(sum))}` : full(sum));
      if (header.biased) terms.push(`${bias < 0 ? '\u2212' : '+'} ${full(Math.abs(bias))} (bias)`);
      if (divisor !== 1) terms.push(`\u00f7 ${full(divisor)}`);
      const counted = `${(KH * KW * P).toLocaleString('en')} products`;
      total.append(P > 1 ? 'Red, green and blue: ' : `Sum of all ${counted}: `, terms.join(' '));
      if (terms.length > 1) total.append(` = ${full(everything / divisor + bias)}`);
      total.append(', the result here: ', box(lines[0][2]));
    }
    const said = find('said'), place = made('b', '', `Row ${i}, column ${j}`);
    const span = (axis, n) => `${axis[0][n]} to ${axis[1][n]}`;
    said.replaceChildren(place, ` of the result comes from rows ${minus(span(seenRows, i))} and columns ${minus(span(seenColumns, j))} of the photo` +
      `${header.stages && header.stages.length > 2 ? `; the numbers below stand in the picture before the last pooling, ${before.w} \u00d7 ${before.h}` : ''}.` + (state.held ? ' Held.' : ''));
    root.querySelector('.root').dataset.at = `${i},${j}`;
    mark();
  }
  function wire() {
    const first = parts[0];
    if (!first.editable) return;
    const inputs = first.kernel.map((cell) => cell.firstElementChild), raw = header.raw.slice();   // as exact as they came
    inputs.forEach((input, n) => {
      input.onfocus = () => { input.value = minus(String(+raw[n].toPrecision(12))); input.select(); };
      input.onblur = () => { input.value = tight(raw[n]); };
      input.onkeydown = (event) => {
        if (event.key === 'Enter') { input.blur(); event.preventDefault(); }
        if (event.key === 'Escape') { input.value = minus(String(raw[n])); input.blur(); }
        event.stopPropagation();
      };
      input.onchange = () => {
        const value = parse(input.value);
        if (!Number.isFinite(value) || Math.abs(value) > 999 || value === raw[n]) return;
        raw[n] = value;
        setTriggerValue('kernel', raw);
      };
    });
  }
  function go(i, j) {
    i = clamp(i, out.h); j = clamp(j, out.w);
    if (i === state.at[0] && j === state.at[1]) return;
    state.at = [i, j]; show();
  }
  const nearest = ([first, last], at) => {                // the output whose window has its middle nearest
    let low = 0, high = first.length - 1;
    const middle = (n) => (first[n] + last[n]) / 2;
    while (low < high) { const half = low + high >> 1; if (middle(half) < at) low = half + 1; else high = half; }
    return low > 0 && at - middle(low - 1) <= middle(low) - at ? low - 1 : low;
  };
  const pointed = (side, event) => {
    const box = pictures[side].getBoundingClientRect();
    const y = (event.clientY - box.top) / box.height, x = (event.clientX - box.left) / box.width;
    return side === 'right' ? [clamp(Math.floor(y * out.h), out.h), clamp(Math.floor(x * out.w), out.w)]
      : [nearest(seenRows, y * photo.h - .5), nearest(seenColumns, x * photo.w - .5)];
  };
  for (const side of ['left', 'right']) {
    const canvas = marks[side];
    canvas.onpointermove = (event) => { if (!state.held && event.pointerType !== 'touch') go(...pointed(side, event)); };
    canvas.onclick = (event) => {
      const [i, j] = pointed(side, event), same = state.held && i === state.at[0] && j === state.at[1];
      state.held = !same; state.at = [i, j]; show();
    };
    canvas.onkeydown = (event) => {
      const far = event.shiftKey ? 10 : 1;
      const step = {ArrowRight: [0, far], ArrowLeft: [0, -far], ArrowDown: [far, 0], ArrowUp: [-far, 0]}[event.key];
      if (step) { go(state.at[0] + step[0], state.at[1] + step[1]); event.preventDefault(); }
      else if (event.key === 'Escape') { state.held = false; show(); }
      else if (event.key === 'Enter' || event.key === ' ') { state.held = !state.held; show(); event.preventDefault(); }
    };
  }
  for (const note of root.querySelectorAll('.edits')) note.hidden = !header.editable;
  // The cells stay while a number is being typed, unless their number changes.
  const form = `${P} ${KH} ${KW} ${kind} ${each} ${header.editable} ${header.unit} ${header.titles.kernel}`;
  if (state.form === form && state.parts) { parts = state.parts; wire(); } else build();
  state.form = form; state.parts = parts;
  fit(); choose(); show();
  const watch = new ResizeObserver(() => { fit(); mark(); });
  watch.observe(find('pictures'));
  root.querySelector('.root').dataset.ready = header.id;
  return renewed(root, () => watch.disconnect());
}
