import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WASM } from './generated/shared.js';
import { KernelError, type Kernels, OutOfMemoryError, singleKernels, threadedKernels } from './index.js';
import { workerSource } from './worker-source.js';

describe('arena', () => {
  it('aligns, releases, grows and keeps the peak', () => {
    const k = singleKernels({ maxBytes: 16 * 2 ** 20 }),
      m = k.mark();
    const a = k.alloc(3),
      b = k.alloc(5, 4096);
    expect(a % 64).toBe(0);
    expect(b % 4096).toBe(0);
    k.u8[a] = 7;
    const c = k.alloc(9 * 2 ** 20),
      before = k.u8;
    k.u64[c / 8 + 2 ** 20] = 3n;
    expect(before[a]).toBe(7);
    k.release(m);
    expect(k.alloc(3)).toBe(a);
    expect(k.peakBytes).toBe(c + 9 * 2 ** 20);
  });
  it('gives back what a scope allocated, also where it throws or waits', async () => {
    const k = singleKernels(),
      top = k.mark();
    expect(k.scope(() => k.alloc(100))).toBeGreaterThanOrEqual(top);
    expect(k.mark()).toBe(top);
    expect(() =>
      k.scope(() => {
        k.alloc(100);
        throw new RangeError('within');
      }),
    ).toThrow('within');
    expect(k.mark()).toBe(top);
    const waiting = k.scopeAsync(async () => {
      k.alloc(100);
      await Promise.resolve();
      expect(k.mark()).toBeGreaterThan(top);
      throw new RangeError('later');
    });
    await expect(waiting).rejects.toThrow('later');
    expect(k.mark()).toBe(top);
  });
  it('refuses beyond its cap, naming both numbers', () => {
    const k = singleKernels({ maxBytes: 5 * 2 ** 20 });
    try {
      k.alloc(6 * 2 ** 20);
      expect.unreachable();
    } catch (e) {
      expect(e).toBeInstanceOf(OutOfMemoryError);
      expect((e as OutOfMemoryError).cap).toBe(5 * 2 ** 20);
      expect((e as OutOfMemoryError).needed).toBeGreaterThan(6 * 2 ** 20);
    }
    expect(k.alloc(2 ** 10)).toBeGreaterThan(0);
  });
  it('round-trips elements of E', () => {
    const k = singleKernels(),
      v = [
        [1n, 2n, 3n],
        [4n, 5n, 0xffffffff00000000n],
      ] as const,
      p = k.exts(v);
    expect(k.readExts(p, 2)).toEqual(v.map((x) => [...x]));
    k.writeExts(p, [...v].reverse());
    expect(k.readExt(p)).toEqual([...v[1]]);
  });
});

describe('worker threads', () => {
  let k: Kernels;
  beforeAll(async () => {
    k = await threadedKernels({ threads: 3 });
  });
  afterAll(() => k.close());
  it('cover a range once, at multiples of the grain, also after sleeping', async () => {
    const n = 1000,
      p = k.alloc(8 * n),
      q = k.alloc(8 * n);
    for (const pause of [0, 0, 60]) {
      await new Promise((r) => setTimeout(r, pause));
      const cuts: number[] = [];
      for (let j = 0; j < n; j++) {
        k.i64[p / 8 + j] = BigInt(-j);
        k.u64[q / 8 + j] = 0n;
      }
      k.parallel('signedToField', n, 64, (lo, hi) => {
        cuts.push(lo, hi);
        return [q, p, lo, hi];
      });
      expect(cuts).toEqual([0, 320, 320, 640, 640, 1000]);
      for (let j = 0; j < n; j++) expect(k.u64[q / 8 + j]).toBe(j ? 0xffffffff00000001n - BigInt(j) : 0n);
    }
  });
  it('report a trap of any thread and go on working', () => {
    const p = k.alloc(64 * 3),
      far = 2 ** 32 - 8;
    for (const bad of [0, 1, 2]) {
      expect(() => k.parallel('eadd', 3, 1, (_lo, _hi, t) => [t === bad ? far : p + 64 * t, p, p])).toThrow(
        bad ? KernelError : WebAssembly.RuntimeError,
      );
      k.parallel('eadd', 3, 1, (_lo, _hi, t) => [p + 64 * t, p + 64 * t, p + 64 * t]);
    }
    expect(() => k.parallel('nothing', 3, 1, () => [])).toThrow('no kernel');
  });
  it('read memory that grew after they started', () => {
    const a = k.alloc(2 ** 26),
      b = k.alloc(2 ** 20);
    k.i64[(a + 2 ** 26) / 8 - 1] = -5n;
    k.parallel('signedToField', 3, 1, (_lo, _hi, t) => [b + 8 * t, a + 2 ** 26 - 8, 0, 1]);
    expect(k.u64[b / 8 + 2]).toBe(0xffffffff00000001n - 5n);
  });
  it('do not keep a process alive', () => {
    const code = `const { Worker } = require('node:worker_threads');
      const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true }), control = new SharedArrayBuffer(1024);
      const w = new Worker(${JSON.stringify(workerSource)}, { eval: true, workerData: { module: new WebAssembly.Module(Buffer.from('${WASM}', 'base64')), memory, control, slot: 0, names: [], text: 400, textBytes: 240 } });
      w.once('message', () => { w.unref(); console.log('started'); });`;
    expect(execFileSync(process.execPath, ['-'], { input: code, timeout: 600_000 }).toString()).toBe('started\n');
  });
  it('are gone after close, the caller still computes', async () => {
    const c = await threadedKernels({ threads: 2 });
    c.close();
    const p = c.exts([[1n, 0n, 0n]]);
    c.parallel('eadd', 2, 1, () => [p, p, p]);
    expect(c.readExt(p)[0]).toBe(2n);
  });
});
