/** A line of a table, and what is wrong with it where something is. */
export interface TableLine {
  readonly fields: readonly string[];
  readonly problem?: string;
}

/**
 * Lines of a table of comma- or tab-separated values (RFC 4180): fields in double quotes hold separators, line feeds
 * and, doubled, quotes. Empty lines are passed over.
 */
export function* readTable(text: string, separator: ',' | '\t'): Generator<TableLine> {
  const plain = new RegExp(`[^${separator}\\r\\n]*`, 'y');
  let at = 0;
  while (at < text.length) {
    const fields: string[] = [];
    let problem: string | undefined;
    for (;;) {
      if (text[at] === '"') {
        let value = '';
        for (at++; ; ) {
          const quote = text.indexOf('"', at);
          if (quote < 0) {
            problem = 'has a quote that is not closed';
            at = text.length;
            break;
          }
          value += text.slice(at, quote);
          at = quote + 1;
          if (text[at] !== '"') break;
          value += '"';
          at++;
        }
        fields.push(value);
        plain.lastIndex = at;
        if (plain.exec(text)![0] !== '') {
          problem ??= 'has text behind a closed quote';
          at = plain.lastIndex;
        }
      } else {
        plain.lastIndex = at;
        fields.push(plain.exec(text)![0]);
        at = plain.lastIndex;
      }
      if (text[at] !== separator) break;
      at++;
    }
    if (text.startsWith('\r\n', at)) at += 2;
    else at++;
    if (fields.length > 1 || fields[0] !== '' || problem !== undefined) yield { fields, ...(problem === undefined ? {} : { problem }) };
  }
}
