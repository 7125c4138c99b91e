import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { join, resolve } from 'node:path';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { InputError } from '../errors.js';
import { type Ratio, ratio } from '../federated/catch.js';
import { type Beacon, type Chain, QUICKNET, chainHash, roundMessage, roundTime } from '../federated/beacon.js';
import { type Coordinator, type RoundSettings, beaconFile, coordinate, finished } from '../federated/coordinator.js';
import { readBlob, readFederation, writeBlob, writeMessage, writeSeed } from '../federated/folder.js';
import { isDone, readHead } from '../federated/head.js';
import { folderTransport, httpsTransport, serveFolder } from '../federated/https.js';
import { charterOf } from '../federated/found.js';
import { openOwn } from '../federated/messages.js';
import { type Participant, participate } from '../federated/participant.js';
import { signMessage } from '../federated/signing.js';
import { statesOf } from '../federated/states.js';
import { CircuitCache, MOST_MANIFEST, unitChecks } from '../federated/units.js';
import { RULES } from '../federated/aggregate.js';
import { makeFolder, writeAtomic } from '../io/atomic.js';
import { readBytes, readText } from '../io/read-file.js';
import type { Kernels } from '../kernels/runtime.js';
import { fromHex } from '../provenance/bytes.js';
import { keyDigest } from '../provenance/ecdsa.js';
import { canonicalBytes, parseJson } from '../provenance/json.js';
import { type SigningKey, readSigningKey } from '../provenance/sign.js';
import { checkedRun } from '../run/facts.js';
import * as z from '../schema.js';
import { inputsOf } from '../setup/base.js';
import { readRun } from '../setup/runfile.js';
import { secretOf } from '../store/secret.js';
import { type Context, type ProverOptions, type Result, kernels } from './common.js';
import { committed } from './committed.js';
import { UsageError } from './errors.js';
import { findManifest } from './kept.js';

/*
 * Roles of a federation on the command line. A role has a folder of its own (HOME): home.json says which role it is,
 * key.pem signs its messages. A server's HOME/public is the federation's folder, which clients and checkers read; a
 * client's HOME/mirror is what it has fetched of one over HTTPS.
 */

export interface HomeOptions extends ProverOptions {
  readonly run?: string;
  readonly name?: string;
  readonly client?: string;
  readonly server?: string;
  readonly charter?: string;
  readonly ca?: string;
  readonly listen?: string;
  readonly cert?: string;
  readonly tlsKey?: string;
  readonly allow?: string[];
  readonly clients?: string;
  readonly select?: string;
  readonly rounds?: string;
  readonly unit?: string;
  readonly coverage?: string;
  readonly each?: boolean;
  readonly mode?: string;
  readonly show?: string;
  readonly rule?: string;
  readonly clip?: string;
  readonly trim?: string;
  readonly cap?: string;
  readonly commitSeconds?: string;
  readonly responseSeconds?: string;
  readonly seedBeacon?: string;
}

const count = (most: number, least = 0): z.NumberSchema => z.number().int().min(least).max(most);
const SERVER = z.object({
  type: z.literal('certune-fed-home'),
  role: z.literal('server'),
  run: z.string().max(4096),
  settings: z.object({
    rounds: count(1_000_000, 1),
    unit: count(4096, 1),
    select: count(10_000, 1),
    cap: count(2 ** 32, 1),
    aggregate: z.object({ rule: z.oneOf(RULES), clip: count(2 ** 40), trim: count(10_000) }),
    audit: z.object({
      coverage: z.array(count(1_000_000, 1)).length(2),
      each: count(1),
      mode: z.oneOf(['before', 'after']),
      show: z.oneOf(['records', 'proofs', 'certificates']),
    }),
    commitSeconds: count(2 ** 30, 1),
    responseSeconds: count(2 ** 30, 1),
    clients: count(10_000, 1),
  }),
});
const CLIENT = z.object({
  type: z.literal('certune-fed-home'),
  role: z.literal('client'),
  run: z.string().max(4096),
  client: z.string().max(63),
  server: z.string().max(4096),
  ca: z.string().max(4096),
  charter: z.string().max(80),
});
type Home = z.Infer<typeof SERVER> | z.Infer<typeof CLIENT>;

