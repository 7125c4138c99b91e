import type { PublishedTotals } from '../policy/epochs.js';
import { type Shown, SHOW_ALL, showsEpochs, showsSteps } from '../policy/vector.js';
import { type Manifest, manifestDigest } from '../run/manifest.js';
import type { StepProof } from '../run/parts.js';
import type { LeafProofs } from '../recursion/leaves.js';
import { type FoldedRun, type NodeFile, type Place, type Proven, type StepLosses, joinEpochs, joinLosses } from '../artifact/folded.js';
import type { LeafStart } from './leaf.js';
import { type LeafWork, type Keeper, grow } from './tree.js';
import type { TreeNode } from './tree-shape.js';

/** A leaf with the places where it begins and ends. */
export interface LeafRange extends LeafProofs {
  readonly from: Place;
  readonly to: Place;
}

/**
 * The recursion of one run, as the tree uses it: src/prove/recursion.ts binds the real one. `S` is what a leaf needs to
 * know of its beginning.
 */
export interface Recursion<S extends { readonly step: number } = LeafStart> {
  readonly manifest: Manifest;
  /** Published verification key, and its digest. */ readonly key: Readonly<Record<string, unknown>>;
  readonly keyDigest: string;
  digestOf(key: Readonly<Record<string, unknown>>): string;
  /** Leaves of the steps from .. to - 1, in order; none straddles an epoch. */
  leaves(from: number, to: number): readonly LeafRange[];
  /**
   * Proves a leaf from the proofs of its steps and a place at or before it in its first step; also returns the place
   * where it ends, and the totals of the epoch that ends with it.
   */
  leaf(
    start: S,
    range: LeafRange,
    steps: readonly StepProof[],
  ): { readonly node: Proven; readonly after: S; readonly epochs: readonly PublishedTotals[] };
  fold(left: Proven, right: Proven): Proven;
  end(node: Proven): Proven;
  /** Throws VerificationError where the node's proof does not hold. */ check(node: Proven): void;
  /**
   * The same, and that the claims which it leaves on columns and base hold: for one of somebody else's. Takes as long
   * as the base is large.
   */
  settle?(node: Proven): void;
}

/** Told of work as it goes: what begins, and the phases of it. */
export interface Watcher {
  readonly begin?: (what: 'step' | 'leaf' | 'fold' | 'end', text: string) => void;
  readonly done?: (what: 'step' | 'leaf' | 'fold' | 'end') => void;
  /** A node over so many steps and leaves was found finished. */
  readonly found?: (steps: number, leaves: number) => void;
  /** Of files that are made again. */ readonly again: (e: Error) => void;
}

/** Leaves with the epochs that they lie in. Throws RangeError where one straddles two. */
export function leafWork(leaves: readonly LeafRange[], perEpoch: number): LeafWork[] {
  return leaves.map(({ parts, from, to }) => {
    const epoch = Math.floor(from.step / perEpoch),
      end = (epoch + 1) * perEpoch;
    if (to.step > end || (to.step === end && to.part > 0))
      throw new RangeError(`a leaf of the steps ${from.step} to ${to.step} straddles two epochs`);
    return {
      steps: [...new Set(parts.map((p) => p.step))],
      epoch,
      first: from.part === 0 && from.step % perEpoch === 0,
      last: to.step === end,
    };
  });
}

/** Losses and targets of the parts of a leaf, as far as they are shown of every step. */
export function leafLosses(
  range: LeafRange,
  proofs: readonly StepProof[],
  targets: (step: number) => number,
  show: Shown = SHOW_ALL,
): StepLosses[] {
  const out: { step: number; targets: number; losses: bigint[] }[] = [];
  if (!showsSteps(show)) return out;
  for (const { step, part } of range.parts) {
    const p = proofs.find((x) => x.step === step)!.parts[part];
    if (out[out.length - 1]?.step !== step) out.push({ step, targets: show.targets === 'steps' ? targets(step) : 0, losses: [] });
    if (p.kind !== 'update' && show.losses === 'steps') out[out.length - 1].losses.push(p.loss);
  }
  return out;
}

/** Totals of the epoch that ends with a leaf, where any are shown. */
export const leafEpochs = (epochs: readonly PublishedTotals[], show: Shown): readonly PublishedTotals[] =>
  showsEpochs(show) ? epochs : [];

/**
 * What a keeper of nodes has to know of the run: digests that they must carry, the place where each leaf begins (and
 * the last one ends).
 */
