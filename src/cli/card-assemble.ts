import { createRequire } from 'node:module';
import { writeAtomic } from '../io/atomic.js';
import { readBytes } from '../io/read-file.js';
import { InputError, reason } from '../errors.js';
import { concatBytes, fromHex, fromUtf8, toHex, toUtf8 } from '../provenance/bytes.js';
import { type Card, cardText, parseCard } from '../provenance/cards/card.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { parseSnpReport } from '../provenance/cards/snp.js';
import { tokenOf } from '../provenance/cards/time-stamp.js';
import { parsePem } from '../provenance/ecdsa.js';
import { readCard } from './cards.js';
import { type Result, plain } from './common.js';
import { UsageError } from './errors.js';

/*
 * Puts together what a card is judged by: certificates, revocation lists, documents, a time stamp. Beside farm the only
 * command that opens a socket, and only to the services that it names. Nothing of what comes back is believed here:
 * whoever verifies the card looks at all of it.
 */

export interface AssembleOptions {
  readonly output: string;
  /** NAME=FILE; repeatable. */ readonly collateral?: string[];
  /** False: nothing is fetched. */ readonly network?: boolean;
  /** Address of AMD's key distribution service. */ readonly kds?: string;
  readonly product?: string;
  /** Address of a time-stamping authority. */ readonly tsa?: string;
}

const KDS = 'https://kdsintf.amd.com',
  MOST_ANSWER = 1 << 20;

/** Body of an answer, of bounded size. Throws InputError that names the address. */
async function get(url: string, init: RequestInit = {}): Promise<Uint8Array> {
  let r: Response, b: Uint8Array;
  try {
    r = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(60_000) });
    b = new Uint8Array(await r.arrayBuffer());
  } catch (e) {
    throw new InputError(url, [`cannot be fetched: ${reason(e)}`], 'fetch it elsewhere and give it with --collateral NAME=FILE');
  }
  if (!r.ok || b.length > MOST_ANSWER) throw new InputError(url, [`answers ${r.status} with ${b.length} bytes`]);
  return b;
}

/** Certificates and revocation list of a report, as AMD's key distribution service gives them. */
async function amd(c: Card, o: AssembleOptions): Promise<Record<string, Uint8Array>> {
  const r = parseSnpReport(c.evidence.bytes, 'evidence'),
    product = r.product ?? o.product;
  if (product === undefined) throw new UsageError('--product: a report of version 2 does not say which product it is (Milan, Genoa)');
  if (((r.flags >> 2) & 7) !== 0)
    throw new UsageError('--collateral: a VLEK is given by the provider of the machine: give vlek=FILE and asvk=FILE, with --no-network');
  const base = `${o.kds ?? KDS}/vcek/v1/${product}`,
    [, t] = r.tcb,
    turin = product === 'Turin',
    two = (n: number): string => String(n).padStart(2, '0'),
    parts = turin
      ? `fmcSPL=${two(t[0])}&blSPL=${two(t[1])}&teeSPL=${two(t[2])}&snpSPL=${two(t[3])}&ucodeSPL=${two(t[7])}`
      : `blSPL=${two(t[0])}&teeSPL=${two(t[1])}&snpSPL=${two(t[6])}&ucodeSPL=${two(t[7])}`,
    vcek = await get(`${base}/${toHex(r.chipId.subarray(0, turin ? 8 : 64))}?${parts}`),
    [ask, ark] = parsePem(fromUtf8(await get(`${base}/cert_chain`), `${base}/cert_chain`), `${base}/cert_chain`).map((b) => b.bytes),
    crl = await get(`${base}/crl`);
  if (!ark) throw new InputError(`${base}/cert_chain`, ['holds no two certificates']);
  return { vcek, ask, ark, crl };
}

/** Documents of Intel's service for a quote, by the library that verifies it. */
async function intel(c: Card): Promise<Record<string, Uint8Array>> {
  let library: { getCollateralFromPcs(quote: Uint8Array): Promise<Record<string, string | number[]>> };
  try {
    library = createRequire(import.meta.url)('@phala/dcap-qvl') as typeof library;
  } catch {
    throw new InputError(
      '@phala/dcap-qvl',
      ['is not installed: documents for a quote are fetched with it'],
      'npm install @phala/dcap-qvl@0.3.9',
    );
  }
  const got = await library.getCollateralFromPcs(c.evidence.bytes);
  return Object.fromEntries(
    Object.entries(got).map(([k, v]) => [
      k,
      typeof v === 'string' ? (/_crl$|_signature$/.test(k) ? fromHex(v.toLowerCase(), k) : toUtf8(v)) : Uint8Array.from(v),
    ]),
  );
}

/** A time stamp over the evidence, asked for as RFC 3161 says, with the certificates of who gives it. */
async function stamp(url: string, evidence: Uint8Array): Promise<Uint8Array> {
  const hash = sha256(evidence),
    // TimeStampReq: version 1, SHA-256 of the evidence, certReq.
    query = concatBytes(fromHex('30390201013031300d060960864801650304020105000420', 'query'), hash, fromHex('0101ff', 'query'));
  return tokenOf(
    await get(url, { method: 'POST', headers: { 'content-type': 'application/timestamp-query' }, body: new Uint8Array(query) }),
    url,
  );
}

/** Adds collateral and a time stamp to a card. Throws InputError, UsageError, VersionError. */
export async function assembleCard(file: string, o: AssembleOptions): Promise<Result> {
  const card = readCard(file),
    given = Object.fromEntries(
      (o.collateral ?? []).map((x): [string, Uint8Array] => {
        const at = x.indexOf('=');
        if (at < 1) throw new UsageError(`--collateral: "${x}" is not NAME=FILE`);
        return [x.slice(0, at), readBytes(x.slice(at + 1), 'card')];
      }),
    ),
    online = o.network !== false,
    fetched = !online
      ? {}
      : card.kind === 'sev-snp'
        ? await amd(card, o)
        : card.kind === 'tdx' || card.kind === 'sgx'
          ? await intel(card)
          : {};
  if (!online && o.tsa !== undefined) throw new UsageError('--tsa asks a service: not with --no-network');
  const stamps = o.tsa === undefined ? [] : [await stamp(o.tsa, card.evidence.bytes)],
    out: Card = {
      ...card,
      collateral: { ...card.collateral, ...fetched, ...given },
      timestamps: [...card.timestamps, ...stamps],
    },
    text = cardText(out);
  parseCard(toUtf8(text), o.output);
  writeAtomic(o.output, text);
  return {
    data: { card: o.output, collateral: Object.keys(out.collateral), timestamps: out.timestamps.length, fetched: Object.keys(fetched) },
    text: [
      `wrote ${o.output}: ${Object.keys(out.collateral).join(', ') || 'no collateral'}, ${out.timestamps.length} time stamps`,
      '  nothing of it was verified: certune card verify',
    ]
      .map(plain)
      .join('\n'),
  };
}
