import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { RECURSION_VERSION } from '../src/recursion/key.js';
import { SHIPPED } from '../src/verify/shipped.js';
import { circuitsOf } from '../src/recursion/circuits.js';
import { setup } from '../src/setup/run.js';
import { singleKernels } from '../src/kernels/index.js';
import { runSchema } from '../src/run/schema.js';
import { PROOF_VERSION } from '../src/tensor/statement.js';
import { fixture } from './fixtures.js';

/*
 * Golden verification keys. A key that changes makes every proof of earlier releases unverifiable under the shipped
 * key: whoever changes a circuit raises RECURSION_VERSION (or PROOF_VERSION, where program proofs change) and adds an
 * entry; entries of older versions stay as they are.
 */
const GOLDEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'proof 4, recursion 1': {
    demo: 'sha256:96bf9f0c37cefb4c292365f6d9cb869ab804c79acc417f5670f6abdaaf8ac718',
    stories260k: 'sha256:8e6ddb0399b8890205736357c558a304589094587ec9e758cb393b5366555802',
  },
  'proof 5, recursion 2': {
    demo: 'sha256:b9ebb2e6900ce05bf1d0b92fad86f1498e413cae8f2836a47c196ab9ed24a8f6',
    stories260k: 'sha256:15613c3e80f48797fefcb242a7ee98dd93a9b8c12a9990018630a550bb9b19a0',
  },
  'proof 6, recursion 3': {
    demo: 'sha256:a87170a464a2005d027df1721c0f884e47acd0e7faf5098450b909ac35c5d710',
    stories260k: 'sha256:1d10b5b3b6058754847c35c7985bf5266d081325da650f9cf7bfc7bd15c385cd',
  },
  'proof 7, recursion 4': {
    demo: 'sha256:f35c3efbe52d2f9d9f8ab230a00e961615399da4175470bd7afcbba9217a4daf',
    stories260k: 'sha256:ddc29499ecb9c95c0a3de3d64e9f1fd8aee194b3dd13f84a79239d9275c570c3',
  },
  'proof 8, recursion 5': {
    demo: 'sha256:96243473a34664b556984b57dae90df26816697cb573a98245e42dc9ed0b43c6',
    stories260k: 'sha256:2bc7591d05d994103ebef359dac510b78f58e1fa3b293848775b48569151a8c4',
  },
  'proof 8, recursion 6': {
    demo: 'sha256:9a623253bfd9b578bad7432a8100ee974e014aed571e3b819da715c88d29a8fc',
    stories260k: 'sha256:870d797e42ea0acaa89290651de4eae5730897ffe12b276294677302b2c7444f',
  },
  'proof 9, recursion 7': {
    demo: 'sha256:0de90f55ab1cd77078ff4c59a3b2d3519f4c819d1031a59a957dfa91f24f2a20',
    stories260k: 'sha256:b79da5827981165ac3d16dedd0776db72295079f4b2998e77a97662bfcc48c64',
  },
  'proof 9, recursion 8': {
    demo: 'sha256:2b0f762fdc01f29b4e90a6d319311184135c4d2e8b9ccdb04cd8f597789c6d51',
    stories260k: 'sha256:8a616bd4af5db5b9df13cdfd61a73b9164b7893097b20765eb3d680e32feeb59',
  },
};

