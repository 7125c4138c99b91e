import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CLAIMS, CLAIM_FACTS } from '../src/verify/claims.js';

/*
 * Documents say what is so: links lead somewhere, files that they name exist, command lines are run, in a scratch
 * folder, or are on a list of those that other tests or the release check run.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const pages = [
  'README.md',
  'SECURITY.md',
  'examples/README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true }).map((f) => `docs/${String(f)}`),
].filter((f) => f.endsWith('.md') && existsSync(join(root, f)));
const text = (f: string): string => readFileSync(join(root, f), 'utf8');

/** Commands that are too long here, and what runs them instead. */
const ELSEWHERE: [RegExp, string][] = [
  [/^npm ci\b/, 'the clean clone of the release check'],
  [/^npm (run|install|test|i)\b/, 'scripts of package.json: their names are checked below'],
  [
    /^(npx |node bin\/)?certune(\.js)? (init|commit|train|prove|fold|run|verify|vk|inspect|estimate|sign|export|card|certify|report)\b/,
    'test/cli.test.ts, test/tamper.test.ts, test/release.test.ts; their options are checked below',
  ],
  [/^(npx )?certune (manifest|audit) \w+/, 'test/manifest.test.ts; their options are checked below'],
  [/^(npx )?certune farm \w+/, 'test/farm-run.test.ts; their options are checked below'],
  [/^(npx )?certune fed \w+/, 'test/federated-cli.test.ts; their options are checked below'],
  [/^node dist-tools\/[\w/-]+\.js/, 'the tool exists: checked below'],
  [/^npx vitest run /, 'the test files exist: checked below'],
  [/^(python3?|pip) /, 'another language: not part of this package'],
];

/** Command lines of fenced or indented blocks: lines that start with a known program. */
function commands(page: string): string[] {
  const out: string[] = [];
  let fenced = false;
  for (const line of text(page).split('\n')) {
    if (/^\s*```/.test(line)) fenced = !fenced;
    else if (fenced || /^ {4}\S/.test(line)) {
      const c = line
        .trim()
        .replace(/^\$ /, '')
        .replace(/\s+#.*$/, '');
      if (/^(npm|npx|node|certune|python3?|pip|git) /.test(c)) out.push(c);
    }
  }
  return out.flatMap((c) => c.split(/\s+&&\s+/));
}

describe('documents', () => {
  it('say of what verify compares what its records say', () => {
    for (const c of CLAIMS) {
      const { option, compares, without } = CLAIM_FACTS[c];
      expect(text('docs/artifacts.md')).toContain(`| ${c} | ${option} | ${compares} | ${without} |`);
    }
    expect(text('README.md')).toContain(`--require ${CLAIMS.join(',')}`);
  });
  it('links between them resolve', () => {
    const broken: string[] = [];
    for (const page of pages)
      for (const [, to] of text(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?:|mailto:|#)/.test(to)) continue;
        if (!existsSync(resolve(root, dirname(page), to.replace(/#.*$/, '')))) broken.push(`${page}: ${to}`);
      }
    expect(broken).toEqual([]);
  });
  it('files of the repository that they name exist', () => {
    const missing: string[] = [];
    for (const page of pages)
      for (const [, f] of text(page).matchAll(/`((?:src|test|tools|docs|examples)\/[\w./-]+\.(?:ts|mjs|md|json|jsonl|py))`/g))
        if (!existsSync(join(root, f))) missing.push(`${page}: ${f}`);
    expect(missing).toEqual([]);
  });
  it('command lines are run, or run elsewhere', () => {
    const unknown: string[] = [],
      scripts = (JSON.parse(text('package.json')) as { scripts: Record<string, string> }).scripts,
      dir = mkdtempSync(join(tmpdir(), 'certune-docs-'));
    const help = (args: string[]): string =>
      spawnSync(process.execPath, [join(root, 'bin/certune.js'), ...args, '--help'], { encoding: 'utf8' }).stdout;
    const options = new Map<string, string>();
    let seen = 0;
    for (const page of pages)
      for (const c of commands(page)) {
        seen++;
        const known = ELSEWHERE.find(([re]) => re.test(c));
        if (!known) {
          const r = spawnSync(c, { shell: true, cwd: dir, encoding: 'utf8', timeout: 600_000 });
          if (r.status !== 0) unknown.push(`${page}: ${c}`);
          continue;
        }
        const script = /^npm run ([\w:-]+)/.exec(c);
        if (script && !scripts[script[1]]) unknown.push(`${page}: no script ${script[1]}`);
        const tool = /^node dist-(tools\/\S+)\.js/.exec(c);
        if (tool && !existsSync(join(root, `${tool[1]}.ts`))) unknown.push(`${page}: no ${tool[1]}.ts`);
        const cli = /certune(?:\.js)? ((?:card |manifest |audit |farm )?\w+)(.*)$/.exec(c);
        if (!cli || /^npm|^pip/.test(c)) continue;
        if (!options.has(cli[1])) options.set(cli[1], help(cli[1].split(' ')));
        const shown = options.get(cli[1])!;
        if (!shown.includes('Usage')) unknown.push(`${page}: no command ${cli[1]}`);
        for (const [o] of cli[2].matchAll(/--[a-z-]+/g)) if (!shown.includes(o)) unknown.push(`${page}: certune ${cli[1]} has no ${o}`);
      }
    rmSync(dir, { recursive: true, force: true });
    expect(unknown).toEqual([]);
    expect(seen).toBeGreaterThan(1);
  });
});
