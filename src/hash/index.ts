export * as poseidon2 from './poseidon2.js';
