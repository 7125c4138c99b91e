import { sha256 } from '../hash/sha256.js';
import { canonicalJson } from '../hash/canonical.js';
import { InputError, VersionError } from '../errors.js';
import { P } from '../field/goldilocks.js';
import { type JsonBounds, parseJson } from '../io/json-bounds.js';
import { utf8 } from '../io/json-text.js';
import type { PublishedTotals } from '../policy/epochs.js';
import { showsEpochs, showsSteps } from '../policy/vector.js';
import { epochBatches, microsOf } from '../run/facts.js';
import { type Manifest, manifestJson, parseManifest } from '../run/manifest.js';
import type { FoldedRun, StepLosses } from './folded.js';
import { type Source, inMemory } from './source.js';
import { concat, fromBytes, toBytes } from './words.js';

/*
 * The certificate of a run: one file, complete in itself, whose proof hides everything that its statement does not say.
 * All numbers are little-endian.
 *
 *    0  8 bytes  "certune" and a zero byte
 *    8  u32      version
 *   12  6 u32    lengths: bytes of manifest, key, steps and epochs, words of statement and proof
 *   36           manifest, canonical JSON: its SHA-256 is in the statement
 *                published verification key, canonical JSON
 *                steps: of every one, as far as they are shown, its targets (u32) and the losses of its micro-batches
 *                (i64)
 *                epochs: of every one that ends, if anything is shown of them, targets (u32), loss (i64), examples and
 *                targets of every bin (u32)
 *                statement and proof, words of 8 bytes
 *                SHA-256 of all before, 32 bytes
 *
 * The lengths add up to the file's, both texts are in their one spelling, and which numbers the lists hold follows from
 * the manifest: one certificate has one spelling. Nothing in it is believed: the reader checks shapes,
 * src/verify/folded.ts the rest. The digest tells a damaged file from one that does not hold.
 */

export const CERTIFICATE_VERSION = 1;
/** File name that certify gives where it is told none. */
export const CERTIFICATE_NAME = 'certificate.certune';
const MAGIC = new TextEncoder().encode('certune\0'),
  HEAD = 36,
  SEAL = 32;

/** Most bytes of each text, and words of statement and proof: far above those of any run that is proved. */
export const CERTIFICATE_LIMITS = { manifest: 2 ** 22, key: 2 ** 14, steps: 2 ** 25, epochs: 2 ** 25, statement: 2 ** 12, proof: 2 ** 17 };
const SECTIONS = ['manifest', 'key', 'steps', 'epochs', 'statement', 'proof'] as const;
type Section = (typeof SECTIONS)[number];
/** Bytes of a unit of length. */
const UNIT: Readonly<Record<Section, number>> = { manifest: 1, key: 1, steps: 1, epochs: 1, statement: 8, proof: 8 };

const TEXT: Readonly<Record<'manifest' | 'key', JsonBounds>> = { manifest: { depth: 16, values: 2 ** 20 }, key: { depth: 4, values: 256 } };

/** The end of a run whose proof hides its witness. */
export type Certificate = FoldedRun & { readonly hides: true };

const SHOWN_REMEDY = 'not a Certune certificate, or a damaged one: certune certify makes it again from the run that it is of';

/** Whether a file begins as a certificate does. */
export const isCertificate = (b: Source): boolean => {
  if (b.size < MAGIC.length) return false;
  const begin = b.bytes(0, MAGIC.length);
  return MAGIC.every((x, i) => begin[i] === x);
};

/** Bytes of a certificate. Throws RangeError where a number does not have its width or a length is above its limit. */
export function encodeCertificate(x: Certificate): Uint8Array {
  const text = new TextEncoder(),
    parts: Record<Section, Uint8Array> = {
      manifest: text.encode(manifestJson(x.manifest)),
      key: text.encode(canonicalJson(x.key)),
      steps: stepBytes(x),
      epochs: epochBytes(x),
      statement: toBytes(BigUint64Array.from(x.statement)),
      proof: toBytes(x.proof),
    },
    head = new Uint8Array(HEAD),
    view = new DataView(head.buffer);
  head.set(MAGIC);
  view.setUint32(8, CERTIFICATE_VERSION, true);
  SECTIONS.forEach((s, i) => {
    const n = parts[s].length / UNIT[s];
    if (n > CERTIFICATE_LIMITS[s]) throw new RangeError(`${s} of ${n}, a certificate has at most ${CERTIFICATE_LIMITS[s]}`);
    view.setUint32(12 + 4 * i, n, true);
  });
  const all = concat([head, ...SECTIONS.map((s) => parts[s])]);
  return concat([all, sha256(all)]);
}

