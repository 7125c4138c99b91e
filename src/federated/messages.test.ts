import { sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { federationCase } from '../../test/federated-case.js';
import { InputError, VersionError } from '../errors.js';
import { pae } from '../provenance/dsse.js';
import { canonicalBytes } from '../provenance/json.js';
import { CHARTER_VERSION, MOST_RANKS, type Message, messageFile, openOwn, parseMessage, payloadType } from './messages.js';

const c = federationCase(['ann']),
  { body } = c.federation.charter;

/** The file of a charter with other fields, signed by the server's key. */
function file(more: Readonly<Record<string, unknown>>): Uint8Array {
  const payload = canonicalBytes({ ...body, ...more }),
    type = payloadType('charter'),
    key = { key: c.server.private, dsaEncoding: 'der' } as const;
  return messageFile({ payloadType: type, payload, signature: new Uint8Array(sign('sha256', pae(type, payload), key)) });
}
const opens = (more: Readonly<Record<string, unknown>>) => () => openOwn('charter', file(more), 'charter.json');

describe('a charter', () => {
  it('of another version is refused by its number, with the way out, whatever else stands in it', () => {
    expect(opens({})().digest).toBe(c.federation.charter.digest);
    expect(CHARTER_VERSION).toBe(2);
    const tensors = body.tensors.map(({ name, cells }) => ({ name, cells }));
    for (const [version, more] of [
      [1, { tensors }],
      [1, {}],
      [3, { more: 1 }],
    ] as const)
      expect(opens({ version, ...more })).toThrow(
        new RegExp(`^charter.json: version ${version} is not supported.*reads version 2.*fed init`),
      );
    expect(opens({ version: 1 })).toThrow(VersionError);
    // What is no number of a version, and messages of another kind, are not read at all.
    for (const more of [{ version: '1' }, { version: null }, { version: [2] }]) expect(opens(more)).toThrow(InputError);
    const { body: e } = c.clients[0].enrolment;
    expect(() => parseMessage('enrolment', canonicalBytes({ ...e, version: 2 }), 'x')).toThrow(InputError);
  });
  it('says how tensors lie, in parts that divide them, with no more ranks than an adapter may have', () => {
    const shape = (more: Partial<Message<'charter'>['tensors'][number]>) => opens({ tensors: [{ ...body.tensors[0], ...more }] });
    expect(shape({})).not.toThrow();
    for (const more of [
      { cells: body.tensors[0].layer + body.tensors[0].layer / 2 },
      { layer: 7 },
      { ranks: 3 },
      { stride: 11 },
      { layer: 0 },
      { ranks: 0 },
      { stride: 0 },
    ])
      expect(shape(more), JSON.stringify(more)).toThrow(InputError);
    const n = 2 * MOST_RANKS;
    expect(shape({ cells: n, layer: n, ranks: MOST_RANKS, stride: 2 })).not.toThrow();
    expect(shape({ cells: n, layer: n, ranks: n, stride: 1 })).toThrow(/ranks/);
  });
});
