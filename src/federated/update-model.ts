import type { Symbols } from './range-coder.js';

/*
 * What is known of a difference before it is read, in integers: a distribution over cells of [-span, span].
 *
 * AdamW divides a gradient by its own size, so that magnitudes tell little; but the gradient of a matrix of low rank is
 * a sum of few outer products, and its rows at neighbouring ranks go together, or against each other. So every value is
 * predicted from the values of the ranks before it at the same place:
 *
 *   e_k = x_k - mu_k,   mu_j = sum_{k < j} (sum x_j e_k) / (sum e_k^2) e_k
 *
 * with sums over the places before (Gram-Schmidt as the values come). Beside the prediction stands zero; each with
 * bells of three widths in proportion to the root mean square of its own errors; and a histogram of magnitudes. The one
 * that would have taken the fewest bits of late is used. A bell is the sum of four uniform variables, whose
 * distribution is exact in integers.
 *
 * Numbers are scaled so that the span is 2^12; sums are halved every 2^12 places. All products stay below 2^52, so that
 * floor(a / b) of doubles is the quotient of integers on every machine.
 */

/** Most cells of the span. */
const CELLS = 64;
/** The span in the model's units. */
const UNIT = 2 ** 12;
/** Most ranks that one is predicted from: the work per value is bounded by it. */
const REACH = 8;
/** Places after which sums are halved. */
const HALVED = 2 ** 12;
/** Total of a bell's frequencies, and what every cell has of them at least. */
const TOTAL = 2 ** 16,
  LEAST = 8;
/** Widths of the bells, in eighths of the root mean square of the errors. */
const WIDTHS = [6, 8, 12] as const;
/** What a magnitude adds to the histogram, and the sum at which it is halved. */
const COUNT = 32,
  MOST_COUNTS = 2 ** 15;
/** Bits of a choice are forgotten by 2^-7 a value. */
const FORGET = 128;

/**
 * Distribution of the sum of four uniform variables at t / QUARTER, in units of 2^-16: the polynomial of degree four
 * sum_k (-1)^k C(4, k) max(0, t - k QUARTER)^4 / 24 QUARTER^4. Its deviation is sqrt(4 / 12) QUARTER.
 */
const QUARTER = 128,
  BELL = Uint32Array.from({ length: 4 * QUARTER + 1 }, (_, t) => {
    let sum = 0;
    [1, -4, 6, -4, 1].forEach((c, k) => {
      if (t > k * QUARTER) sum += c * (t - k * QUARTER) ** 4;
    });
    return Math.floor((sum * TOTAL) / (24 * QUARTER ** 4));
  });
/** QUARTER * sqrt(1 / 3), times 8 for the widths, at 10 fraction bits. */
const SLOPE = Math.round(QUARTER * 8 * 591.2),
  FRACTION = 10;

/** 16 - log2(p) for p out of 2^16, in units of 2^-8, the mantissa taken as linear: enough to compare choices. */
function cost(p: number): number {
  const bits = 31 - Math.clz32(p);
  return 256 * (16 - bits) - (((p << (16 - bits)) & 0xffff) >> 8);
}

/** Integer root, rounded down. */
function root(n: number): number {
  let r = Math.floor(Math.sqrt(n));
  while (r * r > n) r--;
  while ((r + 1) * (r + 1) <= n) r++;
  return r;
}

/** Where the values of a matrix of an adapter lie: a layer after the other, in each of them ranks `stride` apart. */
export interface Shape {
  readonly cells: number;
  readonly layer: number;
  readonly ranks: number;
  readonly stride: number;
}

/** Sums of one layer of a matrix. */
interface Sums {
  /** Of x_j e_k and of e_k^2 over the places that j has seen, by j REACH + (k mod REACH). */
  readonly cross: Float64Array;
  readonly power: Float64Array;
  /** Of e_j^2, of x_j^2, and the places seen. */
  readonly error: Float64Array;
  readonly plain: Float64Array;
  readonly seen: Float64Array;
  /** Errors of the layer's values. */ readonly errors: Int32Array;
}

/** Before any place was seen: as if two had been at half the span, and a little less beside the prediction. */
const PLACES = 2,
  PLAIN = PLACES * (UNIT / 2) ** 2,
  ERROR = Math.floor((7 * PLAIN) / 10),
  /** What the sums of e_k^2 begin with. */ RIDGE = PLAIN / 4;

