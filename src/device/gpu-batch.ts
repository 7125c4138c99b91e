import { type Command, SHADERS, type ShaderName, type Span } from './commands.js';
import { type Shader, itemLength } from './wgsl/shader.js';

/** Part of a launch: units of work of one shape. */
export interface Item {
  /** Threads, or workgroups where the shader says so. */
  readonly units: number;
  /** Its operands, in the shader's order. */
  readonly vecs: readonly Span[];
  /** Its numbers, in the order of the shader's `items`. */
  readonly numbers: readonly number[];
  /** What its numbers speak of, of any length. */
  readonly more?: readonly number[];
}

/** The table of a launch: first units of all items, then their numbers, then what these name. */
function tableOf(s: Shader, items: readonly Item[]): { table: Uint32Array<ArrayBuffer>; n: number } {
  const length = itemLength(s),
    heads = items.length * (1 + length),
    table = new Uint32Array(heads + items.reduce((m, x) => m + (x.more?.length ?? 0), 0));
  let n = 0,
    more = heads;
  items.forEach((x, i) => {
    table[i] = n;
    table.set([...x.vecs.map((v) => v.at), ...x.numbers, more], items.length + length * i);
    if (x.more) {
      table.set(x.more, more);
      more += x.more.length;
    }
    n += x.units;
  });
  return { table, n };
}

/**
 * Launches of a shader over work items: one for all items whose operands lie in the same slabs, which is most often one
 * in all. `gathered`: slabs that its items name by number.
 */
export function launches(
  shader: ShaderName,
  items: readonly Item[],
  scalars: readonly number[],
  gathered: readonly number[] = [],
): Extract<Command, { do: 'launch' }>[] {
  const by = new Map<string, Item[]>();
  for (const x of items) {
    if (x.units === 0) continue;
    const key = x.vecs.map((v) => v.slab).join(),
      list = by.get(key);
    if (list) list.push(x);
    else by.set(key, [x]);
  }
  return [...by.values()].map((list) => {
    const { table, n } = tableOf(SHADERS[shader], list),
      slabs = [...list[0].vecs.map((v) => v.slab), ...gathered];
    return {
      do: 'launch',
      shader,
      n,
      operands: slabs.map((slab) => ({ slab, at: 0 })),
      scalars: [list.length, ...scalars],
      table,
    };
  });
}
