import { existsSync, statSync } from 'node:fs';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { readJson } from '../io/json.js';
import { jsonDocument } from '../io/json-text.js';
import { readText } from '../io/read-file.js';
import { singleKernels } from '../kernels/single.js';
import { type CroissantDeclared, exportCroissant } from '../run/croissant.js';
import { checkedRun, epochBatches } from '../run/facts.js';
import { fieldsOf, ruleOf } from '../run/fields.js';
import { type Manifest, difference, manifestDigest, manifestJson, parseManifest } from '../run/manifest.js';
import { policyOf } from '../run/policy.js';
import { manifestOf, readProofFile } from '../store/proof.js';
import { type Result, readManifest } from './common.js';
import { UsageError } from './errors.js';
import { plain } from '../io/escape.js';

/** The manifest of a run folder, of a proof file, or a manifest file. Throws InputError, VersionError. */
export function manifestAt(target: string): Manifest {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder, a proof file or a manifest.json');
  if (statSync(target).isDirectory()) return readManifest(target);
  return /\.json$/i.test(target) ? parseManifest(target, readJson(target, 'manifest')) : manifestOf(readProofFile(target));
}

/**
 * Everything that can be told of a manifest without base and data. Throws InputError, VersionError, VerificationError
 * naming what contradicts what.
 */
export function manifestCheck(file: string): Result {
  const m = manifestAt(file),
    run = checkedRun(file, m),
    policy = policyOf(m, singleKernels()),
    text = /\.json$/i.test(file) && !statSync(file).isDirectory() ? readText(file, 'manifest') : undefined;
  if (text !== undefined && text.trimEnd() !== manifestJson(m).trimEnd())
    throw new InputError(
      file,
      ['is not canonical JSON (RFC 8785): its digest is that of another text'],
      'certune manifest show --json prints it',
    );
  return {
    data: {
      valid: true,
      manifest: manifestDigest(m),
      policy: policy.digest.map(String),
      programs: [run.programs.program.name, ...(run.programs.update ? [run.programs.update.program.name] : [])],
      stepsPerEpoch: epochBatches(m),
    },
    text: plain(`valid: ${manifestDigest(m)}; its programs can be built, nothing in it contradicts itself, and its policy fits a circuit`),
  };
}

/**
 * Every field with its value and what is known of it; `only` shows those of one path. Throws InputError, UsageError.
 */
export function manifestShow(target: string, o: { readonly only?: string }): Result {
  const m = manifestAt(target),
    fields = fieldsOf(m)
      .filter((f) => o.only === undefined || f.path === o.only || f.path.startsWith(`${o.only}.`) || f.path.startsWith(`${o.only}[`))
      .map((f) => {
        const { status, option } = ruleOf(f.path);
        return { path: f.path, value: f.value, status, ...(option === undefined ? {} : { option }) };
      });
  if (!fields.length) throw new UsageError(`--only: the manifest has no field ${o.only}`);
  return {
    data: { manifest: m, digest: manifestDigest(m), fields },
    text: [
      `manifest ${manifestDigest(m)}`,
      ...fields.map(
        (f) => `${(f.option === undefined ? f.status : `${f.status}: ${f.option}`).padEnd(37)}  ${f.path} = ${JSON.stringify(f.value)}`,
      ),
    ]
      .map(plain)
      .join('\n'),
  };
}

/** What lies at a path of `difference`: keys hold dots too. */
function at(x: unknown, path: string): unknown {
  if (path === '') return x;
  for (const [k, y] of Object.entries((x ?? {}) as Record<string, unknown>))
    if (path === k || path.startsWith(`${k}.`)) return at(y, path.slice(k.length + 1));
  return undefined;
}

/** Fields in which two manifests differ. Throws InputError, VersionError. */
export function manifestDiff(left: string, right: string): Result {
  const [a, b] = [manifestAt(left), manifestAt(right)],
    paths = difference(a, b),
    shown = (x: unknown): string => (x === undefined ? 'none' : JSON.stringify(x));
  return {
    data: {
      same: paths.length === 0,
      manifests: [manifestDigest(a), manifestDigest(b)],
      differences: paths.map((path) => ({ path, left: at(a, path) ?? null, right: at(b, path) ?? null })),
    },
    text: (paths.length ? paths.map((p) => `${p}: ${shown(at(a, p))} -> ${shown(at(b, p))}`) : ['no field differs']).map(plain).join('\n'),
  };
}

export interface ManifestExportOptions extends Partial<Omit<CroissantDeclared, 'contentUrls' | 'datePublished'>> {
  readonly date?: string;
  readonly content?: string[];
  readonly output?: string;
}

/** Options that the format asks for, by what it calls them. */
const ASKED = {
  name: 'name',
  description: 'description',
  url: 'url',
  creator: 'creator',
  datePublished: 'date',
  contentUrls: 'content',
} as const;

/**
 * The data of a manifest as Croissant 1.1; what the format asks for beside is declared by options. Throws UsageError
 * naming every one that lacks or cannot be meant: no other words are declared here.
 */
export function croissantOf(m: Manifest, o: ManifestExportOptions): object {
  const lacking = Object.values(ASKED).filter((k) => !o[k]?.length);
  if (lacking.length)
    throw new UsageError(`Croissant 1.1 asks for what no manifest holds: give ${lacking.map((k) => `--${k}`).join(', ')}`);
  const { name = '', description = '', url = '', creator = '', date = '', content = [] } = o;
  try {
    return exportCroissant(m, { name, description, url, creator, datePublished: date, contentUrls: content });
  } catch (e) {
    if (!(e instanceof InputError)) throw e;
    const option = (p: string): string => p.replace(/^\w+/, (k) => (Object.hasOwn(ASKED, k) ? `--${ASKED[k as keyof typeof ASKED]}` : k));
    throw new UsageError(e.problems.map(option).join('; '));
  }
}

/** Writes the data of a manifest as Croissant 1.1. Throws UsageError, InputError. */
export function manifestExport(target: string, o: ManifestExportOptions): Result {
  const text = jsonDocument(croissantOf(manifestAt(target), o)),
    document: unknown = JSON.parse(text);
  if (o.output === undefined) return { data: { document }, text: text.trimEnd() };
  writeAtomic(o.output, text);
  return { data: { file: o.output }, text: `wrote ${o.output}` };
}
