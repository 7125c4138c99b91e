/**
 * Formats of a state entered that a program does not imply. Each is established by something else, which the reason
 * names; a program that implies one of them, or leaves another open, fails. test/assurance.test.ts reads the places.
 */
export interface Exception {
  readonly tensor: string;
  readonly programs: readonly string[];
  /** Who establishes the format instead. */
  readonly reason: string;
  /** Where that is done, and tested. */
  readonly places: readonly string[];
}

const LINKED = ['src/run/programs.ts', 'src/verify/compare.ts', 'test/recursion-run.test.ts'],
  ZERO =
    'zero where a step begins, by checkEntered, checkStart and a fold; within a step the micro-batch before proves the format of what it leaves',
  ACCUMULATORS = ['src/verify/folded.ts', 'src/verify/steps.ts', 'src/verify/folded.test.ts', 'test/recursion-run.test.ts'];

export const EXCEPTIONS: readonly Exception[] = [
  {
    tensor: 'C',
    programs: ['llama-micro'],
    reason: 'the update that ends the step enters the same commitment and proves the format',
    places: LINKED,
  },
  ...['master', 'mm', 'vv'].map((tensor) => ({
    tensor,
    programs: ['llama-micro'],
    reason: 'a micro-batch carries the commitment of the optimiser and computes nothing from it',
    places: LINKED,
  })),
  { tensor: 'acc', programs: ['llama-micro'], reason: ZERO, places: ACCUMULATORS },
  {
    tensor: 'C',
    programs: ['llama-eval'],
    reason: 'evaluation is not proved: its program gives the float reading its steps and no proof is made of it',
    places: ['src/model/generate.ts'],
  },
];

/** Tensors whose format is established outside of the program. */
export const exceptionsOf = (program: string): string[] => EXCEPTIONS.filter((e) => e.programs.includes(program)).map((e) => e.tensor);
