/**
 * Formats and wrapping. The program's constraints hold mod p; that they say something about integers rests on every
 * operand being congruent to an integer of its format.
 *
 * (c) Format: u is a residue of the tensor's cell. If a constraint c * u + rest = v mod p, with the rest within known
 *     formats and v in the constraint's target, leaves no u outside the format, the constraint implies the format.
 * (a) Wrap: for all operands within their formats, e = v + k p with v in the target forces k = 0.
 *
 * Sums are bounded term by term: n summands of a product within n times the product's bounds. That this is right for
 * all bounds is asked once (lemmas.ts), so that here it is arithmetic.
 */
import {
  type Component,
  type Interval,
  type Operand,
  type Program,
  type Tensor,
  type Term,
  boundsOf,
  isChosen,
  isEntered,
  isGiven,
  isWhole,
  membersOf,
} from './data.js';
import { type Asked, P, type Solver, assertion, between, integers, lit, sum, times } from './smt.js';

/** A public 0/1 factor under which alone a tensor is in format, and which of the tensor's axes the factor's are. */
export interface Mask {
  readonly tensor: string;
  readonly at: readonly number[];
}

/** Bounds that hold for a tensor's cells, and by what. `mask`: only where these factors are one. */
export interface Known extends Interval {
  readonly by: string;
  readonly mask?: readonly Mask[];
}

export interface Failure {
  readonly check: 'format' | 'wrap' | 'unique' | 'mask' | 'state' | 'lemma' | 'row' | 'policy' | 'ledger';
  /** Tensor, slice, constraint or term. */
  readonly at: string;
  readonly why: string;
  readonly asked?: Asked | undefined;
}

export type Formats = ReadonlyMap<string, Known>;

/** Which axes of `of` the axes of `factor` are, or undefined if one is none of them. */
function aligned(of: Operand, factor: Operand): number[] | undefined {
  const at = factor.access.map((f) =>
    of.access.findIndex((a) => a.axis !== undefined && a.axis === f.axis && a.stride === f.stride && a.offset === f.offset),
  );
  return at.includes(-1) ? undefined : at;
}

/** Whether the term has all factors of the mask, along the same axes of the operand. */
export const underMask = (t: Term, o: Operand, mask: readonly Mask[]): boolean =>
  mask.every((m) => t.operands.some((f) => f.tensor.name === m.tensor && aligned(o, f)?.join() === m.at.join()));

/** Product of two intervals: lemma "a product lies between the products of the ends". */
function product(a: Interval, b: Interval): Interval {
  const ends = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
  return { lo: ends.reduce((x, y) => (y < x ? y : x)), hi: ends.reduce((x, y) => (y > x ? y : x)) };
}

/**
 * Bounds of a term's operands, multiplied and summed. Undefined where an operand has no format, or has one under a mask
 * that the term does not carry and `bare` does not name.
 */
export function termBounds(p: Program, formats: Formats, t: Term, bare?: string): Interval | undefined {
  let bounds: Interval = { lo: 1n, hi: 1n },
    maybeZero = false;
  for (const o of t.operands) {
    const known = formats.get(o.tensor.name);
    if (!known) return undefined;
    if (known.mask && o.tensor.name !== bare) {
      if (!underMask(t, o, known.mask)) return undefined;
      // Where the factor is zero the product is, whatever the cell is.
      maybeZero = true;
    }
    bounds = product(bounds, known);
  }
  // A one-hot factor selects at most one summand along its first axis.
  const selected = new Set(t.operands.filter((o) => o.tensor.publicKind === 'onehot').map((o) => o.access[0].axis));
  if (maybeZero || t.over.some((a) => selected.has(a)))
    bounds = { lo: bounds.lo < 0n ? bounds.lo : 0n, hi: bounds.hi > 0n ? bounds.hi : 0n };
  const n = t.over.filter((a) => !selected.has(a)).reduce((x, a) => x * BigInt(p.axes.get(a)!), 1n);
  return { lo: n * bounds.lo, hi: n * bounds.hi };
}

