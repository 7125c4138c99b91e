import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { P } from '../field/goldilocks.js';
import { InputError } from '../io/errors.js';
import { writeAtomic } from '../io/safetensors.js';
import type { AdapterState } from '../model/step.js';
import type { ProofPart, StepProof } from './state.js';

const MAGIC = 'certune-step-proof/2';
const name = (dir: string, kind: string, step: number): string => join(dir, kind, `step-${String(step).padStart(5, '0')}.bin`);

const bytes = (v: BigInt64Array | BigUint64Array): Buffer => {
  const b = Buffer.alloc(8 * v.length);
  v.forEach((x, k) => {
    b.writeBigUInt64LE(BigInt.asUintN(64, x), 8 * k);
  });
  return b;
};

/** One JSON line (type, step, parts: kind, roots out, loss, word count), a newline, then the words of all parts. */
export function writeProof(out: string, p: StepProof): void {
  mkdirSync(join(out, 'proof'), { recursive: true });
  const head = JSON.stringify({
    type: MAGIC,
    step: p.step,
    parts: p.parts.map((x) => ({
      kind: x.kind,
      roots: Object.fromEntries(Object.entries(x.roots).map(([c, r]) => [c, r.map(String)])),
      loss: x.loss.toString(),
      words: x.proof.length,
    })),
  });
  writeAtomic(name(out, 'proof', p.step), Buffer.concat([Buffer.from(`${head}\n`), ...p.parts.map((x) => bytes(x.proof))]));
}

const ROOTS = { step: ['cOut', 'oOut'], micro: ['aOut'], update: ['cOut', 'oOut'] } as const;

/** Reads a step proof; hostile bytes give InputError. */
export function readProof(out: string, step: number): StepProof {
  const file = name(out, 'proof', step);
  const bad = (why: string): never => {
    throw new InputError(file, [why]);
  };
  let b: Buffer = Buffer.alloc(0);
  try {
    b = readFileSync(file);
  } catch (e) {
    bad(`cannot be read: ${(e as Error).message}`);
  }
  const nl = b.subarray(0, 1 << 20).indexOf(10);
  if (nl < 0) bad('has no header line');
  let h: Record<string, unknown> | null = null;
  try {
    h = JSON.parse(b.subarray(0, nl).toString()) as Record<string, unknown>;
  } catch {
    bad('header is not JSON');
  }
  if (!h || typeof h !== 'object' || h['type'] !== MAGIC) return bad(`is not a ${MAGIC}`);
  const digits = (x: unknown): bigint => (typeof x === 'string' && /^-?\d{1,20}$/.test(x) ? BigInt(x) : bad('malformed integer'));
  const root = (x: unknown): bigint[] => {
    if (!Array.isArray(x) || x.length !== 10) return bad('malformed state commitment');
    return x.map((y) => {
      const v = digits(y);
      return v >= 0n && v < P ? v : bad('root word is not canonical');
    });
  };
  const list = Array.isArray(h['parts']) ? (h['parts'] as Record<string, unknown>[]) : bad('has no parts');
  let at = nl + 1;
  const parts = list.map((x): ProofPart => {
    const kind = x?.['kind'];
    if (kind !== 'step' && kind !== 'micro' && kind !== 'update') return bad('part of unknown kind');
    const words = Number(x['words']),
      given = x['roots'] as Record<string, unknown>;
    if (!Number.isSafeInteger(words) || words < 0 || at + 8 * words > b.length) bad('length does not match its header');
    if (!given || typeof given !== 'object') bad('part without roots');
    const proof = new BigUint64Array(words);
    for (let k = 0; k < words; k++) proof[k] = b.readBigUInt64LE(at + 8 * k);
    at += 8 * words;
    return { kind, proof, roots: Object.fromEntries(ROOTS[kind].map((c) => [c, root(given[c])])), loss: digits(x['loss']) };
  });
  if (at !== b.length) bad('length does not match its header');
  return { step: Number(h['step']), parts };
}
const mergeFile = (out: string): string => join(out, 'proof', 'merge.bin');
export const writeMerge = (out: string, words: BigUint64Array): void => writeAtomic(mergeFile(out), bytes(words));
export function readMerge(out: string): BigUint64Array {
  try {
    const b = readFileSync(mergeFile(out));
    return BigUint64Array.from({ length: Math.floor(b.length / 8) }, (_, i) => b.readBigUInt64LE(8 * i));
  } catch (e) {
    throw new InputError(mergeFile(out), [`cannot be read: ${(e as Error).message}`], 'run certune prove');
  }
}
export const hasProof = (out: string, step: number): boolean => existsSync(name(out, 'proof', step));

/** State before a step, in the journal. */
export function writeState(out: string, step: number, s: AdapterState): void {
  mkdirSync(join(out, 'journal'), { recursive: true });
  writeAtomic(name(out, 'journal', step), Buffer.concat([s.C, s.master, s.mm, s.vv].map(bytes)));
}
export function readState(out: string, step: number, n: number): AdapterState | undefined {
  const file = name(out, 'journal', step);
  if (!existsSync(file)) return undefined;
  const b = readFileSync(file);
  if (b.length !== 32 * n) throw new InputError(file, [`has ${b.length} bytes, expected ${32 * n}`], 'delete the journal and train again');
  const part = (k: number): BigInt64Array => BigInt64Array.from({ length: n }, (_, i) => b.readBigInt64LE(8 * (k * n + i)));
  return { C: part(0), master: part(1), mm: part(2), vv: part(3) };
}
