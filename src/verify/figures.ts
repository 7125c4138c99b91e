/** Bits of soundness, rounded down: 127.96 are not 128. */
export const bitsText = (bits: number): string => (Math.floor(10 * bits) / 10).toFixed(1);
export const bytesText = (n: number): string =>
  n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 2 ** 30).toFixed(2)} GiB`;
export const secondsText = (s: number): string =>
  s < 90 ? `${s.toFixed(s < 10 ? 1 : 0)} s` : s < 5400 ? `${(s / 60).toFixed(1)} min` : `${(s / 3600).toFixed(1)} h`;
