// What the base reads: documents of a few sentences, one language after the other, and lists that set both side by side.
import { readFileSync } from 'node:fs';
import { FACTS, NAMES, anySentence, random, shuffled, story } from './language.mjs';

/** The hand-written stories: lists of [English, French]. */
export function writtenStories() {
  const text = readFileSync(new URL('../../examples/text/stories.txt', import.meta.url), 'utf8');
  return text
    .split(/\n\s*\n/)
    .map((block) => block.split('\n').filter((l) => l && !l.startsWith('#')))
    .filter((lines) => lines.length)
    .map((lines) =>
      lines.map((l) => {
        const pair = l.split(' | ');
        if (pair.length !== 2) throw new Error(`stories.txt: not a pair: ${l}`);
        return pair;
      }),
    );
}

/** Endless documents. `reserved` sentences (English) never stand beside their translation: they are kept for fine-tuning and held-out data. */
export function* documents(seed, reserved = new Set()) {
  const r = random(seed),
    written = writtenStories(),
    facts = Object.values(FACTS);
  const pairs = (n) => {
    const out = [];
    while (out.length < n) {
      const p = r.chance(0.12) ? r.pick(r.pick(facts)).answer : r.chance(0.05) ? r.pick(r.pick(written)) : anySentence(r);
      if (!reserved.has(p[0])) out.push(p);
    }
    return out;
  };
  for (;;) {
    const lang = r.below(2),
      kind = r.next();
    if (kind < 0.55) {
      const back = r.below(2);
      yield pairs(4)
        .map((p) => `${p[back]} = ${p[1 - back]}\n`)
        .join('');
    } else if (kind < 0.68) {
      const out = [];
      for (let k = 0; k < 3; k++) {
        const f = r.pick(r.pick(facts)),
          [x, y] = shuffled(NAMES, r);
        out.push(
          lang
            ? `${x.fr} demande : ${f.question[1]} ${y.fr} dit : ${f.answer[1]}`
            : `${x.en} asks: ${f.question[0]} ${y.en} says: ${f.answer[0]}`,
        );
      }
      yield out.join(' ');
    } else if (kind < 0.78) yield Array.from({ length: 6 }, () => r.pick(r.pick(facts)).answer[lang]).join(' ');
    else if (kind < 0.87)
      yield r
        .pick(written)
        .map((p) => p[lang])
        .join(' ');
    else
      yield story(r)
        .map((p) => p[lang])
        .join(' ');
  }
}

/** The text that the tokenizer is trained on. */
export function tokenizerText(reserved) {
  const stream = documents(1, reserved);
  return Array.from({ length: 3000 }, () => stream.next().value).join('\n');
}
