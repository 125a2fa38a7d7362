// The statistics of all operations in the traces that a query lets through.

import { ask } from "../parts/api.js";
import { el, problem } from "../parts/dom.js";
import { plural } from "../parts/format.js";
import { queryForm, set } from "../parts/query.js";
import { operationsTable } from "../parts/table.js";

export function show(main, { params }) {
  let query = params.get("q") ?? "";
  let sort = params.get("sort") ?? "selfNano";
  const form = queryForm(query, { names: ask("names").then((found) => found.services), change });
  const about = el("p.muted.bar", { role: "status" });
  const place = el("div");
  main.classList.add("page");
  main.append(el("h1.hidden", {}, "Operations"), form.form, about, place);
  load();

  function change(next) { query = next; remember(); load(); }
  function remember() {
    const address = new URLSearchParams({ ...(query && { q: query }), ...(sort !== "selfNano" && { sort }) });
    history.replaceState(null, "", address.size ? `/operations?${address}` : "/operations");
  }

  async function load() {
    try {
      const found = await ask("operations", { q: query });
      form.show(null);
      about.textContent = `${plural(found.operations.length, "operation")} in the newest ${plural(found.traces, "trace")}`;
      place.replaceChildren(found.operations.length ? operationsTable(found.operations, {
        sort, sorted(key) { sort = key; remember(); },
        link: (one) => `/?${new URLSearchParams({ q: set(set(query, "service:", one.service), "operation:", one.name) })}`,
      }) : el("p.notice", {}, "No trace matches."));
    } catch (error) {
      error.column ? form.show(error) : place.replaceChildren(problem(error));
    }
  }
}
