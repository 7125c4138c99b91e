import fc from 'fast-check';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { decode } from './dtype.js';
import { InputError } from '../errors.js';
import { scanJson } from './json-text.js';
import { MAX_HEADER, headerLength, parseHeader, HeaderError } from './safetensors-header.js';
import { type Tensor, SafetensorsFile, readSafetensors, writeSafetensors } from './safetensors.js';

const dir = mkdtempSync(join(tmpdir(), 'certune-safetensors-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(dir, `t${count++}.safetensors`);

/** A file with this header text and so many bytes of data. */
function put(header: string | Uint8Array, data: number, length?: bigint): string {
  const h = typeof header === 'string' ? Buffer.from(header) : Buffer.from(header),
    n = Buffer.alloc(8),
    file = fresh();
  n.writeBigUInt64LE(length ?? BigInt(h.length));
  writeFileSync(file, Buffer.concat([n, h, Buffer.alloc(data)]));
  return file;
}
const refuse = (file: string): InputError => {
  try {
    readSafetensors(file);
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return e as InputError;
  }
  throw new Error('accepted');
};
const entry = (shape: unknown, offsets: unknown, dtype = 'F32', extra = {}): unknown => ({ dtype, shape, data_offsets: offsets, ...extra });

describe('safetensors reader', () => {
  it.each<[string, string | Uint8Array, number, RegExp, bigint?]>([
    ['an empty header', '', 0, /empty header/],
    ['a header longer than the file', '{}', 0, /header of 900 bytes in a file/, 900n],
    ['a header over 16 MiB', '{}', 0, /the limit is 16777216/, BigInt(MAX_HEADER) + 1n],
    ['a header length of 2^64 - 1', '{}', 0, /the limit is/, 2n ** 64n - 1n],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 0, /not UTF-8/],
    ['a byte order mark', '\ufeff{}', 0, /not one object/],
    ['text that is not JSON', '{a}', 0, /not JSON/],
    ['an array', '[]', 0, /not one object/],
    ['leading white space', ' {}', 0, /not one object/],
    ['a trailing line feed', '{}\n', 0, /not one object/],
    ['a key twice', `{"a":${JSON.stringify(entry([1], [0, 4]))},"a":${JSON.stringify(entry([1], [0, 4]))}}`, 4, /duplicate keys: a/],
    [
      'a key twice, escaped',
      `{"a":${JSON.stringify(entry([1], [0, 4]))},"\\u0061":${JSON.stringify(entry([1], [0, 4]))}}`,
      4,
      /duplicate keys: a/,
    ],
    ['a field twice', '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', 4, /duplicate keys: shape/],
    ['an exponent', '{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', 4, /no naturals: 1e0/],
    ['a fraction', '{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4, /no naturals: 1.0/],
    ['a negative size', '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4, /no naturals: -1/],
    ['a size above 2^53', '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4, /malformed shape/],
    ['a product that overflows', JSON.stringify({ a: entry([2 ** 40, 2 ** 40], [0, 4]) }), 4, /overflows/],
    ['a string for a shape', JSON.stringify({ a: entry('1', [0, 4]) }), 4, /malformed shape/],
    ['offsets in reverse', JSON.stringify({ a: entry([1], [4, 0]) }), 4, /malformed offsets/],
    ['three offsets', JSON.stringify({ a: entry([1], [0, 4, 8]) }), 4, /malformed offsets/],
    ['an unknown dtype', JSON.stringify({ a: entry([1], [0, 1], 'I8') }), 1, /dtype I8, supported are/],
    ['an inherited name as dtype', JSON.stringify({ a: entry([1], [0, 1], 'toString') }), 1, /dtype toString/],
    ['an unknown field', JSON.stringify({ a: entry([1], [0, 4], 'F32', { x: 1 }) }), 4, /unknown fields: x/],
    ['a wrong span', JSON.stringify({ a: entry([2], [0, 4]) }), 4, /spans 4 bytes, its shape \[2\] in F32 needs 8/],
    ['a hole', JSON.stringify({ a: entry([1], [4, 8]) }), 8, /hole before a tensor: a/],
    ['an overlap', JSON.stringify({ a: entry([2], [0, 8]), b: entry([1], [4, 8]) }), 8, /overlapping another: b/],
    ['trailing bytes', JSON.stringify({ a: entry([1], [0, 4]) }), 5, /1 bytes after the last tensor/],
    ['a file cut short', JSON.stringify({ a: entry([2], [0, 8]) }), 7, /is cut short/],
    ['metadata of numbers', '{"__metadata__":{"a":1}}', 0, /not a map of strings/],
    ['null for a tensor', '{"a":null}', 0, /malformed entry/],
  ])('refuses %s', (_, header, data, message, length) => {
    expect(refuse(put(header, data, length)).message).toMatch(message);
  });

  it('refuses files that are missing, folders and files of a few bytes', () => {
    expect(refuse(join(dir, 'none')).message).toMatch(/cannot be read/);
    expect(refuse(dir).message).toMatch(/it is a folder, not a file/);
    const f = fresh();
    writeFileSync(f, 'abc');
    expect(refuse(f).message).toMatch(/shorter than its header length/);
  });

  it('lists all malformed entries of a header at once', () => {
    const e = refuse(put(JSON.stringify({ a: entry([1], [0, 1], 'I8'), b: entry([2], [0, 4]), c: null }), 4));
    expect(e.problems).toHaveLength(3);
  });

  it('accepts scalars, empty tensors, a name like __proto__ and a padded header', () => {
    const f = put(
      '{"__proto__":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}}      ',
      4,
    );
    expect([...readSafetensors(f)].map(([n, t]) => [n, t.shape, [...t.data]])).toEqual([
      ['__proto__', [], [0]],
      ['e', [3, 0], []],
    ]);
  });

  it('never fails but with InputError: random headers, mutated headers, random files', () => {
    const natural = fc.oneof(fc.nat(20), fc.constant(-1), fc.constant(2 ** 53), fc.double(), fc.constant(1e300));
    const tensor = fc.record(
      {
        dtype: fc.oneof(fc.constantFrom('F32', 'F16', 'BF16', 'F64', 'I64'), fc.string()),
        shape: fc.oneof(fc.array(natural, { maxLength: 4 }), fc.jsonValue()),
        data_offsets: fc.oneof(fc.tuple(natural, natural), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    const header = fc.oneof(
      fc
        .dictionary(fc.oneof(fc.string(), fc.constant('__metadata__')), fc.oneof(tensor, fc.jsonValue()))
        .map((x) => Buffer.from(JSON.stringify(x))),
      fc.jsonValue().map((x) => Buffer.from(JSON.stringify(x))),
      fc.uint8Array({ maxLength: 60 }).map((x) => Buffer.from(x)),
      fc.tuple(fc.nat(), fc.nat(255)).map(([at, v]) => {
        const b = Buffer.from(
          JSON.stringify({ __metadata__: { format: 'pt' }, a: entry([2, 3], [0, 24]), b: entry([5], [24, 34], 'BF16') }),
        );
        b[at % b.length] = v;
        return b;
      }),
    );
    let accepted = 0;
    fc.assert(
      fc.property(header, fc.oneof(fc.nat(64), fc.constant(34)), (h, data) => {
        try {
          const p = parseHeader(new Uint8Array(h), 8 + h.length + data);
          accepted++;
          expect([...p.tensors.values()].reduce((n, t) => n + t.bytes, 0)).toBe(data);
        } catch (e) {
          expect(e).toBeInstanceOf(HeaderError);
        }
      }),
      { numRuns: 4000 },
    );
    expect(accepted).toBeGreaterThan(0);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), (b, n) => {
        try {
          headerLength(b, n);
        } catch (e) {
          expect(e).toBeInstanceOf(HeaderError);
        }
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (b) => {
        const f = fresh();
        writeFileSync(f, b);
        expect(refuse(f)).toBeInstanceOf(InputError);
      }),
      { numRuns: 100 },
    );
  });

  it('scans for keys that occur twice exactly as a parser that keeps them', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (x) => {
        expect(scanJson(JSON.stringify(x)).duplicates).toEqual([]);
      }),
    );
    expect(scanJson('{"a":{"b":[{"a":1},{"a":2}]},"b":{"a":"\\"a\\":"}}').duplicates).toEqual([]);
    expect(scanJson('{"a":[{"b":1,"b":2}],"a" :3}').duplicates).toEqual(['b', 'a']);
  });
});

describe('dtypes', () => {
  it('decodes every half and every bfloat16 exactly', () => {
    const all = new Uint16Array(65536).map((_, k) => k),
      view = new DataView(new ArrayBuffer(4)),
      f16 = new Float32Array(65536),
      bf16 = new Float32Array(65536);
    decode('F16', new Uint8Array(all.buffer), f16, 0);
    decode('BF16', new Uint8Array(all.buffer), bf16, 0);
    let wrong = 0;
    for (let k = 0; k < 65536; k++) {
      view.setUint32(0, k * 65536);
      if (!Object.is(bf16[k], view.getFloat32(0))) wrong++;
      const sign = k & 0x8000 ? -1 : 1,
        e = (k >> 10) & 31,
        m = (k & 1023) / 1024;
      const want = e === 31 ? (m ? Number.NaN : sign / 0) : sign * (e ? (1 + m) * 2 ** (e - 15) : m * 2 ** -14);
      if (!Object.is(f16[k], want)) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it('refuses to narrow F64', () => {
    const f = fresh();
    writeSafetensors(f, new Map([['a', { shape: [1], data: Float64Array.of(0.1) }]]));
    const s = new SafetensorsFile(f);
    expect(() => s.readInto('a', new Float32Array(1))).toThrow(/tensor a is F64/);
    expect(() => s.read('b')).toThrow(/no tensor b/);
    s.close();
  });
});

describe('safetensors writer', () => {
  it('writes metadata first, then by dtype and name in byte order, in the given shape, and reads back the same', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.tuple(
            fc.string({ unit: 'grapheme' }).filter((n) => n !== '__metadata__'),
            fc.array(fc.float({ noNaN: true })),
            fc.boolean(),
          ),
          {
            selector: (x) => x[0],
            maxLength: 6,
          },
        ),
        (list) => {
          const f = fresh(),
            t = new Map<string, Tensor>(
              list.map(([n, v, wide]) => [n, { shape: [v.length], data: wide ? Float64Array.from(v) : Float32Array.from(v) }]),
            );
          writeSafetensors(f, t);
          const back = readSafetensors(f);
          expect(new Map([...back].sort())).toEqual(new Map([...t].sort()));
          const b = readFileSync(f),
            n = Number(b.readBigUInt64LE(0)),
            text = b.subarray(8, 8 + n).toString();
          expect(n % 8).toBe(0);
          expect(text.startsWith('{"__metadata__":{"format":"pt"}')).toBe(true);
          const order = [...back].map(([k, x]) => [-x.data.BYTES_PER_ELEMENT, Buffer.from(k)] as const);
          for (let k = 1; k < order.length; k++)
            expect(order[k - 1][0] - order[k][0] || Buffer.compare(order[k - 1][1], order[k][1])).toBeLessThan(0);
        },
      ),
      { numRuns: 60 },
    );
    expect(readdirSync(dir).filter((n) => n.includes('.tmp-'))).toEqual([]);
  });

  const vectors = fixture('vectors/lora-adamw-peft/all-rank8/adapter_step1.safetensors'),
    base = fixture('data/stories260k/hf/model.safetensors');
  it.skipIf(!vectors)('reproduces byte for byte a file that the reference implementation wrote (needs fixtures)', () => {
    const f = fresh(),
      t = readSafetensors(vectors!);
    writeSafetensors(f, t);
    const a = readFileSync(f),
      b = readFileSync(vectors!);
    const head = (x: Buffer): string => x.subarray(8, 8 + Number(x.readBigUInt64LE(0))).toString();
    expect(JSON.parse(head(a))).toEqual({ __metadata__: { format: 'pt' }, ...JSON.parse(head(b)) });
    expect(Object.keys(JSON.parse(head(a))).filter((k) => k !== '__metadata__')).toEqual(
      Object.keys(JSON.parse(head(b))).filter((k) => k !== '__metadata__'),
    );
    expect(a.subarray(8 + head(a).length).equals(b.subarray(8 + Buffer.byteLength(head(b))))).toBe(true);
  });
  it.skipIf(!base)('reads the weights of a real base, every value as its bytes say (needs fixtures)', () => {
    const b = readFileSync(base!),
      t = readSafetensors(base!).get('model.embed_tokens.weight')!,
      head = JSON.parse(b.subarray(8, 8 + Number(b.readBigUInt64LE(0))).toString()) as Record<string, { data_offsets: [number, number] }>;
    const at = 8 + Number(b.readBigUInt64LE(0)) + head['model.embed_tokens.weight'].data_offsets[0];
    expect(t.shape).toEqual([512, 64]);
    expect([...t.data].every((x, k) => x === b.readFloatLE(at + 4 * k))).toBe(true);
  });
});
