import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, type Page, chromium } from 'playwright-core';

/*
 * A real browser, where there is one: Debian's Chromium, driven over its own protocol. What the page does that it must
 * not is collected: requests, violations of its policy, errors, dialogs.
 */

/** Chromium of the system: CERTUNE_CHROMIUM, or where Debian and others put it. */
export const chromiumPath: string | undefined = [
  process.env['CERTUNE_CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((f) => f !== '' && existsSync(f));

/** Named in the title of what is skipped without it. */
export const withoutChromium = chromiumPath === undefined ? ' (skipped: no chromium, CERTUNE_CHROMIUM names one)' : '';

export const pageFile = fileURLToPath(new URL('../dist/page/verify.html', import.meta.url));

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface Look {
  readonly scheme: 'light' | 'dark';
  readonly width: number;
}
/** Light and dark, on a phone and on a desk. */
export const LOOKS: readonly Look[] = [
  { scheme: 'light', width: 1280 },
  { scheme: 'dark', width: 360 },
  { scheme: 'light', width: 360 },
  { scheme: 'dark', width: 1280 },
];

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox', '--disable-gpu'] });

/** A document from the disk, and all that it did but should not have done. */
export class Tab {
  readonly did: string[] = [];
  private constructor(readonly page: Page) {}

  static async open(browser: Browser, file: string, { scheme, width }: Look = LOOKS[0]): Promise<Tab> {
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 } }),
      tab = new Tab(await context.newPage()),
      { page, did } = tab,
      own = pathToFileURL(file).href;
    page.on('request', (r) => {
      if (r.url() !== own) did.push(`request of ${r.url()}`);
    });
    page.on('pageerror', (e) => did.push(`error: ${e.message}`));
    page.on('console', (m) => did.push(`console: ${m.text()}`));
    page.on('worker', () => did.push('a worker'));
    page.on('dialog', (d) => {
      did.push(`dialog: ${d.message()}`);
      void d.dismiss();
    });
    await page.addInitScript("addEventListener('securitypolicyviolation', (e) => console.log('violation of ' + e.violatedDirective))");
    await page.goto(own);
    return tab;
  }

  /** Gives files to the page and waits for its answer: the verdict, or what the list says. */
  async give(...files: Parameters<Page['setInputFiles']>[1][]): Promise<string> {
    await this.page.setInputFiles('#choose', files.flat() as string[]);
    return this.answer();
  }
  /** What the page says once it has read and verified. */
  async answer(): Promise<string> {
    // Asked again and again from outside: in the page nothing may be evaluated.
    for (;;) {
      const says = await this.text('#status');
      if (!['', 'Reading\u2026', 'Verifying\u2026'].includes(says)) return says;
      await this.page.waitForTimeout(20);
    }
  }
  /** Text of an element, hidden or not. */
  async text(selector: string): Promise<string> {
    return (await this.page.textContent(selector)) ?? '';
  }
  /** Problems that axe-core finds, each with where. */
  async axe(): Promise<string[]> {
    await this.page.evaluate(axe);
    return this.page.evaluate(
      'axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 200)).join(" | ")))',
    );
  }
  close(): Promise<void> {
    return this.page.context().close();
  }
}