const homeFile = (home: string): string => join(home, 'home.json');
const publicDir = (home: string): string => join(home, 'public');

/** What a folder is the home of. Throws InputError. */
function readHome(home: string): Home {
  const file = homeFile(home);
  if (!existsSync(file))
    throw new InputError(file, ['is missing'], 'certune fed init makes a server of a folder, certune fed enrol a client');
  const v = parseJson(readBytes(file, 'policy'), file, { bytes: 1 << 20, numbers: 'integers' }),
    server = SERVER.safeParse(v);
  if (server.success) return server.data;
  const client = CLIENT.safeParse(v);
  if (client.success) return client.data;
  const { issues } = (v as { role?: unknown } | null)?.role === 'client' ? client : server;
  throw new InputError(
    file,
    issues.map((i) => `${i.path.join('.') || 'the whole'}: ${i.message}`),
  );
}

const whole = (name: string, text: string | undefined, standard: number, most = 2 ** 30): number => {
  if (text === undefined) return standard;
  if (!/^\d{1,10}$/.test(text) || Number(text) > most) throw new UsageError(`--${name}: "${text}" is no number up to ${most}`);
  return Number(text);
};
const choice = <T extends string>(name: string, text: string | undefined, list: readonly T[]): T => {
  const found = text === undefined ? list[0] : list.find((x) => x === text);
  if (found === undefined) throw new UsageError(`--${name}: "${text}" is none of ${list.join(', ')}`);
  return found;
};
/** A share from percent, as a fraction of whole numbers. */
function share(text: string | undefined): [number, number] {
  const m = /^(\d{1,3})(?:\.(\d{1,4}))?%?$/.exec(text ?? '10'),
    digits = m?.[2] ?? '',
    num = m ? Number(`${m[1]}${digits}`) : 0,
    den = 100 * 10 ** digits.length;
  if (num < 1 || num > den) throw new UsageError(`--coverage: "${text}" is no percentage above 0 and up to 100`);
  return [num, den];
}

/** The same as a ratio. */
export function coverageOf(text: string): Ratio {
  const [num, den] = share(text);
  return ratio(BigInt(num), BigInt(den));
}

/** Writes what only its owner reads. */
function writeSecretFile(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  if (process.platform !== 'win32') chmodSync(file, 0o600);
}

/** The key of a home, made where there is none. */
function homeKey(home: string): SigningKey {
  const file = join(home, 'key.pem');
  if (!existsSync(file)) {
    makeFolder(home, 0o700);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    writeSecretFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  }
  return readSigningKey(file);
}

/** Unix time in seconds. */
const now = (): number => Math.floor(Date.now() / 1000);

const S = bls12_381.shortSignatures;
const testFile = (home: string): string => join(home, 'test-beacon.json');

/** The secret of a test beacon, where the federation has one. */
function testSecret(home: string): Uint8Array | undefined {
  const file = testFile(home);
  if (!existsSync(file)) return undefined;
  const v = parseJson(readBytes(file, 'policy'), file, { bytes: 4096, numbers: 'integers' }) as { secret?: unknown };
  if (typeof v.secret !== 'string' || !/^[0-9a-f]{64}$/.test(v.secret)) throw new InputError(file, ['is no secret of a test beacon']);
  return fromHex(v.secret, file);
}
const testBeacon = (chain: Chain, round: number, secret: Uint8Array): Beacon => ({
  chain: chainHash(chain),
  round,
  signature: S.Signature.toHex(S.sign(S.hash(roundMessage(round)), secret)),
});
/** A new test beacon: a chain of a second's rounds whose key lies with the server. */
function makeTestChain(home: string): Chain {
  // Below the order of the group, which begins with 0x73.
  const secret = randomBytes(32);
  secret[0] &= 0x3f;
  secret[31] |= 1;
  writeSecretFile(testFile(home), JSON.stringify({ secret: secret.toString('hex') }));
  return { ...QUICKNET, publicKey: S.getPublicKey(new Uint8Array(secret)).toHex(), period: 1, genesis: now() - 10, id: 'test' };
}

