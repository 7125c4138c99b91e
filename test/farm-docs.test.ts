import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { commands } from '../src/cli/program.js';
import { Progress } from '../src/cli/progress.js';
import { BullDispatcher } from '../src/engine/bullmq.js';
import { JOB_KINDS, MEMORY_CLASSES } from '../src/engine/jobs.js';
import { TLS, freePort, noRedis } from './redis.js';

/* What docs/farm.md and examples/farm tell to set up: files that those who read them take, and commands that exist. */

const root = fileURLToPath(new URL('..', import.meta.url)),
  text = (f: string): string => readFileSync(join(root, f), 'utf8'),
  example = (f: string): string => text(`examples/farm/${f}`),
  page = text('docs/farm.md');

const program = commands({ progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} }, () => {}),
  farm = program.commands.find((c) => c.name() === 'farm')!;
/** What a command line of a farm has that the command does not. */
function unknown(line: string): string[] {
  const m = /certune farm (\w+)\s?(.*)$/.exec(line),
    c: Command | undefined = farm.commands.find((x) => x.name() === m?.[1]);
  if (!m || !c) return [line];
  const all = [...c.options, ...farm.options, ...program.options].map((o) => o.long);
  return (m[2].match(/--[a-z-]+/g) ?? []).filter((o) => !all.includes(o) && o !== '--quiet' && o !== '--json');
}

