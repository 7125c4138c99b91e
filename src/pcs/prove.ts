import * as E from '../field/ext3.js';
import { pow, root as rootOfUnity } from '../field/goldilocks.js';
import type { HashName } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { ProductSumcheck, type Tiled } from '../sumcheck/product.js';
import { merkleHash } from '../transcript/sponge.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { type Columns, type Oracle, SECOND_CODEWORD, capOf, commitColumns, openRows, restoreTree } from './commit.js';
import type { WhirShape } from './params.js';

/** Domain point of position j: g^rev(j). */
export function domainPoint(log: number, j: number): bigint {
  let rev = 0;
  for (let k = 0; k < log; k++) if ((j >>> k) & 1) rev += 2 ** (log - 1 - k);
  return pow(rootOfUnity(log), BigInt(rev));
}

/**
 * Commits `used` base columns (signed words, column k at ptr + k 2^logHeight 8, or written by `fill`) at the rate and with the hash of `params`;
 * keeps the codeword if it fits `keep` bytes. `tree`: that of the same columns, made before (saveTree).
 */
export function commitBase(
  k: Kernels,
  from: number | NonNullable<Columns['fill']>,
  used: number,
  logHeight: number,
  params: { readonly logInvRate: number; readonly hash?: HashName | undefined },
  keep = 0,
  tree?: Uint8Array,
): Oracle {
  const source = typeof from === 'number' ? { ptr: from } : { ptr: 0, fill: from },
    columns: Columns = { ...source, used, logHeight, logDomain: logHeight + params.logInvRate, ext: false };
  return tree ? restoreTree(k, columns, tree) : commitColumns(k, columns, keep, merkleHash(params.hash ?? 'poseidon2'));
}

/** A claim sum_i w(i) f(i) = value on a group: its trees, the stack f (signed words, the columns of the trees at their offsets), weights w (E, same indices). */
export interface GroupOpening {
  readonly oracles: readonly Oracle[];
  readonly f: Tiled;
  readonly w: Tiled;
  readonly value: Ext;
}

