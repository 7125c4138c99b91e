/**
 * Simulator of proofs that hide their witness, in a transcript whose challenges are chosen beforehand: it makes a proof
 * that the verifier accepts without a witness. For tests alone.
 */
import * as E from '../src/field/ext3.js';
import { DOMAIN } from '../src/hash/poseidon2.js';
import { merkleHash } from '../src/transcript/sponge.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import type { Oracle } from '../src/pcs/commit.js';
import { placed } from './placed.js';
import type { WhirGroup } from '../src/pcs/params.js';
import { type Weighted, openFolded } from '../src/pcs/prove.js';
import { openingDevice } from '../src/pcs/vectors.js';
import { columnWeights, domainPoint } from '../src/pcs/prove-queries.js';
import { tailPowers } from '../src/pcs/tail-weights.js';
import type { GroupClaim } from '../src/pcs/verify.js';
import { HIDING } from '../src/pcs/verify-hiding.js';
import { quadratic } from '../src/sumcheck/round.js';
import { EXT } from '../src/field/ring.js';
import { preamble } from '../src/tensor/preamble.js';
import { type Statement, statementElems } from '../src/tensor/statement.js';
import { openings } from '../src/tensor/verify.js';
import { hiddenMessages } from '../src/tensor/hiding-counts.js';
import { recordHiding, reduceHiding, withPads } from '../src/tensor/verify-hiding.js';
import { HIDDEN_INVERSE, PRODUCTS } from '../src/transcript/affine.js';
import { type Ext, NativeChannel, type Schedule, messageWords } from '../src/transcript/index.js';
import { ProverChannel } from '../src/transcript/prover.js';
import { FixedSponge, type ToyCase, Words, proveToy } from './hiding-case.js';

const k = singleKernels(),
  ROUND = quadratic<Ext>();

/** Words of a proof by message. */
export function messages(schedule: Schedule, proof: BigUint64Array): bigint[][] {
  let at = 0;
  return schedule.map((m) => {
    const n = messageWords(m);
    at += n;
    return [...proof.subarray(at - n, at)];
  });
}

const elements = (words: readonly bigint[]): Ext[] =>
  Array.from({ length: words.length / 3 }, (_, i): Ext => [words[3 * i], words[3 * i + 1], words[3 * i + 2]]);

/**
 * What frozen tensors contribute: functions of public columns and of challenges, hence what the prover sends of them
 * with a witness of zeros.
 */
export function frozenMessages(c: ToyCase, schedule: Schedule, seed: number): bigint[][] {
  const zeros = new Map(
    [...c.cells].map(([name, v]) => {
      const spec = c.plan.program.tensors.find((t) => t.name === name);
      return [name, spec?.cls === 'witness' ? new BigInt64Array(v.length) : v] as const;
    }),
  );
  const { proof } = proveToy({ ...c, cells: zeros }, { sponge: (kk) => new FixedSponge(kk, seed), random: () => new Words(1) });
  return messages(schedule, proof);
}

/** Challenges and positions by label, in the order in which they are drawn. */
function programmed(schedule: Schedule, seed: number): { ext: (label: string) => Ext[]; positions: number[] } {
  const words = new Words(seed),
    drawn: { label: string; value: Ext }[] = [],
    positions: number[] = [];
  for (const m of schedule) {
    if (m.kind === 'sample') drawn.push({ label: m.label, value: words.ext() });
    if (m.kind === 'bits') {
      const p = Number(words.word() & ((1n << BigInt(m.count)) - 1n));
      if (m.label === 'whir 0 query') positions.push(p);
    }
  }
  return { ext: (label) => drawn.filter((d) => d.label === label).map((d) => d.value), positions };
}

