// The diagram of a network. Python has placed everything; here it is drawn, and all that needs no new drawing happens
// here: moving, zooming, hovering, searching, tracing, exporting. Only a choice and a fold go to Python.

const SVG = 'http://www.w3.org/2000/svg';
const CORNER = 7, ARROW = 6, CLICK = 4;             // pixels: radius of corners, length of arrows, what is still a click
const READABLE = 0.8, SMALLEST = 0.05, LARGEST = 4;    // scales
const diagrams = new WeakMap();

export default function ({data, parentElement: root, setTriggerValue}) {
  if (!diagrams.has(root)) diagrams.set(root, new Diagram(root));
  diagrams.get(root).show(data, setTriggerValue);
}

function draw(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  parent?.append(element);
  return element;
}

function write(text, x, y, className, parent) {
  draw('text', {x, y, class: className}, parent).textContent = text;
}

// Makes these the children of a layer; what is in its place is not touched, because a moved element does not glide.
function arrange(layer, elements) {
  const wanted = new Set(elements);
  for (const element of [...layer.children]) if (!wanted.has(element)) element.remove();
  let next = layer.firstChild;
  for (const element of elements) if (element === next) next = next.nextSibling; else layer.insertBefore(element, next);
}

// A line through its corners, each of them rounded as far as its sides allow.
function rounded(points) {
  const at = (i) => [points[2 * i], points[2 * i + 1]], last = points.length / 2 - 1;
  let path = `M${at(0)}`;
  for (let i = 1; i < last; i++) {
    const [x, y] = at(i);
    const towards = ([a, b]) => {
      const far = Math.hypot(a - x, b - y), part = far ? Math.min(CORNER, far / 2) / far : 0;
      return [x + (a - x) * part, y + (b - y) * part];
    };
    path += `L${towards(at(i - 1))}Q${[x, y]} ${towards(at(i + 1))}`;
  }
  return path + `L${at(last)}`;
}

function arrowhead(points) {
  const [a, b, x, y] = points.slice(-4), far = Math.hypot(x - a, y - b) || 1;
  const u = (x - a) / far * ARROW, v = (y - b) / far * ARROW, point = (i, j) => [i.toFixed(1), j.toFixed(1)];
  return `M${x},${y}L${point(x - u - v / 1.8, y - v + u / 1.8)}L${point(x - u + v / 1.8, y - v - u / 1.8)}Z`;
}

// ---- search: the words and comparisons of explorer.graph.search, over the boxes that are shown

const FIELDS = ['params', 'macs', 'memory', 'channels', 'size', 'field'];
const COMPARE = {
  '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b,
  '=': (a, b) => a === b, '==': (a, b) => a === b, '!=': (a, b) => a !== b,
};

function query(text) {
  const tests = [];
  const rest = text.replace(/([^\s<>=!]*)\s*(<=|>=|!=|==|=|<|>)\s*(\S*)/g, (_, name, sign, number) => {
    const field = FIELDS.indexOf(name.toLowerCase()), found = /^(\d+\.?\d*(?:e[+-]?\d+)?)([kmgt]?)$/i.exec(number);
    if (field < 0) throw new Error(`Compare one of ${FIELDS.join(', ')}, as in params>1e6.`);
    if (!found) throw new Error(`${name}${sign} needs a number: 1000, 1e6 or 2.5M.`);
    const value = +found[1] * 1000 ** ' kmgt'.indexOf(found[2].toLowerCase() || ' ');
    tests.push((box) => box.figures[field] !== null && COMPARE[sign](box.figures[field], value));
    return ' ';
  });
  for (const word of rest.toLowerCase().split(/\s+/)) if (word) tests.push((box) => box.words.includes(word));
  return tests.length ? (box) => tests.every((test) => test(box)) : null;
}

