import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { committed } from '../src/cli/committed.js';
import { verifyNow as verify } from '../src/cli/verify-now.js';
import { singleKernels } from '../src/kernels/index.js';
import { leafLosses } from '../src/prove/range.js';
import { firstEntered } from '../src/prove/entered.js';
import { jobInputs, recursionOf } from '../src/prove/recursion.js';
import { proveStep } from '../src/prove/step.js';
import { type Circuits, circuitsOf } from '../src/recursion/circuits.js';
import { frozenOf, stateCommitment } from '../src/run/commitments.js';
import { writeNode } from '../src/store/proof.js';
import { checkFirst } from '../src/verify/first.js';
import { describe as described } from '../src/cli/errors.js';
import { Progress } from '../src/cli/progress.js';
import { bundled, page } from './browser.js';
import { Tab, chromiumPath, launch, pageFile, withoutChromium } from './chromium.js';
import { resealed } from './seal.js';
import { setSmall } from './run-settings.js';

/*
 * The command line with the real circuits: proving, killing, folding, verifying. What does not need them is in
 * tree.test.ts.
 */

const root = fileURLToPath(new URL('..', import.meta.url)),
  bin = join(root, 'bin/certune.js'),
  base = join(root, 'test/data/tiny'),
  data = join(root, 'test/data/pairs.jsonl'),
  home = mkdtempSync(join(tmpdir(), 'certune-fold-')),
  quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} };
