// The waterfall: of any number of spans only the rows in sight are in the document, and these are reused while scrolling.

import { debounce, el, tip } from "./dom.js";
import { duration, ticks } from "./format.js";
import { Row } from "./row.js";

const SPARE = 4;

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
    this.ruler = el("div.times.bars");
    this.canvas = el("div.canvas");
    this.canvas.setAttribute("role", "rowgroup");
    // A grid that says how many rows it has, for of those only a few are there; the chosen one follows the keys.
    this.body = el("div.rows", {
      role: "treegrid", tabindex: "0", "aria-label": "Spans", "aria-owns": "columns",
      onscroll: () => this.schedule(), onkeydown: (event) => this.keys(event), onclick: (event) => this.clicked(event),
    }, this.canvas);
    // One grid behind all rows rather than one in each: it need not be painted anew while scrolling.
    this.lines = el("div.bars");
    const grid = el("div.lines", { "aria-hidden": "true" }, this.lines);
    const heads = [el("span.label", {}, "Span"), el("span.number", {}, "Duration"), el("span.number.self", {}, "Self"), this.ruler];
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
    this.height ? this.fit() : this.resize();
    this.draw();
  }

  /** Be as long as there are rows. */
  fit() {
    this.canvas.style.height = `${this.visible.length * this.height}px`;
    this.body.setAttribute("aria-rowcount", this.visible.length + 1);
  }

  /** Take measure: of what does not change while somebody scrolls, so that nothing has to be laid out to know it. */
  resize() {
    const height = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 1.75);
    if (height !== this.height) this.body.style.setProperty("--row", `${height}px`);
    Object.assign(this, { height, room: this.body.clientHeight });
    this.fit();
    this.drawRuler();
    this.draw();
  }

  focus() { this.body.focus({ preventScroll: true }); }

  schedule() { this.frame ||= requestAnimationFrame(() => this.draw()); }

  /** Draw the rows in sight; `top` is where the body is scrolled to, or is about to be. */
  draw(top = this.body.scrollTop) {
    this.frame = 0;
    const first = Math.max(0, Math.floor(top / this.height) - SPARE);
    const last = Math.min(this.visible.length, Math.ceil((top + this.room) / this.height) + SPARE);
    const spare = [], fresh = [];
    for (const [at, row] of this.rows) {
      if (at < first || at >= last) { spare.push(row); this.rows.delete(at); }
    }
    for (let at = first; at < last; at++) {
      let row = this.rows.get(at);
      if (!row) {
        row = spare.pop() ?? new Row();
        if (!row.node.isConnected) fresh.push(row.node);
        this.rows.set(at, row);
      }
      row.show(this, this.visible[at], at);
    }
    for (const row of spare) row.node.remove();
    this.canvas.append(...fresh);
    this.settle();
    const chosen = this.rows.has(this.indexOf(this.chosen)) ? `row-${this.chosen}` : "";
    chosen ? this.body.setAttribute("aria-activedescendant", chosen) : this.body.removeAttribute("aria-activedescendant");
  }

  /** Put the rows in the document into the order in which they are seen, for whoever has them read out. */
  arrange() {
    const ordered = [...this.rows].sort(([a], [b]) => a - b).map(([, row]) => row.node);
    ordered.forEach((node, at) => this.canvas.children[at] === node || this.canvas.insertBefore(node, this.canvas.children[at]));
  }

  drawRuler() {
    const span = this.to - this.from;
    const times = ticks(this.from, this.to, Math.max(2, Math.floor((this.ruler.clientWidth || 600) / 110)));
    const part = (time) => `${(time / span) * 100}%`;
    this.ruler.replaceChildren(...times.filter((time) => time < this.to - span * 0.04).map((time) =>
      el("span", { style: { left: part(time - this.from) } }, time ? duration(time).replace(/\.0+ /, " ") : "0")));
    // Where they are used, for what the rows inherit has the style of each looked at again.
    this.lines.style.setProperty("--shift", part((times[0] ?? this.from) - this.from));
    this.lines.style.setProperty("--grid", part(times.length > 1 ? times[1] - times[0] : span));
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
    this.visible = trace.open(this.closed);
    this.fit();
    const now = first < 0 ? body.scrollTop : this.indexOf(first) * this.height;
    this.draw(now);
    if (first >= 0) body.scrollTop = now;
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
