/** npm run assurance: asks a solver what docs/soundness.md claims. See docs/assurance.md. */
import { readProgram } from './data.js';
import { exceptionsOf } from './exceptions.js';
import { factsOf, programOf } from './programs.js';
import { Solver } from './smt.js';
import { validate } from './validate.js';

const solver = await Solver.start();
for (const name of process.argv.slice(2)) {
  const t = performance.now(),
    raw = programOf(name),
    v = await validate(readProgram(raw, factsOf), solver, exceptionsOf(raw.name));
  console.log(name, v.summary, ((performance.now() - t) / 1000).toFixed(1), 's');
  for (const f of v.failures.slice(0, 30))
    console.log('  ', f.check, f.at, f.why, f.asked?.answer, process.env['SHOW'] ? f.asked?.text : '');
}
console.log(solver.summary());
await solver.end();
