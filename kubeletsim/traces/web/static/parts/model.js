// A trace as arrays: row by row, parents before children. What only some spans have is asked for when it is looked at.

export const ERROR = 1, ORPHAN = 2, EVENTS = 4, LINKS = 8;

export class Trace {
  constructor(document) {
    const { rows } = document;
    this.id = document.traceId;
    this.startNano = BigInt(document.startTimeUnixNano);
    this.duration = document.durationNano;
    this.operations = document.operations;
    this.size = rows.parent.length;
    this.spans = document.spans;
    /** Whether more rows are on their way; until then nothing is known about self times. */
    this.partial = this.size < this.spans;
    this.ids = rows.spanId;
    this.parent = Int32Array.from(rows.parent);
    this.operation = Uint32Array.from(rows.operation);
    this.start = Float64Array.from(rows.start);
    this.length = Float64Array.from(rows.duration);
    this.self = Float64Array.from(rows.self);
    this.marks = Uint8Array.from(rows.marks);
    this.depth = new Uint32Array(this.size);
    /** The row after the last one under a row. */
    this.end = new Int32Array(this.size);
    for (let row = 0; row < this.size; row++) this.depth[row] = this.parent[row] < 0 ? 0 : this.depth[this.parent[row]] + 1;
    for (let row = this.size - 1; row >= 0; row--) {
      this.end[row] ||= row + 1;
      const parent = this.parent[row];
      if (parent >= 0 && this.end[parent] < this.end[row]) this.end[parent] = this.end[row];
    }
    this.rowOf = new Map();
    for (let row = this.size - 1; row >= 0; row--) this.rowOf.set(this.ids[row], row);
    this.errors = 0;
    for (let row = 0; row < this.size; row++) this.errors += this.marks[row] & ERROR;
    /** Row to its segments of the critical path; empty until it has arrived. */
    this.critical = new Map();
  }

  name(row) { return this.operations[this.operation[row]].name; }
  service(row) { return this.operations[this.operation[row]].service; }
  failed(row) { return Boolean(this.marks[row] & ERROR); }
  hasChildren(row) { return this.end[row] > row + 1; }
  /** In the order in which they appear. */
  get services() {
    const found = new Set();
    for (let row = 0; row < Math.min(this.size, 1000); row++) found.add(this.service(row));
    return [...found, ...new Set(this.operations.map((one) => one.service)).difference(found)];
  }

  setCriticalPath(segments) {
    for (const segment of segments) {
      const row = this.rowOf.get(segment.spanId);
      if (row === undefined) continue;
      if (!this.critical.has(row)) this.critical.set(row, []);
      this.critical.get(row).push(segment);
    }
  }

  /** Rows that are drawn when the rows of `closed` hide what is under them. */
  open(closed) {
    const visible = new Int32Array(this.size);
    let count = 0;
    for (let row = 0; row < this.size; row = closed.has(row) ? this.end[row] : row + 1) visible[count++] = row;
    return visible.subarray(0, count);
  }
}
