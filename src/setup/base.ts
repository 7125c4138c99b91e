import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { loadBase, openBase, sha256File, sha256Hex } from '../io/hf.js';
import { frozenIntegers, quantizeBase } from '../model/base.js';
import { type AdapterState, initialState } from '../model/step.js';
import { budgetsOf } from '../run/budgets.js';
import type { RunConfig } from './runfile.js';
import { VerificationError } from '../transcript/arith.js';
import { type Manifest, difference } from '../run/manifest.js';
import { type Programs, numbersOf, programsOf } from '../run/programs.js';
import { type Facts, factsOf, initialOf } from '../recursion/leaves.js';
import { startFrom } from './run.js';

/** What follows from a manifest alone, and from the base and the adapter that a run began from where they are at hand. */
export interface Known extends Facts {
  readonly config: RunConfig;
  /** Integers of the base: only where it was given. */ readonly frozen?: Map<string, BigInt64Array>;
  /** Unknown where the run began from an adapter that was not given. */ readonly initial?: AdapterState;
}

/** Programs of a manifest that nobody has checked. Throws InputError where they cannot be built. */
export function buildable(file: string, m: Manifest): Programs {
  try {
    return programsOf(m.config, m.base);
  } catch (e) {
    throw new InputError(file, [`its manifest describes no program that can be built: ${(e as Error).message}`]);
  }
}

/** Keys of a manifest that its other keys contradict: what can be told without base and data, where nobody recomputes it. */
function contradictions({ config, dataset, preprocessing, base, budgets }: Manifest): string[] {
  const { train, numbers, sampler, data } = config,
    sum = (f: (x: Manifest['dataset']['files'][number]) => number): number => dataset.files.reduce((n, x) => n + f(x), 0),
    declared = (x: { source: string; license: string; language: string }) => ({
      source: x.source,
      license: x.license,
      language: x.language,
    });
  return [
    ...difference(budgets, budgetsOf(numbersOf(numbers), train.sequence, base.shape.vocab), 'budgets'),
    ...difference(dataset.files.map(declared), data.map(declared), 'dataset.files'),
    ...(sum((x) => x.kept) === dataset.examples ? [] : ['dataset.examples']),
    ...(sum((x) => x.rows) === dataset.examples + dataset.dropped ? [] : ['dataset.dropped']),
    ...(train.template === null || preprocessing.template === `sha256:${sha256Hex(train.template)}` ? [] : ['preprocessing.template']),
    ...(sampler.shortBatch === 'drop' && dataset.examples < train.batch ? ['config.sampler.shortBatch'] : []),
  ];
}

/**
 * Derives what can be derived of a run without its data. `base` is a Hugging Face folder, `from` the adapter that the run began from. Throws InputError for what cannot be read,
 * VerificationError naming all keys of the manifest that the base or the adapter contradicts.
 */
export function known(file: string, m: Manifest, given: { readonly base?: string; readonly from?: string } = {}): Known {
  const programs = buildable(file, m),
    { config } = m,
    differs: string[] = [],
    wrong = contradictions(m);
  if (wrong.length) throw new VerificationError('manifest', `${file}: contradicts itself in ${wrong.join(', ')}`);
  let frozen: Map<string, BigInt64Array> | undefined;
  if (given.base !== undefined) {
    const folder = openBase(given.base),
      base = loadBase(given.base, folder),
      { ints, bits } = quantizeBase(base.weights),
      digest = (name: string): string | null =>
        existsSync(join(given.base!, name)) ? `sha256:${sha256File(join(given.base!, name))}` : null,
      { tokenizer, tokenizerConfig, eos } = m.preprocessing;
    differs.push(
      ...difference(
        {
          base: m.base,
          preprocessing: { tokenizer, tokenizerConfig, eos },
        },
        {
          base: { digest: base.digest, shape: base.shape, weightBits: bits },
          preprocessing: { tokenizer: digest('tokenizer.json'), tokenizerConfig: digest('tokenizer_config.json'), eos: folder.eos },
        },
      ),
    );
    if (!differs.length) frozen = frozenIntegers(base.shape, ints, base.rope, config.train.sequence);
  }
  const facts = factsOf(m, programs);
  let initial: AdapterState | undefined;
  if (config.lora.from === null) initial = initialOf(facts);
  else if (given.from !== undefined) {
    if (`sha256:${sha256File(join(given.from, 'adapter_model.safetensors'))}` !== config.lora.from) differs.push('config.lora.from');
    else initial = initialState(programs.program, startFrom(given.from, config.lora, m.base.shape).master);
  }
  if (differs.length) throw new VerificationError('manifest', `differs from what base and adapter give: ${differs.join(', ')}`);
  return { ...facts, config, ...(frozen ? { frozen } : {}), ...(initial ? { initial } : {}) };
}
