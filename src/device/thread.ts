import { type Command, type Failure, SHADERS, type Span } from './commands.js';
import { Engine } from './engine.js';
import { type Gpu, type GpuAdapter, adapterName, isSoftware } from './gpu.js';
import type { Form } from './wgsl/field.js';

/** What a thread is opened with: memory that it shares with the one who waits, and what adapter will do. */
export interface OpenMessage {
  readonly open: { readonly control: SharedArrayBuffer; readonly software: boolean; readonly form?: Form };
}
export type ToThread =
  | OpenMessage
  | { readonly commands: readonly Command[] }
  | { readonly read: readonly Span[]; readonly reply: SharedArrayBuffer }
  | { readonly close: true }
  /** Destroys the device under its user's feet, as a driver may: for tests. */
  | { readonly destroy: true };
export type FromThread =
  | { readonly opened: { readonly name: string; readonly largest: number; readonly software: boolean } }
  | { readonly refused: string }
  | { readonly closed: true };

/** Either end of a thread's messages. */
export interface Port {
  post(m: FromThread): void;
  listen(f: (m: ToThread) => void): void;
}

/*
 * The control memory: a state, the length of a text, and the text: why the device gave up. The one who waits sets BUSY
 * and sends a message; the thread answers DONE or FAILED.
 */
export const BUSY = 1,
  DONE = 2,
  FAILED = 3;
const TEXT_AT = 8;
export const CONTROL_BYTES = 2048;

/** Storage buffers that a launch binds at most. */
const BUFFERS = Math.max(...Object.values(SHADERS).map((s) => s.operands.length + (s.items ? 1 : 0)));

/** Why an adapter will not do; undefined if it will. */
function unfit(a: GpuAdapter, software: boolean): string | undefined {
  const { limits } = a;
  if (isSoftware(a) && !software) return `the adapter ${adapterName(a)} computes on the CPU`;
  if (limits.maxComputeWorkgroupStorageSize < 16384 || limits.maxComputeInvocationsPerWorkgroup < 256)
    return `the adapter ${adapterName(a)} has too small workgroups`;
  if (limits.maxStorageBuffersPerShaderStage < BUFFERS) return `the adapter ${adapterName(a)} binds too few buffers`;
  return undefined;
}

async function opened(find: () => Promise<Gpu>, { software, form }: OpenMessage['open']): Promise<Engine | string> {
  let gpu: Gpu;
  try {
    gpu = await find();
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return 'WebGPU finds no adapter';
    return unfit(adapter, software) ?? (await Engine.open(gpu, adapter, form ?? (isSoftware(adapter) ? 'compact' : 'unrolled')));
  } catch (e) {
    return `WebGPU gives no device: ${e instanceof Error ? e.message : String(e)}`;
  }
}

/** The thread that owns a device: does what it is told, in order. `find` gets at WebGPU, and says why it cannot. */
export function serve(port: Port, find: () => Promise<Gpu>): void {
  let engine: Engine | undefined,
    control: SharedArrayBuffer | undefined,
    before: Promise<void> = Promise.resolve();
  const answer = (state: number, f?: Failure): void => {
    const i32 = new Int32Array(control!);
    if (f) {
      const text = new TextEncoder().encode(`${f.kind} ${f.message}`).slice(0, CONTROL_BYTES - TEXT_AT);
      new Uint8Array(control!).set(text, TEXT_AT);
      i32[1] = text.length;
    }
    Atomics.store(i32, 0, state);
    Atomics.notify(i32, 0);
  };
  const handle = async (m: ToThread): Promise<void> => {
    if ('open' in m) {
      ({ control } = m.open);
      const e = await opened(find, m.open);
      if (typeof e === 'string') return port.post({ refused: e });
      engine = e;
      const { limits } = e.adapter,
        largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
      port.post({ opened: { name: adapterName(e.adapter), largest, software: isSoftware(e.adapter) } });
    } else if ('commands' in m) await engine!.run(m.commands);
    else if ('read' in m) {
      const words = await engine!.read(m.read);
      if (!(words instanceof Uint8Array)) return answer(FAILED, words);
      new Uint8Array(m.reply).set(words);
      answer(DONE);
    } else if ('destroy' in m) engine!.device.destroy();
    else {
      engine?.close();
      port.post({ closed: true });
    }
  };
  port.listen((m) => {
    before = before
      .then(() => handle(m))
      .catch((e: unknown) => {
        if (control) answer(FAILED, { kind: 'failed', message: e instanceof Error ? e.message : String(e) });
      });
  });
}

/** Why a thread answered FAILED. */
export function failureOf(control: SharedArrayBuffer): Failure {
  const length = new Int32Array(control)[1],
    text = new TextDecoder().decode(new Uint8Array(control).slice(TEXT_AT, TEXT_AT + length)),
    kind = (['lost', 'memory'] as const).find((k) => text.startsWith(`${k} `)) ?? 'failed';
  return { kind, message: text.slice(text.indexOf(' ') + 1) };
}
