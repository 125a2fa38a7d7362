// The waterfall: of any number of spans only the rows in sight are in the document, and these are reused while scrolling.

import { debounce, el, tip } from "./dom.js";
import { duration, split, ticks } from "./format.js";
import { EVENTS, LINKS, ORPHAN } from "./model.js";
import { colour } from "./services.js";

const SPARE = 8;

export class Waterfall {
  /** `choose(row)` is called when a row is chosen, `zoomed(from, to)` when another time is looked at. */
  constructor(trace, { choose, zoomed }) {
    Object.assign(this, { trace, choose, zoomed });
    this.closed = new Set();
    this.found = new Set();
    this.chosen = -1;
    this.from = 0;
    this.to = Math.max(1, trace.duration);
    this.rows = new Map();
    this.ruler = el("div.times");
    this.canvas = el("div.canvas");
    this.canvas.setAttribute("role", "rowgroup");
    // A grid that says how many rows it has, for of those only a few are there; the chosen one follows the keys.
    this.body = el("div.rows", {
      role: "treegrid", tabindex: "0", "aria-label": "Spans", "aria-owns": "columns",
      onscroll: () => this.schedule(), onkeydown: (event) => this.keys(event), onclick: (event) => this.clicked(event),
    }, this.canvas);
    // One grid behind all rows rather than one in each: it need not be painted anew while scrolling.
    const grid = el("div.lines", { "aria-hidden": "true" }, el("i"), el("i"), el("i"), el("div"));
    const heads = [el("span", {}, "Span"), el("span.number", {}, "Duration"), el("span.number", {}, "Self"), this.ruler];
    heads.forEach((head) => head.setAttribute("role", "columnheader"));
    this.ruler.setAttribute("aria-label", "Time");
    this.node = el("div.waterfall", {}, grid, el("div.head", { id: "columns", role: "row", "aria-rowindex": "1" }, heads), this.body);
    this.settle = debounce(200, () => this.arrange());
    this.watcher = new ResizeObserver(() => this.resize()); // also when it comes into the document
    this.watcher.observe(this.body);
    dragging(this.body, ".bars", (left, right) => this.zoom(this.from + left * (this.to - this.from), this.from + right * (this.to - this.from)));
    this.refresh();
  }

  end() { this.watcher.disconnect(); tip.hide(); }

  refresh() {
    this.visible = this.trace.open(this.closed);
    this.position = new Map();
    this.resize();
  }

