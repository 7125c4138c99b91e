/**
 * One circuit: which wires its rows read. Addresses are the fixed columns that the key commits to; what a row says of
 * the wires is the rows' own matter (circuit.ts), and the same in every circuit, whose programs differ in heights
 * alone.
 */
import { DataError, type RawProgram } from './data.js';
import type { Poly } from './terms.js';

export interface CircuitInstance {
  readonly name: string;
  readonly program: RawProgram;
  readonly fixed: ReadonlyMap<string, readonly bigint[]>;
  /** Rows of free words by name. */
  readonly words: ReadonlyMap<string, readonly number[]>;
  /** Public words that are given, and those that are computed, by row. */
  readonly given: ReadonlySet<number>;
  readonly outputs: ReadonlyMap<number, string>;
  /** Polynomials in free words that are not negative, because the verifier computes these words. */
  readonly premises: readonly Poly[];
  /** What each row of these kinds checks, by name: for mutants. */
  readonly checks: Readonly<Record<'S' | 'Q', readonly string[]>>;
}

/** A wire: the tensor that writes it, its lane, its row. */
export interface Wire {
  readonly tensor: string;
  readonly lane: number;
  readonly row: number;
}

const padded = (n: number): number => 2 ** Math.ceil(Math.log2(n));

export class Wiring {
  readonly #segments: readonly { tensor: string; base: number; cells: number; unit: number }[];
  /** How often each address is read. */
  readonly reads = new Map<number, number>();

  constructor(readonly of: CircuitInstance) {
    const { program } = of,
      [memory] = program.memories ?? [];
    if (!memory) throw new DataError(program.name, 'has no memory');
    let base = 0;
    this.#segments = memory.segments.map((s) => {
      const tensor = s.columns.find((c) => c)!.tensor,
        sizes = s.axes.map((a) => padded(program.axes[a])),
        cells = sizes.reduce((x, y) => x * y, 1),
        out = { tensor, base, cells, unit: sizes[sizes.length - 1] };
      base += cells;
      return out;
    });
    for (const k of ['F', 'B', 'D', 'Q', 'S', 'P', 'M'])
      for (const column of k === 'M' ? ['M.from', 'M.fromBit'] : [`${k}.from`])
        for (const a of of.fixed.get(column)!) this.reads.set(Number(a), (this.reads.get(Number(a)) ?? 0) + 1);
  }

  height(kind: string): number {
    return this.of.program.axes[`row${kind}`];
  }

  /** Cell of a fixed column. */
  fixed(column: string, lane: number, row: number): bigint {
    return this.of.fixed.get(column)![lane * this.height(column.split('.')[0]) + row];
  }

  /** Addresses that a row reads, in the order of its lanes. */
  from(column: string, lanes: number, row: number): number[] {
    return Array.from({ length: lanes }, (_, l) => Number(this.fixed(column, l, row)));
  }

  wire(address: number): Wire {
    const s = this.#segments.find((x) => address >= x.base && address < x.base + x.cells);
    if (!s) throw new DataError(this.of.name, `address ${address} is none of a wire`);
    const at = address - s.base;
    return { tensor: s.tensor, lane: Math.floor(at / s.unit), row: at % s.unit };
  }
}

/**
 * How a circuit's program and its fixed tables differ from those whose rows were checked; undefined if in heights
 * alone.
 */
export function otherRows(
  checked: { program: RawProgram; constants: ReadonlyMap<string, readonly bigint[]> },
  c: CircuitInstance,
): string | undefined {
  const parts = (p: RawProgram): Record<string, string> => ({
    tensors: JSON.stringify(p.tensors),
    constraints: JSON.stringify(p.constraints),
    memories: JSON.stringify(p.memories),
    axes: JSON.stringify(Object.entries(p.axes).filter(([a]) => !/^row/.test(a))),
  });
  const [a, b] = [parts(checked.program), parts(c.program)];
  return (
    Object.keys(a).find((k) => a[k] !== b[k]) ?? [...checked.constants].find(([name, x]) => x.join() !== c.fixed.get(name)?.join())?.[0]
  );
}
