import { build } from 'esbuild';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from './chromium.js';
import type { Found } from './device-page.js';

/*
 * The kernels in WGSL, the thread of a device and a proof over it, in Chromium on SwiftShader: an adapter that computes
 * on the CPU. It says nothing about how fast a card is, nor about a driver's compiler.
 */
const required = process.env['CERTUNE_GPU'] === 'required',
  without = chromiumPath === undefined && !required ? ' (skipped: no chromium, CERTUNE_CHROMIUM names one)' : '';

/** Bars of a step: ten microseconds a launch and a tenth of a millisecond a trip are then a tenth of a second. */
const LAUNCHES = 2500;
const TRIPS = 550;

/** Flags with which Chromium has WebGPU where there is no card. */
const FLAGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];

const script = async (entry: string): Promise<string> => {
  const r = await build({
    absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  return r.outputFiles[0].text;
};

/** What the page finds: workers share memory only in a page that is isolated from others. */
async function inChromium(): Promise<Found> {
  const files: Record<string, string> = {
      '/': '<!doctype html><title>device</title>',
      '/prover.js': await script('test/device-page.ts'),
      '/thread.js': await script('src/device/thread-web.ts'),
    },
    server = createServer((q, a) => {
      const body = files[q.url ?? ''];
      a.writeHead(body === undefined ? 404 : 200, {
        'content-type': q.url === '/' ? 'text/html' : 'text/javascript',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      });
      a.end(body);
    });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath: chromiumPath!, args: FLAGS });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const answer = (await page.evaluate(`new Promise((resolve) => {
      const w = new Worker('/prover.js');
      w.onmessage = (e) => resolve(e.data);
      w.onerror = (e) => resolve({ failed: e.message });
    })`)) as { found?: Found; failed?: string };
    if (!answer.found) throw new Error(answer.failed);
    return answer.found;
  } finally {
    await browser.close();
    server.close();
  }
}

describe.skipIf(without !== '')(`a device of WebGPU in Chromium${without}`, () => {
  let f: Found;
  beforeAll(async () => {
    f = await inChromium();
    if (process.env['CERTUNE_VERBOSE']) console.log(JSON.stringify(f, null, 1));
  });
  it('is refused where it computes on the CPU, unless it is asked for', () => {
    expect(f.refused).toMatch(/NoDeviceError: no GPU: the adapter .*swiftshader.* computes on the CPU/);
    expect(f.name).toContain('swiftshader');
  });
  it('computes in the field and its extension as the definitions say, in both forms of the shaders', () => {
    expect(f.arithmetic).toEqual([]);
  });
  it('compiles every shader in both forms, as far as WGSL is concerned', () => {
    expect(f.shaders).toEqual([]);
  });
  it('has kernels equal to those of the CPU: edges, odd sizes, one cell, none', () => {
    expect(f.kernels).toEqual([]);
  });
  it('streams what its buffers do not hold, with the same messages', () => {
    expect(f.streams).toBe(true);
  });
  it('takes the memory that is forecast, within a quarter', () => {
    expect(f.proof.forecast / f.proof.stats.peakBytes).toBeGreaterThan(0.75);
    expect(f.proof.forecast / f.proof.stats.peakBytes).toBeLessThan(1.25);
  });
  it('makes the CPU’s proof of a training step, word for word', () => {
    expect(f.proof.failures).toEqual([]);
    expect(f.proof.same).toBe(true);
    expect(f.proof.words).toBeGreaterThan(8000);
  });
  it('is asked no more often in that step than a card can be: launches, and answers that are waited for', () => {
    const { launches, trips } = f.proof.stats;
    expect(launches).toBeLessThanOrEqual(LAUNCHES);
    expect(trips).toBeLessThanOrEqual(TRIPS);
  });
  it('lost at the beginning or in the middle of a proof, leaves the proof of the CPU', () => {
    for (const l of f.lost) {
      expect(l.failures).toHaveLength(1);
      expect(l.failures[0]).toMatch(/DeviceLostError: the device .* was lost/);
      expect(l.same).toBe(true);
    }
  });
  it('out of memory, says so by an error of its own', () => {
    expect(f.memory).toBe('DeviceMemoryError');
  });
});
