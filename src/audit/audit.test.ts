import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealedHeader } from '../artifact/header.js';
import { CircuitChannel } from '../circuit/channel.js';
import { circuitCells } from '../circuit/columns.js';
import { proveCircuit } from '../circuit/prove.js';
import type { RowHook } from '../circuit/rows.js';
import { InputError, VersionError } from '../errors.js';
import { P, inv, mod } from '../field/goldilocks.js';
import { compress } from '../hash/poseidon2.js';
import { singleKernels } from '../kernels/single.js';
import { type RowShape, rowDigest, rowShape } from '../policy/rows/digest.js';
import { emptyNode } from '../policy/table.js';
import { digestWords, type Manifest, manifestDigest } from '../run/manifest.js';
import { runSchema } from '../run/schema.js';
import { type Setup, setup } from '../setup/run.js';
import { type Ext, VerificationError } from '../transcript/arith.js';
import { type ClassTotal, type Count, countChallenge, expectedSums } from './count.js';
import { decodeCount, encodeCount } from './file.js';
import { type CountedRow, type PartShape, partCircuit, partCount, partShape, partsOf, ROW_WORDS } from './part.js';
import { classTotals, countedRow, proveCount, provePart } from './prove-count.js';
import { verifyCount } from './verify-count.js';

const SHAPE: PartShape = { height: 3, targetBits: 4 },
  X: Ext = [12345678901n, 98765432109n, 31415926535n],
  ROWS: CountedRow[] = Array.from({ length: 6 }, (_, i) => ({
    content: [1n, 2n, 3n, 4n].map((x) => x * BigInt(i + 7)),
    class: i % 3,
    targets: 5 + i,
    length: 9 + i,
  }));

/** Root of the leaves of these rows. */
function rootOf(rows: readonly CountedRow[], height: number): readonly bigint[] {
  let level: (readonly bigint[])[] = Array.from({ length: 2 ** height }, (_, i) =>
    rows[i] ? rowDigest(rows[i].content, rows[i]) : emptyNode(0),
  );
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, k) => compress(below[2 * k], below[2 * k + 1]));
  }
  return level[0];
}
const run = (rows: readonly CountedRow[], hook?: RowHook): CircuitChannel => {
  const ch = new CircuitChannel(new BigUint64Array(0), hook);
  partCircuit(ch, SHAPE, { challenge: X, rows });
  return ch;
};
/** Changes one free word of a row. */
const free =
  (row: number, name: (typeof ROW_WORDS)[number], f: (x: bigint) => bigint): RowHook =>
  (kind, at, rows) => {
    if (kind === 'W' && at === ROW_WORDS.length * row + ROW_WORDS.indexOf(name)) rows.W.value[at] = f(rows.W.value[at]);
  };
/** Publishes the words of the honest part, whatever was computed. */
const insists =
  (words: readonly bigint[]): RowHook =>
  (kind, at, rows) => {
    if (kind === 'U') rows.U.value[at] = words[at];
  };
const failed = (ch: CircuitChannel): string[] => [...new Set(ch.failed)];

