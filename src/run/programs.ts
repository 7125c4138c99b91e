import { smallNumbers } from '../model/base.js';
import {
  type LlamaProgramOptions,
  type LlamaShape,
  type Numbers,
  type WeightBits,
  DEFAULT_NUMBERS,
  SCALING_FRAC,
  TARGETS,
  scalingParts,
} from '../model/shape.js';
import { llamaProgram } from '../model/llama.js';
import { HyperparameterError, adamConstants } from '../optim/constants.js';
import { programRefusal } from './refusal.js';
import { FORMAT_LIMITS, type RunConfig } from './schema.js';
import { ProgramError } from '../tensor/bounds.js';
import { sameLayout } from '../tensor/layout.js';
import { type Plan, makePlan, stateGroup } from '../tensor/plan.js';
import { stateRate } from '../tensor/state-layout.js';
import { programDigest } from '../tensor/statement.js';
import type { Program, TensorClass } from '../tensor/types.js';

/**
 * What of the base shapes the programs: all that a manifest must hold so that programs and ledger follow without the
 * base.
 */
export interface BaseShape {
  readonly shape: LlamaShape;
  readonly weightBits: WeightBits;
}

/** One program of a run, with its plan and its digest (eight words), which are made once. */
export interface RunProgram {
  readonly program: Program;
  readonly plan: Plan;
  readonly digest: readonly bigint[];
}

/** With accumulation `program` is the micro program and `update` the other; otherwise `program` is the whole step. */
export interface Programs extends RunProgram {
  readonly update?: RunProgram;
}

/** The programs of a run in the order in which its manifest names them. */
export const programList = (p: Programs): readonly RunProgram[] => (p.update ? [p, p.update] : [p]);

/** log2 of the inverse rate of witnesses where run.yaml says none and nothing else is chosen. */
const USUAL_RATE = 2;

/** Bits of work that every query round asks for. */
export const GRINDING = 16;

/**
 * Formats of a run: the preset's, with what run.yaml sets in their place. A clip of at most 1 bounds every gradient by
 * 1, so that the second moment of one stays below 1/4 unless a single parameter keeps more than half of the whole norm:
 * it gets two more fraction bits.
 */
export function numbersOf({ numbers, train }: Pick<RunConfig, 'numbers' | 'train'>): Numbers {
  const { preset, ...set } = numbers,
    formats = preset === 'small' ? smallNumbers() : DEFAULT_NUMBERS;
  return {
    ...formats,
    momentFrac: formats.momentFrac + (train.clip > 0 && train.clip <= 1 ? 2 : 0),
    ...Object.fromEntries(Object.entries(set).filter(([, v]) => v !== null)),
  };
}

/**
 * State left by one program is state entered by another by equality of commitments: both must lie alike in trees of one
 * shape.
 */
function linked(from: Plan, left: TensorClass, to: Plan, entered: TensorClass): void {
  const a = from.layouts.get(left),
    b = to.layouts.get(entered),
    tree = (p: Plan, c: TensorClass): string => {
      const g = stateGroup(p)!,
        t = p.states.findIndex((x) => x.classes.includes(c));
      return JSON.stringify([
        g.logHeight,
        g.logInvRate,
        p.states[t].classes.map((x) => x.slice(0, 1)),
        g.trees[t].parts.map((x) => x.used),
      ]);
    };
  if (!a || !b || !sameLayout(a, b) || tree(from, left) !== tree(to, entered))
    throw new ProgramError(left, `lies otherwise than ${entered}, which is to be the same state`);
}

/**
 * Checks that every state which a program of a run leaves can be entered by those that follow. `plan`: that of steps or
 * micro-batches, `last`: that of what ends a step.
 */
function chained({ plan, last }: { plan: Plan; last: Plan }): void {
  for (const p of [plan, last]) {
    linked(last, 'cOut', p, 'cIn');
    linked(last, 'oOut', p, 'oIn');
    if (plan !== last) linked(plan, 'aOut', p, 'aIn');
  }
}

/** The factor on the adapter's product that run.yaml asks for. */
export const scalingOf = ({ r, alpha, scaling }: Pick<RunConfig['lora'], 'r' | 'alpha' | 'scaling'>): number =>
  scaling === 'rslora' ? alpha / Math.sqrt(r) : alpha / r;

/** The factor that the programs apply, numerator 2^-shift. Throws ProgramError, as scalingParts. */
export function scalingFactor(lora: Pick<RunConfig['lora'], 'r' | 'alpha' | 'scaling'>): { numerator: number; shift: number } {
  const { inner, num, shift } = scalingParts(scalingOf(lora));
  return inner === undefined ? { numerator: Number(num), shift } : { numerator: Number(inner * num), shift: shift + SCALING_FRAC };
}

/**
 * What the programs of a run are built from; `kind` is that of steps or micro-batches. Throws ProgramError,
 * HyperparameterError.
 */
export function programOptions(config: RunConfig, { shape, weightBits }: BaseShape): LlamaProgramOptions {
  const { r } = config.lora,
    factor = scalingOf(config.lora);
  if (scalingParts(factor).num === 0n)
    throw new HyperparameterError('lora.alpha', `scales the adapter by ${factor.toPrecision(3)}, so that it has no effect: raise it`);
  return {
    shape,
    numbers: numbersOf(config),
    weightBits,
    batch: Math.min(config.train.batch, config.train.microBatch),
    sequence: config.train.sequence,
    lora: {
      r,
      targets: TARGETS.filter((t) => config.lora.targets.includes(t)),
      scaling: factor,
    },
    adam: adamConstants(config.train.betas as [number, number], config.train.clip),
    kind: config.train.batch > config.train.microBatch ? 'micro' : 'step',
  };
}

/**
 * Programs and plans of a run, from its configuration and the shape of its base alone. Throws ProgramError,
 * HyperparameterError.
 */
export function programsOf(config: RunConfig, base: BaseShape): Programs {
  const options = programOptions(config, base),
    accumulate = options.kind === 'micro';
  const program = llamaProgram(options),
    parameters = {
      bits: config.proof.bits,
      grinding: GRINDING,
      hash: config.proof.hash,
      rate: config.proof.rate ?? USUAL_RATE,
      stateRate: stateRate(program.axes['P']),
    },
    plan = makePlan(program, parameters);
  if (!accumulate) {
    chained({ plan, last: plan });
    return { program, plan, digest: programDigest(program) };
  }
  const u = llamaProgram({ ...options, kind: 'update' }),
    last = makePlan(u, parameters);
  chained({ plan, last });
  return { program, plan, digest: programDigest(program), update: { program: u, plan: last, digest: programDigest(u) } };
}

/**
 * The same for a user: what describes no program is refused by the key of run.yaml to change (programRefusal). Throws
 * HyperparameterError.
 */
export function committedPrograms(config: RunConfig, base: BaseShape): Programs {
  try {
    return programsOf(config, base);
  } catch (e) {
    throw e instanceof ProgramError ? refusal(e, config, base) : e;
  }
}

function refusal(e: ProgramError, config: RunConfig, base: BaseShape): unknown {
  try {
    return programRefusal(e, programOptions(config, base), FORMAT_LIMITS);
  } catch (again) {
    // The options themselves are what fails, with a message of their own.
    return again instanceof ProgramError ? new HyperparameterError(again.constraint, again.reason) : again;
  }
}
