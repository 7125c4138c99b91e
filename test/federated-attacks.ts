import type { Attack } from './attacks.js';

/*
 * The register of attacks on federated rounds: a record for every name that src/federated refuses or judges by, with
 * the lie and the test that shows it refused. test/federated-attacks.test.ts reads the names from the code. The twelve
 * groups of docs/federated.md are those of `group`.
 */
export interface FederatedAttack extends Attack {
  readonly group: number;
  /** What it ends with, where that is no name of the code's. */ readonly ends?: string;
}
const shown = (group: number, lie: string, ends: string, file: string, text: string): FederatedAttack => ({
  ...attack(group, lie, file, text),
  ends,
});
const attack = (group: number, lie: string, file: string, text: string): FederatedAttack => ({
  group,
  lie,
  test: [file.includes('/') ? file : `src/federated/${file}`, text],
});

/** The twelve groups. */
export const GROUPS = [
  'commits in time and of the round',
  'update, first and last state',
  'whose unit a proof is of',
  'states entered',
  'openings of records',
  'draw, beacon and seal',
  'sum, weights and verdicts',
  'evidence and receipts',
  'counters and quotas',
  'bundles',
  'chain of records',
  'a server with two faces',
] as const;

const UPDATE = 'update.test.ts',
  DRAW = 'draw.test.ts',
  TREE = 'tree.test.ts',
  ROUND = 'round.test.ts',
  JUDGE = 'judge.test.ts',
  PROVED = 'test/federated-run.test.ts',
  HTTPS = 'test/federated-https.test.ts';

