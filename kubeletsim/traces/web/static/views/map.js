// The service map: who calls whom, how often, how fast, and how often in vain.

import { ask } from "../parts/api.js";
import { el, problem, svg } from "../parts/dom.js";
import { count, duration, plural } from "../parts/format.js";
import { queryForm, set } from "../parts/query.js";
import { colour } from "../parts/services.js";

const WIDTH = 1100, BOX = 230, HIGH = 74, GAP = 150;

export function show(main, { params, go }) {
  let query = params.get("q") ?? "";
  const form = queryForm(query, { names: ask("names").then((found) => found.services), change });
  const place = el("div.map");
  main.classList.add("page");
  main.append(el("h1.hidden", {}, "Service map"), form.form, place);
  load();

  function change(next) {
    query = next;
    history.replaceState(null, "", query ? `/map?${new URLSearchParams({ q: query })}` : "/map");
    load();
  }

  async function load() {
    try {
      const found = await ask("service-map", { q: query });
      form.show(null);
      place.replaceChildren(...(found.services.length ? [el("div.drawn", {}, draw(found)), table(found)] : [el("p.notice", {}, "No trace matches.")]));
    } catch (error) {
      error.column ? form.show(error) : place.replaceChildren(problem(error));
    }
  }

  function draw({ services, edges }) {
    const level = levels(services, edges);
    const columns = [];
    for (const one of services) (columns[level.get(one.name)] ??= []).push(one);
    const most = Math.max(...columns.map((column) => column?.length ?? 0));
    const height = Math.max(220, most * GAP + 60);
    const at = new Map();
    columns.forEach((column, number) => column?.forEach((one, row) => at.set(one.name, {
      x: columns.length > 1 ? 40 + (number * (WIDTH - BOX - 80)) / (columns.length - 1) : (WIDTH - BOX) / 2,
      y: (height * (row + 1)) / (column.length + 1) - HIGH / 2,
    })));
    return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": "Service map; the table beneath says the same" },
      svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerUnits: "userSpaceOnUse", markerWidth: 14, markerHeight: 14, orient: "auto" }, svg("path", { d: "M0 0L8 4L0 8z" }))),
      edges.filter((edge) => at.has(edge.client) && at.has(edge.server)).map((edge) => line(edge, at)),
      services.map((one) => box(one, at.get(one.name))));
  }

  function box(one, { x, y }) {
    const open = () => go(`/?${new URLSearchParams({ q: set(query, "service:", one.name) })}`);
    return svg("g.node", { transform: `translate(${x} ${y})`, style: { "--colour": colour(one.name), cursor: "pointer" }, onclick: open },
      svg("rect", { width: BOX, height: HIGH, rx: 12 }),
      svg("text.title", { x: BOX / 2, y: 32, "text-anchor": "middle" }, one.name),
      svg("text", { x: BOX / 2, y: 54, "text-anchor": "middle" }, `${plural(one.spans, "span")}${one.errors ? ` · ${plural(one.errors, "error")}` : ""}`));
  }
}

function line(edge, at) {
  const [from, to] = [at.get(edge.client), at.get(edge.server)];
  const self = edge.client === edge.server;
  const [x1, y1] = [from.x + (self ? BOX * 0.7 : BOX), from.y + (self ? 0 : HIGH / 2)];
  const [x2, y2] = [to.x + (self ? BOX * 0.3 : -6), to.y + (self ? -4 : HIGH / 2)];
  const path = self ? `M${x1} ${y1}C${x1 + 10} ${y1 - 70} ${x2 - 10} ${y1 - 70} ${x2} ${y2}` : `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`;
  const [x, y] = [(x1 + x2) / 2, self ? y1 - 62 : (y1 + y2) / 2];
  return svg(`g.edge${edge.errors ? ".failed" : ""}`, {}, svg("path", { d: path, "stroke-width": 1.5 + Math.log10(edge.count + 1) * 1.4, "marker-end": "url(#arrow)" }),
    svg("text.strong", { x, y: y - 12, "text-anchor": "middle" }, `${count(edge.count)} calls · ${edge.ratePerSecond.toFixed(2)}/s`),
    svg("text", { x, y: y + 22, "text-anchor": "middle" }, `p50 ${duration(edge.clientP50Nano)} · p99 ${duration(edge.clientP99Nano)}`),
    edge.errors ? svg("text.bad", { x, y: y + 40, "text-anchor": "middle" }, `${plural(edge.errors, "error")} (${((100 * edge.errors) / edge.count).toFixed(1)} %)`) : null);
}

/** How far from a service that nobody calls; cycles end where they began. */
function levels(services, edges) {
  const level = new Map(services.map((one) => [one.name, 0]));
  for (let round = 0; round < services.length; round++) {
    for (const { client, server } of edges) {
      if (client !== server && level.get(server) <= level.get(client) && level.get(client) + 1 < services.length) level.set(server, level.get(client) + 1);
    }
  }
  return level;
}

function table({ edges }) {
  const heads = ["Caller", "Called", "Calls", "Per second", "Errors", "p50 at the caller", "p99 at the caller", "p50 at the called", "p99 at the called"];
  return el("table", { "aria-label": "Calls between services" }, el("thead", {}, el("tr", {}, heads.map((title, at) => el(`th${at > 1 ? ".number" : ""}`, { scope: "col" }, title)))),
    el("tbody", {}, edges.map((edge) => el("tr", {}, [edge.client, edge.server].map((name) => el("td", {}, el("span.service", { style: { "--colour": colour(name) } }, name))),
      [count(edge.count), edge.ratePerSecond.toFixed(2), edge.errors ? el("span.error", {}, count(edge.errors)) : "", ...[edge.clientP50Nano, edge.clientP99Nano, edge.serverP50Nano, edge.serverP99Nano].map(duration)].map((text) => el("td.number", {}, text))))));
}
