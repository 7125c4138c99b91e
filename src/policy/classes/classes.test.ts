import { describe, expect, it } from 'vitest';
import { createRequire } from 'node:module';
import { InputError } from '../../errors.js';
import { ALL_PUBLIC, beaconWords, orderSeed, publicKey } from '../order/keys.js';
import { Order, type OrderConfig } from '../order/steps.js';
import { stratify } from '../order/strata.js';
import { commitmentDigest } from '../commitment.js';
import { breachText, simulate } from '../simulate.js';
import { tablePath, tableRoot } from '../table.js';
import { compress } from '../../hash/poseidon2.js';
import parse from 'spdx-expression-parse';
import { admitted, allowList } from './expression.js';
import { SPDX_LIST, exceptions, licenses, parseExpression } from './spdx.js';
import { type ClassFacts, MOST_COMPARISONS, type Predicate, predicateSchema, satisfied, tooManyTests } from './predicate.js';
import { FREE, MOST_COUNT, checkQuotas, count, countersDigest, quotasDigest, violation, zeroCounters } from './quotas.js';
import { type Bin, ClassList, checkEligible, classDepth, classLevels, classRows } from './table.js';

const facts = (c: Partial<ClassFacts> = {}): ClassFacts => ({ source: 'books', license: 'MIT', language: 'en', tags: [], ...c });
const problems = (f: () => unknown): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return (e as InputError).problems.join('; ');
  }
  throw new Error('accepted');
};

describe('licence expressions', () => {
  it('are admitted branch by branch, letter by letter', () => {
    const allow = allowList(['MIT', 'Apache-2.0', 'GPL-2.0-only WITH Classpath-exception-2.0', 'LicenseRef-mine', 'LGPL-2.1+']);
    for (const x of [
      'MIT',
      'MIT OR GPL-3.0-only',
      'GPL-3.0-only OR (MIT AND Apache-2.0)',
      'MIT AND Apache-2.0',
      'GPL-2.0-only WITH Classpath-exception-2.0',
      'LicenseRef-mine',
      'LGPL-2.1+',
    ])
      expect(admitted(x, allow), x).toBe(true);
    for (const x of [
      'GPL-3.0-only',
      'MIT AND GPL-3.0-only',
      'GPL-2.0-only',
      'LGPL-2.1',
      'LicenseRef-unknown',
      'LicenseRef-MINE',
      'MIT OR',
      '',
      'NOASSERTION',
    ])
      expect(admitted(x, allow), x).toBe(false);
    expect(() => allowList(['MIT OR Apache-2.0'])).toThrow('one by one');
    expect(() => allowList(['no licence'])).toThrow('not an SPDX licence');
  });
  it('are read against the pinned list, which is that of the packages', () => {
    const load = createRequire(import.meta.url),
      { version } = load('spdx-license-ids/package.json') as { version: string },
      list = (name: string): string[] => load(name) as string[];
    expect(SPDX_LIST).toBe(`spdx-license-ids/${version}`);
    expect([...licenses].sort()).toEqual([...new Set([...list('spdx-license-ids'), ...list('spdx-license-ids/deprecated')])].sort());
    expect([...exceptions].sort()).toEqual([...list('spdx-exceptions')].sort());
  });
  it('are read as the reference parser reads them', () => {
    const words = ['MIT', 'Apache-2.0', 'GPL-2.0+', 'LicenseRef-x', 'DocumentRef-a:LicenseRef-b', 'Classpath-exception-2.0', 'Foo', '+'],
      all = [...words, 'AND', 'or', 'OR', 'WITH', '(', ')'],
      read = (f: (x: string) => unknown, x: string): unknown => {
        try {
          return f(x);
        } catch {
          return 'refused';
        }
      };
    let seed = 7,
      valid = 0;
    for (let k = 0; k < 20_000; k++) {
      const text = Array.from({ length: 1 + (k % 7) }, () => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return all[(seed >>> 8) % all.length];
      }).join(' ');
      // The reference takes parentheses around nothing for nothing.
      if (text.includes('( )')) continue;
      const want = read(parse, text);
      expect(read(parseExpression, text), text).toEqual(want);
      if (want !== 'refused') valid++;
    }
    expect(valid).toBeGreaterThan(500);
    for (const x of [
      '',
      ' ',
      '((MIT',
      'MIT\tOR ISC',
      'MIT +',
      'mit',
      'MIT ORISC',
      'LicenseRef-',
      'LicenseRef-a+',
      `${'('.repeat(300)}MIT`,
      'x'.repeat(501),
    ])
      expect(read(parseExpression, x), x).toBe('refused');
  });
});

