/*
 * The register of attacks: a record for every relation of tensor programs, every check of a verifier, every field of a
 * statement and every class of messages. A record names the lie, the test that shows it refused and a text that stands
 * in this test, or the reason why there is none. test/attacks.test.ts reads relations, checks, fields and messages from
 * the code and fails where one has no record, or a record nothing to stand for.
 *
 * Who adds a relation, a check, a field or a message adds its attack, and a line here.
 */

/** A test file, from the root of the project, and a text of it: a title, or the line of its table. */
export type Shown = readonly [file: string, text: string];
export interface Attack {
  /** What would be passed off. */
  readonly lie: string;
  readonly test?: Shown;
  /** Why there is no test of its own. */
  readonly reason?: string;
}

const attack = (lie: string, file: string, text: string): Attack => ({ lie, test: [file, text] });
const none = (lie: string, reason: string): Attack => ({ lie, reason });

const DISHONEST = 'test/dishonest.test.ts',
  CELLS = 'src/tensor/program.test.ts',
  CIRCUIT = 'test/circuit-checks.test.ts',
  BINDING = 'test/recursion-binding.test.ts',
  RECURSION = 'test/recursion.test.ts',
  RUN = 'test/recursion-run.test.ts',
  CHAIN = 'test/chain.test.ts',
  POLICY = 'src/recursion/policy/policy.test.ts',
  POLICY_TOO = 'src/recursion/policy/attacks.test.ts',
  FORGED = 'src/recursion/policy/forged.test.ts',
  WORDS = 'test/policy-words.test.ts',
  COUNT = 'src/audit/audit.test.ts',
  LEAKAGE = 'test/leakage.test.ts',
  ORDER = 'src/policy/order/order.test.ts',
  ROWS = 'src/policy/rows/rows.test.ts',
  NEXT = 'src/tensor/next.test.ts',
  FARM_RUN = 'test/farm-run.test.ts',
  ENVELOPE = 'src/provenance/envelope.test.ts',
  HIDING = 'test/hiding.test.ts',
  CARDS = 'src/provenance/cards/cards.test.ts',
  CARD_VECTORS = 'src/provenance/cards/vectors.test.ts',
  EVERY_CELL = 'rejects one changed cell of any witness or state-out tensor, the prover keeping its honest keys';

/**
 * A relation: its room, the methods of the builder that lower it, and the checks that refuse a witness which violates
 * it.
 */
export interface RelationAttack extends Attack {
  /** File under src/tensor/relations. */
  readonly room: string;
  readonly methods: readonly string[];
  readonly refuses: readonly string[];
}
const relation = (room: string, methods: readonly string[], refuses: readonly string[], a: Attack): RelationAttack => ({
  room,
  methods,
  refuses,
  ...a,
});
/** A value outside a range or a tuple that is no row; an identity that does not hold. Both end in one sumcheck. */
const SUMCHECK = ['batched sumcheck'] as const;

/** Rooms that hold what relations share: no relation of their own. */
export const SHARED_ROOMS: readonly string[] = ['lowering', 'wide'];

export const RELATIONS: readonly RelationAttack[] = [
  relation('range', ['range', 'inFormat'], SUMCHECK, attack('a value outside its range, other limbs', CELLS, EVERY_CELL)),
  relation('round', ['round', 'rounded'], SUMCHECK, attack('a value rounded down', DISHONEST, 'rounds %s down instead of to nearest')),
  relation(
    'table',
    ['lookup', 'tabulate'],
    SUMCHECK,
    attack('entries of another row', DISHONEST, 'probabilities of another row of the table'),
  ),
  relation('sqrt', ['sqrt'], SUMCHECK, attack('a root one too low', DISHONEST, 'takes the square root of %s one too low')),
  relation('div', ['div'], SUMCHECK, attack('a quotient one too high', DISHONEST, 'takes the quotient %s one too high')),
  relation('max', ['max'], SUMCHECK, attack('another value for the larger of two', DISHONEST, 'takes %s for the maximum')),
  relation('split', ['split'], SUMCHECK, attack('other halves of a value', DISHONEST, 'splits the second moment into %s')),
  relation('digits', ['digits'], SUMCHECK, attack('other digits of a wide integer', DISHONEST, 'splits %s into other digits')),
  relation(
    'norm',
    ['norm'],
    SUMCHECK,
    attack('a norm one too low', DISHONEST, 'takes the norm of the gradient one too low, with all that follows from it'),
  ),
  relation(
    'ratio',
    ['ratio'],
    SUMCHECK,
    attack('a quotient one too low', DISHONEST, 'takes the clip factor one too low, with all that follows from it'),
  ),
  relation(
    'lse',
    ['logSumExp'],
    SUMCHECK,
    attack('a log-sum-exp one unit off', DISHONEST, 'log-sum-exp one unit off, with the weights that belong to it'),
  ),
  relation('zero', ['zero'], SUMCHECK, attack('a sum that is not that of its terms', DISHONEST, 'states another loss')),
];

