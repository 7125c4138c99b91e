// Token ids and float64 logits of a base with an adapter, for scripts/peft-check.py: node scripts/peft-logits.mjs BASE ADAPTER OUT.json [TEXT...]
import { writeFileSync } from 'node:fs';
import { TextCodec, loadBase, readAdapter } from '../dist/io/index.js';
import { singleKernels } from '../dist/kernels/index.js';
import { Inference } from '../dist/model/generate.js';

const [dir, adapter, out, ...texts] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node scripts/peft-logits.mjs BASE ADAPTER OUT.json [TEXT...]');
  process.exit(2);
}
const base = loadBase(dir),
  codec = new TextCodec(dir),
  { meta, members } = readAdapter(adapter, base.shape);
const rows = (texts.length ? texts : ['Once upon a time there was a little dog.', 'Le chat dort dans la maison.', '0123456789']).map((t) =>
  codec.prompt(t).slice(0, base.maxPositions),
);
const kernels = singleKernels(),
  sequence = Math.max(...rows.map((r) => r.length));
const model = new Inference(kernels, base, rows.length, sequence, {
  r: meta.r,
  targets: meta.targets,
  scaling: meta.alpha / (meta.rslora ? Math.sqrt(meta.r) : meta.r),
  members,
});
const logits = model.logits(rows);
writeFileSync(out, JSON.stringify({ version: 1, rows: rows.map((tokens, r) => ({ tokens, logits: logits[r] })) }));
kernels.close();
console.log(`${rows.length} rows, ${rows.reduce((n, r) => n + r.length, 0)} tokens`);
