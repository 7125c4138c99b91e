/**
 * The backward pass: gradients of the residual stream, of activations and of the adapter. Sums over the targets, not
 * means.
 */
import { ADAMW } from '../optim/adamw.js';
import { type Band, at, bandCell, bandRows, bandsOf } from './bands.js';
import type { Fixed, Format } from '../tensor/fixed.js';
import type { ProgramBuilder } from '../tensor/builder.js';
import { headOf } from './forward.js';
import { type Slice, rmsNormBackward, slicesOf } from './norm.js';
import {
  type LlamaProgramOptions,
  type Target,
  PROJECTIONS,
  RESIDUAL_FRAC,
  TOK,
  adapterAxes,
  gradients,
  idx,
  scaled,
  scalingOf,
} from './shape.js';

/** Format of the residual stream's gradient and of an adapter's inner gradient. */
const G: Format = { bits: 24, frac: RESIDUAL_FRAC };
const DU: Format = { bits: 28, frac: 20 };

export function backward(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const slices = slicesOf(o.shape.layers),
    last = slices.final.at,
    head = b.value(`${headOf(o)}[vocab,d]`);
  b.witness('G', ['s', 'd', ...TOK], G);
  const inner = rmsNormBackward(b, o);
  // G[s] = G[s+1] + rinv w: the residual stream passes its gradient on.
  const norm = (slice: Slice, next?: string): void => {
    b.witnessOnly(() => inner(slice));
    const gained = b.value(`rinv[${slice.at},b,i]`).times(b.value(`w[${slice.at},d,b,i]`));
    b.round(`G.${slice.name}`, [...slice.box, 'd', ...TOK], gained, {
      out: `G[${slice.at},d,b,i]`,
      ...(next ? { base: `G[${next},d,b,i]` } : {}),
    });
  };

  b.phase = 'mid';
  // dlogits = mask p - onehot(target), one line below the loss.
  const weighted = b.value('mask[b,i]').times(b.value('ph1[vocab,b,i]'), head),
    target = b.value('targets[vocab,b,i]').times(head);
  b.round('dN.final', ['d', ...TOK], weighted.minus(target), { out: `dN[${last},d,b,i]` });
  norm(slices.final);

  b.phase = 'bwd';
  feedForward(b, o);
  norm(slices.odd, '2*l+2');
  attention(b, o);
  norm(slices.even, '2*l+1');

  b.phase = 'post';
  b.inFormat('dN', gradients(o.numbers));
  b.constraintsOnly(() => inner(slices.whole));
  b.inFormat('G', G);
  adapterGradients(b, o);
}

function feedForward(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const grad = gradients(o.numbers),
    ff = ['l', 'f', ...TOK],
    cell = (t: string): Fixed => b.value(idx(t, ff));
  down(b, o, 'down_proj');
  b.rounded('dh', ff, grad, inputGradient(b, o, ['down_proj']));
  b.rounded('dup', ff, grad, cell('dh').times(cell('silu')));
  b.rounded('dhu', ff, grad, cell('dh').times(cell('up')));
  b.rounded('dgate', ff, grad, cell('dhu').times(cell('dsilu')));
  down(b, o, 'gate_proj');
  down(b, o, 'up_proj');
  b.round('dN.odd', ['l', 'd', ...TOK], inputGradient(b, o, ['gate_proj', 'up_proj']), { out: 'dN[2*l+1,d,b,i]' });
}

/**
 * Through softmax: dS = p (dP - delta), delta = <dctx, ctx> once a row. Keys and values are indexed by j; their
 * tensors' own axis is i.
 */
function attention(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const grad = gradients(o.numbers),
    // Sums over the queries that look at one key: a first token can gather those of the whole sequence.
    wide: Format = { bits: grad.bits + 4, frac: grad.frac },
    finer = (bits: number): Format => ({ bits, frac: grad.frac + 3 }),
    bands = bandsOf(o),
    heads = ['l', 'kv', 'g'],
    queries = [...heads, 'hf', 'cc', ...TOK],
    pairs = (x: Band): string[] => [...heads, ...bandRows(x), x.keys];
  down(b, o, 'o_proj');
  b.rounded('dctx', [...heads, 'c', ...TOK], grad, inputGradient(b, o, ['o_proj']));
  const cell = (t: string, x: Band): Fixed => b.value(idx(`${t}${x.suffix}`, pairs(x))),
    row = (t: string, x: Band, ...axes: string[]): Fixed => b.value(bandCell(t, [...heads, ...axes], x));
  for (const x of bands) b.rounded(`dP${x.suffix}`, pairs(x), grad, row('dctx', x, 'c').times(b.value(`v[l,kv,c,b,${x.keys}]`)));
  b.rounded('delta', [...heads, ...TOK], finer(24), b.value('dctx[l,kv,g,c,b,i]').times(b.value('ctx[l,kv,g,c,b,i]')));
  for (const x of bands) {
    const p = cell('p1', x);
    b.rounded(`dS${x.suffix}`, pairs(x), finer(grad.bits), p.times(cell('dP', x)).minus(p.times(row('delta', x))));
  }
  b.witness('dqr', queries, grad);
  for (const x of bands)
    b.round(`dqr${x.suffix}`, [...heads, 'hf', 'cc', ...bandRows(x)], cell('dS', x).times(b.value(`kr[l,kv,hf,cc,b,${x.keys}]`)), {
      out: bandCell('dqr', [...heads, 'hf', 'cc'], x),
    });
  b.inFormat('dqr', grad);
  keyGradients(b, bands, wide);
  b.rounded('dq', queries, grad, b.value('ropeQ[hg,hf,cc,i]').times(b.value('dqr[l,kv,g,hg,cc,b,i]')));
  b.rounded('dk', ['l', 'kv', 'hf', 'cc', ...TOK], wide, b.value('ropeK[hg,hf,cc,i]').times(b.value('dkr[l,kv,hg,cc,b,i]')));
  const inputs: Target[] = ['q_proj', 'k_proj', 'v_proj'];
  for (const t of inputs) down(b, o, t);
  b.round('dN.even', ['l', 'd', ...TOK], inputGradient(b, o, inputs), { out: 'dN[2*l,d,b,i]' });
}

