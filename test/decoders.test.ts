import fc from 'fast-check';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeCertificate, encodeCertificate } from '../src/artifact/certificate.js';
import { type NodeFile, decodeFolded, decodeNode, encodeFolded, encodeNode } from '../src/artifact/folded.js';
import { decodePack, encodePack } from '../src/artifact/pack.js';
import { decodeCount, encodeCount } from '../src/audit/file.js';
import { decodeCheckpoint, encodeCheckpoint } from '../src/engine/checkpoint.js';
import { readJob, signJob } from '../src/engine/jobs.js';
import { readResult } from '../src/engine/store.js';
import { InputError, UnsupportedError, VersionError } from '../src/errors.js';
import * as round from '../src/federated/certificate.js';
import { evidenceFile, parseEvidence } from '../src/federated/judge.js';
import { openSent } from '../src/federated/inbox.js';
import { messageFile, parseMessage } from '../src/federated/messages.js';
import { parseSimulation } from '../src/federated/simulate.js';
import { decodeUpdate, encodeUpdate } from '../src/federated/update.js';
import { parseAdapterConfig } from '../src/io/adapter.js';
import { parseConfig } from '../src/io/config.js';
import { parseJson } from '../src/io/json-bounds.js';
import { utf8 } from '../src/io/json-text.js';
import type { LineProblem } from '../src/io/jsonl.js';
import { readRows } from '../src/io/rows.js';
import { readSafetensors } from '../src/io/safetensors.js';
import { parseExpression } from '../src/policy/classes/spdx.js';
import { toHex, toUtf8 } from '../src/provenance/bytes.js';
import { bundleJson, parseBundle } from '../src/provenance/bundle.js';
import { cardText, parseCard } from '../src/provenance/cards/card.js';
import { readCbor } from '../src/provenance/cards/cbor.js';
import { verifyJws, parseJwks } from '../src/provenance/cards/jws.js';
import { verifyNitro } from '../src/provenance/cards/nitro.js';
import { verifyNvidia } from '../src/provenance/cards/nvidia.js';
import { parseAllRules } from '../src/provenance/cards/rules.js';
import { verifySnp } from '../src/provenance/cards/snp.js';
import { verifyTimeStamp } from '../src/provenance/cards/time-stamp.js';
import { parseCertificates } from '../src/provenance/cards/x509.js';
import { compactSignature, parsePublicKey } from '../src/provenance/ecdsa.js';
import { Members, parseJson as parseSigned } from '../src/provenance/json.js';
import { modelStatement, parseModel } from '../src/provenance/oms.js';
import { parsePolicyFile } from '../src/provenance/policy.js';
import { signStatement } from '../src/provenance/sign.js';
import { parseStatement, statementBytes } from '../src/provenance/statement.js';
import { parseManifest } from '../src/run/manifest.js';
import { parseRun, runTemplate } from '../src/setup/runfile.js';
import { readCheckpoint, writeCheckpoint } from '../src/store/checkpoint.js';
import { parse } from '../src/template/parser.js';
import { TemplateError } from '../src/template/values.js';
import { VerificationError } from '../src/transcript/arith.js';
import { parsePublished } from '../src/verify/key.js';
import { type Piece, assembled, piecesOf, sealedAgain } from './certificate-bytes.js';
import { TENSORS, beacon, drawnRound, federationCase, newKey, newRound, respond } from './federated-case.js';
import { mutants, mutated } from './mutants.js';
import { resealed } from './seal.js';
import { NOON, Simulator, certificate, makeCard, pair, rulesJson, signed } from './tee.js';

/*
 * Every decoder of bytes that somebody else wrote, under mutants of what it reads: it answers with a value or a typed
 * error, in bounded time, and where a format has one spelling, what it reads is written as it was. Each has an equal
 * part of the seconds of CERTUNE_FUZZ_SECONDS, by default a minute for all. CERTUNE_FUZZ_SEED chooses other mutants; a
 * failure says its seed. Keys of simulated hardware are drawn each time.
 */

const SECONDS = Number(process.env['CERTUNE_FUZZ_SECONDS'] ?? 60),
  SEED = Number(process.env['CERTUNE_FUZZ_SEED'] ?? 16),
  /** Of processor time, for one mutant: far more than any takes. */ MOST_SECONDS = 5;

