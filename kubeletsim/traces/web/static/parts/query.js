// The query line: one box in the query language, and controls that write into it. The server reads it; here terms are
// only found and replaced.

import { debounce, el } from "./dom.js";

const quote = (value) => (/^[^\s"]+$/.test(value) ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`);
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const term = (start) => new RegExp(`(^|\\s)${escaped(start)}("(?:[^"\\\\]|\\\\.)*"|\\S+)`);

export const attributeTerm = (key, value) => `${/^[^\s:=<>!"]+$/.test(key) ? key : quote(key)}=${quote(value)}`;

export function get(query, start) {
  const found = query.match(term(start));
  return found ? found[2].replace(/^"(.*)"$/, "$1").replace(/\\(.)/g, "$1") : "";
}

export function set(query, start, value) {
  const rest = query.replace(term(start), " ").trim();
  return [rest, value && start + quote(value)].filter(Boolean).join(" ").replace(/\s+/g, " ");
}

const hasError = (query) => /(^|\s)error(\s|$)/.test(query);

/** The form; `change(query)` is called when another query is wanted. Returns the form and a function that shows faults. */
export function queryForm(query, { names, change }) {
  const fault = el("p.fault", { role: "alert", id: "fault" });
  const box = el("input.query", {
    type: "search", value: query, spellcheck: "false", autocomplete: "off", "aria-label": "Query", "aria-describedby": "fault",
    placeholder: "service:kubelet root:syncPod k8s.pod.name=web* duration>200ms error since:10m", name: "q",
    oninput: debounce(400, () => change(box.value.trim())),
  });
  const write = (next) => { box.value = next; change(next); };
  const services = select("Service", "any service", [], (value) => write(set(box.value, "service:", value)));
  const roots = select("Root span", "any root", [], (value) => write(set(box.value, "root:", value)));
  const since = select("Since", "any time", ["5m", "30m", "2h", "1d"], (value) => write(set(box.value, "since:", value)));
  const longer = select("Duration", "any duration", ["10ms", "100ms", "1s", "10s"], (value) => write(set(box.value, "duration>", value)));
  const pods = el("button.chip", { type: "button", title: "Only what was done to pods: root:sync*", onclick: () => write(set(box.value, "root:", get(box.value, "root:") === "sync*" ? "" : "sync*")) }, "pods only");
  const errors = el("input", {
    type: "checkbox", checked: hasError(query),
    onchange: () => write(errors.checked ? `${box.value} error`.trim() : box.value.replace(/(^|\s)error(?=\s|$)/, " ").trim()),
  });
  const sync = () => {
    choose(services, get(box.value, "service:"));
    choose(roots, get(box.value, "root:"));
    choose(since, get(box.value, "since:"));
    choose(longer, get(box.value, "duration>"));
    errors.checked = hasError(box.value);
    pods.setAttribute("aria-pressed", get(box.value, "root:") === "sync*");
  };
  sync();
  names.then((found) => {
    for (const name of Object.keys(found)) services.append(el("option", { value: name }, name));
    const all = [...new Set(Object.values(found).flat())].filter((name) => !name.startsWith("runtime.v1.")).sort();
    for (const name of all) roots.append(el("option", { value: name }, name));
    sync();
  }, () => {});
  const form = el("form.filters", { role: "search", onsubmit: (event) => { event.preventDefault(); change(box.value.trim()); } },
    box, el("div.chips", {}, services, roots, since, longer, pods, el("label.chip", {}, errors, " errors only")), fault);
  return {
    form,
    show(error) {
      sync();
      fault.textContent = error ? error.message : "";
      box.setAttribute("aria-invalid", error ? "true" : "false");
    },
    focus: () => box.focus(),
  };
}

function select(label, any, values, change) {
  return el("select.chip", { "aria-label": label, onchange: (event) => change(event.target.value) },
    el("option", { value: "" }, any), values.map((value) => el("option", { value }, label === "Since" ? `last ${value}` : `> ${value}`)));
}

function choose(box, value) {
  if (value && ![...box.options].some((option) => option.value === value)) box.append(el("option", { value }, value));
  box.value = value;
  box.classList.toggle("on", Boolean(value));
}
