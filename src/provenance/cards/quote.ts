import { toHex } from '../bytes.js';
import { InputError } from '../../errors.js';

/* Quotes of Intel SGX (version 3) and TDX (versions 4 and 5), as Intel's DCAP library lays them out. */

const HEADER = 48,
  SGX_BODY = 384,
  MOST_BYTES = 64 << 10;

export interface QuoteLayout {
  readonly kind: 'tdx' | 'sgx';
  /** Where the signed part ends. */ readonly signed: number;
  /** Where the body begins. */ readonly at: number;
}

/**
 * The layout of a quote by version, with its exact end: the length of the signature data is written before them. Throws
 * InputError.
 */
export function quoteLayout(q: Uint8Array, where: string): QuoteLayout {
  const bad = (what: string): never => {
    throw new InputError(where, [`is no quote: ${what}`]);
  };
  if (q.length < HEADER + 6 || q.length > MOST_BYTES) return bad(`it has ${q.length} bytes`);
  const v = new DataView(q.buffer, q.byteOffset, q.length),
    version = v.getUint16(0, true),
    tee = v.getUint32(4, true);
  let b: QuoteLayout;
  if (version === 3 && tee === 0) b = { kind: 'sgx', at: HEADER, signed: HEADER + SGX_BODY };
  else if (version === 4 && tee === 0x81) b = { kind: 'tdx', at: HEADER, signed: HEADER + 584 };
  else if (version === 5 && tee === 0x81) {
    const type = v.getUint16(HEADER, true),
      size = v.getUint32(HEADER + 2, true);
    if (!(type === 2 && size === 584) && !(type === 3 && size === 648)) return bad(`a body of type ${type} and ${size} bytes`);
    b = { kind: 'tdx', at: HEADER + 6, signed: HEADER + 6 + size };
  } else return bad(`version ${version} of TEE type ${tee}`);
  if (b.signed + 4 > q.length || b.signed + 4 + v.getUint32(b.signed, true) !== q.length) return bad('it does not end where it says');
  return b;
}

/** What a quote's body says. */
export interface QuoteBody {
  /** Registers in Intel's names. */ readonly measurement: Record<string, string>;
  readonly reportData: Uint8Array;
  readonly debug: boolean;
  /** The module that runs trust domains is signed by Intel (whose name there is zero) and is none for tests. */
  readonly intelModule: boolean;
}

export function quoteBody(q: Uint8Array, b: QuoteLayout): QuoteBody {
  const hex = (at: number, n: number): string => toHex(q.subarray(b.at + at, b.at + at + n));
  if (b.kind === 'sgx') {
    const v = new DataView(q.buffer, q.byteOffset + b.at);
    return {
      measurement: {
        mrenclave: hex(64, 32),
        mrsigner: hex(128, 32),
        isvprodid: String(v.getUint16(256, true)),
        isvsvn: String(v.getUint16(258, true)),
      },
      reportData: q.subarray(b.at + 320, b.at + 384),
      debug: (q[b.at + 48] & 2) !== 0,
      intelModule: true,
    };
  }
  return {
    measurement: {
      mrtd: hex(136, 48),
      mrconfigid: hex(184, 48),
      mrowner: hex(232, 48),
      mrownerconfig: hex(280, 48),
      rtmr0: hex(328, 48),
      rtmr1: hex(376, 48),
      rtmr2: hex(424, 48),
      rtmr3: hex(472, 48),
    },
    reportData: q.subarray(b.at + 520, b.at + 584),
    debug: q[b.at + 120] !== 0,
    intelModule: q.subarray(b.at + 64, b.at + 120).every((x) => x === 0),
  };
}

/** Bytes of a report of the quoting enclave with its signature, and of a quote's own signature with its key. */
const QE_REPORT = SGX_BODY + 64,
  OWN_KEY = 128;

/**
 * The certificates (PEM) of the platform's key, which vouches for the quoting enclave: the last part of a quote. Every
 * part must end where it says, since no signature guards their lengths. Throws InputError.
 */
export function quoteChain(q: Uint8Array, b: QuoteLayout, where: string): Uint8Array {
  const bad = (what: string): never => {
      throw new InputError(where, [`is no quote: ${what}`]);
    },
    v = new DataView(q.buffer, q.byteOffset, q.length),
    /** Where the content of a part begins, which must be of a type and reach to the end of the quote. */
    last = (at: number, type: number): number =>
      at + 6 <= q.length && v.getUint16(at, true) === type && at + 6 + v.getUint32(at + 2, true) === q.length
        ? at + 6
        : bad(`its certification data are not of type ${type}, or do not end where it ends`);
  const signed = b.signed + 4 + OWN_KEY,
    report = b.kind === 'tdx' ? last(signed, 6) : signed,
    extra = report + QE_REPORT;
  if (extra + 2 > q.length) bad('it is cut short');
  return q.subarray(last(extra + 2 + v.getUint16(extra, true), 5));
}