afterAll(() => rmSync(home, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: a document of the command line, whose fields each test names
type Json = Record<string, any>;
const certune = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [bin, ...args, '--json'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
const ok = (...args: string[]): Json => {
  const r = certune(...args);
  expect(`${r.status} ${r.stdout} ${r.status ? r.stderr : ''}`).toMatch(/^0 /);
  return JSON.parse(r.stdout) as Json;
};
const fails = (exit: number, args: string[], text: RegExp): void => {
  const r = certune(...args);
  expect(`${r.status} ${r.stdout}`).toMatch(new RegExp(`^${exit} `));
  expect((JSON.parse(r.stdout) as { error: { message: string } }).error.message).toMatch(text);
};
/** Kills a command without warning as soon as it has written the text. */
const killed = (args: string[], when: RegExp): Promise<void> =>
  new Promise((done) => {
    const p = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    p.stderr.on('data', (b: Buffer) => {
      err += b.toString();
      if (when.test(err)) p.kill('SIGKILL');
    });
    p.on('exit', () => done());
  });
const proofs = (run: string): string[] =>
  readdirSync(join(run, 'out/proof'), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(join(run, 'out/proof/').length))
    .sort();

/** Tensors of a safetensors file of float32, in float64. */
function tensorsOf(name: string): Map<string, Float64Array> {
  const b = readFileSync(name),
    n = Number(b.readBigUInt64LE(0)),
    header = JSON.parse(b.subarray(8, 8 + n).toString()) as Record<string, { dtype: string; data_offsets: [number, number] }>;
  return new Map(
    Object.entries(header)
      .filter(([k]) => k !== '__metadata__')
      .map(
        ([
          k,
          {
            dtype,
            data_offsets: [from, to],
          },
        ]) => {
          expect(dtype).toBe('F32');
          return [k, Float64Array.from({ length: (to - from) / 4 }, (_, i) => b.readFloatLE(8 + n + from + 4 * i))];
        },
      ),
  );
}
/**
 * Norms of what an adapter of rank 1 on v_proj adds, by the product itself, entry by entry: over all, the largest of a
 * layer, and the largest distance to the base's matrix.
 */
function resultByHand(adapter: string, baseDir: string): { all: number; layer: number; distance: number } {
  const config = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8')) as Json,
    lora = tensorsOf(join(adapter, 'adapter_model.safetensors')),
    weights = tensorsOf(join(baseDir, 'model.safetensors')),
    norm = (x: Iterable<number>): number => Math.sqrt([...x].reduce((s, v) => s + v * v, 0)),
    layers = [...lora.keys()].filter((k) => k.endsWith('v_proj.lora_A.weight'));
  expect(lora.size).toBe(2 * layers.length);
  const each = layers.map((k) => {
    const A = lora.get(k)!,
      B = lora.get(k.replace('lora_A', 'lora_B'))!,
      update = norm([...B].flatMap((b) => [...A].map((a) => (config['lora_alpha'] / config['r']) * b * a))),
      path = k.replace(/^base_model\.model\./, '').replace('.lora_A', '');
    return { update, distance: update / norm(weights.get(path)!) };
  });
  return {
    all: norm(each.map((x) => x.update)),
    layer: Math.max(...each.map((x) => x.update)),
    distance: Math.max(...each.map((x) => x.distance)),
  };
}

describe('a folded run', () => {
  const run = join(home, 'run'),
    other = join(home, 'other'),
    file = join(run, 'out/proof/run.certune'),
    folded = join(home, 'folded.certune');
  let key = '';
  beforeAll(async () => {
    ok('init', run, '--model', base, '--data', data);
    setSmall(run, { batch: 4, microBatch: 4 });
    ok('commit', run);
    ok('train', run);
    await killed(['prove', run], / leaf /);
    expect(proofs(run)).toEqual(['step-00000.bin', 'step-00001.bin']);
    cpSync(run, other, { recursive: true });
    // No step is proved again; an epoch of two steps in one leaf.
    const r = ok('prove', run);
    expect([r['proved'], r['leaves'], r['folds']]).toEqual([0, 1, 0]);
    expect(proofs(run)).toEqual(['epochs/epoch-0000.certune', 'run.certune']);
    expect(ok('prove', run)['proved']).toBe(0);
    key = r['key'] as string;
  });

  it('is released: exported, signed, verified under a policy, and denied by another; predicates on the result are known', () => {
    const dir = join(home, 'release'),
      at = (name: string): string => join(home, name),
      { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      exported = (format: string, ...more: string[]): void => {
        const args = ['export', run, '--format', format, ...more];
        ok(...args, '-o', join(dir, format));
        // The same facts, the same bytes.
        expect(ok(...args)['document']).toBe(readFileSync(join(dir, format), 'utf8'));
      };
    mkdirSync(dir);
    cpSync(join(run, 'out/adapter'), dir, { recursive: true });
    cpSync(file, join(dir, 'run.certune'));
    for (const format of ['cyclonedx', 'hf-card', 'training-summary']) exported(format);
    const declared = ['--name', 'rows', '--description', 'x', '--url', 'https://example.org', '--creator', 'me', '--date', '2026-01-31'];
    exported('croissant', ...declared, '--content', 'https://example.org/rows');
    expect(readFileSync(join(dir, 'training-summary'), 'utf8')).toMatch(/[0-9]+ trained tokens, at most/);
    writeFileSync(at('release.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    writeFileSync(at('release.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    const signer = ok('sign', dir, '--key', at('release.pem'))['key'] as string,
      args = ['verify', dir, '--key', key, '--base', base, '--signer', at('release.pub')],
      policy = (name: string, rules: Json): string[] => {
        writeFileSync(at(name), JSON.stringify({ type: 'certune-policy', version: 1, ...rules }));
        return ['--policy', at(name)];
      },
      known = resultByHand(dir, base),
      result = (by: number): Json => ({
        updateNorm: known.all * by,
        updateNormPerLayer: known.layer * by,
        distanceToBase: known.distance * by,
      });
    expect(known.all).toBeGreaterThan(0);
    const d = ok(
      ...args,
      ...policy('admits.json', {
        keys: [key],
        minSoundness: 100,
        signers: [{ key: signer }],
        result: { ...result(1 + 1e-9), rank: 1, modules: ['v_proj'] },
      }),
    );
    expect((d['rules'] as Json[]).map((r) => [r['rule'], r['verdict']])).toEqual(
      [
        'keys',
        'minSoundness',
        'signers',
        ...['updateNorm', 'updateNormPerLayer', 'distanceToBase', 'rank', 'modules'].map((x) => `result.${x}`),
      ].map((r) => [r, 'passed']),
    );
    expect([d['kind'], d['signed'].files, d['claims'].model_weights_provenance.status]).toEqual(['run', 8, 'asserted']);
    // A billionth less, and every one of them denies.
    const r = certune(...args, ...policy('denies.json', { result: { ...result(1 - 1e-9), modules: ['q_proj'] } })),
      rules = (JSON.parse(r.stdout) as Json)['error'].rules as Json[];
    expect([r.status, ...rules.map((x) => x['verdict'])]).toEqual([4, 'denied', 'denied', 'denied', 'denied']);
    expect(rules.find((x) => x['rule'] === 'result.modules')!['reason']).toContain('model.layers.0.self_attn.v_proj');
    // Without the base there is no distance to it, and nothing to assert of the weights.
    const root = ok(...args, '--commit-base')['root'] as string,
      bare = ['verify', dir, '--key', key, '--base-root', root, '--signer', at('release.pub')];
    expect(ok(...bare)['claims'].model_weights_provenance).toEqual({ status: 'unknown' });
    fails(4, [...bare, ...policy('distance.json', { result: { distanceToBase: 1e9 } })], /could not be evaluated, which counts as denied/);
  });

  it('ranges proved apart fold to the same statement; files that do not fit are refused by name', () => {
    const [a, b] = [
      [0, 1],
      [1, 2],
    ].map(([from, to]) => {
      expect(ok('prove', other, '--steps', `${from}..${to}`)['steps']).toBe(1);
      return join(other, `out/proof/steps-${from}-${to}.certune`);
    });
    expect(proofs(other)).toEqual(['steps-0-1.certune', 'steps-1-2.certune']);
    fails(2, ['prove', other, '--steps', '1..1'], /no range a\.\.b/);
    fails(2, ['prove', other, '--steps', '0..3'], /no range a\.\.b with 0 <= a < b <= 2/);
    fails(2, ['prove', other, '--steps', '0..1', '--no-fold'], /--no-fold/);
    fails(3, ['fold', b, a, '--base', base], /steps-0-1\.certune: .*comes before/);
    fails(3, ['fold', a, a, '--base', base], /covers the same step 0/);
    fails(3, ['fold', file, a, '--base', base], /run\.certune: is the proof of a whole run already/);
    fails(2, ['fold', a, '--base', base], /nothing to be folded with/);
    fails(2, ['fold', a, b], /--base/);
    const r = ok('fold', a, b, '--base', base, '-o', folded);
    expect([r['whole'], r['from'], r['to'], r['key']]).toEqual([true, 0, 2, key]);
    // One size, and the same said of the run, whatever the shape of the tree.
    expect(readFileSync(folded).length).toBe(readFileSync(file).length);
    const said = (f: string): Record<string, unknown> => {
      const {
        losses,
        examples,
        targets,
        base: b2,
        data: d,
        adapter,
        initial,
        kind,
      } = ok('verify', f, '--key', key, '--base', base, '--data', data, '--adapter', join(other, 'out/adapter'));
      return { losses, examples, targets, b2, d, adapter, initial, kind };
    };
    expect(said(folded)).toEqual(said(file));
    expect(said(folded)).toMatchObject({ b2: 'checked', d: 'checked', adapter: 'checked', initial: 'checked', kind: 'run' });
    // The second range alone: what it begins from is nobody's word, and it counts its own targets only.
    const second = ok('verify', b, '--base', base, '--data', data, '--adapter', join(other, 'out/adapter'));
    expect(second['targets']).toBeLessThan(said(file)['targets'] as number);
    expect(second).toMatchObject({
      kind: 'range',
      from: 1,
      to: 2,
      initial: 'not checked',
      adapter: 'checked',
      data: 'checked',
    });
  });

  /** A node over the first step whose proof holds under the key of the run, made from what a forger gives. */
  function nodeFrom(base: ReadonlyMap<string, BigInt64Array>, name: string, forge: (c: Circuits, kind: number) => Circuits): string {
    const { s } = committed(other),
      k = singleKernels(),
      inputs = { base: { frozen: base }, data: s.inputs.data },
      digest = k.scope(() => frozenOf(k, s.run.programs, inputs.base).digest),
      { proof } = proveStep(k, s.run, inputs, 0, s.inputs.initial, digest);
    honest ??= circuitsOf(k, s.run);
    const [range] = recursionOf(k, jobInputs(s.run, inputs, honest)).leaves(0, 1),
      jobs = jobInputs(s.run, inputs, forge(honest, range.kind)),
      r = recursionOf(k, jobs),
      start = { ...firstEntered(jobs.policy), s: stateCommitment(k, s.run.programs, 'sIn', s.inputs.initial) },
      one = r.leaf(start, range, [proof]),
      file = join(home, name),
      node = {
        manifest: s.run.manifest,
        key: r.key,
        from: range.from,
        to: range.to,
        losses: leafLosses(range, [proof], (t) => inputs.data.batches[t].targets),
        epochs: one.epochs,
        ...one.node,
      };
    checkFirst(k, file, node);
    writeNode(file, node);
    return file;
  }
  let honest: Circuits | undefined;
  /** Accepting a node for folding must refuse it by its name, and leave nothing behind. */
  const refusedByFold = (forged: string, why: RegExp): void => {
    fails(1, ['fold', forged, join(other, 'out/proof/steps-1-2.certune'), '--base', base, '-o', join(home, 'never.certune')], why);
    expect(existsSync(join(home, 'never.certune'))).toBe(false);
  };

  it('a range proved over other weights than the base has is refused where it is accepted, by its name', () => {
    // Manifest, programs and key are those of the run, the proof holds under the key: only the claim that it leaves on
    // the base is false.
    const frozen = new Map(committed(other).s.inputs.base.frozen),
      weights = frozen.get('W.v_proj')!.slice();
    weights[0] += 1n;
    const forged = nodeFrom(frozen.set('W.v_proj', weights), 'other-weights.certune', (c) => c);
    refusedByFold(forged, /other-weights\.certune: the claim on the base that the range leaves does not hold/);
    fails(1, ['verify', forged, '--base', base], /^digest of the base: is not that of this run/);
  });

  it('a range proved over other fixed columns than the key has is refused there too', () => {
    // The base is the run's; one constant of the leaf's circuit is another, which no wire reads. Proof and key agree:
    // only the claim that it leaves on the columns is false.
    const forged = nodeFrom(committed(other).s.inputs.base.frozen, 'other-columns.certune', (c, kind) => {
      const K = c.cls.circuits[kind].fixed.get('K')!.slice();
      expect(K[K.length - 1]).toBe(0n);
      K[K.length - 1] = 1n;
      const circuits = c.cls.circuits.map((x, i) => (i === kind ? { ...x, fixed: new Map(x.fixed).set('K', K) } : x));
      return { ...c, cls: { ...c.cls, circuits } };
    });
    refusedByFold(forged, /other-columns\.certune: a claim on the fixed columns does not hold/);
    fails(1, ['verify', forged, '--base', base], /^verification key: a claim on the fixed columns does not hold/);
  });

  it('says what was compared and where the key came from', () => {
    const all = ok('verify', run, '--commit-base');
    expect(all).toMatchObject({
      verified: { proof: 'checked', data: { status: 'checked' } },
      base: 'checked',
      data: 'checked',
      adapter: 'checked',
      initial: 'checked',
    });
    expect(all['key']).toMatchObject({ from: 'recomputed', digest: key });
    expect(ok('verify', file, '--key', key, '--base', base)).toMatchObject({
      base: 'checked',
      data: 'proved',
      adapter: 'not checked',
      key: { from: 'given' },
    });
    // With the base the commitment is the prover's word, until it is made again.
    expect(ok('verify', file, '--key', key, '--base', base)['root']).toBeUndefined();
    fails(2, ['verify', file, '--key', key, '--commit-base'], /give --base DIR too/);
    // Without the base nothing is proved about any step; the root of its commitment will do, if somebody who is trusted
    // says it.
    fails(2, ['verify', file, '--key', key], /nothing is proved about any step.*give --base DIR or --base-root/);
    const root = all['root'] as string;
    expect(root).toMatch(/^[0-9a-f]{64}$/);
    expect(ok('verify', file, '--key', key, '--base-root', root)).toMatchObject({ base: 'given', data: 'proved', initial: 'checked' });
    fails(1, ['verify', file, '--key', key, '--base-root', root.replace(/.$/, (c) => (c === '0' ? '1' : '0'))], /the root given is/);
    fails(2, ['verify', file, '--key', key, '--base-root', '12'], /64 hexadecimal digits/);
    // Nothing was found wrong: a key is missing, and the option that gives it is named.
    fails(2, ['verify', file, '--no-recompute', '--base', base], /came with the proof alone.*Give it with --key/);
    fails(1, ['verify', file, '--key', `sha256:${'0'.repeat(64)}`, '--base', base], /the key given is sha256:0000/);
    fails(2, ['verify', file, '--key', 'sha256:12'], /64 hexadecimal digits/);
    fails(2, ['verify', file, '--data', data], /give --base DIR too/);
    fails(
      4,
      [
        'verify',
        file,
        '--key',
        key,
        '--base-root',
        root,
        '--require-base',
        JSON.parse(readFileSync(join(run, 'out/manifest.json'), 'utf8')).base.digest,
      ],
      /not checked/,
    );
    const epoch = join(run, 'out/proof/epochs/epoch-0000.certune');
    expect(ok('verify', epoch, '--base', base)).toMatchObject({
      kind: 'epoch',
      epoch: 0,
      from: 0,
      to: 2,
      base: 'checked',
      data: 'proved',
    });
    fails(2, ['verify', epoch], /settled against the base/);
    const keyFile = join(home, 'key.json'),
      v = ok('vk', file, '-o', keyFile);
    expect([v['digest'], v['proof'], v['shipped']]).toEqual([key, 'same', null]);
    expect(v['circuits'].map((x: { name: string }) => x.name)).toEqual(['fold', 'leaf of 2 steps', 'leaf of 1 step', 'end']);
    expect(ok('verify', file, '--key', keyFile, '--no-recompute', '--base-root', root)['key'].from).toBe('given');
    const d = ok('inspect', file);
    expect([d['kind'], d['key'], d['stepsPerEpoch']]).toEqual(['folded', key, 2]);
  });

  it('verifies in a page, where there is nothing but what a browser has', async () => {
    const p = page(await bundled()),
      proof = readFileSync(file),
      { losses, root: about } = verify(file, { base, commitBase: true }, quiet).data as { losses: number[]; root: string },
      options = { key: { digest: key }, root: about },
      refused = (bytes: Uint8Array, o: object, why: RegExp): void => {
        const v = p.verify(bytes, o);
        expect([v.accepted, v.name]).toEqual([false, 'VerificationError']);
        expect(v.message).toMatch(why);
      };
    expect(p.verify(proof, options)).toEqual({ accepted: true, kind: 'run', losses, initial: 'checked', root: about });
    const nl = proof.indexOf(10),
      changed = Buffer.from(proof.subarray(nl + 1));
    changed[changed.length >> 1] ^= 1;
    refused(resealed(proof.subarray(0, nl).toString(), changed), options, /./);
    refused(proof, { ...options, root: '0'.repeat(64) }, /^commitment to the base/);
    refused(proof, { ...options, key: { digest: `sha256:${'0'.repeat(64)}` } }, /^verification key/);
    refused(proof, { root: about }, /the prover's word/);
    refused(proof, { key: options.key }, /nothing is proved about any step/);
  });

  it('is certified from the node that it keeps, and says the same, on the command line and in a page', async () => {
    const a = join(home, 'a.certune'),
      made = ok('certify', run, '-o', a);
    expect(made).toMatchObject({ steps: 2, file: a, key, mode: 'public' });
    const said = (f: string): Json => ok('verify', f, '--base', base, '--data', data, '--adapter', join(run, 'out/adapter')),
      [c, r] = [said(a), said(file)];
    expect([c['kind'], r['kind'], c['hides'], r['hides'], c['key'].digest]).toEqual(['certificate', 'run', true, false, key]);
    for (const f of ['losses', 'targets', 'examples', 'epochs', 'base', 'data', 'initial', 'adapter', 'manifest'])
      expect(c[f], f).toEqual(r[f]);
    expect(ok('inspect', a)).toMatchObject({ kind: 'certificate', key });
    expect(ok('vk', a)).toMatchObject({ digest: key, proof: 'same' });
    // The node over the whole run from elsewhere; the end of a run and a certificate are none.
    const node = join(run, 'out/proof/epochs/epoch-0000.certune');
    fails(2, ['certify', node], /--base DIR/);
    fails(2, ['certify', node, '--base', base, '-o', node], /give another file with -o/);
    fails(3, ['certify', file, '--base', base], /is the end of a run, from which none is made/);
    fails(3, ['certify', a, '--base', base], /is a certificate already/);
    fails(3, ['certify', join(other, 'out/proof/steps-0-1.certune'), '--base', base], /is a range: certune fold joins ranges/);
    fails(3, ['certify', join(home, 'nowhere')], /does not exist/);
    const bytes = readFileSync(a),
      { root: about } = verify(file, { base, commitBase: true }, quiet).data as { root: string },
      p = page(await bundled()),
      options = { key: { digest: key }, root: about };
    expect(p.verify(bytes, options)).toMatchObject({ accepted: true, kind: 'certificate', losses: c['losses'] });
    const half = Buffer.from(bytes);
    half[half.length >> 1] ^= 1;
    expect(p.verify(half, options)).toMatchObject({ accepted: false, message: expect.stringMatching(/does not match its digest/) });
    // Nothing half-written lies beside it.
    expect(readdirSync(home).filter((f) => f.includes('.tmp-'))).toEqual([]);
  });

  it('is reported as a document of what verify says, and as nothing where it does not hold', () => {
    const { root: about } = verify(file, { base, commitBase: true }, quiet).data as { root: string },
      to = join(home, 'report.html'),
      d = ok('report', file, '--key', key, '--base', base, '--adapter', join(run, 'out/adapter'), '-o', to),
      html = readFileSync(to, 'utf8');
    expect(d).toMatchObject({
      kind: 'run',
      verified: { base: { status: 'checked' }, data: { status: 'proved' }, adapter: { status: 'checked' } },
    });
    expect(html).toMatch(/<h2 id="verdict" tabindex="-1">Verified</);
    expect(html).not.toMatch(/<script|commitment only/);
    ok('report', file, '--key', key, '--base-root', about, '-o', to);
    expect(readFileSync(to, 'utf8')).toMatch(/Verified, with gaps<.*commitment only/s);
    const never = join(home, 'never.html');
    fails(1, ['report', file, '--key', key, '--base-root', '0'.repeat(64), '-o', never], /the root given is 0000/);
    fails(2, ['report', file, '--key', key, '-o', never], /nothing is proved about any step/);
    expect(existsSync(never)).toBe(false);
  });

  it.skipIf(chromiumPath === undefined)(
    `is verified by the page in Chromium, from the disk, with what is beside it; altered and foreign files are refused${withoutChromium}`,
    async () => {
      const { root: about } = verify(file, { base, commitBase: true }, quiet).data as { root: string },
        certificate = join(home, 'a.certune'),
        adapter = ['adapter_model.safetensors', 'adapter_config.json'].map((f) => join(run, 'out/adapter', f)),
        manifest = join(run, 'out/manifest.json'),
        browser = await launch();
      try {
        const tab = await Tab.open(browser, pageFile),
          typed = async (root: string, k: string): Promise<string> => {
            await tab.page.fill('#root', root);
            await tab.page.fill('#key', k);
            await tab.page.press('#key', 'Enter');
            return tab.answer();
          };
        expect(await tab.give(certificate)).toBe('Not verified yet.');
        expect(await tab.text('#result')).toMatch(/key came with the file alone/);
        expect(await typed('', key)).toBe('Not verified yet.');
        expect(await tab.text('#result')).toMatch(/nothing is proved about any step/);
        expect(await typed(about, key)).toBe('Verified, with gaps.');
        expect(await tab.give(...adapter, manifest)).toBe('Verified.');
        expect(await tab.text('#result')).toMatch(/Compared: initial adapter, adapter\.Compared by its commitment alone: base/);
        expect(await tab.axe()).toEqual([]);
        expect(await tab.give(file)).toBe('Verified.');
        const write = (name: string, bytes: Uint8Array | string): string => {
            writeFileSync(join(home, name), bytes);
            return join(home, name);
          },
          weights = Buffer.from(readFileSync(adapter[0])),
          { config, ...m } = JSON.parse(readFileSync(manifest, 'utf8')) as Json,
          proof = readFileSync(file),
          nl = proof.indexOf(10),
          body = Buffer.from(proof.subarray(nl + 1));
        mkdirSync(join(home, 'altered'), { recursive: true });
        weights.writeFloatLE(weights.readFloatLE(weights.length - 4) + 2 ** -20, weights.length - 4);
        expect(await tab.give(write('altered/adapter_model.safetensors', weights))).toBe('Refused.');
        await tab.give(adapter[0]);
        expect(
          await tab.give(
            write('altered/manifest.json', JSON.stringify({ ...m, config: { ...config, lora: { ...config.lora, seed: 9 } } })),
          ),
        ).toBe('Refused.');
        expect(await tab.text('#result')).toMatch(/differs from the proof's: config\.lora\.seed/);
        await tab.give(manifest);
        body[body.length >> 1] ^= 1;
        expect(await tab.give(write('altered.certune', resealed(proof.subarray(0, nl).toString(), body)))).toBe('Refused.');
        await tab.give(certificate);
        expect(await typed('0'.repeat(64), key)).toBe('Refused.');
        expect(await typed(about, `sha256:${'0'.repeat(64)}`)).toBe('Refused.');
        // Ranges take the circuits themselves, which are not in the page.
        await typed(about, key);
        expect(await tab.give(join(run, 'out/proof/epochs/epoch-0000.certune'))).toBe('Not verified here.');
        expect(await tab.page.locator('#result script, #result img').count()).toBe(0);
        expect(tab.did).toEqual([]);
      } finally {
        await browser.close();
      }
    },
  );

  it('verifies with the example of the README, which refuses another key and another base', () => {
    const { root: about } = verify(file, { base, commitBase: true }, quiet).data as { root: string },
      example = /```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1];
    // In the package, so that it finds the package by its name.
    mkdirSync(join(root, 'tmp'), { recursive: true });
    const dir = mkdtempSync(join(root, 'tmp/readme-')),
      check = join(dir, 'check.mjs'),
      run = (...args: string[]): SpawnSyncReturns<string> => spawnSync(process.execPath, [check, ...args], { encoding: 'utf8' });
    try {
      writeFileSync(check, example);
      const r = run(file, key, about);
      expect([r.status, r.stderr]).toEqual([0, '']);
      expect(r.stdout).toMatch(
        /^steps 0 to 1 are proved, mean losses [\d.]+, [\d.]+\nsoundness: \d+\.\d bits, round by round; adapter not checked\n$/,
      );
      for (const args of [
        [file, `sha256:${'0'.repeat(64)}`, about],
        [file, key, '0'.repeat(64)],
        [join(root, 'package.json'), key, about],
      ]) {
        const r = run(...args);
        expect([r.status, r.stdout]).toEqual([1, '']);
        expect(r.stderr).not.toMatch(/ at .*:\d+:\d+/);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('refuses every field of the header changed, and any word', () => {
    const all = readFileSync(file),
      nl = all.indexOf(10),
      head = all.subarray(0, nl).toString(),
      codes = new Set<string>();
    const refuse = (h: string, b: Uint8Array, what: string, more: object = {}, raw = false): void => {
      const f = join(home, 'forged.certune');
      writeFileSync(f, raw ? Buffer.concat([Buffer.from(`${h}\n`), b]) : resealed(h, b));
      try {
        verify(f, { key, base, data: [data], adapter: join(run, 'out/adapter'), ...more }, quiet);
      } catch (e) {
        codes.add(described(e).code);
        expect(['verification-failed', 'unreadable', 'unsupported-version']).toContain(described(e).code);
        return;
      }
      throw new Error(`accepted: ${what}`);
    };
    const body = all.subarray(nl + 1),
      swap = (from: RegExp | string, to: string, more?: object): void => {
        expect(head.replace(from, to), String(from)).not.toBe(head);
        refuse(head.replace(from, to), body, String(from), more);
      };
    swap('"learningRate":0.003', '"learningRate":0.002');
    // Consistent and declared only, and nothing else at hand: still another statement than the one proved.
    swap(/LicenseRef-unknown/g, 'Apache-2.0', { data: undefined, adapter: undefined });
    swap(/"losses":\[\[0,\d+/, '"losses":[[0,1');
    swap(/("losses":\[\[0,\d+,")\d/, '$11');
    swap(/"endRoot":\["/, '"endRoot":["7');
    swap('"rate":2', '"rate":1');
    refuse(head.replace(/"sha256":"./, '"sha256":"x'), body, 'digest', {}, true);
    swap('"certune-folded-run","version":5', '"certune-folded-run","version":1');
    swap(/"statement":(\d+)/, '"statement":1');
    expect(codes.size).toBe(3);
    const words = all.length - nl - 1;
    for (const at of [0, 800, 1600, words >> 1, words - 8]) {
      const b = Buffer.from(body);
      b[at] ^= 1;
      // Whoever changes a word writes its digest too.
      refuse(head, b, `byte ${at}`);
      refuse(head, b, `byte ${at}, its digest left`, {}, true);
    }
    expect(existsSync(file)).toBe(true);
  });
});
