import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { circles, importsOf, parsed, sources, typescript } from './graph.js';

/*
 * The floors of the house, from the ground up: a folder imports from floors below it, never from its own or one above.
 * Folders of one line stand side by side. A new folder under src/ gets its place here.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['errors', 'schema'],
  ['field'],
  ['kernels'],
  ['hash'],
  ['device'],
  ['transcript'],
  ['poly'],
  ['sumcheck'],
  ['lookup', 'pcs'],
  ['tensor'],
  ['circuit', 'optim'],
  ['model', 'template'],
  ['io'],
  ['policy'],
  ['run'],
  ['artifact'],
  ['recursion', 'setup'],
  ['verify', 'estimate'],
  ['prove'],
  ['audit', 'store'],
  ['provenance', 'engine'],
  ['web', 'federated'],
  ['index', 'cli'],
];

/** Files on the ground, which everything may import. */
const GROUND: readonly string[] = ['errors', 'schema'];

/** Files of the house as it is told in the design: folder of a file, or the file itself where it lies in no folder. */
const folderOf = (file: string): string => file.split('/')[1].replace(/\.ts$/, '');
const floorOf = (folder: string): number => FLOORS.findIndex((f) => f.includes(folder));

describe('the house', () => {
  const files = sources(),
    graph = new Map(files.map((f) => [f, importsOf(f)]));

  it('has a floor for every folder', () => {
    expect([...new Set(files.map(folderOf))].filter((f) => floorOf(f) < 0)).toEqual([]);
  });
  it('is drawn in CONTRIBUTING.md as it stands', () => {
    const there = new Set(files.map(folderOf)),
      drawn = readFileSync(new URL('../CONTRIBUTING.md', import.meta.url), 'utf8')
        .split('\n')
        .filter((l) => /^ {4}[ \d]\d {2}\w/.test(l))
        .map((l) => l.slice(8, 33).trim().split(/\s+/));
    expect(drawn.reverse().map((names) => names.filter((n) => !GROUND.includes(n)))).toEqual(
      FLOORS.map((f) => f.filter((n) => there.has(n) && n !== 'index' && !GROUND.includes(n))).filter((f) => f.length),
    );
  });
  it('takes a root for trusted in few places, where the verifier itself has it', () => {
    const makers = files.filter((f) => /\bTrustedRoot\.of/.test(readFileSync(new URL(`../${f}`, import.meta.url), 'utf8')));
    expect(makers).toEqual([
      // Of a key and of a base, both published by the end, for comparison with those that are trusted.
      'src/recursion/end.ts',
      // No root: a dry run.
      'src/recursion/settle-schedule.ts',
      // The root with which the frozen digest begins, which the caller gives.
      'src/tensor/verify.ts',
    ]);
  });
  it('imports nothing from a floor above, and nothing from a folder beside', () => {
    const wrong: string[] = [];
    for (const [file, list] of graph)
      for (const { to } of list) {
        if (!to.startsWith('src/') || folderOf(to) === folderOf(file)) continue;
        if (floorOf(folderOf(to)) >= floorOf(folderOf(file))) wrong.push(`${file} imports ${to}`);
      }
    expect(wrong).toEqual([]);
  });
  it('has no circle of files', () => {
    const loaded = new Map([...graph].map(([f, list]) => [f, list.filter((x) => !x.type && x.to.startsWith('src/')).map((x) => x.to)]));
    expect(circles(loaded)).toEqual([]);
  });
  it('goes through no barrel: inside, a name is imported from the file that declares it', () => {
    const wrong: string[] = [];
    for (const [file, list] of graph)
      for (const { to } of list)
        if (/\/index\.ts$/.test(to) && to !== 'src/verify/index.ts' && !/(^|\/)index\.ts$/.test(file)) wrong.push(`${file} imports ${to}`);
    expect(wrong).toEqual([]);
  });
  it('has one kernel of Node: what verifies loads none, and no prover', () => {
    const seen = new Set<string>(['src/verify/index.ts']);
    for (const f of seen) for (const { to, type } of graph.get(f) ?? []) if (!type) seen.add(to);
    expect([...seen].filter((f) => /^node:|^src\/(prove|store|setup|estimate|cli)\/|\/prove[^/]*\.ts$/.test(f))).toEqual([]);
  });
});

/**
 * Files above the devices that call the kernels of WebAssembly themselves, so that what they do stays on the CPU. The
 * list shrinks as they are written over src/device, and nothing is added to it.
 */
const ON_KERNELS: readonly string[] = [
  'src/circuit/witness.ts',
  'src/estimate/calibrate.ts',
  'src/prove/merge.ts',
  'src/tensor/deferred.ts',
  'src/tensor/einsum.ts',
  'src/tensor/stack.ts',
  'src/transcript/native.ts',
  'src/transcript/sponge.ts',
];

describe('a kernel', () => {
  it('is called through a device, but in the files that are named', () => {
    const above = (f: string): boolean => floorOf(folderOf(f)) > floorOf('device'),
      calls = sources().filter(
        (f) => above(f) && /\.parallel\(|\.exports\b/.test(readFileSync(new URL(`../${f}`, import.meta.url), 'utf8')),
      );
    expect(calls.sort()).toEqual([...ON_KERNELS]);
  });
});

/** Longest function, in lines. */
const LONGEST = 80;
/** Functions that are longer still: the list shrinks, and nothing is added to it. */
const LONGER: readonly string[] = [];

describe('a function', () => {
  it(`has at most ${LONGEST} lines`, () => {
    const long: string[] = [];
    for (const file of [...sources(), ...typescript('tools')]) {
      const sf = parsed(file),
        line = (at: number): number => sf.getLineAndCharacterOfPosition(at).line;
      const visit = (n: ts.Node): void => {
        if (ts.isFunctionLike(n) && 'body' in n && n.body && line(n.end) - line(n.getStart(sf)) + 1 > LONGEST) {
          const name = n.name ?? (ts.isVariableDeclaration(n.parent) ? n.parent.name : undefined);
          long.push(`${file} ${name?.getText(sf) ?? ts.SyntaxKind[n.kind]}`);
        }
        ts.forEachChild(n, visit);
      };
      visit(sf);
    }
    expect(long.sort()).toEqual([...LONGER]);
  });
});

/** Longest line with a comment in it. */
const WIDEST = 120;

/** Lines of a file that hold part of a comment and are wider. */
function wideComments(file: string): string[] {
  const sf = parsed(file),
    lines = new Set<number>();
  const see = (ranges: readonly ts.CommentRange[] | undefined): void => {
    for (const { pos, end } of ranges ?? [])
      for (let l = sf.getLineAndCharacterOfPosition(pos).line; l <= sf.getLineAndCharacterOfPosition(end).line; l++) lines.add(l);
  };
  const visit = (n: ts.Node): void => {
    see(ts.getLeadingCommentRanges(sf.text, n.getFullStart()));
    see(ts.getTrailingCommentRanges(sf.text, n.getEnd()));
    for (const child of n.getChildren(sf)) visit(child);
  };
  visit(sf);
  const text = sf.text.split('\n');
  return [...lines].filter((l) => text[l].length > WIDEST).map((l) => `${file}:${l + 1}`);
}

describe('a comment', () => {
  it(`has lines of at most ${WIDEST} columns`, () => {
    const files = ['src', 'test', 'tools'].flatMap((folder) => typescript(folder));
    expect(files.filter((f) => !/\/generated\//.test(f)).flatMap(wideComments)).toEqual([]);
  });
});
