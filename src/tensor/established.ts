import { type Interval, ProgramError, contractedAxes, exprInterval } from './bounds.js';
import type { Constraint, Expr, Operand, Program, TensorSpec, Term } from './types.js';

/*
 * Bounds are types, so something must establish them. Frozen and public tensors have theirs from outside: the base's
 * integers, the statement. So has the state that a program enters and does not renew: the update that enters the same
 * commitment proves it. A program that leaves a state has to establish the bounds of the one that it enters, as of
 * everything that a prover chooses. A tensor that the prover chooses has them from a constraint that pins all of its
 * cells:
 *
 *   e = c T + rest, c = 1 or -1, with e in [lo, hi] (a range, a table's keys or column, or zero) and every tensor of
 *     the rest established,
 *
 * so that T is congruent to an integer of c ([lo, hi] - rest), which must lie within T's declared bounds. Under a
 * public 0/1 factor, e = c m T + rest, the same holds where m = 1; where m = 0 the cell stays free, and every other use
 * of T must carry the same factor, so that it enters nothing. One constraint may name it without the factor: its own
 * remainder, 0 <= rest - 2^m T < 2^bits with m >= bits and no other output in the rest. That restricts the free cell
 * and nothing else.
 */

interface Mask {
  readonly tensors: readonly { readonly name: string; readonly at: readonly number[] }[];
}

/** All cells of a tensor, each once. */
function whole(program: Program, t: TensorSpec, op: Operand): boolean {
  return op.access.every(
    (a, k) => 'axis' in a && (a.stride ?? 1) === 1 && (a.offset ?? 0) === 0 && program.axes[a.axis] === program.axes[t.axes[k]],
  );
}

/** Which axes of T the axes of a factor are, or undefined if one is none of them. */
function aligned(of: Operand, mask: Operand): number[] | undefined {
  const at = mask.access.map((m) =>
    of.access.findIndex(
      (a) => 'axis' in a && 'axis' in m && a.axis === m.axis && (a.stride ?? 1) === (m.stride ?? 1) && (a.offset ?? 0) === (m.offset ?? 0),
    ),
  );
  return at.includes(-1) ? undefined : at;
}

/** Values that an expression of a constraint may have where it holds. */
function target(program: Program, tensors: ReadonlyMap<string, TensorSpec>, c: Constraint, component: number): Interval {
  if (c.kind === 'zero') return { lo: 0n, hi: 0n };
  if (c.kind === 'range') return { lo: 0n, hi: (1n << BigInt(c.bits)) - 1n };
  const table = program.tables.find((t) => t.name === c.table)!;
  return component === 0 ? { lo: table.lo, hi: table.lo + BigInt(table.size) - 1n } : tensors.get(table.columns[component - 1])!;
}

