import type { Inputs } from '../run/inputs.js';
import { existsSync } from 'node:fs';
import { epochBatches } from '../run/facts.js';
import { type Manifest, manifestDigest } from '../run/manifest.js';
import { type Compared, verifyRead } from '../verify/index.js';
import type { FoldedRun, NodeFile } from '../artifact/folded.js';
import { circuitsOf } from '../recursion/circuits.js';
import { type GivenKey, type KeyOrigin, originText } from '../verify/trust.js';
import { besideAdapter } from '../io/peft.js';
import { singleKernels } from '../kernels/single.js';
import { type Context, type Result, bitsText, secondsText } from './common.js';
import { plain } from './escape.js';
import { UsageError } from './errors.js';
import { type Policy, checkPolicy } from './policy.js';
import { type Target, type VerifyOptions, besideText, orderOf, readReleased, setupOf } from './target.js';
import { checkedRun } from '../run/facts.js';
import { inputsOf } from '../setup/base.js';
import type { FoldedCheck } from '../verify/folded.js';
import type { Ledger } from '../run/ledger.js';

/** Options that do not go together, or not with this proof. */
function misuse(
  m: Manifest,
  {
    base,
    data,
    from,
  }: { readonly base?: string | undefined; readonly data?: readonly string[] | undefined; readonly from?: string | undefined },
  range: boolean,
  o: VerifyOptions,
): string[] {
  return [
    ...(data !== undefined && base === undefined ? ["--data is read with the base's tokenizer: give --base DIR too"] : []),
    ...(data !== undefined && data.length !== m.config.data.length
      ? [`--data: ${data.length} files given, the manifest has ${m.config.data.length}: give them in its order`]
      : []),
    ...(range && base === undefined ? ['a range alone is settled against the base: give --base DIR'] : []),
    ...(o.baseRoot !== undefined && !/^[0-9a-f]{64}$/.test(o.baseRoot)
      ? ['--base-root: give 64 hexadecimal digits, as verify prints them']
      : []),
    ...(range && o.baseRoot !== undefined
      ? ['a range has no commitment to the base, and is settled against the base itself: --base-root is for whole runs']
      : []),
    ...(range && o.recompute === false ? ['a range alone is verified with recomputed keys: --no-recompute is for whole runs'] : []),
    ...(m.config.lora.from !== null && !from && data !== undefined
      ? ['--data: the batches follow with the adapter that the run started from: give --from DIR']
      : []),
  ];
}

/** What was verified, and what it was compared with, line by line. */
function linesOf(m: Manifest, r: FoldedCheck, origin: KeyOrigin, ledger: Ledger, range: boolean, more: readonly string[]): string[] {
  const what = range
    ? r.epoch === undefined
      ? `steps ${r.from} to ${r.to - 1} of ${m.config.train.steps}`
      : `epoch ${r.epoch}, steps ${r.from} to ${r.to - 1} of ${m.config.train.steps}`
    : `${r.to} steps`;
  const line = (name: string, v: Compared, yes: string, no: string): string =>
    `  ${name}: ${v}${v === 'checked' ? `, ${yes}` : ` (${no})`}`;
  return [
    `verified: ${what}, loss ${r.losses[0].toFixed(4)} -> ${r.losses[r.losses.length - 1].toFixed(4)}, ${bitsText(ledger.roundByRound)} bits`,
    `  one proof, ${r.proofMs.toFixed(0)} ms; what it is compared with recomputed in ${secondsText(r.linearMs / 1000)}`,
    `  key: ${origin.digest}, ${originText(origin)}`,
    r.base === 'checked'
      ? `  base: checked, its digest ${m.base.digest}${r.root === undefined ? ' is that' : ` and its commitment ${r.root} are those`} of the proof`
      : `  base: not checked, but for its commitment, which is the one given: the steps are proved for the base that whoever gave it had`,
    `  data: proved against the committed root${r.data === 'checked' ? ', which is that of the files given' : ' (give --base DIR and --data FILE to see the rows behind it)'}`,
    `  quotas: ${quotasText(m, r)}`,
    line(
      'initial adapter',
      r.initial,
      'as the manifest says',
      range && r.from > 0
        ? 'the range begins later: until it is folded with those before, the state that it begins from may be any'
        : 'give --from DIR',
    ),
    line(
      'adapter',
      r.adapter,
      r.from > 0 ? 'it is the state that the range leaves' : 'it is the last state of the run',
      range && r.to < m.config.train.steps ? 'the range ends earlier' : 'give --adapter DIR',
    ),
    ...more,
  ];
}

/** What holds of the quotas of a run, or of a range. */
function quotasText(m: Manifest, r: FoldedCheck): string {
  const per = epochBatches(m),
    whole = Math.max(0, Math.floor(r.to / per) - Math.ceil(r.from / per));
  if (!m.config.policy.bins.length) return 'none declared';
  if (!r.quotas) return "not checked: the range begins inside an epoch, whose counters before it are its prover's word";
  return `0 violations in ${whole} epoch${whole === 1 ? '' : 's'}${r.to % per ? `; epoch ${Math.floor(r.to / per)} is not complete: maxima hold, minima are not due` : ''}`;
}

/** Verifies a folded run, or a range of one, against whatever is at hand. */
export function verifyFolded(
  t: Target,
  x: FoldedRun | NodeFile,
  o: VerifyOptions & { readonly policy: Policy; readonly given: GivenKey | undefined },
  c: Context,
): Result {
  const { manifest: m } = x,
    node = 'from' in x ? x : undefined,
    base = o.base ?? t.local?.base.path,
    data = o.data ?? t.local?.data.map((d) => d.path),
    adapter = o.adapter ?? t.adapter,
    from = o.from ?? t.local?.lora.from ?? undefined;
  const wrong = misuse(m, { base, data, from }, node !== undefined, o);
  if (wrong.length) throw new UsageError(wrong.join('; '));
  const s = data !== undefined && base !== undefined ? setupOf(m, base, data, from) : undefined,
    run = s?.run ?? checkedRun(t.file, m),
    inputs: Inputs = s?.inputs ?? inputsOf(run, { base, from }),
    // A folder's own adapter may be absent: then it is not checked; one that was named must be there.
    dir = adapter !== undefined && (o.adapter !== undefined || existsSync(adapter)) ? adapter : undefined,
    released = dir === undefined ? undefined : readReleased(run.programs, m, dir),
    beside = dir === undefined ? [] : besideAdapter(dir).others,
    {
      check: r,
      key: origin,
      ledger,
    } = verifyRead(run, x, {
      ...inputs,
      ...(released ? { released } : {}),
      ...(o.baseRoot === undefined ? {} : { root: o.baseRoot }),
      ...(o.given ? { key: o.given } : {}),
      recompute: o.recompute !== false,
      circuits: () => {
        c.progress.line('circuits of the verifier and their keys, from the programs');
        return circuitsOf(singleKernels(), run);
      },
    });
  checkPolicy(o.policy, m, ledger, { base: r.base === 'checked', data: true });
  const order = orderOf(m);
  return {
    data: {
      verified: true,
      kind: node ? (r.epoch === undefined ? 'range' : 'epoch') : 'run',
      manifest: manifestDigest(m),
      ...r,
      steps: r.to - r.from,
      key: origin,
      bits: ledger.roundByRound,
      order,
      ...(beside.length ? { beside } : {}),
      policy: o.policy,
    },
    text: linesOf(m, r, origin, ledger, node !== undefined, [...besideText(beside), `  order of data: ${order}`])
      .map(plain)
      .join('\n'),
  };
}
