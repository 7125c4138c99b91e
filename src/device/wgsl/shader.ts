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
  /**
   * Numbers of 32 bits of each work item, for a shader whose units belong to items of different shapes: of every
   * operand where it begins in its slab, then these, then where `more` of the item begins in the table. An item's units
   * follow those of the one before.
   */
  readonly items?: readonly string[];
  /** Operands behind the named ones are slabs that an item names by number: any(slab, index) reads them. */
  readonly gathers?: true;
  /** Threads of a workgroup. */
  readonly threads: 64 | 256;
  /** A unit is a workgroup, whose threads meet at barriers; else it is a thread. */
  readonly together?: true;
  /** Operands are 32-bit numbers that threads change together: `at` names atomics, two for each word. */
  readonly atomics?: true;
  /** Elements of E, or the permutation of Poseidon2, are used. */
  readonly uses?: 'extension' | 'poseidon2';
  /** Declarations, and what one unit does: its number is `unit`, that of the thread in its workgroup `lane`. */
  readonly code: (at: Readonly<Record<string, At>>, form: Form) => { readonly before?: string; readonly body: string };
}

/** Numbers of a work item: see `items`. */
export const itemLength = (s: Shader): number => s.operands.length + (s.items?.length ?? 0) + 1;

/**
 * The table of a launch over work items: first units of all items, their numbers, what they name. For a unit: `own` is
 * its number within its item, `it_NAME` a number of that, it_OPERAND where an operand begins, tableE(it_more) an
 * element there.
 */
const TABLE = `
fn itemOf(unit: u32) -> u32 {
  var lo = 0u;
  var hi = p.items;
  while (hi - lo > 1u) {
    let mid = (lo + hi) / 2u;
    if (table[p.table + mid] <= unit) { lo = mid; } else { hi = mid; }
  }
  return lo;
}
`;
const TABLE_ELEMENT = `
fn tableE(at: u32) -> E {
  return E(F(table[at], table[at + 1u]), F(table[at + 2u], table[at + 3u]), F(table[at + 4u], table[at + 5u]));
}
`;
const itemCode = (s: Shader): string => {
  const numbers = [...s.operands, ...s.items!, 'more'].map(
    (name, i) => `let it_${name} = table[row + ${i}u]${name === 'more' ? ' + p.table' : ''};`,
  );
  return `let item = itemOf(unit);
    let row = p.table + p.items + ${itemLength(s)}u * item;
    let own = unit - table[p.table + item];
    ${numbers.join('\n    ')}`;
};

/** Reads word `index` of the slabs behind the named operands, at least one. */
function anyCode(places: Places, named: number): string {
  const slabs = places.length > named ? places.slice(named) : places.slice(0, 1),
    cases = slabs.map((slab, i) => (i + 1 < slabs.length ? `if (slab == ${i}u) { return m${slab}[index]; }` : `return m${slab}[index];`));
  return `fn any(slab: u32, index: u32) -> F { ${cases.join(' ')} }\n`;
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
    base = (name: string): string => (s.items ? `it_${name}` : `p.at_${name}`),
    at = Object.fromEntries(
      s.operands.map((name, i) => [name, (index: string) => `m${places[i]}[${s.atomics ? '2u * ' : ''}${base(name)} + (${index})]`]),
    ),
    { before = '', body } = s.code(at, form),
    fields = ['n', ...(s.items ? ['items', 'table'] : s.operands.map((name) => `at_${name}`)), ...s.scalars],
    constants = s.uses === 'poseidon2' ? 1 : 0;
  return `${s.uses === 'extension' ? extensionCode(form) : wordsCode}
struct Params { ${fields.map((f) => `${f}: u32`).join(', ')} };
@group(0) @binding(0) var<uniform> p: Params;
${Array.from({ length: slabs }, (_, i) => `@group(0) @binding(${i + 1}) var<storage, read_write> m${i}: array<${s.atomics ? 'atomic<u32>' : 'F'}>;`).join('\n')}
${constants ? `@group(0) @binding(${slabs + 1}) var<uniform> C: ${poseidon2ConstantsType};\n${poseidon2Code(form)}` : ''}
${s.items ? `@group(0) @binding(${slabs + 1 + constants}) var<storage, read> table: array<u32>;${TABLE}` : ''}
${s.items && s.uses === 'extension' ? TABLE_ELEMENT : ''}
${s.gathers ? anyCode(places, s.operands.length) : ''}
${before}
@compute @workgroup_size(${s.threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let unit = ${s.together ? `group.y * ${ROW_OF_GROUPS}u + group.x` : `(group.y * ${ROW_OF_GROUPS}u + group.x) * ${s.threads}u + lane`};
  if (unit < p.n) {
    ${s.items ? itemCode(s) : ''}
    ${body}
  }
}
`;
}
