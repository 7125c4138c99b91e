/** How often something may happen: so many at once, and so many a second after that. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Most names that are counted at a time: the one that was seen longest ago is forgotten first. */
const MOST_NAMES = 10_000;

/** Token buckets by name. `now` is in milliseconds, of a clock that does not go back. */
export class Buckets {
  readonly #left = new Map<string, { tokens: number; at: number }>();
  constructor(
    readonly rate: Rate,
    readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes one of a name's; false where none is left. */
  take(name: string): boolean {
    const { burst, perSecond } = this.rate,
      now = this.now(),
      b = this.#left.get(name) ?? { tokens: burst, at: now },
      tokens = Math.min(burst, b.tokens + ((now - b.at) / 1000) * perSecond),
      has = tokens >= 1;
    this.#left.delete(name);
    this.#left.set(name, { tokens: has ? tokens - 1 : tokens, at: now });
    if (this.#left.size > MOST_NAMES) this.#left.delete(this.#left.keys().next().value!);
    return has;
  }
}
