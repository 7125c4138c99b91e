import { InputError } from '../errors.js';
import { manifestDigest } from '../run/manifest.js';
import { type NodeFile, type Place, before, placeText, samePlace } from '../artifact/folded.js';

/** A range read from a file. */
export interface NamedNode {
  readonly file: string;
  readonly node: NodeFile;
}

/**
 * Whether ranges can be folded in the order given: one manifest, one key, each beginning where the one before it ends.
 * Throws InputError naming every file that does not fit and why; `file` of the error is the first of them.
 */
export function checkJoin(nodes: readonly NamedNode[], keyDigest: (key: NodeFile['key']) => string): void {
  if (nodes.length < 2) throw new RangeError('there is nothing to fold');
  const [{ node: first, file: one }] = nodes,
    manifest = manifestDigest(first.manifest),
    key = keyDigest(first.key),
    problems: { file: string; why: string }[] = [];
  nodes.forEach(({ file, node }, i) => {
    if (i === 0) return;
    if (manifestDigest(node.manifest) !== manifest) problems.push({ file, why: `is of another manifest than ${one}` });
    else if (keyDigest(node.key) !== key) problems.push({ file, why: `was proved under another verification key than ${one}` });
    else {
      const { file: last, node: n } = nodes[i - 1];
      if (manifestDigest(n.manifest) !== manifest || samePlace(n.to, node.from)) return;
      const why =
        samePlace(node.from, n.from) && samePlace(node.to, n.to)
          ? `covers the same ${span(n)} as ${last}`
          : before(node.from, n.to) && before(n.from, node.to)
            ? `(${span(node)}) overlaps ${last} (${span(n)})`
            : before(n.to, node.from)
              ? `(${span(node)}) does not follow ${last} (${span(n)}): ${span({ from: n.to, to: node.from })} missing`
              : `(${span(node)}) comes before ${last} (${span(n)}): give the files in the order of their steps`;
      problems.push({ file, why });
    }
  });
  if (problems.length)
    throw new InputError(
      problems[0].file,
      problems.map((p, i) => (i ? `${p.file} ${p.why}` : p.why)),
      'fold neighbouring ranges of one run',
    );
}

/** "steps 3 to 6" of a half-open range, "3.2 to 5" where it begins or ends inside a step. */
function span({ from, to }: { from: Place; to: Place }): string {
  if (from.part || to.part) return `${placeText(from)} to ${placeText(to)}`;
  return to.step - from.step === 1 ? `step ${from.step}` : `steps ${from.step} to ${to.step - 1}`;
}
