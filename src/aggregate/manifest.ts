export * from '../policy/manifest.js';
