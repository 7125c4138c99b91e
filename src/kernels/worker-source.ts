/**
 * Source of a worker thread, evaluated by node:worker_threads so that it needs no file of its own. A slot holds: state (0 idle, 1 run,
 * -1 failed), kernel index, argument count, then (is bigint, value) pairs. Workers spin before they sleep: a futex wake costs 50 us.
 */
export const workerSource = `
const { workerData, parentPort } = require('node:worker_threads');
const { module, memory, control, slot, names } = workerData;
const instance = new WebAssembly.Instance(module, { env: { memory, abort() { throw new Error('kernel aborted'); } } });
const fns = names.map((n) => instance.exports[n]);
const i32 = new Int32Array(control), f64 = new Float64Array(control), i64 = new BigInt64Array(control);
const s = slot / 4;
parentPort.postMessage('ready');
for (;;) {
  let spins = 0;
  while (Atomics.load(i32, s) !== 1) {
    if (++spins > 300000) { Atomics.wait(i32, s, 0, 1000); }
  }
  try {
    const n = i32[s + 2], args = [];
    for (let k = 0; k < n; k++) { const at = (slot + 16 + 16 * k) / 8; args.push(f64[at] === 1 ? i64[at + 1] : f64[at + 1]); }
    fns[i32[s + 1]](...args);
    Atomics.store(i32, s, 0);
  } catch (e) { Atomics.store(i32, s, -1); }
  Atomics.notify(i32, s);
}
`;
