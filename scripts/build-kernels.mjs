// Compiles src/kernels/as twice (shared memory for provers, unshared for verifiers) and embeds both in src/kernels/generated.ts.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { expandMacros } from './kernel-macros.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
// Nothing is compiled when sources, compiler and this script are those of the last build: the digest stands in the first line.
const target = join(root, 'src/kernels/generated.ts'),
  digest = createHash('sha256');
for (const file of [
  ...readdirSync(join(root, 'src/kernels/as'))
    .sort()
    .map((f) => `src/kernels/as/${f}`),
  'scripts/build-kernels.mjs',
  'scripts/kernel-macros.mjs',
  'node_modules/assemblyscript/package.json',
])
  digest.update(`${file}\0`).update(readFileSync(join(root, file)));
const head = `// Written by scripts/build-kernels.mjs from sources of SHA-256 ${digest.digest('hex')}.`;
if (existsSync(target) && readFileSync(target, 'utf8').startsWith(`${head}\n`)) process.exit(0);

const out = mkdtempSync(join(tmpdir(), 'certune-kernels-'));
async function build(shared) {
  const file = join(out, shared ? 'mt.wasm' : 'st.wasm');
  const args = [
    'src/kernels/as/index.ts',
    '-O3',
    '--noAssert',
    '--runtime',
    'stub',
    '--importMemory',
    '--initialMemory',
    '64',
    '--maximumMemory',
    '65536',
    '--enable',
    'simd',
    '--enable',
    'bulk-memory',
    '--memoryBase',
    '1024',
    '--baseDir',
    root,
    '-o',
    file,
  ];
  if (shared) args.push('--sharedMemory', '--enable', 'threads');
  const readFile = (name, base) => {
    const path = isAbsolute(name) ? name : join(base, name);
    try {
      return expandMacros(readFileSync(path, 'utf8'));
    } catch {
      return null;
    }
  };
  const { error, stderr } = await asc.main(args, { stderr: process.stderr, readFile });
  if (error) {
    console.error(String(stderr ?? ''), error.message);
    process.exit(1);
  }
  return readFileSync(file).toString('base64');
}
const st = await build(false),
  mt = await build(true);
rmSync(out, { recursive: true });
// Written beside and renamed, so that a reader never sees half a file.
const part = `${target}.${process.pid}.part`;
writeFileSync(part, `${head}\nexport const SINGLE = '${st}';\nexport const SHARED = '${mt}';\n`);
renameSync(part, target);