/** A beacon as drand answers: round and signature; chain and randomness may stand beside them. */
function drandBeacon(file: string, chain: Chain): Beacon {
  const v = parseJson(readBytes(file, 'policy'), file, { bytes: 4096, numbers: 'integers' }) as {
    round?: unknown;
    signature?: unknown;
    chain?: unknown;
  };
  if (typeof v?.round !== 'number' || typeof v.signature !== 'string')
    throw new InputError(file, ['is no beacon: it needs round and signature']);
  return { chain: typeof v.chain === 'string' ? v.chain : chainHash(chain), round: v.round, signature: v.signature };
}

/** Base and run of a server, by its run folder. */
function serverRun(dir: string) {
  const { file, manifest } = findManifest(dir),
    run = checkedRun(file, manifest),
    inputs = inputsOf(run, { base: readRun(dir).base.path });
  if (!inputs.base || !inputs.initial)
    throw new InputError(file, ['is not the manifest of a run with base and seeded adapter'], 'leave lora.from null');
  return { run, base: inputs.base, initial: inputs.initial };
}

const settingsFrom = (o: HomeOptions, allowed: number): RoundSettings => ({
  rounds: whole('rounds', o.rounds, 1),
  unit: whole('unit', o.unit, 1, 4096),
  select: whole('select', o.select, allowed, 10_000),
  cap: whole('cap', o.cap, 2 ** 20),
  aggregate: { rule: choice('rule', o.rule, RULES), clip: whole('clip', o.clip, 0), trim: whole('trim', o.trim, 0, 10_000) },
  audit: {
    coverage: share(o.coverage),
    each: o.each ? 1 : 0,
    mode: choice('mode', o.mode, ['before', 'after']),
    show: choice('show', o.show, ['proofs', 'certificates', 'records']),
  },
  commitSeconds: whole('commit-seconds', o.commitSeconds, 3600),
  responseSeconds: whole('response-seconds', o.responseSeconds, 3600),
  clients: whole('clients', o.clients, allowed, 10_000),
});

/** Makes a folder the home of a federation's server: charter, start, beacon. */
export async function fedInit(home: string, o: HomeOptions): Promise<Result> {
  if (o.run === undefined || !o.allow?.length)
    throw new UsageError('fed init needs --run, a committed run with the settings of the federation, and --allow for every client');
  if (existsSync(homeFile(home))) throw new InputError(homeFile(home), ['exists already'], 'choose another folder');
  const bad = o.allow.filter((x) => !/^sha256:[0-9a-f]{64}$/.test(x));
  if (bad.length) throw new UsageError(`--allow: "${bad[0]}" is no digest of a key; certune fed enrol prints it`);
  const key = homeKey(home),
    { run, initial } = serverRun(o.run),
    settings = settingsFrom(o, o.allow.length),
    k = await kernels(o);
  try {
    const given = o.seedBeacon,
      chain = given === undefined ? makeTestChain(home) : QUICKNET,
      secret = testSecret(home),
      seedRound = given === undefined ? now() - chain.genesis : drandBeacon(given, chain).round,
      seed = given === undefined ? testBeacon(chain, seedRound, secret!) : drandBeacon(given, chain),
      { body, blob } = charterOf(k, run, initial, {
        name: o.name ?? 'federation',
        server: key.public,
        chain,
        seedRound,
        allow: o.allow,
      }),
      charter = signMessage('charter', body, key),
      dir = publicDir(home);
    writeBlob(dir, blob);
    writeSeed(dir, seed);
    writeMessage(dir, charter);
    writeAtomic(homeFile(home), canonicalBytes({ type: 'certune-fed-home', role: 'server', run: resolve(o.run), settings }));
    return {
      data: { charter: charter.digest, key: keyDigest(key.public), public: dir, chain: chainHash(chain), beacon: chain.id },
      text: [
        `federation ${charter.digest}`,
        `  its folder is ${dir}; ${o.allow.length} keys may enrol, ${settings.rounds} round${settings.rounds === 1 ? '' : 's'} of units of ${settings.unit} step${settings.unit === 1 ? '' : 's'}`,
        ...(given === undefined
          ? [
              '  beacon: TEST, of this server: whoever holds its key knows every draw beforehand; give --seed-beacon with a round of drand quicknet for a real one',
            ]
          : []),
      ].join('\n'),
    };
  } finally {
    k.close();
  }
}