/** What a list says of a step or an epoch, in order: widths of its numbers, by the manifest. */
type Width = 'u32' | 'i64';
const BYTES: Readonly<Record<Width, number>> = { u32: 4, i64: 8 };
const widthOf = (ws: readonly Width[]): number => ws.reduce((n, w) => n + BYTES[w], 0);

const stepWidths = ({ config: { show } }: Manifest, micros: number): Width[] => [
  ...(show.targets === 'steps' ? (['u32'] as const) : []),
  ...(show.losses === 'steps' ? Array<Width>(micros).fill('i64') : []),
];
const epochWidths = ({ config: { policy } }: Manifest): Width[] => ['u32', 'i64', ...Array<Width>(2 * policy.bins.length).fill('u32')];

/** Steps and epochs that the lists of a run are of. */
const stepCount = (m: Manifest): number => (showsSteps(m.config.show) ? m.config.train.steps : 0);
const epochCount = (m: Manifest): number => (showsEpochs(m.config.show) ? Math.floor(m.config.train.steps / epochBatches(m)) : 0);

/** Numbers one after the other. Throws RangeError for one that does not have its width. */
function put(rows: readonly { readonly widths: readonly Width[]; readonly values: readonly bigint[] }[]): Uint8Array {
  const out = new Uint8Array(rows.reduce((n, r) => n + widthOf(r.widths), 0)),
    view = new DataView(out.buffer);
  let at = 0;
  for (const { widths, values } of rows) {
    if (values.length !== widths.length) throw new RangeError(`${values.length} numbers in a place of ${widths.length}`);
    values.forEach((v, i) => {
      const fits = widths[i] === 'u32' ? BigInt.asUintN(32, v) === v : BigInt.asIntN(64, v) === v;
      if (!fits) throw new RangeError(`a number that is no ${widths[i]}`);
      if (widths[i] === 'u32') view.setUint32(at, Number(v), true);
      else view.setBigInt64(at, v, true);
      at += BYTES[widths[i]];
    });
  }
  return out;
}

/** Numbers of a row, from `at` on. */
function take(view: DataView, at: number, widths: readonly Width[]): bigint[] {
  let here = at;
  return widths.map((w) => {
    const v = w === 'u32' ? BigInt(view.getUint32(here, true)) : view.getBigInt64(here, true);
    here += BYTES[w];
    return v;
  });
}

function stepBytes({ manifest: m, losses }: FoldedRun): Uint8Array {
  const { show } = m.config;
  if (losses.length !== stepCount(m)) throw new RangeError(`losses of ${losses.length} steps, the run shows ${stepCount(m)}`);
  return put(
    losses.map((l, i) => ({
      widths: stepWidths(m, microsOf(m, i)),
      values: [...(show.targets === 'steps' ? [BigInt(l.targets)] : []), ...l.losses],
    })),
  );
}

function epochBytes({ manifest: m, epochs }: FoldedRun): Uint8Array {
  const n = epochCount(m);
  if (epochs.length !== n || epochs.some((e, i) => e.epoch !== i))
    throw new RangeError(`totals of ${epochs.length} epochs, the run has ${n}`);
  return put(epochs.map((e) => ({ widths: epochWidths(m), values: [BigInt(e.targets), e.loss, ...e.bins.map(BigInt)] })));
}

