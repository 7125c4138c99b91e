import type { Base, Inputs } from '../run/inputs.js';
import { join } from 'node:path';
import { TextCodec } from '../io/codec.js';
import { type BaseFolder, loadBase, openBase, sha256File } from '../io/hf.js';
import { listFolder } from '../io/read-file.js';
import { frozenIntegers, quantizeBase } from '../model/base.js';
import { type AdapterState, initialState } from '../model/step.js';
import { VerificationError } from '../transcript/arith.js';
import { type Manifest, difference } from '../run/manifest.js';
import { type Run, initialOf } from '../run/facts.js';
import { preprocessingOf } from './preprocessing.js';
import { startFrom } from './run.js';

/** What a manifest says of a base, as its files give it. */
export type BaseFacts = Pick<Manifest, 'base' | 'preprocessing'>;

/** What is given to find base and initial state, and what is not asked for. */
export interface GivenInputs {
  /** A Hugging Face folder. */ readonly base?: string | undefined;
  /** The adapter that the run began from. */ readonly from?: string | undefined;
  /** False: a seeded state is not made here. */ readonly seeded?: boolean;
  /** Facts that were found of files with these digests before, or what `make` gives, which is remembered. */
  readonly facts?: (files: readonly string[], make: () => BaseFacts) => BaseFacts;
}

/** Digests and names of all files of a base's folder of which anything is read. */
function digestsOf(dir: string, { files }: BaseFolder): string[] {
  // Where names are found whatever their case is, so is the file of another case.
  const texts = listFolder(dir).filter((f) => /\.(json|jinja)$/i.test(f));
  return [...new Set([...texts, ...files])].sort().map((f) => `${sha256File(join(dir, f), 'weights')}  ${f}`);
}

/**
 * Base of a run from its folder. Integers are made when they are first asked for: who knows from earlier what they give
 * does not need them. Throws InputError; VerificationError where the files changed in between.
 */
function baseOf(
  { config }: Manifest,
  dir: string,
  facts: NonNullable<GivenInputs['facts']>,
): { readonly base: Base; readonly facts: BaseFacts } {
  const folder = openBase(dir),
    files = digestsOf(dir, folder),
    changed = (): never => {
      throw new VerificationError('base', `${dir} changed while it was read`);
    };
  /** What is remembered of these files is read of them: between two looks at their digests, the configuration too. */
  function between<T>(read: () => T): T {
    const got = read();
    return digestsOf(dir, folder).join() === files.join() ? got : changed();
  }
  const read = (): { readonly of: BaseFacts['base']; readonly frozen: ReadonlyMap<string, BigInt64Array> } => {
    const base = loadBase(dir),
      { ints, bits } = quantizeBase(base.weights);
    return {
      of: { digest: base.digest, shape: base.shape, weightBits: bits },
      frozen: frozenIntegers(base.shape, ints, base.rope, config.train.sequence),
    };
  };
  // Integers of other files than were looked at are nobody's, however often they are asked for.
  let frozen: ReadonlyMap<string, BigInt64Array> | undefined;
  const found = facts(files, () => {
      const { preprocessing, ...got } = between(() => ({
        ...read(),
        preprocessing: preprocessingOf(dir, new TextCodec(dir, config.train.template ?? undefined)),
      }));
      ({ frozen } = got);
      return { base: got.of, preprocessing };
    }),
    { digest } = found.base;
  return {
    facts: found,
    base: {
      digest,
      get frozen() {
        if (frozen) return frozen;
        const got = between(read);
        if (got.of.digest !== digest) changed();
        return (frozen = got.frozen);
      },
    },
  };
}

/**
 * Base and initial state of a run, as far as they are at hand. Throws InputError for what cannot be read,
 * VerificationError naming all keys of the manifest that the base or the adapter contradicts.
 */
export function inputsOf(run: Run, given: GivenInputs = {}): Inputs {
  const { manifest: m, programs } = run,
    { config } = m,
    differs: string[] = [];
  let base: Base | undefined;
  if (given.base !== undefined) {
    const found = baseOf(m, given.base, given.facts ?? ((_, make) => make()));
    differs.push(...difference({ base: m.base, preprocessing: m.preprocessing }, found.facts));
    base = found.base;
  }
  let initial: AdapterState | undefined;
  if (config.lora.from === null) {
    if (given.seeded !== false) initial = initialOf(run);
  } else if (given.from !== undefined) {
    if (`sha256:${sha256File(join(given.from, 'adapter_model.safetensors'), 'weights')}` !== config.lora.from)
      differs.push('config.lora.from');
    else initial = initialState(programs.program, startFrom(given.from, config.lora, m.base.shape).master);
  }
  if (differs.length) throw new VerificationError('manifest', `differs from what base and adapter give: ${differs.join(', ')}`);
  return { ...(base ? { base } : {}), ...(initial ? { initial } : {}) };
}
