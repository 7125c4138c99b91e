import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Entered } from '../prove/entered.js';
import { TornError, readRecord, writeRecord } from './record.js';

/*
 * Checkpoints of a run, under its journal: journal/checkpoint-t.bin is what the leaf that begins with step t enters,
 * beside the state in journal/step-t.bin, and the losses of the steps since the checkpoint before. A convenience of
 * whoever trains: nothing is believed of it that a proof does not show, and a wrong one makes a leaf that joins no
 * other.
 */

export const CHECKPOINT_VERSION = 2;
const TYPE = 'certune-checkpoint';
const NAME = /^checkpoint-(\d{5,8})\.bin$/;
const fileOf = (out: string, step: number): string => join(out, 'journal', `checkpoint-${String(step).padStart(5, '0')}.bin`);

/** A checkpoint. */
export interface Checkpoint {
  readonly entered: Entered;
  /** Of so many steps one has its state kept; 1: every step has. */ readonly every: number;
  /** Losses of the steps since the checkpoint before, in order. */ readonly losses: readonly (readonly bigint[])[];
}

const texts = (w: readonly bigint[]): string[] => w.map(String);

/** Writes the checkpoint of a step. */
export function writeCheckpoint(out: string, manifest: string, { entered: e, every, losses }: Checkpoint): void {
  const { counters, epochs } = e.policy,
    { pos, losses: chain, targets } = e.standing;
  writeRecord(
    fileOf(out, e.step),
    TYPE,
    CHECKPOINT_VERSION,
    manifest,
    {
      step: e.step,
      every,
      standing: { pos: texts(pos), losses: texts(chain), targets: texts(targets) },
      policy: { counters: { ...counters, loss: String(counters.loss) }, epochs: texts(epochs) },
      losses: losses.map(texts),
    },
    new Uint8Array(0),
  );
}

/** Steps that have a checkpoint, in order. */
export function checkpoints(out: string): number[] {
  const dir = join(out, 'journal');
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .flatMap((f) => NAME.exec(f)?.slice(1).map(Number) ?? [])
    .sort((a, b) => a - b);
}

/**
 * The checkpoint of a step; undefined if there is none. Throws TornError where it is damaged, InputError, VersionError,
 * ForeignError.
 */
export function readCheckpoint(out: string, manifest: string, step: number): Checkpoint | undefined {
  const file = fileOf(out, step);
  if (!existsSync(file)) return undefined;
  const { head } = readRecord(file, TYPE, CHECKPOINT_VERSION, manifest),
    r = new Fields(file, head),
    standing = r.inside('standing'),
    policy = r.inside('policy'),
    counters = policy.inside('counters');
  const entered: Entered = {
    step: r.count('step'),
    part: 0,
    standing: {
      pos: standing.words('pos', 7),
      losses: standing.words('losses', 4),
      targets: standing.words('targets', 4),
    },
    policy: {
      counters: {
        examples: counters.list('examples').map((x) => counters.number(x)),
        targets: counters.list('targets').map((x) => counters.number(x)),
        allTargets: counters.count('allTargets'),
        loss: counters.integer(counters.any('loss')),
      },
      epochs: policy.words('epochs', 4),
    },
  };
  if (entered.step !== step) throw new TornError(file, `is of step ${entered.step}`);
  return {
    entered,
    every: r.count('every'),
    losses: r.list('losses').map((x) => {
      if (!Array.isArray(x)) return r.fail('losses');
      return x.map((y: unknown) => r.integer(y));
    }),
  };
}

/** Fields of a record that its digest says is whole: a field of another form is of another writer. */
class Fields {
  constructor(
    readonly file: string,
    readonly x: Readonly<Record<string, unknown>>,
  ) {}
  fail(what: string): never {
    throw new TornError(this.file, `its ${what} is none of a checkpoint`);
  }
  any(key: string): unknown {
    return Object.hasOwn(this.x, key) ? this.x[key] : this.fail(key);
  }
  inside(key: string): Fields {
    const v = this.any(key);
    if (!v || typeof v !== 'object' || Array.isArray(v)) return this.fail(key);
    return new Fields(this.file, Object.fromEntries(Object.entries(v)));
  }
  list(key: string): readonly unknown[] {
    const v = this.any(key);
    return Array.isArray(v) ? v : this.fail(key);
  }
  number(v: unknown): number {
    return typeof v === 'number' && Number.isSafeInteger(v) && v >= 0 ? v : this.fail('number');
  }
  count(key: string): number {
    return this.number(this.any(key));
  }
  integer(v: unknown): bigint {
    return typeof v === 'string' && /^-?(0|[1-9]\d{0,39})$/.test(v) ? BigInt(v) : this.fail('integer');
  }
  words(key: string, n: number): bigint[] {
    const list = this.list(key);
    return list.length === n ? list.map((x) => this.integer(x)) : this.fail(key);
  }
}
