import { InputError } from '../errors.js';
import { headerLine } from '../artifact/header.js';
import { PACK_TYPE, type Pack, decodePack, proofBytes } from '../artifact/pack.js';
import { FOLDED_TYPE, type FoldedRun, NODE_TYPE, type NodeFile, decodeFolded, decodeNode } from '../artifact/folded.js';

/** A proof file of any kind. */
export type AnyProof =
  | { readonly kind: 'pack'; readonly bytes: number; readonly pack: Pack }
  | { readonly kind: 'folded'; readonly bytes: number; readonly folded: FoldedRun }
  | { readonly kind: 'node'; readonly bytes: number; readonly node: NodeFile };

/** Reads a proof file of whatever kind it says it is. Throws InputError, VersionError; verifies nothing. */
export function readProofFile(file: string): AnyProof {
  const b = proofBytes(file),
    bytes = b.length;
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
        'give a file that certune prove or certune fold wrote',
      );
  }
}

export const manifestOf = (p: AnyProof): Pack['manifest'] =>
  p.kind === 'pack' ? p.pack.manifest : p.kind === 'folded' ? p.folded.manifest : p.node.manifest;