/** A bounded unknown for each term, and the sum. Undefined where a term has no bounds. */
function bounded(
  p: Program,
  formats: Formats,
  c: Component,
  terms: readonly Term[],
  bare?: string,
): { text: string; sum: string } | undefined {
  const lines: string[] = [],
    parts = c.constant === 0n ? [] : [lit(c.constant)];
  for (const [k, t] of terms.entries()) {
    const b = termBounds(p, formats, t, bare);
    if (!b) return undefined;
    lines.push(integers(`t${k}`), assertion(between(b.lo, `t${k}`, b.hi)));
    parts.push(times(t.coef, `t${k}`));
  }
  return { text: lines.join('\n'), sum: sum(parts) };
}

/** The question whether component `c` implies the format of `t`; undefined where the constraint has not that shape. */
function formatQuestion(p: Program, formats: Formats, c: Component, t: Tensor): { text: string; mask?: readonly Mask[] } | undefined {
  const mine = c.terms.filter((x) => x.operands.some((o) => o.tensor === t)),
    [term] = mine,
    own = term?.operands.filter((o) => o.tensor === t) ?? [],
    [o] = own;
  if (mine.length !== 1 || own.length !== 1 || term.over.length || !o.access.every((a, k) => isWhole(p, t, a, k))) return undefined;
  const mask: Mask[] = [];
  for (const f of term.operands) {
    if (f === o) continue;
    const at = aligned(o, f),
      b = boundsOf(f.tensor);
    if (f.tensor.cls !== 'public' || b.lo !== 0n || b.hi !== 1n || !at) return undefined;
    mask.push({ tensor: f.tensor.name, at });
  }
  const rest = bounded(
    p,
    formats,
    c,
    c.terms.filter((x) => x !== term),
  );
  if (!rest) return undefined;
  const outside = (x: string): string => assertion(`(not ${between(t.lo, x, t.hi)})`);
  const text = [
    integers('u', 'v', 'k'),
    rest.text,
    assertion(`(and (<= 0 u) (< u ${P}))`),
    assertion(between(c.lo, 'v', c.hi)),
    assertion(`(= ${sum([rest.sum, times(term.coef, 'u')])} (+ v (* ${P} k)))`),
    outside('u'),
    outside(`(- u ${P})`),
  ].join('\n');
  return { text, ...(mask.length ? { mask } : {}) };
}

/**
 * Learns formats until nothing changes. `attempts` collects, tensor by tensor, the last question that was not a proof.
 */
async function learn(p: Program, solver: Solver, formats: Map<string, Known>, attempts: Map<string, Asked>): Promise<void> {
  for (let changed = true; changed; ) {
    changed = false;
    for (const constraint of p.constraints)
      for (const c of constraint.components)
        for (const t of new Set(c.terms.flatMap((x) => x.operands.map((o) => o.tensor)))) {
          const now = formats.get(t.name);
          if (now && !now.mask) continue;
          const q = formatQuestion(p, formats, c, t);
          if (!q || (now && q.mask)) continue;
          const asked = await solver.ask('format', q.text);
          if (asked.answer !== 'unsat') {
            attempts.set(t.name, asked);
            continue;
          }
          formats.set(t.name, { lo: t.lo, hi: t.hi, by: constraint.name, ...(q.mask ? { mask: q.mask } : {}) });
          changed = true;
        }
    for (const t of p.tensors.values()) if (shareWithAlias(p, t, formats)) changed = true;
  }
}

/** An alias and its members are the same cells. */
function shareWithAlias(p: Program, alias: Tensor, formats: Map<string, Known>): boolean {
  const members = membersOf(alias, p.tensors),
    plain = (t: Tensor): Known | undefined => (formats.get(t.name)?.mask ? undefined : formats.get(t.name)),
    within = (a: Interval, b: Interval): boolean => b.lo <= a.lo && a.hi <= b.hi;
  let changed = false;
  if (!members.length) return changed;
  if (plain(alias))
    for (const m of members)
      if (!formats.has(m.name) && within(alias, m)) {
        formats.set(m.name, { lo: m.lo, hi: m.hi, by: alias.name });
        changed = true;
      }
  if (!formats.has(alias.name) && members.every((m) => plain(m) && within(m, alias))) {
    formats.set(alias.name, { lo: alias.lo, hi: alias.hi, by: 'its members' });
    changed = true;
  }
  return changed;
}