class Diagram {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector('.' + name);
    this.svg = this.find('sheet-svg');
    this.world = draw('g', {class: 'world'}, this.svg);
    for (const layer of ['frameLayer', 'lineLayer', 'headLayer', 'boxLayer']) this[layer] = draw('g', {}, this.world);
    this.boxes = new Map(); this.frames = new Map(); this.lines = [];    // key -> {data, element, ...}
    this.view = {x: 0, y: 0, k: 1};
    this.picked = ''; this.clicked = -Infinity; this.toggled = ''; this.tracing = false; this.matches = []; this.match = -1;
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resized()).observe(this.svg);
  }

  // ---- what Python sends

  show(data, send) {
    const before = this.data, print = JSON.stringify([data.boxes, data.frames, data.lines]);
    const fresh = !before || before.name !== data.name || before.direction !== data.direction;
    const changed = fresh || print !== this.print;
    this.send = send; this.data = data; this.print = print;
    this.right = data.direction === 'right';
    this.svg.style.height = data.tall + 'px';
    this.svg.classList.toggle('down', !this.right);
    const waiting = !fresh && performance.now() - this.clicked < 1500 && data.selected !== this.picked;
    const moved = !waiting && data.selected !== this.picked;
    if (!waiting) { this.picked = data.selected; this.clicked = -Infinity; }
    if (changed) {
      const hadFocus = this.root.activeElement ?? this.root.getRootNode().activeElement;
      const focused = hadFocus?.dataset?.key;
      const anchor = fresh ? null : this.anchor(before);
      this.build(fresh);
      this.index();
      if (fresh) this.begin(); else if (anchor) this.hold(...anchor); else this.fit();
      if (this.toggled) this.reveal(this.toggled);
      const next = this.stop(focused) ? focused : this.toggled;     // what had the focus may have been folded away
      this.rove(focused === undefined ? this.picked : next);
      if (focused !== undefined) this.stop(next)?.element.focus({preventScroll: true});
      this.toggled = '';
    }
    this.paint();
    this.mark();
    this.seek(false);
    if (moved && this.stop(this.picked)) this.reveal(this.picked);
    this.svg.setAttribute('aria-label', `Graph of ${data.name}, ${data.boxes.length} boxes. Arrow keys follow the lines, `
      + 'Enter chooses, Space unfolds and folds, T traces, F fits, plus and minus zoom.');
    this.overview();                                       // the theme may have changed
    this.svg.dataset.boxes = data.boxes.length;
    this.svg.dataset.drawn = (+this.svg.dataset.drawn || 0) + 1;
  }

  // Where something that was there before is now: [old point, new point]; what was toggled stays where it is.
  anchor(before) {
    const point = (data, key) => {
      const frame = data.frames.find((each) => each.key === key), box = data.boxes.find((each) => each.key === key);
      return frame ? [frame.ax, frame.ay] : box && (this.right ? [box.x, box.y + box.h / 2] : [box.x + box.w / 2, box.y]);
    };
    const middle = [(this.svg.clientWidth / 2 - this.view.x) / this.view.k, (this.svg.clientHeight / 2 - this.view.y) / this.view.k];
    const far = (box) => Math.hypot(box.x + box.w / 2 - middle[0], box.y + box.h / 2 - middle[1]);
    const now = new Set(this.data.boxes.map(({key}) => key));
    const stays = before.boxes.filter(({key}) => now.has(key)).sort((a, b) => far(a) - far(b));
    for (const key of [this.toggled, stays[0]?.key]) {
      const old = key && point(before, key), next = key && point(this.data, key);
      if (old && next) return [old, next];
    }
    return null;
  }

  hold([x0, y0], [x1, y1]) {
    this.view.x += (x0 - x1) * this.view.k; this.view.y += (y0 - y1) * this.view.k;
    this.place();
  }

  // ---- drawing

  build(fresh) {
    const {data} = this;
    clearTimeout(this.still);
    this.svg.classList.toggle('moving', !fresh);
    this.still = setTimeout(() => this.svg.classList.remove('moving'), 170);
    this.frames = this.kept(this.frames, data.frames, (frame) => this.makeFrame(frame), fresh);
    this.boxes = this.kept(this.boxes, data.boxes, (box) => this.makeBox(box), fresh);
    const frames = [...this.frames.values()], boxes = [...this.boxes.values()];
    arrange(this.frameLayer, frames.map(({outline}) => outline));
    arrange(this.headLayer, frames.map(({element}) => element));
    arrange(this.boxLayer, boxes.map(({element}) => element));     // in the order of the network, for screen readers
    for (const {data: {x, y, w, h, hx}, outline, element} of frames) {
      Object.assign(outline.style, {x: x + 'px', y: y + 'px', width: w + 'px', height: h + 'px'});
      element.style.transform = `translate(${hx}px,${y}px)`;
    }
    for (const {data: {x, y}, element} of boxes) element.style.transform = `translate(${x}px,${y}px)`;
    this.lineLayer.replaceChildren();
    const lines = [...data.lines].sort((a, b) => b.skip - a.skip);          // the main line lies on top
    this.lines = lines.map((entry) => {
      const element = draw('g', {class: `route${entry.skip ? ' skip' : ''}${fresh ? '' : ' new'}`}, this.lineLayer);
      const path = rounded(entry.points);
      draw('path', {class: 'line', d: path}, element);
      draw('path', {class: 'arrow', d: arrowhead(entry.points)}, element);
      draw('path', {class: 'hit', d: path}, element).dataset.line = entry.from + '\n' + entry.to;
      return {data: entry, element};
    });
  }

  // The elements of what is drawn: those from before where nothing but the place has changed.
  kept(known, list, make, fresh) {
    const next = new Map();
    for (const entry of list) {
      const {x, y, w, h, ax, ay, hx, ...rest} = entry, print = JSON.stringify(entry.heading ? rest : [rest, w, h]);
      const old = known.get(entry.key), same = old?.print === print, item = same ? old : make(entry);
      for (const part of [item.element, item.outline]) part?.classList.toggle('new', !same && !fresh);
      next.set(entry.key, Object.assign(item, {data: entry, print}));
    }
    return next;
  }

  makeBox(box) {
    const label = `${box.title}. ${box.about}${box.parts ? `. Folded, ${box.parts} ${box.parts === 1 ? 'part' : 'parts'}` : ''}`;
    const element = draw('g', {class: `box ${box.form} ${box.kind}`, tabindex: -1, role: 'button', 'aria-label': label});
    element.dataset.key = box.key;
    if (box.parts) element.setAttribute('aria-expanded', 'false');
    const radius = box.form === 'circle' ? box.h / 2 : box.form === 'box' ? 8 : 5;
    const shape = {width: box.w, height: box.h, rx: radius};
    for (let under = Math.min(box.count, 3) - 1; under > 0; under--)       // identical modules lie on a pile
      draw('rect', {...shape, class: 'outline', x: 3 * under, y: -3 * under}, element);
    draw('rect', {...shape, class: 'outline'}, element);
    draw('rect', {...shape, class: 'tint'}, element);
    if (box.form === 'bar' && this.right) {
      write(box.lines[0], 0, 0, 'label', element);
      element.lastChild.setAttribute('transform', `translate(${box.w / 2 + 3.5},${box.h / 2}) rotate(-90)`);
    } else {
      const lines = box.lines.filter(Boolean), step = box.form === 'pill' ? 13 : 15;
      const first = box.h / 2 + (lines.length > 1 ? 4 : box.form === 'circle' ? 6 : 4) - step * (lines.length - 1) / 2;
      lines.forEach((line, i) => write(line, box.w / 2, first + step * i, i ? 'fine' : 'label', element));
    }
    if (box.parts) this.makeHandle(box.w - 13, 13, '+', element);
    draw('rect', {x: -5, y: -5, width: box.w + 10, height: box.h + 10, rx: radius + 4, class: 'ring'}, element);
    return {element};
  }

  makeFrame(frame) {
    const outline = draw('rect', {class: 'frame', rx: 10}), label = `${frame.title}. ${frame.about}. Unfolded`;
    const element = draw('g', {class: 'heading', tabindex: -1, role: 'button', 'aria-label': label, 'aria-expanded': 'true'});
    element.dataset.key = frame.key;
    draw('rect', {class: 'grip', width: frame.wide, height: 24}, element);
    this.makeHandle(14, 14, '−', element);
    write(frame.heading, 27, 18.5, '', element);
    draw('rect', {x: 2, y: 2, width: frame.wide, height: 24, rx: 6, class: 'ring'}, element);
    return {element, outline};
  }

  makeHandle(x, y, sign, parent) {
    const handle = draw('g', {class: 'handle', transform: `translate(${x},${y})`}, parent);
    draw('circle', {class: 'reach', r: 13}, handle);
    draw('circle', {class: 'knob', r: 7.5}, handle);
    draw('path', {class: 'sign', d: sign === '+' ? 'M-4,0H4M0,-4V4' : 'M-4,0H4'}, handle);
  }

  // Who is next to whom, for keys, hovering and tracing.
  index() {
    this.after = new Map(); this.before = new Map(); this.parents = new Map();
    for (const {data: {key, parent}} of [...this.boxes.values(), ...this.frames.values()]) this.parents.set(key, parent);
    for (const key of this.boxes.keys()) { this.after.set(key, []); this.before.set(key, []); }
    for (const line of this.lines) { this.after.get(line.data.from).push(line); this.before.get(line.data.to).push(line); }
  }

  stop(key) { return this.boxes.get(key) ?? this.frames.get(key); }

  // The boxes of a box or frame, as a set.
  held(key) {
    if (this.boxes.has(key)) return new Set([key]);
    const inside = (each) => { while (each && each !== key) each = this.parents.get(each); return each === key; };
    return new Set(key ? [...this.boxes.keys()].filter(inside) : []);
  }

  // ---- colours

  paint() {
    const {paint, boxes} = this.data, legend = this.find('legend');
    for (const box of boxes) {
      const {element} = this.boxes.get(box.key), fill = paint?.fill[box.key], tint = element.querySelector('.tint');
      element.classList.toggle('painted', Boolean(fill));
      element.classList.toggle('unpainted', Boolean(paint && !fill));
      tint.style.fill = fill ?? '';
      const texts = element.querySelectorAll('text');
      for (const text of texts) text.style.fill = fill ? paint.ink[box.key] : '';
      if (box.form === 'box' && box.lines[1]) texts[1].textContent = paint?.text[box.key] ?? box.lines[1];
    }
    legend.replaceChildren();
    const add = (tag, className, text) => {
      const element = document.createElement(tag);
      element.className = className; element.textContent = text; legend.append(element);
      return element;
    };
    if (paint) {
      add('strong', '', paint.title); add('span', '', paint.low);
      add('span', 'ramp', '').style.background = `linear-gradient(to right, ${paint.stops.join(', ')})`;
      add('span', '', paint.high);
    } else {
      const names = {conv: 'convolution', linear: 'linear', norm: 'norm', activation: 'activation', pooling: 'pooling',
        attention: 'attention', join: 'join', module: 'module'};
      for (const kind in names) if (boxes.some((box) => box.kind === kind)) {
        const entry = add('span', kind, names[kind]), swatch = document.createElement('span');
        swatch.className = 'swatch'; entry.prepend(swatch);
      }
    }
    add('span', 'keys', 'Drag to move, Ctrl + wheel to zoom, Space to unfold');
  }

  // ---- selection, tracing, hovering

  mark() {
    for (const [key, {element, outline}] of [...this.boxes, ...this.frames]) {
      element.classList.toggle('selected', key === this.picked);
      outline?.classList.toggle('selected', key === this.picked);
      element.setAttribute('aria-pressed', key === this.picked);
    }
    const seeds = this.tracing ? this.held(this.picked) : new Set();
    this.find('trace').setAttribute('aria-pressed', this.tracing);
    const reach = (links, end) => {
      const found = new Set(seeds), waiting = [...seeds];
      while (waiting.length) for (const {data} of links.get(waiting.pop())) if (!found.has(data[end])) {
        found.add(data[end]); waiting.push(data[end]);
      }
      return found;
    };
    const down = reach(this.after, 'to'), up = reach(this.before, 'from');
    const near = (key) => !seeds.size || down.has(key) || up.has(key);
    const along = ({from, to}) => !seeds.size || (down.has(from) && down.has(to)) || (up.has(from) && up.has(to));
    for (const [key, {element}] of this.boxes) element.classList.toggle('far', !near(key));
    for (const {data, element} of this.lines) element.classList.toggle('far', !along(data));
    if (this.tracing && !seeds.size) this.say('Choose a box to trace.'); else if (this.tracing) this.say(
      `${up.size - seeds.size} before, ${down.size - seeds.size} after`); else this.seek(false);
  }

  pick(key) {
    if (key === this.picked) return;
    this.picked = key; this.clicked = performance.now();
    this.mark();
    this.send('selected', key);
  }

  toggle(key) {
    if (!key || !(this.frames.has(key) || this.boxes.get(key)?.data.parts)) return;
    this.toggled = key;
    this.send('toggled', key);
  }

  light(key, line) {
    for (const element of this.lit ?? []) element.classList.remove('lit', 'near');
    this.lit = [];
    const add = (element, name) => { element.classList.add(name); this.lit.push(element); };
    const lines = line ? [line] : this.boxes.has(key) ? [...this.after.get(key), ...this.before.get(key)] : [];
    for (const {data, element} of lines) {
      add(element, 'lit'); element.parentNode.append(element);           // on top of the others
      for (const end of [data.from, data.to]) if (end !== key) add(this.boxes.get(end).element, 'near');
    }
    if (this.stop(key)) add(this.stop(key).element, 'lit');
  }

  tip(strong, text, event) {
    const tip = this.find('tip');
    tip.hidden = !strong;
    if (!strong) return;
    const bold = document.createElement('strong');
    bold.textContent = strong;
    tip.replaceChildren(bold, text);
    const box = this.find('sheet').getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    tip.style.left = Math.max(4, Math.min(x + 14, box.width - tip.offsetWidth - 4)) + 'px';
    tip.style.top = (y + tip.offsetHeight + 20 < box.height ? y + 16 : Math.max(4, y - tip.offsetHeight - 12)) + 'px';
  }

  hover(event) {
    if (event.pointerType === 'touch' || this.pointers.size) return;
    const key = event.target.closest?.('.box, .heading')?.dataset.key, ends = event.target.dataset?.line;
    const line = ends && this.lines.find(({data}) => data.from + '\n' + data.to === ends);
    if (key !== this.over || ends !== this.overLine) { this.over = key; this.overLine = ends; this.light(key, line); }
    const data = this.stop(key)?.data;
    if (line) this.tip(`${line.data.from} → ${line.data.to}`, line.data.shape, event);
    else this.tip(data?.title, data?.about ?? '', event);
  }

  // ---- search

  say(text, wrong = false) {
    const said = this.find('said');
    said.textContent = text; said.classList.toggle('wrong', wrong);
  }

  seek(move) {
    const text = this.find('query').value;
    let test = null, failure = '';
    try { test = query(text); } catch (error) { failure = error.message; }
    const current = this.matches[this.match];
    this.matches = test ? this.data.boxes.filter(test).map(({key}) => key) : [];
    this.match = move ? (this.matches.length ? 0 : -1) : this.matches.indexOf(current);
    this.svg.classList.toggle('hits', Boolean(test));
    const found = new Set(this.matches);
    for (const [key, {element}] of this.boxes) element.classList.toggle('found', found.has(key));
    for (const name of ['previous', 'next']) this.find(name).hidden = this.matches.length < 2;
    if (failure) this.say(failure, true);
    else if (!test) { if (!this.tracing) this.say(''); }
    else if (!this.matches.length) this.say(this.data.deep ? 'no box shown fits; Enter looks inside' : 'no box shown fits; unfold to search inside');
    this.current(move);
  }

  current(move) {
    for (const [key, {element}] of this.boxes) element.classList.toggle('current', key === this.matches[this.match]);
    if (!this.matches.length) return;
    this.say(this.match < 0 ? `${this.matches.length} found` : `${this.match + 1} of ${this.matches.length}`);
    if (move && this.match >= 0) this.reveal(this.matches[this.match]);
  }

  step(by) {
    if (!this.matches.length) return;
    this.match = (this.match + by + this.matches.length) % this.matches.length;
    this.current(true);
  }

  // ---- the view

  // Width and height of what can be seen, without the bar that long networks have at the edge.
  room() {
    const {clientWidth: wide, clientHeight: tall} = this.svg, shape = this.data.width / this.data.height, bar = 28;
    return [wide - (shape < 1 / 8 ? bar : 0), tall - (shape > 8 ? bar : 0)];
  }

  place() {
    const {x, y, k} = this.view, [wide, tall] = this.room(), {width, height} = this.data, edge = 60;
    this.view.x = Math.min(wide - edge, Math.max(edge - width * k, x));
    this.view.y = Math.min(tall - edge, Math.max(edge - height * k, y));
    this.world.style.transform = `translate(${this.view.x}px,${this.view.y}px) scale(${k})`;
    this.overview();
  }

  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const k = Math.min(LARGEST, Math.max(SMALLEST, this.view.k * factor)), by = k / this.view.k;
    this.view = {x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by, k};
    this.place();
  }

  fit() {
    const [wide, tall] = this.room(), {width, height} = this.data;
    const k = Math.min(1.2, wide / width, tall / height);
    this.view = {x: (wide - width * k) / 2, y: (tall - height * k) / 2, k};
    this.place();
  }

  // The first view: all of it where that can be read, else the beginning.
  begin() {
    this.begun = this.svg.clientWidth > 0;
    if (!this.begun) return;
    this.fit();
    if (this.view.k >= READABLE) return;
    const [wide, tall] = this.room(), {width, height, boxes: [first]} = this.data, k = READABLE;
    // Where it does not fit, the first box has to be in view.
    const start = (size, room, middle) => size * k <= room ? (room - size * k) / 2 : Math.min(0, room / 2 - middle * k);
    this.view = {x: start(width, wide, this.right ? 0 : first.x + first.w / 2), y: start(height, tall, this.right ? first.y + first.h / 2 : 0), k};
    this.place();
  }

  resized() { if (this.data) { if (this.begun) this.place(); else this.begin(); } }

  // Moves as little as needed to show a box or a heading.
  reveal(key) {
    const item = this.stop(key);
    if (!item) return;
    const {x, y, w, h, hx, wide: heading} = item.data, {view} = this, edge = 24;
    const shift = (low, size, from, room) => {
      const start = low * view.k + from, end = Math.min(low + size, low + (room - 2 * edge) / view.k) * view.k + from;
      return start < edge ? edge - start : end > room - edge ? room - edge - end : 0;
    };
    const [wide, tall] = this.room();
    const dx = heading ? shift(hx, heading, view.x, wide) : shift(x, w, view.x, wide);
    const dy = shift(y, heading ? 26 : h, view.y, tall);
    if (dx || dy) { view.x += dx; view.y += dy; this.glide(); this.place(); }
  }

  glide() {
    this.svg.classList.add('moving');
    clearTimeout(this.still);
    this.still = setTimeout(() => this.svg.classList.remove('moving'), 170);
  }

  // In the corner: the whole network small, and the part of it that is in view; a long one as a bar.
  overview() {
    const map = this.find('map'), {clientWidth: wide, clientHeight: tall} = this.svg, {width, height} = this.data, {x, y, k} = this.view;
    const [seen, high] = this.room();
    map.hidden = x >= -1 && y >= -1 && x + width * k <= seen + 1 && y + height * k <= high + 1;
    if (map.hidden) return;
    const shape = width / height, bar = 18, ratio = window.devicePixelRatio || 1;
    const part = Math.min(1, wide / 600);                        // on a phone it must not lie over what it is a map of
    const [w, h] = shape > 8 ? [wide - 20, bar] : shape < 1 / 8 ? [bar, tall - 20]
      : [Math.min(150, 84 * shape) * part, Math.min(84, 150 / shape) * part];
    map.width = w * ratio; map.height = h * ratio;
    Object.assign(map.style, {width: w + 'px', height: h + 'px'});
    const g = map.getContext('2d'), style = getComputedStyle(this.svg), sx = w * ratio / width, sy = h * ratio / height;
    g.fillStyle = style.getPropertyValue('--st-text-color'); g.globalAlpha = .5;
    for (const box of this.data.boxes) g.fillRect(box.x * sx, box.y * sy, Math.max(1, box.w * sx), Math.max(1, box.h * sy));
    g.fillStyle = g.strokeStyle = style.getPropertyValue('--st-primary-color');
    const frame = [-x / k * sx, -y / k * sy, seen / k * sx, high / k * sy];
    g.globalAlpha = .18; g.fillRect(...frame);
    g.globalAlpha = 1; g.lineWidth = 2 * ratio; g.strokeRect(...frame);
  }

  // ---- keys

  rove(key) {
    const stops = [...this.boxes.values(), ...this.frames.values()];
    const chosen = this.stop(key) ?? stops[0];
    for (const {element} of stops) element.setAttribute('tabindex', element === chosen.element ? 0 : -1);
  }

  neighbour(key, name) {
    const forwards = this.right ? 'ArrowRight' : 'ArrowDown', backwards = this.right ? 'ArrowLeft' : 'ArrowUp';
    const frame = this.frames.get(key);
    if (frame && name === forwards) return [...this.held(key)][0];
    const from = frame ? [...this.held(key)][0] : key, here = this.stop(key).data;
    const across = (data) => this.right ? data.y + data.h / 2 : data.x + data.w / 2;
    const nearest = (lines, end) => [...lines].sort((a, b) => a.data.skip - b.data.skip
      || Math.abs(across(this.boxes.get(a.data[end]).data) - across(here)) - Math.abs(across(this.boxes.get(b.data[end]).data) - across(here)))[0]?.data[end];
    if (name === forwards) return nearest(this.after.get(from), 'to');
    if (name === backwards) return nearest(this.before.get(from), 'from');
    const sign = name === 'ArrowUp' || name === 'ArrowLeft' ? -1 : 1;
    const middle = ({x, y, w, h, hx}, head) => head ? [hx + 60, y + 13] : [x + w / 2, y + h / 2];
    const [x0, y0] = middle(here, frame);
    const beside = (data, x) => this.right && data.heading ? Math.max(0, data.x - x0, x0 - data.x - data.w) : Math.abs(x - x0);
    let best, least = Infinity;
    for (const [other, {data}] of [...this.boxes, ...this.frames]) {
      if (other === key) continue;
      const [x, y] = middle(data, this.frames.has(other));
      const away = sign * (this.right ? y - y0 : x - x0), aside = this.right ? beside(data, x) : Math.abs(y - y0);
      if (away > 4 && aside < 3 * away + 120 && away + 2 * aside < least) { least = away + 2 * aside; best = other; }
    }
    return best;
  }

  go(key) {
    if (!this.stop(key)) return;
    this.rove(key);
    this.stop(key).element.focus({preventScroll: true});
    this.reveal(key);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.target.closest('.box, .heading')?.dataset.key, name = event.key;
    const actions = {
      '+': () => this.zoom(1.25), '=': () => this.zoom(1.25), '-': () => this.zoom(.8), f: () => this.fit(), t: () => this.trace(),
      '/': () => this.find('query').focus(), Escape: () => this.trace(false),
      Enter: () => key && this.pick(key), ' ': () => key && this.toggle(event.shiftKey ? this.parents.get(key) : key),
      Home: () => this.go(this.data.boxes[0].key), End: () => this.go(this.data.boxes.at(-1).key),
    };
    const action = name.startsWith('Arrow') ? () => key !== undefined && this.go(this.neighbour(key, name))
      : actions[name.length === 1 ? name.toLowerCase() : name];
    if (!action) return;
    action();
    event.preventDefault(); event.stopPropagation();
  }

  trace(on = !this.tracing) {
    this.tracing = on;
    this.mark();
  }

  // ---- pointers

  listen() {
    const {svg} = this, at = (event) => { const box = svg.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    svg.addEventListener('keydown', (event) => this.key(event));
    svg.addEventListener('focusin', (event) => { const key = event.target.dataset?.key; if (key !== undefined) { this.rove(key); this.light(key); } });
    svg.addEventListener('focusout', () => this.light());
    svg.addEventListener('pointermove', (event) => this.hover(event));
    svg.addEventListener('pointerleave', () => { this.over = this.overLine = undefined; this.light(); this.tip(); });
    svg.addEventListener('click', (event) => {
      if (this.dragged) return;
      const key = event.target.closest('.box, .heading')?.dataset.key;
      if (event.target.closest('.handle')) this.toggle(key); else if (key !== undefined) this.pick(key);
    });
    svg.addEventListener('dblclick', (event) => {
      if (!event.target.closest('.handle')) this.toggle(event.target.closest('.box, .heading')?.dataset.key);
    });
    svg.addEventListener('wheel', (event) => {
      if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? .05 : .002)), ...at(event));
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        if (this.right) this.view.x -= event.deltaX || event.deltaY; else this.view.y -= event.deltaY || event.deltaX;
        this.place();
      } else return;                                      // the page scrolls
      event.preventDefault();
    }, {passive: false});
    svg.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      if (!this.pointers.size) this.dragged = false;
      this.pointers.set(event.pointerId, {now: at(event), start: at(event)});
      this.tip();
    });
    svg.addEventListener('pointermove', (event) => {
      const pointer = this.pointers.get(event.pointerId);
      if (!pointer) return;
      const [x, y] = at(event), [x0, y0] = pointer.now, others = [...this.pointers.values()].filter((each) => each !== pointer);
      // Captured only once it is a drag: a captured pointer clicks on the sheet instead of the box.
      if (!this.dragged && Math.hypot(x - pointer.start[0], y - pointer.start[1]) > CLICK) {
        this.dragged = true; svg.setPointerCapture(event.pointerId); svg.classList.add('held');
      }
      if (!this.dragged) return;
      pointer.now = [x, y];
      if (others.length) {
        const [a, b] = others[0].now, far = Math.hypot(x - a, y - b), was = Math.hypot(x0 - a, y0 - b) || 1;
        this.view.x += (x - x0) / 2; this.view.y += (y - y0) / 2;
        this.zoom(far / was, (x + a) / 2, (y + b) / 2);
      } else { this.view.x += x - x0; this.view.y += y - y0; this.place(); }
    });
    for (const end of ['pointerup', 'pointercancel']) svg.addEventListener(end, (event) => {
      this.pointers.delete(event.pointerId);
      if (!this.pointers.size) svg.classList.remove('held');
    });
    const map = this.find('map'), jump = (event) => {
      const box = map.getBoundingClientRect(), {width, height} = this.data;
      this.view.x = svg.clientWidth / 2 - (event.clientX - box.left) / box.width * width * this.view.k;
      if (box.height > 20) this.view.y = svg.clientHeight / 2 - (event.clientY - box.top) / box.height * height * this.view.k;
      this.place();
    };
    map.onpointerdown = (event) => { map.setPointerCapture(event.pointerId); jump(event); };
    map.onpointermove = (event) => { if (event.buttons) jump(event); };
    const on = (name, action) => { this.find(name).onclick = action; };
    on('trace', () => this.trace()); on('fit', () => this.fit());
    on('in', () => this.zoom(1.25)); on('out', () => this.zoom(.8));
    on('next', () => this.step(1)); on('previous', () => this.step(-1));
    on('svg-out', () => this.save('svg')); on('png-out', () => this.save('png'));
    const field = this.find('query');
    field.oninput = () => this.seek(true);
    field.onkeydown = (event) => {
      event.stopPropagation();                            // letters are no shortcuts here
      if (event.key === 'Enter' && this.matches.length) this.step(event.shiftKey ? -1 : 1);
      else if (event.key === 'Enter' && this.data.deep && field.value.trim()) this.send('sought', field.value);
      if (event.key === 'Escape') { field.value = ''; this.seek(false); }
    };
  }

  // ---- export: what is on the screen, with all styles written out

  picture() {
    const {svg} = this, {clientWidth: wide, clientHeight: tall} = svg, {paint, name} = this.data;
    const area = svg.getBoundingClientRect();
    // Mixed colours are spelled 'color(srgb r g b / a)', which few programs read: [colour, opacity].
    const colour = (css) => {
      const mixed = css.startsWith('color('), [r, g, b, a = 1] = (css.match(/[\d.]+(e-?\d+)?/g) ?? []).map(Number);
      return css === 'none' || b === undefined || !a ? ['none', 1] : [`rgb(${[r, g, b].map((c) => Math.round(mixed ? 255 * c : c))})`, a];
    };
    const copy = (element) => {
      const style = getComputedStyle(element), out = draw(element.tagName, {}), text = element.tagName === 'text';
      if (element.matches('.hit, .reach, .grip, .ring')) return null;
      const box = element.getBoundingClientRect();
      const inView = box.right >= area.left && box.left <= area.right && box.bottom >= area.top && box.top <= area.bottom;
      if (!inView && (box.width || box.height)) return null;
      for (const {name: key, value} of element.attributes) if (/^(x|y|width|height|rx|r|d|transform)$/.test(key)) out.setAttribute(key, value);
      if (element.style.transform) out.setAttribute('transform', element.style.transform.replace(/px/g, ''));
      for (const key of ['x', 'y', 'width', 'height']) if (element.style[key]) out.setAttribute(key, parseFloat(element.style[key]));
      if (style.opacity !== '1') out.setAttribute('opacity', style.opacity);
      if (element.tagName !== 'g') {
        const set = (key, value = style.getPropertyValue(key)) => out.setAttribute(key, value);
        for (const part of ['fill', 'stroke']) {
          const [value, opacity] = colour(style[part]), all = opacity * style[part + 'Opacity'];
          set(part, value);
          if (value !== 'none' && all !== 1) set(part + '-opacity', +all.toFixed(3));
        }
        if (out.getAttribute('stroke') !== 'none') {
          set('stroke-width', parseFloat(style.strokeWidth));
          if (style.strokeDasharray !== 'none') set('stroke-dasharray', style.strokeDasharray.replace(/px/g, ''));
        }
        if (text) {
          for (const key of ['font-family', 'font-size', 'font-weight', 'text-anchor', 'paint-order']) set(key);
          set('textLength', element.getComputedTextLength().toFixed(1)); set('lengthAdjust', 'spacingAndGlyphs');   // other fonts fit too
          out.textContent = element.textContent;
        }
      }
      for (const child of element.children) { const made = copy(child); if (made) out.append(made); }
      return element.tagName === 'g' && !out.firstChild ? null : out;
    };
    const style = getComputedStyle(svg), [ink] = colour(style.color), high = paint ? 40 : 0;
    const out = draw('svg', {xmlns: SVG, width: wide, height: tall + high, viewBox: `0 0 ${wide} ${tall + high}`});
    draw('title', {}, out).textContent = name;
    draw('rect', {width: wide, height: tall + high, fill: colour(style.backgroundColor)[0]}, out);
    const clip = draw('svg', {width: wide, height: tall, overflow: 'hidden'}, out);
    const world = copy(this.world);
    if (world) clip.append(world);
    if (paint) {
      const ramp = draw('linearGradient', {id: 'ramp'}, draw('defs', {}, out));
      paint.stops.forEach((stop, i) => draw('stop', {offset: i / (paint.stops.length - 1), 'stop-color': stop}, ramp));
      const line = (x, text, anchor) => {
        const element = draw('text', {x, y: tall + 25, fill: ink, 'font-size': 13, 'font-family': style.fontFamily, 'text-anchor': anchor}, out);
        element.textContent = text;
      };
      const middle = wide / 2 + 60;
      line(12, paint.title, 'start'); line(middle - 88, paint.low, 'end'); line(middle + 88, paint.high, 'start');
      draw('rect', {x: middle - 80, y: tall + 14, width: 160, height: 13, rx: 6, fill: 'url(#ramp)'}, out);
    }
    return {text: new XMLSerializer().serializeToString(out), wide, tall: tall + high};
  }

  save(kind) {
    const {text, wide, tall} = this.picture(), blob = new Blob([text], {type: 'image/svg+xml'});
    const give = (content) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(content); link.download = `${this.data.name}.${kind}`; link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    };
    if (kind === 'svg') { give(blob); return; }
    const image = new Image(), scale = 2;
    image.onload = () => {
      const canvas = document.createElement('canvas');
      canvas.width = wide * scale; canvas.height = tall * scale;
      canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(give, 'image/png');
      URL.revokeObjectURL(image.src);
    };
    image.src = URL.createObjectURL(blob);
  }
}
