import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toUtf8 } from './bytes.js';
import { deployedClaims } from './deployed.js';
import { type PolicyFacts, type VerifierPolicy, admitted, evaluatePolicy, fact, parsePolicyFile, unknown } from './policy.js';
import { type AdapterValues, adapterResult, matrixNorm } from './result.js';
import { parseStatement } from './statement.js';
import { SVR, properties, svrStatement } from './svr.js';

const satisfies = createRequire(import.meta.url)('spdx-satisfies') as (expression: string, approved: string[]) => boolean,
  admits = (e: string, list: readonly string[]): boolean => list.length > 0 && satisfies(e, [...list]),
  D = (x: string): string => `sha256:${x.repeat(64)}`;

const base = { type: 'certune-policy', version: 1 },
  parse = (p: unknown): VerifierPolicy => parsePolicyFile(toUtf8(JSON.stringify(p)), 'policy.json');

/** A small adapter: two layers, two projections, rank 2. */
const values = (change?: (a: Float64Array, b: Float64Array) => void): AdapterValues => {
  const make = (name: string, zero: boolean) => {
    const A = Float64Array.from({ length: 2 * 2 * 4 }, (_, i) => ((i * 7) % 5) - 2),
      B = Float64Array.from({ length: 2 * 3 * 2 }, (_, i) => (zero && i < 6 ? 0 : ((i * 3) % 4) - 1));
    change?.(A, B);
    return { name, path: (l: number): string => `model.layers.${l}.self_attn.${name}`, A, B };
  };
  return { r: 2, scale: 2, layers: 2, modules: [make('q_proj', false), make('v_proj', true)] };
};

const facts = (change: Partial<PolicyFacts> = {}): PolicyFacts => ({
  base: fact(D('a'), 'recomputed'),
  licenses: fact(['Apache-2.0', 'MIT OR GPL-3.0-only'], 'declared'),
  programs: fact([D('b')], 'manifest'),
  key: fact(D('c'), 'shipped'),
  soundness: fact(128.26, 'ledger'),
  quotas: fact([{ bin: 'fr', min: 10, max: 20 }], 'proof'),
  beacon: fact('round 7', 'data'),
  signer: fact({ key: D('d') }, 'signature'),
  cards: { sampler: fact({ counted: true, says: 'attested by AMD' }, 'card') },
  signedAt: unknown('no signed time'),
  now: 1_800_000_000,
  result: fact(adapterResult(values()), 'the released adapter'),
  baseNorms: unknown('give --base'),
  ...change,
});

const verdicts = (p: VerifierPolicy, f = facts()): Record<string, string> =>
  Object.fromEntries(evaluatePolicy(p, f, admits).map((r) => [r.rule, r.verdict]));

