import { InputError, reason } from '../../errors.js';
import { keyDigest } from '../../recursion/key.js';
import type { Kernels } from '../../kernels/runtime.js';
import { verifierKernels } from '../../kernels/verify.js';
import { bytesText } from '../../verify/figures.js';
import { type Bytes, ROLE_FACTS, type Role, besideOf, checkSize, digestOf, roleOf, rootOf } from '../files.js';
import { type Given, type Outcome, outcomeOf, refusedTree, told } from '../session.js';
import type { Manifest } from '../../run/manifest.js';
import { type Tree, el } from '../tree.js';
import { foreign } from '../words.js';
import { nodeOf } from './dom.js';

/* The page: reads the files that it is given, and shows what came out. Whatever is shown of them is text. */

const at = <T extends HTMLElement>(id: string): T => {
  const x = document.getElementById(id);
  if (!x) throw new Error(`the page has no ${id}`);
  return x as T;
};

/** A file that was given, and what became of it. */
interface Slot {
  readonly name: string;
  readonly size: number;
  readonly bytes?: Bytes;
  readonly manifest?: Manifest;
  readonly problem?: string;
}
const slots = new Map<Role, Slot>(),
  fields = { root: at<HTMLInputElement>('root'), key: at<HTMLInputElement>('key') },
  result = at('result'),
  status = at('status');
/** Kernels of all verifications of the page, compiled while it waits for files. */
let kernels: Kernels | undefined;
const ready = (): Kernels => (kernels ??= verifierKernels());
/** Counts what was asked for, so that what comes late is not shown. */
let turn = 0;

const show = (...trees: Tree[]): void => result.replaceChildren(...trees.map(nodeOf));

/** Reads a file whose size is allowed. Throws InputError. */
async function read(file: File, role: Role): Promise<Bytes> {
  checkSize(file.name, role, file.size);
  try {
    return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch (e) {
    throw new InputError(file.name, [`cannot be read: ${reason(e)}`], 'a folder cannot be dropped: give the files in it');
  }
}

/** Takes a file for what its name says, and what it holds. */
async function take(file: File): Promise<void> {
  let role = roleOf(file.name);
  const slot = { name: file.name, size: file.size };
  try {
    const bytes = await read(file, role);
    if (role !== 'manifest' && role !== 'json') {
      slots.set(role, { ...slot, bytes });
      return;
    }
    const beside = besideOf(file.name, role, bytes.bytes);
    if (beside.kind === 'manifest') {
      role = 'manifest';
      slots.set(role, { ...slot, manifest: beside.manifest });
      return;
    }
    if (beside.root !== undefined) fields.root.value = beside.root;
    if (beside.key) fields.key.value = 'key' in beside.key ? keyDigest(beside.key.key) : beside.key.digest;
    slots.set(role, slot);
  } catch (e) {
    slots.set(role, { ...slot, problem: reason(e) });
  }
}

/** The list of files, each with what it is and a way to take it back. */
function list(): void {
  at('files').replaceChildren(
    ...[...slots].map(([role, s]) => {
      const li = document.createElement('li'),
        button = document.createElement('button');
      li.append(
        nodeOf(
          el(
            'div',
            {},
            el(
              'p',
              {},
              el('strong', {}, ROLE_FACTS[role].called),
              ' ',
              foreign(s.name),
              el('span', { class: 'quiet' }, `, ${bytesText(s.size)}`),
            ),
            s.problem === undefined ? undefined : el('p', { class: 'problem' }, foreign(s.problem)),
          ),
        ),
      );
      button.type = 'button';
      button.className = 'plain';
      button.append(nodeOf('Remove'));
      button.setAttribute('aria-label', `Remove ${ROLE_FACTS[role].called.toLowerCase()}`);
      button.addEventListener('click', () => {
        slots.delete(role);
        at('choose').focus();
        void update();
      });
      li.append(button);
      return li;
    }),
  );
}

/** What is typed, checked; undefined where something is typed that cannot be meant. */
function typed(): Pick<Given, 'root' | 'key'> | undefined {
  const say = (name: 'root' | 'key', why: string): void => {
    const p = at(`${name}-wrong`);
    p.hidden = why === '';
    p.textContent = why;
    fields[name].setAttribute('aria-invalid', String(why !== ''));
  };
  const r = fields.root.value.trim(),
    k = fields.key.value.trim(),
    root = r === '' ? undefined : rootOf(r),
    digest = k === '' ? undefined : digestOf(k),
    wrong = { root: r !== '' && root === undefined, key: k !== '' && digest === undefined };
  say('root', wrong.root ? 'These are not 64 hexadecimal digits.' : '');
  say('key', wrong.key ? 'This is not sha256: and 64 hexadecimal digits.' : '');
  if (wrong.root || wrong.key) return undefined;
  return { ...(root === undefined ? {} : { root }), ...(digest === undefined ? {} : { key: { digest } }) };
}

/** Everything that is at hand; undefined where there is nothing to verify yet. */
function given(): Given | undefined {
  const trust = typed(),
    proof = slots.get('proof')?.bytes,
    tensors = slots.get('tensors')?.bytes,
    config = slots.get('config')?.bytes,
    m = slots.get('manifest');
  if (!proof || !trust) return undefined;
  return {
    proof,
    ...(tensors ? { tensors } : {}),
    ...(config ? { config } : {}),
    ...(m?.manifest ? { manifest: { name: m.name, manifest: m.manifest } } : {}),
    ...trust,
  };
}

/** What is missing, in words. */
function waiting(): string {
  if (!slots.size) return '';
  if ([...slots.values()].some((s) => s.problem !== undefined)) return 'A file cannot be read: see the list.';
  return slots.has('proof') ? 'Correct what is typed above.' : 'Add the proof: run.certune.';
}

/** One frame, so that what is said is seen before the page computes. */
const painted = (): Promise<void> => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));

