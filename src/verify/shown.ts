import type { RunConfig } from '../run/schema.js';

const OF = { none: 'none', epochs: 'sums of epochs', steps: 'of every step' } as const;

/** What a folded proof says of losses, targets and totals of bins, in words. */
export const shownText = (s: RunConfig['show']): string =>
  `losses ${OF[s.losses]}, targets ${OF[s.targets]}, totals of bins ${s.totals === 'none' ? 'none' : 'of every epoch'}${s.adapter === 'none' ? ', of the adapter nothing in a certificate' : ''}; the statement says nothing of the rest`;
