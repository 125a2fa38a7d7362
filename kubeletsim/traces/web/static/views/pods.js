// The pods of the node on a timeline: what was done to each, when, and how long it took.

import { ask } from "../parts/api.js";
import { dragging } from "../parts/waterfall.js";
import { el, problem, tip } from "../parts/dom.js";
import { clock, duration, milliseconds, moment, plural, split, ticks } from "../parts/format.js";
import { queryForm } from "../parts/query.js";

const STEPS = {
  syncPod: ["--service-0", 0, "sync"], syncTerminatingPod: ["--service-4", 0, "terminating"], syncTerminatedPod: ["--service-3", 0, "terminated"],
  RunPodSandbox: ["--service-5", 1, "sandbox"], PullImage: ["--service-2", 1, "pull"], CreateContainer: ["--service-3", 1, "create"],
  StartContainer: ["--service-1", 1, "start"], StopContainer: ["--service-4", 1, "stop"], StopPodSandbox: ["--service-4", 1, "stop sandbox"],
};
const OTHER = ["--muted", 1, "other"];

export function show(main, { params }) {
  let query = params.get("q") ?? "";
  let zoom = (params.get("zoom") ?? "").split("-").map(Number); // milliseconds of Unix time
  const remember = () => {
    const address = new URLSearchParams({ ...(query && { q: query }), ...(zoom.length === 2 && { zoom: zoom.map(Math.round).join("-") }) });
    history.replaceState(null, "", address.size ? `/pods?${address}` : "/pods");
  };
  const form = queryForm(query, { names: ask("names").then((found) => found.services), change });
  const place = el("div");
  main.classList.add("page");
  main.append(el("h1.hidden", {}, "Pods"), form.form, el("div.bar", {}, legend(), el("span.muted", {}, "Drag to zoom, double click to see everything")), place);
  load();

  function change(next) {
    query = next;
    zoom = [];
    remember();
    load();
  }

  async function load() {
    try {
      const { pods } = await ask("pods", { q: query });
      form.show(null);
      place.replaceChildren(pods.length ? timeline(pods, window(pods, zoom)) : el("p.notice", {}, "No trace with a pod matches."));
    } catch (error) {
      error.column ? form.show(error) : place.replaceChildren(problem(error));
    }
  }

  /** Everything that happened, with a little room. */
  function window(pods, [left, right]) {
    if (right > left) return { from: left, to: right };
    const bars = pods.flatMap((pod) => pod.bars);
    const from = Math.min(...bars.map((bar) => milliseconds(bar.startTimeUnixNano)));
    const to = Math.max(...bars.map((bar) => milliseconds(bar.startTimeUnixNano) + bar.durationNano / 1e6));
    return { from, to: to + Math.max(1, (to - from) * 0.02) };
  }

  function timeline(pods, { from, to }) {
    const part = (time) => `${((time - from) / (to - from)) * 100}%`;
    const steps = ticks(0, to - from, 8).filter((time) => time < (to - from) * 0.95);
    const again = (next) => { zoom = next; remember(); load(); };
    const node = el("div.pods", { style: { "--grid": `${((steps[1] ?? to - from) / (to - from)) * 100}%` }, ondblclick: () => again([]) },
      el("div.pod.axis", { "aria-hidden": "true" }, el("span"), el("div.times", {}, steps.map((time) =>
        el("span", { style: { left: `${(time / (to - from)) * 100}%` } }, moment(from + time, to - from))))),
      pods.map((pod) => el("section.pod", { "aria-label": `Pod ${pod.namespace}/${pod.name}` },
        el("div.of-pod", {}, el("a", { href: `/?${new URLSearchParams({ q: `k8s.pod.name=${pod.name}` })}`, title: pod.name }, el("b", {}, pod.name)),
          el("div.muted", {}, pod.namespace, [...story(pod.bars)].map(([text, failed]) => [" · ", el(failed ? "span.error" : "span", {}, text)]))),
        el("div.lane", {}, pod.bars.map((bar) => {
          const [tone, row] = STEPS[split(bar.name)[1]] ?? OTHER;
          const started = milliseconds(bar.startTimeUnixNano);
          return el(`a${bar.error ? ".failed" : ""}`, {
            href: `/trace/${bar.traceId}?span=${bar.spanId}`, "aria-label": `${split(bar.name)[1]}, ${duration(bar.durationNano)}${bar.error ? ", failed" : ""}`,
            style: { left: part(started), width: `${(bar.durationNano / 1e6 / (to - from)) * 100}%`, top: row ? "1.9rem" : ".6rem", "--colour": `var(${tone})` },
            onmousemove: (event) => tip.show(event, split(bar.name)[1], `${duration(bar.durationNano)}${bar.error ? " · failed" : ""}`, clock(bar.startTimeUnixNano)), onmouseleave: tip.hide,
          });
        })))));
    const field = el("div", { style: { position: "relative" } }, node);
    dragging(node, ".lane", (left, right) => right - left > 0.002 && again([from + left * (to - from), from + right * (to - from)]));
    return field;
  }

  return tip.hide;
}

/** In few words what became of a pod: how long its first container took, how often a sync failed, whether it ended. */
function* story(bars) {
  const end = (bar) => milliseconds(bar.startTimeUnixNano) + bar.durationNano / 1e6;
  const step = (name) => bars.filter((bar) => split(bar.name)[1] === name);
  const sandbox = step("RunPodSandbox").find((bar) => !bar.error);
  const first = sandbox && step("syncPod").find((bar) => bar.traceId === sandbox.traceId);
  const starts = step("StartContainer").filter((bar) => !bar.error && bar.traceId === sandbox?.traceId);
  if (first && starts.length) yield [`first container after ${duration((Math.min(...starts.map(end)) - milliseconds(first.startTimeUnixNano)) * 1e6)}`];
  const failed = step("syncPod").filter((bar) => bar.error).length;
  if (failed) yield [`${plural(failed, "sync")} failed`, true];
  if (step("syncTerminatedPod").length) yield ["ended"];
}

function legend() {
  const seen = new Map(Object.values(STEPS).map(([tone, , name]) => [name, tone]));
  return el("div.legend", {}, [...seen].map(([name, tone]) => el("span.service", { style: { "--colour": `var(${tone})` } }, name)), el("span.service.failed", {}, "failed"));
}
