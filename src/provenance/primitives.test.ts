import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { fromBase64, fromHex, toBase64, toHex, toUtf8 } from './bytes.js';
import { TAG, bitString, boolean, children, integer, oid, readDer, sequence, time } from './der.js';
import { compactSignature, keyDigest, parsePublicKey, parseSpki, verifyCompact, verifyEcdsa } from './ecdsa.js';
import { canonicalBytes, parseJson } from './json.js';

const hex = (t: string): Uint8Array => fromHex(t, 'test'),
  json = (t: string, numbers: 'integers' | 'all' = 'integers'): unknown => parseJson(toUtf8(t), 'test', { bytes: 1 << 20, numbers });

describe('base64', () => {
  it('goes there and back as Buffer does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (b) => {
        const text = toBase64(b);
        expect(text).toBe(Buffer.from(b).toString('base64'));
        expect(fromBase64(text, 'test')).toEqual(b);
      }),
    );
  });
  it.each(['A', 'AA', 'AAA', 'AA=', 'AB==', 'AAB=', 'A===', '====', 'AA==AA==', 'AA\n==', 'AAA-', 'AAA_', ' AAA', 'AA==\n', 'éAAA'])(
    'refuses %j',
    (t) => {
      expect(() => fromBase64(t, 'test')).toThrow('canonical base64');
    },
  );
});

describe('strict JSON', () => {
  it.each([
    ['{"a":1,"a":1}', 'a second time'],
    ['{"a":1,"\\u0061":1}', 'a second time'],
    ['{"__proto__":{}}', '__proto__'],
    ['{"a":1}x', 'more text'],
    ['{"a":1}\u0000', 'more text'],
    ['{"a":01}', 'an object without an end'],
    ['{"a":1.0}', 'no integer'],
    ['{"a":1e3}', 'no integer'],
    ['{"a":-0}', 'no integer'],
    ['{"a":9007199254740992}', 'no integer'],
    ['{"a":1,}', 'no key'],
    ['[1,]', 'no value'],
    ['{a:1}', 'no key'],
    ["{'a':1}", 'no key'],
    ['{"a":NaN}', 'no value'],
    ['"\t"', 'control character'],
    ['"\\x"', 'escape'],
    ['"\\ud800"', 'surrogate'],
    ['"', 'without an end'],
    ['"\\', 'without an end'],
    ['', 'no value'],
    [`${'['.repeat(33)}${']'.repeat(33)}`, 'levels'],
    [`${'{"a":'.repeat(200000)}`, 'levels'],
  ])('refuses %.60j', (t, why) => {
    expect(() => json(t)).toThrow(why);
  });
  it('refuses a byte order mark, bad UTF-8 and too many bytes', () => {
    expect(() => parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), 'test', { bytes: 10 })).toThrow('byte order mark');
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), 'test', { bytes: 10 })).toThrow('UTF-8');
    expect(() => parseJson(new Uint8Array(11), 'test', { bytes: 10 })).toThrow('at most 10');
  });
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (v) => {
        const text = JSON.stringify(v);
        if (/"__proto__":|\\ud[89a-f]/.test(text)) return;
        expect(JSON.stringify(json(text, 'all'))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });
  it('has no inherited keys', () => {
    expect((json('{}') as Record<string, unknown>)['constructor']).toBeUndefined();
  });
  const jcs = fixture('vectors/jcs-rfc8785');
  it.skipIf(!jcs)('writes the canonical form of the vectors of RFC 8785', () => {
    for (const f of readdirSync(join(jcs!, 'input'))) {
      const v = parseJson(readFileSync(join(jcs!, 'input', f)), f, { bytes: 1 << 20, numbers: 'all' });
      expect(Buffer.from(canonicalBytes(v)).toString(), f).toBe(readFileSync(join(jcs!, 'output', f), 'utf8').trimEnd());
    }
  });
});

