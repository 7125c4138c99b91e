import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readState, sweep, writeState } from '../src/store/journal.js';
import { type Manifest, manifestDigest } from '../src/run/manifest.js';
import { epochBatches, checkedRun } from '../src/run/facts.js';
import { setup } from '../src/setup/run.js';
import type { StepProof } from '../src/run/parts.js';
import { readProofFile, writeFolded, writeNode } from '../src/store/proof.js';
import { type NodeFile, decodeFolded, decodeNode, encodeFolded, encodeNode, joinEpochs, joinLosses } from '../src/artifact/folded.js';
import { checkJoin } from '../src/prove/neighbours.js';
import { dropNodes, epochFile, nodeFile, nodesFolder, keptIn, wholeNode } from '../src/store/nodes.js';
import { type LeafRange, type Recursion, endOf, foldNodes, leafWork, proveRange } from '../src/prove/range.js';
import { InputError } from '../src/errors.js';
import { runSchema } from '../src/run/schema.js';
import { ACC_WORDS, STATE_WORDS } from '../src/tensor/state-layout.js';
import { VerificationError } from '../src/transcript/index.js';
import { resealed } from './seal.js';
import { inputsOf } from '../src/setup/base.js';

const data = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));
const config = runSchema.parse({
  version: 1,
  base: { path: data('tiny') },
  data: [{ path: data('pairs.jsonl'), language: 'fr' }],
  lora: { r: 2, alpha: 4, targets: ['q_proj', 'down_proj'] },
  train: { steps: 11, batch: 4, microBatch: 2, sequence: 12, learningRate: 0.002, warmup: 0 },
  proof: { bits: 100 },
  numbers: { preset: 'small' },
});
const s = setup(config, [1n, 2n, 3n, 4n]),
  m = s.run.manifest,
  digest = manifestDigest(m),
  perEpoch = epochBatches(m),
  root = mkdtempSync(join(tmpdir(), 'certune-tree-'));
let out = '',
  n = 0;
