import { fromHex } from '../bytes.js';
import { InputError } from '../../errors.js';
import type { Kind } from './evidence.js';
import { unverifiedClaims } from './jws.js';
import { nitroMeasurement, parseNitro } from './nitro.js';
import { gpuMeasurement, parseTokens } from './nvidia.js';
import { quoteBody, quoteLayout } from './quote.js';
import { parseSnpReport, snpMeasurement } from './snp.js';

/** What evidence says of itself; nothing of it is verified. */
export interface Measured {
  readonly format: string;
  readonly measurement: Readonly<Record<string, string>>;
  readonly reportData: Uint8Array;
}

/** Reads evidence for whoever makes a card of it. Throws InputError. */
export function measuredOf(kind: Kind, b: Uint8Array, where: string): Measured {
  if (kind === 'sev-snp') {
    const r = parseSnpReport(b, where);
    return { format: `snp-report-v${r.version}`, measurement: snpMeasurement(r), reportData: r.reportData };
  }
  if (kind === 'nitro') {
    const d = parseNitro(b, where);
    return { format: 'nitro-cose-sign1', measurement: nitroMeasurement(d), reportData: d.userData ?? new Uint8Array(0) };
  }
  if (kind === 'nvidia-gpu') {
    const [[name, token]] = [...parseTokens(b, where).devices],
      claims = unverifiedClaims(token, `${where}: ${name}`);
    return {
      format: 'nvidia-nras-eat',
      measurement: gpuMeasurement(claims, where),
      reportData: fromHex(String(claims['eat_nonce'] ?? ''), `${where}: eat_nonce`),
    };
  }
  const layout = quoteLayout(b, where);
  if (layout.kind !== kind) throw new InputError(where, [`is a quote of ${layout.kind}, not of ${kind}`]);
  const { measurement, reportData } = quoteBody(b, layout);
  return { format: `${kind}-quote-v${b[0]}`, measurement, reportData };
}