function stepsOf(b: Uint8Array, m: Manifest, bad: (why: string) => never): StepLosses[] {
  const view = new DataView(b.buffer, b.byteOffset, b.length),
    shown = m.config.show.targets === 'steps',
    out: StepLosses[] = [];
  let at = 0;
  for (let step = 0; step < stepCount(m); step++) {
    const widths = stepWidths(m, microsOf(m, step));
    if (at + widthOf(widths) > b.length) return bad('is short of the losses of steps');
    const values = take(view, at, widths);
    at += widthOf(widths);
    out.push({ step, targets: shown ? Number(values[0]) : 0, losses: shown ? values.slice(1) : values });
  }
  return at === b.length ? out : bad('has more losses than the run has steps');
}

function epochsOf(b: Uint8Array, m: Manifest, bad: (why: string) => never): PublishedTotals[] {
  const view = new DataView(b.buffer, b.byteOffset, b.length),
    widths = epochWidths(m),
    n = epochCount(m);
  if (b.length !== n * widthOf(widths)) return bad(`has no totals of ${n} epochs`);
  return Array.from({ length: n }, (_, epoch) => {
    const [targets, loss, ...bins] = take(view, epoch * widthOf(widths), widths);
    // Far from where two of them would be one word.
    if (loss <= -(10n ** 18n) || loss >= 10n ** 18n) return bad(`has a loss of epoch ${epoch} outside of its format`);
    return { epoch, targets: Number(targets), loss, bins: bins.map(Number) };
  });
}

/** Reads a certificate from hostile bytes. Throws InputError, VersionError; verifies nothing. */
export function decodeCertificate(file: string, from: Uint8Array | Source): Certificate {
  const bad = (why: string): never => {
    throw new InputError(file, [why], SHOWN_REMEDY);
  };
  const source = from instanceof Uint8Array ? inMemory(from) : from;
  if (!isCertificate(source)) return bad('is no certificate');
  if (source.size < HEAD + SEAL) return bad('is shorter than any certificate');
  const first = source.bytes(0, HEAD),
    head = new DataView(first.buffer, first.byteOffset, HEAD),
    version = head.getUint32(8, true);
  if (version !== CERTIFICATE_VERSION) throw new VersionError(file, version, CERTIFICATE_VERSION);
  const places = new Map<Section, { readonly at: number; readonly bytes: number }>();
  let at = HEAD;
  SECTIONS.forEach((s, i) => {
    const n = head.getUint32(12 + 4 * i, true);
    if (n > CERTIFICATE_LIMITS[s]) return bad(`length of its ${s} is above the limit`);
    places.set(s, { at, bytes: n * UNIT[s] });
    at += n * UNIT[s];
  });
  if (at + SEAL > source.size) return bad('is shorter than its lengths say');
  if (at + SEAL < source.size) return bad(`has ${source.size - at - SEAL} bytes too many`);
  const all = source.bytes(0, source.size),
    seal = sha256(all.subarray(0, at));
  if (seal.some((x, i) => x !== all[at + i])) return bad('does not match its digest');
  const piece = (s: Section): Uint8Array => {
    const p = places.get(s)!;
    return all.subarray(p.at, p.at + p.bytes);
  };
  const json = (s: 'manifest' | 'key'): unknown => {
    let text: string, value: unknown;
    try {
      text = utf8(piece(s));
      value = parseJson(text, TEXT[s]);
    } catch (e) {
      return bad(`its ${s} ${e instanceof Error ? e.message : ''}`);
    }
    return spelled(value) === text ? value : bad(`its ${s} is not canonical JSON`);
  };
  const manifest = parseManifest(file, json('manifest')),
    key = json('key');
  if (!key || typeof key !== 'object' || Array.isArray(key)) return bad('malformed key');
  const losses = stepsOf(piece('steps'), manifest, bad),
    epochs = epochsOf(piece('epochs'), manifest, bad),
    statement = [...fromBytes(piece('statement'), 0, piece('statement').length / 8)];
  if (statement.some((w) => w >= P)) return bad('statement holds a word that is not canonical');
  const proof = fromBytes(piece('proof'), 0, piece('proof').length / 8);
  return { manifest, key: key as Record<string, unknown>, losses, epochs, statement, proof, hides: true };
}

/** Canonical JSON of a value that was parsed; undefined where it has none. */
function spelled(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch {
    return undefined;
  }
}