/** Random rows and the tree over them: what is not opened is a random digest. */
function simulatedTree(g: WhirGroup, rows: ReadonlyMap<number, readonly bigint[]>, random: Words): Oracle {
  const hash = merkleHash('blake3'),
    m = 2 ** g.domain,
    words = [...rows.values()][0].length,
    codeword = new BigUint64Array(m * words),
    nodes = new BigUint64Array(8 * m - 4);
  for (let p = 0; p < m; p++) {
    const row = rows.get(p);
    nodes.set(row ? hash.hashWords(DOMAIN.leaf, row) : [1, 2, 3, 4].map(() => random.word()), 4 * p);
    row?.forEach((w, i) => {
      codeword[i * m + p] = w;
    });
  }
  const tree = placed(k, nodes),
    d = tree.device;
  let from = d.slice(tree, 0, 4 * m);
  for (let n = m / 2, at = 4 * m; n >= 1; n /= 2) {
    const to = d.slice(tree, at, 4 * n);
    d.run('level', n, { to, from, hash });
    at += 4 * n;
    from = to;
  }
  return {
    columns: { ptr: 0, used: words, logHeight: g.logHeight, logDomain: g.domain, ext: false },
    root: [...d.get(from)],
    tree,
    // Eight columns at a time, as they are committed.
    codeword: Array.from({ length: Math.ceil(words / 8) }, (_, i) => placed(k, codeword.slice(8 * m * i, 8 * m * (i + 1)))),
  };
}

/** sum of F_i x^i with the tail from x^(2^h) on. */
function encoded(F: readonly Ext[], tail: readonly Ext[], x: bigint): Ext {
  let sum: Ext = E.ZERO;
  for (const c of [...F, ...tail].reverse()) sum = E.add(E.mulBase(sum, x), c);
  return sum;
}

/** A proof of a statement without a witness: `known` are the messages about frozen tensors. */
export function simulate(
  c: Pick<ToyCase, 'plan'>,
  statement: Statement,
  known: readonly (readonly bigint[])[],
  seed: number,
  random: Words,
): BigUint64Array {
  const { plan } = c,
    { schedule } = recordHiding(plan),
    [g] = plan.whir.groups,
    tail = g.tail!,
    [{ used }] = g.trees[0].parts,
    challenge = programmed(schedule, seed),
    [epsilon] = challenge.ext(`whir 0 ${HIDING.blend}`),
    rho = challenge.ext('whir 0 r'),
    eq = columnWeights(rho);
  // S2, S3: F and the rows are uniform; the mask's part of a row is what makes it fold to F.
  const F = Array.from({ length: 2 ** g.logHeight }, () => random.ext()),
    ofTail = Array.from({ length: 2 ** tail.log }, (_, i) => (i < tail.cells ? random.ext() : E.ZERO)),
    rows = new Map(
      challenge.positions.map((p) => {
        const f = Array.from({ length: used }, () => random.word()),
          sum = f.reduce<Ext>((s, w, j) => E.add(s, E.mulBase(eq[j], w)), E.ZERO);
        return [p, [...f, ...E.sub(encoded(F, ofTail, domainPoint(g.domain, p)), E.mul(epsilon, sum))]] as const;
      }),
    );
  return k.scope(() => {
    const oracle = simulatedTree(g, rows, random),
      ch = new ProverChannel(schedule, { hash: 'blake3', sponge: (kk) => new FixedSponge(kk, seed) });
    sendReduced(c.plan, statement, schedule, known, oracle.root, ch, random);
    openSimulated(k, c.plan, statement, seed, ch, oracle, F, ofTail, random);
    return ch.words();
  });
}

/** S1: everything before the opening. Padded messages are uniform. */
function sendReduced(
  plan: ToyCase['plan'],
  statement: Statement,
  schedule: Schedule,
  known: readonly (readonly bigint[])[],
  root: readonly bigint[],
  ch: ProverChannel,
  random: Words,
): void {
  const hidden = hiddenMessages(plan);
  for (const w of preamble(plan, statement)) ch.publicWords(w.label, w.words);
  schedule.some((m, i) => {
    if (m.label.startsWith('whir ')) return true;
    if (m.kind === 'digest') ch.sendDigest(m.label, root);
    if (m.kind === 'sample') ch.sample(m.label);
    if (m.kind === 'ext') {
      const uniform = m.label === HIDDEN_INVERSE || m.label === PRODUCTS.values;
      ch.sendExt(
        m.label,
        elements(known[i]).map((v, n) => (uniform || hidden(m.label, n) ? random.ext() : v)),
      );
    }
    return false;
  });
}

