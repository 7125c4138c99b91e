import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterBlob } from '../src/federated/checks.js';
import { writeBlob, writeEvidence, writeMessage, writeSeed } from '../src/federated/folder.js';
import { messageFile } from '../src/federated/messages.js';
import { signMessage } from '../src/federated/signing.js';
import { setSmall } from './run-settings.js';
import { TENSORS, type Case, beacon, federationCase, handIn, newRound, recordsOf } from './federated-case.js';

const bin = fileURLToPath(new URL('../bin/certune.js', import.meta.url));
const certune = (...args: string[]): { code: number | null; data: Record<string, unknown>; out: string } => {
  const r = spawnSync(process.execPath, [bin, 'fed', ...args], { encoding: 'utf8' });
  return {
    code: r.status,
    out: r.stdout + r.stderr,
    data: args.includes('--json') ? (JSON.parse(r.stdout) as Record<string, unknown>) : {},
  };
};

describe('certune fed', () => {
  let dir: string, c: Case;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-cli-'));
    c = federationCase(['ann', 'bob']);
    writeMessage(dir, c.federation.charter);
    for (const x of c.clients) writeMessage(dir, x.enrolment);
    writeSeed(dir, beacon(1));
    writeBlob(dir, adapterBlob(c.start, { tensors: TENSORS }));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('checks a folder and says what it did not check; judges evidence; simulates', () => {
    const r = newRound(c),
      [ann, bob] = c.clients,
      one = handIn(r, ann),
      two = handIn(r, ann, { records: recordsOf(r, ann, 4) });
    writeMessage(dir, r.plan);
    writeMessage(dir, one.commit);
    writeBlob(dir, one.blob);
    const found = certune('check', dir, '--json');
    expect(found.code).toBe(0);
    expect(found.data).toMatchObject({
      federation: c.federation.charter.digest,
      clients: 2,
      head: null,
      rounds: [{ round: 0, state: 'open' }],
    });
    expect(certune('check', dir).out.split('\n')[0]).toMatch(/NOT CHECKED: last state, first state, plan settings, beacon, times, data/);

    const shown = writeEvidence(dir, {
        charge: 'two-messages',
        party: 'ann',
        items: { first: one.commit.envelope, second: two.commit.envelope },
      }),
      said = certune('judge', shown, '--dir', dir, '--json');
    expect([said.code, said.data['guilty'], said.data['party']]).toEqual([0, true, 'ann']);
    const honest = writeEvidence(dir, {
      charge: 'bad-update',
      party: 'ann',
      items: { plan: r.plan.envelope, commit: one.commit.envelope },
    });
    expect(certune('judge', honest, '--dir', dir).code).toBe(1);
    expect(certune('judge', honest).code).toBe(2);

    const spec = join(dir, 'spec.json');
    writeFileSync(
      spec,
      JSON.stringify({ clients: 5, units: 4, coverage: [1, 5], beacons: 200, strategies: [{ name: 'one', clients: 1, bad: 1 }] }),
    );
    const s = certune('simulate', spec, '--json');
    expect([s.code, (s.data['rows'] as { formulaOne: number }[])[0].formulaOne]).toEqual([0, 0.2]);

    // A commit under somebody else's key.
    writeMessage(dir, signMessage('commit', handIn(r, bob).commit.body, ann.key));
    const bad = certune('check', dir, '--json');
    expect([bad.code, (bad.data['error'] as { check: string }).check]).toEqual([1, 'signature']);
  });
  it('refuses what it has no action for', () => {
    const [first] = c.clients,
      bundle = (at: string, ...args: string[]) => {
        const r = certune('bundle', at, ...args, '--json');
        return [r.code, r.data['error']] as const;
      },
      tiny = fileURLToPath(new URL('./data/tiny', import.meta.url));
    // What fed bundle needs, before anything is read; then what the folder must have.
    expect(bundle(dir)).toEqual([2, expect.objectContaining({ code: 'usage', message: expect.stringMatching(/needs --base/) as string })]);
    for (const round of [[], ['--round', '-1'], ['--round', 'one']])
      expect(bundle(dir, '--base', tiny, ...round)).toEqual([
        2,
        expect.objectContaining({ code: 'usage', message: expect.stringMatching(/needs --round, the number of a round/) as string }),
      ]);
    expect(bundle(join(dir, 'none'), '--base', tiny, '--round', '0')).toEqual([3, expect.objectContaining({ code: 'unreadable' })]);
    expect(bundle(dir, '--base', tiny, '--round', '0')).toEqual([
      3,
      expect.objectContaining({ code: 'unreadable', file: dir, problems: ['holds no manifest of a client'] }),
    ]);
    // A federation of another release.
    const old = join(dir, 'old'),
      { envelope } = c.federation.charter,
      payload = new TextEncoder().encode(new TextDecoder().decode(envelope.payload).replace('"version":2', '"version":1'));
    writeMessage(old, first.enrolment);
    writeFileSync(join(old, 'charter.json'), messageFile({ ...envelope, payload }));
    for (const args of [
      ['check', old],
      ['bundle', old, '--base', tiny, '--round', '0'],
    ])
      expect(certune(...args, '--json')).toMatchObject({
        code: 5,
        data: { error: { code: 'unsupported-version', version: 1, supported: 2, message: expect.stringMatching(/fed init/) as string } },
      });
    for (const args of [
      ['dance', dir],
      ['serve', dir],
      ['step', dir],
      ['enrol', dir],
      ['init', dir],
      ['check'],
      ['simulate', join(dir, 'none.json')],
    ])
      expect(certune(...args).code, args.join(' ')).toBeGreaterThan(1);
  });
});

