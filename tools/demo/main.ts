/**
 * npm run demo: the demonstration, end to end on files of the repository. A small bilingual base is fine-tuned for 8
 * steps, every step is proven, all proofs are folded into one file and verified in one call. What it learnt is measured
 * on rows that it never saw, and a forged adapter is refused. Any surprise ends it with code 1.
 */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url)),
  example = (path: string): string => join(root, 'examples', path),
  started = performance.now(),
  run = mkdtempSync(join(tmpdir(), 'certune-demo-'));

/** The page, as it lies in the package. */
const PAGE = 'dist/page/verify.html';

const LANGUAGES = [
  ['english', 'en'],
  ['french', 'fr'],
];

/** What differs from the defaults of run.yaml. */
const SETTINGS: readonly (readonly [string, unknown])[] = [
  ['train.steps', 8],
  ['train.batch', 4],
  ['train.microBatch', 4],
  ['train.sequence', 32],
  ['train.learningRate', 0.006],
  ['train.schedule', 'constant'],
  ['train.warmup', 0],
  ['numbers.preset', 'small'],
  // English and French in equal parts by construction, counted by the proof; every row under one licence.
  ['sampler.strata', LANGUAGES.map(([bin]) => ({ bin, perEpoch: 16 }))],
  ['policy.bins', LANGUAGES.map(([name, language]) => ({ name, where: { language: [language] }, examples: { min: 16, max: 16 } }))],
  ['policy.licenses', ['Apache-2.0']],
];

class Surprise extends Error {}
const title = (text: string): void => console.log(`\n== ${text}`);
/**
 * Runs a command of the package, shows it, and insists on its exit code. Returns what it prints where that is a JSON
 * document.
 */
function certune(want: number, ...args: string[]): string {
  console.log(`\n$ npx certune ${args.map((a) => a.replace(run, 'RUN').replace(root, '')).join(' ')}`);
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'bin/certune.js'), ...args], {
    stdio: ['ignore', args.includes('--json') ? 'pipe' : 'inherit', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== want) throw new Surprise(`certune ${args[0]} ended with ${status}, expected ${want}`);
  return stdout;
}
/** What `certune eval --json` prints, as far as it is used here. */
interface Measured {
  readonly loss: number;
  readonly right: number;
  readonly rows: number;
  readonly samples: readonly { readonly prompt: string; readonly completion: string }[];
}
/** Loss and answers on the held-out rows, with the adapter of a folder or without. */
function measure(...adapter: string[]): Measured {
  const args = ['--model', example('base'), '--data', example('data/held-out.jsonl'), ...adapter, '--show', '8', '--quiet', '--json'],
    m = JSON.parse(certune(0, 'eval', ...args)) as Measured;
  console.log(
    `held-out loss ${m.loss.toFixed(3)} nats a token, ${m.right} of ${m.rows} answers exactly right (measured in float64, not proved)`,
  );
  for (const x of m.samples) console.log(`  ${x.prompt.replace('\n', ' | ')}${x.completion.trimEnd().replaceAll('\n', ' | ')}`);
  return m;
}

/**
 * A release of the run: proof, adapter, documents, signed; verified under a policy that admits it, and under one that
 * does not.
 */
