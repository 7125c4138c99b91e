// npm run utility -- experiments [mixture[:seed] ...]: trains and evaluates every mixture and seed that has no result yet, going on where it stopped.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { singleKernels } from '../../dist/kernels/index.js';
import { decoder } from './decode.mjs';
import { Pair, fixtures, loadModel, out, save } from './lib.mjs';
import { bleu, bleuCounts, bootstrap, calibration, rougeL, selfCheck } from './metrics.mjs';
import { baseOf, mixture } from './mixtures.mjs';

export const ORDER = [1, 2, 3].flatMap((seed) => ['english', 'english-chinese', 'multi30k', 'english-french'].map((m) => [m, seed]));
const ITEMS = 768,
  ITEMS_OF_TEXT = 500;

export const resultFile = (name, seed) => join(out, 'results', `${name}-seed${seed}.json`);
const mean = (x) => x.reduce((s, v) => s + v, 0) / x.length;
const round = (x, d = 6) => Number(x.toPrecision(d));

function summary(e) {
  return {
    perplexity: Math.exp(mean(e.loss)),
    accuracy: 100 * mean(e.right.map(Number)),
    calibrationError: calibration(e.confidence, e.right),
    tokens: e.loss.length,
  };
}

/** Throws unless the decoder's losses are those of the float reading, to 1e-8. */
function checkDecoder(d, pair, items, adapter) {
  const want = pair.evaluate(items, adapter, 'float').loss,
    made = items.flatMap((x) => {
      const y = d.logits([...x.tokens].slice(0, -1));
      return y.flatMap((row, i) => {
        if (!x.mask[i + 1]) return [];
        const top = Math.max(...row);
        return [top + Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0)) - row[x.tokens[i + 1]]];
      });
    });
  // The float reading goes through positions first, then rows: as sets.
  const [a, b] = [made, want].map((x) => Float64Array.from(x).sort());
  if (a.length !== b.length || a.some((v, i) => !(Math.abs(v - b[i]) < 1e-8)))
    throw new Error('the decoder does not compute what the float reading does');
}

/**
 * Text that each adapter gives for the held-out prompts: BLEU and ROUGE-L of both, with the difference and its 95% interval. `ITEMS_OF_TEXT` items, or
 * all of them where the interval is wider than a point.
 */
function generation(model, pair, items, sequence, tokenizer) {
  // The tokenizer refuses to decode nothing.
  const decode = (ids) => (ids.length ? model.codec.decode(ids) : '');
  const made = ['float', 'integer'].map((which) =>
    decoder(model.base, pair.o, pair.program, which === 'float' ? pair.float.theta : pair.released()),
  );
  checkDecoder(made[0], pair, items.slice(0, 8), pair.float.theta);
  checkDecoder(made[1], pair, items.slice(0, 8), pair.released());
  const produce = (x) => {
    const prompt = [...x.tokens.slice(0, x.cut)],
      reference = decode([...x.tokens.slice(x.cut)]);
    return made.map((d) => {
      const text = decode(d.greedy(prompt, model.codec.ids.closing[0], sequence));
      return { counts: bleuCounts(text, [reference], tokenizer), rouge: 100 * rougeL(text, reference), text };
    });
  };
  const B = (i) => (set) => bleu(set.map((r) => r[i].counts)),
    R = (i) => (set) => mean(set.map((r) => r[i].rouge)),
    dB = (set) => B(1)(set) - B(0)(set),
    dR = (set) => R(1)(set) - R(0)(set),
    width = (i) => i[1] - i[0];
  const rows = items.slice(0, ITEMS_OF_TEXT).map(produce);
  const measure = () => ({
    items: rows.length,
    tokenizer,
    sameText: rows.filter((r) => r[0].text === r[1].text).length,
    floatBleu: round(B(0)(rows), 4),
    integerBleu: round(B(1)(rows), 4),
    floatRougeL: round(R(0)(rows), 4),
    integerRougeL: round(R(1)(rows), 4),
    ...(B(0)(rows) < 5
      ? { result: 'not measurable' }
      : {
          bleuDifference: round(dB(rows), 3),
          bleuInterval: bootstrap(rows, dB, 500).map((x) => round(x, 3)),
          rougeDifference: round(dR(rows), 3),
          rougeInterval: bootstrap(rows, dR, 500).map((x) => round(x, 3)),
        }),
  });
  const first = measure();
  if (first.result || rows.length === items.length || (width(first.bleuInterval) <= 1 && width(first.rougeInterval) <= 1)) return first;
  rows.push(...items.slice(rows.length).map(produce));
  return measure();
}