/** Verifies what is at hand and shows what came out; `focus` moves to the verdict. */
async function update(focus = false): Promise<void> {
  const mine = ++turn;
  list();
  const g = given();
  // A file that cannot be read is not passed over: it may be the one that matters.
  if (!g || [...slots.values()].some((s) => s.problem !== undefined)) {
    show();
    status.textContent = waiting();
    return;
  }
  status.textContent = 'Verifying\u2026';
  await painted();
  if (mine !== turn) return;
  let o: Outcome;
  performance.mark('verify');
  try {
    o = outcomeOf(g, ready());
  } catch (e) {
    status.textContent = 'The page failed.';
    show(refusedTree(new Error(`the page itself failed, which says nothing about the file: ${reason(e)}`)));
    return;
  }
  performance.measure('verified', { start: 'verify' });
  // For whoever measures: the proof alone, without what is made for its comparison.
  if (o.kind === 'verified') performance.measure('proof', { start: 0, duration: o.view.verdict.check.proofMs });
  const { tree, title } = told(o);
  show(tree);
  status.textContent = `${title}.`;
  if (focus) at('verdict').focus();
}

let reading: Promise<unknown> = Promise.resolve();
function receive(files: FileList | null): void {
  if (!files?.length) return;
  const all = [...files];
  status.textContent = 'Reading\u2026';
  reading = reading.then(async () => {
    for (const f of all) await take(f);
    await update(true);
  });
}

const choose = at<HTMLInputElement>('choose');
choose.addEventListener('change', () => {
  receive(choose.files);
  choose.value = '';
});
at('verify').addEventListener('click', () => void update(true));
at('clear').addEventListener('click', () => {
  slots.clear();
  for (const f of Object.values(fields)) f.value = '';
  void update();
  choose.focus();
});
for (const f of Object.values(fields)) {
  f.addEventListener('keydown', (e) => {
    if (e.key === 'Enter') void update(true);
  });
  // What was shown is not about what is typed now.
  f.addEventListener('input', () => {
    turn++;
    show();
    status.textContent = '';
  });
}
const area = document.body;
for (const type of ['dragenter', 'dragover'])
  document.addEventListener(type, (e) => {
    e.preventDefault();
    area.classList.add('over');
  });
for (const type of ['dragleave', 'dragend']) document.addEventListener(type, () => area.classList.remove('over'));
document.addEventListener('drop', (e) => {
  e.preventDefault();
  area.classList.remove('over');
  receive(e.dataTransfer?.files ?? null);
});

// Once the page is there.
setTimeout(ready, 0);
