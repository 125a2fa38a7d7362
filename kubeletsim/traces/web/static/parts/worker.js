// The worker: reads all rows of a huge trace where nobody waits for it, and hands the arrays over as they are.

import { columns } from "./api.js";
import { Trace } from "./model.js";

onmessage = async ({ data: path }) => {
  try {
    const trace = new Trace(await columns(path));
    trace.prepare();
    const arrays = Object.values(trace).filter(ArrayBuffer.isView).map((array) => array.buffer);
    postMessage({ trace: { ...trace } }, [...new Set(arrays)]);
  } catch (error) {
    postMessage({ refused: [error.status ?? 0, error.message] });
  }
};
