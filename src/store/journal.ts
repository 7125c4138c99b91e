import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AdapterState } from '../model/step.js';
import { partHeaders, readParts } from '../artifact/parts.js';
import { InputError } from '../errors.js';
import { TornError, readRecord, recordHead, writeRecord } from './record.js';
import type { StepProof } from '../run/parts.js';
import { fromBytes, toBytes } from '../artifact/words.js';

/*
 * What a run keeps while it works, under its out folder: journal/step-t (the state before step t) and proof/step-t.
 * Each is bound to the manifest and carries the digest of its body, so that a file cut short is found and made again,
 * and one of another manifest is refused.
 */

export const STEP_VERSION = 5;
export const STATE_VERSION = 4;
const STEP = 'certune-step-proof',
  STATE = 'certune-state';
const name = (out: string, kind: string, step: number): string => join(out, kind, `step-${String(step).padStart(5, '0')}.bin`);

/** Writes one step's proof: a header with its parts, then the words of all parts. */
export function writeProof(out: string, manifest: string, p: StepProof): void {
  writeRecord(
    name(out, 'proof', p.step),
    STEP,
    STEP_VERSION,
    manifest,
    { step: p.step, parts: partHeaders(p) },
    Buffer.concat(p.parts.map((x) => toBytes(x.proof))),
  );
}

/** Reads one step's proof; undefined if there is none. Errors as of readRecord. */
export function readProof(out: string, manifest: string, step: number): StepProof | undefined {
  const file = name(out, 'proof', step);
  if (!existsSync(file)) return undefined;
  const { head, body } = readRecord(file, STEP, STEP_VERSION, manifest),
    bad = (why: string): never => {
      throw new TornError(file, why);
    };
  if (head['step'] !== step) bad(`is of step ${String(head['step'])}`);
  let at = 0;
  const parts = readParts(head['parts'], bad, (words) => {
    if (at + 8 * words > body.length) return bad('length does not match its header');
    const v = fromBytes(body, at, words);
    at += 8 * words;
    return v;
  });
  if (at !== body.length) bad('length does not match its header');
  return { step, parts: parts.map(({ words, ...x }) => ({ ...x, proof: words })) };
}

/** Deletes the proofs of single steps, of all or of those from .. before - 1. */
export function dropProofs(out: string, before = Number.POSITIVE_INFINITY, from = 0): void {
  const dir = join(out, 'proof');
  if (!existsSync(dir)) return;
  for (const f of readdirSync(dir)) {
    const m = /^step-(\d+)\.bin$/.exec(f);
    if (m && Number(m[1]) >= from && Number(m[1]) < before) rmSync(join(dir, f));
  }
}

/**
 * State before a step, and the losses, summed over targets, of the micro-batches of the step that led to it (none for
 * the first).
 */
export interface Entry {
  readonly state: AdapterState;
  readonly losses: readonly bigint[];
}

export function writeState(out: string, manifest: string, step: number, { state: s, losses }: Entry): void {
  writeRecord(
    name(out, 'journal', step),
    STATE,
    STATE_VERSION,
    manifest,
    { step, losses: losses.length },
    Buffer.concat([s.C, s.master, s.mm, s.vv, BigInt64Array.from(losses)].map(toBytes)),
  );
}

/** State before a step of `n` parameters; undefined if there is none. Errors as of readRecord. */
export function readState(out: string, manifest: string, step: number, n: number): Entry | undefined {
  const file = name(out, 'journal', step);
  if (!existsSync(file)) return undefined;
  const { head, body } = readRecord(file, STATE, STATE_VERSION, manifest);
  const count = (body.length - 32 * n) / 8;
  if (head['step'] !== step || !Number.isSafeInteger(count) || count < 0 || head['losses'] !== count)
    throw new TornError(file, `is not the state before step ${step} of ${n} parameters`);
  const part = (k: number, words = n): BigInt64Array => new BigInt64Array(fromBytes(body, 8 * k * n, words).buffer);
  return { state: { C: part(0), master: part(1), mm: part(2), vv: part(3) }, losses: [...part(4, count)] };
}

/** Digest of the manifest that the states of a journal belong to; undefined where there is none that says it. */
export function journalManifest(out: string): string | undefined {
  const dir = join(out, 'journal');
  if (!existsSync(dir)) return undefined;
  for (const f of readdirSync(dir).sort()) {
    if (!/^step-\d+\.bin$/.test(f)) continue;
    try {
      const { manifest } = recordHead(join(dir, f));
      if (typeof manifest === 'string') return manifest;
    } catch (e) {
      if (!(e instanceof InputError)) throw e;
    }
  }
  return undefined;
}

/** What reading gives, or undefined where the file was cut short: it is made again. Every other error passes. */
export function orTorn<T>(read: () => T, torn?: (e: TornError) => void): T | undefined {
  try {
    return read();
  } catch (e) {
    if (!(e instanceof TornError)) throw e;
    torn?.(e);
    return undefined;
  }
}

/** Removes what a killed process left beside its targets. */
export function sweep(dir: string, mine?: number): void {
  if (!existsSync(dir)) return;
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    if (e.isDirectory()) sweep(join(dir, e.name), mine);
    const m = /\.tmp-(\d+)$/.exec(e.name);
    if (m && (Number(m[1]) === mine || !alive(Number(m[1])))) rmSync(join(dir, e.name), { force: true });
  }
}
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as { code?: string }).code === 'EPERM';
  }
}