describe('a policy', () => {
  it('absent is not asked, empty allows nothing', () => {
    expect(evaluatePolicy(parse(base), facts(), admits)).toEqual([]);
    const empty = parse({
      ...base,
      bases: [],
      licenses: [],
      programs: [],
      keys: [],
      signers: [],
      quotas: [],
      beacon: { values: [] },
      result: { modules: [] },
    });
    expect(new Set(Object.values(verdicts(empty)))).toEqual(new Set(['denied']));
    expect(Object.keys(verdicts(empty)).length).toBe(8);
  });
  it('passes what it allows', () => {
    const p = parse({
      ...base,
      name: 'all rules',
      bases: [D('a')],
      licenses: ['Apache-2.0', 'MIT'],
      programs: [D('b')],
      keys: [D('c')],
      minSoundness: 128,
      quotas: [{ bin: 'fr', min: 5, max: 20 }],
      beacon: { values: ['round 7'] },
      signers: [{ key: D('d') }, { identity: 'a', issuer: 'b', trustedRoot: D('e') }],
      cards: { sampler: {} },
      result: { updateNorm: 1e6, updateNormPerLayer: 1e6, rank: 2, modules: ['q_proj', 'model.layers.1.self_attn.v_proj'] },
    });
    const all = evaluatePolicy(p, facts(), admits);
    expect(all.filter((r) => r.verdict !== 'passed')).toEqual([]);
    expect(all.length).toBe(13);
    expect(admitted(all)).toBe(true);
  });
  it('denies everything else, rule by rule', () => {
    const p = parse({
      ...base,
      bases: [D('0')],
      licenses: ['MIT'],
      programs: [D('0')],
      keys: [D('0')],
      minSoundness: 129,
      quotas: [
        { bin: 'fr', min: 11 },
        { bin: 'de', max: 1 },
      ],
      beacon: { values: ['round 8'] },
      signers: [{ key: D('0') }],
      result: { updateNorm: 1, updateNormPerLayer: 0.5, rank: 1, modules: ['q_proj'] },
    });
    const v = evaluatePolicy(p, facts(), admits);
    expect(v.filter((r) => r.verdict !== 'denied')).toEqual([]);
    expect(v.find((r) => r.rule === 'licenses')!.reason).toBe('Apache-2.0 is not among MIT');
    expect(v.find((r) => r.rule === 'result.modules')!.reason).toContain('model.layers.1.self_attn.v_proj');
    expect(v.find((r) => r.rule === 'minSoundness')!.reason).toBe('128.2 provable bits are fewer than 129');
  });
  it('what could not be evaluated counts as denied', () => {
    const p = parse({
      ...base,
      bases: [D('a')],
      beacon: {},
      signers: [{ key: D('d') }],
      time: { greatestAgeDays: 10 },
      cards: { trainer: {} },
      result: { rank: 64, distanceToBase: 1 },
    });
    const why = 'not at hand',
      none = facts({ base: unknown(why), beacon: unknown(why), signer: unknown(why), result: unknown(why) }),
      v = evaluatePolicy(p, none, admits);
    expect(new Set(v.map((r) => r.verdict))).toEqual(new Set(['not evaluated']));
    expect(admitted(v)).toBe(false);
    // The adapter is there and the base is not: the distance is unknown all the same.
    expect(verdicts(parse({ ...base, result: { distanceToBase: 1 } }))).toEqual({ 'result.distanceToBase': 'not evaluated' });
  });
  it('51: unknown keys, keys twice, wrong types and forms are refused', () => {
    for (const [p, why] of [
      [{ ...base, base: [] }, 'base is not known'],
      [{ ...base, result: { norm: 1 } }, 'result.norm is not known'],
      [{ ...base, beacon: { value: [] } }, 'beacon.value is not known'],
      [{ ...base, cards: { printer: {} } }, 'cards.printer is not known'],
      [{ ...base, bases: ['sha256:xyz'] }, 'bases.0 is no digest'],
      [{ ...base, bases: [D('A')] }, 'bases.0 is no digest'],
      [{ ...base, bases: [D('a'), D('a')] }, 'bases.1 is there twice'],
      [{ ...base, bases: D('a') }, 'bases is no list'],
      [{ ...base, licenses: ['MIT OR Apache-2.0'] }, 'licenses.0 is no SPDX identifier'],
      [{ ...base, minSoundness: 127.5 }, 'minSoundness is no whole number'],
      [{ ...base, minSoundness: '128' }, 'minSoundness is no whole number'],
      [{ ...base, quotas: [{ bin: 'fr' }] }, 'neither min nor max'],
      [{ ...base, signers: [{ identity: 'a', issuer: 'b' }] }, 'trustedRoot is missing'],
      [{ ...base, signers: [{ key: D('a'), identity: 'a' }] }, 'identity is not known'],
      [{ ...base, time: {} }, 'greatestAgeDays is missing'],
      [{ ...base, result: { updateNorm: -1 } }, 'updateNorm'],
      [{ ...base, result: null }, 'result is no object'],
      [{ ...base, version: 2 }, 'version 2 is not supported'],
      [{ ...base, type: 'x' }, 'type is not certune-policy'],
      [[], 'is no object'],
    ] as const)
      expect(() => parse(p), JSON.stringify(p)).toThrow(why);
    expect(() => parsePolicyFile(toUtf8('{"type":"certune-policy","version":1,"bases":[],"bases":[]}'), 'p')).toThrow('a second time');
  });
  it('has a schema that says the same', () => {
    const file = fileURLToPath(new URL('../../schemas/policy.schema.json', import.meta.url)),
      valid = new Ajv2020({ strict: true, strictRequired: false }).compile(JSON.parse(readFileSync(file, 'utf8')) as object),
      digest = fc.constantFrom(D('a'), D('b'), 'sha256:', 'x'),
      maybe = <T>(x: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
        fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: x }),
      number = fc.oneof(fc.integer({ min: -2, max: 300 }), fc.constantFrom(0.5, 1e13, '1', null));
    const policy = fc.record({
      type: fc.constantFrom('certune-policy', 'certune-policy', 'certune-policy', 'x'),
      version: fc.constantFrom(1, 1, 1, 2),
      name: maybe(fc.constantFrom('n', 1, 'x'.repeat(201))),
      bases: maybe(fc.array(digest, { maxLength: 2 })),
      licenses: maybe(fc.array(fc.constantFrom('MIT', 'a b', ''), { maxLength: 2 })),
      minSoundness: maybe(number),
      quotas: maybe(fc.array(fc.record({ bin: fc.constantFrom('a', ''), min: maybe(number), max: maybe(number) }), { maxLength: 2 })),
      beacon: maybe(fc.record({ values: maybe(fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 2 })) })),
      signers: maybe(
        fc.array(
          fc.record({ key: maybe(digest), identity: maybe(fc.constant('i')), issuer: maybe(fc.constant('j')), trustedRoot: maybe(digest) }),
          { maxLength: 2 },
        ),
      ),
      cards: maybe(
        fc.oneof(
          fc.constantFrom<unknown>({}, { x: {} }, []),
          fc.record({
            sampler: fc.record({
              kinds: maybe(fc.array(fc.constantFrom('nitro', 'tdx', 'nvidia-gpu'), { maxLength: 2 })),
              measurements: maybe(fc.constantFrom<unknown>([], [{ pcr0: 'a' }], [{ pcr9: 'a' }], [{}], [{ mrtd: 1 }])),
              machines: maybe(fc.constantFrom(['m'], ['m', 'm'], [''])),
              leastTcb: maybe(fc.constantFrom<unknown>({}, { Genoa: { tee: 1 } }, { Genoa: {} }, { Rome: {} }, { Genoa: { tee: -1 } })),
              allow: maybe(fc.array(fc.constantFrom('debug', 'vlek', 'all'), { maxLength: 2 })),
              challenges: maybe(fc.constantFrom<unknown>([{ value: 'a', notBefore: '2026-01-01T00:00:00Z' }], [{ value: '' }], [1])),
              greatestAgeDays: maybe(number),
              gpus: maybe(fc.constantFrom<unknown>({ count: 1, measurements: [] }, { count: 0, measurements: [] }, { count: 1 })),
            }),
          }),
        ),
      ),
      time: maybe(fc.record({ greatestAgeDays: maybe(number) })),
      result: maybe(
        fc.record({
          updateNorm: maybe(number),
          rank: maybe(number),
          modules: maybe(fc.array(fc.constantFrom('q_proj', 'a b'), { maxLength: 2 })),
        }),
      ),
      other: maybe(fc.constantFrom(...Array<undefined>(5).fill(undefined), 1)),
    });
    let good = 0;
    fc.assert(
      fc.property(policy, (raw) => {
        const p = JSON.parse(JSON.stringify(raw)) as unknown;
        let read = true;
        try {
          parse(p);
        } catch {
          read = false;
        }
        good += Number(read);
        expect([valid(p), p, valid.errors?.[0]?.instancePath ?? null][0]).toBe(read);
      }),
      { numRuns: 3000, seed: 7 },
    );
    expect(good).toBeGreaterThan(50);
  });
});