/** Makes a folder the home of a client, and joins a federation where its address is given. */
export async function fedEnrol(home: string, o: HomeOptions, c: Context): Promise<Result> {
  if (!existsSync(homeFile(home))) {
    if (o.run === undefined || o.client === undefined) throw new UsageError('fed enrol needs --run, a committed run, and --client, a name');
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(o.client))
      throw new UsageError(`--client: "${o.client}" is no name of small letters, digits and hyphens`);
    committed(o.run);
    homeKey(home);
    writeSecretFile(join(home, 'salts'), randomBytes(32).toString('hex'));
    writeAtomic(
      homeFile(home),
      canonicalBytes({ type: 'certune-fed-home', role: 'client', run: resolve(o.run), client: o.client, server: '', ca: '', charter: '' }),
    );
  }
  const h = readHome(home);
  if (h.role !== 'client') throw new InputError(homeFile(home), ['is the home of a server']);
  const digest = keyDigest(homeKey(home).public);
  if (o.server === undefined)
    return {
      data: { client: h.client, key: digest },
      text: `${h.client}: key ${digest}\n  give it to the server (certune fed init --allow), then certune fed enrol ${home} --server ADDRESS`,
    };
  const https = o.server.startsWith('https://'),
    joined = { ...h, server: https ? o.server : resolve(o.server), ca: o.ca === undefined ? '' : resolve(o.ca) };
  const dir = await transportOf(home, joined).folder(),
    file = join(dir, 'charter.json'),
    charter = openOwn('charter', readBytes(file, 'envelope'), file);
  if (o.charter !== undefined && o.charter !== charter.digest)
    throw new InputError(file, [`is ${charter.digest}, not ${o.charter}`], 'ask the server which federation it is');
  writeAtomic(homeFile(home), canonicalBytes({ ...joined, charter: charter.digest }));
  const said = await clientStep(home, o, c);
  return {
    data: { client: h.client, key: digest, charter: charter.digest, said },
    text: [`${h.client}: joins the federation ${charter.digest}`, ...said.map((x) => `  ${x}`)].join('\n'),
  };
}

const transportOf = (home: string, h: z.Infer<typeof CLIENT>) =>
  h.server.startsWith('https://')
    ? httpsTransport({ url: h.server, ...(h.ca === '' ? {} : { ca: readText(h.ca, 'key') }) }, join(home, 'mirror'))
    : folderTransport(h.server);

/** The server of a home, ready for `coordinate`. */
function coordinatorOf(k: Kernels, home: string, h: z.Infer<typeof SERVER>): Coordinator {
  const { run, base } = serverRun(h.run),
    dir = publicDir(home),
    { chain } = readFederation(dir).charter.body,
    secret = testSecret(home);
  return {
    dir,
    key: homeKey(home),
    settings: h.settings,
    kernels: k,
    run,
    states: statesOf(k, run.programs),
    units: unitChecks({ kernels: k, base, manifest: (d) => readBlob(dir, d, MOST_MANIFEST) }),
    now,
    beacon: (round) => {
      if (secret) return testBeacon(chain, round, secret);
      const file = beaconFile(home, round);
      return existsSync(file) && now() >= roundTime(chain, round) ? drandBeacon(file, chain) : undefined;
    },
  };
}