/** Keys that are not shipped: the same rule holds for them. Recorded from proof 7, recursion 4 on. */
const MORE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'proof 7, recursion 4': {
    'accumulation over two micro-batches': 'sha256:a4f2aadc61d9b4e1474d44945bc21102cc7b4554dfad35b94a176f8dfb895722',
    '100 bits': 'sha256:575213ca5a17ba66f60d46657945a5a006a6d5e66628590fd916de8e694a2e4c',
    'program proofs at rate 1/8': 'sha256:983744b2b2c50154b865030aa3a87f343fae49aaddc0e449cd7700c2f84aca0b',
  },
  'proof 8, recursion 5': {
    'accumulation over two micro-batches': 'sha256:46eeb2c90112e54591c9ed3b714153b9abaf3298a819b414e0ec1f2d03071ca1',
    '100 bits': 'sha256:eff0f9e72ede1112c8dbf78c36d48415006ac1fe0f1525373b0843b61b4d3d51',
    'program proofs at rate 1/8': 'sha256:5440d91a55e1c8d9a29035a1e4653fefaabc2c68abd990b43fdf3fc85d39df6c',
  },
  'proof 8, recursion 6': {
    'accumulation over two micro-batches': 'sha256:beec65b7116cd9244fa639bc15c5ba6420657e4410a2755cea789c21e1688b9b',
    '100 bits': 'sha256:b06f811d390df93110182fe0f8cc19dc256318e73bfa42f92b0d526e338a7e9b',
    'program proofs at rate 1/8': 'sha256:c983bf7c7bdb3202e0f6273ee1d3c00110231f059c79e3292ab26b204aeee201',
  },
  'proof 9, recursion 7': {
    'accumulation over two micro-batches': 'sha256:686c6651eb925b8068d1d39ce3263532ced9629d7ef1dc822cf9218ef22fd98d',
    '100 bits': 'sha256:315059d8ab8757385aa4973505d451dc40b484ebbb42626be112cc03e469d075',
    'program proofs at rate 1/8': 'sha256:300126dbee87dd1937bce23fa629efd00f4c1cfb6a483636c97ed2a967b98443',
  },
  'proof 9, recursion 8': {
    'accumulation over two micro-batches': 'sha256:ff3263986fade7f5f0b018c9fead1b64d8024d8e67eae873ed06e9ff6b0b7a09',
    '100 bits': 'sha256:b4e039edb6ea3e5fcdf23f583e6107913cd168b346881a1a82e4336d1288b087',
    'program proofs at rate 1/8': 'sha256:c774f0aaebcf0bded142785c019efeb4db2a5b963d6dba64c6e4606426824c00',
  },
};

const example = (p: string): string => fileURLToPath(new URL(`../examples/${p}`, import.meta.url));
/** The run of tools/demo/main.ts. */
const demo = () => ({
  base: { path: example('base') },
  data: ['translate', 'chat'].map((n) => ({ path: example(`data/${n}.jsonl`), license: 'Apache-2.0' })),
  sampler: { strata: ['english', 'french'].map((bin) => ({ bin, perEpoch: 16 })) },
  policy: {
    bins: ['english', 'french'].map((name) => ({
      name,
      where: { language: [name === 'english' ? 'en' : 'fr'] },
      examples: { min: 16, max: 16 },
    })),
    licenses: ['Apache-2.0'],
  },
  train: { steps: 8, batch: 4, microBatch: 4, sequence: 32, learningRate: 0.006, schedule: 'constant', warmup: 0 },
  numbers: { preset: 'small' },
});
/** The same base and rows without a policy, for what is not shipped. */
const bare = () => ({
  base: { path: example('base') },
  data: ['translate', 'chat'].map((n) => ({ path: example(`data/${n}.jsonl`) })),
  train: demo().train,
  numbers: { preset: 'small' },
});
/** The benchmark's step: 8 sequences of 64 tokens, rank 8 on all projections, 128 bits; the examples' rows as data. */
const stories = (base: string) => ({
  base: { path: base },
  data: [{ path: example('data/translate.jsonl') }],
  train: { steps: 8, batch: 8, microBatch: 8, sequence: 64 },
});
const keyOf = (c: object): string => circuitsOf(singleKernels(), setup(runSchema.parse({ version: 1, ...c }), [1n, 2n, 3n, 4n]).run).digest;

describe('golden verification keys', () => {
  const now = GOLDEN[`proof ${PROOF_VERSION}, recursion ${RECURSION_VERSION}`];
  it('this version has golden keys, and ships them', () => {
    expect(now, 'a new version needs an entry').toBeDefined();
    expect(Object.fromEntries(SHIPPED.map((x) => [x.name, x.digest]))).toEqual(now);
  });
  it('the key of the demonstration', () => {
    expect(keyOf(demo())).toBe(now['demo']);
  });
  const more: Record<string, object> = {
    'accumulation over two micro-batches': { train: { ...bare().train, microBatch: 2 } },
    '100 bits': { proof: { bits: 100 } },
    'program proofs at rate 1/8': { proof: { rate: 3 } },
  };
  it.each(Object.keys(more))('the key of a run without a policy, with %s', (name) => {
    const want = MORE[`proof ${PROOF_VERSION}, recursion ${RECURSION_VERSION}`];
    expect(want, 'a new version needs an entry').toBeDefined();
    expect(keyOf({ ...bare(), ...more[name] })).toBe(want[name]);
  });
  const dir = fixture('data/stories260k/hf');
  it.skipIf(!dir)(`the key of stories260k${dir ? '' : ' (skipped: no fixture data/stories260k)'}`, () => {
    expect(keyOf(stories(dir!))).toBe(now['stories260k']);
  });
});