describe('predicates on the result', () => {
  it('bound the norm of the update on both sides', () => {
    const v = values(),
      r = adapterResult(v);
    let all = 0;
    for (const m of v.modules)
      for (let l = 0; l < 2; l++) {
        let s = 0;
        for (let o = 0; o < 3; o++)
          for (let k = 0; k < 4; k++) {
            let x = 0;
            for (let i = 0; i < 2; i++) x += m.B[l * 6 + o * 2 + i] * m.A[l * 8 + i * 4 + k];
            s += (2 * x) ** 2;
          }
        const got = r.modules.find((x) => x.path === m.path(l))!;
        expect(got.norm.least).toBeLessThanOrEqual(Math.sqrt(s));
        expect(got.norm.most).toBeGreaterThanOrEqual(Math.sqrt(s));
        expect(got.norm.most - got.norm.least).toBeLessThan(1e-6);
        expect(got.touched).toBe(s > 0);
        all += s;
      }
    expect(r.norm.least).toBeLessThanOrEqual(Math.sqrt(all));
    expect(r.norm.most).toBeGreaterThanOrEqual(Math.sqrt(all));
    expect(r.layers.length).toBe(2);
  });
  it('see a module that B A leaves alone although neither is zero', () => {
    const r = adapterResult({
      r: 2,
      scale: 1,
      layers: 1,
      modules: [{ name: 'q_proj', path: () => 'q', A: Float64Array.of(1, 2, 0, 0), B: Float64Array.of(0, 1, 0, 3) }],
    });
    expect(r.modules[0].touched).toBe(false);
    expect(r.norm.most).toBeLessThan(1e-6);
  });
  it('measure the distance to the base by its matrices', () => {
    const path = (l: number, t: string): string => `model.layers.${l}.self_attn.${t}`,
      norms = new Map(
        [0, 1].flatMap((l) => ['q_proj', 'v_proj'].map((t) => [path(l, t), matrixNorm(new Float32Array(16).fill(10))] as const)),
      ),
      f = facts({ baseNorms: fact(norms, 'the base') });
    expect(verdicts(parse({ ...base, result: { distanceToBase: 100 } }), f)).toEqual({ 'result.distanceToBase': 'passed' });
    expect(verdicts(parse({ ...base, result: { distanceToBase: 0.01 } }), f)).toEqual({ 'result.distanceToBase': 'denied' });
    expect(matrixNorm(Float32Array.of(3, 4)).most).toBeCloseTo(5, 12);
  });
});

