/**
 * What the base reads: documents of a few sentences, one language after the other, and lists that set both side by
 * side.
 */
import { readFileSync } from 'node:fs';
import { type Pair, FACTS, NAMES, anySentence, random, shuffled, story } from './language.js';

/** The hand-written stories: lists of [English, French]. */
export function writtenStories(): Pair[][] {
  const text = readFileSync(new URL('../../examples/text/stories.txt', import.meta.url), 'utf8');
  return text
    .split(/\n\s*\n/)
    .map((block) => block.split('\n').filter((l) => l && !l.startsWith('#')))
    .filter((lines) => lines.length)
    .map((lines) =>
      lines.map((l): Pair => {
        const [en, fr, ...more] = l.split(' | ');
        if (fr === undefined || more.length) throw new Error(`stories.txt: not a pair: ${l}`);
        return [en, fr];
      }),
    );
}

/** Ways to set a sentence beside its translation. `lang` is the language of the translation: 0 English, 1 French. */
const PAIRS: readonly ((x: string, y: string, lang: number) => string)[] = [
  (x, y) => `${x} = ${y}\n`,
  (x, y) => `${x}\n${y}\n\n`,
  (x, y) => `${x} / ${y}\n`,
  (x, y) => `${x} (${y})\n`,
  (x, y, lang) => `${x} ${['In English:', 'En français :'][lang]} ${y}\n`,
];
/** Ways to set an answer beside its question. */
const QUESTIONS: readonly ((q: string, a: string, lang: number, x: string, y: string) => string)[] = [
  (q, a, lang, x, y) => (lang ? `${x} demande : ${q} ${y} dit : ${a} ` : `${x} asks: ${q} ${y} says: ${a} `),
  (q, a) => `${q} ${a} `,
  (q, a) => `${q}\n${a}\n`,
  (q, a) => `- ${q}\n- ${a}\n`,
];
/** Shares of pairs, questions, facts, written stories; the rest are stories made from patterns. */
const SHARES = [
  [0.55, 0.13, 0.1, 0.09],
  [0.48, 0.27, 0.05, 0.08],
];

/**
 * Endless documents. `reserved` sentences (English) never stand beside their translation: they are kept for fine-tuning
 * and held-out data. In the first stage pairs and questions have one layout each, in the second all.
 */
export function* documents(seed: number, reserved: ReadonlySet<string> = new Set(), stage = 0): Generator<string, never> {
  const r = random(seed),
    written = writtenStories(),
    facts = Object.values(FACTS),
    [pairShare, questionShare, factShare, writtenShare] = SHARES[stage];
  const pairs = (n: number): Pair[] => {
    const out: Pair[] = [];
    while (out.length < n) {
      const p = r.chance(0.12) ? r.pick(r.pick(facts)).answer : r.chance(0.05) ? r.pick(r.pick(written)) : anySentence(r);
      if (!reserved.has(p[0])) out.push(p);
    }
    return out;
  };
  for (;;) {
    const lang = r.below(2);
    let kind = r.next();
    const next = (share: number): boolean => {
      kind -= share;
      return kind < 0;
    };
    if (next(pairShare)) {
      const back = r.below(2),
        layout = stage ? r.pick(PAIRS) : PAIRS[0];
      yield pairs(4)
        .map((p) => layout(p[back], p[1 - back], 1 - back))
        .join('');
    } else if (next(questionShare)) {
      const layout = stage ? r.pick(QUESTIONS) : QUESTIONS[0];
      const out: string[] = [];
      for (let k = 0; k < 3; k++) {
        const f = r.pick(r.pick(facts)),
          [x, y] = shuffled(NAMES, r);
        out.push(layout(f.question[lang], f.answer[lang], lang, x.en, y.en));
      }
      yield out.join('').trimEnd();
    } else if (next(factShare)) yield Array.from({ length: 6 }, () => r.pick(r.pick(facts)).answer[lang]).join(' ');
    else if (next(writtenShare))
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
export function tokenizerText(reserved: ReadonlySet<string>): string {
  const stream = documents(1, reserved);
  return Array.from({ length: 3000 }, () => stream.next().value).join('\n');
}
