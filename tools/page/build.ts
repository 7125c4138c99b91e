/**
 * npm run build:page: makes dist/page/verify.html, one file with the verifier, its WebAssembly and its style in it. It
 * runs after the package is built, for it takes the frame of the document from there.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { BRAND, PAGE_STYLE, SHELL, STYLE, documentOf, el, htmlOf } from 'certune/web';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url)),
  folder = join(root, 'dist/page'),
  file = join(folder, 'verify.html');

const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['src/web/page/app.ts'],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'warning',
  }),
  head = el(
    'header',
    {},
    BRAND,
    el('h1', {}, 'Verify a training run'),
    el(
      'p',
      { class: 'lead' },
      'Checks the proof that a language model was fine-tuned as declared, on this machine and inside this page. Nothing is sent: the page cannot open a connection.',
    ),
  ),
  foot = el(
    'footer',
    {},
    el(
      'p',
      {},
      'The page does what certune verify does, by the same code. What it does not compare it names, with the command that would.',
    ),
  ),
  html = documentOf({
    title: 'Verify a Certune run',
    style: STYLE + PAGE_STYLE,
    body: [htmlOf(head), SHELL, htmlOf(foot)].join('\n'),
    // A line feed at the end would be a part of the script that its digest is of.
    script: outputFiles[0].text.trimEnd(),
  });

mkdirSync(folder, { recursive: true });
const part = `${file}.${process.pid}.part`;
writeFileSync(part, html);
renameSync(part, file);
console.log(`dist/page/verify.html: ${html.length} bytes, ${gzipSync(html, { level: 9 }).length} compressed`);
