import { type Command, type Failure, SHADERS, type Span } from './commands.js';
import {
  COMPUTE,
  type GpuAdapter,
  type GpuBindGroup,
  type GpuBuffer,
  type GpuDeviceHandle,
  type GpuLayout,
  type GpuPipeline,
  READ,
  USAGE,
  type Gpu,
} from './gpu.js';
import { LOCAL_LOG } from './wgsl/commit.js';
import type { Form } from './wgsl/field.js';
import { poseidon2Constants } from './wgsl/poseidon2.js';
import { ROW_OF_GROUPS, type Shader, shaderSource } from './wgsl/shader.js';

/** Bytes of the parameters of a launch: the offset of a uniform buffer's binding is a multiple of it. */
const PARAMS = 256;
/** Launches that are submitted at a time, and numbers of their tables before a larger buffer is made for them. */
const BATCH = 256;
const TABLES = 2 ** 18;
/**
 * Work that is submitted at a time, in products: drivers and browsers take a device for hung that is busy for seconds.
 * This much is a hundredth of a second on a large card and some tenths on a small one.
 */
const WORK = 2 ** 29;
/** Products of a unit of a kernel, roughly. */
const PERMUTATION = 400;
const OTHERS = 16;

/** A pipeline for operands that lie in so many slabs. */
interface Pipeline {
  readonly pipeline: GpuPipeline;
  readonly layout: GpuLayout;
  readonly constants: boolean;
  readonly table: boolean;
}

/** A launch that is not submitted yet. */
interface Waiting {
  readonly pipeline: Pipeline;
  readonly group: GpuBindGroup;
  readonly groups: number;
  readonly params: readonly number[];
  readonly table: Uint32Array<ArrayBuffer> | undefined;
}

/**
 * All that belongs to an open device. Dawn lives no longer than what its `create` returned: where nothing refers to
 * that any more, a collection of garbage ends the process.
 */
const open = new Set<Engine>();

/** Carries out commands on a device, and finds out what went wrong: errors of WebGPU come later than their calls. */
export class Engine {
  readonly #slabs: GpuBuffer[] = [];
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #groups = new Map<string, GpuBindGroup>();
  readonly #params: GpuBuffer;
  readonly #constants: GpuBuffer;
  /** Tables of the launches that are submitted together, one behind another. */
  #tables: GpuBuffer;
  #tablesRoom = TABLES;
  #tablesUsed = 0;
  #waiting: Waiting[] = [];
  #work = 0;
  #failure?: Failure;
  /** Error scopes that have been closed and not yet answered. */
  #scopes: Promise<void>[] = [];

