import { P } from '../field/goldilocks.js';
import { InputError } from '../errors.js';
import { type Source, inMemory } from './source.js';
import { Body, Unread, checkHeader, headerLine, sealedHeader } from './header.js';
import type { PublishedTotals } from '../policy/epochs.js';
import { showsSteps } from '../policy/vector.js';
import { type Manifest, parseManifest } from '../run/manifest.js';
import { concat, toBytes } from './words.js';

/*
 * Two files of a folded run, each complete in itself: manifest, published key, losses and totals as far as the manifest
 * shows them, statement and proof.
 *
 *   certune-node         a node of the tree: a range of the run, an epoch, or one of those that lie beside the run
 *                        while it is proved
 *   certune-folded-run   the end: the whole run
 *
 * Nothing in them is believed: the reader checks shapes, src/verify/folded.ts the rest.
 */

/**
 * A place in a run: before part `part` of step `step` (micro-batches in order, then the update); part 0 is where a step
 * begins.
 */
export interface Place {
  readonly step: number;
  readonly part: number;
}
/**
 * Targets and losses of a step that a proof covers: all of its micro-batches, or the first or last ones where the proof
 * begins or ends inside. Targets that are not shown are 0, losses that are not are none.
 */
export interface StepLosses {
  readonly step: number;
  readonly targets: number;
  readonly losses: readonly bigint[];
}
/** A proof with its statement as words. */
export interface Proven {
  readonly statement: readonly bigint[];
  readonly proof: BigUint64Array;
}

/** What both files hold. */
export interface Sealed {
  readonly manifest: Manifest;
  /** Published verification key, as JSON. */ readonly key: Readonly<Record<string, unknown>>;
  /** Of every step; none where nothing is shown of steps. */ readonly losses: readonly StepLosses[];
  /** Of every epoch that ends in it; none where nothing is shown of epochs. */
  readonly epochs: readonly PublishedTotals[];
  readonly statement: readonly bigint[];
  readonly proof: BigUint64Array;
}
/** The end of a run; `hides`: its proof hides the witness, and the file is a certificate (certificate.ts). */
export interface FoldedRun extends Sealed {
  readonly hides?: true;
}
export interface NodeFile extends Sealed {
  readonly from: Place;
  readonly to: Place;
}

export const NODE_TYPE = 'certune-node';
export const NODE_VERSION = 5;
export const FOLDED_TYPE = 'certune-folded-run';
export const FOLDED_VERSION = 5;
/** No number of a header is as large, and no proof has as many words as the second. */
const MOST = 2 ** 24,
  MOST_WORDS = 2 ** 21;

/** Header and body of both kinds. */
function encode(x: Sealed, fields: Record<string, unknown>): Uint8Array {
  const body = concat([toBytes(BigUint64Array.from(x.statement)), toBytes(x.proof)]),
    head = {
      ...fields,
      manifest: x.manifest,
      key: x.key,
      losses: x.losses.map((l) => [l.step, l.targets, ...l.losses.map(String)]),
      epochs: x.epochs.map((e) => [e.epoch, e.targets, String(e.loss), ...e.bins]),
      statement: x.statement.length,
      proof: x.proof.length,
    };
  return concat([new TextEncoder().encode(sealedHeader(head, body)), body]);
}
export const encodeNode = (x: NodeFile): Uint8Array =>
  encode(x, { type: NODE_TYPE, version: NODE_VERSION, from: [x.from.step, x.from.part], to: [x.to.step, x.to.part] });
/** Throws RangeError for a certificate, which is a file of another kind. */
export function encodeFolded(x: FoldedRun): Uint8Array {
  if (x.hides) throw new RangeError('a certificate is written as one');
  return encode(x, { type: FOLDED_TYPE, version: FOLDED_VERSION });
}

const COMMON = ['epochs', 'key', 'losses', 'manifest', 'proof', 'statement'];
const size = (x: unknown): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0 && x <= MOST;

