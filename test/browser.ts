import { build } from 'esbuild';
import { createContext, runInContext } from 'node:vm';
import { fileURLToPath } from 'node:url';

/*
 * certune/verify as a page would load it: one script, no module of Node, run where there is nothing but what a browser
 * has.
 */

export interface Bundle {
  readonly code: string;
  /** Files of the graph, from the project's root. */ readonly files: readonly string[];
}

/** The bundle of an entry. Throws where it imports a module of Node: for a browser there is none. */
export async function bundled(entry = 'src/verify/index.ts'): Promise<Bundle> {
  const root = fileURLToPath(new URL('..', import.meta.url)),
    r = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      format: 'iife',
      globalName: 'certune',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'silent',
    });
  return { code: r.outputFiles[0].text, files: Object.keys(r.metafile.inputs) };
}

/**
 * What a page loads for a second entry when it has the first already: code of the chunks that the first does not load,
 * and their files.
 */
export async function secondChunk(first: string, second: string): Promise<Bundle> {
  const root = fileURLToPath(new URL('..', import.meta.url)),
    r = await build({
      absWorkingDir: root,
      entryPoints: { first, second },
      bundle: true,
      splitting: true,
      minify: true,
      write: false,
      metafile: true,
      format: 'esm',
      outdir: 'out',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'silent',
    }),
    outputs = r.metafile.outputs,
    loads = (name: string, seen = new Set<string>()): Set<string> => {
      if (seen.has(name)) return seen;
      seen.add(name);
      for (const i of outputs[name].imports) loads(i.path, seen);
      return seen;
    },
    had = loads('out/first.js'),
    own = [...loads('out/second.js')].filter((n) => !had.has(n));
  return {
    code: r.outputFiles
      .filter((f) => own.some((n) => f.path.endsWith(`/${n}`)))
      .map((f) => f.text)
      .join('\n'),
    files: own.flatMap((n) => Object.keys(outputs[n].inputs)),
  };
}

/** What a script in the page can say of a verdict: strings and numbers, for objects do not leave their realm. */
export interface PageVerdict {
  readonly accepted: boolean;
  readonly name?: string;
  readonly message?: string;
  readonly kind?: string;
  readonly losses?: readonly number[];
  readonly initial?: string;
  readonly root?: string;
}

/**
 * A page: a realm of its own with a browser's globals and no process, Buffer or require, in which the bundle was run.
 */
export function page({ code }: Bundle): { verify(proof: Uint8Array, options: object): PageVerdict } {
  const context = createContext(
    { TextEncoder, TextDecoder, performance: { now: () => performance.now() } },
    { codeGeneration: { strings: false, wasm: true } },
  );
  runInContext(code, context);
  return {
    verify(proof, options) {
      // Numbers of the bytes, so that the page makes an array of its own realm.
      Object.assign(context, { given: JSON.stringify({ proof: Buffer.from(proof).toString('latin1'), options }) });
      const text = runInContext(
        `(() => {
          const { proof, options } = JSON.parse(given),
            v = certune.verify(Uint8Array.from(proof, (c) => c.charCodeAt(0)), options);
          return JSON.stringify(
            v.accepted
              ? { accepted: true, kind: v.kind, losses: v.check.losses, initial: v.check.initial, root: v.check.root }
              : { accepted: false, name: v.reason.name, message: v.reason.message },
          );
        })()`,
        context,
      ) as string;
      return JSON.parse(text) as PageVerdict;
    },
  };
}
