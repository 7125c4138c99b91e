import { CommanderError } from 'commander';
import type { Context, Result } from './common.js';
import { describe } from './errors.js';
import { jsonLine, lines, plain } from '../io/escape.js';
import { commands } from './program.js';
import { Progress } from './progress.js';

/**
 * What a command tells whoever started it. `out`: folder in which unfinished files may lie. `err`: text for stderr.
 * `end`: exit code, with the text for stdout. `drains`: signals that it answers itself.
 */
export interface Told {
  readonly out?: string;
  readonly err?: string;
  readonly end?: number;
  readonly text?: string;
  readonly drains?: number;
}

/** Runs one command to its end, which it tells. */
export async function runCommand(
  argv: readonly string[],
  tty: boolean,
  post: (m: Told) => void,
  drains: NonNullable<Context['drains']>,
): Promise<void> {
  const json = argv.includes('--json'),
    progress = new Progress({ tty, quiet: argv.includes('--quiet'), write: (err) => post({ err }) });
  let result: Result | undefined,
    printed = '';
  const program = commands({ progress, writes: (out) => post({ out }), drains }, (r) => {
    result = r;
  });
  for (const x of [program, ...program.commands.flatMap((y) => [y, ...y.commands])])
    x.configureOutput({
      writeOut: (t) => {
        printed += t;
      },
      writeErr: (err) => {
        if (!json) post({ err: lines(err) });
      },
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    post({ end: 0, text: result ? `${json ? jsonLine(result.data) : lines(result.text)}\n` : lines(printed) });
  } catch (e) {
    if (e instanceof CommanderError && e.exitCode === 0) post({ end: 0, text: lines(printed) });
    else {
      const d = describe(e);
      const message = d.message.replace(/^error: /, '');
      if (json) post({ end: d.exit, text: `${jsonLine({ error: { code: d.code, message, exit: d.exit, ...d.details } })}\n` });
      else {
        if (!(e instanceof CommanderError))
          progress.line(
            `certune: ${d.exit === 1 ? 'NOT VERIFIED: ' : d.exit === 4 ? 'verified, but denied: ' : ''}${plain(message)}`,
            true,
          );
        if (d.exit === 2) post({ err: 'certune --help and certune COMMAND --help list commands and options\n' });
        post({ end: d.exit, text: '' });
      }
      if (process.env['CERTUNE_DEBUG'] || d.code === 'internal') post({ err: lines(`${(e as Error).stack}\n`) });
    }
  }
}
