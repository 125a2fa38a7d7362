// What a span has: asked for when it is chosen.

import { ask } from "./api.js";
import { el, problem } from "./dom.js";
import { clock, duration, split } from "./format.js";
import { attributeTerm } from "./query.js";
import { colour } from "./services.js";

/** The panel; `show(row)` fills it. `reveal(row)` and `zoom(from, to)` act on the waterfall, `close()` on the panel. */
export function details(trace, { reveal, zoom, close }) {
  const node = el("aside.details", { "aria-label": "Span details", tabindex: "-1", hidden: true });
  const critical = el("dd");
  let asked = null, chosen = -1;

  /** Say how much of the critical path is the span's own, once the path is known. */
  function update() {
    const length = (trace.critical.get(chosen) ?? []).reduce((sum, one) => sum + one.duration, 0);
    critical.textContent = length ? duration(length) : "–";
  }

  async function show(row) {
    asked?.abort();
    asked = new AbortController();
    node.hidden = false;
    const id = trace.spanId(row);
    const [where, name] = split(trace.name(row));
    chosen = row;
    const parent = trace.parent[row];
    const body = el("div.body", {}, el("p.muted", {}, "…"));
    node.replaceChildren(
      el("header", { style: { "--colour": colour(trace.service(row)) } },
        el("div", {}, el("span.muted.mono", {}, where), el("h2", {}, name), el("span.service", { style: { "--colour": colour(trace.service(row)) } }, trace.service(row))),
        el("button", { type: "button", "aria-label": "Close span details", onclick: close }, "✕")),
      el("dl.facts", {}, fact("Start", `+${duration(trace.start[row])}`), fact("Duration", duration(trace.length[row])),
        fact("Self", duration(trace.self[row])), el("div", {}, el("dt", {}, "Critical"), critical)),
      el("div.actions", {},
        el("button", { type: "button", onclick: () => zoom(trace.start[row], trace.start[row] + trace.length[row]) }, "Zoom to it"),
        parent >= 0 && el("button", { type: "button", onclick: () => reveal(parent) }, "Parent"),
        el("a.button", { href: `/trace/${trace.id}?span=${id}` }, "Link")),
      body);
    update();
    try {
      const { spans } = await ask(`traces/${trace.id}/spans/${id}`, {}, asked);
      const span = spans.find((one) => one.name === trace.name(row) && one.service === trace.service(row)) ?? spans[0];
      body.replaceChildren(...sections(span));
      const { links } = await ask(`traces/${trace.id}/spans/${id}/linked-from`, {}, asked);
      if (links.length) body.append(section("Linked from", el("ul", {}, links.map((link) => el("li", {}, linkTo(link, link.name))))));
    } catch (error) {
      if (error.name !== "AbortError") body.replaceChildren(problem(error));
    }
  }

  return { node, show, update, hide() { asked?.abort(); node.hidden = true; } };
}

const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
const linkTo = (link, text) => el("a.mono", { href: `/trace/${link.traceId}?span=${link.spanId}` }, text);
const section = (title, ...content) => el("section", {}, el("h3", {}, title), content);

function* sections(span) {
  if (span.error || span.statusMessage) yield el("p.status", { class: span.error ? "status bad" : "status" }, span.statusMessage || "failed, without words");
  if (span.attributes.length) yield section("Attributes", table(span.attributes, { find: true }));
  if (span.events.length) {
    yield section("Events", span.events.map((event) => el("div.event", {},
      el("p", {}, el("b", {}, event.name), " ", el("span.muted", {}, `+${duration(Number(BigInt(event.timeUnixNano) - BigInt(span.startTimeUnixNano)))}`)),
      event.attributes.length ? table(event.attributes) : null)));
  }
  if (span.links.length) {
    yield section("Links", el("ul", {}, span.links.map((link) => el("li", {}, linkTo(link, `${link.traceId.slice(0, 16)}… / ${link.spanId}`), link.attributes.length ? table(link.attributes) : null))));
  }
  yield section("Span", table([
    { key: "kind", value: span.kind }, { key: "started", value: clock(span.startTimeUnixNano, { date: true }) }, { key: "span id", value: span.spanId },
    { key: "parent", value: span.parentSpanId || "none" }, { key: "scope", value: [span.scope.name, span.scope.version].filter(Boolean).join(" ") || "none" },
    ...(span.traceState ? [{ key: "trace state", value: span.traceState }] : []),
  ]));
  if (span.resource.length) yield section("Resource", table(span.resource, { find: true }));
}

function table(pairs, { find = false } = {}) {
  return el("table.pairs", {}, el("tbody", {}, pairs.map(({ key, value }) => el("tr", {}, el("th", { scope: "row" }, key),
    el("td.mono", {}, find ? el("a", { href: `/?${new URLSearchParams({ q: attributeTerm(key, value) })}`, title: "Traces with this attribute" }, value) : value)))));
}
