import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from '../io/atomic.js';
import { readJson } from '../io/json.js';
import { readBytes, readText } from '../io/read-file.js';
import { InputError, reason } from '../errors.js';
import { sameBytes, toHex } from '../provenance/bytes.js';
import {
  type Binding,
  type Card,
  type CodeIdentity,
  type Constants,
  DOMAIN,
  ROLES,
  type Role,
  bindingHash,
  cardText,
  challengeNonce,
  digestOfJson,
  gpuNonce,
  parseCard,
  timeText,
} from '../provenance/cards/card.js';
import { KINDS, type Kind } from '../provenance/cards/evidence.js';
import { measuredOf } from '../provenance/cards/measured.js';
import { parseManifest, manifestDigest, type Manifest } from '../run/manifest.js';
import { keyDigest } from '../recursion/key.js';
import { readProofFile } from '../store/proof.js';
import { readCard, runConstants } from './cards.js';
import { type Result, plain } from './common.js';
import { UsageError } from './errors.js';
import { hashFile } from '../provenance/folder.js';

/* Makes a card inside of the trusted machine: asks its hardware to sign the hash of the binding. Opens no socket. */

export interface CreateOptions {
  readonly kind: string;
  readonly role: string;
  readonly manifest: string;
  readonly output: string;
  /** JSON of the package, and of the image, that run here: {package: {name, version, integrity}, image}. */
  readonly code: string;
  readonly certificate?: string;
  /** "beacon", or a file with a verifier's challenge. */ readonly nonceFrom?: string;
  /** Evidence that was made elsewhere, in place of a device's. */ readonly evidence?: string;
  /** Program that asks /dev/nsm: given the bytes in hexadecimal digits, it writes the document. */
  readonly helper?: string;
  readonly parent?: string;
  readonly seedSource?: string;
}

const TSM = '/sys/kernel/config/tsm/report',
  NSM = '/dev/nsm',
  SGX = '/dev/attestation';

const missing = (device: string, kind: string): never => {
  throw new InputError(
    device,
    [`does not exist: this is no ${kind} machine, or its driver is not loaded`],
    'run certune card create inside the trusted machine, or give --evidence FILE',
  );
};

/** Asks configfs-tsm (Linux 6.7 and later) for a report over 64 bytes. */
function askTsm(kind: Kind, told: Uint8Array): Uint8Array {
  if (!existsSync(TSM)) return missing(TSM, kind);
  const dir = join(TSM, `certune-${process.pid}`),
    wanted = kind === 'tdx' ? 'tdx_guest' : 'sev_guest';
  try {
    mkdirSync(dir);
  } catch (e) {
    throw new InputError(TSM, [`takes no request: ${reason(e)}`], 'run as root');
  }
  try {
    writeFileSync(join(dir, 'inblob'), told);
    const provider = readFileSync(join(dir, 'provider'), 'utf8').trim();
    if (provider !== wanted) throw new InputError(TSM, [`is that of ${provider}, not of ${wanted}`]);
    return new Uint8Array(readFileSync(join(dir, 'outblob')));
  } finally {
    rmdirSync(dir);
  }
}

/** Evidence over some bytes, from the device of a kind. Throws InputError that names the device where there is none. */
function ask(kind: Kind, told: Uint8Array, o: CreateOptions): Uint8Array {
  if (kind === 'sev-snp' || kind === 'tdx') return askTsm(kind, told);
  if (kind === 'sgx') {
    if (!existsSync(join(SGX, 'quote'))) return missing(join(SGX, 'quote'), kind);
    writeFileSync(join(SGX, 'user_report_data'), told);
    return new Uint8Array(readFileSync(join(SGX, 'quote')));
  }
  if (kind === 'nvidia-gpu') throw new UsageError("--evidence: give the token that NVIDIA's own tool wrote (nvattest), in canonical JSON");
  if (!existsSync(NSM)) return missing(NSM, kind);
  if (o.helper === undefined)
    throw new UsageError(`--helper: give a program that asks ${NSM}, since it is asked by calls that are no reading or writing`);
  const r = spawnSync(o.helper, [toHex(told)], { maxBuffer: 1 << 20 });
  if (r.error || r.status !== 0)
    throw new InputError(o.helper, [`did not answer: ${r.error ? reason(r.error) : `it ended with ${r.status}`}`]);
  return new Uint8Array(r.stdout);
}

function oneOf<T extends string>(option: string, v: string, list: readonly T[]): T {
  if (!(list as readonly string[]).includes(v)) throw new UsageError(`${option}: "${v}" is none of ${list.join(', ')}`);
  return v as T;
}

