import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { runLedger } from '../src/run/ledger.js';
import { type Manifest, difference, manifestJson } from '../src/run/manifest.js';
import { setup } from '../src/setup/run.js';
import { type NodeFile, decodeNode, encodeNode } from '../src/artifact/folded.js';
import { bitsText, plain } from '../src/cli/common.js';
import { PolicyError, UsageError } from '../src/cli/errors.js';
import { inspect } from '../src/cli/inspect.js';
import { claimsOf } from '../src/verify/claimed.js';
import { checkPolicy, parsePolicy } from '../src/cli/policy.js';
import { Progress } from '../src/cli/progress.js';
import { orderOf, readReleased } from '../src/cli/target.js';
import { verifyNow as verify } from '../src/cli/verify-now.js';
import { InputError } from '../src/errors.js';
import { besideAdapter, writeAdapter } from '../src/io/peft.js';
import { readSafetensors, writeSafetensors } from '../src/io/safetensors.js';
import { metaOf } from '../src/verify/released.js';
import { besideBase, besideOf, cardClaim, cardOf, membersOf, otherBytes } from '../src/cli/files.js';
import { describe as described } from '../src/cli/errors.js';
import { NotGivenError } from '../src/verify/folded.js';
import { claimLines, unmet } from '../src/verify/claims.js';
import { unflattenGroup } from '../src/model/step.js';
import { scheduleScalars } from '../src/optim/constants.js';
import { scheduleRows } from '../src/run/schedule.js';
import { VerificationError } from '../src/transcript/index.js';
import type { ClaimName } from '../src/verify/claims.js';
import { tinyRun } from './tiny-run.js';
import { checkedRun } from '../src/run/facts.js';

/*
 * Between an accepted proof and what a command says of it: what was compared must be what the world uses, and nothing
 * is said that was not compared.
 */

const data = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-compared-')),
  quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} };
afterAll(() => rmSync(home, { recursive: true, force: true }));
const s = setup(tinyRun({ steps: 3, batch: 2, microBatch: 2, learningRate: 0.002 }, { language: 'fr' }), [1n, 2n, 3n, 4n]),
  m = s.run.manifest;
const sampled = (o: Partial<Manifest['config']['sampler']>): Manifest => ({
  ...m,
  config: { ...m.config, sampler: { ...m.config.sampler, ...o } },
});
const node = (manifest: Manifest = m, from = 1): NodeFile => ({
  manifest,
  key: { name: 'nobody' },
  from: { step: from, part: 0 },
  to: { step: 2, part: 0 },
  losses: [{ step: from, targets: 1, losses: [1n] }],
  epochs: [],
  statement: [1n],
  proof: BigUint64Array.of(1n),
});

describe('hyper-parameters', () => {
  it('are not reduced to 64 bits: a decay of 2^64 units is not none, an epsilon of 2^64 units not the divisor that vanishes', () => {
    const at = (o: object) => () =>
      scheduleScalars(
        scheduleRows({
          steps: 1,
          learningRate: 2 ** -10,
          schedule: 'constant',
          warmup: 0,
          betas: [0.9, 0.95],
          epsilon: 1e-8,
          weightDecay: 0.05,
          ...o,
        })[0],
        3,
        1,
        { parameters: 100, momentFrac: 62 },
        0,
      );
    expect(at({})).not.toThrow();
    expect(at({ weightDecay: 2 ** 46 })).toThrow(/train\.weightDecay.* the limit is 0\.015625/);
    expect(at({ weightDecay: 2 ** 46 + 2 })).toThrow(/train\.weightDecay/);
    expect(at({ weightDecay: 16 })).toThrow(/lower it by a factor of 1/);
    expect(at({ weightDecay: 15.9 })).not.toThrow();
    expect(at({ betas: [0.9, 0], epsilon: 2 ** 29 })).toThrow(/train\.epsilon.* the limit is 1:/);
    expect(at({ betas: [0.9, 0], epsilon: 2 ** 29 + 2 ** -20 })).toThrow(/train\.epsilon/);
    expect(at({ betas: [0.9, 0], epsilon: 0.9 })).not.toThrow();
    expect(at({ learningRate: 1 })).toThrow(/train\.learningRate.* or warm up/);
  });
  it('a scaling that no format holds is refused', () => {
    const lora = { ...m.config.lora, alpha: 0.0001 };
    expect(() => checkedRun('m', { ...m, config: { ...m.config, lora } })).toThrow(/lora\.alpha.*outside/);
  });
});

