// One trace: waterfall, flame graph or operations; the span that is looked at, the zoom and the search are in the address.

import { ask, columns, inBackground } from "../parts/api.js";
import { debounce, el, nextFrame, onSlash, problem } from "../parts/dom.js";
import { clock, duration, plural } from "../parts/format.js";
import { details } from "../parts/details.js";
import { flame } from "../parts/flame.js";
import { Trace } from "../parts/model.js";
import { overview } from "../parts/overview.js";
import { colour } from "../parts/services.js";
import { operationsTable } from "../parts/table.js";
import { Waterfall } from "../parts/waterfall.js";

/** Of a larger trace the critical path takes seconds, and is looked for when somebody wants it. */
const MOST_AT_ONCE = 20000;
/** As in serving.py, which has the browser ask for them before this is read. */
const FIRST = 2000;
const VIEWS = { waterfall: "Waterfall", flame: "Flame graph", operations: "Operations" };

export function show(main, { match }) {
  const path = `traces/${match[1].toLowerCase().padStart(32, "0")}/columns`;
  let end = () => {}, gone = false;
  main.classList.add("trace");
  main.append(el("p.notice", {}, "…"));
  load().catch((error) => gone || main.replaceChildren(problem(error)));
  return () => { gone = true; end(); };

  /** Of a huge trace what began first is drawn at once, and the rest when it is there. */
  async function load() {
    const first = await columns(path, { first: FIRST });
    if (gone) return;
    const trace = new Trace(first);
    const view = open(main, trace, new URLSearchParams(location.search));
    end = view.end;
    if (!trace.partial) return;
    const whole = await inBackground(path);
    // In steps that fit into a frame each, for somebody may be scrolling.
    for (const step of [() => view.complete(whole), view.redraw, view.again]) {
      await nextFrame();
      if (gone) return;
      step();
    }
  }
}

/** Returns `end()`, and what is to be done, one after the other, when the rows that were missing are there. */
function open(main, trace, params) {
  const place = new URLSearchParams(params);
  let gone = false, current = "waterfall";
  const remember = debounce(150, () => {
    if (!gone) history.replaceState(null, "", `/trace/${trace.id}${place.size ? `?${place}` : ""}`);
  });
  const note = (name, value) => { value ? place.set(name, value) : place.delete(name); remember(); };

  const panel = details(trace, { reveal: (row) => fall.reveal(row), zoom: (from, to) => fall.zoom(from, to), close: closePanel });
  const fall = new Waterfall(trace, {
    choose(row, { open = false } = {}) {
      note("span", trace.spanId(row));
      panel.show(row);
      if (open) panel.node.focus();
    },
    zoomed(from, to) { strip.mark(from, to); note("zoom", from <= 0 && to >= trace.duration ? "" : `${Math.round(from)}-${Math.round(to)}`); },
  });
  const strip = overview(trace, { zoom: (from, to) => fall.zoom(from, to) });
  const search = searching(trace, fall, (text) => note("find", text));
  const stage = el("div.stage", { id: "stage", role: "tabpanel" });
  const tabs = el("div.tabs", { role: "tablist", "aria-label": "Ways to look at it", onkeydown: walkTabs }, Object.entries(VIEWS).map(([name, title]) =>
    el("button", { type: "button", role: "tab", "data-view": name, "aria-controls": "stage", onclick: () => { note("view", name === "waterfall" ? "" : name); look(name); } }, title)));
  const depths = el("div.tabs", {}, el("button", { type: "button", title: "Show every span", onclick: () => fall.collapse(Infinity) }, "Expand"),
    el("button", { type: "button", title: "Show the roots and what they call", onclick: () => fall.collapse(1) }, "Collapse"),
    el("button", { type: "button", title: "Show the whole time (0)", onclick: () => fall.zoom(0, trace.duration) }, "Reset zoom"));

  const head = heading(trace);
  const shown = el("div.shown");
  main.replaceChildren(head.node, el("div.tools", {}, tabs, depths, search.form), shown);
  shown.append(stage, panel.node);
  document.title = `${trace.size ? trace.name(0) : "Trace"} · ${duration(trace.duration)} · kubeletsim`;
  main.addEventListener("keydown", keys);
  const quit = onSlash(() => search.focus());
  look(place.get("view") in VIEWS ? place.get("view") : "waterfall");
  restore();
  offerPath();

  /** Find the critical path if that is quick, or say how to get it. */
  function offerPath() {
    const legend = main.querySelector(".heading .path");
    if (trace.partial) legend.replaceChildren(el("span.muted", { role: "status" }, "loading all spans…"));
    else if (trace.size <= MOST_AT_ONCE) findPath();
    else legend.replaceChildren(el("button", { type: "button", onclick: (event) => { event.target.disabled = true; findPath(); } }, "Find the critical path"));
  }

  function complete(whole) {
    fall.grow(() => Object.assign(trace, whole));
    if (panel.node.hidden && place.get("span")) fall.reveal(trace.rowOf(place.get("span")), { middle: true });
  }

  function redraw() { strip.draw(); }

  function again() {
    head.update();
    offerPath();
    if (current !== "waterfall") look(current);
    if (place.get("find")) search.start(place.get("find"));
  }

  function findPath() {
    ask(`traces/${trace.id}/critical-path`).then(({ segments }) => { trace.setCriticalPath(segments); fall.draw(); panel.update(); main.querySelector(".heading .path").replaceChildren("critical path"); main.dataset.ready = "yes"; }, () => {});
  }

  function look(name) {
    current = name;
    for (const tab of tabs.children) {
      tab.setAttribute("aria-selected", tab.dataset.view === name);
      tab.tabIndex = tab.dataset.view === name ? 0 : -1;
    }
    stage.setAttribute("aria-label", VIEWS[name]);
    depths.hidden = name !== "waterfall";
    if (name === "waterfall") stage.replaceChildren(strip.node, fall.node);
    else if (name === "flame") stage.replaceChildren(flame(trace, { choose(row) { note("view", ""); look("waterfall"); fall.reveal(row, { middle: true }); } }),
      el("p.muted.hint", {}, "Spans of one name under one path are one box, as wide as they took together. Choose a box to look closer, and once more to see the span."));
    else {
      stage.replaceChildren(el("p.notice", {}, "…"));
      ask(`traces/${trace.id}/operations`).then(
        ({ operations }) => stage.replaceChildren(operationsTable(operations, { link: (one) => `/trace/${trace.id}?${new URLSearchParams({ find: one.name })}`, sort: place.get("sort") ?? undefined, sorted: (key) => note("sort", key) })),
        (error) => stage.replaceChildren(problem(error)));
    }
  }

  /** Arrow keys go through the tabs, as everywhere else. */
  function walkTabs(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...tabs.children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    event.preventDefault();
    next.focus();
    next.click();
  }

  function restore() {
    const [from, to] = (place.get("zoom") ?? "").split("-").map(Number);
    if (to > from) { fall.zoom(from, to, { quiet: true }); strip.mark(fall.from, fall.to); } else strip.mark(0, trace.duration);
    const row = trace.rowOf(place.get("span") ?? "");
    if (row >= 0) fall.reveal(row, { middle: true });
    else if (trace.size) fall.chosen = 0;
    if (place.get("find")) search.start(place.get("find"));
    fall.draw();
    fall.focus();
  }

  function closePanel() { panel.hide(); note("span", ""); fall.focus(); }

  function keys(event) {
    if (event.key === "Escape") {
      if (event.target.matches("input") && event.target.value) return;
      panel.node.hidden ? fall.zoom(0, trace.duration) : closePanel();
    }
    if (event.target.matches("input, select, textarea")) return;
    if (event.key === "n" || event.key === "N") search.step(event.key === "n" ? 1 : -1);
  }

  function end() {
    gone = true;
    quit();
    main.removeEventListener("keydown", keys);
    fall.end();
    strip.end();
    delete main.dataset.ready;
  }

  return { end, complete, redraw, again };
}

