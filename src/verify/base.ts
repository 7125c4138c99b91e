import type { Kernels } from '../kernels/runtime.js';
import type { Programs } from '../run/programs.js';
import { type Common, same } from './compare.js';
import type { Frozen } from '../run/parts.js';
import { settleShape } from '../recursion/settle-shape.js';
import { stackRoot } from '../recursion/commit.js';

/** Checks that the base is that of the digest and, for an end, of the commitment. */
export function checkBase(k: Kernels, p: Programs, st: Common & { readonly root?: readonly bigint[] }, base: Frozen): void {
  same('digest of the base', st.frozen, base.digest);
  if (!st.root) return;
  const shape = settleShape(p.plan.frozenVars, base.cells, p.plan.options);
  same('commitment to the base', st.root, stackRoot(k, shape, k.i64.slice(base.ptr / 8, base.ptr / 8 + base.cells)));
}
