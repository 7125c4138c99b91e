export * from './shape.js';
export { verifyLogUp, type LogUpClaims } from './verify.js';
