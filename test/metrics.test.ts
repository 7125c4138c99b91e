import { describe, expect, it } from 'vitest';
import { bleu, bleuCounts, bootstrap, calibration, rougeL, selfCheck, words } from '../tools/utility/metrics.js';

/*
 * BLEU and ROUGE-L of the utility experiments against the values that the maintained implementations expect of
 * themselves. Inputs and values: sacreBLEU (mjpost/sacrebleu, Apache-2.0), test/test_bleu.py and
 * test/test_sentence_bleu.py; rouge_score (google-research/rouge, Apache-2.0), rouge_scorer_test.py with
 * testdata/target.txt and prediction.txt, whose ROUGE-L values are those of ROUGE-1.5.5.
 */
const corpus = (hypotheses: string[], references: string[][], tokenizer?: string): number =>
  bleu(
    hypotheses.map((h, i) =>
      bleuCounts(
        h,
        references.map((r) => r[i] as string),
        tokenizer,
      ),
    ),
  );

const REFS = [
    ['The dog bit the man.', 'It was not unexpected.', 'The man bit him first.'],
    ['The dog had bit the man.', 'No one was surprised.', 'The man had bitten the dog.'],
  ],
  HYPS = ['The dog bit the man.', "It wasn't surprising.", 'The man had just bitten him.'];

describe('BLEU against sacreBLEU', () => {
  it('test_corpus_bleu: 48.530827 by default, 0 for empty hypotheses', () => {
    expect(corpus(HYPS, REFS)).toBeCloseTo(48.530827, 6);
    expect(corpus(['', '', ''], REFS)).toBe(0);
    selfCheck();
  });

  it("README: 82.4/50.0/45.5/37.5, lengths 17 and 18, of the example's counts", () => {
    const sum = HYPS.map((h, i) => bleuCounts(h, [REFS[0]?.[i] as string, REFS[1]?.[i] as string])).reduce((a, b) =>
      a.map((x, k) => x + (b[k] as number)),
    );
    expect([0, 1, 2, 3].map((n) => ((100 * (sum[2 * n] as number)) / (sum[2 * n + 1] as number)).toFixed(1))).toEqual([
      '82.4',
      '50.0',
      '45.5',
      '37.5',
    ]);
    expect(sum.slice(8)).toEqual([17, 18]);
  });

  it('test_statistics and test_scoring', () => {
    const c = bleuCounts('am I am a character sequence', ['I am a symbol string sequence a a']);
    expect([c[0], c[2], c[4], c[6]]).toEqual([4, 2, 1, 0]);
    expect([c[1], c[3], c[5], c[7]]).toEqual([6, 5, 4, 3]);
    expect(bleu([[9, 10, 7, 8, 5, 6, 3, 4, 11, 11]]) / 100).toBeCloseTo(0.8375922397, 9);
  });

  it('test_raw_bleu and test_degenerate_statistics: 1 for the same text, 0 without a match or without an n-gram of an order', () => {
    expect(corpus(['this is a test'], [['this is a test']])).toBeCloseTo(100, 10);
    expect(corpus(['this is a test', 'another test'], [['ref1', 'ref2']])).toBe(0);
    for (const [hit, all, h, r] of [
      [[0, 0, 0, 0], [4, 4, 2, 1], 0, 1],
      [[0, 0, 0, 0], [10, 11, 12, 0], 14, 10],
      [[0, 0, 0, 0], [0, 0, 0, 0], 1, 5],
    ] as const)
      expect(bleu([[...hit.flatMap((x, n) => [x, all[n] as number]), h, r]])).toBe(0);
  });

  it('test_api_sentence_bleu: 8.493 with exponential smoothing and 13a', () => {
    const s = bleuCounts('Producția de zahăr primă va fi exprimată în ceea ce privește zahărul alb;', [
      'producţia de zahăr brut se exprimă în zahăr alb;',
    ]);
    expect(bleu([s])).toBeCloseTo(8.493, 2);
    expect(bleu([bleuCounts('this is a cat', ['okay thanks'])])).toBe(0);
  });

  it('13a: punctuation apart except between digits, entities read; zh: Chinese characters alone', () => {
    expect(words('Hello, world: 1,000.5-3 (a/b).')).toEqual([
      'Hello',
      ',',
      'world',
      ':',
      '1,000.5',
      '-',
      '3',
      '(',
      'a',
      '/',
      'b',
      ')',
      '.',
    ]);
    expect(words('&quot;x &amp; y&quot;')).toEqual(['"', 'x', '&', 'y', '"']);
    expect(words('我在2025年, 去了 Paris。', 'zh')).toEqual(['我', '在', '2025', '年', ',', '去', '了', 'Paris', '。']);
  });
});

