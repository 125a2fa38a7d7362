// The API under /api/v1/, documented in docs/traces-api.md.

export class Refused extends Error {
  constructor(status, message, column) {
    super(message);
    this.status = status;
    this.column = column;
  }
}

export async function ask(path, params = {}, { signal } = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "" && value !== undefined));
  const answer = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, { signal });
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, document.error?.message ?? answer.statusText, document.error?.column);
  return document;
}
