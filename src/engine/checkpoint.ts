import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { InputError } from '../errors.js';
import { sealed, sealedHeader } from '../artifact/header.js';
import { concat, fromBytes, toBytes } from '../artifact/words.js';
import { parseJson } from '../io/json-bounds.js';
import { utf8 } from '../io/json-text.js';
import type { AdapterState } from '../model/step.js';
import type { Entered } from '../prove/entered.js';

/*
 * The state before a step with what is entered there, as one object: all that a segment needs of the steps before it.
 * One line of JSON and the state's words, deflated. Nothing is believed of it that the proof does not show: a wrong one
 * makes a node that does not begin where the run stands, which is refused.
 */

/** A state and where the run stands there. Who proves from it commits to the state anyhow. */
export interface Checkpoint {
  readonly start: Entered;
  readonly state: AdapterState;
}

const TYPE = 'certune-farm-checkpoint',
  VERSION = 3;

export function encodeCheckpoint(manifest: string, { start, state }: Checkpoint): Uint8Array {
  const { step, standing, policy } = start,
    texts = (w: readonly bigint[]): string[] => w.map(String),
    { counters, epochs } = policy,
    words = concat([state.C, state.master, state.mm, state.vv].map(toBytes)),
    body = deflateRawSync(words, { level: 1 });
  const head = {
    type: TYPE,
    version: VERSION,
    manifest,
    step,
    parameters: state.C.length,
    standing: [standing.pos, standing.losses, standing.targets].map(texts),
    policy: { counters: { ...counters, loss: String(counters.loss) }, epochs: texts(epochs) },
  };
  return concat([new TextEncoder().encode(sealedHeader(head, body)), body]);
}

const WORD = /^-?(0|[1-9]\d{0,39})$/;
const LONGEST = 2 ** 20;

/** A checkpoint of `parameters` parameters from bytes of a store. Throws InputError. */
export function decodeCheckpoint(name: string, b: Uint8Array, manifest: string, step: number, parameters: number): Checkpoint {
  const bad = (why: string): never => {
    throw new InputError(name, [why], 'the coordinator puts it again');
  };
  const nl = b.subarray(0, LONGEST).indexOf(10);
  if (nl < 0) return bad('has no header line');
  let head: Record<string, unknown>;
  try {
    head = parseJson(utf8(b.subarray(0, nl))) as Record<string, unknown>;
  } catch {
    return bad('header is not JSON');
  }
  const body = b.subarray(nl + 1);
  if (!head || typeof head !== 'object' || head['type'] !== TYPE || head['version'] !== VERSION || !sealed(head, body))
    return bad(`is no ${TYPE} of version ${VERSION}, or a damaged one`);
  if (head['manifest'] !== manifest || head['step'] !== step || head['parameters'] !== parameters)
    return bad(`is not that of step ${step}`);
  const words = (x: unknown, n?: number): bigint[] =>
    Array.isArray(x) && (n === undefined || x.length === n) && x.every((w) => typeof w === 'string' && WORD.test(w))
      ? (x as string[]).map(BigInt)
      : bad('malformed words');
  const numbers = (x: unknown): number[] =>
    Array.isArray(x) && x.every((v) => Number.isSafeInteger(v) && v >= 0) ? (x as number[]) : bad('malformed counters');
  const standing = head['standing'] as unknown[],
    policy = (head['policy'] ?? {}) as Record<string, unknown>,
    counters = (policy['counters'] ?? {}) as Record<string, unknown>;
  if (!Array.isArray(standing) || standing.length !== 3) return bad('malformed standing');
  let raw: Uint8Array;
  try {
    raw = inflateRawSync(body, { maxOutputLength: 32 * parameters });
  } catch {
    return bad('does not inflate');
  }
  if (raw.length !== 32 * parameters) return bad('is too short');
  const part = (k: number): BigInt64Array => new BigInt64Array(fromBytes(raw, 8 * k * parameters, parameters).buffer);
  return {
    start: {
      step,
      part: 0,
      standing: {
        pos: words(standing[0], 7),
        losses: words(standing[1], 4),
        targets: words(standing[2], 4),
      },
      policy: {
        counters: {
          examples: numbers(counters['examples']),
          targets: numbers(counters['targets']),
          allTargets: numbers([counters['allTargets']])[0],
          loss: words([counters['loss']])[0],
        },
        epochs: words(policy['epochs'], 4),
      },
    },
    state: { C: part(0), master: part(1), mm: part(2), vv: part(3) },
  };
}
