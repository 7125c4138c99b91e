// One leaf, one fold and the end of two steps of stories260k: see scripts/bench-fold.mjs.
import { script } from './common.mjs';

export default () => script('bench-fold.mjs');
