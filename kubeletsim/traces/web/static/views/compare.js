// Two traces side by side: what is new, missing, moved, slower, faster, failed.

import { ask } from "../parts/api.js";
import { el, growing, problem } from "../parts/dom.js";
import { clock, duration, plural, split } from "../parts/format.js";
import { colour } from "../parts/services.js";

/** Of two huge traces this much is shown until somebody wants more. */
const FIRST = 3000;
const SIGNS = { added: "＋ added", missing: "− missing", moved: "↕ moved", same: "" };

export function show(main, { params, go }) {
  const [before, after] = ["before", "after"].map((name) => params.get(name) ?? "");
  const place = el("div");
  main.classList.add("page", "compare");
  main.append(el("h1", {}, "Compare two traces"), el("form.sides", { onsubmit: submit },
    side("before", "Before", before), side("after", "After", after), el("button.hidden", { type: "submit" }, "Compare")), place);
  if (before && after) load();
  else place.append(el("p.notice", {}, "Give the ids of two traces, or tick two in the list. Suggestions have the same root span."));
  suggest();

  function side(name, title, value) {
    return el("label.side", {}, el("b", {}, title), el("input", { name, value, list: "like", spellcheck: "false", placeholder: "trace id", onchange: (event) => event.target.form.requestSubmit() }),
      el("span.muted", { id: `about-${name}` }));
  }

  function note(name, value) {
    value ? params.set(name, value) : params.delete(name);
    history.replaceState(null, "", `/compare?${params}`);
  }

  function submit(event) {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    if (given.before && given.after) go(`/compare?${new URLSearchParams({ before: given.before.trim(), after: given.after.trim() })}`);
  }

  async function suggest() {
    const { traces } = await ask("traces", { limit: 200 }).catch(() => ({ traces: [] }));
    const root = traces.find((trace) => trace.traceId === (before || after))?.rootName;
    main.append(el("datalist", { id: "like" }, traces.filter((trace) => !root || trace.rootName === root).map((trace) =>
      el("option", { value: trace.traceId }, `${trace.rootName} ${trace.subject ?? ""} ${duration(trace.durationNano)} ${clock(trace.startTimeUnixNano)}`))));
  }

  async function load() {
    place.replaceChildren(el("p.notice", {}, "…"));
    try {
      const only = el("input", { type: "checkbox", checked: params.get("only") === "changes", onchange: () => { note("only", only.checked && "changes"); look().catch(fail); } });
      const told = el("div"), line = el("div.bar");
      const look = async (first = FIRST) => {
        const found = await ask("compare", { before, after, first, only: only.checked ? "changes" : "" });
        for (const name of ["before", "after"]) {
          main.querySelector(`#about-${name}`).replaceChildren(el("a", { href: `/trace/${found[name].traceId}` }, "open"), ` · ${duration(found[name].durationNano)} · ${clock(found[name].startTimeUnixNano)}`);
        }
        const rest = found.total - found.entries.length;
        line.replaceChildren(summary(found), el("label.chip", {}, only, " only what changed"));
        told.replaceChildren(table(found), rest ? el("p.notice", {}, el("button", { type: "button", onclick: () => look(found.total).catch(fail) }, `Show ${plural(rest, "more line")}`)) : "");
      };
      await look();
      place.replaceChildren(line, told);
    } catch (error) {
      fail(error);
    }
  }

  function fail(error) { place.replaceChildren(problem(error)); }
}

function summary({ structuralChanges, slower, faster, before, after }) {
  const by = after.durationNano - before.durationNano;
  return el("p", { role: "status" }, structuralChanges ? el("b.error", {}, plural(structuralChanges, "change"), " in structure") : el("b", {}, "The same structure"),
    ` · ${slower} slower · ${faster} faster · ${by >= 0 ? "+" : "−"}${duration(Math.abs(by))} in all`);
}

function table({ entries, before, after }) {
  const longest = Math.max(1, before.durationNano, after.durationNano);
  const body = el("tbody");
  const more = growing(body, entries, (entry) => line(entry, { before, after, longest }));
  return el("div.grown", {}, el("table", { "aria-label": "Differences" },
    el("thead", {}, el("tr", {}, ["Span", "Change"].map((title) => el("th", { scope: "col" }, title)), ["Before", "After", "Difference"].map((title) => el("th.number", { scope: "col" }, title)), el("th", { scope: "col" }, "Before over after"))),
    body), more);
}

function line(entry, { before, after, longest }) {
  const [where, name] = split(entry.name);
  const one = entry.after ?? entry.before;
  const by = entry.before && entry.after ? entry.after.durationNano - entry.before.durationNano : null;
  const cell = (side, whole) => el("td.number", {}, side ? el("a", { href: `/trace/${whole.traceId}?span=${side.spanId}` }, duration(side.durationNano)) : "");
  const bar = (side, whole) => el(`div${side ? "" : ".none"}`, { style: side ? { "--part": side.durationNano / longest, "--left": Number(BigInt(side.startTimeUnixNano) - BigInt(whole.startTimeUnixNano)) / longest } : {} });
  return el("tr", { class: entry.change }, el("td.span-name", { style: { "--depth": Math.min(entry.depth, 20) } },
    el("span.service", { style: { "--colour": colour(one.service) }, title: one.service }, el("span", { class: one.error ? "error" : "" }, name)), el("span.muted", {}, where)),
  el("td", {}, SIGNS[entry.change], entry.outcomeChanged ? el("span.error", {}, one.error ? " now fails" : " now succeeds") : ""),
  cell(entry.before, before), cell(entry.after, after),
  el("td.number", { class: `number ${entry.pace}` }, by === null ? "" : `${by >= 0 ? "+" : "−"}${duration(Math.abs(by))}`),
  el("td.twin", { style: { "--colour": colour(one.service) } }, bar(entry.before, before), bar(entry.after, after)));
}
