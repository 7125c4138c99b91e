import { projectionSize } from '../model/init.js';
import { type LlamaShape, type Target, TARGETS } from '../model/shape.js';
import { InputError } from '../errors.js';
import { moduleOf } from './names.js';
import type { TensorInfo } from './safetensors-header.js';

/*
 * An adapter in PEFT's format, whatever its bytes are read from: a folder (peft.ts), or files that a page was given.
 */

/** PEFT's name of an adapter tensor, without the adapter's own name, as it saves it. */
export const adapterKey = (layer: number, t: Target, ab: 'A' | 'B'): string =>
  `base_model.model.model.layers.${layer}.${moduleOf(t)}.${t}.lora_${ab}.weight`;

export interface AdapterMeta {
  readonly r: number;
  readonly alpha: number;
  readonly targets: readonly Target[];
  readonly rslora: boolean;
  /** What the base is called: its name on the hub, or its digest. */
  readonly base: string;
  readonly revision: string | null;
  /** Dropout that it was trained with, where that is above 0: off at use. */
  readonly dropout?: number;
}

/**
 * adapter_config.json of a released adapter: all of it, because any further option may change what PEFT makes of the
 * same tensors.
 */
export function adapterConfig(meta: AdapterMeta): Record<string, unknown> {
  return {
    base_model_name_or_path: meta.base,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    lora_alpha: meta.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: meta.r,
    revision: meta.revision,
    target_modules: meta.targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: meta.rslora,
  };
}

/** Names and shapes of an adapter's tensors, [r, in] and [out, r]. */
export function adapterShapes(shape: LlamaShape, r: number, targets: readonly Target[]): Map<string, [number, number]> {
  const out = new Map<string, [number, number]>();
  for (let l = 0; l < shape.layers; l++)
    for (const t of targets) {
      const z = projectionSize(shape, t);
      out.set(adapterKey(l, t, 'A'), [r, z.in]);
      out.set(adapterKey(l, t, 'B'), [z.out, r]);
    }
  return out;
}

/** Keys that PEFT writes and that say nothing about the tensors' meaning, or that are checked below. */
const KNOWN = new Set(
  `peft_type base_model_name_or_path revision task_type inference_mode auto_mapping peft_version r lora_alpha lora_dropout target_modules bias
  fan_in_fan_out use_rslora use_dora modules_to_save init_lora_weights megatron_core loftq_config qalora_group_size runtime_config`.split(
    /\s+/,
  ),
);

/**
 * Values of init_lora_weights under which PEFT leaves the base as it is; PiSSA, OLoRA, CorDA and LoftQ subtract from
 * it, also where the adapter is loaded.
 */
const PLAIN_INIT: readonly unknown[] = [true, false, 'gaussian', 'orthogonal', 'eva'];

/** Whether an option is off: absent, null, false, or a list or object that is empty or of which every entry is off. */
const off = (v: unknown): boolean =>
  v === undefined || v === null || v === false || (typeof v === 'object' && Object.values(v).every((x) => off(x)));