function release(): void {
  const dir = join(run, 'release'),
    at = (name: string): string => join(run, name),
    { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  mkdirSync(dir);
  copyFileSync(join(run, 'out/proof/run.certune'), join(dir, 'run.certune'));
  for (const f of ['adapter_config.json', 'adapter_model.safetensors']) copyFileSync(join(run, 'out/adapter', f), join(dir, f));
  certune(0, 'export', run, '--format', 'hf-card', '-o', join(dir, 'README.md'));
  certune(0, 'export', run, '--format', 'cyclonedx', '-o', join(dir, 'bom.cdx.json'));
  certune(0, 'export', run, '--format', 'training-summary', '-o', join(dir, 'training-summary.md'));
  writeFileSync(at('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(at('key.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const { key } = JSON.parse(certune(0, 'sign', dir, '--key', at('key.pem'), '--json')) as { key: string },
    policy = (name: string, rules: object): string[] => {
      writeFileSync(at(name), JSON.stringify({ type: 'certune-policy', version: 1, ...rules }, null, 2));
      return ['--policy', at(name)];
    },
    given = ['--base', example('base'), '--signer', at('key.pub')];
  console.log(`signed with the key ${key}`);
  certune(
    0,
    'verify',
    dir,
    ...given,
    ...policy('admits.json', {
      licenses: ['Apache-2.0', 'CC0-1.0'],
      minSoundness: 128,
      signers: [{ key }],
      result: { updateNorm: 1000, rank: 8 },
    }),
  );
  certune(4, 'verify', dir, ...given, ...policy('denies.json', { licenses: ['MIT'], beacon: {}, result: { modules: ['q_proj'] } }));
  console.log('denied, exit code 4: the proof holds, and this verifier does not want the run');
}

function main(): void {
  title('the base: has read little stories in English and French, but no instructions (examples/README.md)');
  const before = measure();

  title('fine-tune it on translations and questions, prove every step, fold the proofs, verify');
  certune(0, 'init', run, '--model', example('base'), '--data', example('data/translate.jsonl'), '--data', example('data/chat.jsonl'));
  const yaml = join(run, 'run.yaml'),
    doc = parseDocument(readFileSync(yaml, 'utf8'));
  for (const [key, value] of SETTINGS) doc.setIn(key.split('.'), value);
  for (const k of [0, 1]) {
    doc.setIn(['data', k, 'source'], 'certune examples');
    doc.setIn(['data', k, 'license'], 'Apache-2.0');
  }
  writeFileSync(yaml, String(doc));
  console.log(
    `in run.yaml: ${SETTINGS.map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`).join(', ')}`,
  );
  certune(0, 'run', run);

  title('what the proof says, and what it does not');
  certune(0, 'inspect', run);

  title('one file, as somebody gets it who has the base and the adapter, but not the data');
  certune(0, 'verify', join(run, 'out/proof/run.certune'), '--base', example('base'), '--adapter', join(run, 'out/adapter'));

  title('the certificate: what is to be published, for its proof adds nothing to what it says');
  const certificate = join(run, 'certificate.certune'),
    given = ['--base', example('base'), '--adapter', join(run, 'out/adapter')];
  certune(0, 'certify', run, '-o', certificate);
  certune(0, 'verify', certificate, ...given);
  certune(0, 'report', certificate, ...given, '-o', join(run, 'report.html'));
  console.log(`the page that verifies it in a browser, from the disk: ${PAGE}`);

  title('one row of the data, shown to an auditor who has the manifest alone');
  certune(0, 'audit', 'open', run, '--rows', '3', '--text', '-o', join(run, 'rows.json'));
  certune(0, 'audit', 'check', join(run, 'rows.json'), '--manifest', join(run, 'out/manifest.json'));

  title('what 8 steps have taught it');
  const after = measure('--adapter', join(run, 'out/adapter'));
  if (!(after.loss < before.loss)) throw new Surprise(`held-out loss did not fall: ${before.loss} -> ${after.loss}`);
  if (!(after.right > before.right)) throw new Surprise(`no more answers are right than before: ${before.right} -> ${after.right}`);

  title('a release: signed, verified under a policy, and denied by another one');
  release();

  title('a forged adapter: one released weight changed by 2^-20');
  const file = join(run, 'out/adapter/adapter_model.safetensors'),
    bytes = readFileSync(file);
  bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 2 ** -20, bytes.length - 4);
  writeFileSync(file, bytes);
  certune(1, 'verify', run);

  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`
demo: 8 steps proven, folded into one proof and verified; held-out loss ${before.loss.toFixed(3)} -> ${after.loss.toFixed(3)}, right answers ${before.right} -> ${after.right} of ${after.rows};
the signed release was verified under one policy and denied by another; the forged adapter was refused; ${seconds} s in all.
Verify a certificate without installing anything: open ${PAGE} in a browser and drop the file`);
}

try {
  main();
} catch (e) {
  console.error(`demo: ${e instanceof Surprise ? e.message : e instanceof Error ? (e.stack ?? e.message) : String(e)}`);
  process.exitCode = 1;
} finally {
  rmSync(run, { recursive: true, force: true });
}
