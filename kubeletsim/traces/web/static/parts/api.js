// The API under /api/v1/, documented in docs/traces-api.md.

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

async function answered(path, params, signal) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "" && value !== undefined));
  const answer = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, { signal });
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, document.error?.message ?? answer.statusText, document.error?.column);
}
