// The list of traces, live: a scatter plot over a table, filtered by a query that is in the address.

import { ask } from "../parts/api.js";
import { el, onSlash } from "../parts/dom.js";
import { clock, count, duration, plural } from "../parts/format.js";
import { queryForm } from "../parts/query.js";
import { scatter } from "../parts/scatter.js";
import { colour } from "../parts/services.js";

const MOST = 200;
const RETRY_MILLISECONDS = 2000;

export function show(main, { params, go }) {
  const traces = new Map();
  const chosen = new Set();
  let live = null;
  let pending = 0, retry = 0, gone = false;
  let query = params.get("q") ?? "";

  const state = el("span.live", { role: "status" }, "connecting…");
  const compare = el("a.button", { hidden: true }, "Compare the two");
  const body = el("tbody");
  const empty = el("p.notice", { hidden: true }, "No trace matches. Spans sent to the receiver show up here by themselves.");
  const plot = scatter({ open: (trace) => go(`/trace/${trace.traceId}`) });
  const form = queryForm(query, { names: ask("names").then((found) => found.services), change });
  const table = el("table.traces", { "aria-label": "Traces, the newest first" },
    el("thead", {}, el("tr", {}, el("th.pick", { scope: "col" }, el("span.hidden", {}, "Compare")),
      ["Root span", "Of", "Services", "Started"].map((title) => el("th", { scope: "col" }, title)),
      ["Spans", "Errors", "Duration"].map((title) => el("th.number", { scope: "col" }, title)))), body);
  main.classList.add("list");
  main.append(el("h1.hidden", {}, "Traces"), form.form, plot.node, el("div.bar", {}, state, compare), table, empty);
  main.addEventListener("keydown", keys);
  const quit = onSlash(() => form.focus());
  connect();

  function change(next) {
    if (next === query) return;
    query = next;
    history.replaceState(null, "", query ? `/?${new URLSearchParams({ q: query })}` : "/");
    connect();
  }

  async function connect() {
    live?.close();
    live = null;
    clearTimeout(retry);
    // A fault in the query has words only in a plain answer; an event source just fails.
    try {
      const found = await ask("traces", { q: query, limit: MOST });
      traces.clear();
      for (const trace of found.traces) traces.set(trace.traceId, trace);
      form.show(null);
    } catch (error) {
      form.show(error);
      lost(error.status === 0 || error.status >= 500);
      return;
    }
    draw();
    live = new EventSource(`/api/v1/stream?${new URLSearchParams({ q: query, limit: MOST })}`);
    live.addEventListener("traces", (event) => {
      for (const trace of JSON.parse(event.data)) traces.set(trace.traceId, trace);
      pending ||= requestAnimationFrame(draw);
    });
    live.onopen = () => { state.dataset.on = "yes"; gone = false; draw(); };
    live.onerror = () => lost(live.readyState === EventSource.CLOSED); // or else it goes on trying by itself
  }

  function lost(again) {
    delete state.dataset.on;
    gone = Boolean(again || live);
    draw();
    clearTimeout(retry);
    if (again) retry = setTimeout(connect, RETRY_MILLISECONDS);
  }

  function draw() {
    pending = 0;
    const sorted = [...traces.values()].sort((a, b) => (BigInt(b.startTimeUnixNano) > BigInt(a.startTimeUnixNano) ? 1 : -1)).slice(0, MOST);
    const longest = Math.max(1, ...sorted.map((trace) => trace.durationNano));
    state.textContent = `${"on" in state.dataset ? "live · " : gone ? "the server does not answer, trying again · " : ""}${plural(sorted.length, "trace")}${sorted.length === MOST ? ", the newest" : ""}`;
    empty.hidden = sorted.length > 0;
    table.hidden = !sorted.length;
    const known = new Map([...body.rows].map((row) => [row.dataset.id, row]));
    place(sorted.map((trace) => {
      const version = `${trace.spans}/${trace.errors}/${trace.durationNano}/${trace.rootName}`;
      const old = known.get(trace.traceId);
      const now = old?.dataset.version === version ? old : row(trace, version);
      now.lastChild.style.setProperty("--part", trace.durationNano / longest);
      return now;
    }));
    plot.draw(sorted);
  }

  /** Put rows in order without touching those that stay: one of them may have the focus. */
  function place(rows) {
    const wanted = new Set(rows);
    for (const old of [...body.rows]) if (!wanted.has(old)) old.remove();
    let at = body.firstChild;
    for (const one of rows) {
      if (one === at) at = at.nextSibling;
      else body.insertBefore(one, at);
    }
  }

  function row(trace, version) {
    const pick = el("input", {
      type: "checkbox", checked: chosen.has(trace.traceId), "aria-label": `Compare ${trace.rootName} ${trace.traceId.slice(0, 8)}`,
      onchange: () => { pick.checked ? chosen.add(trace.traceId) : chosen.delete(trace.traceId); offer(); },
    });
    return el("tr", { "data-id": trace.traceId, "data-version": version },
      el("td.pick", {}, pick),
      el("td.root", {}, el("a", { href: `/trace/${trace.traceId}` }, trace.rootName || "(root not here yet)")),
      el("td.subject", {}, trace.subject ?? ""),
      el("td", {}, trace.services.map((name) => el("span.service", { style: { "--colour": colour(name) } }, name))),
      el("td.when", {}, clock(trace.startTimeUnixNano)),
      el("td.number", {}, count(trace.spans)),
      el("td.number", {}, trace.errors ? el("span.error", {}, count(trace.errors)) : ""),
      el("td.number.length", { style: { "--colour": colour(trace.rootService) } }, duration(trace.durationNano)));
  }

  function offer() {
    compare.hidden = chosen.size !== 2;
    const [after, before] = [...chosen].map((id) => traces.get(id) ?? { traceId: id, startTimeUnixNano: "0" })
      .sort((a, b) => (BigInt(b.startTimeUnixNano) > BigInt(a.startTimeUnixNano) ? 1 : -1));
    if (before) compare.href = `/compare?before=${before.traceId}&after=${after.traceId}`;
  }

  function keys(event) {
    if (event.target.matches("input[type=search], select")) return;
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...body.querySelectorAll("td.root a")];
    links[Math.max(0, Math.min(links.length - 1, links.indexOf(document.activeElement.closest?.("tr")?.querySelector("td.root a")) + step))]?.focus();
  }

  return () => { live?.close(); clearTimeout(retry); plot.end(); quit(); main.removeEventListener("keydown", keys); };
}
