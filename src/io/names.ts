import { projectionSize } from '../model/init.js';
import { type LlamaShape, type Target, TARGETS } from '../model/shape.js';

/** Hugging Face module of a projection. */
export const moduleOf = (t: Target): string => (t === 'gate_proj' || t === 'up_proj' || t === 'down_proj' ? 'mlp' : 'self_attn');

/** Where a Hugging Face tensor goes: its shape, the program's tensor and the first index in it. */
export interface Slot {
  readonly shape: readonly number[];
  readonly tensor: string;
  readonly at: number;
}

/**
 * Every tensor of a model with its place in program order: E, gamma [s, d] (input norm, post-attention norm of each
 * layer, final norm), W.* [l, out, in], head, bias.* [l, out].
 */
export function weightSlots(s: LlamaShape): Map<string, Slot> {
  const out = new Map<string, Slot>([
    ['model.embed_tokens.weight', { shape: [s.vocab, s.hidden], tensor: 'E', at: 0 }],
    ['model.norm.weight', { shape: [s.hidden], tensor: 'gamma', at: 2 * s.layers * s.hidden }],
  ]);
  if (!s.tied) out.set('lm_head.weight', { shape: [s.vocab, s.hidden], tensor: 'head', at: 0 });
  for (let l = 0; l < s.layers; l++) {
    const p = `model.layers.${l}.`;
    out.set(`${p}input_layernorm.weight`, { shape: [s.hidden], tensor: 'gamma', at: 2 * l * s.hidden });
    out.set(`${p}post_attention_layernorm.weight`, { shape: [s.hidden], tensor: 'gamma', at: (2 * l + 1) * s.hidden });
    for (const t of TARGETS) {
      const z = projectionSize(s, t);
      out.set(`${p}${moduleOf(t)}.${t}.weight`, { shape: [z.out, z.in], tensor: `W.${t}`, at: l * z.out * z.in });
      if (s.bias && (t === 'q_proj' || t === 'k_proj' || t === 'v_proj'))
        out.set(`${p}${moduleOf(t)}.${t}.bias`, { shape: [z.out], tensor: `bias.${t}`, at: l * z.out });
    }
  }
  return out;
}

/** Hugging Face names and shapes of every tensor of a model. */
export const expectedShapes = (s: LlamaShape): Map<string, number[]> => new Map([...weightSlots(s)].map(([n, x]) => [n, [...x.shape]]));

/** What the name of a tensor outside the architecture means, where it is a known one. */
export function strangeTensor(name: string): string {
  const hint = /\.(q_norm|k_norm)\./.test(name)
    ? ': QK-norm is not supported'
    : /\.(qweight|qzeros|scales|g_idx|weight_scale|weight_packed|SCB|absmax|quant_state)/.test(name)
      ? ': quantised bases are not supported'
      : /lora_(A|B|magnitude)/.test(name)
        ? ': an adapter inside the base, merge it first'
        : /\.bias$/.test(name)
          ? ': this bias is not supported'
          : /block_sparse_moe|\.experts\./.test(name)
            ? ': mixtures of experts are not supported'
            : '';
  return `tensor ${name} is not part of this architecture${hint}`;
}
