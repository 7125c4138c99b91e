import { OverflowError } from '../tensor/integer.js';

/**
 * What helps when a tensor of the Llama program leaves its format, by tensor name (docs/numbers.md); the first match
 * holds.
 */
const REMEDIES: readonly [RegExp, string][] = [
  [/^gate$|^d?silu/, 'lower numbers.siluFrac by at least {n}'],
  [/^X$/, 'the residual stream is too large: raise numbers.xBits'],
  [/^(rn|rinv)$/, 'a residual row is too large or too close to zero for its norm: raise numbers.xBits, or check train.learningRate'],
  [
    /^(p\.exp|s|M|p1|p2)$/,
    'attention scores of one row lie too far apart: lower numbers.scoreFrac by at least {n}, or raise numbers.expBits (a table twice as large)',
  ],
  [
    /^(ph\.exp|logits|MH|ph1|ph2|loss)$/,
    'logits of one row lie too far apart: lower numbers.headFrac by at least {n}, or raise numbers.expBits (a table twice as large)',
  ],
  [
    /^(Xn|N|s?u\..*|q|k|v|qr|kr|ctx|up|h)$/,
    'an activation is too large: lower numbers.actFrac by at least {n} (free), or raise numbers.actBits (more lookups)',
  ],
  [
    /^(dvj|dkr|dk|dv)$/,
    'the gradient of one key or value sums over all queries that see it: shorten train.sequence, lower numbers.gradFrac or raise numbers.actBits',
  ],
  [
    /^(dN|dXn|cn|w|dh|dup|dhu|dgate|dctx|dP|delta|dS|dqr|dq|duc\..*)$/,
    'a gradient is too large: lower numbers.gradFrac by at least {n} (free), or raise numbers.actBits (more lookups)',
  ],
  [
    /^G$/,
    'the gradient of the residual stream passed 512: shorten train.sequence, or lower train.learningRate if it has grown during the run',
  ],
  [/^s?du\./, 'the gradient of an adapter input passed 128: lower train.learningRate, or lora.alpha'],
  [/^((g|acc|norm|den)(\..*)?|acc2)$/, 'gradients are summed over the targets of a step: lower train.batch or train.sequence'],
  [/^((cg|cgl|gs|clipC)(\..*)?|mm2)$/, 'a gradient after clipping passed its format: set train.clip to 1 or lower'],
  [
    /^(vv2|v0|v1|sv|vd)$/,
    'the second moment of a gradient passed its format: lower numbers.momentFrac by 2 (free, for four times the range), or train.clip',
  ],
  [
    /^(C|master|mm)$/,
    'the state that the step enters is outside its format: it is none that training left, go on from an intact run (train.steps)',
  ],
  [/^quo$/, 'the normalised update passed 32: lower train.betas[1] (betas[1] = 0.999 or less keeps it below)'],
  [/^(master2|C2)$/, 'an adapter weight passed 8 in magnitude: lower train.learningRate'],
];

/** Doublings of the range that the value needs. */
function doublings(value: bigint, [lo, hi]: readonly [bigint, bigint]): number {
  const most = Number(value < 0n && lo < 0n ? lo : hi);
  return Math.max(1, Math.ceil(Math.log2((Math.abs(Number(value)) + 1) / Math.max(1, Math.abs(most)))));
}

/** Remedy for a tensor or the constraint of one ("N.range", "M.upper", "h.rem.limb1"). */
export function remedyOf(subject: string): string {
  const tensor = subject.replace(/\.(range|rem|gap|lower|upper|eq)(\.limb\d+)?$/, ''),
    names = [
      subject,
      tensor,
      tensor.replace(/\.\d+$/, ''),
      tensor.replace(/\.(even|odd|final|attn|mlp|embed|overNorm|overClip|split)$/, ''),
    ];
  for (const n of names) for (const [r, text] of REMEDIES) if (r.test(n)) return text;
  return 'lower train.learningRate, or widen the format under numbers (docs/numbers.md)';
}

/** The same error with the step of the run and the remedy; other errors pass through. */
export function explained(e: unknown, step: number): unknown {
  return e instanceof OverflowError ? e.with(step, remedyOf(e.subject).replace('{n}', String(doublings(e.value, e.limit)))) : e;
}
