import { Worker } from 'node:worker_threads';
import { jsonLine, lines } from '../io/escape.js';
import type { Told } from './command.js';
import { interrupted } from './interrupted.js';

/* A command in a thread of its own (worker.ts), while this one answers signals and writes. */

const argv = process.argv.slice(2),
  json = argv.includes('--json'),
  dirs: string[] = [];
let ended = false;
const end = (code: number, text: string): void => {
  if (ended) return;
  ended = true;
  process.exitCode = code;
  if (text) process.stdout.write(text);
};
const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: { argv, tty: process.stderr.isTTY === true } });
/** Signals that the command answers itself, and the last of them once it came. */
let drains = 0,
  last = false;
worker.on('message', (m: Told) => {
  if (m.drains) drains = m.drains;
  if (m.out !== undefined) dirs.push(m.out);
  if (m.err !== undefined) process.stderr.write(m.err);
  if (m.end !== undefined) end(m.end, m.text ?? '');
});
worker.on('error', (e: Error & { code?: string }) => {
  const memory = e.code === 'ERR_WORKER_OUT_OF_MEMORY',
    message = memory ? 'not enough memory for JavaScript objects: set NODE_OPTIONS=--max-old-space-size (MiB)' : (e.stack ?? e.message);
  process.stderr.write(`certune: ${lines(message)}\n`);
  end(
    memory ? 6 : 3,
    json ? `${jsonLine({ error: { code: memory ? 'out-of-memory' : 'internal', message, exit: memory ? 6 : 3 } })}\n` : '',
  );
});

// A thread that ends without a word has done nothing that could be called done.
worker.on('exit', () => {
  if (ended || stopping) return;
  const message = 'ended without a result';
  process.stderr.write(`certune: ${message}\n`);
  end(3, json ? `${JSON.stringify({ error: { code: 'internal', message, exit: 3 } })}\n` : '');
});

let stopping = false;
/** Milliseconds in which a command that gives up what it does has to end. */
const PATIENCE = 10_000;
const stop = (signal: string): void => {
  if (ended || stopping) process.exit(130);
  if (drains > 0) {
    const giveUp = last;
    // Of two signals the second gives up what is begun; a single one lets it be finished.
    last = --drains > 0;
    process.stderr.write(
      `\ncertune: ${signal}: ${giveUp ? 'what is begun is given up' : 'what is begun is finished; once more to give it up'}\n`,
    );
    worker.postMessage({ drain: true });
    // What does not answer in time is ended.
    if (giveUp) setTimeout(() => stop(signal), PATIENCE).unref();
    return;
  }
  stopping = true;
  const leave = async (): Promise<void> => {
    if (dirs.length) {
      const [{ sweep }, { dropLock }] = await Promise.all([import('../store/journal.js'), import('../store/lock.js')]);
      for (const d of new Set(dirs)) {
        sweep(d, process.pid);
        dropLock(d, process.pid);
      }
    }
    const { err, out, exit } = interrupted(signal, json);
    if (out) process.stdout.write(out);
    process.stderr.write(err, () => process.exit(exit));
  };
  // A thread deep in a kernel ends at its next loop; it is not waited for longer than this.
  const patience = setTimeout(() => void leave(), 3000);
  void worker.terminate().then(() => {
    clearTimeout(patience);
    void leave();
  });
};
process.on('SIGINT', () => stop('SIGINT'));
process.on('SIGTERM', () => stop('SIGTERM'));
