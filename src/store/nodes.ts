import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, VersionError } from '../errors.js';
import { inFile } from '../io/source.js';
import { dropProofs, orTorn, readProof, writeProof } from './journal.js';
import { manifestDigest } from '../run/manifest.js';
import { ForeignError } from './record.js';
import type { StepProof } from '../run/parts.js';
import { type NodeFile, type Place, before, decodeNode, placeText, samePlace } from '../artifact/folded.js';
import { writeNode } from './proof.js';
import type { Keeper } from '../prove/tree.js';
import type { TreeNode } from '../prove/tree-shape.js';
import type { Kept } from '../prove/range.js';

/** Where a range of the run is proved, and where the epochs that it finishes are kept, under the out folder. */
export const nodesFolder = (out: string): string => join(out, 'proof', 'nodes');
export const epochFile = (out: string, epoch: number): string =>
  join(out, 'proof', 'epochs', `epoch-${String(epoch).padStart(4, '0')}.certune`);
export const nodeFile = (out: string, from: Place, to: Place): string =>
  join(nodesFolder(out), `${placeText(from)}-${placeText(to)}.certune`);

const NAME = /^(\d+)(?:\.(\d+))?-(\d+)(?:\.(\d+))?\.certune$/;

/** Places of the node files of a folder. */
function* nodesIn(folder: string): Generator<{ file: string; from: Place; to: Place }> {
  if (!existsSync(folder)) return;
  for (const f of readdirSync(folder)) {
    const m = NAME.exec(f);
    if (m)
      yield {
        file: join(folder, f),
        from: { step: Number(m[1]), part: Number(m[2] ?? 0) },
        to: { step: Number(m[3]), part: Number(m[4] ?? 0) },
      };
  }
}

/** A range's keeper under the out folder `out`; `steps` are step proofs that lie elsewhere already. */
export const keptIn =
  (out: string, steps?: readonly StepProof[]) =>
  (o: Kept): Files =>
    new Files(o, out, steps);

/**
 * Keeps step proofs and nodes as files. A damaged one is made again; one of another manifest or key is refused by name.
 */
export class Files implements Keeper<StepProof, NodeFile> {
  constructor(
    readonly o: Kept,
    readonly out: string,
    readonly steps?: readonly StepProof[],
  ) {}
  #file(t: TreeNode): string {
    const { places } = this.o;
    return t.epoch === undefined ? nodeFile(this.out, places[t.from], places[t.to]) : epochFile(this.out, t.epoch);
  }
  loadStep(step: number): StepProof | undefined {
    return this.steps?.[step] ?? orTorn(() => readProof(this.out, this.o.manifest, step), this.o.again);
  }
  saveStep(_step: number, p: StepProof): void {
    writeProof(this.out, this.o.manifest, p);
  }
  dropSteps(before: number): void {
    dropProofs(this.out, before, this.o.places[0].step);
  }
  loadNode(t: TreeNode): NodeFile | undefined {
    const file = this.#file(t);
    if (!existsSync(file)) return undefined;
    let n: NodeFile;
    try {
      n = decodeNode(file, inFile(file));
    } catch (e) {
      if (e instanceof VersionError)
        throw new VersionError(
          e.file,
          e.version,
          e.supported,
          'delete it to prove this range again, or use the release of Certune that wrote it',
        );
      if (!(e instanceof InputError)) throw e;
      this.o.again(e);
      return undefined;
    }
    if (manifestDigest(n.manifest) !== this.o.manifest) throw new ForeignError(file);
    if (this.o.keyDigest(n.key) !== this.o.key)
      throw new InputError(
        file,
        ['was proved under another verification key: another release of Certune, or other programs'],
        'delete it to prove this range again',
      );
    const { places } = this.o;
    try {
      if (!samePlace(n.from, places[t.from]) || !samePlace(n.to, places[t.to]))
        throw new Error(`is of the range ${placeText(n.from)} to ${placeText(n.to)}`);
      this.o.check(n);
      this.o.found?.(n, t);
      return n;
    } catch (e) {
      this.o.again(new InputError(file, [(e as Error).message]));
      return undefined;
    }
  }
  saveNode(t: TreeNode, n: NodeFile): void {
    const file = this.#file(t);
    writeNode(file, n);
  }
  dropInside(t: TreeNode): void {
    const { places } = this.o,
      [from, to] = [places[t.from], places[t.to]];
    for (const x of nodesIn(nodesFolder(this.out)))
      if (!before(x.from, from) && !before(to, x.to) && !(t.epoch === undefined && samePlace(x.from, from) && samePlace(x.to, to)))
        rmSync(x.file, { force: true });
  }
}

const BEGIN: Place = { step: 0, part: 0 };

/** Whether a node is over all of so many steps. */
const isWhole = ({ from, to }: { readonly from: Place; readonly to: Place }, steps: number): boolean =>
  samePlace(from, BEGIN) && samePlace(to, { step: steps, part: 0 });

/**
 * Removes what lay beside a run of so many steps while it was proved. Epochs stay, and the node over the whole run:
 * certificates are made from it.
 */
export function dropNodes(out: string, steps: number): void {
  for (const x of nodesIn(nodesFolder(out))) if (!isWhole(x, steps)) rmSync(x.file, { force: true });
}

/** Where the node over a whole run lies: undefined where there is none. Nothing of it is read. */
export const wholeNode = (out: string, steps: number, epoch: number): string | undefined =>
  [nodeFile(out, BEGIN, { step: steps, part: 0 }), ...(epoch === steps ? [epochFile(out, 0)] : [])].find((f) => existsSync(f));