beforeEach(() => {
  out = join(root, String(n++));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/**
 * A recursion that proves nothing: a statement is a hash of what the node is over. Micro-batches share a leaf, the
 * update has its own.
 */
function fake(manifest: Manifest = m, key: Record<string, unknown> = { name: 'fake' }): Recursion<{ step: number }> & { made: string[] } {
  const made: string[] = [],
    words = (text: string): { statement: bigint[]; proof: BigUint64Array } => {
      const h = createHash('sha256').update(text).digest();
      return {
        statement: [BigInt(h.readUInt32LE(0)), 7n],
        proof: BigUint64Array.from({ length: 5 }, (_, i) => BigInt(h.readUInt32LE(4 + 4 * i))),
      };
    };
  const text = (x: { statement: readonly bigint[] }): string => x.statement.join();
  return {
    made,
    manifest,
    key,
    keyDigest: JSON.stringify(key),
    digestOf: (k) => JSON.stringify(k),
    leaves: (from, to) =>
      Array.from({ length: to - from }, (_, i) => from + i).flatMap((step): LeafRange[] => [
        { kind: 1, parts: [0, 1].map((part) => ({ step, part })), from: { step, part: 0 }, to: { step, part: 2 } },
        { kind: 2, parts: [{ step, part: 2 }], from: { step, part: 2 }, to: { step: step + 1, part: 0 } },
      ]),
    leaf(start, r, steps) {
      made.push(`leaf ${r.from.step}.${r.from.part}`);
      expect(start.step).toBe(r.from.step);
      return {
        node: words(`leaf ${r.parts.map((p) => `${steps.find((x) => x.step === p.step)!.step}.${p.part}`).join()}`),
        after: { step: r.to.step },
        epochs: [],
      };
    },
    fold(a, b) {
      made.push('fold');
      return words(`${text(a)} ${text(b)}`);
    },
    end: (x) => words(`end ${text(x)}`),
    check(x) {
      if (x.statement[1] !== 7n) throw new VerificationError('proof', 'does not hold');
    },
  };
}
const loss = (step: number, part: number): bigint => BigInt(100 * step + part);
const step = (t: number): StepProof => ({
  step: t,
  parts: (['micro', 'micro', 'update'] as const).map((kind, part) => ({
    kind,
    proof: BigUint64Array.of(BigInt(t), BigInt(part)),
    roots: (kind === 'micro' ? { aOut: Array<bigint>(ACC_WORDS).fill(1n) } : { sOut: Array<bigint>(STATE_WORDS).fill(2n) }) as Record<
      string,
      bigint[]
    >,
    loss: kind === 'update' ? 0n : loss(t, part),
  })),
});
const again: string[] = [];
beforeEach(() => {
  again.length = 0;
});
const range = (r: Recursion<{ step: number }>, from = 0, to = 11, steps: string[] = []): NodeFile =>
  proveRange({
    keep: keptIn(out),
    recursion: r,
    from,
    to,
    perEpoch,
    step: (t) => {
      steps.push(String(t));
      return step(t);
    },
    start: (t) => ({ step: t }),
    targets: (t) => s.inputs.data.batches[t].targets,
    watch: { again: (e) => again.push(e.message) },
  });

describe('files of a tree', () => {
  it('epochs of the sampler are those that steps are counted in', () => {
    expect(perEpoch).toBe(3);
    expect(s.inputs.data.batches.map((b) => b.epoch)).toEqual(Array.from({ length: 11 }, (_, t) => Math.floor(t / perEpoch)));
    expect(() =>
      leafWork(
        [
          {
            kind: 1,
            parts: [
              { step: 2, part: 0 },
              { step: 3, part: 0 },
            ],
            from: { step: 2, part: 0 },
            to: { step: 4, part: 0 },
          },
        ],
        3,
      ),
    ).toThrow(/straddles/);
  });

  it('a run: epochs stay, all else goes; losses are all there; a second time nothing is done', () => {
    const r = fake(),
      node = range(r);
    expect([node.from, node.to]).toEqual([
      { step: 0, part: 0 },
      { step: 11, part: 0 },
    ]);
    expect(node.losses).toEqual(
      Array.from({ length: 11 }, (_, t) => ({ step: t, targets: s.inputs.data.batches[t].targets, losses: [loss(t, 0), loss(t, 1)] })),
    );
    expect(r.made.filter((x) => x !== 'fold')).toHaveLength(22);
    expect(r.made.filter((x) => x === 'fold')).toHaveLength(21);
    expect(readdirSync(nodesFolder(out))).toEqual(['0-11.certune']);
    expect(readdirSync(join(out, 'proof/epochs'))).toEqual([0, 1, 2].map((e) => `epoch-000${e}.certune`));
    expect(readdirSync(join(out, 'proof')).filter((f) => f.startsWith('step'))).toEqual([]);
    const epoch = readProofFile(epochFile(out, 1));
    expect(epoch.kind === 'node' && [epoch.node.from.step, epoch.node.to.step, epoch.node.losses.length]).toEqual([3, 6, 3]);
    expect(range(r)).toEqual(node);
    expect(r.made).toHaveLength(43);
    const file = join(out, 'run.certune');
    writeFolded(file, endOf(r, node));
    const end = readProofFile(file);
    expect(end.kind === 'folded' && end.folded.losses).toEqual(node.losses);
    // The node over the whole run stays: certificates are made from it.
    dropNodes(out, 11);
    expect(readdirSync(nodesFolder(out))).toEqual(['0-11.certune']);
    expect(wholeNode(out, 11, 3)).toBe(nodeFile(out, { step: 0, part: 0 }, { step: 11, part: 0 }));
    dropNodes(out, 12);
    expect(readdirSync(nodesFolder(out))).toEqual([]);
    expect(wholeNode(out, 11, 3)).toBeUndefined();
  });

  it('torn and false files are made again, foreign ones refused by name', () => {
    const r = fake(),
      node = range(r, 0, 3),
      file = epochFile(out, 0),
      bytes = readFileSync(file);
    const makes = (b: Uint8Array, why: RegExp): void => {
      writeFileSync(file, b);
      expect(range(r, 0, 3)).toEqual(node);
      expect(again.pop()).toMatch(why);
      expect(readFileSync(file).equals(bytes)).toBe(true);
    };
    makes(bytes.subarray(0, bytes.length - 8), /shorter than its header/);
    makes(bytes.subarray(0, 40), /no header line/);
    makes(Buffer.alloc(0), /no header line/);
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 2] ^= 1;
    makes(flipped, /does not match its digest/);
    makes(encodeNode({ ...node, statement: [1n, 8n] }), /does not hold/);
    makes(encodeNode({ ...node, to: { step: 2, part: 0 } }), /is of the range 0 to 2/);
    writeFileSync(file, encodeNode({ ...node, key: { name: 'other' } }));
    expect(() => range(r, 0, 3)).toThrow(/epoch-0000\.certune: was proved under another verification key/);
    const other = { ...m, config: { ...m.config, train: { ...m.config.train, learningRate: 0.001 } } };
    writeFileSync(file, encodeNode({ ...node, manifest: other }));
    expect(() => range(r, 0, 3)).toThrow(/belongs to another manifest/);
  });

  it('a kill between two files: what lay there is used, temporary files are swept', () => {
    const whole = fake();
    range(whole, 0, 6);
    rmSync(out, { recursive: true });
    for (let stop = 0; stop < whole.made.length; stop += 3) {
      const r = fake(),
        { leaf, fold } = r;
      const until =
        <A extends unknown[], R>(f: (...a: A) => R) =>
        (...a: A): R => {
          if (r.made.length === stop) throw new Error('killed');
          return f(...a);
        };
      const steps: string[] = [];
      expect(() => range({ ...r, leaf: until(leaf), fold: until(fold) }, 0, 6, steps)).toThrow('killed');
      const more: string[] = [];
      range(r, 0, 6, more);
      expect(r.made).toEqual(whole.made);
      expect([...steps, ...more]).toHaveLength(6);
      rmSync(out, { recursive: true });
    }
    range(fake(), 0, 1);
    const left = `${nodeFile(out, { step: 1, part: 0 }, { step: 2, part: 0 })}.tmp-999999999`;
    writeFileSync(left, 'half');
    sweep(out);
    expect(existsSync(left)).toBe(false);
  });

  it('ranges join where they are neighbours, and say why where they are not', () => {
    const r = fake(),
      at = (from: number, to: number): { file: string; node: NodeFile } => ({
        file: `steps-${from}-${to}.certune`,
        node: range(r, from, to),
      });
    const [a, b, c] = [at(0, 4), at(4, 5), at(5, 11)],
      join2 = (...x: { file: string; node: NodeFile }[]): void => checkJoin(x, r.digestOf);
    join2(a, b, c);
    const all = [b, c].reduce((x, y) => foldNodes(r, x, y.node), a.node);
    expect([all.from.step, all.to.step, all.losses.length]).toEqual([0, 11, 11]);
    expect(() => join2(b, a)).toThrow(/steps-0-4\.certune: \(steps 0 to 3\) comes before steps-4-5\.certune \(step 4\)/);
    expect(() => join2(a, c)).toThrow(/steps-5-11\.certune: .*does not follow steps-0-4\.certune.*: step 4 missing/);
    expect(() => join2(at(0, 5), b)).toThrow(/overlaps/);
    expect(() => join2(a, a)).toThrow(/covers the same steps 0 to 3/);
    const foreign = {
        file: 'f',
        node: { ...b.node, manifest: { ...m, config: { ...m.config, train: { ...m.config.train, learningRate: 0.1 } } } },
      },
      other = { file: 'g', node: { ...c.node, key: { name: 'other' } } };
    // Everything that is wrong at once.
    expect(() => join2(a, foreign, other)).toThrow(
      /f: is of another manifest than steps-0-4\.certune; g was proved under another verification key/,
    );
    expect(() => joinLosses(a.node.losses, c.node.losses)).toThrow(RangeError);
  });

  it('header and body have one spelling', () => {
    const node = range(fake(), 0, 2),
      folded = endOf(fake(), range(fake())),
      split = (b: Buffer): [string, Buffer] => [b.subarray(0, b.indexOf(10)).toString(), b.subarray(b.indexOf(10) + 1)];
    const [head, body] = split(Buffer.from(encodeNode(node))),
      bad = (h: string, b: Buffer, why: RegExp): void => expect(() => decodeNode('x', resealed(h, b))).toThrow(why);
    expect(decodeNode('x', encodeNode(node))).toEqual(node);
    expect(decodeFolded('x', encodeFolded(folded))).toEqual(folded);
    bad(head.replace('{', '{ '), body, /not canonical/);
    bad(head.replace('"proof":5', '"proof":4'), body, /8 bytes too many/);
    bad(head.replace('"proof":5', '"proof":5e9'), body, /canonical|lengths/);
    bad(head.replace('"from":[0,0]', '"from":[2,0]'), body, /malformed range/);
    bad(head.replace('"to":[2,0]', '"to":[12,0]'), body, /malformed range/);
    bad(head.replace('"losses":[[0,', '"losses":[[5,'), body, /steps in order/);
    bad(
      head.replace(/"losses":\[\[0,\d+,"0"/, (x) => x.replace('"0"', '"-0"')),
      body,
      /malformed loss/,
    );
    // Totals of epochs: in order, whole numbers, one spelling.
    expect(head).toContain('"epochs":[]');
    for (const e of [
      '[[0,1]]',
      '[[0,1,2]]',
      '[[0,-1,"2"]]',
      '[[0,1,"02"]]',
      '[[0,1.5,"2"]]',
      '[[1,1,"2"],[3,1,"2"]]',
      '{}',
      '[[0,4294967296,"1"]]',
    ])
      bad(head.replace('"epochs":[]', `"epochs":${e}`), body, /malformed totals/);
    const read = decodeNode('x', resealed(head.replace('"epochs":[]', '"epochs":[[1,2,"-3"]]'), body));
    expect(read.epochs).toEqual([{ epoch: 1, targets: 2, loss: -3n, bins: [] }]);
    expect(() => joinEpochs(read.epochs, read.epochs)).toThrow(RangeError);
    bad(head, Buffer.concat([Buffer.alloc(8, 255), body.subarray(8)]), /not canonical/);
    bad(head.replace('certune-node","version":5', 'certune-node","version":1'), body, /version 1 is not supported/);
    bad(head.replace('"certune-node"', '"certune-folded-run"'), body, /is not a certune-node/);
    const [h] = split(Buffer.from(encodeFolded(folded)));
    expect(() => decodeFolded('x', resealed(h.replace(/,\[10,[^\]]*\]/, ''), split(Buffer.from(encodeFolded(folded)))[1]))).toThrow(
      /losses of 11 steps/,
    );
    // Without new digests every change of header or body is an accident that is known for one.
    const whole = Buffer.from(encodeNode(node));
    for (const at of [whole.indexOf('"steps":') + 9, whole.indexOf('"losses":') + 14, whole.length - 3]) {
      const torn = Buffer.from(whole);
      torn[at] ^= 1;
      expect(() => decodeNode('x', torn)).toThrow(/does not match its digest|not canonical/);
    }
    const file = join(root, 'other.certune');
    writeFileSync(file, '{"type":"something"}\n');
    expect(() => readProofFile(file)).toThrow(/none of certune-run-proof, certune-folded-run, certune-node/);
    writeNode(file, node);
    expect(readProofFile(file)).toMatchObject({ kind: 'node', node });
  });
});

describe('the journal', () => {
  it('carries the losses of every micro-batch', () => {
    const state = s.inputs.initial,
      params = s.run.programs.program.axes['P'];
    writeState(out, digest, 3, { state, losses: [5n, -7n] });
    expect(readState(out, digest, 3, params)).toEqual({ state, losses: [5n, -7n] });
    expect(() => readState(out, digest, 3, params + 1)).toThrow(/not the state before step 3/);
  });
});

describe('what follows without the data', () => {
  it('from the manifest alone, and with the base: the same as from everything', () => {
    const bare = checkedRun('m', m);
    expect({ ...bare.facts, rows: undefined }).toEqual({ ...s.run.facts, rows: undefined });
    for (let step = 0; step < 11; step++) expect(bare.facts.rows.at(step)).toEqual(s.run.facts.rows.at(step));
    expect(inputsOf(bare)).toEqual({ initial: s.inputs.initial });
    // Who reads a base from its folder knows whose integers they are.
    const { base } = inputsOf(bare, { base: data('tiny') });
    expect(base!.frozen).toEqual(s.inputs.base.frozen);
    expect(base!.digest).toBe(s.run.manifest.base.digest);
  });
  it('names every key that the base contradicts', () => {
    const other = {
      ...m,
      base: { ...m.base, digest: `sha256:${'0'.repeat(64)}` },
      preprocessing: { ...m.preprocessing, tokenizer: `sha256:${'1'.repeat(64)}` },
    };
    expect(() => inputsOf(checkedRun('m', other), { base: data('tiny') })).toThrow(/base\.digest, preprocessing\.tokenizer/);
    expect(() => checkedRun('m', { ...m, base: { ...m.base, shape: { ...m.base.shape, headDim: 3 } } })).toThrow(InputError);
  });
  it('an adapter that the run began from is unknown until it is given', () => {
    const lora = { ...m.config.lora, from: `sha256:${'2'.repeat(64)}` };
    expect(inputsOf(checkedRun('m', { ...m, config: { ...m.config, lora } })).initial).toBeUndefined();
  });
});
