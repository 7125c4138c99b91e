import { commitShaders } from './wgsl/commit.js';
import { integerShaders } from './wgsl/integer.js';
import { lookupShaders } from './wgsl/lookup.js';
import { openingShaders } from './wgsl/opening.js';
import type { Shader } from './wgsl/shader.js';
import { sumcheckShaders } from './wgsl/sumcheck.js';

/** Kernels of a device that speaks WGSL. */
export const SHADERS = { ...commitShaders, ...openingShaders, ...lookupShaders, ...sumcheckShaders, ...integerShaders } satisfies Record<
  string,
  Shader
>;
export type ShaderName = keyof typeof SHADERS;

/** Words of a slab: one buffer of the device, in which many vectors lie. */
export interface Span {
  readonly slab: number;
  readonly at: number;
  readonly words: number;
}

/**
 * What the thread of a device is told, in order. They are plain data: one thread posts them to another. Slabs have the
 * numbers 0, 1, ... in the order in which they are made.
 */
export type Command =
  | { readonly do: 'slab'; readonly bytes: number }
  | { readonly do: 'write'; readonly to: Span; readonly data: Uint8Array<ArrayBuffer> }
  | {
      readonly do: 'launch';
      readonly shader: string;
      /** Threads, or workgroups where the shader says so. */ readonly n: number;
      /** Slab and first word of each operand. */ readonly operands: readonly Pick<Span, 'slab' | 'at'>[];
      readonly scalars: readonly number[];
      /** Of a shader over work items: where they begin, what they are, and what they name. */
      readonly table?: Uint32Array<ArrayBuffer>;
    };

/** Why a device gave up; see errors.ts. */
export interface Failure {
  readonly kind: 'lost' | 'memory' | 'failed';
  readonly message: string;
}
