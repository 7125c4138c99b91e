import canonicalize from 'canonicalize';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CERTIFICATE_LIMITS, decodeCertificate, encodeCertificate } from '../src/artifact/certificate.js';
import { encodeFolded } from '../src/artifact/folded.js';
import { verifyAlone } from '../src/cli/alone.js';
import { type Told, runCommand } from '../src/cli/command.js';
import { describe as described } from '../src/cli/errors.js';
import { Progress } from '../src/cli/progress.js';
import { verifyNow } from '../src/cli/verify-now.js';
import { VersionError } from '../src/errors.js';
import { P } from '../src/field/goldilocks.js';
import { verifyRelease } from '../src/cli/verify-release.js';
import { singleKernels } from '../src/kernels/index.js';
import type { VerificationKey } from '../src/recursion/key.js';
import { endLayout } from '../src/recursion/statement.js';
import { VerificationError } from '../src/transcript/arith.js';
import { verifyEndOf, verifyEndOnce } from '../src/verify/certificate.js';
import { parsePublished } from '../src/verify/key.js';
import { claimsOf } from '../src/verify/claimed.js';
import { shownText } from '../src/verify/shown.js';
import { viewOf } from '../src/verify/view.js';
import { type Accepted, type Refused, verify } from '../src/verify/index.js';
import { PIECES, type Piece, type Pieces, assembled, piecesOf, sealedAgain, withWord } from './certificate-bytes.js';
import { mutateScalar, mutateStructure } from './mutate.js';

/*
 * Golden certificates: made once by `npm run golden`, of runs of two steps each, and verified for ever by the releases
 * that have their versions. One is of the public mode with exact losses, the others of the private mode, which shows
 * sums of epochs; the last one does not say which adapter its run has left.
 */
const NAMES = ['public', 'private', 'unshown'] as const;
type Name = (typeof NAMES)[number];
const folder = fileURLToPath(new URL('./data/certificates/', import.meta.url)),
  /** Key and base as a verifier has them from elsewhere. */
  GOLDEN = JSON.parse(readFileSync(join(folder, 'given.json'), 'utf8')) as Record<Name, { readonly key: string; readonly root: string }>;

const file = (name: Name): Uint8Array => readFileSync(join(folder, `${name}.certune`)),
  golden: Record<Name, Uint8Array> = { public: file('public'), private: file('private'), unshown: file('unshown') },
  pieces: Record<Name, Pieces> = {
    public: piecesOf(golden.public),
    private: piecesOf(golden.private),
    unshown: piecesOf(golden.unshown),
  },
  kernels = singleKernels(),
  quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} },
  judge = (bytes: Uint8Array, name: Name = 'public'): Accepted | Refused =>
    verify(bytes, { key: { digest: GOLDEN[name].key }, root: GOLDEN[name].root, kernels, file: 'mutant' });

/** Refused, for a reason that matches. */
function refused(bytes: Uint8Array, why: RegExp, name: Name = 'public'): void {
  const v = judge(bytes, name);
  expect(v.accepted ? 'accepted' : v.reason.message).toMatch(why);
}

/** Numbers below n, the same in every run. */
function random(seed: number): (n: number) => number {
  let s = seed;
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return Math.floor((s / 2 ** 32) * n);
  };
}

