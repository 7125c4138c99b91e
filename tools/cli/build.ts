/**
 * npm run build:cli: joins the modules of the commands to few files, dist/joined, which bin/certune.js starts from. A
 * command's own modules are read when it is called. What is read by its name stays outside: packages that a user may
 * install or not, and those that are large and seldom needed.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url)),
  { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'peerDependencies',
    Record<string, string>
  >,
  /** Small, and in the way of every command. */
  joined = new Set(['@noble/hashes', 'canonicalize']),
  outdir = join(root, 'dist/joined');

const options = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  outdir,
  external: [...Object.keys(dependencies), ...Object.keys(peerDependencies)].filter((name) => !joined.has(name)),
  plugins: [
    {
      // A prover's kernels are large texts, and the same ones as those of the modules.
      name: 'kernels',
      setup: (b) =>
        b.onResolve({ filter: /\/generated\/(single|shared)\.js$/ }, ({ path }) => ({
          path: path.replace(/^.*\//, '../kernels/generated/'),
          external: true,
        })),
    },
  ],
  logLevel: 'warning',
  metafile: true,
} satisfies BuildOptions;

rmSync(outdir, { recursive: true, force: true });
const { metafile } = await build({
  ...options,
  // The files that are started by their names: a command, its thread and who watches it, a process that proves, and
  // the thread of a device.
  entryPoints: {
    command: 'src/cli/command.ts',
    thread: 'src/cli/thread.ts',
    worker: 'src/cli/worker.ts',
    'child-main': 'src/engine/child-main.ts',
    'thread-node': 'src/device/thread-node.ts',
  },
  splitting: true,
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
});
// What it throws is thrown again by the command, under the names of the modules. Once more as one file of CommonJS, of
// which the code that a compiler made of it is kept (src/cli/compiled.ts).
const alone = await build({ ...options, entryPoints: { alone: 'src/cli/alone.ts' }, splitting: true, minify: true });
await build({
  ...options,
  entryPoints: { alone: 'src/cli/alone.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  minify: true,
  define: { 'import.meta.url': 'moduleUrl' },
  banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
});
await build({ ...options, entryPoints: { compiled: 'src/cli/compiled.ts' }, minify: true });
console.log(`dist/joined: ${[metafile, alone.metafile].reduce((n, m) => n + Object.keys(m.outputs).length, 2)} files`);
