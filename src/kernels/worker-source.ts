/**
 * Source of a worker thread, evaluated by node:worker_threads so that it needs no file of its own. A slot holds: state
 * (0 idle, 1 run, -1 failed), kernel index, argument count, length of the error text; (is bigint, value) pairs; error
 * text. A worker spins about 30 ms before it sleeps: a futex wake costs 50 us and may land on the caller's core.
 */
export const workerSource = `
const { workerData, parentPort } = require('node:worker_threads');
const { module, memory, control, slot, scratch, names, text, textBytes } = workerData;
const instance = new WebAssembly.Instance(module, { env: { memory, abort() { throw new Error('kernel aborted'); } } });
instance.exports.setScratch(scratch);
const fns = names.map((n) => instance.exports[n]);
const i32 = new Int32Array(control), f64 = new Float64Array(control), i64 = new BigInt64Array(control), u8 = new Uint8Array(control);
const s = slot / 4;
function awaitWork() {
  for (;;) {
    const until = performance.now() + 30;
    do { for (let k = 0; k < 2000; k++) if (Atomics.load(i32, s) === 1) return; } while (performance.now() < until);
    if (Atomics.wait(i32, s, 0) === 'not-equal' && Atomics.load(i32, s) < 0) Atomics.wait(i32, s, -1, 1);
  }
}
parentPort.postMessage('ready');
for (;;) {
  awaitWork();
  try {
    const n = i32[s + 2], args = [];
    for (let k = 0; k < n; k++) { const at = (slot + 16 + 16 * k) / 8; args.push(f64[at] === 1 ? i64[at + 1] : f64[at + 1]); }
    fns[i32[s + 1]](...args);
    Atomics.store(i32, s, 0);
  } catch (e) {
    const bytes = new TextEncoder().encode(String(e && e.message || e)).subarray(0, textBytes);
    u8.set(bytes, slot + text);
    i32[s + 3] = bytes.length;
    Atomics.store(i32, s, -1);
  }
  Atomics.notify(i32, s);
}
`;
