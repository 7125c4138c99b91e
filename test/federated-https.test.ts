import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type RequestOptions, type Server, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkFolder } from '../src/federated/check-folder.js';
import { coordinate, finished } from '../src/federated/coordinator.js';
import { readEvidence, readFederation, readRound } from '../src/federated/folder.js';
import { type ServerAddress, TransportError, httpsTransport, mirror, serveFolder } from '../src/federated/https.js';
import { MOST_SENT } from '../src/federated/inbox.js';
import { messageFile } from '../src/federated/messages.js';
import { enrolmentOf, participate } from '../src/federated/participant.js';
import { signMessage } from '../src/federated/signing.js';
import { statesOf } from '../src/federated/states.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { newKey } from './federated-case.js';
import { type Clock, type Trainee, coordinatorIn, foundIn, participantKey, participantOf, trainee } from './federated-run.js';

const pem = (name: string): string => readFileSync(fileURLToPath(new URL(`./data/localhost-${name}.pem`, import.meta.url)), 'utf8');

/** Three clients over HTTPS on this machine, in the mode `after`; drawn units are opened, not proved. */
describe('a federation over HTTPS', () => {
  let k: Kernels, dir: string, at: string, clients: Trainee[], server: Server, address: ServerAddress;
  const clock: Clock = { at: 1_000_050 };
  /** A request as anybody can make it: status and text. */
  const ask = (path: string, o: RequestOptions = {}, body?: Uint8Array | string): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const req = request(new URL(address.url).origin, { path, ca: address.ca, agent: false, ...o }, (res) => {
        let text = '';
        res.on('data', (b: Buffer) => {
          text += b.toString();
        });
        res.on('end', () => resolve({ status: res.statusCode!, text }));
      });
      req.on('error', reject);
      req.end(body);
    });

  beforeAll(async () => {
    k = singleKernels();
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-https-'));
    at = join(dir, 'public');
    clients = ['ann', 'bob', 'cat'].map((n, i) => trainee(join(dir, 'data'), n, i));
    foundIn(at, k, clients);
    server = serveFolder(at, { cert: pem('cert'), key: pem('key') });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    address = { url: `https://localhost:${(server.address() as AddressInfo).port}`, ca: pem('cert') };
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
    k.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('goes two rounds, provisional until they are settled; a client that begins anew makes the same', async () => {
    const { digest } = readFederation(at).charter,
      co = coordinatorIn(at, k, clients[0], clock, { audit: { coverage: [1, 2], each: 0, mode: 'after', show: 'records' } }),
      log: string[] = [];
    let turn = 0;
    for (let i = 0; i < 60 && !finished(co); i++) {
      for (const t of clients) {
        // Every other time the first client has lost all that it kept.
        const home = join(dir, t.number ? t.name : `${t.name}-${turn++ >> 1}`),
          p = participantOf(home, digest, t, k, httpsTransport(address, join(home, 'mirror')), clock);
        log.push(...(await participate(p)).map((x) => `${t.name}: ${x}`));
      }
      log.push(...coordinate(co));
      clock.at++;
    }
    expect(finished(co), log.join('\n')).toBe(true);
    expect(log.join('\n')).toMatch(/provisional record of 3 updates[\s\S]*settled: all drawn units hold/);
    const copy = join(dir, 'copy');
    await mirror(address, copy, true);
    const r = checkFolder(copy, { states: statesOf(k, clients[0].setup.run.programs) });
    expect(r.rounds.map((x) => [x.state, x.included, x.units, x.audit!.verified])).toEqual([
      ['final', 3, 0, 0],
      ['final', 3, 0, 0],
    ]);
    expect(r.notChecked.join('\n')).toMatch(/what lies between opened records was not verified/);
    expect(readEvidence(at).size).toBe(0);
  });

  it('reads out what is published and nothing else', async () => {
    writeFileSync(join(dir, 'secret.json'), 'secret');
    const list = JSON.parse((await ask('/v1/files')).text) as { files: string[] };
    expect(list.files).toContain('rounds/0/commits/ann.json');
    expect(list.files.some((f) => /inbox|refused|blobs/.test(f))).toBe(false);
    for (const path of [
      '../secret.json',
      '..%2fsecret.json',
      'rounds/0/../../charter.json',
      'rounds/00/plan.json',
      'inbox',
      'blobs/',
      '',
      'enrolments/ann.json%00',
    ])
      expect([path, (await ask(`/v1/files/${path}`)).status]).toEqual([path, 404]);
    expect((await ask(`/v1/files/${'a'.repeat(400)}`)).status).toBe(414);
    expect((await ask('/v1/files/charter.json')).text).toBe(readFileSync(join(at, 'charter.json'), 'utf8'));
    for (const [path, method] of [
      ['/', 'GET'],
      ['/v1/files', 'DELETE'],
      ['/v1/messages', 'GET'],
      ['/v1/blobs/00', 'PUT'],
    ])
      expect((await ask(path, { method })).status).toBe(404);
  });
  it('takes in what is signed by whoever is enrolled, of the size that it says, and no more', async () => {
    const f = readFederation(at),
      inbox = (): number => (existsSync(join(at, 'inbox')) ? readdirSync(join(at, 'inbox')).length : 0),
      before = inbox(),
      post = async (body: Uint8Array | string, o: RequestOptions = {}): Promise<number> =>
        (await ask('/v1/messages', { method: 'POST', ...o }, body)).status;
    expect(await post('{}')).toBe(400);
    expect(await post('[')).toBe(400);
    expect(await post(messageFile(f.charter.envelope))).toBe(400);
    // A key that nobody listed, and somebody else's name under one's own key.
    const { manifest } = clients[0].setup.run;
    expect(await post(messageFile(enrolmentOf(f.charter.digest, 'eve', newKey(7), manifest).envelope))).toBe(403);
    const commit = readRound(at, f, 0).commits.get('ann')!;
    expect(await post(messageFile(signMessage('commit', commit.body, participantKey(clients[1])).envelope))).toBe(403);
    expect(await post(messageFile(signMessage('commit', { ...commit.body, client: 'zoe' }, participantKey(clients[1])).envelope))).toBe(
      400,
    );
    expect(inbox()).toBe(before);
    await expect(post(new Uint8Array(MOST_SENT + 1))).resolves.toBe(413);
    // A blob that nobody named; one that was named, with other bytes, more of them, and as it is.
    const put = async (digest: string, body: Uint8Array): Promise<number> =>
      (await ask(`/v1/blobs/${digest.slice(7)}`, { method: 'PUT' }, body)).status;
    expect(await put(commit.digest, new Uint8Array(3))).toBe(403);
    const blob = Uint8Array.of(67, 70, 85, 49, 1),
      named = `sha256:${'ab'.repeat(32)}`,
      m = signMessage('commit', { ...commit.body, update: { blob: named, bytes: blob.length } }, participantKey(clients[0])),
      said = await ask('/v1/messages', { method: 'POST' }, messageFile(m.envelope));
    expect([said.status, JSON.parse(said.text)]).toEqual([202, { blobs: [named] }]);
    expect(await put(named, blob)).toBe(400);
    expect(await put(named, new Uint8Array(6))).toBe(413);
  });
  it('takes so many messages of a client and so many requests of an address at once, and everybody else goes on', async () => {
    const strict = serveFolder(
      at,
      { cert: pem('cert'), key: pem('key') },
      { address: { burst: 9, perSecond: 0 }, client: { burst: 2, perSecond: 0 } },
    );
    await new Promise<void>((done) => strict.listen(0, '127.0.0.1', done));
    const { port } = strict.address() as AddressInfo,
      f = readFederation(at),
      file = (name: string): Uint8Array => messageFile(readRound(at, f, 0).commits.get(name)!.envelope),
      post = async (body: Uint8Array | string): Promise<number> => (await ask('/v1/messages', { method: 'POST', port }, body)).status;
    try {
      // A signature of nobody's takes nothing of anybody's share.
      const forged = messageFile(signMessage('commit', readRound(at, f, 0).commits.get('ann')!.body, participantKey(clients[1])).envelope);
      expect(await post(forged)).toBe(403);
      expect([await post(file('ann')), await post(file('ann')), await post(file('ann'))]).toEqual([202, 202, 429]);
      expect(await post(file('bob'))).toBe(202);
      const url = `https://localhost:${port}`;
      await expect(
        httpsTransport({ ...address, url, patience: 1 }, join(dir, 'm')).send(readRound(at, f, 0).commits.get('ann')!, []),
      ).rejects.toThrow(/429/);
      expect([await post('{}'), await post('{}'), await post(file('cat'))]).toEqual([400, 400, 429]);
      expect((await ask('/v1/files', { port })).status).toBe(200);
    } finally {
      strict.close();
      strict.closeAllConnections();
    }
  });
  it('is not moved by bodies without an end, without a length, cut short or deeper than any message', async () => {
    const list = (): string => JSON.stringify(existsSync(join(at, 'inbox')) ? readdirSync(join(at, 'inbox')).sort() : []),
      before = list(),
      post = async (body: Uint8Array | string, headers = {}): Promise<number> =>
        (await ask('/v1/messages', { method: 'POST', headers }, body)).status;
    // Chunks without a length: counted as they come.
    await expect(post(new Uint8Array(MOST_SENT + 1), { 'transfer-encoding': 'chunked' })).resolves.toBe(413);
    for (const body of ['['.repeat(100_000), '{"payload":'.repeat(1000), `{"a":${'9'.repeat(5000)}}`, '\ud800', '{"a":1,"a":2}', ''])
      expect(await post(body), body.slice(0, 20)).toBe(400);
    for (const length of ['-1', '1e3', '99999999999999']) expect([400, 413]).toContain(await said(length));
    // Half a message, then the line is gone.
    await new Promise<void>((done) => {
      const req = request(new URL(address.url).origin, {
        path: '/v1/messages',
        method: 'POST',
        ca: address.ca,
        agent: false,
        headers: { 'content-length': 1000 },
      });
      req.on('error', () => done());
      req.write('{');
      setTimeout(() => req.destroy(), 50);
    });
    expect(list()).toBe(before);
    expect((await ask('/v1/files')).status).toBe(200);

    /** A request whose head is written by hand. */
    async function said(length: string): Promise<number> {
      const { port } = new URL(address.url);
      return new Promise((resolve, reject) => {
        const s = connect({ host: 'localhost', port: Number(port), ca: address.ca }, () =>
          s.write(`POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n{}`),
        );
        s.on('data', (b: Buffer) => {
          resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(b.toString())?.[1]));
          s.destroy();
        });
        s.on('error', reject);
      });
    }
  });
  it('is believed by a client under the authority that was given, and for names that a federation has', async () => {
    await expect(mirror({ ...address, ca: '' }, join(dir, 'x'))).rejects.toThrow(TransportError);
    await expect(mirror({ url: address.url.replace('https', 'http') }, join(dir, 'x'))).rejects.toThrow(/no https address/);
    await expect(mirror({ url: 'https://localhost:1', ca: pem('cert') }, join(dir, 'x'))).rejects.toThrow(/localhost:1/);
  });
});
