import type { Accepted } from '../verify/index.js';
import { type Claim, claimsOf } from '../verify/claimed.js';
import { CLAIM_FACTS, type ClaimName, type ClaimRecord, reservations } from '../verify/claims.js';
import { bitsText, bytesText } from '../verify/figures.js';
import { shownText } from '../verify/shown.js';
import { originText } from '../verify/trust.js';
import { fieldsOf, ruleOf } from '../run/fields.js';
import type { Manifest } from '../run/manifest.js';
import { type Element, type Tree, el } from './tree.js';
import { figure, foreign, letters, pairs, plural, table } from './words.js';
import { lossPicture, lossTable, quotasPicture, sourcesPicture, sourcesTable } from './pictures.js';

/*
 * What a page and a report show of a verification: made from the verifier's own records and from the manifest, and from
 * nothing else, so that neither says more than was compared.
 */

/** A file that was given, and what it holds. */
export interface GivenFile {
  readonly role: string;
  readonly name: string;
  readonly bytes: number;
  /** sha256:... of the bytes that were read. */ readonly digest: string;
}

/** A proof that was accepted, and what it was compared with. */
export interface VerifiedView {
  readonly verdict: Pick<Accepted, 'kind' | 'run' | 'check' | 'key' | 'ledger'>;
  readonly claims: readonly ClaimRecord[];
  readonly files: readonly GivenFile[];
  /** By claim: how what was not compared can be. */
  readonly how: Readonly<Partial<Record<ClaimName, string>>>;
  /** A static document, in which nothing can be opened by whoever has it on paper. */ readonly open: boolean;
}

type Tone = 'good' | 'part' | 'open' | 'bad';

/** Signs of the verdict: a shape each, for those who see no colours. */
const SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M7 12.5l3.5 3.5L17 9',
  part: 'M7 12.5l3.5 3.5L17 9',
  open: 'M12 7v6M12 16.5v.5',
  bad: 'M8.5 8.5l7 7M15.5 8.5l-7 7',
};

/** The first thing that is seen: verdict, and what it is about in a sentence. */
export const verdict = (tone: Tone, title: string, says: readonly Tree[]): Element =>
  el(
    'section',
    { class: `verdict ${tone}`, 'aria-labelledby': 'verdict' },
    el(
      'svg',
      { class: 'sign', viewBox: '0 0 24 24', 'aria-hidden': 'true' },
      el('circle', { cx: 12, cy: 12, r: 10.5 }),
      el('path', { d: SIGNS[tone] }),
    ),
    el('div', {}, el('h2', { id: 'verdict', tabindex: -1 }, title), ...says.map((s) => (typeof s === 'string' ? el('p', {}, s) : s))),
  );

const section = (id: string, title: string, ...children: (Tree | readonly Tree[] | undefined)[]): Element =>
  el('section', { 'aria-labelledby': id }, el('h2', { id }, title), ...children);

const more = (open: boolean, title: string, ...children: Tree[]): Element =>
  el('details', open ? { open: '' } : {}, el('summary', {}, title), ...children);

/** A proof of all of a run. */
const whole = (kind: Accepted['kind']): boolean => kind === 'certificate' || kind === 'run';

const WHAT = { certificate: 'The whole run', run: 'The whole run', epoch: 'One epoch', range: 'A range of steps' } as const;

/** Mean losses: those of steps, of epochs, or one of all. */
function lossesOf({
  check,
}: VerifiedView['verdict']): { readonly values: readonly number[]; readonly unit: 'step' | 'epoch'; readonly first: number } | undefined {
  if (check.losses.length) return { values: check.losses, unit: 'step', first: check.from };
  const told = check.epochs.filter((e) => e.loss !== undefined);
  return told.length ? { values: told.map((e) => e.loss!), unit: 'epoch', first: told[0].epoch } : undefined;
}

