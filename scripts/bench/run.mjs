// The last proof of runs of one and four steps: see scripts/bench-run.mjs.
import { script } from './common.mjs';

export default () => script('bench-run.mjs', '1', '4');
