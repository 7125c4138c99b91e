import fc from 'fast-check';

/*
 * Bytes that nearly are what a decoder reads: a valid file, or pieces of two, with edits. Which edits knows about
 * formats: numbers of lengths at their limits, in binary and in text, pieces cut, doubled and exchanged, values of JSON
 * replaced.
 */

/** One edit: `at` and `n` are parts of the length of what is edited. */
type Edit =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'set'; readonly at: number; readonly byte: number }
  | { readonly kind: 'cut' | 'double' | 'end'; readonly at: number; readonly n: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'splice'; readonly at: number; readonly from: number; readonly n: number; readonly of: number }
  | { readonly kind: 'length'; readonly at: number; readonly width: 1 | 2 | 4 | 8; readonly big: boolean; readonly value: bigint }
  | { readonly kind: 'number'; readonly at: number; readonly text: string }
  | { readonly kind: 'json'; readonly at: number; readonly value: unknown; readonly how: 'put' | 'delete' | 'add' };

const LIMITS = [0n, 1n, 2n, 127n, 128n, 255n, 256n, 65_535n, 65_536n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 64n - 1n],
  NUMBERS = ['-1', '0', '-0', '1.5', '1e9', '1e999', '9007199254740993', '4294967296', '00', '18446744069414584321', 'null', '""'];

/** A place: anywhere, or near the begin, where headers are. */
const place = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 1, noNaN: true }).map((x) => x ** 6),
  fc.constantFrom(0, 1),
);
const part = fc.double({ min: 0, max: 1, noNaN: true }).map((x) => x ** 4);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  fc.record({
    kind: fc.constant('set' as const),
    at: place,
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 34, 44, 91, 123, 128, 255)),
  }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'double' as const, 'end' as const), at: place, n: part }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant('splice' as const), at: place, from: place, n: part, of: fc.nat(7) }),
  fc.record({
    kind: fc.constant('length' as const),
    at: place,
    width: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
    big: fc.boolean(),
    value: fc.oneof(fc.constantFrom(...LIMITS), fc.bigInt({ min: 0n, max: 1n << 16n })),
  }),
  fc.record({ kind: fc.constant('number' as const), at: place, text: fc.oneof(fc.constantFrom(...NUMBERS), fc.nat(100_000).map(String)) }),
  fc.record({
    kind: fc.constant('json' as const),
    at: place,
    value: fc.jsonValue({ maxDepth: 2 }),
    how: fc.constantFrom('put' as const, 'put' as const, 'delete' as const, 'add' as const),
  }),
);

/** What is made of one of a decoder's valid files, or bytes of no kind. */
export type Mutant = Uint8Array | Made;
interface Made {
  readonly of: number;
  readonly edits: readonly Edit[];
  /** Digests in the file are made again. */ readonly sealed: boolean;
}
export const mutants: fc.Arbitrary<Mutant> = fc.oneof(
  {
    weight: 18,
    arbitrary: fc.record({ of: fc.nat(7), edits: fc.array(edit, { minLength: 1, maxLength: 4 }), sealed: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 4 }).map((x) => Buffer.from(x)) },
);

/** A value of JSON with one of its values replaced, taken away, or one more beside it. */
function changed(root: unknown, at: number, value: unknown, how: 'put' | 'delete' | 'add'): unknown {
  const places: { readonly of: Record<string, unknown> | unknown[]; readonly key: string }[] = [],
    walk = (x: unknown): void => {
      if (!x || typeof x !== 'object' || places.length > 5000) return;
      for (const key of Object.keys(x)) {
        places.push({ of: x as Record<string, unknown>, key });
        walk((x as Record<string, unknown>)[key]);
      }
    };
  walk(root);
  if (!places.length) return value;
  const { of, key } = places[Math.floor(at * (places.length - 1))];
  if (Array.isArray(of)) {
    if (how === 'put') of[Number(key)] = value;
    else of.splice(Number(key), how === 'delete' ? 1 : 0, ...(how === 'add' ? [value] : []));
  } else if (how === 'put') of[key] = value;
  else if (how === 'delete') delete of[key];
  else Object.defineProperty(of, `${key}x`, { value, enumerable: true, configurable: true, writable: true });
  return root;
}

function inJson(b: Buffer, e: Edit & { readonly kind: 'json' }): Buffer {
  // A header line in front of words, or all of it.
  const line = b.subarray(0, 2 ** 16).indexOf(10),
    end = line < 0 ? b.length : line;
  let root: unknown;
  try {
    root = JSON.parse(b.toString('utf8', 0, end));
  } catch {
    return b;
  }
  return Buffer.concat([Buffer.from(JSON.stringify(changed(root, e.at, e.value, e.how)) ?? ''), b.subarray(end)]);
}

function edited(b: Buffer, e: Edit, seeds: readonly Uint8Array[]): Buffer {
  const at = Math.floor(e.at * Math.max(0, b.length - 1)),
    to = 'n' in e ? Math.min(b.length, at + Math.ceil(e.n * b.length)) : at;
  switch (e.kind) {
    case 'flip':
    case 'set': {
      const out = Buffer.from(b);
      if (out.length) out[at] = e.kind === 'flip' ? out[at] ^ (1 << e.bit) : e.byte;
      return out;
    }
    case 'cut':
      return Buffer.concat([b.subarray(0, at), b.subarray(to)]);
    case 'end':
      return b.subarray(0, at);
    case 'double':
      return Buffer.concat([b.subarray(0, to), b.subarray(at)]);
    case 'insert':
      return Buffer.concat([b.subarray(0, at), e.bytes, b.subarray(at)]);
    case 'splice': {
      const other = seeds[e.of % seeds.length],
        from = Math.floor(e.from * other.length);
      return Buffer.concat([b.subarray(0, at), other.subarray(from, from + Math.ceil(e.n * other.length)), b.subarray(to)]);
    }
    case 'length': {
      const out = Buffer.from(b);
      for (let i = 0; i < e.width && at + i < out.length; i++)
        out[at + i] = Number((e.value >> BigInt(8 * (e.big ? e.width - 1 - i : i))) & 0xffn);
      return out;
    }
    case 'number': {
      const text = b.toString('latin1'),
        found = /\d+/g;
      found.lastIndex = at;
      const m = found.exec(text) ?? /\d+/.exec(text);
      return m ? Buffer.from(text.slice(0, m.index) + e.text + text.slice(m.index + m[0].length), 'latin1') : b;
    }
    case 'json':
      return inJson(b, e);
  }
}

/** The bytes of a mutant; `seal` makes the digests in a file again. */
export function mutated(m: Mutant, seeds: readonly Uint8Array[], seal?: (b: Uint8Array) => Uint8Array): Uint8Array {
  if (m instanceof Uint8Array) return m;
  const raw = m.edits.reduce<Buffer>((b, e) => edited(b, e, seeds), Buffer.from(seeds[m.of % seeds.length]));
  return m.sealed && seal ? seal(raw) : raw;
}