describe('DER', () => {
  it.each([
    ['', 'cut short'],
    ['30', 'cut short'],
    ['3001', 'cut short'],
    ['300000', 'bytes after the end'],
    ['3080000000', 'indefinite'],
    ['308100', 'shortest'],
    ['30820001aa', 'shortest'],
    ['3085000000000100', 'more than 4 bytes'],
    ['3084ffffffff', 'cut short'],
    ['1f0100', 'several bytes'],
  ])('refuses %s', (t, why) => {
    expect(() => readDer(hex(t), 'test')).toThrow(why);
  });
  it('reads integers in their shortest form alone', () => {
    const int = (t: string): bigint => integer(readDer(hex(t), 'test'), 'test');
    expect([int('020100'), int('02017f'), int('02020080'), int('0201ff'), int('020200ff')]).toEqual([0n, 127n, 128n, -1n, 255n]);
    for (const t of ['0200', '0202007f', '0202ff80']) expect(() => int(t)).toThrow('DER');
  });
  it('reads object identifiers, booleans, bit strings and times', () => {
    const id = (t: string): string => oid(readDer(hex(t), 'test'), 'test');
    expect(id('06082a8648ce3d030107')).toBe('1.2.840.10045.3.1.7');
    expect(id('0603883703')).toBe('2.999.3');
    for (const t of ['0600', '060180', '06028001', '06022a86']) expect(() => id(t)).toThrow('DER');
    const bool = (t: string): boolean => boolean(readDer(hex(t), 'test'), 'test');
    expect([bool('0101ff'), bool('010100')]).toEqual([true, false]);
    expect(() => bool('010101')).toThrow('DER');
    expect(bitString(readDer(hex('030300aabb'), 'test'), 'test')).toEqual(hex('aabb'));
    for (const t of ['0300', '030204f0']) expect(() => bitString(readDer(hex(t), 'test'), 'test')).toThrow('DER');
    const at = (tag: number, s: string): number => time(readDer(Uint8Array.of(tag, s.length, ...toUtf8(s)), 'test'), 'test');
    expect(new Date(at(TAG.utcTime, '260101000000Z')).toISOString()).toBe('2026-01-01T00:00:00.000Z');
    expect(new Date(at(TAG.utcTime, '500101000000Z')).getUTCFullYear()).toBe(1950);
    expect(new Date(at(TAG.generalizedTime, '20491231235959Z')).toISOString()).toBe('2049-12-31T23:59:59.000Z');
    for (const s of ['260230000000Z', '260101240000Z', '260101000060Z', '2601010000Z', '260101000000+0000'])
      expect(() => at(TAG.utcTime, s), s).toThrow('DER');
    expect(() => at(TAG.generalizedTime, '00260101000000Z')).toThrow('DER');
  });
  it('only looks into what can hold others', () => {
    expect(() => children(readDer(hex('0402aabb'), 'test'), 'test')).toThrow('cannot hold');
    expect(sequence(readDer(hex('3006020101020102'), 'test'), 'test').length).toBe(2);
  });
});

