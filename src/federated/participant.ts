import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { readBytes } from '../io/read-file.js';
import type { Kernels } from '../kernels/runtime.js';
import { canonicalBytes, parseJson } from '../provenance/json.js';
import { keyText, type Signed } from './messages.js';
import type { SigningKey } from '../provenance/sign.js';
import { keyCommitment, publicKey } from '../policy/order/keys.js';
import { epochExamples } from '../run/facts.js';
import { type Manifest, manifestDigest } from '../run/manifest.js';
import { OverflowError } from '../tensor/integer.js';
import * as z from '../schema.js';
import { type Boundary, boundaryOf, boundaryWords } from './boundary.js';
import { makeAnswer } from './bundler.js';
import { checkChain } from './check.js';
import { type Federation, type RoundContext, type StateChecks, checkReceipt, drawOf, openRound } from './checks.js';
import { drawnOf } from './draw.js';
import { FederationError } from './errors.js';
import { type RoundFiles, readBlob, readEvidence, readFederation, readRound, readSeed, roundNumbers } from './folder.js';
import { type PlacedRound, isDone, readHead } from './head.js';
import { type Evidence, evidenceFile } from './judge.js';
import type { SentMessage } from './inbox.js';
import { digestOf } from './messages.js';
import { signMessage } from './signing.js';
import {
  type ClientFiles,
  type OwnRound,
  type OnStep,
  UnitProver,
  commitBody,
  ownRound,
  responseBody,
  trainRound,
  withdrawalBody,
} from './trainer.js';
import { type CircuitCache, MOST_UNIT, manifestBlob } from './units.js';
import { updateLimit, valuesOf } from './update.js';

/*
 * A client of a federation: it reads what the server has published, and hands in what is asked of it. It keeps, in a
 * folder of its own, what it trained and what it proved, so that nothing is done twice; whatever of it is lost is made
 * again, and is the same, but for a certificate, whose masks are fresh.
 */

/** How messages travel: by a folder, or over HTTPS. */
export interface Transport {
  /** Folder with all that the server has published, brought up to date. */ readonly folder: () => Promise<string>;
  /** Hands in a message with its blobs. */
  readonly send: (m: SentMessage, blobs: readonly Uint8Array[]) => Promise<void>;
}

export interface Participant {
  /** Folder of its own. */ readonly home: string;
  readonly key: SigningKey;
  readonly files: ClientFiles;
  /** The manifest that it takes part with. */ readonly manifest: Manifest;
  /** Digest of the charter that it joined; whatever else calls itself the federation is refused. */
  readonly charter: string;
  readonly transport: Transport;
  readonly kernels: Kernels;
  readonly circuits: CircuitCache;
  /** Commitments to states, by the programs of its run. */ readonly states: StateChecks;
  readonly now: () => number;
  readonly onStep?: OnStep;
}

/** The enrolment of a manifest. */
export function enrolmentOf(federation: string, client: string, key: SigningKey, m: Manifest): Signed<'enrolment'> {
  const { sampler } = m.config;
  return signMessage(
    'enrolment',
    {
      type: 'certune-fed-enrolment',
      version: 1,
      federation,
      client,
      key: keyText(key.public),
      root: m.dataset.root,
      rows: m.dataset.examples,
      epochExamples: epochExamples(m),
      keyCommitment: sampler.mode === 'public' ? keyCommitment(publicKey(sampler.key!)).map(String) : m.dataset.key!,
      manifest: manifestDigest(m),
    },
    key,
  );
}

/** What of a round's training is kept. */
const TRAINED = z.object({
  plan: z.string().max(100),
  records: z.array(z.array(z.string().max(20)).max(64)).max(4097),
  losses: z.array(z.array(z.string().max(30)).max(4096)).max(4096),
});
interface Kept {
  readonly records: readonly Boundary[];
  readonly losses: readonly (readonly bigint[])[];
}

const MOST_KEPT = 64 << 20;
const since = (began: number): string => `, ${((performance.now() - began) / 1000).toFixed(2)} s`;

