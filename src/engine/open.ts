import { FolderBlobs } from './blobs.js';
import type { Dispatcher, Source, WorkerInfo } from './engine.js';
import { FarmSetupError } from './errors.js';
import { Store } from './store.js';

/**
 * The store at a folder or an address: DIR, s3://BUCKET/PREFIX. `seal`: the farm's key, where the store is not one's
 * own. Throws MissingPackageError, FarmSetupError.
 */
export async function openStore(at: string, seal?: Uint8Array): Promise<Store> {
  if (/^s3:/.test(at)) {
    const { openS3 } = await import('./s3.js');
    return new Store(await openS3(at), seal);
  }
  return new Store(new FolderBlobs(at), seal);
}

const redis = (url: string): void => {
  if (!/^rediss?:\/\//.test(url))
    throw new FarmSetupError(
      '--engine',
      [`"${url.replace(/\/\/[^@]*@/, '//...@').slice(0, 100)}" is no engine`],
      'write redis://HOST:PORT, or rediss:// for TLS',
    );
};

/** The coordinator's end of an engine. `farm`: digest of the manifest. Throws MissingPackageError, FarmSetupError. */
export async function openDispatcher(url: string, farm: string, farmKey: Uint8Array): Promise<Dispatcher> {
  redis(url);
  const { BullDispatcher } = await import('./bullmq.js');
  return BullDispatcher.open(url, farm, farmKey);
}

/** A worker's end of an engine. */
export async function openSource(url: string, farm: string, farmKey: Uint8Array, me: WorkerInfo): Promise<Source> {
  redis(url);
  const { BullSource } = await import('./bullmq.js');
  return BullSource.open(url, farm, farmKey, me);
}