export interface Kept {
  readonly manifest: string;
  readonly key: string;
  readonly places: readonly Place[];
  /** Throws where a node that was read does not hold. */ readonly check: (n: NodeFile) => void;
  readonly found?: (n: NodeFile, t: TreeNode) => void;
  /** Told of what is made again because it is torn or does not hold. */ readonly again: (e: Error) => void;
  readonly keyDigest: (key: Readonly<Record<string, unknown>>) => string;
}

export interface RangeOptions<S extends { readonly step: number }> {
  /** Makes what keeps finished work: files under a folder (store/nodes.ts). */
  readonly keep: (o: Kept) => Keeper<StepProof, NodeFile>;
  readonly recursion: Recursion<S>;
  /** Steps from .. to - 1. */ readonly from: number;
  readonly to: number;
  readonly perEpoch: number;
  /** Proves a step from the journal. */ readonly step: (step: number) => StepProof;
  /** The beginning of a step, where no leaf before it has just ended there. */ readonly start: (step: number) => S;
  readonly targets: (step: number) => number;
  readonly watch: Watcher;
}

/** Proves a range of a run as one node; goes on with whatever its keeper has finished. */
export function proveRange<S extends { readonly step: number }>(o: RangeOptions<S>): NodeFile {
  const { recursion: r, watch } = o,
    { manifest, key } = r,
    ranges = r.leaves(o.from, o.to),
    places: Place[] = [...ranges.map((x) => x.from), ranges[ranges.length - 1].to],
    keep = o.keep({
      manifest: manifestDigest(manifest),
      key: r.keyDigest,
      keyDigest: (k) => r.digestOf(k),
      places,
      check: (n) => r.check(n),
      again: watch.again,
      found: (n, t) => watch.found?.(n.to.step - n.from.step, t.to - t.from),
    });
  const made = <T>(what: 'step' | 'leaf' | 'fold', text: string, f: () => T): T => {
    watch.begin?.(what, text);
    const x = f();
    watch.done?.(what);
    return x;
  };
  // Where the last leaf ended the next one mostly begins, also inside a step: it saves computing that again, and is the
  // same. Else the beginning of its step is asked for before its steps are proved, while the state is at hand.
  let start: S | undefined;
  const startOf = (i: number): S => {
    const { step } = ranges[i].from;
    return start?.step === step ? start : o.start(step);
  };
  const leaf = (i: number, proofs: readonly StepProof[]): Proven & Pick<NodeFile, 'epochs'> => {
    const { node, after, epochs } = r.leaf(startOf(i), ranges[i], proofs);
    start = after;
    return { ...node, epochs: leafEpochs(epochs, manifest.config.show) };
  };
  return grow<StepProof, NodeFile>(
    leafWork(ranges, o.perEpoch),
    {
      step: (s) => made('step', `step ${s}`, () => o.step(s)),
      enter: (i) => {
        start = startOf(i);
      },
      leaf: (i, proofs) =>
        made('leaf', rangeText(places[i], places[i + 1]), () => ({
          manifest,
          key,
          from: places[i],
          to: places[i + 1],
          losses: leafLosses(ranges[i], proofs, o.targets, manifest.config.show),
          ...leaf(i, proofs),
        })),
      fold: (_t, a, b) => made('fold', rangeText(a.from, b.to), () => foldNodes(r, a, b)),
    },
    keep,
  );
}

/** "step 3" or "steps 3 to 6", the last one included. */
export function rangeText(from: Place, to: Place): string {
  const last = to.part ? to.step : to.step - 1;
  return last === from.step ? `step ${from.step}` : `steps ${from.step} to ${last}`;
}

export const foldNodes = (r: Pick<Recursion, 'fold' | 'manifest' | 'key'>, a: NodeFile, b: NodeFile): NodeFile => ({
  manifest: r.manifest,
  key: r.key,
  from: a.from,
  to: b.to,
  losses: joinLosses(a.losses, b.losses),
  epochs: joinEpochs(a.epochs, b.epochs),
  ...r.fold(a, b),
});

/** The end proof of a node over the whole run. */
export const endOf = (r: Pick<Recursion, 'end' | 'manifest' | 'key'>, n: NodeFile): FoldedRun => ({
  manifest: r.manifest,
  key: r.key,
  losses: n.losses,
  epochs: n.epochs,
  ...r.end(n),
});
