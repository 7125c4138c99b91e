import { Environment, Interpreter, Template } from '@huggingface/jinja';

/*
 * A chat template is a program of whoever wrote it, and it runs once or more for every row. The engine has no bounds of its own: here every node that it evaluates is a
 * step, work that grows with a text or a list is charged by its length before it is done, and nothing may grow beyond a size.
 */

/** A template that goes beyond its budget; the message completes "the chat template ...". */
export class TemplateBudgetError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TemplateBudgetError';
  }
}

/** What one rendering may take, by the size of what is rendered. Templates of released models need a hundredth of the steps. */
export interface TemplateBudget {
  readonly steps: number;
  /** Characters of any text on the way, the result included. */ readonly text: number;
  /** Entries of any list on the way. */ readonly list: number;
  /** Milliseconds: reached only where a step takes longer than steps do. */ readonly ms: number;
}

/** Budget for so many messages that have so many characters together. */
export const templateBudget = (messages: number, characters: number): TemplateBudget => ({
  steps: 50_000 + 4_000 * messages + characters,
  text: 2 ** 20 + 16 * characters,
  list: 2 ** 14 + 16 * messages + characters,
  ms: 10_000,
});

/** A node of the engine's syntax tree, and a value at run time: of both only what is used here. */
type Node = Readonly<Record<string, unknown>> & { readonly type: string };
type Value = { readonly type: string; readonly value: unknown } | undefined;
interface Engine {
  run(program: unknown): Value;
  evaluate(statement: Node | undefined, environment: Environment): Value;
}
/** The engine's declarations cannot be read by the compiler's rules for modules: these are the parts that are used. */
const Engine = Interpreter as unknown as new (env: Environment) => Engine;

/** A value in the place of the node that gave it, so that it is looked at before it is used and computed once. */
class Given {
  readonly type = 'Given';
  constructor(readonly value: Value) {}
}

const text = (v: Value): string | undefined => (v?.type === 'StringValue' && typeof v.value === 'string' ? v.value : undefined);
/** Characters or entries of a value: what an operation on the whole of it costs. */
function sizeOf(v: Value): number {
  const x = v?.value;
  return typeof x === 'string' || Array.isArray(x) ? x.length : x instanceof Map ? x.size : 1;
}

/** Methods and filters whose result may be longer than their operands together. */
const GROWING: ReadonlySet<string> = new Set(['replace', 'join', 'indent', 'tojson']);

/** How often `part` can occur in a text, at most. */
const occurrences = (whole: string, part: string): number =>
  part === '' ? whole.length + 1 : Math.min(Math.floor(whole.length / part.length), whole.split(part).length - 1);

class Bounded extends Engine {
  #steps = 0;
  readonly #end: number;
  constructor(
    env: Environment,
    readonly budget: TemplateBudget,
  ) {
    super(env);
    this.#end = performance.now() + budget.ms;
  }

