import { blake3 } from '@noble/hashes/blake3.js';
import { isqrt } from '../field/fixedpoint.js';
import { ADAMW } from '../optim/adamw.js';
import { type LlamaShape, type Target, adapterAxes } from './shape.js';

/** Sizes of a program's axes that adapters use. */
export function axisSizes(shape: LlamaShape, r: number): Record<string, number> {
  return {
    l: shape.layers,
    d: shape.hidden,
    f: shape.intermediate,
    kv: shape.kvHeads,
    g: shape.groups,
    hf: 2,
    cc: shape.headDim / 2,
    c: shape.headDim,
    r,
  };
}

/** Output and input width of a projection. */
export function projectionSize(shape: LlamaShape, t: Target): { out: number; in: number } {
  const sizes = axisSizes(shape, 1),
    ax = adapterAxes(t);
  const prod = (xs: string[]): number => xs.filter((a) => a !== 'l' && a !== 'r').reduce((n, a) => n * sizes[a], 1);
  return { out: prod(ax.B), in: prod(ax.A) };
}

/** Integers of one seed's stream: 8-byte little-endian words of BLAKE3-XOF over a domain string. */
function* words(domain: string): Generator<bigint> {
  for (let block = 0; ; block++) {
    const bytes = blake3(new TextEncoder().encode(`${domain}/${block}`), { dkLen: 8192 });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let k = 0; k < 8192; k += 8) yield view.getBigUint64(k, true);
  }
}

/**
 * Initial master copy at 30 fraction bits: A uniform on the integers of [-2^30/sqrt(in), 2^30/sqrt(in)] by rejection
 * from BLAKE3-XOF("certune/lora-init/1", seed, tensor name), B = 0. Per layer, in PEFT's names, so that the stream does
 * not depend on layout.
 */
export function initialMaster(shape: LlamaShape, r: number, targets: readonly Target[], seed: string | number): Map<string, BigInt64Array> {
  const out = new Map<string, BigInt64Array>();
  for (const t of targets) {
    const size = projectionSize(shape, t);
    const a = new BigInt64Array(shape.layers * r * size.in);
    let bound = 1n << BigInt(ADAMW.master.frac);
    bound = isqrt((bound * bound) / BigInt(size.in));
    const span = 2n * bound + 1n,
      limit = ((1n << 64n) / span) * span;
    for (let l = 0, at = 0; l < shape.layers; l++) {
      const stream = words(`certune/lora-init/1/${seed}/layers.${l}.${t}.lora_A`);
      for (let k = 0; k < r * size.in; k++) {
        let w = stream.next().value as bigint;
        while (w >= limit) w = stream.next().value as bigint;
        a[at++] = (w % span) - bound;
      }
    }
    out.set(`${t}.A`, a);
    out.set(`${t}.B`, new BigInt64Array(shape.layers * r * size.out));
  }
  return out;
}

/** Compute copy C = round(master / 2^10), ties upward. */
export function computeCopy(master: BigInt64Array): BigInt64Array {
  const s = BigInt(ADAMW.master.frac - ADAMW.C.frac),
    half = 1n << (s - 1n);
  return BigInt64Array.from(master, (x) => (x + half) >> s);
}
