import { type Keywords, TemplateError, type Value, numeric, str, typeName } from './values.js';

/**
 * Arguments of a method, filter or function against its parameters, as Python binds them. What has no parameter is an
 * error.
 */
export class Args {
  readonly #values = new Map<string, Value>();
  constructor(
    readonly name: string,
    parameters: readonly string[],
    args: readonly Value[],
    keywords: Keywords,
  ) {
    if (args.length > parameters.length)
      throw new TemplateError(`${name} takes at most ${parameters.length} arguments, it is given ${args.length}`);
    args.forEach((v, i) => this.#values.set(parameters[i], v));
    for (const [k, v] of keywords) {
      if (!parameters.includes(k)) throw new TemplateError(`${name} has no argument ${k}`);
      if (this.#values.has(k)) throw new TemplateError(`${name} is given ${k} twice`);
      this.#values.set(k, v);
    }
  }
  has(key: string): boolean {
    return this.#values.has(key);
  }
  /** Any value, or the default. */
  any(key: string, otherwise?: Value): Value {
    const v = this.#values.has(key) ? this.#values.get(key) : otherwise;
    if (v === undefined) throw new TemplateError(`${this.name} needs the argument ${key}`);
    return v;
  }
  text(key: string, otherwise?: string): string {
    const v = this.any(key, otherwise);
    if (typeof v !== 'string') throw new TemplateError(`${this.name}: ${key} is ${typeName(v)}, not str`);
    return v;
  }
  /** str() of the value, as filters take their texts. */
  printed(key: string, otherwise?: string): string {
    return str(this.any(key, otherwise));
  }
  textOrNone(key: string): string | null {
    const v = this.any(key, null);
    return v === null ? null : this.text(key);
  }
  int(key: string, otherwise?: number): number {
    const v = this.any(key, otherwise);
    if (typeof v !== 'number' && typeof v !== 'boolean') throw new TemplateError(`${this.name}: ${key} is ${typeName(v)}, not int`);
    return numeric(v)!;
  }
  flag(key: string, otherwise: boolean): boolean {
    const v = this.any(key, otherwise);
    if (typeof v !== 'boolean') throw new TemplateError(`${this.name}: ${key} is ${typeName(v)}, not bool`);
    return v;
  }
}