describe('predicates', () => {
  const english: Predicate = { language: ['en'] };
  it('are all, any and not of tests', () => {
    const p = predicateSchema.parse({ all: [{ language: ['en', 'fr'] }, { not: { any: [{ tag: ['toxic'] }, { source: ['web'] }] } }] });
    expect(satisfied(p, facts({ language: 'en-GB' }))).toBe(true);
    expect(satisfied(p, facts({ language: 'FR' }))).toBe(true);
    expect(satisfied(p, facts({ language: 'enm' }))).toBe(false);
    expect(satisfied(p, facts({ tags: ['toxic'] }))).toBe(false);
    expect(satisfied(p, facts({ source: 'web' }))).toBe(false);
    expect(satisfied({ license: ['MIT'] }, facts({ license: 'MIT OR GPL-3.0-only' }))).toBe(true);
  });
  it('compare languages part by part', () => {
    for (const [tag, language] of [
      ['en', 'en'],
      ['en-GB-oed', 'en-gb'],
      ['en--x', 'en-'],
      ['zh-Hant', 'zh'],
    ])
      expect(satisfied({ language: ['xx', language] }, facts({ language: tag })), tag).toBe(true);
    for (const [tag, language] of [
      ['en', 'en-GB'],
      ['eng', 'en'],
      ['x-en', 'en'],
      ['', 'en'],
    ])
      expect(satisfied({ language: ['xx', language] }, facts({ language: tag })), tag).toBe(false);
  });
  it('read each list once, however many classes there are', () => {
    let reads = 0;
    const counted = (list: string[]): string[] =>
        new Proxy(list, {
          get(x, key) {
            if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
            return Reflect.get(x, key) as unknown;
          },
        }),
      names = (f: (i: number) => string) => counted(Array.from({ length: 256 }, (_, i) => f(i))),
      p: Predicate = {
        any: [{ license: names((i) => `LicenseRef-${i}`) }, { source: names(String) }, { language: names((i) => `q${i}`) }],
      };
    const held = Array.from({ length: 4096 }, (_, i) => facts({ source: `x${i}`, license: `LicenseRef-${i}` })).filter((c) =>
      satisfied(p, c),
    );
    expect(held).toHaveLength(256);
    expect(reads).toBe(3 * 256);
  });
  it('are refused where they and the classes multiply beyond every use', () => {
    const classes = Array.from({ length: 4096 }, (_, i) => facts({ license: `LicenseRef-${i}` })),
      list = Array.from({ length: 256 }, (_, i) => `x${i}`),
      of = (tests: number, p: Predicate): Predicate => ({ all: [{ not: { any: Array<Predicate>(tests).fill(p) } }] });
    expect(tooManyTests([of(9, { tag: list })], classes)).toEqual([]);
    expect(4096 * 10 * 256).toBeGreaterThan(MOST_COMPARISONS);
    expect(tooManyTests([of(5, { tag: list }), of(5, { source: list })], classes).join()).toMatch(/^tests and names of all bins times/);
    expect(tooManyTests([of(24, { license: ['MIT'] })], classes)).toEqual([]);
    expect(tooManyTests([of(25, { license: ['MIT'] })], classes).join()).toMatch(/^tests of licences times the licences/);
    expect(tooManyTests([of(250, { license: ['MIT'] })], Array<ClassFacts>(4096).fill(facts()))).toEqual([]);
  });
  it('from a stranger are bounded and exact', () => {
    let deep: object = english;
    for (let i = 0; i < 20; i++) deep = { not: deep };
    for (const bad of [
      deep,
      {},
      { all: [] },
      { language: [] },
      { any: [english], not: english },
      { license: ['MIT OR Apache-2.0'] },
      { license: ['MIT', 'MIT'] },
      { lang: ['en'] },
      { all: Array(1001).fill(english) },
      null,
      'en',
    ])
      expect(predicateSchema.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
    let ring: { not?: object } = {};
    ring.not = ring;
    expect(predicateSchema.safeParse(ring).success).toBe(false);
    ring = {};
  });
});

describe('class table', () => {
  const bins: Bin[] = [
    { name: 'english', where: { language: ['en'] } },
    { name: 'open', where: { license: ['MIT'] } },
  ];
  const list = new ClassList(),
    numbers = [
      facts(),
      facts({ language: 'fr', license: 'LicenseRef-unknown' }),
      facts({ tags: ['b', 'a', 'a'] }),
      facts({ tags: ['a', 'b'] }),
      facts(),
    ].map((c) => list.number(c));
  it('numbers classes in order of appearance, tags as a set', () => {
    expect(numbers).toEqual([0, 1, 2, 2, 0]);
    expect([1, 16, 17, 257].map(classDepth)).toEqual([4, 4, 8, 12]);
    const full = new ClassList();
    for (let i = 0; i < 4096; i++) full.number(facts({ source: `${i}` }));
    expect(problems(() => full.number(facts({ source: 'x' })))).toContain('4096');
  });
  it('holds bins and eligibility, and refuses to commit what is not eligible', () => {
    const rows = classRows(list.list, bins, { licenses: ['MIT'] });
    expect(rows).toEqual([
      { bins: 3n, eligible: true },
      { bins: 0n, eligible: false },
      { bins: 3n, eligible: true },
    ]);
    expect(problems(() => checkEligible(list.list, rows))).toContain('source books: licence LicenseRef-unknown');
    checkEligible(list.list, classRows(list.list, bins, null));
    expect(problems(() => classRows(list.list, Array<Bin>(63).fill(bins[0]), null))).toContain('62');
  });
  it('opens every row, and another bit is another root', () => {
    const rows = classRows(list.list, bins, null),
      levels = classLevels(rows, 4);
    for (let at = 0; at < 3; at++) {
      let d = [...levels[0].subarray(4 * at, 4 * at + 4)];
      tablePath(levels, at).forEach((s, l) => {
        d = (at >> l) & 1 ? compress(s, d) : compress(d, s);
      });
      expect(d).toEqual(tableRoot(levels));
    }
    expect(tableRoot(levels).map(String)).toMatchInlineSnapshot(`
      [
        "9706549156329788522",
        "8448072691423645437",
        "3759690208517511903",
        "2952286849726204506",
      ]
    `);
    const changed = rows.map((r, i) => (i === 1 ? { ...r, bins: 1n } : r));
    expect(tableRoot(classLevels(changed, 4))).not.toEqual(tableRoot(levels));
    expect(tableRoot(classLevels([], 4))).not.toEqual(tableRoot(levels));
  });
});

describe('quotas', () => {
  const quota = (min: number, max: number) => ({ ...FREE, examples: { min, max } });
  it('are ordered numbers of 32 bits', () => {
    checkQuotas(['a'], [FREE]);
    expect(problems(() => checkQuotas(['a'], [quota(3, 2)]))).toContain('quota of a');
    expect(problems(() => checkQuotas(['a'], [quota(0, MOST_COUNT + 1)]))).toContain('32');
    expect(problems(() => checkQuotas(['a'], [quota(0.5, 1)]))).toContain('whole');
  });
  it('count examples and targets by bin; maxima always, minima at an end', () => {
    let c = zeroCounters(2);
    c = count(c, 1n, 5);
    c = count(c, 3n, 7);
    expect(c).toMatchObject({ examples: [2, 1], targets: [12, 7], allTargets: 12 });
    expect(violation([quota(3, 9), FREE], c, false)).toBeUndefined();
    expect(violation([quota(3, 9), FREE], c, true)).toEqual({ bin: 0, kind: 'examples', limit: 'min', count: 2, bound: 3 });
    expect(violation([FREE, { ...FREE, targets: { min: 0, max: 6 } }], c, false)).toEqual({
      bin: 1,
      kind: 'targets',
      limit: 'max',
      count: 7,
      bound: 6,
    });
    expect(countersDigest(c).map(String)).toMatchInlineSnapshot(`
      [
        "11947414223648595154",
        "8640125031894300605",
        "8737316023363973250",
        "13998110363358331673",
      ]
    `);
    expect(countersDigest(c, [1n, 2n, 3n, 4n])).not.toEqual(countersDigest(c));
    expect(quotasDigest([quota(3, 9), FREE]).map(String)).toMatchInlineSnapshot(`
      [
        "5988413844656890742",
        "1491051527570956182",
        "871939070860959880",
        "11110968400730034568",
      ]
    `);
    expect(quotasDigest([])).toEqual([0n, 0n, 0n, 0n]);
  });

  const order = (c: Partial<OrderConfig> = {}): OrderConfig => ({
    rows: 40,
    epochExamples: 20,
    batch: 8,
    shortBatch: 'keep',
    replacement: false,
    modes: ALL_PUBLIC,
    keys: { public: publicKey('k') },
    seed: orderSeed(Array<bigint>(8).fill(1n), beaconWords(null)),
    ...c,
  });
  const classes = [
      { bins: 1n, eligible: true },
      { bins: 2n, eligible: true },
    ],
    rows = { classes: Array.from({ length: 40 }, (_, i) => (i < 30 ? 0 : 1)), targets: Array<number>(40).fill(3) };
  const broken = (c: OrderConfig, steps: number, quotas: Parameters<typeof simulate>[4]): string | undefined => {
    const { breach } = simulate(new Order(c), steps, rows, classes, quotas);
    return breach && breachText(breach, ['en', 'fr']);
  };
  it('are simulated over all epochs before training: epoch, step, bin, count, limit', () => {
    const { epochs, breach } = simulate(new Order(order()), 7, rows, classes, [FREE, FREE]);
    expect(breach).toBeUndefined();
    expect(epochs.map((e) => [e.epoch, e.whole, e.counters.examples.reduce((x, y) => x + y, 0), e.counters.allTargets])).toEqual([
      [0, true, 20, 60],
      [1, true, 20, 60],
      [2, false, 8, 24],
    ]);
    expect(broken(order(), 7, [FREE, quota(0, 3)])).toMatch(
      /^epoch \d+, step \d+: bin fr has \d+ examples, the most allowed in an epoch is 3$/,
    );
    expect(broken(order(), 7, [quota(20, 20), FREE])).toMatch(
      /^epoch 0, step 2: bin en has \d+ examples, the least allowed in an epoch is 20$/,
    );
    // An epoch that the run does not end owes no minimum.
    expect(broken(order(), 2, [quota(20, 20), FREE])).toBeUndefined();
  });
  it('hold by construction where their bins are strata', () => {
    const strata = stratify([
      { name: 'en', rows: 30, perEpoch: 13 },
      { name: 'fr', rows: 10, perEpoch: 7 },
    ]);
    const { epochs, breach } = simulate(new Order(order({ strata })), 30, rows, classes, [quota(13, 13), quota(7, 7)]);
    expect(breach).toBeUndefined();
    expect(epochs).toHaveLength(10);
  });
});

describe('digest before the beacon', () => {
  it('is that of the manifest without the value, and of everything else in it', () => {
    const m = { dataset: { root: ['1'] }, config: { sampler: { key: 'c', beacon: '' } } },
      d = commitmentDigest(m),
      sampler = (x: object) => ({ ...m, config: { sampler: { ...m.config.sampler, ...x } } });
    expect(commitmentDigest(sampler({ beacon: 'late' }))).toEqual(d);
    expect(commitmentDigest(sampler({ key: 'd' }))).not.toEqual(d);
    expect(commitmentDigest({ ...m, dataset: { root: ['2'] } })).not.toEqual(d);
  });
});