/** The challenge that the nonce comes from: the run's beacon, or the text of a file. */
function challengeOf(o: CreateOptions, m: Manifest): { nonce: string; challenge?: string } {
  if (o.nonceFrom === undefined) return { nonce: '0'.repeat(64) };
  const challenge = o.nonceFrom === 'beacon' ? m.config.sampler.beacon : readText(o.nonceFrom, 'template').trim();
  if (!/^[ -~]{1,256}$/.test(challenge))
    throw new InputError(o.nonceFrom === 'beacon' ? o.manifest : o.nonceFrom, ['holds no challenge of 1 to 256 printable characters']);
  return { nonce: challengeNonce(challenge), challenge };
}

/** Digest of the proof file, and of its key, for the roles that have one. */
function proofParts(o: CreateOptions, role: Role): { statement?: string; verificationKey?: string } {
  const late = role === 'trainer' || role === 'prover';
  if (late !== (o.certificate !== undefined))
    throw new UsageError(
      `--certificate: ${late ? 'give the proof file that the card is about' : `a card of the role ${role} is about a manifest alone`}`,
    );
  if (o.certificate === undefined) return {};
  const p = readProofFile(o.certificate);
  return {
    statement: `sha256:${hashFile(o.certificate)}`,
    ...(p.kind === 'folded' ? { verificationKey: keyDigest(p.folded.key) } : {}),
  };
}

/** Makes a card. Throws UsageError, InputError. */
export function createCard(o: CreateOptions): Result {
  const kind = oneOf('--kind', o.kind, KINDS),
    role = oneOf('--role', o.role, ROLES),
    m = parseManifest(o.manifest, readJson(o.manifest, 'manifest')),
    parent = o.parent === undefined ? undefined : readCard(o.parent),
    code = readJson(o.code, 'card') as Pick<CodeIdentity, 'package' | 'image'>,
    { statement, verificationKey } = proofParts(o, role);
  if ((kind === 'nvidia-gpu') !== (parent !== undefined))
    throw new UsageError('--parent: the card of the CPU, for a GPU and for nothing else');
  const zero = new Uint8Array(64),
    // Asked once to see what is measured, and again with the binding, which names it.
    first = o.evidence === undefined ? ask(kind, zero, o) : readBytes(o.evidence, 'card'),
    { measurement } = measuredOf(kind, first, o.evidence ?? kind),
    codeIdentity: CodeIdentity = { ...code, measurement },
    constants: Constants = {
      ...runConstants(m),
      ...(verificationKey === undefined ? {} : { verificationKey }),
      seedSource: oneOf('--seed-source', o.seedSource ?? 'declared', ['declared', 'beacon', 'drawn-inside'] as const),
    },
    binding: Binding = {
      domain: DOMAIN,
      role,
      manifest: manifestDigest(m),
      ...(statement === undefined ? {} : { statement }),
      codeIdentity: digestOfJson(codeIdentity),
      constants: digestOfJson(constants),
      ...challengeOf(o, m),
      ...(parent ? { parent: digestOfJson(parent.binding) } : {}),
    },
    told = parent ? gpuNonce(binding, parent.binding) : bindingHash(binding),
    evidence = o.evidence === undefined ? ask(kind, told, o) : first,
    seen = measuredOf(kind, evidence, o.evidence ?? kind);
  if (!sameBytes(seen.reportData, told))
    throw new InputError(
      o.evidence ?? kind,
      ['was asked for with other bytes'],
      `ask for evidence over ${toHex(told)} and give it with --evidence`,
    );
  if (digestOfJson(seen.measurement) !== digestOfJson(measurement)) throw new InputError(kind, ['measures something else the second time']);
  const card: Card = {
      kind,
      role,
      binding,
      codeIdentity,
      constants,
      evidence: { format: seen.format, bytes: evidence },
      collateral: {},
      verifiedAt: Math.floor(Date.now() / 1000) * 1000,
      timestamps: [],
    },
    text = cardText(card);
  // What is written is what is read, with every bound of a reader.
  parseCard(new TextEncoder().encode(text), o.code);
  writeAtomic(o.output, text);
  return {
    data: { card: o.output, kind, role, told: toHex(told), measurement, verifiedAt: timeText(card.verifiedAt) },
    text: [`wrote ${o.output}`, '  without collateral and time stamp: certune card assemble adds them, outside of this machine']
      .map(plain)
      .join('\n'),
  };
}
