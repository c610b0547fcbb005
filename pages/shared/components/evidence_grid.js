export default function ({data, parentElement: root, setTriggerValue}) {
  const frame = root.querySelector('.frame'), {rows, columns, cells} = data;
  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  };
  const head = (kind, {title, detail}) => {
    const made = element('th', '', title);
    made.scope = kind;
    if (detail) made.append(element('span', '', detail));
    return made;
  };
  const inside = ({name, picture, words, detail, reason, spoken, pending}) => {
    if (!picture) return element('div', reason ? 'none reason' : 'none', reason);
    const button = element('button'), image = element('img');
    button.type = 'button';
    button.dataset.name = name;
    button.classList.toggle('pending', pending);
    button.setAttribute('aria-label', spoken);
    button.title = 'Open as one map';
    image.src = picture;
    image.alt = '';
    button.append(image);
    if (words) button.append(element('span', 'words', words));
    if (detail) button.append(element('span', 'detail', detail));
    return button;
  };
  // The same rows and columns again: only cells that changed are drawn anew, so that focus and scroll stay.
  const layout = JSON.stringify([rows, columns, cells.map(({name}) => name)]);
  if (frame.dataset.layout !== layout) {
    frame.dataset.layout = layout;
    frame.classList.toggle('wall', !columns.length);
    if (columns.length) {
      const table = element('table'), top = element('tr'), above = element('thead'), body = element('tbody');
      const corner = element('th');
      corner.setAttribute('aria-hidden', 'true');
      top.append(corner, ...columns.map((column) => head('col', column)));
      above.append(top);
      for (const row of rows) {
        const line = element('tr');
        line.append(head('row', row), ...columns.map(() => element('td', 'cell')));
        body.append(line);
      }
      table.append(above, body);
      frame.replaceChildren(table);
    } else {
      const list = element('ul');
      list.append(...cells.map(() => element('li', 'cell')));
      frame.replaceChildren(list);
    }
    frame.scrollTo(0, 0);
  }
  frame.setAttribute('aria-label', data.spoken);
  const places = frame.querySelectorAll('.cell');
  cells.forEach((cell, number) => {
    const place = places[number], stamp = JSON.stringify(cell);
    if (place.stamp !== stamp) {
      place.stamp = stamp;
      place.replaceChildren(inside(cell));
    }
  });
  frame.dataset.done = cells.filter(({picture, reason, pending}) => !pending && (picture || reason)).length;
  frame.onclick = (event) => {
    const button = event.target.closest('button');
    if (button) setTriggerValue('opened', button.dataset.name);
  };
}
