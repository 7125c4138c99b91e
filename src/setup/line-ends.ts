import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { baseDigest } from '../io/hf.js';
import { readBytes } from '../io/read-file.js';
import { difference, type Manifest } from '../run/manifest.js';

/** Largest file whose line ends are looked at. */
const MOST = 1 << 28;

const sha256 = (b: Uint8Array): string => `sha256:${createHash('sha256').update(b).digest('hex')}`;
/** The same text with other line ends: without carriage returns, and with one before every line feed. */
function otherEnds(b: Uint8Array): Uint8Array[] {
  const bare = Buffer.from(Buffer.from(b).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
  return [bare, Buffer.from(bare.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')];
}
/** Whether a file would have this digest if only its line ends were others. */
function onlyEnds(file: string, digest: string | null): boolean {
  const b = readBytes(file, 'data');
  return b.length <= MOST && otherEnds(b).some((x) => sha256(x) === digest);
}

/**
 * Why a manifest that was made from files differs from a committed one, in words for the end of a message: whether the
 * rows themselves agree, and which files differ by nothing but their line ends, as after a checkout that converts them.
 * Empty where there is nothing to say.
 */
export function whyDiffers(committed: Manifest, now: Manifest, base: string, data: readonly string[]): string {
  const differs = difference(committed, now),
    files = committed.dataset.files.map((f, i) => [`dataset.files.${i}.digest`, data[i], f.digest] as const),
    beside = [
      ['preprocessing.tokenizer', join(base, 'tokenizer.json'), committed.preprocessing.tokenizer],
      ['preprocessing.tokenizerConfig', join(base, 'tokenizer_config.json'), committed.preprocessing.tokenizerConfig],
    ] as const;
  const ends = [...files, ...beside]
    .filter(([key, file, digest]) => differs.includes(key) && file !== undefined && existsSync(file) && onlyEnds(file, digest))
    .map(([, file]) => file);
  if (
    differs.includes('base.digest') &&
    otherEnds(readBytes(join(base, 'config.json'), 'config')).some(
      (x) => baseDigest(base, undefined, sha256(x).slice(7)) === committed.base.digest,
    )
  )
    ends.push(join(base, 'config.json'));
  const bytes = differs.some((k) => files.some(([key]) => key === k)),
    rows =
      !bytes || difference(committed.dataset.root, now.dataset.root).length
        ? ''
        : 'the rows agree (dataset.root), only the bytes of the files differ';
  const line = ends.length
    ? `${ends.join(', ')} ${ends.length > 1 ? 'differ' : 'differs'} only by line ends, as after a checkout with core.autocrlf: check the file out as it was committed`
    : '';
  return [rows, line].filter((x) => x !== '').join('; ');
}