export const FEDERATED: Readonly<Record<string, FederatedAttack>> = {
  aggregate: attack(7, 'a rule that leaves nothing', 'aggregate.test.ts', 'refuses rules that leave nothing'),
  'aggregate format': attack(7, 'a sum that leaves the format', 'aggregate.test.ts', 'names the tensor that leaves its format'),
  'beacon chain': attack(6, 'a beacon of another chain', DRAW, 'of another chain or round, or with another signature, are refused'),
  'beacon round': attack(6, 'a beacon of another round', DRAW, 'toThrow(/^beacon round/)'),
  'beacon signature': attack(6, 'a beacon that nobody signed, or another spelling of one', DRAW, 'A true signature under another number'),
  blob: attack(2, 'other bytes than those committed to', ROUND, "'blob', 'ann'"),
  'boundary record': attack(5, 'a record with words that are none', TREE, 'refuse words that are not canonical, more or fewer'),
  certificate: attack(
    10,
    'a certificate with a unit missing, twice, of another client, place or round, or in another order; forged or damaged words',
    PROVED,
    'with a unit missing, twice, of another client, place or round, or in another order is refused',
  ),
  commit: attack(
    1,
    'a commit to another plan, under another key, of somebody who takes no part',
    ROUND,
    'after the seal, late, or of the wrong plan',
  ),
  'commit units': attack(5, 'fewer units than the plan has, so that fewer can be drawn', ROUND, 'with fewer units than the plan'),
  deadline: attack(1, 'a commit or an answer that is late', ROUND, "'deadline', 'ann'"),
  enrolment: attack(1, 'a second enrolment, or a key that nobody listed', ROUND, 'hold once: the same again changes nothing'),
  'enrolment manifest': attack(
    3,
    'a manifest with other settings, rows or an order of its own choice',
    PROVED,
    'is the one enrolled, has the settings of all, one epoch and no order of its own',
  ),
  evidence: attack(
    8,
    'evidence forged against an honest client, in each field',
    JUDGE,
    'Every field of an honest commit, changed by whoever would frame the client',
  ),
  federation: attack(3, 'a message of another federation', ROUND, 'belong to one federation'),
  'first record': attack(2, 'a first record other than the one computed', ROUND, "'first record', 'ann'"),
  'first state': attack(2, 'a plan that names another state than the global adapter has', ROUND, "'first state', 'server'"),
  'last record': attack(2, 'a last record other than the one committed to', ROUND, "'last record',"),
  'last state': attack(2, 'an update that is not the adapter of the last state', ROUND, "'last state', 'ann'"),
  'movement bound': attack(2, 'an update boosted by one unit beyond what AdamW can move', 'bound.test.ts', 'refuses a value one beyond it'),
  phase: attack(1, 'a commit after the seal, hence after the beacon', ROUND, "'phase', 'ann'"),
  plan: attack(6, 'a plan whose beacon is out before the commits are due', ROUND, 'fix a round whole'),
  'plan budget': attack(6, 'a plan that no budget holds', 'planner.test.ts', '/^plan budget: nothing fits'),
  'plan omission': attack(
    6,
    'a plan without somebody who was in an earlier one, to choose who is drawn',
    JUDGE,
    'has whoever was in a plan in every later one, unless evidence says why not',
  ),
  'plan settings': attack(7, 'a plan with another schedule than the settings give', PROVED, '/^plan settings: server: schedule/'),
  receipt: attack(8, 'a receipt of another plan', ROUND, "'receipt', 'ann'"),
  'receipt denied': attack(8, 'a commit that came and is not sealed', JUDGE, 'of a denied receipt convicts the server'),
  'record audit': attack(7, 'units counted as proved that were opened', ROUND, "'record audit', 'server'"),
  'record chain': attack(11, 'a chain of records cut, or its middle exchanged', JUDGE, 'The chain cut, or its middle exchanged.'),
  'record members': attack(
    7,
    'a weight off by one, an excluded client counted, participants in another order',
    ROUND,
    "'record members', 'server'",
  ),
  'record path': attack(5, 'an inner node as a leaf', TREE, 'an inner node as a leaf'),
  'record place': attack(5, 'a record at a place that is not there', TREE, 'refuse places outside'),
  'record position': attack(
    9,
    'counters carried into a round, an epoch twice, a range that ends in the middle of a step',
    ROUND,
    "'record position', 'ann'",
  ),
  'record provisional': attack(11, 'a provisional record passed off as final', JUDGE, 'lets no later one pass for final'),
  'record root': attack(
    5,
    'a record opened with another salt, or at another index',
    ROUND,
    'with another salt, at another index, of other words',
  ),
  'record sum': attack(7, 'a clip that was skipped', ROUND, 'with the clip skipped or a tie rounded down have another sum'),
  response: attack(3, 'an answer of another client, plan or key', ROUND, 'of another unit, client, plan or key'),
  'response proof': attack(3, 'an answer without the proof that the plan asks for', ROUND, "'response proof',"),
  'response unit': attack(3, 'an answer for another unit than the one drawn', ROUND, "'response unit', who.name"),
  seal: attack(6, 'a seal of another plan, or over other commits', ROUND, 'hold all commits in order, before the beacon'),
  'seal omission': attack(
    6,
    'a client left out without a word, or for two commits that nobody shows',
    JUDGE,
    'asks for the two commits of whom it excludes for them',
  ),
  'seal order': attack(6, 'clients in another order, which gives another draw', ROUND, "'seal order', 'server'"),
  'seal root': attack(6, 'a root over other commits', ROUND, "'seal root', 'server'"),
  'seal time': attack(6, 'a seal that is younger than the beacon', ROUND, "'seal time', 'server'"),
  settlement: attack(11, 'a settlement that says other than the verdicts', ROUND, "'settlement', 'server'"),
  'unit counters': attack(9, 'counters that go back, or further than the examples of a unit', ROUND, "'unit counters', 'ann'"),
  'unit end': attack(4, 'a unit that leaves another state, losses or counters than were committed to', PROVED, '/^unit end: ann/'),
  'unit manifest': attack(3, 'the proof of another client or round', PROVED, '/^unit manifest: ann/'),
  'unit proof': attack(
    3,
    "another client's proof under one's own manifest, another plan, damaged words",
    PROVED,
    '/^unit proof: ann: unit 0: manifest/',
  ),
  'unit range': attack(3, 'the proof of other steps than those of the unit', PROVED, '/^unit range: ann/'),
  'unit start': attack(4, 'a unit from another state than was committed to, neighbouring records exchanged', PROVED, '/^unit start: ann/'),
  'update code': attack(2, 'an update encoded another way, or of hostile size', UPDATE, 'have one encoding'),
  'update format': attack(2, 'a value beyond 25 bits', UPDATE, 'or name the tensor that leaves it'),
  verdict: attack(
    7,
    'a verdict that its messages contradict, one too many or too few',
    JUDGE,
    'with a verdict that its messages contradict is refused',
  ),
  withdrawal: attack(1, 'a withdrawal of somebody else, or from another round', ROUND, "'withdrawal', 'cat'"),
};

