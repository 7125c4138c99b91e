export * from './params.js';
export { commitColumns, openRows, type Oracle } from './commit.js';
export { commitBase, openWhir } from './prove.js';
export { verifyWhir } from './verify.js';
export { commitBytes } from './commit.js';
