// The flame graph: spans of the same name under the same path as one box, as wide as they took together.

import { el, tip } from "./dom.js";
import { duration, plural, split } from "./format.js";
import { colour } from "./services.js";

const NARROWEST = 0.0015;

/** `choose(row)` is called with the first span behind a box. */
export function flame(trace, { choose }) {
  const root = merged(trace);
  const node = el("div.flame", { role: "group", "aria-label": "Flame graph" });

  function draw(top) {
    const boxes = [];
    const path = [];
    for (let box = top; box; box = box.above) path.unshift(box);
    for (const [depth, box] of path.entries()) boxes.push(button(box, depth, 0, 1, box === top));
    const stack = [[top, path.length, 0, 1]];
    let deepest = path.length;
    while (stack.length) {
      const [box, depth, left, width] = stack.pop();
      const sum = Math.max(box.total, [...box.below.values()].reduce((total, one) => total + one.total, 0), 1);
      let at = left;
      for (const one of [...box.below.values()].sort((a, b) => b.total - a.total)) {
        const share = (one.total / sum) * width;
        if (share >= NARROWEST) {
          boxes.push(button(one, depth, at, share));
          stack.push([one, depth + 1, at, share]);
          deepest = Math.max(deepest, depth + 1);
        }
        at += share;
      }
    }
    node.style.setProperty("--levels", deepest);
    node.replaceChildren(...boxes);
  }

  function button(box, depth, left, width, current = false) {
    const text = box.above ? split(box.name)[1] : "all spans";
    return el("button", {
      type: "button", "aria-current": current, "aria-label": `${box.name}, ${box.service}, ${plural(box.count, "span")}, ${duration(box.total)}`,
      style: { "--depth": depth, left: `${left * 100}%`, width: `${width * 100}%`, "--colour": box.service ? colour(box.service) : "var(--raised)" },
      onclick: () => (current && box.row >= 0 ? choose(box.row) : draw(box)),
      onmousemove: (event) => tip.show(event, box.name, `${plural(box.count, "span")} · ${duration(box.total)} together · ${duration(box.self)} self`, box.service),
      onmouseleave: tip.hide,
    }, width > 0.02 ? text : "");
  }

  draw(root);
  return node;
}

function merged(trace) {
  const root = { name: "all spans", service: "", total: 0, self: 0, count: 0, row: -1, above: null, below: new Map() };
  const boxes = new Array(trace.size);
  for (let row = 0; row < trace.size; row++) {
    const above = trace.parent[row] < 0 ? root : boxes[trace.parent[row]];
    const key = trace.operation[row];
    let box = above.below.get(key);
    if (!box) {
      box = { name: trace.name(row), service: trace.service(row), total: 0, self: 0, count: 0, row, above, below: new Map() };
      above.below.set(key, box);
    }
    box.total += trace.length[row];
    box.self += trace.self[row];
    box.count++;
    if (above === root) { root.total += trace.length[row]; root.count++; }
    boxes[row] = box;
  }
  return root;
}
