import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/* Debian's redis-server, started by a test itself; where there is none, or BullMQ is not installed, tests say so. */

/** Why there is no Redis to test with; undefined where there is. */
export async function noRedis(): Promise<string | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return 'no redis-server on this machine: apt-get install redis-server';
  for (const name of ['bullmq', 'ioredis'])
    try {
      await import(name);
    } catch {
      return `${name} is not installed: npm ci`;
    }
  return undefined;
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address() as { port: number };
      s.close(() => resolve(port));
    });
  });

const pem = (name: string): string => fileURLToPath(new URL(`./data/localhost-${name}.pem`, import.meta.url));
/** What a server is reached with by TLS: its own authority, one user with the rights that docs/farm.md names. */
export const TLS = { ca: pem('cert'), user: 'farm', password: 'a-long-password' };

/** A server of one's own, with what is to be killed and started again. */
export class RedisServer {
  #process: ChildProcess | undefined;
  constructor(
    readonly dir: string,
    readonly port: number,
    readonly more: readonly string[] = ['--appendonly', 'yes'],
    /** By TLS alone, for the user of `TLS` alone. */ readonly tls = false,
  ) {
    mkdirSync(dir, { recursive: true });
  }
  get url(): string {
    return this.tls ? `rediss://localhost:${this.port}` : `redis://127.0.0.1:${this.port}`;
  }
  #listen(): string[] {
    const port = String(this.port);
    if (!this.tls) return ['--port', port];
    const { user, password, ca } = TLS,
      files = ['--tls-cert-file', ca, '--tls-key-file', pem('key'), '--tls-ca-cert-file', ca, '--tls-auth-clients', 'no'],
      rights = [`>${password}`, '~certune-*', '&*', '+@all', '-@dangerous', '+info'];
    return ['--port', '0', '--tls-port', port, ...files, '--user', user, 'on', ...rights, '--user', 'default', 'off'];
  }
  async start(): Promise<void> {
    const p = spawn(
      'redis-server',
      [...this.#listen(), '--bind', '127.0.0.1', '--dir', this.dir, '--save', '', '--maxmemory-policy', 'noeviction', ...this.more],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    this.#process = p;
    await new Promise<void>((resolve, reject) => {
      let text = '';
      p.stdout!.on('data', (b: Buffer) => {
        text += b.toString();
        if (/Ready to accept connections/.test(text)) resolve();
      });
      p.on('exit', () => reject(new Error(`redis-server has ended: ${text.slice(-500)}`)));
    });
  }
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const p = this.#process;
    if (!p || p.exitCode !== null || p.signalCode !== null) return;
    await new Promise<void>((r) => {
      p.once('exit', () => r());
      p.kill(signal);
    });
  }
  /** Stops the process without ending it, as a machine that hangs. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }
  thaw(): void {
    this.#process?.kill('SIGCONT');
  }
  cli(...args: string[]): string {
    const { user, password, ca } = TLS,
      as = this.tls ? ['-h', 'localhost', '--tls', '--cacert', ca, '--user', user, '--pass', password, '--no-auth-warning'] : [];
    return spawnSync('redis-cli', ['-p', String(this.port), ...as, ...args], { encoding: 'utf8' }).stdout.trim();
  }
}