  resize() {
    this.height = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 1.75);
    this.body.style.setProperty("--row", `${this.height}px`);
    this.canvas.style.height = `${this.visible.length * this.height}px`;
    this.body.setAttribute("aria-rowcount", this.visible.length + 1);
    this.drawRuler();
    this.draw();
  }

  focus() { this.body.focus({ preventScroll: true }); }

  schedule() { this.frame ||= requestAnimationFrame(() => this.draw()); }

  draw() {
    this.frame = 0;
    const first = Math.max(0, Math.floor(this.body.scrollTop / this.height) - SPARE);
    const last = Math.min(this.visible.length, Math.ceil((this.body.scrollTop + this.body.clientHeight) / this.height) + SPARE);
    const spare = [];
    for (const [at, node] of this.rows) {
      if (at < first || at >= last) { spare.push(node); this.rows.delete(at); }
    }
    const fresh = [];
    for (let at = first; at < last; at++) {
      let node = this.rows.get(at);
      if (!node) {
        node = spare.pop() ?? newRow();
        if (!node.isConnected) fresh.push(node);
        this.rows.set(at, node);
      }
      this.fill(node, at);
    }
    for (const node of spare) node.remove();
    this.canvas.append(...fresh);
    this.settle();
    const chosen = this.rows.has(this.indexOf(this.chosen)) ? `row-${this.chosen}` : "";
    chosen ? this.body.setAttribute("aria-activedescendant", chosen) : this.body.removeAttribute("aria-activedescendant");
  }

  /** Put the rows in the document into the order in which they are seen, for whoever has them read out. */
  arrange() {
    const ordered = [...this.rows].sort(([a], [b]) => a - b).map(([, node]) => node);
    ordered.forEach((node, at) => this.canvas.children[at] === node || this.canvas.insertBefore(node, this.canvas.children[at]));
  }

  fill(node, at) {
    const { trace } = this;
    const row = this.visible[at];
    const parts = node.parts;
    node.style.transform = `translateY(${at * this.height}px)`;
    node.id = `row-${row}`;
    node.dataset.row = row;
    const parent = trace.parent[row];
    const service = trace.service(row);
    const [where, name] = split(trace.name(row));
    node.style.setProperty("--colour", colour(service));
    node.style.setProperty("--depth", Math.min(trace.depth[row], 24));
    node.classList.toggle("chosen", row === this.chosen);
    node.classList.toggle("found", this.found.has(row));
    node.classList.toggle("failed", trace.failed(row));
    node.setAttribute("aria-rowindex", at + 2);
    node.setAttribute("aria-level", trace.depth[row] + 1);
    node.setAttribute("aria-selected", row === this.chosen);
    const children = trace.hasChildren(row);
    children ? node.setAttribute("aria-expanded", !this.closed.has(row)) : node.removeAttribute("aria-expanded");
    parts.twist.textContent = children ? (this.closed.has(row) ? "▸" : "▾") : "";
    parts.where.textContent = where;
    parts.name.textContent = name;
    parts.name.title = where + name;
    parts.service.textContent = parent < 0 || trace.service(parent) !== service ? service : "";
    const marks = trace.marks[row];
    parts.marks.textContent = [
      this.closed.has(row) ? `+${trace.end[row] - row - 1}` : "", marks & ORPHAN ? "parent missing" : "", marks & LINKS ? "⇄" : "", marks & EVENTS ? "◆" : "",
    ].filter(Boolean).join(" ");
    parts.length.textContent = duration(trace.length[row]);
    parts.self.textContent = children && !trace.partial ? duration(trace.self[row]) : "";
    node.setAttribute("aria-label", `${trace.name(row)}, ${service}, ${duration(trace.length[row])}${trace.failed(row) ? ", failed" : ""}${trace.critical.has(row) ? ", on the critical path" : ""}`);
    parts.bars.setAttribute("aria-label", `begins after ${duration(trace.start[row])}${trace.critical.has(row) ? ", on the critical path" : ""}`);
    this.fillBar(parts, row);
  }

  fillBar(parts, row) {
    const { trace } = this;
    const span = this.to - this.from;
    const left = (trace.start[row] - this.from) / span;
    const width = trace.length[row] / span;
    parts.bar.style.left = `${Math.max(-1, Math.min(left, 2)) * 100}%`;
    parts.bar.style.width = `${Math.min(width, left < -1 ? 3 + left + width : 3) * 100}%`;
    parts.bar.hidden = left > 1 || left + width < 0;
    const segments = trace.critical.get(row) ?? [];
    while (parts.critical.childElementCount > segments.length) parts.critical.lastChild.remove();
    segments.forEach((segment, at) => {
      const line = parts.critical.children[at] ?? parts.critical.appendChild(el("i"));
      line.style.left = `${((segment.start - this.from) / span) * 100}%`;
      line.style.width = `${(segment.duration / span) * 100}%`;
    });
  }

  drawRuler() {
    const span = this.to - this.from;
    const times = ticks(this.from, this.to, Math.max(2, Math.floor((this.ruler.clientWidth || 600) / 110)));
    const part = (time) => `${(time / span) * 100}%`;
    this.ruler.replaceChildren(...times.filter((time) => time < this.to - span * 0.04).map((time) =>
      el("span", { style: { left: part(time - this.from) } }, time ? duration(time).replace(/\.0+ /, " ") : "0")));
    this.node.style.setProperty("--shift", part((times[0] ?? this.from) - this.from));
    this.node.style.setProperty("--grid", part(times.length > 1 ? times[1] - times[0] : span));
  }

  indexOf(row) {
    if (row < 0) return -1;
    let low = 0, high = this.visible.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.visible[middle] === row) return middle;
      this.visible[middle] < row ? (low = middle + 1) : (high = middle - 1);
    }
    return -1;
  }

  /** Choose a row, open what hides it and bring it into sight. */
  reveal(row, { quiet = false, middle = false } = {}) {
    if (row < 0) return;
    let opened = false;
    for (let above = this.trace.parent[row]; above >= 0; above = this.trace.parent[above]) opened = this.closed.delete(above) || opened;
    this.chosen = row;
    if (opened) this.refresh();
    const top = this.indexOf(row) * this.height;
    const { scrollTop, clientHeight } = this.body;
    if (top < scrollTop || top > scrollTop + clientHeight - this.height * 2) {
      this.body.scrollTop = middle ? top - clientHeight / 2 : top < scrollTop ? top : top - clientHeight + this.height * 2;
    }
    this.draw();
    if (!quiet) this.choose(row);
  }

  /** Let `grow` give the trace more rows; what was chosen, closed, found and in sight stays so. */
  grow(grow) {
    const { trace, body } = this;
    const ids = (rows) => [...rows].filter((row) => row >= 0).map((row) => trace.spanId(row));
    const rows = (known) => known.map((id) => trace.rowOf(id)).filter((row) => row >= 0);
    const top = body.scrollTop ? [this.visible[Math.min(this.visible.length - 1, Math.round(body.scrollTop / this.height))]] : [];
    const known = [this.closed, this.found, [this.chosen], top].map(ids);
    grow();
    const [closed, found, [chosen = -1], [first = -1]] = known.map(rows);
    Object.assign(this, { closed: new Set(closed), found: new Set(found), chosen });
    this.refresh();
    if (first < 0) return;
    body.scrollTop = this.indexOf(first) * this.height;
    this.draw();
  }

  toggle(row, closed = !this.closed.has(row)) {
    if (!this.trace.hasChildren(row)) return;
    closed ? this.closed.add(row) : this.closed.delete(row);
    this.refresh();
  }

  /** Hide everything deeper than a depth; Infinity shows all. */
  collapse(depth) {
    this.closed.clear();
    for (let row = 0; row < this.trace.size; row++) if (this.trace.depth[row] >= depth && this.trace.hasChildren(row)) this.closed.add(row);
    this.refresh();
  }

  zoom(from, to, { quiet = false } = {}) {
    if (!(to - from >= 10)) return;
    this.from = Math.max(0, from);
    this.to = Math.min(Math.max(1, this.trace.duration), to);
    this.drawRuler();
    this.draw();
    if (!quiet) this.zoomed(this.from, this.to);
  }

  clicked(event) {
    const node = event.target.closest(".row");
    if (!node || this.body.dataset.dragged) return;
    const row = Number(node.dataset.row);
    if (event.target.closest(".twist") && this.trace.hasChildren(row)) this.toggle(row);
    else this.reveal(row);
  }

  keys(event) {
    const { trace } = this;
    const at = this.indexOf(this.chosen);
    const row = this.chosen;
    const page = Math.max(1, Math.floor(this.body.clientHeight / this.height) - 1);
    const to = (index) => this.reveal(this.visible[Math.max(0, Math.min(this.visible.length - 1, index))]);
    const actions = {
      ArrowDown: () => to(at + 1), ArrowUp: () => to(at - 1), PageDown: () => to(at + page), PageUp: () => to(at - page),
      Home: () => to(0), End: () => to(this.visible.length - 1),
      ArrowRight: () => (this.closed.has(row) ? this.toggle(row) : trace.hasChildren(row) && to(at + 1)),
      ArrowLeft: () => (trace.hasChildren(row) && !this.closed.has(row) ? this.toggle(row) : trace.parent[row] >= 0 && this.reveal(trace.parent[row])),
      Enter: () => row >= 0 && this.choose(row, { open: true }),
      z: () => row >= 0 && this.zoom(trace.start[row], trace.start[row] + trace.length[row]),
      0: () => this.zoom(0, trace.duration),
    };
    const action = !event.ctrlKey && !event.metaKey && !event.altKey && actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

function newRow() {
  const parts = {
    twist: el("span.twist", { "aria-hidden": "true" }), where: el("span.where"), name: el("span.name"), service: el("span.of"), marks: el("span.marks"),
    length: el("span.number", { role: "gridcell" }), self: el("span.number.self", { role: "gridcell" }), bar: el("div.span"), critical: el("div.critical"),
  };
  parts.bars = el("div.bars", { role: "gridcell" }, parts.bar, parts.critical);
  const node = el("div.row", { role: "row" },
    el("div.label", { role: "gridcell" }, parts.twist, el("span.dot"), parts.name, parts.where, parts.service, parts.marks), parts.length, parts.self, parts.bars);
  node.parts = parts;
  return node;
}

/** Let a stretch be marked by dragging over the elements that `selector` finds; calls back with shares of their width. */
export function dragging(node, selector, done) {
  node.addEventListener("pointerdown", (down) => {
    const area = down.target.closest(selector);
    if (!area || down.button) return;
    const box = area.getBoundingClientRect();
    const share = (event) => Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    const start = share(down);
    const veil = el("div.veil");
    const move = (event) => {
      if (Math.abs(event.clientX - down.clientX) < 5 && !veil.isConnected) return;
      if (!veil.isConnected) node.parentElement.append(veil);
      node.dataset.dragged = "yes";
      const outer = node.parentElement.getBoundingClientRect();
      veil.style.left = `${box.left - outer.left + Math.min(start, share(event)) * box.width}px`;
      veil.style.width = `${Math.abs(share(event) - start) * box.width}px`;
    };
    const up = (event) => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      if (veil.isConnected) done(Math.min(start, share(event)), Math.max(start, share(event)));
      veil.remove();
      setTimeout(() => delete node.dataset.dragged);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
    if (selector !== ".bars") down.preventDefault();
  });
}
