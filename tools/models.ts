/*
 * config.json of released models, as the hub has it, that the check of widths and the tests of architectures build.
 * Compared on 28 November 2026 with copies of the files in public repositories: AteniaEngine/ateniaengine (TinyLlama,
 * and the instruction-tuned SmolLM2-1.7B and Qwen2.5-1.5B), kevinstephano/thunder_model_blocks (Llama-3.2-1B,
 * hf_llama/llama_config.py) and a listing of Qwen2.5-0.5B. Everything that a program depends on agrees: widths, heads,
 * vocabulary, epsilon, rotation, biases and tied weights. Instruction-tuned models differ in special ids, positions and
 * window; of the base model Qwen2.5-1.5B no other copy was at hand.
 */

/** What of such a file is read by name here; the rest is handed on. */
export type Config = Readonly<Record<string, unknown>> & {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly tie_word_embeddings: boolean;
};

const LLAMA = {
    architectures: ['LlamaForCausalLM'],
    attention_bias: false,
    hidden_act: 'silu',
    initializer_range: 0.02,
    model_type: 'llama',
    pretraining_tp: 1,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    torch_dtype: 'bfloat16',
    use_cache: true,
  },
  QWEN = {
    architectures: ['Qwen2ForCausalLM'],
    attention_dropout: 0.0,
    bos_token_id: 151643,
    eos_token_id: 151643,
    hidden_act: 'silu',
    initializer_range: 0.02,
    model_type: 'qwen2',
    num_key_value_heads: 2,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000.0,
    tie_word_embeddings: true,
    torch_dtype: 'bfloat16',
    use_cache: true,
    use_mrope: false,
    use_sliding_window: false,
    vocab_size: 151936,
  };
/** The model whose shape is measured (shapes.ts): trained whole by benchmarks, not by the tests of architectures. */
export const SMOLLM2_135M: readonly [string, Config] = [
  'SmolLM2-135M',
  {
    ...LLAMA,
    bos_token_id: 0,
    eos_token_id: 0,
    hidden_size: 576,
    intermediate_size: 1536,
    max_position_embeddings: 8192,
    num_attention_heads: 9,
    num_hidden_layers: 30,
    num_key_value_heads: 3,
    rope_theta: 100000,
    tie_word_embeddings: true,
    vocab_size: 49152,
  },
];
export const MODELS: readonly (readonly [string, Config])[] = [
  [
    'TinyLlama-1.1B',
    {
      ...LLAMA,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_size: 2048,
      intermediate_size: 5632,
      max_position_embeddings: 2048,
      num_attention_heads: 32,
      num_hidden_layers: 22,
      num_key_value_heads: 4,
      rope_theta: 10000.0,
      tie_word_embeddings: false,
      vocab_size: 32000,
    },
  ],
  [
    'Llama-3.2-1B',
    {
      ...LLAMA,
      attention_dropout: 0.0,
      bos_token_id: 128000,
      eos_token_id: 128001,
      head_dim: 64,
      hidden_size: 2048,
      intermediate_size: 8192,
      max_position_embeddings: 131072,
      mlp_bias: false,
      num_attention_heads: 32,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      rope_scaling: {
        factor: 32.0,
        high_freq_factor: 4.0,
        low_freq_factor: 1.0,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
      rope_theta: 500000.0,
      tie_word_embeddings: true,
      vocab_size: 128256,
    },
  ],
  [
    'SmolLM2-1.7B',
    {
      ...LLAMA,
      attention_dropout: 0.0,
      bos_token_id: 0,
      eos_token_id: 0,
      hidden_size: 2048,
      intermediate_size: 8192,
      max_position_embeddings: 8192,
      mlp_bias: false,
      num_attention_heads: 32,
      num_hidden_layers: 24,
      num_key_value_heads: 32,
      rope_theta: 130000,
      tie_word_embeddings: true,
      vocab_size: 49152,
    },
  ],
  [
    'Qwen2.5-0.5B',
    {
      ...QWEN,
      hidden_size: 896,
      intermediate_size: 4864,
      max_position_embeddings: 32768,
      max_window_layers: 24,
      num_attention_heads: 14,
      num_hidden_layers: 24,
      num_key_value_heads: 2,
      sliding_window: 32768,
    },
  ],
  [
    'Qwen2.5-1.5B',
    {
      ...QWEN,
      hidden_size: 1536,
      intermediate_size: 8960,
      max_position_embeddings: 131072,
      max_window_layers: 28,
      num_attention_heads: 12,
      num_hidden_layers: 28,
      num_key_value_heads: 2,
      sliding_window: 131072,
    },
  ],
];
