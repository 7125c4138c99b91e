/** Progress on stderr: one line redrawn on a terminal, plain lines otherwise. */
export class Progress {
  #last = 0;
  constructor(readonly quiet: boolean) {}
  update(text: string, done: number, of: number): void {
    if (this.quiet) return;
    if (process.stderr.isTTY) {
      const w = 24,
        n = Math.round((w * done) / of);
      process.stderr.write(`\r\x1b[K[${'#'.repeat(n)}${'.'.repeat(w - n)}] ${done}/${of} ${text}`);
      if (done === of) process.stderr.write('\n');
    } else if (done === of || Date.now() - this.#last > 2000) {
      this.#last = Date.now();
      process.stderr.write(`${done}/${of} ${text}\n`);
    }
  }
  line(text: string): void {
    if (!this.quiet) process.stderr.write(`${text}\n`);
  }
}
