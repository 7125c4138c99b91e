import { describe, expect, it } from 'vitest';
import { P } from '../src/field/goldilocks.js';
import { singleKernels } from '../src/kernels/index.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { preamble } from '../src/tensor/preamble.js';
import { type Channel, type Message, NativeChannel, VerificationError, messageWords } from '../src/transcript/index.js';
import { proveCase } from './kit.js';
import { randomCase } from './random-case.js';

/*
 * Fiat-Shamir: what is sent in which order, and that all of it but Merkle openings moves the next challenge. Openings
 * are bound by their root instead, which a changed word does not hash to.
 */
const k = singleKernels(),
  vk = singleKernels();
const c = randomCase({
  sizes: { l: 1, d: 3, o: 2, v: 3, b: 1, i: 3 },
  kinds: ['quotient', 'lse', 'silu', 'state'],
  rangeBits: 16,
  seed: 3,
});
const p = proveCase(k, c),
  schedule = scheduleOf(p.plan, p.statement);

/** Runs the verifier with all equations ignored; returns the challenges up to where it stops, and where. */
function challenges(proof: BigUint64Array): { seen: string[]; stopped?: string } {
  const inner = new NativeChannel(vk, proof),
    seen: string[] = [];
  const ch = new Proxy(inner as unknown as Channel, {
    get(_t, key) {
      if (key === 'assertEqual') return () => {};
      const f = (inner as unknown as Record<string | symbol, (...a: unknown[]) => unknown>)[key];
      if (typeof f !== 'function') return f;
      if (key === 'sample')
        return (label: string) => {
          const e = inner.sample(label);
          seen.push(`${label} ${inner.value(e).join()}`);
          return e;
        };
      if (key === 'sampleBits')
        return (label: string, n: number) => {
          const e = inner.sampleBits(label, n);
          seen.push(`${label} ${e.map((b) => inner.value(b)[0]).join('')}`);
          return e;
        };
      return f.bind(inner);
    },
  });
  try {
    verifyProgram(ch, p.plan, p.statement);
    inner.finish();
    return { seen };
  } catch (e) {
    expect(e).toBeInstanceOf(VerificationError);
    return { seen, stopped: (e as VerificationError).check };
  } finally {
    inner.close();
  }
}

/** A schedule in short: runs of one message are counted, rounds of layers are not told apart. */
function inventory(s: readonly Message[]): string[] {
  const lines: string[] = [];
  let last = '',
    times = 0;
  const flush = (): void => {
    if (times) lines.push(times > 1 ? `${last} (repeated)` : last);
  };
  for (const m of s) {
    const line = `${m.kind}: ${m.label.replace(/\d+/g, '#')}`;
    if (line === last) times++;
    else {
      flush();
      last = line;
      times = 1;
    }
  }
  flush();
  return lines;
}

/** Every run of lines once, loops collapsed: the order in which each line first occurs. */
const first = (lines: string[]): string[] => [...new Set(lines)];

