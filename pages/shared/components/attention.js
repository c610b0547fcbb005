const states = new WeakMap();
export default function ({data, parentElement: root, setTriggerValue}) {
  const {header, blobs} = unpack(data);
  const {mode, side, across: A, tokens: T, names, labels} = header;
  const P = A * A, signed = mode === 'positions', first = signed ? 0 : 1, Q = P + first, L = names.length;
  const find = (name) => root.querySelector('.' + name);
  const touch = matchMedia('(hover: none)').matches, lut = words(blobs.table);
  let state = states.get(root);
  // The query is a patch, or -1 for the class token. While it is held, pointing reads what other places get.
  if (!state) states.set(root, state = {query: -1, held: false, layer: {}, opacity: 75, stretch: false});
  if (state.across !== A) { state.query = -1; state.held = false; state.across = A; }
  state.over = null; state.dot = null;
  const layer = () => Math.min(L - 1, state.layer[mode] ?? (mode === 'rollout' ? L - 1 : 0));
  const query = () => signed && state.query < 0 ? Math.floor(A / 2) * A + Math.floor(A / 2) : state.query;
  const row = (n = layer()) => n * Q + query() + first;               // of this layer's table, for this query
  const share = (patch, n = layer()) => signed ? blobs.levels[row(n) * P + patch] / 127.5 - 1
    : blobs.levels[row(n) * P + patch] / 255 * blobs.top[row(n)];
  const rest = (value) => (value < .1 ? +(100 - +(100 * value).toPrecision(2)).toFixed(2) : Math.round(100 * (1 - value))) + ' %';  // as precise as what is taken off it
  const percent = (value) => value < 1e-4 ? (value > 0 ? 'below 0.01 %' : '0 %')
    : (value >= .0995 ? String(Math.round(100 * value)) : String(+(100 * value).toPrecision(2))) + ' %';
  const cosine = (value) => value.toFixed(2).replace('-', '\u2212').replace(/^\u2212(0\.00)$/, '$1');
  const place = (patch) => `row ${Math.floor(patch / A) + 1}, column ${patch % A + 1}`;
  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  // Lowest level of a row of patches: where stretched colours begin.
  function least(n) {
    let low = 255;
    for (let i = row(n) * P, end = i + P; i < end; i++) low = Math.min(low, blobs.levels[i]);
    return low;
  }
  function colours(n) {                                               // 0 to 255 for each patch
    const low = state.stretch && !signed ? least(n) : 0, span = 255 - low || 1, start = row(n) * P;
    return (patch) => Math.round((blobs.levels[start + patch] - low) / span * 255);
  }
  const style = getComputedStyle(root.host || root);
  const accent = style.getPropertyValue('--st-primary-color') || '#0b6bcb';
  const ink = style.getPropertyValue('--st-text-color') || '#1b2430';
  const css = (word) => `rgb(${word & 255}, ${word >> 8 & 255}, ${word >> 16 & 255})`;

  const photo = find('photo'), cell = Math.ceil(672 / A), size = cell * A;
  photo.width = photo.height = size;
  function outline(g, patch, unit, dash) {
    const x = patch % A * unit, y = Math.floor(patch / A) * unit;
    g.setLineDash(dash ? [6, 5] : []);
    for (const [colour, line] of [['#000', 7], ['#fff', 4]]) {
      g.strokeStyle = colour; g.lineWidth = line;
      g.strokeRect(x + 3.5, y + 3.5, unit - 7, unit - 7);
    }
    g.setLineDash([]);
  }
  function drawPhoto() {
    const g = photo.getContext('2d'), at = colours(layer());
    g.globalAlpha = 1; g.clearRect(0, 0, size, size);
    if (state.photo && !signed) g.drawImage(state.photo, 0, 0, size, size);
    for (let p = 0; p < P; p++) {
      const level = at(p);
      g.globalAlpha = signed ? 1 : state.opacity / 100 * level / 255; // cold places stay photo
      g.fillStyle = css(lut[level]);
      g.fillRect(p % A * cell, Math.floor(p / A) * cell, cell, cell);
    }
    g.globalAlpha = signed ? .25 : .3; g.fillStyle = signed ? '#000' : '#fff';
    for (let n = 1; n < A; n++) { g.fillRect(n * cell - .75, 0, 1.5, size); g.fillRect(0, n * cell - .75, size, 1.5); }
    g.globalAlpha = 1;
    if (state.held && state.over !== null && state.over >= 0) outline(g, state.over, cell, true);
    if (query() >= 0) outline(g, query(), cell);
    photo.dataset.query = query();
  }
  const thumbs = names.map((name, n) => {
    const button = document.createElement('button'), canvas = document.createElement('canvas'), text = document.createElement('span');
    button.type = 'button'; button.className = 'layer'; button.title = name;
    button.setAttribute('aria-label', name);
    canvas.width = canvas.height = A; text.textContent = labels[n];
    button.append(canvas, text);
    button.onclick = () => { state.layer[mode] = n; draw(); chart(); };
    return button;
  });
  find('layers').replaceChildren(...(signed ? [] : thumbs));
  find('layers').setAttribute('aria-label', header.above);
  find('of').textContent = header.above;
  function drawThumbs() {
    thumbs.forEach((button, n) => {
      const picture = new ImageData(A, A), out = new Uint32Array(picture.data.buffer), at = colours(n);
      for (let p = 0; p < P; p++) out[p] = lut[at(p)];
      button.firstChild.getContext('2d').putImageData(picture, 0, 0);
      button.setAttribute('aria-pressed', n === layer());
    });
  }
  function drawToken() {
    if (signed) return;
    const token = find('token'), gets = blobs.classToken[row()], top = blobs.top[row()], low = state.stretch ? least(layer()) / 255 * top : 0;
    const level = Math.max(0, Math.min(255, Math.round((gets - low) / (top - low || 1) * 255)));
    find('swatch').style.background = css(lut[level]);
    find('gets').textContent = mode === 'rollout' ? `${percent(gets)} from it` : `gets ${percent(gets)}`;
    token.setAttribute('aria-pressed', query() < 0);
    token.classList.toggle('read', state.held && state.over === -1);
  }
  function legend() {
    const top = signed ? 1 : blobs.top[row()], low = signed ? -1 : state.stretch ? least(layer()) / 255 * top : 0;
    find('low').textContent = signed ? '\u22121' : percent(low);
    find('high').textContent = signed ? '1 (alike)' : percent(top);
    const even = signed ? 0 : 1 / T, at = (even - low) / (top - low || 1), shown = at >= 0 && at <= 1;
    const tick = find('tick'), label = find('even');
    tick.hidden = label.hidden = !shown;
    tick.style.left = `calc(${100 * at}% - 1px)`;
    label.textContent = signed ? '0 (nothing in common)' : `even share: ${percent(even)}`;
    label.style.left = at < .5 ? `${100 * at}%` : 'auto';
    label.style.right = at < .5 ? 'auto' : `${100 - 100 * at}%`;
    if (signed) { label.style.left = '50%'; label.style.right = 'auto'; }
    label.style.transform = signed ? 'translateX(-50%)' : '';
  }
  function say() {
    const r = row(), q = query(), name = names[layer()];
    const wide = () => `Spread as widely as even attention to ${blobs.spread[r].toFixed(0)} of ${T} tokens.`;
    let said = '', more = '', read = '';
    if (signed) {
      let most = -1, fewest = -1;
      for (let p = 0; p < P; p++) {
        if (p !== q && (most < 0 || share(p) > share(most))) most = p;
        if (fewest < 0 || share(p) < share(fewest)) fewest = p;
      }
      said = `The position of ${place(q)} is most like that of ${place(most)} (${cosine(share(most))}) and least like that of ${place(fewest)} (${cosine(share(fewest))}).`;
      more = 'Cosine between what the network adds to a patch to say where it is. The photo plays no part.';
    } else if (mode === 'rollout') {
      const own = percent(blobs.classToken[r]);
      said = q < 0 ? `${name}, the class token: ${own} of it leads back to the class token of the input, ${rest(blobs.classToken[r])} to the patches.`
        : `${name}, ${place(q)}: ${own} of it leads back to the class token, ${percent(blobs.near[r])} to its own 3 \u00d7 3 patches.`;
      more = (q < 0 ? '' : `Mean distance ${blobs.distance[r].toFixed(0)} px. `) + `Spread as widely as ${blobs.spread[r].toFixed(0)} of ${T} even shares.`;
    } else {
      said = q < 0 ? `${name}, from the class token: ${percent(blobs.classToken[r])} stays with itself, ${rest(blobs.classToken[r])} goes to the patches.`
        : `${name}, from ${place(q)}: ${percent(blobs.classToken[r])} goes to the class token, ${percent(blobs.near[r])} to its own 3 \u00d7 3 patches`
          + (isNaN(blobs.distance[r]) ? '.' : `, mean distance ${blobs.distance[r].toFixed(0)} px.`);
      more = wide();
    }
    if (state.held && state.over !== null && state.over !== q)
      read = capital(state.over < 0 ? 'the class token' : place(state.over))
        + (signed ? `: similarity ${cosine(share(state.over))}.` : `: ${percent(state.over < 0 ? blobs.classToken[r] : share(state.over))}.`);
    else if (state.held) read = touch ? 'Held. Tap it again to let go.' : 'Held: point at other places to read theirs. Click it again, or press Escape, to let go.';
    find('said').textContent = said; find('wide').textContent = more; find('read').textContent = read;
  }
  // Dosovitskiy et al. 2020, figure 7 centre: every patch's similarities as a tile, in the patch's place.
  const all = find('all'), gap = 2, inner = A * Math.max(3, Math.round(600 / P)), tile = inner + gap, whole = A * tile - gap;
  let sheet = null;
  function drawAll() {
    if (!signed) return;
    if (!sheet) {
      const source = document.createElement('canvas');
      sheet = document.createElement('canvas');
      source.width = source.height = A; sheet.width = sheet.height = whole;
      const g = sheet.getContext('2d'), picture = new ImageData(A, A), out = new Uint32Array(picture.data.buffer);
      g.imageSmoothingEnabled = false;
      for (let q = 0; q < P; q++) {
        for (let p = 0; p < P; p++) out[p] = lut[blobs.levels[q * P + p]];
        source.getContext('2d').putImageData(picture, 0, 0);
        g.drawImage(source, q % A * tile, Math.floor(q / A) * tile, inner, inner);
      }
    }
    all.width = all.height = whole;
    const g = all.getContext('2d'), q = query();
    g.drawImage(sheet, 0, 0);
    for (const [colour, line] of [['#000', 6], ['#fff', 3]]) {
      g.strokeStyle = colour; g.lineWidth = line;
      g.strokeRect(Math.max(3, q % A * tile - 1), Math.max(3, Math.floor(q / A) * tile - 1),
        Math.min(inner + 2, whole - q % A * tile - 2), Math.min(inner + 2, whole - Math.floor(q / A) * tile - 2));
    }
  }

  // One dot for each head: how far it looks, block by block.
  const dots = find('chart'), depth = find('depth');
  const {blocks = 0, heads = 0} = header;
  let plot = null;
  function chart() {
    if (mode !== 'attention' || !dots.clientWidth) return;
    const ratio = window.devicePixelRatio || 1, w = dots.clientWidth, h = dots.clientHeight;
    dots.width = w * ratio; dots.height = h * ratio;
    const g = dots.getContext('2d');
    g.scale(ratio, ratio);
    let most = header.evenDistance;
    for (const value of blobs.distances) most = Math.max(most, value);
    const step = [10, 20, 25, 50, 100, 200].find((each) => most * 1.06 / each <= 5) || 500, top = most * 1.06;
    const left = 34, right = 6, above = 8, below = 32;
    plot = {x: (b) => left + (b + .5) * (w - left - right) / blocks, y: (v) => h - below - v / top * (h - above - below)};
    g.font = `12px ${style.fontFamily || 'sans-serif'}`; g.fillStyle = ink; g.strokeStyle = ink; g.textBaseline = 'middle';
    g.lineWidth = 1; g.textAlign = 'right';
    for (let v = 0; v <= top; v += step) {
      g.fillText(v, left - 8, plot.y(v));
      g.globalAlpha = v ? .12 : .5; g.beginPath(); g.moveTo(left, plot.y(v)); g.lineTo(w - right, plot.y(v)); g.stroke(); g.globalAlpha = 1;
    }
    g.textAlign = 'center';
    const stride = (w - left - right) / blocks < 20 ? 3 : 1;
    for (let b = 0; b < blocks; b++) if (b % stride === 0 || b === header.block - 1) {
      const here = b === header.block - 1;
      if (!here && Math.abs(b - header.block + 1) < stride) continue;
      g.font = `${here ? '700 ' : ''}12px ${style.fontFamily || 'sans-serif'}`;
      g.fillText(b + 1, plot.x(b), h - below + 12);
    }
    g.font = `12px ${style.fontFamily || 'sans-serif'}`;
    g.fillText('block', left + (w - left - right) / 2, h - 6);
    g.globalAlpha = .1; g.fillStyle = accent;
    g.fillRect(plot.x(header.block - 1) - (w - left - right) / blocks / 2, above, (w - left - right) / blocks, h - above - below);
    g.globalAlpha = .7; g.setLineDash([5, 4]); g.beginPath();
    g.moveTo(left, plot.y(header.evenDistance)); g.lineTo(w - right, plot.y(header.evenDistance)); g.stroke();
    g.setLineDash([]); g.globalAlpha = 1;
    const label = `even attention: ${header.evenDistance.toFixed(0)} px`, high = plot.y(header.evenDistance) - above > 26;
    g.textAlign = 'left'; g.fillStyle = ink;
    g.fillText(label, left + 4, plot.y(header.evenDistance) + (high ? -10 : 14));
    for (let b = 0; b < blocks; b++) for (let n = 0; n < heads; n++) {
      const chosen = n + 1 === layer(), mine = chosen && b === header.block - 1, over = state.dot === b * heads + n;
      g.globalAlpha = chosen || over ? 1 : .5;
      g.fillStyle = chosen ? accent : ink;
      g.beginPath(); g.arc(plot.x(b), plot.y(blobs.distances[b * heads + n]), over || mine ? 5.5 : chosen ? 4 : 3, 0, 7); g.fill();
      if (over || mine) { g.strokeStyle = ink; g.lineWidth = 1.5; g.stroke(); }
    }
    g.globalAlpha = 1;
    dots.dataset.places = JSON.stringify([plot.x(0), plot.y(blobs.distances[0])]);
  }
  function tell() {
    const n = state.dot;
    find('dot').textContent = n === null ? (touch ? 'One dot a head; tap one to open it.' : 'One dot a head; point at one to name it, click to open it.')
      : `Block ${Math.floor(n / heads) + 1}, head ${n % heads + 1}: mean distance ${blobs.distances[n].toFixed(0)} px, spread over ${blobs.spreads[n].toFixed(0)} of ${T} tokens.`;
  }
  function nearest(event) {
    if (!plot) return null;
    const box = dots.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = touch ? 30 : 14;
    for (let n = 0; n < blocks * heads; n++) {
      const far = Math.hypot(plot.x(Math.floor(n / heads)) - x, plot.y(blobs.distances[n]) - y);
      if (far < least) { least = far; best = n; }
    }
    return best;
  }
  function open(n) {
    if (n === null) return;
    state.layer.attention = n % heads + 1;
    const block = Math.floor(n / heads) + 1;
    draw(); chart();
    if (block !== header.block) setTriggerValue('block', block);
  }
  dots.onpointermove = dots.onpointerdown = (event) => { const n = nearest(event); if (n !== state.dot) { state.dot = n; chart(); tell(); } };
  dots.onpointerleave = () => { state.dot = null; chart(); tell(); };
  dots.onclick = () => open(state.dot);                               // the one that was named, however close its neighbours
  dots.onkeydown = (event) => {
    const now = state.dot ?? (header.block - 1) * heads + Math.max(0, layer() - 1);
    const order = [...Array(heads).keys()].sort((one, other) => blobs.distances[Math.floor(now / heads) * heads + one] - blobs.distances[Math.floor(now / heads) * heads + other]);
    const rank = order.indexOf(now % heads), start = now - now % heads;
    const to = {ArrowRight: Math.min(now + heads, blocks * heads - heads + now % heads), ArrowLeft: Math.max(now - heads, now % heads),
      ArrowUp: start + order[Math.min(heads - 1, rank + 1)], ArrowDown: start + order[Math.max(0, rank - 1)]}[event.key];
    if (to !== undefined) { state.dot = to; chart(); tell(); event.preventDefault(); }
    else if (event.key === 'Enter' || event.key === ' ') { open(now); event.preventDefault(); }
  };

  function draw() { drawPhoto(); drawThumbs(); drawToken(); drawAll(); legend(); say(); }
  function point(patch) {                                             // pointing asks from there, or reads what it gets
    if (state.held) { if (state.over !== patch) { state.over = patch; draw(); } }
    else if (state.query !== patch) { state.query = patch; draw(); }
  }
  function hold(patch) {
    if (state.held && state.query === patch) state.held = false;
    else { state.query = patch; state.held = true; }
    state.over = null; draw();
  }
  const patchAt = (event, canvas) => {
    const box = canvas.getBoundingClientRect(), at = (share) => Math.min(A - 1, Math.max(0, Math.floor(share * A)));
    return at((event.clientY - box.top) / box.height) * A + at((event.clientX - box.left) / box.width);
  };
  for (const canvas of [photo, all]) {
    canvas.onpointermove = (event) => point(patchAt(event, canvas));
    canvas.onpointerleave = () => { if (state.over !== null) { state.over = null; draw(); } };
    canvas.onclick = (event) => hold(patchAt(event, canvas));
  }
  const token = find('token');
  token.onpointerenter = (event) => { if (event.pointerType === 'mouse') point(-1); };
  token.onpointerleave = () => { if (state.over !== null) { state.over = null; draw(); } };
  token.onclick = () => hold(-1);
  photo.onkeydown = (event) => {
    const q = query(), [r, c] = [Math.floor(q / A), q % A];
    let to;
    if (q < 0) to = {ArrowDown: Math.floor(A / 2), ArrowRight: 0}[event.key];
    else to = {ArrowUp: r ? q - A : signed ? q : -1, ArrowDown: r < A - 1 ? q + A : q, ArrowLeft: c ? q - 1 : q, ArrowRight: c < A - 1 ? q + 1 : q,
      Home: signed ? undefined : -1}[event.key];
    if (to !== undefined) { state.query = to; state.over = null; draw(); event.preventDefault(); }
    else if (event.key === 'Enter' || event.key === ' ') { hold(q); event.preventDefault(); }
    else if (event.key === 'Escape' && state.held) { state.held = false; draw(); event.preventDefault(); }
  };
  const slider = root.querySelector('.opacity input'), stretch = root.querySelector('.contrast input');
  slider.value = state.opacity; stretch.checked = state.stretch;
  slider.oninput = () => { state.opacity = +slider.value; drawPhoto(); };
  stretch.onchange = () => { state.stretch = stretch.checked; draw(); };

  token.hidden = find('foot').hidden = find('layers').hidden = signed;
  all.hidden = !signed; depth.hidden = mode !== 'attention';
  const does = {attention: 'see what it attends to', rollout: 'see which patches its content comes from', positions: 'see which positions are like its own'}[mode];
  find('hint').textContent = `${touch ? 'Tap' : 'Point at'} a patch${signed ? '' : ' or the class token'} to ${does}.${touch ? '' : ' Click to hold it.'}`;
  photo.style.cursor = 'crosshair';
  all.setAttribute('aria-label', 'For each patch, the similarity of all positions to its own');
  const strip = new ImageData(256, 1);
  new Uint32Array(strip.data.buffer).set(lut);
  find('bar').getContext('2d').putImageData(strip, 0, 0);
  draw(); chart(); tell();
  if (state.photoKey !== header.photo) {
    state.photoKey = header.photo; state.photo = null;
    createImageBitmap(new Blob([blobs.photo], {type: 'image/jpeg'})).then((picture) => { state.photo = picture; state.redraw(); });
  }
  state.redraw = drawPhoto;
  const watch = new ResizeObserver(chart);
  watch.observe(dots.parentElement);
  find('root').dataset.ready = header.id;
  return renewed(root, () => watch.disconnect());
}