class Client {
  readonly said: string[] = [];
  constructor(
    readonly p: Participant,
    readonly dir: string,
    readonly f: Federation,
  ) {}
  get name(): string {
    return this.p.files.client;
  }
  #file(plan: string, name: string): string {
    return join(this.p.home, 'rounds', plan.slice(7, 23), name);
  }
  #say(round: number, text: string): void {
    this.said.push(`round ${round}: ${text}`);
  }

  #open(r: PlacedRound): RoundContext {
    const cells = valuesOf(this.f.charter.body.tensors),
      blob = readBlob(this.dir, r.files.plan.body.global.adapter, updateLimit(cells));
    if (!blob) throw new FederationError('blob', 'the global adapter is missing', 'server');
    return openRound(this.f, r.files.plan, r.before, blob, this.p.states);
  }

  /** Everything before a round that can be recomputed holds: nobody trains on what does not. */
  #checkBefore(round: number): void {
    const { dir, f } = this;
    checkChain({
      federation: f,
      rounds: roundNumbers(dir).filter((n) => n < round),
      round: (n) => readRound(dir, f, n),
      blob: (d, most) => readBlob(dir, d, most),
      evidence: readEvidence(dir),
      seed: readSeed(dir),
      states: this.p.states,
    });
  }

  #kept(plan: string): Kept | undefined {
    const file = this.#file(plan, 'trained.json');
    if (!existsSync(file)) return undefined;
    const r = TRAINED.safeParse(parseJson(readBytes(file, 'proof'), file, { bytes: MOST_KEPT, numbers: 'integers' }));
    if (!r.success || r.data.plan !== plan)
      throw new InputError(file, ['is no round that was trained'], 'delete it: the round is trained again');
    return {
      records: r.data.records.map((w) => boundaryOf(w.map(BigInt), this.name)),
      losses: r.data.losses.map((l) => l.map(BigInt)),
    };
  }

  /** Trains where that was not done, hands in the commit. */
  async commit(r: PlacedRound): Promise<void> {
    const { round, files } = r,
      plan = files.plan.digest,
      commitFile = this.#file(plan, 'commit.json');
    if (files.receipts.has(this.name) || files.withdrawals.has(this.name) || files.seal || existsSync(this.#file(plan, 'sent.json')))
      return;
    if (this.p.now() > files.plan.body.deadlines.commit) return;
    this.#checkBefore(round);
    const began = performance.now(),
      context = this.#open(r);
    if (!context.participants.includes(this.name)) return;
    const own = ownRound(context, this.p.files);
    let blob: Uint8Array, message: Signed<'commit'>;
    try {
      const t = trainRound(this.p.kernels, own, this.p.onStep),
        made = commitBody(own, t);
      ({ blob } = made);
      message = signMessage('commit', made.body, this.p.key);
      writeAtomic(
        this.#file(plan, 'trained.json'),
        canonicalBytes({
          plan,
          records: t.records.map((b) => boundaryWords(b).map(String)),
          losses: t.losses.map((l) => l.map(String)),
        }),
      );
    } catch (e) {
      if (!(e instanceof OverflowError)) throw e;
      const gone = signMessage('withdrawal', withdrawalBody(own), this.p.key);
      await this.p.transport.send(gone, []);
      this.#mark(plan);
      this.#say(round, `withdrew: ${e.message}`);
      return;
    }
    writeAtomic(commitFile, canonicalBytes({ commit: message.digest }));
    await this.p.transport.send(message, [blob]);
    this.#mark(plan);
    this.#say(round, `trained ${files.plan.body.train.steps} steps and handed in an update of ${blob.length} bytes${since(began)}`);
  }
  #mark(plan: string): void {
    writeAtomic(this.#file(plan, 'sent.json'), canonicalBytes({ plan }));
  }

  /** Whether what it handed in is sealed; what shows that it is not is kept. */
  #sealed(r: PlacedRound, context: RoundContext): boolean {
    const { seal } = r.files,
      receipt = r.files.receipts.get(this.name),
      commit = r.files.commits.get(this.name);
    if (!seal) return false;
    if (receipt)
      try {
        checkReceipt(seal, receipt);
      } catch (e) {
        if (!(e instanceof FederationError) || !commit) throw e;
        const x: Evidence = {
            charge: 'receipt-denied',
            party: 'server',
            items: { seal: seal.envelope, receipt: receipt.envelope, commit: commit.envelope },
          },
          bytes = evidenceFile(x),
          file = join(this.p.home, 'evidence', `${digestOf(bytes).slice(7)}.json`);
        if (!existsSync(file)) {
          writeAtomic(file, bytes);
          this.#say(context.plan.body.round, `the server denies a receipt: ${file}`);
        }
        return false;
      }
    return seal.body.commits.some((x) => x.client === this.name);
  }

  /** Answers the draw: one unit a call. */
  async answer(r: PlacedRound): Promise<boolean> {
    const { files, round } = r,
      { seal, beacon } = files,
      plan = files.plan.body;
    if (!seal || !beacon || this.p.now() > plan.deadlines.response) return false;
    const context = this.#open(r);
    let began = performance.now();
    if (!this.#sealed(r, context)) return false;
    const mine = drawnOf(drawOf(context, seal, beacon), this.name),
      due = mine.filter((n) => !files.responses.has(`${this.name}-${n}`) && !existsSync(this.#file(files.plan.digest, `sent-${n}.json`)));
    if (!due.length) return false;
    const own = ownRound(context, this.p.files),
      kept = this.#kept(files.plan.digest) ?? this.#again(own);
    const { show } = plan.audit,
      circuits = show === 'records' ? undefined : this.p.circuits.of(own.run),
      prover = circuits && new UnitProver(this.p.kernels, own, circuits, kept.losses),
      unit = (n: number): Uint8Array => this.#proof(files.plan.digest, `unit-${n}`, () => prover!.prove(n)),
      // One certificate of all units: the nodes stay here.
      all = show === 'certificates' ? this.#certificate(own, mine, files, unit) : undefined;
    for (const index of due) {
      const proof = all ?? (prover && unit(index)),
        m = signMessage('response', responseBody(own, kept.records, index, proof), this.p.key);
      await this.p.transport.send(m, proof ? [proof] : []);
      writeAtomic(this.#file(files.plan.digest, `sent-${index}.json`), canonicalBytes({ response: m.digest }));
      this.#say(
        round,
        `answered unit ${index}${proof ? ` with a ${all ? 'certificate' : 'proof'} of ${proof.length} bytes` : ''}${since(began)}`,
      );
      began = performance.now();
    }
    return true;
  }
  #again(own: OwnRound): Kept {
    return trainRound(this.p.kernels, own);
  }
  /**
   * The certificate of a client's drawn units. No two are alike, and an answer that names another one is a second
   * message for one place: one that was sent is taken from the federation's folder where it is lost here.
   */
  #certificate(own: OwnRound, mine: readonly number[], files: RoundFiles, unit: (n: number) => Uint8Array): Uint8Array {
    const { run } = own,
      { kernels: k } = this.p,
      circuits = this.p.circuits.of(run),
      sent = mine.flatMap((n) => files.responses.get(`${this.name}-${n}`)?.body.proof ?? [])[0];
    return this.#proof(files.plan.digest, 'certificate', () => {
      const there = sent === undefined ? undefined : readBlob(this.dir, sent, MOST_UNIT);
      if (there) return there;
      const units = mine.map((n) => ({ client: this.name, unit: n, run, circuits, proof: unit(n) }));
      return makeAnswer(k, own.context, own.inputs.base, units);
    });
  }
  #proof(plan: string, name: string, make: () => Uint8Array): Uint8Array {
    const file = this.#file(plan, `${name}.certune`);
    if (existsSync(file)) return readBytes(file, 'proof');
    const bytes = make();
    writeAtomic(file, bytes);
    return bytes;
  }
}

/** Does what is asked of a client, once, and says what it did: nothing where it waits for the server. */
export async function participate(p: Participant): Promise<string[]> {
  const dir = await p.transport.folder(),
    f = readFederation(dir);
  if (f.charter.digest !== p.charter)
    throw new FederationError('federation', `the charter is ${f.charter.digest}, this client joined ${p.charter}`, 'server');
  const c = new Client(p, dir, f);
  if (!f.enrolments.has(p.files.client)) {
    const file = join(p.home, 'enrolled.json');
    if (existsSync(file)) return [];
    const m = enrolmentOf(f.charter.digest, p.files.client, p.key, p.manifest);
    await p.transport.send(m, [manifestBlob(p.manifest)]);
    writeAtomic(file, canonicalBytes({ enrolment: m.digest }));
    return [`handed in the enrolment ${m.digest}`];
  }
  for (const r of readHead(dir, f).rounds) {
    if (isDone(r.files)) continue;
    await c.commit(r);
    await c.answer(r);
  }
  return c.said;
}