describe('the schedule of a program proof', () => {
  it('is this one', () =>
    expect(first(inventory(schedule).map((l) => l.replace(' (repeated)', '')))).toEqual([
      'public: protocol',
      'public: shape',
      'public: context',
      'public: public inputs',
      'public: frozen digest',
      'public: state sIn',
      'public: state sOut',
      'digest: root witness',
      'sample: gamma',
      'sample: beta',
      'ext: logup root',
      'sample: logup # lambda',
      'ext: logup # values',
      'sample: logup # tau',
      'ext: logup # round',
      'sample: logup # r',
      'ext: table # claims',
      'sample: lambda',
      'ext: sumcheck round',
      'sample: sumcheck r',
      'ext: operand values',
      'sample: alpha',
      'ext: frozen sumcheck',
      'sample: frozen r',
      'ext: frozen value',
      'ext: whir # # sumcheck',
      'sample: whir # # r',
      'digest: whir # root',
      'sample: whir # z',
      'ext: whir # ood',
      'grind: whir # work',
      'bits: whir # # query',
      'cap: whir # # cap',
      'opening: whir # # row',
      'sample: whir # gamma',
      'ext: whir # sumcheck',
      'sample: whir # r',
      'ext: whir final',
      'bits: whir # query',
      'cap: whir # cap',
      'opening: whir # row',
      'ext: whir end sumcheck',
      'sample: whir end r',
    ]));

  it('binds every word: a changed message moves the next challenge, a changed opening misses its root', () => {
    const honest = challenges(p.proof);
    expect(honest.stopped).toBeUndefined();
    let at = 0,
      drawn = 0;
    const last = schedule.findLastIndex((m) => m.kind === 'sample' || m.kind === 'bits');
    schedule.forEach((m, i) => {
      const n = messageWords(m);
      if (m.kind === 'sample' || m.kind === 'bits') drawn++;
      // Of the many openings every ninth, of long messages some words.
      const some = n === 0 || (m.kind === 'opening' && i % 9) ? [] : n > 6 ? [0, 1 + (i % (n - 2)), n - 1] : n > 1 ? [i % n, n - 1] : [0];
      for (const w of some) {
        const bad = p.proof.slice();
        bad[at + w] = (bad[at + w] + 1n) % P;
        const got = challenges(bad),
          where = `${m.label}, word ${w}`;
        if (m.kind === 'opening') expect(got.stopped, where).toBe('Merkle path');
        else if (m.kind === 'cap') expect(got.stopped, where).toBe('Merkle cap');
        else {
          expect(got.seen.slice(0, drawn), where).toEqual(honest.seen.slice(0, drawn));
          // The nonce is drawn for the state that it was found in: another one lacks its work, but for luck.
          if (i < last && got.stopped !== 'grinding') expect(got.seen[drawn], where).not.toBe(honest.seen[drawn]);
        }
      }
      at += n;
    });
    expect(at).toBe(p.proof.length);
  });

  it('starts with every word of the statement: each changed alone changes the first challenge', () => {
    const words = preamble(p.plan, p.statement),
      drawn = (change?: [number, number]): string => {
        const ch = new NativeChannel(vk, p.proof);
        words.forEach((x, i) => {
          ch.publicWords(
            x.label,
            x.words.map((v, j) => (change && change[0] === i && change[1] === j ? (v + 1n) % P : v)),
          );
        });
        ch.readDigest('root witness');
        const out = ch.value(ch.sample('first')).join();
        ch.close();
        return out;
      };
    const seen = new Set([drawn()]);
    let count = 1;
    words.forEach((x, i) => {
      x.words.forEach((_, j) => {
        seen.add(drawn([i, j]));
        count++;
      });
    });
    expect(seen.size).toBe(count);
    expect(count).toBeGreaterThan(50);
  });

  it('allows no public input after the first challenge', () => {
    const ch = new NativeChannel(vk, p.proof);
    ch.sample('x');
    expect(() => ch.publicWords('late', [1n])).toThrow(/after the first challenge/);
    ch.close();
  });
});

describe('the program digest', () => {
  it('covers every field: each changed alone changes the first words', async () => {
    const { programDigest } = await import('../src/tensor/statement.js');
    const base = programDigest(c.program).join(),
      missed: string[] = [];
    let count = 0;
    /** All ways to change one leaf of a value. */
    const walk = (x: unknown, path: string, put: (v: unknown) => unknown): void => {
      if (Array.isArray(x)) x.forEach((y, i) => walk(y, `${path}[${i}]`, (v) => put(x.map((z, n) => (n === i ? v : z)))));
      else if (x && typeof x === 'object')
        for (const [key, y] of Object.entries(x)) walk(y, `${path}.${key}`, (v) => put({ ...x, [key]: v }));
      else {
        const other = typeof x === 'bigint' ? x + 1n : typeof x === 'number' ? x + 1 : typeof x === 'boolean' ? !x : `${String(x)}'`;
        count++;
        if (programDigest(put(other) as typeof c.program).join() === base) missed.push(path);
      }
    };
    walk(c.program, 'program', (v) => v);
    expect(missed).toEqual([]);
    expect(count).toBeGreaterThan(500);
  });
});
