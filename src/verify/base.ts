import type { Kernels } from '../kernels/runtime.js';
import type { Programs } from '../run/programs.js';
import { settleFrozen } from '../tensor/deferred.js';
import { VerificationError } from '../transcript/arith.js';
import { type Common, same } from './compare.js';
import { claimOf } from './nodes.js';
import type { Frozen } from '../run/parts.js';
import { settleShape } from '../recursion/settle-shape.js';
import { stackRoot } from '../recursion/commit.js';

/**
 * Checks that a statement is about a base: its stack has the digest, and takes the value of the claim that the proofs
 * below leave on it. One evaluation, linear in the base. Throws VerificationError.
 */
export function checkBase(k: Kernels, { plan }: Programs, st: Pick<Common, 'frozen' | 'base'>, base: Frozen): void {
  same('digest of the base', st.frozen, base.digest);
  const claim = claimOf(plan, st.base);
  if (claim.point.length !== plan.frozenVars) throw new VerificationError('claim on the base', 'is on a stack of another size');
  settleFrozen(k, base.ptr, base.cells, [claim]);
}

/** Checks that a root is that of a base's stack, by committing to it again. Throws VerificationError. */
export function checkRoot(k: Kernels, { plan }: Programs, root: readonly bigint[], base: Frozen): void {
  const shape = settleShape(plan.frozenVars, base.cells, plan.options, 'base');
  same('commitment to the base', root, stackRoot(k, shape, k.i64.slice(base.ptr / 8, base.ptr / 8 + base.cells)));
}
