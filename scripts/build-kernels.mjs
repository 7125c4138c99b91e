// Compiles src/kernels/as twice (shared memory for provers, unshared for verifiers) and embeds both in src/kernels/generated.ts.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { expandMacros } from './kernel-macros.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
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
const target = join(root, 'src/kernels/generated.ts'),
  part = `${target}.${process.pid}.part`;
writeFileSync(part, `// Written by scripts/build-kernels.mjs.\nexport const SINGLE = '${st}';\nexport const SHARED = '${mt}';\n`);
renameSync(part, target);
