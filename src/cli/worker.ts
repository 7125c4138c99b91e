import { parentPort, workerData } from 'node:worker_threads';
import { type Told, runCommand } from './command.js';

/* Runs one command in a thread of its own: the main thread stays free to answer signals while kernels compute. */

const { argv, tty } = workerData as { argv: string[]; tty: boolean },
  post = (m: Told): void => parentPort!.postMessage(m);
await runCommand(argv, tty, post, (f, stop) => {
  const said = [f, ...(stop ? [stop] : [])];
  parentPort!.on('message', (m: { drain?: true }) => {
    if (m.drain) said.shift()?.();
  });
  // What waits for a signal keeps no command from its end.
  parentPort!.unref();
  post({ drains: said.length });
});
