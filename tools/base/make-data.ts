/**
 * Writes examples/data: what the demonstration fine-tunes on and what it measures with. Deterministic. No sentence
 * occurs in both.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { type Fact, type Pair, FACTS, anySentence, random, shuffled } from './language.js';

const DRAWN = 120,
  TRANSLATIONS = 88,
  HELD_TRANSLATIONS = 22,
  HELD_FACTS = 12;
/** Characters of a sentence, and of both sentences of a row together: rows stay within 32 tokens. */
const LONGEST = 36,
  LONGEST_ROW = 62;

interface Translation {
  readonly prompt: string;
  readonly completion: string;
  readonly language: string;
}
interface Chat {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly language: string;
}
export interface DataRows {
  readonly translate: readonly Translation[];
  readonly chat: readonly Chat[];
  readonly heldOut: readonly (Translation | Chat)[];
  /** English sentences that pre-training must not show beside their translation. */
  readonly reserved: ReadonlySet<string>;
}

/** The rows of examples/data. */
export function dataRows(): DataRows {
  const r = random(20),
    seen = new Set<string>(),
    pairs: Pair[] = [];
  while (pairs.length < DRAWN) {
    const p = anySentence(r);
    if (p[0].length > LONGEST || p[1].length > LONGEST || seen.has(p[0])) continue;
    seen.add(p[0]);
    pairs.push(p);
  }
  const short = pairs.filter(([en, fr]) => en.length + fr.length <= LONGEST_ROW);
  if (short.length < TRANSLATIONS + HELD_TRANSLATIONS) throw new Error(`only ${short.length} short pairs`);
  // One direction each, by turns: a row names the language that it asks for.
  const translation = ([en, fr]: Pair, k: number): Translation =>
    k % 2 === 0
      ? { prompt: `EN: ${en}\nFR:`, completion: ` ${fr}`, language: 'fr' }
      : { prompt: `FR: ${fr}\nEN:`, completion: ` ${en}`, language: 'en' };
  const chat = ({ question, answer }: Fact, k: number): Chat => ({
    messages: [
      { role: 'user', content: question[k] },
      { role: 'assistant', content: answer[k] },
    ],
    language: ['en', 'fr'][k],
  });
  // A fact is held out in both languages or in none.
  const facts = Object.values(FACTS).map((list) => shuffled(list, r)),
    held = facts.flatMap((list, i) => list.slice(0, [3, 3, 3, 1, 2][i])),
    asked = facts.flatMap((list, i) => list.slice([3, 3, 3, 1, 2][i], 14));
  if (held.length !== HELD_FACTS) throw new Error('wrong number of held-out facts');
  // Held-out rows by turns: two translations, a question in both languages.
  const heldPairs = short.slice(TRANSLATIONS, TRANSLATIONS + HELD_TRANSLATIONS).map(translation),
    heldOut: (Translation | Chat)[] = [];
  for (let k = 0; k < held.length; k++) heldOut.push(...heldPairs.slice(2 * k, 2 * k + 2), chat(held[k], 0), chat(held[k], 1));
  return {
    translate: short.slice(0, TRANSLATIONS).map(translation),
    chat: asked.flatMap((f) => [chat(f, 0), chat(f, 1)]),
    heldOut,
    reserved: seen,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = fileURLToPath(new URL('../../examples/data/', import.meta.url)),
    rows = dataRows();
  mkdirSync(dir, { recursive: true });
  const files: Readonly<Record<string, readonly object[]>> = {
    'translate.jsonl': rows.translate,
    'chat.jsonl': rows.chat,
    'held-out.jsonl': rows.heldOut,
  };
  for (const [file, list] of Object.entries(files)) writeFileSync(join(dir, file), list.map((x) => `${JSON.stringify(x)}\n`).join(''));
  console.log(`${rows.translate.length} translations, ${rows.chat.length} questions, ${rows.heldOut.length} held-out rows`);
}
