import { InputError } from '../errors.js';
import { type Certificate, decodeCertificate, encodeCertificate, isCertificate } from '../artifact/certificate.js';
import { headerLine } from '../artifact/header.js';
import { type Pack, PACK_TYPE, decodePack, encodePack } from '../artifact/pack.js';
import {
  type FoldedRun,
  type NodeFile,
  FOLDED_TYPE,
  NODE_TYPE,
  decodeFolded,
  decodeNode,
  encodeNode,
  encodeFolded,
} from '../artifact/folded.js';
import { writeAtomic } from '../io/atomic.js';
import { inFile } from '../io/source.js';

/** A proof file of any kind; a certificate is a folded run that `hides`. */
export type AnyProof =
  | { readonly kind: 'pack'; readonly bytes: number; readonly pack: Pack }
  | { readonly kind: 'folded'; readonly bytes: number; readonly folded: FoldedRun }
  | { readonly kind: 'node'; readonly bytes: number; readonly node: NodeFile };

/** Reads a proof file of whatever kind it says it is. Throws InputError, VersionError; verifies nothing. */
export function readProofFile(file: string): AnyProof {
  const b = inFile(file),
    bytes = b.size;
  if (isCertificate(b)) return { kind: 'folded', bytes, folded: decodeCertificate(file, b) };
  switch (headerLine(file, b).head['type']) {
    case PACK_TYPE:
      return { kind: 'pack', bytes, pack: decodePack(file, b) };
    case FOLDED_TYPE:
      return { kind: 'folded', bytes, folded: decodeFolded(file, b) };
    case NODE_TYPE:
      return { kind: 'node', bytes, node: decodeNode(file, b) };
    default:
      throw new InputError(
        file,
        [`is none of ${PACK_TYPE}, ${FOLDED_TYPE}, ${NODE_TYPE}`],
        'give a file that certune prove, fold or certify wrote',
      );
  }
}

export const manifestOf = (p: AnyProof): Pack['manifest'] =>
  p.kind === 'pack' ? p.pack.manifest : p.kind === 'folded' ? p.folded.manifest : p.node.manifest;

export const writeNode = (file: string, x: NodeFile): number => write(file, encodeNode(x));

export const writeCertificate = (file: string, x: Certificate): number => write(file, encodeCertificate(x));

export const writeFolded = (file: string, x: FoldedRun): number => write(file, encodeFolded(x));

function write(file: string, b: Uint8Array): number {
  writeAtomic(file, b);
  return b.length;
}

export function writePack(file: string, p: Pack): number {
  const b = encodePack(p);
  writeAtomic(file, b);
  return b.length;
}

/** Reads a packed run. Throws InputError, VersionError. */
export const readPack = (file: string): Pack => decodePack(file, inFile(file));
