// Elements. Children are nodes or text; text stays text, so a value can never become markup.

const SVG = "http://www.w3.org/2000/svg";

/** el("p.notice", {id: "x", onclick: f, style: {left: "1px"}}, "text", node, [more]) */
export function el(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  return fill(node, properties, children);
}

/** The same for SVG. */
export function svg(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElementNS(SVG, tag);
  if (classes.length) node.setAttribute("class", classes.join(" "));
  return fill(node, properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A tooltip for whatever is under the pointer; returns the functions that show and hide it. */
export const tip = {
  show(event, ...lines) {
    const box = document.getElementById("tip");
    box.replaceChildren(...lines.map((line) => el("div", {}, line)));
    box.hidden = false;
    const { innerWidth: width, innerHeight: height } = window;
    box.style.left = `${Math.min(event.clientX + 14, width - box.offsetWidth - 8)}px`;
    box.style.top = `${event.clientY + 18 + box.offsetHeight > height ? event.clientY - box.offsetHeight - 10 : event.clientY + 18}px`;
  },
  hide() {
    document.getElementById("tip").hidden = true;
  },
};

export function debounce(milliseconds, action) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
}

/** Run an action when "/" is pressed anywhere but where it can be typed; returns what ends that. */
export function onSlash(action) {
  const pressed = (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    action();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

export const nextFrame = () => new Promise(requestAnimationFrame);

/** Fill a table's body as far as somebody looks: the first rows now, more when the end comes into sight. Returns that end. */
export function growing(body, items, row, { portion = 300 } = {}) {
  const end = el("p.muted.more", { "aria-hidden": "true" });
  let next = 0;
  const grow = () => {
    body.append(...items.slice(next, next + portion).map(row));
    next += portion;
    end.hidden = next >= items.length;
    if (end.hidden) watcher.disconnect();
    else end.textContent = `${items.length - next} more`;
  };
  const watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && grow(), { rootMargin: "600px" });
  watcher.observe(end);
  grow();
  return end;
}

/** What is shown when a question was answered with an error. */
export function problem(error) {
  return el("p.notice.bad", { role: "alert" }, error.message ?? String(error));
}