interface Decoder {
  readonly name: string;
  /** Files that are read. */ readonly seeds: readonly Uint8Array[];
  readonly decode: (b: Uint8Array) => unknown;
  /** What is read, as it is written. */ readonly encode?: (x: never) => Uint8Array;
  /** Digests in a file made again. */ readonly seal?: (b: Uint8Array) => Uint8Array;
  /** Errors beside InputError, VersionError, UnsupportedError. */
  readonly also?: readonly (new (
    ...a: never[]
  ) => Error)[];
}

const home = mkdtempSync(join(tmpdir(), 'certune-decoders-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const path = (p: string): string => fileURLToPath(new URL(p, import.meta.url)),
  file = (p: string): Uint8Array => readFileSync(path(p)),
  json = (x: unknown): Uint8Array => toUtf8(JSON.stringify(x)),
  text = (b: Uint8Array): string => Buffer.from(b).toString('utf8');
/** A value of JSON as every reader of files gets it. */
function value(b: Uint8Array): unknown {
  try {
    return parseJson(utf8(b));
  } catch (e) {
    throw new InputError('x', [String(e)]);
  }
}
/** A header line and words, with the digests that these have. */
function headerSealed(b: Uint8Array): Uint8Array {
  const nl = b.indexOf(10);
  return nl < 0 ? b : resealed(text(b.subarray(0, nl)), b.subarray(nl + 1));
}
/** The same where the digest is of the header alone. */
function lineSealed(b: Uint8Array): Uint8Array {
  const nl = b.indexOf(10);
  return nl < 0 ? b : Buffer.concat([resealed(text(b.subarray(0, nl)), new Uint8Array(0)), b.subarray(nl + 1)]);
}

const golden = ['public', 'private'].map((n) => file(`./data/certificates/${n}.certune`)),
  certificates = golden.map((b) => decodeCertificate('golden', b)),
  pieces = piecesOf(golden[0]),
  [{ manifest }] = certificates,
  words = (n: number): BigUint64Array => BigUint64Array.from({ length: n }, (_, i) => BigInt(i) * 0x9e3779b9n);

/** Proof files: nothing of them is verified here. */
function proofs(): Decoder[] {
  const [, other] = certificates.map(({ hides: _, ...x }) => x),
    [clear] = certificates.map(({ hides: _, ...x }) => ({ ...x, proof: x.proof.slice(0, 64) })),
    node: NodeFile = { ...clear, from: { step: 0, part: 0 }, to: { step: 2, part: 0 } },
    part = (loss: bigint) => ({
      kind: 'step' as const,
      roots: { sOut: [...words(17)] },
      loss,
      proof: words(9),
    }),
    pack = { manifest, run: { steps: [0, 1].map((step) => ({ step, parts: [part(BigInt(step) - 1n)] })), merge: words(5) } };
  const inside = (p: Piece): Decoder => ({
    name: `${p} of a certificate`,
    seeds: [pieces[p]],
    decode: (b) => decodeCertificate('x', assembled({ ...pieces, [p]: b })),
  });
  return [
    { name: 'certificate', seeds: golden, decode: (b) => decodeCertificate('x', b), encode: encodeCertificate, seal: sealedAgain },
    ...(['manifest', 'key', 'steps', 'epochs'] as const).map(inside),
    {
      name: 'folded run',
      seeds: [clear, other].map((x) => encodeFolded(x)),
      decode: (b) => decodeFolded('x', b),
      encode: encodeFolded,
      seal: headerSealed,
    },
    { name: 'node', seeds: [encodeNode(node)], decode: (b) => decodeNode('x', b), encode: encodeNode, seal: headerSealed },
    {
      name: 'pack of step proofs',
      seeds: [encodePack(pack)],
      decode: (b) => {
        const p = decodePack('x', b);
        return { p, read: p.run.steps.map((s) => s.parts.map((q) => q.proof.length)), merge: p.run.merge.length };
      },
      seal: headerSealed,
    },
    {
      name: 'count of an audit',
      seeds: [
        encodeCount({
          manifest: `sha256:${'1'.repeat(64)}`,
          totals: [{ rows: 3, targets: 7 }],
          parts: [{ root: [1n, 2n, 3n, 4n], rows: [1n, 2n, 3n], targets: [4n, 5n, 6n], proof: words(6) }],
        }),
      ],
      decode: (b) => decodeCount('x', b).parts.map((p) => p.proof.length),
      seal: lineSealed,
    },
    {
      name: 'manifest',
      seeds: certificates.map((c) => json(c.manifest)),
      decode: (b) => parseManifest('x', value(b)),
    },
    { name: 'verification key', seeds: [json(certificates[0].key)], decode: (b) => parsePublished('x', value(b)) },
  ];
}

/** What machines of one prover hand to each other. */
function machines(): Decoder[] {
  const farmKey = new Uint8Array(32).fill(7),
    id = `sha256:${'a'.repeat(64)}`,
    hex = 'b'.repeat(64),
    N = 6,
    state = { C: new BigInt64Array(N).fill(3n), master: new BigInt64Array(N), mm: new BigInt64Array(N), vv: new BigInt64Array(N) },
    entered = {
      step: 1,
      part: 0,
      standing: { pos: [...words(7)], losses: [...words(4)], targets: [...words(4)] },
      policy: { counters: { examples: [1], targets: [2], allTargets: 3, loss: 4n }, epochs: [...words(4)] },
    },
    out = join(home, 'out'),
    kept = join(out, 'journal', 'checkpoint-00001.bin');
  mkdirSync(join(out, 'journal'), { recursive: true });
  writeCheckpoint(out, id, { entered, every: 1, losses: [[1n, -2n]] });
  const job = signJob(farmKey, { key: hex, kind: 'segment', from: 0, to: 2, generation: 0, memory: 's', step: 0 });
  return [
    {
      name: 'checkpoint of a farm',
      seeds: [encodeCheckpoint(id, { start: entered, state })],
      decode: (b) => decodeCheckpoint('x', b, id, 1, N),
      seal: headerSealed,
    },
    {
      name: 'checkpoint of a journal',
      seeds: [readFileSync(kept)],
      decode: (b) => {
        writeFileSync(kept, b);
        return readCheckpoint(out, id, 1);
      },
      seal: headerSealed,
    },
    { name: 'job of a queue', seeds: [json(job)], decode: (b) => readJob(farmKey, value(b)) },
    {
      name: 'result in a store',
      seeds: [json({ object: hex, size: 3, worker: 'w-1', seconds: 1.5 })],
      decode: (b) => readResult(value(b)),
    },
  ];
}

/** What clients and servers of a federation send. */
function federated(): Decoder[] {
  const c = federationCase(['a', 'b']),
    r = newRound(c),
    { handed } = drawnRound(c, r),
    [client] = c.clients,
    { commit, records, blob } = handed.get('a')!,
    answer = respond(r, client, records, 0),
    n = r.global.length,
    evidence = {
      charge: 'bad-response' as const,
      party: 'a',
      items: { plan: r.plan.envelope, commit: commit.envelope, response: answer.envelope },
      beacon: beacon(1),
    };
  return [
    {
      name: 'message of a client',
      seeds: [client.enrolment, commit, answer].map((m) => messageFile(m.envelope)),
      decode: (b) => openSent(c.federation, b, 'x'),
      also: [VerificationError],
    },
    ...([commit, answer, r.plan] as const).map(
      (m): Decoder => ({ name: `${m.kind} of a round`, seeds: [m.envelope.payload], decode: (b) => parseMessage(m.kind, b, 'x') }),
    ),
    { name: 'evidence', seeds: [evidenceFile(evidence)], decode: (b) => parseEvidence(b, 'x') },
    {
      name: 'update, entropy-coded',
      seeds: [
        blob,
        encodeUpdate(
          Int32Array.from({ length: n }, (_, i) => (i % 5 ? i : -(2 ** 20) + i)),
          TENSORS,
        ),
      ],
      decode: (b) => decodeUpdate(b, TENSORS),
      encode: (d: Int32Array) => encodeUpdate(d, TENSORS),
      also: [VerificationError],
    },
    {
      name: 'certificate of a round',
      seeds: [
        round.encodeCertificate({
          federation: c.federation.charter.digest,
          round: 0,
          plan: r.plan.digest,
          units: [{ client: 'a', unit: 1 }],
          hides: true,
          statement: [...words(12)],
          proof: words(30),
        }),
      ],
      decode: (b) => round.decodeCertificate('x', b),
      encode: round.encodeCertificate,
      seal: headerSealed,
    },
    {
      name: 'simulation',
      seeds: [
        json({
          clients: 6,
          units: 8,
          rounds: 3,
          coverage: [1, 4],
          each: 1,
          beacons: 10,
          strategies: [{ name: 'x', clients: 1, bad: 1 }],
        }),
      ],
      decode: (b) => parseSimulation(value(b), 'x'),
    },
  ];
}

/** Signatures, statements and evidence of hardware. */
function provenance(): Decoder[] {
  const tee = new Simulator(),
    anchors = { ...tee.anchors(), nvidia: [tee.nvidiaKey()] },
    key = newKey(11),
    member = (b: Uint8Array): Members => Members.of(parseSigned(b, 'x', { bytes: 1 << 20, numbers: 'all' }), 'x'),
    files = [{ name: 'a.bin', sha256: '0'.repeat(64) }],
    statement = statementBytes(files, 'https://example.org/p', { a: 1 }),
    model = modelStatement('m', files),
    root = pair('ec'),
    der = certificate({ subject: 'R', issuer: 'R', by: root, of: root, ca: true }),
    told = new Uint8Array(64).fill(9),
    at = NOON + 60_000,
    jwt = tee.jwt({ iss: 'x' }),
    nvidia = tee.nvidia(told.subarray(0, 32)),
    checked = [VerificationError];
  return [
    { name: 'bundle', seeds: [toUtf8(bundleJson(signStatement(statement, key), 'hint'))], decode: (b) => parseBundle(b, 'x') },
    { name: 'statement', seeds: [statement, model], decode: (b) => parseStatement(b, 'x') },
    { name: 'signed folder', seeds: [model], decode: (b) => parseModel(b, 'x'), also: checked },
    { name: 'public key', seeds: [toUtf8(key.pem)], decode: (b) => parsePublicKey(text(b), 'x') },
    { name: 'signature', seeds: [signed(root, told)], decode: (b) => compactSignature('P-384', b, 'x') },
    {
      name: "a verifier's policy",
      seeds: [
        json({
          type: 'certune-policy',
          version: 1,
          licenses: ['MIT'],
          quotas: [{ bin: 'a', min: 1 }],
          result: { updateNorm: 2.5, modules: ['q_proj'] },
          cards: { trainer: rulesJson(tee) },
          time: { greatestAgeDays: 3 },
        }),
      ],
      decode: (b) => parsePolicyFile(b, 'x'),
    },
    { name: 'rules for cards', seeds: [json({ trainer: rulesJson(tee) })], decode: (b) => parseAllRules(member(b)), also: checked },
    {
      name: 'card',
      seeds: [makeCard(tee), makeCard(tee, { kind: 'nitro' })].map((c) => toUtf8(cardText(c))),
      decode: (b) => parseCard(b, 'x'),
      also: checked,
    },
    { name: 'X.509 certificates', seeds: [der, Buffer.concat([der, der])], decode: (b) => parseCertificates(b, 'x') },
    { name: 'CBOR', seeds: [tee.nitro(told)], decode: (b) => readCbor(b, 'x') },
    { name: 'evidence of Nitro', seeds: [tee.nitro(told)], decode: (b) => verifyNitro(b, anchors, at, 'x'), also: checked },
    {
      name: 'evidence of SEV-SNP',
      seeds: [tee.snpReport(told)],
      decode: (b) => verifySnp(b, tee.snpCollateral(), anchors, at, 'x'),
      also: checked,
    },
    {
      name: 'evidence of a GPU',
      seeds: [nvidia],
      decode: (b) => verifyNvidia(b, { jwks: tee.jwks() }, anchors, at, 'x'),
      also: checked,
    },
    { name: 'keys of tokens', seeds: [tee.jwks()], decode: (b) => parseJwks(b, 'x') },
    {
      name: 'token',
      seeds: [toUtf8(jwt)],
      decode: (b) => verifyJws(text(b), parseJwks(tee.jwks(), 'x'), 'x'),
      also: checked,
    },
    {
      name: 'time stamp',
      seeds: [tee.timeStamp(told, at)],
      decode: (b) => verifyTimeStamp(b, told, { roots: [tee.tsaKey()] }, 'x'),
      also: checked,
    },
  ];
}

/** Settings, data and bases. */
function files(): Decoder[] {
  const rows = (name: string, seeds: readonly Uint8Array[]): Decoder => {
    const at = join(home, name);
    return {
      name: `rows of ${name}`,
      seeds,
      decode: (b) => {
        writeFileSync(at, b);
        const problems: LineProblem[] = [];
        return [...readRows(at, problems)].length + problems.length;
      },
    };
  };
  const listed =
    (parseInto: (c: Record<string, unknown>, problems: string[]) => unknown) =>
    (b: Uint8Array): unknown => {
      const v = value(b);
      if (!v || typeof v !== 'object' || Array.isArray(v)) throw new InputError('x', ['is no object']);
      const problems: string[] = [],
        made = parseInto(v as Record<string, unknown>, problems);
      if (problems.length) throw new InputError('x', problems);
      return made;
    };
  const tensors = join(home, 'x.safetensors'),
    small = (() => {
      const head = JSON.stringify({ __metadata__: { format: 'pt' }, a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] } }),
        b = Buffer.alloc(8 + head.length + 24);
      b.writeBigUInt64LE(BigInt(head.length));
      b.write(head, 8);
      return b;
    })();
  return [
    { name: 'run.yaml', seeds: [toUtf8(runTemplate('base', ['a.jsonl']))], decode: (b) => parseRun('x', text(b)) },
    { name: 'config.json of a base', seeds: [file('./data/tiny/config.json')], decode: listed(parseConfig) },
    {
      name: 'adapter_config.json',
      seeds: [json({ peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj'], init_lora_weights: true })],
      decode: listed(parseAdapterConfig),
    },
    {
      name: 'safetensors',
      seeds: [small],
      decode: (b) => {
        writeFileSync(tensors, b);
        return readSafetensors(tensors).size;
      },
    },
    rows('x.jsonl', [file('./data/pairs.jsonl')]),
    rows('x.csv', [toUtf8('prompt,completion\n"a ""b""",c\nd,"e\nf"\n')]),
    rows('x.parquet', [file('./data/pairs.parquet')]),
    {
      name: 'licence',
      seeds: ['MIT', '(Apache-2.0 OR MIT) AND CC0-1.0', 'GPL-2.0-only WITH Classpath-exception-2.0'].map(toUtf8),
      decode: (b) => parseExpression(text(b)),
      also: [SyntaxError],
    },
    {
      name: 'chat template',
      seeds: [
        toUtf8(
          "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}{{ raise_exception('x') }}{% endif %}{{ '<' + m.role | trim + '>' }}{% endfor %}",
        ),
      ],
      decode: (b) => parse(text(b)),
      also: [TemplateError],
    },
  ];
}

const ALL = [...proofs(), ...machines(), ...federated(), ...provenance(), ...files()];

describe(`decoders under mutants: ${ALL.length} of them, ${SECONDS} s, seed ${SEED}`, () => {
  it('read what is well formed', () => {
    for (const d of ALL)
      for (const s of d.seeds) {
        const x = d.decode(s);
        expect(x, d.name).toBeDefined();
        if (d.encode) expect(toHex(d.encode(x as never)) === toHex(s), d.name).toBe(true);
        if (d.seal) expect(toHex(d.seal(s)) === toHex(s), d.name).toBe(true);
      }
  });
  it.each(ALL.map((d) => [d.name, d] as const))('%s', (name, d) => {
    const typed = [InputError, VersionError, UnsupportedError, ...(d.also ?? [])];
    let met = 0,
      read = 0;
    /** What is read, or undefined where it is refused. Throws where that took long, or was no typed error. */
    const answered = (bytes: Uint8Array): unknown => {
      const before = process.cpuUsage();
      let x: unknown;
      try {
        x = d.decode(Uint8Array.from(bytes));
      } catch (e) {
        if (!typed.some((t) => e instanceof t)) throw e;
      }
      const { user, system } = process.cpuUsage(before);
      if (user + system > 1e6 * MOST_SECONDS) throw new Error(`${(user + system) / 1e6} s of processor time`);
      return x;
    };
    fc.assert(
      fc.property(mutants, (m) => {
        const bytes = mutated(m, d.seeds, d.seal),
          x = answered(bytes);
        met++;
        if (x === undefined) return;
        read++;
        if (d.encode && toHex(d.encode(x as never)) !== toHex(bytes)) throw new Error('read, and written in another way');
      }),
      { seed: SEED, numRuns: 1_000_000, interruptAfterTimeLimit: (1000 * SECONDS) / ALL.length, markInterruptAsFailure: false },
    );
    if (process.env['CERTUNE_SHOW']) console.log(`${name}: ${met} mutants, ${read} read`);
    expect(met).toBeGreaterThan(0);
  });
});