describe('golden certificates', () => {
  it('are accepted, say what they say, and have one spelling', () => {
    for (const name of NAMES) {
      const v = judge(golden[name], name);
      if (!v.accepted) throw v.reason;
      expect([v.kind, v.key.from, v.check.base, v.check.initial, v.check.data]).toEqual([
        'certificate',
        'given',
        'given',
        'checked',
        'proved',
      ]);
      expect(v.ledger.roundByRound).toBeGreaterThan(100);
      expect(v.ledger.terms.some((t) => /blend with the mask/.test(t.name))).toBe(true);
      expect(Buffer.compare(encodeCertificate(decodeCertificate(name, golden[name])), golden[name])).toBe(0);
      expect(golden[name].length).toBeLessThan(200_000);
      expect(assembled(pieces[name]).equals(golden[name])).toBe(true);
    }
    const [a, b] = [judge(golden.public), judge(golden.private, 'private')] as [Accepted, Accepted];
    expect(a.check.losses).toHaveLength(2);
    expect([b.check.losses, b.run.manifest.config.sampler.mode, b.run.manifest.dataset.salt]).toEqual([[], 'private', null]);
    expect([a, b, judge(golden.unshown, 'unshown') as Accepted].map((v) => v.check.adapter)).toEqual([
      'not checked',
      'not checked',
      'not shown',
    ]);
  });
  it('are verified alone with the very words of the command, and whatever does not hold is left to it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'certune-alone-')),
      proof = join(dir, 'certificate.certune'),
      { key, root } = GOLDEN.public,
      // Times differ from one verification to the next.
      timeless = (text: string): string => text.replace(/("\w+Ms":)[\d.e-]+/g, '$10').replace(/, \d+ ms; .* s$/m, ''),
      how = (json: boolean) => ({ json, quiet: false, tty: false }),
      o = { key, baseRoot: root };
    try {
      writeFileSync(proof, golden.public);
      const base = fileURLToPath(new URL('./data/tiny', import.meta.url));
      for (const [json, against] of [
        [true, { baseRoot: root }],
        [false, { baseRoot: root }],
        [true, { base }],
      ] as const) {
        const alone = await verifyAlone(proof, { key, ...against }, how(json)),
          said: Told[] = [];
        await runCommand(
          ['verify', proof, '--key', key, ...('base' in against ? ['--base', base] : ['--base-root', root]), ...(json ? ['--json'] : [])],
          false,
          (m) => said.push(m),
          () => {},
        );
        expect(timeless(alone!.out)).toBe(timeless(said.map((m) => m.text ?? '').join('')));
        expect(alone!.err).toBe(said.map((m) => m.err ?? '').join(''));
        expect(said.at(-1)!.end).toBe(0);
      }
      const left = (file: string, more: object): Promise<unknown> => verifyAlone(file, { ...o, ...more }, how(true));
      expect(await left(proof, { key: `sha256:${'0'.repeat(64)}` })).toBeUndefined();
      expect(await left(proof, { baseRoot: '0'.repeat(64) })).toBeUndefined();
      expect(await left(proof, { minBits: '128' })).toBeUndefined();
      // Nobody vouches for the key: it would have to be made, or was never made by this user.
      expect(await verifyAlone(proof, { base }, how(true))).toBeUndefined();
      expect(await verifyAlone(proof, { baseRoot: root }, how(true))).toBeUndefined();
      writeFileSync(join(dir, 'mutant'), assembled(withWord(pieces.public, 'proof', 30, (w) => (w + 1n) % P)));
      expect(await left(join(dir, 'mutant'), {})).toBeUndefined();
      expect(await left(join(dir, 'none'), {})).toBeUndefined();
      mkdirSync(`${proof}.cards`);
      expect(await left(proof, {})).toBeUndefined();
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  it('that do not say which adapter is left are compared with none, and say so', async () => {
    const v = judge(golden.unshown, 'unshown') as Accepted,
      released = new BigInt64Array(v.run.programs.program.axes['P']),
      { key, root } = GOLDEN.unshown,
      named = verify(golden.unshown, { key: { digest: key }, root, kernels, released });
    expect(named.accepted ? 'accepted' : named.reason.message).toMatch(
      /^released adapter: the certificate says nothing of the adapter .*show\.adapter: none/,
    );
    // The command refuses before it verifies anything, whether a folder is there or not, and says why.
    let said: unknown;
    try {
      verifyNow(join(folder, 'unshown.certune'), { adapter: join(folder, 'adapter'), baseRoot: root }, quiet);
    } catch (e) {
      said = e;
    }
    expect(described(said)).toMatchObject({
      exit: 2,
      code: 'usage',
      message: expect.stringMatching(/^--adapter, .*show\.adapter: none.*leave it out/) as string,
    });
    expect(shownText(v.check.shown)).toContain('of the adapter nothing in a certificate');
    // Nor is an adapter that lies beside one passed over.
    const release = mkdtempSync(join(tmpdir(), 'certune-unshown-'));
    try {
      writeFileSync(join(release, 'run.certune'), golden.unshown);
      writeFileSync(join(release, 'adapter_config.json'), '{}');
      await expect(verifyRelease(release, { key, baseRoot: root }, quiet)).rejects.toThrow(
        /the adapter of a release: this certificate says nothing of the adapter/,
      );
    } finally {
      rmSync(release, { recursive: true });
    }
    expect(
      claimsOf(v.run.manifest, { kind: 'certificate' })
        .map((c) => c.what)
        .join('\n'),
    ).toContain('which adapter the last one is, is not shown');
    // Under the flags of the other, in both directions, by the manifest alone.
    const other = { ...v.run.manifest, config: { ...v.run.manifest.config, show: { ...v.check.shown, adapter: 'commitment' as const } } };
    expect([viewOf({ hides: true, manifest: v.run.manifest }), viewOf({ hides: true, manifest: other })]).toEqual([
      [0n, 0n],
      [1n, 0n],
    ]);
    refused(assembled({ ...pieces.unshown, manifest: Buffer.from(canonicalize(other)!) }), /./, 'unshown');
    refused(assembled({ ...pieces.unshown, statement: pieces.private.statement, proof: pieces.private.proof }), /./, 'unshown');
    refused(assembled({ ...pieces.private, statement: pieces.unshown.statement, proof: pieces.unshown.proof }), /./, 'private');
  });
  it('of older versions are refused by version, with the way out', () => {
    const older = join(folder, 'older'),
      names = readdirSync(older);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const v = verify(readFileSync(join(older, name)), { file: name, kernels });
      expect(v.accepted ? 'accepted' : v.reason.message, name).toMatch(
        /version \d+ is not supported, this release reads version \d+ \(use the release of Certune that wrote it\)/,
      );
      expect((v as Refused).reason, name).toBeInstanceOf(VersionError);
    }
  });
  it('hide what their view does not show: root, optimiser, accumulators and counters are zero, the adapter is there', () => {
    for (const name of NAMES) {
      const x = decodeCertificate(name, golden[name]),
        told = name !== 'unshown',
        key = parsePublished(name, x.key);
      let at = 0;
      const said = new Map([...endLayout(key.baseVars)].map(([f, n]) => [f, x.statement.slice(at, (at += n))]));
      expect(said.get('shows')).toEqual([told ? 1n : 0n, 0n]);
      for (const f of ['aOut', 'countersOut'] as const)
        expect(
          said.get(f)!.every((w) => w === 0n),
          f,
        ).toBe(true);
      const sOut = said.get('sOut')!;
      expect([...sOut.slice(0, 4), ...sOut.slice(14)].every((w) => w === 0n)).toBe(true);
      expect(sOut.slice(4, 14).every((w) => (w !== 0n) === told)).toBe(true);
    }
  });
});

describe('an end that held', () => {
  it("is not verified again, but as this file under this key alone, and on nobody else's word", () => {
    const x = decodeCertificate('public', golden.public),
      key = parsePublished('public', x.key),
      held = verifyEndOf(kernels, key, x),
      bad = { ...x, proof: x.proof.map((w, i) => (i === 9 ? (w + 1n) % P : w)) };
    expect(verifyEndOnce(kernels, key, x, held)).toBe(held);
    // What held cannot be made to be something else.
    expect(() => Object.assign(held, { of: bad })).toThrow(TypeError);
    expect(() => Object.assign(held.end, { proof: bad.proof })).toThrow(TypeError);
    expect(() => Object.assign(held.end.statement, { loss: [0n] })).toThrow(TypeError);
    expect(() => Object.assign(held.end.statement.loss, [0n])).toThrow(TypeError);
    const said = { ...held };
    expect(verifyEndOnce(kernels, key, x, said)).not.toBe(said);
    expect(() => verifyEndOnce(kernels, key, bad, held)).toThrow(VerificationError);
    expect(() => verifyEndOnce(kernels, key, bad, { ...held, of: bad })).toThrow(VerificationError);
    expect(() => verifyEndOnce(kernels, { ...key, root: key.endRoot }, x, held)).toThrow(VerificationError);
  });
});

describe('attacks through the file', () => {
  const key = (): VerificationKey => parsePublished('key', decodeCertificate('public', golden.public).key);
  /** Where a field of the statement begins. */
  const place = (field: string): number => {
    let at = 0;
    for (const [f, n] of endLayout(key().baseVars)) {
      if (f === field) return at;
      at += n;
    }
    throw new Error(field);
  };

  it('every field of the statement altered', () => {
    for (const [f, n] of endLayout(key().baseVars))
      for (const i of new Set([0, n - 1])) refused(assembled(withWord(pieces.public, 'statement', place(f) + i, (w) => (w + 1n) % P)), /./);
  });
  it('other flags of the view, and what they would show', () => {
    const { public: own } = pieces;
    for (const [i, w] of [
      [0, 0n],
      [1, 1n],
      [1, 2n],
    ] as const)
      refused(assembled(withWord(own, 'statement', place('shows') + i, () => w)), /^view: /);
    refused(assembled(withWord(pieces.unshown, 'statement', place('shows'), () => 1n)), /^view: /, 'unshown');
    refused(assembled(withWord(own, 'statement', place('sOut'), () => 1n)), /./);
  });
  it('a certificate that says it is the end of a run in clear, and the other way about', () => {
    const x = decodeCertificate('public', golden.public),
      { hides: _, ...clear } = x;
    refused(encodeFolded(clear), /^view: /);
    const opened = { ...clear, statement: clear.statement.map((w, i) => (i === place('shows') + 1 ? 1n : w)) };
    refused(encodeFolded(opened), /^proof length: /);
    expect(() => encodeFolded(x)).toThrow(/written as one/);
  });
  it('lists, manifest and key of another run, and a key with its roots exchanged', () => {
    const { public: a, private: b } = pieces;
    for (const p of PIECES) refused(assembled({ ...a, [p]: b[p] }), /./);
    for (const p of PIECES) refused(assembled({ ...b, [p]: a[p] }), /./, 'private');
    const steps = Buffer.from(a.steps);
    steps.writeBigInt64LE(steps.readBigInt64LE(4) + 1n, 4);
    refused(assembled({ ...a, steps }), /^losses: /);
    steps.writeUInt32LE(steps.readUInt32LE(0) + 1, 0);
    refused(assembled({ ...a, steps }), /^(losses|targets): /);
    const epochs = Buffer.from(b.epochs);
    if (epochs.length) {
      epochs.writeUInt32LE(epochs.readUInt32LE(0) + 1, 0);
      refused(assembled({ ...b, epochs }), /^totals of epochs: /, 'private');
    }
    const swapped = { ...key(), root: key().endRoot, endRoot: key().root },
      bytes = assembled({ ...a, key: Buffer.from(canonicalize(swapped)!) });
    refused(bytes, /./);
    // Even where its user gives that key.
    const v = verify(bytes, { key: { key: swapped }, root: GOLDEN.public.root, kernels });
    expect(v.accepted).toBe(false);
  });
  it('every message of the proof altered in one word, spread over all of it', () => {
    const words = pieces.public.proof.length / 8;
    for (let i = 0; i < 120; i++)
      refused(assembled(withWord(pieces.public, 'proof', Math.floor((i * words) / 120), (w) => (w + 1n) % P)), /./);
    refused(assembled(withWord(pieces.public, 'proof', 7, () => P)), /./);
  });
  it('lengths at their limits, and beyond', () => {
    for (const p of PIECES)
      for (const n of [0, 1, CERTIFICATE_LIMITS[p], CERTIFICATE_LIMITS[p] + 1, 2 ** 32 - 1])
        refused(assembled(pieces.public, { [p]: n }), /^mutant: /);
    for (const v of [0, 2, 2 ** 32 - 1]) refused(assembled(pieces.public, {}, v), /version \d+ is not supported/);
  });
});

/** A mutant of a golden certificate. */
function mutant(rnd: (n: number) => number, name: Name): { bytes: Uint8Array; what: string } {
  const own = pieces[name],
    other = pieces[name === 'public' ? 'private' : 'public'],
    raw = Buffer.from(golden[name]);
  const any = (): Piece => PIECES[rnd(PIECES.length)],
    light = (): Piece => PIECES[rnd(5)];
  const changed = (b: Uint8Array): Uint8Array => {
    const out = Buffer.from(b.length ? b : [0]),
      at = rnd(out.length);
    if (rnd(3) === 0) return Buffer.concat([out.subarray(0, at), Buffer.from([rnd(256)]), out.subarray(at)]);
    if (rnd(2) === 0) return out.subarray(0, at);
    out[at] ^= 1 << rnd(8);
    return out;
  };
  const kinds: [string, number, () => Uint8Array][] = [
    ['bit', 3, () => ((raw[rnd(raw.length)] ^= 1 << rnd(8)), raw)],
    ['bit of the header', 2, () => ((raw[rnd(36)] ^= 1 << rnd(8)), sealedAgain(raw))],
    ['cut', 2, () => raw.subarray(0, rnd(raw.length))],
    ['cut and sealed', 1, () => sealedAgain(raw.subarray(0, rnd(raw.length)))],
    ['grown', 1, () => sealedAgain(Buffer.concat([raw, Buffer.alloc(1 + rnd(64), rnd(256))]))],
    [
      'spliced',
      2,
      () => Buffer.concat([raw.subarray(0, rnd(raw.length)), golden[name === 'public' ? 'private' : 'public'].subarray(rnd(raw.length))]),
    ],
    ['piece of another', 1, () => assembled({ ...own, [light()]: other[light()] })],
    ['length', 2, () => assembled(own, { [any()]: [0, 1, rnd(2 ** 12), rnd(2 ** 31), 2 ** 32 - 1][rnd(5)] })],
    [
      'changed',
      5,
      () => {
        const p = light();
        return assembled({ ...own, [p]: changed(own[p]) });
      },
    ],
  ];
  let at = rnd(kinds.reduce((n, [, w]) => n + w, 0));
  const [what, , make] = kinds.find(([, w]) => (at -= w) < 0)!;
  return { bytes: make(), what };
}

const wordsOf = (b: Uint8Array): BigUint64Array => new BigUint64Array(new Uint8Array(b).buffer);

describe('mutants', () => {
  it('of 10,000 none is accepted, and all are refused by a typed error', () => {
    const rnd = random(16),
      met = new Map<string, number>();
    let slowest = 0;
    const meet = (bytes: Uint8Array, what: string, name: Name): void => {
      // A mutant that is the certificate after all.
      if (Buffer.compare(bytes, golden[name]) === 0) return;
      const before = process.cpuUsage(),
        v = judge(bytes, name),
        { user, system } = process.cpuUsage(before);
      slowest = Math.max(slowest, user + system);
      if (v.accepted) throw new Error(`accepted: ${what}`);
      met.set(v.reason.name, (met.get(v.reason.name) ?? 0) + 1);
    };
    for (let i = 0; i < 9400; i++) {
      const name = i % 2 ? 'public' : 'private',
        { bytes, what } = mutant(rnd, name);
      meet(bytes, what, name);
    }
    // Of the proof itself, each verified to where it fails.
    for (let i = 0; i < 600; i++) {
      const name = i % 2 ? 'public' : 'private',
        proof = wordsOf(pieces[name].proof),
        m =
          i % 3
            ? mutateScalar(
                proof,
                Array.from({ length: Math.floor(proof.length / 3) }, (_, k) => ({ at: 3 * k, words: 3 })),
                rnd,
              )
            : mutateStructure(proof, rnd);
      meet(assembled({ ...pieces[name], proof: Buffer.from(m.proof.buffer, m.proof.byteOffset, m.proof.byteLength) }), m.what, name);
    }
    console.log(
      `mutants: ${[...met].map(([n, x]) => `${n} ${x}`).join(', ')}; the slowest ${(slowest / 1000).toFixed(0)} ms of processor time`,
    );
    expect([...met.keys()].sort()).toEqual(['InputError', 'VerificationError', 'VersionError']);
    expect(slowest).toBeLessThan(5e6);
  });
});
