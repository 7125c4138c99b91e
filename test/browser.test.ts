import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Bundle, bundled, page, secondChunk } from './browser.js';

/* Verification of a real proof in a page is in fold.test.ts, which has one. */
describe('certune/verify in a browser', () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundled();
  });

  it('has no module of Node and none that proves, reads files or trains in its graph', async () => {
    const own = bundle.files.filter((f) => f.startsWith('src/')),
      foreign = new Set(
        bundle.files.filter((f) => !f.startsWith('src/')).map((f) => /^node_modules\/((@[^/]+\/)?[^/]+)/.exec(f)?.[1] ?? f),
      );
    expect(own).toContain('src/kernels/generated/verify.ts');
    expect(
      own.filter((f) =>
        /^src\/(prove|store|setup|estimate|engine|cli)\/|\/prove[^/]*\.ts$|generated\/(single|shared)|kernels\/threads/.test(f),
      ),
    ).toEqual([]);
    expect([...foreign].sort()).toEqual(['@noble/hashes', 'canonicalize']);
    // What there is to see: an entry that reads files does not become a bundle.
    await expect(bundled('src/setup/run.ts')).rejects.toThrow(/node:/);
  });
  it('takes at most 120 kB on its way, minified and compressed', () => {
    const size = gzipSync(bundle.code, { level: 9 }).length;
    console.log(`certune/verify: ${bundle.code.length} bytes minified, ${size} compressed`);
    expect(size).toBeLessThanOrEqual(120_000);
  });
  it('runs without process, Buffer and require, and refuses what is no proof', () => {
    const p = page(bundle);
    for (const bytes of [[], [0], [...Buffer.from('{}\n')], [...Buffer.from('{"type":"certune-folded-run","version":1}\n')]]) {
      const v = p.verify(Uint8Array.from(bytes), {});
      expect(v.accepted).toBe(false);
      expect(v.message).toMatch(/^proof: /);
    }
  });
});

describe('property cards in a browser', () => {
  const verify = 'src/verify/index.ts',
    core = 'src/provenance/cards/judge-evidence.ts',
    cards = 'src/provenance/cards/index.ts';
  it('have no module of Node, and no library but those for hashes, curves and canonical JSON', async () => {
    const { files } = await bundled(cards);
    expect(
      [...new Set(files.filter((f) => !f.startsWith('src/')).map((f) => /^node_modules\/((@[^/]+\/)?[^/]+)/.exec(f)?.[1] ?? f))].sort(),
    ).toEqual(['@noble/curves', '@noble/hashes', 'canonicalize']);
    expect(files.filter((f) => /dcap|quote|keyless|\/cli\//.test(f))).toEqual([]);
  });
  it('take at most 30 kB for the core that verifies evidence, as a second chunk, minified and compressed; 36 kB with all that reads and judges cards', async () => {
    const size = async (entry: string): Promise<number> => gzipSync((await secondChunk(verify, entry)).code, { level: 9 }).length,
      [a, b] = [await size(core), await size(cards)];
    console.log(`certune/provenance/cards as a second chunk: ${a} bytes compressed for the core, ${b} in all`);
    expect(a).toBeLessThanOrEqual(30_000);
    expect(b).toBeLessThanOrEqual(36_000);
  });
});
