import { InputError, UnsupportedError, VersionError } from '../errors.js';
import { digestText } from '../hash/sha256.js';
import type { Kernels } from '../kernels/runtime.js';
import { type Manifest, difference } from '../run/manifest.js';
import { verify } from '../verify/index.js';
import type { Against } from '../verify/folded.js';
import { NotGivenError } from '../verify/folded.js';
import { claimsOfCheck } from '../verify/records.js';
import type { ClaimName } from '../verify/claims.js';
import type { GivenKey } from '../verify/trust.js';
import { VerificationError } from '../transcript/arith.js';
import { type Bytes, ROLE_FACTS, type Role, adapterOf } from './files.js';
import { type Element, el } from './tree.js';
import { type GivenFile, type VerifiedView, titleOf, verdict, verifiedTree } from './view.js';
import { foreign } from './words.js';

/*
 * What a page does with the files that it was given, without a document: bytes in, a tree out.
 */

/** What is at hand. Commitment and key are somebody's whom the user trusts. */
export interface Given {
  readonly proof: Bytes;
  readonly tensors?: Bytes;
  readonly config?: Bytes;
  readonly manifest?: { readonly name: string; readonly manifest: Manifest };
  readonly root?: string;
  readonly key?: GivenKey;
}

export type Outcome =
  | { readonly kind: 'verified'; readonly view: VerifiedView }
  /** What was read agrees as far as it goes, and says nothing without a thing that was not given. */
  | { readonly kind: 'open'; readonly lacks: 'base' | 'key' }
  | { readonly kind: 'refused'; readonly reason: InputError | VersionError | UnsupportedError | VerificationError };

/** How the page says that what it did not compare can be. */
const HOW: Readonly<Partial<Record<ClaimName, string>>> = {
  base: 'Whoever has the base runs certune verify FILE --base DIR.',
  data: 'Whoever has base and data runs certune verify FILE --base DIR --data FILE.',
  initial: 'Whoever has that adapter runs certune verify FILE --from DIR.',
  adapter: 'Add adapter_model.safetensors and adapter_config.json of the release.',
};

const fileOf = (role: Role, { name, bytes }: Bytes): GivenFile => ({
  role: ROLE_FACTS[role].called,
  name,
  bytes: bytes.length,
  digest: digestText(bytes),
});

/** Verifies what is at hand. Whatever the bytes are, the answer is an outcome; only a fault of the page is thrown. */
export function outcomeOf(g: Given, kernels?: Kernels): Outcome {
  const { proof, tensors, config, manifest } = g,
    adapter = tensors && config ? { tensors, config } : undefined;
  let read: Against = {};
  const v = verify(proof.bytes, {
    file: proof.name,
    ...(g.root === undefined ? {} : { root: g.root }),
    ...(g.key === undefined ? {} : { key: g.key }),
    ...(kernels === undefined ? {} : { kernels }),
    atHand: (run) => (read = adapter ? { released: adapterOf(run, adapter.config, adapter.tensors) } : {}),
  });
  if (!v.accepted) {
    if (v.reason instanceof NotGivenError) return { kind: 'open', lacks: v.reason.check === 'base' ? 'base' : 'key' };
    return { kind: 'refused', reason: v.reason };
  }
  const m = v.run.manifest,
    differs = manifest ? difference(manifest.manifest, m) : [];
  if (manifest && differs.length)
    return {
      kind: 'refused',
      reason: new VerificationError('manifest', `${manifest.name} differs from the proof's: ${differs.join(', ')}`),
    };
  const you = 'you, on this page',
    files = [
      fileOf('proof', proof),
      ...(adapter && read.released ? [fileOf('tensors', adapter.tensors), fileOf('config', adapter.config)] : []),
    ];
  return {
    kind: 'verified',
    view: {
      verdict: v,
      claims: claimsOfCheck(v.check, m, {
        base: { at: undefined, by: you, root: g.root, rootBy: you },
        data: { at: undefined, by: you },
        initial: { at: undefined, by: you },
        adapter: { at: adapter?.tensors.name, by: you },
        card: { claim: 'card', status: 'not checked', says: 'it takes base and data, which a page does not read' },
        other: 'whether its files are the very bytes that train writes was not compared',
        begins: (v.kind === 'epoch' || v.kind === 'range') && v.check.from > 0,
        ends: (v.kind === 'epoch' || v.kind === 'range') && v.check.to < m.config.train.steps,
      }),
      files,
      how: HOW,
      open: false,
    },
  };
}

const OPEN = {
  base: [
    'The proof agrees with its own manifest as far as it goes. Without the commitment to the base, from a source that you trust, nothing is proved about any step: whoever made the file may have taken weights of their own.',
    'Type the commitment above: certune verify RUN --base DIR --commit-base prints it for whoever has the base.',
  ],
  key: [
    'The verification key came with the file alone: it is its maker\u2019s word for what was proved. Nothing is verified yet.',
    'Type the digest of the key above, from a source that you trust: certune vk FILE computes it from the programs, which takes seconds and no trust.',
  ],
} as const;

const refusalTitle = (reason: Error): string =>
  reason instanceof VerificationError
    ? 'Refused'
    : reason instanceof VersionError
      ? 'Another version'
      : reason instanceof UnsupportedError
        ? 'Not verified here'
        : 'Cannot be read';

/** What is said of a refusal: problems and way out. */
function refusalOf(reason: Error): Element[] {
  if (reason instanceof InputError)
    return [
      el('p', {}, foreign(reason.file), ':'),
      el(
        'ul',
        { class: 'problems' },
        reason.problems.slice(0, 20).map((p) => el('li', {}, foreign(p))),
      ),
      ...(reason.problems.length > 20 ? [el('p', {}, `and ${reason.problems.length - 20} more.`)] : []),
      ...(reason.remedy ? [el('p', { class: 'quiet' }, `What helps: ${reason.remedy}.`)] : []),
    ];
  return [el('p', {}, foreign(reason.message))];
}

/** A problem as the first and only thing that is shown. */
export const refusedTree = (reason: Error): Element =>
  el('div', { class: 'result' }, verdict('bad', refusalTitle(reason), refusalOf(reason)));

/** The tree of an outcome, and its verdict in a few words. */
export function told(o: Outcome): { readonly tree: Element; readonly title: string } {
  if (o.kind === 'verified') return { tree: verifiedTree(o.view), title: titleOf(o.view) };
  if (o.kind === 'open') {
    const title = 'Not verified yet';
    return { title, tree: el('div', { class: 'result' }, verdict('open', title, OPEN[o.lacks])) };
  }
  return { tree: refusedTree(o.reason), title: refusalTitle(o.reason) };
}