/** Pieces of a list of losses, each where the one before ends. */
const LOSSES = {
  step: /\[(0|[1-9]\d{0,7}),/y,
  targets: /(0|[1-9]\d{0,7})(?=[,\]])/y,
  loss: /,"(0|-?[1-9]\d{0,18})"(?=[,\]])/y,
  end: /\](?:,|\]$)/y,
} as const;

/**
 * The list of losses in its one spelling, read from left to right: it is as long as the run, and its reader holds what
 * it says and nothing beside.
 */
function lossesOf(text: string, { config: { train } }: Manifest, bad: (why: string) => never): StepLosses[] {
  const micros = Math.ceil(train.batch / Math.min(train.batch, train.microBatch)),
    list: StepLosses[] = [];
  let at = 1;
  const next = (re: RegExp, why: string): string => {
    re.lastIndex = at;
    const m = re.exec(text);
    if (!m) return bad(why);
    at = re.lastIndex;
    return m[1] ?? m[0];
  };
  if (text === '[]') return list;
  for (;;) {
    const step = Number(next(LOSSES.step, 'malformed losses')),
      targets = Number(next(LOSSES.targets, 'malformed losses')),
      losses: bigint[] = [];
    while (text[at] === ',') {
      if (losses.length === micros) return bad('malformed losses');
      const v = BigInt(next(LOSSES.loss, 'malformed loss'));
      if (BigInt.asIntN(64, v) !== v) return bad('malformed loss');
      losses.push(v);
    }
    if (!size(step) || !size(targets) || step >= train.steps) return bad('malformed losses');
    if (list.length && step !== list[0].step + list.length) return bad('losses are not of steps in order');
    list.push({ step, targets, losses });
    if (next(LOSSES.end, 'malformed losses') === ']]') return list;
  }
}

/**
 * Totals of epochs in order: counts below 2^32, sums of losses below 10^18, so that no two of them are one word.
 */
function epochsOf(list: unknown, bins: number): PublishedTotals[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const out: PublishedTotals[] = [];
  for (const x of list as unknown[]) {
    if (!Array.isArray(x) || x.length !== 3 + 2 * bins) return undefined;
    const [epoch, targets, loss, ...rest] = x as unknown[],
      numbers = [epoch, targets, ...rest].filter((n): n is number => typeof n === 'number' && Number.isInteger(n) && n >= 0 && n < 2 ** 32);
    if (numbers.length !== 2 + 2 * bins || typeof loss !== 'string' || !/^(0|-?[1-9]\d{0,17})$/.test(loss)) return undefined;
    if (out.length && numbers[0] !== out[0].epoch + out.length) return undefined;
    out.push({ epoch: numbers[0], targets: numbers[1], loss: BigInt(loss), bins: numbers.slice(2) });
  }
  return out;
}

function decode(
  file: string,
  b: Uint8Array | Source,
  type: string,
  version: number,
  more: readonly string[],
): FoldedRun & { head: Record<string, unknown> } {
  const bad = (why: string): never => {
    throw new InputError(file, [why], 'not a Certune proof, or a damaged one: certune prove makes it again from the run that it is of');
  };
  const source = b instanceof Uint8Array ? inMemory(b) : b,
    line = headerLine(file, source),
    { head } = line,
    { key, losses, statement, proof } = head,
    length = [statement, proof].reduce<number>((n, x) => n + (size(x) ? x : 0), 0);
  // Lengths before the digest over what they are lengths of: more than a proof can have is not read.
  if ([statement, proof].some((x) => size(x) && x > MOST_WORDS)) return bad('malformed lengths');
  checkHeader(file, line, {
    type,
    version,
    keys: [...COMMON, ...more],
    words: () => {
      if (line.body + 8 * length > source.size) return bad('is shorter than its header says');
      if (line.body + 8 * length < source.size) return bad(`has ${source.size - line.body - 8 * length} bytes too many`);
      return source.bytes(line.body, 8 * length);
    },
  });
  const manifest = parseManifest(file, head['manifest']);
  if (!key || typeof key !== 'object' || Array.isArray(key)) return bad('malformed key');
  if (!size(statement) || !size(proof)) return bad('malformed lengths');
  if (!(losses instanceof Unread)) return bad('malformed losses');
  const list = lossesOf(losses.text, manifest, bad),
    epochs = epochsOf(head['epochs'], manifest.config.policy.bins.length);
  if (!epochs) return bad('malformed totals of epochs');
  const body = new Body(file, source, line.body),
    words = [...body.take(statement)];
  if (words.some((w) => w >= P)) return bad('statement holds a word that is not canonical');
  const out = {
    manifest,
    key: key as Record<string, unknown>,
    losses: list,
    epochs,
    statement: words,
    proof: body.take(proof),
    head,
  };
  body.end();
  return out;
}