describe('the folder of a released adapter', () => {
  it('holds no other file that some loader takes tensors from; what else lies there is named', () => {
    const dir = join(home, 'adapter'),
      { lora, base } = s.config,
      members = new Map([...unflattenGroup(s.run.programs.program, 'cIn', 'C', s.inputs.initial.C)].map(([n, v]) => [n.slice(2), v]));
    writeAdapter(
      dir,
      s.model.shape,
      { r: lora.r, alpha: lora.alpha, targets: lora.targets, rslora: false, base: s.model.digest, revision: base.revision },
      members,
      '',
    );
    expect(readReleased(s.run.programs, m, dir)).toEqual(s.inputs.initial.C);
    expect(besideAdapter(dir)).toEqual({ tensors: [], others: [] });
    writeFileSync(join(dir, 'tokenizer.json'), '{}');
    mkdirSync(join(dir, 'other'));
    expect(readReleased(s.run.programs, m, dir)).toEqual(s.inputs.initial.C);
    expect(besideAdapter(dir).others).toEqual(['other/', 'tokenizer.json']);
    for (const f of ['adapter_model.bin', 'new_embeddings.safetensors', 'adapter_model.PT']) {
      writeFileSync(join(dir, f), '');
      expect(() => readReleased(s.run.programs, m, dir), f).toThrow(VerificationError);
      expect(() => readReleased(s.run.programs, m, dir), f).toThrow(f);
      rmSync(join(dir, f));
    }
    expect(() => besideAdapter(join(home, 'none'))).toThrow(InputError);
  });
});

describe('files beside what is proved', () => {
  const adapter = (name: string): string => {
    const dir = join(home, name);
    writeAdapter(dir, s.model.shape, metaOf(m), membersOf(s.run.programs, s.inputs.initial.C), cardOf(s));
    return dir;
  };
  it('of a release are the very bytes that train writes, or it is said what is not', () => {
    const dir = adapter('bytes'),
      other = (): string => otherBytes(s.run.programs, m, dir, readReleased(s.run.programs, m, dir)),
      file = join(dir, 'adapter_model.safetensors'),
      whole = readFileSync(file);
    expect(other()).toBe('');
    const config = readFileSync(join(dir, 'adapter_config.json'), 'utf8');
    writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify(JSON.parse(config)));
    expect(other()).toBe('adapter_config.json is another text that says the same');
    writeFileSync(join(dir, 'adapter_config.json'), config);
    // A zero with a sign: B begins as zeros.
    const signed = Buffer.from(whole),
      tensors = readSafetensors(file),
      zero = [...tensors].find(([n]) => n.includes('lora_B'))![0],
      head = JSON.parse(whole.subarray(8, 8 + Number(whole.readBigUInt64LE(0))).toString()) as Record<string, { data_offsets: number[] }>;
    signed[8 + Number(whole.readBigUInt64LE(0)) + head[zero].data_offsets[0] + 3] = 0x80;
    writeFileSync(file, signed);
    expect(other()).toBe('adapter_model.safetensors has zeros with a sign');
    writeFileSync(file, Buffer.from(whole.toString('latin1').replace('"format":"pt"', '"format":"np"'), 'latin1'));
    expect(other()).toMatch(/^adapter_model\.safetensors has the same values in other types/);
    writeSafetensors(file, new Map([...tensors].map(([n, t]) => [n, { shape: t.shape, data: Float64Array.from(t.data) }])));
    expect(other()).toMatch(/^adapter_model\.safetensors has the same values in other types/);
  });
  it('of an adapter and a base are listed, all of them', () => {
    const dir = adapter('listed'),
      base = join(home, 'listed-base');
    for (const f of ['LICENSE', '.gitattributes', 'tokenizer.json']) writeFileSync(join(dir, f), '');
    expect(besideOf(dir)).toEqual(['.gitattributes', 'LICENSE', 'tokenizer.json']);
    cpSync(s.config.base.path, base, { recursive: true });
    for (const f of ['LICENSE', '.gitattributes', 'README.md', 'chat_template.jinja', 'generation_config.json'])
      writeFileSync(join(base, f), '{}');
    const rest = ['.gitattributes', 'LICENSE', 'README.md', 'generation_config.json (but for the ids that close a text)'];
    expect(besideBase(base, true)).toEqual(rest);
    expect(besideBase(base, false)).toEqual([...rest.slice(0, 3), 'chat_template.jinja', rest[3]]);
  });
  it('a model card is compared with the one that train writes', () => {
    const dir = adapter('card');
    expect(cardClaim(dir, 'x', cardOf(s))).toMatchObject({ claim: 'card', status: 'checked' });
    expect(cardClaim(dir, 'x', undefined)).toMatchObject({ status: 'not checked', option: '--base DIR and --data FILE' });
    writeFileSync(join(dir, 'README.md'), cardOf(s).replace(/license: .*/, 'license: mit'));
    const c = cardClaim(dir, 'x', cardOf(s));
    expect(c.status).toBe('differs');
    expect(claimLines([c])[0]).toMatch(/^ {2}model card: DIFFERS/);
    expect(unmet(['card'], [c])).toEqual(['card is required and differs']);
    rmSync(join(dir, 'README.md'));
    expect(cardClaim(dir, 'x', cardOf(s))).toMatchObject({ status: 'not checked', says: 'there is none' });
  });
  it('an option that lacks is no failure: exit 2', () => {
    expect(described(new NotGivenError('base', 'x'))).toMatchObject({ exit: 2, code: 'usage' });
    expect(described(new VerificationError('base', 'x'))).toMatchObject({ exit: 1 });
  });
});