/** What is shown by evidence and has no refusal of its own. */
export const SHOWN: readonly FederatedAttack[] = [
  shown(
    6,
    'a number of a round left out, since numbers draw participants and orders',
    'refused: record chain',
    JUDGE,
    'with a number left out is refused: numbers draw who takes part',
  ),
  shown(
    6,
    'a plan that draws more than anybody reads, which nobody could check',
    'refused: plan',
    ROUND,
    'draw no more units than are answered, from no more than are drawn from',
  ),
  shown(
    3,
    'the answer to one unit in the place of the answer to another',
    'verdict: server: unit 1 of ... is judged by the answer to unit 0 of',
    JUDGE,
    'with the answer to one unit in the place of another is refused',
  ),
  shown(
    1,
    'two commits of one client for one round',
    'judged: charge two-messages, guilty',
    JUDGE,
    'of two commits for one round convicts',
  ),
  shown(
    12,
    'two seals shown to two clients',
    'judged: charge two-messages against the server, guilty',
    JUDGE,
    'of two seals convicts the server',
  ),
  shown(
    12,
    'two settlements of one record, or two verdicts on one unit, shown to two clients',
    'judged: charge two-messages against the server, guilty',
    JUDGE,
    'of two settlements of one record, or of two verdicts on one unit, convicts the server',
  ),
  shown(
    8,
    'a commit after a withdrawal, for a receipt that the seal would deny; a withdrawal after two commits, or from another round, which stops the server',
    'refused: withdrawal; phase',
    'test/federated-withdrawal.test.ts',
    'it gets no receipt, and neither it nor one that equivocates stops the server',
  ),
  shown(
    8,
    'a second answer for another round, which would be evidence against nobody and leave a client out',
    'refused: response',
    ROUND,
    'one for another round or plan is none, whatever unit it names',
  ),
  shown(
    1,
    'thousands of messages that name blobs which never come, so that the inbox is full for others',
    'refused: blob',
    'test/federated-withdrawal.test.ts',
    'few of its messages wait, so that the inbox is not full for others',
  ),
  shown(6, 'a modulo that is biased', 'the draw is another one: counts of all pairs are equal', DRAW, 'are uniform: every pair of 5'),
  shown(6, 'a coverage rounded down', 'the draw is another one', DRAW, 'take the ceiling of the coverage'),
  shown(
    6,
    'a verdict of the server that a proof contradicts',
    'verdict',
    PROVED,
    'refuses a verdict of the server that the proof contradicts',
  ),
  shown(
    3,
    'a unit on foreign rows, or with a mask dropped',
    'the proof cannot be made: no witness satisfies the leaf',
    PROVED,
    'of other data or of a mask that was dropped cannot be made',
  ),
  shown(
    4,
    'a state entered out of format',
    'the proof cannot be made: a range of the entered state fails',
    'test/dishonest.test.ts',
    'outside its format, which leaves a value of the prover',
  ),
  shown(
    10,
    'a bundle as a child of a fold or of the end of a run, a range that passes for a bundle',
    'the fold is not proved: kind; refused: kind is that of no circuit',
    PROVED,
    'is of bundles: a fold takes none of them, nor an end of a run, and no range passes for one',
  ),
  shown(
    10,
    'an answer by a certificate of other units than those drawn of the client, in another order, of another round, or of other records',
    'refused: certificate',
    PROVED,
    'shows the units that were drawn, in their order, of that client and round, and no other records',
  ),
  shown(
    10,
    'an answer by a certificate that does not hide its witness, or is damaged',
    'refused: certificate',
    PROVED,
    'that does not hide, is damaged, missing or of hostile size is refused',
  ),
  shown(
    8,
    'evidence against an answer by a certificate that leaves out another answer of its client',
    'judged: nothing is shown',
    PROVED,
    'is judged with all answers of its client, and says nothing where one is left out',
  ),
  shown(
    10,
    'a unit with a false claim on the base in a bundle',
    'the claim on the base does not hold, before it is bundled',
    PROVED,
    'takes no unit with a false claim on the base',
  ),
  shown(
    9,
    'quotas passed by one, a minimum missed',
    'the proof cannot be made: maxima and minima of the leaf',
    'src/recursion/policy/policy.test.ts',
    'a quota passed by one, examples or targets',
  ),
  shown(
    1,
    'messages under a key that nobody enrolled, blobs that nobody named, names outside the folder',
    'HTTP status 400, 403, 404 or 413, nothing kept',
    HTTPS,
    'takes in what is signed by whoever is enrolled',
  ),
];

const cell = (t: string): string => t.replaceAll('|', '\\|');
/** docs/federated/attacks.md, from the register. */
export function attacksPage(): string {
  const rows = [
    ...Object.entries(FEDERATED).map(([name, a]) => ({ ...a, ends: `refused: ${name}` })),
    ...SHOWN.map((a) => ({ ...a, ends: a.ends ?? '' })),
  ].sort((a, b) => a.group - b.group);
  return [
    '# Attacks on federated rounds',
    '',
    'Every name under which `src/federated` refuses something, and what is shown by evidence or cannot be proved, by group, with the test that shows it. Names are what messages begin with (`name: party: why`). The page is written from `test/federated-attacks.ts`, whose test reads the names from the code.',
    '',
    'Groups: ' + GROUPS.map((g, i) => `${i + 1} ${g}`).join('; ') + '.',
    '',
    '| group | attack | ends with | test |',
    '| --- | --- | --- | --- |',
    ...rows.map((a) => `| ${a.group} | ${cell(a.lie)} | ${cell(a.ends)} | \`${a.test![0]}\`: ${cell(a.test![1].replaceAll('`', "'"))} |`),
    '',
  ].join('\n');
}