  #charge(n: number): void {
    const before = this.#steps >> 10;
    this.#steps += n;
    if (this.#steps > this.budget.steps) throw new TemplateBudgetError(`takes more than ${this.budget.steps} steps`);
    if (this.#steps >> 10 !== before && performance.now() > this.#end)
      throw new TemplateBudgetError(`takes longer than ${this.budget.ms / 1000} seconds`);
  }
  #fitText(n: number): void {
    if (n > this.budget.text) throw new TemplateBudgetError(`makes a text of more than ${this.budget.text} characters`);
  }
  #fit(v: Value): Value {
    const x = v?.value;
    if (typeof x === 'string') this.#fitText(x.length);
    else if (Array.isArray(x) && x.length > this.budget.list)
      throw new TemplateBudgetError(`makes a list of more than ${this.budget.list} entries`);
    return v;
  }

  override evaluate(statement: Node | undefined, environment: Environment): Value {
    if (statement instanceof Given) return statement.value;
    this.#charge(1);
    return this.#fit(super.evaluate(statement && this.#prepare(statement, environment), environment));
  }

  /** The node with its operands evaluated and charged, where what it does grows with them. */
  #prepare(n: Node, env: Environment): Node {
    const given = (x: unknown): Given => {
        const v = this.evaluate(x as Node, env);
        this.#charge(sizeOf(v));
        return new Given(v);
      },
      of = (x: unknown): Node => x as Node;
    switch (n.type) {
      case 'BinaryExpression': {
        const op = of(n['operator'])['value'];
        // The right side of these is evaluated only where the left one asks for it.
        if (op === 'and' || op === 'or') return n;
        const left = given(n['left']),
          right = given(n['right']);
        if (op === '~' || op === '+') this.#fitText(sizeOf(left.value) + sizeOf(right.value));
        return { ...n, left, right };
      }
      case 'For': {
        const list = of(n['iterable']);
        // The loop's own scope holds nothing yet that its list could name.
        return { ...n, iterable: list.type === 'SelectExpression' ? { ...list, lhs: given(list['lhs']) } : given(list) };
      }
      case 'FilterExpression': {
        const operand = given(n['operand']),
          filter = of(n['filter']),
          name = String(of(filter['callee'])?.['value']);
        if (filter.type !== 'CallExpression' || !GROWING.has(name)) return { ...n, operand };
        const args = this.#arguments(filter['args'], env);
        this.#growth(name, operand.value, args);
        return { ...n, operand, filter: { ...filter, args } };
      }
      case 'CallExpression': {
        const callee = of(n['callee']);
        if (callee.type !== 'MemberExpression' || callee['computed'] === true) return n;
        const object = given(callee['object']),
          name = String(of(callee['property'])['value']);
        if (!GROWING.has(name)) return { ...n, callee: { ...callee, object } };
        const args = this.#arguments(n['args'], env);
        this.#growth(name, object.value, args);
        return { ...n, callee: { ...callee, object }, args };
      }
      case 'MemberExpression':
        return (n['property'] as Node | undefined)?.type === 'SliceExpression' ? { ...n, object: given(n['object']) } : n;
      default:
        return n;
    }
  }

  /** Arguments in their places, by position and by name; those that a list or mapping is unpacked into are left as they are. */
  #arguments(args: unknown, env: Environment): Node[] {
    return (args as Node[]).map((a) => {
      if (a.type === 'KeywordArgumentExpression') return { ...a, value: new Given(this.evaluate(a['value'] as Node, env)) };
      return a.type === 'SpreadExpression' || a.type === 'KeywordSpreadExpression'
        ? a
        : (new Given(this.evaluate(a, env)) as unknown as Node);
    });
  }

  /** Refuses what would grow too long before it is made. */
  #growth(name: string, operand: Value, args: readonly Node[]): void {
    if (args.some((a) => a.type === 'SpreadExpression' || a.type === 'KeywordSpreadExpression'))
      throw new TemplateBudgetError(`unpacks the arguments of ${name}, so that its result cannot be bounded`);
    const values = args.map((a) => (a instanceof Given ? a.value : (a['value'] as Given).value)),
      lengths = values.map((v) => text(v)?.length ?? 0),
      widest = Math.max(0, ...values.map((v) => Number(v?.value) || 0), ...lengths),
      own = text(operand);
    this.#charge(lengths.reduce((a, b) => a + b, 0));
    switch (name) {
      case 'replace': {
        const [from, to] = values.map(text);
        if (own !== undefined && from !== undefined && to !== undefined) this.#fitText(own.length + occurrences(own, from) * to.length);
        return;
      }
      case 'join': {
        const parts = Array.isArray(operand?.value) ? (operand.value as Value[]) : [],
          count = own?.length ?? parts.length,
          inside = own?.length ?? parts.reduce((s, x) => s + sizeOf(x), 0);
        this.#charge(inside);
        this.#fitText(inside + count * widest);
        return;
      }
      case 'indent':
      case 'tojson':
        this.#fitText(1024 * widest);
        if (own !== undefined) this.#fitText(own.length + own.split('\n').length * widest);
        return;
      default:
    }
  }
}

/** A parsed template that renders within a budget. Throws what the engine throws, and TemplateBudgetError. */
export class BoundedTemplate {
  readonly #parsed: unknown;
  constructor(source: string) {
    this.#parsed = new Template(source).parsed;
  }

  /** Text of the template with these variables; functions among them are called with plain values. */
  render(variables: Readonly<Record<string, unknown>>, budget: TemplateBudget): string {
    const env = new Environment(),
      range = (start: number, stop?: number, step = 1): number[] => {
        const [from, to] = stop === undefined ? [0, start] : [start, stop];
        if (![from, to, step].every(Number.isSafeInteger) || step === 0) throw new Error('range() takes integers, and a step other than 0');
        const n = Math.max(0, Math.ceil((to - from) / step));
        if (n > budget.list) throw new TemplateBudgetError(`makes a list of more than ${budget.list} entries`);
        return Array.from({ length: n }, (_, i) => from + i * step);
      },
      globals: Record<string, unknown> = {
        true: true,
        false: false,
        none: null,
        True: true,
        False: false,
        None: null,
        raise_exception: (message: unknown) => {
          throw new Error(String(message));
        },
        range,
      };
    for (const [k, v] of Object.entries({ ...globals, ...variables })) env.set(k, v);
    return String(new Bounded(env, budget).run(this.#parsed)?.value);
  }
}