describe('ECDSA', () => {
  const keys = (['P-256', 'P-384'] as const).map((curve) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve }),
      pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    return {
      curve,
      hash: curve === 'P-256' ? ('sha256' as const) : ('sha384' as const),
      privateKey,
      publicKey,
      key: parsePublicKey(pem, 'test'),
    };
  });
  it('agrees with node:crypto on signatures, flipped bits and both forms of s', () => {
    for (const { curve, hash, privateKey, publicKey, key } of keys)
      for (let i = 0; i < 20; i++) {
        const m = toUtf8(`message ${i}`),
          der = new Uint8Array(sign(hash, m, privateKey)),
          raw = compactSignature(curve, der, 'test');
        expect(verifyEcdsa(key, hash, m, der, 'test')).toBe(true);
        expect(verify(hash, m, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw)).toBe(true);
        expect(verifyEcdsa(key, hash, toUtf8('another'), der, 'test')).toBe(false);
        raw[i] ^= 1 << (i % 8);
        expect(verifyCompact(key, hash, m, raw)).toBe(verify(hash, m, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw));
        // The other form of the same signature: r, n - s.
        raw[i] ^= 1 << (i % 8);
        const half = raw.length / 2,
          n = curve === 'P-256' ? 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n : undefined;
        if (n === undefined) continue;
        const s = (n - BigInt(`0x${toHex(raw.subarray(half))}`)).toString(16).padStart(64, '0');
        raw.set(hex(s), half);
        expect(verifyCompact(key, hash, m, raw)).toBe(true);
      }
  });
  it('refuses signatures that are not DER of two numbers in the group', () => {
    const n = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
    for (const t of [
      '3006020100020101',
      '3006020101020100',
      '3003020101',
      '3009020101020101020101',
      `3026022100${n}020101`,
      '300602018102017f',
      '30080202000102017f',
    ])
      expect(() => compactSignature('P-256', hex(t), 'test'), t).toThrow();
    expect(() => compactSignature('P-256', new Uint8Array(64).fill(7), 'test')).toThrow('DER');
  });
  it('takes keys on P-256 and P-384, uncompressed, and nothing else', () => {
    expect(keys.map((k) => k.key.curve)).toEqual(['P-256', 'P-384']);
    expect(keyDigest(keys[0].key)).toMatch(/^sha256:[0-9a-f]{64}$/);
    const pem = (type: 'rsa' | 'ed25519' | 'k1'): string =>
      (type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : type === 'ed25519'
          ? generateKeyPairSync('ed25519')
          : generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
      ).publicKey.export({ type: 'spki', format: 'pem' }) as string;
    expect(() => parsePublicKey(pem('rsa'), 'test')).toThrow('another kind');
    expect(() => parsePublicKey(pem('ed25519'), 'test')).toThrow();
    expect(() => parsePublicKey(pem('k1'), 'test')).toThrow('another curve');
    const off = keys[0].key.spki.slice();
    off[off.length - 1] ^= 1;
    expect(() => parseSpki(off, 'test')).toThrow('no point of P-256');
    expect(createPublicKey({ key: Buffer.from(keys[0].key.spki), format: 'der', type: 'spki' }).asymmetricKeyType).toBe('ec');
  });
  it('never repeats a private key in a message', () => {
    const secret = keys[0].privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    let message = '';
    try {
      parsePublicKey(secret, 'key.pem');
    } catch (e) {
      message = (e as Error).message;
    }
    expect(message).toContain('private key');
    expect(message).not.toContain(secret.split('\n')[1].slice(0, 12));
  });
  const dsse = fixture('vectors/dsse/protocol_test_vector.json'),
    oms = fixture('vectors/oms-model-signing/signing-key-pub.pem');
  it.skipIf(!oms)('reads a PEM file with words around the key', () => {
    expect(parsePublicKey(readFileSync(oms!, 'utf8'), oms!).curve).toBe('P-384');
  });
  it.skipIf(!dsse)('verifies the signature of the DSSE vector, which is r || s', () => {
    const v = JSON.parse(readFileSync(dsse!, 'utf8')) as Record<string, string> & { envelope: { signatures: { sig: string }[] } },
      coordinate = (t: string): string => BigInt(t).toString(16).padStart(64, '0'),
      spki = hex(
        `3059301306072a8648ce3d020106082a8648ce3d03010703420004${coordinate(v['public_key_x_decimal'])}${coordinate(v['public_key_y_decimal'])}`,
      ),
      raw = fromBase64(v.envelope.signatures[0].sig, 'test');
    expect(verifyCompact(parseSpki(spki, 'test'), 'sha256', toUtf8(v['pae_utf8']), raw)).toBe(true);
    expect(() => verifyEcdsa(parseSpki(spki, 'test'), 'sha256', toUtf8(v['pae_utf8']), raw, 'test')).toThrow('DER');
  });
});