/** The claim on the witness that these messages leave. */
function claimOf(
  k_: Kernels,
  plan: ToyCase['plan'],
  statement: Statement,
  seed: number,
  sent: BigUint64Array,
): { value: Ext; at: (point: readonly Ext[]) => Ext } {
  const native = new NativeChannel(k_, sent, 'blake3', (kk) => new FixedSponge(kk, seed)),
    { reduced, form } = reduceHiding(native, plan, statementElems(native, plan.program, plan.states, statement));
  let claim: GroupClaim | undefined;
  const stop = new Error('the claim is all that is asked for');
  try {
    openings(native, plan, reduced, (main) => {
      claim = withPads(native, plan, form)(main);
      throw stop;
    });
  } catch (e) {
    if (e !== stop) throw e;
  }
  const { value, weights } = claim!;
  return { value: native.value(value), at: (point) => native.value(weights(point.map((x) => native.constant(x)))) };
}

/** S2, S4: column sumcheck of uniform messages, mu by the verifier's equation, the rest honestly from F. */
function openSimulated(
  k_: Kernels,
  plan: ToyCase['plan'],
  statement: Statement,
  seed: number,
  ch: ProverChannel,
  oracle: Oracle,
  F: readonly Ext[],
  ofTail: readonly Ext[],
  random: Words,
): void {
  const [g] = plan.whir.groups,
    tail = g.tail!,
    claim = claimOf(k_, plan, statement, seed, ch.sent()),
    label = 'whir 0',
    theta = ch.sample(`${label} ${HIDING.point}`),
    y0 = random.ext();
  ch.sendExt(`${label} ${HIDING.tails}`, [y0]);
  const eta = ch.sample(`${label} ${HIDING.scale}`),
    rho: Ext[] = [];
  let now = E.add(claim.value, E.mul(eta, y0)),
    weights = tailPowers(theta, 2 ** g.logColumns, tail.masked).map((row) => row.map((x) => E.mul(eta, x)));
  for (let v = 0; v < g.logColumns; v++) {
    const message = [random.ext(), random.ext()];
    ch.sendExt(`${label} sumcheck`, message);
    const r = ch.sample(`${label} r`),
      half = weights.length / 2;
    rho.push(r);
    now = ROUND.next(EXT, now, message, r);
    weights = weights.slice(0, half).map((row, n) => row.map((x, i) => E.add(x, E.mul(r, E.sub(weights[n + half][i], x)))));
  }
  const bits = (i: number): Ext[] => Array.from({ length: g.logHeight }, (_, b) => E.embed(BigInt((i >> (g.logHeight - 1 - b)) & 1))),
    w1 = F.map((_, i) => claim.at([...rho, ...bits(i)])),
    w1Tail = ofTail.map((_, i) => weights[0][i] ?? E.ZERO),
    dot = (a: readonly Ext[], b: readonly Ext[]): Ext => a.reduce<Ext>((s, x, i) => E.add(s, E.mul(x, b[i])), E.ZERO),
    epsilon = programmed(ch.schedule, seed).ext(`${label} ${HIDING.blend}`)[0],
    total = E.add(dot(w1, F), dot(w1Tail, ofTail));
  ch.sendExt(`${label} ${HIDING.mask}`, [E.sub(total, E.mul(epsilon, now))]);
  ch.sample(`${label} ${HIDING.blend}`);
  const d = openingDevice(k_, ch),
    part = (f: readonly Ext[], w: readonly Ext[]): Weighted => ({
      f: d.bring(k_.exts(f), 3 * f.length),
      w: d.bring(k_.exts(w), 3 * w.length),
      n: f.length,
    });
  openFolded(k_, ch, plan.whir, [[oracle]], [{ now: total, challenges: rho, blend: epsilon, parts: [part(F, w1), part(ofTail, w1Tail)] }]);
}
