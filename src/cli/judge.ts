import { moduleOf } from '../io/names.js';
import { readAdapter } from '../io/peft.js';
import { loadBase } from '../io/hf.js';
import { splitWeights } from '../model/base.js';
import type { Target as Projection } from '../model/shape.js';
import { type PolicyFacts, type RuleVerdict, type VerifierPolicy, evaluatePolicy, fact, unknown } from '../provenance/policy.js';
import { programDigests } from '../provenance/predicate.js';
import { type AdapterResult, type Bounds, adapterResult, matrixNorm } from '../provenance/result.js';
import { type CardVerdict, byRole } from '../provenance/cards/evaluate.js';
import type { Manifest } from '../run/manifest.js';
import { wholeEpochs } from '../verify/folded.js';
import type { Result } from './common.js';
import { admits } from './policy.js';
import type { Release } from './release.js';
import type { Signed } from './signed.js';
import { type VerifyOptions, openTarget } from './target.js';

/** What a policy is judged by: what verification found, and where things lie. */
export interface Judged {
  readonly target: string;
  readonly release: Release | undefined;
  readonly result: Result;
  readonly signed: Signed | undefined;
  /** Verdicts of the cards beside the proof. */ readonly cards: readonly CardVerdict[];
  /** Seconds since 1970. */ readonly now: number;
  readonly options: Pick<VerifyOptions, 'base' | 'adapter'>;
}

/** Norms, rank and touched modules of a released adapter. Throws InputError. */
export function resultOf(dir: string, m: Manifest): AdapterResult {
  const { shape } = m.base,
    { meta, members } = readAdapter(dir, shape);
  return adapterResult({
    r: meta.r,
    scale: meta.rslora ? meta.alpha / Math.sqrt(meta.r) : meta.alpha / meta.r,
    layers: shape.layers,
    modules: meta.targets.map((t: Projection) => ({
      name: t,
      path: (l: number) => `model.layers.${l}.${moduleOf(t)}.${t}`,
      A: members.get(`${t}.A`)!,
      B: members.get(`${t}.B`)!,
    })),
  });
}

/** Norms of all matrices of a base by the path of their module. Throws InputError. */
export function normsOf(dir: string): Map<string, Bounds> {
  const base = loadBase(dir);
  return new Map([...splitWeights(base.shape, base.weights)].map(([name, w]) => [name.replace(/\.weight$/, ''), matrixNorm(w)]));
}

/**
 * Limits of examples that a run keeps in every epoch, by bin: maxima where its counters begin at zero (`hold`), minima
 * where an epoch ends too (`whole` of them), for before that none is due.
 */
export function quotasOf(m: Manifest, hold: boolean, whole: number): PolicyFacts['quotas'] {
  const { bins } = m.config.policy;
  if (!bins.length) return unknown('the manifest of this run names no quotas');
  if (!hold) return unknown('the range begins inside an epoch, so that its quotas are not checked');
  return fact(
    bins.map((b) => ({ bin: b.name, ...(whole > 0 ? { min: b.examples.min } : {}), max: b.examples.max })),
    whole > 0 ? 'the manifest; examples of every whole epoch' : 'the manifest; no epoch is whole, so that minima are not due yet',
  );
}

/** Judges every rule of a policy by what was verified. Only what the rules ask for is computed. */
export function judgePolicy(p: VerifierPolicy, j: Judged): RuleVerdict[] {
  const d = j.result.data,
    t = openTarget(j.release?.proof ?? j.target),
    m = t.proof.kind === 'pack' ? t.proof.pack.manifest : t.proof.kind === 'folded' ? t.proof.folded.manifest : t.proof.node.manifest,
    key = (d['key'] as { digest?: string; from?: string } | undefined) ?? {},
    whole = ['run', 'certificate', 'pack'].includes(String(d['kind'])),
    adapter = j.options.adapter ?? j.release?.adapter ?? t.adapter,
    base = j.options.base ?? t.local?.base.path,
    { beacon } = m.config.sampler;
  const facts: PolicyFacts = {
    base:
      d['base'] === 'checked'
        ? fact(m.base.digest, 'compared with the base')
        : d['base'] === 'given'
          ? fact(m.base.digest, 'bound by the commitment that was given')
          : unknown('the base was not checked: give --base'),
    licenses: fact(m.dataset.licenses, 'declared by the provider, nothing proves it'),
    programs: fact(programDigests(m), 'the programs that the proof is about'),
    key:
      key.digest === undefined
        ? unknown('a pack of step proofs has no verification key')
        : fact(key.digest, `the key is ${key.from ?? 'trusted'}`),
    soundness: whole
      ? fact(d['bits'] as number, 'the ledger of the proof')
      : unknown('a range of a run: the steps before and after it are not verified'),
    quotas:
      d['kind'] === 'pack'
        ? quotasOf(m, true, wholeEpochs(m, 0, m.config.train.steps))
        : quotasOf(m, d['quotas'] === true, Number(d['wholeEpochs'] ?? 0)),
    beacon:
      beacon === ''
        ? fact('', 'the manifest')
        : d['data'] === 'checked' || d['data'] === 'proved'
          ? fact(beacon, 'every row is the one that the sampler prescribes, by proof or by comparison; the value itself is declared')
          : unknown(
              'the data were not checked, so that their order need not be the one that follows from the beacon: give --base and --data',
            ),
    signer: !j.signed
      ? unknown('no signature was checked: give --signer, or --trusted-root with --identity and --issuer')
      : j.signed.identity
        ? fact(j.signed.identity, 'the certificate')
        : fact({ key: j.signed.keys[0] }, 'the signature over the release'),
    cards: Object.fromEntries(
      Object.entries(byRole(j.cards, p.cards ?? {})).map(([role, x]) => [
        role,
        fact(x, 'the evidence of hardware, under the root that it names'),
      ]),
    ),
    signedAt:
      j.signed?.signedAt === undefined
        ? unknown('nothing here proves when the release was signed')
        : fact(j.signed.signedAt, 'the earliest signed time under the trusted root'),
    now: j.now,
    result:
      p.result === undefined
        ? unknown('not asked')
        : d['adapter'] !== 'checked' || adapter === undefined
          ? unknown('the adapter was not compared with the last state of the run: give --adapter')
          : fact(resultOf(adapter, m), 'computed on the adapter that the proof is about'),
    baseNorms:
      p.result?.distanceToBase === undefined
        ? unknown('not asked')
        : d['base'] !== 'checked' || base === undefined
          ? unknown('the base was not checked: give --base')
          : fact(normsOf(base), 'computed on the base'),
  };
  return evaluatePolicy(p, facts, admits);
}
