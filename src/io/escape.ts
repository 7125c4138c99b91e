/*
 * What is printed comes from anyone: rows of data, prompts, what a model writes, names of files, words of manifests and
 * of errors. None of it may move a terminal's cursor, colour its letters, set its title, reorder what is read, or pass
 * for a line that a command wrote.
 */

/**
 * Controls of all kinds (C0, DEL, C1), format characters (those that reorder or hide among them), separators of lines
 * and paragraphs, halves of surrogate pairs.
 */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
  escaped = (c: string): string => `\\u{${c.codePointAt(0)!.toString(16)}}`;

/** One line of text, whatever is in it: every control character as an escape, line feeds too. */
export const plain = (text: string): string => text.replace(CONTROL, escaped);

/** Text of several lines: line feeds are lines and tabs tabs, everything else as in `plain`. */
export const lines = (text: string): string => text.replace(CONTROL, (c) => (c === '\n' || c === '\t' ? c : escaped(c)));

/**
 * A JSON document in one line: JSON.stringify leaves some control characters as they are, here they are escapes of
 * JSON. Throws what JSON.stringify throws.
 */
export const jsonLine = (x: unknown): string =>
  JSON.stringify(x).replace(CONTROL, (c) =>
    Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