describe('a manifest', () => {
  it('that contradicts itself is refused where base and data are not at hand', () => {
    expect(checkedRun('m', m).manifest).toBe(m);
    const { dataset: d } = m,
      refuse = (o: object, key: RegExp): void => {
        expect(() => checkedRun('m', { ...m, ...o })).toThrow(VerificationError);
        expect(() => checkedRun('m', { ...m, ...o })).toThrow(key);
      };
    refuse({ budgets: { ...m.budgets, exp: 0.25 } }, /contradicts itself in budgets\.exp/);
    refuse({ dataset: { ...d, files: [{ ...d.files[0], license: 'MIT' }] } }, /dataset\.files\.0\.license/);
    refuse({ dataset: { ...d, files: [...d.files, ...d.files] } }, /dataset\.files\.1/);
    refuse({ dataset: { ...d, examples: d.examples + 1 } }, /dataset\.examples, dataset\.dropped/);
    refuse({ config: { ...m.config, train: { ...m.config.train, template: 'x' } } }, /preprocessing\.template/);
    refuse(
      { config: { ...sampled({ shortBatch: 'drop' }).config, train: { ...m.config.train, batch: 2 ** 10 } } },
      /config\.sampler\.shortBatch/,
    );
  });
  it('is compared key by key: lists are no objects, inherited keys are none', () => {
    const odd = JSON.parse('{"a":1,"__proto__":{}}') as object;
    expect(difference(odd, { a: 1 })).toEqual(['__proto__']);
    expect(difference({ a: 1 }, odd)).toEqual(['__proto__']);
    expect(difference(odd, JSON.parse('{"a":1,"__proto__":{}}'))).toEqual([]);
    expect(difference({ x: [] }, { x: {} })).toEqual(['x']);
    expect(difference({ x: ['q'] }, { x: { 0: 'q' } })).toEqual(['x']);
    expect(difference({ a: { b: [1, 2] } }, { a: { b: [1, 3] } })).toEqual(['a.b.1']);
  });
});

describe('a header', () => {
  it('is strict UTF-8: no mark in front, no byte that a decoder would replace', () => {
    const b = Buffer.from(encodeNode(node(sampled({ key: '\ufffd' }))));
    expect(decodeNode('x', b).manifest.config.sampler.key).toBe('\ufffd');
    expect(() => decodeNode('x', Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), b]))).toThrow(/header is not/);
    const at = b.indexOf(Buffer.of(0xef, 0xbf, 0xbd));
    expect(() => decodeNode('x', Buffer.concat([b.subarray(0, at), Buffer.of(0xff), b.subarray(at + 3)]))).toThrow(/header is not UTF-8/);
  });
});

