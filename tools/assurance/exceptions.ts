/**
 * Formats of a state entered that a program does not imply. Each is established by something else, which the reason names;
 * a program that implies one of them, or leaves another open, fails.
 */
export interface Exception {
  readonly tensor: string;
  readonly programs: readonly string[];
  /** Who establishes the format, and where: files of the library and of its tests. */
  readonly reason: string;
  readonly places: readonly string[];
}

const left = 'the update before it left it in format, or the verifier committed to it';

export const EXCEPTIONS: readonly Exception[] = [
  { tensor: 'C', programs: ['llama-step', 'llama-update', 'llama-micro', 'llama-eval'], reason: left, places: [] },
  { tensor: 'master', programs: ['llama-step', 'llama-update', 'llama-micro'], reason: left, places: [] },
  { tensor: 'mm', programs: ['llama-step', 'llama-update', 'llama-micro'], reason: left, places: [] },
  { tensor: 'vv', programs: ['llama-micro'], reason: left, places: [] },
  { tensor: 'acc', programs: ['llama-update', 'llama-micro'], reason: left, places: [] },
];

/** Tensors whose format is established outside of the program. */
export const exceptionsOf = (program: string): string[] => EXCEPTIONS.filter((e) => e.programs.includes(program)).map((e) => e.tensor);
