import { FolderBlobs } from './blobs.js';
import { Store } from './store.js';

/** The store at a folder. */
export async function openStore(at: string): Promise<Store> {
  return new Store(new FolderBlobs(at));
}
