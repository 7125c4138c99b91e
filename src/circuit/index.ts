export { CircuitChannel } from './channel.js';
export { type Circuit, circuitCells, compileCircuit, fixedColumns } from './columns.js';
export { type Heights, heightsOf } from './heights.js';
export { circuitProgram } from './program.js';
export { KINDS, type Kind } from './rows.js';
export { statementWires, verifyInCircuit } from './verifier.js';