export async function experiments(wanted) {
  selfCheck();
  const k = singleKernels(),
    state = join(out, '../../.utility');
  // Texts after all figures; they need the adapters, so where .utility lacks them the training is repeated.
  for (const [name, seed, texts] of [...ORDER.map((x) => [...x, false]), ...ORDER.map((x) => [...x, true])]) {
    if (wanted.length && !wanted.includes(name) && !wanted.includes(`${name}:${seed}`)) continue;
    const file = resultFile(name, seed),
      prior = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined,
      own = baseOf(name),
      dir = own ? join(out, '../..', own) : join(fixtures, 'data/stories260k/hf'),
      weights = createHash('sha256')
        .update(readFileSync(join(dir, 'model.safetensors')))
        .digest('hex'),
      // Measured on fewer rows, or trained from another base: once more.
      done = prior?.heldOut.asked === ITEMS && prior.weights === weights ? prior : undefined;
    if (texts ? !done || done.generation : done) continue;
    const m = k.mark(),
      model = loadModel(dir),
      sequence = name === 'english' ? 64 : own ? 32 : 48,
      pair = new Pair(k, model.base, { seed, sequence }),
      data = mixture(name, fixtures, model.codec, { ...pair.o, items: ITEMS }),
      kept = join(state, `${name}-seed${seed}-${weights.slice(0, 8)}.json`);
    pair.load(kept);
    while (pair.step < pair.o.steps) {
      const h = pair.train(data.batches[pair.step]);
      if (h.step % 10 === 0) {
        save(kept, pair.dump());
        process.stdout.write(
          `${name} seed ${seed} step ${h.step}: float ${h.floatLoss.toFixed(4)} integers ${h.intLoss.toFixed(4)} cosine ${h.cosine.toFixed(7)}\n`,
        );
      }
    }
    // Trained again, for its texts or more rows: the same run?
    if (prior?.weights === weights)
      console.log(`${name} seed ${seed}: cosine ${pair.cosine()}, of the first run ${prior.difference.cosine}`);
    if (!done) {
      const eF = pair.evaluate(data.held, pair.float.theta, 'float'),
        eR = pair.evaluate(data.held, pair.released(), 'float'),
        eI = pair.evaluate(data.held, undefined, 'integer'),
        eB = pair.evaluate(data.held, pair.start, 'float');
      const [f, r, i, b] = [eF, eR, eI, eB].map(summary);
      const { steps, batch, r: rank, alpha, learningRate, schedule, warmup, clip, weightDecay } = pair.o;
      save(
        file,
        `${JSON.stringify(
          {
            mixture: name,
            about: data.about,
            base: own ?? 'stories260k',
            weights,
            seed,
            settings: { steps, batch, sequence, rank, alpha, learningRate, schedule, warmup, clip, weightDecay },
            sources: data.sources,
            heldOut: { asked: ITEMS, items: data.held.length, tokens: f.tokens },
            before: { perplexity: b.perplexity },
            float64: f,
            integers: { ...i, evaluated: 'in integers, as proven' },
            released: { ...r, evaluated: 'adapter of the integer run in float64 on the original weights' },
            difference: {
              perplexityPercent: 100 * (i.perplexity / f.perplexity - 1),
              releasedPerplexityPercent: 100 * (r.perplexity / f.perplexity - 1),
              accuracyPoints: i.accuracy - f.accuracy,
              calibrationPoints: i.calibrationError - f.calibrationError,
              signedLossBias: mean(eI.loss.map((x, q) => x - eR.loss[q])),
              trainingLossBias: mean(pair.history.map((h) => h.intLoss - h.floatLoss)),
              cosine: pair.cosine(),
              largestParameter: pair.distance(),
            },
            cosines: pair.history.filter((h) => [1, 2, 5, 10, 20, 50, 100, 150, 200].includes(h.step)).map((h) => [h.step, h.cosine]),
            losses: pair.history.map((h) => [round(h.floatLoss), round(h.intLoss)]),
            proof: pair.cost(),
            ...(prior?.generation && prior.weights === weights ? { generation: prior.generation } : {}),
          },
          null,
          1,
        )}\n`,
      );
      console.log(
        `${name} seed ${seed}: perplexity ${f.perplexity.toFixed(4)} and ${i.perplexity.toFixed(4)} (${(100 * (i.perplexity / f.perplexity - 1)).toFixed(4)}%), cosine ${pair.cosine().toFixed(7)}`,
      );
    }
    if (texts) {
      const bySource = {};
      for (const [source, items] of data.texts) {
        const usable = items
          // Stories have no prompt of their own: their first half is it.
          .map((x) => ({ ...x, cut: x.prompt === '' ? Math.ceil(x.tokens.length / 2) : x.mask.indexOf(1) }))
          .filter((x) => x.tokens.length - x.cut > 3);
        bySource[source] = generation(model, pair, usable, sequence, /-zh$/.test(source) ? 'zh' : '13a');
        process.stdout.write(`${name} ${source}: ${JSON.stringify(bySource[source])}\n`);
      }
      save(file, `${JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), generation: bySource }, null, 1)}\n`);
    }
    k.release(m);
  }
  k.close();
}

/** All results so far. */
export const results = () =>
  ORDER.map(([n, s]) => resultFile(n, s))
    .filter(existsSync)
    .map((f) => JSON.parse(readFileSync(f, 'utf8')));