describe('the set-up of a farm on two machines', () => {
  it('has a compose file whose services, volumes and commands are there', () => {
    const c = parse(example('compose.yaml'), { strict: true, uniqueKeys: true }) as {
      services: Record<string, { image: string; command: string; volumes: string[]; depends_on?: string[] | Record<string, unknown> }>;
      volumes: Record<string, unknown>;
    };
    expect(Object.keys(c.services)).toEqual(['redis', 'coordinator', 'worker']);
    for (const [name, s] of Object.entries(c.services)) {
      expect(typeof s.image, name).toBe('string');
      const needs = Array.isArray(s.depends_on) ? s.depends_on : Object.keys(s.depends_on ?? {});
      for (const d of needs) expect(c.services[d], d).toBeDefined();
      for (const v of s.volumes) {
        expect(v).toMatch(/^([\w./-]+:)?\/[\w/-]+(:ro)?$/);
        if (/^\w+:/.test(v)) expect(Object.keys(c.volumes)).toContain(v.split(':')[0]);
      }
      if (name !== 'redis') expect(unknown(s.command)).toEqual([]);
    }
    expect(c.services['redis'].command).toMatch(/--appendonly yes --maxmemory-policy noeviction/);
  });

  it('has units that systemd takes', () => {
    const units = readdirSync(join(root, 'examples/farm')).filter((f) => f.endsWith('.service'));
    expect(units.sort()).toEqual(['certune-farm.service', 'certune-worker.service']);
    for (const u of units) {
      const lines = example(u)
          .split('\n')
          .filter((l) => l && !l.startsWith('#')),
        start = lines.find((l) => l.startsWith('ExecStart='))!;
      expect(lines.filter((l) => l.startsWith('['))).toEqual(['[Unit]', '[Service]', '[Install]']);
      for (const l of lines) expect(l).toMatch(/^(\[\w+\]|[A-Z]\w+=\S.*)$/);
      expect(unknown(start)).toEqual([]);
    }
    const p = spawnSync('systemd-analyze', ['verify', ...units.map((u) => join(root, 'examples/farm', u))], { encoding: 'utf8' });
    // Where there is none, or none that runs, the forms above are all that is known.
    if (p.error || p.status === null) return;
    const said = p.stderr.split('\n').filter((l) => /certune-(farm|worker)\.service/.test(l) && !/is not executable/.test(l));
    expect(said).toEqual([]);
  });

  it('has an environment that is read', () => {
    const names = example('farm.env')
      .split('\n')
      .filter((l) => l && !l.startsWith('#'))
      .map((l) => /^([A-Z_]+)=\S+$/.exec(l)?.[1]);
    for (const n of names) expect(text('src/engine/bullmq.ts')).toContain(`${n}:`);
    expect(names.length).toBe(3);
  });

  it('has a dashboard behind a password, of every queue that there is, which writes nothing', async () => {
    const of = {
        '@bull-board/api': 'export const createBullBoard = ({ queues }) => { globalThis.board = queues; };',
        '@bull-board/api/bullMQAdapter': `export class BullMQAdapter {
          constructor({ name, o }, options) { Object.assign(this, { name, ...options, prefix: o.prefix, metas: !o.skipMetasUpdate }); } }`,
        '@bull-board/express': `export class ExpressAdapter {
          getRouter() { return (req, res) => res.end(JSON.stringify(globalThis.board)); } }`,
        bullmq: 'export class Queue { constructor(name, o) { Object.assign(this, { name, o }); } }',
        ioredis: 'export class Redis { constructor(url) { if (!/^redis/.test(url)) throw new Error(url); } }',
        // As much of it as the example asks for.
        express: `import { createServer } from 'node:http';
          export default () => {
            const all = [], app = {
              use(...x) { all.push(x.at(-1)); return app; },
              listen(port, host, f) {
                createServer((req, res) => {
                  res.set = (name, value) => res.setHeader(name, value);
                  res.sendStatus = (n) => { res.statusCode = n; res.end(); };
                  let i = 0;
                  const next = () => all[i++](req, res, next);
                  next();
                }).listen(port, host, f);
              },
            };
            return app;
          };`,
      },
      resolve = `const of = ${JSON.stringify(of)};
        export const resolve = async (name, context, next) =>
          name in of ? { url: 'data:text/javascript,' + encodeURIComponent(of[name]), shortCircuit: true } : next(name, context);`,
      hook = `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(resolve)}));`,
      port = String(await freePort()),
      run = (env: NodeJS.ProcessEnv): ReturnType<typeof spawn> =>
        spawn(
          process.execPath,
          ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, join(root, 'examples/farm/board.mjs'), 'redis://localhost:1'],
          { env: { ...process.env, ...env } },
        ),
      manifest = `sha256:${'ab'.repeat(32)}`,
      p = run({ MANIFEST: manifest, BOARD_PASSWORD: 'a-long-password', BOARD_PORT: port });
    try {
      let said = '';
      p.stderr!.on('data', (b: Buffer) => (said += b.toString()));
      await new Promise<void>((resolve, reject) => {
        p.stdout!.on('data', () => resolve());
        p.on('close', () => reject(new Error(said)));
      });
      const ask = (password: string | undefined, method = 'GET'): Promise<Response> =>
        fetch(`http://127.0.0.1:${port}/`, {
          method,
          ...(password === undefined ? {} : { headers: { authorization: `Basic ${Buffer.from(`farm:${password}`).toString('base64')}` } }),
        });
      expect((await ask(undefined)).status).toBe(401);
      expect((await ask('another')).headers.get('www-authenticate')).toBe('Basic realm="farm"');
      for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) expect((await ask('a-long-password', method)).status).toBe(405);
      const queues = (await (await ask('a-long-password')).json()) as Record<string, unknown>[];
      expect(queues).toEqual(
        JOB_KINDS.flatMap((kind) => MEMORY_CLASSES.map((m) => `${kind}-${m}`)).map((name) => ({
          name,
          readOnlyMode: true,
          prefix: 'certune-abababababababab',
          metas: false,
        })),
      );
    } finally {
      p.removeAllListeners('close');
      p.kill('SIGKILL');
    }
    for (const env of [
      { MANIFEST: manifest, BOARD_PASSWORD: '' },
      { MANIFEST: 'x', BOARD_PASSWORD: 'x' },
    ])
      expect(await new Promise((r) => run(env).on('exit', r))).toBe(1);
  });

  it('has a redis.conf with which Redis starts, and which a coordinator takes', async (t) => {
    const none = await noRedis();
    if (none !== undefined) return t.skip(none);
    const dir = mkdtempSync(join(tmpdir(), 'certune-redis-conf-')),
      port = String(await freePort()),
      key = TLS.ca.replace('cert.pem', 'key.pem'),
      files = ['--tls-cert-file', TLS.ca, '--tls-key-file', key, '--tls-ca-cert-file', TLS.ca],
      p = spawn('redis-server', [join(root, 'examples/farm/redis.conf'), '--dir', dir, '--tls-port', port, ...files]),
      before = { ...process.env };
    try {
      let said = '';
      await new Promise<void>((resolve, reject) => {
        p.stdout.on('data', (b: Buffer) => {
          said += b.toString();
          if (/Ready to accept connections/.test(said)) resolve();
        });
        p.stderr.on('data', (b: Buffer) => (said += b.toString()));
        p.on('close', () => reject(new Error(said)));
      });
      Object.assign(process.env, { CERTUNE_REDIS_USER: TLS.user, CERTUNE_REDIS_PASSWORD: TLS.password, CERTUNE_REDIS_CA: TLS.ca });
      const d = await BullDispatcher.open(`rediss://localhost:${port}`, `sha256:${'0'.repeat(64)}`, new Uint8Array(32));
      expect(await d.counts()).toEqual({ waiting: 0, active: 0 });
      await d.close();
    } finally {
      process.env = before;
      p.removeAllListeners('close');
      p.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('says of every fault which test does it', () => {
    const rows = [...page.matchAll(/^\| ([^|]+) \| `(test\/farm[\w-]*\.test\.ts)`: "([^"|]+)" \| ([^|]+) \|$/gm)];
    expect(rows.length).toBeGreaterThan(18);
    for (const [, fault, file, name] of rows) expect(text(file), `${fault}: ${name}`).toContain(name);
  });
});