/** Throws ProgramError for a tensor chosen by the prover whose declared bounds no constraint establishes. */
export function checkEstablished(program: Program): void {
  const tensors = new Map(program.tensors.map((t) => [t.name, t]));
  const renews = program.tensors.some((t) => t.cls === 'oOut'),
    given: readonly string[] = renews ? ['frozen', 'public'] : ['frozen', 'public', 'cIn', 'oIn', 'aIn'];
  const known = new Set(program.tensors.filter((t) => given.includes(t.cls)).map((t) => t.name));
  const masked = new Map<string, Mask>();
  const within = (iv: Interval, t: TensorSpec): boolean => iv.lo >= t.lo && iv.hi <= t.hi;

  /** The tensor that expression `e` pins, given what is established so far. */
  const pinned = (c: Constraint, e: Expr, component: number): { name: string; mask?: Mask } | undefined => {
    const open = e.terms.filter((t) => t.operands.some((o) => !known.has(o.tensor)));
    if (open.length !== 1) return undefined;
    const [term] = open,
      unknown = term.operands.filter((o) => !known.has(o.tensor)),
      [op] = unknown,
      factors = term.operands.filter((o) => o !== op);
    if (unknown.length !== 1 || (term.coef !== 1n && term.coef !== -1n) || contractedAxes(c.axes, term).length) return undefined;
    const t = tensors.get(op.tensor)!,
      mask: Mask['tensors'][number][] = [];
    if (!whole(program, t, op)) return undefined;
    for (const f of factors) {
      const s = tensors.get(f.tensor)!,
        at = aligned(op, f);
      if (s.cls !== 'public' || s.lo < 0n || s.hi > 1n || !at) return undefined;
      mask.push({ name: s.name, at });
    }
    const rest = exprInterval(program.axes, tensors, c.axes, { constant: e.constant, terms: e.terms.filter((x) => x !== term) }),
      to = target(program, tensors, c, component),
      iv: Interval = term.coef > 0n ? { lo: to.lo - rest.hi, hi: to.hi - rest.lo } : { lo: rest.lo - to.hi, hi: rest.hi - to.lo };
    return within(iv, t) ? { name: t.name, ...(mask.length ? { mask: { tensors: mask } } : {}) } : undefined;
  };

  for (let changed = true; changed; ) {
    changed = false;
    const learn = (name: string): void => {
      known.add(name);
      changed = true;
    };
    for (const c of program.constraints)
      (c.kind === 'lookup' ? c.exprs : [c.expr]).forEach((e, component) => {
        const got = pinned(c, e, component);
        if (!got) return;
        if (!got.mask) learn(got.name);
        else if (!masked.has(got.name)) masked.set(got.name, got.mask);
      });
    // A group's members and its alias are the same cells.
    for (const a of program.tensors) {
      if (a.aliasOf === undefined) continue;
      const members = program.tensors.filter((t) => t.group === a.aliasOf && t.aliasOf === undefined && t.cls === a.cls);
      if (known.has(a.name)) for (const m of members) if (!known.has(m.name) && within(a, m)) learn(m.name);
      if (!known.has(a.name) && members.length && members.every((m) => known.has(m.name) && within(m, a))) learn(a.name);
    }
  }
  for (const t of program.tensors) {
    if (known.has(t.name)) continue;
    const mask = masked.get(t.name);
    if (!mask) throw new ProgramError(t.name, 'no constraint establishes its bounds: add inFormat');
    for (const c of program.constraints)
      for (const e of c.kind === 'lookup' ? c.exprs : [c.expr])
        for (const term of e.terms)
          if (!usedUnder(term, t.name, mask) && !ownRemainder(program, tensors, c, t.name))
            throw new ProgramError(
              t.name,
              `is bounded under ${mask.tensors.map((m) => m.name).join(', ')} only, but ${c.name} uses it without`,
            );
  }
}

/** Whether every occurrence of the tensor in the term comes with the factors of its mask. */
function usedUnder(term: Term, name: string, mask: Mask): boolean {
  return term.operands
    .filter((o) => o.tensor === name)
    .every((o) => mask.tensors.every((m) => term.operands.some((f) => f.tensor === m.name && aligned(o, f)?.join() === m.at.join())));
}

/**
 * Whether the constraint is the remainder of a Round into the tensor: of the tensors that the prover chooses, all
 * others occur in products or are its limbs.
 */
function ownRemainder(program: Program, tensors: ReadonlyMap<string, TensorSpec>, c: Constraint, name: string): boolean {
  if (c.kind !== 'range') return false;
  const linear = c.expr.terms.filter(
    (t) =>
      t.operands.length === 1 &&
      ['witness', 'cOut', 'oOut', 'aOut'].includes(tensors.get(t.operands[0].tensor)!.cls) &&
      !program.constraints.some((l) => l.kind === 'range' && l.name === t.operands[0].tensor && l.name.startsWith(`${c.name}.limb`)),
  );
  return (
    linear.length === 1 && linear[0].operands[0].tensor === name && linear[0].coef < 0n && linear[0].coef % (1n << BigInt(c.bits)) === 0n
  );
}
