/**
 * What the checks of programs take from the package: programs as JSON and the integers of tables. This file and runs.ts
 * alone import it, and nothing but its entries.
 */
import { type RunConfig, programsOf, runSchema } from 'certune';
import { CircuitChannel, circuitProgram, fixedColumns, heightsOf } from 'certune/circuit';
import { poseidon2 } from 'certune/hash';
import { DEFAULT_NUMBERS, type LlamaProgramOptions, type LlamaShape, TARGETS, frozenTensors, llamaProgram } from 'certune/model';
import { type Program, programJson, tableColumns } from 'certune/tensor';
import { STORIES, TINY } from '../shapes.js';
import type { CircuitData } from './circuit.js';
import { type RawProgram, type TableFacts, tableFacts } from './data.js';

/** A run's configuration with everything that is not said at its default. */
export const configuration = (o: Record<string, unknown>): RunConfig =>
  runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], ...o });

const UNTIED: LlamaShape = { ...TINY, tied: false, bias: true, hidden: 7, vocab: 11 };

export const weightBits = (shape: LlamaShape, bits: number): Record<string, number> =>
  Object.fromEntries(frozenTensors(shape).map((t) => [t.name, bits]));

/** Tables of 2^12 rows, so that wide numbers have several limbs. */
const COARSE = { expBits: 12, siluBits: 12, siluFrac: 8, scoreFrac: 7, headFrac: 7, xBits: 24 };

const tiny = (shape: LlamaShape, clip: number, batch = 2): Program[] => {
  const c = configuration({
      lora: { r: 2 },
      train: { batch, microBatch: 2, sequence: 4, clip },
      numbers: { preset: 'small', ...COARSE },
    }),
    made = programsOf(c, { shape, weightBits: weightBits(shape, 17) });
  return [made.program, ...(made.update ? [made.update.program] : [])];
};
const stories = (preset: string): Program[] => {
  const c = configuration({
    train: { batch: preset === 'small' ? 2 : 8, microBatch: preset === 'small' ? 2 : 8, sequence: preset === 'small' ? 12 : 64 },
    numbers: { preset },
  });
  return [programsOf(c, { shape: STORIES, weightBits: weightBits(STORIES, 20) }).program];
};
const evaluation = (): Program =>
  llamaProgram({
    shape: TINY,
    numbers: DEFAULT_NUMBERS,
    weightBits: weightBits(TINY, 17),
    batch: 2,
    sequence: 4,
    lora: { r: 2, targets: [...TARGETS], scaling: 2 },
    adam: { beta1: 0n, kappa: 0n, sigma: 0n, clip: 0n },
    kind: 'eval',
  });

/** The kinds of programs that there are: one without an entry does not compile. */
const KINDS: Readonly<Record<LlamaProgramOptions['kind'], () => Program>> = {
  step: () => tiny(TINY, 0.5)[0],
  micro: () => tiny(TINY, 0.5, 4)[0],
  update: () => tiny(TINY, 0.5, 4)[1],
  eval: evaluation,
};
/** Every kind of program, and the shapes that differ. */
const PROGRAMS: Readonly<Record<string, () => Program>> = {
  ...KINDS,
  'step, no clipping': () => tiny(TINY, 0)[0],
  'update, no clipping': () => tiny(TINY, 0, 4)[1],
  'step, untied, biases': () => tiny(UNTIED, 0.5)[0],
  'step of stories260k': () => stories('default')[0],
  'step of stories260k, small preset': () => stories('small')[0],
};
export const PROGRAM_NAMES: readonly string[] = Object.keys(PROGRAMS);

/** The canonical JSON of a program, the same whose digest names it. */
export function programOf(name: string): RawProgram {
  const make = PROGRAMS[name];
  if (!make) throw new RangeError(`no program "${name}"`);
  return JSON.parse(programJson(make())) as RawProgram;
}

const tables = new Map<string, TableFacts>();
/** Facts about the integers of a table, as every program has them. */
export function factsOf(table: { name: string; lo: bigint; size: number }): TableFacts {
  const key = `${table.name}/${table.lo}/${table.size}`;
  let facts = tables.get(key);
  if (!facts) {
    facts = tableFacts(tableColumns({ ...table, axis: '', columns: [] }));
    tables.set(key, facts);
  }
  return facts;
}

/**
 * The verifier's circuit: the program of its rows, with the numbers that are the same in every row. Two kinds of rows
 * are of circuits alone that look up ids.
 */
export function circuit(ids = false): CircuitData {
  const ch = new CircuitChannel();
  if (ids) {
    const zero = ch.constant(0n);
    ch.selectIds(zero, 1, 1, ch.idTables(2, [zero], [zero, zero]));
  }
  const heights = heightsOf(ch),
    program = JSON.parse(programJson(circuitProgram(heights))) as RawProgram,
    fixed = fixedColumns(ch, heights),
    constants = new Map<string, readonly bigint[]>();
  for (const t of program.tensors)
    if (!t.axes.some((a) => /^row/.test(a)) && fixed.has(t.name)) constants.set(t.name, [...fixed.get(t.name)!]);
  return { program, constants, permute: poseidon2.permute, node: poseidon2.DOMAIN.node };
}
