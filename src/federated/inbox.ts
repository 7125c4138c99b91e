import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { makeFolder, writeAtomic } from '../io/atomic.js';
import { listFolder, readBytes } from '../io/read-file.js';
import { parseEnvelope } from '../provenance/dsse.js';
import { canonicalBytes, Members, parseJson } from '../provenance/json.js';
import { VerificationError } from '../transcript/arith.js';
import { type Federation, clientKey } from './checks.js';
import { FederationError } from './errors.js';
import { readBlob } from './folder.js';
import { MOST_MESSAGE, type Signed, messageFile, openEnvelope, openOwn, payloadType } from './messages.js';
import { MOST_MANIFEST, MOST_UNIT } from './units.js';
import { updateLimit, valuesOf } from './update.js';

/*
 * What clients hand in, before the server has looked at it: DIR/inbox/HEX.json, a message each, named by its digest.
 * What is taken in lies at its place afterwards, what is refused in DIR/refused with the reason. Messages are opened
 * here under the key that is enrolled, or for an enrolment that the charter lists: nothing else is kept.
 */

/** Kinds that clients send. */
export const SENT = ['enrolment', 'commit', 'withdrawal', 'response'] as const;
export type Sent = (typeof SENT)[number];
export type SentMessage = { [K in Sent]: Signed<K> }[Sent];

/** Most messages that wait at a time. */
export const MOST_WAITING = 4000;
/** Largest file of a message that clients send: base64 and its envelope. */
export const MOST_SENT = Math.ceil((4 * Math.max(...SENT.map((k) => MOST_MESSAGE[k]))) / 3) + 4096;

const inbox = (dir: string): string => join(dir, 'inbox');
const nameOf = (digest: string): string => `${digest.slice(7)}.json`;

/** Opens what a client sends. Throws InputError for other kinds, VerificationError for a signature of nobody's. */
export function openSent(f: Federation, bytes: Uint8Array, where: string): SentMessage {
  if (bytes.length > MOST_SENT) throw new InputError(where, [`has ${bytes.length} bytes, at most ${MOST_SENT} are read`]);
  const e = parseEnvelope(Members.of(parseJson(bytes, where, { bytes: MOST_SENT, numbers: 'integers' }), where)),
    kind = SENT.find((k) => payloadType(k) === e.payloadType);
  if (kind === undefined) throw new InputError(where, [`is no message that a client sends (${e.payloadType.slice(0, 80)})`]);
  if (kind === 'enrolment') {
    const own = openOwn('enrolment', bytes, where);
    if (!f.charter.body.allow.includes(own.signer))
      throw new FederationError('enrolment', `its key ${own.signer} is not on the list of the charter`, own.body.client);
    return own;
  }
  // Whoever it says that it is of must have signed it: the name is read before, and believed after that.
  const said = parseJson(e.payload, where, { bytes: MOST_MESSAGE[kind], numbers: 'integers' }),
    name = typeof said === 'object' && said !== null && !Array.isArray(said) ? said['client'] : undefined,
    of = typeof name === 'string' ? f.enrolments.get(name) : undefined;
  if (!of) throw new InputError(where, ['is of nobody who is enrolled']);
  return openEnvelope(kind, e, [clientKey(of)], where) as SentMessage;
}

/** Blobs that a message names, with the most bytes that each may have. */
export function blobsOf(f: Federation, m: SentMessage): { readonly digest: string; readonly most: number }[] {
  const cells = valuesOf(f.charter.body.tensors);
  switch (m.kind) {
    case 'enrolment':
      return [{ digest: m.body.manifest, most: MOST_MANIFEST }];
    case 'commit':
      return [{ digest: m.body.update.blob, most: Math.min(m.body.update.bytes, updateLimit(cells)) }];
    case 'response':
      return m.body.proof === null ? [] : [{ digest: m.body.proof, most: MOST_UNIT }];
    case 'withdrawal':
      return [];
  }
}

/**
 * Puts a message into the inbox; returns the digests of its blobs that are not there yet. The same once more changes
 * nothing. Throws InputError where too many wait.
 */
export function hand(dir: string, f: Federation, m: SentMessage): string[] {
  const file = join(inbox(dir), nameOf(m.digest));
  if (!existsSync(file)) {
    if (existsSync(inbox(dir)) && listFolder(inbox(dir)).length >= MOST_WAITING)
      throw new InputError(inbox(dir), [`holds ${MOST_WAITING} messages`], 'wait for the server');
    writeAtomic(file, messageFile(m.envelope));
  }
  return blobsOf(f, m)
    .filter((b) => readBlob(dir, b.digest, b.most) === undefined)
    .map((b) => b.digest);
}

/** Blobs that waiting messages ask for, with the most bytes of each. */
export const asked = (dir: string, f: Federation): Map<string, number> =>
  new Map(waiting(dir, f).flatMap((w) => (w.message ? blobsOf(f, w.message) : []).map((b) => [b.digest, b.most] as const)));

/** A waiting file: its message, or why it is none. */
export interface Waiting {
  readonly file: string;
  readonly message?: SentMessage;
  readonly refusal?: string;
}

/** Messages in the inbox in order of their names. */
export function waiting(dir: string, f: Federation): Waiting[] {
  if (!existsSync(inbox(dir))) return [];
  return listFolder(inbox(dir)).flatMap((name): Waiting[] => {
    if (!/^[0-9a-f]{64}\.json$/.test(name)) return [];
    const file = join(inbox(dir), name);
    try {
      const message = openSent(f, readBytes(file, 'envelope'), file);
      if (nameOf(message.digest) !== name) return [{ file, refusal: 'has another name than its digest' }];
      return [{ file, message }];
    } catch (e) {
      if (e instanceof InputError || e instanceof VerificationError) return [{ file, refusal: e.message }];
      throw e;
    }
  });
}

/** Takes a message out of the inbox: it lies at its place now. */
export const taken = (w: Waiting): void => rmSync(w.file, { force: true });

/** Moves a message out of the inbox with the reason why it was refused. */
export function refuse(dir: string, w: Waiting, why: string): void {
  const name = w.file.slice(-69),
    to = join(dir, 'refused');
  makeFolder(to);
  // Whoever sends nothing but what is refused fills no disk.
  if (listFolder(to).length >= 2 * MOST_WAITING) {
    rmSync(w.file, { force: true });
    return;
  }
  writeAtomic(join(to, name.replace('.json', '.why.json')), canonicalBytes({ why: why.slice(0, 1000) }));
  renameSync(w.file, join(to, name));
}
