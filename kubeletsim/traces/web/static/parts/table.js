// The statistics of operations as a table that can be sorted.

import { el } from "./dom.js";
import { count, duration } from "./format.js";
import { colour } from "./services.js";

const COLUMNS = [
  ["name", "Operation", null], ["count", "Count", count], ["errors", "Errors", (number) => (number ? el("span.error", {}, count(number)) : "")],
  ["ratePerSecond", "Per second", (number) => (number >= 10 ? number.toFixed(0) : number.toFixed(2))],
  ["p50Nano", "p50", duration], ["p90Nano", "p90", duration], ["p99Nano", "p99", duration], ["maxNano", "max", duration], ["selfNano", "Self time", duration],
];

/** `link(operation)` gives the address behind an operation's name. */
export function operationsTable(operations, { link, sort = "selfNano", sorted = () => {} }) {
  const body = el("tbody");
  const heads = COLUMNS.map(([key, title, show]) => el(`th${show ? ".number" : ""}`, { scope: "col", "data-key": key },
    el("button", { type: "button", onclick: () => { order(key); sorted(key); } }, title)));
  const most = Math.max(1, ...operations.map((one) => one.selfNano));

  function order(key) {
    const ordered = [...operations].sort((a, b) => (key === "name" ? a.name.localeCompare(b.name) : b[key] - a[key]));
    for (const head of heads) head.dataset.key === key ? head.setAttribute("aria-sort", key === "name" ? "ascending" : "descending") : head.removeAttribute("aria-sort");
    body.replaceChildren(...ordered.map((one) => el("tr", {}, COLUMNS.map(([column, , show]) => {
      if (!show) return el("td.operation", {}, el("span.service", { style: { "--colour": colour(one.service) }, title: one.service }, el("span.hidden", {}, one.service)), el("a", { href: link(one) }, one.name));
      const bar = column === "selfNano" ? ".length" : "";
      return el(`td.number${bar}`, bar ? { style: { "--part": one.selfNano / most, "--colour": colour(one.service) } } : {}, show(one[column]));
    }))));
  }

  order(COLUMNS.some(([key]) => key === sort) ? sort : "selfNano");
  return el("table.operations", { "aria-label": "Operations" }, el("thead", {}, el("tr", {}, heads)), body);
}
