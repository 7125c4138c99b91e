import { VerificationError } from '../transcript/arith.js';
import { brokenQuota } from '../setup/quotas.js';
import { manifestDigest } from '../run/manifest.js';
import type { Pack } from '../artifact/pack.js';
import { verifyRun } from '../verify/steps.js';
import { singleKernels } from '../kernels/single.js';
import { type Context, type Result, bitsText, secondsText } from './common.js';
import { plain } from '../io/escape.js';
import { UsageError } from './errors.js';
import { type Policy, checkPolicy } from './policy.js';
import { type VerifyOptions, type Target, orderOf, ledgerOf, readReleased } from './target.js';
import { setupOf } from './setup-of.js';
import { adapterSays, baseSays } from '../verify/records.js';
import { type ClaimRecord, claimLines, comparedOf } from '../verify/claims.js';
import { besideBase, besideLines, besideOf, cardClaim, cardOf, otherBytes } from './files.js';
import { ADAPTER_REMEDY, withRemedy } from './kept.js';

/** Verifies a pack of step proofs: base, data and adapter are needed. */
export function verifyPack(t: Target, { manifest: m, run }: Pack, policy: Policy, o: VerifyOptions, c: Context): Result {
  const base = o.base ?? t.local?.base.path,
    data = o.data ?? t.local?.data.map((d) => d.path),
    adapterDir = o.adapter ?? t.adapter,
    from = o.from ?? t.local?.lora.from;
  const lacking = [
    ...(base === undefined ? ['--base DIR'] : []),
    ...(data === undefined ? ['--data FILE'] : []),
    ...(adapterDir === undefined ? ['--adapter DIR'] : []),
    ...(m.config.lora.from !== null && !from ? ['--from DIR (the adapter that the run started from)'] : []),
  ];
  if (base === undefined || data === undefined || adapterDir === undefined || lacking.length)
    throw new UsageError(`a pack of step proofs is verified with base, data and adapter: give ${lacking.join(', ')}`);
  if (data.length !== m.config.data.length)
    throw new UsageError(`--data: ${data.length} files given, the manifest has ${m.config.data.length}: give them in its order`);
  const s = setupOf(m, base, data, from, t.secret),
    broken = brokenQuota(s),
    released = withRemedy(o.adapter === undefined ? ADAPTER_REMEDY : '', () => readReleased(s.run.programs, m, adapterDir)),
    beside = besideOf(adapterDir),
    besideOfBase = besideBase(base, m.config.train.template === null),
    steps = s.config.train.steps;
  if (broken !== undefined) throw new VerificationError('quotas', broken);
  c.progress.start(0);
  const r = verifyRun(singleKernels(), s.run, { ...s.inputs, released }, run, (i) => c.progress.update('verify', i + 1, steps)),
    ledger = ledgerOf(s.run.programs, m);
  const by = (option: string, given: unknown): string => (given === undefined ? "the run's own folder" : option),
    seeded = m.config.lora.from === null,
    claims: ClaimRecord[] = [
      { claim: 'base', status: 'checked', against: base, by: by('--base', o.base), says: baseSays(m) },
      {
        claim: 'data',
        status: 'checked',
        against: data.join(', '),
        by: by('--data', o.data),
        says: 'every batch is the one that the sampler prescribes',
      },
      {
        claim: 'initial',
        status: 'checked',
        against: seeded ? `seed ${m.config.lora.seed}` : (from ?? undefined),
        by: seeded ? 'the manifest' : by('--from', o.from),
        says: 'as the manifest says',
      },
      {
        claim: 'adapter',
        status: 'checked',
        against: adapterDir,
        by: by('--adapter', o.adapter),
        says: adapterSays('it is the last state of the run', otherBytes(s.run.programs, m, adapterDir, released)),
      },
      cardClaim(adapterDir, by('--adapter', o.adapter), cardOf(s)),
    ];
  checkPolicy(policy, m, ledger, claims);
  return {
    data: {
      verified: { proof: 'checked', ...comparedOf(claims) },
      kind: 'pack',
      manifest: manifestDigest(m),
      ...r,
      base: 'checked',
      data: 'checked',
      initial: 'checked',
      adapter: 'checked',
      bits: ledger.roundByRound,
      order: orderOf(m),
      ...(beside.length ? { beside } : {}),
      ...(besideOfBase.length ? { besideBase: besideOfBase } : {}),
      policy,
    },
    text: [
      `verified: ${r.steps} steps, loss ${r.losses[0].toFixed(4)} -> ${r.losses[r.losses.length - 1].toFixed(4)}, ${bitsText(ledger.roundByRound)} bits`,
      `  ${(r.proofMs / r.steps).toFixed(0)} ms a step for the proofs; base, tables and adapter recomputed in ${secondsText(r.linearMs / 1000)}`,
      ...claimLines(claims),
      ...besideLines(beside, besideOfBase),
      `  order of data: ${orderOf(m)}`,
    ]
      .map(plain)
      .join('\n'),
  };
}
