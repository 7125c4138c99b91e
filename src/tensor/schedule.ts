import { RecordingChannel, type Schedule } from '../transcript/schedule.js';
import type { Plan } from './plan.js';
import type { Statement } from './statement.js';
import { verifyProgram } from './verify.js';

const schedules = new WeakMap<Plan, Schedule>();

/** The schedule of a plan: a dry run of the verifier. */
export function scheduleOf(plan: Plan, st: Statement): Schedule {
  let s = schedules.get(plan);
  if (!s) {
    const rec = new RecordingChannel();
    verifyProgram(rec, plan, st);
    s = rec.schedule;
    schedules.set(plan, s);
  }
  return s;
}