/** By what each claim holds, in the words of the first lines. */
const GROUPS: readonly (readonly [ClaimRecord['status'], string])[] = [
  ['checked', 'Compared'],
  ['given', 'Compared by its commitment alone'],
  ['proved', 'Proved against a committed root'],
  ['differs', 'Differs'],
  ['not checked', 'Not checked'],
  ['not shown', 'Not shown'],
];

/** What was compared and what was not: every claim is named. */
const groups = (claims: readonly ClaimRecord[]): Element[] =>
  GROUPS.flatMap(([status, says]) => {
    const of = claims.filter((c) => c.status === status).map((c) => CLAIM_FACTS[c.claim].title);
    return of.length ? [el('p', { class: 'group' }, el('strong', {}, `${says}: `), `${of.join(', ')}.`)] : [];
  });

/** The verdict in a few words: a claim that nobody compared is a gap. */
export const titleOf = ({ claims, verdict: v }: Pick<VerifiedView, 'claims' | 'verdict'>): string =>
  reservations(claims, v.check.initial === 'checked') === '' ? 'Verified' : 'Verified, with gaps';

function summary({ verdict: v, claims }: VerifiedView): Element {
  const { check, run, ledger } = v,
    title = titleOf({ claims, verdict: v }),
    losses = lossesOf(v),
    steps = `steps ${figure(check.from)} to ${figure(check.to - 1)} of ${figure(run.manifest.config.train.steps)}`,
    facts: [string, string][] = [
      ['Steps', whole(v.kind) ? `${figure(check.to)}, all` : steps.replace('steps ', '')],
      ['Examples', figure(check.examples)],
      ...(check.targets === undefined ? [] : [['Target tokens', figure(check.targets)] as [string, string]]),
      [
        'Mean loss',
        losses
          ? `${losses.values[0].toFixed(3)} \u2192 ${losses.values[losses.values.length - 1].toFixed(3)}`
          : check.loss === undefined
            ? 'not shown'
            : check.loss.toFixed(3),
      ],
      ['Soundness', `${bitsText(ledger.roundByRound)} bits`],
    ];
  return el(
    'div',
    {},
    verdict(title === 'Verified' ? 'good' : 'part', title, [
      `Every step is the declared integer arithmetic, from the state that it enters to the one that it leaves: ${WHAT[v.kind].toLowerCase()}, in one proof${v.kind === 'certificate' ? ', which hides everything that it does not say' : ''}.`,
      ...groups(claims),
    ]),
    el(
      'dl',
      { class: 'facts' },
      facts.map(([t, x]) => el('div', {}, el('dt', {}, t), el('dd', {}, x))),
    ),
  );
}

const STATUS: Readonly<Record<ClaimRecord['status'], readonly [string, string]>> = {
  checked: ['good', 'checked'],
  proved: ['good', 'proved'],
  given: ['part', 'commitment only'],
  'not checked': ['none', 'not checked'],
  'not shown': ['none', 'not shown'],
  differs: ['bad', 'differs'],
};
const chip = (status: ClaimRecord['status']): Element => el('span', { class: `chip ${STATUS[status][0]}` }, STATUS[status][1]);

/** What a record says, as a sentence of its own. */
function sentence({ status, says }: ClaimRecord): string {
  const whole = status === 'given' ? `only its commitment was compared, ${says}` : status === 'proved' ? `proved ${says}` : says;
  return `${whole[0].toUpperCase()}${whole.slice(1)}.`;
}

/** What was compared, record by record. */
function compared({ claims, how, open }: VerifiedView): Element {
  return section(
    'compared',
    'What was compared',
    el(
      'ul',
      { class: 'claims' },
      claims.map((c) => {
        const { title, compares, without } = CLAIM_FACTS[c.claim],
          way = how[c.claim],
          lacks = c.status === 'not checked' || c.status === 'given' || c.status === 'proved';
        return el(
          'li',
          {},
          el('p', { class: 'claim' }, el('strong', {}, `${title[0].toUpperCase()}${title.slice(1)}`), ' ', chip(c.status)),
          el('p', {}, foreign(sentence(c))),
          c.against === undefined
            ? undefined
            : el('p', { class: 'quiet' }, 'Against ', foreign(c.against), c.by === undefined ? '' : `, given by ${c.by}`),
          lacks
            ? more(
                open,
                'What a full check takes',
                el('p', { class: 'quiet' }, `It compares ${compares}. Without it: ${without}.`),
                ...(way === undefined ? [] : [el('p', { class: 'quiet' }, way)]),
              )
            : undefined,
        );
      }),
    ),
  );
}

