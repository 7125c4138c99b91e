import { Command, CommanderError } from 'commander';
import { UnsupportedError } from '../aggregate/setup.js';
import { InputError } from '../io/errors.js';
import { OutOfMemoryError } from '../kernels/runtime.js';
import { QuantizationError } from '../model/base.js';
import { HyperparameterError } from '../optim/constants.js';
import { ProgramError } from '../tensor/bounds.js';
import { OverflowError } from '../tensor/integer.js';
import { VerificationError } from '../transcript/arith.js';
import * as c from './commands.js';

/** Exit codes: 0 verified, 1 verification failed, 2 usage, 3 unreadable, 5 version, 6 memory or disk, 7 training stopped, 130 interrupted. */
export function exitCode(e: unknown): number {
  if (e instanceof VerificationError) return 1;
  if (e instanceof CommanderError || e instanceof UnsupportedError || e instanceof HyperparameterError || e instanceof ProgramError)
    return 2;
  if (e instanceof InputError || e instanceof QuantizationError) return 3;
  if (e instanceof c.VersionError) return 5;
  if (e instanceof OutOfMemoryError || ['ENOSPC', 'EDQUOT'].includes(String((e as { code?: string })?.code))) return 6;
  if (e instanceof OverflowError) return 7;
  return 3;
}

const program = new Command('certune').description('Fine-tune with LoRA and AdamW, prove every step, verify').exitOverride();
const list = (v: string, all: string[] = []): string[] => [...all, v];
program
  .command('init <run>')
  .requiredOption('--model <dir>', 'Hugging Face folder')
  .requiredOption('--data <file>', 'JSONL, repeatable', list)
  .option('--json')
  .description('write RUN/run.yaml')
  .action(c.init);
program
  .command('commit <run>')
  .option('--json')
  .description('commit base, data and settings: RUN/out/manifest.json')
  .action((r, o) => {
    c.commit(r, o);
  });
program
  .command('train <run>')
  .option('--workers <n>')
  .option('--memory <size>')
  .option('--json')
  .description('train in exact integers')
  .action(c.train);
program
  .command('prove <run>')
  .option('--workers <n>')
  .option('--memory <size>')
  .option('--json')
  .description('prove every step; resumes')
  .action(c.prove);
program
  .command('verify <run>')
  .option('--base <dir>')
  .option('--adapter <dir>')
  .option('--data <file>', 'repeatable', list)
  .option('--json')
  .description('verify a run')
  .action(c.verify);
program.command('inspect <run>').option('--json').description('what is proved, what is declared, soundness term by term').action(c.inspect);
program
  .command('run <run>')
  .option('--workers <n>')
  .option('--memory <size>')
  .option('--json')
  .description('commit, train, prove, verify')
  .action(async (r, o) => {
    c.commit(r, o);
    await c.train(r, o);
    await c.prove(r, o);
    c.verify(r, o);
  });

process.on('SIGINT', () => {
  process.stderr.write('\ninterrupted; finished steps are kept, run the same command again\n');
  process.exit(130);
});
try {
  await program.parseAsync(process.argv);
} catch (e) {
  if (e instanceof CommanderError) process.exitCode = e.exitCode === 0 ? 0 : 2;
  else {
    const err = e as Error;
    process.stderr.write(`certune: ${err.name === 'VerificationError' ? 'NOT VERIFIED: ' : ''}${err.message}\n`);
    if (process.argv.includes('--json'))
      process.stdout.write(
        `${JSON.stringify({ error: err.name, message: err.message, ...(e instanceof VerificationError ? { check: e.check } : {}) })}\n`,
      );
    if (process.env['CERTUNE_DEBUG']) process.stderr.write(`${err.stack}\n`);
    process.exitCode = exitCode(e);
  }
}
