/**
 * Token ids and float64 logits of a base with an adapter, for tools/checks/peft-check.py.
 *
 *     node dist-tools/checks/peft-logits.js BASE ADAPTER OUT.json [TEXT...]
 */
import { writeFileSync } from 'node:fs';
import { TextCodec, loadBase, readAdapter } from 'certune/io';
import { singleKernels } from 'certune/kernels';
import { Inference } from 'certune/model';

const SENTENCES = ['Once upon a time there was a little dog.', 'Le chat dort dans la maison.', '0123456789'];

function write(dir: string, adapter: string, out: string, texts: readonly string[]): void {
  const base = loadBase(dir),
    codec = new TextCodec(dir),
    { meta, members } = readAdapter(adapter, base.shape),
    rows = texts.map((t) => codec.prompt(t).slice(0, base.maxPositions)),
    kernels = singleKernels(),
    model = new Inference(kernels, base, rows.length, Math.max(...rows.map((r) => r.length)), {
      r: meta.r,
      targets: meta.targets,
      scaling: meta.alpha / (meta.rslora ? Math.sqrt(meta.r) : meta.r),
      members,
    }),
    logits = model.logits(rows);
  writeFileSync(out, JSON.stringify({ version: 1, rows: rows.map((tokens, r) => ({ tokens, logits: logits[r] })) }));
  kernels.close();
  console.log(`${rows.length} rows, ${rows.reduce((n, r) => n + r.length, 0)} tokens`);
}

const [dir, adapter, out, ...texts] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node dist-tools/checks/peft-logits.js BASE ADAPTER OUT.json [TEXT...]');
  process.exitCode = 2;
} else write(dir, adapter, out, texts.length ? texts : SENTENCES);
