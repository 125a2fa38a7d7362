// The page: one router over a handful of views. A view is a module with `show(main, place)`; it returns a function that
// ends it. Whatever comes from spans is put into the document as text, never as markup.

import { GONE } from "./parts/api.js";
import { el, problem } from "./parts/dom.js";
import { startTheme } from "./parts/theme.js";

const VIEWS = [
  [/^\/$/, () => import("./views/list.js"), "Traces"],
  [/^\/trace\/([0-9a-f]{1,32})$/i, () => import("./views/trace.js"), "Trace"],
  [/^\/pods$/, () => import("./views/pods.js"), "Pods"],
  [/^\/operations$/, () => import("./views/operations.js"), "Operations"],
  [/^\/map$/, () => import("./views/map.js"), "Service map"],
  [/^\/compare$/, () => import("./views/compare.js"), "Compare"],
];

let end = () => {};
let turn = 0;

export function go(url, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  route();
}

async function route() {
  const mine = ++turn;
  const main = document.getElementById("main");
  const found = VIEWS.map(([path, load, title]) => [location.pathname.match(path), load, title]).find(([match]) => match);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.pathname === location.pathname || (link.pathname === "/" && location.pathname.startsWith("/trace/"));
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  if (!found) {
    end();
    main.replaceChildren(el("p.notice", {}, "There is no such page. ", el("a", { href: "/" }, "All traces")));
    return;
  }
  const [match, load, title] = found;
  const view = await load().catch(() => null); // a part of the page could not be fetched
  if (mine !== turn) return;
  end();
  if (!view) {
    end = () => {};
    main.replaceChildren(problem(new Error(GONE)), el("p.notice", {}, el("button", { type: "button", onclick: () => location.reload() }, "Try again")));
    return;
  }
  document.title = `${title} · kubeletsim`;
  main.replaceChildren();
  main.className = "";
  end = view.show(main, { match, params: new URLSearchParams(location.search), go }) ?? (() => {});
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (link.origin !== location.origin || link.target || link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  go(link.href);
  document.getElementById("main").focus({ preventScroll: true });
});
document.querySelector(".jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = new FormData(event.target).get("id").trim();
  if (id) go(`/trace/${encodeURIComponent(id)}`);
});
window.addEventListener("popstate", route);
startTheme(document.querySelector(".theme"));
route();
