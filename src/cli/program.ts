import { Command } from 'commander';
import { type Context, type Result, version } from './common.js';

const list = (v: string, all: string[] = []): string[] => [...all, v];

const EXITS = `
Exit codes: 0 verified or done, 1 verification failed, 2 usage, 3 unreadable or malformed, 4 valid but denied by policy,
5 unsupported version, 6 not enough memory or disk, or no device, 7 training stopped, 130 interrupted.`;

type Done = (r: Result) => void;

/** Makes a command with what all of them share, and adds what those that prove share. */
interface Maker {
  /** `under`: the group that it is in. */
  readonly command: (name: string, text: string, example: string, under?: Command) => Command;
  /** A group of commands, which does nothing by itself. */
  readonly group: (name: string, text: string) => Command;
  readonly prover: (x: Command) => Command;
}

/** The commands. `done` receives the one result of the command that was run. */
export function commands(c: Context, done: Done): Command {
  const program = new Command('certune')
    .description('Fine-tune with LoRA and AdamW in exact integers, prove every step, verify.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureHelp({ helpWidth: 110 })
    .addHelpText('after', EXITS);
  const command = (name: string, text: string, example: string, under = program): Command =>
    under
      .command(name)
      .description(text)
      .option('--json', 'print one JSON document on stdout, errors too')
      .option('--quiet', 'no progress on stderr')
      .allowExcessArguments(false)
      .exitOverride()
      .addHelpText('after', `\nExample:\n${example.replace(/^/gm, '  ')}`);
  const prover = (x: Command): Command =>
    x.option('--workers <n>', 'threads (default: all cores, at most 16)').option('--memory <size>', 'most memory to use, for example 8GiB');
  const group = (name: string, text: string): Command => program.command(name).description(text).exitOverride();
  const make = { command, group, prover };
  runCommands(make, c, done);
  verifyCommand(make, c, done);
  reportCommand(make, c, done);
  releaseCommands(make, done);
  cardCommands(make, done);
  lookCommands(make, c, done);
  auditCommands(make, c, done);
  manifestCommands(make, done);
  modelCommands(make, c, done);
  federatedCommand(make, c, done);
  farmCommands(make, c, done);
  return program;
}

/** Commands that make a run, from its settings to its proof. */
function runCommands({ command, prover }: Maker, c: Context, done: Done): void {
  command(
    'init <run>',
    'write RUN/run.yaml with every key, its default and what it means',
    'certune init my-run --model ./SmolLM2-135M --data train.jsonl',
  )
    .requiredOption('--model <dir>', 'Hugging Face folder: config.json, safetensors, tokenizer.json')
    .requiredOption('--data <file>', 'JSON lines; repeatable', list)
    .action(async (run, o) => done((await import('./init.js')).init(run, o)));
  command('commit <run>', 'commit to base, data and settings: RUN/out/manifest.json', 'certune commit my-run').action(async (run) =>
    done((await import('./commit.js')).commit(run, c)),
  );
  prover(command('train <run>', 'train in exact integers; goes on where it was interrupted', 'certune train my-run'))
    .option('--keep-every <n>', 'keep the state of every n-th step only: the steps between are trained again where they are proved')
    .action(async (run, o) => done(await (await import('./train.js')).train(run, o, c)));
  prover(
    command(
      'prove <run>',
      'prove every step and fold all proofs into one of constant size, RUN/out/proof/run.certune; goes on where it was interrupted',
      'certune prove my-run --workers 8 --memory 16GiB\ncertune prove my-run --steps 0..50\ncertune prove my-run --no-fold',
    ),
  )
    .option('--steps <a..b>', 'only the steps a to b - 1, from the journal: RUN/out/proof/steps-a-b.certune, for certune fold')
    .option('--processes <n>', 'prove in so many processes, which share threads and memory: the same file')
    .option('--device <where>', 'cpu, gpu, or auto: on a GPU where there is one (default: CERTUNE_DEVICE, else cpu)')
    .option('--no-fold', 'pack the step proofs, which grow with the run, instead of folding them')
    .action(async (run, o) => done(await (await import('./prove.js')).prove(run, o, c)));
  prover(
    command(
      'fold <files...>',
      'join neighbouring ranges of a run that prove --steps or fold wrote; all of them give run.certune',
      'certune fold steps-0-50.certune steps-50-100.certune --base ./SmolLM2-135M -o run.certune',
    ),
  )
    .allowExcessArguments(true)
    .option('--base <dir>', 'Hugging Face folder of the base: claims on it are merged')
    .option('-o, --output <file>', 'where the result goes (default: beside the first file)')
    .action(async (files, o) => done(await (await import('./fold.js')).fold(files, o, c)));
  prover(
    command(
      'certify <target>',
      'make the certificate of a proved run: one proof that adds nothing to what it says, with the manifest in it; steps are not proved again',
      'certune certify my-run -o certificate.certune\ncertune certify steps-0-100.certune --base ./SmolLM2-135M -o certificate.certune',
    ),
  )
    .option('--base <dir>', 'Hugging Face folder of the base, where a file is certified')
    .option('-o, --output <file>', 'where the certificate goes (default: RUN/out/certificate.certune, or beside the file)')
    .action(async (target, o) => done(await (await import('./certify.js')).certify(target, o, c)));
  prover(command('run <run>', 'commit, train, prove and verify', 'certune run my-run'))
    .option('--no-fold', 'pack the step proofs, which grow with the run, instead of folding them')
    .action(async (run, o) => done(await (await import('./run.js')).runAll(run, o, c)));
}

function verifyCommand({ command }: Maker, c: Context, done: Done): void {
  command(
    'verify <target>',
    'verify a run folder, or a proof file: a certificate, a whole run, an epoch, a range, a pack of step proofs',
    'certune verify my-run\ncertune verify run.certune --base ./SmolLM2-135M --data train.jsonl --adapter ./adapter \\\n  --allow-license Apache-2.0 --allow-license CC0-1.0 --require-beacon --min-bits 120',
  )
    .option('--base <dir>', 'Hugging Face folder of the base')
    .option('--data <file>', 'data, in the order of the manifest; repeatable', list)
    .option('--adapter <dir>', 'released adapter')
    .option('--from <dir>', 'adapter that the run started from, if it did')
    .option('--key <key>', 'verification key that you trust: sha256:... or a file that certune vk -o wrote')
    .option(
      '--base-root <hex>',
      'commitment to the base, as verify --commit-base prints it, from a source that you trust, where the base is not at hand',
    )
    .option('--commit-base', 'commit to the base again, compare and print the commitment, for those who have no base: seconds')
    .option('--no-recompute', 'do not recompute a key that is neither shipped nor given: refuse')
    .option('--allow-license <id>', 'deny data under licences that these SPDX identifiers do not satisfy; repeatable', list)
    .option('--require <claims>', 'deny a run of which one of base, data, initial, adapter (separated by commas) was not checked', list)
    .option('--require-beacon', 'deny a run whose order of data the prover chose: one without a beacon')
    .option('--require-base <digest>', 'deny another base than sha256:...')
    .option('--min-bits <n>', 'deny fewer provable bits')
    .option('--signer <file>', 'public key that the release must be signed with; repeatable', list)
    .option('--trusted-root <file>', 'trusted_root.json for log entries and certificates: the only root that is believed')
    .option('--identity <name>', 'whom a short-lived certificate must name, compared whole')
    .option('--issuer <uri>', 'who must have vouched for that name')
    .option('--policy <file>', 'deny what a policy file does not admit: every rule is judged, what cannot be judged is denied')
    .option('--emit-svr <file>', 'write a signed summary of what was evaluated')
    .option('--svr-key <file>', "the verifier's private key, for --emit-svr")
    .option('--verifier-id <uri>', 'what the verifier is called, for --emit-svr')
    .option('--at <time>', 'time of this verification, such as 2026-11-28T12:00:00Z (default: now)')
    .action(async (target, o) => done(await (await import('./verify-release.js')).verifyRelease(target, o, c)));
}

/** The document of a verification. */
function reportCommand({ command }: Maker, c: Context, done: Done): void {
  command(
    'report <target>',
    'verify a certificate or a folded proof and write what was found as a static HTML document; the page that does it in a browser is dist/page/verify.html',
    'certune report certificate.certune --base-root 64hex -o report.html\ncertune report my-run -o report.html',
  )
    .requiredOption('-o, --output <file>', 'where the document goes')
    .option('--base <dir>', 'Hugging Face folder of the base')
    .option('--data <file>', 'data, in the order of the manifest; repeatable', list)
    .option('--adapter <dir>', 'released adapter')
    .option('--from <dir>', 'adapter that the run started from, if it did')
    .option('--key <key>', 'verification key that you trust: sha256:... or a file that certune vk -o wrote')
    .option('--base-root <hex>', 'commitment to the base from a source that you trust, where the base is not at hand')
    .option('--no-recompute', 'do not recompute a key that is neither shipped nor given: refuse')
    .action(async (target, o) => done(await (await import('./report.js')).report(target, o, c)));
}

/** Commands about a release; none verifies anything. */
function releaseCommands({ command }: Maker, done: Done): void {
  command(
    'sign <release>',
    'sign a release, offline: run.sigstore.json (in-toto, DSSE) and model.sig (OpenSSF Model Signing); verifies nothing',
    'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem\ncertune sign release --key key.pem',
  )
    .requiredOption('--key <file>', 'private key: PEM, ECDSA on P-256; its passphrase in CERTUNE_KEY_PASSPHRASE')
    .option('--pae <dir>', 'write pae.bin, sig.der and key.pub, for openssl dgst -verify')
    .action(async (release, o) => done((await import('./sign.js')).signRelease(release, o)));
  command(
    'export <target>',
    'write a document about a run: CycloneDX 1.7, Croissant 1.1, a model card, a draft of the training-content summary; verifies nothing',
    'certune export my-run --format cyclonedx -o bom.cdx.json\ncertune export my-run --format training-summary -o summary.md',
  )
    .requiredOption('--format <name>', 'cyclonedx, croissant, hf-card or training-summary')
    .option('--name <text>', 'croissant: name of the dataset')
    .option('--description <text>', 'croissant: what it is')
    .option('--url <url>', 'croissant: its page')
    .option('--creator <text>', 'croissant: who made it')
    .option('--date <date>', 'croissant: when it was published, such as 2026-01-31')
    .option('--content <url>', 'croissant: where a file is, in the order of the manifest; repeatable', list)
    .option('-o, --output <file>', 'where it goes (default: standard output)')
    .action(async (target, o) => done((await import('./export.js')).exportRun(target, o)));
}

/** Commands about property cards: evidence of trusted hardware beside a proof, which needs none. */
function cardCommands({ command, group }: Maker, done: Done): void {
  const card = group('card', 'property cards of trusted hardware: create, assemble, verify, attach, inspect');
  command(
    'create',
    'make a card inside of a trusted machine: its hardware signs the hash of what the card says; opens no socket',
    'certune card create --kind sev-snp --role front-end --manifest manifest.json --code code.json -o card.json',
    card,
  )
    .requiredOption('--kind <name>', 'sev-snp, nitro, tdx, sgx, nvidia-gpu')
    .requiredOption('--role <name>', 'front-end, sampler, trainer, prover')
    .requiredOption('--manifest <file>', 'manifest.json of the run')
    .requiredOption('--code <file>', 'what runs here: {"package": {"name", "version", "integrity"}, "image"}')
    .requiredOption('-o, --output <file>', 'where the card goes')
    .option('--certificate <file>', 'proof file, for trainer and prover')
    .option('--nonce-from <source>', '"beacon", or a file that holds a challenge of the verifier')
    .option('--evidence <file>', "evidence that was made elsewhere, in place of this machine's device")
    .option('--helper <program>', 'program that asks /dev/nsm, given the bytes in hexadecimal digits')
    .option('--parent <card>', 'card of the CPU, for a GPU')
    .option('--seed-source <name>', 'declared, beacon, drawn-inside (default: declared)')
    .action(async (o) => done((await import('./card-create.js')).createCard(o)));
  command(
    'assemble <card>',
    'add certificates, revocation lists and a time stamp to a card: beside farm the only command that opens a socket',
    'certune card assemble card.json -o whole.json --tsa http://timestamp.example.com',
    card,
  )
    .requiredOption('-o, --output <file>', 'where the card goes')
    .option('--collateral <name=file>', 'a piece that is at hand; repeatable', list)
    .option('--no-network', 'fetch nothing')
    .option('--kds <url>', "address of AMD's key distribution service, or of a copy of it")
    .option('--product <name>', 'product family of AMD, where a report does not say it')
    .option('--tsa <url>', 'address of a time-stamping authority (RFC 3161)')
    .action(async (file, o) => done(await (await import('./card-assemble.js')).assembleCard(file, o)));
  command(
    'verify <card>',
    'verify a card against a run and what a policy expects of its role',
    'certune card verify card.json --certificate run.certune --policy policy.json',
    card,
  )
    .requiredOption('--certificate <target>', 'proof file, release or run folder that the card must be about')
    .requiredOption('--policy <file>', 'policy file with rules for cards')
    .option('--at <time>', 'time of this verification, such as 2026-11-28T12:00:00Z (default: now)')
    .option('--collateral <file>', 'newer collateral, {"name": "base64"}: the same evidence is judged by it too')
    .option('--parent <card>', 'card of the CPU, for a GPU')
    .action(async (file, o) => done((await import('./card.js')).verifyCardFile(file, o)));
  command(
    'attach <target> <cards...>',
    'put cards beside a proof, whose bytes do not change; verifies no evidence',
    'certune card attach my-run card.json',
    card,
  )
    .allowExcessArguments(true)
    .action(async (target, files) => done((await import('./card.js')).attachCards(target, files)));
  command('inspect <card>', 'say what a card says of itself; verifies nothing', 'certune card inspect card.json', card).action(
    async (file) => done((await import('./card.js')).inspectCard(file)),
  );
}

/** Commands that say what a run is, or will take. */
function lookCommands({ command, prover }: Maker, c: Context, done: Done): void {
  command(
    'vk <target>',
    "compute the verification key from the manifest's programs, without base or data, and compare it with the proof's and the shipped ones",
    'certune vk run.certune\ncertune vk my-run -o key.json',
  )
    .option('--key <key>', 'compare with this one too: sha256:... or a file')
    .option('-o, --output <file>', 'write the key')
    .action(async (target, o) => done((await import('./vk.js')).vk(target, o, c)));
  command(
    'inspect <target>',
    'say what a run proves, what it declares, and its soundness term by term',
    'certune inspect my-run/out/proof/run.certune',
  ).action(async (target) => done((await import('./inspect.js')).inspect(target)));
  prover(
    command(
      'estimate <run>',
      'predict seconds, memory, disk and proof size, from counts and a second of measuring this machine',
      'certune estimate my-run',
    ),
  ).action(async (run, o) => done(await (await import('./estimate.js')).estimate(run, o)));
}

/** Commands for whoever has to look into the data of a run. */
function auditCommands({ command, group, prover }: Maker, c: Context, done: Done): void {
  const audit = group('audit', 'show rows of the committed dataset, count all of them, and check what was shown');
  command(
    'open <run>',
    'open rows of the committed dataset for an auditor: class, targets and length, with --text their tokens too',
    'certune audit open my-run --rows 3,17 -o rows.json',
    audit,
  )
    .requiredOption('--rows <list>', 'numbers of rows, from 0')
    .requiredOption('-o, --output <file>', 'where the openings go')
    .option('--text', 'show the tokens of these rows')
    .action(async (run, o) => done((await import('./audit.js')).auditOpen(run, o, c)));
  prover(
    command(
      'count <run>',
      'prove how many rows and targets each class has over the whole dataset: one proof for 4,096 rows',
      'certune audit count my-run -o counts.certune',
      audit,
    ),
  )
    .requiredOption('-o, --output <file>', 'where the count goes')
    .action(async (run, o) => done(await (await import('./audit-count.js')).auditCount(run, o, c)));
  command(
    'check <file>',
    'check opened rows, or a count, against a manifest, without base or data',
    'certune audit check rows.json --manifest manifest.json\ncertune audit check counts.certune --manifest manifest.json --json',
    audit,
  )
    .requiredOption('--manifest <file>', 'manifest of the run')
    .action(async (file, o) => done((await import('./audit.js')).auditCheck(file, o)));
}

/** Commands for whoever reads manifests. A target is a run folder, a proof file or a manifest.json. */
function manifestCommands({ command, group }: Maker, done: Done): void {
  const manifest = group('manifest', 'check, show, compare and export what a run is committed to');
  command(
    'check <target>',
    'check a manifest without base and data: schema, canonical form, contradictions, programs, policy',
    'certune manifest check my-run/out/manifest.json',
    manifest,
  ).action(async (target) => done((await import('./manifest.js')).manifestCheck(target)));
  command(
    'show <target>',
    'every field, and whether it is proved, checkable from files (and with which option), or declared',
    'certune manifest show run.certune --only config.sampler',
    manifest,
  )
    .option('--only <path>', 'the fields of one path, such as config.train')
    .action(async (target, o) => done((await import('./manifest.js')).manifestShow(target, o)));
  command(
    'diff <left> <right>',
    'fields in which two manifests differ',
    'certune manifest diff first/out/manifest.json second.certune',
    manifest,
  ).action(async (left, right) => done((await import('./manifest.js')).manifestDiff(left, right)));
  command(
    'export <target>',
    'describe the data as Croissant 1.1 (MLCommons); the options are declared, and nothing is read from a clock or a network',
    'certune manifest export my-run --name rows --description "rows of my run" --url https://example.org \\\n  --creator Me --date 2026-01-31 --content https://example.org/rows.jsonl -o croissant.json',
    manifest,
  )
    .option('--name <text>', 'name of the dataset')
    .option('--description <text>', 'what it is')
    .option('--url <url>', 'its page')
    .option('--creator <text>', 'who made it')
    .option('--date <date>', 'when it was published, such as 2026-01-31')
    .option('--content <url>', 'where a file is, in the order of the manifest; repeatable', list)
    .option('-o, --output <file>', 'where it goes (default: printed)')
    .action(async (target, o) => done((await import('./manifest.js')).manifestExport(target, o)));
}

/** Commands that run a model in float64. */
function modelCommands({ command }: Maker, c: Context, done: Done): void {
  const model = (x: Command): Command =>
    x
      .requiredOption('--model <dir>', 'Hugging Face folder of the base')
      .option('--adapter <dir>', 'PEFT adapter to add to it')
      .option('--sequence <n>', 'longest sequence in tokens')
      .option('--run <dir>', 'run folder: its adapter, chat template and format (default: of the run that the adapter lies in)')
      .option('--template <file>', "chat template in place of the run's and the base's");
  model(
    command(
      'eval',
      'measure loss and greedy answers on rows of data, with an adapter or without; in float64, not proved',
      'certune eval --model ./base --data held-out.jsonl --adapter my-run/out/adapter --show 3',
    ),
  )
    .requiredOption('--data <file>', 'JSON lines; repeatable', list)
    .option('--format <name>', 'format of the rows (default: that of the run, else told from each row)')
    .option('--show <n>', 'print so many answers')
    .action(async (o) => done((await import('./evaluate.js')).evaluate(o, c)));
  model(
    command(
      'generate <prompt>',
      'print the greedy continuation of a prompt, with an adapter or without; in float64, not proved',
      'certune generate --model ./base --adapter my-run/out/adapter --chat "What colour is the sun?"',
    ),
  )
    .option('--tokens <n>', 'most tokens to add (default: 64)')
    .option('--chat', "put the prompt into the base's chat template as a user's message")
    .action(async (prompt, o) => done((await import('./evaluate.js')).generate(prompt, o, c)));
}

/** Federated rounds: planning, roles, checks. */
function federatedCommand({ command, prover }: Maker, c: Context, done: Done): void {
  const fedCommand = prover(
    command(
      'fed <action> [target]',
      'federated rounds with audits drawn by a beacon: init HOME and serve HOME (server), enrol HOME and client HOME, step HOME (either, once), check DIR, bundle DIR, judge EVIDENCE, plan RUN, simulate SPEC',
      'certune fed enrol ann --run ann-run --client ann\ncertune fed init server --run a-run --allow sha256:... --coverage 25 --rounds 2\ncertune fed enrol ann --server server/public\ncertune fed serve server\ncertune fed client ann --rounds 2\ncertune fed check server/public --base ./SmolLM2-135M',
    ),
  )
    .option('--run <dir>', 'committed run: of the client (enrol), or with the settings of the federation (init, check, judge)')
    .option('--base <dir>', 'check, judge, bundle: Hugging Face folder of the base, with which proofs of units are verified')
    .option('--round <n>', 'bundle: the round whose proved units become a certificate')
    .option('--dir <dir>', 'judge: folder of the federation');
  planOptions(fedCommand);
  roleOptions(fedCommand);
  fedCommand.action(async (action, target, o) => done(await (await import('./fed.js')).fed(action, target, o, c)));
}

function planOptions(x: Command): void {
  x.option('--clients <n>', 'plan: clients of a round (default: 10); init: clients that must be enrolled before the first round')
    .option('--steps <n>', "plan: steps of a client's round (default: train.steps)")
    .option('--rounds <n>', 'plan: rounds within which probabilities are printed (default: 2); init, client: rounds in all')
    .option('--budget-kb <n>', 'plan: kilobytes that a client sends in a round (default: 400)')
    .option('--seconds <n>', 'plan: seconds that a client proves in a round (default: 300)')
    .option('--local <n>', 'plan: most local work, as a multiple of training alone (default: 3)')
    .option('--least <percent>', 'plan: least coverage (default: 1)');
}

function roleOptions(x: Command): void {
  x.option('--name <text>', 'init: name of the federation')
    .option('--allow <digest>', 'init: key that may enrol, as enrol prints it; repeatable', list)
    .option('--select <n>', 'init: participants of a round (default: all)')
    .option('--unit <n>', 'init: steps of a unit (default: 1)')
    .option('--coverage <percent>', 'init: share of the units that is drawn (default: 10)')
    .option('--each', 'init: draw at least one unit of every client')
    .option('--mode <name>', 'init: before (records follow verdicts) or after (records are provisional until then)')
    .option('--show <name>', 'init: what answers a draw, proofs or records')
    .option('--rule <name>', 'init: mean, trimmed or median')
    .option('--clip <n>', 'init: largest norm of an update, in units of 2^-20; 0 for none')
    .option('--trim <n>', 'init: updates dropped at either end, for trimmed')
    .option('--cap <n>', 'init: largest weight of a client, in targets')
    .option('--commit-seconds <n>', 'init: until commits are due (default: 3600)')
    .option('--response-seconds <n>', 'init: from the beacon until answers are due (default: 3600)')
    .option('--seed-beacon <file>', 'init: a round of drand quicknet as JSON; without it a test beacon of the server, which says so')
    .option('--client <name>', 'enrol: name of the client')
    .option('--server <address>', "enrol: the server's public folder, or https://HOST:PORT")
    .option('--charter <digest>', 'enrol: digest of the charter that is meant')
    .option('--ca <file>', "enrol: authority of the server's certificate, PEM")
    .option('--listen <address>', 'serve: HOST:PORT for HTTPS; without it the folder alone')
    .option('--cert <file>', 'serve: certificate, PEM')
    .option('--tls-key <file>', 'serve: key of the certificate, PEM');
}

/** Commands of a farm: one run on many machines. */
function farmCommands({ command, group, prover }: Maker, c: Context, done: Done): void {
  const farm = group('farm', 'prove one run on many machines: start, work, status, drain, retry, gc, model'),
    store = (x: Command): Command => x.option('--store <at>', 'folder that all machines share, or s3://BUCKET/PREFIX');
  store(
    command(
      'start <run>',
      'coordinate: put jobs as the journal grows, verify what comes back, write RUN/out/proof/run.certune; goes on where it was interrupted',
      'certune farm start my-run --store /shared/farm --engine rediss://farm.example.org:6379',
      farm,
    ),
  )
    .option('--engine <url>', 'queue: redis:// or rediss://; user and password also from CERTUNE_REDIS_USER and CERTUNE_REDIS_PASSWORD')
    .option('--key <file>', 'key that jobs are signed with, drawn where there is none (default: RUN/secret/farm.key)')
    .option('--segment <n>', 'steps of a segment, a power of two (default: by the length of the run, 1 to 8)')
    .option('--metrics <port>', 'serve metrics for Prometheus at PORT of this machine, or at HOST:PORT')
    .option('--certify', 'make the certificate too, RUN/out/certificate.certune')
    .action(async (run, o) => done(await (await import('./farm-start.js')).farmStart(run, o, c)));
  prover(
    store(
      command(
        'work',
        'take jobs and prove them in a process of its own, until the run has its end; SIGTERM finishes the job at hand',
        'certune farm work --store /shared/farm --engine rediss://farm.example.org:6379 --key farm.key --memory 6GiB',
        farm,
      ),
    ),
  )
    .option('--engine <url>', 'queue, as of farm start')
    .option('--key <file>', 'copy of the key of farm start')
    .option('--secret <file>', "copy of a private run's RUN/secret/sampler.json")
    .option('--cache <dir>', 'where files of the run are kept (default: ~/.cache/certune-farm)')
    .option('--kinds <list>', 'kinds of jobs to take: segment,fold,end (default: all)')
    .option('--name <name>', 'what this worker is called (default: host and process)')
    .action(async (o) => done(await (await import('./farm-work.js')).farmWork(o, c)));
  store(
    command('status', 'say how far a farm is: jobs, workers, lag, what was given up', 'certune farm status --store /shared/farm', farm),
  ).action(async (o) => done(await (await import('./farm.js')).farmStatus(o)));
  store(
    command('drain', 'have coordinator and workers end when what they have begun is done', 'certune farm drain --store /shared/farm', farm),
  ).action(async (o) => done(await (await import('./farm.js')).farmDrain(o)));
  store(
    command(
      'retry <job>',
      'try a job again that was given up: the beginning of its key, or all',
      'certune farm retry 3fa9c2 --store /shared/farm',
      farm,
    ),
  ).action(async (job, o) => done(await (await import('./farm.js')).farmRetry(job, o)));
  store(command('gc', 'remove objects that nothing names any more', 'certune farm gc --store /shared/farm', farm)).action(async (o) =>
    done(await (await import('./farm.js')).farmGc(o)),
  );
  prover(
    command(
      'model <run>',
      'predict how long a run takes with so many workers like this machine',
      'certune farm model my-run --farm 1,10,100',
      farm,
    ),
  )
    .option('--farm <list>', 'numbers of workers (default: 1,2,4,10,50,75,100,200,1000)')
    .action(async (run, o) => done(await (await import('./farm.js')).farmModel(run, o)));
}