describe('what is said', () => {
  it('an order that follows from a beacon is one that was proved or compared', () => {
    const b = sampled({ beacon: 'noon' }),
      ledger = runLedger({ plan: s.run.programs.plan, steps: 3, micros: 1 }),
      policy = parsePolicy({ requireBeacon: true }),
      seen = (...names: ClaimName[]) => names.map((claim) => ({ claim, status: 'checked' as const }));
    expect(orderOf(b)).toBe('follows from the declared beacon "noon"');
    expect(orderOf(m)).toMatch(/chosen by the prover/);
    expect(() => checkPolicy(policy, b, ledger, seen('base', 'data'))).not.toThrow();
    expect(() => checkPolicy(policy, b, ledger, [{ claim: 'data', status: 'proved' }])).not.toThrow();
    expect(() => checkPolicy(policy, b, ledger, [{ claim: 'data', status: 'not checked' }])).toThrow(/the data were not checked/);
    expect(() => checkPolicy(policy, b, ledger, seen('base'))).toThrow(PolicyError);
    expect(() => checkPolicy(policy, b, ledger, seen('base'))).toThrow(/the data were not checked/);
    expect(() => checkPolicy(policy, m, ledger, seen('base'))).toThrow(/no beacon/);
  });
  it('words of a manifest are no lines of a report', () => {
    expect(plain('a\nb\u001b[2J\u202e\u009b\u2028é 漢')).toBe('a\\u{a}b\\u{1b}[2J\\u{202e}\\u{9b}\\u{2028}é 漢');
    const run = join(home, 'run'),
      evil = 'noon"\nproved  the truth\u001b[1A',
      source = 'x\nverified: 3 steps';
    mkdirSync(join(run, 'out'), { recursive: true });
    const write = (x: Manifest): void => writeFileSync(join(run, 'out/manifest.json'), manifestJson(x));
    write(m);
    const honest = inspect(run).text.split('\n').length;
    write({ ...sampled({ beacon: evil }), dataset: { ...m.dataset, files: [{ ...m.dataset.files[0], source }] } });
    const { text, data: d } = inspect(run);
    expect(text.split('\n')).toHaveLength(honest);
    expect(text).not.toContain('\u001b');
    expect(text).not.toMatch(/^verified|^proved +the truth/m);
    // Nothing is proved yet, and inspecting verifies nothing.
    expect(d).toMatchObject({ proved: false, verified: false });
    expect(text).toMatch(/will establish once there is a proof/);
    expect(orderOf(sampled({ beacon: evil }))).not.toContain('\n');
  });
  it('a range says nothing of what lies outside; the name of a base is declared', () => {
    const said = (n: NodeFile): string =>
      claimsOf(n.manifest, { kind: 'node', range: n })
        .map((c) => `${c.status}: ${c.what}`)
        .join('\n');
    expect(said(node())).not.toMatch(/released adapter|proved: all of it by one proof/);
    expect(said(node())).toMatch(/not at this stage: the state that the range begins from/);
    expect(said(node(m, 0))).not.toMatch(/the state that the range begins from/);
    expect(said(node())).not.toMatch(/called/);
    const blake = { ...m, config: { ...m.config, proof: { ...m.config.proof, hash: 'blake3' as const } } };
    expect(claimsOf(blake).at(-1)!.what).toMatch(/this is a pack/);
    expect(claimsOf(m).at(-1)!.what).toMatch(/by one proof of constant size/);
    const named = { ...m, config: { ...m.config, base: { ...m.config.base, name: 'owner/name', revision: 'abc' } } };
    expect(said(node(named))).toMatch(/declared: what the base is called \(owner\/name, revision abc\)/);
  });
  it('a range has no commitment to the base that could be compared with --base-root', () => {
    const file = join(home, 'range.certune');
    writeFileSync(file, encodeNode(node()));
    const call = () => verify(file, { base: data('tiny'), baseRoot: '0'.repeat(64) }, quiet);
    expect(call).toThrow(UsageError);
    expect(call).toThrow(/--base-root is for whole runs/);
  });
  it('bits are rounded down', () => {
    expect([127.96, 128, 100.05].map(bitsText)).toEqual(['127.9', '128.0', '100.0']);
  });
});
