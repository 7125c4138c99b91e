// Writes examples/data: what the demonstration fine-tunes on and what it measures with. Deterministic; no sentence occurs in both.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { FACTS, anySentence, random, shuffled } from './language.mjs';

const TRANSLATIONS = 96,
  HELD_TRANSLATIONS = 24,
  HELD_FACTS = 12,
  LONGEST = 36; // characters of a sentence: rows stay within 32 tokens

/** Rows { train: { translate, chat }, heldOut } and the sentences that pre-training must not show beside their translation. */
export function dataRows() {
  const r = random(20),
    seen = new Set(),
    pairs = [];
  while (pairs.length < TRANSLATIONS + HELD_TRANSLATIONS) {
    const p = anySentence(r);
    if (p[0].length > LONGEST || p[1].length > LONGEST || seen.has(p[0])) continue;
    seen.add(p[0]);
    pairs.push(p);
  }
  // One direction each, by turns: a row names the language that it asks for.
  const translation = ([en, fr], k) =>
    k % 2 === 0
      ? { prompt: `English: ${en}\nFrench:`, completion: ` ${fr}`, language: 'fr' }
      : { prompt: `French: ${fr}\nEnglish:`, completion: ` ${en}`, language: 'en' };
  const chat = ({ question, answer }, k) => ({
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
  return {
    translate: pairs.slice(0, TRANSLATIONS).map(translation),
    chat: asked.flatMap((f) => [chat(f, 0), chat(f, 1)]),
    heldOut: [...pairs.slice(TRANSLATIONS).map(translation), ...held.flatMap((f) => [chat(f, 0), chat(f, 1)])],
    reserved: seen,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = fileURLToPath(new URL('../../examples/data/', import.meta.url)),
    rows = dataRows();
  mkdirSync(dir, { recursive: true });
  for (const [file, list] of [
    ['translate.jsonl', rows.translate],
    ['chat.jsonl', rows.chat],
    ['held-out.jsonl', rows.heldOut],
  ])
    writeFileSync(join(dir, file), list.map((x) => `${JSON.stringify(x)}\n`).join(''));
  console.log(`${rows.translate.length} translations, ${rows.chat.length} questions, ${rows.heldOut.length} held-out rows`);
}
