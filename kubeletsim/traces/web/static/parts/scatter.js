// The scatter plot: when a trace began against how long it took, on a logarithmic scale. For the eye and the pointer; the
// table beneath says the same to everybody else.

import { el, svg, tip } from "./dom.js";
import { clock, duration, milliseconds, moment, plural } from "./format.js";
import { colour } from "./services.js";

/** In rem, as the letters are. */
const LEFT = 4.9, RIGHT = 1.2, TOP = 0.9, BOTTOM = 1.8;

export function scatter({ open }) {
  const node = el("figure.scatter", { "aria-hidden": "true" });
  let shown = [];
  const watcher = new ResizeObserver(() => draw(shown));
  watcher.observe(node);

  function draw(traces) {
    shown = traces;
    node.hidden = !traces.length;
    const { clientWidth: width, clientHeight: height } = node;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const [left, right, top, bottom] = [LEFT, RIGHT, TOP, BOTTOM].map((size) => size * rem);
    if (!width || !traces.length) return;
    const times = traces.map((trace) => milliseconds(trace.startTimeUnixNano));
    let [from, to] = [Math.min(...times), Math.max(...times)];
    if (to - from < 1000) [from, to] = [from - 500, to + 500];
    const logs = traces.map((trace) => Math.log10(Math.max(1000, trace.durationNano)));
    const [low, high] = [Math.floor(Math.min(...logs)), Math.max(Math.floor(Math.min(...logs)) + 1, Math.ceil(Math.max(...logs)))];
    const x = (time) => left + ((time - from) / (to - from)) * (width - left - right);
    const y = (log) => height - bottom - ((log - low) / (high - low)) * (height - bottom - top);
    const grid = [];
    for (let log = low; log <= high; log++) {
      grid.push(svg("line.grid", { x1: left, x2: width - right, y1: y(log), y2: y(log) }),
        svg("text.tick", { x: left - rem * 0.6, y: y(log) + rem * 0.3, "text-anchor": "end" }, duration(10 ** log).replace(/\.0+ /, " ")));
    }
    const most = Math.max(2, Math.floor(width / (13.5 * rem)));
    for (let at = 0; at <= most; at++) {
      const time = from + ((to - from) * at) / most;
      const anchor = at === 0 ? "start" : at === most ? "end" : "middle";
      grid.push(svg("text.tick", { x: x(time), y: height - rem * 0.5, "text-anchor": anchor }, moment(time, to - from)));
    }
    const dots = traces.map((trace, at) => svg(`circle.dot${trace.errors ? ".failed" : ""}`, {
      cx: x(times[at]), cy: y(logs[at]), r: Math.min(0.8, 0.22 + Math.sqrt(trace.spans) / 27) * rem, style: { "--colour": colour(trace.rootService) },
      onclick: () => { tip.hide(); open(trace); },
      onmouseenter: (event) => tip.show(event, `${trace.rootName || "?"}${trace.subject ? ` · ${trace.subject}` : ""}`,
        `${duration(trace.durationNano)} · ${plural(trace.spans, "span")}${trace.errors ? ` · ${plural(trace.errors, "error")}` : ""}`, clock(trace.startTimeUnixNano)),
      onmouseleave: tip.hide,
    }));
    node.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, grid, dots));
  }

  return { node, draw, end: () => { watcher.disconnect(); tip.hide(); } };
}
