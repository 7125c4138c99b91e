/**
 * The program of a training step of a Llama-family model: axes, frozen weights and tables, adapter, and the passes in
 * their order.
 */
import { ADAMW, adamwUpdate, declareMoments } from '../optim/adamw.js';
import { ProgramError } from '../tensor/bounds.js';
import { type Format, bounds } from '../tensor/fixed.js';
import { ProgramBuilder } from '../tensor/builder.js';
import type { Program } from '../tensor/types.js';
import { backward } from './backward.js';
import { bandAxes } from './bands.js';
import { forward } from './forward.js';
import {
  type LlamaProgramOptions,
  ATTN_FRAC,
  HEAD_FRAC,
  ROPE_FRAC,
  SILU_FRAC,
  adapterAxes,
  frozenTensors,
  logitTable,
  parameterCount,
  scoreTable,
  siluTable,
} from './shape.js';

/**
 * The program of one step. Residual stream X and its gradient G live on the half-block axis s of 2L + 1 entries; a
 * block is written once with the layer axis l. Tensors end in the token axes b, i; rows follow TENSOR-PROGRAM of the
 * design.
 */
export function llamaProgram(o: LlamaProgramOptions): Program {
  const b = new ProgramBuilder(`llama-${o.kind}`, o.numbers.rangeBits);
  declareAxes(b, o);
  if (o.kind !== 'update') {
    declareFrozen(b, o);
    declareAdapter(b, o, 'C', 'cIn', ADAMW.C);
    forward(b, o);
    if (o.kind !== 'eval') backward(b, o);
  }
  if (o.kind === 'step' || o.kind === 'update') declareAdapter(b, o, 'C2', 'cOut', ADAMW.C);
  if (o.kind === 'step') {
    b.phase = 'post';
    b.flatten('g');
    adamwUpdate(b, 'g', o.adam, o.numbers.momentFrac);
  }
  if (o.kind === 'update') {
    // Adapter and optimiser state are one commitment, which both programs of a step enter whole.
    declareAdapter(b, o, 'C', 'cIn', ADAMW.C);
    b.tensor('acc', ['P'], 'aIn', bounds(ADAMW.g));
    adamwUpdate(b, 'acc', o.adam, o.numbers.momentFrac);
  }
  if (o.kind === 'step' || o.kind === 'update') b.unflatten('C2');
  if (o.kind === 'micro') {
    declareMoments(b, o.numbers.momentFrac);
    b.phase = 'post';
    b.flatten('g');
    b.inFormat('g', ADAMW.g);
    b.tensor('acc', ['P'], 'aIn', bounds(ADAMW.g));
    b.witness('acc2', ['P'], ADAMW.g, { cls: 'aOut' });
    b.round('acc2', ['P'], b.value('acc[P]').plus(b.value('g[P]')));
    b.inFormat('acc2', ADAMW.g);
  }
  return b.build();
}

function declareAxes(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const s = o.shape;
  if (s.headDim % 2) throw new ProgramError('headDim', 'must be even for rotary embeddings');
  const sizes: Record<string, number> = {
    l: s.layers,
    s: 2 * s.layers + 1,
    d: s.hidden,
    f: s.intermediate,
    kv: s.kvHeads,
    g: s.groups,
    hf: 2,
    hg: 2,
    cc: s.headDim / 2,
    c: s.headDim,
    vocab: s.vocab,
    r: o.lora.r,
    b: o.batch,
    i: o.sequence,
    j: o.sequence,
  };
  for (const [k, v] of Object.entries(sizes)) b.axis(k, v);
  if (o.kind !== 'update') bandAxes(b, o);
  b.axis('P', parameterCount(o));
}

function declareFrozen(b: ProgramBuilder, o: LlamaProgramOptions): void {
  for (const t of frozenTensors(o.shape)) {
    const bits = t.name.startsWith('rope') ? ROPE_FRAC + 2 : o.weightBits[t.name];
    if (!bits) throw new ProgramError(t.name, 'no bit width given');
    b.tensor(t.name, t.axes, 'frozen', bounds({ bits, frac: t.frac }));
  }
  const n = o.numbers;
  const expTable = (name: string, F: number, f: number): void => {
    // Masked scores look up the last row, which must be zero in both columns: 2^f exp(-(size - 2) 2^-F) below one half.
    if (2 ** n.expBits - 2 <= 2 ** F * (f + 1) * Math.LN2)
      throw new ProgramError(
        'numbers.expBits',
        `tables of 2^${n.expBits} rows end before exp(-x) of ${F} fraction bits vanishes: raise it to ${Math.ceil(Math.log2(2 ** F * (f + 1) * Math.LN2 + 2))}`,
      );
    // T(-1) = max(2^f + 1, round(2^f exp(2^-scoreFrac))) < 2^f (1 + 2^(1 - scoreFrac)) + 2
    const top = (1n << BigInt(f)) + (1n << BigInt(Math.max(0, f + 1 - F))) + 2n;
    b.table({ name, axis: name.replaceAll(':', '_'), lo: 0n, size: 2 ** n.expBits, columns: [`${name}.e1`, `${name}.e2`] }, [
      { lo: 0n, hi: 1n << BigInt(f), frac: f },
      { lo: 0n, hi: top, frac: f },
    ]);
  };
  expTable(scoreTable(n), n.scoreFrac, ATTN_FRAC);
  expTable(logitTable(n), n.headFrac, HEAD_FRAC);
  const silu = siluTable(n);
  b.table({ name: silu, axis: 'silu', lo: -(2n ** BigInt(n.siluBits - 1)), size: 2 ** n.siluBits, columns: [`${silu}.y`, `${silu}.dy`] }, [
    { lo: -(2n ** BigInt(SILU_FRAC)), hi: 2n ** BigInt(n.siluBits - 1 - n.siluFrac + SILU_FRAC), frac: SILU_FRAC },
    { lo: -(2n ** BigInt(SILU_FRAC)), hi: 2n ** BigInt(SILU_FRAC + 1), frac: SILU_FRAC },
  ]);
}

function declareAdapter(b: ProgramBuilder, o: LlamaProgramOptions, group: string, cls: 'cIn' | 'cOut', f: Format): void {
  for (const t of o.lora.targets) {
    const ax = adapterAxes(t);
    b.tensor(`${group}.${t}.A`, ax.A, cls, bounds(f), { group });
    b.tensor(`${group}.${t}.B`, ax.B, cls, bounds(f), { group });
  }
  b.tensor(group, ['P'], cls, bounds(f), { aliasOf: group });
}
