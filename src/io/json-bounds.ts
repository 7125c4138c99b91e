/** JSON that is refused: the message completes "FILE ...". */
export class JsonError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JsonError';
  }
}

export interface JsonBounds {
  /** Objects and lists within one another. */ readonly depth: number;
  /** Values of all kinds, keys included. */ readonly values: number;
}

/** Deeper than any file that is read here, and far from where a function that calls itself would end. */
export const JSON_DEPTH = 64;

/**
 * Bounds of files of which the kind says nothing else: two million values are some hundred MiB once they are objects.
 */
const BOUNDS: JsonBounds = { depth: JSON_DEPTH, values: 2 ** 21 };

/**
 * Throws JsonError where text that may be JSON is deeper or has more values than the bounds: told from its characters,
 * before anything is made of it.
 */
export function checkBounds(text: string, { depth, values }: JsonBounds = BOUNDS): void {
  let now = 0,
    count = 1;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      // To the end of the string: a quote after an even number of backslashes.
      for (i++; i < text.length; i++) {
        const d = text.charCodeAt(i);
        if (d === 0x5c) i++;
        else if (d === 0x22) break;
      }
    } else if (c === 0x7b || c === 0x5b) {
      count++;
      if (++now > depth) throw new JsonError(`is nested deeper than ${depth} objects and lists`);
    } else if (c === 0x7d || c === 0x5d) now--;
    else if ((c === 0x2c || c === 0x3a) && ++count > values) throw new JsonError(`holds more than ${values} values`);
  }
  if (count > values) throw new JsonError(`holds more than ${values} values`);
}

/**
 * Parses text within bounds. Throws JsonError, whose message tells where but not what: the file may be one that should
 * not have been read.
 */
export function parseJson(text: string, bounds: JsonBounds = BOUNDS): unknown {
  checkBounds(text, bounds);
  try {
    return JSON.parse(text);
  } catch (e) {
    const at = / at (position \d+(?: \(line \d+ column \d+\))?)/.exec((e as Error).message)?.[1];
    throw new JsonError(`is not JSON${at === undefined ? '' : `, from ${at} on`}`);
  }
}