const place = (x: unknown): Place | undefined =>
  Array.isArray(x) && x.length === 2 && x.every(size) ? { step: x[0] as number, part: x[1] as number } : undefined;
export const before = (a: Place, b: Place): boolean => a.step < b.step || (a.step === b.step && a.part < b.part);
export const samePlace = (a: Place, b: Place): boolean => a.step === b.step && a.part === b.part;
/** "3" where step 3 begins, "3.2" before its third part. */
export const placeText = (p: Place): string => (p.part ? `${p.step}.${p.part}` : `${p.step}`);

/** Reads a node from hostile bytes. Throws InputError, VersionError; verifies nothing. */
export function decodeNode(file: string, b: Uint8Array | Source): NodeFile {
  const { head, ...x } = decode(file, b, NODE_TYPE, NODE_VERSION, ['from', 'to']),
    from = place(head['from']),
    to = place(head['to']);
  if (!from || !to || !before(from, to) || to.step > x.manifest.config.train.steps)
    throw new InputError(file, ['malformed range'], 'not a Certune proof, or a damaged one');
  return { ...x, from, to };
}

/** Reads a folded run from hostile bytes. Throws InputError, VersionError; verifies nothing. */
export function decodeFolded(file: string, b: Uint8Array | Source): FoldedRun {
  const { head: _, ...x } = decode(file, b, FOLDED_TYPE, FOLDED_VERSION, []);
  const steps = showsSteps(x.manifest.config.show) ? x.manifest.config.train.steps : 0;
  if (x.losses.length !== steps)
    throw new InputError(file, [`needs the losses of ${steps} steps`], 'not a Certune proof, or a damaged one');
  return x;
}

/**
 * Losses of two neighbouring ranges: a step that both cover in part is one entry. Throws RangeError where they are no
 * neighbours.
 */
export function joinLosses(a: readonly StepLosses[], b: readonly StepLosses[]): StepLosses[] {
  const last = a[a.length - 1],
    [first, ...rest] = b;
  if (!last || !first) return [...a, ...b];
  if (last.step === first.step) {
    if (last.targets !== first.targets) throw new RangeError(`step ${last.step} has ${last.targets} targets and ${first.targets}`);
    return [...a.slice(0, -1), { ...last, losses: [...last.losses, ...first.losses] }, ...rest];
  }
  if (first.step !== last.step + 1) throw new RangeError(`losses of step ${first.step} follow those of step ${last.step}`);
  return [...a, ...b];
}

/** Totals of epochs of two neighbouring ranges. Throws RangeError where they do not follow one another. */
export function joinEpochs(a: readonly PublishedTotals[], b: readonly PublishedTotals[]): PublishedTotals[] {
  if (a.length && b.length && b[0].epoch !== a[0].epoch + a.length)
    throw new RangeError(`totals of epoch ${b[0].epoch} follow those of epoch ${a[0].epoch + a.length - 1}`);
  return [...a, ...b];
}
