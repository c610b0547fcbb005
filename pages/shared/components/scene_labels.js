// Labels beside their boxes: each takes the best place that the labels before it have left free.
const PLACES = [                                 // left and top edge of the label; its corner that touches the box is square
  ['4px 4px 4px 0', ({l, t, h}) => [l, t - h]],             // above, from the left edge of the box
  ['4px 4px 0 4px', ({r, t, w, h}) => [r - w, t - h]],      // above, up to its right edge
  ['0 4px 4px 4px', ({l, b}) => [l, b]],                    // below
  ['4px 0 4px 4px', ({r, b, w}) => [r - w, b]],
  ['0 0 4px 0', ({l, t}) => [l, t]],                        // inside, in its corners
  ['0 0 0 4px', ({r, t, w}) => [r - w, t]],
  ['0 4px 0 0', ({l, b, h}) => [l, b - h]],
  ['4px 0 0 0', ({r, b, w, h}) => [r - w, b - h]],
  ['0 4px 4px 0', ({r, t}) => [r, t]],                      // beside
  ['4px 0 0 4px', ({l, t, w}) => [l - w, t]],
  ['0 4px 4px 0', ({r, b, h}) => [r, b - h]],
  ['4px 0 0 4px', ({l, b, w, h}) => [l - w, b - h]],
];
const COVER = 1000, FOREIGN = 8;                 // a label over labels is far worse than one over another box, in ranks of PLACES
const ROOM = .02;                                // share of a label that may lie over others: rounding, no letter
const shared = ([l, t, r, b], [L, T, R, B]) => Math.max(0, Math.min(r, R) - Math.max(l, L)) * Math.max(0, Math.min(b, B) - Math.max(t, T));
/** Places the labels over a frame that shows `W` pixels in width; returns how many found no room and are hidden. */
function settle(frame, W, marks, boxes) {
  const wide = frame.clientWidth, high = frame.clientHeight, scale = wide / W;
  if (!wide) return 0;
  const edges = boxes.map(({at}) => at.map((value) => value * scale)), taken = [];
  let hidden = 0;
  for (const {mark, index} of marks) {
    const [l, t, r, b] = edges[index], w = mark.offsetWidth, h = mark.offsetHeight;
    let best = null;
    PLACES.forEach(([corners, where], rank) => {
      const [left, y] = where({l, t, r, b, w, h}), x = Math.max(0, Math.min(left, wide - w));
      if (y < 0 || y + h > high) return;
      const area = [x, y, x + w, y + h], share = (others) => others.reduce((sum, other) => sum + shared(area, other), 0) / (w * h);
      const cover = share(taken), foreign = Math.min(1, share(edges.filter((_, each) => each !== index && boxes[each].tag)));
      const cost = COVER * cover + FOREIGN * foreign + rank;
      if (!best || cost < best.cost) best = {cost, cover, corners, area};
    });
    const fits = best && best.cover < ROOM;
    mark.classList.toggle('crowded', !fits);
    if (!fits) hidden += 1;
    if (!best) continue;
    mark.style.left = best.area[0] + 'px'; mark.style.top = best.area[1] + 'px'; mark.style.borderRadius = best.corners;
    if (fits) taken.push(best.area);
  }
  return hidden;
}
