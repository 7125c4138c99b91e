/** A heap: least rank first. */
export class Queue<T> {
  readonly #heap: T[] = [];
  constructor(readonly rank: (x: T) => number) {}

  get size(): number {
    return this.#heap.length;
  }
  first(): T | undefined {
    return this.#heap[0];
  }
  push(x: T): void {
    const h = this.#heap;
    let i = h.push(x) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (this.rank(h[up]) <= this.rank(h[i])) break;
      [h[up], h[i]] = [h[i], h[up]];
      i = up;
    }
  }
  pop(): T | undefined {
    const h = this.#heap,
      top = h[0],
      last = h.pop();
    if (last === undefined || !h.length) return last;
    h[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const c of [2 * i + 1, 2 * i + 2]) if (c < h.length && this.rank(h[c]) < this.rank(h[least])) least = c;
      if (least === i) return top;
      [h[least], h[i]] = [h[i], h[least]];
      i = least;
    }
  }
  /** Takes the first one that is wanted; those before it stay. */
  take(wanted: (x: T) => boolean): T | undefined {
    const passed: T[] = [];
    let found: T | undefined;
    for (let x = this.pop(); x !== undefined; x = this.pop()) {
      if (wanted(x)) {
        found = x;
        break;
      }
      passed.push(x);
    }
    for (const x of passed) this.push(x);
    return found;
  }
  keep(wanted: (x: T) => boolean): void {
    const left = this.#heap.filter(wanted);
    this.#heap.length = 0;
    for (const x of left) this.push(x);
  }
}