/** Methods of the builder that lower no relation. */
export const DECLARE: readonly string[] = [
  ...['axis', 'tensor', 'witness', 'like', 'table', 'spec', 'tableSpec', 'value', 'interval', 'build'],
  // Halves of relations, steps that only copy cells of an alias.
  ...['step', 'constrain', 'witnessOnly', 'constraintsOnly', 'flatten', 'unflatten'],
];

/** Checks that a circuit makes as well, each with an attack that it alone stops; numbers left out. */
const IN_CIRCUIT: Readonly<Record<string, Attack>> = {
  'LogUp layer #': attack('a layer that does not follow from the next', CIRCUIT, 'a layer that does not follow from the next'),
  'LogUp numerators': attack('fractions other than lookups and multiplicities', CIRCUIT, "'LogUp numerators': ["),
  'Merkle cap': attack('a trace committed to after the challenges', CIRCUIT, "'Merkle cap': ["),
  'Merkle path': attack('openings of another tree', CIRCUIT, "'Merkle path': ["),
  'WHIR final sum': attack('a trace other than the one committed', CIRCUIT, "'WHIR final sum': ["),
  'WHIR final vector': attack('another base than the one committed', CIRCUIT, "'WHIR final vector': ["),
  'base element': attack('an element of E passed off as a word', CIRCUIT, "'base element': ["),
  'batched sumcheck': attack('an adapter left that is not that of the step', CIRCUIT, "'batched sumcheck': ["),
  bits: attack('queries where a false codeword agrees', CIRCUIT, 'another base than the one committed, queried where both agree'),
  coordinates: attack('a claim chosen after the challenges, which other words stand for', CIRCUIT, '  coordinates: ['),
  'exposed value': attack('a step from another base, with a true claim in place of the one left', CIRCUIT, "'exposed value': ["),
  'frozen reduction': attack('base weights other than those settled', CIRCUIT, "'frozen reduction': ["),
  grinding: attack('queries drawn without work', CIRCUIT, '  grinding: ['),
  'id outside the vocabulary': attack('a token that selects nothing', CIRCUIT, "'id outside the vocabulary': ["),
  'ids of a word': attack('tokens other than those of the statement', CIRCUIT, "'ids of a word': ["),
  inverse: attack('1/0 + 1/0 = 0', CIRCUIT, "'inverse (root)': ["),
  'mask behind the last target': attack('a target behind the end of a row', CIRCUIT, "'mask behind the last target': ["),
  'merge of frozen claims': attack('a false claim on the base merged with a true one', CIRCUIT, "'merge of frozen claims': ["),
  split: attack('a mask with a bit beyond its cells', CIRCUIT, '  split: ['),
  'state point #': attack("a state left with a point of the prover's choice", CIRCUIT, "'state point sOut': ["),
};
/** The same as circuits name them, each state by itself. */
export const ATTACKED: readonly string[] = Object.keys(IN_CIRCUIT)
  .flatMap((c) => (c === 'state point #' ? ['state point aOut', 'state point sOut'] : [c.replace(/ #$/, '')]))
  .sort();
/** Names of the checks that a circuit makes, without the number of a layer. */
export const family = (check: string): string => check.replace(/ \d+$/, '');

/** Checks of the wires of policy, part of every leaf. */
const POLICY_CHECKS = [
  ...['absent row', 'batch', 'class bins', 'class table', 'clip scalar', 'eligible', 'last mask bit', 'micro-batch left out'],
  ...['micro-batch too many', 'mode', 'order digits', 'order quotient', 'order remainder', 'pass', 'policy vector', 'present'],
  ...['quota maximum', 'quota minimum', 'quotas', 'sampler key', 'schedule', 'short batch', 'show', 'strata table', 'stratum'],
  ...['loss format', 'node of a path', 'row without targets', 'target count', 'walk from a row', 'walk not ended', 'walk slot'],
];

/** By the name of the check, `#` for what is filled in. */
export const CHECKS: Readonly<Record<string, Attack>> = {
  ...IN_CIRCUIT,
  // A proof that hides its witness: no circuit verifies one.
  'first factors of the products of pads': attack('another x(tau) than the committed factors have', HIDING, 'pad products'),
  'second factors of the products of pads': attack('another y(tau) than the committed factors have', HIDING, 'pad products'),
  'products of pads': attack('a cell that is not the product of its pads', HIDING, 'a cell that is not the product of its pads'),
  // Proof words and statements.
  'canonical word': attack('a second spelling of a word', 'test/mutations.test.ts', "['canonical word', 'proof length', 'Merkle path'"),
  'proof length': attack('a proof cut or grown', CELLS, 'rejects a proof that is cut, grown or not canonical'),
  'public input': attack(
    'public inputs outside their format',
    CELLS,
    'rejects public inputs that are missing, of another type or length, or outside their format',
  ),
  statement: attack(
    'a statement with holes, of another length or spelling',
    BINDING,
    'a statement with holes does not shift the words behind them',
  ),
  'statement #': attack('a word other than the one computed', BINDING, 'no word of the statement can be other than the one computed'),
  'frozen weights': attack('a claim that the base does not meet', 'test/circuit.test.ts', 'toThrow(/frozen weights/)'),
  merge: attack('claims left out, or of another stack', CHAIN, 'merges the claims of all micro-batches; refuses any other merge'),
  // Recursion.
  epoch: attack('an epoch that ends early', BINDING, 'an epoch that ends one batch early, at the wrap itself'),
  kind: attack('a circuit that is not there', RECURSION, 'a leaf does not pass for a fold, another leaf, or a circuit that is not there'),
  'verification key': attack(
    'another key than the published one',
    RECURSION,
    'refuses the published key in place of that which was used, on any level',
  ),
  'state entered': attack(
    'a state whose point is not its own',
    'src/verify/folded.test.ts',
    'has the point of its root and digest, and zero accumulators',
  ),
  range: attack('a range that ends inside a step', 'test/fold.test.ts', 'ranges proved apart fold to the same statement'),
  base: attack('a commitment to another base', 'src/verify/folded.test.ts', 'binds the stack, the programs that read it'),
  // A run's steps one by one.
  'number of steps': attack('steps left out', CHAIN, 'refuses skipped, repeated and reordered steps and parts'),
  'order of steps': attack('steps in another order', CHAIN, 'refuses skipped, repeated and reordered steps and parts'),
  'parts of a step': attack('micro-batches left out or repeated', CHAIN, 'refuses skipped, repeated and reordered steps and parts'),
  'roots of a part': attack('roots left out', CHAIN, 'refuses a loss in an update, roots left out'),
  'loss of an update': attack('a loss where there is none', CHAIN, 'refuses a loss in an update, roots left out'),
  // A statement that holds, compared with a run.
  'programs that the manifest names': attack(
    'settings of other programs',
    RUN,
    'expect(() => check({ run: runOf(master, programs) })).toThrow(VerificationError)',
  ),
  programs: attack('other programs', RUN, 'program: /^programs/'),
  manifest: attack('another manifest', RUN, 'context: /^manifest/'),
  'dataset root': attack('other data', RUN, 'dataset: /^dataset root/'),
  'digest of the base': attack('another base', RUN, 'frozen: /^digest of the base/'),
  'claim on the base': attack('a claim on a stack of another size', RUN, 'claim on the base: is on a stack of another size'),
  view: attack('words shown or hidden that the kind of the proof does not say', RUN, 'a certificate under the flags of an end'),
  'commitment to the base': attack('another base, settled', RUN, 'root: /^commitment to the base/'),
  'batches in an epoch': attack('another number of batches', RUN, 'epoch: /^batches in an epoch/'),
  policy: attack('rows, order, classes or quotas of another manifest', RUN, 'policy: /^policy/'),
  'batches in an epoch of the policy': attack('epochs of another length than the policy says', RUN, '/batches in an epoch of the policy/'),
  'counters at the start of an epoch': attack(
    'counters entered that are not zero, or negative',
    RUN,
    'countersIn: /^counters at the start of an epoch/',
  ),
  'start of the epochs': attack('a chain with something before it', RUN, 'epochsIn: /^start of the epochs/'),
  start: attack('a run that begins elsewhere', RUN, '/^first step/ : /^start/'),
  'first step': attack('a run that begins elsewhere', RUN, 'posIn: /^first step/'),
  'last step': attack('a run that ends elsewhere', RUN, 'posOut: /^last step/'),
  'initial state': attack('another initial state', RUN, 'sIn: /^initial state/'),
  'initial accumulators': attack('accumulators that are not zero', RUN, 'aIn: /^initial accumulators/'),
  'start of the losses': attack('a chain with something before it', RUN, 'lossesIn: /^start of the losses/'),
  'start of the targets': attack('a chain with something before it', RUN, 'targetsIn: /^start of the targets/'),
  data: attack('other rows than those behind the root', RUN, 'data: { ...s.inputs.data, tree: other }'),
  schedule: attack('a schedule that its formats do not hold', 'src/verify/folded.test.ts', 'a schedule outside its formats'),
  'number of targets': attack('another number of targets', RUN, '/^number of targets/'),
  losses: attack('other losses', RUN, 'lossesOut: /^losses/'),
  'sum of losses': attack('another sum', RUN, 'loss: /^sum of losses/'),
  'totals of epochs': attack('other totals, or of other epochs', RUN, 'epochsOut: /^totals of epochs/'),
  targets: attack('other numbers of targets', RUN, 'targets: list[0].targets + 1'),
  'released adapter': attack('another adapter than that of the last state', 'test/released.test.ts', 'is the one of the last state'),
  // Rows of a dataset, shown one by one.
  ...Object.fromEntries(
    ['content digest', 'mask', 'path', 'row facts', 'row number', 'tokens'].map((c) => [
      c,
      attack('a row that is none of the dataset', ROWS, `'${c}'`),
    ]),
  ),
  salt: none('a salt that is no digest', 'its words enter the digest of the row, so that any other gives `dataset root`'),
  // Totals of a dataset.
  'row counted': attack('half a row, a row that counts less than nothing', COUNT, 'refuses a present row called empty, half a row'),
  'targets of a row': attack('targets that wrap', COUNT, 'refuses targets that wrap, also where the committed row has them'),
  'root of a part': attack('rows left out, twice, of another class, none', COUNT, 'under the root of the dataset'),
  'manifest of the count': attack('the count of another run', COUNT, "toBe('manifest of the count')"),
  'parts of the count': attack('parts left out, no rows at all', COUNT, "toBe('parts of the count')"),
  'number of rows': attack('totals of fewer rows', COUNT, "toBe('number of rows')"),
  'class totals': attack('other totals, parts proved under their challenge', COUNT, 'also those that a prover has proved parts for'),
  'circuit of the count': none(
    'a proof of another circuit',
    'the verifier makes the circuit: its digest is absorbed, so that `batched sumcheck` or an opening fails before',
  ),
  // Policy in a leaf.
  ...Object.fromEntries(POLICY_CHECKS.map((c) => [c, attack('a step that policy does not admit', POLICY, `'${c}'`)])),
  'policy shape #': attack('a key for another shape', POLICY, 'a key for another shape, and any word of the policy vector'),
  '# #': attack(
    'a node of a farm that enters or leaves what the journal does not: place, state, accumulators, chains or counters',
    FARM_RUN,
    'Every part of what a node enters and leaves',
  ),
  worker: attack('a worker whose results did not hold goes on', 'test/farm.test.ts', "'suspended/worker-0'"),
  'class number': none(
    'a class beyond the table',
    'a range of 32 bits: without it the index of the path, whose split is `class table`, is another number',
  ),
  'row index': none('a row beyond the tree', 'the bits of its place: without them the path above the row, `dataset root`, ends elsewhere'),
  'step number': none('a step beyond the table', 'the bits of its place: without them the path above the row, `schedule`, ends elsewhere'),
  // Provenance.
  'payload type': attack('an envelope of something else', ENVELOPE, '42: another payload type, signed or not'),
  'card evidence': attack(
    'evidence that its key did not sign, of another product, chip or version',
    CARD_VECTORS,
    'refuses a changed report, another chain, another time, a root of its own, and what lies beside the signature',
  ),
  'card binding': attack(
    'a card of another run, role or code, or fields changed around its evidence',
    CARDS,
    '4: fields of a card changed and its evidence kept',
  ),
  'card log': attack('a log of events that the registers do not hold', CARDS, '38: a log that does not replay'),
  'card chain': attack(
    'a chain to a root of its own, outside of its time, through what is no authority',
    CARD_VECTORS,
    'refuses a changed report, another chain, another time, a root of its own, and what lies beside the signature',
  ),
  'card revocation': attack(
    'a revocation list that is absent, old, or unreadable',
    CARD_VECTORS,
    '25, 27: outside of its collateral, and without readable revocation lists, nothing holds',
  ),
  'card token': attack(
    'a token under a key of its own',
    CARD_VECTORS,
    '30: a key that came with the token is refused, and so is a foreign one',
  ),
  'card time': attack(
    'a time stamp over other bytes',
    CARD_VECTORS,
    'holds under the roots that are given, over the bytes that it is about',
  ),
  'predicate type': attack('a statement of something else', ENVELOPE, '45: another predicate type'),
  'root of the folder': attack('a root that is not that of the list', ENVELOPE, "'root of the folder'"),
  signature: attack(
    'another key, or bytes that were not signed',
    ENVELOPE,
    'reads back what it signed, under the key that is given and no other',
  ),
  'signature under the trusted root': attack(
    'another root',
    ENVELOPE,
    'believes the root that is given and no other, and compares identities whole',
  ),
  'signed statement': attack(
    'a statement that says other than the proof',
    'test/release.test.ts',
    'is refused where the statement says other than the proof, although it is signed',
  ),
  'signed files': attack('files added, removed or swapped', ENVELOPE, '49: a file added, removed, renamed in case or Unicode form'),
};

/**
 * Kinds of attacks on data, sampler and quotas: every lie of a kind, the test that shows it refused, and the checks
 * that refuse it. A lie that nothing in a proof has to refuse says so.
 */
export interface PolicyAttack {
  readonly kind: string;
  readonly lies: readonly (Attack & { readonly refuses: readonly string[] })[];
}
const lie = (text: string, refuses: readonly string[], file: string, holds: string): PolicyAttack['lies'][number] => ({
  ...attack(text, file, holds),
  refuses,
});
const allowed = (text: string, reason: string): PolicyAttack['lies'][number] => ({ ...none(text, reason), refuses: [] });
const ROWS_LIE = 'a row that is none of the data set, another row, a row twice, the rows of another step, epoch or key',
  SHAPE_LIE = 'a key for another shape, and any word of the policy vector',
  ALTERED_WORD = 'altered in any word is refused by the leaf, or by whoever compares it',
  NO_WORD = 'no word of the statement can be other than the one computed';

export const POLICY_ATTACKS: readonly PolicyAttack[] = [
  { kind: '1 row outside the root', lies: [lie('tokens or salt that are not committed', ['dataset root'], POLICY, ROWS_LIE)] },
  {
    kind: '2 right row, wrong index',
    lies: [lie('the path of another row, the row of another index', ['dataset root'], POLICY_TOO, 'puts a row at its own place')],
  },
  { kind: '3 row twice in an epoch', lies: [lie('a row of the batch once more', ['dataset root'], POLICY, ROWS_LIE)] },
  {
    kind: '4 order of another epoch, run or seed',
    lies: [
      lie('rows of the next epoch', ['dataset root'], POLICY, 'w.order.draw(1, 4 * at + r)'),
      lie('rows of another run or beacon', ['dataset root'], POLICY_TOO, 'is that of the seed: rows of another run or beacon are refused'),
      lie('another seed in the policy vector', ['policy'], WORDS, ALTERED_WORD),
    ],
  },
  {
    kind: '5 another key under the same commitment',
    lies: [
      lie('key, blind, mode', ['sampler key', 'mode'], POLICY, 'another key or blind under the same commitment, the key of the other mode'),
    ],
  },
  {
    kind: '6 quotients and remainders of a round',
    lies: [
      lie(
        'a quotient one off, one that wraps, digits out of range',
        ['order remainder', 'order quotient', 'order digits'],
        POLICY,
        'other quotients, remainders and digits in the permutation',
      ),
    ],
  },
  {
    kind: '7 walks',
    lies: [
      lie(
        'left out, from a row, two rows in a slot, half a row',
        ['walk not ended', 'walk from a row', 'walk slot'],
        POLICY,
        'a walk left out, one that nobody needs, two rows in a slot, a slot with half a row',
      ),
      lie('taken twice', ['walk from a row'], POLICY_TOO, 'walks once from a value beyond the rows: not twice'),
    ],
  },
  {
    kind: '8 presence',
    lies: [
      lie(
        'a present row called absent, an absent one present or with words',
        ['present', 'absent row'],
        POLICY,
        'a present row called absent, an absent one present, an absent one with words',
      ),
    ],
  },
  {
    kind: '9 mask, targets, ids',
    lies: [
      lie(
        'a mask bit flipped, a bit behind the end',
        ['dataset root', 'last mask bit'],
        POLICY,
        'a mask bit flipped, a bit behind the last token',
      ),
      lie(
        'targets unlike the next token',
        ['batched sumcheck'],
        NEXT,
        'that are not those of the row are refused, whoever proves with them',
      ),
      lie('ids beyond the vocabulary, none', ['id outside the vocabulary'], NEXT, 'come from tokens of the vocabulary, all there'),
    ],
  },
  {
    kind: '10 classes',
    lies: [
      lie(
        'class swapped, a bit of the table, an ineligible licence',
        ['dataset root', 'class table', 'class bins', 'eligible'],
        POLICY,
        'another class of a row, another entry of the class table, data that may not be trained on',
      ),
    ],
  },
  {
    kind: '11 counters and quotas',
    lies: [
      lie(
        'maximum passed by one, minimum missed by one, in a partial epoch',
        ['quota maximum', 'quota minimum', 'quotas'],
        POLICY,
        'a quota passed by one, examples or targets, also in an epoch that does not end; one missed by one',
      ),
      lie('counters not reset, or left otherwise', ['statement #'], BINDING, NO_WORD),
      lie('reset early', ['epoch'], BINDING, 'an epoch that ends one batch early, at the wrap itself'),
      lie(
        'carried from another run, negative',
        ['counters at the start of an epoch'],
        RUN,
        'countersIn: /^counters at the start of an epoch/',
      ),
    ],
  },
  {
    kind: '12 a counters digest for another vector',
    lies: [
      lie(
        'other counters under the same blind',
        ['counters at the start of an epoch'],
        POLICY,
        'other counters on entry: the digest differs, also where they are negative, which a leaf alone accepts',
      ),
    ],
  },
  {
    kind: '13 salts',
    lies: [
      allowed('two rows of one salt', 'no soundness depends on salts; a commitment derives them from one secret and the number of the row'),
      lie('equal texts with equal leaves', [], POLICY_TOO, 'has a salt for every row, so that equal texts have different leaves'),
    ],
  },
  {
    kind: '14 re-mapped after the beacon',
    lies: [
      lie(
        'class table, quota, draws or key',
        ['policy'],
        POLICY_TOO,
        'gives another order where a class, a bin, a quota, the draws of an epoch or the key change after it',
      ),
      allowed('a beacon without its round', 'the value is one text, round included, declared; it is compared with no network of beacons'),
    ],
  },
  {
    kind: '15 schedule',
    lies: [
      lie(
        'scalars of the next step, a clip scalar one off, no targets',
        ['schedule', 'clip scalar'],
        POLICY,
        'scalars of the next step, a clip scalar off by one, a step without targets',
      ),
      lie(
        'the same, proved',
        ['schedule', 'clip scalar', 'target count'],
        FORGED,
        'with scalars of the next step, a clip scalar of other targets, more targets than a step has',
      ),
    ],
  },
  {
    kind: '16 micro-batches',
    lies: [
      lie(
        'left out, repeated, moved',
        ['micro-batch left out', 'micro-batch too many', 'short batch', 'batch'],
        POLICY,
        'a micro-batch left out, one too many, an update before them',
      ),
      lie(
        'the same, proved',
        ['micro-batch left out', 'micro-batch too many', 'short batch'],
        FORGED,
        'with a micro-batch left out, one too many, a last batch called a full one',
      ),
    ],
  },
  {
    kind: '17 show',
    lies: [
      lie('bits that mean nothing', ['show'], POLICY, 'a word of `show` that means nothing'),
      lie('other bits', ['policy'], WORDS, 'of `show` with other bits is another policy, or none'),
    ],
  },
  {
    kind: '18 words and fields alone',
    lies: [
      lie('every word of the policy vector', ['policy'], WORDS, ALTERED_WORD),
      lie(
        'every field of the manifest',
        ['manifest'],
        WORDS,
        'altered in any field is refused, or is another statement and another policy',
      ),
    ],
  },
  {
    kind: '19 a key of another shape',
    lies: [lie('depth, rounds, walks, bins, classes, steps', ['policy shape #'], POLICY, SHAPE_LIE)],
  },
  {
    kind: '20 leaves and trees',
    lies: [
      lie(
        'rows of the version before, a node or the empty leaf for a row',
        ['dataset root'],
        POLICY_TOO,
        'has rows of this version for leaves, and nothing else',
      ),
      lie('the same in an opening', ['dataset root'], ROWS, 'does not take an inner node for a row'),
      lie('more rows than leaves', ['policy shape #'], POLICY_TOO, 'holds all rows, or there is none'),
    ],
  },
  {
    kind: '21 another policy in a tree of nodes',
    lies: [
      lie(
        'an end or a fold under another policy',
        ['policy'],
        WORDS,
        'is one for all nodes of a run: another one folds with none, and no end publishes another',
      ),
    ],
  },
  {
    kind: '22 leaks',
    lies: [
      lie(
        'an index in a public word, a salt of the index alone, counters without a blind',
        [],
        LEAKAGE,
        'finds every leak that is planted',
      ),
      lie('an order that favours rows', [], ORDER, 'looks random at a million rows: pairs, ascents, fixed points, places'),
    ],
  },
];

/**
 * A field of the statement of a node or of the end: what ties it in the circuit is `statement FIELD`; what refuses a
 * false one is named.
 */
export interface FieldAttack extends Attack {
  readonly refuses: string;
}
const field = (refuses: string, lie: string, file: string, text: string): FieldAttack => ({ refuses, ...attack(lie, file, text) });
/** The comparison of a statement that held and differed in one word. */
const compared = (refuses: string, lie: string, name: string): FieldAttack => field(refuses, lie, RUN, `${name}: /^${refuses}`);

export const FIELDS: Readonly<Record<string, FieldAttack>> = {
  kind: field(
    'kind',
    'a leaf passed off as another circuit',
    RECURSION,
    'a leaf does not pass for a fold, another leaf, or a circuit that is not there',
  ),
  key: field(
    'verification key',
    'another key on a lower level',
    RECURSION,
    'refuses the published key in place of that which was used, on any level',
  ),
  program: compared('programs', 'steps of other programs', 'program'),
  context: compared('manifest', 'steps of another run', 'context'),
  dataset: compared('dataset root', 'other data', 'dataset'),
  frozen: compared('digest of the base', 'another base', 'frozen'),
  epoch: compared('batches in an epoch', 'epochs of another length', 'epoch'),
  policy: compared('policy', 'rows, order, classes or quotas of another manifest', 'policy'),
  posIn: field('first step', 'a run that begins elsewhere', RUN, 'posIn: /^first step/'),
  posOut: field('last step', 'a run that ends elsewhere', RUN, 'posOut: /^last step/'),
  sIn: compared('initial state', 'another state entered', 'sIn'),
  aIn: compared('initial accumulators', 'accumulators entered that are not zero', 'aIn'),
  sOut: compared('released adapter', 'another adapter left', 'sOut'),
  aOut: field(
    'statement #',
    'accumulators carried into the next step',
    BINDING,
    'The next step begins with zero accumulators, whatever this one began with',
  ),
  lossesIn: compared('start of the losses', 'losses before the first', 'lossesIn'),
  lossesOut: compared('losses', 'other losses', 'lossesOut'),
  targetsIn: compared('start of the targets', 'targets before the first', 'targetsIn'),
  targetsOut: compared('targets', 'other numbers of targets', 'targetsOut'),
  countersIn: compared('counters at the start of an epoch', 'counters entered that are not zero, or negative', 'countersIn'),
  countersOut: field(
    'statement #',
    'counters left other than those counted',
    BINDING,
    'no word of the statement can be other than the one computed',
  ),
  epochsIn: compared('start of the epochs', 'epochs before the first', 'epochsIn'),
  epochsOut: field(
    'statement #',
    'totals of epochs other than those counted',
    BINDING,
    'no word of the statement can be other than the one computed',
  ),
  loss: compared('sum of losses', 'another sum of losses', 'loss'),
  base: field('frozen weights', 'a claim on the base dropped', RECURSION, 'A dropped claim: the trivial one in its place.'),
  columns: field('verification key', 'a false claim on the fixed columns', RECURSION, 'a claim on the fixed columns does not hold'),
  shows: field('view', 'words shown or hidden that the kind of the proof does not say', RUN, 'a certificate under the flags of an end'),
  root: compared('commitment to the base', 'another base settled', 'root'),
};

/**
 * Classes of messages, `#` for numbers. `replay`: test/frozen-replay.test.ts has a lie that passes where the challenges
 * after the message are known, and that live ones refuse. Else the reason why there is none.
 */
export const MESSAGES: Readonly<Record<string, { readonly replay: true | string }>> = {
  'public: protocol': { replay: true },
  'public: shape': { replay: true },
  'public: context': { replay: true },
  'public: public inputs': { replay: true },
  'public: frozen digest': { replay: true },
  'public: state #': { replay: true },
  'digest: root witness': { replay: true },
  'ext: logup root': { replay: true },
  'ext: logup # values': { replay: true },
  'ext: logup # round': { replay: true },
  'ext: table # claims': { replay: true },
  'ext: sumcheck round': { replay: true },
  'ext: operand values': { replay: true },
  'ext: frozen sumcheck': { replay: true },
  'ext: frozen value': {
    replay: 'no challenge matters to it: `frozen reduction` fixes it by what was sent before, and the claim is settled',
  },
  'ext: whir # # sumcheck': { replay: true },
  'digest: whir # root': {
    replay: 'a later root: what is committed after its challenges is shown for the witness; see "Merkle cap (second round)"',
  },
  'ext: whir # ood': { replay: true },
  'grind: whir # work': { replay: 'a nonce, which says nothing: the work that it proves is asked for by `grinding`' },
  'cap: whir # # cap': { replay: 'not absorbed: it hashes to the root (`Merkle cap`)' },
  'opening: whir # # row': { replay: 'not absorbed: it hashes to the cap (`Merkle path`)' },
  'ext: whir # sumcheck': { replay: true },
  'ext: whir final': { replay: true },
  'cap: whir # cap': { replay: 'not absorbed: it hashes to the root (`Merkle cap`)' },
  'opening: whir # row': { replay: 'not absorbed: it hashes to the cap (`Merkle path`)' },
  'ext: whir end sumcheck': { replay: true },
  // The merging of claims.
  'public: claim #': { replay: true },
  'ext: merge sumcheck': { replay: true },
  'ext: merge value': {
    replay: 'no challenge follows: `merge of frozen claims` fixes it by what was sent before, and the claim is settled',
  },
};
