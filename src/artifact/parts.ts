import { wordOf } from '../field/goldilocks.js';
import { type ProofPart, type StepProof, LEFT, LEFT_WORDS } from '../run/parts.js';

/** A part's header: state commitments as decimal strings, loss, number of words. */
export interface PartHeader {
  readonly kind: ProofPart['kind'];
  readonly state: Readonly<Record<string, readonly string[]>>;
  readonly loss: string;
  readonly words: number;
}

export const partHeaders = (p: StepProof): PartHeader[] =>
  p.parts.map((x) => ({
    kind: x.kind,
    state: Object.fromEntries(Object.entries(x.roots).map(([c, r]) => [c, r.map(String)])),
    loss: x.loss.toString(),
    words: x.proof.length,
  }));

/** No part of any shape has as many words. */
const MOST_WORDS = 2 ** 26;

/**
 * Reads hostile part headers; `bad` throws the caller's error, `take` gives what stands for the words of the next part,
 * whose number in the step it is told.
 */
export function readParts<T>(
  raw: unknown,
  bad: (why: string) => never,
  take: (words: number, part: number) => T,
): (Omit<ProofPart, 'proof'> & { readonly words: T })[] {
  if (!Array.isArray(raw)) return bad('a step has no parts');
  return raw.map((x: Record<string, unknown> | null, part) => {
    if (!x || typeof x !== 'object') return bad('a part is not an object');
    const kind = x['kind'];
    if (Object.keys(x).sort().join() !== 'kind,loss,state,words') return bad('a part has other keys than it should');
    if (kind !== 'step' && kind !== 'micro' && kind !== 'update') return bad('part of unknown kind');
    const given = x['state'] as Record<string, unknown> | null,
      words = x['words'],
      loss = x['loss'];
    if (typeof words !== 'number' || !Number.isSafeInteger(words) || words < 0 || words > MOST_WORDS)
      return bad('malformed number of words');
    if (typeof loss !== 'string' || !/^(0|-?[1-9]\d{0,18})$/.test(loss) || BigInt.asIntN(64, BigInt(loss)) !== BigInt(loss))
      return bad('malformed loss');
    if (!given || typeof given !== 'object' || Object.keys(given).sort().join() !== [...LEFT[kind]].sort().join())
      return bad(`a part of kind ${kind} leaves ${LEFT[kind].join(', ')}`);
    const roots = Object.fromEntries(
      LEFT[kind].map((c) => {
        const r = given[c];
        if (!Array.isArray(r) || r.length !== LEFT_WORDS[c]) return bad(`malformed state commitment ${c}`);
        return [c, r.map((y: unknown) => wordOf(y) ?? bad(`word of ${c} is not canonical`))];
      }),
    );
    return { kind, roots, loss: BigInt(loss), words: take(words, part) };
  });
}
