import { secondsText } from './common.js';
import { plain } from '../io/escape.js';

export interface ProgressOptions {
  readonly tty: boolean;
  readonly quiet: boolean;
  readonly write: (text: string) => void;
  readonly now?: () => number;
}

/**
 * Milliseconds between two lines where there is no terminal, and between two drawings of the bar where there is one.
 */
const LINES = 2000,
  DRAW = 80;

/**
 * Progress for people: a bar redrawn in place on a terminal, lines at most every two seconds otherwise. The time left
 * follows from what was done since `start`, and before anything was done from the estimate given there.
 */
export class Progress {
  #last = -Infinity;
  #began = 0;
  #from = 0;
  #guess: number | undefined;
  #done = 0;
  #at = 0;
  #open = false;
  constructor(readonly o: ProgressOptions) {}
  #now(): number {
    return this.o.now?.() ?? performance.now();
  }
  /** Begins to count: `done` units were found finished; `seconds` is what one unit is expected to take. */
  start(done: number, seconds?: number): void {
    this.#began = this.#now();
    this.#from = done;
    this.#done = done;
    this.#at = this.#began;
    this.#guess = seconds;
    this.#last = -Infinity;
  }
  /** `done` of `of` units are done, fractions allowed. */
  update(what: string, done: number, of: number): void {
    const text = plain(what);
    const now = this.#now(),
      end = done >= of;
    if (done > this.#done) {
      this.#done = done;
      this.#at = now;
    }
    if (this.o.quiet) return;
    if (!end && now - this.#last < (this.o.tty ? DRAW : LINES)) return;
    this.#last = now;
    const unit = this.#done > this.#from ? (this.#at - this.#began) / 1000 / (this.#done - this.#from) : this.#guess,
      since = (now - (this.#done > this.#from ? this.#at : this.#began)) / 1000,
      left = unit === undefined || end ? '' : `, ${secondsText(Math.max(0, unit * (of - Math.max(this.#done, this.#from)) - since))} left`,
      count = `${Math.floor(done)}/${of}`;
    if (!this.o.tty) {
      this.o.write(`${count} ${text}${left}\n`);
      return;
    }
    const w = 24,
      n = Math.round((w * done) / of);
    this.o.write(`\r\x1b[K[${'#'.repeat(n)}${'.'.repeat(w - n)}] ${count} ${text}${left}${end ? '\n' : ''}`);
    this.#open = !end;
  }
  /** A line of its own; `always`: also where progress is not wanted. */
  line(text: string, always = false): void {
    if (this.o.quiet && !always) return;
    this.o.write(`${this.#open ? '\r\x1b[K' : ''}${plain(text)}\n`);
    this.#open = false;
  }
}
