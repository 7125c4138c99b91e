import { type Server, createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FarmSetupError } from '../src/engine/errors.js';
import { openStore } from '../src/engine/open.js';
import { type Store, sha256Of } from '../src/engine/store.js';
import { Embedded } from '../src/engine/embedded.js';
import { StubRunner, coordinate, stubWorker, truthOf } from './farm-stub.js';

/* A store in a bucket, by the client that everybody has, against a server of this test that knows what is needed. */

let skipped: string | undefined;
try {
  await import('@aws-sdk/client-s3');
} catch {
  skipped = '@aws-sdk/client-s3 is not installed: npm ci';
  console.warn(`farm-s3.test.ts is skipped: ${skipped}`);
}

/** PUT (with If-None-Match: *), GET, DELETE, ListObjectsV2 of one bucket. */
class Bucket {
  readonly objects = new Map<string, Buffer>();
  readonly seen: string[] = [];
  readonly #server: Server;
  constructor(readonly page = 3) {
    this.#server = createServer((req, res) => {
      const url = new URL(req.url ?? '/', 'http://x'),
        key = decodeURIComponent(url.pathname).split('/').slice(2).join('/'),
        parts: Buffer[] = [];
      req.on('data', (b: Buffer) => parts.push(b));
      req.on('end', () => {
        this.seen.push(`${req.method} ${key} ${req.headers['if-none-match'] ?? ''}`.trim());
        if (!req.headers.authorization?.startsWith('AWS4-HMAC-SHA256')) res.writeHead(403).end();
        else if (req.method === 'PUT') {
          if (req.headers['if-none-match'] === '*' && this.objects.has(key)) {
            res.writeHead(412, { 'content-type': 'application/xml' }).end('<Error><Code>PreconditionFailed</Code></Error>');
            return;
          }
          this.objects.set(key, body(Buffer.concat(parts), req.headers));
          res.writeHead(200, { etag: '"x"' }).end();
        } else if (req.method === 'GET' && url.searchParams.get('list-type') === '2')
          res.writeHead(200, { 'content-type': 'application/xml' }).end(this.#list(url));
        else if (req.method === 'GET') {
          const b = this.objects.get(key);
          if (b) res.writeHead(200, { 'content-length': b.length }).end(b);
          else res.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>');
        } else if (req.method === 'DELETE') {
          this.objects.delete(key);
          res.writeHead(204).end();
        } else res.writeHead(405).end();
      });
    });
  }
  #list(url: URL): string {
    const all = [...this.objects.keys()].filter((k) => k.startsWith(url.searchParams.get('prefix') ?? '')).sort(),
      from = Number(url.searchParams.get('continuation-token') ?? 0),
      here = all.slice(from, from + this.page),
      more = from + this.page < all.length;
    return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>${more}</IsTruncated>${
      more ? `<NextContinuationToken>${from + this.page}</NextContinuationToken>` : ''
    }${here.map((k) => `<Contents><Key>${k}</Key></Contents>`).join('')}</ListBucketResult>`;
  }
  start(): Promise<number> {
    return new Promise((r) => this.#server.listen(0, '127.0.0.1', () => r((this.#server.address() as { port: number }).port)));
  }
  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** The bytes of a body, which a client may send in chunks with checksums behind them. */
function body(b: Buffer, headers: NodeJS.Dict<string | string[]>): Buffer {
  if (!String(headers['content-encoding'] ?? '').includes('aws-chunked')) return b;
  const out: Buffer[] = [];
  for (let at = 0; ; ) {
    const nl = b.indexOf('\r\n', at),
      n = Number.parseInt(b.subarray(at, nl).toString().split(';')[0], 16);
    if (!n) return Buffer.concat(out);
    out.push(b.subarray(nl + 2, nl + 2 + n));
    at = nl + 2 + n + 2;
  }
}

describe.skipIf(skipped !== undefined)('a store in a bucket', () => {
  const bucket = new Bucket(),
    before = { ...process.env };
  let store: Store;
  beforeAll(async () => {
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${await bucket.start()}`,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_EC2_METADATA_DISABLED: 'true',
    });
    store = await openStore('s3://farm/some/place');
  });
  afterAll(() => {
    bucket.stop();
    process.env = before;
  });

  it('keeps objects by their digest, writes results once, lists beyond a page', async () => {
    const bytes = new Uint8Array([1, 2, 3, 250]),
      digest = await store.put(bytes),
      key = 'c'.repeat(64),
      r = { object: digest, size: 4, worker: 'a', seconds: 1 };
    expect([...(await store.get(digest))]).toEqual([...bytes]);
    expect([...bucket.objects.keys()]).toEqual([`some/place/objects/${digest.slice(0, 2)}/${sha256Of(bytes)}`]);
    expect(await store.setResult(key, r)).toEqual(r);
    expect(await store.setResult(key, { ...r, worker: 'b' })).toEqual(r);
    expect(bucket.seen.filter((x) => x.startsWith(`PUT some/place/keys/${key}`))).toEqual(Array(2).fill(`PUT some/place/keys/${key} *`));
    expect(await store.result('d'.repeat(64))).toBeUndefined();
    for (let i = 0; i < 8; i++) await store.put(new Uint8Array([i]));
    expect((await store.objects()).length).toBe(9);
    await store.removeObject(digest);
    await expect(store.get(digest)).rejects.toThrow(/is not in the store/);
    await store.removeResult(key);
  });

  it('holds a farm', async () => {
    const truth = truthOf(6, 4),
      engine = new Embedded(),
      drain = new AbortController(),
      workers = ['a', 'b'].map((n) => stubWorker(n, engine, store, new StubRunner(store, truth), drain.signal));
    const { end } = await coordinate({ store, engine }, truth, new AbortController().signal);
    expect(Buffer.compare(end, truth.end)).toBe(0);
    drain.abort();
    await engine.close();
    await Promise.all(workers);
  });

  it('refuses what is no bucket', async () => {
    for (const at of ['s3://', 's3://A', 's3://x/..?y']) await expect(openStore(at)).rejects.toThrow(FarmSetupError);
  });
});
