import type { Command, Failure, Span } from './commands.js';
import { DeviceError, DeviceLostError, DeviceMemoryError, NoDeviceError } from './errors.js';
import { BUSY, CONTROL_BYTES, DONE, type FromThread, type OpenMessage, type ToThread, failureOf } from './thread.js';
import type { Line } from './webgpu.js';

/** A worker of Node or of a browser, as far as it is needed. */
export interface Thread {
  /** Buffers of `moved` go over and are the sender's no more. */
  post(m: ToThread, moved?: ArrayBuffer[]): void;
  listen(f: (m: FromThread) => void, failed: (why: string) => void): void;
  /** Keeps the process alive until the thread has ended. */ hold(): void;
  end(): unknown;
}

/** Longest wait for an answer, in milliseconds: a device that takes longer is taken for lost. */
const PATIENCE = 600_000;
/** Longest wait for a device to close. */
const FAREWELL = 5_000;

const errorOf = (name: string, { kind, message }: Failure): DeviceError =>
  kind === 'lost'
    ? new DeviceLostError(name, message)
    : kind === 'memory'
      ? new DeviceMemoryError(name, message)
      : new DeviceError(name, `the device ${name} failed: ${message} (--device cpu does without it)`);

/** Opens the device of a thread. Throws NoDeviceError where it has none that will do. */
export async function lineTo(
  thread: Thread,
  o: Omit<OpenMessage['open'], 'control'>,
): Promise<Line & { destroy(): void; software: boolean }> {
  const control = new SharedArrayBuffer(CONTROL_BYTES),
    i32 = new Int32Array(control);
  let ended: () => void = () => {};
  const { name, largest, software } = await new Promise<Extract<FromThread, { opened: unknown }>['opened']>((resolve, reject) => {
    thread.listen(
      (m) => {
        if ('opened' in m) resolve(m.opened);
        else if ('refused' in m) reject(new NoDeviceError(m.refused));
        else ended();
      },
      (why) => {
        reject(new NoDeviceError(why));
        ended();
      },
    );
    thread.post({ open: { control, ...o } });
  }).catch((e: unknown) => {
    void thread.end();
    throw e;
  });
  const wait = (reply: SharedArrayBuffer): BigUint64Array => {
    if (Atomics.wait(i32, 0, BUSY, PATIENCE) === 'timed-out') throw new DeviceLostError(name, `no answer in ${PATIENCE / 1000} seconds`);
    if (Atomics.load(i32, 0) !== DONE) throw errorOf(name, failureOf(control));
    return new BigUint64Array(reply).slice();
  };
  return {
    name,
    largest,
    software,
    send(commands: readonly Command[]) {
      thread.post(
        { commands },
        commands.flatMap((c) => (c.do === 'write' ? [c.data.buffer] : [])),
      );
    },
    read(spans: readonly Span[]) {
      const reply = new SharedArrayBuffer(8 * spans.reduce((n, s) => n + s.words, 0));
      Atomics.store(i32, 0, BUSY);
      thread.post({ read: spans, reply });
      return wait(reply);
    },
    destroy: () => thread.post({ destroy: true }),
    async close() {
      await new Promise<void>((resolve) => {
        // A device that hangs is not waited for.
        const enough = setTimeout(resolve, FAREWELL);
        ended = () => {
          clearTimeout(enough);
          resolve();
        };
        thread.hold();
        thread.post({ close: true });
      });
      await thread.end();
    },
  };
}