describe('ROUGE-L against rouge_score', () => {
  it('testRougeLConsecutive, testRougeLNonConsecutive, testRougeEmpty', () => {
    expect(rougeL('testing one', 'testing one two')).toBeCloseTo(4 / 5, 12);
    expect(rougeL('testing two', 'testing one two')).toBeCloseTo(4 / 5, 12);
    expect(rougeL('', 'testing one two')).toBe(0);
  });

  it('testRougeLAgainstRouge155: 0.51163 and 0.50000', () => {
    const rows = [
      [
        "rFDJCRtion Ht-LM EKtDXkME,yz'RBr q'wer wrojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxi",
        "ZfbCUIUuePaiLVUlCaUXxkpu XPeWing tUHfPMuZ',-Xd Y BrUgVJing M-HV.-DgdDaY.rFDJCRing Ht-LM EKBDXkME,yz'RBr q'wtion wIojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxer tKM L",
        0.51163,
      ],
      [
        "nn cw-WeFyu vC MoBL Xdn g wkvcEiGvKtion BDFhrpMer pstion sbKao Q m qier LMmed HqqLFXe,XPY,J XsurkMeo ,ed nB'wH'bWVHjWFEer tQ.saefZwJtKrTlixYpMMNJtion UCAPwNHeYVjD",
        "KsJdPByEtAor fE-Qg Dpdbring cw-WeFyu vC MoBL Xdn g wkvcEiGvKtion BDFhrpMtion psing sbKao Q m qiing LMmer HqqLFXe,XPY,J XsurkMer ,ed nB'wH'bWVHjWFEing tQ.saefZwJtKrTlixYpMMsJing UCAPwNHeYVjDing c T BUySKtion gMPfJpwGw p'NvxAoping eu pBwMBKV'I DNxqelhu,PHPxDEq,mtion SN",
        0.5,
      ],
    ] as const;
    for (const [prediction, target, f] of rows) expect(rougeL(prediction, target)).toBeCloseTo(f, 5);
  });

  it('letters that rouge_score drops are words of their own', () => {
    expect(rougeL('我去', '我去了')).toBeCloseTo(4 / 5, 12);
    expect(rougeL('été', 'ete')).toBe(0);
  });
});

describe('calibration and intervals', () => {
  it('expected calibration error over 15 bins', () => {
    expect(calibration([0.9, 0.9, 0.1, 0.1], [true, false, false, false])).toBeCloseTo(25, 10);
    expect(calibration([1, 1], [true, true])).toBe(0);
  });

  it('the bootstrap is seeded and encloses the mean about as often as it says', () => {
    const mean = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0) / x.length;
    expect(bootstrap([1, 2, 3, 4], mean, 200, 5)).toEqual(bootstrap([1, 2, 3, 4], mean, 200, 5));
    let state = 1,
      inside = 0;
    const uniform = (): number => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    };
    for (let t = 0; t < 100; t++) {
      const [a, b] = bootstrap(Array.from({ length: 40 }, uniform), mean, 200, t);
      if (a <= 0.5 && 0.5 <= b) inside++;
    }
    expect(inside).toBeGreaterThan(85);
  });
});