export interface FormatResult {
  readonly formats: Map<string, Known>;
  readonly failures: Failure[];
  /** Tensors of a state entered whose format the program does not imply. */
  readonly open: readonly string[];
  /** Tensors whose format the program implies: chosen, entered. */
  readonly implied: number;
}

/**
 * (c) First without any assumption on the state that is entered; what of it is not implied must be exactly `excepted`.
 * Then with those in format: every chosen tensor must be.
 */
export async function checkFormats(p: Program, solver: Solver, excepted: readonly string[]): Promise<FormatResult> {
  const formats = new Map<string, Known>(),
    attempts = new Map<string, Asked>(),
    failures: Failure[] = [];
  for (const t of p.tensors.values()) if (isGiven(t)) formats.set(t.name, { ...boundsOf(t), by: t.cls });
  await learn(p, solver, formats, attempts);
  const entered = [...p.tensors.values()].filter(isEntered),
    // Members of a group are named by the alias that is the same cells.
    open = entered
      .filter((t) => !formats.has(t.name) && !entered.some((a) => a.aliasOf !== undefined && a.aliasOf === t.group))
      .map((t) => t.name);
  for (const name of open)
    if (!excepted.includes(name))
      failures.push({ check: 'state', at: name, why: 'format of a state entered is not implied', asked: attempts.get(name) });
  for (const name of excepted)
    if (!open.includes(name)) failures.push({ check: 'state', at: name, why: 'is a listed exception, but the program implies its format' });
  for (const t of entered) if (!formats.has(t.name)) formats.set(t.name, { lo: t.lo, hi: t.hi, by: 'exception' });
  const assumed = [...formats.values()].filter((k) => k.by === 'exception').length;
  await learn(p, solver, formats, attempts);
  for (const t of p.tensors.values())
    if (isChosen(t) && !formats.has(t.name)) {
      const asked = attempts.get(t.name);
      failures.push({ check: 'format', at: t.name, why: asked ? 'no constraint implies its format' : 'no constraint bounds it', asked });
    }
  const implied = [...p.tensors.values()].filter((t) => (isChosen(t) || isEntered(t)) && formats.has(t.name)).length - assumed;
  return { formats, failures, open, implied };
}

/** (a) No identity wraps around p. Returns the constraints that hold over the integers. */
export async function checkWrap(p: Program, solver: Solver, formats: Formats): Promise<{ lifted: Set<string>; failures: Failure[] }> {
  const lifted = new Set<string>(),
    failures: Failure[] = [];
  for (const constraint of p.constraints) {
    let holds = true;
    for (const c of constraint.components) {
      const e = bounded(p, formats, c, c.terms, bareOf(formats, c));
      if (!e) {
        failures.push({ check: 'wrap', at: constraint.name, why: 'an operand has no format' });
        holds = false;
        break;
      }
      const text = [
        integers('v', 'k'),
        e.text,
        assertion(between(c.lo, 'v', c.hi)),
        assertion('(not (= k 0))'),
        assertion(`(= ${e.sum} (+ v (* ${P} k)))`),
      ].join('\n');
      const asked = await solver.ask('wrap', text);
      if (asked.answer !== 'unsat') {
        holds = false;
        failures.push({ check: 'wrap', at: constraint.name, why: `component ${c.index} may hold mod p alone`, asked });
      }
    }
    if (holds) lifted.add(constraint.name);
  }
  return { lifted, failures };
}

/**
 * The one tensor in format under a mask that the component names without it: the component is read where the mask is
 * one.
 */
export function bareOf(formats: Formats, c: Component): string | undefined {
  for (const t of c.terms)
    for (const o of t.operands) {
      const mask = formats.get(o.tensor.name)?.mask;
      if (mask && !underMask(t, o, mask)) return o.tensor.name;
    }
  return undefined;
}
