/** The forward pass: embedding, attention, MLP, head and loss, composed of the relations of tensor/relations. */
import { ADAMW } from '../optim/adamw.js';
import { type Band, bandCell, bandRows, bandsOf } from './bands.js';
import type { Fixed, Format } from '../tensor/fixed.js';
import type { ProgramBuilder } from '../tensor/builder.js';
import { rmsNorm, slicesOf } from './norm.js';
import {
  type LlamaProgramOptions,
  type Target,
  PROJECTIONS,
  RESIDUAL_FRAC,
  TOK,
  activations,
  idx,
  logitTable,
  scaled,
  scalingOf,
  scoreTable,
  siluTable,
} from './shape.js';

/** Format of a log-sum-exp at the fraction of its scores. */
const lse = (frac: number): Format => ({ bits: 24, frac });

export function forward(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const X: Format = { bits: o.numbers.xBits, frac: RESIDUAL_FRAC },
    slices = slicesOf(o.shape.layers),
    bit = { lo: 0n, hi: 1n, frac: 0 };
  b.tensor('tokens', ['vocab', ...TOK], 'public', bit, { publicKind: 'onehot' });
  b.tensor('targets', ['vocab', ...TOK], 'public', bit, { publicKind: 'onehot', next: { ids: 'tokens', mask: 'mask' } });
  b.tensor('mask', TOK, 'public', bit, { publicKind: 'dense' });
  for (const { mask, queries, keys, first } of bandsOf(o))
    b.tensor(mask, [queries, keys], 'public', bit, { publicKind: 'causal', ...(first ? { first } : {}) });
  b.witness('X', ['s', 'd', ...TOK], X);
  b.phase = 'pre';
  b.round('X.embed', ['d', ...TOK], b.value('E[vocab,d]').times(b.value('tokens[vocab,b,i]')), { out: 'X[0,d,b,i]' });

  b.phase = 'fwd';
  const norm = rmsNorm(b, o);
  b.witnessOnly(() => norm(slices.even));
  attention(b, o);
  b.witnessOnly(() => norm(slices.odd));
  feedForward(b, o);

  b.phase = 'mid';
  b.witnessOnly(() => norm(slices.final));
  b.constraintsOnly(() => norm(slices.whole));
  b.inFormat('X', X);
  head(b, o);
}

/**
 * W x + scaling B u (+ bias), at the fraction of B u in all projections; u = round(A x) has the fraction of x, and so
 * has su, u times the inner factor of the scaling.
 */
function project(b: ProgramBuilder, o: LlamaProgramOptions, t: Target): Fixed {
  const p = PROJECTIONS[t],
    x = b.value(p.x),
    lora = o.lora.targets.includes(t),
    scaling = scalingOf(o),
    out = ['l', ...p.out],
    frac = ADAMW.C.frac + x.frac + (lora ? scaling.outer.frac : 0);
  const parts = [b.value(idx(`W.${t}`, [...out, ...p.in])).times(x)];
  if (o.shape.bias && (t === 'q_proj' || t === 'k_proj' || t === 'v_proj')) parts.push(b.value(idx(`bias.${t}`, out)));
  if (lora) {
    const rank = ['l', 'r', ...TOK],
      u = b.value(idx(`C.${t}.A`, ['l', 'r', ...p.in])).times(x);
    b.rounded(`u.${t}`, rank, { bits: o.numbers.actBits, frac: x.frac }, u);
    if (scaling.inner)
      b.rounded(`su.${t}`, rank, { bits: o.numbers.actBits, frac: x.frac }, scaling.inner.times(b.value(idx(`u.${t}`, rank))));
    parts.push(scaling.outer.times(b.value(idx(`C.${t}.B`, [...out, 'r'])), b.value(idx(scaled(o, `u.${t}`), rank))));
  }
  return parts[0].atLeast(frac).plus(...parts.slice(1));
}

/**
 * Scores may leave their table where the mask hides them, so that their bounds are wide; a score that counts is a key
 * of the table.
 */
const scores = (o: LlamaProgramOptions, frac: number): { lo: bigint; hi: bigint; frac: number } => {
  const most = (1n << 23n) + (1n << BigInt(o.numbers.expBits));
  return { lo: -most, hi: most, frac };
};

