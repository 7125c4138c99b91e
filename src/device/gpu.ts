/*
 * The part of WebGPU that is used, as a browser, Deno or a package of Node give it: whatever has these members will do.
 */

export interface GpuBuffer {
  mapAsync(mode: number): Promise<unknown>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
  destroy(): void;
}
export interface GpuPipeline {
  readonly label?: string;
}
export interface GpuBindGroup {
  readonly label?: string;
}
export interface GpuLayout {
  readonly label?: string;
}
interface ComputePass {
  setPipeline(p: GpuPipeline): void;
  setBindGroup(index: number, group: GpuBindGroup, offsets: readonly number[]): void;
  dispatchWorkgroups(x: number, y?: number): void;
  end(): void;
}
interface CommandEncoder {
  beginComputePass(): ComputePass;
  copyBufferToBuffer(from: GpuBuffer, fromAt: number, to: GpuBuffer, toAt: number, bytes: number): void;
  finish(): object;
}
export interface GpuFailure {
  readonly message: string;
}
export interface GpuDeviceHandle {
  readonly queue: {
    writeBuffer(to: GpuBuffer, at: number, data: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): void;
    submit(commands: readonly object[]): void;
  };
  readonly lost: Promise<{ readonly reason?: string; readonly message: string }>;
  createBuffer(o: { readonly size: number; readonly usage: number }): GpuBuffer;
  createShaderModule(o: { readonly code: string }): object;
  createBindGroupLayout(o: { readonly entries: readonly object[] }): GpuLayout;
  createPipelineLayout(o: { readonly bindGroupLayouts: readonly GpuLayout[] }): object;
  createComputePipelineAsync(o: { readonly layout: object; readonly compute: object }): Promise<GpuPipeline>;
  createBindGroup(o: { readonly layout: GpuLayout; readonly entries: readonly object[] }): GpuBindGroup;
  createCommandEncoder(): CommandEncoder;
  pushErrorScope(kind: 'validation' | 'out-of-memory' | 'internal'): void;
  popErrorScope(): Promise<GpuFailure | null>;
  destroy(): void;
}
export interface GpuLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxStorageBuffersPerShaderStage: number;
}
export interface GpuAdapter {
  readonly limits: GpuLimits;
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device?: string;
    readonly description: string;
    readonly isFallbackAdapter?: boolean;
  };
  readonly isFallbackAdapter?: boolean;
  requestDevice(o: { readonly requiredLimits: Record<string, number> }): Promise<GpuDeviceHandle>;
}
/** `navigator.gpu` of a browser or Deno, or what the package `webgpu` creates. */
export interface Gpu {
  requestAdapter(o?: { readonly powerPreference?: 'high-performance' | 'low-power' }): Promise<GpuAdapter | null>;
}

/** Flags of the standard: usages of a buffer, the stage of a shader, the mode of a mapping. */
export const USAGE = { mapRead: 1, copyFrom: 4, copyTo: 8, uniform: 64, storage: 128 } as const;
export const COMPUTE = 4;
export const READ = 1;

/** What an adapter calls itself, for a log. */
export const adapterName = ({ info }: GpuAdapter): string =>
  [info.vendor, info.architecture, info.device, info.description].filter((x) => x).join(' ');

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render|warp/i;
/** An adapter that computes on the CPU: by its own word, or by its name. */
export const isSoftware = (a: GpuAdapter): boolean =>
  (a.info.isFallbackAdapter ?? a.isFallbackAdapter ?? false) || SOFTWARE.test(adapterName(a));