describe('a verification result', () => {
  const verified = {
    training: true,
    soundness: 128.2,
    base: true,
    rows: true,
    data: false,
    initial: false,
    adapter: true,
    signed: false,
    attested: [],
  };
  it('50: says only what was evaluated', () => {
    expect(properties(verified)).toEqual([
      'CERTUNE_PROVED_TRAINING_V1',
      'CERTUNE_SOUNDNESS_100',
      'CERTUNE_SOUNDNESS_128',
      'CERTUNE_BASE_CHECKED',
      // Rows of the commitment in the manifest: the data files are another property.
      'CERTUNE_ROWS_PROVED',
      'CERTUNE_ADAPTER_CHECKED',
    ]);
    expect(properties({ ...verified, training: false, rows: false, data: true, initial: true })).toEqual([
      'CERTUNE_BASE_CHECKED',
      'CERTUNE_DATA_CHECKED',
      'CERTUNE_INITIAL_CHECKED',
      'CERTUNE_ADAPTER_CHECKED',
    ]);
    const denied = [{ rule: 'x', verdict: 'denied' as const, reason: '' }],
      passed = [{ rule: 'x', verdict: 'passed' as const, reason: '' }];
    expect(properties({ ...verified, policy: denied })).not.toContain('CERTUNE_POLICY_PASSED');
    // A policy that asks for nothing was not passed: nothing was judged.
    expect(properties({ ...verified, policy: [] })).not.toContain('CERTUNE_POLICY_PASSED');
    expect(properties({ ...verified, policy: passed, attested: ['front-end'] })).toEqual(
      expect.arrayContaining(['CERTUNE_POLICY_PASSED', 'CERTUNE_ATTESTED_FRONT_END']),
    );
  });
  it('is a statement of the published type', () => {
    const o = {
      subjects: [{ name: 'run.certune', sha256: 'ab'.repeat(32) }],
      verifier: 'https://example.com/auditor/v1',
      policy: { name: 'policy.json', sha256: 'cd'.repeat(32) },
      time: Date.UTC(2026, 10, 28, 7, 8, 9, 123),
      verified,
    };
    const s = parseStatement(svrStatement(o), 'svr');
    expect(s.predicateType).toBe(SVR);
    expect(JSON.parse(JSON.stringify(s.predicate))).toEqual({
      verifier: { id: o.verifier, policies: [{ name: 'policy.json', digest: { sha256: o.policy.sha256 } }] },
      timeCreated: '2026-11-28T07:08:09Z',
      properties: properties(verified),
    });
    expect(() => svrStatement({ ...o, verifier: 'me' })).toThrow('no URI');
    expect(() => svrStatement({ ...o, verified: { ...verified, training: false, base: false, rows: false, adapter: false } })).toThrow(
      'nothing was evaluated',
    );
  });
});

describe('weights that are served', () => {
  it('have a provenance where everything was compared, and an unknown one otherwise', () => {
    const all = { certificate: 'ab'.repeat(32), base: D('b'), initial: true, adapter: 'cd'.repeat(32) },
      { base: _b, ...noBase } = all,
      { adapter: _a, ...noAdapter } = all;
    expect(deployedClaims(all)).toEqual({
      model_weights_provenance: {
        status: 'asserted',
        source: 'verifier_derived',
        reason: expect.stringContaining(`certificate sha256:${all.certificate}`) as string,
      },
      extra: { certune_certificate: `sha256:${all.certificate}`, certune_base: all.base, certune_adapter: `sha256:${all.adapter}` },
    });
    for (const x of [noBase, noAdapter, { ...all, initial: false }])
      expect(deployedClaims(x).model_weights_provenance).toEqual({ status: 'unknown' });
  });
});
