import { VersionError, UnsupportedError, DiskFullError, InputError } from '../errors.js';
import { DISK, DrainedError, FarmSetupError, LeaseError, MissingPackageError, PoisonError, WorkerSetupError } from '../engine/errors.js';
import type { RuleVerdict } from '../provenance/policy.js';
import { NotWritableError } from '../io/atomic.js';
import { DeviceError } from '../device/errors.js';
import { OutOfMemoryError } from '../kernels/runtime.js';
import { InUseError } from '../store/lock.js';
import { QuantizationError } from '../model/base.js';
import { HyperparameterError } from '../optim/constants.js';
import { ProgramError } from '../tensor/bounds.js';
import { OverflowError } from '../tensor/integer.js';
import { NotGivenError } from '../verify/folded.js';
import { VerificationError } from '../transcript/arith.js';
import { NeedsOptionError } from '../provenance/errors.js';

/** A command line that cannot be followed. Exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** A run that is verified but that the caller's policy does not admit: all reasons at once. Exit code 4. */
export class PolicyError extends Error {
  constructor(
    readonly reasons: readonly string[],
    /** The verdict of every rule of a policy file. */ readonly rules?: readonly RuleVerdict[],
  ) {
    super(reasons.join('; '));
    this.name = 'PolicyError';
  }
}

/** Training stopped because a value has no meaning any more. Exit code 7. */
export class TrainingStoppedError extends Error {
  constructor(
    readonly step: number,
    message: string,
  ) {
    super(message);
    this.name = 'TrainingStoppedError';
  }
}

/** More memory than there is would be needed. Exit code 6. */
export class MemoryError extends Error {
  constructor(
    readonly needed: number,
    readonly available: number,
    message: string,
  ) {
    super(message);
    this.name = 'MemoryError';
  }
}

export interface Described {
  /**
   * 0 verified or done, 1 verification failed, 2 usage, 3 unreadable, 4 policy denied, 5 version, 6 memory, disk or
   * device, 7 training stopped, 130 interrupted.
   */
  readonly exit: number;
  readonly code: string;
  readonly message: string;
  readonly details: Record<string, unknown>;
}

/** What the reader of command lines throws, by its own code: who reads none does not load it. */
const ofCommandLine = (e: unknown): boolean => e instanceof Error && /^commander\./.test(String((e as { code?: unknown }).code));

/** Exit code, code word and message of any error. */
export function describe(e: unknown): Described {
  const message = e instanceof Error ? e.message : String(e),
    as = (exit: number, code: string, details: Record<string, unknown> = {}): Described => ({ exit, code, message, details });
  // Nothing failed: an option is missing.
  if (e instanceof NotGivenError) return as(2, 'usage', { check: e.check });
  if (e instanceof VerificationError) return as(1, 'verification-failed', { check: e.check });
  if (ofCommandLine(e) || e instanceof UsageError) return as(2, 'usage');
  if (e instanceof UnsupportedError) return as(2, 'unsupported', { reasons: e.reasons });
  if (e instanceof HyperparameterError || e instanceof ProgramError) return as(2, 'unsupported');
  if (e instanceof NeedsOptionError) return as(2, 'usage', { file: e.file, remedy: e.remedy });
  if (e instanceof InputError) return as(3, 'unreadable', { file: e.file, problems: e.problems, remedy: e.remedy });
  if (e instanceof InUseError) return as(3, 'in-use', { file: e.file, holder: e.holder });
  if (e instanceof DrainedError) return as(130, 'interrupted');
  if (e instanceof LeaseError) return as(3, 'in-use', { file: e.store, holder: e.holder });
  if (e instanceof WorkerSetupError)
    return e.code === DISK
      ? as(6, 'disk-full', { worker: e.worker, lines: e.lines })
      : as(3, 'worker-setup', { worker: e.worker, lines: e.lines });
  if (e instanceof PoisonError) return as(3, 'jobs-failed', { jobs: e.jobs });
  if (e instanceof MissingPackageError) return as(2, 'missing-package', { packages: e.packages });
  if (e instanceof FarmSetupError) return as(2, 'farm-setup', { service: e.service, problems: e.problems, remedy: e.remedy });
  if (e instanceof QuantizationError) return as(3, 'unreadable', { tensor: e.tensor });
  if (e instanceof PolicyError)
    return as(4, 'policy-denied', { verified: true, reasons: e.reasons, ...(e.rules ? { rules: e.rules } : {}) });
  if (e instanceof VersionError) return as(5, 'unsupported-version', { file: e.file, version: e.version, supported: e.supported });
  if (e instanceof DeviceError) return as(6, 'device', { device: e.device });
  if (e instanceof OutOfMemoryError) return as(6, 'out-of-memory', { needed: e.needed, available: e.cap });
  if (e instanceof MemoryError) return as(6, 'out-of-memory', { needed: e.needed, available: e.available });
  if (e instanceof DiskFullError) return as(6, 'disk-full', { file: e.file, needed: e.needed, free: e.free });
  if (e instanceof NotWritableError) return as(6, 'not-writable', { file: e.file });
  const { code, path } = (e ?? {}) as { code?: unknown; path?: unknown };
  if (code === 'ENOSPC' || code === 'EDQUOT') return as(6, 'disk-full');
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return as(6, 'not-writable', { file: path });
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code) && path !== undefined) return as(3, 'unreadable', { file: path });
  // What JavaScript throws where a vector does not fit.
  if (e instanceof RangeError && /allocation failed|Invalid (typed )?array length|Invalid string length/.test(message))
    return as(6, 'out-of-memory');
  if (e instanceof OverflowError)
    return as(7, 'training-stopped', {
      tensor: e.where,
      layer: e.layer ?? e.cell['l'],
      step: (e as { step?: number }).step,
      value: String(e.value),
    });
  if (e instanceof TrainingStoppedError) return as(7, 'training-stopped', { step: e.step });
  return as(3, 'internal');
}
