// The API under /api/v1/, documented in docs/traces-api.md.

export const GONE = "The server does not answer. Is `kubeletsim traces` still running?";

export class Refused extends Error {
  constructor(status, message, column) {
    super(message);
    this.status = status;
    this.column = column;
  }
}

export async function ask(path, params = {}, { signal } = {}) {
  return (await answered(path, params, signal)).json();
}

/** The rows of a trace as columns: see `Trace`. */
export async function columns(path, params = {}) {
  return (await answered(path, params)).arrayBuffer();
}

/** The same as a trace, read and laid out by a worker, so that nobody who scrolls meanwhile notices; also what it could not. */
export function inBackground(path) {
  return new Promise((resolve, reject) => {
    const worker = new Worker("/static/parts/worker.js", { type: "module" });
    const done = (then) => (event) => { worker.terminate(); then(event); };
    worker.onmessage = done(({ data: { trace, refused } }) => (trace ? resolve(trace) : reject(new Refused(...refused))));
    worker.onerror = done(() => reject(new Refused(0, GONE)));
    worker.postMessage(path);
  });
}

async function answered(path, params, signal) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "" && value !== undefined));
  const answer = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, { signal }).catch((error) => {
    throw error.name === "AbortError" ? error : new Refused(0, GONE);
  });
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, document.error?.message ?? answer.statusText, document.error?.column);
}