/** One client and a server as two processes over HTTPS: a round whose drawn unit is proved, by commands alone. */
describe('certune fed, the roles', () => {
  let dir: string;
  const at = (...p: string[]): string => join(dir, ...p),
    data = (name: string): string => fileURLToPath(new URL(`./data/${name}`, import.meta.url));
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-roles-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('enrol, serve, train, prove and check', async () => {
    copyFileSync(data('pairs.jsonl'), at('rows.jsonl'));
    writeFileSync(at('rows.jsonl'), readFileSync(at('rows.jsonl'), 'utf8').split('\n').slice(0, 4).join('\n'));
    const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' });
    expect(run('init', at('run'), '--model', data('tiny'), '--data', at('rows.jsonl')).status).toBe(0);
    setSmall(at('run'), { sequence: 16, mode: 'private', key: 'null' });
    expect(run('commit', at('run')).stderr).not.toMatch(/error/i);
    const ann = certune('enrol', at('ann'), '--run', at('run'), '--client', 'ann', '--json');
    expect(ann.code, ann.out).toBe(0);
    const made = certune(
      'init',
      at('server'),
      ...[
        '--run',
        at('run'),
        '--allow',
        String(ann.data['key']),
        '--coverage',
        '50',
        '--rounds',
        '1',
        '--commit-seconds',
        '3000',
        '--json',
      ],
    );
    expect(made.code, made.out).toBe(0);

    const port = 20_000 + (process.pid % 20_000),
      server = spawn(process.execPath, [
        bin,
        ...[
          'fed',
          'serve',
          at('server'),
          '--listen',
          `127.0.0.1:${port}`,
          '--cert',
          data('localhost-cert.pem'),
          '--tls-key',
          data('localhost-key.pem'),
        ],
      ]);
    let log = '';
    for (const s of [server.stdout, server.stderr]) s.on('data', (b: Buffer) => (log += b.toString()));
    const ended = new Promise<number | null>((done) => server.on('exit', done));
    try {
      while (!/listens on/.test(log) && server.exitCode === null) await new Promise((done) => setTimeout(done, 100));
      const client = (...args: string[]): Promise<{ code: number | null; out: string }> =>
        new Promise((done) => {
          const p = spawn(process.execPath, [bin, 'fed', ...args]);
          let out = '';
          for (const s of [p.stdout, p.stderr]) s.on('data', (b: Buffer) => (out += b.toString()));
          p.on('exit', (code) => done({ code, out }));
        });
      const joined = await client(
        ...[
          'enrol',
          at('ann'),
          '--server',
          `https://localhost:${port}`,
          '--ca',
          data('localhost-cert.pem'),
          '--charter',
          String(made.data['charter']),
        ],
      );
      expect(joined.code, joined.out).toBe(0);
      const done = await client('client', at('ann'), '--rounds', '1');
      expect(done.code, done.out + log).toBe(0);
      expect(await ended, log).toBe(0);
    } finally {
      server.kill();
    }
    expect(existsSync(at('server', 'public', 'rounds', '0', 'record.json'))).toBe(true);
    const found = certune('check', at('server', 'public'), '--base', data('tiny'));
    expect(found.code, found.out).toBe(0);
    expect(found.out).toMatch(/round 0: final, 1 updates summed, 1 proof of units checked here/);
    expect(found.out).toMatch(/not checked: beacon: a TEST beacon, a chain of the charter's own/);

    // The proved unit becomes a certificate; there is none of a round that is not.
    const shared = at('server', 'public'),
      none = certune('bundle', shared, '--base', data('tiny'), '--round', '9', '--json'),
      bundled = certune('bundle', shared, '--base', data('tiny'), '--round', '0', '--json');
    expect([none.code, none.data]).toMatchObject([3, { error: { code: 'unreadable', problems: ['is no round of this federation'] } }]);
    expect([bundled.code, bundled.data]).toMatchObject([0, { round: 0, certificates: [{ units: 1 }] }]);
    const [{ file, bytes }] = bundled.data['certificates'] as { file: string; bytes: number }[];
    expect(readFileSync(file)).toHaveLength(bytes);
  });
});
