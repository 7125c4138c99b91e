import { Script, createContext } from 'node:vm';
import { InputError } from '../errors.js';

/*
 * A limit on the time of what nothing else limits: a pattern of a stranger's tokenizer.json may take longer than
 * anybody waits for a text of thirty characters. Which patterns do cannot be told from their text in general; the
 * engine can be stopped while it matches, from a context with a time limit.
 */

/**
 * Seconds of computing that one piece of work may take beside those of its characters: a hundred times what tokenizers
 * of released models need.
 */
export const MOST_SECONDS = 1.5;

/** Work was ended because it took too long. */
export class TimeLimitError extends Error {
  constructor(readonly seconds: number) {
    super(`took more than ${seconds} seconds of computing`);
    this.name = 'TimeLimitError';
  }
}

const box: { work: () => void } = { work: () => {} };
let script: Script | undefined, context: object | undefined;

/**
 * What `work` gives, which must change nothing that matters where it is ended in the middle: it is begun again where
 * the time passed without its computing, as on a machine that others use. Throws TimeLimitError, and whatever `work`
 * throws.
 */
export function inTime<T>(work: () => T, seconds = MOST_SECONDS): T {
  script ??= new Script('work()');
  context ??= createContext(box);
  let wait = seconds;
  for (;;) {
    let out: { readonly value: T } | undefined;
    const before = box.work,
      start = process.cpuUsage();
    box.work = () => {
      out = { value: work() };
    };
    try {
      script.runInContext(context, { timeout: Math.ceil(1000 * wait) });
    } catch (e) {
      if ((e as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw e;
      const { user, system } = process.cpuUsage(start),
        computed = (user + system) / 1e6;
      if (computed >= seconds / 2) throw new TimeLimitError(seconds);
      wait = Math.min(4, Math.max(1.5, seconds / Math.max(computed, 1e-3))) * wait;
      continue;
    } finally {
      box.work = before;
    }
    return out!.value;
  }
}

/** Seconds that each character may add. */
const PER_CHARACTER = 4e-6;

/**
 * `inTime` for work of a tokenizer on so many characters. Throws InputError naming its file; `what` says for what it
 * took so long.
 */
export function encodedInTime<T>(file: string, characters: number, work: () => T, what: () => string = () => ''): T {
  try {
    return inTime(work, MOST_SECONDS + PER_CHARACTER * characters);
  } catch (e) {
    if (!(e instanceof TimeLimitError)) throw e;
    throw new InputError(
      file,
      [`one of its patterns takes longer than ${e.seconds.toFixed(1)} s ${what()}`.trim()],
      'use the tokenizer.json of the released base',
    );
  }
}
