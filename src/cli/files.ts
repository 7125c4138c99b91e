import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openBase } from '../io/hf.js';
import { adapterBytes, besideAdapter, modelCard } from '../io/peft.js';
import { readBytes, readText, listFolder } from '../io/read-file.js';
import { unflattenGroup } from '../model/step.js';
import { type Manifest, rowCounts } from '../run/manifest.js';
import type { Programs } from '../run/programs.js';
import type { Setup } from '../setup/run.js';
import type { ClaimRecord } from '../verify/claims.js';
import { metaOf } from '../verify/released.js';
import { ADAPTER_REMEDY } from './kept.js';

/*
 * Files of a base's and an adapter's folder beside those that a proof is about: what of them was compared, and with
 * what.
 */

/** Integers of an adapter by member. */
export const membersOf = ({ program }: Programs, C: BigInt64Array): Map<string, BigInt64Array> =>
  new Map([...unflattenGroup(program, 'cIn', 'C', C)].map(([n, v]) => [n.slice(2), v]));

/** Model card of a run's adapter: it follows from manifest and data. */
export function cardOf(s: Setup): string {
  const { manifest, facts } = s.run,
    used = new Map(s.rows.examples.map((e) => [JSON.stringify([e.source, e.license, e.language]), e]));
  return modelCard({
    meta: metaOf(manifest),
    baseDigest: s.model.digest,
    data: [...used.values()].slice(0, 100),
    steps: manifest.config.train.steps,
    batch: manifest.config.train.batch,
    rows: rowCounts(manifest),
    datasetRoot: manifest.dataset.root,
    manifest: facts.digest,
    ...(s.inexact === undefined ? {} : { imported: { inexact: s.inexact } }),
  });
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/**
 * In which of its files an adapter that holds the right values differs from what train writes, in words; empty where it
 * is the same to the last byte.
 */
export function otherBytes(p: Programs, m: Manifest, dir: string, released: BigInt64Array): string {
  const want = adapterBytes(m.base.shape, metaOf(m), membersOf(p, released)),
    config = readBytes(join(dir, 'adapter_config.json'), 'config'),
    tensors = readBytes(join(dir, 'adapter_model.safetensors'), 'weights'),
    head = 8 + Number(new DataView(want.tensors.buffer, want.tensors.byteOffset).getBigUint64(0, true)),
    why: string[] = [];
  if (!same(config, want.config)) why.push('adapter_config.json is another text that says the same');
  if (tensors.length !== want.tensors.length || !same(tensors.subarray(0, head), want.tensors.subarray(0, head)))
    why.push('adapter_model.safetensors has the same values in other types, another order or with other metadata');
  else if (!same(tensors, want.tensors)) why.push('adapter_model.safetensors has zeros with a sign');
  return why.join(', ');
}

/**
 * What was compared of the model card in an adapter's folder; `card` is the one that train writes, where that is known.
 */
export function cardClaim(dir: string | undefined, by: string, card: string | undefined): ClaimRecord {
  const file = dir === undefined ? undefined : join(dir, 'README.md');
  if (file === undefined || !existsSync(file))
    return { claim: 'card', status: 'not checked', ...(file === undefined ? { option: '--adapter DIR' } : {}), says: 'there is none' };
  if (card === undefined)
    return {
      claim: 'card',
      status: 'not checked',
      option: '--base DIR and --data FILE',
      says: `what ${file} says is the word of whoever wrote it`,
    };
  return readText(file, 'card') === card
    ? { claim: 'card', status: 'checked', against: file, by, says: 'it is what train writes of this run' }
    : {
        claim: 'card',
        status: 'differs',
        against: file,
        by,
        says: `it is not what train writes of this run: what it says is the word of whoever wrote it (${ADAPTER_REMEDY})`,
      };
}

/** Files beside a base of which something is read, and what of it the manifest holds. */
const PARTLY: Readonly<Record<string, string>> = {
  'generation_config.json': 'but for the ids that close a text',
  'model.safetensors.index.json': 'but for the files that it names',
};

/** What lies in a base's folder and was compared with nothing. `template`: the chat template is the base's own. */
export function besideBase(dir: string, template: boolean): string[] {
  const compared = new Set([...openBase(dir).files, 'config.json', 'tokenizer.json', 'tokenizer_config.json']);
  if (template) compared.add('chat_template.jinja');
  return listFolder(dir)
    .filter((n) => !compared.has(n))
    .sort()
    .map((n) => (PARTLY[n] === undefined ? n : `${n} (${PARTLY[n]})`));
}

/** Lines of a report on what was compared with nothing. */
export const besideLines = (adapter: readonly string[], base: readonly string[]): string[] => [
  ...(adapter.length ? [`  beside the adapter, not checked: ${adapter.join(', ')}`] : []),
  ...(base.length ? [`  beside the base, not checked: ${base.join(', ')}`] : []),
];
export const besideOf = (dir: string | undefined): string[] => (dir === undefined ? [] : besideAdapter(dir).others);