/** A bell over the cells: where it begins and ends, its centre and slope. */
interface Bell {
  readonly mu: number;
  readonly slope: number;
  readonly low: number;
  readonly mass: number;
}

/**
 * The model of one update. Values come in order; for each of them `next`, then `symbol` or `find`, then `seen`.
 */
export class UpdateModel {
  #span = 0;
  #cells = 0;
  #width = 0;
  #edges = new Int32Array(0);
  #counts = new Uint32Array(0);
  #counted = 0;
  /** Bits of the choices of late: of values without a prediction, and with one. The last choice is the histogram. */
  readonly #scores = [new Float64Array(1 + WIDTHS.length), new Float64Array(1 + 2 * WIDTHS.length)];
  #at = 0;
  #tensor = -1;
  #begin = 0;
  #end = 0;
  #sums: Sums | undefined;
  #inside = 0;
  #rank = 0;
  #mu = 0;
  #bells: Bell[] = [];
  #choice = 0;

  /** For values of a tensor of magnitude at most its span. */
  constructor(private readonly tensors: readonly (Shape & { readonly span: number })[]) {}

  /** The cell of a value. */
  cellOf(d: number): number {
    return Math.floor(((d + this.#span) * this.#cells) / this.#width);
  }
  /** First value of a cell; of the cell after the last, the value after the last. */
  first(cell: number): number {
    return Math.ceil((cell * this.#width) / this.#cells) - this.#span;
  }

  /** Comes to the next value. */
  next(): void {
    if (this.#at === this.#end) this.#enter();
    const { layer, ranks, stride } = this.tensors[this.#tensor];
    this.#inside = (this.#at - this.#begin) % layer;
    if (this.#inside === 0 || !this.#sums) this.#sums = emptySums(ranks, layer, this.#sums);
    this.#rank = Math.floor(this.#inside / stride) % ranks;
    this.#mu = this.#predicted(this.#sums, stride);
    const s = this.#scores[this.#rank > 0 ? 1 : 0];
    this.#choice = 0;
    for (let i = 1; i < s.length; i++) if (s[i] < s[this.#choice]) this.#choice = i;
    this.#bells = this.#bellsOf(this.#sums);
  }

  /** The cell as a symbol. */
  symbol(cell: number): Symbols {
    const b = this.#bells[this.#choice];
    if (b) {
      const cum = this.#below(b, cell);
      return { cum, freq: this.#below(b, cell + 1) - cum, total: TOTAL };
    }
    let cum = 0;
    for (let c = 0; c < cell; c++) cum += this.#counts[this.#mirror(c)];
    return { cum, freq: this.#counts[this.#mirror(cell)], total: this.#counted };
  }
  /** Total of the symbols of the value that comes. */
  get total(): number {
    return this.#bells[this.#choice] ? TOTAL : this.#counted;
  }
  /** The cell that a target below the total lies in. */
  find(target: number): number {
    let low = 0,
      high = this.#cells;
    // The symbol of `low` begins at or below the target, that of `high` beyond it.
    while (high - low > 1) {
      const mid = (low + high) >> 1;
      if (this.symbol(mid).cum <= target) low = mid;
      else high = mid;
    }
    return low;
  }

  /** Takes in the value that came. */
  seen(d: number): void {
    const cell = this.cellOf(d),
      x = Math.floor((d * UNIT) / this.#span),
      s = this.#scores[this.#rank > 0 ? 1 : 0],
      m = this.#mirror(cell);
    this.#bells.forEach((b, i) => this.#score(s, i, this.#below(b, cell + 1) - this.#below(b, cell)));
    this.#score(s, s.length - 1, Math.floor((this.#counts[m] * TOTAL) / this.#counted));
    this.#counts[m] += COUNT;
    this.#counted += 2 * m + 1 === this.#cells ? COUNT : 2 * COUNT;
    if (this.#counted > MOST_COUNTS) {
      for (let i = 0; i < this.#counts.length; i++) this.#counts[i] = (this.#counts[i] + 1) >> 1;
      this.#count();
    }
    this.#learn(this.#sums!, x);
    this.#at++;
  }

  /** Comes to the next tensor. Counts of magnitudes go on, as long as there are as many cells. */
  #enter(): void {
    const { cells, span } = this.tensors[++this.#tensor];
    this.#begin = this.#end;
    this.#end += cells;
    this.#span = span;
    this.#width = 2 * span + 1;
    const n = Math.min(CELLS, this.#width);
    if (n === this.#cells) return;
    this.#cells = n;
    this.#edges = Int32Array.from({ length: n + 1 }, (_, c) => Math.floor((2 * UNIT * c) / n) - UNIT);
    this.#counts = new Uint32Array(Math.ceil(n / 2)).fill(COUNT);
    this.#count();
  }
  #score(s: Float64Array, i: number, p: number): void {
    s[i] += cost(p) - Math.floor(s[i] / FORGET);
  }
  /** Cells of one magnitude have one count. */
  #mirror(cell: number): number {
    return Math.min(cell, this.#cells - 1 - cell);
  }
  #count(): void {
    this.#counted = 0;
    for (let c = 0; c < this.#cells; c++) this.#counted += this.#counts[this.#mirror(c)];
  }

  /** Prediction from the ranks before, the nearest REACH of them. */
  #predicted({ cross, power, errors }: Sums, stride: number): number {
    const j = this.#rank;
    let mu = 0;
    for (let k = Math.max(0, j - REACH); k < j; k++) {
      const at = j * REACH + (k % REACH);
      mu += Math.floor((cross[at] * errors[this.#inside - (j - k) * stride]) / power[at]);
    }
    return Math.max(-UNIT, Math.min(UNIT, mu));
  }
  #bellsOf({ plain, error, seen }: Sums): Bell[] {
    const j = this.#rank,
      of = (mu: number, sum: number): Bell[] => {
        const deviation = Math.max(1, root(Math.floor(sum / seen[j])));
        return WIDTHS.map((w) => {
          const slope = Math.floor(SLOPE / (deviation * w)),
            low = bell(mu, slope, -UNIT);
          return { mu, slope, low, mass: bell(mu, slope, UNIT) - low };
        });
      };
    return j > 0 ? [...of(0, plain[j]), ...of(this.#mu, error[j])] : of(0, plain[j]);
  }
  /** What lies below a cell under a bell that is cut off at the span; every cell has LEAST. */
  #below({ mu, slope, low, mass }: Bell, cell: number): number {
    return Math.floor(((bell(mu, slope, this.#edges[cell]) - low) * (TOTAL - LEAST * this.#cells)) / mass) + LEAST * cell;
  }
  #learn({ cross, power, error, plain, seen, errors }: Sums, x: number): void {
    const { stride } = this.tensors[this.#tensor],
      j = this.#rank,
      e = x - this.#mu;
    for (let k = Math.max(0, j - REACH); k < j; k++) {
      const at = j * REACH + (k % REACH),
        before = errors[this.#inside - (j - k) * stride];
      cross[at] += x * before;
      power[at] += before * before;
    }
    errors[this.#inside] = e;
    error[j] += e * e;
    plain[j] += x * x;
    if (++seen[j] < HALVED) return;
    seen[j] = HALVED / 2;
    plain[j] = Math.floor(plain[j] / 2);
    error[j] = Math.floor(error[j] / 2);
    for (let k = j * REACH; k < (j + 1) * REACH; k++) {
      cross[k] = Math.trunc(cross[k] / 2);
      power[k] = Math.ceil(power[k] / 2);
    }
  }
}

/** The distribution of a bell at an edge, out of 2^16. */
const bell = (mu: number, slope: number, edge: number): number =>
  BELL[Math.max(0, Math.min(4 * QUARTER, 2 * QUARTER + (((edge - mu) * slope) >> FRACTION)))];

/**
 * Sums of a layer that begins, in the place of those before where they have the same size: there may be as many layers
 * as values. Errors are written before they are read, and need no zeros.
 */
function emptySums(ranks: number, layer: number, before: Sums | undefined): Sums {
  const s =
    before?.seen.length === ranks && before.errors.length === layer
      ? before
      : {
          cross: new Float64Array(ranks * REACH),
          power: new Float64Array(ranks * REACH),
          error: new Float64Array(ranks),
          plain: new Float64Array(ranks),
          seen: new Float64Array(ranks),
          errors: new Int32Array(layer),
        };
  s.cross.fill(0);
  s.power.fill(RIDGE);
  s.error.fill(ERROR);
  s.plain.fill(PLAIN);
  s.seen.fill(PLACES);
  return s;
}
