// A row of the waterfall. Rows go round while somebody scrolls, thirty of them in a frame, so one has few elements, and only
// what differs from what it showed before is written.

import { el } from "./dom.js";
import { duration, split } from "./format.js";
import { EVENTS, LINKS, ORPHAN } from "./model.js";
import { colour } from "./services.js";

const DEEPEST = 24;

export class Row {
  #shown = new Map();

  constructor() {
    this.twist = el("span.twist", { "aria-hidden": "true" }, "");
    Object.assign(this, { dot: el("span.dot"), name: el("span.name"), where: el("span.where"), service: el("span.of"), marks: el("span.marks") });
    this.label = el("div.label", { role: "gridcell" }, this.twist, this.dot, this.name, this.service, this.marks, this.where);
    this.length = el("span.number", { role: "gridcell" });
    this.self = el("span.number.self", { role: "gridcell" });
    this.bar = el("div.span");
    this.bars = el("div.bars", { role: "gridcell" }, this.bar);
    this.lines = [];
    this.node = el("div.row", { role: "row" }, this.label, this.length, this.self, this.bars);
    for (const part of [this.name, this.where, this.service, this.marks, this.length, this.self]) part.append("");
  }

  /** Show the trace's row as the waterfall has it, in the `at`-th place. */
  show({ trace, height, chosen, found, closed, from, to }, row, at) {
    const service = trace.service(row), parent = trace.parent[row], depth = trace.depth[row];
    const failed = trace.failed(row), children = trace.hasChildren(row), isClosed = closed.has(row), critical = trace.critical.get(row) ?? [];
    const [where, name] = split(trace.name(row));
    const marks = trace.marks[row];
    const length = duration(trace.length[row]);
    const also = critical.length ? ", on the critical path" : "";

    this.node.id = `row-${row}`;
    this.node.dataset.row = row;
    this.#style(this.node, "transform", `translateY(${at * height}px)`);
    this.#set(this.node, "class", `row${row === chosen ? " chosen" : ""}${found.has(row) ? " found" : ""}${failed ? " failed" : ""}`);
    this.#set(this.node, "aria-rowindex", at + 2);
    this.#set(this.node, "aria-level", depth + 1);
    this.#set(this.node, "aria-selected", row === chosen);
    this.#set(this.node, "aria-expanded", children ? !isClosed : null);
    this.#set(this.node, "aria-label", `${trace.name(row)}, ${service}, ${length}${failed ? ", failed" : ""}${also}`);
    this.#set(this.bars, "aria-label", `begins after ${duration(trace.start[row])}${also}`);
    this.#set(this.name, "title", where + name);

    this.#style(this.label, "padding-left", `${Math.min(depth, DEEPEST) * 1.05}rem`);
    this.#style(this.dot, "background", colour(service));
    this.#text(this.twist, children ? (isClosed ? "▸" : "▾") : "");
    this.#text(this.name, name);
    this.#text(this.where, where);
    this.#text(this.service, parent < 0 || trace.service(parent) !== service ? service : "");
    this.#text(this.marks, [
      isClosed ? `+${trace.end[row] - row - 1}` : "", marks & ORPHAN ? "parent missing" : "", marks & LINKS ? "⇄" : "", marks & EVENTS ? "◆" : "",
    ].filter(Boolean).join(" "));
    this.#text(this.length, length);
    this.#text(this.self, children && !trace.partial ? duration(trace.self[row]) : "");

    this.#style(this.bar, "background", colour(service));
    this.#stretch(this.bar, trace.start[row], trace.length[row], from, to);
    this.#drawPath(critical, from, to);
  }

  #drawPath(segments, from, to) {
    while (this.lines.length > segments.length) this.lines.pop().remove();
    while (this.lines.length < segments.length) this.lines.push(this.bars.appendChild(el("i")));
    segments.forEach((one, at) => this.#stretch(this.lines[at], one.start, one.duration, from, to));
  }

  /** Place a bar for a stretch of time, as far as it is in sight. */
  #stretch(node, start, length, from, to) {
    const share = (time) => Math.max(0, Math.min(1, (time - from) / (to - from)));
    const left = share(start), right = share(start + length);
    this.#style(node, "display", start > to || start + length < from ? "none" : "");
    this.#style(node, "left", `${left * 100}%`);
    this.#style(node, "width", `${(right - left) * 100}%`);
  }

  #set(node, name, value) {
    if (this.#known(node, name, value)) return;
    value === null ? node.removeAttribute(name) : node.setAttribute(name, value);
  }

  #style(node, name, value) { this.#known(node, name, value) || node.style.setProperty(name, value); }

  #text(node, text) {
    if (this.#known(node, "", text)) return;
    node.firstChild.data = text;
    this.#style(node, "display", text || node === this.twist ? "" : "none");
  }

  #known(node, name, value) {
    let values = this.#shown.get(node);
    if (!values) this.#shown.set(node, (values = {}));
    if (values[name] === value) return true;
    values[name] = value;
    return false;
  }
}
