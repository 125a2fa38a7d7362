// The overview: the whole trace in a strip, with what the waterfall shows of it. Drag to look closer, double click for all.

import { el } from "./dom.js";
import { onTheme } from "./theme.js";
import { colour } from "./services.js";
import { dragging } from "./waterfall.js";

/** A canvas takes about as many milliseconds to draw a thousand of them, and nobody may wait longer than a frame. */
const MOST_LINES = 4000;

export function overview(trace, { zoom }) {
  const canvas = el("canvas");
  const frame = el("div.frame");
  const strip = el("div.strip", { ondblclick: () => zoom(0, trace.duration), title: "Drag to zoom, double click to see everything" }, canvas, frame);
  const node = el("div.overview", { "aria-hidden": "true" }, strip);
  const whole = Math.max(1, trace.duration);
  const watcher = new ResizeObserver(draw);
  watcher.observe(strip);
  const quit = onTheme(draw);
  dragging(strip, ".strip", (left, right) => zoom(left * whole, right * whole));

  function draw() {
    const scale = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = strip;
    if (!width) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const probe = el("i");
    strip.append(probe);
    const colours = trace.operations.map((one) => {
      probe.style.color = colour(one.service);
      return getComputedStyle(probe).color;
    });
    probe.remove();
    const line = height / Math.max(1, trace.size);
    const thick = Math.max(1, Math.min(4, line - (line > 3 ? 1 : 0)));
    const step = Math.max(1, Math.floor(trace.size / MOST_LINES)); // many more lines than pixels tell nothing
    context.globalAlpha = 0.9;
    let last = "";
    for (let row = 0; row < trace.size; row += step) {
      const fill = colours[trace.operation[row]];
      if (fill !== last) context.fillStyle = last = fill;
      context.fillRect((trace.start[row] / whole) * width, row * line, Math.max(1, (trace.length[row] / whole) * width), thick);
    }
  }

  return {
    node, draw,
    mark(from, to) {
      frame.style.left = `${(from / whole) * 100}%`;
      frame.style.width = `${((to - from) / whole) * 100}%`;
      frame.hidden = from <= 0 && to >= whole;
    },
    end() { watcher.disconnect(); quit(); },
  };
}
