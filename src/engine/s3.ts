import { type Blobs, checkName, checkSize } from './blobs.js';
import { FarmSetupError, MissingPackageError } from './errors.js';

/*
 * A store in a bucket, by the field's usual client, an optional package. Region, credentials and endpoint are those
 * that the client finds in its environment (AWS_REGION, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3 and so on); they are
 * quoted nowhere. What may be written only once is put with If-None-Match.
 */

/* The package as far as it is used. */
interface S3Client {
  send(command: unknown): Promise<unknown>;
}
interface S3Package {
  readonly S3Client: new (o: Record<string, unknown>) => S3Client;
  readonly PutObjectCommand: new (x: Record<string, unknown>) => unknown;
  readonly GetObjectCommand: new (x: Record<string, unknown>) => unknown;
  readonly DeleteObjectCommand: new (x: Record<string, unknown>) => unknown;
  readonly ListObjectsV2Command: new (x: Record<string, unknown>) => unknown;
}

const PACKAGE = '@aws-sdk/client-s3';

async function load(): Promise<S3Package> {
  try {
    return (await import(PACKAGE)) as S3Package;
  } catch (e) {
    if ((e as { code?: string } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw e;
    throw new MissingPackageError([PACKAGE], 'a store in a bucket');
  }
}

const statusOf = (e: unknown): number | undefined => (e as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;

/** Names under a prefix of a bucket. */
export class S3Blobs implements Blobs {
  constructor(
    readonly name: string,
    readonly p: S3Package,
    readonly client: S3Client,
    readonly bucket: string,
    readonly prefix: string,
  ) {}
  #key(name: string): string {
    checkName(name);
    return `${this.prefix}${name}`;
  }
  async put(name: string, bytes: Uint8Array, absent = false): Promise<boolean> {
    try {
      await this.client.send(
        new this.p.PutObjectCommand({
          Bucket: this.bucket,
          Key: this.#key(name),
          Body: bytes,
          ContentLength: bytes.length,
          ...(absent ? { IfNoneMatch: '*' } : {}),
        }),
      );
      return true;
    } catch (e) {
      // 412: it is there. 409: somebody else is writing it at the same moment.
      if (absent && (statusOf(e) === 412 || statusOf(e) === 409)) return false;
      throw e;
    }
  }
  async get(name: string, most = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    try {
      const r = (await this.client.send(new this.p.GetObjectCommand({ Bucket: this.bucket, Key: this.#key(name) }))) as {
        ContentLength?: number;
        Body?: { transformToByteArray(): Promise<Uint8Array>; destroy?(): void };
      };
      if ((r.ContentLength ?? 0) > most) r.Body?.destroy?.();
      checkSize(`${this.name}/${name}`, r.ContentLength ?? 0, most);
      return await r.Body?.transformToByteArray();
    } catch (e) {
      if (statusOf(e) === 404) return undefined;
      throw e;
    }
  }
  async list(prefix: string): Promise<string[]> {
    const out: string[] = [];
    for (let token: string | undefined; ; ) {
      const r = (await this.client.send(
        new this.p.ListObjectsV2Command({
          Bucket: this.bucket,
          Prefix: `${this.prefix}${prefix}`,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      )) as { Contents?: { Key?: string }[]; IsTruncated?: boolean; NextContinuationToken?: string };
      for (const { Key } of r.Contents ?? []) if (Key?.startsWith(this.prefix)) out.push(Key.slice(this.prefix.length));
      if (!r.IsTruncated || r.NextContinuationToken === undefined) return out;
      token = r.NextContinuationToken;
    }
  }
  async remove(name: string): Promise<void> {
    await this.client.send(new this.p.DeleteObjectCommand({ Bucket: this.bucket, Key: this.#key(name) }));
  }
}

/** The store at s3://BUCKET/PREFIX. Throws MissingPackageError, FarmSetupError. */
export async function openS3(at: string): Promise<S3Blobs> {
  const m = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w./-]*))?$/.exec(at);
  if (!m) throw new FarmSetupError('--store', [`"${at.slice(0, 100)}" is no bucket`], 'write s3://BUCKET or s3://BUCKET/PREFIX');
  const p = await load(),
    prefix = (m[2] ?? '').replace(/^\/+|\/+$/g, ''),
    // A path names the bucket where a server of one's own is named: none has a name for each of its buckets.
    own = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  const client = new p.S3Client({ ...(own === undefined ? {} : { endpoint: own, forcePathStyle: true }) });
  return new S3Blobs(at, p, client, m[1], prefix === '' ? '' : `${prefix}/`);
}