/** Returns `update()`, for when more is known of the trace. */
function heading(trace) {
  const root = (trace.size && trace.name(0)) || "(no name)";
  const errors = el("span.error"), services = el("span.services");
  const node = el("header.heading", {},
    el("div", {}, el("h1", {}, root), el("span.mono.muted", {}, trace.id)),
    el("div.facts", {}, el("b", {}, duration(trace.duration)), el("span", {}, plural(trace.spans, "span")), errors,
      el("span.muted", {}, clock(String(trace.startNano), { date: true })), services, el("span.service.path", {}, "critical path")),
    el("div.actions", {}, el("a.button", { href: `/compare?before=${trace.id}` }, "Compare with…"), el("a.button", { href: `/api/v1/traces/${trace.id}/otlp`, target: "_blank", rel: "noopener", download: `${trace.id}.json` }, "OTLP JSON")));
  const update = () => {
    errors.hidden = !trace.errors;
    errors.textContent = plural(trace.errors, "error");
    services.replaceChildren(...trace.services.map((name) => el("span.service", { style: { "--colour": colour(name) } }, name)));
  };
  update();
  return { node, update };
}

function searching(trace, fall, remember) {
  let rows = [], at = -1, turn = 0;
  const said = el("output", { "aria-live": "polite" });
  const box = el("input", { type: "search", placeholder: "Find in this trace  /", "aria-label": "Find in this trace", spellcheck: "false", oninput: debounce(200, () => look(box.value)) });
  const form = el("form.find", { role: "search", onsubmit: (event) => { event.preventDefault(); step(event.submitter?.value === "back" ? -1 : 1); } },
    said, box, el("button", { type: "button", "aria-label": "Previous match", onclick: () => step(-1) }, "↑"), el("button", { type: "button", "aria-label": "Next match", onclick: () => step(1) }, "↓"));

  async function look(text) {
    const mine = ++turn;
    remember(text);
    rows = [];
    if (text) {
      try {
        const { spanIds } = await ask(`traces/${trace.id}/search`, { q: text });
        if (mine !== turn) return;
        rows = [...new Set(spanIds.map((id) => trace.rowOf(id)).filter((row) => row >= 0))].sort((a, b) => a - b);
      } catch (error) {
        said.textContent = error.message;
        return;
      }
    }
    fall.found = new Set(rows);
    at = -1;
    said.textContent = text ? plural(rows.length, "match").replace("matchs", "matches") : "";
    fall.draw();
  }

  function step(by) {
    if (!rows.length) return;
    at = (at + by + rows.length) % rows.length;
    said.textContent = `${at + 1} of ${rows.length}`;
    fall.reveal(rows[at], { middle: true });
  }

  return { form, step, focus: () => box.focus(), start(text) { box.value = text; look(text); } };
}
