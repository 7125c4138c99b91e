/** So many things are remembered: whoever sends many keys makes nothing grow. */
const MOST = 4;

/** What follows from a name and takes long to make, for the names that were asked for last. */
export class Recent<T> {
  readonly #known = new Map<string, T>();

  get(name: string, make: () => T): T {
    const value = this.#known.get(name) ?? make();
    // Names lie in the order in which they were last asked for.
    this.#known.delete(name);
    this.#known.set(name, value);
    if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value!);
    return value;
  }
}
