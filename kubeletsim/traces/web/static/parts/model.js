// A trace as arrays: row by row, parents before children. What only some spans have is asked for when it is looked at.

export const ERROR = 1, ORPHAN = 2, EVENTS = 4, LINKS = 8;

export class Trace {
  /** Of what `/api/v1/traces/{id}/columns` answers: the columns are looked at where they are. */
  constructor(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    this.id = head.traceId;
    this.startNano = BigInt(head.startTimeUnixNano);
    this.duration = head.durationNano;
    this.operations = head.operations;
    this.size = head.rows;
    this.spans = head.spans;
    /** Whether more rows are on their way; until then nothing is known about self times. */
    this.partial = this.size < this.spans;
    let at = 4 + length;
    const column = (Type, numbers = this.size) => {
      const found = new Type(buffer, at, numbers);
      at += found.byteLength;
      return found;
    };
    this.start = column(Float64Array);
    this.length = column(Float64Array);
    this.self = column(Float64Array);
    this.ids = column(Uint32Array, 2 * this.size);
    this.parent = column(Int32Array);
    this.operation = column(Uint32Array);
    this.kind = column(Uint8Array);
    this.marks = column(Uint8Array);
    this.depth = new Uint32Array(this.size);
    /** The row after the last one under a row. */
    this.end = new Int32Array(this.size);
    for (let row = 0; row < this.size; row++) this.depth[row] = this.parent[row] < 0 ? 0 : this.depth[this.parent[row]] + 1;
    for (let row = this.size - 1; row >= 0; row--) {
      this.end[row] ||= row + 1;
      const parent = this.parent[row];
      if (parent >= 0 && this.end[parent] < this.end[row]) this.end[parent] = this.end[row];
    }
    this.all = Int32Array.from(this.end, (_, row) => row);
    this.errors = 0;
    for (let row = 0; row < this.size; row++) this.errors += this.marks[row] & ERROR;
    /** Row to its segments of the critical path; empty until it has arrived. */
    this.critical = new Map();
    this.slots = null;
  }

  /** The span's id as 16 hex digits. */
  spanId(row) { return hex(this.ids[2 * row]) + hex(this.ids[2 * row + 1]); }

  /** The row of a span's id, the first if several have it; -1 when it is not here. */
  rowOf(spanId) {
    if (!/^[0-9a-f]{16}$/i.test(spanId)) return -1;
    const [high, low] = [swapped(parseInt(spanId.slice(0, 8), 16)), swapped(parseInt(spanId.slice(8), 16))];
    this.prepare();
    for (let slot = this.#slot(high, low); this.slots[slot] >= 0; slot = (slot + 1) & (this.slots.length - 1)) {
      const row = this.slots[slot];
      if (this.ids[2 * row] === high && this.ids[2 * row + 1] === low) return row;
    }
    return -1;
  }

  /** Get ready for `rowOf`. An open hash table in one array: a Map of so many texts would take longer than a frame. */
  prepare() {
    if (this.slots) return;
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * this.size + 2))).fill(-1);
    for (let row = 0; row < this.size; row++) {
      let slot = this.#slot(this.ids[2 * row], this.ids[2 * row + 1]);
      while (this.slots[slot] >= 0) slot = (slot + 1) & (this.slots.length - 1);
      this.slots[slot] = row;
    }
  }

  #slot(high, low) {
    return (Math.imul(Math.imul(high, 0x85ebca6b) ^ low, 0x9e3779b1) >>> 8) & (this.slots.length - 1);
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
      const row = this.rowOf(segment.spanId);
      if (row < 0) continue;
      if (!this.critical.has(row)) this.critical.set(row, []);
      this.critical.get(row).push(segment);
    }
  }

  /** Rows that are drawn when the rows of `closed` hide what is under them. */
  open(closed) {
    if (!closed.size) return this.all;
    const visible = new Int32Array(this.size);
    let count = 0;
    for (let row = 0; row < this.size; row = closed.has(row) ? this.end[row] : row + 1) visible[count++] = row;
    return visible.subarray(0, count);
  }
}

/** Columns are little-endian, ids are read from the left. */
const swapped = (word) => ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0;
const hex = (word) => swapped(word).toString(16).padStart(8, "0");