describe('a part of a count on wires', () => {
  const honest = run(ROWS),
    words = honest.rows.U.value.map(mod);
  it('publishes root and sums of its rows, empty leaves behind them', () => {
    expect(failed(honest)).toEqual([]);
    expect(words.slice(0, 3)).toEqual([...X]);
    expect(words.slice(3, 7)).toEqual(rootOf(ROWS, 3));
    const want = expectedSums(X, classTotals(3, ROWS));
    expect(words.slice(7)).toEqual([...want.rows, ...want.targets]);
    const order = run([...ROWS].reverse()).rows.U.value.map(mod);
    expect(order.slice(7)).toEqual(words.slice(7));
    expect(order.slice(3, 7)).not.toEqual(words.slice(3, 7));
    expect(run([]).rows.U.value.map(mod).slice(3)).toEqual([...emptyNode(3), ...Array<bigint>(6).fill(0n)]);
  });
  it('has a shape that no value changes', () => {
    const shape = new CircuitChannel();
    partCircuit(shape, SHAPE);
    for (const k of ['E', 'F', 'B', 'D', 'S', 'P', 'Q'] as const) expect(honest.rows[k].from).toEqual(shape.rows[k].from);
  });
  it.each<[string, CountedRow[]]>([
    ['a row left out', ROWS.slice(1)],
    ['the last row left out', ROWS.slice(0, -1)],
    ['a row twice', [...ROWS, ROWS[0]]],
    ['a class swapped with that of another row', ROWS.map((r, i) => (i < 2 ? { ...r, class: ROWS[1 - i].class } : r))],
    ['a class that the manifest does not have', ROWS.map((r, i) => (i ? r : { ...r, class: 77 }))],
    ['targets one more', ROWS.map((r, i) => (i ? r : { ...r, targets: r.targets + 1 }))],
    ['another length', ROWS.map((r, i) => (i ? r : { ...r, length: r.length + 1 }))],
    ['an empty leaf passed off as a row of zeros', [...ROWS, { content: [0n, 0n, 0n, 0n], class: 0, targets: 0, length: 0 }]],
    ['no rows at all', []],
  ])('refuses %s under the root of the dataset', (_, rows) => {
    expect(failed(run(rows, insists(words)))).toContain('root of a part');
    // Whoever publishes the root of what was counted is refused by the dataset's root.
    expect(run(rows).rows.U.value.map(mod).slice(3, 7)).not.toEqual(words.slice(3, 7));
  });
  it('refuses a present row called empty, half a row, a row that counts less than nothing', () => {
    const publish = insists(words);
    for (const [f, check] of [
      [(): bigint => 0n, 'root of a part'],
      [(): bigint => inv(2n), 'row counted'],
      [(): bigint => P - 1n, 'row counted'],
      [(): bigint => 2n, 'row counted'],
    ] as const) {
      const lie = free(2, 'counted', f);
      expect(
        failed(
          run(ROWS, (kind, at, rows) => {
            lie(kind, at, rows);
            publish(kind, at, rows);
          }),
        ),
      ).toContain(check);
    }
  });
  it('refuses targets that wrap, also where the committed row has them', () => {
    for (const t of [16, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(failed(run(ROWS.map((r, i) => (i ? r : { ...r, targets: t }))))).toEqual(['targets of a row']);
    }
    expect(
      failed(
        run(
          ROWS,
          free(0, 'targets', () => P - 1n),
        ),
      ),
    ).toEqual(['targets of a row']);
  });
  it('refuses sums other than those computed, and weights other than the inverses', () => {
    for (const at of [7, 8, 9, 10, 11, 12])
      expect(failed(run(ROWS, (kind, row, rows) => (kind === 'U' && row === at ? rows.U.value[row]++ : 0)))).toEqual(['exposed value']);
    expect(failed(run(ROWS, (kind, row, rows) => (kind === 'H' && row === 1 ? (rows.H.value[row] = [5n, 0n, 0n]) : 0)))).toContain(
      'inverse',
    );
  });
});

describe('a count of a dataset', () => {
  const k = singleKernels(),
    home = mkdtempSync(join(tmpdir(), 'certune-count-')),
    path = (p: string): string => fileURLToPath(new URL(`../../test/data/${p}`, import.meta.url)),
    made = (steps: number): Setup =>
      setup(
        runSchema.parse({
          version: 1,
          base: { path: path('tiny') },
          data: [
            { path: join(home, 'a.jsonl'), language: 'fr', license: 'CC0-1.0', source: 'a' },
            { path: join(home, 'b.jsonl'), language: 'en', license: 'MIT', source: 'b' },
          ],
          lora: { r: 1, targets: ['v_proj'] },
          train: { steps, batch: 2, sequence: 16, warmup: 0 },
          proof: { bits: 100 },
          numbers: { preset: 'small' },
        }),
        [1n, 2n, 3n, 4n],
      );
  let m: Manifest, s: Setup, shape: RowShape, part: PartShape, count: Count;
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  beforeAll(() => {
    const lines = readFileSync(path('pairs.jsonl'), 'utf8').trim().split('\n');
    writeFileSync(join(home, 'a.jsonl'), lines.slice(0, 7).join('\n'));
    writeFileSync(join(home, 'b.jsonl'), lines.slice(7).join('\n').replaceAll('"fr"', '"en"'));
    s = made(1);
    m = s.run.manifest;
    shape = rowShape(m.config.train.sequence, m.base.shape.vocab);
    // Several parts, the last one with rows and empty leaves.
    part = { ...partShape(m), height: 3 };
    count = proveCount(k, m, shape, s.inputs.data, () => {}, part);
  });
  const refusal = (c: Count, of: Manifest = m): string => {
    try {
      verifyCount(k, of, c, part);
    } catch (e) {
      expect(e).toBeInstanceOf(VerificationError);
      return (e as VerificationError).check;
    }
    throw new Error('accepted');
  };
  const changed = (at: number, by: Partial<ClassTotal>): ClassTotal[] => count.totals.map((t, i) => (i === at ? { ...t, ...by } : t));
  /** A count with other totals whose parts are proved under the challenge that belongs to them. */
  const adaptive = (totals: readonly ClassTotal[], rows = (all: CountedRow[]): CountedRow[] => all): Count => {
    const parts = partsOf(k, part, m.config.proof.bits),
      challenge = countChallenge(count.manifest, totals),
      all = rows(countedRows(s.inputs.data.rows.length)),
      size = 2 ** part.height;
    return {
      ...count,
      totals,
      parts: count.parts.map((_, p) =>
        provePart(k, parts, digestWords(count.manifest), { challenge, rows: all.slice(p * size, (p + 1) * size) }),
      ),
    };
  };
  /** Rows as the prover of the dataset counts them. */
  const countedRows = (n: number): CountedRow[] => Array.from({ length: n }, (_, i) => countedRow(shape, s.inputs.data, i));

  it('is that of its rows, and verified with the manifest alone', () => {
    expect(partCount(m.dataset.examples, part)).toBe(count.parts.length);
    expect(count.parts.length).toBeGreaterThan(1);
    expect(count.totals.reduce((n, t) => n + t.rows, 0)).toBe(m.dataset.examples);
    expect(count.totals.map((t) => t.rows)).toEqual(
      m.dataset.classes.map((_, c) => s.inputs.data.rows.filter((r) => r.class === c).length),
    );
    expect(verifyCount(k, m, decodeCount('c', encodeCount(count)), part).totals).toEqual(count.totals);
  });
  it('refuses other totals, also those that a prover has proved parts for', () => {
    const [a, b] = count.totals;
    expect(refusal({ ...count, totals: changed(0, { rows: a.rows - 1 }) })).toBe('number of rows');
    expect(refusal({ ...count, totals: changed(0, { targets: a.targets + 1 }) })).toBe('class totals');
    const swapped = [{ ...a, targets: a.targets - 1 }, { ...b, targets: b.targets + 1 }, ...count.totals.slice(2)];
    expect(refusal({ ...count, totals: swapped })).toBe('class totals');
    expect(refusal(adaptive(swapped))).toBe('class totals');
    const moved = [{ ...a, rows: a.rows - 1 }, { ...b, rows: b.rows + 1 }, ...count.totals.slice(2)];
    expect(refusal(adaptive(moved))).toBe('class totals');
    // A total that wraps: the field holds it, the file does not.
    const wrapped = encodeCount({ ...count, totals: changed(0, { targets: 2 ** 53 }) });
    expect(() => decodeCount('c', wrapped)).toThrow(/malformed total/);
  });
  it('refuses other rows: left out, twice, of another class, none', () => {
    const totalsOf = (rows: readonly CountedRow[]): ClassTotal[] => classTotals(m.dataset.classes.length, rows),
      all = countedRows(m.dataset.examples);
    for (const rows of [
      [...all.slice(1), all[0]],
      [all[1], ...all.slice(1)],
      all.map((r, i) => (i === 3 ? { ...r, class: 1 - r.class } : r)),
    ])
      expect(refusal(adaptive(totalsOf(rows), () => rows))).toBe('dataset root');
    const fewer = all.slice(1);
    expect(refusal(adaptive(totalsOf(fewer), () => fewer))).toBe('number of rows');
    expect(refusal({ ...count, totals: count.totals.map(() => ({ rows: 0, targets: 0 })), parts: [] })).toBe('parts of the count');
  });
  it('refuses parts left out, twice, in another order, of another dataset, and what a prover has not proved', () => {
    const [first, second, ...rest] = count.parts;
    expect(refusal({ ...count, parts: count.parts.slice(1) })).toBe('parts of the count');
    expect(refusal({ ...count, parts: [first, first, ...rest] })).toBe('dataset root');
    expect(refusal({ ...count, parts: [second, first, ...rest] })).toBe('dataset root');
    expect(refusal({ ...count, manifest: `sha256:${'0'.repeat(64)}` })).toBe('manifest of the count');
    // The same dataset under another manifest: the challenge is another one.
    const other = made(2).run.manifest;
    expect(other.dataset.root).toEqual(m.dataset.root);
    expect(refusal(count, other)).toBe('manifest of the count');
    expect(refusal({ ...count, manifest: manifestDigest(other) }, other)).toBe('class totals');
    // Words that add up, of parts that nobody has proved: proofs of one part beside the words of another.
    expect(refusal({ ...count, parts: [{ ...first, proof: second.proof }, { ...second, proof: first.proof }, ...rest] })).not.toBe('');
    const short = { ...first, proof: first.proof.slice(1) };
    expect(refusal({ ...count, parts: [short, second, ...rest] })).toBe('proof length');
    for (const at of [0, 5, 200, first.proof.length - 1]) {
      const proof = first.proof.slice();
      proof[at] ^= 1n;
      refusal({ ...count, parts: [{ ...first, proof }, second, ...rest] });
    }
  });
  it('refuses a proof of a witness that violates the circuit', () => {
    const parts = partsOf(k, part, m.config.proof.bits),
      totals = changed(0, { targets: count.totals[0].targets + 1 }),
      challenge = countChallenge(count.manifest, totals),
      size = 2 ** part.height,
      want = expectedSums(challenge, totals),
      lying = adaptive(totals),
      // The first part publishes what is missing to the sums.
      missing = want.targets.map((w, i) => mod(w - lying.parts.slice(1).reduce((x, p) => x + p.targets[i], 0n))),
      ch = new CircuitChannel(new BigUint64Array(0), (kind, at, rows) => {
        if (kind === 'U' && at >= 10) rows.U.value[at] = missing[at - 10];
      });
    partCircuit(ch, part, { challenge, rows: countedRows(size) });
    expect(failed(ch)).toEqual(['exposed value']);
    const { proof } = proveCircuit(k, parts.plan, circuitCells(ch, parts.circuit), {
      frozenDigest: parts.key.digest,
      context: digestWords(count.manifest),
    });
    const [a, b, c] = missing,
      forged: Count = { ...lying, parts: [{ ...lying.parts[0], targets: [a, b, c], proof }, ...lying.parts.slice(1)] };
    expect(refusal(forged)).toBe('batched sumcheck');
  });
  it('is read from any bytes with typed errors', () => {
    const bytes = encodeCount(count);
    for (const harm of [
      bytes.subarray(0, 10),
      bytes.subarray(0, -8),
      new Uint8Array([...bytes, 0]),
      new Uint8Array(0),
      new TextEncoder().encode('{}\n'),
      Uint8Array.from(bytes, (b, i) => (i === bytes.length - 3 ? b ^ 1 : b)),
    ])
      expect(() => decodeCount('c', harm).parts.map((p) => p.proof)).toThrow(InputError);
    const text = new TextDecoder('latin1').decode(bytes),
      line = text.slice(0, text.indexOf('\n')),
      head = JSON.parse(line) as Record<string, unknown>;
    expect(Object.keys(head).sort()).toEqual(['manifest', 'parts', 'sha256', 'totals', 'type', 'version']);
    const again = (change: object): Uint8Array => {
      const body = bytes.subarray(line.length + 1);
      return new Uint8Array([...new TextEncoder().encode(sealedHeader({ ...head, ...change })), ...body]);
    };
    expect(decodeCount('c', again({}))).toEqual(count);
    expect(() => decodeCount('c', again({ version: 2 }))).toThrow(VersionError);
    const [p, ...others] = head['parts'] as Record<string, unknown>[];
    for (const change of [
      { type: 'certune-openings' },
      { more: 1 },
      { manifest: 'sha256:0' },
      { totals: {} },
      { totals: [[1]] },
      { totals: [[1, -1]] },
      { totals: [[1, 1.5]] },
      { parts: 3 },
      ...[
        null,
        [],
        { ...p, more: 1 },
        { ...p, root: [] },
        { ...p, sha256: 'x' },
        { ...p, root: ['1', '2', '3', String(P)] },
        { ...p, rows: ['01', '0', '0'] },
      ].map((x) => ({
        parts: [x, ...others],
      })),
      ...[-1, 1e9, '7', Number(p['words']) + 1].map((words) => ({ parts: [{ ...p, words }, ...others] })),
    ])
      expect(() => decodeCount('c', again(change)), JSON.stringify(change).slice(0, 80)).toThrow(InputError);
  });
});