function attention(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const n = o.numbers,
    act = activations(n),
    fine: Format = { bits: act.bits, frac: act.frac + 2 },
    heads = ['l', 'kv', 'g'];
  for (const t of ['q_proj', 'k_proj', 'v_proj'] as const) {
    const y = project(b, o, t);
    b.rounded(t[0], ['l', ...PROJECTIONS[t].out, ...TOK], act, y);
  }
  b.rounded('qr', ['l', 'kv', 'g', 'hf', 'cc', ...TOK], fine, b.value('ropeQ[hf,hg,cc,i]').times(b.value('q[l,kv,g,hg,cc,b,i]')));
  b.rounded('kr', ['l', 'kv', 'hf', 'cc', ...TOK], act, b.value('ropeK[hf,hg,cc,i]').times(b.value('k[l,kv,hg,cc,b,i]')));

  const bands = bandsOf(o),
    M = lse(n.scoreFrac),
    pairs = (x: Band): string[] => [...heads, ...bandRows(x), x.keys];
  for (const x of bands) {
    // A masked score is in no lookup but its remainder's and enters nothing.
    b.tensor(`s${x.suffix}`, pairs(x), 'witness', scores(o, n.scoreFrac));
    const key = b.value(`kr[l,kv,hf,cc,b,${x.keys}]`);
    b.round(`s${x.suffix}`, pairs(x), b.value(bandCell('qr', [...heads, 'hf', 'cc'], x)).times(key));
  }
  // A single band declares M itself; several write into one.
  const several = bands.length > 1;
  if (several) b.witness('M', [...heads, ...TOK], M);
  for (const x of bands)
    b.logSumExp(`M${x.suffix}`, [...heads, ...bandRows(x)], {
      format: M,
      scores: `s${x.suffix}`,
      over: x.keys,
      weights: 'p',
      suffix: x.suffix,
      table: scoreTable(n),
      causal: { mask: x.mask, axes: [x.queries, x.keys] },
      ...(several ? { out: bandCell('M', heads, x) } : {}),
    });
  if (several) b.inFormat('M', M);
  // Averages of v: finer than v itself, as their sum with the residual stream is.
  b.witness('ctx', [...heads, 'c', ...TOK], fine);
  for (const x of bands) {
    const p = b.value(idx(`p1${x.suffix}`, pairs(x)));
    b.round(`ctx${x.suffix}`, [...heads, 'c', ...bandRows(x)], p.times(b.value(`v[l,kv,c,b,${x.keys}]`)), {
      out: bandCell('ctx', [...heads, 'c'], x),
    });
  }
  b.inFormat('ctx', fine);
  b.round('X.attn', ['l', 'd', ...TOK], project(b, o, 'o_proj'), { out: 'X[2*l+1,d,b,i]', base: 'X[2*l,d,b,i]' });
}

/** down(silu(gate) up). The range of gate is that of its table. */
function feedForward(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const n = o.numbers,
    act = activations(n),
    ff = ['l', 'f', ...TOK],
    cell = (t: string): Fixed => b.value(idx(t, ff));
  const gate = project(b, o, 'gate_proj'),
    up = project(b, o, 'up_proj');
  b.witness('gate', ff, { bits: n.siluBits, frac: n.siluFrac });
  b.round('gate', ff, gate);
  b.tabulate('silu', ff, siluTable(n), cell('gate'), ['silu', 'dsilu']);
  b.rounded('up', ff, act, up);
  b.rounded('h', ff, act, cell('silu').times(cell('up')));
  b.round('X.mlp', ['l', 'd', ...TOK], project(b, o, 'down_proj'), { out: 'X[2*l+2,d,b,i]', base: 'X[2*l+1,d,b,i]' });
}

/** Logits, their log-sum-exp, and the sum of the losses of all targets. */
function head(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const n = o.numbers,
    words = ['vocab', ...TOK],
    limit = 1n << 50n;
  b.tensor('logits', words, 'witness', scores(o, n.headFrac));
  b.round('logits', words, b.value(`${headOf(o)}[vocab,d]`).times(b.value(`N[${2 * o.shape.layers},d,b,i]`)));
  b.logSumExp('MH', TOK, { format: lse(n.headFrac), scores: 'logits', over: 'vocab', weights: 'ph', table: logitTable(n) });
  b.tensor('loss', [], 'public', { lo: -limit, hi: limit, frac: n.headFrac }, { publicKind: 'dense' });
  const all = b.value('mask[b,i]').times(b.value('MH[b,i]')),
    target = b.value('targets[vocab,b,i]').times(b.value('logits[vocab,b,i]'));
  b.round('loss', [], all.minus(target));
}

/** Name of the head's weights. */
export const headOf = (o: LlamaProgramOptions): string => (o.shape.tied ? 'E' : 'head');
