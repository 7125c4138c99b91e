import { type Form, extensionCode, wordsCode } from './field.js';
import { poseidon2Code, poseidon2ConstantsType } from './poseidon2.js';

/** Code that reads or names word `index` of an operand: an expression of WGSL. */
export type At = (index: string) => string;

/** A kernel: one thread for each of n units, or one workgroup for each. */
export interface Shader {
  /** Vectors, in the order in which a launch gives them. */
  readonly operands: readonly string[];
  /** Numbers of 32 bits, in order; `n` is always there. */
  readonly scalars: readonly string[];
  /** Threads of a workgroup. */
  readonly threads: 64 | 256;
  /** A unit is a workgroup, whose threads meet at barriers; else it is a thread. */
  readonly together?: true;
  /** Elements of E, or the permutation of Poseidon2, are used. */
  readonly uses?: 'extension' | 'poseidon2';
  /** Declarations, and what one unit does: its number is `unit`, that of the thread in its workgroup `lane`. */
  readonly code: (at: Readonly<Record<string, At>>, form: Form) => { readonly before?: string; readonly body: string };
}

/** Workgroups along the first dimension of a launch; a dimension takes at most 65,535. */
export const ROW_OF_GROUPS = 32768;

/** Where operands lie: for each of them the number of its slab among those that the launch binds. */
export type Places = readonly number[];

/**
 * Source of a shader whose operands lie in these slabs. A slab is bound once however many operands lie in it, for a
 * buffer that is written may not be bound a second time: p.at_NAME is where an operand begins, in words.
 */
export function shaderSource(s: Shader, places: Places, form: Form): string {
  const slabs = Math.max(...places) + 1,
    at = Object.fromEntries(s.operands.map((name, i) => [name, (index: string) => `m${places[i]}[p.at_${name} + (${index})]`])),
    { before = '', body } = s.code(at, form),
    fields = ['n', ...s.operands.map((name) => `at_${name}`), ...s.scalars];
  return `${s.uses === 'extension' ? extensionCode(form) : wordsCode}
struct Params { ${fields.map((f) => `${f}: u32`).join(', ')} };
@group(0) @binding(0) var<uniform> p: Params;
${Array.from({ length: slabs }, (_, i) => `@group(0) @binding(${i + 1}) var<storage, read_write> m${i}: array<F>;`).join('\n')}
${s.uses === 'poseidon2' ? `@group(0) @binding(${slabs + 1}) var<uniform> C: ${poseidon2ConstantsType};\n${poseidon2Code(form)}` : ''}
${before}
@compute @workgroup_size(${s.threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let unit = ${s.together ? `group.y * ${ROW_OF_GROUPS}u + group.x` : `(group.y * ${ROW_OF_GROUPS}u + group.x) * ${s.threads}u + lane`};
  if (unit < p.n) {
    ${body}
  }
}
`;
}