/** Proves one claim on each group. Destroys weights that are near. */
export function openWhir(k: Kernels, ch: ProverChannel, shape: WhirShape, claims: readonly GroupOpening[]): void {
  const { groups } = shape;
  const round = (label: string, sum: ProductSumcheck, now: Ext): { now: Ext; r: Ext } => {
    const [s0, s2] = sum.message();
    ch.sendExt(`${label} sumcheck`, [s0, s2]);
    const r = ch.sample(`${label} r`),
      s1 = E.sub(E.sub(now, E.add(s0, s0)), s2);
    sum.bind(r);
    return { r, now: E.add(s0, E.mul(r, E.add(s1, E.mul(r, s2)))) };
  };
  /** Positions, and what their rows fold to; the rows are sent. */
  const query = (
    label: string,
    o: { queries: number; domain: number; cap: number },
    trees: readonly (readonly { used: number; offset: number }[])[],
    oracles: readonly Oracle[],
    challenges: readonly Ext[],
  ): { xs: bigint[]; values: Ext[] } => {
    const positions = Array.from({ length: o.queries }, () => ch.sampleIndex(`${label} query`, o.domain)),
      rows = oracles.map((t) => openRows(k, t, positions, o.cap)),
      eq = columnWeights(challenges);
    for (const t of oracles) ch.cap(`${label} cap`, capOf(k, t, o.cap));
    positions.forEach((_, q) => oracles.forEach((t, i) => ch.opening(`${label} row`, rows[i][q], t.columns.logDomain - o.cap)));
    const values = positions.map((_, q) => {
      let v: Ext = E.ZERO;
      oracles.forEach((t, i) => {
        let at = 0;
        for (const { used, offset } of trees[i])
          for (let j = 0; j < used; j++) {
            const leaf: Ext = t.columns.ext ? [rows[i][q][at], rows[i][q][at + 1], rows[i][q][at + 2]] : [rows[i][q][at], 0n, 0n];
            v = E.add(v, E.mul(eq[offset + j], leaf));
            at += t.columns.ext ? 3 : 1;
          }
      });
      return v;
    });
    return { values, xs: positions.map((p) => domainPoint(o.domain, p)) };
  };

  const folded = claims.map((c, i) => {
    const sum = new ProductSumcheck(k, c.f, c.w, groups[i].logColumns + groups[i].logHeight),
      challenges: Ext[] = [];
    let now = c.value;
    for (let v = 0; v < groups[i].logColumns; v++) {
      const next = round(`whir 0${groups.length > 1 ? ` ${i}` : ''}`, sum, now);
      now = next.now;
      challenges.push(next.r);
    }
    return { now, challenges, ...sum.near() };
  });
  // The folded vectors in one; a vector of its own where there are several.
  const joined = groups.length > 1 ? { f: k.zeroed(24 * shape.cells), w: k.zeroed(24 * shape.cells) } : folded[0];
  const join = (to: number, from: number, n: number, coefficient: Ext): void => {
    const c = k.exts([coefficient]);
    k.parallel('addOuterCells', n, 2048, (lo, hi) => [to, c, from, lo, hi]);
  };
  if (groups.length > 1) folded.forEach(({ f, n }, i) => k.u8.copyWithin(joined.f + 24 * groups[i].at, f, f + 24 * n));
  const sum = new ProductSumcheck(k, { length: shape.cells, ptr: joined.f, ext: true }, { length: shape.cells, ptr: joined.w }, shape.vars);
  let now = folded[0].now,
    previous: readonly Oracle[] = [];
  for (let i = 0; i <= shape.rounds.length; i++) {
    const label = `whir ${i}`,
      last = i > 0 ? shape.rounds[i - 1] : undefined,
      next = shape.rounds[i],
      challenges: Ext[] = [];
    if (last)
      for (let v = 0; v < last.columns; v++) {
        const step = round(label, sum, now);
        now = step.now;
        challenges.push(step.r);
      }
    const cur = i > 0 ? sum.near() : { f: joined.f, w: joined.w, n: shape.cells };
    let committed: Oracle | undefined,
      y: Ext = E.ZERO,
      z: Ext = E.ZERO;
    if (next) {
      // The committed vector is opened later, after `cur` has been folded in place; its last column is filled up with zeros.
      const kept = k.zeroed(24 * next.used * 2 ** next.rows);
      k.u8.copyWithin(kept, cur.f, cur.f + 24 * cur.n);
      committed = commitColumns(
        k,
        { ptr: kept, used: next.used, logHeight: next.rows, logDomain: next.domain, ext: true },
        SECOND_CODEWORD,
        merkleHash(ch.hash),
      );
      ch.sendDigest(`${label} root`, committed.root);
      z = ch.sample(`${label} z`);
      const zp = k.exts([z]),
        o = k.alloc(24);
      k.exports['hornerExt'](o, cur.f, zp, cur.n);
      y = k.readExt(o);
      ch.sendExt(`${label} ood`, [y]);
    } else ch.sendExt('whir final', k.readExts(cur.f, cur.n));
    ch.grind(`${label} work`, shape.params.grinding);
    const answers = last
      ? [{ ...query(label, last, [[{ used: last.used, offset: 0 }]], previous, challenges), at: 0, n: cur.n }]
      : groups.map((g, n) => ({
          ...query(
            groups.length > 1 ? `${label} ${n}` : label,
            g,
            g.trees.map((t) => t.parts),
            claims[n].oracles,
            folded[n].challenges,
          ),
          at: g.at,
          n: folded[n].n,
        }));
    if (next || (!last && groups.length > 1)) {
      const gamma = ch.sample(`${label} gamma`);
      let g: Ext = E.ONE;
      if (!last && groups.length > 1)
        folded.forEach((part, n) => {
          if (n > 0) {
            g = E.mul(g, gamma);
            now = E.add(now, E.mul(g, part.now));
          }
          join(joined.w + 24 * groups[n].at, part.w, part.n, g);
        });
      if (committed) {
        g = E.mul(g, gamma);
        now = E.add(now, E.mul(g, y));
        k.exports['addPowersExt'](cur.w, k.exts([z]), k.exts([g]), cur.n);
        for (const { xs, values, at, n } of answers) {
          const gs = values.map((v) => {
            g = E.mul(g, gamma);
            now = E.add(now, E.mul(g, v));
            return g;
          });
          const px = k.alloc(8 * xs.length),
            pg = k.exts(gs),
            scratch = k.alloc(24 * xs.length * k.threads);
          k.u64.set(xs, px / 8);
          k.parallel('addPowers', n, 64, (lo, hi, t) => [cur.w + 24 * at, px, pg, xs.length, scratch + 24 * xs.length * t, lo, hi]);
        }
      }
    }
    if (committed) previous = [committed];
  }
  while (sum.vars > 0) now = round('whir end', sum, now).now;
}

/** eq(r, c) for all columns c, first variable most significant. */
export function columnWeights(r: readonly Ext[]): Ext[] {
  let out: Ext[] = [E.ONE];
  for (const x of r)
    out = out.flatMap((v) => {
      const hi = E.mul(v, x);
      return [E.sub(v, hi), hi];
    });
  return out;
}
