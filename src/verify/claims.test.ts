import { describe, expect, it } from 'vitest';
import { type ClaimRecord, claimLines, comparedOf, reservations, unmet } from './claims.js';

const claims: ClaimRecord[] = [
  { claim: 'base', status: 'given', against: 'ab', by: '--base-root', says: 'the base of whoever gave it' },
  { claim: 'data', status: 'checked', against: 'd.jsonl', by: 'RUN/run.yaml', says: 'every batch is the one prescribed' },
  { claim: 'initial', status: 'not checked', option: '--from DIR', says: 'it may be any' },
];

describe('claims', () => {
  it('are said with what they were compared with, and whose word that is', () => {
    expect(claimLines(claims)).toEqual([
      '  base: not checked, but for its commitment, the base of whoever gave it (against ab, given by --base-root)',
      '  data: checked, every batch is the one prescribed (against d.jsonl, given by RUN/run.yaml)',
      '  initial adapter: not checked (it may be any: give --from DIR)',
    ]);
    expect(claimLines([{ claim: 'data', status: 'proved', option: '--data FILE', says: 'against the committed root' }])).toEqual([
      '  data: proved against the committed root (give --data FILE to compare what lies behind it)',
    ]);
    expect(claimLines([{ claim: 'adapter', status: 'not shown', says: 'the run keeps it' }])).toEqual([
      '  adapter: not shown (the run keeps it)',
    ]);
    expect(comparedOf(claims)).toEqual({
      base: { status: 'given', against: 'ab', by: '--base-root' },
      data: { status: 'checked', against: 'd.jsonl', by: 'RUN/run.yaml' },
      initial: { status: 'not checked', option: '--from DIR' },
    });
  });
  it('that were not compared are in the first line', () => {
    expect(reservations(claims.slice(0, 2), true)).toBe('');
    expect(reservations(claims, false)).toBe(
      ' BUT FOR initial adapter, not checked: the state that the first of these steps begins from may be any',
    );
    const kept: ClaimRecord = { claim: 'adapter', status: 'not shown', says: 'the run keeps it' };
    expect(reservations([...claims.slice(0, 2), kept], true)).toBe(' BUT FOR adapter, not shown');
    expect(reservations([...claims, kept], true)).toBe(' BUT FOR initial adapter, not checked; adapter, not shown');
  });
  it('that are required and were not compared are named; a commitment is not the thing', () => {
    expect(unmet(['data'], claims)).toEqual([]);
    expect(unmet(['data'], [{ claim: 'data', status: 'proved', option: '--data FILE' }])).toEqual([
      'data is required and was not checked: give --data FILE',
    ]);
    expect(unmet(['base', 'data', 'initial', 'adapter'], claims)).toEqual([
      'base is required and was not checked',
      'initial is required and was not checked: give --from DIR',
      'adapter is required and was not checked',
    ]);
    expect(unmet(['adapter'], [{ claim: 'adapter', status: 'not shown' }])).toEqual(['adapter is required and is not shown by this run']);
  });
});
