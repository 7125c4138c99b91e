import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Accepted } from '../src/verify/index.js';
import { claimsOfCheck } from '../src/verify/records.js';
import type { FoldedCheck } from '../src/verify/folded.js';
import { type Manifest, manifestJson } from '../src/run/manifest.js';
import { checkedRun } from '../src/run/facts.js';
import { setup } from '../src/setup/run.js';
import { besideOf, checkSize, roleOf } from '../src/web/files.js';
import { escapeHtml, htmlOf } from '../src/web/html.js';
import { reportHtml } from '../src/web/report.js';
import { outcomeOf, told } from '../src/web/session.js';
import { el } from '../src/web/tree.js';
import type { VerifiedView } from '../src/web/view.js';
import { bundled } from './browser.js';
import { LOOKS, Tab, chromiumPath, launch, pageFile, withoutChromium } from './chromium.js';
import { tinyRun } from './tiny-run.js';

/*
 * The page and the report, with everything but a proof that holds: that is in fold.test.ts, which has one. What an
 * accepted proof shows is made here from a result by hand, with words of a file that would rather be markup.
 */

const EVIL = '</script><img src=x onerror=alert(1)>\u202e\u0007&"\'',
  home = mkdtempSync(join(tmpdir(), 'certune-page-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A manifest whose declared words are hostile; no digest of it is asked for here. */
const manifest: Manifest = (() => {
  const { manifest: m } = setup(tinyRun({ steps: 4, batch: 2, microBatch: 2 }), [1n, 2n, 3n, 4n]).run,
    bin = (name: string, min: number, max: number) => ({
      name,
      where: { language: ['en'] },
      examples: { min, max },
      targets: { min: 0, max: 2 ** 32 - 1 },
    });
  return {
    ...m,
    config: {
      ...m.config,
      data: m.config.data.map((d) => ({ ...d, source: EVIL })),
      policy: { ...m.config.policy, bins: [bin(EVIL, 1, 3), bin('second', 2, 2), bin('free', 0, 2 ** 32 - 1)] },
    },
    dataset: {
      ...m.dataset,
      sources: [EVIL],
      classes: m.dataset.classes.map((c) => ({ ...c, source: EVIL })),
      files: m.dataset.files.map((f) => ({ ...f, source: EVIL })),
    },
  };
})();

const check = (more: Partial<FoldedCheck> = {}): FoldedCheck => ({
  base: 'given',
  data: 'proved',
  quotas: true,
  wholeEpochs: 2,
  adapter: 'not checked',
  initial: 'checked',
  from: 0,
  to: 4,
  examples: 8,
  shown: manifest.config.show,
  targets: 40,
  losses: [2.5, 2, 1.75, 1.5],
  loss: 1.9,
  epochs: [0, 1].map((epoch) => ({
    epoch,
    loss: 2 - epoch,
    targets: 20,
    bins: manifest.config.policy.bins.map((b) => ({ name: b.name, examples: 2, targets: 9 + epoch })),
  })),
  proofMs: 1,
  linearMs: 1,
  ...more,
});
/** What would be shown of a proof with this result. */
function view(c: FoldedCheck, open: boolean, kind: Accepted['kind'] = 'certificate'): VerifiedView {
  const you = 'you';
  return {
    verdict: {
      kind,
      run: checkedRun('manifest.json', manifest),
      check: c,
      key: { from: 'given', digest: `sha256:${'1'.repeat(64)}` },
      ledger: {
        terms: [{ name: 'a term', bits: 128.4, rounds: 1, kind: 'proved', proof: 'step', proofs: 4 }],
        roundByRound: 128.4,
        union: 120,
        grinding: 20,
        leaves: 4,
        folds: 3,
        depth: 5,
      },
    },
    claims: claimsOfCheck(c, manifest, {
      base: { at: undefined, by: you, root: 'ab', rootBy: you },
      data: { at: undefined, by: you },
      initial: { at: undefined, by: you },
      adapter: { at: EVIL, by: you },
      card: { claim: 'card', status: 'not checked', says: 'there is none' },
      other: 'x',
      begins: c.from > 0,
      ends: c.to < manifest.config.train.steps,
    }),
    files: [{ role: 'Proof', name: EVIL, bytes: 153_000, digest: `sha256:${'2'.repeat(64)}` }],
    how: {},
    open,
  };
}

/** What a page would show of a certificate that lies in the tests. */
function goldenView(): VerifiedView {
  const at = (name: string): URL => new URL(`data/certificates/${name}`, import.meta.url),
    { root, key } = (JSON.parse(readFileSync(at('given.json'), 'utf8')) as { public: { root: string; key: string } }).public,
    proof = { name: 'certificate.certune', bytes: new Uint8Array(readFileSync(at('public.certune'))) },
    o = outcomeOf({ proof, root, key: { digest: key } });
  if (o.kind !== 'verified') throw new Error(`the certificate is not verified: ${o.kind}`);
  return o.view;
}

describe('what page and report show', () => {
  it('is text, whatever it is: nothing of a file is markup, controls are escapes', () => {
    expect(htmlOf(el('p', { 'aria-label': '"<' }, '<b>&', '\u202e'))).toBe('<p aria-label="&quot;&lt;">&lt;b&gt;&amp;\\u{202e}</p>');
    const html = reportHtml(view(check(), true), '0.0.0');
    expect(html).not.toMatch(/<script|<img|onerror=alert\(1\)>|\u202e/);
    expect(html).not.toContain('\u0007');
    expect(html).toContain(escapeHtml(EVIL));
    expect(html).toMatch(/default-src 'none'; style-src 'sha256-[\w+/]{43}='; script-src 'none'; connect-src 'none'/);
    expect(html).not.toMatch(/ style="|https?:/);
    // The same facts, the same bytes.
    expect(reportHtml(view(check(), true), '0.0.0')).toBe(html);
  });
  it('says of every claim what its record says, and no more', () => {
    const textOf = (c: FoldedCheck, kind?: Accepted['kind']): string =>
      reportHtml(view(c, true, kind), '0')
        .replace(/<style>.*<\/style>/s, '')
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ');
    const bare = textOf(check());
    expect(bare).toMatch(/Verified, with gaps/);
    expect(bare).toMatch(
      /Compared: initial adapter\. Compared by its commitment alone: base\. Proved against.*: data\. Not checked: adapter, model card\./,
    );
    expect(bare).toContain('whether a released adapter is the last one was not compared');
    expect(bare).not.toMatch(/the last one is the released adapter|everything that it can/);
    expect(bare).toMatch(
      /Not checked What takes files.*base weights of .*\(the commitment to it was compared.*truncation and chat template/,
    );
    const more = textOf(check({ base: 'checked', adapter: 'checked', data: 'checked' }));
    expect(more).not.toContain('with gaps');
    expect(more).toContain('the last one is the released adapter');
    expect(more).not.toMatch(/the commitment to it was compared/);
    // Of an epoch alone: nothing of what lies outside.
    expect(textOf(check({ from: 2, to: 4, epoch: 1, initial: 'not checked' }), 'epoch')).not.toMatch(/Steps \d+, all|hides everything/);
    expect(textOf(check({ losses: [], epochs: [], loss: undefined } as Partial<FoldedCheck>))).toMatch(/The run does not show its losses/);
  });
  it('reads files by their kind, within bounds that are asked before a byte is read', () => {
    expect(['run.certune', 'A.SAFETENSORS', 'adapter_config.json', 'manifest.json', 'key.json', 'x'].map(roleOf)).toEqual([
      'proof',
      'tensors',
      'config',
      'manifest',
      'json',
      'proof',
    ]);
    expect(() => checkSize('a', 'proof', 2 ** 31)).toThrow(/a: has 2147483648 bytes; proof: at most/);
    const bytes = (x: string): Uint8Array => new TextEncoder().encode(x),
      root = 'ab'.repeat(32);
    expect(besideOf('r.txt', 'json', bytes(`${root}\n`))).toEqual({ kind: 'trust', root });
    expect(besideOf('v.json', 'json', bytes(JSON.stringify({ root, key: { digest: `sha256:${root}` } })))).toEqual({
      kind: 'trust',
      root,
      key: { digest: `sha256:${root}` },
    });
    expect(besideOf('m.json', 'json', bytes(manifestJson(manifest))).kind).toBe('manifest');
    for (const x of ['', '{', '[]', '{"root":1}', '{"a":1,"a":2}', '{"type":"certune-key"}', '\ud800', `${'['.repeat(100)}`])
      expect(() => besideOf('x.json', 'json', bytes(x)), x).toThrow(/^x\.json: /);
    for (const proof of [new Uint8Array(0), bytes('{}\n'), bytes('certune\0'), new Uint8Array(1000)]) {
      const o = outcomeOf({ proof: { name: EVIL, bytes: proof as Uint8Array<ArrayBuffer> } });
      expect(o.kind).toBe('refused');
      expect(htmlOf(told(o).tree)).not.toContain('<img');
    }
  });
});

describe('the page', () => {
  it('is one file with its own policy, at most 30 kB on its way beside what verifies', async () => {
    const html = readFileSync(pageFile, 'utf8'),
      size = gzipSync(html, { level: 9 }).length,
      verifier = gzipSync((await bundled()).code, { level: 9 }).length;
    console.log(`dist/page/verify.html: ${html.length} bytes, ${size} compressed, of which certune/verify ${verifier}`);
    expect(size).toBeLessThanOrEqual(verifier + 30_000);
    expect(html).toMatch(
      /content="default-src 'none'; style-src 'sha256-[\w+/]{43}='; script-src 'sha256-[\w+/]{43}=' 'wasm-unsafe-eval'; require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'none'; worker-src 'none'; form-action 'none'; base-uri 'none'"/,
    );
    expect(html).not.toMatch(/<(link|img|iframe|object|embed|base)\b| on[a-z]+="| style="/i);
  });
});

describe.skipIf(chromiumPath === undefined)(`in Chromium${withoutChromium}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());
  const file = (name: string, text: string | Uint8Array): string => {
    writeFileSync(join(home, name), text);
    return join(home, name);
  };

  it('the page refuses by name what is no proof, opens no connection and breaks no rule of its policy', async () => {
    const tab = await Tab.open(browser, pageFile),
      evil = '<img src=x onerror=alert(1)>\u202e.certune',
      huge = join(home, 'huge.certune'),
      fd = openSync(huge, 'w');
    ftruncateSync(fd, 73 * 2 ** 20);
    closeSync(fd);
    const random = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 2654435761) >>> 24);
    expect(await tab.give(file(evil, random))).toBe('Cannot be read.');
    expect(await tab.text('#result')).toContain('<img src=x onerror=alert(1)>\\u{202e}.certune');
    expect(await tab.give(huge)).toMatch(/^A file cannot be read/);
    expect(await tab.text('#files')).toMatch(/huge\.certune: has 76546048 bytes; proof: at most/);
    expect(await tab.text('#result')).toBe('');
    const header = JSON.stringify({ type: 'certune-folded-run', version: 99, manifest: { a: EVIL } });
    expect(await tab.give(file('other.certune', `${header}\n`))).toBe('Another version.');
    expect(await tab.give(file('empty.certune', ''))).toBe('Cannot be read.');
    expect(await tab.give(file('manifest.json', '{"type":"certune-manifest","version":"<b>"}'))).toMatch(/^A file cannot be read/);
    expect(await tab.text('#files')).toMatch(/version <b> is not supported/);
    expect(await tab.page.locator('#result img, #result script, #files img, #files b').count()).toBe(0);
    expect(tab.did).toEqual([]);
    await tab.close();
  });

  it('the page is used with the keyboard alone', async () => {
    const tab = await Tab.open(browser, pageFile),
      { page } = tab,
      press = (k: string) => page.keyboard.press(k),
      focused = (): Promise<string> => page.evaluate('document.activeElement.id'),
      // Asked for before the first key, so that the browser is told before it could open a dialog of its own.
      asked = page.waitForEvent('filechooser');
    await press('Tab');
    expect(await focused()).toBe('choose');
    await press('Space');
    await (await asked).setFiles(file('nothing.certune', 'nothing'));
    expect(await tab.answer()).toBe('Cannot be read.');
    expect(await focused()).toBe('verdict');
    await page.focus('#choose');
    // Over the button that takes the file back.
    await press('Tab');
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Remove proof');
    await press('Tab');
    expect(await focused()).toBe('root');
    await page.keyboard.type('12');
    expect(await tab.text('#result')).toBe('');
    await press('Enter');
    expect(await tab.answer()).toBe('Correct what is typed above.');
    expect([await page.getAttribute('#root', 'aria-invalid'), await tab.text('#root-wrong')]).toEqual([
      'true',
      'These are not 64 hexadecimal digits.',
    ]);
    await press('Tab');
    await press('Tab');
    expect(await focused()).toBe('verify');
    await press('Tab');
    await press('Enter');
    expect(await focused()).toBe('choose');
    expect([await page.inputValue('#root'), await tab.text('#files')]).toEqual(['', '']);
    expect(tab.did).toEqual([]);
    await tab.close();
  });

  it('page and report have no problem that axe-core knows, and fit, in light and dark, on a phone and on a desk', async () => {
    const report = file('report.html', reportHtml(view(check(), true), '0.0.0')),
      junk = file('junk.certune', EVIL);
    for (const look of LOOKS) {
      const where = `${look.scheme} ${look.width}`,
        tab = await Tab.open(browser, pageFile, look),
        fits = (t: Tab): Promise<boolean> => t.page.evaluate('document.documentElement.scrollWidth <= innerWidth');
      expect(await tab.axe(), `page, ${where}`).toEqual([]);
      await tab.give(junk);
      expect(await tab.axe(), `refusal, ${where}`).toEqual([]);
      expect(await fits(tab), where).toBe(true);
      const paper = await Tab.open(browser, report, look);
      expect(await paper.axe(), `report, ${where}`).toEqual([]);
      expect(await fits(paper), where).toBe(true);
      expect(await paper.page.locator('svg[role=img]').count()).toBeGreaterThan(3);
      expect([tab.did, paper.did], where).toEqual([[], []]);
      await Promise.all([tab.close(), paper.close()]);
    }
  });

  /** What of a document does not lie on its sheet, looked at as it is printed. */
  const CUT = `[
    ...[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1),
    ...[...document.querySelectorAll('th, td, dd, li, p')].filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0),
    ...[...document.querySelectorAll('.scroll')].filter((e) => {
      const { columnCount, columnGap } = getComputedStyle(e),
        n = columnCount === 'auto' ? 1 : +columnCount;
      return e.querySelector('tr').getBoundingClientRect().width > (e.clientWidth - (n - 1) * (parseFloat(columnGap) || 0)) / n + 1;
    }),
    ...[...document.querySelectorAll('details *')].filter((e) => !e.checkVisibility({ contentVisibilityAuto: true })),
  ].map((e) => e.outerHTML.slice(0, 200))`;

  it('page and report are printed in light ink on few sheets, whatever is looked at, and nothing of them is cut', async () => {
    const golden = goldenView(),
      many = check({ losses: Array.from({ length: 150 }, (_, i) => 2 + 1 / (i + 1)) }),
      /** A4 less Chromium's margins, in pixels of CSS. */ sheet = 718,
      documents: readonly (readonly [name: string, at: string, most: number])[] = [
        ['certificate', file('golden.html', reportHtml({ ...golden, open: true }, '0.0.0')), 5],
        // As the page shows it: what is closed there is read on paper nevertheless.
        ['closed', file('closed.html', reportHtml({ ...golden, open: false }, '0.0.0')), 5],
        ['report', file('printed.html', reportHtml(view(check(), true), '0.0.0')), 5],
        ['losses', file('losses.html', reportHtml(view(many, true), '0.0.0')), 5],
        ['page', pageFile, 1],
      ];
    for (const [name, at, most] of documents) {
      const tab = await Tab.open(browser, at, { scheme: 'dark', width: sheet });
      if (name === 'page') await tab.give(file('print.certune', EVIL));
      await tab.page.emulateMedia({ media: 'print' });
      const [paper, ink, wide, cut] = await tab.page.evaluate<[string, string, number, string[]]>(
        `[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, document.documentElement.scrollWidth, ${CUT}]`,
      );
      expect([paper, ink], name).toEqual(['rgb(255, 255, 255)', 'rgb(0, 0, 0)']);
      expect(wide, name).toBeLessThanOrEqual(sheet);
      expect(cut, name).toEqual([]);
      // What asks for files has no place on paper.
      expect(await tab.page.locator('.given:visible, .screen:visible').count(), name).toBe(0);
      const pdf = await tab.page.pdf({ format: 'A4', margin: { top: '10mm', bottom: '10mm', left: '10mm', right: '10mm' } }),
        sheets = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? [];
      expect(sheets.length, name).toBeGreaterThan(0);
      expect(sheets.length, name).toBeLessThanOrEqual(most);
      expect(tab.did, name).toEqual([]);
      const shots = process.env['CERTUNE_SHOTS'];
      if (shots) writeFileSync(join(shots, `${name}.pdf`), pdf);
      await tab.close();
    }
  });
});
