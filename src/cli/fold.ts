import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PACK_NAME } from '../artifact/pack.js';
import { readProofFile, writeFolded, writeNode } from '../store/proof.js';
import type { NodeFile } from '../artifact/folded.js';
import { type NamedNode, checkJoin } from '../prove/neighbours.js';
import { endOf, foldNodes } from '../prove/range.js';
import { circuitsOf } from '../recursion/circuits.js';
import { keyDigest } from '../recursion/key.js';
import { baseStack, folding } from '../prove/recursion.js';
import { InputError } from '../errors.js';
import { singleKernels } from '../kernels/single.js';
import { checkFirst } from '../verify/first.js';
import { VerificationError } from '../transcript/arith.js';
import { type Context, type ProverOptions, type Result, bytesText, kernels, secondsText } from './common.js';
import { UsageError } from './errors.js';
import { requireFoldMemory } from './estimate.js';
import { wholeRun } from './kept.js';
import { plain } from '../io/escape.js';
import { checkedRun } from '../run/facts.js';
import { inputsOf } from '../setup/base.js';

export interface FoldOptions extends ProverOptions {
  readonly base?: string;
  readonly output?: string;
}

/** Reads ranges; every file that cannot be one is named. */
function read(files: readonly string[]): NamedNode[] {
  const problems: { file: string; why: string; remedy?: string }[] = [],
    out: NamedNode[] = [];
  for (const file of files)
    try {
      if (!existsSync(file)) throw new InputError(file, ['does not exist']);
      const p = readProofFile(file);
      if (p.kind === 'node') out.push({ file, node: p.node });
      else
        problems.push({
          file,
          why: p.kind === 'folded' ? 'is the proof of a whole run already' : 'is a pack of step proofs: certune prove folds it',
        });
    } catch (e) {
      if (!(e instanceof InputError)) throw e;
      problems.push({ file, why: e.problems.join('; '), remedy: e.remedy });
    }
  if (problems.length)
    throw new InputError(
      problems[0].file,
      problems.map((p, i) => (i ? `${p.file} ${p.why}` : p.why)),
      problems.find((p) => p.remedy)?.remedy ?? 'fold takes what prove --steps or fold wrote',
    );
  return out;
}

/** What an error says after the name of its check. */
const reasonOf = (e: VerificationError): string => e.message.slice(e.check.length + 2);

/**
 * Verifies each range under the key beside it: whatever else a manifest makes one compute comes after it. Throws
 * VerificationError naming the file.
 */
function checkAll(nodes: readonly NamedNode[]): void {
  const k = singleKernels();
  for (const { file, node } of nodes)
    try {
      checkFirst(k, file, node);
    } catch (e) {
      if (e instanceof VerificationError) throw new VerificationError(e.check, `${file}: ${reasonOf(e)}`);
      throw e;
    }
}

/** Joins neighbouring ranges of a run, proven anywhere; where they make the whole run, the end proof. */
export async function fold(files: readonly string[], o: FoldOptions, c: Context): Promise<Result> {
  const nodes = read(files),
    first = nodes[0].node,
    { manifest } = first,
    single = nodes.length === 1;
  if (single && !wholeRun(first)) throw new UsageError('one range alone has nothing to be folded with: give its neighbours');
  if (!single) checkJoin(nodes, keyDigest);
  const last = nodes[nodes.length - 1].node,
    whole = wholeRun({ ...first, to: last.to }),
    name = whole ? PACK_NAME : `steps-${first.from.step}-${last.to.step}.certune`,
    file = o.output ?? join(dirname(files[0]), name);
  if (o.base === undefined) throw new UsageError('folding merges claims on the base: give --base DIR');
  if (files.some((f) => resolve(f) === resolve(file))) throw new UsageError(`${file} is one of the ranges: give another file with -o`);
  const t0 = performance.now();
  checkAll(nodes);
  const checked = checkedRun(files[0], manifest),
    { base } = inputsOf(checked, { base: o.base });
  c.writes(dirname(resolve(file)));
  const k = await kernels(o);
  try {
    const of = nodes.length - 1 + (whole ? 1 : 0);
    c.progress.line('circuits of the verifier and their keys');
    const circuits = k.scope(() => circuitsOf(k, checked));
    requireFoldMemory(checked, circuits.cls, o, k.threads);
    let done = 0,
      text = '';
    const f = folding(k, manifest, circuits, baseStack(checked.programs, base!), {
      onPhase: (name) => c.progress.update(`${text}: ${name}`, done, of),
    });
    if (keyDigest(first.key) !== f.keyDigest)
      throw new InputError(
        files[0],
        ['was proved under another verification key than this release computes'],
        'use the release that proved it',
      );
    nodes.forEach(({ file: at, node }) => {
      try {
        // Somebody else may have made it: what its proof leaves to be shown is shown here, where its file is known, and
        // not at the end of the run.
        f.settle(node);
      } catch (e) {
        if (e instanceof VerificationError) throw new VerificationError(e.check, `${at}: ${reasonOf(e)}`);
        throw e;
      }
    });
    c.progress.start(0);
    // From the right, as what is left over when a run ends: any shape will do.
    let node: NodeFile = last;
    for (let i = nodes.length - 2; i >= 0; i--) {
      text = `fold ${nodes[i].file}`;
      c.progress.update(text, done, of);
      try {
        node = foldNodes(f, nodes[i].node, node);
      } catch (e) {
        // Lists of losses that do not join: nothing has compared them with the statements yet.
        if (e instanceof RangeError) throw new InputError(nodes[i].file, [`and what follows it: ${e.message}`], 'prove these ranges again');
        throw e;
      }
      done++;
    }
    text = 'end of the run';
    // Beside the end the node that it is made from: a certificate is made from it too.
    if (whole && !single) writeNode(join(dirname(file), `steps-0-${manifest.config.train.steps}.certune`), node);
    const bytes = whole ? writeFolded(file, endOf(f, node)) : writeNode(file, node);
    c.progress.update('folded', of, of);
    const seconds = (performance.now() - t0) / 1000;
    return {
      data: { ranges: nodes.length, from: first.from.step, to: last.to.step, whole, file, bytes, key: f.keyDigest, seconds },
      text: plain(
        `folded ${nodes.length} ranges into ${whole ? `the proof of the whole run, ${manifest.config.train.steps} steps` : `steps ${first.from.step} to ${last.to.step - 1}`}: ${file}, ${bytesText(bytes)}, in ${secondsText(seconds)}`,
      ),
    };
  } finally {
    k.close();
  }
}