/** The client of a home, ready for `participate`. */
function participantOf(k: Kernels, home: string, h: z.Infer<typeof CLIENT>, c: Context): Participant {
  if (h.charter === '') throw new InputError(homeFile(home), ['has joined no federation'], `certune fed enrol ${home} --server ADDRESS`);
  const { s } = committed(h.run),
    salts = fromHex(readText(join(home, 'salts'), 'key'), 'salts');
  return {
    home,
    key: homeKey(home),
    files: { client: h.client, config: readRun(h.run), run: secretOf(h.run, s.run.manifest), salts },
    manifest: s.run.manifest,
    charter: h.charter,
    transport: transportOf(home, h),
    kernels: k,
    circuits: new CircuitCache(k),
    states: statesOf(k, s.run.programs),
    now,
    onStep: (done, of) => c.progress.update(`train step ${done}`, done, of),
  };
}

async function clientStep(home: string, o: HomeOptions, c: Context): Promise<string[]> {
  const h = readHome(home);
  if (h.role !== 'client') throw new InputError(homeFile(home), ['is the home of a server']);
  const k = await kernels(o);
  try {
    return await participate(participantOf(k, home, h, c));
  } finally {
    k.close();
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Runs a server until its rounds are done. */
export async function fedServe(home: string, o: HomeOptions, c: Context): Promise<Result> {
  const h = readHome(home);
  if (h.role !== 'server') throw new InputError(homeFile(home), ['is the home of a client']);
  const k = await kernels(o);
  let server: Server | undefined;
  try {
    const co = coordinatorOf(k, home, h);
    if (o.listen !== undefined) {
      const at = /^(\[[0-9a-fA-F:]+\]|[^:]+):(\d{1,5})$/.exec(o.listen);
      if (!at || o.cert === undefined || o.tlsKey === undefined)
        throw new UsageError('fed serve --listen HOST:PORT needs --cert and --tls-key, PEM files');
      const s = serveFolder(publicDir(home), { cert: readText(o.cert, 'key'), key: readText(o.tlsKey, 'key') });
      server = s;
      await new Promise<void>((done, fail) => {
        s.once('error', fail);
        s.listen(Number(at[2]), at[1].replace(/^\[|\]$/g, ''), done);
      });
      c.progress.line(`listens on ${o.listen}`);
    }
    let rounds = 0;
    while (!finished(co)) {
      const said = coordinate(co);
      for (const x of said) c.progress.line(x);
      rounds += said.length;
      await pause(said.length ? 10 : 300);
    }
    // Whoever fetches over HTTPS still needs the last record.
    if (server) await pause(2000);
    return { data: { rounds: h.settings.rounds, done: rounds }, text: `all ${h.settings.rounds} rounds are done: ${publicDir(home)}` };
  } finally {
    server?.close();
    server?.closeAllConnections();
    k.close();
  }
}

/** Runs a client until so many rounds are done. */
export async function fedClient(home: string, o: HomeOptions, c: Context): Promise<Result> {
  const h = readHome(home);
  if (h.role !== 'client') throw new InputError(homeFile(home), ['is the home of a server']);
  const rounds = whole('rounds', o.rounds, Number.MAX_SAFE_INTEGER),
    k = await kernels(o);
  try {
    const p = participantOf(k, home, h, c);
    for (;;) {
      const said = await participate(p);
      for (const x of said) c.progress.line(x);
      const dir = await p.transport.folder(),
        done = readHead(dir, readFederation(dir)).rounds.filter((r) => isDone(r.files)).length;
      if (done >= rounds) return { data: { client: h.client, rounds: done }, text: `${h.client}: ${done} rounds are done` };
      await pause(said.length ? 10 : 500);
    }
  } finally {
    k.close();
  }
}

/** Does what is due for a home of either role, once. */
export async function fedStep(home: string, o: HomeOptions, c: Context): Promise<Result> {
  const h = readHome(home);
  let said: string[];
  if (h.role === 'client') said = await clientStep(home, o, c);
  else {
    const k = await kernels(o);
    try {
      said = coordinate(coordinatorOf(k, home, h));
    } finally {
      k.close();
    }
  }
  return { data: { role: h.role, said }, text: said.length ? said.join('\n') : 'nothing is due' };
}