/** What the run claims, by what is known of it. */
function claimed({ verdict: { run, kind, check }, claims }: VerifiedView): Element {
  const all = claimsOf(
      run.manifest,
      kind === 'certificate'
        ? { kind }
        : kind === 'run'
          ? { kind: 'folded' }
          : { kind: 'node', range: { from: { step: check.from, part: 0 }, to: { step: check.to, part: 0 } } },
      { adapter: check.adapter === 'checked' },
    ),
    statusOf = (c: Claim): ClaimRecord['status'] | undefined => claims.find((x) => x.claim === c.by)?.status,
    recomputed = all.filter((c) => c.status === 'recomputed by the verifier'),
    lists: [string, string, readonly Claim[]][] = [
      ['Proved', 'By the proof, whoever made it.', all.filter((c) => c.status === 'proved')],
      [
        'Compared',
        'By this verification, with the files or the settings that it had.',
        recomputed.filter((c) => statusOf(c) === 'checked'),
      ],
      ['Not checked', 'What takes files that were not at hand.', recomputed.filter((c) => statusOf(c) !== 'checked')],
      ['Declared', 'The word of whoever made the run: no proof of it exists.', all.filter((c) => c.status === 'declared')],
      ['Hidden', 'What the file keeps to itself.', all.filter((c) => c.status === 'hidden')],
      ['Not hidden', 'What the file tells everybody who reads it.', all.filter((c) => c.status === 'not hidden')],
      ['Not there', 'What a proof of this kind does not say.', all.filter((c) => c.status === 'not at this stage')],
    ];
  return section(
    'claimed',
    'What is proved, and what is not',
    lists
      .filter(([, , list]) => list.length)
      .map(([title, says, list]) =>
        el(
          'div',
          { class: `list ${['Proved', 'Compared', 'Hidden'].includes(title) ? 'good' : 'none'}` },
          el('h3', {}, title),
          el('p', { class: 'quiet' }, says),
          el(
            'ul',
            {},
            list.map((c) =>
              el(
                'li',
                {},
                foreign(`${c.what}${statusOf(c) === 'given' ? ' (the commitment to it was compared, not the thing itself)' : ''}`),
              ),
            ),
          ),
        ),
      ),
  );
}

function data({ verdict: { run, check }, open }: VerifiedView): Element {
  const m = run.manifest,
    { bins, licenses } = m.config.policy;
  return section(
    'data',
    'Data',
    el(
      'p',
      {},
      `${plural(m.dataset.examples, 'row')} under one committed root. What the rows are, their sources, licences and languages, is declared; that every step took the prescribed ones is proved.`,
    ),
    sourcesPicture(m),
    licenses === null ? undefined : el('p', {}, 'Rows of other licences are not trained on, by proof: ', foreign(licenses.join(', ')), '.'),
    more(open, 'Files as a table', sourcesTable(m)),
    ...(bins.length
      ? [
          el('h3', {}, 'Quotas of every epoch'),
          el(
            'p',
            {},
            check.quotas
              ? `Bands are what the run allows, by proof: maxima after every step, minima in the ${plural(check.wholeEpochs, 'whole epoch')}.`
              : 'Bands are what the run allows. They are not checked here: this range begins inside an epoch.',
          ),
          quotasPicture(m, check.epochs),
        ]
      : [el('p', { class: 'quiet' }, 'The run declares no quotas.')]),
  );
}

