// Small helpers. Whatever comes from a pump or a file is put into the page as text, never as markup.
export const by = (id) => document.getElementById(id);

export function make(tag, { text, cls, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (cls) element.className = cls;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function draw(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Only what differs is written: a screen reader and the layout are left alone otherwise.
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function list(element, entries, key, build) {
  const known = new Map([...element.children].map((child) => [child.dataset.key, child]));
  const wanted = entries.map((entry) => {
    const name = String(key(entry));
    let child = known.get(name);
    if (!child) {
      child = build(entry);
      child.dataset.key = name;
    }
    return child;
  });
  if (wanted.length !== element.children.length || wanted.some((child, at) => element.children[at] !== child)) {
    element.replaceChildren(...wanted);
  }
}

export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
}
