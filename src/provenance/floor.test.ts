import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));

/** Modules from outside the project that a file reaches, types apart, each with the file that asks for it. */
function outside(entry: string): Map<string, string> {
  const found = new Map<string, string>(),
    seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s+(?!type\b)[^;]*?from\s+'([^']+)'/gms)) {
      if (!name.startsWith('.')) found.set(name, file.slice(here.length + 1));
      else visit(resolve(dirname(file), name.replace(/\.js$/, '.ts')));
    }
  };
  expect(existsSync(entry)).toBe(true);
  visit(entry);
  return found;
}

describe('verification of envelopes and policies', () => {
  it('reaches no module of Node, no network and no library but those for hashes, curves and canonical JSON', () => {
    expect([...outside(join(here, 'index.ts')).keys()].sort()).toEqual([
      '@noble/curves/nist.js',
      '@noble/hashes/blake3.js',
      '@noble/hashes/sha2.js',
      'canonicalize',
    ]);
  });
  it('keeps the optional libraries to one file', () => {
    const all = outside(join(here, 'node.ts'));
    expect([...all.keys()].filter((n) => n.startsWith('@sigstore'))).toEqual([]);
    expect(readFileSync(join(here, 'keyless.ts'), 'utf8')).toContain("import('@sigstore/verify')");
  });
});
