import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Card, parseCard } from '../provenance/cards/card.js';
import { dcapVerifier } from '../provenance/cards/dcap.js';
import { type CardContext, type CardFile, type CardSubject, type CardVerdict, evaluateCards } from '../provenance/cards/evaluate.js';
import { ANCHORS } from '../provenance/cards/evidence.js';
import { digestOfJson } from '../provenance/cards/card.js';
import { hashFile } from '../provenance/folder.js';
import type { VerifierPolicy } from '../provenance/policy.js';
import { programDigests } from '../provenance/predicate.js';
import type { Subject } from '../provenance/statement.js';
import { PACK_NAME } from '../artifact/pack.js';
import { InputError, VersionError } from '../errors.js';
import { cardsFolder } from './cards-folder.js';
import { listFolder, readBytes } from '../io/read-file.js';
import { keyDigest } from '../recursion/key.js';
import { type Manifest, manifestDigest } from '../run/manifest.js';
import { type AnyProof, manifestOf, readProofFile } from '../store/proof.js';

/** Most cards of one proof. */
const MOST_CARDS = 256;

/** The cards among the files of a release, by their names. */
export const releasedCards = (files: readonly Subject[]): Subject[] => files.filter((f) => f.name.startsWith(`${cardsFolder(PACK_NAME)}/`));

/** What of a run is constant before anything is proved, as a card names it. */
export const runConstants = (m: Manifest): Pick<CardSubject['constants'], 'program' | 'parameters' | 'soundnessBits'> => ({
  program: digestOfJson(programDigests(m)),
  parameters: digestOfJson(m.config.proof),
  soundnessBits: m.config.proof.bits,
});

/** What the cards of a proof file must be about. */
export function subjectOf(file: string, p: AnyProof): CardSubject {
  const m = manifestOf(p);
  return {
    manifest: manifestDigest(m),
    statement: `sha256:${hashFile(file)}`,
    constants: { ...runConstants(m), ...(p.kind === 'folded' ? { verificationKey: keyDigest(p.folded.key) } : {}) },
  };
}

export const readCard = (file: string): Card => parseCard(readBytes(file, 'card'), file);

/**
 * All cards beside a proof file, those that cannot be read with their reason. Throws InputError for a folder of too
 * many.
 */
export function cardsOf(proof: string): CardFile[] {
  const dir = cardsFolder(proof);
  if (!existsSync(dir)) return [];
  const names = listFolder(dir);
  if (names.length > MOST_CARDS) throw new InputError(dir, [`holds ${names.length} cards, at most ${MOST_CARDS} are read`]);
  return names.map((name): CardFile => {
    const file = join(dir, name);
    try {
      return { file, card: readCard(file) };
    } catch (e) {
      if (e instanceof InputError || e instanceof VersionError) return { file, card: e };
      throw e;
    }
  });
}

/** Vendors' roots, and the verifier of quotes where it is installed; `now` in milliseconds since 1970. */
export function cardContext(now: number): CardContext {
  const dcap = dcapVerifier();
  return { anchors: ANCHORS, ...(dcap ? { dcap } : {}), now };
}

/** Verdicts of the cards beside a proof under a policy; without rules for cards nothing is evaluated. */
export function judgeCards(
  proof: string,
  rules: VerifierPolicy['cards'],
  now: number,
  context: (now: number) => CardContext = cardContext,
): CardVerdict[] {
  const files = cardsOf(proof);
  if (!files.length) return [];
  if (!rules)
    return files.map(({ file, card }) => ({
      file,
      ...(card instanceof Error ? {} : { kind: card.kind, role: card.role }),
      counted: false,
      status: 'not evaluated',
      says: [card instanceof Error ? card.message : 'present, not evaluated: give --policy with rules for cards'],
    }));
  return evaluateCards(files, subjectOf(proof, readProofFile(proof)), rules, context(now));
}

const MARK: Readonly<Record<CardVerdict['status'], string>> = {
  attested: 'attested',
  refused: 'NOT COUNTED, refused',
  denied: 'NOT COUNTED, denied',
  'not evaluated': 'not evaluated',
};

/** Lines of a report: one for each card, and what an attested one says and assumes. */
export const cardLines = (verdicts: readonly CardVerdict[]): string[] =>
  verdicts.flatMap((v) => [
    `  card ${v.file} (${v.kind ?? 'unreadable'}${v.role === undefined ? '' : `, ${v.role}`}): ${MARK[v.status]}`,
    ...v.says.map((s) => `    ${s}`),
  ]);
