/**
 * Milliseconds that the page takes in Chromium: node dist-tools/checks/page.js FILE ROOT KEY [ADAPTER-FOLDER]. Cold is
 * from opening the page to the verdict, with the steps of the driver between, warm a second verification in the open
 * page; the proof alone is what the verifier itself measures. CERTUNE_CHROMIUM names another browser than
 * /usr/bin/chromium.
 */
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [file, root, key, adapter] = process.argv.slice(2),
  page = fileURLToPath(new URL('../../dist/page/verify.html', import.meta.url)),
  RUNS = 5;
if (file === undefined || root === undefined || key === undefined) {
  console.error('page: give FILE, the commitment to the base and the digest of the key');
  process.exit(2);
}

const files = [file, ...(adapter === undefined ? [] : ['adapter_model.safetensors', 'adapter_config.json'].map((f) => join(adapter, f)))],
  browser = await chromium.launch({
    executablePath: process.env['CERTUNE_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  }),
  median = (x: readonly number[]): string => [...x].sort((a, b) => a - b)[x.length >> 1].toFixed(0);

const cold: number[] = [],
  open: number[] = [],
  first: number[] = [],
  warm: number[] = [],
  proof: number[] = [];
try {
  for (let i = 0; i < RUNS; i++) {
    const tab = await (await browser.newContext()).newPage(),
      started = performance.now(),
      durations = (name: string): Promise<number[]> => tab.evaluate(`performance.getEntriesByName('${name}').map((e) => e.duration)`);
    await tab.goto(pathToFileURL(page).href);
    await tab.fill('#root', root);
    await tab.fill('#key', key);
    await tab.setInputFiles('#choose', files);
    await tab.waitForSelector('#verdict');
    cold.push(performance.now() - started);
    const title = await tab.textContent('#verdict');
    if (!title?.startsWith('Verified')) throw new Error(`the page says ${title}: ${await tab.textContent('#result')}`);
    open.push(await tab.evaluate(`performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd`));
    first.push((await durations('verified'))[0]);
    await tab.click('#verify');
    await tab.waitForTimeout(50);
    while ((await durations('verified')).length < 2) await tab.waitForTimeout(20);
    warm.push((await durations('verified'))[1]);
    proof.push((await durations('proof'))[1]);
    await tab.context().close();
  }
} finally {
  await browser.close();
}
console.log(
  `${RUNS} times, medians: from opening the page to the verdict ${median(cold)} ms (by the page's own clock: until it takes files ${median(open)}, the first verification ${median(first)}; the rest is the driver's steps); verified again ${median(warm)} ms, of which the proof ${median(proof)} ms`,
);
