/** npm run assurance: asks a solver what docs/soundness.md claims. See docs/assurance.md. */
import { LEMMAS } from './lemmas.js';
import { Solver } from './smt.js';

const solver = await Solver.start();
let failures = 0;
for (const l of LEMMAS) {
  const { answer } = await solver.ask('lemma', l.text),
    twin = l.twin === undefined ? 'sat' : (await solver.ask('twin', l.twin)).answer,
    holds = answer === 'unsat' && twin === 'sat';
  if (!holds) failures++;
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${l.name}: ${answer}, twin ${twin}`);
}
console.log(solver.summary());
await solver.end();
process.exitCode = failures ? 1 : 0;
