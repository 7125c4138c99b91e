import { simulate, breachText } from '../policy/simulate.js';
import { rowTargets, rowShape } from '../policy/rows/digest.js';
import { Order } from '../policy/order/steps.js';
import { binsOf, classTable, orderOf, quotasOf } from '../run/policy.js';
import type { Setup } from './run.js';

/** The first quota that the run would break: epoch, step, bin, count and limit in words. */
export function brokenQuota({ run: { manifest }, inputs: { data } }: Pick<Setup, 'run' | 'inputs'>): string | undefined {
  const { config } = manifest,
    shape = rowShape(config.train.sequence, manifest.base.shape.vocab),
    rows = { classes: data.rows.map((r) => r.class), targets: data.rows.map((r) => rowTargets(shape, r)) },
    classes = classTable(config, manifest.dataset.classes),
    { breach } = simulate(new Order(orderOf(manifest, data.key)), config.train.steps, rows, classes, quotasOf(config));
  return (
    breach &&
    breachText(
      breach,
      binsOf(config).map((b) => b.name),
    )
  );
}