/** Checks adapter_config.json; problems are added to the list. */
export function parseAdapterConfig(c: Readonly<Record<string, unknown>>, problems: string[]): AdapterMeta {
  if (c['peft_type'] !== 'LORA') problems.push(`peft_type ${String(c['peft_type'])} is not supported (LORA is)`);
  if (!off(c['use_dora'])) problems.push('use_dora: DoRA is not supported');
  const dropout = c['lora_dropout'] ?? 0;
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1))
    problems.push(`lora_dropout ${JSON.stringify(dropout)} is not a number from 0 to 1`);
  if ((c['bias'] ?? 'none') !== 'none') problems.push(`bias ${String(c['bias'])} is not supported (none is)`);
  if (!off(c['fan_in_fan_out'])) problems.push('fan_in_fan_out is not supported: the projections are linear layers');
  if ((c['task_type'] ?? 'CAUSAL_LM') !== 'CAUSAL_LM') problems.push(`task_type ${String(c['task_type'])} is not supported (CAUSAL_LM is)`);
  if (!off(c['modules_to_save'])) problems.push('modules_to_save is not supported');
  if (!PLAIN_INIT.includes(c['init_lora_weights'] ?? true))
    problems.push(`init_lora_weights ${JSON.stringify(c['init_lora_weights'])} is not supported: PEFT may rewrite the base by it`);
  if (!['boolean', 'undefined'].includes(typeof (c['use_rslora'] ?? undefined)))
    problems.push(`use_rslora ${JSON.stringify(c['use_rslora'])} is not true or false`);
  for (const [k, v] of Object.entries(c)) if (!KNOWN.has(k) && k !== 'use_dora' && !off(v)) problems.push(`option ${k} is not supported`);
  const named = c['target_modules'],
    list: unknown[] = Array.isArray(named) ? named : [];
  if (!Array.isArray(named))
    problems.push(
      `target_modules ${JSON.stringify(named ?? null)} is not a list of projections: write the list that ${typeof named === 'string' ? 'it stands for' : 'you need'}`,
    );
  for (const t of list)
    if (!TARGETS.includes(t as Target)) problems.push(`target module ${String(t)} is not supported (${TARGETS.join(', ')} are)`);
  if (Array.isArray(named) && !list.length) problems.push('target_modules names no projection');
  if (new Set(list).size !== list.length) problems.push('target_modules names a projection twice');
  const r = c['r'],
    alpha = c['lora_alpha'];
  if (typeof r !== 'number' || !Number.isInteger(r) || r < 1 || r > 65536) problems.push(`r ${JSON.stringify(r ?? null)} is not a rank`);
  if (typeof alpha !== 'number' || !(alpha > 0)) problems.push(`lora_alpha ${JSON.stringify(alpha ?? null)} is not a positive number`);
  return {
    r: Number(r),
    alpha: Number(alpha),
    targets: TARGETS.filter((t) => list.includes(t)),
    rslora: c['use_rslora'] === true,
    base: String(c['base_model_name_or_path'] ?? ''),
    revision: typeof c['revision'] === 'string' ? c['revision'] : null,
    ...(typeof dropout === 'number' && dropout > 0 ? { dropout } : {}),
  };
}

/**
 * Keys in which an adapter's configuration means something else than a released one of `meta`. Keys that are off,
 * neutral or bookkeeping, and the order of target_modules, mean nothing, so that a configuration that PEFT saved again
 * agrees. `c` has been parsed without problems.
 */
export function configDifference(c: Readonly<Record<string, unknown>>, meta: AdapterMeta): string[] {
  const got = parseAdapterConfig(c, []);
  return [
    ...(got.base === meta.base ? [] : ['base_model_name_or_path']),
    ...(got.revision === meta.revision ? [] : ['revision']),
    ...(got.r === meta.r ? [] : ['r']),
    ...(got.alpha === meta.alpha ? [] : ['lora_alpha']),
    ...(got.rslora === meta.rslora ? [] : ['use_rslora']),
    ...(got.dropout === undefined ? [] : ['lora_dropout']),
    ...(got.targets.join() === TARGETS.filter((t) => meta.targets.includes(t)).join() ? [] : ['target_modules']),
  ];
}

/** Tensors of an adapter by name, and a reader of one of them into `dst` from index `at` on. */
export interface AdapterTensors {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readInto(name: string, dst: Float64Array, at: number): void;
}

/**
 * Real values of an adapter by member ("q_proj.A"), stacked over the layers. Throws InputError naming every tensor of
 * `file` that is missing, too many, of another shape or not finite.
 */
export function adapterMembers(
  file: string,
  base: LlamaShape,
  { r, targets }: Pick<AdapterMeta, 'r' | 'targets'>,
  open: AdapterTensors,
): Map<string, Float64Array> {
  const problems: string[] = [],
    members = new Map<string, Float64Array>(),
    want = adapterShapes(base, r, targets);
  for (const t of targets)
    for (const ab of ['A', 'B'] as const) {
      const [x, y] = want.get(adapterKey(0, t, ab))!,
        all = new Float64Array(base.layers * x * y);
      for (let l = 0; l < base.layers; l++) {
        const name = adapterKey(l, t, ab),
          shape = open.tensors.get(name)?.shape.join();
        // What is not part of the adapter is not read.
        if (shape !== `${x},${y}`) {
          problems.push(shape === undefined ? `tensor ${name} is missing` : `tensor ${name} has shape [${shape}], expected [${x},${y}]`);
          continue;
        }
        open.readInto(name, all, l * x * y);
        const at = all.subarray(l * x * y, (l + 1) * x * y).findIndex((v) => !Number.isFinite(v));
        if (at >= 0) problems.push(`tensor ${name}[${at}] is ${all[l * x * y + at]}`);
      }
      members.set(`${t}.${ab}`, all);
    }
  for (const k of open.tensors.keys()) if (!want.has(k)) problems.push(`tensor ${k} is unexpected`);
  if (problems.length) throw new InputError(file, problems);
  return members;
}