function loss(view: VerifiedView): Element {
  const l = lossesOf(view.verdict);
  return section(
    'losses',
    'Loss',
    ...(l
      ? [lossPicture(l.values, l.unit, l.first), more(view.open, 'Values as a table', lossTable(l.values, l.unit, l.first))]
      : [
          el(
            'p',
            {},
            view.verdict.check.loss === undefined
              ? 'The run does not show its losses.'
              : `Mean loss over all of it: ${view.verdict.check.loss.toFixed(4)}.`,
          ),
        ]),
    el('p', { class: 'quiet' }, `Shown by the run: ${shownText(view.verdict.check.shown)}.`),
  );
}

function soundness({ verdict: { ledger, key }, open }: VerifiedView): Element {
  const bits = bitsText(ledger.roundByRound);
  return section(
    'soundness',
    'How sure is that?',
    el(
      'p',
      {},
      'Whoever makes a proof of something false, and evaluates the hash q times on the way, succeeds with probability at most q \u00d7 2',
      el('sup', {}, `\u2212${bits}`),
      '. After 2',
      el('sup', {}, '64'),
      ' evaluations that is 2',
      el('sup', {}, `\u2212${(Math.floor(10 * ledger.roundByRound) / 10 - 64).toFixed(1)}`),
      '.',
    ),
    el(
      'p',
      {},
      `${plural(ledger.leaves, 'leaf proof')} and ${plural(ledger.folds, 'fold')} lie inside this one, ${ledger.depth} deep. That a proof inside a proof is as good as one outside is argued for constant depth, and an assumption beyond, as for every recursive proof whose circuits hash. The other assumptions are about the hash functions.`,
    ),
    el('p', {}, 'Who trusts the proof trusts the verification key, for it fixes what is computed. It was ', originText(key), '.'),
    more(
      open,
      'The ledger, term by term',
      table(
        'Soundness of every part, in bits',
        ['Part', 'Proof', 'Bits', 'Kind'],
        ledger.terms.map((t) => [t.name, `${t.proof}, ${figure(t.proofs)} \u00d7 ${figure(t.rounds)}`, bitsText(t.bits), t.kind]),
        [2],
      ),
    ),
  );
}

function digests({ verdict: { run, check, key }, files }: VerifiedView): Element {
  const m = run.manifest;
  return section(
    'digests',
    'Digests',
    pairs([
      ['Manifest', letters(run.facts.digest)],
      ['Base', letters(m.base.digest)],
      ...(check.root === undefined ? [] : [['Commitment to the base', letters(check.root)] as const]),
      ['Root of the data', letters(m.dataset.root.join(' '))],
      ['Verification key', letters(key.digest)],
      ...files.map((f) => [f.role, [letters(f.digest), el('p', { class: 'quiet' }, foreign(f.name), `, ${bytesText(f.bytes)}`)]] as const),
    ]),
  );
}

/** So many fields of a manifest are shown. */
const MOST_FIELDS = 400;

/** Fields of a manifest with what is known of each. */
export function manifestTable(m: Manifest, open: boolean): Element {
  const all = fieldsOf(m);
  return more(
    open,
    `All fields of the manifest (${figure(all.length)})`,
    table(
      `Fields of the manifest${all.length > MOST_FIELDS ? `, the first ${MOST_FIELDS} of ${figure(all.length)}` : ''}`,
      ['Field', 'Value', 'Known'],
      all.slice(0, MOST_FIELDS).map((f) => {
        const { status, option } = ruleOf(f.path);
        return [foreign(f.path), foreign(JSON.stringify(f.value)), `${status}${option === undefined ? '' : ` with ${option}`}`];
      }),
    ),
  );
}

/** Everything that is shown of a proof that was accepted. */
export const verifiedTree = (v: VerifiedView): Element =>
  el(
    'div',
    { class: 'result' },
    summary(v),
    compared(v),
    claimed(v),
    data(v),
    loss(v),
    soundness(v),
    digests(v),
    section(
      'manifest',
      'Manifest',
      el('p', {}, 'What the run declared before it began. Its digest is in every proof.'),
      manifestTable(v.verdict.run.manifest, v.open),
    ),
  );