  private constructor(
    readonly gpu: Gpu,
    readonly adapter: GpuAdapter,
    readonly device: GpuDeviceHandle,
    readonly form: Form,
    readonly shaders: Readonly<Record<string, Shader>>,
  ) {
    void device.lost.then((l) => this.#gaveUp('lost', `${l.reason ?? 'lost'}: ${l.message}`));
    this.#params = device.createBuffer({ size: PARAMS * BATCH, usage: USAGE.uniform | USAGE.copyTo });
    this.#constants = device.createBuffer({ size: poseidon2Constants.byteLength, usage: USAGE.uniform | USAGE.copyTo });
    device.queue.writeBuffer(this.#constants, 0, poseidon2Constants as Uint32Array<ArrayBuffer>);
    this.#tables = this.#tableBuffer();
  }

  /** Opens a device of this adapter with its largest buffers. */
  static async open(gpu: Gpu, adapter: GpuAdapter, form: Form, shaders: Readonly<Record<string, Shader>> = SHADERS): Promise<Engine> {
    const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits,
      device = await adapter.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } }),
      e = new Engine(gpu, adapter, device, form, shaders);
    open.add(e);
    return e;
  }
  close(): void {
    open.delete(this);
    this.device.destroy();
  }
  /** What went wrong first, if anything did. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Carries out commands in order; what fails is said by the next read. */
  async run(commands: readonly Command[]): Promise<void> {
    for (const c of commands) {
      if (this.#failure) return;
      if (c.do === 'slab') this.#slab(c.bytes);
      else if (c.do === 'write') {
        // What was asked for before reads what lay there before.
        this.#submit();
        this.#scoped(() => this.device.queue.writeBuffer(this.#slabs[c.to.slab], 8 * c.to.at, c.data));
      } else await this.#launch(c);
    }
  }

  /** Words of some spans, one after another, once everything before is done; or what went wrong since the last time. */
  async read(spans: readonly Span[]): Promise<Uint8Array | Failure> {
    this.#submit();
    const bytes = 8 * spans.reduce((n, s) => n + s.words, 0);
    let to: GpuBuffer | undefined;
    if (!this.#failure && bytes > 0)
      this.#scoped(() => {
        to = this.device.createBuffer({ size: bytes, usage: USAGE.mapRead | USAGE.copyTo });
        const encoder = this.device.createCommandEncoder();
        let at = 0;
        for (const s of spans) {
          encoder.copyBufferToBuffer(this.#slabs[s.slab], 8 * s.at, to, at, 8 * s.words);
          at += 8 * s.words;
        }
        this.device.queue.submit([encoder.finish()]);
      });
    await this.#settle();
    if (this.#failure || !to) return this.#failure ?? new Uint8Array(0);
    try {
      await to.mapAsync(READ);
      const out = new Uint8Array(to.getMappedRange()).slice();
      to.unmap();
      to.destroy();
      return out;
    } catch (e) {
      // A device that is lost rejects what is pending, and says so only afterwards.
      await Promise.race([this.device.lost, new Promise((r) => setTimeout(r, 100))]);
      this.#gaveUp('failed', e instanceof Error ? e.message : String(e));
      return this.#failure!;
    }
  }

  #gaveUp(kind: Failure['kind'], message: string): void {
    this.#failure ??= { kind, message };
  }
  /** Runs f, and takes note of its errors when they come. */
  #scoped(f: () => void): void {
    const { device } = this,
      kinds = ['validation', 'internal', 'out-of-memory'] as const;
    for (const kind of kinds) device.pushErrorScope(kind);
    try {
      f();
    } catch (e) {
      this.#gaveUp('failed', e instanceof Error ? e.message : String(e));
    }
    for (const kind of [...kinds].reverse())
      this.#scopes.push(
        device.popErrorScope().then(
          (e) => {
            if (e) this.#gaveUp(kind === 'out-of-memory' ? 'memory' : 'failed', e.message);
          },
          (e: unknown) => this.#gaveUp('lost', e instanceof Error ? e.message : String(e)),
        ),
      );
  }
  async #settle(): Promise<void> {
    const all = this.#scopes;
    this.#scopes = [];
    await Promise.all(all);
  }

  #slab(bytes: number): void {
    this.#scoped(() => {
      this.#slabs.push(this.device.createBuffer({ size: bytes, usage: USAGE.storage | USAGE.copyFrom | USAGE.copyTo }));
    });
  }

  #tableBuffer(): GpuBuffer {
    return this.device.createBuffer({ size: 4 * this.#tablesRoom, usage: USAGE.storage | USAGE.copyTo });
  }
  /** Makes room for a table among those of the launches that wait; where it begins. */
  #place(table: Uint32Array): number {
    if (this.#tablesUsed + table.length > this.#tablesRoom) this.#submit();
    if (table.length > this.#tablesRoom) {
      this.#tablesRoom = 2 * table.length;
      this.#scoped(() => {
        this.#tables = this.#tableBuffer();
      });
      // Groups that are kept bind the buffer before.
      this.#groups.clear();
    }
    const at = this.#tablesUsed;
    this.#tablesUsed += table.length;
    return at;
  }

  async #launch({ shader, n, operands, scalars, table }: Extract<Command, { do: 'launch' }>): Promise<void> {
    const s = this.shaders[shader],
      slabs = [...new Set(operands.map((o) => o.slab))],
      places = operands.map((o) => slabs.indexOf(o.slab)),
      key = `${shader} ${places.join()}`;
    let made = this.#pipelines.get(key);
    if (!made) {
      made = this.#pipeline(shader, places, slabs.length);
      this.#pipelines.set(key, made);
    }
    let pipeline: Pipeline;
    try {
      pipeline = await made;
    } catch (e) {
      this.#gaveUp('failed', `kernel ${shader}: ${e instanceof Error ? e.message : String(e)}`);
      return;
    }
    const at = table ? this.#place(table) : 0;
    this.#waiting.push({
      pipeline,
      group: this.#group(key, pipeline, slabs),
      groups: s.together ? n : Math.ceil(n / s.threads),
      // Of work items: their number, and where their table begins.
      params: [n, ...(table ? [scalars[0], at, ...scalars.slice(1)] : [...operands.map((o) => o.at), ...scalars])],
      table,
    });
    this.#work += n * (s.uses === 'poseidon2' ? PERMUTATION : s.together ? 2 ** LOCAL_LOG * OTHERS : OTHERS);
    if (this.#waiting.length === BATCH || this.#work > WORK) this.#submit();
  }

  async #pipeline(shader: string, places: readonly number[], slabs: number): Promise<Pipeline> {
    const { device } = this,
      s = this.shaders[shader],
      constants = s.uses === 'poseidon2',
      table = s.items !== undefined,
      uniform = (binding: number, dynamic: boolean): object => ({
        binding,
        visibility: COMPUTE,
        buffer: { type: 'uniform', hasDynamicOffset: dynamic },
      }),
      layout = device.createBindGroupLayout({
        entries: [
          uniform(0, true),
          ...Array.from({ length: slabs }, (_, i) => ({ binding: i + 1, visibility: COMPUTE, buffer: { type: 'storage' } })),
          ...(constants ? [uniform(slabs + 1, false)] : []),
          ...(table ? [{ binding: slabs + 1 + (constants ? 1 : 0), visibility: COMPUTE, buffer: { type: 'read-only-storage' } }] : []),
        ],
      }),
      code = shaderSource(s, places, this.form);
    let made: Promise<GpuPipeline> | undefined;
    // What is wrong with the code is an error of the module; the pipeline says only that there is one.
    this.#scoped(() => {
      const module = device.createShaderModule({ code });
      made = device.createComputePipelineAsync({
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
    });
    await this.#settle();
    if (!made) throw new Error('no pipeline');
    const pipeline = await made;
    return { pipeline, layout, constants, table };
  }

  /** Bind groups are kept: making one takes longer than a launch. */
  #group(key: string, { layout, constants, table }: Pipeline, slabs: readonly number[]): GpuBindGroup {
    const name = `${key} ${slabs.join()}`;
    let g = this.#groups.get(name);
    if (!g) {
      g = this.device.createBindGroup({
        layout,
        entries: [
          { binding: 0, resource: { buffer: this.#params, offset: 0, size: PARAMS } },
          ...slabs.map((slab, i) => ({ binding: i + 1, resource: { buffer: this.#slabs[slab] } })),
          ...(constants ? [{ binding: slabs.length + 1, resource: { buffer: this.#constants } }] : []),
          ...(table ? [{ binding: slabs.length + 1 + (constants ? 1 : 0), resource: { buffer: this.#tables } }] : []),
        ],
      });
      this.#groups.set(name, g);
    }
    return g;
  }

  #submit(): void {
    const list = this.#waiting;
    if (list.length === 0 || this.#failure) return;
    this.#waiting = [];
    this.#work = 0;
    const tables = new Uint32Array(this.#tablesUsed);
    this.#tablesUsed = 0;
    let used = 0;
    for (const { table } of list)
      if (table) {
        tables.set(table, used);
        used += table.length;
      }
    const params = new Uint32Array((PARAMS / 4) * list.length);
    list.forEach((l, i) => {
      params.set(l.params, (PARAMS / 4) * i);
    });
    this.#scoped(() => {
      this.device.queue.writeBuffer(this.#params, 0, params);
      if (tables.length > 0) this.device.queue.writeBuffer(this.#tables, 0, tables);
      const encoder = this.device.createCommandEncoder(),
        pass = encoder.beginComputePass();
      list.forEach(({ pipeline, group, groups }, i) => {
        pass.setPipeline(pipeline.pipeline);
        pass.setBindGroup(0, group, [PARAMS * i]);
        const x = Math.min(groups, ROW_OF_GROUPS);
        if (groups > 0) pass.dispatchWorkgroups(x, Math.ceil(groups / x));
      });
      pass.end();
      this.device.queue.submit([encoder.finish()]);
    });
  }
}
