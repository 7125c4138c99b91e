import * as E from '../field/ext3.js';
import { pow, root as rootOfUnity } from '../field/goldilocks.js';
import type { HashName } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { ProductSumcheck, type Tiled } from '../sumcheck/product.js';
import { merkleHash } from '../transcript/sponge.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { type Columns, type Oracle, capOf, commitColumns, openRows } from './commit.js';
import type { WhirShape } from './params.js';

/** Domain point of position j: g^rev(j). */
export function domainPoint(log: number, j: number): bigint {
  let rev = 0;
  for (let k = 0; k < log; k++) if ((j >>> k) & 1) rev += 2 ** (log - 1 - k);
  return pow(rootOfUnity(log), BigInt(rev));
}

/**
 * Commits `used` base columns (signed words, column k at ptr + k 2^logHeight 8, or written by `fill`) at the rate and with the hash of `params`;
 * keeps the codeword if it fits `keep` bytes.
 */
export function commitBase(
  k: Kernels,
  from: number | NonNullable<Columns['fill']>,
  used: number,
  logHeight: number,
  params: { readonly logInvRate: number; readonly hash?: HashName },
  keep = 0,
): Oracle {
  const source = typeof from === 'number' ? { ptr: from } : { ptr: 0, fill: from };
  return commitColumns(
    k,
    { ...source, used, logHeight, logDomain: logHeight + params.logInvRate, ext: false },
    keep,
    merkleHash(params.hash ?? 'poseidon2'),
  );
}

/**
 * Proves sum_i w(i) f(i) = claim for the stack f (signed words, the concatenation of the trees' columns at their offsets) and weights w (E, same
 * indices). Destroys w where it is near. Returns the point.
 */
export function openWhir(
  k: Kernels,
  ch: ProverChannel,
  shape: WhirShape,
  oracles: readonly Oracle[],
  f: Tiled,
  w: Tiled,
  claim: Ext,
): Ext[] {
  const point: Ext[] = [],
    sum = new ProductSumcheck(k, f, w, shape.logColumns + shape.logHeight);
  let claimNow = claim,
    previous: readonly Oracle[] = oracles;
  const round = (label: string): void => {
    const [s0, s2] = sum.message();
    ch.sendExt(`${label} sumcheck`, [s0, s2]);
    const r = ch.sample(`${label} r`);
    point.push(r);
    const s1 = E.sub(E.sub(claimNow, E.add(s0, s0)), s2);
    claimNow = E.add(s0, E.mul(r, E.add(s1, E.mul(r, s2))));
    sum.bind(r);
  };
  shape.rounds.forEach((rd, i) => {
    for (let c = 0; c < rd.columns; c++) round(`whir ${i}`);
    const next = shape.rounds[i + 1];
    let committed: Oracle | undefined,
      y: Ext = E.ZERO,
      z: Ext = E.ZERO;
    const cur = sum.near();
    if (next) {
      // The committed vector is opened later, after `cur` has been folded in place.
      const kept = k.alloc(24 * cur.n);
      k.u8.copyWithin(kept, cur.f, cur.f + 24 * cur.n);
      committed = commitColumns(
        k,
        { ptr: kept, used: 2 ** next.columns, logHeight: next.rows, logDomain: next.domain, ext: true },
        2 ** 27,
        merkleHash(ch.hash),
      );
      ch.sendDigest(`whir ${i} root`, committed.root);
      z = ch.sample(`whir ${i} z`);
      const zp = k.exts([z]),
        o = k.alloc(24);
      k.exports['hornerExt'](o, cur.f, zp, cur.n);
      y = k.readExt(o);
      ch.sendExt(`whir ${i} ood`, [y]);
    } else ch.sendExt('whir final', k.readExts(cur.f, cur.n));
    ch.grind(`whir ${i} work`, shape.params.grinding);
    const positions = Array.from({ length: rd.queries }, () => ch.sampleIndex(`whir ${i} query`, rd.domain));
    const rows = previous.map((o) => openRows(k, o, positions, rd.cap));
    for (const o of previous) ch.cap(`whir ${i} cap`, capOf(k, o, rd.cap));
    positions.forEach((_, q) => previous.forEach((o, t) => ch.opening(`whir ${i} row`, rows[t][q], o.columns.logDomain - rd.cap)));
    if (!committed) return;
    // Fold the answers into the running claim: value of Enc(f_next) at each queried point.
    const gamma = ch.sample(`whir ${i} gamma`);
    const eq = columnWeights(point.slice(point.length - rd.columns));
    let g: Ext = gamma;
    claimNow = E.add(claimNow, E.mul(g, y));
    const gs: Ext[] = [];
    const zs = k.exts([z]),
      gz = k.exts([g]);
    k.exports['addPowersExt'](cur.w, zs, gz, cur.n);
    const xs = positions.map((p) => domainPoint(rd.domain, p));
    positions.forEach((_, q) => {
      g = E.mul(g, gamma);
      gs.push(g);
      let v: Ext = E.ZERO;
      previous.forEach((o, t) => {
        const offset = i === 0 ? shape.trees[t].offset : 0,
          c = o.columns;
        for (let j = 0; j < c.used; j++) {
          const leaf: Ext = c.ext ? [rows[t][q][3 * j], rows[t][q][3 * j + 1], rows[t][q][3 * j + 2]] : [rows[t][q][j], 0n, 0n];
          v = E.add(v, E.mul(eq[offset + j], leaf));
        }
      });
      claimNow = E.add(claimNow, E.mul(g, v));
    });
    const px = k.alloc(8 * xs.length),
      pg = k.exts(gs),
      scratch = k.alloc(24 * xs.length * k.threads);
    k.u64.set(xs, px / 8);
    k.parallel('addPowers', cur.n, 64, (lo, hi, t) => [cur.w, px, pg, xs.length, scratch + 24 * xs.length * t, lo, hi]);
    previous = [committed];
  });
  while (sum.vars > 0) round('whir end');
  return point;
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