/** Gradients of keys and values: for the keys of a band, sums over that band and all later ones. */
function keyGradients(b: ProgramBuilder, bands: readonly Band[], wide: Format): void {
  const sum = (key: string, first: number, f: (x: Band, pairs: string) => Fixed): Fixed => {
    const [one, ...rest] = bands.filter((x) => x.first >= first).map((x) => f(x, `[l,kv,g,b,${x.queries},${key}]`));
    return one.plus(...rest);
  };
  const gradient = (name: string, axes: readonly string[], f: (x: Band, pairs: string) => Fixed): void => {
    b.witness(name, [...axes, 'j'], wide);
    for (const { suffix, first, own } of bands) {
      const key = at(own, first);
      b.round(`${name}${suffix}`, [...axes, own], sum(key, first, f), { out: idx(name, [...axes, key]) });
    }
    b.inFormat(name, wide);
  };
  gradient('dkr', ['l', 'kv', 'hf', 'cc', 'b'], (x, pairs) =>
    b.value(`dS${x.suffix}${pairs}`).times(b.value(bandCell('qr', ['l', 'kv', 'g', 'hf', 'cc'], x))),
  );
  gradient('dvj', ['l', 'kv', 'c', 'b'], (x, pairs) =>
    b.value(`p1${x.suffix}${pairs}`).times(b.value(bandCell('dctx', ['l', 'kv', 'g', 'c'], x))),
  );
}

/**
 * du = B^T dY, finely for the gradient of A; sdu, the same times the inner factor of the scaling; and a copy at the
 * fraction of gradients for that of the input.
 */
function down(b: ProgramBuilder, o: LlamaProgramOptions, t: Target): void {
  if (!o.lora.targets.includes(t)) return;
  const p = PROJECTIONS[t],
    rank = ['l', 'r', ...TOK];
  b.rounded(`du.${t}`, rank, DU, b.value(idx(`C.${t}.B`, ['l', ...p.out, 'r'])).times(b.value(p.dy)));
  const { inner } = scalingOf(o);
  if (inner) b.rounded(`sdu.${t}`, rank, DU, inner.times(b.value(idx(`du.${t}`, rank))));
  b.rounded(`duc.${t}`, rank, gradients(o.numbers), b.value(idx(scaled(o, `du.${t}`), rank)));
}

/** Gradient with respect to the common input of projections: sum W^T dY + scaling A^T du. */
function inputGradient(b: ProgramBuilder, o: LlamaProgramOptions, targets: readonly Target[]): Fixed {
  const lora = targets.filter((t) => o.lora.targets.includes(t)),
    scaling = scalingOf(o).outer,
    extra = lora.length ? scaling.frac : 0,
    adapter = ADAMW.C.frac + o.numbers.gradFrac + extra;
  const base = targets.map((t) => {
    const p = PROJECTIONS[t],
      y = b.value(idx(`W.${t}`, ['l', ...p.out, ...p.in])).times(b.value(p.dy));
    return y.atLeast(y.frac + extra);
  });
  const [first, ...rest] = [
    ...base,
    ...lora.map((t) =>
      scaling.times(b.value(idx(`C.${t}.A`, ['l', 'r', ...PROJECTIONS[t].in])), b.value(idx(`duc.${t}`, ['l', 'r', ...TOK]))),
    ),
  ];
  return first.atLeast(adapter).plus(...rest);
}

/**
 * gB = scaling sum_t dY u, gA = scaling sum_t du x (su and sdu where the scaling has an inner factor), sums over the
 * tokens of the micro-batch; `g` is their flat alias.
 */
function adapterGradients(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const scaling = scalingOf(o).outer,
    rank = ['l', 'r', ...TOK];
  b.phase = 'post';
  for (const t of o.lora.targets) {
    const p = PROJECTIONS[t],
      axes = adapterAxes(t);
    b.witness(`g.${t}.A`, axes.A, ADAMW.g, { group: 'g' });
    b.witness(`g.${t}.B`, axes.B, ADAMW.g, { group: 'g' });
    const gradient = (name: string, box: string[], left: string, right: string): void =>
      b.round(name, box, scaling.times(b.value(left), b.value(right)).atLeast(ADAMW.g.frac));
    gradient(`g.${t}.A`, axes.A, idx(scaled(o, `du.${t}`), rank), p.x);
    gradient(`g.${t}.B`, axes.B, p.dy, idx(scaled(o, `u.${t}`), rank));
  }
  b.witness('g', ['P'], ADAMW.g, { aliasOf: 'g' });
}
