import { build } from 'esbuild';
import { createContext, runInContext } from 'node:vm';
import { fileURLToPath } from 'node:url';

/* certune/verify as a page would load it: one script, no module of Node, run where there is nothing but what a browser has. */

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

/** A page: a realm of its own with a browser's globals and no process, Buffer or require, in which the bundle was run. */
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
