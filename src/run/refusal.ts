import { llamaProgram } from '../model/llama.js';
import type { LlamaProgramOptions, Numbers } from '../model/shape.js';
import { HyperparameterError } from '../optim/constants.js';
import { ProgramError } from '../tensor/bounds.js';

/**
 * Formats of run.yaml and the direction in which a change is tried first: the cheapest for a user to give up comes
 * first.
 */
const FORMATS: readonly [keyof Numbers, readonly number[]][] = [
  ['actBits', [-1, 1]],
  ['xBits', [-1, 1]],
  ['actFrac', [-1, 1]],
  ['gradFrac', [-1, 1]],
  ['scoreFrac', [-1, 1]],
  ['headFrac', [-1, 1]],
  ['expBits', [1, -1]],
  ['siluBits', [-1, 1]],
  ['siluFrac', [-1, 1]],
  ['momentFrac', [-2, 2]],
];
/** How far a format is moved in search of one that holds. */
const REACH = 8;
/** Bounds of the schema, beyond which run.yaml would be refused. */
export type FormatLimits = Readonly<Partial<Record<keyof Numbers, readonly [number, number]>>>;

const builds = (o: LlamaProgramOptions): boolean => {
  try {
    llamaProgram(o);
    return true;
  } catch (e) {
    if (e instanceof ProgramError) return false;
    throw e;
  }
};

/** The nearest change of one format with which the program can be built. */
function formatRemedy(o: LlamaProgramOptions, limits: FormatLimits): { key: string; text: string } | undefined {
  for (let by = 1; by <= REACH; by++)
    for (const [key, directions] of FORMATS)
      for (const d of directions) {
        const now = o.numbers[key],
          next = now + d * by,
          [lo, hi] = limits[key] ?? [0, 64];
        if (next < lo || next > hi) continue;
        if (builds({ ...o, numbers: { ...o.numbers, [key]: next } }))
          return { key: `numbers.${key}`, text: `${next} in place of ${now} does, with everything else as it is` };
      }
  return undefined;
}

/** The nearest smaller size with which the program can be built. */
function sizeRemedy(o: LlamaProgramOptions): { key: string; text: string } | undefined {
  const sizes: [string, number, (x: number) => LlamaProgramOptions][] = [
    ['train.microBatch', o.batch, (batch) => ({ ...o, batch })],
    ['train.sequence', o.sequence, (sequence) => ({ ...o, sequence })],
    ['lora.r', o.lora.r, (r) => ({ ...o, lora: { ...o.lora, r } })],
  ];
  for (let shift = 1; shift <= 12; shift++)
    for (const [key, now, at] of sizes) {
      const next = now >> shift;
      if (next >= (key === 'train.sequence' ? 2 : 1) && builds(at(next)))
        return { key, text: `${next} in place of ${now} does, with everything else as it is` };
    }
  return undefined;
}

/**
 * What to tell a user whose settings describe no program: the key of run.yaml to change and a value with which it can
 * be built, tried before it is named. Constraints of the program are not the user's words. Everything else is thrown as
 * it is.
 */
export function programRefusal(e: unknown, o: LlamaProgramOptions, limits: FormatLimits): unknown {
  if (!(e instanceof ProgramError)) return e;
  if (/^(lora|train|numbers)\./.test(e.constraint)) return new HyperparameterError(e.constraint, e.reason);
  const remedy = formatRemedy(o, limits) ?? sizeRemedy(o);
  return remedy
    ? new HyperparameterError(
        remedy.key,
        `the sums and tables that these formats and sizes allow do not fit a proof of 64-bit elements: ${remedy.text}`,
      )
    : new HyperparameterError(
        'numbers',
        'the sums and tables that these formats and sizes allow do not fit a proof of 64-bit elements, and no change of a single one helps: take preset default, leave the rest null, and lower train.microBatch, train.sequence or lora.r',
      );
}
