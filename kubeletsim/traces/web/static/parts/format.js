// Numbers as people read them.

const UNITS = [[3600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]];

/** Nanoseconds as text: 12 ns, 85 µs, 174.3 ms, 2.13 s. */
export function duration(ns) {
  if (!(ns > 0)) return "0";
  for (const [size, unit] of UNITS) {
    if (ns >= size * (unit === "min" ? 2 : unit === "h" ? 2 : 1)) {
      const number = ns / size;
      return `${number >= 100 ? number.toFixed(unit === "µs" ? 0 : 1) : number >= 10 ? number.toFixed(1) : number.toFixed(2)} ${unit}`;
    }
  }
  return `${Math.round(ns)} ns`;
}

/** Unix nanoseconds (text) as milliseconds, good enough for a clock. */
export const milliseconds = (unixNano) => Number(BigInt(unixNano) / 1000n) / 1000;

export function clock(unixNano, { date = false } = {}) {
  const when = new Date(milliseconds(unixNano));
  if (Number.isNaN(when.getTime())) return "?";
  const two = (number) => String(number).padStart(2, "0");
  const time = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}.${String(when.getMilliseconds()).padStart(3, "0")}`;
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  return date || day !== today() ? `${day} ${time}` : time;
}

/** A moment (milliseconds of Unix time) of an axis that is so many milliseconds long. */
export function moment(time, length) {
  const text = clock(String(BigInt(Math.round(time)) * 1000000n));
  return length > 8000 ? text.replace(/\.\d+$/, "") : text;
}

function today() {
  const now = new Date();
  return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, "0")}-${String(now.getDate()).padStart(2, "0")}`;
}

export const count = (number) => number.toLocaleString("en");
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** The call's own name, with where it belongs in front: ["runtime.v1.RuntimeService/", "RunPodSandbox"]. */
export function split(name) {
  const cut = name.lastIndexOf("/");
  return cut > 0 && cut < name.length - 1 && !name.includes(" ") ? [name.slice(0, cut + 1), name.slice(cut + 1)] : ["", name];
}

/** Round steps of a scale, at most `most` of them between two numbers. */
export function ticks(from, to, most) {
  const raw = (to - from) / Math.max(1, most);
  if (!(raw > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to + step * 1e-9; at += step) found.push(at);
  return found;
}
