export * from '../errors.js';
export * from './safetensors.js';
export * from './config.js';
export * from './hf.js';
export * from './adapter.js';
export * from './peft.js';
export * from './data.js';
